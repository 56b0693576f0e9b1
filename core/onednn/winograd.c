/* Winograd F(4x4, 3x3) for the 3x3 convolutions of stride 1: a quarter of the
 * multiplications.  The gradient of x is the same with the weights turned and
 * transposed; that of w goes through the transposed transforms. */
#include "pack.h"
#include "passes.h"

#include <math.h>
#include <string.h>

enum
{
  FREQUENCIES = 36
};

typedef struct
{
  OnednnPack *pack; /* transformed weights */
  int n_maps;       /* that are taken together */
  WinogradMap in[PASSES_TOGETHER], out[PASSES_TOGETHER]; /* read and written */
  int first[PASSES_TOGETHER + 1]; /* tile of each map; in the end all tiles */
  int piece;                      /* tiles that are worked on at once */
  gsize in_stride, out_stride, u_stride; /* floats between frequencies */
  float *bias;                           /* padded to whole blocks */
  gboolean mask;                         /* dx is wanted where x > 0 */
} Winograd;

static WinogradMap
map_of (const Onednn *be, const DefcnTensor *t)
{
  return (WinogradMap){ t->h, t->w, onednn_blocks (be, t), (t->w + 3) / 4,
    (t->h + 3) / 4 };
}

static int
tiles_of (const DefcnTensor *t)
{
  return t->n * ((t->w + 3) / 4) * ((t->h + 3) / 4);
}

static int
round_up (int n, int unit)
{
  return (n + unit - 1) / unit * unit;
}

/* Frequencies are kept off multiples of a page, which share cache sets. */
static gsize
u_stride_of (const Onednn *be, int in, int out)
{
  return (gsize) round_up (in, be->block) * round_up (out, be->block) + 16;
}

static gboolean
is_possible (const Onednn *be, const DefcnNode *node)
{
  for (int i = 0; i < defcn_onednn_passes_together (node); i++)
    if (node[i].x[0]->inner || node[i].y->inner)
      return FALSE;
  return !be->base.exact && node->size == 3 && node->stride == 1
      && node->pad == 1 && node->groups == 1
      && node->x[0]->role == DEFCN_TENSOR_ACTIVATION;
}

static int
tiles_together (const DefcnNode *node)
{
  int tiles = 0;

  for (int i = 0; i < defcn_onednn_passes_together (node); i++)
    tiles += tiles_of (node[i].y);
  return tiles;
}

/* Counted in multiply-adds of a vector (measured).  @overhead: what moving the
 * transformed weights costs, in units of their number in one frequency. */
static double
cost (const Onednn *be, const DefcnNode *node, double tiles, double overhead)
{
  /* In inference an image alone and one among others go the same way. */
  const int images = node->train ? 1 : node->y->n;
  const double in = onednn_blocks (be, node->x[0]);
  const double out = onednn_blocks (be, node->y);
  const double vectors = in * out * be->block;
  const double own = tiles / images;
  const double rows = round_up (own, 2);
  const double all = tiles_of (node->y);
  const double pixels =
      (double) node->y->n * node->y->h * node->y->w * own / all;
  const double direct = pixels * 9 * vectors;
  const double winograd =
      (rows * 36 * 1.2 + overhead) * vectors + own * 300 * (in + out);

  return is_possible (be, node) ? winograd / (0.9 * direct) : INFINITY;
}

static void
fill (Onednn *be, OnednnPack *pack)
{
  const DefcnTensor *w = pack->w;
  const gsize stride = u_stride_of (be, w->c, w->n);

#pragma omp parallel for
  for (int block = 0; block < (w->n + be->block - 1) / be->block; block++)
    be->winograd->weights (pack->data, stride, w->data, block, w->n, w->c);
}

static void
fill_turned (Onednn *be, OnednnPack *pack)
{
  const DefcnTensor *w = pack->w;
  const gsize stride = u_stride_of (be, w->n, w->c);

#pragma omp parallel for
  for (int block = 0; block < (w->c + be->block - 1) / be->block; block++)
    be->winograd->weights_turned (pack->data, stride, w->data, block, w->n,
        w->c);
}

static void
release (Onednn *be, gpointer state)
{
  Winograd *w = state;

  defcn_onednn_pack_unref (be, w->pack);
  be->base.free (&be->base, w->bias);
  g_free (w);
}

