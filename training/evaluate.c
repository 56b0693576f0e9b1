/* Evaluation of a model on a data set. */
#include "evaluate.h"

#include "detector.h"
#include "picture.h"
#include "progress.h"

#include <math.h>
#include <string.h>

const DefcnEvaluateOptions defcn_evaluate_defaults = { .threshold = -1,
  .nms_iou = 0.6f,
  .duplicate_threshold = 0.3f };

/* The evaluators of one column. */
typedef struct
{
  DefcnCocoEval *coco;
  DefcnCrowdhumanEval *crowd;
} Column;

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

static gboolean
check_classes (const DefcnSpec *spec, const DefcnDataset *dataset,
    GError **error)
{
  if ((guint) spec->n_classes != dataset->labels->len) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "the model has %d classes (%s ..), %s has %u (%s ..)", spec->n_classes,
        spec->labels[0], dataset->path, dataset->labels->len,
        (const char *) dataset->labels->pdata[0]);
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
run_image (DefcnDetector *detector, Column columns[2],
    const DefcnDataset *dataset, guint i, const DefcnPicture *picture,
    const DefcnEvaluateOptions *options, cJSON *results, GError **error)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  const DefcnImage image = defcn_picture_image (picture);
  const float nms = defcn_detector_nms (detector);

  if (!defcn_detector_run (detector, &boxes, &image, NULL, 1, error))
    return FALSE;
  add_boxes (&columns[0], dataset, i, picture, boxes);
  if (results)
    append_results (results, dataset, i, boxes);
  defcn_detector_set_nms (detector, options->nms_iou);
  defcn_detector_decode (detector, boxes);
  defcn_detector_set_nms (detector, nms);
  add_boxes (&columns[1], dataset, i, picture, boxes);
  return TRUE;
}

static gboolean
run_images (DefcnDetector *detector, Column columns[2], Reader *reader,
    const DefcnEvaluateOptions *options, cJSON *results, double *milliseconds,
    GError **error)
{
  g_autoptr (DefcnProgress) progress =
      options->progress ? defcn_progress_new ("eval", reader->n) : NULL;
  double total = 0;

  for (guint i = 0; i < reader->n; i++) {
    Loaded *loaded = g_async_queue_pop (reader->ready);
    DefcnTimings t;
    gboolean good = loaded->picture
        && run_image (detector, columns, reader->dataset, i, loaded->picture,
            options, results, error);

    if (loaded->error)
      g_propagate_error (error, g_steal_pointer (&loaded->error));
    loaded_free (loaded);
    g_async_queue_push (reader->tickets, reader);
    if (good && options->stop && *options->stop) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "interrupted after %u of %u images", i + 1, reader->n);
      good = FALSE;
    }
    if (!good)
      return FALSE;
    defcn_detector_timings (detector, &t);
    total += (t.preprocess + t.inference + t.postprocess) * 1e-6;
    if (progress)
      defcn_progress_update (progress, i + 1, "%.1f ms an image",
          total / (i + 1));
  }
  *milliseconds = reader->n ? total / reader->n : 0;
  return TRUE;
}

