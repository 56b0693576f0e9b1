/* Nets: shapes, whose gradient is added to whose, who shares whose memory, and
 * what is asked of a backend. */
#include "backward.h"
#include "net.h"

#include <math.h>
#include <string.h>

#include "counted.h"

/* A net with what it stands on. */
typedef struct
{
  DefcnBackend *be;
  DefcnParams *params;
  DefcnNet *net;
  DefcnTensor *x; /* its input */
} Bed;

static void
bed_init (Bed *bed, gboolean train, int n, int h, int w)
{
  g_autoptr (GError) error = NULL;

  bed->be = defcn_backend_new ("reference", 1, &error);
  g_assert_no_error (error);
  bed->params = defcn_params_new (bed->be, train);
  bed->net = defcn_net_new (bed->params, bed->be, n, h, w);
  bed->x = defcn_net_input (bed->net);
}

static void
bed_clear (Bed *bed)
{
  defcn_net_free (bed->net);
  defcn_params_free (bed->params);
  defcn_backend_free (bed->be);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bed, bed_clear)

static void
plan (Bed *bed, gboolean train)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_net_plan (bed->net, train, &error));
  g_assert_no_error (error);
  defcn_params_upload (bed->params);
}

/* A convolution whose weights are all @value. */
static DefcnTensor *
conv (Bed *bed, DefcnTensor *x, const char *name, int out, int size,
    float value, DefcnTensor *residual)
{
  return defcn_net_conv (bed->net, x, name, out, size, 1,
      &(DefcnConvOptions){ .residual = residual, .init_value = value });
}

static void
fill (DefcnTensor *t, float *mem, float value)
{
  for (gsize i = 0; i < defcn_tensor_len (t); i++)
    mem[i] = value;
}

static const DefcnNode *
last_node (const Bed *bed)
{
  return defcn_net_node (bed->net, defcn_net_count (bed->net) - 1);
}

/* The sizes that builders say they give, odd ones rounded up. */
static void
test_shapes (void)
{
  static const struct
  {
    int size, stride, in_h, in_w, h, w;
  } cases[] = {
    { 1, 1, 7, 4, 7, 4 },
    { 3, 1, 7, 4, 7, 4 },
    { 7, 2, 7, 4, 4, 2 },
    { 3, 2, 8, 5, 4, 3 },
    { 1, 2, 9, 1, 5, 1 },
    { 5, 1, 1, 2, 1, 2 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Bed) bed = { NULL };

    bed_init (&bed, FALSE, 2, cases[i].in_h, cases[i].in_w);
    const DefcnTensor *y = defcn_net_conv (bed.net, bed.x, "a", 5,
        cases[i].size, cases[i].stride, &(DefcnConvOptions){ .bias = TRUE });
    g_assert_cmpint (y->n, ==, 2);
    g_assert_cmpint (y->h, ==, cases[i].h);
    g_assert_cmpint (y->w, ==, cases[i].w);
    g_assert_cmpint (y->c, ==, 5);
    if (cases[i].stride == 2) {
      y = defcn_net_max_pool (bed.net, bed.x);
      g_assert_cmpint (y->h, ==, cases[i].h);
      g_assert_cmpint (y->w, ==, cases[i].w);
      g_assert_cmpint (y->c, ==, 3);
    }
    plan (&bed, FALSE); /* the reference checks every size again */
    defcn_net_forward (bed.net);
  }
}

static const char *refused; /* the convolution that takes_inner() refuses */

static gboolean
takes_inner (DefcnBackend *be, const DefcnNode *node)
{
  g_assert_cmpint (node->kind, ==, DEFCN_OP_CONV);
  return g_strcmp0 (node->name, refused) != 0;
}

/* A backend has for itself what only convolutions that it takes write and read,
 * residuals too, and nothing in training.  What is added onto a residual of the
 * other kind does not take its place. */
static void
test_inner (void)
{
  static const struct
  {
    const char *refused;
    gboolean train;
    const char *inner;
  } cases[] = {
    { NULL, FALSE, "abd" },
    { NULL, TRUE, "" },
    { "b", FALSE, "d" },
    { "d", FALSE, "ab" },
    { "e", FALSE, "ab" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Bed) bed = { NULL };
    g_autoptr (GString) inner = g_string_new (NULL);

    bed_init (&bed, cases[i].train, 1, 8, 8);
    bed.be->takes_inner = takes_inner;
    refused = cases[i].refused;
    DefcnTensor *const a = conv (&bed, bed.x, "a", 4, 3, 1, NULL);
    DefcnTensor *const b = conv (&bed, a, "b", 4, 1, 1, NULL);
    DefcnTensor *const c = conv (&bed, b, "c", 4, 1, 1, a); /* pooled */
    DefcnTensor *const d =
        conv (&bed, defcn_net_max_pool (bed.net, c), "d", 4, 1, 1, NULL);
    DefcnTensor *const e = conv (&bed, d, "e", 4, 1, 1, NULL); /* kept */
    DefcnTensor *const f = conv (&bed, e, "f", 4, 1, 1, NULL); /* output */
    DefcnTensor *const all[] = { a, b, c, d, e, f };

    defcn_net_keep (bed.net, e);
    plan (&bed, cases[i].train);
    for (guint k = 0; k < G_N_ELEMENTS (all); k++)
      if (all[k]->inner)
        g_string_append_c (inner, 'a' + k);
    g_assert_cmpstr (inner->str, ==, cases[i].inner);
    g_assert_false (bed.x->inner);
    g_assert_cmpint (c->data == a->data, ==, !cases[i].train && !a->inner);
  }
}