/* Chooses how many tiles to work on at once, so that their frequencies take
 * about @bytes and every one of @parts gets a share; sets the strides. */
static void
set_piece (Winograd *w, const Onednn *be, gsize bytes, int parts)
{
  const int rows = be->winograd->rows;
  const gsize in = w->in[0].blocks * be->block;
  const gsize out = w->out[0].blocks * be->block;
  const int tiles = w->first[w->n_maps];
  const int fitting = bytes / (FREQUENCIES * (in + out) * sizeof (float));
  const int share = (tiles + parts - 1) / parts;
  const int most = MAX (MIN (fitting, share), rows);
  const int pieces = round_up ((tiles + most - 1) / most, parts);

  w->piece = round_up ((tiles + pieces - 1) / pieces, 2);
  w->in_stride = w->piece * in + 16;
  w->out_stride = w->piece * out + 16;
  w->u_stride = u_stride_of (be, in, out);
}

static void
add_map (Winograd *w, const Onednn *be, const DefcnTensor *x,
    const DefcnTensor *y)
{
  w->in[w->n_maps] = map_of (be, x);
  w->out[w->n_maps] = map_of (be, y);
  w->first[w->n_maps + 1] = w->first[w->n_maps] + tiles_of (y);
  w->n_maps++;
}

/* @w: (transfer full): with its maps; NULL with @error. */
static Winograd *
convolution_new (Winograd *w, Onednn *be, const DefcnNode *node,
    gboolean turned, GError **error)
{
  set_piece (w, be, 1 << 20, be->base.threads);
  w->pack = defcn_onednn_pack_get (be, node->w, turned ? fill_turned : fill,
      NULL, FREQUENCIES * w->u_stride * sizeof (float));
  w->bias =
      be->base.alloc (&be->base, w->out[0].blocks * be->block * sizeof (float));
  if (w->pack && w->bias
      && defcn_onednn_scratch_reserve (be,
          FREQUENCIES * (w->in_stride + w->out_stride) * be->base.threads))
    return w;
  defcn_onednn_passes_error (error, node, "no memory");
  release (be, w);
  return NULL;
}

/* The part of map @m that is among the @n tiles from @first on: from tile
 * @at of the map, @offset tiles behind @first.  Returns: how many tiles. */
static int
part_of_map (int *at, int *offset, const Winograd *w, int m, int first, int n)
{
  const int from = MAX (first, w->first[m]);

  *at = from - w->first[m];
  *offset = from - first;
  return MIN (first + n, w->first[m + 1]) - from;
}

/* @add, @mask: NULL, or of the first map, which is then alone. */
static void
convolve (Onednn *be, const Winograd *w, float *const *y, const float *const *x,
    const float *add, gboolean relu, const float *mask)
{
  const WinogradKernels *k = be->winograd;
  const int in = w->in[0].blocks * be->block;
  const int out = w->out[0].blocks * be->block;
  const gsize share = FREQUENCIES * (w->in_stride + w->out_stride);
  const int tiles = w->first[w->n_maps];

  defcn_onednn_pack_update (be, w->pack);
#pragma omp parallel for schedule(dynamic)
  for (int first = 0; first < tiles; first += w->piece) {
    const int n = MIN (w->piece, tiles - first);
    float *v = be->scratch + omp_get_thread_num () * share;
    float *m = v + FREQUENCIES * w->in_stride;
    int at, offset;

    for (int i = 0; i < w->n_maps; i++) {
      const int part = part_of_map (&at, &offset, w, i, first, n);

      if (part > 0)
        k->input (v + offset * in, w->in_stride, x[i], &w->in[i], at, part);
    }
    for (int f = 0; f < FREQUENCIES; f++)
      k->gemm (m + f * w->out_stride, v + f * w->in_stride,
          w->pack->data + f * w->u_stride, n, in, out);
    for (int i = 0; i < w->n_maps; i++) {
      const int part = part_of_map (&at, &offset, w, i, first, n);

      if (part > 0)
        k->output (y[i], m + offset * out, w->out_stride, w->bias, add, relu,
            mask, &w->out[i], at, part);
    }
  }
}

static const char *
describe (gpointer state)
{
  return "winograd";
}

