/* Models: memory that plans share, which are kept, gradients, files. */
#include "model.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "counted.h"
#include "testing.h"
#include "tiny_spec.h"

/* Runs @model on a picture of noise and returns all head outputs. */
static GArray *
run (DefcnModel *model, int n, int h, int w)
{
  DefcnBackend *be = defcn_model_backend (model);
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  const DefcnPlan *plan = defcn_model_plan (model, n, h, w, &error);
  GArray *all = g_array_new (FALSE, FALSE, sizeof (float));

  g_assert_no_error (error);
  g_autofree float *x = g_new (float, defcn_tensor_len (plan->input));
  for (gsize i = 0; i < defcn_tensor_len (plan->input); i++)
    x[i] = g_rand_double_range (rand, -100, 100);
  be->upload (be, plan->input, plan->input->data, x);
  defcn_net_forward (plan->net);
  g_assert_true (be->sync (be, &error));
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    DefcnTensor *const heads[] = { plan->logits[l], plan->deltas[l],
      plan->filter[l] };

    for (int k = 0; k < 3 && heads[k]; k++) {
      const gsize len = defcn_tensor_len (heads[k]);
      g_autofree float *y = g_new (float, len);

      be->download (be, heads[k], y, heads[k]->data);
      g_array_append_vals (all, y, len);
    }
  }
  return all;
}

typedef struct
{
  const char *name;
  DefcnBackbone backbone;
  int depth;
  gboolean filter;
} Architecture;

static const Architecture architectures[] = {
  { "r18", DEFCN_BACKBONE_RESNET, 18, TRUE },
  { "r34", DEFCN_BACKBONE_RESNET, 34, FALSE },
  { "r50", DEFCN_BACKBONE_RESNET, 50, TRUE },
  { "r101", DEFCN_BACKBONE_RESNET, 101, FALSE },
  { "mobilenetv2", DEFCN_BACKBONE_MOBILENETV2, 0, TRUE },
};

/* A file that says its network is enormous and has none of it is refused before
 * memory is asked for. */
static void
test_nothing_behind (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (DefcnWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *json = NULL, *path = NULL;
  const int fd = g_file_open_tmp ("defcn-XXXXXX", &path, NULL);

  g_close (fd, NULL);
  spec->depth = 152;
  spec->groups = spec->group_width = 1024;
  spec->stem_channels = spec->res2_channels = 4096;
  json = defcn_spec_to_json (spec);
  defcn_weights_writer_metadata (writer, "defcn.spec", json);
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  weights = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  counted_install (be);
  counted.left = 0; /* whatever is asked for is refused */
  g_assert_null (defcn_model_open (weights, be, FALSE, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, "no tensor"));
  g_unlink (path);
}

/* Reusing the memory of dead activations changes no bit of any output, and it
 * saves most of it. */
static void
test_reuse (gconstpointer data)
{
  const Architecture *a = data;
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (a->backbone, a->depth, a->filter);
  g_autoptr (DefcnModel) all = defcn_model_new (spec, be, TRUE, 3, NULL);
  g_autoptr (DefcnModel) reused = defcn_model_new (spec, be, FALSE, 3, NULL);
  g_autoptr (GArray) expected = run (all, 2, 96, 128);
  g_autoptr (GArray) found = run (reused, 2, 96, 128);

  g_assert_cmpmem (found->data, found->len * sizeof (float), expected->data,
      expected->len * sizeof (float));
  const gsize kept =
      defcn_net_bytes (defcn_model_plan (all, 2, 96, 128, NULL)->net);
  const gsize used =
      defcn_net_bytes (defcn_model_plan (reused, 2, 96, 128, NULL)->net);
  g_assert_cmpuint (used * 4, <, kept);
  for (guint i = 0; i < found->len; i++)
    g_assert_true (isfinite (g_array_index (found, float, i)));
}

/* A plan is found again by all three of its sizes, and sizes off the grid are
 * refused. */
static void
test_plans (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
  static const int sizes[][3] = { { 1, 32, 32 }, { 1, 32, 64 }, { 1, 64, 32 },
    { 2, 32, 32 } };
  const DefcnPlan *plans[G_N_ELEMENTS (sizes)];

  for (int round = 0; round < 2; round++) {
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
      const int *size = sizes[i];
      const DefcnPlan *plan =
          defcn_model_plan (model, size[0], size[1], size[2], NULL);

      g_assert_true (round == 0 || plans[i] == plan);
      plans[i] = plan;
      g_assert_cmpint (plan->input->n, ==, size[0]);
      g_assert_cmpint (plan->input->h, ==, size[1]);
      g_assert_cmpint (plan->input->w, ==, size[2]);
    }
  }
  static const int bad[][3] = { { 0, 32, 32 }, { -1, 32, 32 }, { 1, 33, 32 },
    { 1, 32, 33 }, { 1, 32, 0 }, { 1, 0, 32 }, { 1, -32, 32 }, { 1, 32, -32 } };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (
        defcn_model_plan (model, bad[i][0], bad[i][1], bad[i][2], &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, "multiples of 32"));
  }
}

