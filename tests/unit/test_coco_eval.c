/* The COCO figures on cases small enough to work out by hand. */
#include "eval/coco_eval.h"

#include <math.h>

#define MAX_OBJECTS 4
#define MAX_DETECTIONS 6
#define N_IMAGES 2
#define TOLERANCE 1e-12

enum
{
  AP,
  AP50,
  AP75,
  APS,
  APM,
  APL,
  AR1,
  AR10,
  AR100,
  ARS,
  ARM,
  ARL
};

/* A row without width is the end of its list. */
typedef struct
{
  double box[4];
  int image, label;
  gboolean crowd;
  double area; /* 0: the box's */
} Truth;

typedef struct
{
  double box[4], score;
  int image, label;
} Found;

/* A row without value is the end, but for the first. */
typedef struct
{
  const char *name;
  Truth truth[MAX_OBJECTS];
  Found found[MAX_DETECTIONS];
  double stats[12];
} Case;

#define A                                                                      \
  {                                                                            \
    0, 0, 40, 40                                                               \
  }
#define B                                                                      \
  {                                                                            \
    100, 0, 40, 40                                                             \
  }
#define FAR                                                                    \
  {                                                                            \
    300, 300, 40, 40                                                           \
  }

#define ALL(x) x, x, x
/* AP at all, 50, 75, small, medium, large; AR the same way. */
#define MEDIUM(x)                                                              \
  {                                                                            \
    ALL (x), -1, x, -1, ALL (x), -1, x, -1                                     \
  }
#define NOTHING                                                                \
  {                                                                            \
    ALL (-1), ALL (-1), ALL (-1), ALL (-1)                                     \
  }