/* What the steps get of their names, parameters and options. */
static void
test_steps (void)
{
  g_auto (Bed) bed = { NULL };
  const DefcnNode *node;

  bed_init (&bed, TRUE, 1, 4, 6);
  DefcnTensor *a = defcn_net_conv (bed.net, bed.x, "a", 4, 3, 1,
      &(DefcnConvOptions){ .norm = TRUE, .bias = TRUE, .relu = TRUE });
  node = last_node (&bed);
  g_assert_true (node->relu && node->b && node->groups == 1 && node->pad == 1);
  g_assert_cmpuint (defcn_node_macs (node), ==, 4 * 6 * 4 * 9 * 3);
  defcn_net_conv (bed.net, a, "grouped", 8, 3, 2,
      &(DefcnConvOptions){ .groups = 2 });
  node = last_node (&bed);
  g_assert_true (!node->relu && !node->b && node->groups == 2);
  g_assert_cmpint (node->w->c, ==, 2);
  g_assert_cmpuint (defcn_node_macs (node), ==, 2 * 3 * 8 * 9 * 2);

  DefcnTensor *offsets = conv (&bed, a, "offsets", 27, 3, 2, NULL);
  DefcnTensor *half = conv (&bed, a, "half", 8, 1, 2, NULL);
  DefcnTensor *deformed =
      defcn_net_deform_conv (bed.net, a, offsets, "deformed", 8, 3, 2,
          &(DefcnConvOptions){ .groups = 2,
              .norm = TRUE,
              .relu = TRUE,
              .residual = half });
  node = last_node (&bed);
  g_assert_cmpint (node->kind, ==, DEFCN_OP_DEFORM_CONV);
  g_assert_true (node->x[0] == a && node->x[1] == offsets && node->x[2] == half
      && !node->x[3]);
  g_assert_true (node->relu && node->b && node->groups == 2 && node->size == 3
      && node->stride == 2 && node->pad == 1);
  g_assert_true (deformed->h == 2 && deformed->w == 3 && deformed->c == 8);
  g_assert_cmpuint (defcn_node_macs (node), ==, 2 * 3 * 8 * 9 * 2);

  defcn_net_group_norm (bed.net, a, "norm", 2, TRUE);
  node = last_node (&bed);
  g_assert_cmpstr (node->name, ==, "norm");
  g_assert_true (node->relu && node->groups == 2);
  g_assert_cmpuint (defcn_node_macs (node), ==, 0);
  defcn_net_box (bed.net, a, "box", 16, FALSE);
  node = last_node (&bed);
  g_assert_true (!node->exponential && node->factor == 16);
  defcn_net_box (bed.net, a, "box", 1, TRUE);
  g_assert_true (last_node (&bed)->exponential);
  g_assert_true (last_node (&bed)->w == node->w); /* of the same name */
  defcn_net_anchors (bed.net, a, "anchors", &(DefcnAnchor){ 1, 2, 3, 4 }, 1);
  node = last_node (&bed);
  g_assert_cmpstr (node->name, ==, "anchors");
  g_assert_true (!node->w && node->n_anchors == 1);
  g_assert_true (node->anchors[0].y == 2 && node->anchors[0].w == 3);

  static const struct
  {
    const char *name;
    DefcnParamKind kind;
    float value;
  } params[] = { { "norm.weight", DEFCN_PARAM_NORM, 1 },
    { "norm.bias", DEFCN_PARAM_NORM, 0 },
    { "box.scale", DEFCN_PARAM_SCALE, 1 } };
  for (gsize i = 0; i < G_N_ELEMENTS (params); i++) {
    const DefcnParam *p = defcn_params_lookup (bed.params, params[i].name);

    g_assert_cmpint (p->kind, ==, params[i].kind);
    g_assert_cmpfloat (p->value[0], ==, params[i].value);
    g_assert_true (p->trainable);
  }
}

/* Which levels make the tube of each, for every tau: those within half of it
 * that there are. */
