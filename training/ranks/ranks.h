/* Several processes that train one model: what they tell each other.
 *
 * A rank is one of the processes, 0 the one that writes and prints.  A thread
 * of its own does all that a transport (transport.h) carries, so that sums go
 * on while the caller computes, and says every second that this rank is there.
 * Whoever fails, or is silent for too long, ends all: from then on each call
 * returns FALSE with the one sentence that names the rank and the reason.
 *
 *   defcn_ranks_sum_begin (ranks, data, n);      gradients, as they come
 *   ... compute ...
 *   if (!defcn_ranks_sum_wait (ranks, &error))   data is the sum over all
 *
 * Every function takes NULL for @ranks: a process that is alone, rank 0 of 1.
 * All ranks make the same calls in the same order, but for fail() and what only
 * reads.
 *
 * Thread rule: one thread at a time per object.
 */
#pragma once

#include "options.h"
#include "transport.h"

G_BEGIN_DECLS

extern const DefcnRanksOptions defcn_ranks_defaults;

/* Joins the others and compares versions: another one is a failure of the run,
 * which check() tells.  NULL with @error where nobody could be joined, or not
 * within four times the silence that makes one lost: then to end is all that a
 * process can do. */
DefcnRanks *defcn_ranks_new (const DefcnTransport *transport,
    const DefcnRanksOptions *options, GError **error);
/* Leaves.  @good: not before all others do; else at once, and they are made to
 * end.  Accepts NULL. */
void defcn_ranks_free (DefcnRanks *ranks, gboolean good);

/* FALSE with @error once the run has failed. */
gboolean defcn_ranks_check (DefcnRanks *ranks, GError **error);
/* The same without taking notice: whoever then hangs in what it has to end
 * first, still ends with the others. */
gboolean defcn_ranks_has_failed (DefcnRanks *ranks);
/* Waits for that, for as long as a silence that makes one lost, and a little.
 */
gboolean defcn_ranks_await_failure (DefcnRanks *ranks);

int defcn_ranks_rank (const DefcnRanks *ranks);
int defcn_ranks_size (const DefcnRanks *ranks);
/* How many are on this machine. */
int defcn_ranks_local_size (const DefcnRanks *ranks);
/* "rank 2 (host)", borrowed. */
const char *defcn_ranks_name (const DefcnRanks *ranks, int rank);

/* @all gets the @size bytes, not 0, of @mine of every rank, in their order. */
gboolean defcn_ranks_gather (DefcnRanks *ranks, void *all, const void *mine,
    gsize size, GError **error);
/* @data becomes that of rank @root. */
gboolean defcn_ranks_broadcast (DefcnRanks *ranks, int root, void *data,
    gsize size, GError **error);
/* The same for bytes whose number the others do not know. */
gboolean defcn_ranks_share (DefcnRanks *ranks, int root, GByteArray *bytes,
    GError **error);

/* Begins to sum @n floats over all ranks, in place.  @data is lent until
 * sum_wait(), which waits for all that was begun, returns TRUE, or else until
 * the ranks are freed. */
void defcn_ranks_sum_begin (DefcnRanks *ranks, float *data, gsize n);
gboolean defcn_ranks_sum_wait (DefcnRanks *ranks, GError **error);

/* Returns when all ranks have come. */
gboolean defcn_ranks_barrier (DefcnRanks *ranks, GError **error);

/* Compares @size bytes with those of rank 0: FALSE with @error on all ranks
 * where one has others, "rank 1 (host): @what". */
gboolean defcn_ranks_agree (DefcnRanks *ranks, const void *mine, gsize size,
    const char *what, GError **error);

/* Tells all others that this one ends because of @why, which check() then
 * returns; nothing after a failure that is theirs. */
void defcn_ranks_tell (DefcnRanks *ranks, const GError *why);
/* Tells all others why this one ends; nothing after a failure that is theirs.
 * @error becomes the sentence that they have. */
void defcn_ranks_fail (DefcnRanks *ranks, GError **error);
/* Whether the sentence of a failure is this rank's to print: one of all that
 * live. */
gboolean defcn_ranks_speaks (DefcnRanks *ranks);

/* Since the start: seconds in which the caller waited for others, and bytes
 * that were summed. */
double defcn_ranks_waited (const DefcnRanks *ranks);
guint64 defcn_ranks_summed (const DefcnRanks *ranks);
/* Adds to both what somebody else has waited for, and summed. */
void defcn_ranks_note (DefcnRanks *ranks, double seconds, guint64 bytes);

G_END_DECLS
