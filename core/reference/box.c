/* Box branch: y = relu (w x0) * factor, or exp (w x0), with one scalar w. */
#include "backend.h"

#include <math.h>

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  const float *x = node->x[0]->data;
  float *y = node->y->data, w = node->w->data[0];
  gsize len = defcn_tensor_len (node->y);

  for (gsize i = 0; i < len; i++)
    y[i] =
        node->exponential ? expf (w * x[i]) : MAX (w * x[i], 0) * node->factor;
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const float *x = node->x[0]->data, *y = node->y->data, *dy = node->y->grad;
  float *dx = node->x[0]->grad, w = node->w->data[0];
  gsize len = defcn_tensor_len (node->y);
  double dw = 0;

  for (gsize i = 0; i < len; i++) {
    /* gradient of w x; relu' (0) = 0 */
    float d = node->exponential ? dy[i] * y[i]
        : w * x[i] > 0          ? dy[i] * node->factor
                                : 0;
    dw += (double) d * x[i];
    if (dx)
      dx[i] = d * w + (node->accumulate[0] ? dx[i] : 0);
  }
  if (node->w->grad)
    node->w->grad[0] += dw;
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0], *y = node->y;

  if (y->n == x->n && y->h == x->h && y->w == x->w && y->c == x->c
      && defcn_tensor_len (node->w) == 1)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: output is %dx%dx%dx%d with %d scales, wanted %dx%dx%dx%d with one",
      node->name, y->n, y->h, y->w, y->c, (int) defcn_tensor_len (node->w),
      x->n, x->h, x->w, x->c);
  return FALSE;
}

const DefcnOp defcn_box_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