static void
test_tubes (void)
{
  enum
  {
    N = 5
  };

  for (int tau = 0; tau <= 8; tau += 2) {
    for (int level = 0; level < N; level++) {
      const int first = MAX (0, level - tau / 2);
      const int last = MIN (N - 1, level + tau / 2);
      DefcnTensor *levels[N], *residual;
      g_auto (Bed) bed = { NULL };

      bed_init (&bed, FALSE, 1, 4, 6);
      for (int i = 0; i < N; i++)
        levels[i] = defcn_net_conv (bed.net, i ? levels[i - 1] : bed.x, "a", 3,
            3, i ? 2 : 1, &(DefcnConvOptions){ 0 });
      residual = defcn_net_relu (bed.net, levels[level]);
      defcn_net_tube_max (bed.net, residual, levels, N, level, tau, 5, TRUE);
      const DefcnNode *node = last_node (&bed);
      g_assert_true (node->relu && node->phi == 5 && node->x[0] == residual);
      g_assert_cmpint (node->n_levels, ==, last - first + 1);
      g_assert_true (node->x[1 + node->self] == levels[level]);
      for (int i = 0; i < node->n_levels; i++)
        g_assert_true (node->x[1 + i] == levels[first + i]);
      g_assert_null (node->x[1 + node->n_levels]);
      plan (&bed, FALSE);
    }
  }
}

/* What several steps read gets the sum of their gradients, whichever they are,
 * and a second round nothing of the first. */
static void
test_accumulate (void)
{
  g_auto (Bed) bed = { NULL };
  const float x[] = { 1, 2, 3 };

  bed_init (&bed, TRUE, 1, 1, 1);
  DefcnTensor *a = conv (&bed, bed.x, "a", 1, 1, 1, NULL); /* 6 */
  DefcnTensor *outputs[] = {
    conv (&bed, a, "b", 1, 1, 2, NULL),                   /* da: 2 */
    conv (&bed, a, "c", 1, 1, 4, a),                      /* 4 + 1 */
    defcn_net_relu (bed.net, a),                          /* 1 */
    conv (&bed, conv (&bed, a, "d", 1, 1, 8, NULL), "a2", /* 8 * 10 */
        1, 1, 10, NULL),
    conv (&bed, bed.x, "e", 1, 1, 1, a), /* 1 */
  };
  plan (&bed, TRUE);
  memcpy (bed.x->data, x, sizeof x);
  for (int round = 1; round <= 2; round++) {
    static const float wanted[] = { 12, 30, 6, 480, 12 };

    defcn_net_forward (bed.net);
    for (gsize i = 0; i < G_N_ELEMENTS (outputs); i++) {
      g_assert_cmpfloat (outputs[i]->data[0], ==, wanted[i]);
      fill (outputs[i], outputs[i]->grad, round);
    }
    defcn_net_backward (bed.net);
    g_assert_cmpfloat (a->grad[0], ==, round * (2 + 5 + 1 + 80 + 1));
  }
  defcn_params_download_gradients (bed.params);
  const DefcnParam *p = defcn_params_lookup (bed.params, "a.weight");
  for (int i = 0; i < 3; i++) /* of both rounds */
    g_assert_cmpfloat (p->grad[i], ==, 3 * 89 * x[i]);
}

typedef struct
{
  const Bed *bed;
  GString *names;
  gboolean early; /* a gradient was not there yet */
} Told;

static void
tell (DefcnTensor *param, gpointer data)
{
  Told *told = data;

  for (guint i = 0; i < defcn_net_count (told->bed->net); i++) {
    const DefcnNode *node = defcn_net_node (told->bed->net, i);

    if (node->w != param && node->b != param)
      continue;
    g_string_append_printf (told->names, "%s.%c ", node->name,
        node->w == param ? 'w' : 'b');
    break;
  }
  told->early = told->early || param->grad[0] == 0;
}

/* Every trained parameter is told of once, the last step's first, those that
 * several steps share when the first of these is done, frozen ones never; the
 * gradients are complete then, and those of a plain pass. */
