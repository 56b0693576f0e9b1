/* 3D max filtering: neighbouring levels resized to this one's size, maximum
 * over levels and window, plus the residual (eq. 5, 6). */
#include "engine.h"

#include <string.h>

typedef struct
{
  TubeAxis x[DEFCN_MAX_INPUTS]; /* per level, unused: self */
  TubeAxis y[DEFCN_MAX_INPUTS];
  gsize scratch_len; /* per thread: the resized levels, a plane and a row */
  guint16 *winners;  /* training: (level * phi + row) * phi + column */
} Tube;

static void
axis_init (TubeAxis *a, int in, int out)
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
axis_clear (TubeAxis *a)
{
  g_free (a->i0);
  g_free (a->i1);
  g_free (a->w1);
}

static void
tube_max_release (DefcnBackend *base, DefcnNode *node)
{
  Tube *t = node->state;

  for (int l = 0; l < DEFCN_MAX_INPUTS; l++) {
    axis_clear (&t->x[l]);
    axis_clear (&t->y[l]);
  }
  g_free (t->winners);
  g_clear_pointer (&node->state, g_free);
}

static gboolean
tube_max_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  Onednn *be = onednn_of (base);
  const DefcnTensor *y = node->y;
  Tube *t = node->state = g_new0 (Tube, 1);

  for (int l = 0; l < node->n_levels; l++) {
    if (l == node->self)
      continue;
    axis_init (&t->x[l], node->x[1 + l]->w, y->w);
    axis_init (&t->y[l], node->x[1 + l]->h, y->h);
  }
  t->scratch_len =
      (gsize) node->n_levels * onednn_plane (be, y) + y->w * be->block;
  if (!defcn_onednn_scratch_reserve (be, base->threads * t->scratch_len)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "onednn: %s: no memory for 3D max filtering", node->name);
    tube_max_release (base, node);
    return FALSE;
  }
  if (node->train)
    t->winners = g_new (guint16, base->size (base, y) / sizeof (float));
  return TRUE;
}

/* All levels of plane @p at this level's size; self is taken as it is.
 * Returns: what is left of the scratch. */
static float *
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
    if (l == node->self)
      continue;
    be->tube->resize (scratch, src, &t->x[l], &t->y[l], y->h, y->w, x->w);
    levels[l] = scratch;
    scratch += plane;
  }
  return scratch;
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
    float *scratch = be->scratch + omp_get_thread_num () * t->scratch_len;
    const float *levels[DEFCN_MAX_INPUTS];

    scratch = gather_levels (levels, scratch, be, node, p);
    if (t->winners)
      be->tube->keep_winners (y->data + p * plane, t->winners + p * plane,
          node->x[0]->data + p * plane, levels, node->n_levels, node->phi,
          node->relu, y->h, y->w);
    else
      be->tube->maximum (y->data + p * plane, node->x[0]->data + p * plane,
          levels, node->n_levels, node->phi, node->relu, y->h, y->w, scratch);
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
    defcn_onednn_elementwise_mask (base, y->grad, y->data, len);
  if (node->x[0]->grad)
    defcn_onednn_elementwise_add (base, node->x[0]->grad, y->grad, len,
        node->accumulate[0]);
#pragma omp parallel for
  for (int p = 0; p < planes; p++) {
    float *map = be->scratch + omp_get_thread_num () * t->scratch_len;
    const float *dy = y->grad + p * plane;
    const guint16 *winners = t->winners + p * plane;

    for (int l = 0; l < node->n_levels; l++) {
      const DefcnTensor *x = node->x[1 + l];
      const gsize source = onednn_plane (be, x);

      if (!x->grad)
        continue;
      if (l == node->self) {
        be->tube->gather_gradient (x->grad + p * source, dy, winners, l,
            node->phi, node->accumulate[1 + l], y->h, y->w);
        continue;
      }
      if (!node->accumulate[1 + l])
        memset (x->grad + p * source, 0, source * sizeof (float));
      be->tube->gather_gradient (map, dy, winners, l, node->phi, FALSE, y->h,
          y->w);
      be->tube->resize_gradient (x->grad + p * source, map, &t->x[l], &t->y[l],
          y->h, y->w, x->w);
    }
  }
}

const DefcnOp defcn_onednn_tube_max = {
  .prepare = tube_max_prepare,
  .forward = tube_max_forward,
  .backward = tube_max_backward,
  .release = tube_max_release,
};
