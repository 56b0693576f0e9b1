/**
 * SECTION:element-defcnoverlay
 * @title: defcnoverlay
 * @short_description: draws detections into the picture
 *
 * Draws a box and a label for every detection that the buffer carries, from
 * defcndetect or any other element that writes region of interest or (GStreamer
 * 1.24) analytics metadata.  Frames without any pass untouched and uncopied.
 * Boxes that defcndetect repeated from an earlier frame, or defcntrack has
 * predicted, are drawn with thin lines; what defcntrack follows has its id
 * before the label: "#7 person 0.81".  Where the picture was cropped, turned or
 * put into borders after defcndetect, its boxes are lost: nothing is drawn, and
 * a warning says so.
 *
 * #GstDefcnOverlay:label-format says what a label tells.  Text between braces
 * is a field: `label`, `class` (its number), `confidence`, `id`, `age` (whole
 * seconds since defcntrack has found it first), `state` ("new" or "confirmed")
 * and `detector` (the name of the element); "{{" and "}}" are braces.  A word
 * of which a field is not known, such as the id where nobody tracks, is left
 * out.
 *
 * Labels are of any script that a font is installed for, in
 * #GstDefcnOverlay:font, where the plugin was built with Pango; else, or with
 * `font=dots`, they are drawn in a font of dots of printable ASCII, with '?'
 * for the rest.
 *
 * The colour of an object is #GstDefcnOverlay:color, unless that is 0; else
 * what #GstDefcnOverlay:class-colors says of its class; else one by its class
 * or its id (#GstDefcnOverlay:color-by).
 *
 * #GstDefcnOverlay:trails draws where tracked objects have been, a line for
 * each id from the middle of the lower edge of its box, the thinner the older.
 * A seek and a new stream begin anew; another size of the picture does not.
 *
 * Zones and lines of defcnzones are drawn with their names and counts
 * (#GstDefcnOverlay:show-zones): a zone with the number of objects in it, a
 * line with an arrow to the side that is forward and "forward/backward".
 *
 * #GstDefcnOverlay:redact makes objects of these classes unrecognisable,
 * before anything is drawn: their boxes, widened by
 * #GstDefcnOverlay:redact-margin of their longer side, become coarse blocks.
 * It fails closed: where it is not certain that the boxes of all that were
 * found are there the whole picture becomes blocks, and a warning says why; so
 * it does on frames that nobody looked at and that have no repeated or
 * predicted boxes.  Whom the detector does not find is not hidden, nor who has
 * left the widened box since the last look.
 *
 * Lines of zones and trails are as wide as suits the size of the picture.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors ! defcnoverlay ! videoconvert !
 *     autovideosink
 * ]| Shows what is found in a file.
 * |[
 * gst-launch-1.0 videotestsrc ! defcndetect model=coco.safetensors !
 *     defcnoverlay thickness=4 color=0xff0000 hide-labels="car,bus" !
 *     videoconvert ! autovideosink
 * ]| Draws thick red boxes around everything but cars and buses.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors threshold=0.1 ! defcntrack !
 *     defcnoverlay color-by=id trails=3
 *     label-format="{label} #{id} {age}s" ! videoconvert ! autovideosink
 * ]| Shows who is who, for how long, and where everybody has been.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors ! defcnoverlay redact=person
 *     hide-labels=person ! videoconvert ! autovideosink
 * ]| Shows everything but who the people are.
 *
 * Since: 0.1
 */
#include "gstdefcnoverlay.h"

#include "meta.h"
#include "overlay/draw.h"
#include "overlay/style.h"
#include "overlay/trails.h"
#include "redact.h"
#include "scene.h"
#include "view.h"

GST_DEBUG_CATEGORY_STATIC (gst_defcn_overlay_debug);
#define GST_CAT_DEFAULT gst_defcn_overlay_debug

#define CAPS GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)

struct _GstDefcnOverlay
{
  GstVideoFilter parent;

  /* under the object lock */
  GstDefcnStyle style; /* the properties */
  gboolean started;
  gboolean anew; /* the trails */

