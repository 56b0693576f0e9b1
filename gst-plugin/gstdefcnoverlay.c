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
 *
 * Since: 0.1
 */
#include "gstdefcnoverlay.h"

#include "field.h"
#include "list.h"
#include "meta.h"
#include "paint.h"
#include "view.h"

GST_DEBUG_CATEGORY_STATIC (gst_defcn_overlay_debug);
#define GST_CAT_DEFAULT gst_defcn_overlay_debug

#define CAPS GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)

#define DEFAULT_SHOW_LABELS TRUE
#define DEFAULT_THICKNESS 2
#define DEFAULT_COLOR 0

enum
{
  PROP_0,
  PROP_SHOW_LABELS,
  PROP_THICKNESS,
  PROP_COLOR,
  PROP_HIDE_LABELS,
};

/* How boxes are drawn. */
typedef struct
{
  gboolean show_labels;
  guint thickness;
  guint color; /* 0: by class */
} Style;

struct _GstDefcnOverlay
{
  GstVideoFilter parent;

  /* properties, under the object lock */
  Style style;
  char *hide_labels;
  char **hidden; /* hide_labels, split */

  /* Streaming thread: what the current frame gets.  Decided once for each,
   * lest a property that is set meanwhile has a frame drawn on that nobody
   * made writable. */
  Style frame_style;
  GArray *objects; /* GstDefcnObject */
  gboolean warned; /* of lost boxes, since the caps */
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

G_DEFINE_TYPE (GstDefcnOverlay, gst_defcn_overlay, GST_TYPE_VIDEO_FILTER)
GST_ELEMENT_REGISTER_DEFINE (defcnoverlay, "defcnoverlay", GST_RANK_NONE,
    GST_TYPE_DEFCN_OVERLAY)

/* Bright colours that differ for neighbouring classes. */
static guint32
class_color (int label_id)
{
  static const guint32 colors[] = { 0x2ecc40, 0xff4136, 0x0074d9, 0xff851b,
    0xb10dc9, 0x39cccc, 0xf012be, 0xffdc00, 0x01ff70, 0x7fdbff };

  return colors[MAX (label_id, 0) % G_N_ELEMENTS (colors)];
}

static guint32
box_color (const GstDefcnObject *object, const Style *style)
{
  return style->color ? style->color : class_color (object->label_id);
}

/* White on dark colours, by their luma, and black on others. */
static guint32
ink_color (guint32 rgb)
{
  const guint luma =
      299 * (rgb >> 16 & 255) + 587 * (rgb >> 8 & 255) + 114 * (rgb & 255);

  return luma < 110 * 1000 ? 0xffffff : 0x000000;
}

static GstDefcnPixels
object_pixels (const GstDefcnObject *object, const GstDefcnView *view)
{
  const GstDefcnPixels *all = &view->visible;
  GstDefcnPixels p = gst_defcn_object_pixels (object, all->w, all->h);

  p.x += all->x;
  p.y += all->y;
  return p;
}

/* (transfer full): "#ID CLASS CONFIDENCE", as much of it as is known. */
static char *
label_text (const GstDefcnObject *object)
{
  GString *text = g_string_new (NULL);

  if (object->track.id)
    g_string_append_printf (text, "#%" G_GINT64_FORMAT " ", object->track.id);
  g_string_append (text,
      object->label ? g_quark_to_string (object->label) : "?");
  if (object->confidence >= 0)
    g_string_append_printf (text, " %.2f", object->confidence);
  return g_string_free (text, FALSE);
}

static void
draw_label (GstDefcnView *view, const GstDefcnObject *object,
    const Style *style)
{
  GstVideoFrame *frame = &view->frame;
  const GstDefcnPixels *all = &view->visible;
  const GstDefcnPixels box = object_pixels (object, view);
  const guint32 color = box_color (object, style);
  const int scale = MAX (1, all->h / 400);
  const int height = 9 * scale;
  g_autofree char *text = label_text (object);
  const int width = gst_defcn_paint_text_width (text, scale) + scale;
  /* Inside the picture as far as it fits. */
  const int x = MAX (MIN (box.x, all->x + all->w - width), all->x);
  const int y = MAX (box.y - height, all->y);
  GstDefcnPaint back, ink;

  gst_defcn_paint_init (&back, &frame->info, color);
  gst_defcn_paint_init (&ink, &frame->info, ink_color (color));
  gst_defcn_paint_rect (frame, &back, x, y, width, height);
  gst_defcn_paint_text (frame, &ink, x + scale, y + scale, scale, text);
}

static void
draw_box (GstDefcnView *view, const GstDefcnObject *object, const Style *style)
{
  GstVideoFrame *frame = &view->frame;
  const GstDefcnPixels box = object_pixels (object, view);
  /* Lines stay inside a box that is smaller than they are wide. */
  const int thickness = (int) style->thickness;
  const int across = MIN (thickness, box.w), right = box.x + box.w - across;
  const int down = MIN (thickness, box.h), bottom = box.y + box.h - down;
  GstDefcnPaint paint;

  gst_defcn_paint_init (&paint, &frame->info, box_color (object, style));
  gst_defcn_paint_rect (frame, &paint, box.x, box.y, box.w, down);
  gst_defcn_paint_rect (frame, &paint, box.x, bottom, box.w, down);
  gst_defcn_paint_rect (frame, &paint, box.x, box.y, across, box.h);
  gst_defcn_paint_rect (frame, &paint, right, box.y, across, box.h);
}

/* The best on top, and no label under a box. */
static void
draw_objects (GstDefcnView *view, const GArray *objects, const Style *style)
{
  for (guint i = objects->len; i-- > 0;)
    draw_box (view, &g_array_index (objects, GstDefcnObject, i), style);
  for (guint i = style->show_labels ? objects->len : 0; i-- > 0;)
    draw_label (view, &g_array_index (objects, GstDefcnObject, i), style);
}

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

/* Takes the detections of @buffer that are not hidden, and the style. */
static void
decide (GstDefcnOverlay *self, GstBuffer *buffer)
{
  const GstVideoInfo *info = &GST_VIDEO_FILTER (self)->in_info;
  GstDefcnMark mark;

  g_array_set_size (self->objects, 0);
  gst_defcn_meta_read (buffer, self->objects, GST_VIDEO_INFO_WIDTH (info),
      GST_VIDEO_INFO_HEIGHT (info));
  GST_OBJECT_LOCK (self);
  self->frame_style = self->style;
  for (guint i = self->objects->len; self->hidden && i-- > 0;) {
    const GQuark label = g_array_index (self->objects, GstDefcnObject, i).label;

    if (label
        && g_strv_contains ((const char *const *) self->hidden,
            g_quark_to_string (label)))
      g_array_remove_index (self->objects, i);
  }
  GST_OBJECT_UNLOCK (self);
  if (gst_defcn_meta_read_mark (buffer, &mark)
      && (mark.repeated || mark.predicted))
    self->frame_style.thickness = 1;
  warn_lost (self, mark.lost);
}

/* The base class makes the buffer writable, a copy of the frame if others hold
 * it too: only for frames that have something to draw. */
static GstFlowReturn
prepare_output_buffer (GstBaseTransform *base, GstBuffer *in, GstBuffer **out)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (base);

