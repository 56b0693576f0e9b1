/* ReLU, FPN upsample-add, the box branch, and whole-tensor helpers. */
#include "engine.h"

#include <math.h>

/* Floats per piece of a parallel loop. */
#define PIECE ((gsize) 16384)

ONEDNN_CLONES
static void
mask_piece (float *dy, const float *y, gsize len)
{
  for (gsize i = 0; i < len; i++)
    dy[i] = y[i] > 0 ? dy[i] : 0;
}

ONEDNN_CLONES
static void
add_piece (float *dst, const float *src, gsize len, gboolean accumulate)
{
  if (accumulate) {
    for (gsize i = 0; i < len; i++)
      dst[i] += src[i];
  } else {
    for (gsize i = 0; i < len; i++)
      dst[i] = src[i];
  }
}

ONEDNN_CLONES
static void
relu_piece (float *y, const float *x, gsize len)
{
  for (gsize i = 0; i < len; i++)
    y[i] = x[i] > 0 ? x[i] : 0;
}

void
defcn_onednn_elementwise_mask (DefcnBackend *be, float *dy, const float *y,
    gsize len)
{
#pragma omp parallel for
  for (gsize i = 0; i < len; i += PIECE)
    mask_piece (dy + i, y + i, MIN (PIECE, len - i));
}

void
defcn_onednn_elementwise_add (DefcnBackend *be, float *dst, const float *src,
    gsize len, gboolean accumulate)
{
#pragma omp parallel for
  for (gsize i = 0; i < len; i += PIECE)
    add_piece (dst + i, src + i, MIN (PIECE, len - i), accumulate);
}

/* In float over short pieces, in double over them. */
static inline __attribute__ ((always_inline)) void
sum_pixels (double *sums, const float *x, int hw, const int block)
{
  for (int i = 0; i < hw; i += 64) {
    float part[16] = { 0 };

    for (int j = i; j < MIN (hw, i + 64); j++)
      for (int k = 0; k < block; k++)
        part[k] += x[(gsize) j * block + k];
    for (int k = 0; k < block; k++)
      sums[k] += part[k];
  }
}

ONEDNN_CLONES
static void
sum_plane (double *sums, const float *x, int hw, int block)
{
  ONEDNN_BLOCKED (block, sum_pixels, sums, x, hw);
}

void
defcn_onednn_elementwise_sum_plane (double *sums, const float *x, int hw,
    int block)
{
  sum_plane (sums, x, hw, block);
}

static gsize
padded_len (DefcnBackend *be, const DefcnTensor *t)
{
  return be->size (be, t) / sizeof (float);
}

static void
relu_forward (DefcnBackend *be, const DefcnNode *node)
{
  const gsize len = padded_len (be, node->y);

  onednn_enter (be);
#pragma omp parallel for
  for (gsize i = 0; i < len; i += PIECE)
    relu_piece (node->y->data + i, node->x[0]->data + i, MIN (PIECE, len - i));
}

static void
relu_backward (DefcnBackend *be, const DefcnNode *node)
{
  const gsize len = padded_len (be, node->y);

  if (!node->x[0]->grad)
    return;
  onednn_enter (be);
  defcn_onednn_elementwise_mask (be, node->y->grad, node->y->data, len);
  defcn_onednn_elementwise_add (be, node->x[0]->grad, node->y->grad, len,
      node->accumulate[0]);
}

const DefcnOp defcn_onednn_relu = { .forward = relu_forward,
  .backward = relu_backward };

/* One row: y = lateral + coarse, each coarse pixel twice. */
ONEDNN_CLONES
static void
upsample_row (float *y, const float *lateral, const float *coarse, int width,
    int block)
{
  for (int x = 0; x < width; x++) {
    const float *c = coarse + (gsize) (x / 2) * block;

    for (int k = 0; k < block; k++)
      y[(gsize) x * block + k] = lateral[(gsize) x * block + k] + c[k];
  }
}

