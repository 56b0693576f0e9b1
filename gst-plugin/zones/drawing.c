/* What the properties of defcnzones draw. */
#include "drawing.h"

#include <gst/gst.h>
#include <string.h>

#include "config.h"
#include "object.h"
#include "text.h"

#define DEFAULT_HYSTERESIS 0.1f
#define MAX_MS (7 * 24 * 3600 * 1000u)

static void
install_texts (GObjectClass *klass, GParamFlags flags)
{
  g_object_class_install_property (klass, GST_DEFCN_DRAWING_ZONES,
      g_param_spec_string ("zones", "Zones",
          "Zones and lines: \"NAME: polygon X,Y X,Y X,Y ..; NAME: line X,Y "
          "X,Y\", in 0..1 of the picture or in pixels, with options "
          "classes=A,B min-time=MS loitering=MS anchor=A hysteresis=H "
          "resolution=WxH",
          NULL, flags));
  g_object_class_install_property (klass, GST_DEFCN_DRAWING_CONFIG,
      g_param_spec_string ("config", "Config",
          "JSON file of zones and lines, besides those of \"zones\"; setting "
          "it again reads it again",
          NULL, flags));
  g_object_class_install_property (klass, GST_DEFCN_DRAWING_RESOLUTION,
      g_param_spec_string ("resolution", "Resolution",
          "WIDTHxHEIGHT of the picture that points in pixels refer to (NULL: "
          "the one that there is when they come into force)",
          NULL, flags));
}

void
gst_defcn_drawing_install (GObjectClass *klass)
{
  const GParamFlags flags =
      G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS;

  install_texts (klass, flags);
  g_object_class_install_property (klass, GST_DEFCN_DRAWING_ANCHOR,
      g_param_spec_enum ("anchor", "Anchor",
          "Point of its box that an object is at", GST_TYPE_DEFCN_ANCHOR,
          GST_DEFCN_ANCHOR_FEET, flags));
  g_object_class_install_property (klass, GST_DEFCN_DRAWING_HYSTERESIS,
      g_param_spec_float ("hysteresis", "Hysteresis",
          "How far beyond a border or a line an object has to be to have left "
          "or crossed it, of its height",
          0, 1, DEFAULT_HYSTERESIS, flags));
  g_object_class_install_property (klass, GST_DEFCN_DRAWING_MIN_TIME,
      g_param_spec_uint ("min-time", "Min. time",
          "How long an object has to be in a zone to have entered it, in ms", 0,
          MAX_MS, 0, flags));
  g_object_class_install_property (klass, GST_DEFCN_DRAWING_LOITERING,
      g_param_spec_uint ("loitering", "Loitering",
          "How long an object is in a zone until there is an event zone-dwell, "
          "in ms (0: never)",
          0, MAX_MS, 0, flags));
  gst_type_mark_as_plugin_api (GST_TYPE_DEFCN_ANCHOR, 0);
}

void
gst_defcn_drawing_init (GstDefcnDrawing *drawing)
{
  *drawing = (GstDefcnDrawing){ .anchor = GST_DEFCN_ANCHOR_FEET,
    .hysteresis = DEFAULT_HYSTERESIS };
}

GstDefcnDrawing
gst_defcn_drawing_copy (const GstDefcnDrawing *drawing)
{
  GstDefcnDrawing copy = *drawing;

  copy.zones = g_strdup (drawing->zones);
  copy.config = g_strdup (drawing->config);
  copy.resolution = g_strdup (drawing->resolution);
  return copy;
}

void
gst_defcn_drawing_clear (GstDefcnDrawing *drawing)
{
  g_clear_pointer (&drawing->zones, g_free);
  g_clear_pointer (&drawing->config, g_free);
  g_clear_pointer (&drawing->resolution, g_free);
}

gboolean
gst_defcn_drawing_read (char **text, const GstDefcnDrawing *drawing,
    GError **error)
{
  const char *path = drawing->config;
  gsize size = 0;
  gboolean good;

  *text = NULL;
  if (!path || !*path)
    return TRUE;
  if (g_file_test (path, G_FILE_TEST_EXISTS)
      && !g_file_test (path, G_FILE_TEST_IS_REGULAR))
    good = gst_defcn_error_settings (error, "%s is no regular file", path);
  else
    good = g_file_get_contents (path, text, &size, error);
  if (good && strlen (*text) < size) {
    g_clear_pointer (text, g_free);
    good = gst_defcn_error_settings (error, "%s is no text", path);
  }
  if (!good)
    g_prefix_error (error, "config: ");
  return good;
}

GArray *
gst_defcn_drawing_layout (const GstDefcnDrawing *drawing, const char *text,
    GError **error)
{
  g_autoptr (GArray) layout = gst_defcn_layout_new ();
  GstDefcnLayoutOptions defaults = {
    .anchor = (GstDefcnAnchor) drawing->anchor,
    .hysteresis = drawing->hysteresis,
    .min_time = drawing->min_time,
    .loitering = drawing->loitering,
  };

  if (drawing->resolution && *drawing->resolution
      && !gst_defcn_layout_set_option (&defaults, "resolution",
          drawing->resolution, error))
    return NULL;
  if (text
      && !gst_defcn_config_parse (layout, text, drawing->config, &defaults,
          error))
    return NULL;
  if (drawing->zones
      && !gst_defcn_text_parse (layout, drawing->zones, &defaults, error)) {
    g_prefix_error (error, "zones: ");
    return NULL;
  }
  return g_steal_pointer (&layout);
}

#define FIELD(member) G_STRUCT_OFFSET (GstDefcnDrawing, member)
gsize
gst_defcn_drawing_field (guint id)
{
  static const gsize fields[] = {
    [GST_DEFCN_DRAWING_ZONES] = FIELD (zones),
    [GST_DEFCN_DRAWING_CONFIG] = FIELD (config),
    [GST_DEFCN_DRAWING_RESOLUTION] = FIELD (resolution),
    [GST_DEFCN_DRAWING_ANCHOR] = FIELD (anchor),
    [GST_DEFCN_DRAWING_HYSTERESIS] = FIELD (hysteresis),
    [GST_DEFCN_DRAWING_MIN_TIME] = FIELD (min_time),
    [GST_DEFCN_DRAWING_LOITERING] = FIELD (loitering),
  };

  return fields[id];
}
