/* Drawn images: what every draw must give is known where there are few. */
#include "eval/matches.h"

#include <math.h>

#define N_DRAWS 1000
#define TOLERANCE 1e-12

#define ALL_IOUS 0x3ff
#define IOU_50_TO_65 0xf

typedef struct
{
  guint image;
  double score;
  guint16 matched, ignored;
} Row;

/* Owns nothing of @rows; images have one object each where @objects says so. */
static GPtrArray *
classes_new (guint n_images, const guint *objects, const Row *rows, gsize n)
{
  GPtrArray *classes =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_matches_free);
  DefcnMatches *m = defcn_matches_new (n_images);

  for (guint i = 0; i < n_images; i++) {
    m->counts[i] = objects[i];
    m->n_objects += objects[i];
  }
  for (gsize k = 0; k < n; k++) {
    const DefcnMatch match = { .score = rows[k].score,
      .image = rows[k].image,
      .order = k,
      .matched = rows[k].matched,
      .ignored = rows[k].ignored };

    g_array_append_val (m->matches, match);
  }
  defcn_matches_sort (m);
  g_ptr_array_add (classes, m);
  return classes;
}

/* Of @values how many are @wanted. */
static int
count (const double *values, double wanted)
{
  int n = 0;

  for (int k = 0; k < N_DRAWS; k++)
    n += fabs (values[k] - wanted) < TOLERANCE;
  return n;
}

/* A fair share of all draws, by some four standard deviations. */
static void
assert_share (int n, double share)
{
  const double deviation = sqrt (N_DRAWS * share * (1 - share));

  g_assert_cmpfloat (fabs (n - N_DRAWS * share), <, 4 * deviation);
}

/* Of two images one's object is found: of two drawn none, one or both. */
static void
test_shares (void)
{
  static const guint objects[] = { 1, 1 };
  static const Row rows[] = { { 0, 0.9, ALL_IOUS } };
  g_autoptr (GPtrArray) classes = classes_new (2, objects, rows, 1);
  double ap[N_DRAWS], ap50[N_DRAWS];

  defcn_matches_bootstrap (classes, N_DRAWS, ap, ap50);
  assert_share (count (ap, 0), 1 / 4.0);
  assert_share (count (ap, 51 / 101.0), 1 / 2.0);
  assert_share (count (ap, 1), 1 / 4.0);
  g_assert_cmpint (count (ap, 0) + count (ap, 51 / 101.0) + count (ap, 1), ==,
      N_DRAWS);
  for (int k = 0; k < N_DRAWS; k++)
    g_assert_cmpfloat_with_epsilon (ap[k], ap50[k], TOLERANCE);
}

/* Another model's draws are of the same images: where the one finds what the
 * other misses, each draw's figures are those of the rest. */
static void
test_pairs (void)
{
  static const guint objects[] = { 1, 1 };
  static const Row first[] = { { 0, 0.9, ALL_IOUS } };
  static const Row second[] = { { 1, 0.2, ALL_IOUS } };
  g_autoptr (GPtrArray) one = classes_new (2, objects, first, 1);
  g_autoptr (GPtrArray) other = classes_new (2, objects, second, 1);
  double a[N_DRAWS], b[N_DRAWS], ap50[N_DRAWS];

  defcn_matches_bootstrap (one, N_DRAWS, a, ap50);
  defcn_matches_bootstrap (other, N_DRAWS, b, ap50);
  for (int k = 0; k < N_DRAWS; k++) {
    if (fabs (a[k] - 51 / 101.0) < TOLERANCE)
      g_assert_cmpfloat_with_epsilon (b[k], a[k], TOLERANCE);
    else
      g_assert_cmpfloat_with_epsilon (b[k], 1 - a[k], TOLERANCE);
  }
}

/* An image that is drawn several times counts as often, with what is right in
 * it and what is false; an ignored detection is neither, and without an object
 * there is no figure. */