static void
test_telling (void)
{
  g_auto (Bed) bed = { NULL };
  g_autoptr (GString) names = g_string_new (NULL);
  Told told = { &bed, names, FALSE };
  float complete[2][2];

  bed_init (&bed, TRUE, 1, 1, 1);
  DefcnTensor *frozen = defcn_net_conv (bed.net, bed.x, "frozen", 1, 1, 1,
      &(DefcnConvOptions){ .frozen = TRUE, .init_value = 1 });
  DefcnTensor *a = defcn_net_conv (bed.net, frozen, "a", 1, 1, 1,
      &(DefcnConvOptions){ .bias = TRUE, .init_value = 2, .bias_value = 1 });
  DefcnTensor *shared = conv (&bed, a, "shared", 1, 1, 3, NULL);
  DefcnTensor *c = conv (&bed, shared, "c", 1, 1, 4, NULL);
  DefcnTensor *y = conv (&bed, c, "shared", 1, 1, 3, NULL);
  plan (&bed, TRUE);
  fill (bed.x, bed.x->data, 1);
  for (int round = 0; round < 2; round++) {
    defcn_net_forward (bed.net);
    fill (y, y->grad, 1);
    if (round == 0)
      defcn_net_backward (bed.net);
    else
      defcn_backward_run (bed.net, bed.be, tell, &told);
    defcn_params_zero_gradients (bed.params);
    defcn_params_download_gradients (bed.params);
    complete[round][0] =
        defcn_params_lookup (bed.params, "shared.weight")->grad[0];
    complete[round][1] = defcn_params_lookup (bed.params, "a.weight")->grad[0];
  }
  g_assert_cmpstr (names->str, ==, "c.w shared.w a.w a.b ");
  g_assert_false (told.early);
  g_assert_cmpmem (complete[0], sizeof complete[0], complete[1],
      sizeof complete[1]);
  g_assert_cmpfloat (complete[0][1], >, 1);
}

/* The same for steps with several inputs, all of them: an FPN step and tubes,
 * whose levels are in each other's, and a parameter that serves two steps. */
static void
test_accumulate_levels (void)
{
  g_auto (Bed) bed = { NULL };

  bed_init (&bed, TRUE, 1, 2, 2);
  DefcnTensor *fine = conv (&bed, bed.x, "a", 1, 1, 1, NULL);
  DefcnTensor *coarse = defcn_net_conv (bed.net, bed.x, "b", 1, 1, 2,
      &(DefcnConvOptions){ .init_value = 100 });
  DefcnTensor *levels[] = { fine, coarse };
  DefcnTensor *outputs[] = {
    defcn_net_upsample_add (bed.net, fine, coarse),
    defcn_net_tube_max (bed.net, fine, levels, 2, 0, 2, 1, FALSE),
    defcn_net_tube_max (bed.net, coarse, levels, 2, 1, 2, 1, FALSE),
    conv (&bed, fine, "shared", 1, 1, 3, NULL),
    conv (&bed, coarse, "shared", 1, 1, 3, NULL),
  };
  plan (&bed, TRUE);
  fill (bed.x, bed.x->data, 1);
  defcn_net_forward (bed.net);
  for (gsize i = 0; i < G_N_ELEMENTS (outputs); i++)
    fill (outputs[i], outputs[i]->grad, 1);
  defcn_net_backward (bed.net);
  for (int i = 0; i < 4; i++) /* FPN, residual, shared */
    g_assert_cmpfloat (fine->grad[i], ==, 1 + 1 + 3);
  /* FPN, four winners above, residual and winner, shared */
  g_assert_cmpfloat (coarse->grad[0], ==, 4 + 4 + 2 + 3);
  defcn_params_download_gradients (bed.params);
  g_assert_cmpfloat (defcn_params_lookup (bed.params, "shared.weight")->grad[0],
      ==, 4 * 3 + 300);
}

static int n_backward;

static void
count_backward (DefcnBackend *be, const DefcnNode *node)
{
  g_assert_nonnull (node->y->grad);
  n_backward++;
}

/* A tensor has a gradient where something trained is before it, be it a bias
 * alone; steps without one do not go backward. */
static void
test_wanted (void)
{
  const DefcnConvOptions frozen = { .frozen = TRUE, .bias = TRUE };
  g_auto (Bed) bed = { NULL };

  bed_init (&bed, TRUE, 1, 2, 2);
  DefcnTensor *a = defcn_net_conv (bed.net, bed.x, "frozen", 2, 1, 1, &frozen);
  DefcnTensor *relu = defcn_net_relu (bed.net, a);
  DefcnTensor *b = conv (&bed, relu, "trained", 2, 1, 1, NULL);
  DefcnTensor *c = defcn_net_conv (bed.net, b, "frozen2", 2, 1, 1, &frozen);
  DefcnTensor *d =
      defcn_net_upsample_add (bed.net, c, defcn_net_max_pool (bed.net, a));
  DefcnTensor *e =
      defcn_net_upsample_add (bed.net, a, defcn_net_max_pool (bed.net, c));
  DefcnTensor *f = defcn_net_group_norm (bed.net, a, "norm", 1, FALSE);
  plan (&bed, TRUE);
  g_assert_true (!bed.x->grad && !a->grad && !relu->grad);
  g_assert_true (b->grad && c->grad && d->grad && e->grad && f->grad);
  fill (bed.x, bed.x->data, 1);
  defcn_net_forward (bed.net);
  for (int i = 0; i < DEFCN_N_OPS; i++)
    bed.be->ops[i].backward = count_backward;
  defcn_net_backward (bed.net);
  g_assert_cmpint (n_backward, ==, 6); /* b .. f and the pool over c */
}

