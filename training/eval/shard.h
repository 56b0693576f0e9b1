/* An evaluation that several ranks share: each has a row of the pictures, and
 * the boxes of all come together on rank 0.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "columns.h"
#include "ranks/ranks.h"

G_BEGIN_DECLS

/* The first of @n pictures that is rank @rank's, of @size. */
guint defcn_shard_first (guint n, int rank, int size);

/* Appends the boxes (DefcnBox) that sample @i, whose picture is @width x
 * @height, has in @column. */
void defcn_shard_append (GByteArray *bytes, DefcnColumn column, guint i,
    int width, int height, const GArray *boxes);

typedef void (*DefcnShardVisit) (DefcnColumn column, guint i, int width,
    int height, GArray *boxes, gpointer data);

/* Calls @visit on rank 0 with all that the other ranks have appended, in the
 * order of the pictures.  @stopped: whether this rank was interrupted, and then
 * whether any was, and nothing is visited.  FALSE with @error. */
gboolean defcn_shard_join (DefcnRanks *ranks, gboolean *stopped,
    GByteArray *bytes, DefcnShardVisit visit, gpointer data, GError **error);

G_END_DECLS
