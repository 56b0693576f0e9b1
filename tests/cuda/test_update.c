/* The update on the device against that of the host: every kind of parameter,
 * both optimisers, several iterations. */
#include "train/optimizer.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "../testing.h"

#define N_STEPS 6
#define N_EFFECTIVE 9

/* Frozen and trained parameters, folded or not, shorter and longer than what a
 * block of the device takes. */
typedef struct
{
  DefcnBackend *be;
  DefcnParams *params;
  DefcnOptimizer *optimizer;
  DefcnTensor *effective[N_EFFECTIVE];
} Rig;

/* Batch norms that are not the identity. */
static void
fill_norms (DefcnParams *params)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (guint i = 0; i < defcn_params_count (params); i++) {
    DefcnParam *p = defcn_params_get (params, i);

    for (gsize k = 0; p->kind == DEFCN_PARAM_BUFFER && k < defcn_param_len (p);
         k++)
      p->value[k] = g_rand_double_range (rand, 0.5, 2);
  }
}

static void
rig_open (Rig *rig, DefcnBackend *be, const DefcnOptimizerOptions *options)
{
  DefcnTensor **t = rig->effective;

  *rig = (Rig){ .be = be, .params = defcn_params_new (be, TRUE) };
  defcn_params_conv (rig->params, &t[0], &t[1], "backbone.bottom_up.stem.conv1",
      TRUE, FALSE, FALSE, DEFCN_INIT_NORMAL, 1, 0, 4, 3, 3);
  defcn_params_conv (rig->params, &t[2], &t[3],
      "backbone.bottom_up.res3.0.conv1", TRUE, FALSE, TRUE, DEFCN_INIT_NORMAL,
      1, 0, 7, 3, 195);
  defcn_params_conv (rig->params, &t[4], &t[5], "backbone.both", TRUE, TRUE,
      TRUE, DEFCN_INIT_NORMAL, 1, 0.5f, 5, 1, 9);
  defcn_params_conv (rig->params, &t[6], &t[7], "head.cls_score", FALSE, TRUE,
      TRUE, DEFCN_INIT_NORMAL, 1, 0.5f, 16, 4, 16);
  t[8] = defcn_params_vector (rig->params, "head.cls_subnet.1.weight",
      DEFCN_PARAM_NORM, 1, 257);
  defcn_params_vector (rig->params, "head.scales.0.scale", DEFCN_PARAM_SCALE, 1,
      1);
  defcn_params_initialize (rig->params, 1);
  fill_norms (rig->params);
  defcn_params_upload (rig->params);
  rig->optimizer = defcn_optimizer_new (rig->params, options);
}

static void
rig_close (Rig *rig)
{
  defcn_optimizer_free (rig->optimizer);
  defcn_params_free (rig->params);
}

/* One update from the gradients of iteration @i, with @bad at one place if that
 * is not 0.  Returns the norm. */
static double
update (Rig *rig, int i, float bad)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (100 + i);

  defcn_params_zero_gradients (rig->params);
  for (int k = 0; k < N_EFFECTIVE; k++) {
    DefcnTensor *t = rig->effective[k];
    g_autofree float *grad = g_new (float, defcn_tensor_len (t));

    if (!t->grad)
      continue;
    for (gsize j = 0; j < defcn_tensor_len (t); j++)
      grad[j] = g_rand_double_range (rand, -1, 1);
    if (bad != 0)
      grad[defcn_tensor_len (t) - 1] = bad;
    rig->be->upload (rig->be, t, t->grad, grad);
  }
  if (!defcn_params_on_device (rig->params))
    defcn_params_download_gradients (rig->params);
  const double norm = defcn_optimizer_step (rig->optimizer, i);
  defcn_params_upload (rig->params);
  return norm;
}

static void
append (GArray *values, const Rig *rig, const DefcnTensor *t)
{
  const guint at = values->len;

  g_array_set_size (values, at + defcn_tensor_len (t));
  rig->be->download (rig->be, t, (float *) (gpointer) values->data + at,
      t->data);
}

/* Masters, what the steps read, and the averages, one after the other. */
static GArray *
snapshot (Rig *rig)
{
  GArray *values = g_array_new (FALSE, FALSE, sizeof (float));

  for (int k = 0; k < N_EFFECTIVE; k++)
    append (values, rig, rig->effective[k]);
  for (int swap = 0; swap < 2; swap++) {
    defcn_params_download (rig->params);
    for (guint i = 0; i < defcn_params_count (rig->params); i++) {
      const DefcnParam *p = defcn_params_get (rig->params, i);

      g_array_append_vals (values, p->value, defcn_param_len (p));
    }
    defcn_optimizer_swap_ema (rig->optimizer);
  }
  return values;
}

