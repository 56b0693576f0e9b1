/* What the properties of defcnzones draw.
 *
 * Thread rule: none of its own; the element's lock guards it.
 */
#pragma once

#include "layout.h"

G_BEGIN_DECLS

typedef struct
{
  char *zones, *config, *resolution; /* NULL: none */
  int anchor;                        /* GstDefcnAnchor */
  float hysteresis;
  guint min_time, loitering; /* ms */
} GstDefcnDrawing;

enum
{
  GST_DEFCN_DRAWING_ZONES = 1,
  GST_DEFCN_DRAWING_CONFIG,
  GST_DEFCN_DRAWING_RESOLUTION,
  GST_DEFCN_DRAWING_ANCHOR,
  GST_DEFCN_DRAWING_HYSTERESIS,
  GST_DEFCN_DRAWING_MIN_TIME,
  GST_DEFCN_DRAWING_LOITERING,
  GST_DEFCN_DRAWING_LAST
};

/* Installs its properties, with the ids above. */
void gst_defcn_drawing_install (GObjectClass *klass);

/* Where the field of property @id is in a drawing. */
gsize gst_defcn_drawing_field (guint id);

void gst_defcn_drawing_init (GstDefcnDrawing *drawing);
GstDefcnDrawing gst_defcn_drawing_copy (const GstDefcnDrawing *drawing);
void gst_defcn_drawing_clear (GstDefcnDrawing *drawing);

/* Reads its file; *@text is NULL where it has none. */
gboolean gst_defcn_drawing_read (char **text, const GstDefcnDrawing *drawing,
    GError **error);

/* Returns: (transfer full): its zones and lines and those of @text, which is
 * what was in the file, or NULL. */
GArray *gst_defcn_drawing_layout (const GstDefcnDrawing *drawing,
    const char *text, GError **error);

G_END_DECLS