/* Whether the plan for @w was still there. */
static gboolean
has_plan (DefcnModel *model, int n, int w)
{
  const int left = counted.left;

  g_assert_nonnull (defcn_model_plan (model, n, 32, w, NULL));
  return counted.left == left;
}

/* The 8 plans last used are kept, and no more. */
static void
test_plans_number (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);

  counted_install (be);
  DefcnModel *model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const int params = counted.live;
  for (int i = 1; i <= 12; i++) { /* a block each */
    g_assert_false (has_plan (model, 1, 32 * i));
    g_assert_cmpint (counted.live - params, ==, MIN (i, 8));
  }
  for (int i = 5; i <= 12; i++) /* oldest first, so that 12 is the newest */
    g_assert_true (has_plan (model, 1, 32 * i));
  g_assert_true (has_plan (model, 1, 32 * 5));
  g_assert_false (has_plan (model, 1, 32 * 13)); /* 6 goes */
  g_assert_true (has_plan (model, 1, 32 * 5));
  g_assert_true (has_plan (model, 1, 32 * 7));
  g_assert_false (has_plan (model, 1, 32 * 6));
  defcn_model_free (model);
  g_assert_cmpint (counted.live, ==, 0);
}

/* A backend that names its memory keeps as many as fit into that, up to 64. */
static void
test_plans_device (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);

  counted_install (be);
  be->plan_bytes = (gsize) 1 << 30;
  DefcnModel *model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const int params = counted.live;
  for (int i = 1; i <= 66; i++) {
    g_assert_false (has_plan (model, i, 32));
    g_assert_cmpint (counted.live - params, ==, MIN (i, 64));
  }
  g_assert_false (has_plan (model, 1, 64));
  be->plan_bytes =
      3 * defcn_net_bytes (defcn_model_plan (model, 1, 32, 64, NULL)->net);
  for (int i = 2; i <= 6; i++)
    g_assert_false (has_plan (model, 1, 64 * i));
  g_assert_cmpint (counted.live - params, <, 3);
  defcn_model_free (model);
  g_assert_cmpint (counted.live, ==, 0);
}

