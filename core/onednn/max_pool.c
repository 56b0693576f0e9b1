/* Max-pool 3x3 stride 2 pad 1; the winner's place is kept for training. */
#include "engine.h"

#include <math.h>
#include <string.h>

/* One output row.  @winners: tap 0..8 of each element, or NULL. */
static inline __attribute__ ((always_inline)) void
pool_row (float *y, guint8 *winners, const float *x, int oy, int h, int w,
    int out_w, const gboolean keep, const int block)
{
  for (int ox = 0; ox < out_w; ox++) {
    float best[16];
    guint8 at[16] = { 0 };

    for (int k = 0; k < block; k++)
      best[k] = -INFINITY;
    for (int tap = 0; tap < 9; tap++) {
      const int iy = 2 * oy - 1 + tap / 3, ix = 2 * ox - 1 + tap % 3;

      if (iy < 0 || iy >= h || ix < 0 || ix >= w)
        continue;
      for (int k = 0; k < block; k++) {
        const float v = x[((gsize) iy * w + ix) * block + k];

        if (keep)
          at[k] = v > best[k] ? tap : at[k];
        best[k] = v > best[k] ? v : best[k];
      }
    }
    memcpy (y + (gsize) ox * block, best, block * sizeof *best);
    if (keep)
      memcpy (winners + (gsize) ox * block, at, block);
  }
}

ONEDNN_CLONES
static void
pool (float *y, guint8 *winners, const float *x, int oy, int h, int w,
    int out_w, int block)
{
  if (winners)
    ONEDNN_BLOCKED (block, pool_row, y, winners, x, oy, h, w, out_w, TRUE);
  else
    ONEDNN_BLOCKED (block, pool_row, y, NULL, x, oy, h, w, out_w, FALSE);
}

static gboolean
max_pool_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  if (node->train && node->x[0]->grad)
    node->state = g_malloc (base->size (base, node->y) / sizeof (float));
  return TRUE;
}

static void
max_pool_release (DefcnBackend *base, DefcnNode *node)
{
  g_clear_pointer (&node->state, g_free);
}

static void
max_pool_forward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *x = node->x[0], *y = node->y;
  const gsize row = (gsize) y->w * be->block;
  const int rows = y->n * onednn_blocks (be, y) * y->h;
  guint8 *winners = node->state;

  onednn_enter (base);
#pragma omp parallel for
  for (int r = 0; r < rows; r++)
    pool (y->data + r * row, winners ? winners + r * row : NULL,
        x->data + r / y->h * onednn_plane (be, x), r % y->h, x->h, x->w, y->w,
        be->block);
}

static void
max_pool_backward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int planes = y->n * onednn_blocks (be, y), out = y->h * y->w;
  const gsize plane = onednn_plane (be, x);
  const guint8 *winners = node->state;

  if (!x->grad)
    return;
  onednn_enter (base);
#pragma omp parallel for
  for (int p = 0; p < planes; p++) {
    float *dx = x->grad + p * plane;

    if (!node->accumulate[0])
      memset (dx, 0, plane * sizeof *dx);
    for (int i = 0; i < out; i++) {
      for (int k = 0; k < be->block; k++) {
        const gsize at = ((gsize) p * out + i) * be->block + k;
        const int tap = winners[at];
        const int iy = 2 * (i / y->w) - 1 + tap / 3;
        const int ix = 2 * (i % y->w) - 1 + tap % 3;

        /* Tap 0 of a window whose values are all -inf may lie outside. */
        if (iy >= 0 && ix >= 0)
          dx[((gsize) iy * x->w + ix) * be->block + k] += y->grad[at];
      }
    }
  }
}

const DefcnOp defcn_onednn_max_pool = {
  .prepare = max_pool_prepare,
  .forward = max_pool_forward,
  .backward = max_pool_backward,
  .release = max_pool_release,
};
