/* The worker: the element's end of a model, shared or its own.
 *
 * All inference runs in the model's threads, waited for or not: OpenMP keeps a
 * team of threads for every thread that calls it.  A worker has `depth` jobs in
 * flight at most, and they are collected in the order in which they were handed
 * over.
 *
 *   gst_defcn_worker_submit (worker, job)       waits for room
 *   job = gst_defcn_worker_collect (worker)
 *
 * Thread rule: submit, collect, poll, discard and rest are for the streaming
 * thread; info is guarded by the caller; the others may be called from any.  No
 * lock of the element is taken in here.
 */
#pragma once

#include "reload.h"

G_BEGIN_DECLS

typedef struct _GstDefcnWorker GstDefcnWorker;

/* gst_defcn_shared_join().  @owner, nullable, is told of another model whoever
 * has set it; borrowed until the worker is freed. */
GstDefcnWorker *gst_defcn_worker_new (const char *id,
    const GstDefcnModelSetup *setup, guint depth, GObject *owner,
    GError **error);
/* Waits for the running job where the model is the worker's own. */
void gst_defcn_worker_free (GstDefcnWorker *worker);

/* What the model says that the caller goes by, with his labels.  Borrowed. */
GstDefcnModelInfo *gst_defcn_worker_info (GstDefcnWorker *worker);
/* @info, (transfer full), is what he goes by from now on. */
void gst_defcn_worker_take_info (GstDefcnWorker *worker,
    GstDefcnModelInfo *info);
/* Returns: (transfer full): the model of frames from now on, whose serial is
 * another than that of info once it has been replaced. */
GstDefcnEngine *gst_defcn_worker_engine (GstDefcnWorker *worker);

/* To be cleared: what the model was opened with, and the same of the one that
 * is being opened, if one is. */
GstDefcnModelSetup gst_defcn_worker_setup (GstDefcnWorker *worker);
GstDefcnModelSetup gst_defcn_worker_wanted (GstDefcnWorker *worker);
/* Opens @setup in the background, in place of what runs (reload.h). */
gboolean gst_defcn_worker_reload (GstDefcnWorker *worker,
    const GstDefcnModelSetup *setup, GstDefcnUpdated updated, GError **error);
/* How long a frame waits for others to share its pass, milliseconds; for all
 * that share the model. */
void gst_defcn_worker_set_timeout (GstDefcnWorker *worker, guint timeout);

typedef struct
{
  guint sharers, batch_size, workers;
  guint64 passes, regions; /* since it was opened */
  guint timeout;           /* ms, that a frame may really have to wait */
  guint64 bytes;           /* that the model takes */
} GstDefcnWorkerLoad;

GstDefcnWorkerLoad gst_defcn_worker_load (GstDefcnWorker *worker);

/* TRUE while a job waits or runs; from any thread. */
gboolean gst_defcn_worker_busy (GstDefcnWorker *worker);

/* Hands over @job.  Waits while as many as may be are unfinished, and frees the
 * oldest finished one where nobody has collected it.  FALSE, with @job freed,
 * when flushing. */
gboolean gst_defcn_worker_submit (GstDefcnWorker *worker, GstDefcnJob *job);

/* Returns: (transfer full) (nullable): the oldest job, waited for while it
 * runs; NULL means that there is none, or flushing. */
GstDefcnJob *gst_defcn_worker_collect (GstDefcnWorker *worker);

/* Returns: (transfer full) (nullable): the oldest job if it has finished;
 * *@busy: one has not.  Both of the same moment: a job is reported by one of
 * the two. */
GstDefcnJob *gst_defcn_worker_poll (GstDefcnWorker *worker, gboolean *busy);

/* Whether collect would not wait, but for a flush. */
gboolean gst_defcn_worker_ready (GstDefcnWorker *worker);

/* Forgets what waits, runs or has finished: nobody will collect it. */
void gst_defcn_worker_discard (GstDefcnWorker *worker);
/* No frame will come for a while: others need not wait for one. */
void gst_defcn_worker_rest (GstDefcnWorker *worker);

/* While @flushing nobody waits: those who do are woken up. */
void gst_defcn_worker_set_flushing (GstDefcnWorker *worker, gboolean flushing);

G_END_DECLS
