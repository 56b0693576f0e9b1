/* Precision, recall, F1 and duplicates at a threshold, on lists worked out by
 * hand. */
#include "eval/working.h"

#include <math.h>

#define MAX_OUTCOMES 8

/* A row without score is the end of its list.  In a list: h hit, - miss,
 * x ignored, d a duplicate that misses. */
typedef struct
{
  double score;
  char is;
} Row;

static void
fill (DefcnOutcomes *outcomes, const Row *rows, guint n_objects)
{
  defcn_outcomes_init (outcomes);
  outcomes->n_objects = n_objects;
  for (int i = 0; i < MAX_OUTCOMES && rows[i].score != 0; i++) {
    const DefcnOutcome o = { .score = rows[i].score,
      .hit = rows[i].is == 'h',
      .ignored = rows[i].is == 'x',
      .duplicate = rows[i].is == 'd' };

    g_array_append_val (outcomes->outcomes, o);
  }
  defcn_outcomes_sort (outcomes);
}

/* Unsorted: four objects, three of them found, one twice. */
static const Row usual[MAX_OUTCOMES] = { { 0.3, 'h' }, { 0.9, 'h' },
  { 0.7, 'h' }, { 0.5, 'x' }, { 0.8, '-' }, { 0.6, 'd' } };
#define USUAL_OBJECTS 4
static const Row missed[MAX_OUTCOMES] = { { 0.9, '-' } };
static const Row empty[MAX_OUTCOMES] = { { 0 } };

