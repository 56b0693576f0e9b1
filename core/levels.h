/* One image's head outputs, level by level.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "sigmoid.h"

#include <glib.h>

G_BEGIN_DECLS

#define DEFCN_N_LEVELS 5 /* P3 .. P7 */

/* One image's head outputs on one level; host memory, dense (H,W,C).  A
 * location may have several boxes, each with its own logits (RetinaNet): then
 * (h, w, c) is (h, w, anchors, c), and what is indexed by location goes by box,
 * of which @anchors in a row have one location. */
typedef struct
{
  int h, w, stride;
  const float *logits; /* (h, w, n_classes) */
  /* (h, w, 4): l, t, r, b in input pixels from the location's centre; with
   * anchors (anchors.h) it may be outside, and one of them negative */
  const float *deltas;
  const float *filter;     /* (h, w, 1), NULL without 3DMF */
  const float *centerness; /* (h, w, 1), logits; NULL without */
  /* (h, w, n_classes), of the auxiliary loss; NULL: that has @logits */
  const float *aux_logits;
  int anchors; /* boxes of a location, 0 as 1 */
} DefcnLevel;

/* Boxes of @level. */
static inline gsize
defcn_level_boxes (const DefcnLevel *level)
{
  return (gsize) level->h * level->w * MAX (level->anchors, 1);
}

/* Column and row of the location that @box of @level has. */
static inline void
defcn_level_locate (int *x, int *y, const DefcnLevel *level, gsize box)
{
  const gsize location = box / MAX (level->anchors, 1);

  *x = location % level->w;
  *y = location / level->w;
}

/* The final score of class @c, of @n_classes, of box @i: what boxes.h compares
 * with the threshold. */
static inline float
defcn_level_score (const DefcnLevel *level, gsize i, int c, int n_classes)
{
  float score = defcn_sigmoid (level->logits[i * n_classes + c]);

  if (level->filter)
    score *= defcn_sigmoid (level->filter[i]);
  if (level->centerness)
    score = sqrtf (score * defcn_sigmoid (level->centerness[i]));
  return score;
}

G_END_DECLS
