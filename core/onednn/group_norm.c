/* Group norm over blocked layouts: moments per channel, joined per group, then
 * one affine map per channel.  Groups may straddle blocks. */
#include "engine.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-5
#define CHUNK 64 /* pixels that are summed in float before double */

/* Per image and padded channel. */
typedef struct
{
  double *sums;         /* 2 per channel: mean and squared deviations of x, or
                           sums of dy and dy xhat */
  float *mean, *rstd;   /* of the channel's group */
  float *factor, *bias; /* of the affine map */
} GroupNorm;

/* Mean and sum of squared deviations of one plane, per lane.  Sums run over x
 * minus its first pixel, so that a large mean does not cancel. */
static inline __attribute__ ((always_inline)) void
moments_plane (double *out, const float *x, int hw, const int block)
{
  double total[2][16] = { { 0 } };

  for (int i = 0; i < hw; i += CHUNK) {
    float s[16] = { 0 }, q[16] = { 0 };

    for (int j = i; j < MIN (hw, i + CHUNK); j++) {
      for (int k = 0; k < block; k++) {
        const float v = x[(gsize) j * block + k] - x[k];

        s[k] += v;
        q[k] += v * v;
      }
    }
    for (int k = 0; k < block; k++) {
      total[0][k] += s[k];
      total[1][k] += q[k];
    }
  }
  for (int k = 0; k < block; k++) {
    out[2 * k] = x[k] + total[0][k] / hw;
    out[2 * k + 1] = total[1][k] - total[0][k] * total[0][k] / hw;
  }
}

/* Sums of dy and dy xhat, after the mask of a fused ReLU (in place). */
static inline __attribute__ ((always_inline)) void
gradient_sums_plane (double *sums, float *dy, const float *x, const float *y,
    const float *mean, const float *rstd, gboolean relu, int hw,
    const int block)
{
  double total[2][16] = { { 0 } };

  for (int i = 0; i < hw; i += CHUNK) {
    float s[16] = { 0 }, q[16] = { 0 };

    for (int j = i; j < MIN (hw, i + CHUNK); j++) {
      for (int k = 0; k < block; k++) {
        const gsize at = (gsize) j * block + k;
        const float d = !relu || y[at] > 0 ? dy[at] : 0;

        dy[at] = d;
        s[k] += d;
        q[k] += d * (x[at] - mean[k]) * rstd[k];
      }
    }
    for (int k = 0; k < block; k++) {
      total[0][k] += s[k];
      total[1][k] += q[k];
    }
  }
  for (int k = 0; k < block; k++) {
    sums[2 * k] = total[0][k];
    sums[2 * k + 1] = total[1][k];
  }
}

static inline __attribute__ ((always_inline)) void
apply_plane (float *y, const float *x, const float *mean, const float *factor,
    const float *bias, gboolean relu, int hw, const int block)
{
  for (int i = 0; i < hw; i++) {
    for (int k = 0; k < block; k++) {
      const gsize at = (gsize) i * block + k;
      const float v = (x[at] - mean[k]) * factor[k] + bias[k];

      y[at] = relu && v < 0 ? 0 : v;
    }
  }
}

/* dx = dy p + (x - mean) q + r, per channel. */
static inline __attribute__ ((always_inline)) void
apply_gradient_plane (float *dx, const float *dy, const float *x,
    const float *mean, const float *p, const float *q, const float *r,
    gboolean accumulate, int hw, const int block)
{
  for (int i = 0; i < hw; i++) {
    for (int k = 0; k < block; k++) {
      const gsize at = (gsize) i * block + k;
      const float d = dy[at] * p[k] + (x[at] - mean[k]) * q[k] + r[k];

      dx[at] = (accumulate ? dx[at] : 0) + d;
    }
  }
}

ONEDNN_CLONES
static void
moments (double *out, const float *x, int hw, int block)
{
  ONEDNN_BLOCKED (block, moments_plane, out, x, hw);
}

ONEDNN_CLONES
static void
gradient_sums (double *out, float *dy, const float *x, const float *y,
    const float *mean, const float *rstd, gboolean relu, int hw, int block)
{
  ONEDNN_BLOCKED (block, gradient_sums_plane, out, dy, x, y, mean, rstd, relu,
      hw);
}

ONEDNN_CLONES
static void
apply (float *y, const float *x, const float *mean, const float *factor,
    const float *bias, gboolean relu, int hw, int block)
{
  ONEDNN_BLOCKED (block, apply_plane, y, x, mean, factor, bias, relu, hw);
}

ONEDNN_CLONES
static void
apply_gradient (float *dx, const float *dy, const float *x, const float *mean,
    const float *p, const float *q, const float *r, gboolean accumulate, int hw,
    int block)
{
  ONEDNN_BLOCKED (block, apply_gradient_plane, dx, dy, x, mean, p, q, r,
      accumulate, hw);
}

static void
group_norm_release (DefcnBackend *be, DefcnNode *node)
{
  GroupNorm *g = node->state;

  g_free (g->sums);
  g_free (g->mean);
  g_free (g->rstd);
  g_free (g->factor);
  g_free (g->bias);
  g_clear_pointer (&node->state, g_free);
}

