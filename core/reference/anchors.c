/* Boxes of anchors: y = l, t, r, b of what x0 codes, four channels each. */
#include "backend.h"

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  const gsize n_boxes = defcn_tensor_len (node->y) / 4;

  for (gsize i = 0; i < n_boxes; i++)
    defcn_anchors_decode (node->y->data + 4 * i, node->x[0]->data + 4 * i,
        &node->anchors[i % node->n_anchors]);
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const gsize n_boxes = defcn_tensor_len (node->y) / 4;
  float *dx = node->x[0]->grad, d[4];

  for (gsize i = 0; dx && i < n_boxes; i++) {
    defcn_anchors_slope (d, node->y->grad + 4 * i, node->y->data + 4 * i,
        node->x[0]->data + 4 * i, &node->anchors[i % node->n_anchors]);
    for (int k = 0; k < 4; k++)
      dx[4 * i + k] = d[k] + (node->accumulate[0] ? dx[4 * i + k] : 0);
  }
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0], *y = node->y;

  if (node->n_anchors > 0 && node->n_anchors <= DEFCN_MAX_ANCHORS
      && y->n == x->n && y->h == x->h && y->w == x->w && y->c == x->c
      && x->c == 4 * node->n_anchors)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: output is %dx%dx%dx%d, input %dx%dx%dx%d, wanted 4 channels of both "
      "for each of %d anchors",
      node->name, y->n, y->h, y->w, y->c, x->n, x->h, x->w, x->c,
      node->n_anchors);
  return FALSE;
}

const DefcnOp defcn_anchors_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