  decide (self, in);
  if (self->objects->len == 0) {
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
  return TRUE;
}

/* Maps by itself: GstVideoFilter would map even what is not drawn on. */
static GstFlowReturn
transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (base);
  g_autoptr (GError) error = NULL;
  GstDefcnView view;

  if (self->objects->len == 0)
    return GST_FLOW_OK;
  if (!gst_defcn_view_map (&view, buffer, &GST_VIDEO_FILTER (self)->in_info,
          GST_MAP_READWRITE | GST_VIDEO_FRAME_MAP_FLAG_NO_REF, &error)) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("%s", error->message), (NULL));
    return GST_FLOW_ERROR;
  }
  draw_objects (&view, self->objects, &self->frame_style);
  gst_defcn_view_unmap (&view);
  return GST_FLOW_OK;
}

#define FIELD(member) G_STRUCT_OFFSET (GstDefcnOverlay, member)
static const gsize fields[] = {
  [PROP_SHOW_LABELS] = FIELD (style.show_labels),
  [PROP_THICKNESS] = FIELD (style.thickness),
  [PROP_COLOR] = FIELD (style.color),
  [PROP_HIDE_LABELS] = FIELD (hide_labels),
};

/* With the lock held. */
static void
split_hidden (GstDefcnOverlay *self)
{
  g_strfreev (self->hidden);
  self->hidden =
      self->hide_labels ? gst_defcn_list_split (self->hide_labels) : NULL;
  for (guint i = 0; self->hidden && self->hidden[i]; i++)
    g_strstrip (self->hidden[i]);
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (object);

  GST_OBJECT_LOCK (self);
  gst_defcn_field_set (G_STRUCT_MEMBER_P (self, fields[id]), value);
  if (id == PROP_HIDE_LABELS)
    split_hidden (self);
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (object);

  GST_OBJECT_LOCK (self);
  gst_defcn_field_get (value, G_STRUCT_MEMBER_P (self, fields[id]));
  GST_OBJECT_UNLOCK (self);
}

