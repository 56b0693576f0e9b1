/* `defcn eval`: the figures of a model on a data set. */
#include "command.h"
#include "data/annotations.h"
#include "data/list.h"
#include "data/output.h"
#include "device_options.h"
#include "drawing/reliability_plot.h"
#include "eval/calibrate.h"
#include "eval/results.h"
#include "eval/tracks.h"
#include "read_options.h"

#include <signal.h>

#define NOT_GIVEN -2.0 /* a threshold */
#define MAX_WINDOW 999
#define MAX_DRAWS 100000

static volatile int interrupted;

typedef struct
{
  char *model, *annotations, *images, *json, *detections, *reliability;
  char *results, *only; /* only: classes, ";" between them */
  char *tracks;
  gboolean raw;
  int limit, crowd, batch, bootstrap;
  gboolean classes, calibrate, force;
  DefcnReadOptions read;
  DefcnDetectorOptions device;
  double threshold, nms, filter, duplicates, recall;
  DefcnNmsRange range;
  char *max_filter;
} Options;

static void
on_signal (int number)
{
  interrupted = number;
}

/* None of what is read may be lost, and what would only fail after all
 * pictures is said before the first. */
static gboolean
check_output (const Options *o, const char *path, GError **error)
{
  const char *inputs[] = { o->annotations, o->model, o->results, o->tracks };
  const char *given[G_N_ELEMENTS (inputs) + 1] = { NULL };
  guint n = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (inputs); i++)
    if (inputs[i])
      given[n++] = inputs[i];
  return defcn_output_check (path, given, error);
}

static gboolean
check_files (const Options *o, GError **error)
{
  if (o->images && !g_file_test (o->images, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no such folder of images", o->images);
    return FALSE;
  }
  if (o->detections && !o->force
      && g_file_test (o->detections, G_FILE_TEST_IS_REGULAR)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: is there already: --force writes over it, --results measures "
        "what is in it",
        o->detections);
    return FALSE;
  }
  return check_output (o, o->json, error)
      && check_output (o, o->detections, error)
      && check_output (o, o->reliability, error);
}

/* Takes @object. */
static gboolean
write_json (cJSON *object, const Options *o, GError **error)
{
  char *text = cJSON_Print (object);

  cJSON_Delete (object);
  if (g_str_equal (o->json, "-")) {
    g_print ("%s\n", text);
    cJSON_free (text);
    return TRUE;
  }
  const gboolean good = defcn_output_write (o->json, text, -1, error);
  cJSON_free (text);
  return good;
}

static gboolean
save_json (const DefcnFigures *result, const Options *o, GError **error)
{
  cJSON *object = cJSON_CreateObject ();

  if (o->model)
    cJSON_AddStringToObject (object, "model", o->model);
  if (o->results)
    cJSON_AddStringToObject (object, "results", o->results);
  cJSON_AddStringToObject (object, "annotations", o->annotations);
  defcn_figures_to_json (result, object);
  return write_json (object, o, error);
}

static gboolean
save_reliability (const DefcnFigures *result, const Options *o, GError **error)
{
  g_autofree char *model =
      g_path_get_basename (o->model ? o->model : o->results);
  g_autofree char *data = g_path_get_basename (o->annotations);
  g_autofree char *way = defcn_figures_way (result);
  g_autofree char *title = g_strdup_printf ("%s on %s, %s%s", model, data, way,
      o->max_filter ? ", max filter" : "");

  return defcn_reliability_plot_save (&result->reliability, title,
      o->reliability, error);
}

/* The threshold of best F1 becomes the file's. */
static gboolean
calibrate (const DefcnFigures *result, const DefcnWeights *weights, double old,
    const Options *o, GError **error)
{
  const DefcnWorking *best = &result->best;

  if (best->threshold < 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no detection is right, so no threshold is best; the file keeps "
        "%.2f",
        o->model, old);
    return FALSE;
  }
  if (!defcn_calibrate_write (weights, best->threshold, error))
    return FALSE;
  g_autofree char *text =
      g_strdup_printf ("%s: working threshold %.2f -> %.2f\n", o->model, old,
          best->threshold);
  if (o->json && g_str_equal (o->json, "-"))
    g_printerr ("%s", text);
  else
    g_print ("%s", text);
  return TRUE;
}