/* Steps of every kind on two images, where residuals, inputs that are read
 * again late and maps of several sizes come together. */
static void
build_knot (Bed *bed, DefcnTensor **kept, DefcnTensor **outputs)
{
  DefcnConvOptions o = { .bias = TRUE,
    .relu = TRUE,
    .init_value = 0.3f,
    .init = DEFCN_INIT_UNIFORM };
  DefcnTensor *a = defcn_net_conv (bed->net, bed->x, "a", 4, 3, 1, &o);
  DefcnTensor *b = defcn_net_conv (bed->net, a, "b", 4, 3, 1, &o);

  o.residual = a;
  DefcnTensor *c = defcn_net_conv (bed->net, b, "c", 4, 3, 1, &o);
  DefcnTensor *d =
      defcn_net_conv (bed->net, a, "d", 4, 3, 1, &o); /* a's last */
  o.residual = c;
  DefcnTensor *e = defcn_net_conv (bed->net, c, "e", 4, 3, 1, &o); /* both */
  o.residual = NULL;
  DefcnTensor *f = defcn_net_max_pool (bed->net, e);
  DefcnTensor *g = defcn_net_conv (bed->net, f, "g", 4, 1, 1, &o);

  *kept = g;
  outputs[0] = defcn_net_upsample_add (bed->net, d, g);
  outputs[1] = defcn_net_conv (bed->net, f, "h", 4, 3, 2, &o);
  outputs[2] = defcn_net_relu (bed->net, g);
}

/* Memory that steps share changes nothing of what is left when all have run:
 * outputs and what was asked to be kept; the input is still there too. */
static void
test_memory (void)
{
  float *wanted[4];

  for (int train = 1; train >= 0; train--) {
    g_autoptr (GRand) rand = g_rand_new_with_seed (3);
    g_auto (Bed) bed = { NULL };
    DefcnTensor *all[4];

    bed_init (&bed, train, 2, 6, 8);
    build_knot (&bed, &all[0], all + 1);
    defcn_net_keep (bed.net, all[0]);
    plan (&bed, train);
    defcn_params_initialize (bed.params, 4);
    defcn_params_upload (bed.params);
    g_autofree float *x = g_new (float, defcn_tensor_len (bed.x));
    for (gsize i = 0; i < defcn_tensor_len (bed.x); i++)
      x[i] = bed.x->data[i] = g_rand_double (rand);
    defcn_net_forward (bed.net);
    g_assert_cmpmem (bed.x->data, defcn_tensor_len (bed.x) * sizeof *x, x,
        defcn_tensor_len (bed.x) * sizeof *x);
    for (int i = 0; i < 4; i++) {
      const gsize bytes = defcn_tensor_len (all[i]) * sizeof (float);

      if (train) {
        wanted[i] = g_memdup2 (all[i]->data, bytes);
        continue;
      }
      g_assert_cmpmem (all[i]->data, bytes, wanted[i], bytes);
      g_free (wanted[i]);
    }
  }
}

/* The sum takes the residual's place where nobody reads it later, and only
 * there. */
static void
test_residual (void)
{
  for (int later = 0; later < 2; later++) {
    for (int train = 0; train < 2; train++) {
      g_auto (Bed) bed = { NULL };

      bed_init (&bed, train, 1, 1, 1);
      DefcnTensor *a = conv (&bed, bed.x, "a", 1, 1, 1, NULL);
      DefcnTensor *b = conv (&bed, a, "b", 1, 1, 2, NULL);
      DefcnTensor *c = conv (&bed, b, "c", 1, 1, 3, a);
      DefcnTensor *d = later ? conv (&bed, a, "d", 1, 1, 5, NULL) : NULL;
      DefcnTensor *e = conv (&bed, c, "e", 1, 1, 1, NULL);
      plan (&bed, train);
      fill (bed.x, bed.x->data, 1);
      defcn_net_forward (bed.net);
      g_assert_cmpint (c->data == a->data, ==, !later && !train);
      g_assert_cmpfloat (e->data[0], ==, 3 * 6 + 3);
      if (d)
        g_assert_cmpfloat (d->data[0], ==, 15);
    }
  }
}

/* Training takes all tensors once and their gradients once; inference of a
 * chain takes the input, a step's in and out, the last output and what is
 * kept. */
static void
test_bytes (void)
{
  enum
  {
    BYTES = 8 * 8 * 4 * 4,
    INPUT = 8 * 8 * 3 * 4
  };
  static const struct
  {
    gboolean train, keep;
    gsize bytes;
  } cases[] = { { TRUE, FALSE, INPUT + 6 * BYTES + 6 * BYTES },
    { FALSE, FALSE, INPUT + 3 * BYTES }, { FALSE, TRUE, INPUT + 4 * BYTES } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Bed) bed = { NULL };

    bed_init (&bed, cases[i].train, 1, 8, 8);
    DefcnTensor *t = bed.x;
    for (int k = 0; k < 6; k++) {
      const char name[] = { 'a' + k, 0 };

      t = conv (&bed, t, name, 4, 3, 1, NULL);
      if (k == 1 && cases[i].keep)
        defcn_net_keep (bed.net, t);
    }
    plan (&bed, cases[i].train);
    g_assert_cmpuint (defcn_net_bytes (bed.net), ==, cases[i].bytes);
  }
}

