/* 3D max filtering: neighbouring levels resized to this one's size, maximum
 * over levels and window, plus the residual (SPEC 4.2). */
#include "onednn.h"

#include <math.h>
#include <string.h>

/* Bilinear taps of one axis, align_corners false: w1 of i1, 1 - w1 of i0. */
typedef struct
{
  int *i0, *i1;
  float *w1;
} Axis;

typedef struct
{
  Axis x[DEFCN_MAX_INPUTS], y[DEFCN_MAX_INPUTS]; /* per level, unused: self */
  float *scratch; /* per thread: n_levels planes and two more */
  gsize thread_floats;
  guint16 *winners; /* training: (level * phi + row) * phi + column */
} Tube;

static void
axis_init (Axis *a, int in, int out)
{
  const float ratio = (float) in / out;

  a->i0 = g_new (int, out);
  a->i1 = g_new (int, out);
  a->w1 = g_new (float, out);
  for (int o = 0; o < out; o++) {
    const float source = MAX ((o + 0.5f) * ratio - 0.5f, 0);

    a->i0[o] = MIN ((int) source, in - 1);
    a->i1[o] = MIN (a->i0[o] + 1, in - 1);
    a->w1[o] = source - a->i0[o];
  }
}

static void
axis_clear (Axis *a)
{
  g_free (a->i0);
  g_free (a->i1);
  g_free (a->w1);
}

static inline __attribute__ ((always_inline)) void
resize_plane (float *dst, const float *src, const Axis *ax, const Axis *ay,
    int h, int w, int src_w, const int block)
{
  for (int y = 0; y < h; y++) {
    const float *r0 = src + (gsize) ay->i0[y] * src_w * block;
    const float *r1 = src + (gsize) ay->i1[y] * src_w * block;
    const float wy = ay->w1[y];

    for (int x = 0; x < w; x++) {
      const gsize a = (gsize) ax->i0[x] * block, b = (gsize) ax->i1[x] * block;
      const float wx = ax->w1[x];

      for (int k = 0; k < block; k++)
        dst[((gsize) y * w + x) * block + k] =
            (1 - wy) * ((1 - wx) * r0[a + k] + wx * r0[b + k])
            + wy * ((1 - wx) * r1[a + k] + wx * r1[b + k]);
    }
  }
}

/* Adds the gradient of the resized plane to the source's. */
static inline __attribute__ ((always_inline)) void
resize_gradient_plane (float *dsrc, const float *ddst, const Axis *ax,
    const Axis *ay, int h, int w, int src_w, const int block)
{
  for (int y = 0; y < h; y++) {
    float *r0 = dsrc + (gsize) ay->i0[y] * src_w * block;
    float *r1 = dsrc + (gsize) ay->i1[y] * src_w * block;
    const float wy = ay->w1[y];

    for (int x = 0; x < w; x++) {
      const gsize a = (gsize) ax->i0[x] * block, b = (gsize) ax->i1[x] * block;
      const float wx = ax->w1[x];

      for (int k = 0; k < block; k++) {
        const float d = ddst[((gsize) y * w + x) * block + k];

        r0[a + k] += (1 - wy) * (1 - wx) * d;
        r0[b + k] += (1 - wy) * wx * d;
        r1[a + k] += wy * (1 - wx) * d;
        r1[b + k] += wy * wx * d;
      }
    }
  }
}

static inline __attribute__ ((always_inline)) void
maximum (float *dst, const float *src, gsize len)
{
  for (gsize i = 0; i < len; i++)
    dst[i] = src[i] > dst[i] ? src[i] : dst[i];
}

/* Inference: maximum over the levels first, then rows, then columns. */
static inline __attribute__ ((always_inline)) void
separable_plane (float *y, const float *residual, const float *const *levels,
    int n_levels, float *joined, float *rows, int radius, gboolean relu, int h,
    int w, const int block)
{
  const gsize row = (gsize) w * block;

  memcpy (joined, levels[0], h * row * sizeof *joined);
  for (int l = 1; l < n_levels; l++)
    maximum (joined, levels[l], h * row);
  for (int i = 0; i < h; i++) {
    const int first = MAX (i - radius, 0), last = MIN (i + radius, h - 1);

    memcpy (rows + i * row, joined + first * row, row * sizeof *rows);
    for (int j = first + 1; j <= last; j++)
      maximum (rows + i * row, joined + j * row, row);
  }
  for (int i = 0; i < h; i++) {
    for (int x = 0; x < w; x++) {
      const gsize at = i * row + (gsize) x * block;
      const int first = MAX (x - radius, 0), last = MIN (x + radius, w - 1);
      float best[16];

      memcpy (best, rows + i * row + (gsize) first * block,
          block * sizeof *best);
      for (int j = first + 1; j <= last; j++)
        maximum (best, rows + i * row + (gsize) j * block, block);
      for (int k = 0; k < block; k++) {
        const float v = best[k] + residual[at + k];

        y[at + k] = relu && v < 0 ? 0 : v;
      }
    }
  }
}