/* Where memory for a plan lacks, those that are kept for other sizes go. */
static void
test_plans_give_way (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);
  g_autoptr (GError) error = NULL;

  counted_install (be);
  DefcnModel *model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const int params = counted.live;
  g_assert_false (has_plan (model, 1, 32));
  g_assert_false (has_plan (model, 1, 64));
  counted.most = params + 2;
  g_assert_nonnull (defcn_model_plan (model, 1, 32, 96, &error));
  g_assert_no_error (error);
  g_assert_cmpint (counted.live, ==, params + 1);
  g_assert_true (has_plan (model, 1, 96));
  counted.most = params;
  g_assert_null (defcn_model_plan (model, 1, 32, 128, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  defcn_model_free (model);
  g_assert_cmpint (counted.live, ==, 0);
}

/* Memory that is there once it is written to, which nobody does here. */
static void *
lazy_alloc (DefcnBackend *be, gsize bytes)
{
  gsize *mem = mmap (NULL, bytes + 4096, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  g_assert_true (mem != MAP_FAILED);
  *mem = bytes + 4096;
  return (char *) mem + 4096;
}

static void
lazy_free (DefcnBackend *be, void *mem)
{
  gsize *start = (gsize *) (void *) ((char *) mem - 4096);

  munmap (start, *start);
}

/* Large plans are kept up to 4 GiB together, the last one in any case. */
static void
test_plans_bytes (void)
{
  const gsize gib = (gsize) 1 << 30;
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);

  be->alloc = lazy_alloc;
  be->free = lazy_free;
  counted_install (be);
  DefcnModel *model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const int params = counted.live;
  const gsize one =
      defcn_net_bytes (defcn_model_plan (model, 1, 32, 64, NULL)->net);
  const int large = 1.5 * gib / one, huge = 4.5 * gib / one;

  g_assert_cmpint (counted.live - params, ==, 1);
  g_assert_false (has_plan (model, large, 64));
  g_assert_false (has_plan (model, large + 1, 64));
  g_assert_cmpint (counted.live - params, ==, 3);
  g_assert_false (has_plan (model, large + 2, 64)); /* 4.5 GiB */
  g_assert_cmpint (counted.live - params, ==, 2);
  g_assert_true (has_plan (model, large + 1, 64));
  g_assert_false (has_plan (model, huge, 64));
  g_assert_cmpint (counted.live - params, ==, 1);
  g_assert_true (has_plan (model, huge, 64));
  defcn_model_free (model);
  g_assert_cmpint (counted.live, ==, 0);
}

/* Weights of a loss over all heads, the same for every run. */
static float
loss_weight (int head, int level, gsize i)
{
  const float scale[] = { 1, 0.1f, 1 };

  return scale[head] * (1 + (i * 7 + level + head) % 5);
}

/* The loss of the last forward pass; with @grads, its gradients into the
 * heads. */
static double
loss (DefcnModel *model, const DefcnPlan *plan, gboolean grads)
{
  DefcnBackend *be = defcn_model_backend (model);
  double sum = 0;

  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    DefcnTensor *const heads[] = { plan->logits[l], plan->deltas[l],
      plan->filter[l] };

    for (int h = 0; h < 3; h++) {
      const gsize len = defcn_tensor_len (heads[h]);
      g_autofree float *y = g_new (float, len);
      g_autofree float *dy = g_new (float, len);

      be->download (be, heads[h], y, heads[h]->data);
      for (gsize i = 0; i < len; i++) {
        dy[i] = loss_weight (h, l, i);
        sum += (double) dy[i] * y[i];
      }
      if (grads)
        be->upload (be, heads[h], heads[h]->grad, dy);
    }
  }
  return sum;
}

/* The gradient of every parameter of a whole network, however many steps read
 * a tensor or a weight, points where the loss rises and says how steeply: its
 * length is the slope in its own direction. */
static void
test_gradient (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  spec->input.std[0] = spec->input.std[1] = spec->input.std[2] = 1;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, TRUE, 5, NULL);
  DefcnParams *params = defcn_model_params (model);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);

  g_array_unref (run (model, 1, 64, 64));
  loss (model, plan, TRUE);
  defcn_net_backward (plan->net);
  defcn_params_zero_gradients (params);
  defcn_params_download_gradients (params);
  for (guint k = 0; k < defcn_params_count (params); k++) {
    DefcnParam *p = defcn_params_get (params, k);
    const gsize len = defcn_param_len (p);
    double sums[2], squares = 0, values = 0;

    if (!p->grad)
      continue;
    for (gsize i = 0; i < len; i++) {
      squares += p->grad[i] * p->grad[i];
      values += p->value[i] * p->value[i];
    }
    const double slope = sqrt (squares);
    const double step = 1e-4 * MAX (sqrt (values), 1);
    g_autofree float *old = g_memdup2 (p->value, len * sizeof *old);

    for (int side = 0; side < 2; side++) {
      for (gsize i = 0; i < len; i++)
        p->value[i] = old[i] + (side ? -step : step) * p->grad[i] / slope;
      defcn_params_upload (params);
      g_array_unref (run (model, 1, 64, 64));
      sums[side] = loss (model, plan, FALSE);
    }
    memcpy (p->value, old, len * sizeof *old);
    const double numeric = (sums[0] - sums[1]) / (2 * step);
    g_test_message ("%s: %g, numeric %g", p->name, slope, numeric);
    g_assert_cmpfloat (fabs (slope - numeric), <, 0.05 * slope + 4e-4 / step);
  }
}