static double
forward_cost (const Onednn *be, const DefcnNode *node)
{
  return cost (be, node, tiles_together (node), node->train ? 750 : 250);
}

static gpointer
forward_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  Winograd *w = g_new0 (Winograd, 1);

  for (int i = 0; i < defcn_onednn_passes_together (node); i++)
    add_map (w, be, node[i].x[0], node[i].y);
  return convolution_new (w, be, node, FALSE, error);
}

static void
forward_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Winograd *w = state;
  const float *x[PASSES_TOGETHER];
  float *y[PASSES_TOGETHER];

  for (int i = 0; i < w->n_maps; i++) {
    x[i] = node[i].x[0]->data;
    y[i] = node[i].y->data;
  }
  if (node->b)
    memcpy (w->bias, node->b->data, node->y->c * sizeof (float));
  convolve (be, w, y, x, node->x[1] ? node->x[1]->data : NULL, node->relu,
      NULL);
}

const OnednnPass defcn_onednn_winograd_forward = { forward_cost,
  forward_prepare, forward_run, release, describe };

static double
data_cost (const Onednn *be, const DefcnNode *node)
{
  return cost (be, node, tiles_of (node->y), 750);
}

static gpointer
data_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  Winograd *w = g_new0 (Winograd, 1);

  add_map (w, be, node->y, node->x[0]);
  w = convolution_new (w, be, node, TRUE, error);
  if (w)
    w->mask = defcn_onednn_passes_mask_early (be, node);
  return w;
}

static void
data_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Winograd *w = state;
  const float *dy = node->y->grad;
  float *dx = node->x[0]->grad;

  convolve (be, w, &dx, &dy, node->accumulate[0] ? dx : NULL, FALSE,
      w->mask ? node->x[0]->data : NULL);
}

const OnednnPass defcn_onednn_winograd_data = { data_cost, data_prepare,
  data_run, release, describe };

static double
weights_cost (const Onednn *be, const DefcnNode *node)
{
  return cost (be, node, tiles_of (node->y), 1200);
}

static gsize
weights_floats (const Winograd *w)
{
  return FREQUENCIES * (w->in_stride + w->out_stride + w->u_stride);
}

static gpointer
weights_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  Winograd *w = g_new0 (Winograd, 1);

  add_map (w, be, node->x[0], node->y);
  set_piece (w, be, 4 << 20, 1);
  if (defcn_onednn_scratch_reserve (be, weights_floats (w)))
    return w;
  defcn_onednn_passes_error (error, node, "no memory");
  release (be, w);
  return NULL;
}

/* A piece of tiles is transformed by all threads, then every thread adds up
 * frequencies of its own: the order of the sums does not depend on them. */
static void
weights_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Winograd *w = state;
  const WinogradKernels *k = be->winograd;
  const int in = w->in[0].blocks * be->block;
  const int out = w->out[0].blocks * be->block, tiles = w->first[1];
  const int rows = k->rows;
  float *v = be->scratch, *d = v + FREQUENCIES * w->in_stride;
  float *u = d + FREQUENCIES * w->out_stride;

#pragma omp parallel
  {
    for (int first = 0; first < tiles; first += w->piece) {
      const int n = MIN (w->piece, tiles - first);

#pragma omp for
      for (int t = 0; t < n; t += rows) {
        k->input (v + t * in, w->in_stride, node->x[0]->data, &w->in[0],
            first + t, MIN (rows, n - t));
        k->output_gradient (d + t * out, w->out_stride, node->y->grad,
            &w->out[0], first + t, MIN (rows, n - t));
      }
#pragma omp for
      for (int f = 0; f < FREQUENCIES; f++)
        k->gemm_gradient (u + f * w->u_stride, v + f * w->in_stride,
            d + f * w->out_stride, first > 0, n, in, out);
    }
#pragma omp for
    for (int block = 0; block < w->out[0].blocks; block++)
      k->weights_gradient (node->w->grad, u, w->u_stride, block, node->y->c,
          node->x[0]->c);
  }
  defcn_onednn_passes_bias_gradient (be, node);
}

const OnednnPass defcn_onednn_winograd_weights = { weights_cost,
  weights_prepare, weights_run, release, describe };