static void
test_times (void)
{
  static const guint objects[] = { 1, 0, 0 };
  static const Row rows[] = { { 0, 0.9, ALL_IOUS }, { 1, 0.95 },
    { 2, 0.99, 0, ALL_IOUS } };
  static const struct
  {
    double ap, share;
  } draws[] = { { -1, 8 / 27.0 }, { 1, 7 / 27.0 }, { 1 / 2.0, 6 / 27.0 },
    { 1 / 3.0, 3 / 27.0 }, { 2 / 3.0, 3 / 27.0 } };
  g_autoptr (GPtrArray) classes = classes_new (3, objects, rows, 3);
  double ap[N_DRAWS], ap50[N_DRAWS];
  int n = 0;

  defcn_matches_bootstrap (classes, N_DRAWS, ap, ap50);
  for (gsize i = 0; i < G_N_ELEMENTS (draws); i++) {
    assert_share (count (ap, draws[i].ap), draws[i].share);
    n += count (ap, draws[i].ap);
  }
  g_assert_cmpint (n, ==, N_DRAWS);
}

/* AP is the mean over IoUs, AP50 that of the first; a class without an object
 * in the draw is left out of the mean, one that finds nothing is not. */
static void
test_classes (void)
{
  static const guint objects[] = { 1 };
  static const guint none[] = { 0 };
  static const Row rows[] = { { 0, 0.9, IOU_50_TO_65 } };
  g_autoptr (GPtrArray) classes = classes_new (1, objects, rows, 1);
  g_autoptr (GPtrArray) absent = classes_new (1, none, NULL, 0);
  g_autoptr (GPtrArray) missed = classes_new (1, objects, NULL, 0);
  double ap[2], ap50[2];

  g_ptr_array_add (classes, g_ptr_array_steal_index (absent, 0));
  defcn_matches_bootstrap (classes, 2, ap, ap50);
  for (int k = 0; k < 2; k++) {
    g_assert_cmpfloat_with_epsilon (ap[k], 0.4, TOLERANCE);
    g_assert_cmpfloat_with_epsilon (ap50[k], 1, TOLERANCE);
  }
  g_ptr_array_add (classes, g_ptr_array_steal_index (missed, 0));
  defcn_matches_bootstrap (classes, 2, ap, ap50);
  g_assert_cmpfloat_with_epsilon (ap[1], 0.2, TOLERANCE);
  g_assert_cmpfloat_with_epsilon (ap50[1], 0.5, TOLERANCE);
}

/* No images, no classes: nothing to measure, and no harm. */
static void
test_nothing (void)
{
  g_autoptr (GPtrArray) none = classes_new (0, NULL, NULL, 0);
  g_autoptr (GPtrArray) empty = g_ptr_array_new ();
  double ap[2] = { 0 }, ap50[2] = { 0 };

  defcn_matches_bootstrap (none, 2, ap, ap50);
  g_assert_cmpfloat (ap[1], ==, -1);
  g_assert_cmpfloat (ap50[1], ==, -1);
  ap[0] = 0;
  defcn_matches_bootstrap (empty, 1, ap, ap50);
  g_assert_cmpfloat (ap[0], ==, -1);
}

/* As numpy.quantile, of what was measured. */
static void
test_quantile (void)
{
  static const double values[] = { 3, 1, 2, 5, 4, -1 };
  static const double nothing[] = { -1, -1 };
  static const struct
  {
    guint n;
    double q, value;
  } rows[] = { { 5, 0, 1 }, { 5, 0.5, 3 }, { 5, 1, 5 }, { 5, 0.025, 1.1 },
    { 5, 0.975, 4.9 }, { 6, 0, 1 }, { 6, 0.5, 3 }, { 2, 0.25, 1.5 },
    { 1, 0.025, 3 }, { 1, 1, 3 } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpfloat_with_epsilon (defcn_matches_quantile (values, rows[i].n,
                                        rows[i].q),
        rows[i].value, TOLERANCE);
  g_assert_cmpfloat (defcn_matches_quantile (nothing, 2, 0.5), ==, -1);
  g_assert_cmpfloat (defcn_matches_quantile (values, 0, 0.5), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/matches/shares", test_shares);
  g_test_add_func ("/matches/pairs", test_pairs);
  g_test_add_func ("/matches/times", test_times);
  g_test_add_func ("/matches/classes", test_classes);
  g_test_add_func ("/matches/nothing", test_nothing);
  g_test_add_func ("/matches/quantile", test_quantile);
  return g_test_run ();
}
