/* Gradients of all ranks summed where they are, on GPUs, by a reducer
 * (reducer.h) that is a module, on a stream beside the steps (side.h).
 *
 *   defcn_collective_sum (c, params, n, &error);   as they are complete
 *   ... queue more steps ...
 *   if (!defcn_collective_wait (c, &error))
 *
 * Where a rank has failed, waiting ends, and so does what is under way.
 *
 * Thread rule: as the ranks'.
 */
#pragma once

#include "backend.h"
#include "ranks.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_REDUCE_AUTO, /* NCCL on GPUs where all have it, else MPI */
  DEFCN_REDUCE_MPI,
  DEFCN_REDUCE_NCCL,
} DefcnReduce;

/* FALSE with @error that has the words there are. */
gboolean defcn_reduce_parse (DefcnReduce *how, const char *word,
    GError **error);

typedef struct _DefcnCollective DefcnCollective;

/* Joins the other ranks' GPUs.  *@collective: NULL where the ranks sum
 * (defcn_ranks_sum_begin()): what computes is no GPU, or AUTO does without the
 * module; *@about: (transfer full) says which, for people, NULL where there is
 * nothing to say.  @ranks: NULL for a process that is alone.  @ranks, @be:
 * borrowed.  FALSE with @error, of all ranks the same, once they have failed
 * (defcn_ranks_fail()). */
gboolean defcn_collective_open (DefcnCollective **collective, char **about,
    DefcnRanks *ranks, DefcnBackend *be, DefcnReduce how, GError **error);
/* @good: all is summed that was begun, and the others leave too; else at once.
 * Before the ranks are freed.  Accepts NULL. */
void defcn_collective_free (DefcnCollective *collective, gboolean good);

/* Queues the sum of the gradients of @n parameters, complete once the steps so
 * far are done; all of them as one.  FALSE with @error. */
gboolean defcn_collective_sum (DefcnCollective *collective,
    DefcnTensor *const *params, guint n, GError **error);
/* Waits until all is summed. */
gboolean defcn_collective_wait (DefcnCollective *collective, GError **error);

G_END_DECLS
