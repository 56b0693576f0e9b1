/* Deformable convolution: what the taps of every location read becomes a map of
 * its own, size times as high and wide as the output, over which a usual
 * convolution of the same weights strides; cuDNN does that.  The map has nine
 * times the numbers of x and is lent from step to step.
 *
 * Gradients of x are added up by atomics, in no fixed order: training with such
 * steps does not repeat to the bit. */
#include "vector.cuh"

#include "sigmoid.h"

#define LANES 32 /* that share the channels of a tap */

typedef struct
{
  DefcnNode conv;      /* from the map to y */
  DefcnTensor sampled; /* the map, in memory that is lent */
  float *dx;           /* lent: gradient of x where it is not float */
  char *how;
} Deform;

/* Sizes of x and y, and how the taps lie; y's taps are the map's pixels. */
typedef struct
{
  int h, w, out_h, out_w, c, size, stride, pad, offsets;
} Shape;

/* Where a tap reads: four pixels, numbered along rows, and their shares, 0 for
 * those outside; how far it is between them. */
typedef struct
{
  int at[4];
  float share[4], down, right, mask;
  int inside; /* bit i: pixel i is one of the map's */
} Tap;

/* The offsets of pixel (@row, @column) of the map of image @n, and the number
 * of its tap. */
__device__ static const float *
offsets_of (int *tap, const float *offsets, const Shape &s, int n, int row,
    int column)
{
  *tap = row % s.size * s.size + column % s.size;
  return offsets
      + (((gsize) n * s.out_h + row / s.size) * s.out_w + column / s.size)
      * s.offsets;
}

__device__ static Tap
locate (const float *offsets, const Shape &s, int n, int row, int column)
{
  Tap t = {};
  int k;
  const float *o = offsets_of (&k, offsets, s, n, row, column);
  const int n_taps = s.size * s.size;
  const float py =
      (float) (row / s.size * s.stride - s.pad + row % s.size) + o[2 * k];
  const float px =
      (float) (column / s.size * s.stride - s.pad + column % s.size)
      + o[2 * k + 1];

  t.mask = s.offsets > 2 * n_taps ? defcn_sigmoid (o[2 * n_taps + k]) : 1;
  if (!(py > -1 && py < s.h && px > -1 && px < s.w)) /* or not a number */
    return t;

  const int y0 = (int) floorf (py), x0 = (int) floorf (px);
  t.down = py - y0;
  t.right = px - x0;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int iy = y0 + i / 2, ix = x0 + i % 2;

    if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w)
      continue;
    t.at[i] = iy * s.w + ix;
    t.share[i] =
        (i / 2 ? t.down : 1 - t.down) * (i % 2 ? t.right : 1 - t.right);
    t.inside |= 1 << i;
  }
  return t;
}

/* One thread per vector of the map (n, size out_h, size out_w, c). */
template <typename T, int N>
__global__ void
sample_kernel (T *map, const T *x, const float *offsets, Shape s)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const int width = s.size * s.out_w, height = s.size * s.out_h;
  float v[N], sum[N] = { 0 };

  if (at >= s.c || pixel >= height * width)
    return;
  const Tap t = locate (offsets, s, blockIdx.z, pixel / width, pixel % width);
  const T *image = x + (gsize) blockIdx.z * s.h * s.w * s.c + at;

#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (!(t.inside & 1 << i))
      continue;
    vector_load<N> (v, image + (gsize) t.at[i] * s.c);
#pragma unroll
    for (int k = 0; k < N; k++)
      sum[k] += t.share[i] * v[k];
  }
#pragma unroll
  for (int k = 0; k < N; k++)
    sum[k] *= t.mask;
  vector_store<N> (map + ((gsize) blockIdx.z * height * width + pixel) * s.c
          + at,
      sum);
}

/* One thread per vector of the map: dx (n, h, w, c) += what it gave to dmap. */
template <typename T, int N>
__global__ void
spread_kernel (float *dx, const T *dmap, const float *offsets, Shape s)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const int width = s.size * s.out_w, height = s.size * s.out_h;
  float d[N];

  if (at >= s.c || pixel >= height * width)
    return;
  const Tap t = locate (offsets, s, blockIdx.z, pixel / width, pixel % width);
  float *image = dx + (gsize) blockIdx.z * s.h * s.w * s.c + at;

  vector_load<N> (d,
      dmap + ((gsize) blockIdx.z * height * width + pixel) * s.c + at);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (!(t.inside & 1 << i))
      continue;
#pragma unroll
    for (int k = 0; k < N; k++)
      atomicAdd (image + (gsize) t.at[i] * s.c + k, t.mask * t.share[i] * d[k]);
  }
}

