/* The figures of all columns, on boxes few enough to work them out by hand, and
 * their forms. */
#include "eval/columns.h"

#include <math.h>
#include <string.h>

#define TOLERANCE 1e-6 /* scores are float */
#define SIZE 100       /* of the pictures */

#define A                                                                      \
  {                                                                            \
    0, 0, 40, 40                                                               \
  }
#define B                                                                      \
  {                                                                            \
    50, 0, 40, 40                                                              \
  }
#define FAR                                                                    \
  {                                                                            \
    50, 50, 40, 40                                                             \
  }

/* Two objects in one picture, one in the other; a twin and a false one. */
static const struct
{
  int image;
  double box[4];
} truth[] = { { 0, A }, { 0, B }, { 1, A } };

static const struct
{
  int image;
  double box[4];
  float score;
  gboolean in[DEFCN_N_COLUMNS];
} found[] = {
  { 0, A, 0.9f, { TRUE, TRUE, TRUE } },
  { 0, A, 0.8f, { TRUE, FALSE, FALSE } },
  { 0, B, 0.6f, { TRUE, TRUE, TRUE } },
  { 0, FAR, 0.5f, { TRUE, TRUE, FALSE } },
  { 1, A, 0.4f, { TRUE, TRUE, FALSE } },
};

/* COCO's record has twice the size of the pictures. */
static DefcnDataset *
dataset_new (gboolean crowdhuman)
{
  DefcnDataset *dataset = g_new0 (DefcnDataset, 1);
  const int k = crowdhuman ? 1 : 2;

  dataset->crowdhuman = crowdhuman;
  dataset->samples = g_ptr_array_new_with_free_func (g_free);
  dataset->labels = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (dataset->labels, g_strdup ("person"));
  for (int i = 0; i < 2; i++)
    g_ptr_array_add (dataset->samples,
        defcn_sample_new (i, "", k * SIZE, k * SIZE));
  for (gsize i = 0; i < G_N_ELEMENTS (truth); i++) {
    DefcnObject o = { .person = TRUE, .area = 1600 * k * k };

    for (int j = 0; j < 4; j++)
      o.bbox[j] = k * truth[i].box[j];
    g_assert_true (defcn_dataset_add (dataset, truth[i].image, &o));
  }
  return dataset;
}

static void
add_found (DefcnColumns *columns)
{
  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    for (int i = 0; i < 2; i++) {
      g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

      for (gsize j = 0; j < G_N_ELEMENTS (found); j++) {
        const double *b = found[j].box;
        const DefcnBox box = { b[0], b[1], b[0] + b[2], b[1] + b[3],
          found[j].score, 0 };

        if (found[j].image == i && found[j].in[k])
          g_array_append_val (boxes, box);
      }
      defcn_columns_add (columns, k, i, SIZE, SIZE, boxes);
    }
  }
}

/* What is measured where the model works at 0.55. */
static DefcnFigures
measure (gboolean crowdhuman, DefcnColumn own, double recall, guint least)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (crowdhuman);
  g_autoptr (DefcnColumns) columns = defcn_columns_new (dataset, 0.3f);
  DefcnFigures f = { .crowdhuman = crowdhuman,
    .n_images = 2,
    .own = own,
    .threshold = 0.05f,
    .duplicate_threshold = 0.3f,
    .working_threshold = 0.55f,
    .nms_iou = 0.6f,
    .duplicate_iou = 0.7f,
    .recall = recall,
    .least_objects = least };

  f.labels = g_new0 (char *, 2);
  f.labels[0] = g_strdup ("person");
  add_found (columns);
  defcn_columns_measure (columns, &f);
  return f;
}

#define near(a, b) g_assert_cmpfloat_with_epsilon (a, b, TOLERANCE)

static void
assert_working (const DefcnWorking *w, double precision, double recall,
    double f1, double duplicate_rate)
{
  near (w->precision, precision);
  near (w->recall, recall);
  near (w->f1, f1);
  near (w->duplicate_rate, duplicate_rate);
}

/* Each column has its own precision, recall, F1 and twins where the model
 * works; the recall to compare at is what the own column has there. */
