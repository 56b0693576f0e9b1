/* The evaluation loop, with a tiny random model whose own boxes are the
 * annotations: then all figures are known. */
#include "eval/evaluate.h"

#include "detector.h"
#include "data/picture.h"
#include "hub.h"
#include "tiny_model.h"

#include <glib/gstdio.h>
#include <string.h>

#define N_IMAGES 4
#define THRESHOLD 0.05f

static char *folder;
static DefcnBackend *be;
static DefcnMaxFilter max_filter; /* of count_boxes() */

static char *
in_folder (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static DefcnModel *
open_model (const char *name)
{
  g_autofree char *path = in_folder (name);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);

  g_assert_no_error (error);
  DefcnModel *model = defcn_model_open (weights, be, FALSE, &error);
  g_assert_no_error (error);
  return model;
}

/* The model of three classes, with another decode rule in its file. */
static DefcnModel *
open_model_with (float nms_iou, float duplicate_iou, float working_threshold)
{
  g_autofree char *path = in_folder ("three.safetensors");
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnModel) plain = open_model ("three.safetensors");
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
  g_autoptr (DefcnSpec) spec = defcn_spec_copy (defcn_model_spec (plain));

  spec->nms_iou = nms_iou;
  spec->duplicate_iou = duplicate_iou;
  spec->working_threshold = working_threshold;
  DefcnModel *model = defcn_model_new (spec, be, FALSE, 0, &error);
  g_assert_no_error (error);
  g_assert_true (defcn_model_load (model, weights, FALSE, NULL, &error));
  return model;
}

static DefcnModel *
open_model_with_nms (float iou)
{
  return open_model_with (iou, 0, 0.3f);
}

/* Blocks of noise, so that no two images give the same boxes. */
static void
write_picture (int i)
{
  g_autofree char *name = g_strdup_printf ("%d.png", i);
  g_autofree char *path = in_folder (name);
  g_autoptr (DefcnPicture) picture = defcn_picture_new (96 + 8 * i, 80);
  g_autoptr (GRand) rand = g_rand_new_with_seed (i);
  guint8 values[16 * 16 * 3];

  for (gsize j = 0; j < sizeof values; j++)
    values[j] = g_rand_int_range (rand, 0, 256);
  for (int j = 0; j < picture->width * picture->height * 3; j++) {
    const int x = j / 3 % picture->width, y = j / 3 / picture->width;

    picture->rgb[j] = values[(y / 8 % 16 * 16 + x / 8 % 16) * 3 + j % 3];
  }
  g_assert_true (defcn_picture_save (picture, path, NULL));
}

/* The pictures, annotated with what @model finds in them, in a record of
 * @scale_x by @scale_y times the file's pixels. */
static DefcnDataset *
dataset_new (DefcnModel *model, gboolean crowdhuman, float scale_x,
    float scale_y)
{
  const DefcnSpec *spec = defcn_model_spec (model);
  g_autoptr (DefcnDetector) detector = defcn_detector_new_from_model (model);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  DefcnDataset *dataset = g_new0 (DefcnDataset, 1);

  dataset->path = g_strdup ("made.json");
  dataset->image_dir = g_strdup (folder);
  dataset->crowdhuman = crowdhuman;
  dataset->samples = g_ptr_array_new_with_free_func (g_free);
  dataset->labels = g_ptr_array_new_with_free_func (g_free);
  dataset->category_ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  for (gint64 c = 0; c < spec->n_classes; c++) {
    const gint64 id = 10 * c + 7;

    g_ptr_array_add (dataset->labels, g_strdup (spec->labels[c]));
    g_array_append_val (dataset->category_ids, id);
  }
  defcn_detector_set_threshold (detector, THRESHOLD);
  for (int i = 0; i < N_IMAGES; i++) {
    g_autofree char *name = g_strdup_printf ("%d.png", i);
    g_autofree char *path = in_folder (name);
    g_autoptr (DefcnPicture) picture = defcn_picture_load (path, NULL);
    const DefcnImage image = defcn_picture_image (picture);
    g_assert_true (
        defcn_detector_run (detector, &boxes, &image, NULL, 1, NULL));
    g_assert_cmpuint (boxes->len, >, 5);
    if (crowdhuman)
      name[1] = '\0';
    g_ptr_array_add (dataset->samples,
        defcn_sample_new (1000 + i, name, picture->width * scale_x,
            picture->height * scale_y));
    for (guint k = 0; k < boxes->len; k++) {
      const DefcnBox *b = &g_array_index (boxes, DefcnBox, k);
      const float sx = scale_x ? scale_x : 1, sy = scale_y ? scale_y : 1;
      const double x1 = sx * b->x1, y1 = sy * b->y1;
      DefcnObject o = { .label = b->label,
        .person = TRUE,
        .bbox = { x1, y1, sx * b->x2 - x1, sy * b->y2 - y1 } };

      o.area = o.bbox[2] * o.bbox[3];
      g_assert_true (defcn_dataset_add (dataset, i, &o));
    }
  }
  return dataset;
}

static void
evaluate (DefcnModel *model, const DefcnDataset *dataset,
    const DefcnEvaluateOptions *options, DefcnFigures *out)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_evaluate_model (model, dataset, options, out, &error));
  g_assert_no_error (error);
}

