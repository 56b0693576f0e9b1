/* What carries the numbers of one process to the others: a table of functions
 * that a module fills, MPI's say.  Nothing in it waits but join() and leave().
 *
 * Thread rule: all of it is called in one thread, which the module may take for
 * its main one.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Where a process stands among all. */
typedef struct
{
  int rank, size;
  int local_size; /* how many are on its machine */
} DefcnStanding;

typedef enum
{
  DEFCN_NOTE_ALIVE,
  DEFCN_NOTE_FAILED, /* the sender, or who it tells of, has; all end */
} DefcnNoteKind;

/* What a process says to another beside the numbers.  Its size and the place of
 * its fields are those of every version. */
typedef struct
{
  gint32 kind;
  gint32 stop; /* number of the signal that asks all to stop, or 0 */
  gint32 lost; /* FAILED: rank that does not answer any more, or -1 */
  gint32 unused;
  char text[1008]; /* FAILED: why, UTF-8, ends with NUL */
} DefcnNote;

typedef struct
{
  const char *name;    /* for people, "MPI" */
  const char *version; /* DEFCN_VERSION of the module */
  /* Finds the others, which do the same; waits for them.  Returns: what the
   * functions below take, NULL with @error. */
  gpointer (*join) (DefcnStanding *place, GError **error);
  /* Each begins what all ranks begin in the same order, and returns a request.
   * Memory is lent until test() has said that it is done.
   *   sum: every one of @n floats becomes the sum over all ranks, the same bits
   *     on all of them
   *   gather: @all gets @size bytes of each rank, in their order
   *   broadcast: @data becomes that of rank @root */
  gpointer (*sum) (gpointer link, float *data, gsize n);
  gpointer (*gather) (gpointer link, void *all, const void *mine, gsize size);
  gpointer (*broadcast) (gpointer link, int root, void *data, gsize size);
  /* Moves all requests on; TRUE once @request is done, which is freed then. */
  gboolean (*test) (gpointer link, gpointer request);
  /* ALIVE may be dropped while an earlier one is on its way; FAILED is not. */
  void (*send) (gpointer link, int to, const DefcnNote *note);
  /* The next note, FALSE if there is none. */
  gboolean (*receive) (gpointer link, int *from, DefcnNote *note);
  /* @good: all ranks leave together, nothing is under way.  Else the others are
   * made to end too where the launcher can. */
  void (*leave) (gpointer link, gboolean good);
} DefcnTransport;

G_END_DECLS