  /* Streaming thread: what the current frame gets.  Decided once for each,
   * lest a property that is set meanwhile has a frame drawn on that nobody
   * made writable. */
  GstDefcnStyle frame_style;
  GArray *objects; /* GstDefcnObject */
  GArray *places;  /* GstDefcnScenePlace */
  GstDefcnRedaction redaction;

  GstDefcnTrails *trails;
  gint64 time; /* running time of the last frame */
  GstDefcnText *text;
  char *text_font;
  int text_size, text_width;
  gboolean warned;          /* of lost boxes, since the caps */
  gboolean warned_redacted; /* that a whole picture was, likewise */
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

G_DEFINE_TYPE (GstDefcnOverlay, gst_defcn_overlay, GST_TYPE_VIDEO_FILTER)
GST_ELEMENT_REGISTER_DEFINE (defcnoverlay, "defcnoverlay", GST_RANK_NONE,
    GST_TYPE_DEFCN_OVERLAY)

/* What the current frame gets. */

static void
warn_lost (GstDefcnOverlay *self, guint lost)
{
  if (!lost || self->warned)
    return;
  self->warned = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("The boxes of %u objects are lost: since defcndetect the picture was "
       "cropped, turned or put into borders.",
          lost),
      ("Draw before that, or detect after it."));
}

static void
warn_redacted (GstDefcnOverlay *self)
{
  if (!self->redaction.why || self->warned_redacted)
    return;
  self->warned_redacted = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("A whole picture is made unrecognisable: %s.", self->redaction.why),
      ("Others may be too, which nothing says again."));
}

/* With the lock held. */
static void
hide_objects (GstDefcnOverlay *self)
{
  const char *const *hidden = (const char *const *) self->style.hidden;

  for (guint i = self->objects->len; hidden && i-- > 0;) {
    const GQuark label = g_array_index (self->objects, GstDefcnObject, i).label;

    if (label && g_strv_contains (hidden, g_quark_to_string (label)))
      g_array_remove_index (self->objects, i);
  }
}

/* Without timestamps frames are as far apart as the caps say, or 1/25 s. */
static gint64
frame_time (GstDefcnOverlay *self, GstBuffer *buffer)
{
  const GstVideoInfo *info = &GST_VIDEO_FILTER (self)->in_info;
  const GstClockTime running =
      gst_segment_to_running_time (&GST_BASE_TRANSFORM (self)->segment,
          GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));

  if (GST_CLOCK_TIME_IS_VALID (running))
    self->time = (gint64) running;
  else if (info->fps_n > 0)
    self->time += (gint64) gst_util_uint64_scale_int (GST_SECOND, info->fps_d,
        info->fps_n);
  else
    self->time += GST_SECOND / 25;
  return self->time;
}

static void
follow (GstDefcnOverlay *self, GstBuffer *buffer, gboolean anew)
{
  const float keep = self->frame_style.trails;
  const gint64 now = frame_time (self, buffer);

  if (keep <= 0 || anew)
    gst_defcn_trails_clear (self->trails);
  if (keep > 0)
    gst_defcn_trails_follow (self->trails, self->objects,
        &self->frame_style.colors, now, (gint64) (keep * GST_SECOND));
}

/* Takes what @buffer has that is not hidden, and the style. */
static void
decide (GstDefcnOverlay *self, GstBuffer *buffer)
{
  const GstVideoInfo *info = &GST_VIDEO_FILTER (self)->in_info;
  const int width = GST_VIDEO_INFO_WIDTH (info);
  const int height = GST_VIDEO_INFO_HEIGHT (info);
  GstDefcnMark mark;
  gboolean anew;

  g_array_set_size (self->objects, 0);
  g_array_set_size (self->places, 0);
  gst_defcn_redact_clear (&self->redaction);
  gst_defcn_meta_read (buffer, self->objects, width, height);
  GST_OBJECT_LOCK (self);
  gst_defcn_style_take (&self->frame_style, &self->style);
  hide_objects (self);
  gst_defcn_redact_judge (&self->redaction, buffer,
      (const char *const *) self->style.redacted, self->style.redact_margin,
      width, height);
  anew = self->anew;
  self->anew = FALSE;
  GST_OBJECT_UNLOCK (self);
  if (self->frame_style.show_zones)
    gst_defcn_scene_read_places (buffer, self->places);
  follow (self, buffer, anew);
  if (gst_defcn_meta_read_mark (buffer, &mark)
      && (mark.repeated || mark.predicted))
    self->frame_style.thickness = 1;
  warn_lost (self, mark.lost);
  warn_redacted (self);
}

