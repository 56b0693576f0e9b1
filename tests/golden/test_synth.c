/* The golden set's models can be built: spec, names, shapes, values. */
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
test_models (gconstpointer name)
{
  g_autofree char *below =
      g_strdup_printf ("models/%s/config.json", (const char *) name);
  g_autofree char *path = testing_golden (below);
  g_autofree char *skip = NULL;
  g_autoptr (GError) error = NULL;

  if (!path) {
    g_test_skip_printf ("no golden %s", below);
    return;
  }

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
    g_assert_true (p->value[i] >= 3000 && p->value[i] < 9000);
}

/* The one case whose weights are stored has the values that the rule gives. */
static void
test_stored_weights (void)
{
  g_autofree char *config =
      testing_golden ("models/coco_poto_3dmf_aux/config.json");
  g_autofree char *path =
      testing_golden ("models/coco_poto_3dmf_aux/weights.safetensors");
  g_autofree char *skip = NULL;
  g_autoptr (GError) error = NULL;

  if (!config || !path) {
    g_test_skip ("no golden models/coco_poto_3dmf_aux/weights.safetensors");
    return;
  }

  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnModel) a = testing_synth_model (config, be, FALSE, &skip);
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
  static const char *const cases[] = { "ch_atss", "ch_fcos", "ch_poto_3dmf_aux",
    "coco_anchor", "coco_center", "coco_fcos_wo_ctr", "coco_loss", "coco_poto",
    "coco_poto_3dmf", "coco_poto_3dmf_aux", "coco_poto_3dmf_wo_gn",
    "coco_poto_argmax", "full_r50_poto_3dmf_aux", "xdcn_poto_3dmf" };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/synth/rule", test_rule);
  g_test_add_func ("/synth/stored-weights", test_stored_weights);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/synth/models/", cases[i], NULL);

    g_test_add_data_func (path, cases[i], test_models);
  }
  return g_test_run ();
}