/* Two convolutions of the same weights go together where nothing but their
 * inputs differs and neither waits for the other. */
static void
test_together (void)
{
  static const struct
  {
    DefcnConvOptions first, second;
    int c, stride;  /* of the second */
    gboolean chain; /* the second reads what the first gives */
    const char *name;
    int together;
  } cases[] = {
    { { 0 }, { 0 }, 4, 1, FALSE, "a", 2 },
    { { .relu = TRUE }, { .relu = TRUE }, 4, 1, FALSE, "a", 2 },
    { { 0 }, { 0 }, 4, 1, FALSE, "b", 0 },
    { { 0 }, { 0 }, 4, 2, FALSE, "a", 0 },
    { { 0 }, { .relu = TRUE }, 4, 1, FALSE, "a", 0 },
    { { 0 }, { .groups = 2 }, 8, 1, FALSE, "a", 0 },
    { { 0 }, { 0 }, 4, 1, TRUE, "a", 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Bed) bed = { NULL };

    bed_init (&bed, FALSE, 1, 4, 4);
    DefcnTensor *x = conv (&bed, bed.x, "x", 4, 1, 1, NULL);
    DefcnTensor *z = conv (&bed, bed.x, "z", cases[i].c, 1, 1, NULL);
    DefcnTensor *y = defcn_net_conv (bed.net, x, "a", 4, 3, 1, &cases[i].first);
    defcn_net_conv (bed.net, cases[i].chain ? y : z, cases[i].name, 4, 3,
        cases[i].stride, &cases[i].second);
    plan (&bed, FALSE);
    for (guint k = 2; k < 4; k++) {
      const DefcnNode *node = defcn_net_node (bed.net, k);

      g_assert_cmpint (node->n_together, ==, cases[i].together);
      g_assert_cmpint (node->together, ==, cases[i].together ? k - 2 : 0);
    }
  }
}

/* A residual keeps a convolution out, first or second. */
static void
test_together_residual (void)
{
  for (int which = 0; which < 3; which++) {
    g_auto (Bed) bed = { NULL };

    bed_init (&bed, FALSE, 1, 4, 4);
    DefcnTensor *x = conv (&bed, bed.x, "x", 4, 1, 1, NULL);
    DefcnTensor *z = conv (&bed, bed.x, "z", 4, 1, 1, NULL);
    conv (&bed, x, "a", 4, 3, 1, which == 0 ? z : NULL);
    conv (&bed, z, "a", 4, 3, 1, which == 1 ? x : NULL);
    plan (&bed, FALSE);
    g_assert_cmpint (defcn_net_node (bed.net, 2)->n_together, ==,
        which == 2 ? 2 : 0);
  }
}

/* Norms, tubes and box branches of several maps go together too: norms of the
 * same weights, groups and ReLU, tubes of one window, boxes of one rule; a tube
 * does not wait for another's output. */
