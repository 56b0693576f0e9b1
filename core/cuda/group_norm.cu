/* Group normalisation: y = relu? ((x - mean) / std * w + b), with mean and
 * biased variance per image and group over (h, w, c / groups).
 *
 * Three kernels: sums per channel and slab of pixels, statistics per group,
 * one affine map per channel.  Sums run over x minus the channel's first pixel,
 * so that a large mean does not cancel, and are joined in double, in fixed
 * order. */
#include "vector.cuh"

#define EPSILON 1e-5
#define MAX_SLABS 32
#define SLAB_PIXELS 64 /* of one thread, unless there are too many slabs */

typedef struct
{
  int n_slabs, slab; /* pixels in a slab */
  float *partial;    /* (n, n_slabs, 2, c) */
  float *mean;       /* (n, c) of the channel's group */
  float *rstd;       /* (n, c) */
  float *sums;       /* training: (n, 2, c), sums of dy and of dy h */
  float *means;      /* training: (n, groups, 2), mean (g) and mean (g h) */
} GroupNorm;

/* Joins the pixel lanes of a block: the first has the sums of all. */
template <int N>
__device__ static void
join_lanes (float *s, float *q)
{
  __shared__ float shared[2][CUDA_THREADS * N];
  const int lane = threadIdx.y * blockDim.x + threadIdx.x;
  const int stride = blockDim.x * blockDim.y;

#pragma unroll
  for (int k = 0; k < N; k++) {
    shared[0][k * stride + lane] = s[k];
    shared[1][k * stride + lane] = q[k];
  }
  __syncthreads ();
  if (threadIdx.y > 0)
    return;
#pragma unroll
  for (int k = 0; k < N; k++)
    for (unsigned y = 1; y < blockDim.y; y++) {
      s[k] += shared[0][k * stride + y * blockDim.x + threadIdx.x];
      q[k] += shared[1][k * stride + y * blockDim.x + threadIdx.x];
    }
}

/* A block takes a slab of pixels, a thread a vector of channels of every
 * blockDim.y-th pixel of it. */
template <typename T, int N>
__global__ void
moments_kernel (float *partial, const T *x, int slab, int hw, int c)
{
  const int at = PLANE_CHANNEL (N);
  const int first = blockIdx.x * slab;
  const int last = first + slab < hw ? first + slab : hw;
  const T *image = x + (gsize) blockIdx.z * hw * c;
  float s[N] = { 0 }, q[N] = { 0 }, v[N], shift[N];

  if (at < c)
    vector_load<N> (shift, image + at);
  for (int p = first + threadIdx.y; at < c && p < last; p += blockDim.y) {
    vector_load<N> (v, image + (gsize) p * c + at);
#pragma unroll
    for (int k = 0; k < N; k++) {
      s[k] += v[k] - shift[k];
      q[k] += (v[k] - shift[k]) * (v[k] - shift[k]);
    }
  }
  join_lanes<N> (s, q);
  if (threadIdx.y > 0 || at >= c)
    return;
  float *out = partial + ((gsize) blockIdx.z * gridDim.x + blockIdx.x) * 2 * c;
#pragma unroll
  for (int k = 0; k < N; k++) {
    out[at + k] = s[k];
    out[c + at + k] = q[k];
  }
}

/* Sum over the block's threads, known to all; blockDim.x is a power of 2. */
__device__ static double
sum_block (double v)
{
  __shared__ double shared[CUDA_THREADS];

  __syncthreads ();
  shared[threadIdx.x] = v;
  __syncthreads ();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half)
      shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads ();
  }
  return shared[0];
}

/* The sums of channel @c of image blockIdx.y. */
__device__ static void
sum_slabs (double *s, double *q, const float *partial, int n_slabs, int at,
    int c)
{
  const float *from = partial + (gsize) blockIdx.y * n_slabs * 2 * c + at;

  *s = *q = 0;
  for (int slab = 0; slab < n_slabs; slab++) {
    *s += from[(gsize) slab * 2 * c];
    *q += from[(gsize) slab * 2 * c + c];
  }
}

