/**
 * SECTION:element-defcntrack
 * @title: defcntrack
 * @short_description: gives detections the ids of the objects that they are of
 *
 * Follows what defcndetect (or another element that writes region of interest
 * or, on GStreamer 1.24, analytics metadata) finds from frame to frame: after
 * ByteTrack, boxes of high score first, then those of low score for the objects
 * that have found none; between frames an object goes on as it went.  Pictures
 * are not looked at and pass uncopied.
 *
 * An object that was found in #GstDefcnTrack:confirm frames in a row, with a
 * mean score of #GstDefcnTrack:confirm-threshold, has an id: 1, 2, ..., never
 * given again while the element runs.  It is where gvatrack puts it, in the
 * parameter "object_id" {id} of the region of interest meta; in a
 * GstAnalyticsTrackingMtd that relates to the GstAnalyticsODMtd; and in the
 * custom meta "defcn-objects", which videoconvert leaves alone, with
 * `track_state` ("new" or "confirmed"), `track_age` (ns), `x_velocity` and
 * `y_velocity` (frame widths and heights a second).  defcnoverlay draws it,
 * defcnpublish writes it.
 *
 * Frames that defcndetect did not look at (its `inference-interval`, `no-block`
 * or `qos`) get the boxes of the objects where they should be by now, marked as
 * `predicted`: also instead of repeated ones.  When the last look was
 * #GstDefcnTrack:max-lost ago nothing is predicted any more.  What defcndetect
 * tells late, with `no-block`, counts for the frame that it is of.
 *
 * Low scores are what keeps an object through an occlusion, and defcndetect
 * leaves them out unless told otherwise: give it `threshold=0.1` and
 * #GstDefcnTrack:high-threshold what its threshold would be (and
 * #GstDefcnTrack:confirm-threshold some 0.2 more), which by default is that of
 * the bundled model.  Boxes below that which belong to no object are not
 * passed on (#GstDefcnTrack:keep-low).  Without them all works the same, and an
 * object is lost a little sooner.
 *
 * Several defcndetects before are tracked each for themselves, with ids of one
 * line.  What others have found in a frame that no defcndetect saw is tracked
 * too: it gets its ids, and nothing is taken away or predicted.  Boxes that are
 * lost after a crop or a flip cannot be tracked, which a warning says.
 *
 * A flush, a segment that shifts time, a new stream and another aspect ratio
 * end all objects; another resolution, a DISCONT or EOS do not.  A gap is as
 * long as it is: after #GstDefcnTrack:max-lost everybody is somebody else.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors threshold=0.1 ! defcntrack !
 *     defcnoverlay ! videoconvert ! autovideosink
 * ]| Shows who is who.
 * |[
 * gst-launch-1.0 -q filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors threshold=0.1 inference-interval=5 !
 *     defcntrack ! defcnpublish ! fakesink
 * ]| Looks at every fifth frame and writes boxes for all.
 *
 * Since: 0.3
 */
#include "gstdefcntrack.h"

#include <gst/video/video.h>

#include "field.h"
#include "timing.h"
#include "track/follower.h"

GST_DEBUG_CATEGORY_STATIC (gst_defcn_track_debug);
#define GST_CAT_DEFAULT gst_defcn_track_debug

enum
{
  PROP_0,
  PROP_HIGH_THRESHOLD,
  PROP_LOW_THRESHOLD,
  PROP_CONFIRM_THRESHOLD,
  PROP_CONFIRM,
  PROP_MAX_LOST,
  PROP_KEEP_LOW,
  PROP_TRACKS,
};

struct _GstDefcnTrack
{
  GstBaseTransform parent;

  /* properties, under the object lock */
  float high, low, sure;
  guint confirm;
  guint64 max_lost;
  gboolean keep_low;
  guint64 tracks; /* confirmed since the start */

