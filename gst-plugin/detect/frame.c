/* One frame through defcndetect: looked at or not, attached to, reported. */
#include "frame.h"
#include "adopt.h"
#include "cudaframe.h"

#define GST_CAT_DEFAULT gst_defcn_detect_debug

/* How often the latency is looked at, in frames. */
#define LATENCY_EVERY 8

/* Where a frame stands in time. */
typedef struct
{
  GstClockTime timestamp, duration, stream_time, running_time;
} FrameTime;

static FrameTime
frame_time (GstDefcnDetect *self, GstBuffer *buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  FrameTime t = { GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer),
    GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE };

  if (segment->format == GST_FORMAT_TIME
      && GST_CLOCK_TIME_IS_VALID (t.timestamp)) {
    t.stream_time =
        gst_segment_to_stream_time (segment, GST_FORMAT_TIME, t.timestamp);
    t.running_time =
        gst_segment_to_running_time (segment, GST_FORMAT_TIME, t.timestamp);
  }
  return t;
}

/* TRUE, with a QOS message, when downstream would be late with this frame. */
static gboolean
is_late (GstDefcnDetect *self, const FrameTime *t)
{
  GstMessage *message;
  GstClockTime earliest;
  guint64 processed, dropped;
  double proportion;

  GST_OBJECT_LOCK (self);
  earliest = self->earliest_time;
  proportion = self->proportion;
  processed = self->stats.inferred;
  dropped = self->stats.skipped_qos + 1;
  GST_OBJECT_UNLOCK (self);
  if (!GST_CLOCK_TIME_IS_VALID (earliest)
      || !GST_CLOCK_TIME_IS_VALID (t->running_time)
      || t->running_time > earliest)
    return FALSE;

  GST_DEBUG_OBJECT (self, "late: %" GST_TIME_FORMAT " <= %" GST_TIME_FORMAT,
      GST_TIME_ARGS (t->running_time), GST_TIME_ARGS (earliest));
  message = gst_message_new_qos (GST_OBJECT (self), FALSE, t->running_time,
      t->stream_time, t->timestamp, t->duration);
  gst_message_set_qos_values (message,
      GST_CLOCK_DIFF (t->running_time, earliest), proportion, 1000000);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, processed, dropped);
  gst_element_post_message (GST_ELEMENT (self), message);
  return TRUE;
}

static void
warn_regions (GstDefcnDetect *self)
{
  if (self->warned_regions)
    return;
  self->warned_regions = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("A frame has more than %d regions: it is looked at in the first ones "
       "alone.",
          GST_DEFCN_MAX_REGIONS),
      ("Each takes as long as a whole frame does."));
}

static void
warn_still (GstDefcnDetect *self)
{
  if (self->warned_still)
    return;
  self->warned_still = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("skip-still does nothing: the frames are in a device's memory."),
      ("Every frame is looked at as if it were not set."));
}

