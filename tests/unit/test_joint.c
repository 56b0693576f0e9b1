/* What makes one run of several ranks. */
#include "train/joint.h"
#include "hub.h"
#include "tiny_spec.h"

#include <math.h>
#include <signal.h>
#include <string.h>

static DefcnRecipe *
recipe_new (const char *settings)
{
  DefcnRecipe *recipe = defcn_recipe_new (NULL, NULL);
  g_auto (GStrv) all = g_strsplit (settings, " ", -1);
  g_autoptr (GError) error = NULL;

  for (int i = 0; all[i]; i++)
    g_assert_true (defcn_recipe_set (recipe, all[i], NULL));
  g_assert_true (defcn_recipe_set (recipe, "annotations=a b.json", NULL));
  g_assert_true (defcn_recipe_set (recipe, "images=c", NULL));
  g_assert_true (defcn_recipe_finish (recipe, &error));
  g_assert_no_error (error);
  return recipe;
}

static void
play_recipe (DefcnRanks *ranks, gpointer data)
{
  const int rank = defcn_ranks_rank (ranks);
  DefcnRecipe *own = rank == 0 ? recipe_new ("lr=0.125 batch=6 group=0") : NULL;
  g_autoptr (DefcnRecipe) same = recipe_new ("lr=0.125 batch=6 group=0");
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnRecipe) recipe = defcn_joint_recipe (ranks, own, &error);

  g_assert_no_error (error);
  g_autofree char *text = defcn_recipe_to_file (recipe);
  g_autofree char *wanted = defcn_recipe_to_file (same);
  g_assert_cmpstr (text, ==, wanted);
  g_assert_cmpint (recipe->spec->depth, ==, 50); /* it is finished */
  defcn_ranks_free (ranks, TRUE);
}

/* All have rank 0's recipe, paths and all. */
static void
test_recipe (void)
{
  hub_run (3, play_recipe, NULL);
}

typedef struct
{
  const char *settings;
  int micro; /* 0: refused */
  const char *words;
} Division;

static void
play_divide (DefcnRanks *ranks, gpointer data)
{
  const Division *c = data;
  g_autoptr (DefcnRecipe) recipe = recipe_new (c->settings);
  g_autoptr (GError) error = NULL;
  int micro;

  g_assert_cmpint (defcn_joint_divide (recipe, &micro, ranks, &error), ==,
      c->micro > 0);
  if (c->micro > 0) {
    g_assert_cmpint (micro, ==, c->micro);
    g_assert_cmpint (recipe->loader.part, ==, defcn_ranks_rank (ranks));
    g_assert_cmpint (recipe->loader.parts, ==, 3);
    g_assert_cmpint (recipe->loader.sharers, ==, 3);
  } else {
    g_assert_nonnull (strstr (error->message, c->words));
    g_clear_error (&error);
    /* rank 0 finds it before it tells its recipe */
    if (hub_rank () == 0)
      g_assert_null (
          defcn_joint_recipe (ranks, g_steal_pointer (&recipe), &error));
  }
  defcn_ranks_free (ranks, TRUE);
}

/* A batch is divided into equal parts of whole passes, or refused with the
 * numbers. */