/* A model is perfect against its own boxes, in whatever pixels of the picture's
 * shape they are recorded, or without a size; NMS takes some of them away. */
static void
test_perfect (void)
{
  static const float scales[][2] = { { 1, 1 }, { 2, 2 }, { 0.5f, 0.5f },
    { 2, 1.95f }, { 0, 0 } };
  g_autoptr (DefcnModel) model = open_model ("three.safetensors");

  for (gsize i = 0; i < G_N_ELEMENTS (scales); i++) {
    g_autoptr (DefcnDataset) dataset =
        dataset_new (model, FALSE, scales[i][0], scales[i][1]);
    g_auto (DefcnFigures) out = { 0 };
    const gint64 start = g_get_monotonic_time ();

    evaluate (model, dataset, NULL, &out);
    g_assert_cmpuint (out.n_images, ==, N_IMAGES);
    g_assert_cmpfloat (out.milliseconds, >, 0);
    g_assert_cmpfloat (out.milliseconds * N_IMAGES, <=,
        (g_get_monotonic_time () - start) * 1e-3);
    g_assert_cmpfloat (out.nms_iou, ==, 0.6f);
    g_assert_cmpfloat (out.threshold, ==, THRESHOLD);
    g_assert_cmpint (out.own, ==, DEFCN_COLUMN_NONE);
    g_assert_cmpfloat_with_epsilon (out.coco[0].stats[0], 1, 1e-9);
    g_assert_cmpfloat (out.coco[0].stats[8], ==, 1);
    g_assert_cmpfloat (out.coco[DEFCN_COLUMN_NMS].stats[8], <, 1);
    g_assert_cmpfloat (out.coco[DEFCN_COLUMN_NMS].stats[8], >, 0);
    g_assert_cmpfloat (defcn_figures_ap (&out), ==, out.coco[0].stats[0]);
    g_assert_cmpfloat (defcn_figures_ap50 (&out), ==, out.coco[0].stats[1]);
    g_assert_cmpuint (out.coco[0].n_detections, >, 0);
    g_assert_cmpfloat (out.coco[0].duplicate_rate, ==, 0); /* one object each */
  }
}

/* Images beyond the limit are not looked at, and their objects not missed. */
static void
test_limit (void)
{
  g_autoptr (DefcnModel) model = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 1, 1);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  DefcnSample *last = dataset->samples->pdata[N_IMAGES - 1];

  last->name = "missing.png";
  for (options.limit = 1; options.limit < N_IMAGES; options.limit++) {
    g_auto (DefcnFigures) out = { 0 };

    evaluate (model, dataset, &options, &out);
    g_assert_cmpuint (out.n_images, ==, options.limit);
    g_assert_cmpfloat_with_epsilon (out.coco[0].stats[0], 1, 1e-9);
  }
  g_assert_cmpuint (dataset->samples->len, ==, N_IMAGES);
}

/* However many pictures are shown at once, the boxes are the same to the bit,
 * in the order of the pictures, and so are the figures: on every CPU engine. */
static void
test_batch (void)
{
  static const char *const devices[] = { "reference", "cpu" };
  static const guint batches[] = { 0, 1, 2, 3, N_IMAGES, 1000 };
  DefcnBackend *const own = be;

  for (guint d = 0; d < G_N_ELEMENTS (devices); d++) {
    g_autofree char *wanted = NULL;
    g_autofree char *path = in_folder ("boxes.json");
    DefcnFigures first = { 0 };

    be = defcn_backend_new (devices[d], 1, NULL);
    DefcnModel *model = open_model ("three.safetensors");
    g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 1, 1);
    for (guint i = 0; i < G_N_ELEMENTS (batches); i++) {
      DefcnEvaluateOptions options = defcn_evaluate_defaults;
      g_autofree char *found = NULL;
      DefcnFigures out = { 0 };

      options.batch = batches[i];
      options.detections = path;
      evaluate (model, dataset, &options, &out);
      g_assert_true (g_file_get_contents (path, &found, NULL, NULL));
      g_assert_cmpint (g_remove (path), ==, 0);
      g_assert_cmpfloat (out.milliseconds, >, 0);
      if (!wanted) {
        wanted = g_steal_pointer (&found);
        first = out;
        continue;
      }
      if (!g_str_equal (found, wanted))
        g_error ("%s: other boxes with %u at once", devices[d], batches[i]);
      for (int k = 0; k < DEFCN_N_COLUMNS; k++)
        g_assert_cmpmem (out.coco[k].stats, sizeof out.coco[k].stats,
            first.coco[k].stats, sizeof out.coco[k].stats);
      defcn_figures_clear (&out);
    }
    defcn_figures_clear (&first);
    defcn_model_free (model);
    defcn_backend_free (be);
  }
  be = own;
}

/* Below 0 the threshold is the model's; at 1 there are no boxes. */
static void
test_thresholds (void)
{
  g_autoptr (DefcnModel) model = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 1, 1);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  g_auto (DefcnFigures) own = { 0 }, none = { 0 };

  options.threshold = -1;
  options.duplicate_threshold = 0.99f;
  evaluate (model, dataset, &options, &own);
  g_assert_cmpfloat (own.threshold, ==, 0.3f);
  g_assert_cmpfloat (own.duplicate_threshold, ==, 0.99f);
  g_assert_cmpuint (own.coco[0].n_detections, ==, 0);
  options.threshold = 1;
  options.duplicate_threshold = 0;
  evaluate (model, dataset, &options, &none);
  g_assert_cmpfloat (none.coco[0].stats[0], ==, 0);
  g_assert_cmpuint (none.coco[0].n_detections, ==, 0);
}