/* Training: the first winner in the order level, row, column is kept. */
static inline __attribute__ ((always_inline)) void
winners_plane (float *y, guint16 *winners, const float *residual,
    const float *const *levels, int n_levels, int phi, gboolean relu, int h,
    int w, const int block)
{
  const int radius = phi / 2;

  for (int i = 0; i < h; i++) {
    for (int x = 0; x < w; x++) {
      const gsize at = ((gsize) i * w + x) * block;
      float best[16];
      gint32 code[16] = { 0 };

      for (int k = 0; k < block; k++)
        best[k] = -INFINITY;
      for (int l = 0; l < n_levels; l++) {
        for (int r = MAX (i - radius, 0); r <= MIN (i + radius, h - 1); r++) {
          for (int c = MAX (x - radius, 0); c <= MIN (x + radius, w - 1); c++) {
            const float *v = levels[l] + ((gsize) r * w + c) * block;
            const gint32 here =
                (l * phi + r - i + radius) * phi + c - x + radius;

            for (int k = 0; k < block; k++) {
              code[k] = v[k] > best[k] ? here : code[k];
              best[k] = v[k] > best[k] ? v[k] : best[k];
            }
          }
        }
      }
      for (int k = 0; k < block; k++) {
        const float v = best[k] + residual[at + k];

        y[at + k] = relu && v < 0 ? 0 : v;
        winners[at + k] = code[k];
      }
    }
  }
}

ONEDNN_CLONES
static void
resize (float *dst, const float *src, const Axis *ax, const Axis *ay, int h,
    int w, int src_w, int block)
{
  ONEDNN_BLOCKED (block, resize_plane, dst, src, ax, ay, h, w, src_w);
}

ONEDNN_CLONES
static void
resize_gradient (float *dsrc, const float *ddst, const Axis *ax, const Axis *ay,
    int h, int w, int src_w, int block)
{
  ONEDNN_BLOCKED (block, resize_gradient_plane, dsrc, ddst, ax, ay, h, w,
      src_w);
}

ONEDNN_CLONES
static void
separable (float *y, const float *residual, const float *const *levels,
    int n_levels, float *joined, float *rows, int radius, gboolean relu, int h,
    int w, int block)
{
  ONEDNN_BLOCKED (block, separable_plane, y, residual, levels, n_levels, joined,
      rows, radius, relu, h, w);
}

ONEDNN_CLONES
static void
keep_winners (float *y, guint16 *winners, const float *residual,
    const float *const *levels, int n_levels, int phi, gboolean relu, int h,
    int w, int block)
{
  ONEDNN_BLOCKED (block, winners_plane, y, winners, residual, levels, n_levels,
      phi, relu, h, w);
}

static void
tube_max_release (DefcnBackend *base, DefcnNode *node)
{
  Tube *t = node->state;

  for (int l = 0; l < DEFCN_MAX_INPUTS; l++) {
    axis_clear (&t->x[l]);
    axis_clear (&t->y[l]);
  }
  base->free (base, t->scratch);
  g_free (t->winners);
  g_clear_pointer (&node->state, g_free);
}

static gboolean
tube_max_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  const Onednn *be = onednn_of (base);
  const DefcnTensor *y = node->y;
  Tube *t = node->state = g_new0 (Tube, 1);

  for (int l = 0; l < node->n_levels; l++) {
    if (l == node->self)
      continue;
    axis_init (&t->x[l], node->x[1 + l]->w, y->w);
    axis_init (&t->y[l], node->x[1 + l]->h, y->h);
  }
  t->thread_floats = (node->n_levels + 2) * onednn_plane (be, y);
  t->scratch =
      base->alloc (base, base->threads * t->thread_floats * sizeof (float));
  if (!t->scratch) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "onednn: %s: no memory for 3D max filtering", node->name);
    tube_max_release (base, node);
    return FALSE;
  }
  if (node->train)
    t->winners = g_new (guint16, base->size (base, y) / sizeof (float));
  return TRUE;
}

