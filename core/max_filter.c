/* 3D max filtering as post-processing. */
#include "max_filter.h"

#include "bilinear.h"

#include <stdio.h>

gboolean
defcn_max_filter_parse (DefcnMaxFilter *filter, const char *text)
{
  int tau, phi, end = 0;

  if (!g_ascii_isdigit (text[0])
      || sscanf (text, "%1d,%2d%n", &tau, &phi, &end) != 2 || text[end] != '\0'
      || tau % 2 != 0 || tau > 8 || phi % 2 != 1 || phi < 1 || phi > 15)
    return FALSE;
  *filter = (DefcnMaxFilter){ tau, phi };
  return TRUE;
}

/* The maps of final scores of one class, that of one anchor a level. */
typedef struct
{
  int n_classes, anchor, label;
} Map;

static float
score_at (const DefcnLevel *l, const Map *map, int x, int y)
{
  const gsize location = (gsize) y * l->w + x;

  return defcn_level_score (l, location * MAX (l->anchors, 1) + map->anchor,
      map->label, map->n_classes);
}

/* What level @from has at (@x, @y) of level @to. */
static float
resized_at (const DefcnLevel *from, const DefcnLevel *to, const Map *map, int x,
    int y)
{
  int x0, x1, y0, y1;
  float wx, wy;

  defcn_bilinear_axis (&y0, &y1, &wy, y, from->h, to->h);
  defcn_bilinear_axis (&x0, &x1, &wx, x, from->w, to->w);
  const float top = (1 - wx) * score_at (from, map, x0, y0)
      + wx * score_at (from, map, x1, y0);
  const float low = (1 - wx) * score_at (from, map, x0, y1)
      + wx * score_at (from, map, x1, y1);

  return (1 - wy) * top + wy * low;
}

gboolean
defcn_max_filter_keeps (const DefcnMaxFilter *filter, const DefcnLevel *levels,
    int n_levels, int n_classes, int level, gsize box, int label)
{
  const DefcnLevel *own = &levels[level];
  const Map map = { n_classes, box % MAX (own->anchors, 1), label };
  const int m = filter->tau / 2, r = filter->phi / 2;
  int x, y;

  defcn_level_locate (&x, &y, own, box);
  const float score = score_at (own, &map, x, y);
  for (int k = MAX (level - m, 0); k <= MIN (level + m, n_levels - 1); k++)
    for (int v = MAX (y - r, 0); v <= MIN (y + r, own->h - 1); v++)
      for (int u = MAX (x - r, 0); u <= MIN (x + r, own->w - 1); u++) {
        const float other = k == level
            ? score_at (own, &map, u, v)
            : resized_at (&levels[k], own, &map, u, v);

        if (other > score)
          return FALSE;
      }
  return TRUE;
}
