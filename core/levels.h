/* One image's head outputs, level by level.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>
#include <math.h>

G_BEGIN_DECLS

#define DEFCN_N_LEVELS 5 /* P3 .. P7 */

/* One image's head outputs on one level; host memory, dense (H,W,C). */
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
} DefcnLevel;

static inline float
defcn_levels_sigmoid (float x)
{
  return 1.0f / (1.0f + expf (-x));
}

G_END_DECLS