static const Case cases[] = {
  { "one object, found", { { A } }, { { A, 0.9 } }, MEDIUM (1) },
  { "one object, not found", { { A } }, { { { 0 } } }, MEDIUM (0) },
  { "nothing to find", { { { 0 } } }, { { A, 0.9 } }, NOTHING },
  { "nothing at all", { { { 0 } } }, { { { 0 } } }, NOTHING },
  { "found elsewhere", { { A } }, { { B, 0.9 } }, MEDIUM (0) },
  { "found in the other image", { { A } }, { { A, 0.9, 1 } }, MEDIUM (0) },
  { "found as the other class", { { A } }, { { A, 0.9, 0, 1 } }, MEDIUM (0) },
  { "found as no class of the data", { { A } },
      { { A, 0.9, 0, 7 }, { A, 0.8, 0, -1 } }, MEDIUM (0) },
  /* IoU 0.62: matched at 0.5, 0.55, 0.6. */
  { "a loose box", { { A } }, { { { 0, 0, 40, 24.8 }, 0.9 } },
      { 0.3, 1, 0, -1, 0.3, -1, ALL (0.3), -1, 0.3, -1 } },
  /* On both sides of 0.75. */
  { "IoU of 0.72", { { A } }, { { { 0, 0, 40, 28.8 }, 0.9 } },
      { 0.5, 1, 0, -1, 0.5, -1, ALL (0.5), -1, 0.5, -1 } },
  { "IoU of 0.76", { { A } }, { { { 0, 0, 40, 30.4 }, 0.9 } },
      { 0.6, 1, 1, -1, 0.6, -1, ALL (0.6), -1, 0.6, -1 } },
  /* The threshold itself matches. */
  { "IoU of 0.5", { { A } }, { { { 0, 0, 40, 20 }, 0.9 } },
      { 0.1, 1, 0, -1, 0.1, -1, ALL (0.1), -1, 0.1, -1 } },
  /* One below the other: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1; 51 of
   * the 101 samples are up to 1/2. */
  { "a false one between", { { A }, { B } },
      { { A, 0.9 }, { FAR, 0.8 }, { B, 0.7 } },
      { ALL ((51 + 50 * 2 / 3.0) / 101), -1, (51 + 50 * 2 / 3.0) / 101, -1, 0.5,
          1, 1, -1, 1, -1 } },
  { "a false one first", { { A } }, { { FAR, 0.9 }, { A, 0.8 } },
      { ALL (0.5), -1, 0.5, -1, 0, 1, 1, -1, 1, -1 } },
  /* Equal scores keep their order, in an image and between images. */
  { "a tie, the false one first", { { A } }, { { FAR, 0.9 }, { A, 0.9 } },
      { ALL (0.5), -1, 0.5, -1, 0, 1, 1, -1, 1, -1 } },
  { "a tie, the false one last", { { A } }, { { A, 0.9 }, { FAR, 0.9 } },
      MEDIUM (1) },
  { "a tie of images, the false one first", { { A, 1 } },
      { { A, 0.9, 1 }, { A, 0.9, 0 } },
      { ALL (0.5), -1, 0.5, -1, ALL (1), -1, 1, -1 } },
  { "a tie of images, the false one last", { { A, 0 } },
      { { A, 0.9, 1 }, { A, 0.9, 0 } }, MEDIUM (1) },
  { "two boxes on one object", { { A }, { B } },
      { { A, 0.9 }, { A, 0.8 }, { B, 0.7 } },
      { ALL ((51 + 50 * 2 / 3.0) / 101), -1, (51 + 50 * 2 / 3.0) / 101, -1, 0.5,
          1, 1, -1, 1, -1 } },
  /* A crowd takes any number of boxes inside of it, and is not missed. */
  { "a crowd", { { { 100, 100, 200, 200 }, .crowd = TRUE }, { A } },
      { { { 110, 110, 40, 40 }, 0.9 }, { { 120, 120, 40, 40 }, 0.8 },
          { A, 0.7 } },
      { ALL (1), -1, 1, -1, 0, 1, 1, -1, 1, -1 } },
  { "a crowd alone", { { A, .crowd = TRUE } }, { { A, 0.9 } }, NOTHING },
  { "an object in a crowd", { { { 0, 0, 200, 200 }, .crowd = TRUE }, { A } },
      { { A, 0.9 } }, MEDIUM (1) },
  /* Sizes: both ends belong to the range, the field decides for objects. */
  { "32 x 32", { { { 0, 0, 32, 32 } } }, { { { 0, 0, 32, 32 }, 0.9 } },
      { ALL (1), 1, 1, -1, ALL (1), 1, 1, -1 } },
  { "96 x 96", { { { 0, 0, 96, 96 } } }, { { { 0, 0, 96, 96 }, 0.9 } },
      { ALL (1), -1, 1, 1, ALL (1), -1, 1, 1 } },
  { "a small area in a medium box", { { A, .area = 500 } }, { { A, 0.9 } },
      { ALL (1), 1, -1, -1, ALL (1), 1, -1, -1 } },
  /* What is false and of another size does not count against a size. */
  { "a large false one", { { { 0, 0, 20, 20 } } },
      { { { 300, 300, 200, 200 }, 0.9 }, { { 0, 0, 20, 20 }, 0.8 } },
      { ALL (0.5), 1, -1, -1, 0, 1, 1, 1, -1, -1 } },
  { "not a number", { { A } },
      { { A, NAN }, { { NAN, 0, 40, 40 }, 0.9 }, { { 0, 0, INFINITY, 1 }, 0.9 },
          { { 0, -INFINITY, 1, 1 }, 0.9 }, { A, INFINITY }, { A, 0.5 } },
      MEDIUM (1) },
  /* A negative area is outside of all sizes. */
  { "boxes without area", { { A } },
      { { { 5, 5, 0, 0 }, 0.9 }, { { 5, 5, -3, 4 }, 0.9 }, { A, 0.8 } },
      { ALL (0.5), -1, 1, -1, 0, 1, 1, -1, 1, -1 } },
};

static DefcnDataset *
dataset_new (const Truth *truth)
{
  DefcnDataset *dataset = g_new0 (DefcnDataset, 1);

  dataset->samples = g_ptr_array_new_with_free_func (g_free);
  dataset->labels = g_ptr_array_new_with_free_func (g_free);
  for (int i = 0; i < N_IMAGES; i++) {
    g_ptr_array_add (dataset->samples, defcn_sample_new (i, "", 0, 0));
    g_ptr_array_add (dataset->labels, g_strdup_printf ("class%d", i));
  }
  for (int k = 0; k < MAX_OBJECTS && truth[k].box[2] != 0; k++) {
    const Truth *t = &truth[k];
    DefcnObject o = { .label = t->label,
      .crowd = t->crowd,
      .area = t->area != 0 ? t->area : t->box[2] * t->box[3] };

    for (int i = 0; i < 4; i++)
      o.bbox[i] = t->box[i];
    g_assert_true (defcn_dataset_add (dataset, t->image, &o));
  }
  return dataset;
}

