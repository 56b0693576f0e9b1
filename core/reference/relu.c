/* Rectifier: y = max (x0, 0). */
#include "backend.h"

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  const float *x = node->x[0]->data;
  float *y = node->y->data;
  gsize len = defcn_tensor_len (node->y);

  for (gsize i = 0; i < len; i++)
    y[i] = x[i] > 0 ? x[i] : 0;
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const float *y = node->y->data, *dy = node->y->grad;
  float *dx = node->x[0]->grad;
  gsize len = defcn_tensor_len (node->y);

  if (!dx)
    return;
  for (gsize i = 0; i < len; i++) {
    float old = node->accumulate[0] ? dx[i] : 0;
    dx[i] = old + (y[i] > 0 ? dy[i] : 0);
  }
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0], *y = node->y;

  if (y->n == x->n && y->h == x->h && y->w == x->w && y->c == x->c)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: output is %dx%dx%dx%d, wanted %dx%dx%dx%d", node->name, y->n, y->h,
      y->w, y->c, x->n, x->h, x->w, x->c);
  return FALSE;
}

const DefcnOp defcn_relu_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
