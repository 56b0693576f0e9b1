/* Boxes of locations and their IoU, those of core/boxes.c bit for bit: with
 * intrinsics that are not contracted. */
#pragma once

#include "vector.cuh"

/* What the location (x, y) predicts with the sides @d; no score, no label. */
__device__ static inline DefcnBox
boxes_at (const float *d, int x, int y, int stride)
{
  const float px = __fmul_rn (x + 0.5f, stride);
  const float py = __fmul_rn (y + 0.5f, stride);
  DefcnBox box = {};

  box.x1 = __fsub_rn (px, d[0]);
  box.y1 = __fsub_rn (py, d[1]);
  box.x2 = __fadd_rn (px, d[2]);
  box.y2 = __fadd_rn (py, d[3]);
  return box;
}

__device__ static inline float
boxes_iou (const DefcnBox &a, const DefcnBox &b)
{
  const float w = __fsub_rn (MIN (a.x2, b.x2), MAX (a.x1, b.x1));
  const float h = __fsub_rn (MIN (a.y2, b.y2), MAX (a.y1, b.y1));

  if (!(w > 0 && h > 0))
    return 0;

  const float inter = __fmul_rn (w, h);
  const float own = __fmul_rn (__fsub_rn (a.x2, a.x1), __fsub_rn (a.y2, a.y1));
  const float other =
      __fmul_rn (__fsub_rn (b.x2, b.x1), __fsub_rn (b.y2, b.y1));
  return __fdiv_rn (inter, __fsub_rn (__fadd_rn (own, other), inter));
}
