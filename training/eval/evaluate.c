/* Evaluation of a model on a data set. */
#include "evaluate.h"

#include "detector.h"
#include "data/picture.h"
#include "progress.h"

#include <string.h>

#define NMS_IOU 0.6f

const DefcnEvaluateOptions defcn_evaluate_defaults = { .threshold = 0.05f,
  .duplicate_threshold = 0.3f };

/* The evaluators of one column. */
typedef struct
{
  DefcnCocoEval *coco;
  DefcnCrowdhumanEval *crowd;
} Column;

typedef struct
{
  DefcnDetector *detector;
  const DefcnDataset *dataset;
  const DefcnEvaluateOptions *options;
  DefcnFigures *out;
  Column columns[2]; /* without and with NMS */
  cJSON *results;    /* or NULL */
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

/* Boxes from the picture's pixels to those of the annotations' record. */
static void
add_boxes (Column *column, const DefcnDataset *dataset, guint i,
    const DefcnPicture *picture, GArray *boxes)
{
  const DefcnSample *sample = dataset->samples->pdata[i];

  if (column->crowd) {
    g_autofree double (*xywh)[4] =
        g_malloc (MAX (boxes->len, 1) * sizeof *xywh);
    g_autofree double *score = g_new (double, boxes->len + 1);

    for (guint k = 0; k < boxes->len; k++) {
      const DefcnBox *b = &g_array_index (boxes, DefcnBox, k);

      memcpy (xywh[k],
          (double[]){ b->x1, b->y1, (double) b->x2 - b->x1,
              (double) b->y2 - b->y1 },
          sizeof *xywh);
      score[k] = b->score;
    }
    defcn_crowdhuman_eval_add (column->crowd, i, picture->width,
        picture->height, xywh, score, boxes->len);
    return;
  }

  const float sx = (float) sample->width / picture->width;
  const float sy = (float) sample->height / picture->height;
  for (guint k = 0; k < boxes->len; k++) {
    DefcnBox *b = &g_array_index (boxes, DefcnBox, k);

    b->x1 *= sx;
    b->x2 *= sx;
    b->y1 *= sy;
    b->y2 *= sy;
  }
  defcn_coco_eval_add (column->coco, i, boxes);
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

/* One forward pass, decoded without and with NMS. */
static gboolean
run_image (Run *run, guint i, const DefcnPicture *picture, GError **error)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  const DefcnImage image = defcn_picture_image (picture);
  gboolean good = TRUE;

  for (int k = 0; k < 2 && good; k++) {
    defcn_detector_set_nms (run->detector, k ? run->out->nms_iou : 0);
    if (k == 0)
      good = defcn_detector_run (run->detector, &boxes, &image, NULL, 1, error);
    else
      defcn_detector_decode (run->detector, boxes);
    add_boxes (&run->columns[k], run->dataset, i, picture, boxes);
    if (run->results && k == run->out->own)
      append_results (run->results, run->dataset, i, boxes);
  }
  return good;
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

static void
columns_init (Run *run)
{
  for (int k = 0; k < 2; k++) {
    if (run->dataset->crowdhuman)
      run->columns[k].crowd = defcn_crowdhuman_eval_new (run->dataset);
    else
      run->columns[k].coco =
          defcn_coco_eval_new (run->dataset, run->options->duplicate_threshold);
  }
}

/* Fills the figures, of a @good run. */
static void
columns_finish (Run *run, gboolean good)
{
  for (int k = 0; k < 2; k++) {
    Column *column = &run->columns[k];

    if (good && column->crowd)
      defcn_crowdhuman_eval_run (column->crowd, &run->out->crowd[k]);
    if (good && column->coco)
      defcn_coco_eval_run (column->coco, &run->out->coco[k]);
    defcn_crowdhuman_eval_free (column->crowd);
    defcn_coco_eval_free (column->coco);
  }
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
  Run run = { .detector = detector,
    .dataset = &part,
    .options = options,
    .out = out,
    .results = options->detections ? cJSON_CreateArray () : NULL };
  const gboolean own_nms = spec->nms_iou > 0 && spec->nms_iou < 1;
  if (options->threshold >= 0)
    defcn_detector_set_threshold (detector, options->threshold);
  *out = (DefcnFigures){ .crowdhuman = dataset->crowdhuman,
    .n_images = part.samples->len,
    .labels = g_strdupv (spec->labels),
    .own = own_nms,
    .threshold = defcn_detector_threshold (detector),
    .duplicate_threshold = options->duplicate_threshold,
    .nms_iou = options->nms_iou > 0 ? options->nms_iou
        : own_nms                   ? spec->nms_iou
                                    : NMS_IOU };

  columns_init (&run);
  gboolean good = run_all (&run, error);
  if (good && run.results)
    good = save_results (run.results, options->detections, error);
  columns_finish (&run, good);
  cJSON_Delete (run.results);
  g_ptr_array_unref (part.samples);
  return good;
}
