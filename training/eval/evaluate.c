/* Evaluation of a model on a data set. */
#include "evaluate.h"

#include "columns.h"
#include "detector.h"
#include "data/output.h"
#include "progress.h"
#include "shard.h"

#include <string.h>

#define DUPLICATE_IOU 0.7f
#define READ_AHEAD 4
#define DEVICE_BATCH 8 /* on CUDA, with as many pictures as the next says */
#define DEVICE_BATCH_IMAGES 1000

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
  gboolean gathers;      /* the device likes several pictures */
  DefcnOutput *results;  /* or NULL */
  guint64 n_results;
  guint begin, end;  /* the pictures of this rank */
  GByteArray *boxes; /* for rank 0, on the others */
} Run;

/* A picture that the reader thread has ready. */
typedef struct
{
  DefcnPicture *picture;
  GError *error;
} Loaded;

/* Pictures that the detector is shown at once, the first of which is @first. */
typedef struct
{
  Run *run;
  guint first, n;
  Loaded *loaded[DEFCN_EVALUATE_MAX_BATCH];
  GArray *boxes[DEFCN_N_COLUMNS][DEFCN_EVALUATE_MAX_BATCH];
} Batch;

typedef struct
{
  const DefcnDataset *dataset;
  guint begin, end;
  GAsyncQueue *ready;   /* of Loaded, in order */
  GAsyncQueue *tickets; /* one per picture that may be read ahead */
  gint stop;
} Reader;