/* The same seed gives the same model and another one another. */
static void
test_seed (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  g_autoptr (DefcnModel) a = defcn_model_new (spec, be, FALSE, 7, NULL);
  g_autoptr (DefcnModel) b = defcn_model_new (spec, be, TRUE, 7, NULL);
  g_autoptr (DefcnModel) c = defcn_model_new (spec, be, FALSE, 8, NULL);

  for (guint i = 0; i < defcn_params_count (defcn_model_params (a)); i++) {
    const DefcnParam *p = defcn_params_get (defcn_model_params (a), i);
    const DefcnParam *q = defcn_params_get (defcn_model_params (b), i);
    const DefcnParam *r = defcn_params_get (defcn_model_params (c), i);
    const gsize bytes = defcn_param_len (p) * sizeof (float);

    g_assert_cmpstr (p->name, ==, q->name);
    g_assert_cmpmem (p->value, bytes, q->value, bytes);
    if (p->kind == DEFCN_PARAM_WEIGHT)
      g_assert_true (memcmp (p->value, r->value, bytes));
  }
}

/* Saving and opening gives the same parameters and spec; a file for another
 * network is refused with names and shapes. */
static void
test_file (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 9, NULL);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autofree char *dir = g_dir_make_tmp ("defcn-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "m.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  defcn_model_save (model, writer, DEFCN_DTYPE_F32);
  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnModel) again = defcn_model_open (weights, be, FALSE, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < defcn_params_count (defcn_model_params (model)); i++) {
    const DefcnParam *p = defcn_params_get (defcn_model_params (model), i);
    const DefcnParam *q =
        defcn_params_lookup (defcn_model_params (again), p->name);

    g_assert_cmpmem (p->value, defcn_param_len (p) * sizeof (float), q->value,
        defcn_param_len (q) * sizeof (float));
  }
  g_autofree char *a = defcn_spec_to_json (defcn_model_spec (model));
  g_autofree char *b = defcn_spec_to_json (defcn_model_spec (again));
  g_assert_cmpstr (a, ==, b);

  g_autoptr (GArray) wanted = run (model, 1, 64, 64);
  g_autoptr (GArray) found = run (again, 1, 64, 64);
  g_assert_cmpmem (found->data, found->len * sizeof (float), wanted->data,
      wanted->len * sizeof (float));
  g_assert_cmpstr (defcn_weights_metadata (weights, "format"), ==, "pt");

  spec->fpn_channels = 32;
  g_autoptr (DefcnModel) other = defcn_model_new (spec, be, FALSE, 9, NULL);
  g_assert_false (defcn_model_load (other, weights, FALSE, NULL, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, "the model wants"));
  g_assert_nonnull (strstr (error->message, path));
  g_remove (path);
  g_remove (dir);
}

/* A writer that has @model's parameters but @without, in other shapes where
 * @wrong, and a number in each value that says where it is. */
static DefcnWeights *
numbered (DefcnModel *model, const char *without, const char *wrong)
{
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autofree char *dir = g_dir_make_tmp ("defcn-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "n.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  DefcnParams *params = defcn_model_params (model);

  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    const gboolean is_weight = p->kind == DEFCN_PARAM_WEIGHT;
    gint64 oihw[5] = { p->n, p->c, p->h, p->w, 1 };
    gint64 vector[2] = { p->c, 1 };
    const gboolean bad = wrong && g_str_equal (p->name, wrong);
    g_autofree float *values = g_new (float, 2 * defcn_param_len (p));

    for (gsize k = 0; k < 2 * defcn_param_len (p); k++)
      values[k] = k;
    if (bad && is_weight)
      oihw[3]++;
    if (!without || !g_str_equal (p->name, without))
      defcn_weights_writer_add (writer, p->name, DEFCN_DTYPE_F32,
          (is_weight ? 4 : 1) + (bad && !is_weight), is_weight ? oihw : vector,
          values);
  }
  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  DefcnWeights *weights = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  g_remove (path);
  g_remove (dir);
  return weights;
}

/* Weights are OIHW in the file and OHWI in memory, both ways; halves where that
 * was asked, but not of vectors. */
