/* SGD and the learning-rate schedules against the reference code. */
#include "golden.h"
#include "train/optimizer.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* Three steps on a vector with momentum, weight decay and a rising rate. */
static void
test_sgd (void)
{
  const DefcnOptimizerOptions options = { .kind = DEFCN_OPTIMIZER_SGD,
    .lr = 0.01,
    .momentum = 0.9,
    .weight_decay = 1e-4,
    .backbone_lr = 1,
    .schedule = DEFCN_SCHEDULE_STEP,
    .iterations = 3,
    .warmup = 2, /* 1/3, 2/3, 1 of the rate */
    .warmup_factor = 1 / 3.0 };
  g_autoptr (DefcnWeights) file = testing_golden_open ("ops/sgd.safetensors");
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (DefcnParams) params = defcn_params_new (be, TRUE);
  gsize n;

  if (!file)
    return;
  g_autofree float *start = testing_golden_floats (file, "p0", &n);
  defcn_params_vector (params, "x", DEFCN_PARAM_SCALE, 0, n);
  DefcnParam *x = defcn_params_lookup (params, "x");
  memcpy (x->value, start, n * sizeof (float));
  g_autoptr (DefcnOptimizer) optimizer = defcn_optimizer_new (params, &options);
  for (int i = 0; i < 3; i++) {
    g_autofree char *grad_name = g_strdup_printf ("g%d", i);
    g_autofree char *next_name = g_strdup_printf ("p%d", i + 1);
    g_autofree float *grad = testing_golden_floats (file, grad_name, NULL);
    g_autofree float *want = testing_golden_floats (file, next_name, NULL);

    memcpy (x->grad, grad, n * sizeof (float));
    defcn_optimizer_step (optimizer, i);
    g_assert_cmpfloat (testing_golden_difference (x->value, want, n), <=, 2e-7);
  }
}

static const struct
{
  const char *name;
  gint64 iterations, steps[2];
} schedules[] = {
  { "coco_3x", 270000, { 210000, 250000 } },
  { "coco_6x", 540000, { 480000, 520000 } },
  { "coco_9x", 810000, { 750000, 790000 } },
  { "paper_2x", 180000, { 120000, 160000 } },
  { "crowdhuman_30k", 30000, { 20000, 25000 } },
};

/* Rates of every published schedule. */
static void
test_schedule (void)
{
  g_autofree char *text = testing_golden_text ("ops/lr_schedule.json");
  cJSON *json = text ? cJSON_Parse (text) : NULL;

  if (!text)
    return;
  g_assert_cmpint (cJSON_GetArraySize (json), ==, G_N_ELEMENTS (schedules));
  for (gsize s = 0; s < G_N_ELEMENTS (schedules); s++) {
    const DefcnOptimizerOptions options = { .lr = 0.01,
      .schedule = DEFCN_SCHEDULE_STEP,
      .iterations = schedules[s].iterations,
      .steps = { schedules[s].steps[0], schedules[s].steps[1] },
      .n_steps = 2,
      .warmup = 1000,
      .warmup_factor = 0.001 };
    const cJSON *list =
        cJSON_GetObjectItemCaseSensitive (json, schedules[s].name);
    const cJSON *pair;

    g_assert_cmpint (cJSON_GetArraySize (list), >, 0);
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
  g_test_add_func ("/golden/sgd", test_sgd);
  g_test_add_func ("/golden/schedule", test_schedule);
  return g_test_run ();
}
