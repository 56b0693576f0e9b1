/* The two ends of a training run: from the command line to all that it needs,
 * and back. */
#include "run.h"

#include "data/annotations.h"
#include "data/list.h"
#include "data/output.h"
#include "data/sets.h"
#include "device_options.h"
#include "init.h"
#include "ranks/launcher.h"
#include "joint.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The network of the recipe, where nobody has said otherwise, is that of what
 * the run starts from, or goes on from. */
static gboolean
adopt_network (DefcnRecipe *recipe, const DefcnRunOptions *o, GError **error)
{
  g_autofree char *set = NULL;

  if (o->resume) {
    g_autofree char *checkpoint =
        g_build_filename (o->output, "checkpoint.safetensors", NULL);

    defcn_init_adopt (recipe, &set, checkpoint, NULL); /* open() says why not */
    return TRUE;
  }
  if (!recipe->init)
    return TRUE;
  if (!defcn_init_adopt (recipe, &set, recipe->init, error))
    return FALSE;
  if (set)
    g_print ("%s sets %s\n", recipe->init, set);
  return TRUE;
}

/* A list of @paths, or NULL. */
static char *
join (char *const *paths)
{
  return paths ? defcn_list_join ((const char *const *) paths) : NULL;
}

/* The recipe that a resumed run has written, where nobody has said another;
 * (transfer full). */
static char *
own_recipe (const DefcnRunOptions *o)
{
  if (!o->resume || o->files || o->preset)
    return NULL;
  g_autofree char *path = g_build_filename (o->output, "recipe.ini", NULL);

  return !o->annotations || g_file_test (path, G_FILE_TEST_EXISTS)
      ? g_steal_pointer (&path)
      : NULL;
}

DefcnRecipe *
defcn_run_recipe (const DefcnRunOptions *o, GError **error)
{
  g_autofree char *own = own_recipe (o);
  const char *file = o->files ? o->files[0] : own;
  g_autofree char *preset = g_strdup (o->preset);
  g_autofree char *annotations = join (o->annotations);
  g_autofree char *images = join (o->images);
  const struct
  {
    const char *key, *value;
  } options[] = {
    { "annotations", annotations },
    { "images", images },
    { "val_annotations", o->val_annotations },
    { "val_images", o->val_images },
    { "init", o->init },
    { "absolute_names", o->absolute_names ? "true" : NULL },
    { "exif", o->ignore_exif ? "false" : NULL },
    { "precision", o->device.precision },
  };

  if (file && !preset) {
    g_autoptr (GError) unreadable = NULL;

    preset = defcn_recipe_file_preset (file, &unreadable);
    if (unreadable) {
      g_propagate_error (error, g_steal_pointer (&unreadable));
      return NULL;
    }
  }

  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (preset, error);
  if (!recipe || (file && !defcn_recipe_load (recipe, file, error)))
    return NULL;
  for (guint i = 0; o->set && o->set[i]; i++) {
    if (!defcn_recipe_set (recipe, o->set[i], error))
      return NULL;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (options); i++) {
    g_autofree char *text =
        g_strdup_printf ("%s=%s", options[i].key, options[i].value);

    if (options[i].value && !defcn_recipe_set (recipe, text, error))
      return NULL;
  }
  return adopt_network (recipe, o, error) && defcn_recipe_finish (recipe, error)
      ? g_steal_pointer (&recipe)
      : NULL;
}

gboolean
defcn_run_leads (const DefcnRun *run)
{
  return defcn_ranks_rank (run->ranks) == 0;
}

char *
defcn_run_file (const DefcnRun *run, const char *name)
{
  return g_build_filename (run->options->output, name, NULL);
}

/* The folder is this run's until it closes, and no other's. */
static gboolean
lock_folder (DefcnRun *run, GError **error)
{
  const char *folder = run->options->output;

  if (!defcn_output_make_folder (folder, error))
    return FALSE;
  run->lock = g_open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (run->lock >= 0
      && (flock (run->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK))
    return TRUE; /* some file systems have no locks */
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: %s", folder,
      run->lock < 0 ? g_strerror (errno) : "another run is at work in it");
  return FALSE;
}

const char *const defcn_run_files[] = { "checkpoint.safetensors",
  "best.safetensors", "model.safetensors", "curve.png", "metrics.jsonl", NULL };

/* A run that begins finds no other's files, unless by force. */
static gboolean
check_unused (const DefcnRun *run, GError **error)
{
  const gboolean any = run->options->resume || run->options->force;

  for (gsize i = 0; !any && defcn_run_files[i]; i++) {
    g_autofree char *path = defcn_run_file (run, defcn_run_files[i]);
    GStatBuf about;

    if (g_stat (path, &about) != 0 || about.st_size == 0)
      continue;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: is of an earlier run: --resume goes on with it, --force begins "
        "anew, --output takes another folder",
        path);
    return FALSE;
  }
  return TRUE;
}

/* Begins anew. */
static void
remove_used (const DefcnRun *run)
{
  const gboolean anew = run->options->force && !run->options->resume;

  for (gsize i = 0; anew && defcn_run_files[i]; i++) {
    g_autofree char *path = defcn_run_file (run, defcn_run_files[i]);

    g_unlink (path);
  }
}

