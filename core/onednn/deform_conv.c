/* Deformable convolution: what the taps of a strip of locations read are rows
 * of columns, (tap, channel), which oneDNN multiplies with the weights.
 *
 * A strip is of one image and as long whatever their number and, in inference,
 * that of threads, so that an image gives the same in every batch and on one
 * thread as on all: oneDNN's sums depend on how many rows there are.  Groups
 * narrower than a block are merged until they fill blocks, with zeros between
 * their weights.
 *
 * Forward, every thread has strips of its own.  Backward, strips go one by one
 * and the threads share the groups of each, or the rows and blocks of its only
 * one: then nobody adds where another does, and a run repeats to the bit.
 */
#include "pack.h"
#include "passes.h"
#include "primitive.h"
#include "sigmoid.h"

#include <math.h>
#include <string.h>

enum
{
  STRIP = 128,          /* locations, at most */
  BACKWARD_STRIP = 256, /* a longer one adds to dw less often */
  ALIGNED = 16,         /* floats: strips are multiples of it */
  PARTS = 4,            /* of a small output in inference */
};

typedef struct
{
  int n_taps;
  int groups;  /* merged ones */
  int in, out; /* channels of one, in whole blocks */
  gsize row;   /* floats of a location's columns: n_taps in */
  int strip, backward_strip;
  OnednnPack *pack; /* (group, out, tap, in) */
} Deform;

/* Floats of a thread's scratch: taps, columns, products. */
static gsize
strip_len (const Deform *d, int strip)
{
  return strip
      * (d->n_taps * sizeof (DeformTap) / sizeof (float) + d->row + d->out);
}

static gsize
weight_len (const Deform *d)
{
  return (gsize) d->groups * d->out * d->row;
}

static int
round_up (int n, int to)
{
  return (n + to - 1) / to * to;
}

/* Where output @o of @w has its weights in a row of the merged group's, and the
 * row. */
static gsize
place_of (const DefcnTensor *w, int groups, int merged, int o, int out, int in)
{
  const int per_group = w->n / groups, group = o / per_group;
  const int row = group / merged * out + o % (per_group * merged);

  return (gsize) row * w->h * w->w * in + (gsize) (group % merged) * w->c;
}

static void
fill (Onednn *be, OnednnPack *pack)
{
  const DefcnTensor *w = pack->w;
  const int taps = w->h * w->w;
  const int in = round_up (pack->merged * w->c, be->block);
  const int out = round_up (w->n / pack->groups * pack->merged, be->block);

  for (int o = 0; o < w->n; o++) {
    float *to =
        pack->data + place_of (w, pack->groups, pack->merged, o, out, in);

    for (int t = 0; t < taps; t++)
      memcpy (to + t * in, w->data + ((gsize) o * taps + t) * w->c,
          w->c * sizeof (float));
  }
}

/* w->grad += the gradient of what fill() made. */
static void
add_gradient (const Deform *d, const DefcnNode *node, const float *dw)
{
  const DefcnTensor *w = node->w;

  for (int o = 0; o < w->n; o++) {
    const float *from =
        dw + place_of (w, node->groups, d->pack->merged, o, d->out, d->in);

    for (int t = 0; t < d->n_taps; t++) {
      float *to = w->grad + ((gsize) o * d->n_taps + t) * w->c;

      for (int c = 0; c < w->c; c++)
        to[c] += from[t * d->in + c];
    }
  }
}

/* The four pixels around, and their shares; none where that is outside, or not
 * a number. */
static void
locate (DeformTap *tap, DeformSlopes *s, const DefcnTensor *x, int block,
    float py, float px, float mask)
{
  memset (tap, 0, sizeof *tap);
  if (s)
    memset (s, 0, sizeof *s);
  if (!(py > -1 && py < x->h && px > -1 && px < x->w))
    return;

  const int y0 = (int) floorf (py), x0 = (int) floorf (px);
  const float fy = py - y0, fx = px - x0;
  const float rows[2] = { 1 - fy, fy }, columns[2] = { 1 - fx, fx };

  for (int i = 0; i < 4; i++) {
    const int iy = y0 + i / 2, ix = x0 + i % 2;

    if (iy < 0 || iy >= x->h || ix < 0 || ix >= x->w)
      continue;
    tap->at[i] = (iy * x->w + ix) * block;
    tap->weight[i] = mask * rows[i / 2] * columns[i % 2];
    if (!s)
      continue;
    s->share[i] = rows[i / 2] * columns[i % 2];
    s->down[i] = mask * (i / 2 ? columns[i % 2] : -columns[i % 2]);
    s->right[i] = mask * (i % 2 ? rows[i / 2] : -rows[i / 2]);
  }
}