static void
test_working (void)
{
  for (int own = 0; own < DEFCN_N_COLUMNS; own++) {
    g_auto (DefcnFigures) f = measure (FALSE, own, 0, 8);

    assert_working (&f.working[0], 2 / 3.0, 2 / 3.0, 2 / 3.0, 1 / 3.0);
    assert_working (&f.working[1], 1, 2 / 3.0, 4 / 5.0, 0);
    assert_working (&f.working[2], 1, 2 / 3.0, 4 / 5.0, 0);
    near (f.recall, 2 / 3.0);
    for (int k = 0; k < DEFCN_N_COLUMNS; k++)
      near (f.equal[k].threshold, 0.6f);
    near (f.equal[0].duplicate_rate, 1 / 3.0);
    near (f.equal[1].duplicate_rate, 0);
    near (f.coco[0].duplicate_rate, 1 / 5.0);
    near (f.coco[1].duplicate_rate, 0);
  }
}

/* The same recall costs another threshold in each column, or is not reached. */
static void
test_recall (void)
{
  g_auto (DefcnFigures) f = measure (FALSE, 0, 1, 8);

  near (f.recall, 1);
  near (f.equal[0].threshold, 0.4f);
  g_assert_cmpfloat (f.equal[0].threshold, <, 0.4f);
  assert_working (&f.equal[0], 3 / 5.0, 1, 6 / 8.0, 1 / 5.0);
  near (f.equal[1].threshold, 0.4f);
  assert_working (&f.equal[1], 3 / 4.0, 1, 6 / 7.0, 0);
  g_assert_cmpfloat (f.equal[2].threshold, ==, -1);
}

/* The best threshold and the error of the scores are the own column's. */
static void
test_own (void)
{
  /* F1 by threshold: none 3/4 to 0.4, less above; local 6/7 to 0.4, 2/3 to 0.5,
   * 4/5 to 0.6; NMS 4/5 to 0.6.  The step of 0.4 is below the float. */
  static const struct
  {
    double threshold, f1, error;
  } rows[DEFCN_N_COLUMNS] = {
    { 0.38, 6 / 8.0, (0.1 + 0.8 + 0.4 + 0.5 + 0.6) / 5 },
    { 0.38, 6 / 7.0, (0.1 + 0.4 + 0.5 + 0.6) / 4 },
    { 0.58, 4 / 5.0, (0.1 + 0.4) / 2 },
  };

  for (int own = 0; own < DEFCN_N_COLUMNS; own++) {
    g_auto (DefcnFigures) f = measure (FALSE, own, 0, 8);

    near (f.best.threshold, rows[own].threshold);
    near (f.best.f1, rows[own].f1);
    near (f.reliability.error, rows[own].error);
    g_assert_cmpfloat (defcn_figures_ap (&f), ==, f.coco[own].stats[0]);
    g_assert_cmpfloat (defcn_figures_ap50 (&f), ==, f.coco[own].stats[1]);
  }
}

/* Pictures of two objects or more are told apart, and the others take part in
 * all else. */
