/**
 * SECTION:element-defcnzones
 * @title: defcnzones
 * @short_description: counts who is in which zone and who goes over which line
 *
 * Zones are polygons and lines have a direction, each with a name, in
 * #GstDefcnZones:zones or in a JSON file, #GstDefcnZones:config.  What has the
 * id of defcntrack (or another tracker) counts:
 *
 * * a zone has an occupancy, who entered and who left it, and how long those
 *   who left had been there (mean and longest);
 * * a line has who went over it forward and who went backward.  Forward is from
 *   the left hand to the right hand of who stands at the line's first point and
 *   looks at the second: downwards over a line that is drawn from left to
 *   right;
 *
 * in all and by class.  Pictures are not looked at and pass uncopied.
 *
 * ## Zones and lines
 *
 * #GstDefcnZones:zones is a list parted by `;` or by ends of lines of
 *
 * * `NAME: polygon X,Y X,Y X,Y .. [OPTION=VALUE ..]`
 * * `NAME: line X,Y X,Y [OPTION=VALUE ..]`
 *
 * with the options `classes=A,B` (only objects of these labels; `\,` is a comma
 * and `\ ` a blank within one), `min-time` and `loitering` (ms, of zones),
 * `anchor`, `hysteresis` and `resolution`, each for the property of that name.
 * A #GstDefcnZones:config file says the same as JSON:
 *
 * ```json
 * {"resolution": "1920x1080", "min-time": 200,
 *  "zones": [{"name": "yard", "points": [[0, 0], [1920, 0], [960, 1080]],
 *             "classes": ["person"], "loitering": 10000}],
 *  "lines": [{"name": "door", "points": [[0.1, 0.5], [0.9, 0.5]],
 *             "anchor": "centre"}]}
 * ```
 *
 * What stands beside `zones` and `lines` is for all that say nothing of their
 * own.
 *
 * Coordinates are 0..1 of the picture.  A place that has one above 1 is in
 * pixels, of a picture of #GstDefcnZones:resolution, or if nobody says that of
 * the one that there is when the place comes into force; another size of the
 * picture later leaves it where it is in the picture.  The border of a polygon
 * is inside; of one that crosses itself what is enclosed twice is outside
 * (even-odd rule).
 *
 * All of these can be set while the element plays, and hold from the next frame
 * on: a place whose name and shape stay keeps its counts.  A text with a fault
 * is refused, with a WARNING, and the old one goes on; at the start it is an
 * ERROR.  Setting #GstDefcnZones:config again reads the file again.
 *
 * ## When something counts
 *
 * An object is where its #GstDefcnZones:anchor is.  It has entered a zone after
 * `min-time` in it, and leaves it beyond the border by more than
 * #GstDefcnZones:hysteresis of its own height.  A line is crossed between its
 * two ends, by who was on one side and comes to the other by more than that,
 * each way: who sways on a line counts once at most.  Lines are not missed by
 * who jumps over them between two frames; zones are.  Who is not seen for
 * #GstDefcnZones:lost-after leaves its zones, as of when it was seen last, as
 * all do when the stream is flushed or another begins.  Who is still there at
 * EOS has not left.
 *
 * Frames that nobody looked at are judged by the boxes that defcntrack
 * predicts.  Objects without a track count for the occupancy alone, and a
 * warning says that defcntrack is missing.
 *
 * ## What comes of it
 *
 * #GstDefcnZones:stats has all counts, the action signal `reset` begins anew.
 * Every frame has the custom meta "defcn-places", the places with their counts,
 * which defcnoverlay draws and defcnpublish writes (`places`), and when
 * something has happened "defcn-events" (`events`).  An event has
 *
 * * `type` (string): "zone-entered"; "zone-left"; "zone-dwell", once, after
 *   `loitering`; "line-crossed",
 * * `place` (string): its name,
 * * `direction` (string): "forward" or "backward", of "line-crossed",
 * * `reason` (string): of "zone-left", when it was not seen to leave: "lost",
 *   or "removed" with the zone,
 * * `dwell` (guint64, ns): of "zone-left" and "zone-dwell",
 * * `label` (string), `label_id` (gint), `confidence` (gdouble) and what
 *   defcntrack says of the object (`object_id`, gint64, and the like).
 *
 * With #GstDefcnZones:message they are posted too, in an element message
 * `defcn-events` for a frame in which something happened, with `timestamp`,
 * `stream-time`, `running-time` and `duration` (guint64), `width` and `height`
 * (gint), and `events`, a #GstValueArray of structures with the fields above
 * and `x_min`, `x_max`, `y_min`, `y_max` (gdouble, 0..1 of the frame).
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors threshold=0.1 ! defcntrack !
 *     defcnzones
 *     zones="door: line 0.1,0.5 0.9,0.5; yard: polygon 0,0 1,0 1,1" !
 *     defcnpublish ! fakesink
 * ]| Writes who goes through a door and how many are in a yard.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors threshold=0.1 ! defcntrack !
 *     defcnzones config=zones.json ! defcnoverlay ! videoconvert !
 *     autovideosink
 * ]| Shows them.
 *
 * Since: 0.3
 */