/* All levels of plane @p at this level's size; self is taken as it is. */
static void
gather_levels (const float **levels, float *scratch, const Onednn *be,
    const DefcnNode *node, int p)
{
  const Tube *t = node->state;
  const DefcnTensor *y = node->y;
  const gsize plane = onednn_plane (be, y);

  for (int l = 0; l < node->n_levels; l++) {
    const DefcnTensor *x = node->x[1 + l];
    const float *src = x->data + p * onednn_plane (be, x);

    levels[l] = src;
    if (l != node->self) {
      levels[l] = scratch + l * plane;
      resize (scratch + l * plane, src, &t->x[l], &t->y[l], y->h, y->w, x->w,
          be->block);
    }
  }
}

static void
tube_max_forward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const Tube *t = node->state;
  const DefcnTensor *y = node->y;
  const gsize plane = onednn_plane (be, y);
  const int planes = y->n * onednn_blocks (be, y);

  onednn_enter (base);
#pragma omp parallel for
  for (int p = 0; p < planes; p++) {
    float *scratch = t->scratch + omp_get_thread_num () * t->thread_floats;
    float *spare = scratch + node->n_levels * plane;
    const float *levels[DEFCN_MAX_INPUTS];

    gather_levels (levels, scratch, be, node, p);
    if (t->winners)
      keep_winners (y->data + p * plane, t->winners + p * plane,
          node->x[0]->data + p * plane, levels, node->n_levels, node->phi,
          node->relu, y->h, y->w, be->block);
    else
      separable (y->data + p * plane, node->x[0]->data + p * plane, levels,
          node->n_levels, spare, spare + plane, node->phi / 2, node->relu, y->h,
          y->w, be->block);
  }
}

/* Puts @dy where it came from: one map per level, at this level's size. */
static void
scatter (float *maps, const float *dy, const guint16 *winners,
    const DefcnNode *node, int block)
{
  const int phi = node->phi, radius = phi / 2;
  const int w = node->y->w, hw = node->y->h * w;

  for (int i = 0; i < hw; i++) {
    for (int k = 0; k < block; k++) {
      const int code = winners[(gsize) i * block + k];
      const int level = code / (phi * phi), tap = code % (phi * phi);
      const int at = i + (tap / phi - radius) * w + tap % phi - radius;

      maps[((gsize) level * hw + at) * block + k] += dy[(gsize) i * block + k];
    }
  }
}

static void
tube_max_backward (DefcnBackend *base, const DefcnNode *node)
{
  const Onednn *be = onednn_of (base);
  const Tube *t = node->state;
  const DefcnTensor *y = node->y;
  const gsize plane = onednn_plane (be, y);
  const int planes = y->n * onednn_blocks (be, y);
  const gsize len = base->size (base, y) / sizeof (float);

  onednn_enter (base);
  if (node->relu)
    defcn_onednn_mask (base, y->grad, y->data, len);
  if (node->x[0]->grad)
    defcn_onednn_add (base, node->x[0]->grad, y->grad, len,
        node->accumulate[0]);
#pragma omp parallel for
  for (int p = 0; p < planes; p++) {
    float *maps = t->scratch + omp_get_thread_num () * t->thread_floats;

    memset (maps, 0, node->n_levels * plane * sizeof *maps);
    scatter (maps, y->grad + p * plane, t->winners + p * plane, node,
        be->block);
    for (int l = 0; l < node->n_levels; l++) {
      const DefcnTensor *x = node->x[1 + l];
      const gsize source = onednn_plane (be, x);

      if (!x->grad)
        continue;
      if (!node->accumulate[1 + l])
        memset (x->grad + p * source, 0, source * sizeof (float));
      if (l == node->self) {
        for (gsize i = 0; i < plane; i++)
          x->grad[p * source + i] += maps[l * plane + i];
      } else {
        resize_gradient (x->grad + p * source, maps + l * plane, &t->x[l],
            &t->y[l], y->h, y->w, x->w, be->block);
      }
    }
  }
}

const DefcnOp defcn_onednn_tube_max = {
  .prepare = tube_max_prepare,
  .forward = tube_max_forward,
  .backward = tube_max_backward,
  .release = tube_max_release,
};
