/* A model that elements share: by the name of model-instance-id one for the
 * process, without a name one for an element.
 *
 * It has the engine, a thread for each of its detectors, and a lane for each
 * element (lanes.h).  A thread that is free takes what waits, a batch at most;
 * where that is less it waits for more until the first of them has waited for
 * batch_timeout, but only for lanes that have lately brought a frame and may
 * bring another: one that ends, is flushed or stalls is not waited for again.
 *
 * Thread rule: any thread.  What is guarded by the lock is so for worker.c,
 * which is the element's end of a lane.
 */
#pragma once

#include "lanes.h"

G_BEGIN_DECLS

/* What became of a model that was to take the place of another: @error, or NULL
 * when it has.  In a thread of its own, with no lock held; @owner is the
 * lane's, which may have gone. */
typedef void (*GstDefcnUpdated) (GObject *owner,
    const GstDefcnModelSetup *setup, const GError *error);

typedef struct
{
  gatomicrefcount refs;
  char *id; /* NULL: not shared */
  guint most;
  GPtrArray *threads; /* GThread */

  GMutex lock; /* guards what follows */
  GCond work;  /* for the threads: something waits, or quit */
  GstDefcnLanes lanes;
  GstDefcnModelSetup setup; /* of the engine; the batch_timeout is of now */
  GstDefcnEngine *engine;   /* of frames from now on */
  guint at_work;            /* threads */
  gboolean quit;
  int width, height; /* of the last frame */
  guint64 passes, regions;

  /* The model that is to come (reload.h). */
  GstDefcnModelSetup wanted;
  guint wish; /* counts them */
  gboolean loading;
  GObject *asker;
} GstDefcnShared;

/* Adds @lane to the model called @id, which is opened if there is none, waiting
 * for that.  A path that differs from that model's is an error
 * (GST_RESOURCE_ERROR, SETTINGS) that names both; for the rest of @setup the
 * first one decides.  Without a path: the model that is there, else the one
 * that was declared for @id, else the bundled one.  @id NULL or empty: not
 * shared.  NULL with @error, the core's else. */
GstDefcnShared *gst_defcn_shared_join (const char *id,
    const GstDefcnModelSetup *setup, GstDefcnLane *lane, GError **error);
/* Takes @lane away with its jobs.  The last one to go waits for the threads,
 * others for nothing. */
void gst_defcn_shared_leave (GstDefcnShared *shared, GstDefcnLane *lane);

GstDefcnShared *gst_defcn_shared_ref (GstDefcnShared *shared);
void gst_defcn_shared_unref (GstDefcnShared *shared);

/* Says, before it starts, what @owner wants for @id, so that others may start
 * first; replaces what it said before.  @id or the path NULL: nothing. */
void gst_defcn_shared_declare (gpointer owner, const char *id,
    const GstDefcnModelSetup *setup);

G_END_DECLS