/* A model with NMS in its file is compared by that; the columns stay. */
static void
test_own_nms (void)
{
  g_autoptr (DefcnModel) plain = open_model ("three.safetensors");
  g_autoptr (DefcnModel) model = open_model_with_nms (0.5f);
  g_autoptr (DefcnDataset) dataset = dataset_new (plain, FALSE, 1, 1);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  g_auto (DefcnFigures) own = { 0 }, other = { 0 };

  evaluate (model, dataset, &options, &own);
  g_assert_cmpint (own.own, ==, DEFCN_COLUMN_NMS);
  g_assert_cmpfloat (own.nms_iou, ==, 0.5f);
  g_assert_cmpfloat_with_epsilon (own.coco[0].stats[0], 1, 1e-9);
  g_assert_cmpfloat (own.coco[DEFCN_COLUMN_NMS].stats[8], <, 1);
  g_assert_cmpfloat (own.coco[DEFCN_COLUMN_NMS].stats[1], <,
      own.coco[0].stats[1]);
  g_assert_cmpfloat (defcn_figures_ap (&own), ==,
      own.coco[DEFCN_COLUMN_NMS].stats[0]);
  g_assert_cmpfloat (defcn_figures_ap50 (&own), ==,
      own.coco[DEFCN_COLUMN_NMS].stats[1]);

  options.nms_iou = 0.9f;
  evaluate (model, dataset, &options, &other);
  g_assert_cmpfloat (other.nms_iou, ==, 0.9f);
  g_assert_cmpfloat (other.coco[DEFCN_COLUMN_NMS].stats[8], >,
      own.coco[DEFCN_COLUMN_NMS].stats[8]);

  cJSON *json = cJSON_CreateObject ();
  defcn_figures_to_json (&own, json);
  g_assert_cmpfloat (cJSON_GetObjectItem (json, "ap")->valuedouble, ==,
      own.coco[DEFCN_COLUMN_NMS].stats[0]);
  g_assert_nonnull (cJSON_GetObjectItem (json, "no_nms"));
  g_assert_null (cJSON_GetObjectItem (json, "nms"));
  cJSON_Delete (json);
}

/* Boxes of all pictures by a detector that is set so. */
static guint
count_boxes (DefcnModel *model, float nms_iou, float duplicate_iou)
{
  g_autoptr (DefcnDetector) detector = defcn_detector_new_from_model (model);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  guint n = 0;

  defcn_detector_set_threshold (detector, THRESHOLD);
  defcn_detector_set_nms (detector, nms_iou);
  defcn_detector_set_duplicate_filter (detector, duplicate_iou);
  defcn_detector_set_max_filter (detector, &max_filter);
  for (int i = 0; i < N_IMAGES; i++) {
    g_autofree char *name = g_strdup_printf ("%d.png", i);
    g_autofree char *path = in_folder (name);
    g_autoptr (DefcnPicture) picture = defcn_picture_load (path, NULL);
    const DefcnImage image = defcn_picture_image (picture);

    g_assert_true (
        defcn_detector_run (detector, &boxes, &image, NULL, 1, NULL));
    n += boxes->len;
  }
  return n;
}

/* Every column is what a detector gives that is set so: by the model's file, by
 * the options, else with the usual IoUs.  A model of both works with both. */
static void
test_columns (void)
{
  static const struct
  {
    float nms, filter;               /* of the file */
    float nms_option, filter_option; /* 0: none */
    DefcnColumn own;
    float local, nms_with, nms_filter; /* what the columns are */
  } rows[] = {
    { 0, 0, 0, 0, DEFCN_COLUMN_NONE, 0.7f, 0.6f, 0 },
    { 0, 0.3f, 0, 0, DEFCN_COLUMN_LOCAL, 0.3f, 0.6f, 0 },
    { 0, 0.3f, 0, 0.5f, DEFCN_COLUMN_LOCAL, 0.5f, 0.6f, 0 },
    { 0, 1, 0.4f, 0.2f, DEFCN_COLUMN_NONE, 0.2f, 0.4f, 0 },
    { 0.8f, 0, 0, 0, DEFCN_COLUMN_NMS, 0.7f, 0.8f, 0 },
    { 0.8f, 0.3f, 0, 0, DEFCN_COLUMN_NMS, 0.3f, 0.8f, 0.3f },
    { 0.8f, 0, 0, 0.3f, DEFCN_COLUMN_NMS, 0.3f, 0.8f, 0 },
    { 1, 0.3f, 0, 0, DEFCN_COLUMN_LOCAL, 0.3f, 0.6f, 0 },
  };
  g_autoptr (DefcnModel) plain = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (plain, FALSE, 1, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (DefcnModel) model =
        open_model_with (rows[i].nms, rows[i].filter, 0.3f);
    DefcnEvaluateOptions options = defcn_evaluate_defaults;
    g_auto (DefcnFigures) out = { 0 };

    options.duplicate_threshold = 0; /* all count */
    options.nms_iou = rows[i].nms_option;
    options.duplicate_iou = rows[i].filter_option;
    evaluate (model, dataset, &options, &out);
    g_assert_cmpint (out.own, ==, rows[i].own);
    g_assert_cmpfloat (out.duplicate_iou, ==, rows[i].local);
    g_assert_cmpfloat (out.nms_iou, ==, rows[i].nms_with);
    g_assert_cmpuint (out.coco[DEFCN_COLUMN_NONE].n_detections, ==,
        count_boxes (model, 0, 0));
    g_assert_cmpuint (out.coco[DEFCN_COLUMN_LOCAL].n_detections, ==,
        count_boxes (model, 0, rows[i].local));
    g_assert_cmpuint (out.coco[DEFCN_COLUMN_NMS].n_detections, ==,
        count_boxes (model, rows[i].nms_with, rows[i].nms_filter));
  }
  /* Otherwise nothing was proved. */
  g_assert_cmpuint (count_boxes (plain, 0, 0.3f), <, count_boxes (plain, 0, 0));
  g_assert_cmpuint (count_boxes (plain, 0.8f, 0.3f), <,
      count_boxes (plain, 0.8f, 0));
}