static void
add_found (DefcnCocoEval *eval, const Found *found, int n)
{
  for (int k = 0; k < n && found[k].score != 0; k++)
    defcn_coco_eval_add_xywh (eval, found[k].image, &found[k].box,
        &found[k].score, &found[k].label, 1);
}

/* All twelve figures of every case; a second run gives the same. */
static void
test_figures (gconstpointer data)
{
  const Case *c = data;
  DefcnDataset *dataset = dataset_new (c->truth);
  DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);

  add_found (eval, c->found, MAX_DETECTIONS);
  for (int run = 0; run < 2; run++) {
    DefcnCocoResult result;

    defcn_coco_eval_run (eval, &result);
    for (int i = 0; i < 12; i++) {
      g_test_message ("figure %d: %.15g, wanted %.15g", i, result.stats[i],
          c->stats[i]);
      g_assert_cmpfloat (fabs (result.stats[i] - c->stats[i]), <=, TOLERANCE);
    }
    g_assert_cmpuint (result.class_ap->len, ==, 2);
    g_assert_cmpfloat (fabs (g_array_index (result.class_ap, double, 0)
                           - c->stats[AP]),
        <=, TOLERANCE);
    g_assert_cmpfloat (g_array_index (result.class_ap, double, 1), ==, -1);
    defcn_coco_result_clear (&result);
  }
  defcn_coco_eval_free (eval);
  defcn_dataset_free (dataset);
}

/* The best 1, 10, 100 boxes of an image and a class count, no more. */
static void
test_limits (void)
{
  /* So many false boxes above the right one, and the recalls. */
  static const struct
  {
    int n_false;
    double ar[3];
  } limits[] = { { 0, { 1, 1, 1 } }, { 1, { 0, 1, 1 } }, { 9, { 0, 1, 1 } },
    { 10, { 0, 0, 1 } }, { 99, { 0, 0, 1 } }, { 100, { 0, 0, 0 } } };
  static const Truth truth[MAX_OBJECTS] = { { A } };
  static const Found right = { A, 0.1 }, wrong = { FAR, 0.9 },
                     other = { FAR, 0.9, 0, 1 };

  for (gsize i = 0; i < G_N_ELEMENTS (limits); i++) {
    DefcnDataset *dataset = dataset_new (truth);
    DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);
    DefcnCocoResult result;

    add_found (eval, &right, 1);
    for (int k = 0; k < limits[i].n_false; k++) {
      add_found (eval, &wrong, 1);
      add_found (eval, &other, 1); /* another class has its own limit */
    }
    defcn_coco_eval_run (eval, &result);
    for (int k = 0; k < 3; k++)
      g_assert_cmpfloat (result.stats[AR1 + k], ==, limits[i].ar[k]);
    g_assert_cmpfloat_with_epsilon (result.stats[AP],
        limits[i].n_false < 100 ? 1.0 / (limits[i].n_false + 1) : 0, TOLERANCE);
    defcn_coco_result_clear (&result);
    defcn_coco_eval_free (eval);
    defcn_dataset_free (dataset);
  }
}

/* Classes without objects are left out of the means, not counted as 0. */
static void
test_classes (void)
{
  static const Truth truth[MAX_OBJECTS] = { { A }, { B, .label = 1 } };
  static const Found found[] = { { A, 0.9 }, { A, 0.8, 0, 1 } };
  DefcnDataset *dataset = dataset_new (truth);
  g_ptr_array_add (dataset->labels, g_strdup ("absent"));
  DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);
  DefcnCocoResult result;
  double precision[DEFCN_COCO_RECALLS], recall;

  add_found (eval, found, 2);
  defcn_coco_eval_run (eval, &result);
  g_assert_cmpfloat_with_epsilon (result.stats[AP], 0.5, TOLERANCE);
  g_assert_cmpfloat_with_epsilon (g_array_index (result.class_ap, double, 0), 1,
      TOLERANCE);
  g_assert_cmpfloat (g_array_index (result.class_ap, double, 1), ==, 0);
  g_assert_cmpfloat (g_array_index (result.class_ap, double, 2), ==, -1);
  defcn_coco_result_clear (&result);

  g_assert_true (defcn_coco_eval_curve (eval, 0, 0, precision, &recall));
  g_assert_cmpfloat (recall, ==, 1);
  g_assert_cmpfloat_with_epsilon (precision[100], 1, TOLERANCE);
  g_assert_true (defcn_coco_eval_curve (eval, 1, 9, precision, &recall));
  g_assert_cmpfloat (recall, ==, 0);
  g_assert_cmpfloat (precision[0], ==, 0);
  g_assert_false (defcn_coco_eval_curve (eval, 2, 0, precision, &recall));
  defcn_coco_eval_free (eval);
  defcn_dataset_free (dataset);
}

