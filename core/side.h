/* A second stream of a device, beside the one that a backend queues its steps
 * on, for what others queue there while steps go on: sums over ranks.
 *
 *   side = be->side->open (be, &error);
 *   be->side->fork (be, side);        what follows comes after the steps so far
 *   ... work on be->side->stream (be, side) ...
 *   be->side->join (be, side);        steps to come are behind that work
 *   while (be->side->state (be, side) != DEFCN_SIDE_DONE) ...
 *
 * What goes wrong on the device is the backend's sync() to tell, and counts as
 * done.
 *
 * Thread rule: the backend's.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _DefcnBackend DefcnBackend;

typedef enum
{
  DEFCN_SIDE_BEHIND, /* the steps before the last fork() are still at work */
  DEFCN_SIDE_BUSY,   /* they are done, the work beside them is not */
  DEFCN_SIDE_DONE,   /* so is all that was queued before the last join() */
} DefcnSideState;

typedef struct
{
  /* NULL with @error. */
  gpointer (*open) (DefcnBackend *be, GError **error);
  /* Accepts NULL; nothing of @side is under way any more. */
  void (*free) (DefcnBackend *be, gpointer side);
  /* In the device's own type, cudaStream_t say; borrowed.  The device becomes
   * that of the calling thread. */
  gpointer (*stream) (DefcnBackend *be, gpointer side);
  /* What is queued on the stream from here on waits for the steps that are
   * queued now. */
  void (*fork) (DefcnBackend *be, gpointer side);
  /* Steps that are queued from here on wait for what is on the stream now. */
  void (*join) (DefcnBackend *be, gpointer side);
  /* Does not wait. */
  DefcnSideState (*state) (DefcnBackend *be, gpointer side);
  /* (transfer full): what a device is called on its machine, whichever process
   * asks: its place on the bus, "0000:1b:00.0". */
  char *(*device) (DefcnBackend *be);
} DefcnSide;

G_END_DECLS
