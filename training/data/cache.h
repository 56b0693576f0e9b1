/* Decoded pictures, as many as a number of bytes holds.
 *
 * Training goes through all pictures in one order after the other, so that the
 * one that was used last is the one that comes again last: what is in stays,
 * and what does not fit is decoded every time.  No order of eviction has more
 * hits, and a picture that is in may be read without a lock as long as the
 * cache lives.
 *
 * Thread rule: any thread, but for new and free.
 */
#pragma once

#include "picture.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 limit;      /* bytes */
  guint64 bytes;      /* of the pictures that are in, never above the limit */
  guint pictures;     /* how many */
  gboolean is_full;   /* one has not found room */
  guint64 hits, gets; /* of get() */
} DefcnCacheStats;

typedef struct _DefcnCache DefcnCache;

/* @limit: bytes, 0: keeps nothing. */
DefcnCache *defcn_cache_new (guint64 limit);
void defcn_cache_free (DefcnCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnCache, defcn_cache_free)

/* Returns: (nullable): the picture of @number, which the cache owns. */
const DefcnPicture *defcn_cache_get (DefcnCache *cache, guint number);
/* Takes @picture as that of @number; FALSE, and it stays the caller's, where it
 * does not fit or another thread was first. */
gboolean defcn_cache_add (DefcnCache *cache, guint number,
    DefcnPicture *picture);
void defcn_cache_stats (DefcnCache *cache, DefcnCacheStats *stats);

G_END_DECLS