static gboolean
has_anything (const GstDefcnOverlay *self)
{
  return self->objects->len || self->places->len
      || gst_defcn_trails_are_seen (self->trails)
      || gst_defcn_redact_is_needed (&self->redaction);
}

/* The base class makes the buffer writable, a copy of the frame if others hold
 * it too: only for frames that have something to draw. */
static GstFlowReturn
prepare_output_buffer (GstBaseTransform *base, GstBuffer *in, GstBuffer **out)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (base);

  decide (self, in);
  if (!has_anything (self)) {
    *out = in;
    return GST_FLOW_OK;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_overlay_parent_class)
      ->prepare_output_buffer (base, in, out);
}

static gboolean
set_info (GstVideoFilter *filter, GstCaps *in, GstVideoInfo *in_info,
    GstCaps *out, GstVideoInfo *out_info)
{
  GST_DEFCN_OVERLAY (filter)->warned = FALSE;
  GST_DEFCN_OVERLAY (filter)->warned_redacted = FALSE;
  return TRUE;
}

/* In the font and the size that the frame wants. */
static GstDefcnText *
text_for (GstDefcnOverlay *self, int width, int height)
{
  const guint wanted = self->frame_style.font_size;
  const int size =
      wanted ? (int) wanted : gst_defcn_draw_font_size (width, height);

  if (!self->text || size != self->text_size || width != self->text_width
      || g_strcmp0 (self->frame_style.font, self->text_font) != 0) {
    gst_defcn_text_free (self->text);
    g_free (self->text_font);
    self->text_font = g_strdup (self->frame_style.font);
    self->text_size = size;
    self->text_width = width;
    self->text = gst_defcn_text_new (self->text_font, size, width);
  }
  gst_defcn_text_trim (self->text);
  return self->text;
}

/* The best on top, and no label under a box. */
static void
draw (GstDefcnOverlay *self, GstDefcnView *view)
{
  const GstDefcnStyle *style = &self->frame_style;
  const GstDefcnPixels *visible = &view->visible;
  const int thickness = (int) style->thickness;
  const int line = gst_defcn_draw_line_width (visible->w, visible->h);
  GstDefcnText *text = text_for (self, visible->w, visible->h);
  GstDefcnCanvas canvas;

  if (gst_defcn_redact_is_needed (&self->redaction))
    gst_defcn_redact_apply (&self->redaction, &view->frame, visible);
  gst_defcn_canvas_begin (&canvas, &view->frame, visible);
  gst_defcn_draw_places (&canvas, text, self->places, line);
  gst_defcn_trails_draw (self->trails, &canvas, 2 * line);
  gst_defcn_draw_boxes (&canvas, self->objects, &style->colors, thickness);
  if (style->show_labels)
    gst_defcn_draw_labels (&canvas, text, self->objects, &style->colors,
        style->label);
  gst_defcn_canvas_end (&canvas);
}

/* Maps by itself: GstVideoFilter would map even what is not drawn on. */
static GstFlowReturn
transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (base);
  g_autoptr (GError) error = NULL;
  GstDefcnView view;

  if (!has_anything (self))
    return GST_FLOW_OK;
  if (!gst_defcn_view_map (&view, buffer, &GST_VIDEO_FILTER (self)->in_info,
          GST_MAP_READWRITE | GST_VIDEO_FRAME_MAP_FLAG_NO_REF, &error)) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("%s", error->message), (NULL));
    return GST_FLOW_ERROR;
  }
  draw (self, &view);
  gst_defcn_view_unmap (&view);
  return GST_FLOW_OK;
}

