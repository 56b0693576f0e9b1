/* Max-pooling 3x3, stride 2, padding 1 that counts as -inf. */
#include "vector.cuh"

/* One thread per vector of y (n, h, w, c) from x (n, in_h, in_w, c).  winners:
 * tap 0 .. 8 of the first largest element, or NULL. */
template <typename T, int N>
__global__ void
forward_kernel (T *y, guint8 *winners, const T *x, int h, int w, int in_h,
    int in_w, int c)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const int oy = pixel / w, ox = pixel % w;
  float best[N] = { 0 }, v[N];
  Vector<guint8, N> taps = {};
  bool found = false;

  if (at >= c || pixel >= h * w)
    return;
  for (int tap = 0; tap < 9; tap++) {
    const int iy = 2 * oy - 1 + tap / 3, ix = 2 * ox - 1 + tap % 3;

    if (iy < 0 || iy >= in_h || ix < 0 || ix >= in_w)
      continue;
    vector_load<N> (v,
        x + (((gsize) blockIdx.z * in_h + iy) * in_w + ix) * c + at);
#pragma unroll
    for (int k = 0; k < N; k++)
      if (!found || v[k] > best[k]) {
        best[k] = v[k];
        taps.v[k] = tap;
      }
    found = true;
  }
  const gsize i = ((gsize) blockIdx.z * h * w + pixel) * c + at;

  vector_store<N> (y + i, best);
  if (winners)
    *(Vector<guint8, N> *) (winners + i) = taps;
}

/* One thread per vector of dx (n, in_h, in_w, c): at most four windows meet
 * there, in fixed order. */
template <typename T, int N>
__global__ void
backward_kernel (T *dx, const T *dy, const guint8 *winners, bool accumulate,
    int h, int w, int in_h, int in_w, int c)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const int iy = pixel / in_w, ix = pixel % in_w;
  float sum[N] = { 0 }, d[N];

  if (at >= c || pixel >= in_h * in_w)
    return;
  for (int oy = iy / 2; oy <= (iy + 1) / 2 && oy < h; oy++)
    for (int ox = ix / 2; ox <= (ix + 1) / 2 && ox < w; ox++) {
      const int tap = (iy - 2 * oy + 1) * 3 + ix - 2 * ox + 1;
      const gsize i = (((gsize) blockIdx.z * h + oy) * w + ox) * c + at;
      const Vector<guint8, N> taps = *(const Vector<guint8, N> *) (winners + i);

      vector_load<N> (d, dy + i);
#pragma unroll
      for (int k = 0; k < N; k++)
        sum[k] += taps.v[k] == tap ? d[k] : 0;
    }
  vector_store_or_add<N> (dx + ((gsize) blockIdx.z * in_h * in_w + pixel) * c
          + at,
      sum, accumulate);
}

template <typename T, int N>
static void
forward (Cuda *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int vectors = y->c / N;

  LAUNCH ((forward_kernel<T, N>),
      cuda_plane_grid (vectors, (gsize) y->h * y->w, y->n, 1),
      cuda_plane_block (vectors), be->stream)
  ((T *) y->data, (guint8 *) node->state, (const T *) x->data, y->h, y->w, x->h,
      x->w, y->c);
}

template <typename T, int N>
static void
backward (Cuda *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int vectors = y->c / N;

  LAUNCH ((backward_kernel<T, N>),
      cuda_plane_grid (vectors, (gsize) x->h * x->w, x->n, 1),
      cuda_plane_block (vectors), be->stream)
  ((T *) x->grad, (const T *) y->grad, (const guint8 *) node->state,
      node->accumulate[0], y->h, y->w, x->h, x->w, y->c);
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

  if (node->x[0]->grad)
    CUDA_DISPATCH (cuda_type_of (be, node->y), node->y->c, backward, be, node);
}

static void
release (DefcnBackend *be, DefcnNode *node)
{
  cuda_device_enter (cuda_of (be));
  cudaFree (node->state);
  node->state = NULL;
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  if (!cuda_device_check (be, node, &defcn_max_pool_reference, error))
    return FALSE;
  if (!node->train)
    return TRUE;
  node->state =
      cuda_device_alloc (defcn_tensor_len (node->y), node->name, error);
  return node->state != NULL;
}

const DefcnOp cuda_max_pool = {
  .prepare = prepare,
  .forward = forward_row,
  .backward = backward_row,
  .release = release,
};