/* One coarse row's gradient: the sum of the four pixels it went to. */
ONEDNN_CLONES
static void
gather_row (float *dx, const float *dy, int width, int block,
    gboolean accumulate)
{
  const gsize row = (gsize) 2 * width * block;

  for (int x = 0; x < width; x++) {
    for (int k = 0; k < block; k++) {
      const gsize i = (gsize) 2 * x * block + k;
      const float sum =
          dy[i] + dy[i + block] + dy[i + row] + dy[i + row + block];

      dx[(gsize) x * block + k] =
          (accumulate ? dx[(gsize) x * block + k] : 0) + sum;
    }
  }
}

static void
upsample_add_forward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *y = node->y, *coarse = node->x[1];
  const gsize row = (gsize) y->w * be->block, coarse_row = row / 2;
  const int rows = y->n * onednn_blocks (be, y) * y->h;

  onednn_enter (base);
#pragma omp parallel for
  for (int r = 0; r < rows; r++) {
    const int plane = r / y->h, line = r % y->h;

    upsample_row (y->data + r * row, node->x[0]->data + r * row,
        coarse->data + ((gsize) plane * coarse->h + line / 2) * coarse_row,
        y->w, be->block);
  }
}

static void
upsample_add_backward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *y = node->y, *coarse = node->x[1];
  const gsize coarse_row = (gsize) coarse->w * be->block;
  const int rows = coarse->n * onednn_blocks (be, coarse) * coarse->h;

  onednn_enter (base);
  if (node->x[0]->grad)
    defcn_onednn_elementwise_add (base, node->x[0]->grad, y->grad,
        padded_len (base, y), node->accumulate[0]);
  if (!coarse->grad)
    return;
#pragma omp parallel for
  for (int r = 0; r < rows; r++)
    gather_row (coarse->grad + r * coarse_row,
        y->grad + (gsize) r * 4 * coarse_row, coarse->w, be->block,
        node->accumulate[1]);
}

const DefcnOp defcn_onednn_upsample_add = { .forward = upsample_add_forward,
  .backward = upsample_add_backward };

/* Box branch on the real channels only: exp (0) must not fill the padding. */
static void
box_forward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *y = node->y;
  const int blocks = onednn_blocks (be, y), hw = y->h * y->w;
  const float scale = node->w->data[0];

  onednn_enter (base);
#pragma omp parallel for
  for (int p = 0; p < y->n * blocks; p++) {
    const int lanes = MIN (be->block, y->c - p % blocks * be->block);

    for (int i = 0; i < hw; i++) {
      const gsize at = ((gsize) p * hw + i) * be->block;

      for (int k = 0; k < lanes; k++) {
        const float v = scale * node->x[0]->data[at + k];

        y->data[at + k] = node->exponential ? expf (v)
            : v > 0                         ? v * node->factor
                                            : 0;
      }
    }
  }
}

static void
box_backward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *y = node->y;
  DefcnTensor *x = node->x[0];
  const int blocks = onednn_blocks (be, y), hw = y->h * y->w;
  const float scale = node->w->data[0];
  double sum = 0;

  for (int p = 0; p < y->n * blocks; p++) {
    const int lanes = MIN (be->block, y->c - p % blocks * be->block);

    for (int i = 0; i < hw; i++) {
      const gsize at = ((gsize) p * hw + i) * be->block;

      for (int k = 0; k < lanes; k++) {
        const float d = y->data[at + k] <= 0 ? 0
            : node->exponential              ? y->grad[at + k] * y->data[at + k]
                                             : y->grad[at + k] * node->factor;

        sum += (double) d * x->data[at + k];
        if (x->grad)
          x->grad[at + k] =
              (node->accumulate[0] ? x->grad[at + k] : 0) + d * scale;
      }
    }
  }
  if (node->w->grad)
    node->w->grad[0] += sum;
}

const DefcnOp defcn_onednn_box = { .forward = box_forward,
  .backward = box_backward };