#include "gstdefcnzones.h"

#include <gst/video/video.h>

#include "field.h"
#include "meta.h"
#include "scene.h"
#include "timing.h"
#include "zones/counter.h"
#include "zones/drawing.h"

GST_DEBUG_CATEGORY_STATIC (gst_defcn_zones_debug);
#define GST_CAT_DEFAULT gst_defcn_zones_debug

#define DEFAULT_LOST_AFTER 2000 /* ms, as long as defcntrack keeps a track */
#define MAX_MS (7 * 24 * 3600 * 1000u)

enum
{
  PROP_LOST_AFTER = GST_DEFCN_DRAWING_LAST,
  PROP_MESSAGE,
  PROP_STATS,
};

struct _GstDefcnZones
{
  GstBaseTransform parent;

  /* properties, under the object lock; what is drawn is set under both */
  GstDefcnDrawing drawing;
  guint lost_after;
  gboolean message;
  GArray *layout; /* for the next frame, NULL: as it is */

  GMutex edit; /* taken before the object lock: */
  gboolean running;
  char *config_text; /* of the file, NULL for none */

  GMutex counting;
  GstDefcnCounter *counter; /* of the last start */
  guint64 events;

  /* streaming thread */
  GstVideoInfo info;
  gint64 time; /* running time of the last frame */
  gboolean warned_lost, warned_untracked;
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

G_DEFINE_TYPE (GstDefcnZones, gst_defcn_zones, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (defcnzones, "defcnzones", GST_RANK_NONE,
    GST_TYPE_DEFCN_ZONES)

/* With the lock for edits: takes what is drawn for the next frame.  @read: the
 * file anew. */
static gboolean
redraw (GstDefcnZones *self, gboolean read, GError **error)
{
  GstDefcnDrawing drawing;
  char *text = NULL;
  GArray *layout = NULL, *old;

  GST_OBJECT_LOCK (self);
  drawing = gst_defcn_drawing_copy (&self->drawing);
  GST_OBJECT_UNLOCK (self);
  if (!read)
    text = g_strdup (self->config_text);
  if (!read || gst_defcn_drawing_read (&text, &drawing, error))
    layout = gst_defcn_drawing_layout (&drawing, text, error);
  gst_defcn_drawing_clear (&drawing);
  if (!layout) {
    g_free (text);
    return FALSE;
  }
  g_free (self->config_text);
  self->config_text = text;
  GST_OBJECT_LOCK (self);
  old = self->layout;
  self->layout = layout;
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&old, g_array_unref);
  return TRUE;
}

static gboolean
start (GstBaseTransform *base)
{
  GstDefcnZones *self = GST_DEFCN_ZONES (base);
  GError *error = NULL;

  g_mutex_lock (&self->edit);
  self->running = redraw (self, TRUE, &error);
  g_mutex_unlock (&self->edit);
  if (error) {
    gst_defcn_error_make_valid (error);
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message),
        (NULL));
    g_error_free (error);
    return FALSE;
  }
  g_mutex_lock (&self->counting);
  gst_defcn_counter_free (self->counter);
  self->counter = gst_defcn_counter_new ();
  self->events = 0;
  g_mutex_unlock (&self->counting);
  gst_video_info_init (&self->info);
  self->time = 0;
  self->warned_lost = self->warned_untracked = FALSE;
  return TRUE;
}