static DefcnEvaluateOptions
evaluate_options (const Options *o)
{
  DefcnMaxFilter max_filter = { 0 };

  if (o->max_filter)
    defcn_max_filter_parse (&max_filter, o->max_filter); /* checked */
  return (DefcnEvaluateOptions){ .threshold = o->threshold,
    .nms_iou = o->nms,
    .nms_range = o->range,
    .max_filter = max_filter,
    .duplicate_iou = o->filter,
    .recall = o->recall,
    .least_objects = o->crowd,
    .duplicate_threshold = o->duplicates,
    .draws = o->bootstrap,
    .limit = o->limit,
    .batch = o->batch,
    .progress = TRUE,
    .stop = &interrupted,
    .detections = o->detections };
}

/* What was measured, in the forms that were asked for. */
static gboolean
tell (const DefcnFigures *result, const Options *o, GError **error)
{
  g_autofree char *table = defcn_figures_table (result, o->classes);

  if (!o->json || !g_str_equal (o->json, "-"))
    g_print ("%s", table);
  return (!o->json || save_json (result, o, error))
      && (!o->reliability || save_reliability (result, o, error));
}

/* The annotations, and what there is to know of them on stderr. */
static DefcnDataset *
open_annotations (const Options *o, GError **error)
{
  DefcnReadOptions options = o->read;

  options.classes = o->only;
  DefcnDataset *dataset = defcn_annotations_open (o->annotations,
      o->images ? o->images : ".", &options, error);
  if (!dataset)
    return NULL;
  g_autofree char *notes = defcn_dataset_notes (dataset);
  g_printerr ("%s", notes);
  if (o->bootstrap && dataset->crowdhuman) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: --bootstrap is for COCO's figures, and this is CrowdHuman's form",
        o->annotations);
    g_clear_pointer (&dataset, defcn_dataset_free);
  }
  return dataset;
}

static gboolean
run_tracks (const Options *o, GError **error)
{
  const gboolean bare = o->json && g_str_equal (o->json, "-");
  DefcnTrackFigures figures;

  if (!check_output (o, o->json, error))
    return FALSE;
  g_autoptr (DefcnMotSequence) sequence =
      defcn_mot_sequence_open (o->annotations, o->tracks, o->raw, error);
  if (!sequence)
    return FALSE;
  defcn_tracks_measure (sequence, &figures);
  if (!bare) {
    g_autofree char *table = defcn_tracks_table (&figures);

    g_print ("%s", table);
  }
  if (!o->json)
    return TRUE;
  cJSON *object = cJSON_CreateObject ();
  cJSON_AddStringToObject (object, "results", o->tracks);
  cJSON_AddStringToObject (object, "annotations", o->annotations);
  defcn_tracks_to_json (&figures, object);
  return write_json (object, o, error);
}

static gboolean
run_results (const Options *o, GError **error)
{
  g_auto (DefcnFigures) result = { 0 };
  DefcnEvaluateOptions options = evaluate_options (o);

  if (!check_files (o, error))
    return FALSE;
  g_autoptr (DefcnDataset) dataset = open_annotations (o, error);
  if (o->threshold == NOT_GIVEN)
    options.threshold = 0;
  options.partial = o->only != NULL;
  return dataset
      && defcn_results_evaluate (dataset, o->results, &options, &result, error)
      && tell (&result, o, error);
}

/* The objects of the model's classes; names those that only one has. */
static DefcnDataset *
match (const DefcnDataset *dataset, const DefcnSpec *spec, GError **error)
{
  DefcnDataset *matched =
      defcn_dataset_match (dataset, (const char *const *) spec->labels, error);
  g_autoptr (GString) absent = g_string_new (NULL);

  if (!matched)
    return NULL;
  g_autofree char *notes = defcn_dataset_notes (matched);
  for (int i = 0; i < spec->n_classes; i++)
    if (g_array_index (matched->category_ids, gint64, i) == DEFCN_NO_CATEGORY)
      g_string_append_printf (absent, "%s%s", absent->len ? ", " : "",
          spec->labels[i]);
  g_printerr ("%s", notes);
  if (absent->len)
    g_printerr ("%s: classes of the model that it has not: %s\n", dataset->path,
        absent->str);
  return matched;
}

