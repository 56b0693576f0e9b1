/* How defcnoverlay draws: its properties, and what their strings say.
 *
 * Errors are of the domain GST_RESOURCE_ERROR, code SETTINGS, and UTF-8.
 * Thread rule: none of its own; the element's lock guards a style.
 */
#pragma once

#include "colors.h"
#include "label.h"

G_BEGIN_DECLS

/* The properties' numbers, as the element installs them. */
typedef enum
{
  GST_DEFCN_STYLE_SHOW_LABELS = 1,
  GST_DEFCN_STYLE_THICKNESS,
  GST_DEFCN_STYLE_COLOR,
  GST_DEFCN_STYLE_HIDE_LABELS,
  GST_DEFCN_STYLE_LABEL_FORMAT,
  GST_DEFCN_STYLE_COLOR_BY,
  GST_DEFCN_STYLE_CLASS_COLORS,
  GST_DEFCN_STYLE_FONT,
  GST_DEFCN_STYLE_FONT_SIZE,
  GST_DEFCN_STYLE_TRAILS,
  GST_DEFCN_STYLE_SHOW_ZONES,
  GST_DEFCN_STYLE_REDACT,
  GST_DEFCN_STYLE_REDACT_MARGIN,
} GstDefcnStyleProperty;

typedef struct
{
  gboolean show_labels, show_zones;
  guint thickness, font_size;  /* pixels; 0: by the size of the picture */
  float trails, redact_margin; /* seconds; of the longer side of a box */
  char *font;                  /* NULL: the best there is */
  GstDefcnColors colors;
  GstDefcnLabel *label;      /* what label_format says, once it was parsed */
  char **hidden, **redacted; /* hide_labels and redact, split */
  char *hide_labels, *label_format, *class_colors, *redact;
} GstDefcnStyle;

/* The defaults; and nothing. */
void gst_defcn_style_init (GstDefcnStyle *style);
void gst_defcn_style_clear (GstDefcnStyle *style);

/* Takes what label_format, class_colors and font say; FALSE, and the style is
 * as it was, when one of them says nothing. */
gboolean gst_defcn_style_parse (GstDefcnStyle *style, GError **error);

/* Sets @copy, which was zero or is one of before, to what of @style draws: the
 * names that are hidden or redacted, and the strings as they were written, are
 * not in it. */
void gst_defcn_style_take (GstDefcnStyle *copy, const GstDefcnStyle *style);

void gst_defcn_style_install (GObjectClass *klass);
/* @parse: a string that does not parse is refused, with an @error and the old
 * one in its place. */
void gst_defcn_style_set (GstDefcnStyle *style, guint id, const GValue *value,
    gboolean parse, GError **error);
void gst_defcn_style_get (const GstDefcnStyle *style, guint id, GValue *value);

G_END_DECLS
