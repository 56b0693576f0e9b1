/* Focal and GIoU losses with their gradients (SPEC 6). */
#include "loss.h"

#include <float.h>
#include <math.h>

#define ALPHA 0.25f        /* weight of positives; 1 - ALPHA of negatives */
#define LOG_FLOOR -100.0f  /* torch's binary_cross_entropy clamps the logs */
#define SLOPE_FLOOR 1e-12f /* and the denominator of their derivative */
#define GIOU_EPS FLT_EPSILON

/* With e = exp (-|x|): sigmoid (x) and 1 - sigmoid (x), neither of which
 * cancels, and log (1 + exp (x)). */
typedef struct
{
  float p, q, softplus;
} Logistic;

static inline Logistic
logistic (float x)
{
  const float e = expf (-fabsf (x)), large = 1 / (1 + e), small = e * large;

  return (Logistic){ .p = x > 0 ? large : small,
    .q = x > 0 ? small : large,
    .softplus = MAX (x, 0) + log1pf (e) };
}

/* t = 0: (1 - a) p^2 ce; t = 1 is the mirror image with a. */
static inline float
focal_side (float *dx, float x, float weight)
{
  const Logistic s = logistic (x);

  *dx = weight * s.p * s.p * (2 * s.q * s.softplus + s.p);
  return weight * s.p * s.p * s.softplus;
}

float
defcn_focal_logit (float *dx, float x, gboolean positive)
{
  if (!positive)
    return focal_side (dx, x, 1 - ALPHA);

  const float loss = focal_side (dx, -x, ALPHA);
  *dx = -*dx;
  return loss;
}

/* Of p itself; *@dp is the derivative by p. */
static inline float
focal_probability (float *dp, float p, gboolean positive)
{
  const float q = 1 - p, t = positive ? 1 : 0;
  const float slope = (p - t) / MAX (p * q, SLOPE_FLOOR);

  if (positive) {
    const float ce = -MAX (logf (p), LOG_FLOOR);

    *dp = ALPHA * (q * q * slope - 2 * q * ce);
    return ALPHA * q * q * ce;
  }

  const float ce = -MAX (log1pf (-p), LOG_FLOOR);
  *dp = (1 - ALPHA) * (p * p * slope + 2 * p * ce);
  return (1 - ALPHA) * p * p * ce;
}

static inline float
sigmoid (float x)
{
  return 1 / (1 + expf (-x));
}

/* One class of a location whose filter has the sigmoid @f. */
static inline float
focal_filtered (float *dcls, float *dfilter, float cls, float f,
    gboolean positive)
{
  const float s = sigmoid (cls);
  float dp;
  const float loss = focal_probability (&dp, s * f, positive);

  *dcls = dp * f * s * (1 - s);
  *dfilter = dp * s * f * (1 - f);
  return loss;
}

float
defcn_focal_product (float *dcls, float *dfilter, float cls, float filter,
    gboolean positive)
{
  return focal_filtered (dcls, dfilter, cls, sigmoid (filter), positive);
}

/* Sum over the @k classes of a location, logits form. @dx: NULL or added to. */
static double
location_logits (float *dx, const float *x, int k, int label, float scale)
{
  double sum = 0;

  for (int c = 0; c < k; c++) {
    float d;

    sum += defcn_focal_logit (&d, x[c], c == label);
    if (dx)
      dx[c] += scale * d;
  }
  return sum;
}

/* The same for the product with the sigmoid of @filter. */
static double
location_product (float *dx, float *dfilter, const float *x, float filter,
    int k, int label, float scale)
{
  const float f = sigmoid (filter);
  double sum = 0, dsum = 0;

  for (int c = 0; c < k; c++) {
    float d, df;

    sum += focal_filtered (&d, &df, x[c], f, c == label);
    dsum += df;
    if (dx)
      dx[c] += scale * d;
  }
  if (dfilter)
    *dfilter += scale * dsum;
  return sum;
}

