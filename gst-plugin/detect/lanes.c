/* Lanes: the jobs that wait for a model, one queue for each element. */
#include "lanes.h"

void
gst_defcn_lane_init (GstDefcnLane *lane, guint depth, GObject *owner)
{
  g_queue_init (&lane->jobs);
  g_cond_init (&lane->changed);
  lane->depth = depth;
  lane->owner = owner;
}

void
gst_defcn_lane_clear (GstDefcnLane *lane)
{
  g_queue_clear_full (&lane->jobs, (GDestroyNotify) gst_defcn_job_free);
  g_cond_clear (&lane->changed);
}

guint
gst_defcn_lane_unfinished (const GstDefcnLane *lane)
{
  guint n = 0;

  for (const GList *l = lane->jobs.head; l; l = l->next)
    n += ((const GstDefcnJob *) l->data)->state != GST_DEFCN_JOB_DONE;
  return n;
}

GstDefcnJob *
gst_defcn_lane_oldest (const GstDefcnLane *lane)
{
  for (const GList *l = lane->jobs.head; l; l = l->next)
    if (!((GstDefcnJob *) l->data)->abandoned)
      return l->data;
  return NULL;
}

/* Jobs that were discarded and still run take nobody's room. */
static guint
kept (const GstDefcnLane *lane)
{
  guint n = 0;

  for (const GList *l = lane->jobs.head; l; l = l->next)
    n += !((const GstDefcnJob *) l->data)->abandoned;
  return n;
}

void
gst_defcn_lane_make_room (GstDefcnLane *lane)
{
  while (kept (lane) >= lane->depth) {
    GstDefcnJob *job = gst_defcn_lane_oldest (lane);

    if (job->state != GST_DEFCN_JOB_DONE) /* a pass has it, or will */
      break;
    g_queue_remove (&lane->jobs, job);
    gst_defcn_job_free (job);
  }
}

void
gst_defcn_lane_discard (GstDefcnLane *lane)
{
  for (GList *l = lane->jobs.head, *next; l; l = next) {
    GstDefcnJob *job = l->data;

    next = l->next;
    if (job->state == GST_DEFCN_JOB_RUNNING) {
      job->abandoned = TRUE;
    } else {
      g_queue_delete_link (&lane->jobs, l);
      gst_defcn_job_free (job);
    }
  }
  lane->awaited = FALSE;
}

void
gst_defcn_lanes_init (GstDefcnLanes *lanes)
{
  lanes->all = g_ptr_array_new ();
  lanes->next = 0;
}

void
gst_defcn_lanes_clear (GstDefcnLanes *lanes)
{
  g_ptr_array_unref (lanes->all);
}

void
gst_defcn_lanes_add (GstDefcnLanes *lanes, GstDefcnLane *lane)
{
  g_ptr_array_add (lanes->all, lane);
}

void
gst_defcn_lanes_remove (GstDefcnLanes *lanes, GstDefcnLane *lane)
{
  guint at;

  if (!g_ptr_array_find (lanes->all, lane, &at))
    return;
  g_ptr_array_remove_index (lanes->all, at);
  lanes->next -= at < lanes->next;
  gst_defcn_lane_discard (lane);
  for (GList *l = lane->jobs.head; l; l = l->next)
    ((GstDefcnJob *) l->data)->lane = NULL;
  g_queue_clear (&lane->jobs); /* what runs is its thread's now */
}

static const GstDefcnLane *
lane_at (const GstDefcnLanes *lanes, guint i)
{
  return lanes->all->pdata[i];
}

static gboolean
waits (const GstDefcnJob *job)
{
  return job->state == GST_DEFCN_JOB_WAITING;
}

guint
gst_defcn_lanes_waiting (const GstDefcnLanes *lanes, guint most)
{
  guint n = 0;

  for (guint i = 0; i < lanes->all->len && n < most; i++)
    for (const GList *l = lane_at (lanes, i)->jobs.head; l; l = l->next) {
      const GstDefcnJob *job = l->data;

      if (waits (job))
        n += job->regions->len - job->next_region;
    }
  return MIN (n, most);
}