/* Leaves no region when there is nothing to look at. */
static void
set_regions (GstDefcnDetect *self, GstDefcnJob *job, GstBuffer *buffer)
{
  const GArray *roi = job->settings->roi;
  GstVideoRegionOfInterestMeta *meta;
  gpointer state = NULL;

  if (!roi->len && self->region == GST_DEFCN_FULL_FRAME)
    return;
  g_array_set_size (job->regions, 0);
  for (guint i = 0; i < roi->len; i++) {
    const DefcnRegion *r = &g_array_index (roi, DefcnRegion, i);

    gst_defcn_job_add_region (job, r->x, r->y, r->w, r->h, 0, 0);
  }
  while (self->region == GST_DEFCN_ROI_LIST
      && (meta = (GstVideoRegionOfInterestMeta *)
              gst_buffer_iterate_meta_filtered (buffer, &state,
                  GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    if (self->object_class && meta->roi_type != self->object_class)
      continue;
    if (job->regions->len == GST_DEFCN_MAX_REGIONS) {
      warn_regions (self);
      break;
    }
    gst_defcn_job_add_region (job, (int) MIN (meta->x, 16384),
        (int) MIN (meta->y, 16384), (int) MIN (meta->w, 16384),
        (int) MIN (meta->h, 16384), meta->id, meta->roi_type);
  }
}

/* Whether there may be more in the frame than @job tells of. */
static gboolean
is_partial (const GstDefcnJob *job)
{
  const GstDefcnPixels *all = &job->view.visible;
  const DefcnRegion *r =
      &g_array_index (job->regions, GstDefcnRegion, 0).rectangle;

  return job->regions->len != 1 || r->w < all->w || r->h < all->h
      || (int) job->objects->len >= job->settings->max_detections;
}

/* Keeps the result of @job; FALSE, with an error posted, if it failed. */
static gboolean
take_result (GstDefcnDetect *self, const GstDefcnJob *job)
{
  if (job->error) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("%s", job->error->message),
        (NULL));
    return FALSE;
  }
  g_clear_pointer (&self->last, g_array_unref);
  g_clear_pointer (&self->last_info, gst_defcn_model_info_unref);
  self->last = g_array_ref (job->objects);
  self->last_info = gst_defcn_model_info_ref (job->info);
  self->last_time = job->timestamp;
  self->last_classes = gst_defcn_settings_told (job->settings, job->info);
  self->last_partial = is_partial (job);
  GST_OBJECT_LOCK (self);
  gst_defcn_stats_add (&self->stats, &job->timings, job->waited,
      job->objects->len);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

/* What became of a frame, and what its mark says. */
typedef enum
{
  LOOKED,
  NOT_ITS_TURN,
  LATE,
  BUSY,
  NO_REGION,
  STILL,
  PENDING, /* being looked at: the result goes to a later frame */
} Fate;

static const char *reasons[] = { "", "interval", "qos", "busy", "region",
  "still", "busy" };

struct _GstDefcnFrame
{
  FrameTime time;
  Fate fate;
  GstDefcnSettings *settings;
  GstDefcnJob *earlier; /* whose result has come with this frame, or NULL */
  gboolean discont;     /* something is missing before it */
  guint run;            /* of frames without a discontinuity */
};

/* What speaks against looking at this frame; LOOKED: nothing. */
static Fate
why_not (GstDefcnDetect *self, const GstDefcnSettings *settings,
    const FrameTime *t, gboolean busy)
{
  if (self->since && self->since++ < settings->interval)
    return NOT_ITS_TURN;
  if (settings->qos && is_late (self, t))
    return LATE;
  if (settings->no_block && busy)
    return BUSY;
  return LOOKED;
}

/* The context of the frames is what neighbours should use too. */
static void
learn_context (GstDefcnDetect *self, GstBuffer *buffer)
{
  GstObject *context = gst_defcn_cudaframe_context (buffer);

  if (context)
    gst_defcn_state_take_context (self, context);
}

/* Hands @job over.  What no-block has left at work is waited for, and lost. */
static gboolean
hand_over (GstDefcnDetect *self, GstDefcnJob *job, gboolean no_block)
{
  if (self->pending && !no_block)
    gst_defcn_job_free (gst_defcn_worker_collect (self->worker));
  self->pending = no_block;
  return gst_defcn_worker_submit (self->worker, job);
}

/* Looks at the frame if it is its turn and there is time.  @busy: the network
 * is at an earlier one. */
static GstFlowReturn
look_or_skip (GstDefcnDetect *self, GstDefcnEngine *engine,
    GstDefcnSettings *settings, GstBuffer *buffer, const FrameTime *t,
    gboolean busy, Fate *fate)
{
  g_autoptr (GstDefcnJob) job = NULL;
  g_autoptr (GError) error = NULL;

  *fate = why_not (self, settings, t, busy);
  if (*fate != LOOKED)
    return GST_FLOW_OK;
  job = gst_defcn_job_new (buffer, &self->info, settings,
      engine->info->reads_cuda, &error);
  if (!job) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("%s", error->message), (NULL));
    return GST_FLOW_ERROR;
  }
  if (self->turning == GST_DEFCN_TURNING_AUTO)
    job->image.orientation = gst_defcn_orientation_of (&self->orientation);
  job->run = self->run;
  job->engine = gst_defcn_engine_ref (engine);
  learn_context (self, buffer);
  set_regions (self, job, buffer);
  if (!job->regions->len) {
    *fate = NO_REGION;
    return GST_FLOW_OK;
  }
  if (settings->skip_still > 0 && !gst_defcn_still_can (job))
    warn_still (self);
  if (gst_defcn_still_check (&self->still, job)) {
    *fate = STILL;
    return GST_FLOW_OK;
  }

  self->since = 1;
  if (settings->no_block)
    *fate = PENDING;
  else
    self->looked++;
  if (hand_over (self, g_steal_pointer (&job), settings->no_block)
      || settings->no_block)
    return GST_FLOW_OK;
  self->looked--;
  return GST_FLOW_FLUSHING;
}