/* A block per group (x) and image (y), a thread per channel or several.
 * x is needed for the shifts alone. */
template <typename T>
__global__ void
statistics_kernel (float *mean, float *rstd, const float *partial, const T *x,
    int n_slabs, int hw, int c, int per_group)
{
  const int first = blockIdx.x * per_group;
  const double count = (double) hw * per_group;
  const T *shift = x + (gsize) blockIdx.y * hw * c;
  double s, q, sum = 0, squares = 0;

  for (int k = first + threadIdx.x; k < first + per_group; k += blockDim.x) {
    sum_slabs (&s, &q, partial, n_slabs, k, c);
    sum += s + (double) hw * vector_to_float (shift[k]);
  }
  const double m = sum_block (sum) / count;

  /* of x - m, from those of x - shift */
  for (int k = first + threadIdx.x; k < first + per_group; k += blockDim.x) {
    const double off = vector_to_float (shift[k]) - m;

    sum_slabs (&s, &q, partial, n_slabs, k, c);
    squares += q + 2 * off * s + hw * off * off;
  }
  const double variance = sum_block (squares) / count;
  const float scale = (float) (1 / sqrt (fmax (variance, 0.0) + EPSILON));

  for (int k = first + threadIdx.x; k < first + per_group; k += blockDim.x) {
    mean[(gsize) blockIdx.y * c + k] = (float) m;
    rstd[(gsize) blockIdx.y * c + k] = scale;
  }
}

/* One thread per vector of y (n, hw, c). */
template <typename T, int N>
__global__ void
apply_kernel (T *y, const T *x, const float *mean, const float *rstd,
    const float *w, const float *b, bool relu, int hw, int c)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const gsize channel = (gsize) blockIdx.z * c + at;
  float v[N];

  if (at >= c || pixel >= hw)
    return;
  const gsize i = ((gsize) blockIdx.z * hw + pixel) * c + at;

  vector_load<N> (v, x + i);
#pragma unroll
  for (int k = 0; k < N; k++) {
    v[k] = (v[k] - mean[channel + k]) * (rstd[channel + k] * w[at + k])
        + b[at + k];
    v[k] = relu && !(v[k] > 0) ? 0 : v[k];
  }
  vector_store<N> (y + i, v);
}

/* As moments_kernel(), of dy and dy h with h = (x - mean) / std, where dy is
 * zero under the mask of a fused ReLU. */
template <typename T, int N>
__global__ void
gradient_sums_kernel (float *partial, const T *dy, const T *x, const T *y,
    const float *mean, const float *rstd, int slab, int hw, int c)
{
  const int at = PLANE_CHANNEL (N);
  const int first = blockIdx.x * slab;
  const int last = first + slab < hw ? first + slab : hw;
  const gsize image = (gsize) blockIdx.z * hw * c;
  const gsize channel = (gsize) blockIdx.z * c + at;
  float s[N] = { 0 }, q[N] = { 0 }, v[N], d[N], o[N];

  for (int p = first + threadIdx.y; at < c && p < last; p += blockDim.y) {
    const gsize i = image + (gsize) p * c + at;

    vector_load<N> (v, x + i);
    vector_load<N> (d, dy + i);
    if (y)
      vector_load<N> (o, y + i);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const float g = !y || o[k] > 0 ? d[k] : 0;

      s[k] += g;
      q[k] += g * (v[k] - mean[channel + k]) * rstd[channel + k];
    }
  }
  join_lanes<N> (s, q);
  if (threadIdx.y > 0 || at >= c)
    return;
  float *out = partial + ((gsize) blockIdx.z * gridDim.x + blockIdx.x) * 2 * c;
#pragma unroll
  for (int k = 0; k < N; k++) {
    out[at + k] = s[k];
    out[c + at + k] = q[k];
  }
}

