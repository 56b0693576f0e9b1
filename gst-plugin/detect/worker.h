/* The worker: one thread, and the detector that lives in it.
 *
 * All inference of an element runs here, waited for or not: OpenMP keeps a
 * team of threads for every thread that calls it.  One job at a time.
 *
 *   gst_defcn_worker_submit (worker, job)       waits for an earlier job
 *   job = gst_defcn_worker_collect (worker)
 *
 * Thread rule: submit, collect, poll and discard are for the streaming thread;
 * set_flushing may be called from any.  No lock of the element is
 * taken in here.
 */
#pragma once

#include "job.h"

G_BEGIN_DECLS

typedef struct _GstDefcnWorker GstDefcnWorker;

/* Opens the model at @path in the new thread and waits for that; NULL with the
 * core's @error. */
GstDefcnWorker *gst_defcn_worker_new (const char *path,
    const DefcnDetectorOptions *options, GError **error);
/* Waits for the running job, then for the thread. */
void gst_defcn_worker_free (GstDefcnWorker *worker);

/* What the model says; the labels are the caller's to change before the first
 * job and then constant.  Borrowed. */
GstDefcnModelInfo *gst_defcn_worker_info (GstDefcnWorker *worker);

/* TRUE while a job runs; from any thread. */
gboolean gst_defcn_worker_busy (GstDefcnWorker *worker);

/* Hands over @job.  Waits while an earlier one runs and frees that.  FALSE,
 * with @job freed, when flushing. */
gboolean gst_defcn_worker_submit (GstDefcnWorker *worker, GstDefcnJob *job);

/* Returns: (transfer full) (nullable): the job, waited for while it runs; NULL
 * means that there is none, or flushing. */
GstDefcnJob *gst_defcn_worker_collect (GstDefcnWorker *worker);

/* Returns: (transfer full) (nullable): the job if it has finished; *@busy: one
 * runs.  Both of the same moment: a job is reported by one of the two. */
GstDefcnJob *gst_defcn_worker_poll (GstDefcnWorker *worker, gboolean *busy);

/* Forgets what runs or has finished: nobody will collect it. */
void gst_defcn_worker_discard (GstDefcnWorker *worker);

/* While @flushing nobody waits: those who do are woken up. */
void gst_defcn_worker_set_flushing (GstDefcnWorker *worker, gboolean flushing);

G_END_DECLS
