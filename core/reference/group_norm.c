/* Group normalisation: y = relu? ((x0 - mean) / std * w + b), with mean and
 * biased variance per sample and group over (h, w, c / groups). */
#include "backend.h"

#include <math.h>

#define EPSILON 1e-5

/* Mean and 1 / std of the group of channels [c0, c1) in sample @n. */
static void
statistics (double *mean, double *scale, const DefcnTensor *x, int n, int c0,
    int c1)
{
  gsize pixels = (gsize) x->h * x->w;
  const float *data = x->data + (gsize) n * pixels * x->c;
  double sum = 0, squares = 0, count = (double) pixels * (c1 - c0);

  for (gsize p = 0; p < pixels; p++)
    for (int c = c0; c < c1; c++)
      sum += data[p * x->c + c];
  *mean = sum / count;
  for (gsize p = 0; p < pixels; p++)
    for (int c = c0; c < c1; c++) {
      double d = data[p * x->c + c] - *mean;
      squares += d * d;
    }
  *scale = 1 / sqrt (squares / count + EPSILON);
}

static void
forward_group (const DefcnNode *node, int n, int c0, int c1)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  gsize pixels = (gsize) x->h * x->w, base = (gsize) n * pixels * x->c;
  double mean, scale;

  statistics (&mean, &scale, x, n, c0, c1);
  for (gsize p = 0; p < pixels; p++)
    for (int c = c0; c < c1; c++) {
      gsize i = base + p * x->c + c;
      float v =
          (x->data[i] - mean) * scale * node->w->data[c] + node->b->data[c];
      y->data[i] = node->relu ? MAX (v, 0) : v;
    }
}

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  int per_group = node->y->c / node->groups;

  for (int n = 0; n < node->y->n; n++)
    for (int c = 0; c < node->y->c; c += per_group)
      forward_group (node, n, c, c + per_group);
}

/* With h = (x - mean) / std and g = dy w:
 * dx = (g - mean (g) - h mean (g h)) / std, dw = sum (dy h), db = sum (dy). */
static void
backward_group (const DefcnNode *node, int n, int c0, int c1)
{
  const DefcnTensor *x = node->x[0], *w = node->w, *b = node->b;
  const float *dy = node->y->grad;
  gsize pixels = (gsize) x->h * x->w, base = (gsize) n * pixels * x->c;
  double mean, scale, mean_g = 0, mean_gh = 0;

  statistics (&mean, &scale, x, n, c0, c1);
  for (int c = c0; c < c1; c++) {
    double sum = 0, sum_h = 0;
    for (gsize p = 0; p < pixels; p++) {
      gsize i = base + p * x->c + c;
      sum += dy[i];
      sum_h += dy[i] * (x->data[i] - mean) * scale;
    }
    if (w->grad)
      w->grad[c] += sum_h;
    if (b->grad)
      b->grad[c] += sum;
    mean_g += w->data[c] * sum;
    mean_gh += w->data[c] * sum_h;
  }
  if (!x->grad)
    return;
  mean_g /= (double) pixels * (c1 - c0);
  mean_gh /= (double) pixels * (c1 - c0);
  for (gsize p = 0; p < pixels; p++)
    for (int c = c0; c < c1; c++) {
      gsize i = base + p * x->c + c;
      double h = (x->data[i] - mean) * scale;
      float dx = ((double) dy[i] * w->data[c] - mean_g - h * mean_gh) * scale;
      x->grad[i] = node->accumulate[0] ? x->grad[i] + dx : dx;
    }
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  int per_group = y->c / node->groups;
  gsize len = defcn_tensor_len (y);

  if (node->relu)
    for (gsize i = 0; i < len; i++)
      y->grad[i] = y->data[i] > 0 ? y->grad[i] : 0;
  for (int n = 0; n < y->n; n++)
    for (int c = 0; c < y->c; c += per_group)
      backward_group (node, n, c, c + per_group);
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0], *y = node->y;

  if (node->groups < 1 || x->c % node->groups || node->w->c != x->c
      || node->b->c != x->c) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "%s: %d groups, %d weights and %d biases do not fit %d channels",
        node->name, node->groups, node->w->c, node->b->c, x->c);
    return FALSE;
  }
  if (y->n == x->n && y->h == x->h && y->w == x->w && y->c == x->c)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: output is %dx%dx%dx%d, wanted %dx%dx%dx%d", node->name, y->n, y->h,
      y->w, y->c, x->n, x->h, x->w, x->c);
  return FALSE;
}

const DefcnOp defcn_group_norm_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