/* The range changes the column with NMS alone: 1 x 1 on one scale is no NMS,
 * everywhere is all of it.  The max filter changes all columns, to what a
 * detector gives that is set so. */
static void
test_rule (void)
{
  static const DefcnNmsRange ranges[] = { { 1, TRUE }, { 3, TRUE },
    { 3, FALSE }, { 999, FALSE } };
  g_autoptr (DefcnModel) model = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 1, 1);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  g_auto (DefcnFigures) plain = { 0 };
  guint n[G_N_ELEMENTS (ranges)];

  options.duplicate_threshold = 0; /* all count */
  options.nms_iou = 0.1f;
  evaluate (model, dataset, &options, &plain);
  for (gsize i = 0; i < G_N_ELEMENTS (ranges); i++) {
    g_auto (DefcnFigures) out = { 0 };

    options.nms_range = ranges[i];
    evaluate (model, dataset, &options, &out);
    g_assert_cmpint (out.nms_range.window, ==, ranges[i].window);
    g_assert_cmpint (out.nms_range.per_level, ==, ranges[i].per_level);
    for (int k = 0; k < DEFCN_COLUMN_NMS; k++)
      g_assert_cmpuint (out.coco[k].n_detections, ==,
          plain.coco[k].n_detections);
    n[i] = out.coco[DEFCN_COLUMN_NMS].n_detections;
    g_test_message ("%d, %d: %u", ranges[i].window, ranges[i].per_level, n[i]);
  }
  g_assert_cmpuint (n[0], ==, plain.coco[DEFCN_COLUMN_NONE].n_detections);
  g_assert_cmpuint (n[1], <, n[0]);
  g_assert_cmpuint (n[2], <=, n[1]);
  g_assert_cmpuint (n[3], <, n[2]);
  g_assert_cmpuint (n[3], ==, plain.coco[DEFCN_COLUMN_NMS].n_detections);

  g_auto (DefcnFigures) filtered = { 0 };
  options.nms_range = (DefcnNmsRange){ 0 };
  options.max_filter = (DefcnMaxFilter){ 2, 3 };
  evaluate (model, dataset, &options, &filtered);
  g_assert_cmpint (filtered.max_filter.tau, ==, 2);
  g_assert_cmpint (filtered.max_filter.phi, ==, 3);
  max_filter = options.max_filter;
  g_assert_cmpuint (filtered.coco[DEFCN_COLUMN_NONE].n_detections, ==,
      count_boxes (model, 0, 0));
  g_assert_cmpuint (filtered.coco[DEFCN_COLUMN_NMS].n_detections, ==,
      count_boxes (model, 0.1f, 0));
  max_filter = (DefcnMaxFilter){ 0 };
  g_assert_cmpuint (filtered.coco[DEFCN_COLUMN_NONE].n_detections, <,
      plain.coco[DEFCN_COLUMN_NONE].n_detections);
  g_assert_cmpuint (filtered.coco[DEFCN_COLUMN_NONE].n_detections, >, 0);
}

typedef struct
{
  guint next, n;
} Heard;

/* Samples in their order, boxes by descending score. */
static void
on_boxes (guint i, const GArray *boxes, gpointer data)
{
  Heard *heard = data;

  g_assert_cmpuint (i, ==, heard->next++);
  heard->n += boxes->len;
  for (guint k = 1; k < boxes->len; k++)
    g_assert_cmpfloat (g_array_index (boxes, DefcnBox, k).score, <=,
        g_array_index (boxes, DefcnBox, k - 1).score);
}

/* Who asks hears of every sample once, with the boxes of the model's own way
 * and no other. */
