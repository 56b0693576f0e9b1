/* How defcnoverlay draws. */
#include "style.h"

#include <gst/gst.h>

#include "field.h"
#include "list.h"
#include "redact.h"

#define DEFAULT_SHOW_LABELS TRUE
#define DEFAULT_SHOW_ZONES TRUE
#define DEFAULT_THICKNESS 2
#define DEFAULT_COLOR 0
#define DEFAULT_COLOR_BY GST_DEFCN_COLOR_BY_CLASS
#define DEFAULT_FONT_SIZE 0
#define DEFAULT_TRAILS 0

#define FIELD(member) G_STRUCT_OFFSET (GstDefcnStyle, member)
static const gsize fields[] = {
  [GST_DEFCN_STYLE_SHOW_LABELS] = FIELD (show_labels),
  [GST_DEFCN_STYLE_THICKNESS] = FIELD (thickness),
  [GST_DEFCN_STYLE_COLOR] = FIELD (colors.color),
  [GST_DEFCN_STYLE_HIDE_LABELS] = FIELD (hide_labels),
  [GST_DEFCN_STYLE_LABEL_FORMAT] = FIELD (label_format),
  [GST_DEFCN_STYLE_COLOR_BY] = FIELD (colors.by),
  [GST_DEFCN_STYLE_CLASS_COLORS] = FIELD (class_colors),
  [GST_DEFCN_STYLE_FONT] = FIELD (font),
  [GST_DEFCN_STYLE_FONT_SIZE] = FIELD (font_size),
  [GST_DEFCN_STYLE_TRAILS] = FIELD (trails),
  [GST_DEFCN_STYLE_SHOW_ZONES] = FIELD (show_zones),
  [GST_DEFCN_STYLE_REDACT] = FIELD (redact),
  [GST_DEFCN_STYLE_REDACT_MARGIN] = FIELD (redact_margin),
};

void
gst_defcn_style_init (GstDefcnStyle *style)
{
  *style = (GstDefcnStyle){
    .show_labels = DEFAULT_SHOW_LABELS,
    .show_zones = DEFAULT_SHOW_ZONES,
    .thickness = DEFAULT_THICKNESS,
    .font_size = DEFAULT_FONT_SIZE,
    .trails = DEFAULT_TRAILS,
    .redact_margin = GST_DEFCN_REDACT_MARGIN,
    .colors = { DEFAULT_COLOR, NULL, DEFAULT_COLOR_BY },
  };
}

static void
clear_parsed (GstDefcnStyle *style)
{
  g_clear_pointer (&style->label, gst_defcn_label_unref);
  g_clear_pointer (&style->colors.classes, g_hash_table_unref);
}

void
gst_defcn_style_clear (GstDefcnStyle *style)
{
  clear_parsed (style);
  g_clear_pointer (&style->font, g_free);
  g_clear_pointer (&style->hidden, g_strfreev);
  g_clear_pointer (&style->redacted, g_strfreev);
  g_clear_pointer (&style->hide_labels, g_free);
  g_clear_pointer (&style->label_format, g_free);
  g_clear_pointer (&style->class_colors, g_free);
  g_clear_pointer (&style->redact, g_free);
}

static char **
split_names (const char *text)
{
  char **names = text ? gst_defcn_list_split (text) : NULL;

  for (guint i = 0; names && names[i]; i++)
    g_strstrip (names[i]);
  return names;
}

static gboolean
check_font (const char *font, GError **error)
{
  if (!font || g_utf8_validate (font, -1, NULL))
    return TRUE;
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "font: it is no UTF-8.");
  return FALSE;
}

gboolean
gst_defcn_style_parse (GstDefcnStyle *style, GError **error)
{
  const char *format = style->label_format;
  g_autoptr (GstDefcnLabel) label = NULL;
  GHashTable *classes;

  if (!check_font (style->font, error))
    return FALSE;
  label =
      gst_defcn_label_new (format ? format : GST_DEFCN_LABEL_DEFAULT, error);
  if (!label)
    return FALSE;
  classes = gst_defcn_colors_parse (style->class_colors, error);
  if (!classes)
    return FALSE;
  clear_parsed (style);
  style->label = g_steal_pointer (&label);
  style->colors.classes = classes;
  return TRUE;
}

void
gst_defcn_style_take (GstDefcnStyle *copy, const GstDefcnStyle *style)
{
  char *font = g_steal_pointer (&copy->font);

  clear_parsed (copy);
  *copy = *style;
  copy->hidden = copy->redacted = NULL;
  copy->hide_labels = copy->label_format = NULL;
  copy->class_colors = copy->redact = NULL;
  gst_defcn_label_ref (copy->label);
  g_hash_table_ref (copy->colors.classes);
  if (g_strcmp0 (font, style->font) != 0) {
    g_free (font);
    font = g_strdup (style->font);
  }
  copy->font = font;
}