static void
test_order (void)
{
  static const char name[] = "backbone.bottom_up.res2.0.conv1.weight";
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 9, NULL);
  g_autoptr (DefcnWeights) weights = numbered (model, NULL, NULL);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autofree char *dir = g_dir_make_tmp ("defcn-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "h.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_model_load (model, weights, FALSE, NULL, &error));
  const DefcnParam *p = defcn_params_lookup (defcn_model_params (model), name);
  for (int o = 0; o < p->n; o++)
    for (int k = 0; k < 9; k++)
      for (int i = 0; i < p->c; i++)
        g_assert_cmpfloat (p->value[(o * 9 + k) * p->c + i], ==,
            (o * p->c + i) * 9 + k);

  defcn_model_save (model, writer, DEFCN_DTYPE_F16);
  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  g_autoptr (DefcnWeights) saved = defcn_weights_open (path, &error);
  for (guint i = 0; i < defcn_weights_count (saved); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (saved, i);

    g_assert_cmpint (t->dtype, ==,
        t->n_dims == 4 ? DEFCN_DTYPE_F16 : DEFCN_DTYPE_F32);
  }
  const DefcnWeightsTensor *t = defcn_weights_lookup (saved, name);
  g_autofree float *values = g_new (float, t->len);
  g_assert_true (defcn_weights_read (saved, t, values, &error));
  for (gsize k = 0; k < t->len; k++)
    g_assert_cmpfloat (values[k], ==, k);
  g_remove (path);
  g_remove (dir);
}

/* The auxiliary classifier is in the checkpoint's form of a model, and in no
 * other, nor in one for inference. */
static void
test_aux_classifier (void)
{
  static const char name[] = "head.aux_score.weight";
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  g_autofree char *dir = g_dir_make_tmp ("defcn-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "a.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  spec->aux_classifier = TRUE;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, TRUE, 9, NULL);
  g_autoptr (DefcnModel) use = defcn_model_new (spec, be, FALSE, 9, NULL);
  const DefcnParam *p = defcn_params_lookup (defcn_model_params (model), name);
  g_assert_nonnull (p);
  g_assert_null (defcn_params_lookup (defcn_model_params (use), name));
  g_assert_cmpuint (defcn_params_count (defcn_model_params (model)), ==,
      defcn_params_count (defcn_model_params (use)) + 2);
  for (int training = 0; training < 2; training++) {
    g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();

    if (training)
      defcn_model_save_training (model, writer);
    else
      defcn_model_save (model, writer, DEFCN_DTYPE_F32);
    g_assert_true (defcn_weights_writer_save (writer, path, &error));
    g_autoptr (DefcnWeights) file = defcn_weights_open (path, &error);
    g_assert_no_error (error);
    g_assert_true (!defcn_weights_lookup (file, name) == !training);
    g_assert_true (
        defcn_model_load (model, file, FALSE, NULL, &error) == training);
    g_clear_error (&error);
    g_autoptr (DefcnModel) again = defcn_model_open (file, be, FALSE, &error);
    g_assert_no_error (error);
  }
  g_remove (path);
  g_remove (dir);
}

/* A parameter that is not in the file is an error with its name, or, if that
 * was allowed, keeps its value and is counted; shapes must agree to the last
 * dim and in their number. */
static void
test_missing (void)
{
  static const char missing[] = "head.scales.1.scale";
  static const struct
  {
    const char *name, *shapes;
  } wrong[] = {
    { "backbone.bottom_up.res2.0.conv1.weight",
        "is 8x8x3x4, the model wants 8x8x3x3" },
    { "head.filter.bias", "is 1x1, the model wants 1" },
  };
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 9, NULL);
  DefcnParams *params = defcn_model_params (model);
  g_autoptr (DefcnWeights) weights = numbered (model, missing, NULL);
  g_autoptr (GError) error = NULL;
  guint n = 99;

  g_assert_false (defcn_model_load (model, weights, FALSE, NULL, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, missing));
  g_clear_error (&error);
  defcn_params_lookup (params, missing)->value[0] = 42;
  g_assert_true (defcn_model_load (model, weights, TRUE, &n, &error));
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpfloat (defcn_params_lookup (params, missing)->value[0], ==, 42);
  g_assert_cmpfloat (defcn_params_lookup (params, "head.filter.weight")
                         ->value[1],
      ==, 9);

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (DefcnWeights) other = numbered (model, NULL, wrong[i].name);

    g_assert_false (defcn_model_load (model, other, TRUE, NULL, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
    g_assert_nonnull (strstr (error->message, wrong[i].name));
    g_assert_nonnull (strstr (error->message, wrong[i].shapes));
    g_clear_error (&error);
  }
  g_assert_null (defcn_model_open (weights, be, FALSE, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, "defcn.spec"));
}

/* An update that sets every value of the device to 42. */
static double
set_all (DefcnBackend *be, gpointer params, const DefcnUpdateRule *rule)
{
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    DefcnMaster master;

    if (!p->grad)
      continue;
    defcn_params_master (params, p, &master);
    for (gsize k = 0; k < defcn_param_len (p); k++)
      master.value[k] = 42;
  }
  return 0;
}