static gboolean
run_eval (const Options *o, GError **error)
{
  g_auto (DefcnFigures) result = { 0 };
  g_autoptr (DefcnBackend) be = NULL;
  g_autoptr (DefcnModel) model = NULL;
  DefcnEvaluateOptions options = evaluate_options (o);

  if (!check_files (o, error))
    return FALSE;
  g_autoptr (DefcnWeights) weights = defcn_weights_open (o->model, error);
  if (!weights || (o->calibrate && !defcn_calibrate_check (o->model, error)))
    return FALSE;
  g_autoptr (DefcnDataset) dataset = open_annotations (o, error);
  if (!dataset)
    return FALSE;
  be = defcn_device_options_open (&o->device, o->model, error);
  if (!be)
    return FALSE;
  model = defcn_model_open (weights, be, FALSE, error);
  if (!model)
    return FALSE;
  const DefcnSpec *spec = defcn_model_spec (model);
  g_autoptr (DefcnDataset) matched = match (dataset, spec, error);
  if (!matched)
    return FALSE;
  if (o->threshold == NOT_GIVEN)
    options.threshold = defcn_evaluate_defaults.threshold;
  if (!defcn_evaluate_model (model, matched, &options, &result, error)) {
    if (error && g_error_matches (*error, DEFCN_ERROR, DEFCN_ERROR_MODEL))
      g_prefix_error (error, "%s: ", o->model);
    return FALSE;
  }
  return tell (&result, o, error)
      && (!o->calibrate
          || calibrate (&result, weights, spec->working_threshold, o, error));
}

/* What is done to boxes of this evaluation alone. */
static gboolean
has_rule (const Options *o)
{
  return o->range.window || o->range.per_level || o->max_filter;
}

static const char *
check (const Options *o)
{
  DefcnMaxFilter max_filter;

  if (o->results
      && (o->model || o->detections || o->calibrate || o->limit || o->batch))
    return "--results goes without --model, --detections, --calibrate, "
           "--batch and --limit";
  if ((o->results || o->tracks || o->calibrate) && has_rule (o))
    return "--nms-window, --nms-per-scale and --max-filter go with --model and "
           "without --calibrate, as no file has them";
  if (o->tracks
      && (o->model || o->images || o->results || o->detections || o->calibrate
          || o->limit || o->batch || o->bootstrap || o->reliability || o->only
          || o->classes))
    return "--tracks goes with --annotations, --json and --raw alone";
  if (o->raw && !o->tracks)
    return "--raw goes with --tracks";
  if (!o->results && !o->tracks && (!o->model || !o->annotations || !o->images))
    return "--model, --annotations and --images are needed";
  if (!o->annotations)
    return "--annotations are needed";
  if (!(o->threshold <= 1) || !(o->duplicates >= 0 && o->duplicates <= 1))
    return "a score threshold is not in 0 .. 1";
  if (!(o->nms >= 0 && o->nms < 1))
    return "--nms is not in 0 .. 1";
  if (o->range.window
      && (o->range.window % 2 != 1 || o->range.window < 1
          || o->range.window > MAX_WINDOW))
    return "--nms-window is not odd, 1 .. 999";
  if (o->max_filter && !defcn_max_filter_parse (&max_filter, o->max_filter))
    return "--max-filter is not TAU,PHI, an even number up to 8 and an odd one "
           "up to 15";
  if (!(o->filter >= 0 && o->filter < 1))
    return "--duplicate-filter is not in 0 .. 1";
  if (!(o->recall >= 0 && o->recall <= 1))
    return "--recall is not in 0 .. 1";
  if (o->crowd < 1)
    return "--crowd is not 1 or more";
  if (o->bootstrap < 0 || o->bootstrap > MAX_DRAWS)
    return "--bootstrap is not in 0 .. 100000";
  if (o->batch < 0 || o->batch > DEFCN_EVALUATE_MAX_BATCH)
    return "--batch is not in 1 .. 64";
  if (o->limit < 0 || o->device.threads < 0)
    return "--limit and --threads are not negative";
  return defcn_read_options_problem (&o->read);
}

