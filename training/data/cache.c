/* Decoded pictures, as many as a number of bytes holds. */
#include "cache.h"

#include <string.h>

struct _DefcnCache
{
  GMutex lock;
  GHashTable *pictures; /* number -> DefcnPicture */
  DefcnCacheStats stats;
};

DefcnCache *
defcn_cache_new (guint64 limit)
{
  DefcnCache *cache = g_new0 (DefcnCache, 1);

  g_mutex_init (&cache->lock);
  cache->pictures = g_hash_table_new_full (NULL, NULL, NULL,
      (GDestroyNotify) defcn_picture_free);
  cache->stats.limit = limit;
  return cache;
}

void
defcn_cache_free (DefcnCache *cache)
{
  if (!cache)
    return;
  g_hash_table_unref (cache->pictures);
  g_mutex_clear (&cache->lock);
  g_free (cache);
}

const DefcnPicture *
defcn_cache_get (DefcnCache *cache, guint number)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&cache->lock);
  const DefcnPicture *picture =
      g_hash_table_lookup (cache->pictures, GUINT_TO_POINTER (number));

  cache->stats.gets++;
  cache->stats.hits += picture != NULL;
  return picture;
}

static guint64
bytes_of (const DefcnPicture *picture)
{
  return (guint64) picture->width * picture->height * 3 + sizeof *picture
      + (picture->warning ? strlen (picture->warning) + 1 : 0);
}

gboolean
defcn_cache_add (DefcnCache *cache, guint number, DefcnPicture *picture)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&cache->lock);
  DefcnCacheStats *stats = &cache->stats;
  const guint64 bytes = bytes_of (picture);

  if (g_hash_table_contains (cache->pictures, GUINT_TO_POINTER (number)))
    return FALSE;
  if (bytes > stats->limit - stats->bytes) {
    stats->is_full = TRUE;
    return FALSE;
  }
  g_hash_table_insert (cache->pictures, GUINT_TO_POINTER (number), picture);
  stats->bytes += bytes;
  stats->pictures++;
  return TRUE;
}

void
defcn_cache_stats (DefcnCache *cache, DefcnCacheStats *stats)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED =
      g_mutex_locker_new (&cache->lock);

  *stats = cache->stats;
}
