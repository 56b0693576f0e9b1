/* The terms of the training objective, value beside gradient, for host and
 * CUDA.
 *
 * Focal loss (Lin et al. 2017) with alpha 0.25 and gamma 2, of a logit or, with
 * 3DMF, of the product of two sigmoids, and GIoU loss (Rezatofighi et al.
 * 2019).  Subgradients are PyTorch's.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <float.h>
#include <glib.h>
#include <math.h>

#include "sigmoid.h"

/* Sums and products that the device rounds one by one, as the host does: an
 * area less an equal one is 0. */
#ifdef __CUDACC__
#define DEFCN_OBJECTIVE __device__ static inline
#define DEFCN_OBJECTIVE_ADD(a, b) __fadd_rn (a, b)
#define DEFCN_OBJECTIVE_SUB(a, b) __fsub_rn (a, b)
#define DEFCN_OBJECTIVE_MUL(a, b) __fmul_rn (a, b)
#else
#define DEFCN_OBJECTIVE static inline
#define DEFCN_OBJECTIVE_ADD(a, b) ((a) + (b))
#define DEFCN_OBJECTIVE_SUB(a, b) ((a) - (b))
#define DEFCN_OBJECTIVE_MUL(a, b) ((a) * (b))
#endif

#define DEFCN_OBJECTIVE_ALPHA 0.25f /* of positives; the rest: 1 - it */
/* What torch's binary_cross_entropy keeps the logs above, and the denominator
 * of their derivative. */
#define DEFCN_OBJECTIVE_LOG_FLOOR -100.0f
#define DEFCN_OBJECTIVE_SLOPE_FLOOR 1e-12f
#define DEFCN_OBJECTIVE_EPSILON FLT_EPSILON /* least denominator of GIoU */

/* t = 0: (1 - a) p^2 ce; t = 1 is the mirror image with a.  With e =
 * exp (-|x|) neither p = sigmoid (x) nor q = 1 - p cancels; softplus is
 * log (1 + exp (x)). */
DEFCN_OBJECTIVE float
defcn_objective_focal_side (float *dx, float x, float weight)
{
  const float e = expf (-fabsf (x)), large = 1 / (1 + e), small = e * large;
  const float p = x > 0 ? large : small, q = x > 0 ? small : large;
  const float softplus = MAX (x, 0) + log1pf (e);

  *dx = weight * p * p * (2 * q * softplus + p);
  return weight * p * p * softplus;
}

/* Focal loss of the logit @x; *@dx is the derivative by it. */
DEFCN_OBJECTIVE float
defcn_objective_focal_logit (float *dx, float x, gboolean positive)
{
  if (!positive)
    return defcn_objective_focal_side (dx, x, 1 - DEFCN_OBJECTIVE_ALPHA);

  const float loss = defcn_objective_focal_side (dx, -x, DEFCN_OBJECTIVE_ALPHA);
  *dx = -*dx;
  return loss;
}

/* Focal loss of the probability @p; *@dp is the derivative by it. */
DEFCN_OBJECTIVE float
defcn_objective_focal_probability (float *dp, float p, gboolean positive)
{
  const float q = 1 - p, t = positive ? 1 : 0;
  const float slope = (p - t) / MAX (p * q, DEFCN_OBJECTIVE_SLOPE_FLOOR);

  if (positive) {
    const float ce = -MAX (logf (p), DEFCN_OBJECTIVE_LOG_FLOOR);

    *dp = DEFCN_OBJECTIVE_ALPHA * (q * q * slope - 2 * q * ce);
    return DEFCN_OBJECTIVE_ALPHA * q * q * ce;
  }

  const float ce = -MAX (log1pf (-p), DEFCN_OBJECTIVE_LOG_FLOOR);
  *dp = (1 - DEFCN_OBJECTIVE_ALPHA) * (p * p * slope + 2 * p * ce);
  return (1 - DEFCN_OBJECTIVE_ALPHA) * p * p * ce;
}

/* Focal loss of sigmoid (@cls) times @f, the sigmoid of the location's filter;
 * the derivatives are by the two logits. */