/* Channel @c of the offsets of location @at, of image @n. */
static gsize
offset_at (const Onednn *be, const DefcnTensor *offsets, int n, int at, int c)
{
  return ((gsize) n * onednn_blocks (be, offsets) + c / be->block)
      * onednn_plane (be, offsets)
      + (gsize) at * be->block + c % be->block;
}

static float
mask_of (const Onednn *be, const DefcnNode *node, int n, int at, int tap)
{
  const DefcnTensor *offsets = node->x[1];
  const int n_taps = node->size * node->size;

  if (offsets->c == 2 * n_taps)
    return 1;
  return defcn_sigmoid (
      offsets->data[offset_at (be, offsets, n, at, 2 * n_taps + tap)]);
}

/* The taps of location @at, and how they change unless @slopes is NULL. */
static void
read_offsets (DeformTap *taps, DeformSlopes *slopes, const Onednn *be,
    const DefcnNode *node, int n, int at)
{
  const DefcnTensor *x = node->x[0], *offsets = node->x[1];
  const int top = at / node->y->w * node->stride - node->pad;
  const int left = at % node->y->w * node->stride - node->pad;

  for (int k = 0; k < node->size * node->size; k++) {
    const float *o = offsets->data;

    locate (&taps[k], slopes ? &slopes[k] : NULL, x, be->block,
        top + k / node->size + o[offset_at (be, offsets, n, at, 2 * k)],
        left + k % node->size + o[offset_at (be, offsets, n, at, 2 * k + 1)],
        mask_of (be, node, n, at, k));
  }
}

/* Block @group * @width of the planes of image @n of @t. */
static gsize
group_at (const Onednn *be, const DefcnTensor *t, int n, int group, int width)
{
  return ((gsize) n * onednn_blocks (be, t) + group * (width / be->block))
      * onednn_plane (be, t);
}

/* c (m, n) = beta c + a (m, k) b (k, n), or with either transposed. */
static void
multiply (Onednn *be, const DefcnNode *node, const char *transposed, gsize m,
    gsize n, gsize k, const float *a, const float *b, float beta, float *c)
{
  const dnnl_status_t status = dnnl_sgemm (transposed[0], transposed[1], m, n,
      k, 1, a, transposed[0] == 'T' ? m : k, b, transposed[1] == 'T' ? k : n,
      beta, c, n);

  if (status == dnnl_success)
    return;
#pragma omp critical
  if (be->failed == dnnl_success) {
    be->failed = status;
    be->failed_name = g_intern_string (node->name);
  }
}

static void
forward_strip (Onednn *be, const DefcnNode *node, int n, int first,
    float *scratch)
{
  const Deform *d = node->state;
  const DefcnTensor *x = node->x[0], *y = node->y, *add = node->x[2];
  const int count = MIN (d->strip, y->h * y->w - first);
  DeformTap *taps = (DeformTap *) scratch;
  float *columns = scratch
      + (gsize) d->strip * d->n_taps * sizeof (DeformTap) / sizeof (float);
  float *products = columns + d->strip * d->row;

  for (int i = 0; i < count; i++)
    read_offsets (taps + i * d->n_taps, NULL, be, node, n, first + i);
  for (int g = 0; g < d->groups; g++) {
    const gsize at = group_at (be, y, n, g, d->out) + (gsize) first * be->block;

    be->deform->sample (columns, x->data + group_at (be, x, n, g, d->in),
        onednn_plane (be, x), taps, count * d->n_taps, d->in / be->block);
    multiply (be, node, "NT", count, d->out, d->row, columns,
        d->pack->data + g * d->out * d->row, 0, products);
    be->deform->finish (y->data + at, onednn_plane (be, y), products,
        node->b ? node->b->data + g * d->out : NULL,
        add ? add->data + at : NULL, node->relu, count, d->out / be->block);
  }
}