static void
test_together_kinds (void)
{
  enum
  {
    N = 3
  };
  static const struct
  {
    DefcnOpKind kind;
    gboolean differ; /* the last one is another */
    gboolean chain;  /* the second reads the first's output */
    int together;    /* the first ones */
  } cases[] = {
    { DEFCN_OP_GROUP_NORM, FALSE, FALSE, N },
    { DEFCN_OP_GROUP_NORM, TRUE, FALSE, N - 1 },
    { DEFCN_OP_TUBE_MAX, FALSE, FALSE, N },
    { DEFCN_OP_TUBE_MAX, TRUE, FALSE, N - 1 },
    { DEFCN_OP_TUBE_MAX, FALSE, TRUE, 0 },
    { DEFCN_OP_BOX, FALSE, FALSE, N },
    { DEFCN_OP_BOX, TRUE, FALSE, N - 1 },
    { DEFCN_OP_ANCHORS, FALSE, FALSE, 0 },
    { DEFCN_OP_RELU, FALSE, FALSE, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Bed) bed = { NULL };
    DefcnTensor *x[N], *y[N];

    bed_init (&bed, FALSE, 1, 4, 4);
    for (int k = 0; k < N; k++) {
      const char name[] = { 'a' + k, 0 };

      x[k] = conv (&bed, bed.x, name, 4, 1, 1, NULL);
    }
    for (int k = 0; k < N; k++) {
      const gboolean other = cases[i].differ && k == N - 1;
      const char name[] = { 's' + k, 0 };

      if (cases[i].kind == DEFCN_OP_GROUP_NORM)
        y[k] = defcn_net_group_norm (bed.net, x[k], "n", 2, other);
      else if (cases[i].kind == DEFCN_OP_TUBE_MAX)
        y[k] =
            defcn_net_tube_max (bed.net, cases[i].chain && k == 1 ? y[0] : x[k],
                x, N, k, 2, other ? 1 : 3, FALSE);
      else if (cases[i].kind == DEFCN_OP_BOX)
        y[k] = defcn_net_box (bed.net, x[k], name, 8 << k, other);
      else if (cases[i].kind == DEFCN_OP_ANCHORS)
        y[k] = defcn_net_anchors (bed.net, x[k], name,
            &(DefcnAnchor){ 0, 0, 8, 8 }, 1);
      else
        y[k] = defcn_net_relu (bed.net, x[k]);
    }
    plan (&bed, FALSE);
    for (int k = 0; k < N - cases[i].differ; k++) {
      const DefcnNode *node = defcn_net_node (bed.net, N + k);

      g_assert_cmpint (node->kind, ==, cases[i].kind);
      if (cases[i].chain && k > 0)
        continue; /* the second and third do */
      g_assert_cmpint (node->n_together, ==, cases[i].together);
      g_assert_cmpint (node->together, ==, cases[i].together ? k : 0);
    }
    for (int k = 0; k < N; k++)
      for (int j = 0; j < N; j++)
        g_assert_true (cases[i].together != N
            || y[k]->data + defcn_tensor_len (y[k]) <= x[j]->data
            || x[j]->data + defcn_tensor_len (x[j]) <= y[k]->data);
  }
}

/* What is read together is there until the last has run: no output of a group
 * lies where one of its inputs does. */
static void
test_together_apart (void)
{
  enum
  {
    N = 4
  };
  g_auto (Bed) bed = { NULL };
  DefcnTensor *x[N], *y[N];

  bed_init (&bed, FALSE, 1, 4, 4);
  for (int i = 0; i < N; i++) {
    const char name[] = { 'a' + i, 0 };

    x[i] = conv (&bed, bed.x, name, 4, 1, 1, NULL);
  }
  for (int i = 0; i < N; i++)
    y[i] = conv (&bed, x[i], "shared", 4, 3, 1, NULL);
  for (int i = 0; i < N; i++)
    defcn_net_relu (bed.net, y[i]);
  plan (&bed, FALSE);
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++)
      g_assert_true (y[i]->data + defcn_tensor_len (y[i]) <= x[k]->data
          || x[k]->data + defcn_tensor_len (x[k]) <= y[i]->data);
}

/* Convolutions that end a net, both sides of a box step and where a deformable
 * convolution reads are marked for backends that round, and nothing else. */
static void
test_precise (void)
{
  g_auto (Bed) bed = { NULL };

  bed_init (&bed, FALSE, 1, 4, 4);
  DefcnTensor *a = conv (&bed, bed.x, "a", 4, 1, 1, NULL);
  DefcnTensor *b = conv (&bed, a, "b", 4, 1, 1, NULL);
  DefcnTensor *c = defcn_net_box (bed.net, b, "c", 8, FALSE);
  DefcnTensor *d = conv (&bed, a, "d", 4, 1, 1, NULL);
  DefcnTensor *e = defcn_net_relu (bed.net, a);
  DefcnTensor *offsets = conv (&bed, a, "o", 2, 1, 1, NULL);
  DefcnTensor *deformed = defcn_net_deform_conv (bed.net, a, offsets, "f", 4, 1,
      1, &(DefcnConvOptions){ 0 });
  plan (&bed, FALSE);
  g_assert_true (b->precise && c->precise && d->precise && offsets->precise);
  g_assert_true (
      !a->precise && !e->precise && !bed.x->precise && !deformed->precise);
}

static int n_prepared, n_released, prepare_left;

/* A step that has something to give back, and cannot always be had. */
static gboolean
fake_prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  if (prepare_left-- == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "none left");
    return FALSE;
  }
  g_assert_nonnull (node->y->data);
  node->state = &n_prepared;
  n_prepared++;
  return TRUE;
}

static void
fake_release (DefcnBackend *be, DefcnNode *node)
{
  node->state = NULL;
  n_released++;
}

/* Every step that was prepared is released once, those before one that fails
 * too. */