/* What counts as a duplicate, and what does not. */
static void
test_duplicates (void)
{
  static const struct
  {
    const char *name;
    Found found[MAX_DETECTIONS];
    guint n, duplicates;
  } rows[] = {
    { "nothing", { { { 0 } } }, 0, 0 },
    { "one each", { { A, 0.9 }, { B, 0.9 } }, 2, 0 },
    { "the same box", { { A, 0.9 }, { A, 0.8 } }, 2, 1 },
    { "three, in any order", { { A, 0.5 }, { A, 0.9 }, { A, 0.7 } }, 3, 2 },
    { "a close box", { { A, 0.9 }, { { 4, 0, 40, 40 }, 0.8 } }, 2, 1 },
    /* IoU 2/3 with the better one. */
    { "a loose box", { { A, 0.9 }, { { 8, 0, 40, 40 }, 0.8 } }, 2, 0 },
    /* On one object all, at IoU 34/46 and 32/48 with each other. */
    { "two close ones",
        { { { -1, 0, 40, 40 }, 0.9 }, { { 5, 0, 40, 40 }, 0.8 } }, 2, 1 },
    { "two loose ones",
        { { { -3, 0, 40, 40 }, 0.9 }, { { 5, 0, 40, 40 }, 0.8 } }, 2, 0 },
    { "the threshold and below", { { A, 0.9 }, { A, 0.3f }, { A, 0.1 } }, 1,
        0 },
    { "of two classes", { { A, 0.9 }, { A, 0.8, 0, 1 } }, 2, 0 },
    { "of two images", { { A, 0.9 }, { A, 0.8, 1 } }, 2, 0 },
    { "on no object", { { FAR, 0.9 }, { FAR, 0.8 } }, 2, 0 },
    { "on a crowd",
        { { { 200, 0, 40, 40 }, 0.9 }, { { 200, 0, 40, 40 }, 0.8 } }, 2, 0 },
    { "on two objects", { { A, 0.9 }, { { 8, 0, 40, 40 }, 0.8 } }, 2, 0 },
    { "not a number", { { A, 0.9 }, { A, NAN } }, 1, 0 },
  };
  static const Truth truth[MAX_OBJECTS] = { { A }, { B, .label = 0 },
    { { 200, 0, 40, 40 }, .crowd = TRUE }, { { 12, 0, 40, 40 } } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    DefcnDataset *dataset = dataset_new (truth);
    DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);
    DefcnCocoResult result;

    g_test_message ("%s", rows[i].name);
    add_found (eval, rows[i].found, MAX_DETECTIONS);
    defcn_coco_eval_run (eval, &result);
    g_assert_cmpuint (result.n_detections, ==, rows[i].n);
    g_assert_cmpuint (result.n_duplicates, ==, rows[i].duplicates);
    g_assert_cmpfloat (result.duplicate_rate, ==,
        rows[i].n ? (double) rows[i].duplicates / rows[i].n : 0);
    defcn_coco_result_clear (&result);
    defcn_coco_eval_free (eval);
    defcn_dataset_free (dataset);
  }
}

/* By score: hit, miss, ignored, duplicate. */
static const char *
outcomes_text (GString *text, const DefcnOutcomes *outcomes)
{
  g_string_set_size (text, 0);
  for (guint i = 0; i < outcomes->outcomes->len; i++) {
    const DefcnOutcome *o =
        &g_array_index (outcomes->outcomes, DefcnOutcome, i);

    g_assert_false (o->hit && o->ignored);
    g_string_append (text, o->ignored ? "x" : o->hit ? "h" : "-");
    g_string_append (text, o->duplicate ? "d" : "");
  }
  return text->str;
}