/* Where a device has newer values than the host, those are saved, and those
 * stay that a file does not have. */
static void
test_newer (void)
{
  static const DefcnUpdater updater = { .step = set_all };
  static const char missing[] = "head.scales.1.scale";
  const DefcnUpdateRule rule = { 0 };
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autofree char *dir = g_dir_make_tmp ("defcn-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "n.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  float value;

  be->updater = &updater;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, TRUE, 9, NULL);
  DefcnParams *params = defcn_model_params (model);
  defcn_params_update (params, params, &rule);
  defcn_model_save (model, writer, DEFCN_DTYPE_F32);
  g_assert_true (defcn_weights_writer_save (writer, path, &error));
  g_autoptr (DefcnWeights) saved = defcn_weights_open (path, &error);
  g_assert_true (defcn_weights_read (saved,
      defcn_weights_lookup (saved, missing), &value, &error));
  g_assert_cmpfloat (value, ==, 42);

  defcn_params_initialize (params, 9);
  defcn_params_upload (params);
  g_autoptr (DefcnWeights) other = numbered (model, missing, NULL);
  defcn_params_update (params, params, &rule);
  g_assert_true (defcn_model_load (model, other, TRUE, NULL, &error));
  g_assert_cmpfloat (defcn_params_lookup (params, missing)->value[0], ==, 42);
  g_assert_cmpfloat (defcn_params_lookup (params, "head.cls_score.bias")
                         ->value[1],
      ==, 1);
  g_remove (path);
  g_remove (dir);
}

static double
one_us (gpointer data, guint i)
{
  return 1;
}

/* What a backend has measured while a plan was made is on disk with it. */
static void
test_tune (void)
{
  const char *const names[] = { "a", "b" };
  g_autofree char *dir = g_dir_make_tmp ("defcn-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "m", NULL);
  g_autofree char *file = g_strconcat (path, ".tune.json", NULL);
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 9, NULL);

  be->tune = defcn_tune_open (path);
  defcn_tune_measure (be->tune, "d", "s", names, 2, one_us, NULL);
  g_assert_false (g_file_test (file, G_FILE_TEST_EXISTS));
  g_assert_nonnull (defcn_model_plan (model, 1, 32, 32, NULL));
  g_assert_true (g_file_test (file, G_FILE_TEST_EXISTS));
  g_remove (file);
  g_remove (dir);
}

/* Wherever memory ends while a model is made or planned, there is an error that
 * says so, and nothing is lost. */
static void
test_no_memory (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  gboolean good = FALSE;
  int n = 0;

  counted_install (be);
  for (; !good && n < 1000; n++) {
    g_autoptr (GError) error = NULL;

    counted.left = n;
    DefcnModel *model = defcn_model_new (spec, be, TRUE, 1, &error);
    good = model && defcn_model_plan (model, 1, 64, 64, &error);
    g_assert_true (good == !error);
    if (error) {
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
      g_assert_nonnull (strstr (error->message, "memory"));
    }
    defcn_model_free (model);
    g_assert_cmpint (counted.live, ==, 0);
  }
  g_assert_true (good);
  g_assert_cmpint (n, >, 50); /* parameters, then the plan */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (architectures); i++) {
    g_autofree char *path =
        g_strdup_printf ("/model/reuse/%s", architectures[i].name);

    g_test_add_data_func (path, &architectures[i], test_reuse);
  }
  g_test_add_func ("/model/nothing-behind", test_nothing_behind);
  g_test_add_func ("/model/gradient", test_gradient);
  g_test_add_func ("/model/plans", test_plans);
  g_test_add_func ("/model/plans/number", test_plans_number);
  g_test_add_func ("/model/plans/bytes", test_plans_bytes);
  g_test_add_func ("/model/plans/device", test_plans_device);
  g_test_add_func ("/model/plans/give-way", test_plans_give_way);
  g_test_add_func ("/model/no-memory", test_no_memory);
  g_test_add_func ("/model/file", test_file);
  g_test_add_func ("/model/seed", test_seed);
  g_test_add_func ("/model/order", test_order);
  g_test_add_func ("/model/aux-classifier", test_aux_classifier);
  g_test_add_func ("/model/missing", test_missing);
  g_test_add_func ("/model/newer", test_newer);
  g_test_add_func ("/model/tune", test_tune);
  return g_test_run ();
}