/* Decoded to see whether they are as their records say. */
#define MAX_TRIED 8

/* What would only fail at the first evaluation: all pictures are there and are
 * pictures, and those that are tried have the shapes of their records. */
static gboolean
check_pictures (const DefcnDataset *set, GError **error)
{
  const guint n = set->samples->len, tried = MIN (n, MAX_TRIED);

  for (guint i = 0; i < n; i++) {
    g_autofree char *path = defcn_dataset_image_path (set, i);

    if (!g_file_test (path, G_FILE_TEST_IS_REGULAR)) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "%s: no such picture, which %s has", path, set->path);
      return FALSE;
    }
    if (!defcn_picture_check (path, error))
      return FALSE;
  }
  for (guint k = 0; k < tried; k++) {
    g_autoptr (DefcnPicture) picture =
        defcn_dataset_picture (set, (guint) ((guint64) n * k / tried), error);

    if (!picture)
      return FALSE;
  }
  return TRUE;
}

/* The validation set, with the classes of the training set by their names.
 * @said: notes that need not be said again. */
static gboolean
open_validation (DefcnRun *run, const char *said, GError **error)
{
  const DefcnRecipe *recipe = run->recipe;
  DefcnReadOptions options = recipe->read;

  options.classes = NULL; /* those of the training set are chosen */
  g_autoptr (DefcnDataset) set =
      defcn_annotations_open (recipe->val_annotations, recipe->val_images,
          &options, error);
  if (!set)
    return FALSE;
  run->validation = defcn_dataset_match (set,
      (const char *const *) run->recipe->spec->labels, error);
  if (!run->validation)
    return FALSE;
  g_autofree char *damage = defcn_dataset_notes (set);
  g_autofree char *left_out = defcn_dataset_notes (run->validation);
  if (defcn_run_leads (run))
    g_print ("%s%s", g_str_equal (damage, said) ? "" : damage, left_out);
  return TRUE;
}

/* The labels of the training set become the model's. */
static void
set_labels (DefcnSpec *spec, const GPtrArray *labels)
{
  g_strfreev (spec->labels);
  spec->n_classes = labels->len;
  spec->labels = g_new0 (char *, labels->len + 1);
  for (guint i = 0; i < labels->len; i++)
    spec->labels[i] = g_strdup (labels->pdata[i]);
}

static gboolean
open_data (DefcnRun *run, GError **error)
{
  DefcnRecipe *recipe = run->recipe;

  run->dataset = defcn_sets_open (&run->validation, recipe->annotations,
      recipe->images, recipe->holdout, &recipe->read, error);
  if (!run->dataset)
    return FALSE;
  set_labels (recipe->spec, run->dataset->labels);
  g_autofree char *notes = defcn_dataset_notes (run->dataset);
  if (defcn_run_leads (run))
    g_print ("%s", notes);
  if (recipe->val_annotations && !open_validation (run, notes, error))
    return FALSE;
  if (recipe->holdout > 0 && defcn_run_leads (run))
    g_print ("%u images to train on, %u held out\n", run->dataset->samples->len,
        run->validation->samples->len);
  return !run->validation || check_pictures (run->validation, error);
}

static gboolean
load_init (DefcnRun *run, GError **error)
{
  g_autoptr (DefcnWeights) weights =
      defcn_weights_open (run->recipe->init, error);
  g_autofree char *report = NULL;

  if (!weights || !defcn_init_load (run->state.model, &report, weights, error))
    return FALSE;
  g_print ("%s\n", report);
  return TRUE;
}

/* What a run begins with; one that goes on has it from its checkpoint. */
static gboolean
start_model (DefcnRun *run, GError **error)
{
  const DefcnRecipe *recipe = run->recipe;

  if (run->options->resume || !defcn_run_leads (run))
    return TRUE;
  if (recipe->init)
    return load_init (run, error);
  if (recipe->spec->freeze_at > 0)
    g_printerr ("defcn train: nothing to start from (init): freeze_at=%d "
                "leaves the first stages at random values, set freeze_at=0\n",
        recipe->spec->freeze_at);
  return TRUE;
}

static gboolean
open_model (DefcnRun *run, GError **error)
{
  DefcnRecipe *recipe = run->recipe;
  DefcnDetectorOptions device = run->options->device;

  device.threads = recipe->threads;
  if (recipe->threads == 0 && run->ranks)
    device.threads = defcn_launcher_threads (run->ranks);
  device.precision = recipe->precision;
  run->be = defcn_device_options_open (&device, NULL, error);
  if (!run->be)
    return FALSE;
  run->state.model =
      defcn_model_new (recipe->spec, run->be, TRUE, recipe->loader.seed, error);
  return run->state.model && start_model (run, error)
      && defcn_joint_check_device (run->ranks, run->be, error)
      && defcn_collective_open (&run->collective, &run->reduces, run->ranks,
          run->be, run->options->reduce, error)
      && defcn_joint_share_model (run->ranks, run->state.model, error);
}