/* Returns the largest distance, relative to the value or, below 1, absolute. */
static double
distance (const GArray *a, const GArray *b)
{
  double worst = 0;

  g_assert_cmpuint (a->len, ==, b->len);
  for (guint i = 0; i < a->len; i++) {
    const double x = g_array_index (a, float, i);
    const double y = g_array_index (b, float, i);

    g_assert_true (isfinite (x) && isfinite (y));
    worst = MAX (worst, fabs (x - y) / MAX (1, fabs (y)));
  }
  return worst;
}

static void
assert_same (const GArray *a, const GArray *b)
{
  g_assert_cmpmem (a->data, a->len * sizeof (float), b->data,
      b->len * sizeof (float));
}

static const struct Case
{
  const char *name;
  DefcnOptimizerKind kind;
  double clip, ema, decay;
} cases[] = {
  { "sgd", DEFCN_OPTIMIZER_SGD, 0, 0, 0.01 },
  { "sgd/clip", DEFCN_OPTIMIZER_SGD, 2, 0, 0.01 },
  { "sgd/ema", DEFCN_OPTIMIZER_SGD, 0, 0.9, 0 },
  { "sgd/all", DEFCN_OPTIMIZER_SGD, 2, 0.9, 0.01 },
  { "sgd/loose", DEFCN_OPTIMIZER_SGD, 1e6, 0, 0.01 },
  { "adamw", DEFCN_OPTIMIZER_ADAMW, 0, 0, 0.1 },
  { "adamw/clip", DEFCN_OPTIMIZER_ADAMW, 2, 0, 0.1 },
  { "adamw/all", DEFCN_OPTIMIZER_ADAMW, 2, 0.25, 0.1 },
};

static DefcnOptimizerOptions
options_of (const struct Case *c)
{
  return (DefcnOptimizerOptions){ .kind = c->kind,
    .lr = c->kind == DEFCN_OPTIMIZER_SGD ? 0.1 : 0.01,
    .momentum = 0.9,
    .weight_decay = c->decay,
    .backbone_lr = 0.3,
    .clip_norm = c->clip,
    .schedule = DEFCN_SCHEDULE_COSINE,
    .iterations = 10,
    .warmup = 3,
    .warmup_factor = 0.1,
    .final_lr = 0.1,
    .ema = c->ema };
}

/* Its updater on the device, or NULL after a skip. */
static DefcnBackend *
open_backend (void)
{
  g_autoptr (GError) error = NULL;
  DefcnBackend *be = defcn_backend_new (testing_backend (), 1, &error);

  if (!be) {
    testing_no_backend (error);
    return NULL;
  }
  if (be->updater)
    return be;
  g_test_skip ("this backend leaves the update to the host");
  defcn_backend_free (be);
  return NULL;
}

/* Masters, averages and effective tensors are the host's after every update,
 * and so is the norm. */
static void
test_agreement (gconstpointer data)
{
  const DefcnOptimizerOptions options = options_of (data);
  g_autoptr (DefcnBackend) host = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (DefcnBackend) be = open_backend ();
  Rig a, b;
  double worst = 0;

  if (!be)
    return;
  rig_open (&a, be, &options);
  rig_open (&b, host, &options);
  g_assert_true (defcn_params_on_device (a.params));
  g_autoptr (GArray) start = snapshot (&a);
  for (int i = 0; i < N_STEPS; i++) {
    const double found = update (&a, i, 0), wanted = update (&b, i, 0);

    g_assert_cmpfloat_with_epsilon (found / wanted, 1, 1e-12);
    g_autoptr (GArray) x = snapshot (&a);
    g_autoptr (GArray) y = snapshot (&b);
    worst = MAX (worst, distance (x, y));
    g_assert_cmpfloat (distance (start, x), >, 1e-5);
  }
  g_test_message ("off by %.2g", worst);
  g_assert_cmpfloat (worst, <=, 1e-6);
  rig_close (&a);
  rig_close (&b);
}

/* A gradient that is not finite changes nothing, neither now nor later. */
static void
test_not_finite (gconstpointer data)
{
  static const float bad[] = { NAN, INFINITY, -INFINITY };
  const DefcnOptimizerOptions options = options_of (data);
  g_autoptr (DefcnBackend) be = open_backend ();
  Rig a, b;

  for (gsize k = 0; be && k < G_N_ELEMENTS (bad); k++) {
    rig_open (&a, be, &options);
    rig_open (&b, be, &options);
    update (&a, 0, 0);
    update (&b, 0, 0);
    g_autoptr (GArray) before = snapshot (&a);
    g_assert_false (isfinite (update (&a, 1, bad[k])));
    g_autoptr (GArray) after = snapshot (&a);
    assert_same (before, after);
    update (&a, 1, 0);
    update (&b, 1, 0);
    g_autoptr (GArray) x = snapshot (&a);
    g_autoptr (GArray) y = snapshot (&b);
    assert_same (x, y);
    rig_close (&a);
    rig_close (&b);
  }
}