DEFCN_OBJECTIVE float
defcn_objective_focal_product (float *dcls, float *dfilter, float cls, float f,
    gboolean positive)
{
  const float s = defcn_sigmoid (cls);
  float dp;
  const float loss = defcn_objective_focal_probability (&dp, s * f, positive);

  *dcls = dp * f * s * (1 - s);
  *dfilter = dp * s * f * (1 - f);
  return loss;
}

/* How near a location is to the middle of its object, of its sides @t: 0 at an
 * edge or outside, 1 in the middle (FCOS, arXiv 1904.01355, eq. 3). */
DEFCN_OBJECTIVE float
defcn_objective_centerness (const float *t)
{
  const float x = MIN (t[0], t[2]) / MAX (t[0], t[2]);
  const float y = MIN (t[1], t[3]) / MAX (t[1], t[3]);

  return sqrtf (MAX (x, 0) * MAX (y, 0));
}

/* Binary cross entropy of the logit @x with the target @t; *@dx is the
 * derivative by it. */
DEFCN_OBJECTIVE float
defcn_objective_bce (float *dx, float x, float t)
{
  *dx = defcn_sigmoid (x) - t;
  return MAX (x, 0) - x * t + log1pf (expf (-fabsf (x)));
}

/* Slope of min (a, b) by a; half on equality. */
DEFCN_OBJECTIVE float
defcn_objective_min_slope (float a, float b)
{
  return a < b ? 1 : a == b ? 0.5f : 0;
}

/* 1 - GIoU of the prediction @p and the target @t, both (l, t, r, b) of one
 * location; dp[i] is the derivative by p[i].  As they share the location, the
 * sides of the overlap are sums of minima, those of the enclosing box of
 * maxima. */
DEFCN_OBJECTIVE float
defcn_objective_giou (float *dp, const float *p, const float *t)
{
  float own[2], want[2], overlap[2], hull[2]; /* width, height */

  for (int i = 0; i < 2; i++) {
    own[i] = MAX (p[i + 2] + p[i], 0);
    want[i] = MAX (t[i + 2] + t[i], 0);
    overlap[i] = MAX (MIN (p[i + 2], t[i + 2]) + MIN (p[i], t[i]), 0);
    hull[i] = MAX (p[i + 2], t[i + 2]) + MAX (p[i], t[i]);
  }

  const float inter = DEFCN_OBJECTIVE_MUL (overlap[0], overlap[1]);
  const float wanted = DEFCN_OBJECTIVE_MUL (want[0], want[1]);
  const float area = DEFCN_OBJECTIVE_MUL (own[0], own[1]);
  const float joined =
      DEFCN_OBJECTIVE_SUB (DEFCN_OBJECTIVE_ADD (wanted, area), inter);
  const float enclosing = DEFCN_OBJECTIVE_MUL (hull[0], hull[1]);
  const float empty = DEFCN_OBJECTIVE_SUB (enclosing, joined);
  const float u = MAX (joined, DEFCN_OBJECTIVE_EPSILON);
  const float e = MAX (enclosing, DEFCN_OBJECTIVE_EPSILON);
  const float giou = inter / u - empty / e;

  /* Derivatives of giou. */
  const float djoined =
      1 / e - (joined >= DEFCN_OBJECTIVE_EPSILON ? inter / (u * u) : 0);
  const float denclosing =
      -1 / e + (enclosing >= DEFCN_OBJECTIVE_EPSILON ? empty / (e * e) : 0);
  const float dinter = 1 / u - djoined;
  for (int i = 0; i < 4; i++) {
    const int axis = i % 2, other = 1 - axis;
    const float low = defcn_objective_min_slope (p[i], t[i]);
    float d = denclosing * hull[other] * (1 - low);

    if (MIN (p[axis + 2], t[axis + 2]) + MIN (p[axis], t[axis]) >= 0)
      d += dinter * overlap[other] * low;
    if (p[axis + 2] + p[axis] >= 0)
      d += djoined * own[other];
    dp[i] = -d;
  }
  return 1 - giou;
}