static void
test_crowded (void)
{
  static const struct
  {
    guint least, n;
    double ap50[3], recall[3], working_recall[3];
  } rows[] = {
    { 1, 2,
        { (34 + 33 * 2 / 3.0 + 34 * 3 / 5.0) / 101,
            67.0 / 101 + 34 * 0.75 / 101, 67 / 101.0 },
        { 1, 1, 2 / 3.0 }, { 2 / 3.0, 2 / 3.0, 2 / 3.0 } },
    { 2, 1, { (51 + 50 * 2 / 3.0) / 101, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 } },
    { 3, 0, { -1, -1, -1 }, { -1, -1, -1 }, { -1, -1, -1 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (DefcnFigures) f = measure (FALSE, 0, 0, rows[i].least);

    g_assert_cmpuint (f.n_crowded, ==, rows[i].n);
    for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
      near (f.crowded[k].ap50, rows[i].ap50[k]);
      near (f.crowded[k].recall, rows[i].recall[k]);
      near (f.crowded[k].working_recall, rows[i].working_recall[k]);
      near (f.coco[k].stats[1], rows[0].ap50[k]);
    }
  }
}

/* CrowdHuman data has all of it but duplicates. */
static void
test_crowdhuman (void)
{
  g_auto (DefcnFigures) f = measure (TRUE, 0, 0, 2);

  near (f.crowd[0].ap, (1 / 2.0 + 2 / 3.0 + 1 / 2.0 + 3 / 5.0) / 6);
  near (f.crowd[0].recall, 1);
  near (f.crowd[2].recall, 2 / 3.0);
  assert_working (&f.working[0], 2 / 3.0, 2 / 3.0, 2 / 3.0, 0);
  assert_working (&f.working[1], 1, 2 / 3.0, 4 / 5.0, 0);
  near (f.best.threshold, 0.38);
  near (f.reliability.error, 2.4 / 5);
  g_assert_cmpuint (f.n_crowded, ==, 1);
  near (f.crowded[0].ap50, (1 / 2.0 + 2 / 3.0) / 4);
  near (f.crowded[0].recall, 1);

  g_auto (DefcnFigures) none = measure (TRUE, 0, 0, 3);
  g_assert_cmpuint (none.n_crowded, ==, 0);
  near (none.crowded[0].ap50, -1);
  near (none.crowded[0].recall, -1);
}

static void
assert_has (const char *text, const char *row)
{
  if (!strstr (text, row))
    g_error ("\"%s\" is not in\n%s", row, text);
}

/* Rows of the table, "-" and "not reached" where there is no number. */
static void
test_table (void)
{
  g_auto (DefcnFigures) f = measure (FALSE, 1, 1, 2);
  g_auto (DefcnFigures) none = measure (FALSE, 0, 0, 3);
  g_auto (DefcnFigures) crowd = measure (TRUE, 2, 0, 2);
  g_autofree char *table = defcn_figures_table (&f, FALSE);
  g_autofree char *empty = defcn_figures_table (&none, FALSE);
  crowd.max_filter = (DefcnMaxFilter){ 2, 3 };
  crowd.nms_range = (DefcnNmsRange){ 5, TRUE };
  g_autofree char *persons = defcn_figures_table (&crowd, FALSE);
  g_autofree char *summary = defcn_figures_summary (&f);

  assert_has (table, "        none  local 0.70    NMS 0.60\n");
  /* mAP and mAR of every column, 5/6 of a box at IoUs of 1 */
  assert_has (table,
      "\nAR    IoU 0.50:0.95  all     100          1.0000"
      "      1.0000      0.6667\n");
  assert_has (table,
      "\nduplicate rate, score over 0.30           0.2000"
      "      0.0000      0.0000\n");
  assert_has (table, "small   100               -           -           -\n");
  assert_has (table,
      "\nat the working threshold, 0.55\n"
      "  precision                               0.6667"
      "      1.0000      1.0000\n  recall  ");
  assert_has (table,
      "\nwhere the recall is 1.0000\n"
      "  threshold                               0.4000"
      "      0.4000 not reached\n");
  assert_has (table,
      "  duplicate rate                          0.2000"
      "      0.0000           -\n");
  assert_has (table,
      "\npictures of 2 objects or more: 1\n"
      "  AP50                                    0.8350"
      "      1.0000      1.0000\n");
  assert_has (table, "\n  recall at the working threshold         1.0000");
  assert_has (table,
      "\nthe model's own way: local 0.70\n"
      "  F1 is best around 0.38: 0.8571 there, precision 0.7500,"
      " recall 1.0000\n"
      "  expected calibration error 0.4000\n2 images, ");
  assert_has (empty, "\npictures of 3 objects or more: 0\nthe model's own");
  assert_has (persons, "\nmMR ");
  /* Two pictures: 2/4 and 1 of all boxes, 2/3 and 1 without the twin; over 0.5
   * the second picture is missed. */
  assert_has (persons,
      "\nJI                                        0.7500"
      "      0.8333      0.5000\n"
      "  at the threshold                        0.0000"
      "      0.0000      0.0000\n");
  assert_has (persons,
      "\nthe recall of the annotations under NMS 0.60: 1.0000\n");
  assert_has (persons,
      "\n3DMF as post-processing, in all columns: tau 2, phi 3\n"
      "NMS within 5x5 locations, per scale\n");
  assert_has (persons, "\nthe model's own way: NMS 0.60\n");
  g_assert_null (strstr (persons, "duplicate"));
  g_assert_null (strstr (table, "3DMF"));
  g_assert_null (strstr (table, "NMS within"));
  crowd.max_filter = (DefcnMaxFilter){ 0 };
  crowd.nms_range.window = 0;
  g_autofree char *scales = defcn_figures_table (&crowd, FALSE);
  assert_has (scales, "\nNMS per scale\n");
  g_assert_null (strstr (scales, "3DMF"));
  crowd.nms_range = (DefcnNmsRange){ 1, FALSE };
  g_autofree char *across = defcn_figures_table (&crowd, FALSE);
  assert_has (across, "\nNMS within 1x1 locations, across scales\n");
  assert_has (summary,
      ", none/local/NMS: AP50 0.7564/0.9158/0.6634"
      " duplicates 0.200/0.000/0.000, ");
}

static double
number (const cJSON *object, const char *name)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, name);

  if (!cJSON_IsNumber (item))
    g_error ("\"%s\" is no number", name);
  return item->valuedouble;
}

