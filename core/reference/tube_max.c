/* 3D max filtering: y = relu? (x0 + max over the tube of x1..), eq. 5, 6.
 *
 * Every level of the tube is first resized to the size of y, then the maximum
 * is taken over the levels and a phi x phi window cut at the border.  The
 * gradient goes to the first winner in the order level, row, column.
 */
#include "backend.h"

#include "bilinear.h"

#include <math.h>
#include <string.h>

/* One sample's levels at the size of y, (n_levels, h, w, c), and, when
 * training, their gradients. */
typedef struct
{
  float *levels;
  float *grads;
} Tube;

/* The corners' offsets in sample @n of x, at channel 0, and their weights. */
static void
bilinear_corners (gsize *at, float *weight, const DefcnTensor *x,
    const DefcnTensor *y, int n, int oy, int ox)
{
  int y0, y1, x0, x1;
  float wy, wx;

  defcn_bilinear_axis (&y0, &y1, &wy, oy, x->h, y->h);
  defcn_bilinear_axis (&x0, &x1, &wx, ox, x->w, y->w);
  at[0] = (((gsize) n * x->h + y0) * x->w + x0) * x->c;
  at[1] = (((gsize) n * x->h + y0) * x->w + x1) * x->c;
  at[2] = (((gsize) n * x->h + y1) * x->w + x0) * x->c;
  at[3] = (((gsize) n * x->h + y1) * x->w + x1) * x->c;
  weight[0] = 1 - wx;
  weight[1] = wx;
  weight[2] = 1 - wy;
  weight[3] = wy;
}

static void
resize (float *out, const DefcnTensor *x, const DefcnTensor *y, int n)
{
  for (int oy = 0; oy < y->h; oy++)
    for (int ox = 0; ox < y->w; ox++) {
      gsize at[4];
      float w[4];
      bilinear_corners (at, w, x, y, n, oy, ox);
      for (int c = 0; c < y->c; c++) {
        float top = w[0] * x->data[at[0] + c] + w[1] * x->data[at[1] + c];
        float low = w[0] * x->data[at[2] + c] + w[1] * x->data[at[3] + c];
        *out++ = w[2] * top + w[3] * low;
      }
    }
}

/* x->grad += the transpose of resize() times @d. */
static void
resize_backward (const DefcnTensor *x, const float *d, const DefcnTensor *y,
    int n)
{
  for (int oy = 0; oy < y->h; oy++)
    for (int ox = 0; ox < y->w; ox++) {
      gsize at[4];
      float w[4];
      bilinear_corners (at, w, x, y, n, oy, ox);
      for (int c = 0; c < y->c; c++, d++) {
        x->grad[at[0] + c] += w[2] * w[0] * *d;
        x->grad[at[1] + c] += w[2] * w[1] * *d;
        x->grad[at[2] + c] += w[3] * w[0] * *d;
        x->grad[at[3] + c] += w[3] * w[1] * *d;
      }
    }
}

static gsize
plane_len (const DefcnTensor *y)
{
  return (gsize) y->h * y->w * y->c;
}

static void
fill_tube (const DefcnNode *node, int n)
{
  Tube *tube = node->state;
  gsize len = plane_len (node->y);

  for (int k = 0; k < node->n_levels; k++) {
    const DefcnTensor *x = node->x[1 + k];
    if (k == node->self)
      memcpy (tube->levels + k * len, x->data + n * len, len * sizeof (float));
    else
      resize (tube->levels + k * len, x, node->y, n);
  }
}

