/* What crosses between host and device in a training step on the CUDA module:
 * the bytes of the pictures, the objects, and a few numbers back; no weights,
 * no gradients, no maps, whatever the precision.  Without memory for the bytes
 * the floats cross, to the same numbers.  And what ranks, and a loss of the
 * device, do to it. */
#include "model.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"
#include "train/recipe.h"
#include "train/step.h"

#include "../folder.h"
#include "../hub.h"
#include "../testing.h"
#include "emulated_counts.h"

#include <string.h>

#define BATCH 2
#define WIDTH 96
#define HEIGHT 64
#define OBJECTS 3

/* Whatever is sent beside the pictures, or fetched: objects, windows, labels,
 * filters of the pictures' sizes, qualities of windows, losses, a norm. */
#define LITTLE 8192

static DefcnExample *
example_new (int seed, int width)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  DefcnExample *example = g_new0 (DefcnExample, 1);

  example->width = width;
  example->height = HEIGHT - 8 * seed; /* the rest is padded there */
  example->rgb = g_malloc ((gsize) WIDTH * HEIGHT * 3);
  for (int i = 0; i < WIDTH * HEIGHT * 3; i++)
    example->rgb[i] = g_rand_int (rand) >> 24;
  example->objects = g_array_new (FALSE, TRUE, sizeof (DefcnObject));
  for (int i = 0; i < OBJECTS; i++) {
    const DefcnObject o = { .x1 = 8 + 12 * i,
      .y1 = 6,
      .x2 = 50 + 12 * i,
      .y2 = 48,
      .label = 5 * i };

    g_array_append_val (example->objects, o);
  }
  return example;
}

static DefcnModel *
model_new (DefcnBackend *be)
{
  static const char *const labels[] = { "a", "b", "c", "d", "e", "f", "g", "h",
    "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (GError) error = NULL;

  spec->depth = 18;
  spec->res2_channels = 32;
  spec->fpn_channels = 32;
  spec->norm_groups = 8;
  spec->tower_depth = 1;
  spec->freeze_at = 0;
  DefcnModel *model = defcn_model_new (spec, be, TRUE, 1, &error);
  g_assert_no_error (error);
  return model;
}

/* Bytes of all weights. */
static gsize
weights_size (DefcnModel *model)
{
  DefcnParams *params = defcn_model_params (model);
  gsize len = 0;

  for (guint i = 0; i < defcn_params_count (params); i++)
    len += defcn_param_len (defcn_params_get (params, i));
  return len * sizeof (float);
}

static void
test_traffic (void)
{
  const DefcnOptimizerOptions sgd = { .lr = 0.01,
    .momentum = 0.9,
    .iterations = 10,
    .backbone_lr = 1,
    .ema = 0.9 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new_in ("cuda", testing_precision (), 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, &error);
  g_autoptr (DefcnModel) model = model_new (be);
  g_autoptr (DefcnStep) step = defcn_step_new (model, &recipe->step);
  g_autoptr (DefcnOptimizer) optimizer =
      defcn_optimizer_new (defcn_model_params (model), &sgd);
  g_autoptr (GPtrArray) examples =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_example_free);
  int pictures = 0;

  for (int i = 0; i < BATCH; i++) {
    DefcnExample *example = example_new (i, WIDTH);

    g_ptr_array_add (examples, example);
    pictures += example->width * example->height * 3;
  }
  g_assert_cmpuint (weights_size (model), >, 100 * LITTLE);
  for (int i = 0; i < 4; i++) { /* first, recorded and repeated */
    const int sent = emulated_counted (EMULATED_SENT);
    const int fetched = emulated_counted (EMULATED_FETCHED);
    DefcnStepLosses losses;

    g_assert_true (defcn_step_run (step, (DefcnExample **) examples->pdata,
        BATCH, BATCH, &losses, &error));
    g_assert_cmpint (losses.n_foreground, ==, BATCH * OBJECTS);
    defcn_optimizer_step (optimizer, i);
    defcn_params_upload (defcn_model_params (model));
    const int more_sent = emulated_counted (EMULATED_SENT) - sent;
    const int more_fetched = emulated_counted (EMULATED_FETCHED) - fetched;

    g_test_message ("sent %d, of it %d of pictures, fetched %d", more_sent,
        pictures, more_fetched);
    g_assert_cmpint (more_sent, >=, pictures);
    g_assert_cmpint (more_sent, <=, pictures + LITTLE);
    g_assert_cmpint (more_fetched, >, 0);
    g_assert_cmpint (more_fetched, <=, LITTLE);
  }
}

/* Three steps of pictures of @widths, which are padded to one size, from the
 * same weights; in the second the device has no more memory if @is_short. */
static void
run_steps (DefcnStepLosses losses[3], int sent[3], const int widths[3],
    gboolean is_short)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new_in ("cuda", testing_precision (), 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, &error);
  g_autoptr (DefcnModel) model = model_new (be);
  g_autoptr (DefcnStep) step = defcn_step_new (model, &recipe->step);

  for (int i = 0; i < 3; i++) {
    g_autoptr (DefcnExample) example = example_new (0, widths[i]);
    const int before = emulated_counted (EMULATED_SENT);

    if (is_short && i == 1)
      g_setenv ("DEFCN_EMULATE_FAIL", "alloc:1", TRUE);
    defcn_step_run (step, &example, 1, 1, &losses[i], &error);
    g_unsetenv ("DEFCN_EMULATE_FAIL");
    g_assert_no_error (error);
    sent[i] = emulated_counted (EMULATED_SENT) - before;
  }
}

