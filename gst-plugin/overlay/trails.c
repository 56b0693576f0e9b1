/* Where tracked objects have been. */
#include "trails.h"

#include <math.h>

typedef struct
{
  double x, y;
  gint64 time;
} Point;

typedef struct
{
  gint64 id;
  guint32 color;
  GArray *points; /* Point, the last one where it was seen last */
} Trail;

struct _GstDefcnTrails
{
  GHashTable *table; /* gint64 *, of the trail: Trail * */
  gint64 now, keep;
};

static void
trail_free (gpointer data)
{
  Trail *trail = data;

  g_array_unref (trail->points);
  g_free (trail);
}

GstDefcnTrails *
gst_defcn_trails_new (void)
{
  GstDefcnTrails *trails = g_new0 (GstDefcnTrails, 1);

  trails->now = G_MININT64;
  trails->table =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, trail_free);
  return trails;
}

void
gst_defcn_trails_free (GstDefcnTrails *trails)
{
  if (!trails)
    return;
  g_hash_table_unref (trails->table);
  g_free (trails);
}

void
gst_defcn_trails_clear (GstDefcnTrails *trails)
{
  g_hash_table_remove_all (trails->table);
  trails->now = G_MININT64;
}

static Point *
point_at (const Trail *trail, guint index)
{
  return &g_array_index (trail->points, Point, index);
}

/* The last point moves along until it is far enough from the one before. */
static void
add_point (Trail *trail, const Point *point, gint64 apart)
{
  const guint n = trail->points->len;

  if (n >= 2
      && point_at (trail, n - 1)->time - point_at (trail, n - 2)->time < apart)
    *point_at (trail, n - 1) = *point;
  else
    g_array_append_val (trail->points, *point);
}

/* Points that are too old go, and trails that have none left. */
static void
forget (GstDefcnTrails *trails)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, trails->table);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Trail *trail = value;
    guint old = 0;

    while (old < trail->points->len
        && point_at (trail, old)->time < trails->now - trails->keep)
      old++;
    g_array_remove_range (trail->points, 0, old);
    if (trail->points->len == 0)
      g_hash_table_iter_remove (&iter);
  }
}

static Trail *
trail_of (GstDefcnTrails *trails, gint64 id)
{
  Trail *trail = g_hash_table_lookup (trails->table, &id);

  if (trail || g_hash_table_size (trails->table) >= GST_DEFCN_TRAILS_MAX)
    return trail;
  trail = g_new0 (Trail, 1);
  trail->id = id;
  trail->points = g_array_new (FALSE, FALSE, sizeof (Point));
  g_hash_table_insert (trails->table, &trail->id, trail);
  return trail;
}

void
gst_defcn_trails_follow (GstDefcnTrails *trails, const GArray *objects,
    const GstDefcnColors *colors, gint64 now, gint64 keep)
{
  if (now < trails->now)
    gst_defcn_trails_clear (trails);
  trails->now = now;
  trails->keep = keep;
  forget (trails);
  for (guint i = 0; i < objects->len; i++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    const Point point = { (o->x_min + o->x_max) / 2, o->y_max, now };
    Trail *trail = o->track.id ? trail_of (trails, o->track.id) : NULL;

    if (!trail)
      continue;
    trail->color = gst_defcn_colors_of (colors, o);
    add_point (trail, &point, keep / GST_DEFCN_TRAILS_POINTS);
  }
}

gboolean
gst_defcn_trails_are_seen (const GstDefcnTrails *trails)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, trails->table);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((const Trail *) value)->points->len >= 2)
      return TRUE;
  return FALSE;
}

guint
gst_defcn_trails_count (const GstDefcnTrails *trails)
{
  GHashTableIter iter;
  gpointer value;
  guint n = 0;

  g_hash_table_iter_init (&iter, trails->table);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    n += ((const Trail *) value)->points->len;
  return n;
}

static void
draw_trail (const GstDefcnTrails *trails, const Trail *trail,
    GstDefcnCanvas *canvas, int thickness)
{
  const GstDefcnPixels *all = &canvas->clip;
  GstDefcnPaint paint;

  gst_defcn_paint_init (&paint, &canvas->frame->info, trail->color);
  for (guint i = 1; i < trail->points->len; i++) {
    const Point *a = point_at (trail, i - 1), *b = point_at (trail, i);
    const double youth =
        1 - (double) (trails->now - b->time) / MAX (trails->keep, 1);

    gst_defcn_paint_line (canvas, &paint, all->x + a->x * (all->w - 1),
        all->y + a->y * (all->h - 1), all->x + b->x * (all->w - 1),
        all->y + b->y * (all->h - 1),
        1 + (int) lrint ((thickness - 1) * youth));
  }
}

void
gst_defcn_trails_draw (const GstDefcnTrails *trails, GstDefcnCanvas *canvas,
    int thickness)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, trails->table);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    draw_trail (trails, value, canvas, thickness);
}