static gpointer
read_ahead (gpointer data)
{
  Reader *reader = data;

  for (guint i = reader->begin; i < reader->end; i++) {
    Loaded *loaded;

    g_async_queue_pop (reader->tickets);
    if (g_atomic_int_get (&reader->stop))
      break;
    loaded = g_new0 (Loaded, 1);
    loaded->picture =
        defcn_dataset_picture (reader->dataset, i, &loaded->error);
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

static gboolean
check_classes (const DefcnSpec *spec, const DefcnDataset *dataset,
    GError **error)
{
  gboolean same = (guint) spec->n_classes == dataset->labels->len;

  for (int i = 0; same && i < spec->n_classes; i++)
    same = g_str_equal (spec->labels[i], dataset->labels->pdata[i]);
  if (!same)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "the classes of %s are not the model's, in its order", dataset->path);
  return same;
}

static gint64
category_of (const DefcnDataset *dataset, const DefcnBox *box)
{
  return g_array_index (dataset->category_ids, gint64, box->label);
}

/* Takes away what the data set has no class for. */
static void
drop_foreign (GArray *boxes, const DefcnDataset *dataset)
{
  guint kept = 0;

  for (guint k = 0; k < boxes->len; k++) {
    const DefcnBox b = g_array_index (boxes, DefcnBox, k);

    if (category_of (dataset, &b) != DEFCN_NO_CATEGORY)
      g_array_index (boxes, DefcnBox, kept++) = b;
  }
  g_array_set_size (boxes, kept);
}

/* Each box an object, "," between them. */
static void
append_results (Run *run, guint i, const GArray *boxes)
{
  const DefcnSample *sample = run->dataset->samples->pdata[i];
  g_autofree char *image = defcn_dataset_id (run->dataset, sample->id);
  FILE *file = defcn_output_file (run->results);

  for (guint k = 0; k < boxes->len; k++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, k);
    const double numbers[5] = { b->x1, b->y1, (double) b->x2 - b->x1,
      (double) b->y2 - b->y1, b->score };
    g_autofree char *category =
        defcn_dataset_id (run->dataset, category_of (run->dataset, b));
    char text[5][G_ASCII_DTOSTR_BUF_SIZE];

    for (int m = 0; m < 5; m++)
      g_ascii_dtostr (text[m], sizeof text[m], numbers[m]);
    fprintf (file,
        "%s{\"image_id\":%s,\"category_id\":%s,\"bbox\":[%s,%s,%s,%s],"
        "\"score\":%s}",
        run->n_results++ ? "," : "[", image, category, text[0], text[1],
        text[2], text[3], text[4]);
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

/* The other columns of a picture, while its forward pass is there. */
static void
decode_columns (int i, gpointer data)
{
  const Batch *batch = data;

  for (int k = 1; k < DEFCN_N_COLUMNS; k++) {
    set_column (batch->run, k);
    defcn_detector_decode (batch->run->detector, batch->boxes[k][i]);
  }
  set_column (batch->run, 0);
}

/* What sample @i has in a column, on the rank that has the figures. */
static void
take_boxes (DefcnColumn column, guint i, int width, int height, GArray *boxes,
    gpointer data)
{
  Run *run = data;

  defcn_columns_add (run->columns, column, i, width, height, boxes);
  if (run->results && column == run->out->own)
    append_results (run, i, boxes);
  if (run->options->each && column == run->out->own)
    run->options->each (i, boxes, run->options->data);
}

/* One forward pass, decoded for every column. */
static gboolean
run_batch (Batch *batch, GError **error)
{
  DefcnImage images[DEFCN_EVALUATE_MAX_BATCH];
  Run *run = batch->run;

  for (guint i = 0; i < batch->n; i++)
    images[i] = defcn_picture_image (batch->loaded[i]->picture);
  set_column (run, 0);
  if (!defcn_detector_run_each (run->detector, batch->boxes[0], images, NULL,
          batch->n, decode_columns, batch, error))
    return FALSE;
  for (guint i = 0; i < batch->n; i++)
    for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
      const DefcnPicture *picture = batch->loaded[i]->picture;
      GArray *boxes = batch->boxes[k][i];

      drop_foreign (boxes, run->dataset);
      if (run->boxes)
        defcn_shard_append (run->boxes, k, batch->first + i, picture->width,
            picture->height, boxes);
      else
        take_boxes (k, batch->first + i, picture->width, picture->height, boxes,
            run);
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
      "interrupted after %u of %u images", done - run->begin,
      run->end - run->begin);
  return TRUE;
}

/* The next pictures, up to @max; FALSE where one cannot be read, those before
 * it then wait in vain. */
static gboolean
load_batch (Batch *batch, Reader *reader, guint max, GError **error)
{
  batch->first += batch->n;
  batch->n = 0;
  while (batch->n < max && batch->first + batch->n < reader->end) {
    Loaded *loaded = g_async_queue_pop (reader->ready);

    batch->loaded[batch->n++] = loaded;
    g_async_queue_push (reader->tickets, reader);
    if (loaded->picture && loaded->picture->warning)
      g_warning ("%s", loaded->picture->warning);
    if (!loaded->picture) {
      g_propagate_error (error, g_steal_pointer (&loaded->error));
      return FALSE;
    }
  }
  return TRUE;
}

static void
unload_batch (Batch *batch)
{
  for (guint i = 0; i < batch->n; i++)
    g_clear_pointer (&batch->loaded[i], loaded_free);
}

static void
add_time (Run *run, const Batch *batch, double *total, DefcnProgress *progress)
{
  const guint done = batch->first + batch->n - run->begin;
  DefcnTimings t;

  defcn_detector_timings (run->detector, &t);
  *total += (t.preprocess + t.inference + t.postprocess) * 1e-6;
  run->out->milliseconds = *total / done;
  if (progress)
    defcn_progress_update (progress, done, "%.1f ms an image",
        run->out->milliseconds);
}

static guint
batch_of (const Run *run, guint n)
{
  if (run->options->batch > 0)
    return MIN (run->options->batch, DEFCN_EVALUATE_MAX_BATCH);
  return run->gathers && n >= DEVICE_BATCH_IMAGES ? DEVICE_BATCH : 1;
}

static gboolean
run_images (Run *run, Reader *reader, GError **error)
{
  g_autoptr (DefcnProgress) progress = run->options->progress
      ? defcn_progress_new ("eval", run->end - run->begin)
      : NULL;
  const guint max = batch_of (run, run->dataset->samples->len);
  Batch batch = { .run = run, .first = run->begin };
  gboolean good = TRUE;
  double total = 0;

  for (int k = 0; k < DEFCN_N_COLUMNS; k++)
    for (guint i = 0; i < max; i++)
      batch.boxes[k][i] = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  while (good && batch.first + batch.n < reader->end) {
    good = !interrupted (run, batch.first + batch.n, error)
        && load_batch (&batch, reader, max, error) && run_batch (&batch, error);
    if (good)
      add_time (run, &batch, &total, progress);
    unload_batch (&batch);
  }
  for (int k = 0; k < DEFCN_N_COLUMNS; k++)
    for (guint i = 0; i < max; i++)
      g_array_unref (batch.boxes[k][i]);
  return good;
}

/* Runs all images with a thread that reads ahead. */
static gboolean
run_all (Run *run, GError **error)
{
  Reader reader = { .dataset = run->dataset,
    .begin = run->begin,
    .end = run->end,
    .ready = g_async_queue_new_full (loaded_free),
    .tickets = g_async_queue_new () };

  for (int i = 0; i < READ_AHEAD; i++)
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

/* The pictures of this rank, and then what the others have made of theirs.  An
 * interrupt of one is one of all. */
static gboolean
run_shared (Run *run, GError **error)
{
  DefcnRanks *ranks = run->options->ranks;
  const guint n = run->dataset->samples->len;
  const int rank = defcn_ranks_rank (ranks), size = defcn_ranks_size (ranks);
  g_autoptr (GByteArray) boxes = g_byte_array_new ();
  g_autoptr (GError) problem = NULL;

  run->begin = defcn_shard_first (n, rank, size);
  run->end = defcn_shard_first (n, rank + 1, size);
  run->boxes = rank > 0 ? boxes : NULL;
  if (!run_all (run, &problem) && !(ranks && run->out->stopped)) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  if (!defcn_shard_join (ranks, &run->out->stopped, boxes, take_boxes, run,
          error))
    return FALSE;
  if (!run->out->stopped)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "interrupted");
  return FALSE;
}

/* Opens the file of the boxes, where one is wanted. */
static gboolean
open_results (Run *run, GError **error)
{
  if (!run->options->detections)
    return TRUE;
  run->results = defcn_output_open (run->options->detections, error);
  return run->results != NULL;
}

static gboolean
close_results (Run *run, GError **error)
{
  if (!run->results)
    return TRUE;
  fputs (run->n_results ? "]\n" : "[]\n", defcn_output_file (run->results));
  return defcn_output_close (run->results, error);
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
  out->n_draws = options->draws;
  out->nms_range = options->nms_range;
  out->max_filter = options->max_filter;
  out->nms_iou = options->nms_iou > 0     ? options->nms_iou
      : defcn_boxes_drops (spec->nms_iou) ? spec->nms_iou
                                          : DEFCN_EVALUATE_NMS_IOU;
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
    .gathers = defcn_model_backend (model)->batch > 0,
    .filtered_nms = defcn_boxes_drops (spec->nms_iou)
        && defcn_boxes_drops (spec->duplicate_iou) };
  if (options->threshold >= 0)
    defcn_detector_set_threshold (detector, options->threshold);
  defcn_detector_set_nms_range (detector, &options->nms_range);
  defcn_detector_set_max_filter (detector, &options->max_filter);
  *out = (DefcnFigures){ .crowdhuman = dataset->crowdhuman,
    .n_images = part.samples->len };
  figures_init (out, options, spec, detector);

  const gboolean good = open_results (&run, error) && run_shared (&run, error)
      && close_results (&run, error);
  if (good && defcn_ranks_rank (options->ranks) == 0)
    defcn_columns_measure (columns, out);
  defcn_output_free (run.results);
  g_clear_pointer (&columns, defcn_columns_free); /* reads the samples */
  g_ptr_array_unref (part.samples);
  return good;
}