/* @filtered: use the levels' filter. */
static double
focal (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *a, double scale, gboolean filtered)
{
  const int k = a->n_classes, *label = a->classes;
  double sum = 0;

  for (int l = 0; l < n_levels; l++) {
    const DefcnLevel *level = &levels[l];
    const gsize n = (gsize) level->h * level->w;
    float *dlogits = grads ? grads[l].logits : NULL;
    float *dfilter = grads ? grads[l].filter : NULL;

    for (gsize j = 0; j < n; j++, label++) {
      const float *x = level->logits + j * k;
      float *dx = dlogits ? dlogits + j * k : NULL;

      if (*label < 0)
        continue;
      if (filtered)
        sum += location_product (dx, dfilter ? dfilter + j : NULL, x,
            level->filter[j], k, *label, scale);
      else
        sum += location_logits (dx, x, k, *label, scale);
    }
  }
  return sum * scale;
}

double
defcn_loss_focal (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *assignment, double scale)
{
  return focal (grads, levels, n_levels, assignment, scale,
      levels[0].filter != NULL);
}

double
defcn_loss_aux (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *aux, double scale)
{
  return focal (grads, levels, n_levels, aux, scale, FALSE);
}

/* Slope of min (a, b) by a; half on equality as torch has it. */
static inline float
min_slope (float a, float b)
{
  return a < b ? 1 : a == b ? 0.5f : 0;
}

float
defcn_giou (float dprediction[4], const float prediction[4],
    const float target[4])
{
  const float *p = prediction, *t = target;
  /* The boxes share the location: the sides of the overlap are sums of minima,
   * those of the enclosing box of maxima.  [0] is width, [1] height. */
  float own[2], want[2], overlap[2], hull[2];

  for (int i = 0; i < 2; i++) {
    own[i] = MAX (p[i + 2] + p[i], 0);
    want[i] = MAX (t[i + 2] + t[i], 0);
    overlap[i] = MAX (MIN (p[i + 2], t[i + 2]) + MIN (p[i], t[i]), 0);
    hull[i] = MAX (p[i + 2], t[i + 2]) + MAX (p[i], t[i]);
  }

  const float inter = overlap[0] * overlap[1];
  const float joined = want[0] * want[1] + own[0] * own[1] - inter;
  const float enclosing = hull[0] * hull[1];
  const float u = MAX (joined, GIOU_EPS), e = MAX (enclosing, GIOU_EPS);
  const float giou = inter / u - (enclosing - joined) / e;

  /* Derivatives of giou. */
  const float djoined = 1 / e - (joined >= GIOU_EPS ? inter / (u * u) : 0);
  const float denclosing =
      -1 / e + (enclosing >= GIOU_EPS ? (enclosing - joined) / (e * e) : 0);
  const float dinter = 1 / u - djoined;
  for (int i = 0; i < 4; i++) {
    const int axis = i % 2, other = 1 - axis;
    const float low = min_slope (p[i], t[i]);
    float d = denclosing * hull[other] * (1 - low);

    if (MIN (p[axis + 2], t[axis + 2]) + MIN (p[axis], t[axis]) >= 0)
      d += dinter * overlap[other] * low;
    if (p[axis + 2] + p[axis] >= 0)
      d += djoined * own[other];
    dprediction[i] = -d;
  }
  return 1 - giou;
}

double
defcn_loss_giou (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *assignment, double scale)
{
  double sum = 0;
  int first = 0;

  for (int l = 0; l < n_levels; l++) {
    const int n = levels[l].h * levels[l].w;

    for (int j = 0; j < n; j++) {
      float d[4];

      if (assignment->objects[first + j] < 0)
        continue;
      sum += defcn_giou (d, levels[l].deltas + 4 * (gsize) j,
          assignment->targets[first + j]);
      for (int i = 0; grads && grads[l].deltas && i < 4; i++)
        grads[l].deltas[4 * (gsize) j + i] += scale * d[i];
    }
    first += n;
  }
  return sum * scale;
}
