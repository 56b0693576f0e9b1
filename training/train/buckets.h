/* Gradients summed over ranks while backward goes on: in buckets, each on its
 * way as soon as the last of its parameters is told of.
 *
 *   defcn_backward_run (net, be, defcn_buckets_tell, buckets);
 *   if (!defcn_buckets_finish (buckets, &error)) ...
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "backend.h"
#include "ranks/collective.h"

G_BEGIN_DECLS

typedef struct _DefcnBuckets DefcnBuckets;

/* All borrowed.  @collective: sums gradients where they are; NULL: they come to
 * the host, into memory that is lent to @ranks, whose rule says for how long.
 * @bytes: after which a bucket is full; 0: 4 MiB. */
DefcnBuckets *defcn_buckets_new (DefcnRanks *ranks, DefcnCollective *collective,
    DefcnBackend *be, gsize bytes);
void defcn_buckets_free (DefcnBuckets *buckets);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnBuckets, defcn_buckets_free)

/* The gradient of @param, an effective tensor (params.h), is complete.  @data:
 * the buckets.  All rounds tell of the same in the same order. */
void defcn_buckets_tell (DefcnTensor *param, gpointer data);
/* Waits; the gradients of all that was told of are then the sums over all
 * ranks.  FALSE with @error. */
gboolean defcn_buckets_finish (DefcnBuckets *buckets, GError **error);

/* How many there are, after the first round. */
guint defcn_buckets_count (const DefcnBuckets *buckets);

G_END_DECLS
