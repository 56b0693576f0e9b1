/**
 * SECTION:element-defcndetect
 * @title: defcndetect
 * @short_description: finds objects with a DeFCN network
 *
 * Runs a DeFCN model on every frame (or on some of them, see
 * #GstDefcnDetect:inference-interval, #GstDefcnDetect:skip-still,
 * #GstDefcnDetect:no-block and #GstDefcnDetect:qos) and attaches what it finds
 * as metadata.  The picture passes untouched and uncopied, in the host's memory
 * or, where the plugin was built with gstreamer-cuda, in a CUDA device's.
 * Conversion and scaling to the network's input happen inside, so neither
 * videoconvert nor videoscale is needed: every format of raw video is taken.
 *
 * The network is trained end to end to report every object once: there is no
 * non-maximum suppression and no threshold for it.
 *
 * Objects are attached as #GstVideoRegionOfInterestMeta and on GStreamer 1.24
 * or newer as GstAnalyticsODMtd (#GstDefcnDetect:meta), and normalised in the
 * custom meta "defcn-objects", which defcnoverlay and defcnpublish read: it
 * goes along through videoconvert and a videoscale that keeps the display
 * aspect, to the bit, and not where boxes would become wrong: where the picture
 * is cropped, turned or put into borders.  The custom meta "defcn-detections"
 * goes along everywhere and says whether this very frame was looked at:
 *
 * * `inferred` (boolean), and if not,
 * * `reason` (string): `interval`, `qos`, `busy`, `region` (no region to look
 *   in) or `still` (like the last one that was looked at),
 * * `repeated` (boolean): the objects are those of an earlier frame,
 * * `inferred-timestamp` (guint64): the PTS of that frame,
 * * `fresh` (boolean): no frame before this one told of that result, which with
 *   #GstDefcnDetect:no-block comes late and with
 *   #GstDefcnDetect:repeat-detections again,
 * * `model`, `model-name` (strings): SHA-256 and name of the model file,
 * * `detector` (string): name of the element,
 * * `frame` (guint64): how many frames it had passed before,
 * * `n-objects` (guint).
 *
 * With #GstDefcnDetect:message an element message `defcn-detections` is posted
 * for every frame, with `timestamp`, `stream-time`, `running-time` and
 * `duration` (guint64), `width` and `height` (gint), the fields above and
 * `objects`, a #GstValueArray of structures with `label` (string), `label_id`,
 * `parent_id` (gint), `confidence`, `x_min`, `x_max`, `y_min` and `y_max`
 * (gdouble, 0..1 of the frame).
 *
 * Elements share a model by #GstDefcnDetect:model-instance-id, may have several
 * frames in flight (#GstDefcnDetect:nireq), and take another model on while
 * they run (#GstDefcnDetect:model).
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors ! fakesink
 * ]| Detects objects in a file as fast as possible.
 * |[
 * gst-launch-1.0 -m videotestsrc num-buffers=10 !
 *     defcndetect model=coco.safetensors message=true threshold=0.3 ! fakesink
 * ]| Prints what is found.
 * |[
 * gst-launch-1.0 v4l2src ! defcndetect model=coco.safetensors no-block=true
 *     repeat-detections=true class-thresholds="person=0.6,car=0.35" !
 *     videoconvert ! autovideosink sync=false
 * ]| Never delays the picture of a camera.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! qtdemux ! h264parse ! nvh264dec !
 *     "video/x-raw(memory:CUDAMemory)" !
 *     defcndetect model=coco.safetensors device=cuda ! defcnpublish ! fakesink
 * ]| Frames that are decoded on the GPU stay there.
 * |[
 * gst-launch-1.0 filesrc location=a.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors model-instance-id=x batch-size=2
 *     batch-timeout=10 ! fakesink
 *     filesrc location=b.mp4 ! decodebin !
 *     defcndetect model-instance-id=x threshold=0.3 ! fakesink
 * ]| Two streams through one copy of the model, together.
 *
 * Since: 0.1
 */
#include "gstdefcndetect.h"
#include "detect/adopt.h"
#include "detect/cudaframe.h"
#include "detect/frame.h"
#include "detect/open.h"
#include "detect/properties.h"
#include "detect/ring.h"

#define GST_CAT_DEFAULT gst_defcn_detect_debug

/* All that GStreamer can describe in the host's memory, what the core reads
 * itself first. */
#define SIZES                                                                  \
  ", width=[ 16, 8192 ], height=[ 16, 8192 ], framerate=" GST_VIDEO_FPS_RANGE
#define CAPS                                                                   \
  "video/x-raw, format=" GST_DEFCN_FORMATS SIZES "; "                          \
  "video/x-raw, format=" GST_VIDEO_FORMATS_ALL SIZES