static void
set_names (char ***names, const char *text)
{
  g_strfreev (*names);
  *names = split_names (text);
}

static void
set_string (GstDefcnStyle *style, char **field, const GValue *value,
    gboolean parse, GError **error)
{
  g_autofree char *old = *field;

  *field = g_value_dup_string (value);
  if (parse && !gst_defcn_style_parse (style, error)) {
    g_free (*field);
    *field = g_steal_pointer (&old);
  }
}

void
gst_defcn_style_set (GstDefcnStyle *style, guint id, const GValue *value,
    gboolean parse, GError **error)
{
  gpointer field = G_STRUCT_MEMBER_P (style, fields[id]);

  if (id == GST_DEFCN_STYLE_LABEL_FORMAT || id == GST_DEFCN_STYLE_CLASS_COLORS
      || id == GST_DEFCN_STYLE_FONT)
    set_string (style, field, value, parse, error);
  else
    gst_defcn_field_set (field, value);
  if (id == GST_DEFCN_STYLE_HIDE_LABELS)
    set_names (&style->hidden, style->hide_labels);
  if (id == GST_DEFCN_STYLE_REDACT)
    set_names (&style->redacted, style->redact);
}

void
gst_defcn_style_get (const GstDefcnStyle *style, guint id, GValue *value)
{
  gst_defcn_field_get (value, G_STRUCT_MEMBER_P (style, fields[id]));
}

static void
install_text_properties (GObjectClass *klass, GParamFlags flags)
{
  g_object_class_install_property (klass, GST_DEFCN_STYLE_SHOW_LABELS,
      g_param_spec_boolean ("show-labels", "Show labels",
          "Draw what label-format says above the box", DEFAULT_SHOW_LABELS,
          flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_LABEL_FORMAT,
      g_param_spec_string ("label-format", "Label format",
          "What a label says, of the fields {label}, {class}, {confidence}, "
          "{id}, {age} (seconds), {state} and {detector}; a word of which a "
          "field is not known is left out; unset: #{id} {label} {confidence}",
          NULL, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_FONT,
      g_param_spec_string ("font", "Font",
          "Pango font description without a size, as Noto Sans Bold; dots: the "
          "built-in font of printable ASCII; unset: the best there is",
          NULL, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_FONT_SIZE,
      g_param_spec_uint ("font-size", "Font size",
          "Size of text in pixels; 0: 9/400 of the shorter side of the picture "
          "and at least 10",
          0, 500, DEFAULT_FONT_SIZE, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_HIDE_LABELS,
      g_param_spec_string ("hide-labels", "Hide labels",
          "Classes that are not drawn: person,car (\\, for a comma within a "
          "name)",
          NULL, flags));
}

static void
install_other_properties (GObjectClass *klass, GParamFlags flags)
{
  g_object_class_install_property (klass, GST_DEFCN_STYLE_THICKNESS,
      g_param_spec_uint ("thickness", "Thickness",
          "Width of the lines in pixels; those of repeated and predicted boxes "
          "are always thin",
          1, 100, DEFAULT_THICKNESS, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_COLOR,
      g_param_spec_uint ("color", "Colour",
          "Colour of all boxes and labels, 0xRRGGBB; 0: see class-colors and "
          "color-by",
          0, 0xffffff, DEFAULT_COLOR, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_COLOR_BY,
      g_param_spec_enum ("color-by", "Colour by",
          "What has a colour of its own; by id what has none is grey",
          GST_TYPE_DEFCN_COLOR_BY, DEFAULT_COLOR_BY, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_CLASS_COLORS,
      g_param_spec_string ("class-colors", "Class colours",
          "Colours of classes, before color-by: person=0xff0000,car=0x00ff00",
          NULL, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_TRAILS,
      g_param_spec_float ("trails", "Trails",
          "Draw where tracked objects were in the last so many seconds; 0: not",
          0, 600, DEFAULT_TRAILS, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_SHOW_ZONES,
      g_param_spec_boolean ("show-zones", "Show zones",
          "Draw the zones and lines of defcnzones and their counts",
          DEFAULT_SHOW_ZONES, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_REDACT,
      g_param_spec_string ("redact", "Redact",
          "Classes that are made unrecognisable, and with them the whole "
          "picture where it is not certain that all were found: person,car "
          "(\\, for a comma within a name)",
          NULL, flags));
  g_object_class_install_property (klass, GST_DEFCN_STYLE_REDACT_MARGIN,
      g_param_spec_float ("redact-margin", "Redact margin",
          "By how much of their longer side boxes are widened that are made "
          "unrecognisable",
          0, 10, GST_DEFCN_REDACT_MARGIN, flags));
}

void
gst_defcn_style_install (GObjectClass *klass)
{
  const GParamFlags flags =
      G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS;

  install_text_properties (klass, flags);
  install_other_properties (klass, flags);
}