/* sums = what the lanes of a row of threads have, by its first. */
__device__ static void
add_lanes (float *sums, float (*shared)[3][LANES])
{
  float (*mine)[LANES] = shared[threadIdx.y];

#pragma unroll
  for (int j = 0; j < 3; j++)
    mine[j][threadIdx.x] = sums[j];
  for (int half = LANES / 2; half > 0; half /= 2) {
    __syncthreads ();
    if ((int) threadIdx.x < half) {
#pragma unroll
      for (int j = 0; j < 3; j++)
        mine[j][threadIdx.x] += mine[j][threadIdx.x + half];
    }
  }
#pragma unroll
  for (int j = 0; j < 3; j++)
    sums[j] = mine[j][0];
}

/* A row of LANES threads per pixel of the map, blockIdx.z its image: gradients
 * of where the tap reads and of its mask's logit, over all channels. */
template <typename T, int N>
__global__ void
slopes_kernel (float *d_offsets, const T *dmap, const T *x,
    const float *offsets, bool accumulate, Shape s)
{
  __shared__ float shared[CUDA_THREADS / LANES][3][LANES];
  const int pixel = PLANE_PIXEL;
  const int width = s.size * s.out_w, height = s.size * s.out_h;
  const bool there = pixel < height * width;
  const int row = there ? pixel / width : 0, column = there ? pixel % width : 0;
  const Tap t = locate (offsets, s, blockIdx.z, row, column);
  const T *image = x + (gsize) blockIdx.z * s.h * s.w * s.c;
  const T *from = dmap + ((gsize) blockIdx.z * height * width + pixel) * s.c;
  float sums[3] = { 0 }, d[N], v[N];

  for (int at = threadIdx.x * N; there && at < s.c; at += LANES * N) {
    vector_load<N> (d, from + at);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float dot = 0;

      if (!(t.inside & 1 << i))
        continue;
      vector_load<N> (v, image + (gsize) t.at[i] * s.c + at);
#pragma unroll
      for (int k = 0; k < N; k++)
        dot += d[k] * v[k];
      sums[0] += (i / 2 ? 1 : -1) * (i % 2 ? t.right : 1 - t.right) * dot;
      sums[1] += (i % 2 ? 1 : -1) * (i / 2 ? t.down : 1 - t.down) * dot;
      sums[2] += t.share[i] * dot;
    }
  }
  add_lanes (sums, shared);
  if (!there || threadIdx.x > 0)
    return;

  const int n_taps = s.size * s.size;
  int k;
  float *to = d_offsets
      + (offsets_of (&k, offsets, s, blockIdx.z, row, column) - offsets);

  to[2 * k] = (accumulate ? to[2 * k] : 0) + t.mask * sums[0];
  to[2 * k + 1] = (accumulate ? to[2 * k + 1] : 0) + t.mask * sums[1];
  if (s.offsets > 2 * n_taps)
    to[2 * n_taps + k] =
        (accumulate ? to[2 * n_taps + k] : 0) + t.mask * (1 - t.mask) * sums[2];
}

static Shape
shape_of (const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0], *y = node->y;

  return { x->h, x->w, y->h, y->w, x->c, node->size, node->stride, node->pad,
    node->x[1]->c };
}

template <typename T, int N>
static void
sample (Cuda *be, const DefcnNode *node)
{
  const Deform *d = (const Deform *) node->state;
  const DefcnTensor *map = &d->sampled;
  const int vectors = map->c / N;

  LAUNCH ((sample_kernel<T, N>),
      cuda_plane_grid (vectors, (gsize) map->h * map->w, map->n, 1),
      cuda_plane_block (vectors), be->stream)
  ((T *) map->data, (const T *) node->x[0]->data, node->x[1]->data,
      shape_of (node));
}

template <typename T, int N>
static void
spread (Cuda *be, const DefcnNode *node, float *dx)
{
  const Deform *d = (const Deform *) node->state;
  const DefcnTensor *map = &d->sampled;
  const int vectors = map->c / N;

  LAUNCH ((spread_kernel<T, N>),
      cuda_plane_grid (vectors, (gsize) map->h * map->w, map->n, 1),
      cuda_plane_block (vectors), be->stream)
  (dx, (const T *) map->grad, node->x[1]->data, shape_of (node));
}

template <typename T, int N>
static void
slopes (Cuda *be, const DefcnNode *node)
{
  const Deform *d = (const Deform *) node->state;
  const DefcnTensor *map = &d->sampled;
  const int rows = CUDA_THREADS / LANES;

  LAUNCH ((slopes_kernel<T, N>),
      dim3 ((map->h * map->w + rows - 1) / rows, 1, map->n), dim3 (LANES, rows),
      be->stream)
  (node->x[1]->grad, (const T *) map->grad, (const T *) node->x[0]->data,
      node->x[1]->data, node->accumulate[1], shape_of (node));
}

