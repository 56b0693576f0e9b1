/* Which colour an object has.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "object.h"

G_BEGIN_DECLS

typedef enum
{
  GST_DEFCN_COLOR_BY_CLASS,
  GST_DEFCN_COLOR_BY_ID,
} GstDefcnColorBy;

#define GST_TYPE_DEFCN_COLOR_BY (gst_defcn_color_by_get_type ())
GType gst_defcn_color_by_get_type (void);

/* Colours are 0xRRGGBB. */
typedef struct
{
  guint color;         /* of everything; 0: as follows */
  GHashTable *classes; /* of these classes; NULL: none */
  GstDefcnColorBy by;  /* of the others; what has no id is grey by id */
} GstDefcnColors;

guint32 gst_defcn_colors_of (const GstDefcnColors *colors,
    const GstDefcnObject *object);

/* Black or white, which of them can be read on @rgb. */
guint32 gst_defcn_colors_ink (guint32 rgb);

/* Returns: (transfer full): the classes of @text, as gst_defcn_list_split()
 * takes it, "person=0xff0000, car=#00ff00"; an empty table for NULL.  Returns
 * NULL, with an @error of GST_RESOURCE_ERROR, SETTINGS that is UTF-8, when an
 * item is none. */
GHashTable *gst_defcn_colors_parse (const char *text, GError **error);

G_END_DECLS
