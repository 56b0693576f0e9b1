/* SGD and the learning-rate schedules against the reference code. */
#include "golden.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Metadata as a number; "0.01*(i+1)/3" is a rate that rises to 0.01 over the
 * first @rise steps. */
static double
metadata (const DefcnWeights *file, const char *name, int *rise)
{
  const char *text = defcn_weights_metadata (file, name);
  double value = 0;

  *rise = 0;
  if (!text || sscanf (text, "%lf*(i+1)/%d", &value, rise) < 1)
    g_error ("%s: no number \"%s\"", defcn_weights_path (file), name);
  return value;
}

/* Steps on a vector with momentum, weight decay and a rising rate. */
static void
test_sgd (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (DefcnParams) params = defcn_params_new (be, TRUE);
  int n_steps = 0, rise, none;
  gsize n;

  for (; file; n_steps++) {
    g_autofree char *name = g_strdup_printf ("g%d", n_steps);

    if (!testing_golden_has (file, name))
      break;
  }
  if (!file)
    return;
  DefcnOptimizerOptions options = { .kind = DEFCN_OPTIMIZER_SGD,
    .lr = metadata (file, "lr", &rise),
    .momentum = metadata (file, "momentum", &none),
    .weight_decay = metadata (file, "weight_decay", &none),
    .backbone_lr = 1,
    .schedule = DEFCN_SCHEDULE_STEP,
    .iterations = n_steps };
  options.warmup = MAX (rise - 1, 0); /* 1 / rise, 2 / rise, .. of the rate */
  options.warmup_factor = 1.0 / MAX (rise, 1);
  g_autofree float *start = testing_golden_floats (file, "p0", &n);
  defcn_params_vector (params, "x", DEFCN_PARAM_SCALE, 0, n);
  DefcnParam *x = defcn_params_lookup (params, "x");
  memcpy (x->value, start, n * sizeof (float));
  g_autoptr (DefcnOptimizer) optimizer = defcn_optimizer_new (params, &options);
  g_assert_cmpint (n_steps, >, 0);
  for (int i = 0; i < n_steps; i++) {
    g_autofree char *grad_name = g_strdup_printf ("g%d", i);
    g_autofree char *next_name = g_strdup_printf ("p%d", i + 1);
    g_autofree float *grad = testing_golden_floats (file, grad_name, NULL);
    g_autofree float *want = testing_golden_floats (file, next_name, NULL);

    memcpy (x->grad, grad, n * sizeof (float));
    defcn_optimizer_step (optimizer, i);
    g_assert_cmpfloat (testing_golden_difference (x->value, want, n), <=, 2e-7);
  }
}

/* The published schedules: "<set>_3x" is 270000 iterations, of which the last
 * 60000 and 20000 have lower rates, "<set>_30k" are 30000 with the last third
 * and sixth.  FALSE where the name is neither. */
static gboolean
read_schedule (DefcnOptimizerOptions *options, const char *name)
{
  const char *underscore = strrchr (name, '_');
  int n = 0;
  char unit = 0;

  if (!underscore || sscanf (underscore, "_%d%c", &n, &unit) != 2)
    return FALSE;
  *options = (DefcnOptimizerOptions){ .lr = 0.01,
    .schedule = DEFCN_SCHEDULE_STEP,
    .n_steps = 2,
    .warmup = 1000,
    .warmup_factor = 0.001 };
  options->iterations = unit == 'x' ? n * 90000 : n * 1000;
  options->steps[0] =
      options->iterations - (unit == 'x' ? 60000 : options->iterations / 3);
  options->steps[1] =
      options->iterations - (unit == 'x' ? 20000 : options->iterations / 6);
  return unit == 'x' || unit == 'k';
}

/* Rates of every schedule of the file. */
static void
test_schedule (gconstpointer below)
{
  cJSON *json = testing_golden_json (below);
  const cJSON *list, *pair;

  cJSON_ArrayForEach (list, json)
  {
    DefcnOptimizerOptions options;

    if (!read_schedule (&options, list->string)) {
      g_test_message ("%s is no published schedule", list->string);
      continue;
    }
    cJSON_ArrayForEach (pair, list)
    {
      const gint64 i = cJSON_GetArrayItem (pair, 0)->valuedouble;
      const double want = cJSON_GetArrayItem (pair, 1)->valuedouble;

      g_assert_cmpfloat (fabs (defcn_optimizer_lr (&options, i) - want), <=,
          1e-12 * want);
    }
  }
  cJSON_Delete (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  testing_golden_add ("/golden/optimizer", "ops/sgd*.safetensors", test_sgd);
  testing_golden_add ("/golden/optimizer", "ops/lr_schedule*.json",
      test_schedule);
  return g_test_run ();
}
