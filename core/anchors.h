/* Boxes coded relative to anchors, as Faster R-CNN has it (arXiv 1506.01497,
 * eq. 2): dx, dy in widths and heights of the anchor, dw, dh the logarithms of
 * sizes over the anchor's.  For host and CUDA.
 *
 * An anchor is a box that a location has whatever the picture.  The side l, t,
 * r or b of a box that does not hold its location's centre is negative.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>
#include <math.h>

G_BEGIN_DECLS

#ifdef __CUDACC__
#define DEFCN_ANCHORS_INLINE __host__ __device__ static inline
#else
#define DEFCN_ANCHORS_INLINE static inline
#endif

#define DEFCN_MAX_ANCHORS 9 /* of a location */
/* log (1000 / 16): dw and dh of boxes are at most this. */
#define DEFCN_ANCHORS_CLAMP 4.135166556742356f

/* Its centre from that of the location, and its size; input pixels. */
typedef struct
{
  float x, y, w, h;
} DefcnAnchor;

/* Whether there is a set of @n anchors. */
gboolean defcn_anchors_exist (int n);
/* Anchors of every location of the level @level, @n as in a model's spec.
 *
 *   1: the square of 4 strides around it, of table 1's row "Anchor"
 *   9: RetinaNet's (arXiv 1708.02002, sec. 4) as detectron2 has them: areas of
 *      4, 4 2^(1/3) and 4 2^(2/3) strides squared, of each the heights 1/2, 1
 *      and 2 times the width, not rounded, around the corner of the location's
 *      cell (detectron2's offset 0), half a stride above and to the left */
void defcn_anchors_fill (DefcnAnchor *anchors, int n, int level);

/* l, t, r, b in input pixels of the box @code (dx, dy, dw, dh). */
DEFCN_ANCHORS_INLINE void
defcn_anchors_decode (float *sides, const float *code, const DefcnAnchor *a)
{
  const float x = a->x + a->w * code[0], y = a->y + a->h * code[1];
  const float dw =
      code[2] > DEFCN_ANCHORS_CLAMP ? DEFCN_ANCHORS_CLAMP : code[2];
  const float dh =
      code[3] > DEFCN_ANCHORS_CLAMP ? DEFCN_ANCHORS_CLAMP : code[3];
  const float half_w = a->w * expf (dw) / 2, half_h = a->h * expf (dh) / 2;

  sides[0] = half_w - x;
  sides[1] = half_h - y;
  sides[2] = half_w + x;
  sides[3] = half_h + y;
}

/* The gradient of @code from @dsides, that of @sides which were decoded from
 * it.  Beyond the clamp that of a size is 0. */
DEFCN_ANCHORS_INLINE void
defcn_anchors_slope (float *dcode, const float *dsides, const float *sides,
    const float *code, const DefcnAnchor *a)
{
  for (int i = 0; i < 2; i++) {
    const float half = (sides[i] + sides[i + 2]) / 2;

    dcode[i] = (i ? a->h : a->w) * (dsides[i + 2] - dsides[i]);
    dcode[i + 2] = code[i + 2] > DEFCN_ANCHORS_CLAMP
        ? 0
        : half * (dsides[i] + dsides[i + 2]);
  }
}

/* Sizes in anchors that are told from 0: below it a box's sides, as far from
 * its anchor as it may be, say nothing of it. */
#define DEFCN_ANCHORS_LEAST 1e-6f

/* The other way round: dx, dy, dw, dh of a box with sizes of at least
 * DEFCN_ANCHORS_LEAST; of a smaller one as of that. */
DEFCN_ANCHORS_INLINE void
defcn_anchors_encode (float *code, const float *sides, const DefcnAnchor *a)
{
  code[0] = ((sides[2] - sides[0]) / 2 - a->x) / a->w;
  code[1] = ((sides[3] - sides[1]) / 2 - a->y) / a->h;
  code[2] = logf (fmaxf ((sides[0] + sides[2]) / a->w, DEFCN_ANCHORS_LEAST));
  code[3] = logf (fmaxf ((sides[1] + sides[3]) / a->h, DEFCN_ANCHORS_LEAST));
}

G_END_DECLS
