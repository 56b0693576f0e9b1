/* Where a resized pixel comes from.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Source pixels *@i0, *@i1 and the weight of *@i1 for output pixel @o of @out,
 * of @in: bilinear, align_corners false, in float as PyTorch does it. */
static inline void
defcn_bilinear_axis (int *i0, int *i1, float *weight, int o, int in, int out)
{
  const float scale = (float) in / out;
  const float at = MAX (scale * (o + 0.5f) - 0.5f, 0);

  *i0 = MIN ((int) at, in - 1);
  *i1 = MIN (*i0 + 1, in - 1);
  *weight = at - *i0;
}

G_END_DECLS