static void
deform_forward (DefcnBackend *base, const DefcnNode *node)
{
  Onednn *be = onednn_of (base);
  const Deform *d = node->state;
  const int strips = (node->y->h * node->y->w + d->strip - 1) / d->strip;

  onednn_enter (base);
  defcn_onednn_pack_update (be, d->pack);
#pragma omp parallel for
  for (int s = 0; s < node->y->n * strips; s++)
    forward_strip (be, node, s / strips, s % strips * d->strip,
        be->scratch + omp_get_thread_num () * strip_len (d, d->strip));
}

/* What backward keeps of a strip. */
typedef struct
{
  int n, first, count; /* image and locations */
  DeformTap *taps;
  DeformSlopes *slopes;
  float *sums; /* (group, location, tap, 3): down, right, mask */
  float *dw;   /* as the pack */
} Strip;

static gsize
common_len (const Deform *d)
{
  return weight_len (d)
      + (gsize) d->backward_strip * d->n_taps
      * ((sizeof (DeformTap) + sizeof (DeformSlopes)) / sizeof (float)
          + 3 * d->groups);
}

static gsize
backward_len (const Deform *d)
{
  return d->backward_strip * (d->row + d->out);
}

/* @columns: of the group, then products. */
static void
backward_group (Onednn *be, const DefcnNode *node, const Strip *s, int group,
    float *columns)
{
  const Deform *d = node->state;
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int blocks = d->in / be->block, taps = d->n_taps;
  const gsize x_at = group_at (be, x, s->n, group, d->in);
  const gsize w_at = group * d->out * d->row, plane = onednn_plane (be, x);
  float *dy = columns + d->backward_strip * d->row;

  be->deform->gather (dy,
      y->grad + group_at (be, y, s->n, group, d->out)
          + (gsize) s->first * be->block,
      onednn_plane (be, y), s->count, d->out / be->block);
  if (node->w->grad) {
#pragma omp parallel for
    for (int i = 0; i < s->count; i++)
      be->deform->sample (columns + i * d->row, x->data + x_at, plane,
          s->taps + i * taps, taps, blocks);
    multiply (be, node, "TN", d->out, d->row, s->count, dy, columns, 1,
        s->dw + w_at);
  }
  if (!x->grad && !node->x[1]->grad)
    return;
  multiply (be, node, "NN", s->count, d->row, d->out, dy, d->pack->data + w_at,
      0, columns);
#pragma omp parallel for
  for (int b = 0; b < (x->grad ? blocks : 0); b++)
    be->deform->spread (x->grad + x_at + b * plane, columns + b * be->block,
        d->in, s->taps, s->count * taps);
#pragma omp parallel for
  for (int i = 0; i < (node->x[1]->grad ? s->count : 0); i++)
    be->deform->slopes (s->sums
            + ((gsize) group * d->backward_strip + i) * taps * 3,
        columns + i * d->row, x->data + x_at, plane, s->taps + i * taps,
        s->slopes + i * taps, taps, blocks);
}

/* Adds up the groups' sums for location @i of the strip. */
static void
add_offset_gradients (Onednn *be, const DefcnNode *node, const Strip *s, int i)
{
  const Deform *d = node->state;
  const DefcnTensor *offsets = node->x[1];
  const int at = s->first + i, taps = d->n_taps;

  for (int k = 0; k < taps; k++) {
    float sums[3] = { 0 };

    for (int g = 0; g < d->groups; g++)
      for (int j = 0; j < 3; j++)
        sums[j] +=
            s->sums[(((gsize) g * d->backward_strip + i) * taps + k) * 3 + j];
    for (int j = 0; j < 2; j++)
      offsets->grad[offset_at (be, offsets, s->n, at, 2 * k + j)] += sums[j];
    if (offsets->c == 2 * taps)
      continue;

    const float mask = mask_of (be, node, s->n, at, k);
    offsets->grad[offset_at (be, offsets, s->n, at, 2 * taps + k)] +=
        mask * (1 - mask) * sums[2];
  }
}

static void
backward_strip (Onednn *be, const DefcnNode *node, const Strip *s)
{
  const Deform *d = node->state;
  float *scratch = be->scratch + common_len (d);

#pragma omp parallel for
  for (int i = 0; i < s->count; i++)
    read_offsets (s->taps + i * d->n_taps, s->slopes + i * d->n_taps, be, node,
        s->n, s->first + i);
#pragma omp parallel for if (d->groups > 1)
  for (int g = 0; g < d->groups; g++)
    backward_group (be, node, s, g,
        scratch + omp_get_thread_num () * backward_len (d));
  if (!node->x[1]->grad)
    return;
#pragma omp parallel for
  for (int i = 0; i < s->count; i++)
    add_offset_gradients (be, node, s, i);
}