/* A block per group (x) and image (y): sums per channel, and of the group
 * mean (g) and mean (g h) with g = dy w. */
__global__ void
gradient_means_kernel (float *sums, float *means, const float *partial,
    const float *w, int n_slabs, int hw, int c, int per_group)
{
  const int first = blockIdx.x * per_group;
  const double count = (double) hw * per_group;
  float *out = sums + (gsize) blockIdx.y * 2 * c;
  double s, q, mean_g = 0, mean_gh = 0;

  for (int k = first + threadIdx.x; k < first + per_group; k += blockDim.x) {
    sum_slabs (&s, &q, partial, n_slabs, k, c);
    out[k] = (float) s;
    out[c + k] = (float) q;
    mean_g += s * w[k];
    mean_gh += q * w[k];
  }
  mean_g = sum_block (mean_g) / count;
  mean_gh = sum_block (mean_gh) / count;
  if (threadIdx.x == 0) {
    float *to = means + ((gsize) blockIdx.y * gridDim.x + blockIdx.x) * 2;

    to[0] = (float) mean_g;
    to[1] = (float) mean_gh;
  }
}

/* One thread per channel: dw += sum (dy h), db += sum (dy) over the images.
 * Either may be NULL. */
__global__ void
parameters_kernel (float *dw, float *db, const float *sums, int n, int c)
{
  const int k = blockIdx.x * blockDim.x + threadIdx.x;
  double s = 0, q = 0;

  if (k >= c)
    return;
  for (int i = 0; i < n; i++) {
    s += sums[(gsize) i * 2 * c + k];
    q += sums[(gsize) i * 2 * c + c + k];
  }
  if (dw)
    dw[k] += (float) q;
  if (db)
    db[k] += (float) s;
}

/* One thread per vector: dx = or += (g - mean (g) - h mean (g h)) / std. */
template <typename T, int N>
__global__ void
gradient_kernel (T *dx, const T *dy, const T *x, const T *y, const float *mean,
    const float *rstd, const float *w, const float *means, bool accumulate,
    int hw, int c, int per_group)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const gsize channel = (gsize) blockIdx.z * c + at;
  float v[N], d[N], o[N];

  if (at >= c || pixel >= hw)
    return;
  const gsize i = ((gsize) blockIdx.z * hw + pixel) * c + at;

  vector_load<N> (v, x + i);
  vector_load<N> (d, dy + i);
  if (y)
    vector_load<N> (o, y + i);
#pragma unroll
  for (int k = 0; k < N; k++) {
    const float *m = means
        + ((gsize) blockIdx.z * (c / per_group) + (at + k) / per_group) * 2;
    const float g = !y || o[k] > 0 ? d[k] * w[at + k] : 0;
    const float h = (v[k] - mean[channel + k]) * rstd[channel + k];

    d[k] = (g - m[0] - h * m[1]) * rstd[channel + k];
  }
  vector_store_or_add<N> (dx + i, d, accumulate);
}

static dim3
slab_grid (const GroupNorm *gn, int vectors, int n)
{
  const dim3 block = cuda_plane_block (vectors);

  return dim3 (gn->n_slabs, (vectors + block.x - 1) / block.x, n);
}

/* Threads of a block that joins a group: a power of 2. */
static unsigned
group_threads (int per_group)
{
  unsigned threads = 32;

  while (threads < CUDA_THREADS && threads < (unsigned) per_group)
    threads *= 2;
  return threads;
}

