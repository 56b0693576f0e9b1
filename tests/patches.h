/* Pictures of one-coloured boxes on grey, to see whether boxes stay on what
 * they are of. */
#pragma once

#include "data/augment.h"

#include <string.h>

#define PATCH_COLORS 6

static const guint8 patch_colors[PATCH_COLORS][3] = {
  { 255, 0, 0 },
  { 0, 255, 0 },
  { 0, 0, 255 },
  { 255, 255, 0 },
  { 255, 0, 255 },
  { 0, 255, 255 },
};

/* Class @label's box, painted in its colour. */
static inline void
patch_paint (DefcnPicture *picture, GArray *objects, int label, int x1, int y1,
    int x2, int y2)
{
  const DefcnObject o = { .x1 = x1,
    .y1 = y1,
    .x2 = x2,
    .y2 = y2,
    .label = label,
    .area = (x2 - x1) * (y2 - y1) };

  for (int y = y1; y < y2; y++) {
    for (int x = x1; x < x2; x++)
      memcpy (picture->rgb + ((gsize) y * picture->width + x) * 3,
          patch_colors[label], 3);
  }
  g_array_append_val (objects, o);
}

static inline DefcnPicture *
patch_picture_new (int width, int height)
{
  DefcnPicture *picture = defcn_picture_new (width, height);

  memset (picture->rgb, 120, (gsize) width * height * 3);
  return picture;
}

typedef struct
{
  int n;              /* pixels of the colour */
  int x1, y1, x2, y2; /* around them */
} PatchExtent;

/* Where the colour of @label is within @x1, @y1, @x2, @y2 of the example;
 * mixed with grey it counts from about one half. */
static inline PatchExtent
patch_find (const DefcnExample *example, int label, int x1, int y1, int x2,
    int y2)
{
  PatchExtent e = { 0, G_MAXINT, G_MAXINT, -1, -1 };

  for (int y = y1; y < y2; y++) {
    for (int x = x1; x < x2; x++) {
      const guint8 *p = example->rgb + ((gsize) y * example->width + x) * 3;
      gboolean same = TRUE;

      for (int c = 0; c < 3; c++)
        same = same && ABS (p[c] - patch_colors[label][c]) < 66;
      if (!same)
        continue;
      e.n++;
      e.x1 = MIN (e.x1, x);
      e.y1 = MIN (e.y1, y);
      e.x2 = MAX (e.x2, x + 1);
      e.y2 = MAX (e.y2, y + 1);
    }
  }
  return e;
}

/* The object's edges are those of its colour, to @within pixels. */
static inline gboolean
patch_fits (const PatchExtent *e, const DefcnObject *o, double within)
{
  return e->n > 0 && ABS (e->x1 - o->x1) <= within
      && ABS (e->y1 - o->y1) <= within && ABS (e->x2 - o->x2) <= within
      && ABS (e->y2 - o->y2) <= within;
}