  /* streaming thread */
  GstDefcnFollower *follower; /* from start to stop */
  GstVideoInfo info;
  gint64 time;     /* running time of the last frame */
  gboolean warned; /* of lost boxes, since the caps */
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

G_DEFINE_TYPE (GstDefcnTrack, gst_defcn_track, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (defcntrack, "defcntrack", GST_RANK_NONE,
    GST_TYPE_DEFCN_TRACK)

static gboolean
start (GstBaseTransform *base)
{
  GstDefcnTrack *self = GST_DEFCN_TRACK (base);

  self->follower = gst_defcn_follower_new ();
  self->time = 0;
  self->warned = FALSE;
  gst_video_info_init (&self->info);
  GST_OBJECT_LOCK (self);
  self->tracks = 0;
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
stop (GstBaseTransform *base)
{
  g_clear_pointer (&GST_DEFCN_TRACK (base)->follower, gst_defcn_follower_free);
  return TRUE;
}

/* Boxes are shares of the frame: its size is the same, its shape is not. */
static gboolean
set_caps (GstBaseTransform *base, GstCaps *in, GstCaps *out)
{
  GstDefcnTrack *self = GST_DEFCN_TRACK (base);
  const GstVideoInfo old = self->info;

  if (!gst_video_info_from_caps (&self->info, in)) {
    GST_ERROR_OBJECT (self, "no video: %" GST_PTR_FORMAT, in);
    return FALSE;
  }
  self->warned = FALSE;
  if (old.height
      && ABS ((double) old.width / old.height * self->info.height
                 / self->info.width
             - 1)
          > 0.01) {
    GST_DEBUG_OBJECT (self, "another aspect ratio: all tracks end");
    gst_defcn_follower_reset (self->follower);
  }
  return TRUE;
}

static gboolean
sink_event (GstBaseTransform *base, GstEvent *event)
{
  GstDefcnTrack *self = GST_DEFCN_TRACK (base);
  const GstEventType type = GST_EVENT_TYPE (event);

  if (self->follower
      && (type == GST_EVENT_FLUSH_STOP || type == GST_EVENT_STREAM_START
          || (type == GST_EVENT_SEGMENT
              && gst_defcn_timing_shifts (&base->segment, event)))) {
    GST_DEBUG_OBJECT (self, "%s: all tracks end", GST_EVENT_TYPE_NAME (event));
    gst_defcn_follower_reset (self->follower);
  }
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_track_parent_class)
      ->sink_event (base, event);
}

static GstDefcnFollowTime
frame_time (GstDefcnTrack *self, GstBuffer *buffer)
{
  const GstVideoInfo *info = &self->info;

  self->time = gst_defcn_timing_next (self->time,
      &GST_BASE_TRANSFORM (self)->segment, info, GST_BUFFER_PTS (buffer));
  return (GstDefcnFollowTime){ self->time, self->time, GST_BUFFER_PTS (buffer),
    GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info) };
}

static GstDefcnFollowRule
rule_of (GstDefcnTrack *self)
{
  GstDefcnFollowRule rule = { defcn_tracker_defaults };

  GST_OBJECT_LOCK (self);
  rule.tracker.high = self->high;
  rule.tracker.low = self->low;
  rule.tracker.sure = self->sure;
  rule.tracker.confirm = (int) self->confirm;
  rule.tracker.max_lost = (gint64) MIN (self->max_lost, G_MAXINT64);
  rule.keep_low = self->keep_low;
  GST_OBJECT_UNLOCK (self);
  return rule;
}

static void
warn_lost (GstDefcnTrack *self, guint lost)
{
  if (!lost || self->warned)
    return;
  self->warned = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("The boxes of %u objects are lost: since defcndetect the picture was "
       "cropped, turned or put into borders.",
          lost),
      ("Track before that, or detect after it."));
}

/* How many detectors of its name come before @findings' number @index. */
static guint
count_namesakes (const GArray *findings, guint index)
{
  const GstDefcnFinding *f = &g_array_index (findings, GstDefcnFinding, 0);
  guint n = 0;

  for (guint i = 0; i < index; i++)
    n += f[i].mark.detector == f[index].mark.detector;
  return n;
}

static void
follow_detectors (GstDefcnTrack *self, GstBuffer *buffer, GArray *findings,
    const GstDefcnFollowRule *rule, const GstDefcnFollowTime *time)
{
  for (guint i = 0; i < findings->len; i++) {
    GstDefcnFinding *finding = &g_array_index (findings, GstDefcnFinding, i);
    const GstClockTime found =
        gst_defcn_timing_running (&GST_BASE_TRANSFORM (self)->segment,
            finding->mark.timestamp);
    GstDefcnFollowTime own = *time;

    if (!finding->mark.inferred && GST_CLOCK_TIME_IS_VALID (found)
        && (gint64) found <= time->now)
      own.found = (gint64) found;
    gst_defcn_follower_follow (self->follower, finding,
        count_namesakes (findings, i), rule, &own);
  }
  for (guint i = 0; i < findings->len; i++)
    gst_defcn_finding_put (buffer,
        &g_array_index (findings, GstDefcnFinding, i), time->width,
        time->height);
}

static void
follow_others (GstDefcnTrack *self, GstBuffer *buffer,
    const GstDefcnFollowRule *rule, const GstDefcnFollowTime *time)
{
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  gst_defcn_meta_read (buffer, objects, time->width, time->height);
  gst_defcn_follower_follow_others (self->follower, objects, rule, time);
  gst_defcn_meta_tell_tracks (buffer, objects);
}

