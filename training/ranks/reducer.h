/* What sums over processes where the numbers are, in the memory of GPUs: a
 * table of functions that a module fills, NCCL's say.  Nothing in it waits but
 * leave().
 *
 * Thread rule: all of it is called in one thread, whose device is the GPU.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DEFCN_REDUCER_ID 128 /* bytes */

typedef enum
{
  DEFCN_REDUCER_BUSY, /* with what was begun: nothing else may begin */
  DEFCN_REDUCER_READY,
  DEFCN_REDUCER_FAILED, /* itself */
  DEFCN_REDUCER_PARTED, /* another process, or the way there: it knows why */
} DefcnReducerState;

typedef struct
{
  const char *name;    /* for people, "NCCL" */
  const char *version; /* DEFCN_VERSION of the module */
  /* Finds the library.  *@about: (transfer full): "NCCL 2.28.9".  FALSE with
   * @error. */
  gboolean (*load) (char **about, GError **error);
  /* By what processes find each other: one makes it, all have it. */
  gboolean (*make_id) (guint8 id[DEFCN_REDUCER_ID], GError **error);
  /* Each begins to join the others; state() tells when that is done.  NULL with
   * @error. */
  gpointer (*join) (const guint8 id[DEFCN_REDUCER_ID], int rank, int size,
      GError **error);
  /* Begins to sum @n arrays over all processes, in place, all of them together
   * and behind what @stream has: all begin the same in the same order.
   * state() tells when they are queued.  FALSE with @error. */
  gboolean (*sum) (gpointer link, float *const *arrays, const gsize *lens,
      guint n, gpointer stream, GError **error);
  /* @error: set where it is FAILED or PARTED. */
  DefcnReducerState (*state) (gpointer link, GError **error);
  /* Begins to leave, which all do: state() tells when that is done.  FALSE
   * with @error. */
  gboolean (*finish) (gpointer link, GError **error);
  /* @good: finish() is done.  Else what is under way ends as it may, and so do
   * the kernels of it. */
  void (*leave) (gpointer link, gboolean good);
} DefcnReducer;

G_END_DECLS