static void
test_each (void)
{
  static const float own[][2] = { { 0, 0 }, { 0, 0.3f }, { 0.5f, 0 } };
  g_autoptr (DefcnModel) plain = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (plain, FALSE, 1, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (own); i++) {
    g_autoptr (DefcnModel) model = open_model_with (own[i][0], own[i][1], 0.3f);
    DefcnEvaluateOptions options = defcn_evaluate_defaults;
    g_auto (DefcnFigures) out = { 0 };
    Heard heard = { 0 };

    options.each = on_boxes;
    options.data = &heard;
    options.batch = 1 + i;
    evaluate (model, dataset, &options, &out);
    g_assert_cmpuint (heard.next, ==, N_IMAGES);
    g_assert_cmpuint (heard.n, ==, count_boxes (model, own[i][0], own[i][1]));
  }
}

/* Of one class the mean of precision over recall is AP50, in every column. */
static void
test_curves (void)
{
  g_autoptr (DefcnModel) model = open_model ("one.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 1, 1);
  g_auto (DefcnFigures) out = { 0 };

  evaluate (model, dataset, NULL, &out);
  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    double sum = 0;

    for (int r = 0; r < DEFCN_PRECISION_RECALL_N; r++)
      sum += out.curves[k].precision[r];
    g_assert_cmpfloat_with_epsilon (sum / DEFCN_PRECISION_RECALL_N,
        out.coco[k].stats[1], 1e-9);
  }
  g_assert_cmpfloat (out.coco[DEFCN_COLUMN_NMS].stats[1], <,
      out.coco[DEFCN_COLUMN_NONE].stats[1]);
}

/* The model's working threshold, which no evaluation goes below. */
static void
test_working (void)
{
  static const struct
  {
    float file, option, wanted;
  } rows[] = { { 0.3f, 0.05f, 0.3f }, { 0.45f, 0.05f, 0.45f },
    { 0.3f, 0.5f, 0.5f }, { 0.02f, 0.05f, 0.05f } };
  g_autoptr (DefcnModel) plain = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (plain, FALSE, 1, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (DefcnModel) model = open_model_with (0, 0, rows[i].file);
    DefcnEvaluateOptions options = defcn_evaluate_defaults;
    g_auto (DefcnFigures) out = { 0 };

    options.threshold = rows[i].option;
    options.recall = i == 0 ? 0.01 : 0;
    options.least_objects = 6 + i;
    evaluate (model, dataset, &options, &out);
    g_assert_cmpfloat (out.working_threshold, ==, rows[i].wanted);
    g_assert_cmpfloat (out.working[0].threshold, ==, rows[i].wanted);
    g_assert_cmpfloat (out.recall, ==, i == 0 ? 0.01 : out.working[0].recall);
    g_assert_cmpuint (out.least_objects, ==, 6 + i);
    g_assert_cmpuint (out.n_crowded, >, 0);
  }
}

/* CrowdHuman: all found; the area left of the first of n points is missing. */
static void
test_crowdhuman (void)
{
  g_autoptr (DefcnModel) model = open_model ("one.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (model, TRUE, 1, 1);
  g_auto (DefcnFigures) out = { 0 };
  guint n = 0;

  for (int i = 0; i < N_IMAGES; i++)
    n += ((DefcnSample *) dataset->samples->pdata[i])->n_objects;
  evaluate (model, dataset, NULL, &out);
  g_assert_cmpfloat_with_epsilon (out.crowd[0].ap, 1 - 1.0 / n, 1e-9);
  g_assert_cmpfloat (out.crowd[0].recall, ==, 1);
  g_assert_cmpfloat (out.crowd[0].mmr, ==, 0);
  g_assert_cmpfloat (out.crowd[DEFCN_COLUMN_NMS].recall, <, 1);
  g_assert_cmpfloat (defcn_figures_ap50 (&out), ==, out.crowd[0].ap);

  g_autofree char *table = defcn_figures_table (&out, TRUE);
  g_autofree char *summary = defcn_figures_summary (&out);
  for (int i = 0; i < 3; i++) {
    static const char *const names[] = { "AP50", "mMR", "Recall" };
    const double *rows[] = { &out.crowd[0].ap, &out.crowd[1].ap,
      &out.crowd[2].ap, &out.crowd[0].mmr, &out.crowd[1].mmr, &out.crowd[2].mmr,
      &out.crowd[0].recall, &out.crowd[1].recall, &out.crowd[2].recall };
    g_autofree char *start = g_strdup_printf ("\n%-36s%12.4f%12.4f", names[i],
        *rows[3 * i], *rows[3 * i + 1]);
    g_autofree char *end = g_strdup_printf ("%12.4f\n", *rows[3 * i + 2]);
    const char *row = strstr (table, start);

    g_assert_nonnull (row);
    g_assert_true (g_str_has_prefix (row + strlen (start), end));
  }
  g_assert_nonnull (strstr (summary, "mMR 0.0000 recall 1.0000"));
}

/* The results file has the boxes of the evaluation, in COCO's form. */
static void
test_detections (void)
{
  g_autofree char *path = in_folder ("results.json");
  g_autofree char *text = NULL;
  g_autoptr (DefcnModel) model = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 2, 2);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  g_auto (DefcnFigures) out = { 0 };

  options.detections = path;
  evaluate (model, dataset, &options, &out);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  cJSON *json = cJSON_Parse (text);
  const cJSON *item = cJSON_IsArray (json) ? json->child : NULL;
  for (int i = 0; i < N_IMAGES; i++) {
    const DefcnSample *sample = dataset->samples->pdata[i];
    g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);

    for (guint k = 0; k < objects->len; k++, item = item->next) {
      const DefcnObject *o = &g_array_index (objects, DefcnObject, k);
      const cJSON *box = cJSON_GetObjectItem (item, "bbox");

      g_assert_cmpfloat (cJSON_GetObjectItem (item, "image_id")->valuedouble,
          ==, sample->id);
      g_assert_cmpfloat (cJSON_GetObjectItem (item, "category_id")->valuedouble,
          ==, 10 * o->label + 7);
      g_assert_cmpfloat (cJSON_GetObjectItem (item, "score")->valuedouble, >,
          THRESHOLD);
      for (int j = 0; j < 4; j++)
        g_assert_cmpfloat_with_epsilon (cJSON_GetArrayItem (box, j)
                                            ->valuedouble,
            o->bbox[j], 1e-9);
    }
  }
  g_assert_null (item);
  cJSON_Delete (json);
  g_remove (path);
}

