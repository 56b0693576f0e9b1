/* The command line of `defcn train`. */
#include "run_options.h"

#include "device_options.h"

static const char summary[] =
    "Trains by the recipe: preset, then CONFIG (a key file with a group\n"
    "[recipe]), then --set.  The run's folder gets checkpoint.safetensors,\n"
    "best.safetensors and model.safetensors, metrics.jsonl and curve.png.\n"
    "Ctrl-C saves a checkpoint (exit status 130); --resume goes on to the "
    "same\n"
    "numbers, an evaluation that was interrupted is done again.  recipe.ini "
    "has\n"
    "all of the recipe: it repeats the run.\n"
    "\n"
    "Started by mpirun or srun, it is one of several processes that share "
    "each\n"
    "batch; data has the same paths for all, and the first of them, rank 0, "
    "alone\n"
    "has the run's folder.  The losses are those of one process with the "
    "same\n"
    "micro_batch; --resume may have another number of processes.";

static void
add_entries (GOptionContext *context, DefcnRunOptions *o, char **reduce)
{
  const GOptionEntry entries[] = {
    { "preset", 'p', 0, G_OPTION_ARG_STRING, &o->preset,
        "start from this row of the paper (see --help-recipe)", "NAME" },
    { "annotations", 'a', 0, G_OPTION_ARG_FILENAME_ARRAY, &o->annotations,
        "training annotations, COCO .json or CrowdHuman .odgt; several are "
        "joined",
        "FILE" },
    { "images", 'i', 0, G_OPTION_ARG_FILENAME_ARRAY, &o->images,
        "folder of the training images, one for each file", "DIR" },
    { "val-annotations", 0, 0, G_OPTION_ARG_FILENAME, &o->val_annotations,
        "validation annotations", "FILE" },
    { "val-images", 0, 0, G_OPTION_ARG_FILENAME, &o->val_images,
        "folder of the validation images", "DIR" },
    { "init", 0, 0, G_OPTION_ARG_FILENAME, &o->init,
        "weights to start from (see defcn import)", "FILE" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output,
        "folder of the run (runs/train)", "DIR" },
    { "set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &o->set,
        "set a key of the recipe, may be repeated", "KEY=VALUE" },
    { "resume", 'r', 0, G_OPTION_ARG_NONE, &o->resume,
        "go on from the run's checkpoint, by its recipe.ini unless CONFIG or "
        "--preset is there",
        NULL },
    { "force", 0, 0, G_OPTION_ARG_NONE, &o->force,
        "begin anew in a folder that has a run; with --resume: go on with "
        "other data",
        NULL },
    { "absolute-names", 0, 0, G_OPTION_ARG_NONE, &o->absolute_names,
        "pictures' file names may be absolute, or leave their folder", NULL },
    { "ignore-exif", 0, 0, G_OPTION_ARG_NONE, &o->ignore_exif,
        "take pixels as they are stored, whatever EXIF says", NULL },
    { "stop-after", 0, 0, G_OPTION_ARG_INT64, &o->stop_after,
        "stop at this iteration as if interrupted", "N" },
    { "rank-timeout", 0, 0, G_OPTION_ARG_DOUBLE, &o->rank_timeout,
        "of several processes: seconds of silence after which one is lost (15)",
        "SECONDS" },
    { "reduce", 0, 0, G_OPTION_ARG_STRING, reduce,
        "of several processes on CUDA: gradients are summed by nccl on the "
        "GPUs "
        "or by mpi on the host (auto: NCCL where all have it)",
        "HOW" },
    { "help-recipe", 0, 0, G_OPTION_ARG_NONE, &o->help_recipe,
        "list presets, keys and their defaults", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->files, NULL,
        NULL },
    { NULL }
  };

  g_option_context_add_main_entries (context, entries, NULL);
}

gboolean
defcn_run_options_parse (DefcnRunOptions *o, int argc, char **argv,
    GError **error)
{
  g_autoptr (GOptionContext) context =
      g_option_context_new ("[CONFIG] - train a detector");
  g_autofree char *reduce = NULL;

  o->rank_timeout = defcn_ranks_defaults.silence;
  g_option_context_set_summary (context, summary);
  add_entries (context, o, &reduce);
  defcn_device_options_add (&o->device, context, DEFCN_DEVICE_OPTIONS_TRAIN);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (reduce && !defcn_reduce_parse (&o->reduce, reduce, error)) {
    g_prefix_error (error, "--reduce: ");
    return FALSE;
  }
  if (o->rank_timeout < 2 || o->rank_timeout > 86400) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--rank-timeout is %g, wanted 2 to 86400", o->rank_timeout);
    return FALSE;
  }
  if (o->files && o->files[1]) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "one CONFIG at most");
    return FALSE;
  }
  if (!o->output)
    o->output = g_build_filename ("runs", "train", NULL);
  return TRUE;
}

void
defcn_run_options_clear (DefcnRunOptions *o)
{
  g_free (o->preset);
  g_free (o->output);
  defcn_device_options_clear (&o->device);
  g_strfreev (o->annotations);
  g_strfreev (o->images);
  g_free (o->val_annotations);
  g_free (o->val_images);
  g_free (o->init);
  g_strfreev (o->set);
  g_strfreev (o->files);
}
