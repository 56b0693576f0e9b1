/* The worker: the element's end of a model. */
#include "worker.h"

struct _GstDefcnWorker
{
  GstDefcnShared *shared;
  GstDefcnLane lane; /* guarded by the model's lock */
  GstDefcnModelInfo *info;
};

GstDefcnWorker *
gst_defcn_worker_new (const char *id, const GstDefcnModelSetup *setup,
    guint depth, GObject *owner, GError **error)
{
  GstDefcnWorker *worker = g_new0 (GstDefcnWorker, 1);

  gst_defcn_lane_init (&worker->lane, MAX (depth, 1), owner);
  worker->shared = gst_defcn_shared_join (id, setup, &worker->lane, error);
  if (worker->shared) {
    g_autoptr (GstDefcnEngine) engine = gst_defcn_worker_engine (worker);

    worker->info = gst_defcn_model_info_copy (engine->info);
    return worker;
  }
  gst_defcn_worker_free (worker);
  return NULL;
}

void
gst_defcn_worker_free (GstDefcnWorker *worker)
{
  if (!worker)
    return;
  if (worker->shared)
    gst_defcn_shared_leave (worker->shared, &worker->lane);
  gst_defcn_lane_clear (&worker->lane);
  gst_defcn_model_info_unref (worker->info);
  g_free (worker);
}

GstDefcnModelInfo *
gst_defcn_worker_info (GstDefcnWorker *worker)
{
  return worker->info;
}

void
gst_defcn_worker_take_info (GstDefcnWorker *worker, GstDefcnModelInfo *info)
{
  gst_defcn_model_info_unref (worker->info);
  worker->info = info;
}

static void
lock (GstDefcnWorker *worker)
{
  g_mutex_lock (&worker->shared->lock);
}

static void
unlock (GstDefcnWorker *worker)
{
  g_mutex_unlock (&worker->shared->lock);
}

GstDefcnEngine *
gst_defcn_worker_engine (GstDefcnWorker *worker)
{
  GstDefcnEngine *engine;

  lock (worker);
  engine = gst_defcn_engine_ref (worker->shared->engine);
  unlock (worker);
  return engine;
}

GstDefcnModelSetup
gst_defcn_worker_setup (GstDefcnWorker *worker)
{
  GstDefcnModelSetup setup;

  lock (worker);
  setup = gst_defcn_model_setup_copy (&worker->shared->setup);
  unlock (worker);
  return setup;
}

GstDefcnModelSetup
gst_defcn_worker_wanted (GstDefcnWorker *worker)
{
  const GstDefcnShared *s = worker->shared;
  GstDefcnModelSetup setup;

  lock (worker);
  setup = gst_defcn_model_setup_copy (s->loading ? &s->wanted : &s->setup);
  unlock (worker);
  return setup;
}

gboolean
gst_defcn_worker_reload (GstDefcnWorker *worker,
    const GstDefcnModelSetup *setup, GstDefcnUpdated updated, GError **error)
{
  return gst_defcn_reload (worker->shared, setup, worker->lane.owner, updated,
      error);
}

void
gst_defcn_worker_set_timeout (GstDefcnWorker *worker, guint timeout)
{
  lock (worker);
  worker->shared->setup.batch_timeout = (int) timeout;
  g_cond_broadcast (&worker->shared->work);
  unlock (worker);
}

GstDefcnWorkerLoad
gst_defcn_worker_load (GstDefcnWorker *worker)
{
  const GstDefcnShared *s = worker->shared;
  GstDefcnWorkerLoad load;

  lock (worker);
  load = (GstDefcnWorkerLoad){ .sharers = s->lanes.all->len,
    .batch_size = s->most,
    .workers = s->threads->len,
    .passes = s->passes,
    .regions = s->regions,
    .bytes = s->engine ? gst_defcn_engine_bytes (s->engine) : 0 };
  if (load.batch_size > 1 && load.sharers > 1)
    load.timeout = (guint) s->setup.batch_timeout;
  unlock (worker);
  return load;
}