static gboolean
stop (GstBaseTransform *base)
{
  GstDefcnZones *self = GST_DEFCN_ZONES (base);

  g_mutex_lock (&self->edit);
  self->running = FALSE;
  g_mutex_unlock (&self->edit);
  return TRUE;
}

static gboolean
set_caps (GstBaseTransform *base, GstCaps *in, GstCaps *out)
{
  GstDefcnZones *self = GST_DEFCN_ZONES (base);

  if (!gst_video_info_from_caps (&self->info, in)) {
    GST_ERROR_OBJECT (self, "no video: %" GST_PTR_FORMAT, in);
    return FALSE;
  }
  self->warned_lost = self->warned_untracked = FALSE;
  return TRUE;
}

static gboolean
sink_event (GstBaseTransform *base, GstEvent *event)
{
  GstDefcnZones *self = GST_DEFCN_ZONES (base);
  const GstEventType type = GST_EVENT_TYPE (event);

  if (type == GST_EVENT_FLUSH_STOP || type == GST_EVENT_STREAM_START
      || (type == GST_EVENT_SEGMENT
          && gst_defcn_timing_shifts (&base->segment, event))) {
    GST_DEBUG_OBJECT (self, "%s: nobody is there", GST_EVENT_TYPE_NAME (event));
    g_mutex_lock (&self->counting);
    if (self->counter)
      gst_defcn_counter_break (self->counter);
    g_mutex_unlock (&self->counting);
  }
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_zones_parent_class)
      ->sink_event (base, event);
}

/* From the next frame on; the size of the picture is known. */
static void
take_layout (GstDefcnZones *self)
{
  const int width = GST_VIDEO_INFO_WIDTH (&self->info);
  const int height = GST_VIDEO_INFO_HEIGHT (&self->info);
  g_autoptr (GArray) layout = NULL;
  GQuark beyond;

  GST_OBJECT_LOCK (self);
  layout = g_steal_pointer (&self->layout);
  GST_OBJECT_UNLOCK (self);
  if (!layout)
    return;
  g_mutex_lock (&self->counting);
  beyond = gst_defcn_counter_set_layout (self->counter, layout, width, height);
  g_mutex_unlock (&self->counting);
  GST_DEBUG_OBJECT (self, "%u places", layout->len);
  if (beyond)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("\"%s\" reaches beyond the picture of %dx%d pixels.",
            g_quark_to_string (beyond), width, height),
        ("Say by resolution=WIDTHxHEIGHT which picture its pixels are of."));
}

/* Whether somebody says what there is in the frame.  *@lost: objects whose
 * boxes are lost. */
static gboolean
is_known (GstBuffer *buffer, guint *lost)
{
  g_autoptr (GArray) marks = g_array_new (FALSE, FALSE, sizeof (GstDefcnMark));
  gboolean known = gst_defcn_meta_read_marks (buffer, marks) == 0;

  *lost = 0;
  for (guint i = 0; i < marks->len; i++) {
    const GstDefcnMark *mark = &g_array_index (marks, GstDefcnMark, i);

    *lost += mark->lost;
    known |= mark->inferred || mark->repeated || mark->predicted;
  }
  return known && !*lost;
}

