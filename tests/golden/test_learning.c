/* Twelve updates from picture files, as the reference's own training took them:
 * annotations, resize, flip, padding, schedule, momentum, losses.  On the
 * backend under test. */
#include "data/coco.h"
#include "golden.h"
#include "synth.h"
#include "testing.h"
#include "train/optimizer.h"

#include <math.h>

/* What rounding has grown to, README of the golden set (2e-3 up to the sixth,
 * where oneDNN 3.7 is off by 2.2e-3); of the total alone in the end. */
#define LAST_PART 6

static double
tolerance_at (int iteration)
{
  return iteration <= 3 ? 1e-4 : iteration <= LAST_PART ? 1e-2 : 5e-2;
}

#define HEAD_TOLERANCE 5e-3 /* relative L2, of the head after all updates */

/* A run of e2e/train_run.json. */
typedef struct
{
  const cJSON *rule; /* borrowed */
  DefcnDataset *dataset;
  DefcnBackend *be;
  DefcnModel *model;
  DefcnStep *step;
  DefcnOptimizer *optimizer;
} Learning;

static void
learning_clear (Learning *l)
{
  defcn_optimizer_free (l->optimizer);
  defcn_step_free (l->step);
  defcn_model_free (l->model);
  defcn_backend_free (l->be);
  defcn_dataset_free (l->dataset);
}

static double
number (const Learning *l, const char *name)
{
  g_assert_true (cJSON_HasObjectItem (l->rule, name));
  return testing_golden_number (l->rule, name, 0);
}

static DefcnOptimizerOptions
optimizer_options (const Learning *l)
{
  const cJSON *steps = cJSON_GetObjectItemCaseSensitive (l->rule, "steps");
  DefcnOptimizerOptions options = { .kind = DEFCN_OPTIMIZER_SGD,
    .lr = number (l, "base_lr"),
    .momentum = number (l, "momentum"),
    .weight_decay = number (l, "weight_decay"),
    .backbone_lr = 1,
    .schedule = DEFCN_SCHEDULE_STEP,
    .iterations = 1000,
    .warmup = number (l, "warmup_iters"),
    .warmup_factor = number (l, "warmup_factor") };

  g_assert_cmpfloat (number (l, "gamma"), ==, 0.1);
  for (int i = 0; i < cJSON_GetArraySize (steps); i++)
    options.steps[options.n_steps++] = cJSON_GetArrayItem (steps, i)->valueint;
  return options;
}

/* FALSE after g_test_skip(). */
static gboolean
learning_init (Learning *l, const cJSON *rule)
{
  g_autofree char *below =
      g_strdup_printf ("e2e/train_%s_config.json", rule->string);
  g_autofree char *config = testing_golden (below);
  g_autofree char *annotations = testing_golden ("e2e/train_annotations.json");
  g_autofree char *images = testing_golden ("e2e/images");
  g_autofree char *skip = NULL;
  g_autoptr (GError) error = NULL;
  DefcnStepRule step;

  *l = (Learning){ .rule = rule };
  if (!config || !annotations || !images) {
    g_test_skip_printf ("no golden data: %s", below);
    return FALSE;
  }
  l->dataset =
      defcn_coco_open (annotations, images, &defcn_read_defaults, &error);
  g_assert_no_error (error);
  l->be = defcn_backend_new (testing_backend (), 2, &error);
  if (!l->be) {
    testing_no_backend (error);
    return FALSE;
  }
  l->model = testing_synth_rule (&step, config, &skip)
      ? testing_synth_model (config, l->be, TRUE, &skip)
      : NULL;
  if (!l->model) {
    g_test_skip (skip);
    return FALSE;
  }
  const DefcnOptimizerOptions options = optimizer_options (l);
  l->step = defcn_step_new (l->model, &step);
  l->optimizer = defcn_optimizer_new (defcn_model_params (l->model), &options);
  return TRUE;
}

/* Picture @i at the size of the network. */
static DefcnExample *
read_example (const Learning *l, guint i, gboolean flip)
{
  const DefcnAugment augment = { .short_edges = { number (l, "short_edge") },
    .n_short_edges = 1,
    .long_edge = number (l, "max_size"),
    .flip = flip };
  g_autoptr (GArray) objects = defcn_dataset_objects (l->dataset, i);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnPicture) picture =
      defcn_dataset_picture (l->dataset, i, &error);

  g_assert_no_error (error);
  return defcn_augment_run (&augment, picture, objects, rand);
}