/* --classes prints every class, --classes=NAMES takes only those. */
static gboolean
on_classes (const char *name, const char *value, gpointer data, GError **error)
{
  Options *o = data;

  if (!value) {
    o->classes = TRUE;
    return TRUE;
  }
  g_free (o->only);
  o->only = defcn_list_from_commas (value);
  return TRUE;
}

static const char summary[] =
    "From one pass, three columns: all boxes, the local duplicate filter,\n"
    "NMS.  COCO: the twelve figures and the duplicate rate, the share of\n"
    "detections that overlap a better one (IoU > 0.7) on the same object.\n"
    "CrowdHuman: AP50, mMR, Recall, JI (CrowdDet's toolkit) and the threshold\n"
    "that this is best at, the recall of the annotations under NMS; no\n"
    "duplicates.  Both: precision, recall and F1 (IoU 0.5) at the model's\n"
    "working threshold and at equal recall, and the pictures of many objects\n"
    "alone.  Of the way that the model works by its file: the threshold of\n"
    "best F1, and how far its scores are from their precision (expected\n"
    "calibration error).";

static const char description[] =
    "--calibrate tries thresholds 0.01 apart and takes the one whose F1 is\n"
    "best in the mean with two neighbours on either side, the higher of equal\n"
    "ones.  All else in the file stays as it is.\n"
    "\n"
    "--bootstrap draws as many images as there are, some of them several\n"
    "times, the same for every model: --json has AP and AP50 of every draw,\n"
    "and the differences of two models draw by draw have an interval too.\n"
    "\n"
    "--tracks prints HOTA, MOTA, IDF1 and what they are made of, as TrackEval\n"
    "does.  Annotations with the mark 0 are left out; where they have classes\n"
    "(MOT16 and later) also those that are no pedestrians, and results that\n"
    "match a person on a vehicle, a static person, a distractor or a\n"
    "reflection.  A frame that has an id twice is an error.";

