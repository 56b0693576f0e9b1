/* Points, lines and polygons of a picture. */
#include "shape.h"

#include <math.h>

double
gst_defcn_shape_side (GstDefcnPoint a, GstDefcnPoint b, GstDefcnPoint p)
{
  return (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
}

double
gst_defcn_shape_distance (GstDefcnPoint a, GstDefcnPoint b, GstDefcnPoint p,
    double aspect)
{
  const double dx = (b.x - a.x) * aspect, dy = b.y - a.y;
  const double px = (p.x - a.x) * aspect, py = p.y - a.y;
  const double length = dx * dx + dy * dy;
  const double t = length > 0 ? CLAMP ((px * dx + py * dy) / length, 0, 1) : 0;

  return hypot (px - t * dx, py - t * dy);
}

gboolean
gst_defcn_shape_meets (GstDefcnPoint a, GstDefcnPoint b, GstDefcnPoint p,
    GstDefcnPoint q)
{
  const double from = gst_defcn_shape_side (a, b, p);
  const double to = gst_defcn_shape_side (a, b, q);
  const double t = from != to ? CLAMP (from / (from - to), 0, 1) : 0;
  const double x = p.x + t * (q.x - p.x) - a.x;
  const double y = p.y + t * (q.y - p.y) - a.y;
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double along = x * dx + y * dy;

  return along >= 0 && along <= dx * dx + dy * dy;
}

static gboolean
is_on (GstDefcnPoint a, GstDefcnPoint b, GstDefcnPoint p)
{
  return gst_defcn_shape_side (a, b, p) == 0 && p.x >= MIN (a.x, b.x)
      && p.x <= MAX (a.x, b.x) && p.y >= MIN (a.y, b.y)
      && p.y <= MAX (a.y, b.y);
}

gboolean
gst_defcn_shape_holds (const GstDefcnPoint *corners, guint n, GstDefcnPoint p)
{
  gboolean inside = FALSE;

  for (guint i = 0, k = n - 1; i < n; k = i++) {
    const GstDefcnPoint a = corners[k], b = corners[i];

    if (is_on (a, b, p))
      return TRUE;
    /* Of an edge the lower end counts, the upper does not: a ray through a
     * corner meets one edge there or two. */
    if ((a.y > p.y) != (b.y > p.y)
        && p.x < a.x + (p.y - a.y) / (b.y - a.y) * (b.x - a.x))
      inside = !inside;
  }
  return inside;
}

double
gst_defcn_shape_border (const GstDefcnPoint *corners, guint n, GstDefcnPoint p,
    double aspect)
{
  double least = G_MAXDOUBLE;

  for (guint i = 0, k = n - 1; i < n; k = i++)
    least = MIN (least,
        gst_defcn_shape_distance (corners[k], corners[i], p, aspect));
  return least;
}

gboolean
gst_defcn_shape_has_area (const GstDefcnPoint *corners, guint n)
{
  guint k = 1;

  while (k < n && corners[k].x == corners[0].x && corners[k].y == corners[0].y)
    k++;
  for (guint i = k + 1; i < n; i++)
    if (fabs (gst_defcn_shape_side (corners[0], corners[k], corners[i]))
        > 1e-12)
      return TRUE;
  return FALSE;
}