static void
test_divide (void)
{
  Division cases[] = {
    { "batch=6", 2, NULL },
    { "batch=12 micro_batch=2", 2, NULL },
    { "batch=12 micro_batch=4", 4, NULL },
    { "batch=12 micro_batch=6", 4, NULL },
    { "batch=4", 0, "batch=4 has no equal parts for 3 ranks" },
    { "batch=2", 0, "batch=2 has no equal parts for 3 ranks" },
    { "batch=18 micro_batch=1", 1, NULL },
    { "batch=36 micro_batch=9", 0,
        "micro_batch=9 does not divide the 12 images" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    hub_run (3, play_divide, &cases[i]);
}

static DefcnDataset *
dataset_new (int width)
{
  DefcnDataset *dataset = g_new0 (DefcnDataset, 1);

  dataset->path = g_strdup ("made.json");
  dataset->image_dir = g_strdup (".");
  dataset->samples = g_ptr_array_new_with_free_func (g_free);
  dataset->labels = g_ptr_array_new_with_free_func (g_free);
  dataset->category_ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_ptr_array_add (dataset->samples, defcn_sample_new (1, "1.png", width, 9));
  return dataset;
}

static void
play_data (DefcnRanks *ranks, gpointer data)
{
  const int other = GPOINTER_TO_INT (data); /* 1: training, 2: validation */
  const gboolean here = hub_rank () == 1;
  g_autoptr (DefcnDataset) training = dataset_new (here && other == 1 ? 8 : 9);
  g_autoptr (DefcnDataset) validation =
      dataset_new (here && other == 2 ? 8 : 9);
  g_autoptr (GError) error = NULL;

  if (other == 0) {
    g_assert_true (
        defcn_joint_check_data (ranks, training, validation, &error));
    g_assert_true (defcn_joint_check_data (ranks, training, NULL, &error));
    defcn_ranks_free (ranks, TRUE);
    return;
  }
  g_assert_false (defcn_joint_check_data (ranks, training, validation, &error));
  g_assert_true (g_pattern_match_simple ("rank 1 (*): the annotations have "
                                         "other images or objects *",
      error->message));
  defcn_ranks_free (ranks, FALSE);
}

/* A rank with other data, to train on or to validate with, is named. */
static void
test_data (void)
{
  for (int other = 0; other < 3; other++)
    hub_run (2, play_data, GINT_TO_POINTER (other));
}

static void
play_device (DefcnRanks *ranks, gpointer data)
{
  const gboolean other = data && hub_rank () == 1;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (GError) error = NULL;

  if (other)
    be->precision = "bf16";
  const gboolean good = defcn_joint_check_device (ranks, be, &error);
  if (!data)
    g_assert_no_error (error);
  g_assert_cmpint (good, ==, !data);
  if (data)
    g_assert_true (
        g_pattern_match_simple ("rank 1 (*): computes with another device *",
            error->message));
  defcn_ranks_free (ranks, !data);
}

/* So is one with another device. */
static void
test_device (void)
{
  hub_run (2, play_device, NULL);
  hub_run (2, play_device, GINT_TO_POINTER (1));
}

static void
add_params (GChecksum *sum, DefcnModel *model)
{
  DefcnParams *params = defcn_model_params (model);

  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    g_checksum_update (sum, (const guchar *) p->value,
        defcn_param_len (p) * sizeof (float));
  }
}

static gboolean
add_state (float *state, gsize n, gpointer data)
{
  g_checksum_update (data, (const guchar *) state, n * sizeof *state);
  return TRUE;
}

static void
play_state (DefcnRanks *ranks, gpointer data)
{
  const int rank = defcn_ranks_rank (ranks);
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, NULL);
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  DefcnModel *model = defcn_model_new (spec, be, TRUE, 5 + rank, NULL);
  const DefcnOptimizerOptions options = { .lr = 0.1,
    .momentum = 0.9,
    .ema = 0.9,
    .iterations = 9 };
  g_autoptr (DefcnOptimizer) optimizer =
      defcn_optimizer_new (defcn_model_params (model), &options);
  const DefcnStepRule rule = { .normalizer_momentum = 0.9 };
  g_autoptr (DefcnStep) step = defcn_step_new (model, &rule);
  DefcnCheckpoint state = { .model = model,
    .optimizer = optimizer,
    .step = step,
    .iteration = 40 + rank,
    .best_ap = 0.25 + rank,
    .unevaluated = rank == 0 };
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  char digests[3][65];
  g_autoptr (GError) error = NULL;

  defcn_optimizer_step (optimizer, 0); /* decay: a velocity of its own */
  defcn_step_set_normalizer (step, 70.5 + rank);
  g_assert_true (defcn_joint_share_state (ranks, &state, &error));
  g_assert_cmpint (state.iteration, ==, 40);
  g_assert_cmpfloat (state.best_ap, ==, 0.25);
  g_assert_true (state.unevaluated);
  g_assert_cmpfloat (defcn_step_normalizer (step), ==, 70.5);
  add_params (sum, model);
  g_assert_true (defcn_optimizer_visit (optimizer, add_state, sum));
  g_assert_true (defcn_ranks_gather (ranks, digests,
      g_checksum_get_string (sum), 65, &error));
  for (int i = 1; i < 3; i++)
    g_assert_cmpstr (digests[i], ==, digests[0]);
  defcn_ranks_free (ranks, TRUE);
  g_clear_pointer (&step, defcn_step_free);
  g_clear_pointer (&optimizer, defcn_optimizer_free);
  defcn_model_free (model);
}

/* What rank 0 goes on from is where all go on. */
static void
test_state (void)
{
  hub_run (3, play_state, NULL);
}

static void
play_update (DefcnRanks *ranks, gpointer data)
{
  const int rank = defcn_ranks_rank (ranks);
  const gboolean parted = data != NULL;
  DefcnJointUpdate update = { .losses = { 1 + rank, 10 + rank, 100 + rank, 0.5,
                                  1000 + rank, 7, 8, 9 },
    .norm = parted && rank == 2 ? nextafter (3, 4) : 3,
    .stop = rank == 1 ? SIGINT : 0 };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (defcn_joint_update (ranks, &update, 12, &error), ==,
      !parted);
  g_assert_cmpint (update.parted, ==, parted);
  if (parted) {
    g_assert_true (g_pattern_match_simple ("rank 2 (*): has another gradient "
                                           "than rank 0 at iteration 12*",
        error->message));
    defcn_ranks_free (ranks, FALSE);
    return;
  }
  g_assert_cmpfloat (update.losses.cls, ==, 6);
  g_assert_cmpfloat (update.losses.box, ==, 33);
  g_assert_cmpfloat (update.losses.aux, ==, 303);
  g_assert_cmpfloat (update.losses.centerness, ==, 1.5);
  g_assert_cmpfloat (update.losses.total, ==, 3003);
  g_assert_cmpint (update.losses.n_foreground, ==,
      7); /* all have all of them */
  g_assert_cmpfloat (update.norm, ==, 3);
  g_assert_cmpint (update.stop, ==, SIGINT);
  defcn_ranks_free (ranks, TRUE);
}

/* After an update all know the losses of all and whether one was asked to stop;
 * a norm that differs in a bit is a failure. */
static void
test_update (void)
{
  DefcnJointUpdate alone = { .losses = { .cls = 5 }, .norm = 2, .stop = 3 };

  hub_run (3, play_update, NULL);
  hub_run (3, play_update, GINT_TO_POINTER (1));
  g_assert_true (defcn_joint_update (NULL, &alone, 1, NULL));
  g_assert_cmpfloat (alone.losses.cls, ==, 5);
  g_assert_cmpint (alone.stop, ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/joint/recipe", test_recipe);
  g_test_add_func ("/joint/divide", test_divide);
  g_test_add_func ("/joint/data", test_data);
  g_test_add_func ("/joint/device", test_device);
  g_test_add_func ("/joint/state", test_state);
  g_test_add_func ("/joint/update", test_update);
  return g_test_run ();
}
