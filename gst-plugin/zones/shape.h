/* Points, lines and polygons of a picture.
 *
 * Points are shares of the picture's width and height, y downwards.  Distances
 * are in heights of the picture, @aspect is its width by its height.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  double x, y;
} GstDefcnPoint;

/* Which side of the line from @a through @b @p is on: above 0 to the right of
 * who stands at @a and looks at @b (below a line that goes from left to right),
 * below 0 to the left, 0 on it.  The value is twice the area of the triangle.
 */
double gst_defcn_shape_side (GstDefcnPoint a, GstDefcnPoint b, GstDefcnPoint p);

/* How far @p is from the nearest point between @a and @b. */
double gst_defcn_shape_distance (GstDefcnPoint a, GstDefcnPoint b,
    GstDefcnPoint p, double aspect);

/* Whether the way from @p to @q, which are on different sides of the line from
 * @a to @b or one of which is on it, meets what is between @a and @b, both ends
 * included. */
gboolean gst_defcn_shape_meets (GstDefcnPoint a, GstDefcnPoint b,
    GstDefcnPoint p, GstDefcnPoint q);

/* Whether @p is inside the polygon of @n corners or on its border.  Inside is
 * where a ray to the outside meets the border an odd number of times (even-odd
 * rule): of a polygon that crosses itself what is enclosed twice is outside. */
gboolean gst_defcn_shape_holds (const GstDefcnPoint *corners, guint n,
    GstDefcnPoint p);

/* How far @p is from the border of the polygon. */
double gst_defcn_shape_border (const GstDefcnPoint *corners, guint n,
    GstDefcnPoint p, double aspect);

/* Whether there is something inside of the polygon: not when its corners are
 * all on one line. */
gboolean gst_defcn_shape_has_area (const GstDefcnPoint *corners, guint n);

G_END_DECLS