static void
forward (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const Deform *d = (const Deform *) node->state;

  CUDA_DISPATCH (cuda_type_of (be, node->x[0]), node->x[0]->c, sample, be,
      node);
  cuda_conv.forward (base, &d->conv);
}

/* What goes to x is summed in float; the gradient of the map, which has been
 * read, then holds it in the type of x where it is added. */
static void
backward_x (Cuda *be, const DefcnNode *node)
{
  const Deform *d = (const Deform *) node->state;
  const DefcnTensor *x = node->x[0];
  const CudaType type = cuda_type_of (be, x);
  const gsize len = defcn_tensor_len (x);
  float *dx = d->dx ? d->dx : x->grad;

  if (d->dx || !node->accumulate[0])
    cuda_device_note (be,
        cudaMemsetAsync (dx, 0, len * sizeof (float), be->stream), node->name);
  CUDA_DISPATCH (type, x->c, spread, be, node, dx);
  if (!d->dx)
    return;
  cuda_convert (be, node->accumulate[0] ? d->sampled.grad : x->grad, type, dx,
      CUDA_FLOAT, len);
  if (node->accumulate[0])
    cuda_add (be, x->grad, d->sampled.grad, type, TRUE, len);
}

static void
backward (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const Deform *d = (const Deform *) node->state;
  const CudaType type = cuda_type_of (be, node->x[0]);

  if (node->w->grad) /* others have had the map's memory since */
    CUDA_DISPATCH (type, node->x[0]->c, sample, be, node);
  cuda_conv.backward (base, &d->conv);
  if (node->x[1]->grad)
    CUDA_DISPATCH (type, node->x[0]->c, slopes, be, node);
  if (node->x[0]->grad)
    backward_x (be, node);
}

static void
release (DefcnBackend *base, DefcnNode *node)
{
  Deform *d = (Deform *) node->state;

  if (!d)
    return;
  cuda_conv.release (base, &d->conv);
  g_free (d->how);
  g_free (d);
  node->state = NULL;
}

/* Lends the map and what backward needs. */
static gboolean
lend (Cuda *be, Deform *d, const DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0];
  const CudaType type = cuda_type_of (be, x);
  const gsize bytes = MAX (defcn_tensor_len (&d->sampled), defcn_tensor_len (x))
      * cuda_type_size (type);

  d->sampled.data =
      (float *) cuda_convs_lend (be, CUDA_LOAN_MAP, bytes, node->name, error);
  if (!d->sampled.data)
    return FALSE;
  if (!node->train || (!x->grad && !node->x[1]->grad))
    return TRUE;
  d->sampled.grad =
      (float *) cuda_convs_lend (be, CUDA_LOAN_DMAP, bytes, node->name, error);
  if (!d->sampled.grad || !x->grad || type == CUDA_FLOAT)
    return d->sampled.grad != NULL;
  d->dx = (float *) cuda_convs_lend (be, CUDA_LOAN_DX,
      defcn_tensor_len (x) * sizeof (float), node->name, error);
  return d->dx != NULL;
}

static gboolean
prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  Cuda *be = cuda_of (base);
  const DefcnTensor *x = node->x[0], *y = node->y;
  Deform *d;

  if (!defcn_deform_conv_check (base, node, error)
      || !cuda_device_check_inputs (be, node, error))
    return FALSE;
  node->state = d = g_new0 (Deform, 1);
  d->sampled.n = x->n;
  d->sampled.h = node->size * y->h;
  d->sampled.w = node->size * y->w;
  d->sampled.c = x->c;
  d->sampled.role = DEFCN_TENSOR_ACTIVATION;
  d->conv = *node;
  d->conv.kind = DEFCN_OP_CONV;
  d->conv.state = NULL;
  d->conv.x[0] = &d->sampled;
  d->conv.x[1] = node->x[2];
  d->conv.x[2] = NULL;
  d->conv.stride = node->size;
  d->conv.pad = 0;
  d->conv.accumulate[0] = FALSE;
  d->conv.accumulate[1] = node->accumulate[2];
  if (lend (be, d, node, error) && cuda_conv.prepare (base, &d->conv, error)) {
    d->how =
        g_strconcat ("sampled, ", cuda_conv.describe (base, &d->conv), NULL);
    return TRUE;
  }
  release (base, node);
  return FALSE;
}

static const char *
describe (DefcnBackend *be, const DefcnNode *node)
{
  return ((const Deform *) node->state)->how;
}

const DefcnOp cuda_deform_conv = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
  .release = release,
  .describe = describe,
};
