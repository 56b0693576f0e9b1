/* Whether scores mean what they say: bins worked out by hand, and their
 * picture. */
#include "eval/reliability.h"

#include "data/picture.h"
#include "drawing/reliability_plot.h"
#include "folder.h"

#include <math.h>
#include <string.h>

#define TOLERANCE 1e-12

static char *folder;

static void
add (DefcnOutcomes *outcomes, double score, gboolean hit, gboolean ignored)
{
  const DefcnOutcome o = { .score = score, .hit = hit, .ignored = ignored };

  g_array_append_val (outcomes->outcomes, o);
}

/* Means of each bin, the upper end its own; ignored ones are in none. */
static void
test_bins (void)
{
  g_auto (DefcnOutcomes) outcomes = { 0 };
  DefcnReliability r;

  defcn_outcomes_init (&outcomes);
  add (&outcomes, 1, TRUE, FALSE);
  add (&outcomes, 0.96, FALSE, FALSE);
  add (&outcomes, 0.75, TRUE, FALSE); /* the end of bin 14 */
  add (&outcomes, 0.71, FALSE, FALSE);
  add (&outcomes, 0.72, FALSE, FALSE);
  add (&outcomes, 0.7, FALSE, TRUE);
  add (&outcomes, 0.02, FALSE, FALSE);
  add (&outcomes, 0, FALSE, FALSE);
  defcn_reliability_measure (&r, &outcomes);
  for (int k = 0; k < DEFCN_RELIABILITY_BINS; k++)
    g_assert_cmpuint (r.bins[k].n, ==,
        k == 19       ? 2
            : k == 14 ? 3
            : k == 0  ? 2
                      : 0);
  g_assert_cmpfloat_with_epsilon (r.bins[19].score, 0.98, TOLERANCE);
  g_assert_cmpfloat_with_epsilon (r.bins[19].precision, 0.5, TOLERANCE);
  g_assert_cmpfloat_with_epsilon (r.bins[14].score, 2.18 / 3, TOLERANCE);
  g_assert_cmpfloat_with_epsilon (r.bins[14].precision, 1 / 3.0, TOLERANCE);
  g_assert_cmpfloat_with_epsilon (r.bins[0].score, 0.01, TOLERANCE);
  g_assert_cmpfloat (r.bins[0].precision, ==, 0);
  g_assert_cmpfloat (r.bins[7].score, ==, 0);
  /* (2 (0.98 - 0.5) + 3 (2.18 / 3 - 1 / 3) + 2 * 0.01) / 7 */
  g_assert_cmpfloat_with_epsilon (r.error, (0.96 + 1.18 + 0.02) / 7, TOLERANCE);
}

/* Scores that say their precision have no error, however many bins; below it
 * they have as much as above. */
static void
test_error (void)
{
  static const struct
  {
    double score;
    int n, n_hits;
    double error;
  } rows[] = { { 0.5, 2, 1, 0 }, { 0.8, 5, 4, 0 }, { 0.8, 5, 5, 0.2 },
    { 0.8, 5, 3, 0.2 }, { 1, 3, 3, 0 }, { 0, 4, 0, 0 } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (DefcnOutcomes) outcomes = { 0 };
    DefcnReliability r;

    defcn_outcomes_init (&outcomes);
    for (int k = 0; k < rows[i].n; k++)
      add (&outcomes, rows[i].score, k < rows[i].n_hits, FALSE);
    defcn_reliability_measure (&r, &outcomes);
    g_assert_cmpfloat_with_epsilon (r.error, rows[i].error, TOLERANCE);
  }
}

/* Without what counts there is no error. */
static void
test_nothing (void)
{
  g_auto (DefcnOutcomes) outcomes = { 0 };
  DefcnReliability r;

  defcn_outcomes_init (&outcomes);
  defcn_reliability_measure (&r, &outcomes);
  g_assert_cmpfloat (r.error, ==, -1);
  add (&outcomes, 0.5, FALSE, TRUE);
  defcn_reliability_measure (&r, &outcomes);
  g_assert_cmpfloat (r.error, ==, -1);
}

#define BASE 660 /* the row where bars stand */

/* Pixels of the bars' colour in the column of bin @k, all of them above the
 * base, next to which they end. */
static int
count_bar (const DefcnPicture *picture, int k)
{
  const int x = 80 + 640 * k / 20 + 4;
  int n = 0, last = BASE;

  for (int y = 0; y < picture->height; y++) {
    const guint8 *p = picture->rgb + 3 * ((gsize) y * picture->width + x);
    const gboolean bar =
        ABS (p[0] - 166) < 8 && ABS (p[1] - 199) < 8 && ABS (p[2] - 235) < 8;

    n += bar;
    last = bar ? y : last;
  }
  g_assert_cmpint (last, <=, BASE);
  g_assert_cmpint (last, >=, BASE - 3);
  return n;
}

/* Bars as high as their precision, none where there is nothing; numbers of all
 * sizes make a picture. */
static void
test_picture (void)
{
  DefcnReliability r = { .error = 0.1 };
  g_autofree char *png = folder_file (folder, "reliability.png");
  g_autoptr (GError) error = NULL;

  r.bins[3] = (DefcnReliabilityBin){ 1000000, 0.19, 0.25 };
  r.bins[10] = (DefcnReliabilityBin){ 7, 0.53, 1 };
  r.bins[19] = (DefcnReliabilityBin){ 1, 1, 0 };
  g_assert_true (defcn_reliability_plot_save (&r, "a title", png, &error));
  g_assert_no_error (error);
  g_autoptr (DefcnPicture) picture = defcn_picture_load (png, &error);
  g_assert_no_error (error);
  const int whole = count_bar (picture, 10);
  g_assert_cmpint (whole, >, 400);
  g_assert_cmpint (ABS (count_bar (picture, 3) - whole / 4), <, whole / 20);
  g_assert_cmpint (count_bar (picture, 19), ==, 0);
  g_assert_cmpint (count_bar (picture, 5), ==, 0);
}

/* A picture of nothing is one too; where it cannot be is named. */
static void
test_extremes (void)
{
  const DefcnReliability r = { .error = -1 };
  g_autofree char *png = folder_file (folder, "nothing.png");
  g_autofree char *nowhere = folder_file (folder, "none/a.png");
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_reliability_plot_save (&r, "", png, &error));
  g_assert_no_error (error);
  g_assert_false (defcn_reliability_plot_save (&r, "", nowhere, &error));
  g_assert_nonnull (strstr (error->message, nowhere));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_test_add_func ("/reliability/bins", test_bins);
  g_test_add_func ("/reliability/error", test_error);
  g_test_add_func ("/reliability/nothing", test_nothing);
  g_test_add_func ("/reliability/picture", test_picture);
  g_test_add_func ("/reliability/extremes", test_extremes);
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}