/* Of a model with NMS in its file the results are those of its column. */
static void
test_detections_nms (void)
{
  g_autofree char *path = in_folder ("results.json");
  g_autofree char *text = NULL;
  g_autoptr (DefcnModel) model = open_model_with_nms (0.1f);
  g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 1, 1);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  g_auto (DefcnFigures) out = { 0 };

  options.detections = path;
  options.duplicate_threshold = 0; /* all count */
  evaluate (model, dataset, &options, &out);
  g_assert_cmpuint (out.coco[DEFCN_COLUMN_NMS].n_detections, <,
      out.coco[0].n_detections);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  cJSON *json = cJSON_Parse (text);
  g_assert_cmpint (cJSON_GetArraySize (json), ==,
      out.coco[DEFCN_COLUMN_NMS].n_detections);
  cJSON_Delete (json);
  g_remove (path);
}

static void
assert_fails (DefcnModel *model, const DefcnDataset *dataset,
    const DefcnEvaluateOptions *options, int code, const char *a, const char *b)
{
  g_auto (DefcnFigures) out = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (defcn_evaluate_model (model, dataset, options, &out, &error));
  g_test_message ("%s", error->message);
  if (code >= 0)
    g_assert_error (error, DEFCN_ERROR, code);
  g_assert_nonnull (strstr (error->message, a));
  g_assert_nonnull (strstr (error->message, b));
}

/* Every way to fail says what is the matter. */
static void
test_errors (void)
{
  g_autofree char *bad = in_folder ("bad.png");
  g_autoptr (DefcnModel) three = open_model ("three.safetensors");
  g_autoptr (DefcnModel) one = open_model ("one.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (three, FALSE, 1, 1);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  DefcnSample *sample = dataset->samples->pdata[2];
  const volatile int stop = 1;

  g_autoptr (DefcnDataset) people = dataset_new (one, FALSE, 1, 1);
  assert_fails (one, dataset, NULL, DEFCN_ERROR_MODEL, "the classes of",
      "made.json are not the model's");
  assert_fails (three, people, NULL, DEFCN_ERROR_MODEL, "the classes of",
      "made.json are not the model's");
  options.stop = &stop;
  assert_fails (three, dataset, &options, DEFCN_ERROR_VALUE, "interrupted",
      "0 of 4");
  options.stop = NULL;
  options.detections = "/dev/null/x";
  assert_fails (three, dataset, &options, -1, "/dev/null/x", "");

  sample->name = "missing.png";
  assert_fails (three, dataset, NULL, -1, "missing.png", "");
  g_assert_true (g_file_set_contents (bad, "no picture", -1, NULL));
  sample->name = "bad.png";
  assert_fails (three, dataset, NULL, -1, "bad.png", "");
  g_remove (bad);

  g_free (dataset->labels->pdata[1]);
  dataset->labels->pdata[1] = g_strdup ("bus");
  assert_fails (three, dataset, NULL, DEFCN_ERROR_MODEL, "the classes of",
      "made.json are not the model's");

  g_autoptr (DefcnDataset) turned = dataset_new (three, FALSE, 0.5f, 2);
  assert_fails (three, turned, NULL, DEFCN_ERROR_VALUE, "its record says",
      "--ignore-exif");
}

/* Boxes of a class that the data has no category for are neither right nor
 * wrong: the others' figures are those of the data alone. */
static void
test_foreign_classes (void)
{
  g_autoptr (DefcnModel) model = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 1, 1);
  g_auto (DefcnFigures) all = { 0 }, some = { 0 };
  const gint64 none = DEFCN_NO_CATEGORY;

  evaluate (model, dataset, NULL, &all);
  g_array_remove_index (dataset->category_ids, 0);
  g_array_prepend_val (dataset->category_ids, none);
  evaluate (model, dataset, NULL, &some);
  g_assert_cmpuint (some.coco[0].n_detections, <, all.coco[0].n_detections);
  g_assert_cmpfloat (g_array_index (some.coco[0].class_ap, double, 0), ==, 0);
  g_assert_cmpfloat (g_array_index (some.coco[0].class_ap, double, 1), ==,
      g_array_index (all.coco[0].class_ap, double, 1));
}