/* The JSON of @own has the own column flat and the others by name. */
static void
test_json (gconstpointer data)
{
  static const char *const names[] = { "no_nms", "local", "nms" };
  const int own = GPOINTER_TO_INT (data);
  g_auto (DefcnFigures) f = measure (FALSE, own, 1, 1);
  cJSON *json = cJSON_CreateObject ();

  defcn_figures_to_json (&f, json);
  g_assert_cmpstr (cJSON_GetStringValue (cJSON_GetObjectItem (json, "own")), ==,
      names[own]);
  g_assert_null (cJSON_GetObjectItem (json, names[own]));
  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    const cJSON *column =
        k == own ? json : cJSON_GetObjectItem (json, names[k]);
    const cJSON *working = cJSON_GetObjectItem (column, "working");
    const cJSON *equal = cJSON_GetObjectItem (column, "at_recall");
    const cJSON *crowded = cJSON_GetObjectItem (column, "crowded");

    g_assert_cmpfloat (number (column, "ap50"), ==, f.coco[k].stats[1]);
    g_assert_cmpint (cJSON_HasObjectItem (column, "nms_iou"), ==, k == 2);
    g_assert_cmpint (cJSON_HasObjectItem (column, "duplicate_iou"), ==, k == 1);
    near (number (working, "threshold"), 0.55);
    g_assert_cmpfloat (number (working, "precision"), ==,
        f.working[k].precision);
    g_assert_cmpfloat (number (working, "recall"), ==, f.working[k].recall);
    g_assert_cmpfloat (number (working, "f1"), ==, f.working[k].f1);
    g_assert_cmpfloat (number (working, "duplicate_rate"), ==,
        f.working[k].duplicate_rate);
    g_assert_cmpfloat (number (equal, "wanted"), ==, 1);
    g_assert_cmpint (cJSON_IsTrue (cJSON_GetObjectItem (equal, "reached")), ==,
        k < 2);
    g_assert_cmpint (cJSON_HasObjectItem (equal, "threshold"), ==, k < 2);
    g_assert_cmpfloat (number (crowded, "least_objects"), ==, 1);
    g_assert_cmpfloat (number (crowded, "images"), ==, 2);
    g_assert_cmpfloat (number (crowded, "ap50"), ==, f.crowded[k].ap50);
    g_assert_cmpfloat (number (crowded, "recall"), ==, f.crowded[k].recall);
    g_assert_cmpfloat (number (crowded, "working_recall"), ==,
        f.crowded[k].working_recall);
  }
  g_assert_cmpfloat (number (cJSON_GetObjectItem (json, "best"), "threshold"),
      ==, f.best.threshold);
  g_assert_cmpfloat (number (json, "calibration_error"), ==,
      f.reliability.error);
  const cJSON *bins = cJSON_GetObjectItem (json, "reliability");
  g_assert_cmpint (cJSON_GetArraySize (bins), ==, DEFCN_RELIABILITY_BINS);
  g_assert_cmpfloat (number (cJSON_GetArrayItem (bins, 17), "detections"), ==,
      f.reliability.bins[17].n);
  g_assert_cmpfloat (number (cJSON_GetArrayItem (bins, 17), "score"), ==,
      f.reliability.bins[17].score);
  g_assert_cmpfloat (number (cJSON_GetArrayItem (bins, 17), "precision"), ==,
      f.reliability.bins[17].precision);
  cJSON_Delete (json);
}