/* Runs all images through @detector with a thread that reads ahead. */
static gboolean
run_all (DefcnDetector *detector, Column columns[2],
    const DefcnDataset *dataset, guint n, const DefcnEvaluateOptions *options,
    cJSON *results, double *milliseconds, GError **error)
{
  Reader reader = { .dataset = dataset,
    .n = n,
    .ready = g_async_queue_new_full (loaded_free),
    .tickets = g_async_queue_new () };

  for (int i = 0; i < 4; i++)
    g_async_queue_push (reader.tickets, &reader);
  GThread *thread = g_thread_new ("defcn-read", read_ahead, &reader);
  const gboolean good = run_images (detector, columns, &reader, options,
      results, milliseconds, error);
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

gboolean
defcn_evaluate_model (DefcnModel *model, const DefcnDataset *dataset,
    const DefcnEvaluateOptions *options, DefcnEvaluation *out, GError **error)
{
  const DefcnSpec *spec = defcn_model_spec (model);
  Column columns[2] = { { 0 } };

  *out = (DefcnEvaluation){ .crowdhuman = dataset->crowdhuman };
  if (!check_classes (spec, dataset, error))
    return FALSE;
  if (!options)
    options = &defcn_evaluate_defaults;

  g_autoptr (DefcnDetector) detector = defcn_detector_new_from_model (model);
  const guint n = options->limit ? MIN (options->limit, dataset->samples->len)
                                 : dataset->samples->len;
  cJSON *results = options->detections ? cJSON_CreateArray () : NULL;
  if (options->threshold >= 0)
    defcn_detector_set_threshold (detector, options->threshold);
  for (int k = 0; k < 2; k++) {
    if (dataset->crowdhuman)
      columns[k].crowd = defcn_crowdhuman_eval_new (dataset);
    else
      columns[k].coco =
          defcn_coco_eval_new (dataset, options->duplicate_threshold);
  }

  gboolean good = run_all (detector, columns, dataset, n, options, results,
      &out->milliseconds, error);
  if (good && results)
    good = save_results (results, options->detections, error);
  out->n_images = n;
  out->labels = g_strdupv (spec->labels);
  for (int k = 0; k < 2; k++) {
    if (good && columns[k].crowd)
      defcn_crowdhuman_eval_run (columns[k].crowd, &out->crowd[k]);
    if (good && columns[k].coco)
      defcn_coco_eval_run (columns[k].coco, &out->coco[k]);
    defcn_crowdhuman_eval_free (columns[k].crowd);
    defcn_coco_eval_free (columns[k].coco);
  }
  cJSON_Delete (results);
  return good;
}

void
defcn_evaluation_clear (DefcnEvaluation *evaluation)
{
  for (int k = 0; k < 2; k++)
    defcn_coco_result_clear (&evaluation->coco[k]);
  g_clear_pointer (&evaluation->labels, g_strfreev);
}

double
defcn_evaluation_ap (const DefcnEvaluation *e)
{
  return e->crowdhuman ? e->crowd[0].ap : e->coco[0].stats[0];
}

double
defcn_evaluation_ap50 (const DefcnEvaluation *e)
{
  return e->crowdhuman ? e->crowd[0].ap : e->coco[0].stats[1];
}

char *
defcn_evaluation_summary (const DefcnEvaluation *e)
{
  if (e->crowdhuman)
    return g_strdup_printf ("AP50 %.4f mMR %.4f recall %.4f, with NMS AP50 "
                            "%.4f, %.1f ms an image",
        e->crowd[0].ap, e->crowd[0].mmr, e->crowd[0].recall, e->crowd[1].ap,
        e->milliseconds);
  return g_strdup_printf ("AP %.4f AP50 %.4f AR100 %.4f, with NMS AP %.4f AP50 "
                          "%.4f, duplicates "
                          "%.4f, %.1f ms an image",
      e->coco[0].stats[0], e->coco[0].stats[1], e->coco[0].stats[8],
      e->coco[1].stats[0], e->coco[1].stats[1], e->coco[0].duplicate_rate,
      e->milliseconds);
}

/* The figures of COCO in their order. */
static const struct
{
  const char *key, *text;
} figures[12] = {
  { "ap", "AP    IoU 0.50:0.95  all     100" },
  { "ap50", "AP    IoU 0.50       all     100" },
  { "ap75", "AP    IoU 0.75       all     100" },
  { "ap_small", "AP    IoU 0.50:0.95  small   100" },
  { "ap_medium", "AP    IoU 0.50:0.95  medium  100" },
  { "ap_large", "AP    IoU 0.50:0.95  large   100" },
  { "ar1", "AR    IoU 0.50:0.95  all       1" },
  { "ar10", "AR    IoU 0.50:0.95  all      10" },
  { "ar100", "AR    IoU 0.50:0.95  all     100" },
  { "ar_small", "AR    IoU 0.50:0.95  small   100" },
  { "ar_medium", "AR    IoU 0.50:0.95  medium  100" },
  { "ar_large", "AR    IoU 0.50:0.95  large   100" },
};

char *
defcn_evaluation_table (const DefcnEvaluation *e)
{
  GString *table = g_string_new (NULL);

  g_string_append_printf (table, "%-36s%10s%10s\n", "", "no NMS", "NMS");
  if (e->crowdhuman) {
    g_string_append_printf (table, "%-36s%10.4f%10.4f\n", "AP50",
        e->crowd[0].ap, e->crowd[1].ap);
    g_string_append_printf (table, "%-36s%10.4f%10.4f\n", "mMR",
        e->crowd[0].mmr, e->crowd[1].mmr);
    g_string_append_printf (table, "%-36s%10.4f%10.4f\n", "Recall",
        e->crowd[0].recall, e->crowd[1].recall);
  } else {
    for (int i = 0; i < 12; i++)
      g_string_append_printf (table, "%-36s%10.4f%10.4f\n", figures[i].text,
          e->coco[0].stats[i], e->coco[1].stats[i]);
    g_string_append_printf (table, "%-36s%10.4f%10.4f\n", "duplicate rate",
        e->coco[0].duplicate_rate, e->coco[1].duplicate_rate);
  }
  g_string_append_printf (table, "%u images, %.1f ms an image\n", e->n_images,
      e->milliseconds);
  return g_string_free (table, FALSE);
}

static void
column_to_json (const DefcnEvaluation *e, int k, cJSON *object)
{
  if (e->crowdhuman) {
    cJSON_AddNumberToObject (object, "ap50", e->crowd[k].ap);
    cJSON_AddNumberToObject (object, "mmr", e->crowd[k].mmr);
    cJSON_AddNumberToObject (object, "recall", e->crowd[k].recall);
    return;
  }

  const DefcnCocoResult *r = &e->coco[k];
  cJSON *classes;
  for (int i = 0; i < 12; i++)
    cJSON_AddNumberToObject (object, figures[i].key, r->stats[i]);
  cJSON_AddNumberToObject (object, "duplicate_rate", r->duplicate_rate);
  cJSON_AddNumberToObject (object, "duplicates", r->n_duplicates);
  cJSON_AddNumberToObject (object, "detections", r->n_detections);
  classes = cJSON_AddObjectToObject (object, "class_ap");
  for (guint i = 0; i < r->class_ap->len; i++)
    cJSON_AddNumberToObject (classes, e->labels[i],
        g_array_index (r->class_ap, double, i));
}

void
defcn_evaluation_to_json (const DefcnEvaluation *e, cJSON *object)
{
  cJSON_AddNumberToObject (object, "images", e->n_images);
  cJSON_AddNumberToObject (object, "milliseconds", e->milliseconds);
  column_to_json (e, 0, object);
  column_to_json (e, 1, cJSON_AddObjectToObject (object, "nms"));
}