static void
count_frame (GstDefcnDetect *self, Fate fate)
{
  GstDefcnStats *stats = &self->stats;

  GST_OBJECT_LOCK (self);
  stats->frames++;
  stats->skipped_interval += fate == NOT_ITS_TURN;
  stats->skipped_qos += fate == LATE;
  stats->skipped_busy += fate == BUSY;
  stats->skipped_region += fate == NO_REGION;
  stats->skipped_still += fate == STILL;
  GST_OBJECT_UNLOCK (self);
}

static void
post_detections (GstDefcnDetect *self, const FrameTime *t,
    const GstDefcnMark *mark, const GArray *objects)
{
  GValue value = G_VALUE_INIT;
  GstStructure *s = gst_structure_new (GST_DEFCN_META_NAME, "timestamp",
      G_TYPE_UINT64, t->timestamp, "stream-time", G_TYPE_UINT64, t->stream_time,
      "running-time", G_TYPE_UINT64, t->running_time, "duration", G_TYPE_UINT64,
      t->duration, "width", G_TYPE_INT, GST_VIDEO_INFO_WIDTH (&self->info),
      "height", G_TYPE_INT, GST_VIDEO_INFO_HEIGHT (&self->info), NULL);

  gst_defcn_meta_mark_to_structure (mark, objects->len, s);
  gst_defcn_meta_objects_to_value (&value, objects);
  gst_structure_take_value (s, "objects", &value);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), s));
}

static void
post_stats (GstDefcnDetect *self, GstClockTime interval)
{
  gint64 now = g_get_monotonic_time ();

  if (!interval
      || (GstClockTime) (now - self->last_stats)
          < GST_TIME_AS_USECONDS (interval))
    return;
  self->last_stats = now;
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self),
          gst_defcn_state_stats (self)));
}

/* Whether the last objects are too old to be repeated on this frame. */
static gboolean
is_outdated (GstDefcnDetect *self, const GstDefcnSettings *settings,
    const FrameTime *t)
{
  return GST_CLOCK_TIME_IS_VALID (t->timestamp)
      && GST_CLOCK_TIME_IS_VALID (self->last_time)
      && (GstClockTime) ABS (GST_CLOCK_DIFF (self->last_time, t->timestamp))
      > settings->max_age;
}

/* Attaches and posts what is known after a frame.  @fresh: the result of an
 * earlier one has just arrived. */
static void
report (GstDefcnDetect *self, const GstDefcnSettings *settings,
    GstBuffer *buffer, const FrameTime *t, Fate fate, gboolean fresh)
{
  gboolean looked = fate == LOOKED;
  gboolean repeat = settings->repeat && !is_outdated (self, settings, t);
  gboolean known = looked || (self->last && (fresh || repeat));
  const GstDefcnModelInfo *info =
      known ? self->last_info : gst_defcn_worker_info (self->worker);
  const GArray *objects = known ? self->last : self->none;
  GstDefcnMark mark = { .inferred = looked,
    .reason = reasons[fate],
    .repeated = known && !looked,
    .timestamp = known ? self->last_time : GST_CLOCK_TIME_NONE,
    .model = info->hash,
    .fresh = looked || fresh,
    .model_name = info->name,
    .detector = self->detector,
    .frame = self->frames,
    .classes = self->last ? self->last_classes : "",
    .partial = self->last && self->last_partial };

  gst_defcn_meta_attach (buffer, objects, &mark, self->meta,
      GST_VIDEO_INFO_WIDTH (&self->info), GST_VIDEO_INFO_HEIGHT (&self->info));
  GST_LOG_OBJECT (self, "%" GST_TIME_FORMAT ": %u objects %s%s",
      GST_TIME_ARGS (t->timestamp), objects->len, mark.reason,
      mark.repeated ? ", repeated" : "");
  if (settings->message)
    post_detections (self, t, &mark, objects);
}