static void
warn (GstDefcnZones *self, guint lost, guint untracked)
{
  if (lost && !self->warned_lost) {
    self->warned_lost = TRUE;
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("The boxes of %u objects are lost: since defcndetect the picture was "
         "cropped, turned or put into borders.",
            lost),
        ("Count before that, or detect after it."));
  }
  if (untracked && !self->warned_untracked) {
    self->warned_untracked = TRUE;
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("%u objects have no track: they count for the occupancy of zones "
         "alone.",
            untracked),
        ("Put defcntrack before %s.", GST_OBJECT_NAME (self)));
  }
}

static void
post_events (GstDefcnZones *self, GstBuffer *buffer, const GArray *events)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const GstClockTime stream = gst_defcn_timing_stream (segment, pts);
  GValue value = G_VALUE_INIT;
  GstStructure *s = gst_structure_new (GST_DEFCN_META_EVENTS_NAME, "timestamp",
      G_TYPE_UINT64, pts, "stream-time", G_TYPE_UINT64, stream, "running-time",
      G_TYPE_UINT64, gst_defcn_timing_running (segment, pts), "duration",
      G_TYPE_UINT64, GST_BUFFER_DURATION (buffer), "width", G_TYPE_INT,
      GST_VIDEO_INFO_WIDTH (&self->info), "height", G_TYPE_INT,
      GST_VIDEO_INFO_HEIGHT (&self->info), NULL);

  gst_defcn_scene_events_to_value (&value, events, TRUE);
  gst_structure_take_value (s, "events", &value);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), s));
}

static GstFlowReturn
transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstDefcnZones *self = GST_DEFCN_ZONES (base);
  const GstVideoInfo *info = &self->info;
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();
  GstDefcnCounterFrame frame = { .aspect = (double) info->width * info->par_n
        / info->par_d / info->height };
  guint lost, untracked;

  take_layout (self);
  self->time = gst_defcn_timing_next (self->time, &base->segment, info,
      GST_BUFFER_PTS (buffer));
  frame.now = self->time;
  frame.known = is_known (buffer, &lost);
  gst_defcn_meta_read (buffer, objects, info->width, info->height);
  GST_OBJECT_LOCK (self);
  frame.lost_after = self->lost_after * (gint64) GST_MSECOND;
  const gboolean message = self->message;
  GST_OBJECT_UNLOCK (self);

  g_mutex_lock (&self->counting);
  untracked = gst_defcn_counter_update (self->counter, objects, &frame, events);
  gst_defcn_counter_read (self->counter, places);
  self->events += events->len;
  g_mutex_unlock (&self->counting);
  warn (self, lost, places->len ? untracked : 0);
  gst_defcn_scene_attach (buffer, places, events);
  if (message && events->len)
    post_events (self, buffer, events);
  return GST_FLOW_OK;
}

static void
reset (GstDefcnZones *self)
{
  g_mutex_lock (&self->counting);
  if (self->counter)
    gst_defcn_counter_reset (self->counter);
  self->events = 0;
  g_mutex_unlock (&self->counting);
}

static GstStructure *
stats_of (GstDefcnZones *self)
{
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  GValue value = G_VALUE_INIT;
  GstStructure *s = gst_structure_new_empty ("defcn-zones");

  g_mutex_lock (&self->counting);
  if (self->counter)
    gst_defcn_counter_read (self->counter, places);
  gst_structure_set (s, "events", G_TYPE_UINT64, self->events, NULL);
  g_mutex_unlock (&self->counting);
  gst_defcn_scene_places_to_value (&value, places);
  gst_structure_take_value (s, "places", &value);
  return s;
}