static void
finalize (GObject *object)
{
  GstDefcnOverlay *self = GST_DEFCN_OVERLAY (object);

  g_free (self->hide_labels);
  g_strfreev (self->hidden);
  g_array_unref (self->objects);
  G_OBJECT_CLASS (gst_defcn_overlay_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags =
      G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS;

  g_object_class_install_property (klass, PROP_SHOW_LABELS,
      g_param_spec_boolean ("show-labels", "Show labels",
          "Draw id, class and confidence above the box", DEFAULT_SHOW_LABELS,
          flags));
  g_object_class_install_property (klass, PROP_THICKNESS,
      g_param_spec_uint ("thickness", "Thickness",
          "Width of the lines in pixels; those of repeated and predicted boxes "
          "are always thin",
          1, 100, DEFAULT_THICKNESS, flags));
  g_object_class_install_property (klass, PROP_COLOR,
      g_param_spec_uint ("color", "Colour",
          "Colour of all boxes and labels, 0xRRGGBB; 0: one per class", 0,
          0xffffff, DEFAULT_COLOR, flags));
  g_object_class_install_property (klass, PROP_HIDE_LABELS,
      g_param_spec_string ("hide-labels", "Hide labels",
          "Classes that are not drawn: person,car (\\\\, for a comma within a "
          "name)",
          NULL, flags));
}

static void
gst_defcn_overlay_class_init (GstDefcnOverlayClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_defcn_overlay_debug, "defcnoverlay", 0,
      "draws detections");
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties (object);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Detection overlay",
      "Analyzer/Visualization/Video", "Draws detections into the picture",
      "The defcn authors");
  base->prepare_output_buffer = GST_DEBUG_FUNCPTR (prepare_output_buffer);
  base->transform_ip = GST_DEBUG_FUNCPTR (transform_ip);
  GST_VIDEO_FILTER_CLASS (klass)->set_info = GST_DEBUG_FUNCPTR (set_info);
}

static void
gst_defcn_overlay_init (GstDefcnOverlay *self)
{
  self->style =
      (Style){ DEFAULT_SHOW_LABELS, DEFAULT_THICKNESS, DEFAULT_COLOR };
  self->objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  /* Drawing is quick: a late frame that is thrown away here is lost, and
   * whoever was late is upstream. */
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}
