/* Both evaluators against the reference's tools, on every set of annotations,
 * detections and results that is found in the golden folder. */
#include "data/coco.h"
#include "data/crowdhuman.h"
#include "eval/coco_eval.h"
#include "eval/crowdhuman_eval.h"
#include "testing.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#define TOLERANCE 1e-9

static cJSON *
read_json (const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  cJSON *json = cJSON_Parse (text);
  g_assert_nonnull (json);
  return json;
}

static double
number (const cJSON *object, const char *key)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  g_assert_nonnull (item);
  return cJSON_IsNumber (item) ? item->valuedouble : -1; /* null: none */
}

static void
read_box (double box[4], const cJSON *object, const char *key)
{
  for (int i = 0; i < 4; i++)
    box[i] =
        cJSON_GetArrayItem (cJSON_GetObjectItemCaseSensitive (object, key), i)
            ->valuedouble;
}

static guint
find_sample (const DefcnDataset *dataset, gint64 id)
{
  for (guint i = 0; i < dataset->samples->len; i++) {
    if (((DefcnSample *) dataset->samples->pdata[i])->id == id)
      return i;
  }
  g_assert_not_reached ();
}

/* Results may name categories that the annotations do not have: those count
 * for nothing. */
static int
find_class (const DefcnDataset *dataset, gint64 id)
{
  for (guint i = 0; i < dataset->category_ids->len; i++) {
    if (g_array_index (dataset->category_ids, gint64, i) == id)
      return i;
  }
  return -1;
}

/* The samples of the curves behind the figures. */
static void
check_curves (const DefcnCocoEval *eval, const DefcnDataset *dataset,
    const cJSON *expected)
{
  const cJSON *recalls = cJSON_GetObjectItemCaseSensitive (expected,
      "recall_iou_x_cat_area_all_maxdet100");
  const cJSON *precisions = cJSON_GetObjectItemCaseSensitive (expected,
      "precision_cat0_area_all_maxdet100_iou0.5_0.75");
  double p[DEFCN_COCO_RECALLS], recall;

  g_assert_cmpint (cJSON_GetArraySize (recalls), ==, 10);
  g_assert_cmpint (cJSON_GetArraySize (precisions), ==, 2);
  for (int t = 0; t < 10; t++) {
    const cJSON *row = cJSON_GetArrayItem (recalls, t);

    g_assert_cmpint (cJSON_GetArraySize (row), ==, dataset->labels->len);
    for (guint c = 0; c < dataset->labels->len; c++) {
      if (!defcn_coco_eval_curve (eval, c, t, p, &recall))
        recall = -1;
      g_assert_cmpfloat (fabs (
                             recall - cJSON_GetArrayItem (row, c)->valuedouble),
          <=, TOLERANCE);
      if (c != 0 || t % 5 != 0)
        continue;
      for (int i = 0; i < DEFCN_COCO_RECALLS; i++) {
        const cJSON *column = cJSON_GetArrayItem (precisions, t / 5);

        g_assert_cmpfloat (fabs (p[i]
                               - cJSON_GetArrayItem (column, i)->valuedouble),
            <=, TOLERANCE);
      }
    }
  }
}

