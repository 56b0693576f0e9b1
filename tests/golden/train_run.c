/* A training case of the golden set: model, batch and what is expected. */
#include "train_run.h"

#include "assign/assign.h"
#include "golden.h"
#include "synth.h"
#include "testing.h"

#include <string.h>

/* Image @i as RGB, NULL when there is no such image. */
static DefcnExample *
read_image (const DefcnWeights *file, int i)
{
  g_autoptr (DefcnWeights) owner = NULL;
  const DefcnWeightsTensor *t = testing_golden_image (file, i, &owner);

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
    g_autofree char *image = g_strdup_printf (".%d", i);

    example->objects = testing_golden_objects (run->file, image);
    g_ptr_array_add (run->examples, example);
  }
}

void
testing_train_clear (TestingRun *run)
{
  g_free (run->name);
  cJSON_Delete (run->manifest);
  defcn_weights_free (run->file);
  defcn_step_free (run->step);
  defcn_model_free (run->model);
  defcn_backend_free (run->be);
  if (run->examples)
    g_ptr_array_unref (run->examples);
}

gboolean
testing_train_init (TestingRun *run, const char *below)
{
  g_autofree char *folder = g_path_get_dirname (below);
  g_autofree char *config_below =
      g_build_filename (folder, "config.json", NULL);
  g_autofree char *manifest = g_build_filename (folder, "manifest.json", NULL);
  g_autofree char *config = testing_golden (config_below);
  g_autofree char *name = g_path_get_basename (below);
  g_autofree char *skip = NULL;
  g_autoptr (GError) error = NULL;
  DefcnStepRule rule;

  *run = (TestingRun){ .name = g_strndup (name, strcspn (name, ".")) };
  if (!config) {
    g_test_skip_printf ("no golden data: %s", config_below);
    return FALSE;
  }
  run->manifest = testing_golden_json (manifest);
  if (!run->manifest)
    return FALSE;
  if (!testing_synth_rule (&rule, config, &skip)) {
    g_test_skip (skip);
    return FALSE;
  }
  run->be = defcn_backend_new (testing_backend (), 2, &error);
  if (!run->be) {
    testing_no_backend (error);
    return FALSE;
  }
  run->model = testing_synth_model (config, run->be, TRUE, &skip);
  if (!run->model) {
    g_test_skip (skip);
    return FALSE;
  }
  run->file = testing_golden_open (below);
  run->expected = cJSON_GetObjectItemCaseSensitive (run->manifest, run->name);
  g_assert_nonnull (run->expected);
  run->step = defcn_step_new (run->model, &rule);
  run->examples =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_example_free);
  read_examples (run);
  g_assert_cmpuint (run->examples->len, >, 0);
  return TRUE;
}

DefcnStepLosses
testing_train_step (TestingRun *run, int micro)
{
  g_autoptr (GError) error = NULL;
  DefcnStepLosses losses;

  defcn_step_run (run->step, (DefcnExample *const *) run->examples->pdata,
      run->examples->len, micro, &losses, &error);
  g_assert_no_error (error);
  return losses;
}