/* A picture that the device has no room for is normalised here and sent as
 * floats: its losses are those of the bytes, and the next go as bytes again. */
static void
test_no_room (void)
{
  static const int widths[3] = { 72, WIDTH, WIDTH };
  DefcnStepLosses wanted[3], found[3];
  int bytes[3], floats[3];

  run_steps (wanted, bytes, widths, FALSE);
  run_steps (found, floats, widths, TRUE);
  for (int i = 0; i < 3; i++) {
    g_assert_cmpfloat (found[i].total, ==, wanted[i].total);
    g_assert_cmpint (found[i].n_foreground, ==, wanted[i].n_foreground);
  }
  g_assert_cmpint (bytes[1], <, 2 * WIDTH * HEIGHT * 3);
  g_assert_cmpint (floats[1], >=, WIDTH * HEIGHT * 3 * (int) sizeof (float));
  g_assert_cmpint (floats[2], <, 2 * WIDTH * HEIGHT * 3);
}

/* All gradients as the host has them; (transfer full). */
static GArray *
gradients_of (DefcnModel *model)
{
  DefcnParams *params = defcn_model_params (model);
  GArray *values = g_array_new (FALSE, FALSE, sizeof (float));

  defcn_params_download_gradients (params);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    if (p->grad)
      g_array_append_vals (values, p->grad, defcn_param_len (p));
  }
  return values;
}

static void
play_alone (DefcnRanks *ranks, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new_in ("cuda", testing_precision (), 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, &error);
  g_autoptr (DefcnModel) model = model_new (be);
  g_autoptr (DefcnStep) plain = defcn_step_new (model, &recipe->step);
  g_autoptr (DefcnStep) summed = defcn_step_new (model, &recipe->step);
  DefcnExample *examples[] = { example_new (0, WIDTH), example_new (1, WIDTH) };
  DefcnStepLosses losses;

  defcn_step_set_ranks (summed, ranks, NULL);
  g_assert_true (defcn_step_run (plain, examples, 2, 1, &losses, &error));
  g_autoptr (GArray) wanted = gradients_of (model);
  for (int i = 0; i < 3; i++) {
    g_assert_true (defcn_step_run (summed, examples, 2, 1, &losses, &error));
    g_autoptr (GArray) found = gradients_of (model);

    g_assert_cmpmem (found->data, found->len * sizeof (float), wanted->data,
        wanted->len * sizeof (float));
  }
  g_assert_cmpuint (defcn_ranks_summed (ranks), >=,
      3 * wanted->len * sizeof (float));
  for (int i = 0; i < 2; i++)
    defcn_example_free (examples[i]);
  defcn_ranks_free (ranks, TRUE);
}

/* Gradients that go over ranks, of which there is one, are what they were, on
 * the device too, from the first step on. */
static void
test_ranks (void)
{
  hub_run (1, play_alone, NULL);
}

/* A checkpoint and a model of a device that is lost are not written: what there
 * was stays to the byte. */
static void
test_lost (void)
{
  const DefcnOptimizerOptions sgd = { .lr = 0.01,
    .iterations = 10,
    .ema = 0.9 };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new_in ("cuda", testing_precision (), 1, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, &error);
  g_autoptr (DefcnModel) model = model_new (be);
  g_autoptr (DefcnOptimizer) optimizer =
      defcn_optimizer_new (defcn_model_params (model), &sgd);
  const DefcnCheckpoint state = { .model = model,
    .optimizer = optimizer,
    .recipe = recipe,
    .iteration = 3 };
  g_assert_true (defcn_recipe_set (recipe, "annotations=a.json", &error));
  char *folder = folder_new ();
  g_autofree char *path = folder_file (folder, "checkpoint.safetensors");
  g_autofree char *before = NULL, *after = NULL;
  gsize len, len_after;

  g_assert_true (defcn_checkpoint_save (&state, path, &error));
  g_assert_true (g_file_get_contents (path, &before, &len, NULL));
  defcn_optimizer_step (optimizer, 3); /* the device's are newer */
  g_setenv ("DEFCN_EMULATE_FAIL", "lost:1", TRUE);
  g_assert_false (defcn_checkpoint_save (&state, path, &error));
  g_assert_nonnull (strstr (error->message, "unspecified launch failure"));
  g_clear_error (&error);
  g_assert_false (defcn_checkpoint_save_model (&state, path, 0.1, 0.2, &error));
  g_assert_nonnull (strstr (error->message, "unspecified launch failure"));
  g_clear_error (&error);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  g_assert_true (g_file_get_contents (path, &after, &len_after, NULL));
  g_assert_cmpmem (after, len_after, before, len);
  folder_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cuda/step/traffic", test_traffic);
  g_test_add_func ("/cuda/step/no-room", test_no_room);
  g_test_add_func ("/cuda/step/ranks", test_ranks);
  g_test_add_func ("/cuda/step/lost", test_lost);
  return g_test_run ();
}