/* All forms of the figures tell the same. */
static void
test_forms (void)
{
  static const char *const keys[] = { "ap", "ap50", "ap75", "ap_small",
    "ap_medium", "ap_large", "ar1", "ar10", "ar100", "ar_small", "ar_medium",
    "ar_large" };
  g_autoptr (DefcnModel) model = open_model ("three.safetensors");
  g_autoptr (DefcnDataset) dataset = dataset_new (model, FALSE, 1, 1);
  g_auto (DefcnFigures) out = { 0 };

  evaluate (model, dataset, NULL, &out);
  g_autofree char *table = defcn_figures_table (&out, FALSE);
  g_autofree char *classes = defcn_figures_table (&out, TRUE);
  g_autofree char *summary = defcn_figures_summary (&out);
  g_autofree char *ap = g_strdup_printf ("AP    IoU 0.50:0.95  all     100"
                                         "          1.0000%12.4f%12.4f\n",
      out.coco[1].stats[0], out.coco[2].stats[0]);
  g_assert_nonnull (strstr (table, ap));
  g_assert_nonnull (strstr (table, "none  local 0.70    NMS 0.60\n"));
  g_assert_nonnull (strstr (table, "duplicate rate, score over 0.30"));
  g_assert_null (strstr (table, "\ndog"));
  g_assert_nonnull (strstr (classes, "\ndog"));
  g_assert_nonnull (strstr (summary, "AP 1.0000 AP50 1.0000 AR100 1.0000"));

  cJSON *json = cJSON_CreateObject ();
  defcn_figures_to_json (&out, json);
  const cJSON *nms = cJSON_GetObjectItem (json, "nms");
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_assert_cmpfloat (cJSON_GetObjectItem (json, keys[i])->valuedouble, ==,
        out.coco[0].stats[i]);
    g_assert_cmpfloat (cJSON_GetObjectItem (nms, keys[i])->valuedouble, ==,
        out.coco[DEFCN_COLUMN_NMS].stats[i]);
  }
  g_assert_cmpfloat (cJSON_GetObjectItem (json, "images")->valuedouble, ==,
      N_IMAGES);
  g_assert_cmpfloat (cJSON_GetObjectItem (json, "ar100")->valuedouble, ==, 1);
  g_assert_cmpfloat (cJSON_GetObjectItem (nms, "ar100")->valuedouble, ==,
      out.coco[DEFCN_COLUMN_NMS].stats[8]);
  g_assert_cmpfloat (cJSON_GetObjectItem (nms, "duplicate_rate")->valuedouble,
      ==, out.coco[DEFCN_COLUMN_NMS].duplicate_rate);
  g_assert_cmpfloat (cJSON_GetObjectItem (cJSON_GetObjectItem (json,
                                              "class_ap"),
                         "dog")
                         ->valuedouble,
      ==, g_array_index (out.coco[0].class_ap, double, 2));
  cJSON_Delete (json);
}

static double
json_number (const cJSON *object, const char *name)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, name);

  g_assert_true (cJSON_IsNumber (item));
  return item->valuedouble;
}

/* Every figure has its own key and its own column; those of NMS stand apart. */
static void
test_keys (void)
{
  DefcnFigures f = { .crowdhuman = TRUE, .nms_iou = 0.5 };
  char *labels[] = { NULL };

  f.crowd[0] = (DefcnCrowdhumanResult){ .ap = 0.1, .mmr = 0.2, .recall = 0.3 };
  f.crowd[DEFCN_COLUMN_NMS] =
      (DefcnCrowdhumanResult){ .ap = 0.4, .mmr = 0.5, .recall = 0.6 };
  cJSON *json = cJSON_CreateObject ();
  defcn_figures_to_json (&f, json);
  const cJSON *nms = cJSON_GetObjectItem (json, "nms");
  g_assert_cmpfloat (json_number (json, "ap50"), ==, 0.1);
  g_assert_cmpfloat (json_number (json, "mmr"), ==, 0.2);
  g_assert_cmpfloat (json_number (json, "recall"), ==, 0.3);
  g_assert_cmpfloat (json_number (nms, "ap50"), ==, 0.4);
  g_assert_cmpfloat (json_number (nms, "mmr"), ==, 0.5);
  g_assert_cmpfloat (json_number (nms, "recall"), ==, 0.6);
  cJSON_Delete (json);

  f.crowdhuman = FALSE;
  f.labels = labels;
  f.coco[0].n_duplicates = 7;
  f.coco[0].n_detections = 70;
  f.coco[0].duplicate_rate = 0.1;
  json = cJSON_CreateObject ();
  defcn_figures_to_json (&f, json);
  g_assert_cmpfloat (json_number (json, "duplicates"), ==, 7);
  g_assert_cmpfloat (json_number (json, "detections"), ==, 70);
  g_assert_cmpfloat (json_number (json, "duplicate_rate"), ==, 0.1);
  cJSON_Delete (json);
}

typedef struct
{
  gboolean crowdhuman;
  const char *path;  /* of the boxes */
  int stop_rank;     /* that is interrupted, or -1 */
  char *text, *json; /* what rank 0 has found */
} Sharing;

/* Its figures as JSON, but for the time. */
static char *
figures_text (const DefcnFigures *figures)
{
  cJSON *object = cJSON_CreateObject ();

  defcn_figures_to_json (figures, object);
  cJSON_DeleteItemFromObject (object, "milliseconds");
  char *text = cJSON_PrintUnformatted (object);
  char *copy = g_strdup (text);
  cJSON_free (text);
  cJSON_Delete (object);
  return copy;
}