template <typename T, int N>
static void
forward (Cuda *be, const DefcnNode *node)
{
  const GroupNorm *gn = (const GroupNorm *) node->state;
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int hw = x->h * x->w, per_group = x->c / node->groups;
  const dim3 block = cuda_plane_block (x->c / N);
  const T *in = (const T *) x->data;

  LAUNCH ((moments_kernel<T, N>), slab_grid (gn, x->c / N, x->n), block,
      be->stream)
  (gn->partial, in, gn->slab, hw, x->c);
  LAUNCH (statistics_kernel<T>, dim3 (node->groups, x->n),
      group_threads (per_group), be->stream)
  (gn->mean, gn->rstd, gn->partial, in, gn->n_slabs, hw, x->c, per_group);
  LAUNCH ((apply_kernel<T, N>), cuda_plane_grid (x->c / N, hw, x->n, 1), block,
      be->stream)
  ((T *) y->data, in, gn->mean, gn->rstd, node->w->data, node->b->data,
      node->relu, hw, x->c);
}

template <typename T, int N>
static void
backward (Cuda *be, const DefcnNode *node)
{
  const GroupNorm *gn = (const GroupNorm *) node->state;
  const DefcnTensor *x = node->x[0], *y = node->y;
  const int hw = x->h * x->w, per_group = x->c / node->groups;
  const dim3 block = cuda_plane_block (x->c / N);
  const T *in = (const T *) x->data, *dy = (const T *) y->grad;
  const T *out = node->relu ? (const T *) y->data : NULL;

  LAUNCH ((gradient_sums_kernel<T, N>), slab_grid (gn, x->c / N, x->n), block,
      be->stream)
  (gn->partial, dy, in, out, gn->mean, gn->rstd, gn->slab, hw, x->c);
  LAUNCH (gradient_means_kernel, dim3 (node->groups, x->n),
      group_threads (per_group), be->stream)
  (gn->sums, gn->means, gn->partial, node->w->data, gn->n_slabs, hw, x->c,
      per_group);
  if (node->w->grad || node->b->grad)
    LAUNCH (parameters_kernel, cuda_blocks (x->c), CUDA_THREADS, be->stream)
  (node->w->grad, node->b->grad, gn->sums, x->n, x->c);
  if (x->grad)
    LAUNCH ((gradient_kernel<T, N>), cuda_plane_grid (x->c / N, hw, x->n, 1),
        block, be->stream)
  ((T *) x->grad, dy, in, out, gn->mean, gn->rstd, node->w->data, gn->means,
      node->accumulate[0], hw, x->c, per_group);
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

  CUDA_DISPATCH (cuda_type_of (be, node->y), node->y->c, backward, be, node);
}

static void
release (DefcnBackend *be, DefcnNode *node)
{
  GroupNorm *gn = (GroupNorm *) node->state;

  if (!gn)
    return;
  cudaFree (gn->partial);
  g_free (gn);
  node->state = NULL;
}

/* One block of device memory for all the arrays. */
static gboolean
allocate (GroupNorm *gn, const DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0];
  const gsize channels = (gsize) x->n * x->c;
  const gsize partial = channels * 2 * gn->n_slabs;
  const gsize training =
      node->train ? channels * 2 + (gsize) x->n * node->groups * 2 : 0;
  float *at = (float *) cuda_device_alloc ((partial + 2 * channels + training)
          * sizeof (float),
      node->name, error);

  gn->partial = at;
  if (!at)
    return FALSE;
  gn->mean = at += partial;
  gn->rstd = at += channels;
  gn->sums = at += channels;
  gn->means = at + channels * 2;
  return TRUE;
}

static gboolean
prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0];
  const int hw = x->h * x->w;
  GroupNorm *gn;

  if (!defcn_group_norm_reference.prepare (base, node, error))
    return FALSE;
  node->state = gn = g_new0 (GroupNorm, 1);
  gn->n_slabs = CLAMP (hw / SLAB_PIXELS, 1, MAX_SLABS);
  gn->slab = (hw + gn->n_slabs - 1) / gn->n_slabs;
  if (allocate (gn, node, error))
    return TRUE;
  release (base, node);
  return FALSE;
}

const DefcnOp cuda_group_norm = {
  .prepare = prepare,
  .forward = forward_row,
  .backward = backward_row,
  .release = release,
};