/* All figures at a threshold; it is itself not over itself. */
static void
test_at (void)
{
  static const struct
  {
    const char *name;
    const Row *rows;
    guint n_objects;
    double threshold, precision, recall, f1, duplicate_rate;
  } cases[] = {
    { "all", usual, USUAL_OBJECTS, 0, 3 / 5.0, 3 / 4.0, 6 / 9.0, 1 / 6.0 },
    { "a score", usual, USUAL_OBJECTS, 0.3, 2 / 4.0, 2 / 4.0, 4 / 8.0,
        1 / 5.0 },
    { "below it", usual, USUAL_OBJECTS, 0.29, 3 / 5.0, 3 / 4.0, 6 / 9.0,
        1 / 6.0 },
    { "no ignored one", usual, USUAL_OBJECTS, 0.5, 2 / 4.0, 2 / 4.0, 4 / 8.0,
        1 / 4.0 },
    { "no duplicate", usual, USUAL_OBJECTS, 0.65, 2 / 3.0, 2 / 4.0, 4 / 7.0,
        0 },
    { "nothing over it", usual, USUAL_OBJECTS, 0.9, -1, 0, 0, 0 },
    { "no objects", missed, 0, 0.3, 0, -1, 0, 0 },
    { "no detections", empty, 3, 0.3, -1, 0, 0, 0 },
    { "nothing at all", empty, 0, 0.3, -1, -1, -1, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (DefcnOutcomes) outcomes = { 0 };

    g_test_message ("%s", cases[i].name);
    fill (&outcomes, cases[i].rows, cases[i].n_objects);
    const DefcnWorking w = defcn_working_at (&outcomes, cases[i].threshold);
    g_assert_cmpfloat (w.threshold, ==, cases[i].threshold);
    g_assert_cmpfloat (w.precision, ==, cases[i].precision);
    g_assert_cmpfloat (w.recall, ==, cases[i].recall);
    g_assert_cmpfloat (w.f1, ==, cases[i].f1);
    g_assert_cmpfloat (w.duplicate_rate, ==, cases[i].duplicate_rate);
  }
}

/* The threshold lies just below the hit that is needed and takes in what has
 * the same score, duplicates too. */
static void
test_at_recall (void)
{
  static const Row tied[MAX_OUTCOMES] = { { 0.9, 'h' }, { 0.6, 'd' },
    { 0.6, 'h' }, { 0.6, 'd' } };
  static const struct
  {
    const char *name;
    const Row *rows;
    guint n_objects;
    double recall, score, duplicate_rate; /* score 0: not reached */
  } cases[] = {
    { "the first", usual, USUAL_OBJECTS, 0.01, 0.9, 0 },
    { "a quarter", usual, USUAL_OBJECTS, 0.25, 0.9, 0 },
    { "over a quarter", usual, USUAL_OBJECTS, 0.26, 0.7, 0 },
    { "half", usual, USUAL_OBJECTS, 0.5, 0.7, 0 },
    { "the last", usual, USUAL_OBJECTS, 0.75, 0.3, 1 / 6.0 },
    { "more than there is", usual, USUAL_OBJECTS, 0.76, 0, 0 },
    { "equal scores", tied, 2, 1, 0.6, 2 / 4.0 },
    { "recall 0", usual, USUAL_OBJECTS, 0, 0, 0 },
    { "no recall", usual, USUAL_OBJECTS, -1, 0, 0 },
    { "no detections", empty, 3, 0.5, 0, 0 },
    { "no objects", usual, 0, 0.5, 0, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (DefcnOutcomes) outcomes = { 0 };

    g_test_message ("%s", cases[i].name);
    fill (&outcomes, cases[i].rows, cases[i].n_objects);
    const DefcnWorking w = defcn_working_at_recall (&outcomes, cases[i].recall);
    if (cases[i].score == 0) {
      g_assert_cmpfloat (w.threshold, ==, -1);
      g_assert_cmpfloat (w.precision, ==, -1);
      g_assert_cmpfloat (w.duplicate_rate, ==, -1);
      continue;
    }
    g_assert_cmpfloat (w.duplicate_rate, ==, cases[i].duplicate_rate);
    g_assert_cmpfloat (w.threshold, <, cases[i].score);
    g_assert_cmpfloat (w.threshold, >, cases[i].score - 1e-6);
    g_assert_cmpfloat (w.threshold, ==, (float) w.threshold);
    g_assert_cmpfloat (w.recall, >=, cases[i].recall);
  }
}

/* Of every step the mean of F1 with its neighbours, the highest of equals. */
static void
test_best (void)
{
  static const struct
  {
    const char *name;
    Row rows[MAX_OUTCOMES];
    guint n_objects;
    float lowest;
    double threshold; /* -1: none */
  } cases[] = {
    /* F1 1 up to 0.49, then 0: the mean is 1 as far as 0.47. */
    { "one hit", { { 0.5, 'h' } }, 1, 0, 0.47 },
    /* F1 2/3 up to 0.19, 1 from 0.2 to 0.59. */
    { "a miss below", { { 0.6, 'h' }, { 0.2, '-' } }, 1, 0, 0.57 },
    /* 2/3 to 0.39, less to 0.49, 2/3 up to 0.99: the higher. */
    { "equal ones", { { 1, 'h' }, { 0.5, '-' }, { 0.45, '-' }, { 0.4, 'h' } },
        2, 0, 0.99 },
    /* 6/7 to 0.39, 1 at 0.40, 0.8 from 0.41: the step of luck counts where its
     * neighbours are as good. */
    { "a lucky step",
        { { 0.9, 'h' }, { 0.8, 'h' }, { 0.405, 'h' }, { 0.4, '-' } }, 3, 0,
        0.38 },
    { "as low as it goes", { { 0.05, 'h' } }, 1, 0, 0.02 },
    /* F1 is 1 at 0.30 and 0.31; the means there are of 3 and of 4 steps. */
    { "from the lowest", { { 0.32, 'h' } }, 1, 0.3f, 0.30 },
    { "the lowest itself", { { 0.31, 'h' } }, 1, 0.3f, 0.30 },
    { "below the lowest", { { 0.3, 'h' } }, 1, 0.3f, -1 },
    { "no hit", { { 0.9, '-' } }, 1, 0, -1 },
    { "no detection", { { 0 } }, 1, 0, -1 },
    { "nothing", { { 0 } }, 0, 0, -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (DefcnOutcomes) outcomes = { 0 };

    fill (&outcomes, cases[i].rows, cases[i].n_objects);
    const DefcnWorking w = defcn_working_best (&outcomes, cases[i].lowest);
    g_test_message ("%s: %g", cases[i].name, w.threshold);
    g_assert_cmpfloat (w.threshold, ==, cases[i].threshold);
    if (w.threshold >= 0)
      g_assert_cmpfloat (w.f1, ==,
          defcn_working_at (&outcomes, w.threshold).f1);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/working/at", test_at);
  g_test_add_func ("/working/at recall", test_at_recall);
  g_test_add_func ("/working/best", test_best);
  return g_test_run ();
}
