/* Both evaluators against the reference's tools, on every set of annotations,
 * detections and results that is found in the golden folder. */
#include "data/coco.h"
#include "data/crowdhuman.h"
#include "eval/coco_eval.h"
#include "eval/crowdhuman_eval.h"
#include "golden.h"
#include "testing.h"

#include <math.h>
#include <string.h>

#define TOLERANCE 1e-9

/* "eval/<set>_gt.json" and the like: another file of the set. */
static char *
sibling (const char *below, const char *suffix)
{
  const char *end = g_strrstr (below, "_gt.");

  return g_strdup_printf ("%.*s%s", (int) (end - below), below, suffix);
}

static double
value_of (const cJSON *item)
{
  return cJSON_IsNumber (item) ? item->valuedouble : -1; /* null: none */
}

static double
number (const cJSON *object, const char *key)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  g_assert_nonnull (item);
  return value_of (item);
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

/* Recall of every class at every threshold, and the samples of the first
 * class's curves at 0.5 and 0.75, where the set has them. */
static void
check_curves (const DefcnCocoEval *eval, const DefcnDataset *dataset,
    const cJSON *expected)
{
  const cJSON *recalls = cJSON_GetObjectItemCaseSensitive (expected,
      "recall_iou_x_cat_area_all_maxdet100");
  const cJSON *precisions = cJSON_GetObjectItemCaseSensitive (expected,
      "precision_cat0_area_all_maxdet100_iou0.5_0.75");
  double p[DEFCN_COCO_RECALLS], recall;

  for (int t = 0; t < cJSON_GetArraySize (recalls); t++) {
    const cJSON *row = cJSON_GetArrayItem (recalls, t);
    const cJSON *column =
        t % 5 == 0 ? cJSON_GetArrayItem (precisions, t / 5) : NULL;

    g_assert_cmpint (cJSON_GetArraySize (row), ==, dataset->labels->len);
    for (guint c = 0; c < dataset->labels->len; c++) {
      if (!defcn_coco_eval_curve (eval, c, t, p, &recall))
        recall = -1;
      g_assert_cmpfloat (fabs (recall - value_of (cJSON_GetArrayItem (row, c))),
          <=, TOLERANCE);
      for (int i = 0; c == 0 && recall >= 0 && i < cJSON_GetArraySize (column);
           i++)
        g_assert_cmpfloat (fabs (p[i]
                               - value_of (cJSON_GetArrayItem (column, i))),
            <=, TOLERANCE);
    }
  }
}

static void
test_coco (gconstpointer below)
{
  static const char *const names[12] = { "AP", "AP50", "AP75", "APs", "APm",
    "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl" };
  g_autofree char *gt = testing_golden (below);
  g_autofree char *dt = sibling (below, "_dt.json");
  g_autofree char *result_below = sibling (below, "_result.json");
  cJSON *detections = testing_golden_json (dt);
  cJSON *expected = testing_golden_json (result_below);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) dataset =
      defcn_coco_open (gt, ".", &defcn_read_defaults, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnCocoEval) eval = defcn_coco_eval_new (dataset, 0.3f);
  const cJSON *item;
  DefcnCocoResult result;

  if (!detections || !expected) {
    cJSON_Delete (detections);
    cJSON_Delete (expected);
    return;
  }
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
    const double value = value_of (item);

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
test_crowdhuman (gconstpointer below)
{
  g_autofree char *gt = testing_golden (below);
  g_autofree char *dt = sibling (below, "_dt.json");
  g_autofree char *result_below = sibling (below, "_result.json");
  g_autofree char *text = testing_golden_text (dt);
  cJSON *expected = text ? testing_golden_json (result_below) : NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) dataset =
      defcn_crowdhuman_open (gt, ".", &defcn_read_defaults, &error);
  g_assert_no_error (error);
  g_autoptr (DefcnCrowdhumanEval) eval = defcn_crowdhuman_eval_new (dataset);
  DefcnCrowdhumanResult result;

  if (!expected)
    return;
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  testing_golden_add ("/golden/coco", "eval/*_gt.json", test_coco);
  testing_golden_add ("/golden/crowdhuman", "eval/*_gt.odgt", test_crowdhuman);
  return g_test_run ();
}
