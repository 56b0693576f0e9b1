/* A training case of the golden set: model, batch and what is expected. */
#include "train_run.h"

#include "assign/assign.h"
#include "golden.h"
#include "synth.h"
#include "testing.h"

#include <string.h>

static cJSON *
read_json (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  cJSON *json = cJSON_Parse (text);
  g_assert_nonnull (json);
  return json;
}

double
testing_train_number (const cJSON *object, const char *name, double otherwise)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, name);

  return cJSON_IsNumber (item) ? item->valuedouble : otherwise;
}

/* FALSE where the case's assigner is not built. */
static gboolean
read_rule (DefcnStepRule *rule, const cJSON *config)
{
  const char *name = cJSON_GetStringValue (
      cJSON_GetObjectItemCaseSensitive (config, "experiment"));
  const cJSON *poto = cJSON_GetObjectItemCaseSensitive (config, "poto");

  *rule = (DefcnStepRule){ .reg_weight =
                               testing_train_number (config, "reg_weight", 1) };
  rule->assign.alpha = testing_train_number (poto, "ALPHA", 0);
  rule->assign.aux_topk = testing_train_number (poto, "AUX_TOPK", 0);
  rule->assign.radius = testing_train_number (poto, "CENTER_SAMPLING_RADIUS",
      testing_train_number (config, "fcos_center_sampling_radius", 0));
  if (strstr (name, "/fcos.") && strstr (name, "wo_ctrness"))
    rule->assign.assigner = defcn_assign_find ("fcos");
  else if (strstr (name, "/poto.") && strstr (name, ".argmax"))
    rule->assign.assigner = defcn_assign_find ("argmax");
  else if (strstr (name, "/poto."))
    rule->assign.assigner = defcn_assign_find ("poto");
  else
    return FALSE;
  return TRUE;
}

/* Image @i as RGB; a missing one is in the file that the metadata name, "same
 * as <file>#<tensor>".  NULL when there is no such image. */
static DefcnExample *
read_image (const DefcnWeights *file, int i)
{
  g_autofree char *name = g_strdup_printf ("image.%d", i);
  const DefcnWeightsTensor *t = defcn_weights_lookup (file, name);
  const char *other = defcn_weights_metadata (file, name);
  g_autoptr (DefcnWeights) owner = NULL;

  if (!t && other) {
    g_auto (GStrv) parts = g_strsplit (other + strlen ("same as "), "#", 2);

    owner = testing_golden_open (parts[0]);
    t = owner ? defcn_weights_lookup (owner, parts[1]) : NULL;
  }
  if (!t)
    return NULL;

  DefcnExample *example = g_new0 (DefcnExample, 1);
  example->height = t->dims[0];
  example->width = t->dims[1];
  example->rgb = g_memdup2 (t->data, t->len);
  for (gsize k = 0; k < t->len; k += 3) {
    example->rgb[k] = ((const guint8 *) t->data)[k + 2];
    example->rgb[k + 2] = ((const guint8 *) t->data)[k];
  }
  return example;
}

static void
read_examples (TestingRun *run)
{
  DefcnExample *example;

  for (int i = 0; (example = read_image (run->file, i)); i++) {
    g_autofree char *boxes_name = g_strdup_printf ("gt_boxes.%d", i);
    g_autofree char *classes_name = g_strdup_printf ("gt_classes.%d", i);
    gsize n;
    g_autofree float *boxes =
        testing_golden_floats (run->file, boxes_name, NULL);
    g_autofree int *classes = testing_golden_ints (run->file, classes_name, &n);

    example->objects = g_array_new (FALSE, TRUE, sizeof (DefcnObject));
    for (gsize k = 0; k < n; k++) {
      const DefcnObject object = { .x1 = boxes[4 * k],
        .y1 = boxes[4 * k + 1],
        .x2 = boxes[4 * k + 2],
        .y2 = boxes[4 * k + 3],
        .label = classes[k] };

      g_array_append_val (example->objects, object);
    }
    g_ptr_array_add (run->examples, example);
  }
}

void
testing_train_clear (TestingRun *run)
{
  cJSON_Delete (run->config);
  cJSON_Delete (run->manifest);
  defcn_weights_free (run->file);
  defcn_step_free (run->step);
  defcn_model_free (run->model);
  defcn_backend_free (run->be);
  if (run->examples)
    g_ptr_array_unref (run->examples);
}

gboolean
testing_train_init (TestingRun *run, const TestingCase *c)
{
  g_autofree char *folder = g_path_get_dirname (c->config);
  g_autofree char *manifest = g_build_filename (folder, "manifest.json", NULL);
  g_autofree char *skip = NULL;
  g_autoptr (GError) error = NULL;
  DefcnStepRule rule;

  *run = (TestingRun){ .name = c->run,
    .config = read_json (c->config),
    .manifest = read_json (manifest) };
  if (!read_rule (&rule, run->config)) {
    skip = g_strdup_printf ("%s: its assigner is not built", c->config);
    g_test_skip (skip);
    return FALSE;
  }
  run->be = defcn_backend_new (testing_backend (), 2, &error);
  if (!run->be) {
    testing_no_backend (error);
    return FALSE;
  }
  run->model = testing_synth_model (c->config, run->be, TRUE, &skip);
  if (!run->model) {
    g_test_skip (skip);
    return FALSE;
  }
  run->file = defcn_weights_open (c->file, &error);
  g_assert_no_error (error);
  run->expected = cJSON_GetObjectItemCaseSensitive (run->manifest, c->run);
  g_assert_nonnull (run->expected);
  run->step = defcn_step_new (run->model, &rule);
  run->examples =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_example_free);
  read_examples (run);
  g_assert_cmpuint (run->examples->len, >, 0);
  return TRUE;
}

DefcnStepLosses
testing_train_step (TestingRun *run)
{
  g_autoptr (GError) error = NULL;
  DefcnStepLosses losses;
  const int n = run->examples->len;

  defcn_step_run (run->step, (DefcnExample *const *) run->examples->pdata, n, n,
      &losses, &error);
  g_assert_no_error (error);
  return losses;
}