static gboolean
parse (Options *o, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model, "the model file",
        "FILE" },
    { "annotations", 'a', 0, G_OPTION_ARG_FILENAME, &o->annotations,
        "COCO .json, CrowdHuman .odgt, or gt.txt for --tracks", "FILE" },
    { "images", 'i', 0, G_OPTION_ARG_FILENAME, &o->images,
        "folder of the images", "DIR" },
    { "threshold", 't', 0, G_OPTION_ARG_DOUBLE, &o->threshold,
        "score threshold (0.05), below 0: the model's", "T" },
    { "nms", 0, 0, G_OPTION_ARG_DOUBLE, &o->nms,
        "IoU of the column with NMS (the model's, or 0.6)", "IOU" },
    { "nms-window", 0, 0, G_OPTION_ARG_INT, &o->range.window,
        "there: only boxes within PHI x PHI locations of the better one "
        "(table 2)",
        "PHI" },
    { "nms-per-scale", 0, 0, G_OPTION_ARG_NONE, &o->range.per_level,
        "there: only boxes of one scale of the pyramid (table 2)", NULL },
    { "max-filter", 0, 0, G_OPTION_ARG_STRING, &o->max_filter,
        "3DMF as post-processing (table 5): only scores that are the largest "
        "of PHI x PHI locations on TAU + 1 scales, as in 2,3; in all columns",
        "TAU,PHI" },
    { "duplicate-filter", 0, 0, G_OPTION_ARG_DOUBLE, &o->filter,
        "IoU of the column \"local\" (the model's, or 0.7)", "IOU" },
    { "duplicate-threshold", 0, 0, G_OPTION_ARG_DOUBLE, &o->duplicates,
        "scores that count for the duplicate rate (0.3)", "T" },
    { "recall", 0, 0, G_OPTION_ARG_DOUBLE, &o->recall,
        "where duplicates are compared (the model's, at work)", "R" },
    { "crowd", 0, 0, G_OPTION_ARG_INT, &o->crowd,
        "objects of a picture that is crowded (8)", "N" },
    { "limit", 0, 0, G_OPTION_ARG_INT, &o->limit, "only the first N images",
        "N" },
    { "bootstrap", 0, 0, G_OPTION_ARG_INT, &o->bootstrap,
        "AP's 95 % interval over N sets of images drawn from these", "N" },
    { "batch", 'b', 0, G_OPTION_ARG_INT, &o->batch,
        "images shown to the detector at once, on the CPU side by side (1; "
        "CUDA: 8 of 1000)",
        "N" },
    { "classes", 'c', G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK,
        on_classes,
        "print the AP of every class too; with names, measure only these",
        "A,B" },
    { "json", 'j', 0, G_OPTION_ARG_FILENAME, &o->json,
        "write all figures here, - for standard output", "FILE" },
    { "detections", 0, 0, G_OPTION_ARG_FILENAME, &o->detections,
        "write the boxes here, in COCO's results format", "FILE" },
    { "force", 0, 0, G_OPTION_ARG_NONE, &o->force,
        "write over --detections that are there", NULL },
    { "results", 0, 0, G_OPTION_ARG_FILENAME, &o->results,
        "measure these boxes, COCO's results or CrowdHuman's lines, instead of "
        "a model",
        "FILE" },
    { "tracks", 0, 0, G_OPTION_ARG_FILENAME, &o->tracks,
        "measure these tracks, MOT-challenge's text, against --annotations of "
        "that form (gt.txt)",
        "FILE" },
    { "raw", 0, 0, G_OPTION_ARG_NONE, &o->raw,
        "with --tracks: leave no annotation or result out", NULL },
    { "reliability", 0, 0, G_OPTION_ARG_FILENAME, &o->reliability,
        "draw precision over the score here", "PNG" },
    { "calibrate", 0, 0, G_OPTION_ARG_NONE, &o->calibrate,
        "write the threshold of best F1 into the model file", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("- measure a model on a data set");
  GOptionGroup *group = g_option_group_new ("eval", "", "", o, NULL);

  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, description);
  g_option_group_add_entries (group, entries);
  g_option_context_set_main_group (context, group);
  defcn_read_options_add (&o->read, context);
  defcn_device_options_add (&o->device, context,
      DEFCN_DEVICE_OPTIONS_THREADS | DEFCN_DEVICE_OPTIONS_EXACT
          | DEFCN_DEVICE_OPTIONS_MAX_EDGE);
  return g_option_context_parse (context, argc, argv, error);
}

int
defcn_eval_main (int argc, char **argv)
{
  Options o = { .threshold = NOT_GIVEN,
    .read = defcn_read_defaults,
    .duplicates = defcn_evaluate_defaults.duplicate_threshold,
    .crowd = defcn_evaluate_defaults.least_objects };
  struct sigaction action = { .sa_handler = on_signal,
    .sa_flags = SA_RESETHAND };
  g_autoptr (GError) error = NULL;
  int status = 0;

  if (!parse (&o, &argc, &argv, &error)) {
    g_printerr ("defcn eval: %s\n", error->message);
    status = 2;
  } else if (check (&o) || argc > 1) {
    g_printerr ("defcn eval: %s (see --help)\n",
        check (&o) ? check (&o) : "unexpected argument");
    status = 2;
  } else {
    sigaction (SIGINT, &action, NULL);
    sigaction (SIGTERM, &action, NULL);
    if (!(o.tracks          ? run_tracks (&o, &error)
                : o.results ? run_results (&o, &error)
                            : run_eval (&o, &error))) {
      g_printerr ("defcn eval: %s\n", error->message);
      status = interrupted ? 128 + interrupted : 1;
    }
  }
  g_free (o.model);
  g_free (o.annotations);
  g_free (o.images);
  defcn_device_options_clear (&o.device);
  g_free (o.json);
  g_free (o.detections);
  g_free (o.reliability);
  g_free (o.results);
  g_free (o.tracks);
  g_free (o.only);
  g_free (o.max_filter);
  return status;
}
