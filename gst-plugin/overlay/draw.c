/* Boxes, labels, zones and lines. */
#include "draw.h"

#include <math.h>

#include "scene.h"

#define PLACE_COLOR 0x00e5ff /* none of the objects' */
#define SMALLEST_FONT 10

int
gst_defcn_draw_font_size (int width, int height)
{
  return MAX (MIN (width, height) * 9 / 400, SMALLEST_FONT);
}

int
gst_defcn_draw_line_width (int width, int height)
{
  return MAX (MIN (width, height) / 300, 2);
}

/* Text on a strip of colour. */
typedef struct
{
  GPtrArray *runs; /* const GstDefcnRun * */
  GstDefcnTextBorder border;
  int ascent, w, h;
} Strip;

static void
strip_measure (Strip *strip, GstDefcnText *text, const GPtrArray *pieces)
{
  int descent = 0;

  *strip = (Strip){ g_ptr_array_new (), gst_defcn_text_border (text) };
  for (guint i = 0; i < pieces->len; i++) {
    const GstDefcnRun *run =
        gst_defcn_text_run (text, g_ptr_array_index (pieces, i));

    g_ptr_array_add (strip->runs, (gpointer) run);
    strip->w += run->advance;
    strip->ascent = MAX (strip->ascent, run->ascent);
    descent = MAX (descent, run->descent);
  }
  strip->w += strip->border.before + strip->border.after;
  strip->h =
      strip->border.above + strip->ascent + descent + strip->border.below;
}

static void
strip_draw (const Strip *strip, GstDefcnCanvas *canvas, guint32 color, int x,
    int y)
{
  GstDefcnPaint back, ink;
  int pen = x + strip->border.before;

  gst_defcn_paint_init (&back, &canvas->frame->info, color);
  gst_defcn_paint_init (&ink, &canvas->frame->info,
      gst_defcn_colors_ink (color));
  gst_defcn_paint_rect (canvas, &back, x, y, strip->w, strip->h);
  for (guint i = 0; i < strip->runs->len; i++) {
    const GstDefcnRun *run = g_ptr_array_index (strip->runs, i);

    gst_defcn_paint_mask (canvas, &ink, pen + run->x,
        y + strip->border.above + strip->ascent + run->y, &run->mask);
    pen += run->advance;
  }
}

/* Above @bottom, from @x on; inside the picture as far as it fits. */
static void
draw_text (GstDefcnCanvas *canvas, GstDefcnText *text, const GPtrArray *pieces,
    guint32 color, int x, int bottom)
{
  const GstDefcnPixels *all = &canvas->clip;
  Strip strip;

  if (pieces->len == 0)
    return;
  strip_measure (&strip, text, pieces);
  x = MAX (MIN (x, all->x + all->w - strip.w), all->x);
  strip_draw (&strip, canvas, color, x, MAX (bottom - strip.h, all->y));
  g_ptr_array_unref (strip.runs);
}

static GstDefcnPixels
object_pixels (const GstDefcnCanvas *canvas, const GstDefcnObject *object)
{
  const GstDefcnPixels *all = &canvas->clip;
  GstDefcnPixels p = gst_defcn_object_pixels (object, all->w, all->h);

  p.x += all->x;
  p.y += all->y;
  return p;
}

static void
draw_box (GstDefcnCanvas *canvas, const GstDefcnPixels *box, guint32 color,
    int thickness)
{
  /* Lines stay inside a box that is smaller than they are wide. */
  const int across = MIN (thickness, box->w), right = box->x + box->w - across;
  const int down = MIN (thickness, box->h), bottom = box->y + box->h - down;
  GstDefcnPaint paint;

  gst_defcn_paint_init (&paint, &canvas->frame->info, color);
  gst_defcn_paint_rect (canvas, &paint, box->x, box->y, box->w, down);
  gst_defcn_paint_rect (canvas, &paint, box->x, bottom, box->w, down);
  gst_defcn_paint_rect (canvas, &paint, box->x, box->y, across, box->h);
  gst_defcn_paint_rect (canvas, &paint, right, box->y, across, box->h);
}

void
gst_defcn_draw_boxes (GstDefcnCanvas *canvas, const GArray *objects,
    const GstDefcnColors *colors, int thickness)
{
  for (guint i = objects->len; i-- > 0;) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    const GstDefcnPixels box = object_pixels (canvas, o);

    draw_box (canvas, &box, gst_defcn_colors_of (colors, o), thickness);
  }
}

