/* Boxes of anchors.  The four channels of a box are in one block. */
#include "engine.h"

/* Takes every box: its place in both tensors, and its anchor. */
static void
visit_all (DefcnBackend *base, const DefcnNode *node,
    void (*visit) (const DefcnNode *node, gsize at, const DefcnAnchor *anchor))
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
        visit (node, at + k, &node->anchors[(first + k) / 4]);
    }
  }
}

static void
decode (const DefcnNode *node, gsize at, const DefcnAnchor *anchor)
{
  defcn_anchors_decode (node->y->data + at, node->x[0]->data + at, anchor);
}

static void
forward (DefcnBackend *base, const DefcnNode *node)
{
  visit_all (base, node, decode);
}

static void
add_slope (const DefcnNode *node, gsize at, const DefcnAnchor *anchor)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  float d[4];

  defcn_anchors_slope (d, y->grad + at, y->data + at, x->data + at, anchor);
  for (int k = 0; k < 4; k++)
    x->grad[at + k] = d[k] + (node->accumulate[0] ? x->grad[at + k] : 0);
}

static void
backward (DefcnBackend *base, const DefcnNode *node)
{
  if (node->x[0]->grad)
    visit_all (base, node, add_slope);
}

const DefcnOp defcn_onednn_anchors = { .forward = forward,
  .backward = backward };