/* Of epochs, where the recipe has those. */
static void
set_iterations (DefcnRun *run)
{
  DefcnRecipe *recipe = run->recipe;

  if (recipe->epochs > 0) {
    g_autoptr (GArray) used =
        defcn_dataset_trainable (run->dataset, recipe->loader.background);
    const double batches = recipe->epochs * used->len / recipe->loader.batch;

    recipe->optimizer.iterations = MAX (1, (gint64) ceil (batches));
  }
  run->last = recipe->optimizer.iterations;
}

/* Where the run begins, or goes on from. */
static gboolean
open_state (DefcnRun *run, GError **error)
{
  DefcnRecipe *recipe = run->recipe;
  g_autofree char *checkpoint = defcn_run_file (run, "checkpoint.safetensors");

  run->state.optimizer =
      defcn_optimizer_new (defcn_model_params (run->state.model),
          &recipe->optimizer);
  run->step = defcn_step_new (run->state.model, &recipe->step);
  defcn_step_set_ranks (run->step, run->ranks, run->collective);
  run->state.step = run->step;
  run->state.best_ap = -1;
  run->state.any_data = run->options->force;
  run->data = defcn_dataset_checksum (run->dataset);
  run->state.data = run->data;
  if (run->options->resume && defcn_run_leads (run)
      && !defcn_checkpoint_load (&run->state, checkpoint, error))
    return FALSE;
  if (run->options->resume
      && !defcn_joint_share_state (run->ranks, &run->state, error))
    return FALSE;
  run->first = run->state.iteration;
  return TRUE;
}

/* Whether the disk takes what the run will write at worst: its checkpoint, the
 * best model, and while one is written anew both, the old and the new one.  The
 * last model and the copy of the best are no more than a checkpoint. */
static gboolean
check_room (const DefcnRun *run, GError **error)
{
  g_autofree char *checkpoint = defcn_run_file (run, "checkpoint.safetensors");
  g_autofree char *best = defcn_run_file (run, "best.safetensors");
  guint64 of_checkpoint, of_model, sizes[3];
  guint n = 0;

  defcn_checkpoint_sizes (&run->state, &of_checkpoint, &of_model);
  sizes[n++] = of_checkpoint;
  if (!g_file_test (checkpoint, G_FILE_TEST_EXISTS))
    sizes[n++] = of_checkpoint;
  if (run->validation && !g_file_test (best, G_FILE_TEST_EXISTS))
    sizes[n++] = of_model;
  return defcn_output_check_room (run->options->output, sizes, n, error);
}

/* What is this rank's of the data, and whether it is what the others have. */
static gboolean
open_part (DefcnRun *run, GError **error)
{
  DefcnRecipe *recipe = run->recipe;

  if (!defcn_joint_divide (recipe, &run->micro, run->ranks, error))
    return FALSE;
  run->share = recipe->loader.batch / defcn_ranks_size (run->ranks);
  return open_data (run, error)
      && defcn_joint_check_data (run->ranks, run->dataset, run->validation,
          error);
}

/* The files of the run, once all is sure that could be made sure. */
static gboolean
open_files (DefcnRun *run, GError **error)
{
  g_autofree char *metrics = defcn_run_file (run, "metrics.jsonl");
  g_autofree char *ini = defcn_run_file (run, "recipe.ini");
  g_autofree char *text = defcn_recipe_to_file (run->recipe);

  if (!check_room (run, error))
    return FALSE;
  remove_used (run);
  run->metrics = defcn_metrics_open (metrics,
      run->options->resume ? run->state.iteration : -1, error);
  return run->metrics && defcn_output_write (ini, text, -1, error);
}

gboolean
defcn_run_open (DefcnRun *run, GError **error)
{
  const gboolean leads = defcn_run_leads (run);

  if (leads && (!lock_folder (run, error) || !check_unused (run, error)))
    return FALSE;
  if (!open_part (run, error) || !open_model (run, error))
    return FALSE;
  set_iterations (run);
  if (!open_state (run, error))
    return FALSE;
  run->loader = defcn_loader_new (run->dataset, &run->recipe->loader,
      run->state.iteration, error);
  return run->loader && defcn_ranks_barrier (run->ranks, error)
      && (!leads || open_files (run, error));
}

void
defcn_run_close (DefcnRun *run)
{
  g_clear_pointer (&run->progress, defcn_progress_free);
  g_clear_pointer (&run->loader, defcn_loader_free);
  g_clear_pointer (&run->step, defcn_step_free);
  g_clear_pointer (&run->state.optimizer, defcn_optimizer_free);
  g_clear_pointer (&run->eval_model, defcn_model_free);
  g_clear_pointer (&run->state.model, defcn_model_free);
  g_clear_pointer (&run->reduces, g_free);
  g_clear_pointer (&run->be, defcn_backend_free);
  g_clear_pointer (&run->dataset, defcn_dataset_free);
  g_clear_pointer (&run->data, g_free);
  g_clear_pointer (&run->validation, defcn_dataset_free);
  g_clear_pointer (&run->metrics, defcn_metrics_free);
  if (run->lock > 0)
    close (run->lock);
  run->lock = 0;
}
