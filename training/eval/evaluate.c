/* Evaluation of a model on a data set. */
#include "evaluate.h"

#include "columns.h"
#include "detector.h"
#include "data/picture.h"
#include "progress.h"

#include <string.h>

#define NMS_IOU 0.6f
#define DUPLICATE_IOU 0.7f

const DefcnEvaluateOptions defcn_evaluate_defaults = { .threshold = 0.05f,
  .duplicate_threshold = 0.3f,
  .least_objects = 8 };

typedef struct
{
  DefcnDetector *detector;
  const DefcnDataset *dataset;
  const DefcnEvaluateOptions *options;
  DefcnFigures *out;
  DefcnColumns *columns;
  gboolean filtered_nms; /* the model filters before its NMS */
  cJSON *results;        /* or NULL */
} Run;

/* A picture that the reader thread has ready. */
typedef struct
{
  DefcnPicture *picture;
  GError *error;
} Loaded;

typedef struct
{
  const DefcnDataset *dataset;
  guint n;
  GAsyncQueue *ready;   /* of Loaded, in order */
  GAsyncQueue *tickets; /* one per picture that may be read ahead */
  gint stop;
} Reader;

static gpointer
read_ahead (gpointer data)
{
  Reader *reader = data;

  for (guint i = 0; i < reader->n; i++) {
    g_autofree char *path = NULL;
    Loaded *loaded;

    g_async_queue_pop (reader->tickets);
    if (g_atomic_int_get (&reader->stop))
      break;
    path = defcn_dataset_image_path (reader->dataset, i);
    loaded = g_new0 (Loaded, 1);
    loaded->picture = defcn_picture_load (path, &loaded->error);
    g_async_queue_push (reader->ready, loaded);
  }
  return NULL;
}

static void
loaded_free (gpointer data)
{
  Loaded *loaded = data;

  defcn_picture_free (loaded->picture);
  g_clear_error (&loaded->error);
  g_free (loaded);
}

/* The first few, for people. */
static char *
list_labels (const char *const *labels, guint n)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < MIN (n, 4); i++)
    g_string_append_printf (text, "%s%s", i ? ", " : "", labels[i]);
  if (n > 4)
    g_string_append (text, ", ..");
  return g_string_free (text, FALSE);
}

static gboolean
check_classes (const DefcnSpec *spec, const DefcnDataset *dataset,
    GError **error)
{
  if ((guint) spec->n_classes != dataset->labels->len) {
    g_autofree char *ours =
        list_labels ((const char *const *) spec->labels, spec->n_classes);
    g_autofree char *theirs =
        list_labels ((const char *const *) dataset->labels->pdata,
            dataset->labels->len);

    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "the model has %d classes (%s), %s has %u (%s)", spec->n_classes, ours,
        dataset->path, dataset->labels->len, theirs);
    return FALSE;
  }
  for (int i = 0; i < spec->n_classes; i++) {
    if (!g_str_equal (spec->labels[i], dataset->labels->pdata[i])) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
          "class %d is \"%s\" in the model and \"%s\" in %s", i,
          spec->labels[i], (const char *) dataset->labels->pdata[i],
          dataset->path);
      return FALSE;
    }
  }
  return TRUE;
}

static void
append_results (cJSON *results, const DefcnDataset *dataset, guint i,
    const GArray *boxes)
{
  const DefcnSample *sample = dataset->samples->pdata[i];

  for (guint k = 0; k < boxes->len; k++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, k);
    const double xywh[4] = { b->x1, b->y1, (double) b->x2 - b->x1,
      (double) b->y2 - b->y1 };
    cJSON *item = cJSON_CreateObject ();

    cJSON_AddNumberToObject (item, "image_id", sample->id);
    cJSON_AddNumberToObject (item, "category_id",
        g_array_index (dataset->category_ids, gint64, b->label));
    cJSON_AddItemToObject (item, "bbox", cJSON_CreateDoubleArray (xywh, 4));
    cJSON_AddNumberToObject (item, "score", b->score);
    cJSON_AddItemToArray (results, item);
  }
}

static void
set_column (const Run *run, DefcnColumn column)
{
  const gboolean filters = column == DEFCN_COLUMN_LOCAL
      || (column == DEFCN_COLUMN_NMS && run->filtered_nms);

  defcn_detector_set_duplicate_filter (run->detector,
      filters ? run->out->duplicate_iou : 0);
  defcn_detector_set_nms (run->detector,
      column == DEFCN_COLUMN_NMS ? run->out->nms_iou : 0);
}

/* One forward pass, decoded for every column. */
static gboolean
run_image (Run *run, guint i, const DefcnPicture *picture, GError **error)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  const DefcnImage image = defcn_picture_image (picture);

  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    set_column (run, k);
    if (k > 0)
      defcn_detector_decode (run->detector, boxes);
    else if (!defcn_detector_run (run->detector, &boxes, &image, NULL, 1,
                 error))
      return FALSE;
    defcn_columns_add (run->columns, k, i, picture->width, picture->height,
        boxes);
    if (run->results && k == (int) run->out->own)
      append_results (run->results, run->dataset, i, boxes);
  }
  return TRUE;
}

static gboolean
interrupted (const Run *run, guint done, GError **error)
{
  if (!run->options->stop || !*run->options->stop)
    return FALSE;
  run->out->stopped = TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "interrupted after %u of %u images", done, run->out->n_images);
  return TRUE;
}

