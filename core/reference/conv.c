/* Convolution: y = relu? (conv (x0, w) + b + x1?), grouped.
 *
 * All passes walk (n, oy, o, ox, ky, kx) and end in a run over the input
 * channels of the group, which are contiguous in x and in w alike.  The weights
 * of one output channel stay in the first cache for a whole row.
 */
#include "backend.h"

#include <string.h>

/* Eight partial sums, so that the compiler may use vectors. */
static float
dot (const float *a, const float *b, int n)
{
  float sum[8] = { 0 }, rest = 0;
  int i = 0;

  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; k++)
      sum[k] += a[i + k] * b[i + k];
  for (; i < n; i++)
    rest += a[i] * b[i];
  return ((sum[0] + sum[4]) + (sum[1] + sum[5]))
      + ((sum[2] + sum[6]) + (sum[3] + sum[7])) + rest;
}

/* y += a x */
static void
add_scaled (float *restrict y, const float *restrict x, float a, int n)
{
  for (int i = 0; i < n; i++)
    y[i] += a * x[i];
}

/* The kernel taps [*begin, *end) that meet the input from output @o on. */
static void
clip_taps (int *begin, int *end, const DefcnNode *node, int o, int in)
{
  int first = o * node->stride - node->pad;

  *begin = MAX (0, -first);
  *end = MIN (node->size, in - first);
}

/* Offset in x of the group's first channel under tap (ky, kx) of output channel
 * @o at (oy, ox), and in w of the tap's weights. */
static void
tap_offsets (gsize *in_x, gsize *in_w, const DefcnNode *node, int n, int oy,
    int o, int ox, int ky, int kx)
{
  const DefcnTensor *x = node->x[0], *w = node->w;
  int group = o / (node->y->c / node->groups);
  int iy = oy * node->stride - node->pad + ky;
  int ix = ox * node->stride - node->pad + kx;

  *in_x = (((gsize) n * x->h + iy) * x->w + ix) * x->c + (gsize) group * w->c;
  *in_w = (((gsize) o * w->h + ky) * w->w + kx) * w->c;
}

static float
forward_one (const DefcnNode *node, int n, int oy, int o, int ox)
{
  const DefcnTensor *x = node->x[0], *w = node->w;
  float sum = node->b ? node->b->data[o] : 0;
  int ky, ky_end, kx_begin, kx_end;
  gsize in_x, in_w;

  clip_taps (&kx_begin, &kx_end, node, ox, x->w);
  clip_taps (&ky, &ky_end, node, oy, x->h);
  for (; ky < ky_end; ky++) {
    tap_offsets (&in_x, &in_w, node, n, oy, o, ox, ky, kx_begin);
    for (int kx = kx_begin; kx < kx_end; kx++, in_x += x->c, in_w += w->c)
      sum += dot (x->data + in_x, w->data + in_w, w->c);
  }
  return sum;
}

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;

  for (int n = 0; n < y->n; n++)
    for (int oy = 0; oy < y->h; oy++)
      for (int o = 0; o < y->c; o++)
        for (int ox = 0; ox < y->w; ox++) {
          gsize i = (((gsize) n * y->h + oy) * y->w + ox) * y->c + o;
          float v = forward_one (node, n, oy, o, ox);
          if (node->x[1])
            v += node->x[1]->data[i];
          y->data[i] = node->relu ? MAX (v, 0) : v;
        }
}

/* dx += dy w and dw += dy x for the one element of y. */
static void
backward_one (const DefcnNode *node, float dy, int n, int oy, int o, int ox)
{
  const DefcnTensor *x = node->x[0], *w = node->w;
  int ky, ky_end, kx_begin, kx_end;
  gsize in_x, in_w;

  clip_taps (&kx_begin, &kx_end, node, ox, x->w);
  clip_taps (&ky, &ky_end, node, oy, x->h);
  for (; ky < ky_end; ky++) {
    tap_offsets (&in_x, &in_w, node, n, oy, o, ox, ky, kx_begin);
    for (int kx = kx_begin; kx < kx_end; kx++, in_x += x->c, in_w += w->c) {
      if (x->grad)
        add_scaled (x->grad + in_x, w->data + in_w, dy, w->c);
      if (w->grad)
        add_scaled (w->grad + in_w, x->data + in_x, dy, w->c);
    }
  }
}

static void
backward_bias (const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  gsize len = defcn_tensor_len (y);

  for (int o = 0; o < y->c; o++) {
    double sum = 0;
    for (gsize i = o; i < len; i += y->c)
      sum += y->grad[i];
    node->b->grad[o] += sum;
  }
}

static void
backward_residual (const DefcnNode *node)
{
  const DefcnTensor *y = node->y, *x = node->x[1];
  gsize len = defcn_tensor_len (y);

  if (node->accumulate[1])
    for (gsize i = 0; i < len; i++)
      x->grad[i] += y->grad[i];
  else
    memcpy (x->grad, y->grad, len * sizeof (float));
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  gsize len = defcn_tensor_len (y);

  if (node->relu)
    for (gsize i = 0; i < len; i++)
      y->grad[i] = y->data[i] > 0 ? y->grad[i] : 0;
  if (node->x[1] && node->x[1]->grad)
    backward_residual (node);
  if (node->b && node->b->grad)
    backward_bias (node);
  if (!x->grad && !node->w->grad)
    return;
  if (x->grad && !node->accumulate[0])
    memset (x->grad, 0, defcn_tensor_len (x) * sizeof (float));
  for (int n = 0; n < y->n; n++)
    for (int oy = 0; oy < y->h; oy++)
      for (int o = 0; o < y->c; o++)
        for (int ox = 0; ox < y->w; ox++) {
          gsize i = (((gsize) n * y->h + oy) * y->w + ox) * y->c + o;
          backward_one (node, y->grad[i], n, oy, o, ox);
        }
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0], *y = node->y, *w = node->w;
  const DefcnTensor *residual = node->x[1];
  int h = (x->h + 2 * node->pad - node->size) / node->stride + 1;
  int wide = (x->w + 2 * node->pad - node->size) / node->stride + 1;

  if (node->groups < 1 || w->n % node->groups || w->c * node->groups != x->c
      || w->h != node->size || w->w != node->size || w->n != y->c
      || (node->b && node->b->c != y->c)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "%s: weight %dx%dx%dx%d in %d groups does not lead from %d to %d "
        "channels",
        node->name, w->n, w->h, w->w, w->c, node->groups, x->c, y->c);
    return FALSE;
  }
  if (y->n != x->n || y->h != h || y->w != wide
      || (residual
          && (residual->n != y->n || residual->h != y->h || residual->w != y->w
              || residual->c != y->c))) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "%s: output or residual is not %dx%dx%dx%d", node->name, x->n, h, wide,
        w->n);
    return FALSE;
  }
  return TRUE;
}

const DefcnOp defcn_conv_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