/* What is drawn is drawn anew, or if that fails stays as it was. */
static void
set_drawn (GstDefcnZones *self, guint id, const GValue *value,
    GParamSpec *pspec)
{
  gpointer field =
      G_STRUCT_MEMBER_P (&self->drawing, gst_defcn_drawing_field (id));
  GValue old = G_VALUE_INIT;
  GError *error = NULL;

  g_value_init (&old, G_PARAM_SPEC_VALUE_TYPE (pspec));
  g_mutex_lock (&self->edit);
  GST_OBJECT_LOCK (self);
  gst_defcn_field_get (&old, field);
  gst_defcn_field_set (field, value);
  GST_OBJECT_UNLOCK (self);
  if (self->running && !redraw (self, id == GST_DEFCN_DRAWING_CONFIG, &error)) {
    GST_OBJECT_LOCK (self);
    gst_defcn_field_set (field, &old);
    GST_OBJECT_UNLOCK (self);
  }
  g_mutex_unlock (&self->edit);
  g_value_unset (&old);
  if (!error)
    return;
  gst_defcn_error_make_valid (error);
  GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS, ("%s", error->message),
      ("The old value of \"%s\" goes on.", pspec->name));
  g_error_free (error);
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDefcnZones *self = GST_DEFCN_ZONES (object);

  if (id < GST_DEFCN_DRAWING_LAST) {
    set_drawn (self, id, value, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  if (id == PROP_LOST_AFTER)
    self->lost_after = g_value_get_uint (value);
  else
    self->message = g_value_get_boolean (value);
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDefcnZones *self = GST_DEFCN_ZONES (object);

  if (id == PROP_STATS) {
    g_value_take_boxed (value, stats_of (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  if (id == PROP_LOST_AFTER)
    g_value_set_uint (value, self->lost_after);
  else if (id == PROP_MESSAGE)
    g_value_set_boolean (value, self->message);
  else
    gst_defcn_field_get (value,
        G_STRUCT_MEMBER_P (&self->drawing, gst_defcn_drawing_field (id)));
  GST_OBJECT_UNLOCK (self);
}

static void
finalize (GObject *object)
{
  GstDefcnZones *self = GST_DEFCN_ZONES (object);

  gst_defcn_drawing_clear (&self->drawing);
  g_free (self->config_text);
  g_clear_pointer (&self->layout, g_array_unref);
  gst_defcn_counter_free (self->counter);
  g_mutex_clear (&self->edit);
  g_mutex_clear (&self->counting);
  G_OBJECT_CLASS (gst_defcn_zones_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags =
      G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS;

  gst_defcn_drawing_install (klass);
  g_object_class_install_property (klass, PROP_LOST_AFTER,
      g_param_spec_uint ("lost-after", "Lost after",
          "How long a track may be out of sight until it leaves its zones, in "
          "ms",
          0, MAX_MS, DEFAULT_LOST_AFTER, flags));
  g_object_class_install_property (klass, PROP_MESSAGE,
      g_param_spec_boolean ("message", "Message",
          "Post an element message defcn-events for every frame in which "
          "something happened",
          FALSE, flags));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "All counts since the start or the last reset: places, an array of "
          "structures, and events, how many there were",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_defcn_zones_class_init (GstDefcnZonesClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_defcn_zones_debug, "defcnzones", 0,
      "counts at zones and lines");
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties (object);
  /**
   * GstDefcnZones::reset:
   *
   * Action: all counts begin anew; who is in a zone stays in it.
   */
  g_signal_new_class_handler ("reset", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, G_CALLBACK (reset), NULL, NULL, NULL,
      G_TYPE_NONE, 0);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Zone counter",
      "Filter/Analyzer/Video",
      "Counts who is in which zone and who goes over which line",
      "The defcn authors");
  base->start = GST_DEBUG_FUNCPTR (start);
  base->stop = GST_DEBUG_FUNCPTR (stop);
  base->set_caps = GST_DEBUG_FUNCPTR (set_caps);
  base->sink_event = GST_DEBUG_FUNCPTR (sink_event);
  base->transform_ip = GST_DEBUG_FUNCPTR (transform_ip);
}

static void
gst_defcn_zones_init (GstDefcnZones *self)
{
  gst_defcn_drawing_init (&self->drawing);
  self->lost_after = DEFAULT_LOST_AFTER;
  g_mutex_init (&self->edit);
  g_mutex_init (&self->counting);
  /* The base class's throws away whole frames. */
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}