static void
test_coco (gconstpointer data)
{
  static const char *const names[12] = { "AP", "AP50", "AP75", "APs", "APm",
    "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl" };
  g_autofree char *gt = g_strconcat (data, "_gt.json", NULL);
  g_autofree char *dt = g_strconcat (data, "_dt.json", NULL);
  g_autofree char *result_path = g_strconcat (data, "_result.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) dataset = defcn_coco_open (gt, ".", &error);
  g_assert_no_error (error);
  g_autoptr (DefcnCocoEval) eval = defcn_coco_eval_new (dataset, 0.3f);
  cJSON *detections = read_json (dt), *expected = read_json (result_path);
  const cJSON *item;
  DefcnCocoResult result;

  cJSON_ArrayForEach (item, detections)
  {
    const double score = number (item, "score");
    const int label = find_class (dataset, number (item, "category_id"));
    double box[1][4];

    read_box (box[0], item, "bbox");
    defcn_coco_eval_add_xywh (eval,
        find_sample (dataset, number (item, "image_id")), box, &score, &label,
        1);
  }
  defcn_coco_eval_run (eval, &result);
  for (int i = 0; i < 12; i++) {
    const double value =
        number (cJSON_GetObjectItemCaseSensitive (expected, "stats"), names[i]);

    g_test_message ("%s %.12f, wanted %.12f", names[i], result.stats[i], value);
    g_assert_cmpfloat (fabs (result.stats[i] - value), <=, TOLERANCE);
  }
  cJSON_ArrayForEach (item,
      cJSON_GetObjectItemCaseSensitive (expected, "per_category_AP"))
  {
    const int c =
        find_class (dataset, g_ascii_strtoll (item->string, NULL, 10));
    const double value = cJSON_IsNumber (item) ? item->valuedouble : -1;

    g_assert_cmpint (c, >=, 0);
    g_assert_cmpfloat (fabs (
                           g_array_index (result.class_ap, double, c) - value),
        <=, TOLERANCE);
  }
  check_curves (eval, dataset, expected);
  defcn_coco_result_clear (&result);
  cJSON_Delete (detections);
  cJSON_Delete (expected);
}

static void
add_crowdhuman_line (DefcnCrowdhumanEval *eval, const DefcnDataset *dataset,
    const cJSON *object)
{
  const char *id =
      cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (object, "ID"));
  const cJSON *item;

  for (guint i = 0; i < dataset->samples->len; i++) {
    if (!g_str_equal (((DefcnSample *) dataset->samples->pdata[i])->name, id))
      continue;
    defcn_crowdhuman_eval_add (eval, i, number (object, "width"),
        number (object, "height"), NULL, NULL, 0);
    cJSON_ArrayForEach (item,
        cJSON_GetObjectItemCaseSensitive (object, "dtboxes"))
    {
      const double score = number (item, "score");
      double box[1][4];

      read_box (box[0], item, "box");
      defcn_crowdhuman_eval_add (eval, i, number (object, "width"),
          number (object, "height"), box, &score, 1);
    }
    return;
  }
  g_assert_not_reached ();
}

static void
test_crowdhuman (gconstpointer data)
{
  g_autofree char *gt = g_strconcat (data, "_gt.odgt", NULL);
  g_autofree char *dt = g_strconcat (data, "_dt.json", NULL);
  g_autofree char *result_path = g_strconcat (data, "_result.json", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) dataset = defcn_crowdhuman_open (gt, ".", &error);
  g_assert_no_error (error);
  g_autoptr (DefcnCrowdhumanEval) eval = defcn_crowdhuman_eval_new (dataset);
  cJSON *expected = read_json (result_path);
  DefcnCrowdhumanResult result;

  g_file_get_contents (dt, &text, NULL, &error);
  g_assert_no_error (error);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    cJSON *object = lines[i][0] ? cJSON_Parse (lines[i]) : NULL;

    if (object)
      add_crowdhuman_line (eval, dataset, object);
    cJSON_Delete (object);
  }
  defcn_crowdhuman_eval_run (eval, &result);
  g_test_message ("AP %.12f mMR %.12f recall %.12f", result.ap, result.mmr,
      result.recall);
  g_assert_cmpfloat (fabs (result.ap - number (expected, "AP")), <=, TOLERANCE);
  g_assert_cmpfloat (fabs (result.mmr - number (expected, "mMR")), <=,
      TOLERANCE);
  g_assert_cmpfloat (fabs (result.recall - number (expected, "Recall")), <=,
      TOLERANCE);
  cJSON_Delete (expected);
}

static void
no_golden (void)
{
  g_test_skip ("no golden set (DEFCN_GOLDEN)");
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = testing_golden ("eval");
  g_autoptr (GDir) dir = folder ? g_dir_open (folder, 0, NULL) : NULL;

  g_test_init (&argc, &argv, NULL);
  if (!dir)
    g_test_add_func ("/golden/eval", no_golden);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    const char *end = g_strrstr (name, "_gt.");

    if (!end)
      continue;
    g_autofree char *set = g_strndup (name, end - name);
    g_autofree char *path = g_strconcat ("/golden/eval/", set, NULL);
    g_test_add_data_func_full (path, g_build_filename (folder, set, NULL),
        g_str_has_prefix (name, "coco_") ? test_coco : test_crowdhuman, g_free);
  }
  return g_test_run ();
}
