/* How long live waits before it tries a lost camera again. */
#include "backoff.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

/* Twice as long after every failure, up to the limit; at least half of what is
 * due, and never more. */
static void
test_grows (void)
{
  static const gint64 due[] = { 1, 2, 4, 8, 16, 30, 30, 30 };
  LiveBackoff longest = { SECOND, 30 * SECOND, 0 };
  LiveBackoff shortest = longest, middle = longest;

  for (guint i = 0; i < G_N_ELEMENTS (due); i++) {
    g_assert_cmpint (live_backoff_fail (&shortest, 0, 0), ==,
        due[i] * SECOND / 2);
    g_assert_cmpint (live_backoff_fail (&middle, 0, 0.5), ==,
        due[i] * SECOND * 3 / 4);
    g_assert_cmpint (live_backoff_fail (&longest, 0, 1 - 1e-9), <=,
        due[i] * SECOND);
  }
}

/* Failures are made good by as long a time without one as the longest wait, and
 * by no shorter one. */
static void
test_well (void)
{
  LiveBackoff backoff = { SECOND, 8 * SECOND, 0 };

  live_backoff_fail (&backoff, 0, 0);
  live_backoff_fail (&backoff, 0, 0);
  g_assert_cmpint (live_backoff_fail (&backoff, 8 * SECOND - 1, 0), ==,
      2 * SECOND);
  g_assert_cmpint (live_backoff_fail (&backoff, 8 * SECOND, 0), ==, SECOND / 2);
  g_assert_cmpint (live_backoff_fail (&backoff, 0, 0), ==, SECOND);
}

/* Weeks of failures, and a wait that cannot grow. */
static void
test_many (void)
{
  LiveBackoff backoff = { 3600 * SECOND, 3600 * SECOND, G_MAXUINT - 1 };

  for (guint i = 0; i < 4; i++)
    g_assert_cmpint (live_backoff_fail (&backoff, 0, 0), ==, 1800 * SECOND);
  g_assert_cmpuint (backoff.failures, ==, G_MAXUINT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/live/backoff/grows", test_grows);
  g_test_add_func ("/live/backoff/well", test_well);
  g_test_add_func ("/live/backoff/many", test_many);
  return g_test_run ();
}