/* What becomes of every detection, in the order of their scores. */
static void
test_outcomes (void)
{
  static const struct
  {
    const char *name;
    Found found[MAX_DETECTIONS];
    const char *outcomes;
  } rows[] = {
    { "nothing", { { { 0 } } }, "" },
    { "by score, of all images", { { A, 0.5 }, { FAR, 0.9 }, { A, 0.7, 1 } },
        "--h" },
    { "the threshold of IoU", { { { 0, 0, 40, 20 }, 0.9 } }, "h" },
    { "below it", { { { 0, 0, 40, 19 }, 0.9 } }, "-" },
    { "a duplicate", { { A, 0.9 }, { A, 0.8 } }, "h-d" },
    { "a loose box", { { A, 0.9 }, { { 8, 0, 40, 40 }, 0.8 } }, "h-" },
    { "each its class", { { A, 0.9, 0, 1 }, { A, 0.8 }, { B, 0.7, 0, 1 } },
        "-hh" },
    { "on a crowd",
        { { { 210, 10, 20, 20 }, 0.9 }, { { 215, 15, 20, 20 }, 0.8 } }, "xx" },
    { "of no class", { { A, 0.9, 0, 7 }, { A, 0.8 } }, "xh" },
  };
  static const Truth truth[MAX_OBJECTS] = { { A }, { B, .label = 1 },
    { { 200, 0, 80, 80 }, .crowd = TRUE } };
  g_autoptr (GString) text = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    DefcnDataset *dataset = dataset_new (truth);
    DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);
    g_auto (DefcnOutcomes) outcomes = { 0 };

    g_test_message ("%s", rows[i].name);
    add_found (eval, rows[i].found, MAX_DETECTIONS);
    defcn_coco_eval_outcomes (eval, &outcomes);
    g_assert_cmpstr (outcomes_text (text, &outcomes), ==, rows[i].outcomes);
    g_assert_cmpuint (outcomes.n_objects, ==, 2);
    defcn_coco_eval_free (eval);
    defcn_dataset_free (dataset);
  }
}

/* Beyond the best 100 of a class a detection is neither right nor wrong. */
static void
test_outcomes_limit (void)
{
  static const Truth truth[MAX_OBJECTS] = { { A } };
  static const Found right = { A, 0.1 }, wrong = { FAR, 0.9 };
  DefcnDataset *dataset = dataset_new (truth);
  DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);

  add_found (eval, &right, 1);
  for (int n = 1; n <= 100; n++) {
    g_auto (DefcnOutcomes) outcomes = { 0 };

    add_found (eval, &wrong, 1);
    if (n < 99)
      continue;
    defcn_coco_eval_outcomes (eval, &outcomes);
    g_assert_cmpuint (outcomes.outcomes->len, ==, n + 1);
    const DefcnOutcome *last =
        &g_array_index (outcomes.outcomes, DefcnOutcome, n);
    g_assert_cmpint (last->hit, ==, n == 99);
    g_assert_cmpint (last->ignored, ==, n == 100);
  }
  defcn_coco_eval_free (eval);
  defcn_dataset_free (dataset);
}

/* Pictures of few objects, crowds not counted, are left out of all figures
 * until they are asked for again. */
