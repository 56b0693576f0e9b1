/* The cache of decoded pictures: what is in stays, the bound holds, several
 * threads at once. */
#include "data/cache.h"

#include <string.h>

/* 4 x 4 pixels with a name in them. */
static DefcnPicture *
picture_new (guint name)
{
  DefcnPicture *picture = defcn_picture_new (4, 4);

  memset (picture->rgb, name, 48);
  return picture;
}

#define ONE (48 + sizeof (DefcnPicture)) /* bytes of such a picture */

static DefcnCacheStats
stats_of (DefcnCache *cache)
{
  DefcnCacheStats stats;

  defcn_cache_stats (cache, &stats);
  return stats;
}

/* What was put in comes back, the very picture, and is counted. */
static void
test_hits (void)
{
  g_autoptr (DefcnCache) cache = defcn_cache_new (10 * ONE);
  DefcnPicture *zero = picture_new (0), *seven = picture_new (7);

  g_assert_null (defcn_cache_get (cache, 0));
  g_assert_true (defcn_cache_add (cache, 0, zero));
  g_assert_true (defcn_cache_add (cache, 7, seven));
  g_assert_true (defcn_cache_get (cache, 0) == zero);
  g_assert_true (defcn_cache_get (cache, 7) == seven);
  g_assert_null (defcn_cache_get (cache, 1));
  const DefcnCacheStats stats = stats_of (cache);
  g_assert_cmpuint (stats.gets, ==, 4);
  g_assert_cmpuint (stats.hits, ==, 2);
  g_assert_cmpuint (stats.pictures, ==, 2);
  g_assert_cmpuint (stats.bytes, ==, 2 * ONE);
  g_assert_false (stats.is_full);
}

/* A second picture of a number stays the caller's, and takes no room. */
static void
test_twice (void)
{
  g_autoptr (DefcnCache) cache = defcn_cache_new (10 * ONE);
  g_autoptr (DefcnPicture) second = picture_new (3);

  g_assert_true (defcn_cache_add (cache, 3, picture_new (3)));
  g_assert_false (defcn_cache_add (cache, 3, second));
  g_assert_true (defcn_cache_get (cache, 3) != second);
  g_assert_cmpuint (stats_of (cache).bytes, ==, ONE);
  g_assert_false (stats_of (cache).is_full);
}

/* Up to the last byte and no further; what is in stays, and a smaller one may
 * find room that a larger one did not. */
static void
test_bound (void)
{
  static const guint64 limits[] = { 0, 1, ONE - 1, ONE, 2 * ONE - 1, 3 * ONE };

  for (gsize i = 0; i < G_N_ELEMENTS (limits); i++) {
    g_autoptr (DefcnCache) cache = defcn_cache_new (limits[i]);
    const guint fit = limits[i] / ONE;

    for (guint k = 0; k < 5; k++) {
      DefcnPicture *picture = picture_new (k);
      const gboolean taken = defcn_cache_add (cache, k, picture);

      g_assert_cmpint (taken, ==, k < fit);
      if (!taken)
        defcn_picture_free (picture);
      g_assert_cmpuint (stats_of (cache).bytes, <=, limits[i]);
    }
    for (guint k = 0; k < 5; k++)
      g_assert_cmpint (defcn_cache_get (cache, k) != NULL, ==, k < fit);
    g_assert_true (stats_of (cache).is_full);
  }

  g_autoptr (DefcnCache) cache = defcn_cache_new (2 * ONE);
  g_autoptr (DefcnPicture) large = defcn_picture_new (40, 40);
  g_assert_false (defcn_cache_add (cache, 0, large));
  g_assert_true (defcn_cache_add (cache, 1, picture_new (1)));
}

/* A picture's warning comes with it, and is counted. */
static void
test_warning (void)
{
  g_autoptr (DefcnCache) cache = defcn_cache_new (10 * ONE);
  DefcnPicture *picture = picture_new (0);

  picture->warning = g_strdup ("odd");
  g_assert_true (defcn_cache_add (cache, 0, picture));
  g_assert_cmpstr (defcn_cache_get (cache, 0)->warning, ==, "odd");
  g_assert_cmpuint (stats_of (cache).bytes, ==, ONE + 4);
}

#define NUMBERS 40
#define ROUNDS 500

static gpointer
use (gpointer data)
{
  DefcnCache *cache = data;

  for (int i = 0; i < ROUNDS; i++) {
    const guint number = (i * 7) % NUMBERS;
    const DefcnPicture *kept = defcn_cache_get (cache, number);

    if (kept) {
      g_assert_cmpuint (kept->rgb[47], ==, number);
    } else {
      DefcnPicture *picture = picture_new (number);

      if (!defcn_cache_add (cache, number, picture))
        defcn_picture_free (picture);
    }
    g_assert_cmpuint (stats_of (cache).bytes, <=, NUMBERS / 2 * ONE);
  }
  return NULL;
}

/* Four threads: every picture is its number's, the bound holds all the time,
 * and every question is counted. */
static void
test_threads (void)
{
  g_autoptr (DefcnCache) cache = defcn_cache_new (NUMBERS / 2 * ONE);
  GThread *threads[4];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("user", use, cache);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  const DefcnCacheStats stats = stats_of (cache);
  g_assert_cmpuint (stats.gets, ==, G_N_ELEMENTS (threads) * ROUNDS);
  g_assert_cmpuint (stats.pictures, ==, NUMBERS / 2);
  g_assert_cmpuint (stats.bytes, ==, NUMBERS / 2 * ONE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cache/hits", test_hits);
  g_test_add_func ("/cache/twice", test_twice);
  g_test_add_func ("/cache/bound", test_bound);
  g_test_add_func ("/cache/warning", test_warning);
  g_test_add_func ("/cache/threads", test_threads);
  return g_test_run ();
}
