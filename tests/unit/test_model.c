/* Parameters, nets, plans and the spec. */
#include "model.h"
#include "testing.h"

#include <glib/gstdio.h>

#include <math.h>
#include <string.h>

static const char *const labels[] = { "person", "car", NULL };

/* A network of real depth and tiny widths. */
static DefcnSpec *
tiny_spec (DefcnBackbone backbone, int depth, gboolean filter)
{
  DefcnSpec *spec = defcn_spec_new (labels);

  spec->backbone = backbone;
  spec->depth = depth;
  spec->group_width = 4;
  spec->stem_channels = 8;
  spec->res2_channels = depth < 50 ? 8 : 16;
  spec->fpn_channels = 16;
  spec->norm_groups = 4;
  spec->tower_depth = 2;
  spec->filter = filter;
  spec->freeze_at = 0;
  return spec;
}

static DefcnBackend *
open_backend (void)
{
  g_autoptr (GError) error = NULL;
  DefcnBackend *be = defcn_backend_new (testing_backend (), 1, &error);

  g_assert_no_error (error);
  return be;
}

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

/* The shapes of the pyramid for an input whose levels get odd. */
static void
test_shapes (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 96, 160, NULL);
  static const int sizes[DEFCN_N_LEVELS][2] = { { 12, 20 }, { 6, 10 }, { 3, 5 },
    { 2, 3 }, { 1, 2 } };

  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_assert_cmpint (plan->logits[l]->h, ==, sizes[l][0]);
    g_assert_cmpint (plan->logits[l]->w, ==, sizes[l][1]);
    g_assert_cmpint (plan->logits[l]->c, ==, 2);
    g_assert_cmpint (plan->deltas[l]->c, ==, 4);
    g_assert_cmpint (plan->filter[l]->c, ==, 1);
  }
}

/* A plan is found again, sizes off the grid are refused, and the cache stays
 * bounded. */
static void
test_plans (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const DefcnPlan *first = defcn_model_plan (model, 1, 32, 32, NULL);

  g_assert_true (defcn_model_plan (model, 1, 32, 32, NULL) == first);
  static const int bad[][3] = { { 0, 32, 32 }, { 1, 33, 32 }, { 1, 32, 0 },
    { 1, -32, 32 } };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (
        defcn_model_plan (model, bad[i][0], bad[i][1], bad[i][2], &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  }
  for (int i = 1; i <= 12; i++)
    g_assert_nonnull (defcn_model_plan (model, 1, 32 * i, 32, NULL));
}

/* A weight used on five levels gets the sum of five gradients: the directional
 * derivative of the whole network agrees with its finite difference. */
static void
test_gradient (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_MOBILENETV2, 0, TRUE);
  spec->input.std[0] = spec->input.std[1] = spec->input.std[2] = 1;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, TRUE, 5, NULL);
  DefcnParams *params = defcn_model_params (model);
  static const char *const names[] = { "head.cls_score.bias",
    "head.cls_subnet.1.weight", "head.cls_score.weight" };

  for (gsize k = 0; k < G_N_ELEMENTS (names); k++) {
    DefcnParam *p = defcn_params_lookup (params, names[k]);
    double sums[2], slope = 0;
    const float step = 0.01f;

    /* Loss: the sum of all logits, so its gradient is one everywhere. */
    const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);
    g_array_unref (run (model, 1, 64, 64));
    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      DefcnTensor *const heads[] = { plan->logits[l], plan->deltas[l],
        plan->filter[l] };

      for (int h = 0; h < 3; h++) {
        const gsize len = defcn_tensor_len (heads[h]);
        g_autofree float *dy = g_new0 (float, len);

        for (gsize i = 0; h == 0 && i < len; i++)
          dy[i] = 1;
        be->upload (be, heads[h], heads[h]->grad, dy);
      }
    }
    defcn_net_backward (plan->net);
    defcn_params_zero_gradients (params);
    defcn_params_download_gradients (params);
    for (gsize i = 0; i < defcn_param_len (p); i++)
      slope += p->grad[i];

    for (int side = 0; side < 2; side++) {
      for (gsize i = 0; i < defcn_param_len (p); i++)
        p->value[i] += side == 0 ? step : -2 * step;
      defcn_params_upload (params);
      g_array_unref (run (model, 1, 64, 64));
      sums[side] = 0;
      for (int l = 0; l < DEFCN_N_LEVELS; l++) {
        const gsize len = defcn_tensor_len (plan->logits[l]);
        g_autofree float *y = g_new (float, len);

        be->download (be, plan->logits[l], y, plan->logits[l]->data);
        for (gsize i = 0; i < len; i++)
          sums[side] += y[i];
      }
    }
    for (gsize i = 0; i < defcn_param_len (p); i++)
      p->value[i] += step;
    defcn_params_upload (params);
    const double numeric = (sums[0] - sums[1]) / (2 * step);
    g_test_message ("%s: %g, numeric %g", names[k], slope, numeric);
    g_assert_cmpfloat (fabs (slope - numeric), <, 1e-2 * fabs (numeric) + 1e-2);
  }
}

