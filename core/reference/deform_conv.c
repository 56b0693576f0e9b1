/* Deformable convolution: every tap of the kernel reads x0 where the offsets of
 * the output's location, x1, move it, between pixels too.
 *
 * A location is computed from its columns, what the taps read, (tap, c), which
 * are a row of x of a usual convolution from there on.
 */
#include "backend.h"

#include "sigmoid.h"

#include <math.h>
#include <string.h>

/* Where a tap reads: the four pixels around, by their first float in x, and
 * their shares of the value; share and slopes of those outside are 0. */
typedef struct
{
  gsize at[4];
  float share[4];
  float down[4], right[4]; /* derivatives of the shares */
  float mask;
} Tap;

/* Of one location. */
typedef struct
{
  float *columns, *dcolumns; /* (tap, c) */
  Tap *taps;
} Location;

static void
locate (Tap *tap, const DefcnTensor *x, int n, float py, float px)
{
  memset (tap, 0, sizeof *tap);
  if (!(py > -1 && py < x->h && px > -1 && px < x->w)) /* or not a number */
    return;

  const int y0 = (int) floorf (py), x0 = (int) floorf (px);
  const float fy = py - y0, fx = px - x0;
  const float rows[2] = { 1 - fy, fy }, columns[2] = { 1 - fx, fx };

  for (int i = 0; i < 4; i++) {
    const int iy = y0 + i / 2, ix = x0 + i % 2;

    if (iy < 0 || iy >= x->h || ix < 0 || ix >= x->w)
      continue;
    tap->at[i] = (((gsize) n * x->h + iy) * x->w + ix) * x->c;
    tap->share[i] = rows[i / 2] * columns[i % 2];
    tap->down[i] = i / 2 ? columns[i % 2] : -columns[i % 2];
    tap->right[i] = i % 2 ? rows[i / 2] : -rows[i / 2];
  }
}

/* The taps of the output at (oy, ox), and what they read.  Its offsets are (dy,
 * dx) by tap, then, modulated, the logits of the masks. */
static void
read_taps (const DefcnNode *node, int n, int oy, int ox)
{
  const DefcnTensor *x = node->x[0], *y = node->y, *offsets = node->x[1];
  const int n_taps = node->size * node->size;
  const Location *l = node->state;
  const float *o =
      offsets->data + (((gsize) n * y->h + oy) * y->w + ox) * offsets->c;

  for (int k = 0; k < n_taps; k++) {
    Tap *tap = &l->taps[k];
    const float py = oy * node->stride - node->pad + k / node->size + o[2 * k];
    const float px =
        ox * node->stride - node->pad + k % node->size + o[2 * k + 1];

    locate (tap, x, n, py, px);
    tap->mask = offsets->c > 2 * n_taps ? defcn_sigmoid (o[2 * n_taps + k]) : 1;
    for (int c = 0; c < x->c; c++) {
      float v = 0;

      for (int i = 0; i < 4; i++)
        v += tap->share[i] * x->data[tap->at[i] + c];
      l->columns[k * x->c + c] = tap->mask * v;
    }
  }
}

/* Of output @o: where its group begins in a tap's column, and its weights. */
static const float *
group_of (gsize *weights, const DefcnNode *node, const float *columns, int o)
{
  const DefcnTensor *w = node->w;

  *weights = (gsize) o * w->h * w->w * w->c;
  return columns + o / (w->n / node->groups) * w->c;
}

static void
forward_one (const DefcnNode *node, gsize location)
{
  const DefcnTensor *x = node->x[0], *w = node->w;
  const Location *l = node->state;

  for (int o = 0; o < w->n; o++) {
    const gsize i = location * w->n + o;
    gsize at;
    const float *columns = group_of (&at, node, l->columns, o);
    float sum = (node->b ? node->b->data[o] : 0)
        + (node->x[2] ? node->x[2]->data[i] : 0);

    for (int k = 0; k < w->h * w->w; k++)
      for (int c = 0; c < w->c; c++)
        sum += columns[k * x->c + c] * w->data[at + k * w->c + c];
    node->y->data[i] = node->relu ? MAX (sum, 0) : sum;
  }
}

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  gsize location = 0;

  for (int n = 0; n < y->n; n++)
    for (int oy = 0; oy < y->h; oy++)
      for (int ox = 0; ox < y->w; ox++) {
        read_taps (node, n, oy, ox);
        forward_one (node, location++);
      }
}