/* Lets a live pipeline ask again when what it was told is a quarter off. */
static void
check_latency (GstDefcnDetect *self)
{
  GstClockTime wanted;
  gboolean changed;

  GST_OBJECT_LOCK (self);
  wanted = gst_defcn_state_latency (self);
  changed = self->upstream_live
      && (wanted > self->latency + self->latency / 4
          || wanted < self->latency - self->latency / 4);
  GST_OBJECT_UNLOCK (self);
  if (changed) {
    GST_DEBUG_OBJECT (self, "latency is now %" GST_TIME_FORMAT,
        GST_TIME_ARGS (wanted));
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
  }
}

/* What the network was at when the last frames came, if it has ended; *@busy:
 * it has not. */
static GstDefcnJob *
take_earlier (GstDefcnDetect *self, gboolean *busy)
{
  GstDefcnJob *job;

  /* Of the worker too: what was thrown away may still be at work. */
  *busy = self->looked > 0 || gst_defcn_worker_busy (self->worker);
  if (!self->pending)
    return NULL;
  job = gst_defcn_worker_poll (self->worker, busy);
  self->pending = *busy;
  return job;
}

void
gst_defcn_frame_free (GstDefcnFrame *frame)
{
  if (!frame)
    return;
  gst_defcn_settings_unref (frame->settings);
  gst_defcn_job_free (frame->earlier);
  g_free (frame);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnFrame, gst_defcn_frame_free)

GstDefcnFrame *
gst_defcn_frame_begin (GstDefcnDetect *self, GstBuffer *buffer,
    GstFlowReturn *ret)
{
  g_autoptr (GstDefcnFrame) frame = g_new0 (GstDefcnFrame, 1);
  g_autoptr (GstDefcnEngine) engine = gst_defcn_adopt (self);
  gboolean busy;

  frame->time = frame_time (self, buffer);
  frame->discont = GST_BUFFER_IS_DISCONT (buffer);
  frame->run = self->run += frame->discont;
  frame->earlier = take_earlier (self, &busy);
  GST_OBJECT_LOCK (self);
  frame->settings = gst_defcn_settings_ref (self->settings);
  GST_OBJECT_UNLOCK (self);
  if (frame->earlier && frame->earlier->error) {
    take_result (self, frame->earlier);
    *ret = GST_FLOW_ERROR;
    return NULL;
  }
  *ret = look_or_skip (self, engine, frame->settings, buffer, &frame->time,
      busy, &frame->fate);
  return *ret == GST_FLOW_OK ? g_steal_pointer (&frame) : NULL;
}

gboolean
gst_defcn_frame_is_ready (const GstDefcnDetect *self,
    const GstDefcnFrame *frame)
{
  return frame->fate != LOOKED || gst_defcn_worker_ready (self->worker);
}

/* The result of @frame, waited for. */
static GstFlowReturn
collect (GstDefcnDetect *self)
{
  g_autoptr (GstDefcnJob) job = gst_defcn_worker_collect (self->worker);

  self->looked--;
  if (!job)
    return GST_FLOW_FLUSHING;
  return take_result (self, job) ? GST_FLOW_OK : GST_FLOW_ERROR;
}

GstFlowReturn
gst_defcn_frame_end (GstDefcnDetect *self, GstDefcnFrame *frame,
    GstBuffer *buffer)
{
  const GstDefcnJob *earlier = frame->earlier;
  const Fate fate = frame->fate;
  GstFlowReturn ret = GST_FLOW_OK;

  /* What was seen before a gap is not repeated after it. */
  if (frame->discont)
    g_clear_pointer (&self->last, g_array_unref);
  if (earlier)
    take_result (self, earlier);
  if (fate == LOOKED)
    ret = collect (self);
  if (ret != GST_FLOW_OK)
    return ret;
  count_frame (self, fate);
  report (self, frame->settings, buffer, &frame->time, fate, earlier != NULL);
  /* Its result is told once, with its time, but not repeated. */
  if (earlier && earlier->run != frame->run && fate != LOOKED)
    g_clear_pointer (&self->last, g_array_unref);
  post_stats (self, frame->settings->stats_interval);
  if (++self->frames % LATENCY_EVERY == 0)
    check_latency (self);
  return GST_FLOW_OK;
}