/* Every column has the interval of its own boxes where draws are asked for. */
static void
test_draws (void)
{
  static const char *const names[] = { NULL, "local", "nms" };
  g_autoptr (DefcnDataset) dataset = dataset_new (FALSE);
  g_autoptr (DefcnColumns) columns = defcn_columns_new (dataset, 0.3f);
  g_auto (DefcnFigures) f = measure (FALSE, 0, 0, 8);
  cJSON *json = cJSON_CreateObject ();

  f.n_draws = 50;
  add_found (columns);
  g_array_unref (f.coco[0].class_ap); /* is measured anew */
  g_array_unref (f.coco[1].class_ap);
  g_array_unref (f.coco[2].class_ap);
  defcn_columns_measure (columns, &f);
  defcn_figures_to_json (&f, json);
  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    const cJSON *column = k ? cJSON_GetObjectItem (json, names[k]) : json;
    const cJSON *bootstrap = cJSON_GetObjectItem (column, "bootstrap");
    const double *draws[] = { f.ap_draws[k], f.ap50_draws[k] };

    for (int i = 0; i < 2; i++) {
      const cJSON *figure = cJSON_GetObjectItem (bootstrap, i ? "ap50" : "ap");
      const cJSON *values = cJSON_GetObjectItem (figure, "draws");

      g_assert_cmpint (cJSON_GetArraySize (values), ==, 50);
      for (int j = 0; j < 50; j++)
        near (cJSON_GetArrayItem (values, j)->valuedouble, draws[i][j]);
      near (number (figure, "low"),
          defcn_matches_quantile (draws[i], 50, 0.025));
      near (number (figure, "high"),
          defcn_matches_quantile (draws[i], 50, 0.975));
      g_assert_cmpfloat (number (figure, "low"), <,
          f.coco[k].stats[i] + TOLERANCE);
      g_assert_cmpfloat (number (figure, "high"), >,
          f.coco[k].stats[i] - TOLERANCE);
    }
  }
  /* NMS leaves all of the first picture and nothing of the second; the filter
   * leaves all of both, a false one between them. */
  near (defcn_matches_quantile (f.ap50_draws[2], 50, 1), 1);
  near (defcn_matches_quantile (f.ap50_draws[2], 50, 0), 0);
  near (defcn_matches_quantile (f.ap50_draws[1], 50, 0), f.coco[1].stats[1]);
  cJSON_Delete (json);

  g_autofree char *table = defcn_figures_table (&f, FALSE);
  assert_has (table, "\nAP    2.5 % of 50 draws  ");
  assert_has (table, "\nAP50  97.5 % of 50 draws  ");
  f.n_draws = 0;
  g_autofree char *without = defcn_figures_table (&f, FALSE);
  g_assert_null (strstr (without, "draws"));
}

/* Of CrowdHuman data nothing is said about duplicates. */
static void
test_json_crowdhuman (void)
{
  g_auto (DefcnFigures) f = measure (TRUE, 0, 0, 2);
  cJSON *json = cJSON_CreateObject ();

  defcn_figures_to_json (&f, json);
  char *text = cJSON_PrintUnformatted (json);
  g_assert_null (strstr (text, "duplicate_rate"));
  near (number (cJSON_GetObjectItem (json, "working"), "f1"), 2 / 3.0);
  near (number (cJSON_GetObjectItem (json, "local"), "recall"), 1);
  near (number (json, "ji"), 0.75);
  near (number (json, "ji_threshold"), 0);
  near (number (cJSON_GetObjectItem (json, "nms"), "ji"), 0.5);
  near (number (json, "truth_recall"), 1);
  g_assert_false (cJSON_HasObjectItem (json, "max_filter"));
  g_assert_false (cJSON_HasObjectItem (json, "nms_window"));
  g_assert_false (cJSON_HasObjectItem (json, "nms_per_scale"));
  cJSON_free (text);
  cJSON_Delete (json);

  f.max_filter = (DefcnMaxFilter){ 4, 5 };
  f.nms_range = (DefcnNmsRange){ 3, TRUE };
  json = cJSON_CreateObject ();
  defcn_figures_to_json (&f, json);
  const cJSON *filter = cJSON_GetObjectItem (json, "max_filter");
  near (number (filter, "tau"), 4);
  near (number (filter, "phi"), 5);
  near (number (json, "nms_window"), 3);
  g_assert_true (cJSON_IsTrue (cJSON_GetObjectItem (json, "nms_per_scale")));
  cJSON_Delete (json);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/columns/working", test_working);
  g_test_add_func ("/columns/recall", test_recall);
  g_test_add_func ("/columns/own", test_own);
  g_test_add_func ("/columns/crowded", test_crowded);
  g_test_add_func ("/columns/crowdhuman", test_crowdhuman);
  g_test_add_func ("/columns/table", test_table);
  g_test_add_data_func ("/columns/json/none", GINT_TO_POINTER (0), test_json);
  g_test_add_data_func ("/columns/json/local", GINT_TO_POINTER (1), test_json);
  g_test_add_data_func ("/columns/json/nms", GINT_TO_POINTER (2), test_json);
  g_test_add_func ("/columns/draws", test_draws);
  g_test_add_func ("/columns/json/crowdhuman", test_json_crowdhuman);
  return g_test_run ();
}