static gboolean
is_busy (const GstDefcnWorker *worker)
{
  return gst_defcn_lane_unfinished (&worker->lane) > 0;
}

gboolean
gst_defcn_worker_busy (GstDefcnWorker *worker)
{
  gboolean busy;

  lock (worker);
  busy = is_busy (worker);
  unlock (worker);
  return busy;
}

static void
wait (GstDefcnWorker *worker)
{
  g_cond_wait (&worker->lane.changed, &worker->shared->lock);
}

/* With the lock held. */
static void
queue (GstDefcnWorker *worker, GstDefcnJob *job)
{
  GstDefcnShared *s = worker->shared;
  GstDefcnLane *lane = &worker->lane;

  gst_defcn_lane_make_room (lane);
  if (!job->engine)
    job->engine = gst_defcn_engine_ref (s->engine);
  if (!job->info)
    job->info = gst_defcn_model_info_ref (worker->info);
  job->lane = lane;
  job->queued = g_get_monotonic_time ();
  job->late = s->at_work || gst_defcn_lanes_waiting (&s->lanes, 1);
  s->width = job->image.width;
  s->height = job->image.height;
  lane->awaited = TRUE;
  g_queue_push_tail (&lane->jobs, job);
  g_cond_broadcast (&s->work);
}

gboolean
gst_defcn_worker_submit (GstDefcnWorker *worker, GstDefcnJob *job)
{
  GstDefcnLane *lane = &worker->lane;
  gboolean taken;

  lock (worker);
  while (gst_defcn_lane_unfinished (lane) >= lane->depth && !lane->flushing)
    wait (worker);
  taken = !lane->flushing;
  if (taken)
    queue (worker, g_steal_pointer (&job));
  unlock (worker);
  gst_defcn_job_free (job);
  return taken;
}

/* With the lock held: the oldest job if it has finished. */
static GstDefcnJob *
take_finished (GstDefcnWorker *worker)
{
  GstDefcnJob *job = gst_defcn_lane_oldest (&worker->lane);

  if (!job || job->state != GST_DEFCN_JOB_DONE)
    return NULL;
  g_queue_remove (&worker->lane.jobs, job);
  return job;
}

GstDefcnJob *
gst_defcn_worker_collect (GstDefcnWorker *worker)
{
  GstDefcnJob *job = NULL;

  lock (worker);
  while (!worker->lane.flushing && !(job = take_finished (worker))
      && is_busy (worker))
    wait (worker);
  unlock (worker);
  return job;
}

GstDefcnJob *
gst_defcn_worker_poll (GstDefcnWorker *worker, gboolean *busy)
{
  GstDefcnJob *job;

  lock (worker);
  *busy = is_busy (worker);
  job = take_finished (worker);
  unlock (worker);
  return job;
}

gboolean
gst_defcn_worker_ready (GstDefcnWorker *worker)
{
  const GstDefcnJob *job;
  gboolean ready;

  lock (worker);
  job = gst_defcn_lane_oldest (&worker->lane);
  ready = !is_busy (worker) || (job && job->state == GST_DEFCN_JOB_DONE);
  unlock (worker);
  return ready;
}

void
gst_defcn_worker_discard (GstDefcnWorker *worker)
{
  lock (worker);
  gst_defcn_lane_discard (&worker->lane);
  g_cond_broadcast (&worker->shared->work);
  unlock (worker);
}

void
gst_defcn_worker_rest (GstDefcnWorker *worker)
{
  lock (worker);
  worker->lane.awaited = FALSE;
  g_cond_broadcast (&worker->shared->work);
  unlock (worker);
}

void
gst_defcn_worker_set_flushing (GstDefcnWorker *worker, gboolean flushing)
{
  lock (worker);
  worker->lane.flushing = flushing;
  g_cond_broadcast (&worker->lane.changed);
  g_cond_broadcast (&worker->shared->work);
  unlock (worker);
}