G_DEFINE_TYPE (GstDefcnDetect, gst_defcn_detect, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (defcndetect, "defcndetect", GST_RANK_NONE,
    GST_TYPE_DEFCN_DETECT)

/* Start and stop. */

static gboolean
check_meta (GstDefcnDetect *self, GstDefcnMetaFlags meta)
{
  if (!(meta & ~gst_defcn_meta_supported ()))
    return TRUE;
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
      ("meta=analytics is not built in: it needs GStreamer 1.24 or newer."),
      (NULL));
  return FALSE;
}

static void
reset_qos (GstDefcnDetect *self)
{
  GST_OBJECT_LOCK (self);
  self->earliest_time = GST_CLOCK_TIME_NONE;
  GST_OBJECT_UNLOCK (self);
}

/* Structures hold no text but UTF-8. */
static const char *
interned_valid (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  return g_intern_string (valid);
}

static gboolean
start (GstBaseTransform *trans)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (trans);
  GstDefcnSetup setup;
  gboolean started;

  GST_OBJECT_LOCK (self);
  setup = gst_defcn_state_copy_setup (self);
  self->opening = TRUE;
  GST_OBJECT_UNLOCK (self);
  started = check_meta (self, setup.meta) && gst_defcn_open (self, &setup);
  GST_OBJECT_LOCK (self);
  self->opening = FALSE;
  GST_OBJECT_UNLOCK (self);
  if (started)
    gst_defcn_adopt_changes (self, &setup.model);
  if (started) {
    self->region = setup.region;
    self->meta = setup.meta;
    self->turning = setup.turning;
    self->nireq = setup.nireq;
    self->verdict = GST_FLOW_OK;
    self->warned_regions = self->warned_still = FALSE;
    self->orientation = (GstDefcnOrientation){ 0 };
    self->object_class = setup.object_class && *setup.object_class
        ? g_quark_from_string (setup.object_class)
        : 0;
    self->detector = interned_valid (GST_OBJECT_NAME (self));
    self->frames = 0;
    self->last_stats = g_get_monotonic_time ();
    gst_video_info_init (&self->info);
    gst_defcn_state_reset (self);
    reset_qos (self);
  }
  gst_defcn_state_clear_setup (&setup);
  return started;
}

static gboolean
stop (GstBaseTransform *trans)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (trans);

  gst_defcn_ring_clear (self);
  gst_defcn_close (self);
  gst_defcn_state_take_context (self, NULL);
  gst_defcn_state_reset (self);
  return TRUE;
}

static gboolean
set_caps (GstBaseTransform *trans, GstCaps *in, GstCaps *out)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (trans);

  if (!gst_video_info_from_caps (&self->info, in)) {
    GST_ERROR_OBJECT (self, "cannot parse caps %" GST_PTR_FORMAT, in);
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->frame_time = self->info.fps_n > 0
      ? gst_util_uint64_scale_int (GST_SECOND, self->info.fps_d,
          self->info.fps_n)
      : 0;
  GST_OBJECT_UNLOCK (self);
  /* Where the old picture had its objects says nothing about the new one. */
  gst_defcn_worker_discard (self->worker);
  gst_defcn_state_reset (self);
  return TRUE;
}

/* The pixels of frames may be kept here while the next ones pass: pools need
 * room for them. */
static void
raise_pools (GstQuery *query, guint n)
{
  for (guint i = 0; i < gst_query_get_n_allocation_pools (query); i++) {
    GstBufferPool *pool;
    guint size, min, max;

    gst_query_parse_nth_allocation_pool (query, i, &pool, &size, &min, &max);
    min = max ? MIN (min + n, max) : min + n;
    gst_query_set_nth_allocation_pool (query, i, pool, size, min, max);
    gst_clear_object (&pool);
  }
}

/* Frames are passed on as they come: what upstream may send is what downstream
 * takes, GstVideoMeta and GstVideoCropMeta too. */
static gboolean
propose_allocation (GstBaseTransform *trans, GstQuery *decide_query,
    GstQuery *query)
{
  GstCaps *caps;
  GstVideoInfo info;

  if (!GST_BASE_TRANSFORM_CLASS (gst_defcn_detect_parent_class)
           ->propose_allocation (trans, decide_query, query))
    return FALSE;
  gst_query_parse_allocation (query, &caps, NULL);
  if (caps && gst_query_get_n_allocation_pools (query) == 0
      && gst_video_info_from_caps (&info, caps))
    gst_query_add_allocation_pool (query, NULL, GST_VIDEO_INFO_SIZE (&info), 1,
        0);
  raise_pools (query, GST_DEFCN_DETECT (trans)->nireq);
  return TRUE;
}

static GstFlowReturn
transform_ip (GstBaseTransform *trans, GstBuffer *buffer)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (trans);
  GstFlowReturn ret = GST_FLOW_OK;

  self->begun = gst_defcn_frame_begin (self, buffer, &ret);
  return ret;
}

