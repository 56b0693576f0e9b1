/* Boxes of anchors.  The four channels of a box are in one block. */
#include "engine.h"

static void
forward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *y = node->y;
  const int blocks = onednn_blocks (be, y), hw = y->h * y->w;

  onednn_enter (base);
#pragma omp parallel for
  for (int p = 0; p < y->n * blocks; p++) {
    const int first = p % blocks * be->block;
    const int lanes = MIN (be->block, y->c - first);

    for (int i = 0; i < hw; i++) {
      const gsize at = ((gsize) p * hw + i) * be->block;

      for (int k = 0; k < lanes; k += 4)
        defcn_anchors_decode (y->data + at + k, node->x[0]->data + at + k,
            &node->anchors[(first + k) / 4]);
    }
  }
}

/* The gradient of one box, at @at of both tensors. */
static void
add_slope (const DefcnTensor *x, const DefcnTensor *y, gsize at,
    const DefcnAnchor *anchor, gboolean accumulate)
{
  float d[4];

  defcn_anchors_slope (d, y->grad + at, y->data + at, x->data + at, anchor);
  for (int k = 0; k < 4; k++)
    x->grad[at + k] = d[k] + (accumulate ? x->grad[at + k] : 0);
}

static void
backward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int blocks = onednn_blocks (be, y), hw = y->h * y->w;

  if (!x->grad)
    return;
  onednn_enter (base);
#pragma omp parallel for
  for (int p = 0; p < y->n * blocks; p++) {
    const int first = p % blocks * be->block;
    const int lanes = MIN (be->block, y->c - first);

    for (int i = 0; i < hw; i++) {
      const gsize at = ((gsize) p * hw + i) * be->block;

      for (int k = 0; k < lanes; k += 4)
        add_slope (x, y, at + k, &node->anchors[(first + k) / 4],
            node->accumulate[0]);
    }
  }
}

const DefcnOp defcn_onednn_anchors = { .forward = forward,
  .backward = backward };