static void
check_loss (const cJSON *want, const char *name, double found, double tolerance)
{
  const double value = testing_golden_number (want, name, 0);
  const double off = fabs (found - value) / (value > 0 ? value : 1);

  g_test_message ("%s: %.6f, off by %.2g", name, found, off);
  g_assert_cmpfloat (off, <=, tolerance);
}

static void
check_iteration (Learning *l, const cJSON *want)
{
  const cJSON *images = cJSON_GetObjectItemCaseSensitive (want, "images");
  const int iteration = testing_golden_number (want, "iter", -1);
  const int n = cJSON_GetArraySize (images);
  const double tolerance = tolerance_at (iteration);
  const DefcnOptimizerOptions options = optimizer_options (l);
  g_autoptr (GPtrArray) examples =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_example_free);
  g_autoptr (GError) error = NULL;
  DefcnStepLosses losses;

  for (int k = 0; k < n; k++) {
    const int i = cJSON_GetArrayItem (images, k)->valueint;

    g_ptr_array_add (examples,
        read_example (l, i, iteration >= 3 && i % 2 == 1));
  }
  g_assert_cmpint (n, ==, number (l, "batch"));
  g_test_message ("iteration %d", iteration);
  g_assert_cmpfloat_with_epsilon (defcn_optimizer_lr (&options, iteration),
      testing_golden_number (want, "lr", -1), 1e-12);
  defcn_step_run (l->step, (DefcnExample *const *) examples->pdata, n, n,
      &losses, &error);
  g_assert_no_error (error);
  if (iteration <= LAST_PART) {
    check_loss (want, "loss_cls", losses.cls, tolerance);
    check_loss (want, "loss_box_reg", losses.box, tolerance);
    check_loss (want, "loss_cls_aux", losses.aux, tolerance);
  }
  check_loss (want, "total", losses.total, tolerance);
  defcn_optimizer_step (l->optimizer, iteration);
  defcn_params_upload (defcn_model_params (l->model));
}

/* The parameters of the head after all updates. */
static void
check_head (const Learning *l)
{
  g_autofree char *below =
      g_strdup_printf ("e2e/train_%s_final_head.safetensors", l->rule->string);
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  DefcnParams *params = defcn_model_params (l->model);
  double worst = 0;
  guint n = 0;

  if (!file)
    return;
  defcn_params_download (params);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    double off = 0, norm = 0;

    if (!testing_golden_has (file, p->name))
      continue;
    const gint64 *dims = testing_golden_dims (file, p->name);
    gsize len;
    g_autofree float *want = testing_golden_floats (file, p->name, &len);
    g_assert_cmpuint (len, ==, defcn_param_len (p));
    if (dims[1] * dims[2] * dims[3] > 1)
      testing_golden_to_nhwc (want, dims[0], dims[1], dims[2], dims[3]);
    for (gsize k = 0; k < len; k++) {
      off += (p->value[k] - want[k]) * (p->value[k] - want[k]);
      norm += want[k] * want[k];
    }
    g_test_message ("%s: off by %.2g", p->name, sqrt (off / norm));
    worst = MAX (worst, sqrt (off / norm));
    n++;
  }
  g_test_message ("%u parameters, worst by %.2g", n, worst);
  g_assert_cmpuint (n, ==, defcn_weights_count (file));
  g_assert_cmpfloat (worst, <=, HEAD_TOLERANCE);
}

static void
test_learning (gconstpointer data)
{
  const cJSON *rule = data, *want;
  Learning learning;

  if (learning_init (&learning, rule)) {
    cJSON_ArrayForEach (want,
        cJSON_GetObjectItemCaseSensitive (rule, "iterations"))
        check_iteration (&learning, want);
    check_head (&learning);
  }
  learning_clear (&learning);
}

static void
test_none (void)
{
  g_test_skip ("no golden data: e2e/train_run.json");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autofree char *path = testing_golden ("e2e/train_run.json");
  cJSON *runs = path ? testing_golden_json ("e2e/train_run.json") : NULL;
  const cJSON *rule;

  if (!runs)
    g_test_add_func ("/golden/learning", test_none);
  cJSON_ArrayForEach (rule, runs)
  {
    g_autofree char *name =
        g_strdup_printf ("/golden/learning/%s", rule->string);

    g_test_add_data_func (name, rule, test_learning);
  }
  const int status = g_test_run ();
  cJSON_Delete (runs);
  return status;
}