static GstFlowReturn
submit_input_buffer (GstBaseTransform *trans, gboolean is_discont,
    GstBuffer *buffer)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (trans);
  GstFlowReturn verdict;

  /* The base class marks the next frame that leaves. */
  if (GST_BUFFER_IS_DISCONT (buffer))
    gst_defcn_ring_drain (self);
  verdict = gst_defcn_ring_verdict (self);
  if (verdict == GST_FLOW_OK)
    return GST_BASE_TRANSFORM_CLASS (gst_defcn_detect_parent_class)
        ->submit_input_buffer (trans, is_discont, buffer);
  gst_buffer_unref (buffer);
  return verdict;
}

/* The base class asks for more until there is none. */
static GstFlowReturn
generate_output (GstBaseTransform *trans, GstBuffer **out)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (trans);
  GstBuffer *buffer = NULL;
  GstFlowReturn ret = GST_FLOW_OK;
  GstDefcnFrame *frame;

  *out = NULL;
  if (trans->queued_buf)
    ret = GST_BASE_TRANSFORM_CLASS (gst_defcn_detect_parent_class)
              ->generate_output (trans, &buffer);
  frame = g_steal_pointer (&self->begun);
  if (ret == GST_FLOW_OK && frame && buffer) {
    gst_defcn_ring_add_frame (self, frame, buffer);
  } else {
    gst_defcn_frame_free (frame);
    gst_clear_buffer (&buffer);
  }
  return ret == GST_FLOW_OK ? gst_defcn_ring_pop (self, out) : ret;
}

/* Events and queries. */

static void
set_flushing (GstDefcnDetect *self, gboolean flushing)
{
  /* Under the lock: flushing races with stop(). */
  GST_OBJECT_LOCK (self);
  if (self->worker)
    gst_defcn_worker_set_flushing (self->worker, flushing);
  GST_OBJECT_UNLOCK (self);
}

static void
forget_stream (GstDefcnDetect *self)
{
  if (self->worker)
    gst_defcn_worker_discard (self->worker);
  gst_defcn_state_reset (self);
  reset_qos (self);
}

/* Who waits for the network is woken before the pads stop, which waits for
 * him. */
static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    set_flushing (GST_DEFCN_DETECT (element), TRUE);
  return GST_ELEMENT_CLASS (gst_defcn_detect_parent_class)
      ->change_state (element, transition);
}

static void
take_tags (GstDefcnDetect *self, GstEvent *event)
{
  GstTagList *tags;

  gst_event_parse_tag (event, &tags);
  gst_defcn_orientation_take (&self->orientation, tags,
      GST_BASE_TRANSFORM_SINK_PAD (self));
}

/* After these no frame comes for a while, or one of another kind: what is in
 * flight leaves before them.  Other events wait among the frames. */
static gboolean
drains (GstEvent *event)
{
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_CAPS:
    case GST_EVENT_SEGMENT:
    case GST_EVENT_STREAM_GROUP_DONE:
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
    case GST_EVENT_GAP:
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
sink_event (GstBaseTransform *trans, GstEvent *event)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (trans);

  if (drains (event))
    gst_defcn_ring_drain (self);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      set_flushing (self, TRUE);
      break;
    case GST_EVENT_FLUSH_STOP:
      set_flushing (self, FALSE);
      gst_defcn_ring_flush (self);
      forget_stream (self);
      break;
    case GST_EVENT_STREAM_START: /* another one */
      forget_stream (self);
      self->orientation = (GstDefcnOrientation){ 0 };
      break;
    case GST_EVENT_TAG:
      take_tags (self, event);
      break;
    case GST_EVENT_SEGMENT: /* a seek, say, that did not flush */
      forget_stream (self);
      break;
    case GST_EVENT_EOS:
    case GST_EVENT_GAP:
      gst_defcn_worker_rest (self->worker);
      break;
    default:
      break;
  }
  if (GST_EVENT_IS_SERIALIZED (event) && !gst_defcn_ring_is_empty (self)) {
    gst_defcn_ring_add_event (self, event);
    return TRUE;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_detect_parent_class)
      ->sink_event (trans, event);
}

static gboolean
src_event (GstBaseTransform *trans, GstEvent *event)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (trans);
  GstClockTime timestamp;
  GstClockTimeDiff diff;
  double proportion;

  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    gst_event_parse_qos (event, NULL, &proportion, &diff, &timestamp);
    GST_OBJECT_LOCK (self);
    self->proportion = proportion;
    self->earliest_time = GST_CLOCK_TIME_IS_VALID (timestamp)
        ? timestamp + diff
        : GST_CLOCK_TIME_NONE;
    GST_OBJECT_UNLOCK (self);
  }
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_detect_parent_class)
      ->src_event (trans, event);
}