/* What the host reads of the gradients is scale times those of the steps,
 * however often it asks, and the update still finds them. */
static void
test_gradients (void)
{
  const DefcnOptimizerOptions options = options_of (&cases[0]);
  g_autoptr (DefcnBackend) host = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (DefcnBackend) be = open_backend ();
  Rig a, b;

  if (!be)
    return;
  rig_open (&a, be, &options);
  rig_open (&b, host, &options);
  update (&a, 0, 0);
  update (&b, 0, 0);
  for (int twice = 0; twice < 2; twice++) {
    defcn_params_download_gradients (a.params);
    for (guint i = 0; i < defcn_params_count (a.params); i++) {
      const DefcnParam *p = defcn_params_get (a.params, i);
      const DefcnParam *q = defcn_params_get (b.params, i);

      g_assert_cmpint (p->grad != NULL, ==, q->grad != NULL);
      if (p->grad)
        g_assert_cmpmem (p->grad, defcn_param_len (p) * sizeof (float), q->grad,
            defcn_param_len (q) * sizeof (float));
    }
  }
  g_assert_cmpfloat (defcn_optimizer_step (a.optimizer, 1), >, 1);
  rig_close (&a);
  rig_close (&b);
}

/* Values and state through a file into @to. */
static void
carry (Rig *to, Rig *from)
{
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  g_close (g_file_open_tmp ("defcn-update-XXXXXX", &path, NULL), NULL);
  defcn_params_download (from->params);
  defcn_optimizer_save (from->optimizer, writer);
  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  g_autoptr (DefcnWeights) file = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  g_unlink (path);
  g_assert_true (defcn_optimizer_load (to->optimizer, file, &error));
  g_assert_no_error (error);
  defcn_params_download (to->params);
  for (guint i = 0; i < defcn_params_count (to->params); i++) {
    DefcnParam *p = defcn_params_get (to->params, i);

    memcpy (p->value, defcn_params_lookup (from->params, p->name)->value,
        defcn_param_len (p) * sizeof (float));
  }
  defcn_params_upload (to->params);
}

/* Saving mid-way and going on from the file gives the bits of a run in one
 * piece. */
static void
test_resume (gconstpointer data)
{
  const DefcnOptimizerOptions options = options_of (data);
  g_autoptr (DefcnBackend) be = open_backend ();
  Rig whole, first, second;

  if (!be)
    return;
  rig_open (&whole, be, &options);
  rig_open (&first, be, &options);
  rig_open (&second, be, &options);
  update (&second, 50, 0); /* something else, until it is loaded */
  for (int i = 0; i < N_STEPS; i++)
    update (&whole, i, 0);
  for (int i = 0; i < N_STEPS / 2; i++)
    update (&first, i, 0);
  carry (&second, &first);
  for (int i = N_STEPS / 2; i < N_STEPS; i++)
    update (&second, i, 0);
  g_autoptr (GArray) x = snapshot (&whole);
  g_autoptr (GArray) y = snapshot (&second);
  assert_same (x, y);
  rig_close (&whole);
  rig_close (&first);
  rig_close (&second);
}

static gpointer
create_nothing (DefcnBackend *be, const DefcnMaster *masters, guint n,
    GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "no memory");
  return NULL;
}

/* Where the device has no memory for the state, the host updates and the device
 * has what comes of it. */
static void
test_no_memory (void)
{
  const DefcnOptimizerOptions options = options_of (&cases[3]);
  g_autoptr (DefcnBackend) be = open_backend ();
  DefcnUpdater poor;
  Rig a, b;

  if (!be)
    return;
  rig_open (&b, be, &options);
  poor = *be->updater;
  poor.create = create_nothing;
  be->updater = &poor;
  rig_open (&a, be, &options);
  for (int i = 0; i < N_STEPS; i++) {
    update (&a, i, 0);
    update (&b, i, 0);
  }
  g_autoptr (GArray) x = snapshot (&a);
  g_autoptr (GArray) y = snapshot (&b);
  g_assert_cmpfloat (distance (x, y), <=, 1e-6);
  rig_close (&a);
  rig_close (&b);
}

static void
add (const char *test, const struct Case *c, GTestDataFunc function)
{
  g_autofree char *path = g_strdup_printf ("/update/%s/%s", test, c->name);

  g_test_add_data_func (path, c, function);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    add ("agreement", &cases[i], test_agreement);
    add ("not-finite", &cases[i], test_not_finite);
    add ("resume", &cases[i], test_resume);
  }
  g_test_add_func ("/update/gradients", test_gradients);
  g_test_add_func ("/update/no-memory", test_no_memory);
  return g_test_run ();
}