static gboolean
run_images (Run *run, Reader *reader, GError **error)
{
  g_autoptr (DefcnProgress) progress =
      run->options->progress ? defcn_progress_new ("eval", reader->n) : NULL;
  double total = 0;

  for (guint i = 0; i < reader->n; i++) {
    if (interrupted (run, i, error))
      return FALSE;

    Loaded *loaded = g_async_queue_pop (reader->ready);
    const gboolean good =
        loaded->picture && run_image (run, i, loaded->picture, error);
    if (loaded->error)
      g_propagate_error (error, g_steal_pointer (&loaded->error));
    loaded_free (loaded);
    if (!good)
      return FALSE;
    g_async_queue_push (reader->tickets, reader);

    DefcnTimings t;
    defcn_detector_timings (run->detector, &t);
    total += (t.preprocess + t.inference + t.postprocess) * 1e-6;
    run->out->milliseconds = total / (i + 1);
    if (progress)
      defcn_progress_update (progress, i + 1, "%.1f ms an image",
          run->out->milliseconds);
  }
  return TRUE;
}

/* Runs all images with a thread that reads ahead. */
static gboolean
run_all (Run *run, GError **error)
{
  Reader reader = { .dataset = run->dataset,
    .n = run->dataset->samples->len,
    .ready = g_async_queue_new_full (loaded_free),
    .tickets = g_async_queue_new () };

  for (int i = 0; i < 4; i++)
    g_async_queue_push (reader.tickets, &reader);
  GThread *thread = g_thread_new ("defcn-read", read_ahead, &reader);
  const gboolean good = run_images (run, &reader, error);
  g_atomic_int_set (&reader.stop, 1);
  g_async_queue_push (reader.tickets, &reader);
  g_thread_join (thread);
  g_async_queue_unref (reader.ready);
  g_async_queue_unref (reader.tickets);
  return good;
}

static gboolean
save_results (const cJSON *results, const char *path, GError **error)
{
  char *text = cJSON_PrintUnformatted (results);
  const gboolean good = g_file_set_contents (path, text, -1, error);

  cJSON_free (text);
  return good;
}

/* The first @limit samples of @dataset, which it borrows everything from. */
static DefcnDataset
first_samples (const DefcnDataset *dataset, guint limit)
{
  DefcnDataset part = *dataset;

  part.samples = g_ptr_array_new ();
  for (guint i = 0; i < dataset->samples->len && (!limit || i < limit); i++)
    g_ptr_array_add (part.samples, dataset->samples->pdata[i]);
  return part;
}

/* What @options and the model say before any picture. */
static void
figures_init (DefcnFigures *out, const DefcnEvaluateOptions *options,
    const DefcnSpec *spec, const DefcnDetector *detector)
{
  out->labels = g_strdupv (spec->labels);
  out->own = defcn_boxes_drops (spec->nms_iou)  ? DEFCN_COLUMN_NMS
      : defcn_boxes_drops (spec->duplicate_iou) ? DEFCN_COLUMN_LOCAL
                                                : DEFCN_COLUMN_NONE;
  out->threshold = defcn_detector_threshold (detector);
  out->working_threshold = MAX (spec->working_threshold, out->threshold);
  out->duplicate_threshold = options->duplicate_threshold;
  out->recall = options->recall;
  out->least_objects = options->least_objects;
  out->nms_iou = options->nms_iou > 0     ? options->nms_iou
      : defcn_boxes_drops (spec->nms_iou) ? spec->nms_iou
                                          : NMS_IOU;
  out->duplicate_iou = options->duplicate_iou > 0 ? options->duplicate_iou
      : defcn_boxes_drops (spec->duplicate_iou)   ? spec->duplicate_iou
                                                  : DUPLICATE_IOU;
}

gboolean
defcn_evaluate_model (DefcnModel *model, const DefcnDataset *dataset,
    const DefcnEvaluateOptions *options, DefcnFigures *out, GError **error)
{
  const DefcnSpec *spec = defcn_model_spec (model);

  *out = (DefcnFigures){ 0 };
  if (!check_classes (spec, dataset, error))
    return FALSE;
  if (!options)
    options = &defcn_evaluate_defaults;

  g_autoptr (DefcnDetector) detector = defcn_detector_new_from_model (model);
  DefcnDataset part = first_samples (dataset, options->limit);
  g_autoptr (DefcnColumns) columns =
      defcn_columns_new (&part, options->duplicate_threshold);
  Run run = { .detector = detector,
    .dataset = &part,
    .options = options,
    .out = out,
    .columns = columns,
    .filtered_nms = defcn_boxes_drops (spec->nms_iou)
        && defcn_boxes_drops (spec->duplicate_iou),
    .results = options->detections ? cJSON_CreateArray () : NULL };
  if (options->threshold >= 0)
    defcn_detector_set_threshold (detector, options->threshold);
  *out = (DefcnFigures){ .crowdhuman = dataset->crowdhuman,
    .n_images = part.samples->len };
  figures_init (out, options, spec, detector);

  gboolean good = run_all (&run, error);
  if (good && run.results)
    good = save_results (run.results, options->detections, error);
  if (good)
    defcn_columns_measure (columns, out);
  cJSON_Delete (run.results);
  g_clear_pointer (&columns, defcn_columns_free); /* reads the samples */
  g_ptr_array_unref (part.samples);
  return good;
}
