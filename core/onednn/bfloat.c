/* 1x1 convolutions of inference in bfloat16 by pairs, with sums, bias, residual
 * and what is stored in float32 (precision bf16). */
#include "pack.h"
#include "passes.h"

#include <math.h>
#include <string.h>

typedef struct
{
  OnednnPack *pack;
  float *bias; /* padded to whole blocks */
  int pixels;  /* at once, at most */
  gsize share; /* floats of scratch per thread */
} Bfloat;

static double
cost (const Onednn *be, const DefcnNode *node)
{
  const gboolean possible = be->base.bf16 && be->base.bf16_pairs && be->bfloat
      && !node->train && node->size == 1 && node->pad == 0 && node->groups == 1
      && node->x[0]->role == DEFCN_TENSOR_ACTIVATION;

  return possible ? 0.5 : INFINITY;
}

static void
fill (Onednn *be, OnednnPack *pack)
{
  const DefcnTensor *w = pack->w;

#pragma omp parallel for
  for (int block = 0; block < (w->n + be->block - 1) / be->block; block++)
    be->bfloat->weights ((guint16 *) (void *) pack->data, w->data, block, w->n,
        w->c);
}

static void
release (Onednn *be, gpointer state)
{
  Bfloat *b = state;

  defcn_onednn_pack_unref (be, b->pack);
  be->base.free (&be->base, b->bias);
  g_free (b);
}

static gpointer
prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  const gsize in = (gsize) onednn_blocks (be, node->x[0]) * be->block;
  const gsize out = (gsize) onednn_blocks (be, node->y) * be->block;
  Bfloat *b = g_new0 (Bfloat, 1);

  /* What is rounded stays in the first cache, and runs of y are long. */
  b->pixels = CLAMP ((32 << 10) / (int) (in * sizeof (guint16)), 112, 896);
  b->share = in * b->pixels / 2;
  b->pack = defcn_onednn_pack_get (be, node->w, fill, NULL,
      in * out * sizeof (guint16));
  b->bias = be->base.alloc (&be->base, out * sizeof (float));
  if (b->pack && b->bias
      && defcn_onednn_scratch_reserve (be, b->share * be->base.threads))
    return b;
  defcn_onednn_passes_error (error, node, "no memory");
  release (be, b);
  return NULL;
}

/* Pixels @first .. @first + @n - 1 of y's image @image, rounded. */
static void
gather (guint16 *v, gsize stride, const Onednn *be, const DefcnNode *node,
    int image, int first, int n)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int blocks = onednn_blocks (be, x), step = node->stride;
  const gsize plane = onednn_plane (be, x);
  const float *data = x->data + (gsize) image * blocks * plane;

  for (int done = 0; done < n;) {
    const int row = (first + done) / y->w, column = (first + done) % y->w;
    const int run = step == 1 ? n : MIN (n - done, y->w - column);
    const gsize from = ((gsize) row * x->w + column) * step;

    be->bfloat->round_pixels (v + done * be->block, stride,
        data + from * be->block, plane, blocks, run, step);
    done += run;
  }
}

static void
run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Bfloat *b = state;
  const DefcnTensor *y = node->y;
  const int in = onednn_blocks (be, node->x[0]), out = onednn_blocks (be, y);
  const int pixels = y->h * y->w;
  const int pieces = (pixels + b->pixels - 1) / b->pixels;
  const gsize plane = onednn_plane (be, y), stride = b->pixels * be->block;

  if (node->b)
    memcpy (b->bias, node->b->data, y->c * sizeof (float));
  defcn_onednn_pack_update (be, b->pack);
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < y->n * pieces; i++) {
    const int image = i / pieces;
    const int first = (gint64) (i % pieces) * pixels / pieces;
    const int n = (gint64) (i % pieces + 1) * pixels / pieces - first;
    const gsize at = (gsize) image * out * plane + (gsize) first * be->block;
    guint16 *v =
        (guint16 *) (void *) (be->scratch + omp_get_thread_num () * b->share);

    gather (v, stride, be, node, image, first, n);
    be->bfloat->multiply (y->data + at, plane, v, stride,
        (const guint16 *) (const void *) b->pack->data, b->bias,
        node->x[1] ? node->x[1]->data + at : NULL, node->relu, n, in, out);
  }
}

static const char *
describe (gpointer state)
{
  return "bfloat16";
}

const OnednnPass defcn_onednn_bfloat_forward = { cost, prepare, run, release,
  describe };
