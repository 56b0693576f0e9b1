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

/* The final score of a class. */
static float
score_at (const DefcnLevel *l, int n_classes, int x, int y, int label)
{
  const gsize i = (gsize) y * l->w + x;
  float score = defcn_levels_sigmoid (l->logits[i * n_classes + label]);

  if (l->filter)
    score *= defcn_levels_sigmoid (l->filter[i]);
  if (l->centerness)
    score = sqrtf (score * defcn_levels_sigmoid (l->centerness[i]));
  return score;
}

/* What level @from has at (@x, @y) of level @to. */
static float
resized_at (const DefcnLevel *from, const DefcnLevel *to, int n_classes, int x,
    int y, int label)
{
  int x0, x1, y0, y1;
  float wx, wy;

  defcn_bilinear_axis (&y0, &y1, &wy, y, from->h, to->h);
  defcn_bilinear_axis (&x0, &x1, &wx, x, from->w, to->w);
  const float top = (1 - wx) * score_at (from, n_classes, x0, y0, label)
      + wx * score_at (from, n_classes, x1, y0, label);
  const float low = (1 - wx) * score_at (from, n_classes, x0, y1, label)
      + wx * score_at (from, n_classes, x1, y1, label);

  return (1 - wy) * top + wy * low;
}

gboolean
defcn_max_filter_keeps (const DefcnMaxFilter *filter, const DefcnLevel *levels,
    int n_levels, int n_classes, int level, gsize location, int label)
{
  const DefcnLevel *own = &levels[level];
  const int x = location % own->w, y = location / own->w;
  const int m = filter->tau / 2, r = filter->phi / 2;
  const float score = score_at (own, n_classes, x, y, label);

  for (int k = MAX (level - m, 0); k <= MIN (level + m, n_levels - 1); k++)
    for (int v = MAX (y - r, 0); v <= MIN (y + r, own->h - 1); v++)
      for (int u = MAX (x - r, 0); u <= MIN (x + r, own->w - 1); u++) {
        const float other = k == level
            ? score_at (own, n_classes, u, v, label)
            : resized_at (&levels[k], own, n_classes, u, v, label);

        if (other > score)
          return FALSE;
      }
  return TRUE;
}