static gboolean
query_latency (GstDefcnDetect *self, GstQuery *query)
{
  GstClockTime min, max, ours = 0;
  gboolean live;

  if (!gst_pad_peer_query (GST_BASE_TRANSFORM_SINK_PAD (self), query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  GST_OBJECT_LOCK (self);
  self->upstream_live = live;
  if (live)
    ours = self->latency = gst_defcn_state_latency (self);
  GST_OBJECT_UNLOCK (self);
  min += ours;
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += ours;
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

/* Elements with CUDA frames ask each other for their context. */
static gboolean
query_context (GstDefcnDetect *self, GstQuery *query)
{
  g_autoptr (GstObject) context = NULL;

  GST_OBJECT_LOCK (self);
  if (self->cuda)
    context = gst_object_ref (self->cuda);
  GST_OBJECT_UNLOCK (self);
  return gst_defcn_cudaframe_answer (GST_ELEMENT (self), query, context);
}

static void
set_context (GstElement *element, GstContext *context)
{
  GstObject *given = gst_defcn_cudaframe_given_context (element, context);

  if (given)
    gst_defcn_state_take_context (GST_DEFCN_DETECT (element), given);
  GST_ELEMENT_CLASS (gst_defcn_detect_parent_class)
      ->set_context (element, context);
}

static gboolean
query (GstBaseTransform *trans, GstPadDirection direction, GstQuery *query)
{
  if (direction == GST_PAD_SRC && GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return query_latency (GST_DEFCN_DETECT (trans), query);
  if (direction == GST_PAD_SINK && GST_QUERY_TYPE (query) == GST_QUERY_DRAIN)
    gst_defcn_ring_drain (GST_DEFCN_DETECT (trans));
  if (GST_QUERY_TYPE (query) == GST_QUERY_CONTEXT
      && query_context (GST_DEFCN_DETECT (trans), query))
    return TRUE;
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_detect_parent_class)
      ->query (trans, direction, query);
}

/* The class. */

static void
finalize (GObject *object)
{
  GstDefcnDetect *self = GST_DEFCN_DETECT (object);

  gst_defcn_open_withdraw (self);
  gst_defcn_properties_clear (self);
  gst_clear_object (&self->cuda);
  g_array_unref (self->none);
  G_OBJECT_CLASS (gst_defcn_detect_parent_class)->finalize (object);
}

static void
add_pad_templates (GstElementClass *element)
{
  GstCaps *caps = gst_defcn_cudaframe_caps ();

  gst_caps_append (caps, gst_caps_from_string (CAPS));
  gst_element_class_add_pad_template (element,
      gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (element,
      gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref (caps);
}

static void
gst_defcn_detect_class_init (GstDefcnDetectClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_defcn_detect_debug, "defcndetect", 0,
      "DeFCN object detector");
  object->finalize = finalize;
  gst_defcn_properties_install (object);

  /**
   * GstDefcnDetect::model-updated:
   * @detect: the element
   * @ok: whether the new model has taken the place of the old one
   * @path: its file
   *
   * What became of #GstDefcnDetect:model, device, precision or threads that
   * were set while the element ran; with a model that is shared each element
   * tells of a new one, and who has set it alone of a failure.  Emitted in a
   * thread of its own; what another one has overtaken is not told of.
   *
   * Since: 0.3
   */
  g_signal_new ("model-updated", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST,
      0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_BOOLEAN, G_TYPE_STRING);

  add_pad_templates (element);
  gst_element_class_set_static_metadata (element, "DeFCN object detector",
      "Filter/Analyzer/Video",
      "Finds objects with an end-to-end network and attaches them as metadata",
      "The defcn project");

  element->set_context = GST_DEBUG_FUNCPTR (set_context);
  element->change_state = GST_DEBUG_FUNCPTR (change_state);
  trans->start = GST_DEBUG_FUNCPTR (start);
  trans->stop = GST_DEBUG_FUNCPTR (stop);
  trans->set_caps = GST_DEBUG_FUNCPTR (set_caps);
  trans->propose_allocation = GST_DEBUG_FUNCPTR (propose_allocation);
  trans->transform_ip = GST_DEBUG_FUNCPTR (transform_ip);
  trans->submit_input_buffer = GST_DEBUG_FUNCPTR (submit_input_buffer);
  trans->generate_output = GST_DEBUG_FUNCPTR (generate_output);
  trans->sink_event = GST_DEBUG_FUNCPTR (sink_event);
  trans->src_event = GST_DEBUG_FUNCPTR (src_event);
  trans->query = GST_DEBUG_FUNCPTR (query);
}

static void
gst_defcn_detect_init (GstDefcnDetect *self)
{
  gst_defcn_properties_init (self);
  gst_defcn_ring_init (self);
  self->none = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  /* Not the base class's, which throws away whole frames. */
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}