static void
play_sharing (DefcnRanks *ranks, gpointer data)
{
  static const volatile int stop = 1;
  Sharing *sharing = data;
  const int rank = hub_rank ();
  g_autoptr (DefcnBackend) own = defcn_backend_new ("reference", 1, NULL);
  g_autofree char *path = in_folder ("three.safetensors");
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);
  DefcnModel *model = defcn_model_open (weights, own, FALSE, NULL);
  g_autoptr (DefcnDataset) dataset =
      dataset_new (model, sharing->crowdhuman, 1, 1);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;
  g_auto (DefcnFigures) out = { 0 };
  g_autoptr (GError) error = NULL;

  options.ranks = ranks;
  options.detections = rank == 0 ? sharing->path : NULL;
  if (rank == sharing->stop_rank)
    options.stop = &stop;
  const gboolean good =
      defcn_evaluate_model (model, dataset, &options, &out, &error);
  g_assert_cmpint (good, ==, sharing->stop_rank < 0);
  g_assert_cmpint (out.stopped, ==, sharing->stop_rank >= 0);
  if (rank == 0 && good) {
    g_assert_true (
        g_file_get_contents (sharing->path, &sharing->text, NULL, NULL));
    sharing->json = figures_text (&out);
  }
  defcn_ranks_free (ranks, TRUE);
  defcn_model_free (model);
}

/* Ranks that share the pictures, more of them than there are or fewer, find on
 * rank 0 what one process finds: every box, in the same order, every figure. */
static void
test_ranks (void)
{
  g_autofree char *path = in_folder ("shared.json");

  for (int crowdhuman = 0; crowdhuman < 2; crowdhuman++) {
    g_autofree char *text = NULL, *json = NULL;
    g_autoptr (DefcnModel) model = open_model ("three.safetensors");
    g_autoptr (DefcnDataset) dataset = dataset_new (model, crowdhuman, 1, 1);
    DefcnEvaluateOptions options = defcn_evaluate_defaults;
    g_auto (DefcnFigures) out = { 0 };

    options.detections = path;
    evaluate (model, dataset, &options, &out);
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    json = figures_text (&out);
    for (int n = 1; n <= HUB_MAX; n++) {
      Sharing sharing = { crowdhuman, path, -1, NULL, NULL };

      hub_run (n, play_sharing, &sharing);
      g_assert_cmpstr (sharing.text, ==, text);
      g_assert_cmpstr (sharing.json, ==, json);
      g_free (sharing.text);
      g_free (sharing.json);
    }
  }
  g_remove (path);
}

/* An interrupt of one rank ends the evaluation of all, and is no failure. */
static void
test_stopped_rank (void)
{
  g_autofree char *path = in_folder ("shared.json");

  for (int rank = 0; rank < 3; rank++) {
    Sharing sharing = { FALSE, path, rank, NULL, NULL };

    hub_run (3, play_sharing, &sharing);
    g_assert_cmpint (hub_left (TRUE), ==, 3);
  }
}

int
main (int argc, char **argv)
{
  static const char *const person[] = { "person", NULL };

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("defcn-evaluate-XXXXXX", NULL);
  be = defcn_backend_new ("reference", 1, NULL);
  g_autofree char *three = in_folder ("three.safetensors");
  g_autofree char *one = in_folder ("one.safetensors");
  testing_tiny_model_write (three);
  testing_tiny_model_write_labels (one, person);
  for (int i = 0; i < N_IMAGES; i++)
    write_picture (i);

  g_test_add_func ("/evaluate/each", test_each);
  g_test_add_func ("/evaluate/curves", test_curves);
  g_test_add_func ("/evaluate/perfect", test_perfect);
  g_test_add_func ("/evaluate/limit", test_limit);
  g_test_add_func ("/evaluate/batch", test_batch);
  g_test_add_func ("/evaluate/thresholds", test_thresholds);
  g_test_add_func ("/evaluate/own nms", test_own_nms);
  g_test_add_func ("/evaluate/columns", test_columns);
  g_test_add_func ("/evaluate/rule", test_rule);
  g_test_add_func ("/evaluate/working", test_working);
  g_test_add_func ("/evaluate/crowdhuman", test_crowdhuman);
  g_test_add_func ("/evaluate/detections", test_detections);
  g_test_add_func ("/evaluate/detections of nms", test_detections_nms);
  g_test_add_func ("/evaluate/foreign-classes", test_foreign_classes);
  g_test_add_func ("/evaluate/ranks", test_ranks);
  g_test_add_func ("/evaluate/stopped-rank", test_stopped_rank);
  g_test_add_func ("/evaluate/errors", test_errors);
  g_test_add_func ("/evaluate/forms", test_forms);
  g_test_add_func ("/evaluate/keys", test_keys);
  const int status = g_test_run ();

  for (int i = 0; i < N_IMAGES; i++) {
    g_autofree char *name = g_strdup_printf ("%d.png", i);
    g_autofree char *path = in_folder (name);

    g_remove (path);
  }
  g_remove (three);
  g_remove (one);
  g_rmdir (folder);
  g_free (folder);
  defcn_backend_free (be);
  return status;
}
