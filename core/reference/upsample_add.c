/* FPN top-down step: y = x0 + nearest x2 of x1. */
#include "backend.h"

#include <string.h>

/* Index of the first channel of the pixel of the coarse map under (oy, ox). */
static gsize
source (const DefcnTensor *coarse, int n, int oy, int ox)
{
  return (((gsize) n * coarse->h + oy / 2) * coarse->w + ox / 2) * coarse->c;
}

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *fine = node->x[0], *coarse = node->x[1], *y = node->y;
  gsize i = 0;

  for (int n = 0; n < y->n; n++)
    for (int oy = 0; oy < y->h; oy++)
      for (int ox = 0; ox < y->w; ox++) {
        gsize k = source (coarse, n, oy, ox);
        for (int c = 0; c < y->c; c++, i++)
          y->data[i] = fine->data[i] + coarse->data[k + c];
      }
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *fine = node->x[0], *coarse = node->x[1], *y = node->y;
  gsize len = defcn_tensor_len (y), i = 0;

  if (fine->grad)
    for (gsize k = 0; k < len; k++)
      fine->grad[k] = y->grad[k] + (node->accumulate[0] ? fine->grad[k] : 0);
  if (!coarse->grad)
    return;
  if (!node->accumulate[1])
    memset (coarse->grad, 0, defcn_tensor_len (coarse) * sizeof (float));
  for (int n = 0; n < y->n; n++)
    for (int oy = 0; oy < y->h; oy++)
      for (int ox = 0; ox < y->w; ox++) {
        gsize k = source (coarse, n, oy, ox);
        for (int c = 0; c < y->c; c++, i++)
          coarse->grad[k + c] += y->grad[i];
      }
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const DefcnTensor *fine = node->x[0], *coarse = node->x[1], *y = node->y;

  if (y->n == fine->n && y->h == fine->h && y->w == fine->w && y->c == fine->c
      && coarse->n == y->n && 2 * coarse->h == y->h && 2 * coarse->w == y->w
      && coarse->c == y->c)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: %dx%dx%dx%d is not twice as high and wide as %dx%dx%dx%d",
      node->name, fine->n, fine->h, fine->w, fine->c, coarse->n, coarse->h,
      coarse->w, coarse->c);
  return FALSE;
}

const DefcnOp defcn_upsample_add_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