static gboolean
sink_event (GstBaseTransform *base, GstEvent *event)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (base);

  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP
      || GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    gst_defcn_trails_clear (self->trails);
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_overlay_parent_class)
      ->sink_event (base, event);
}

/* Finding fonts takes its time in a process that has not yet done so, which no
 * frame shall wait for. */
static void
find_font (const char *font)
{
  g_autoptr (GstDefcnText) text = gst_defcn_text_new (font, 10, 100);

  gst_defcn_text_run (text, "0");
}

static gboolean
start (GstBaseTransform *base)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (base);
  g_autofree char *font = NULL;
  g_autoptr (GError) error = NULL;

  self->time = 0;
  GST_OBJECT_LOCK (self);
  self->started = gst_defcn_style_parse (&self->style, &error);
  font = g_strdup (self->style.font);
  GST_OBJECT_UNLOCK (self);
  if (error) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message),
        (NULL));
    return FALSE;
  }
  find_font (font);
  return TRUE;
}

static gboolean
stop (GstBaseTransform *base)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (base);

  GST_OBJECT_LOCK (self);
  self->started = FALSE;
  GST_OBJECT_UNLOCK (self);
  gst_defcn_trails_clear (self->trails);
  g_clear_pointer (&self->text, gst_defcn_text_free);
  return TRUE;
}

static void
warn_font (GstDefcnOverlay *self, const char *font)
{
  if (font && !g_str_equal (font, GST_DEFCN_TEXT_DOTS)
      && !gst_defcn_text_has_pango ())
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("font: the plugin was built without Pango, and has the font \"%s\" "
         "alone.",
            GST_DEFCN_TEXT_DOTS),
        (NULL));
}

/* A string that does not parse is refused while the element runs; what it has
 * when it starts is checked there. */
static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (object);
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  gst_defcn_style_set (&self->style, id, value, self->started, &error);
  self->anew |= id == GST_DEFCN_STYLE_HIDE_LABELS;
  GST_OBJECT_UNLOCK (self);
  if (id == GST_DEFCN_STYLE_FONT)
    warn_font (self, g_value_get_string (value));
  if (error)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS, ("%s", error->message),
        ("The old value goes on."));
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (object);

  GST_OBJECT_LOCK (self);
  gst_defcn_style_get (&self->style, id, value);
  GST_OBJECT_UNLOCK (self);
}

static void
finalize (GObject *object)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (object);

  gst_defcn_style_clear (&self->style);
  gst_defcn_style_clear (&self->frame_style);
  g_free (self->text_font);
  gst_defcn_redact_clear (&self->redaction);
  gst_defcn_trails_free (self->trails);
  gst_defcn_text_free (self->text);
  g_array_unref (self->objects);
  g_array_unref (self->places);
  G_OBJECT_CLASS (gst_defcn_overlay_parent_class)->finalize (object);
}

static void
gst_defcn_overlay_class_init (GstDefcnOverlayClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_defcn_overlay_debug, "defcnoverlay", 0,
      "draws detections");
  gst_defcn_meta_register ();
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  gst_defcn_style_install (object);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Detection overlay",
      "Analyzer/Visualization/Video", "Draws detections into the picture",
      "The defcn authors");
  gst_type_mark_as_plugin_api (GST_TYPE_DEFCN_COLOR_BY, 0);
  base->start = GST_DEBUG_FUNCPTR (start);
  base->stop = GST_DEBUG_FUNCPTR (stop);
  base->sink_event = GST_DEBUG_FUNCPTR (sink_event);
  base->prepare_output_buffer = GST_DEBUG_FUNCPTR (prepare_output_buffer);
  base->transform_ip = GST_DEBUG_FUNCPTR (transform_ip);
  GST_VIDEO_FILTER_CLASS (klass)->set_info = GST_DEBUG_FUNCPTR (set_info);
}

static void
gst_defcn_overlay_init (GstDefcnOverlay *self)
{
  gst_defcn_style_init (&self->style);
  self->objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  self->places = gst_defcn_scene_places_new ();
  self->trails = gst_defcn_trails_new ();
  /* Drawing is quick: a late frame that is thrown away here is lost, and
   * whoever was late is upstream. */
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}