static void
test_release (void)
{
  for (int left = 0; left <= 3; left++) {
    g_autoptr (GError) error = NULL;
    Bed bed;

    n_prepared = n_released = 0;
    prepare_left = left;
    bed_init (&bed, FALSE, 1, 4, 4);
    bed.be->ops[DEFCN_OP_RELU].prepare = fake_prepare;
    bed.be->ops[DEFCN_OP_RELU].release = fake_release;
    for (int i = 0; i < 3; i++)
      bed.x = defcn_net_relu (bed.net, bed.x);
    g_assert_cmpint (defcn_net_plan (bed.net, FALSE, &error), ==, left == 3);
    g_assert_true (!error == (left == 3));
    g_assert_cmpint (n_prepared, ==, left);
    g_assert_cmpint (n_released, ==, 0);
    bed_clear (&bed);
    g_assert_cmpint (n_released, ==, left);
  }
}

/* Where memory ends, for values or for gradients, the error says how much was
 * wanted of both, and everything is given back. */
static void
test_no_memory (void)
{
  for (int left = 0; left <= 2; left++) {
    g_autoptr (GError) error = NULL;
    Bed bed;

    bed_init (&bed, TRUE, 1, 256, 256);
    counted_install (bed.be);
    conv (&bed, conv (&bed, bed.x, "a", 4, 3, 1, NULL), "b", 8, 3, 1, NULL);
    const int before = counted.live;
    counted.left = left;
    g_assert_cmpint (defcn_net_plan (bed.net, TRUE, &error), ==, left == 2);
    if (left < 2) { /* 3 + 4 + 8 channels and gradients of 12 */
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
      g_assert_cmpstr (error->message, ==,
          "reference: no memory for a network that needs 6 MiB");
    }
    g_assert_cmpint (counted.live, ==, before + left);
    bed_clear (&bed);
    g_assert_cmpint (counted.live, ==, 0);
  }
}

static int n_replays;
static gpointer forgotten[3];
static int n_forgotten;

static void
fake_replay (DefcnBackend *be, gpointer *recording,
    void (*queue) (gpointer data), gpointer data)
{
  static int recordings[3];

  if (!*recording)
    *recording = &recordings[n_replays++];
  queue (data);
}

static void
fake_forget (DefcnBackend *be, gpointer recording)
{
  forgotten[n_forgotten++] = recording;
}

static void
add_one (gpointer data)
{
  ++*(float *) data;
}

/* A backend that records gets one recording per direction, and one of the steps
 * with what is around them, which it keeps from the first time on, and all back
 * at the end. */
static void
test_replay (void)
{
  Bed bed;

  bed_init (&bed, TRUE, 1, 1, 1);
  bed.be->replay = fake_replay;
  bed.be->forget = fake_forget;
  DefcnTensor *a = conv (&bed, bed.x, "a", 1, 1, 2, NULL);
  plan (&bed, TRUE);
  fill (bed.x, bed.x->data, 1);
  fill (a, a->grad, 1);
  for (int i = 0; i < 3; i++) {
    defcn_net_forward (bed.net);
    defcn_net_backward (bed.net);
  }
  g_assert_cmpfloat (a->data[0], ==, 6);
  /* @before comes before the steps: the input is 2, and 3 behind them */
  for (int i = 0; i < 3; i++) {
    bed.x->data[0] = 1;
    defcn_net_forward_between (bed.net, add_one, add_one, bed.x->data);
    g_assert_cmpfloat (a->data[0], ==, 8);
    g_assert_cmpfloat (bed.x->data[0], ==, 3);
  }
  defcn_params_download_gradients (bed.params);
  g_assert_cmpfloat (defcn_params_lookup (bed.params, "a.weight")->grad[0], ==,
      3);
  g_assert_cmpint (n_replays, ==, 3);
  bed_clear (&bed);
  g_assert_cmpint (n_forgotten, ==, 3);
  g_assert_true (forgotten[0] && forgotten[1] && forgotten[2]);
  g_assert_true (forgotten[0] != forgotten[1] && forgotten[1] != forgotten[2]
      && forgotten[0] != forgotten[2]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/inner", test_inner);
  g_test_add_func ("/net/shapes", test_shapes);
  g_test_add_func ("/net/steps", test_steps);
  g_test_add_func ("/net/telling", test_telling);
  g_test_add_func ("/net/tubes", test_tubes);
  g_test_add_func ("/net/accumulate", test_accumulate);
  g_test_add_func ("/net/accumulate/levels", test_accumulate_levels);
  g_test_add_func ("/net/wanted", test_wanted);
  g_test_add_func ("/net/memory", test_memory);
  g_test_add_func ("/net/residual", test_residual);
  g_test_add_func ("/net/bytes", test_bytes);
  g_test_add_func ("/net/together", test_together);
  g_test_add_func ("/net/together/residual", test_together_residual);
  g_test_add_func ("/net/together/apart", test_together_apart);
  g_test_add_func ("/net/together/kinds", test_together_kinds);
  g_test_add_func ("/net/precise", test_precise);
  g_test_add_func ("/net/release", test_release);
  g_test_add_func ("/net/no-memory", test_no_memory);
  g_test_add_func ("/net/replay", test_replay);
  return g_test_run ();
}
