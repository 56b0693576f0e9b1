/* The zones and lines that a user has drawn.
 *
 * Coordinates are 0..1 of the picture.  A place with one above 1 is in pixels,
 * of its resolution where it has one, else of the picture that there is when it
 * comes into force.
 *
 * Thread rule: re-entrant; a layout is not changed once it is made.
 */
#pragma once

#include <glib-object.h>

#include "shape.h"

G_BEGIN_DECLS

#define GST_DEFCN_LAYOUT_MAX_PLACES 4096
#define GST_DEFCN_LAYOUT_MAX_POINTS 1024 /* of one place */

/* What of an object's box is where the object is. */
typedef enum
{
  GST_DEFCN_ANCHOR_FEET, /* the middle of the lower edge */
  GST_DEFCN_ANCHOR_CENTRE,
  GST_DEFCN_ANCHOR_HEAD, /* the middle of the upper edge */
  GST_DEFCN_ANCHOR_LEFT, /* the middle of the left edge */
  GST_DEFCN_ANCHOR_RIGHT,
} GstDefcnAnchor;

#define GST_TYPE_DEFCN_ANCHOR (gst_defcn_anchor_get_type ())
GType gst_defcn_anchor_get_type (void);

typedef struct
{
  int width, height; /* what pixels refer to, 0: the picture that there is */
  GstDefcnAnchor anchor;
  double hysteresis; /* of an object's height, 0..1 */
  guint min_time;    /* ms in the zone until an object has entered it */
  guint loitering;   /* ms in the zone until that is told, 0: never */
  GArray *labels;    /* GQuark; NULL: all */
} GstDefcnLayoutOptions;

typedef struct
{
  GQuark name;
  gboolean is_line, in_pixels;
  GArray *points; /* GstDefcnPoint, as written */
  GstDefcnLayoutOptions options;
} GstDefcnLayoutPlace;

/* An array of GstDefcnLayoutPlace, of different names. */
GArray *gst_defcn_layout_new (void);

/* Sets the option of that name, "anchor", "hysteresis", "resolution",
 * "min-time" or "loitering", to what @value says; FALSE and @error when there
 * is none or the value is not one of it. */
gboolean gst_defcn_layout_set_option (GstDefcnLayoutOptions *options,
    const char *name, const char *value, GError **error);

/* The same of "classes".  None: all. */
gboolean gst_defcn_layout_set_labels (GstDefcnLayoutOptions *options,
    const char *const *labels, GError **error);

/* Reads "WIDTHxHEIGHT", 1..1000000 pixels; FALSE when @text is something else.
 */
gboolean gst_defcn_layout_read_resolution (int *width, int *height,
    const char *text);

/* Appends a place; its points and labels are borrowed.  FALSE, and @error of
 * the domain GST_RESOURCE_ERROR, when something is wrong with it: its name is
 * empty, longer than 255 bytes, no UTF-8 or there already, or a point is
 * outside of the picture; a line has other than two ends or no length, a zone
 * less than three corners or no area. */
gboolean gst_defcn_layout_add (GArray *layout, const char *name,
    gboolean is_line, GArray *points, const GstDefcnLayoutOptions *options,
    GError **error);

/* Returns: (transfer full): the points of @place, x and y in turn (double), in
 * shares of a picture of @width x @height, beyond 1 where it has pixels that
 * this picture does not have. */
GArray *gst_defcn_layout_shares (const GstDefcnLayoutPlace *place, int width,
    int height);

G_END_DECLS