void
gst_defcn_draw_labels (GstDefcnCanvas *canvas, GstDefcnText *text,
    const GArray *objects, const GstDefcnColors *colors,
    const GstDefcnLabel *label)
{
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);

  for (guint n = objects->len; n-- > 0;) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, n);
    const GstDefcnPixels box = object_pixels (canvas, o);

    g_ptr_array_set_size (pieces, 0);
    gst_defcn_label_pieces (label, o, pieces);
    draw_text (canvas, text, pieces, gst_defcn_colors_of (colors, o), box.x,
        box.y);
  }
}

/* Places. */

typedef struct
{
  double x, y; /* pixels of the frame */
} Point;

/* Others' points may be anywhere, and a line takes as long as it is. */
static Point
place_point (const GstDefcnCanvas *canvas, const GstDefcnScenePlace *place,
    guint index)
{
  const GstDefcnPixels *all = &canvas->clip;
  const double *xy = &g_array_index (place->points, double, 2 * index);

  return (Point){ all->x + CLAMP (xy[0], -1, 2) * (all->w - 1),
    all->y + CLAMP (xy[1], -1, 2) * (all->h - 1) };
}

static void
draw_side (GstDefcnCanvas *canvas, const GstDefcnPaint *paint, Point a, Point b,
    int thickness)
{
  gst_defcn_paint_line (canvas, paint, a.x, a.y, b.x, b.y, thickness);
}

/* From the middle of the line to the side that is forward, at a right angle:
 * to the right of who looks from its first end to its second. */
static void
draw_arrow (GstDefcnCanvas *canvas, const GstDefcnPaint *paint, Point a,
    Point b, int thickness)
{
  const double length = hypot (b.x - a.x, b.y - a.y);
  const double shaft = MIN (canvas->clip.w, canvas->clip.h) / 16.0;
  const double nx = -(b.y - a.y) / MAX (length, 1) * shaft;
  const double ny = (b.x - a.x) / MAX (length, 1) * shaft;
  const Point foot = { (a.x + b.x) / 2, (a.y + b.y) / 2 };
  const Point tip = { foot.x + nx, foot.y + ny };

  draw_side (canvas, paint, foot, tip, thickness);
  for (int side = -1; side <= 1; side += 2) {
    const Point barb = { tip.x - 0.4 * nx - side * 0.3 * ny,
      tip.y - 0.4 * ny + side * 0.3 * nx };

    draw_side (canvas, paint, tip, barb, thickness);
  }
}

/* A zone's corner that is highest is where its text stands on, a line's first
 * end is. */
static Point
text_point (const GstDefcnCanvas *canvas, const GstDefcnScenePlace *place)
{
  Point best = place_point (canvas, place, 0);

  for (guint i = 1; !place->is_line && i < place->points->len / 2; i++) {
    const Point p = place_point (canvas, place, i);

    if (p.y < best.y || (p.y == best.y && p.x < best.x))
      best = p;
  }
  return best;
}

static void
draw_outline (GstDefcnCanvas *canvas, const GstDefcnScenePlace *place,
    int thickness)
{
  const guint n = place->points->len / 2;
  GstDefcnPaint paint;

  gst_defcn_paint_init (&paint, &canvas->frame->info, PLACE_COLOR);
  for (guint i = place->is_line ? 1 : 0; i < n; i++)
    draw_side (canvas, &paint, place_point (canvas, place, (i + n - 1) % n),
        place_point (canvas, place, i), thickness);
  if (place->is_line)
    draw_arrow (canvas, &paint, place_point (canvas, place, 0),
        place_point (canvas, place, 1), thickness);
}

static void
draw_count (GstDefcnCanvas *canvas, GstDefcnText *text,
    const GstDefcnScenePlace *place, int thickness)
{
  const Point at = text_point (canvas, place);
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (pieces, g_strdup (g_quark_to_string (place->name)));
  g_ptr_array_add (pieces,
      place->is_line
          ? g_strdup_printf (" %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT,
              place->all.forward, place->all.backward)
          : g_strdup_printf (" %u", place->all.occupancy));
  draw_text (canvas, text, pieces, PLACE_COLOR, (int) at.x,
      (int) at.y - thickness / 2);
}

void
gst_defcn_draw_places (GstDefcnCanvas *canvas, GstDefcnText *text,
    const GArray *places, int thickness)
{
  for (guint i = 0; i < places->len; i++)
    draw_outline (canvas, &g_array_index (places, GstDefcnScenePlace, i),
        thickness);
  for (guint i = 0; i < places->len; i++)
    draw_count (canvas, text, &g_array_index (places, GstDefcnScenePlace, i),
        thickness);
}