/* w' = s w and b' = beta - s mean reach the steps, and dw = s dw' comes back.
 */
static void
test_fold (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnParams) params = defcn_params_new (be, TRUE);
  DefcnTensor *w, *b, *w2, *b2;

  defcn_params_conv (params, &w, &b, "conv", TRUE, FALSE, TRUE,
      DEFCN_INIT_CONSTANT, 3, 0, 1, 1, 1);
  defcn_params_conv (params, &w2, &b2, "conv", TRUE, FALSE, TRUE,
      DEFCN_INIT_CONSTANT, 3, 0, 1, 1, 1);
  g_assert_true (w == w2 && b == b2);
  g_assert_cmpuint (defcn_params_count (params), ==, 5);
  defcn_params_lookup (params, "conv.norm.weight")->value[0] = 2;
  defcn_params_lookup (params, "conv.norm.bias")->value[0] = 5;
  defcn_params_lookup (params, "conv.norm.running_mean")->value[0] = 7;
  defcn_params_lookup (params, "conv.norm.running_var")->value[0] =
      16 - 1e-5f; /* s = 2 / 4 */
  defcn_params_upload (params);

  float value;
  be->download (be, w, &value, w->data);
  g_assert_cmpfloat_with_epsilon (value, 1.5, 1e-6);
  be->download (be, b, &value, b->data);
  g_assert_cmpfloat_with_epsilon (value, 1.5, 1e-6);
  g_assert_null (b->grad);
  value = 10;
  be->upload (be, w, w->grad, &value);
  defcn_params_download_gradients (params);
  defcn_params_download_gradients (params); /* was zeroed: adds nothing */
  g_assert_cmpfloat_with_epsilon (defcn_params_lookup (params, "conv.weight")
                                      ->grad[0],
      5, 1e-5);
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

  spec->fpn_channels = 32;
  g_autoptr (DefcnModel) other = defcn_model_new (spec, be, FALSE, 9, NULL);
  g_assert_false (defcn_model_load (other, weights, FALSE, NULL, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL);
  g_assert_nonnull (strstr (error->message, "the model wants"));
  g_assert_nonnull (strstr (error->message, path));
  g_remove (path);
  g_remove (dir);
}

/* The published model has as many parameters as its checkpoint, 32.83 M with
 * 3DMF and P6 from P5, and the same values from the same seed. */
static void
test_published (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  static const char *const coco[] = { "a", NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (coco);
  gsize trained = 0;

  g_strfreev (spec->labels);
  spec->n_classes = 80;
  spec->labels = g_new0 (char *, 81);
  for (int i = 0; i < 80; i++)
    spec->labels[i] = g_strdup_printf ("class%d", i);

  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 1, NULL);
  DefcnParams *params = defcn_model_params (model);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    if (p->kind != DEFCN_PARAM_BUFFER)
      trained += defcn_param_len (p);
  }
  g_assert_cmpuint (trained / 10000, ==, 3283);
  g_assert_cmpuint (defcn_params_count (params), ==, 328);
}

/* How many allocations are left before there is no more memory. */
static int memory_left;
static void *(*real_alloc) (DefcnBackend *be, gsize bytes);

static void *
scarce_alloc (DefcnBackend *be, gsize bytes)
{
  return memory_left-- > 0 ? real_alloc (be, bytes) : NULL;
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

  real_alloc = be->alloc;
  be->alloc = scarce_alloc;
  for (; !good && n < 1000; n++) {
    g_autoptr (GError) error = NULL;

    memory_left = n;
    g_autoptr (DefcnModel) model = defcn_model_new (spec, be, TRUE, 1, &error);
    good = model && defcn_model_plan (model, 1, 64, 64, &error);
    g_assert_true (good == !error);
    if (error) {
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
      g_assert_nonnull (strstr (error->message, "memory"));
    }
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
  g_test_add_func ("/model/shapes", test_shapes);
  g_test_add_func ("/model/plans", test_plans);
  g_test_add_func ("/model/no-memory", test_no_memory);
  g_test_add_func ("/model/gradient", test_gradient);
  g_test_add_func ("/model/fold", test_fold);
  g_test_add_func ("/model/file", test_file);
  g_test_add_func ("/model/published", test_published);
  return g_test_run ();
}
