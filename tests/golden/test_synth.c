/* The golden set's models can be built: spec, names, shapes, values. */
#include "golden.h"
#include "synth.h"
#include "testing.h"

/* The rule gives the check values of the set's README. */
static void
test_rule (void)
{
  static const float expected[] = { 0.271836281f, 0.493841112f, -1.16968179f,
    -0.910982966f, -0.559491873f };
  float values[G_N_ELEMENTS (expected)];

  testing_synth_values (values, G_N_ELEMENTS (values), "head.cls_score.weight",
      101, -1.25, 0.5);
  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    g_assert_cmpfloat (values[i], ==, expected[i]);
}

/* Every case either becomes a model whose parameters are exactly those of the
 * reference's state_dict, or says what it needs. */
static void
test_models (gconstpointer below)
{
  g_autofree char *path = testing_golden (below);
  g_autofree char *skip = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnModel) model = testing_synth_model (path, be, FALSE, &skip);
  if (!model) {
    g_test_skip (skip);
    return;
  }

  const DefcnParam *p = defcn_params_lookup (defcn_model_params (model),
      "backbone.bottom_up.stem.conv1.norm.running_var");
  g_assert_nonnull (p);
  for (int i = 0; i < p->c; i++)
    g_assert_cmpfloat (p->value[i], >, 0);
}

/* Weights that are stored beside a case have the values that the rule gives. */
static void
test_stored_weights (gconstpointer below)
{
  g_autofree char *path = testing_golden (below);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *config = g_build_filename (folder, "config.json", NULL);
  g_autofree char *skip = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnModel) a = testing_synth_model (config, be, FALSE, &skip);
  if (!a) {
    g_test_skip (skip);
    return;
  }

  g_autoptr (DefcnModel) b = testing_synth_model (config, be, FALSE, &skip);
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  defcn_params_initialize (defcn_model_params (b), 1);
  defcn_model_load (b, weights, FALSE, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < defcn_params_count (defcn_model_params (a)); i++) {
    const DefcnParam *p = defcn_params_get (defcn_model_params (a), i);
    const DefcnParam *q = defcn_params_get (defcn_model_params (b), i);

    g_assert_cmpmem (p->value, defcn_param_len (p) * sizeof (float), q->value,
        defcn_param_len (q) * sizeof (float));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/synth/rule", test_rule);
  testing_golden_add ("/synth/stored-weights", "models/*/weights.safetensors",
      test_stored_weights);
  testing_golden_add ("/synth/models", "models/*/config.json", test_models);
  testing_golden_add ("/synth/models", "checkpoints/*config.json", test_models);
  testing_golden_add ("/synth/models", "e2e/*_config.json", test_models);
  return g_test_run ();
}