static void
test_restrict (void)
{
  static const Truth truth[MAX_OBJECTS] = { { A }, { B, .label = 1 }, { A, 1 },
    { B, 1, .crowd = TRUE } };
  static const Found found[] = { { A, 0.9 }, { B, 0.8, 0, 1 }, { FAR, 0.7 },
    { FAR, 0.95, 1 }, { FAR, 0.94, 1 } };
  static const struct
  {
    guint least, n_images, n_objects, n_outcomes, n_detections;
    double ap50;
  } rows[] = { { 0, 2, 3, 5, 5, (51 / 3.0 / 101 + 1) / 2 },
    { 1, 2, 3, 5, 5, (51 / 3.0 / 101 + 1) / 2 }, { 2, 1, 2, 3, 3, 1 },
    { 3, 0, 0, 0, 0, -1 }, { 0, 2, 3, 5, 5, (51 / 3.0 / 101 + 1) / 2 } };
  DefcnDataset *dataset = dataset_new (truth);
  DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);

  add_found (eval, found, G_N_ELEMENTS (found));
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (DefcnOutcomes) outcomes = { 0 };
    DefcnCocoResult result;

    g_assert_cmpuint (defcn_coco_eval_restrict (eval, rows[i].least), ==,
        rows[i].n_images);
    defcn_coco_eval_run (eval, &result);
    defcn_coco_eval_outcomes (eval, &outcomes);
    g_assert_cmpfloat_with_epsilon (result.stats[AP50], rows[i].ap50,
        TOLERANCE);
    g_assert_cmpuint (result.n_detections, ==, rows[i].n_detections);
    g_assert_cmpuint (outcomes.n_objects, ==, rows[i].n_objects);
    g_assert_cmpuint (outcomes.outcomes->len, ==, rows[i].n_outcomes);
    defcn_coco_result_clear (&result);
  }
  defcn_coco_eval_free (eval);
  defcn_dataset_free (dataset);
}

/* Draws of an image that is alone are the whole: every figure is the
 * evaluator's own, of all classes with an object. */
static void
test_bootstrap (void)
{
  static const Truth truth[MAX_OBJECTS] = { { A }, { B }, { A, .label = 1 } };
  static const Found found[] = { { A, 0.9 }, { FAR, 0.8 }, { B, 0.7 },
    { { 10, 0, 40, 40 }, 0.6, 0, 1 } };
  DefcnDataset *dataset = dataset_new (truth);
  DefcnCocoResult result;
  double ap[3], ap50[3];

  g_ptr_array_set_size (dataset->samples, 1);
  DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);
  add_found (eval, found, G_N_ELEMENTS (found));
  defcn_coco_eval_run (eval, &result);
  defcn_coco_eval_bootstrap (eval, 3, ap, ap50);
  g_assert_cmpfloat (result.stats[AP], <, result.stats[AP50]);
  for (int k = 0; k < 3; k++) {
    g_assert_cmpfloat_with_epsilon (ap[k], result.stats[AP], TOLERANCE);
    g_assert_cmpfloat_with_epsilon (ap50[k], result.stats[AP50], TOLERANCE);
  }
  defcn_coco_result_clear (&result);
  defcn_coco_eval_free (eval);
  defcn_dataset_free (dataset);
}

/* Boxes of the detector, corners in float, are the same as x, y, w, h. */
static void
test_boxes (void)
{
  static const Truth truth[MAX_OBJECTS] = { { A } };
  const DefcnBox boxes[] = { { 300, 300, 340, 340, 0.9f, 0 },
    { 0, 0, 40, 40, 0.5f, 0 } };
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  DefcnDataset *dataset = dataset_new (truth);
  DefcnCocoEval *eval = defcn_coco_eval_new (dataset, 0.3f);
  DefcnCocoResult result;

  g_array_append_vals (array, boxes, 2);
  defcn_coco_eval_add (eval, 0, array);
  g_array_set_size (array, 0);
  defcn_coco_eval_add (eval, 1, array);
  defcn_coco_eval_run (eval, &result);
  g_assert_cmpfloat_with_epsilon (result.stats[AP], 0.5, TOLERANCE);
  g_assert_cmpfloat (result.stats[AR10], ==, 1);
  defcn_coco_result_clear (&result);
  defcn_coco_eval_free (eval);
  defcn_dataset_free (dataset);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        g_strconcat ("/coco-eval/figures/", cases[i].name, NULL);

    g_test_add_data_func (path, &cases[i], test_figures);
  }
  g_test_add_func ("/coco-eval/limits", test_limits);
  g_test_add_func ("/coco-eval/classes", test_classes);
  g_test_add_func ("/coco-eval/duplicates", test_duplicates);
  g_test_add_func ("/coco-eval/outcomes", test_outcomes);
  g_test_add_func ("/coco-eval/outcomes/limit", test_outcomes_limit);
  g_test_add_func ("/coco-eval/restrict", test_restrict);
  g_test_add_func ("/coco-eval/bootstrap", test_bootstrap);
  g_test_add_func ("/coco-eval/boxes", test_boxes);
  return g_test_run ();
}