static gboolean
group_norm_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *x = node->x[0];
  const gsize n = (gsize) x->n * onednn_blocks (be, x) * be->block;
  GroupNorm *g = node->state = g_new0 (GroupNorm, 1);

  g->sums = g_new0 (double, 2 * n);
  g->mean = g_new0 (float, n);
  g->rstd = g_new0 (float, n);
  g->factor = g_new0 (float, n);
  g->bias = g_new0 (float, n);
  return TRUE;
}

/* From the channels' moments to the group's mean, 1 / std and the affine map of
 * image @n. */
static void
finish_statistics (GroupNorm *g, const DefcnNode *node, int n, int padded)
{
  const DefcnTensor *x = node->x[0];
  const int per_group = x->c / node->groups;
  const double count = (double) per_group * x->h * x->w;

  for (int group = 0; group < node->groups; group++) {
    const double *moment = g->sums + 2 * (n * padded + group * per_group);
    double mean = 0, squares = 0;

    for (int c = 0; c < per_group; c++)
      mean += moment[2 * c] / per_group;
    for (int c = 0; c < per_group; c++) {
      const double d = moment[2 * c] - mean;

      squares += moment[2 * c + 1] + d * d * x->h * x->w;
    }
    const double rstd = 1 / sqrt (MAX (squares / count, 0) + EPSILON);
    for (int c = group * per_group; c < (group + 1) * per_group; c++) {
      const int at = n * padded + c;

      g->mean[at] = mean;
      g->rstd[at] = rstd;
      g->factor[at] = node->w->data[c] * rstd;
      g->bias[at] = node->b->data[c];
    }
  }
}

static void
group_norm_forward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *x = node->x[0];
  const int blocks = onednn_blocks (be, x), hw = x->h * x->w;
  const gsize plane = onednn_plane (be, x);
  GroupNorm *g = node->state;

  onednn_enter (base);
#pragma omp parallel for
  for (int p = 0; p < x->n * blocks; p++)
    moments (g->sums + 2 * p * be->block, x->data + p * plane, hw, be->block);
  for (int n = 0; n < x->n; n++)
    finish_statistics (g, node, n, blocks * be->block);
#pragma omp parallel for
  for (int p = 0; p < x->n * blocks; p++)
    apply (node->y->data + p * plane, x->data + p * plane,
        g->mean + p * be->block, g->factor + p * be->block,
        g->bias + p * be->block, node->relu, hw, be->block);
}

/* xhat = (x - mean) rstd; with D = mean over the group of gamma dy and E of
 * gamma dy xhat: dx = rstd (gamma dy - D - xhat E) = dy p + (x - mean) q + r.
 * r takes the place of rstd, which is not needed any more. */
static void
finish_gradient (GroupNorm *g, const DefcnNode *node, int n, int padded)
{
  const DefcnTensor *x = node->x[0];
  const int per_group = x->c / node->groups;
  const double count = (double) per_group * x->h * x->w;

  for (int group = 0; group < node->groups; group++) {
    double d = 0, e = 0;

    for (int c = group * per_group; c < (group + 1) * per_group; c++) {
      d += node->w->data[c] * g->sums[2 * (n * padded + c)];
      e += node->w->data[c] * g->sums[2 * (n * padded + c) + 1];
    }
    d /= count;
    e /= count;
    for (int c = group * per_group; c < (group + 1) * per_group; c++) {
      const int at = n * padded + c;
      const double rstd = g->rstd[at];

      g->factor[at] = node->w->data[c] * rstd; /* p */
      g->bias[at] = -rstd * rstd * e;          /* q */
      g->rstd[at] = -rstd * d;                 /* r */
    }
  }
}

static void
group_norm_backward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *x = node->x[0];
  const int blocks = onednn_blocks (be, x), hw = x->h * x->w;
  const int padded = blocks * be->block;
  const gsize plane = onednn_plane (be, x);
  GroupNorm *g = node->state;

  onednn_enter (base);
#pragma omp parallel for
  for (int p = 0; p < x->n * blocks; p++)
    gradient_sums (g->sums + 2 * p * be->block, node->y->grad + p * plane,
        x->data + p * plane, node->y->data + p * plane, g->mean + p * be->block,
        g->rstd + p * be->block, node->relu, hw, be->block);
  for (int n = 0; n < x->n; n++) {
    for (int c = 0; c < x->c; c++) {
      if (node->w->grad)
        node->w->grad[c] += g->sums[2 * (n * padded + c) + 1];
      if (node->b->grad)
        node->b->grad[c] += g->sums[2 * (n * padded + c)];
    }
  }
  if (!x->grad)
    return;

  for (int n = 0; n < x->n; n++)
    finish_gradient (g, node, n, padded);
#pragma omp parallel for
  for (int p = 0; p < x->n * blocks; p++)
    apply_gradient (x->grad + p * plane, node->y->grad + p * plane,
        x->data + p * plane, g->mean + p * be->block, g->factor + p * be->block,
        g->bias + p * be->block, g->rstd + p * be->block, node->accumulate[0],
        hw, be->block);
}

const DefcnOp defcn_onednn_group_norm = {
  .prepare = group_norm_prepare,
  .forward = group_norm_forward,
  .backward = group_norm_backward,
  .release = group_norm_release,
};