/* Returns: index in the tube of the winner for channel @c at (oy, ox). */
static gsize
winner (const DefcnNode *node, int oy, int ox, int c)
{
  const DefcnTensor *y = node->y;
  const float *levels = ((const Tube *) node->state)->levels;
  int r = node->phi / 2;
  gsize at = G_MAXSIZE;

  for (int k = 0; k < node->n_levels; k++)
    for (int iy = MAX (oy - r, 0); iy <= MIN (oy + r, y->h - 1); iy++)
      for (int ix = MAX (ox - r, 0); ix <= MIN (ox + r, y->w - 1); ix++) {
        gsize i = (((gsize) k * y->h + iy) * y->w + ix) * y->c + c;
        if (at == G_MAXSIZE || levels[i] > levels[at])
          at = i;
      }
  return at;
}

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  const float *levels = ((const Tube *) node->state)->levels;
  gsize i = 0;

  for (int n = 0; n < y->n; n++) {
    fill_tube (node, n);
    for (int oy = 0; oy < y->h; oy++)
      for (int ox = 0; ox < y->w; ox++)
        for (int c = 0; c < y->c; c++, i++) {
          float v = node->x[0]->data[i] + levels[winner (node, oy, ox, c)];
          y->data[i] = node->relu ? MAX (v, 0) : v;
        }
  }
}

/* dx += @grads of the tube for sample @n. */
static void
backward_levels (const DefcnNode *node, const float *grads, int n)
{
  gsize len = plane_len (node->y);

  for (int k = 0; k < node->n_levels; k++) {
    const DefcnTensor *x = node->x[1 + k];
    if (!x->grad)
      continue;
    if (k == node->self)
      for (gsize i = 0; i < len; i++)
        x->grad[n * len + i] += grads[k * len + i];
    else
      resize_backward (x, grads + k * len, node->y, n);
  }
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  float *grads = ((Tube *) node->state)->grads;
  gsize len = defcn_tensor_len (y), i = 0;

  for (gsize k = 0; node->relu && k < len; k++)
    y->grad[k] = y->data[k] > 0 ? y->grad[k] : 0;
  for (int k = 0; k <= node->n_levels; k++) {
    const DefcnTensor *x = node->x[k];
    if (x->grad && !node->accumulate[k])
      memset (x->grad, 0, defcn_tensor_len (x) * sizeof (float));
  }
  for (gsize k = 0; node->x[0]->grad && k < len; k++)
    node->x[0]->grad[k] += y->grad[k];

  for (int n = 0; n < y->n; n++) {
    fill_tube (node, n);
    memset (grads, 0, node->n_levels * plane_len (y) * sizeof (float));
    for (int oy = 0; oy < y->h; oy++)
      for (int ox = 0; ox < y->w; ox++)
        for (int c = 0; c < y->c; c++)
          grads[winner (node, oy, ox, c)] += y->grad[i++];
    backward_levels (node, grads, n);
  }
}

static void
release (DefcnBackend *be, DefcnNode *node)
{
  Tube *tube = node->state;

  if (!tube)
    return;
  g_free (tube->levels);
  g_free (tube->grads);
  g_free (tube);
  node->state = NULL;
}

static gboolean
check (const DefcnNode *node, GError **error)
{
  const DefcnTensor *y = node->y;
  gboolean good = node->n_levels >= 1 && node->n_levels < DEFCN_MAX_INPUTS
      && node->self >= 0 && node->self < node->n_levels && node->phi % 2 == 1;

  for (int k = 0; good && k <= node->n_levels; k++) {
    const DefcnTensor *x = node->x[k];
    gboolean whole = k == 0 || k == 1 + node->self;
    good = x && x->n == y->n && x->c == y->c
        && (!whole || (x->h == y->h && x->w == y->w));
  }
  if (!good)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "%s: the %d levels of the tube do not fit level %d, %dx%dx%dx%d, with "
        "phi %d",
        node->name, node->n_levels, node->self, y->n, y->h, y->w, y->c,
        node->phi);
  return good;
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  gsize len = node->n_levels * plane_len (node->y);
  Tube *tube;

  if (!check (node, error))
    return FALSE;
  node->state = tube = g_new0 (Tube, 1);
  tube->levels = g_try_new (float, len);
  tube->grads = node->train ? g_try_new (float, len) : NULL;
  if (tube->levels && (tube->grads || !node->train))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: no memory for a tube of %" G_GSIZE_FORMAT " values", node->name,
      len);
  release (be, node);
  return FALSE;
}

const DefcnOp defcn_tube_max_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
  .release = release,
};