gint64
gst_defcn_lanes_since (const GstDefcnLanes *lanes)
{
  gint64 since = G_MAXINT64;

  for (guint i = 0; i < lanes->all->len; i++)
    for (const GList *l = lane_at (lanes, i)->jobs.head; l; l = l->next) {
      const GstDefcnJob *job = l->data;

      if (waits (job))
        since = MIN (since, job->queued);
    }
  return since;
}

static gboolean
is_lacking (const GstDefcnLane *lane)
{
  for (const GList *l = lane->jobs.head; l; l = l->next)
    if (waits (l->data))
      return FALSE;
  return lane->awaited && !lane->flushing
      && gst_defcn_lane_unfinished (lane) < lane->depth;
}

gboolean
gst_defcn_lanes_expect (const GstDefcnLanes *lanes)
{
  for (guint i = 0; i < lanes->all->len; i++)
    if (is_lacking (lane_at (lanes, i)))
      return TRUE;
  return FALSE;
}

void
gst_defcn_lanes_give_up (GstDefcnLanes *lanes)
{
  for (guint i = 0; i < lanes->all->len; i++) {
    GstDefcnLane *lane = lanes->all->pdata[i];

    if (is_lacking (lane))
      lane->awaited = FALSE;
  }
}

/* The first job of @lane that may give a region to @batch. */
static GstDefcnJob *
next_job (const GstDefcnLane *lane, const GstDefcnBatch *batch)
{
  const GstDefcnJob *first = batch->jobs->len ? batch->jobs->pdata[0] : NULL;

  for (const GList *l = lane->jobs.head; l; l = l->next) {
    GstDefcnJob *job = l->data;

    if ((waits (job) || job->pass == batch)
        && job->next_region < job->regions->len
        && (!first || job->engine == first->engine))
      return job;
  }
  return NULL;
}

static void
take (GstDefcnBatch *batch, GstDefcnJob *job, gint64 now)
{
  const GstDefcnUnit unit = { job, job->next_region++ };

  if (unit.region == 0 && job->late)
    job->waited = (now - job->queued) * 1000;
  if (waits (job))
    g_ptr_array_add (batch->jobs, job);
  job->state = GST_DEFCN_JOB_RUNNING;
  job->pass = batch;
  g_array_append_val (batch->units, unit);
}

void
gst_defcn_lanes_take (GstDefcnLanes *lanes, GstDefcnBatch *batch, guint most)
{
  const gint64 now = g_get_monotonic_time ();
  const guint n = lanes->all->len;

  for (guint i = lanes->next, empty = 0; empty < n && batch->units->len < most;
       i++) {
    GstDefcnJob *job = next_job (lane_at (lanes, i % n), batch);

    empty++;
    if (!job)
      continue;
    take (batch, job, now);
    lanes->next = (i + 1) % n;
    empty = 0;
  }
}

/* Back to its lane, or away where nobody wants it. */
static void
give_back (GstDefcnJob *job)
{
  GstDefcnLane *lane = job->lane;

  job->pass = NULL;
  job->state = job->error || job->next_region == job->regions->len
      ? GST_DEFCN_JOB_DONE
      : GST_DEFCN_JOB_WAITING;
  if (job->abandoned) {
    if (lane)
      g_queue_remove (&lane->jobs, job);
    gst_defcn_job_free (job);
  }
  if (lane)
    g_cond_broadcast (&lane->changed);
}

void
gst_defcn_lanes_give_back (GstDefcnLanes *lanes, GstDefcnBatch *batch)
{
  for (guint i = 0; i < batch->jobs->len; i++)
    give_back (batch->jobs->pdata[i]);
  g_array_set_size (batch->units, 0);
  g_ptr_array_set_size (batch->jobs, 0);
}
