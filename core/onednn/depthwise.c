/* Backward of the depthwise 3x3 convolutions, both gradients at once: they are
 * bound by memory, and oneDNN would read everything two or three times. */
#include "passes.h"

#include <math.h>
#include <string.h>

enum
{
  SUMS = 10 /* nine taps and the bias */
};

typedef struct
{
  DepthwiseShape shape;
  gsize rows_len; /* floats of scratch per thread */
} Depthwise;

static double
cost (const Onednn *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0];
  const gboolean possible = node->size == 3 && node->pad == 1
      && node->stride <= 2 && node->groups == x->c && node->y->c == x->c
      && !node->x[1] && x->role == DEFCN_TENSOR_ACTIVATION;

  return possible ? 0.5 : INFINITY;
}

static gpointer
prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int planes = x->n * onednn_blocks (be, x);
  Depthwise *d = g_new0 (Depthwise, 1);

  d->shape = (DepthwiseShape){ x->h, x->w, y->h, y->w, node->stride, node->relu,
    defcn_onednn_passes_mask_early (be, node), node->accumulate[0] };
  d->rows_len = (gsize) 3 * (y->w + 2) * be->block;
  if (defcn_onednn_scratch_reserve (be,
          be->base.threads * d->rows_len + (gsize) planes * SUMS * be->block))
    return d;
  defcn_onednn_passes_error (error, node, "no memory");
  g_free (d);
  return NULL;
}

/* Adds up the images' sums, in order. */
static void
add_sums (const Onednn *be, const DefcnNode *node, const float *sums)
{
  const int blocks = onednn_blocks (be, node->y);
  const gsize image = (gsize) blocks * SUMS * be->block;

  for (int c = 0; c < node->y->c; c++) {
    const float *of_c = sums + c / be->block * SUMS * be->block + c % be->block;

    for (int k = 0; k < SUMS; k++) {
      double total = 0;

      for (int n = 0; n < node->y->n; n++)
        total += of_c[n * image + k * be->block];
      if (k < 9 && node->w->grad)
        node->w->grad[9 * c + k] += total;
      else if (k == 9 && node->b && node->b->grad)
        node->b->grad[c] += total;
    }
  }
}

static void
run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Depthwise *d = state;
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int block = be->block, blocks = onednn_blocks (be, x);
  const gsize x_plane = onednn_plane (be, x), y_plane = onednn_plane (be, y);
  float *sums = be->scratch + be->base.threads * d->rows_len;

#pragma omp parallel for
  for (int p = 0; p < x->n * blocks; p++) {
    const int first = p % blocks * block;
    float w[9 * 16] __attribute__ ((aligned (64))) = { 0 };

    for (int c = 0; c < MIN (block, x->c - first); c++)
      for (int k = 0; k < 9; k++)
        w[k * block + c] = node->w->data[9 * (first + c) + k];
    be->depthwise->backward (x->grad ? x->grad + p * x_plane : NULL,
        sums + (gsize) p * SUMS * block, y->grad + p * y_plane,
        y->data + p * y_plane, x->data + p * x_plane, w, &d->shape,
        be->scratch + omp_get_thread_num () * d->rows_len);
  }
  add_sums (be, node, sums);
}

static void
release (Onednn *be, gpointer state)
{
  g_free (state);
}

static const char *
describe (gpointer state)
{
  return "depthwise";
}

const OnednnPass defcn_onednn_depthwise_backward = { cost, prepare, run,
  release, describe };