/* dw and db, and the gradient of the columns. */
static void
backward_columns (const DefcnNode *node, const float *dy)
{
  const DefcnTensor *x = node->x[0], *w = node->w;
  const Location *l = node->state;

  memset (l->dcolumns, 0, (gsize) w->h * w->w * x->c * sizeof (float));
  for (int o = 0; o < w->n; o++) {
    gsize at;
    const float *columns = group_of (&at, node, l->columns, o);
    float *dcolumns = l->dcolumns + (columns - l->columns);

    if (node->b && node->b->grad)
      node->b->grad[o] += dy[o];
    for (int k = 0; k < w->h * w->w; k++)
      for (int c = 0; c < w->c; c++) {
        const int i = k * x->c + c;

        dcolumns[i] += dy[o] * w->data[at + k * w->c + c];
        if (w->grad)
          w->grad[at + k * w->c + c] += dy[o] * columns[i];
      }
  }
}

/* From the gradient of tap @k's columns to that of x, and of its offsets. */
static void
backward_tap (const DefcnNode *node, int k, float *d_offsets)
{
  const DefcnTensor *x = node->x[0];
  const Location *l = node->state;
  const Tap *tap = &l->taps[k];
  const float *d = l->dcolumns + k * x->c;
  float dy = 0, dx = 0, dmask = 0;

  for (int i = 0; i < 4; i++) {
    for (int c = 0; c < x->c; c++) {
      const float v = x->data[tap->at[i] + c] * d[c];

      dy += tap->down[i] * v;
      dx += tap->right[i] * v;
      dmask += tap->share[i] * v;
    }
    for (int c = 0; x->grad && tap->share[i] > 0 && c < x->c; c++)
      x->grad[tap->at[i] + c] += tap->mask * tap->share[i] * d[c];
  }
  if (!d_offsets)
    return;

  const int n_taps = node->size * node->size;
  d_offsets[2 * k] += tap->mask * dy;
  d_offsets[2 * k + 1] += tap->mask * dx;
  if (node->x[1]->c > 2 * n_taps)
    d_offsets[2 * n_taps + k] += tap->mask * (1 - tap->mask) * dmask;
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  const gsize len = defcn_tensor_len (y);
  float *dy = y->grad, *d_offsets = node->x[1]->grad;

  for (gsize i = 0; node->relu && i < len; i++)
    dy[i] = y->data[i] > 0 ? dy[i] : 0;
  for (int i = 0; i < 3 && node->x[i]; i++)
    if (node->x[i]->grad && !node->accumulate[i])
      memset (node->x[i]->grad, 0,
          defcn_tensor_len (node->x[i]) * sizeof (float));
  for (gsize i = 0; node->x[2] && node->x[2]->grad && i < len; i++)
    node->x[2]->grad[i] += dy[i];
  for (int n = 0; n < y->n; n++)
    for (int oy = 0; oy < y->h; oy++)
      for (int ox = 0; ox < y->w; ox++, dy += y->c) {
        read_taps (node, n, oy, ox);
        backward_columns (node, dy);
        for (int k = 0; k < node->size * node->size; k++)
          backward_tap (node, k, d_offsets);
        if (d_offsets)
          d_offsets += node->x[1]->c;
      }
}

static void
release (DefcnBackend *be, DefcnNode *node)
{
  Location *l = node->state;

  g_free (l->columns);
  g_free (l->dcolumns);
  g_free (l->taps);
  g_clear_pointer (&node->state, g_free);
}

/* Whether the offsets are the output's; the rest is as of a convolution. */
static gboolean
check_offsets (const DefcnNode *node, GError **error)
{
  const DefcnTensor *y = node->y, *offsets = node->x[1];
  const int n_taps = node->size * node->size;

  if (offsets && offsets->n == y->n && offsets->h == y->h && offsets->w == y->w
      && (offsets->c == 2 * n_taps || offsets->c == 3 * n_taps))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: offsets are %dx%dx%dx%d, wanted %dx%dx%dx%d, or %d with masks",
      node->name, offsets ? offsets->n : 0, offsets ? offsets->h : 0,
      offsets ? offsets->w : 0, offsets ? offsets->c : 0, y->n, y->h, y->w,
      2 * n_taps, 3 * n_taps);
  return FALSE;
}

gboolean
defcn_deform_conv_check (DefcnBackend *be, const DefcnNode *node,
    GError **error)
{
  DefcnNode plain = *node;

  plain.kind = DEFCN_OP_CONV;
  plain.x[1] = node->x[2];
  return defcn_conv_reference.prepare (be, &plain, error)
      && check_offsets (node, error);
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const gsize n_taps = (gsize) node->size * node->size;
  Location *l;

  if (!defcn_deform_conv_check (be, node, error))
    return FALSE;
  node->state = l = g_new0 (Location, 1);
  l->columns = g_new (float, n_taps * node->x[0]->c);
  l->dcolumns = g_new (float, n_taps * node->x[0]->c);
  l->taps = g_new (Tap, n_taps);
  return TRUE;
}

const DefcnOp defcn_deform_conv_reference = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
  .release = release,
};