/* The fused ReLU's mask, the residual and the bias; gradients that nothing is
 * added to begin at 0. */
static void
backward_simple (Onednn *be, const DefcnNode *node)
{
  DefcnBackend *base = &be->base;
  const DefcnTensor *y = node->y, *add = node->x[2];
  const gsize len = base->size (base, y) / sizeof (float);

  if (node->relu)
    defcn_onednn_elementwise_mask (base, y->grad, y->data, len);
  if (add && add->grad)
    defcn_onednn_elementwise_add (base, add->grad, y->grad, len,
        node->accumulate[2]);
  defcn_onednn_passes_bias_gradient (be, node);
  for (int i = 0; i < 2; i++)
    if (node->x[i]->grad && !node->accumulate[i])
      memset (node->x[i]->grad, 0, base->size (base, node->x[i]));
}

static void
deform_backward (DefcnBackend *base, const DefcnNode *node)
{
  Onednn *be = onednn_of (base);
  const Deform *d = node->state;
  const int hw = node->y->h * node->y->w;
  Strip s = { .dw = be->scratch };

  onednn_enter (base);
  backward_simple (be, node);
  if (!node->x[0]->grad && !node->x[1]->grad && !node->w->grad)
    return;
  s.taps = (DeformTap *) (s.dw + weight_len (d));
  s.slopes = (DeformSlopes *) (s.taps + d->backward_strip * d->n_taps);
  s.sums = (float *) (s.slopes + d->backward_strip * d->n_taps);
  if (node->w->grad)
    memset (s.dw, 0, weight_len (d) * sizeof (float));
  defcn_onednn_pack_update (be, d->pack);
  for (s.n = 0; s.n < node->y->n; s.n++) {
    for (s.first = 0; s.first < hw; s.first += d->backward_strip) {
      s.count = MIN (d->backward_strip, hw - s.first);
      backward_strip (be, node, &s);
    }
  }
  if (node->w->grad)
    add_gradient (d, node, s.dw);
}

static void
deform_release (DefcnBackend *base, DefcnNode *node)
{
  Deform *d = node->state;

  defcn_onednn_pack_unref (onednn_of (base), d->pack);
  g_clear_pointer (&node->state, g_free);
}

/* A depthwise one is merged whole, as nobody has it. */
static void
choose_sizes (Deform *d, const Onednn *be, const DefcnNode *node, int merged)
{
  const DefcnTensor *w = node->w;
  const int hw = node->y->h * node->y->w;
  const int parts = node->train ? be->base.threads : PARTS;

  d->n_taps = w->h * w->w;
  d->groups = node->groups / merged;
  d->in = round_up (merged * w->c, be->block);
  d->out = round_up (w->n / node->groups * merged, be->block);
  d->row = (gsize) d->n_taps * d->in;
  d->strip = MIN (round_up ((hw + parts - 1) / parts, ALIGNED), STRIP);
  d->backward_strip = MIN (round_up (hw, ALIGNED), BACKWARD_STRIP);
}

static gboolean
deform_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  Onednn *be = onednn_of (base);
  const int merged =
      node->w->c == 1 ? node->groups : defcn_onednn_primitive_merged (be, node);
  Deform *d = node->state = g_new0 (Deform, 1);
  gsize scratch;

  choose_sizes (d, be, node, merged);
  scratch = base->threads * strip_len (d, d->strip);
  if (node->train && node->y->grad)
    scratch = MAX (scratch,
        common_len (d)
            + (d->groups > 1 ? base->threads : 1) * backward_len (d));
  d->pack = defcn_onednn_pack_get (be, node->w, fill, NULL,
      weight_len (d) * sizeof (float));
  if (d->pack) {
    d->pack->groups = node->groups;
    d->pack->merged = merged;
    if (defcn_onednn_scratch_reserve (be, scratch))
      return TRUE;
  }
  defcn_onednn_passes_error (error, node, "no memory");
  deform_release (base, node);
  return FALSE;
}

static const char *
deform_describe (DefcnBackend *be, const DefcnNode *node)
{
  return "sampled columns, sgemm";
}

const DefcnOp defcn_onednn_deform_conv = {
  .prepare = deform_prepare,
  .forward = deform_forward,
  .backward = deform_backward,
  .release = deform_release,
  .describe = deform_describe,
};
