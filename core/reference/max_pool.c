/* Max-pooling 3x3, stride 2, padding 1 that counts as -inf. */
#include "backend.h"

#include <math.h>
#include <string.h>

/* Returns: the index in x of the first largest element, row by row, of the
 * window of output (oy, ox). */
static gsize
winner (const DefcnTensor *x, int n, int oy, int ox, int c)
{
  float best = -INFINITY;
  gsize at = 0;
  gboolean found = FALSE;

  for (int iy = MAX (2 * oy - 1, 0); iy <= MIN (2 * oy + 1, x->h - 1); iy++)
    for (int ix = MAX (2 * ox - 1, 0); ix <= MIN (2 * ox + 1, x->w - 1); ix++) {
      gsize i = (((gsize) n * x->h + iy) * x->w + ix) * x->c + c;
      if (!found || x->data[i] > best) {
        best = x->data[i];
        at = i;
        found = TRUE;
      }
    }
  return at;
}

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  gsize i = 0;

  for (int n = 0; n < y->n; n++)
    for (int oy = 0; oy < y->h; oy++)
      for (int ox = 0; ox < y->w; ox++)
        for (int c = 0; c < y->c; c++)
          y->data[i++] = x->data[winner (x, n, oy, ox, c)];
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  gsize i = 0;

  if (!x->grad)
    return;
  if (!node->accumulate[0])
    memset (x->grad, 0, defcn_tensor_len (x) * sizeof (float));
  for (int n = 0; n < y->n; n++)
    for (int oy = 0; oy < y->h; oy++)
      for (int ox = 0; ox < y->w; ox++)
        for (int c = 0; c < y->c; c++)
          x->grad[winner (x, n, oy, ox, c)] += y->grad[i++];
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0], *y = node->y;

  if (y->n == x->n && y->h == (x->h + 1) / 2 && y->w == (x->w + 1) / 2
      && y->c == x->c)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: output is %dx%dx%dx%d, wanted half of %dx%dx%dx%d", node->name, y->n,
      y->h, y->w, y->c, x->n, x->h, x->w, x->c);
  return FALSE;
}

const DefcnOp defcn_max_pool_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
