/* FPN top-down step: y = x0 + nearest x2 of x1. */
#include "vector.cuh"

/* One thread per vector of y (n, h, w, c); see cuda_plane_grid(). */
template <typename T, int N>
__global__ void
forward_kernel (T *y, const T *fine, const T *coarse, int h, int w, int c)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const int oy = pixel / w, ox = pixel % w;
  float a[N], b[N];

  if (at >= c || pixel >= h * w)
    return;
  const gsize i = ((gsize) blockIdx.z * h * w + pixel) * c + at;
  const gsize k =
      (((gsize) blockIdx.z * (h / 2) + oy / 2) * (w / 2) + ox / 2) * c + at;

  vector_load<N> (a, fine + i);
  vector_load<N> (b, coarse + k);
#pragma unroll
  for (int j = 0; j < N; j++)
    a[j] += b[j];
  vector_store<N> (y + i, a);
}

/* One thread per vector of dx1 (n, h, w, c): the sum of the four that took it
 * from dy (n, 2h, 2w, c). */
template <typename T, int N>
__global__ void
backward_kernel (T *dcoarse, const T *dy, bool accumulate, int h, int w, int c)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const int iy = pixel / w, ix = pixel % w;
  float sum[N] = { 0 }, d[N];

  if (at >= c || pixel >= h * w)
    return;
  for (int k = 0; k < 4; k++) {
    const gsize row = (gsize) blockIdx.z * 2 * h + 2 * iy + k / 2;

    vector_load<N> (d, dy + (row * 2 * w + 2 * ix + k % 2) * c + at);
#pragma unroll
    for (int j = 0; j < N; j++)
      sum[j] += d[j];
  }
  vector_store_or_add<N> (dcoarse + ((gsize) blockIdx.z * h * w + pixel) * c
          + at,
      sum, accumulate);
}

template <typename T, int N>
static void
forward (Cuda *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  const int vectors = y->c / N;

  LAUNCH ((forward_kernel<T, N>),
      cuda_plane_grid (vectors, (gsize) y->h * y->w, y->n, 1),
      cuda_plane_block (vectors), be->stream)
  ((T *) y->data, (const T *) node->x[0]->data, (const T *) node->x[1]->data,
      y->h, y->w, y->c);
}

template <typename T, int N>
static void
backward (Cuda *be, const DefcnNode *node)
{
  const DefcnTensor *coarse = node->x[1];
  const int vectors = coarse->c / N;

  LAUNCH ((backward_kernel<T, N>),
      cuda_plane_grid (vectors, (gsize) coarse->h * coarse->w, coarse->n, 1),
      cuda_plane_block (vectors), be->stream)
  ((T *) coarse->grad, (const T *) node->y->grad, node->accumulate[1],
      coarse->h, coarse->w, coarse->c);
}

static void
forward_row (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);

  CUDA_DISPATCH (cuda_type_of (be, node->y), node->y->c, forward, be, node);
}

static void
backward_row (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const CudaType type = cuda_type_of (be, node->y);

  if (node->x[0]->grad)
    cuda_add (be, node->x[0]->grad, node->y->grad, type, node->accumulate[0],
        defcn_tensor_len (node->y));
  if (node->x[1]->grad)
    CUDA_DISPATCH (type, node->y->c, backward, be, node);
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  return cuda_device_check (be, node, &defcn_upsample_add_reference, error);
}

const DefcnOp cuda_upsample_add = {
  .prepare = prepare,
  .forward = forward_row,
  .backward = backward_row,
};