static GstFlowReturn
transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstDefcnTrack *self = GST_DEFCN_TRACK (base);
  const GstDefcnFollowTime time = frame_time (self, buffer);
  const GstDefcnFollowRule rule = rule_of (self);
  g_autoptr (GArray) findings = gst_defcn_finding_list_new ();
  GstDefcnMark mark;
  const gboolean is_marked = gst_defcn_meta_read_mark (buffer, &mark);

  warn_lost (self, mark.lost);
  gst_defcn_finding_take_all (buffer, findings);
  if (findings->len)
    follow_detectors (self, buffer, findings, &rule, &time);
  else if (!is_marked)
    follow_others (self, buffer, &rule, &time);
  GST_OBJECT_LOCK (self);
  self->tracks = gst_defcn_follower_tracks (self->follower);
  GST_OBJECT_UNLOCK (self);
  return GST_FLOW_OK;
}

#define FIELD(member) G_STRUCT_OFFSET (GstDefcnTrack, member)
static const gsize fields[] = {
  [PROP_HIGH_THRESHOLD] = FIELD (high),
  [PROP_LOW_THRESHOLD] = FIELD (low),
  [PROP_CONFIRM_THRESHOLD] = FIELD (sure),
  [PROP_CONFIRM] = FIELD (confirm),
  [PROP_MAX_LOST] = FIELD (max_lost),
  [PROP_KEEP_LOW] = FIELD (keep_low),
  [PROP_TRACKS] = FIELD (tracks),
};

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  gst_defcn_field_set (G_STRUCT_MEMBER_P (object, fields[id]), value);
  GST_OBJECT_UNLOCK (object);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  gst_defcn_field_get (value, G_STRUCT_MEMBER_P (object, fields[id]));
  GST_OBJECT_UNLOCK (object);
}

static void
install_properties (GObjectClass *klass)
{
  const DefcnTrackerOptions *defaults = &defcn_tracker_defaults;
  const GParamFlags flags =
      G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS;

  g_object_class_install_property (klass, PROP_HIGH_THRESHOLD,
      g_param_spec_float ("high-threshold", "High threshold",
          "Score that begins an object; the detector's working threshold "
          "(the default is the bundled model's)",
          0, 1, defaults->high, flags));
  g_object_class_install_property (klass, PROP_LOW_THRESHOLD,
      g_param_spec_float ("low-threshold", "Low threshold",
          "Score that keeps an object: defcndetect threshold=0.1 passes it on",
          0, 1, defaults->low, flags));
  g_object_class_install_property (klass, PROP_CONFIRM_THRESHOLD,
      g_param_spec_float ("confirm-threshold", "Confirm threshold",
          "Mean score until an object has an id; some 0.2 above the high "
          "threshold",
          0, 1, defaults->sure, flags));
  g_object_class_install_property (klass, PROP_CONFIRM,
      g_param_spec_uint ("confirm", "Confirm",
          "Frames in a row, of those looked at, until an object has an id", 1,
          1000, (guint) defaults->confirm, flags));
  g_object_class_install_property (klass, PROP_MAX_LOST,
      g_param_spec_uint64 ("max-lost", "Max. lost",
          "How long an object may be out of sight, in ns", 0, G_MAXINT64,
          (guint64) defaults->max_lost, flags));
  g_object_class_install_property (klass, PROP_KEEP_LOW,
      g_param_spec_boolean ("keep-low", "Keep low",
          "Pass on boxes below the high threshold that are of no object too",
          FALSE, flags));
  g_object_class_install_property (klass, PROP_TRACKS,
      g_param_spec_uint64 ("tracks", "Tracks",
          "Objects that have got an id since the start", 0, G_MAXUINT64, 0,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_defcn_track_class_init (GstDefcnTrackClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_defcn_track_debug, "defcntrack", 0,
      "follows detections");
  object->set_property = set_property;
  object->get_property = get_property;
  install_properties (object);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Object tracker",
      "Filter/Analyzer/Video",
      "Follows detected objects from frame to frame and gives them ids",
      "The defcn authors");
  base->start = GST_DEBUG_FUNCPTR (start);
  base->stop = GST_DEBUG_FUNCPTR (stop);
  base->set_caps = GST_DEBUG_FUNCPTR (set_caps);
  base->sink_event = GST_DEBUG_FUNCPTR (sink_event);
  base->transform_ip = GST_DEBUG_FUNCPTR (transform_ip);
}

static void
gst_defcn_track_init (GstDefcnTrack *self)
{
  const DefcnTrackerOptions *defaults = &defcn_tracker_defaults;

  self->high = defaults->high;
  self->low = defaults->low;
  self->sure = defaults->sure;
  self->confirm = (guint) defaults->confirm;
  self->max_lost = (guint64) defaults->max_lost;
  /* The base class's throws away whole frames. */
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}
