/* Group normalisation: y = relu? ((x - mean) / std * w + b), with mean and
 * biased variance per image and group over (h, w, c / groups).
 *
 * Two kernels, each over all maps that go together: sums per channel and slab
 * of pixels, of which the block that ends last makes an image's statistics;
 * then one affine map per channel.  Sums run over x minus the channel's first
 * pixel, so that a large mean does not cancel, and are joined in double, in
 * fixed order. */
#include "vector.cuh"

#define EPSILON 1e-5
#define MAX_SLABS 64
#define SLAB_PIXELS 64   /* at least, unless there are too many slabs */
#define LOADS 4          /* that a thread has under way */
#define APPLIED_PIXELS 4 /* of one thread */

typedef struct
{
  int n_slabs, slab; /* pixels in a slab */
  double *totals;    /* (n, 2, c), sums of x - shift and of its square */
  float *partial;    /* (n, n_slabs, 2, c) */
  float *mean;       /* (n, c) of the channel's group */
  float *rstd;       /* (n, c) */
  float *sums;       /* training: (n, 2, c), sums of dy and of dy h */
  float *means; /* training: (n, 2, c), mean (g), mean (g h) of the group */
  int *n_done;  /* (n), blocks of the image */
} GroupNorm;

/* One of the maps of a launch. */
typedef struct
{
  const void *x;
  void *y;
  double *totals;
  float *partial, *mean, *rstd;
  int *n_done;
  int hw, slab, n_slabs;
  int first_slab, first_block; /* in the grids of the two kernels */
} Map;

typedef struct
{
  Map at[CUDA_TOGETHER];
  int n;
} Maps;

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

/* The sums of one slab of pixels of an image. */
template <typename T, int N>
__device__ static inline void
sum_pixels (float *s, float *q, const T *image, int first, int last, int at,
    int c)
{
  float v[LOADS][N], shift[N];
  int p = first + threadIdx.y;

  vector_load<N> (shift, image + at);
  for (; p + (LOADS - 1) * (int) blockDim.y < last; p += LOADS * blockDim.y) {
#pragma unroll
    for (int i = 0; i < LOADS; i++)
      vector_load<N> (v[i], image + (gsize) (p + i * blockDim.y) * c + at);
#pragma unroll
    for (int i = 0; i < LOADS; i++)
#pragma unroll
      for (int k = 0; k < N; k++) {
        s[k] += v[i][k] - shift[k];
        q[k] += (v[i][k] - shift[k]) * (v[i][k] - shift[k]);
      }
  }
  for (; p < last; p += blockDim.y) {
    vector_load<N> (v[0], image + (gsize) p * c + at);
#pragma unroll
    for (int k = 0; k < N; k++) {
      s[k] += v[0][k] - shift[k];
      q[k] += (v[0][k] - shift[k]) * (v[0][k] - shift[k]);
    }
  }
}

/* Whether this block is the last of its image's to come here; all of its
 * threads then see what the others have written before. */
__device__ static bool
is_last_block (int *n_done, int n_blocks)
{
  __shared__ bool is_last;

  __threadfence ();
  __syncthreads ();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    is_last = atomicAdd (n_done, 1) == n_blocks - 1;
    if (is_last)
      *n_done = 0; /* for the next launch */
  }
  __syncthreads ();
  __threadfence ();
  return is_last;
}

/* Mean and 1 / std of every group of image blockIdx.z, by one block. */
template <typename T>
__device__ static void
make_statistics (const Map &map, const T *shift, int c, int per_group)
{
  const int lane = threadIdx.y * blockDim.x + threadIdx.x;
  const int lanes = blockDim.x * blockDim.y;
  const double count = (double) map.hw * per_group;
  const float *partial = map.partial + (gsize) blockIdx.z * map.n_slabs * 2 * c;
  double *totals = map.totals + (gsize) blockIdx.z * 2 * c;

  for (int k = lane; k < c; k += lanes) {
    double s = 0, q = 0;

#pragma unroll 8
    for (int slab = 0; slab < map.n_slabs; slab++) {
      s += partial[(gsize) slab * 2 * c + k];
      q += partial[(gsize) slab * 2 * c + c + k];
    }
    totals[k] = s;
    totals[c + k] = q;
  }
  __syncthreads ();
  for (int first = lane * per_group; first < c; first += lanes * per_group) {
    double sum = 0, squares = 0;

    for (int k = first; k < first + per_group; k++)
      sum += totals[k] + (double) map.hw * vector_to_float (shift[k]);
    const double m = sum / count;

    /* of x - m, from those of x - shift */
    for (int k = first; k < first + per_group; k++) {
      const double off = vector_to_float (shift[k]) - m;

      squares += totals[c + k] + 2 * off * totals[k] + map.hw * off * off;
    }
    const float scale =
        (float) (1 / sqrt (fmax (squares / count, 0.0) + EPSILON));

    for (int k = first; k < first + per_group; k++) {
      map.mean[(gsize) blockIdx.z * c + k] = (float) m;
      map.rstd[(gsize) blockIdx.z * c + k] = scale;
    }
  }
}

/* A block takes a slab of pixels, a thread a vector of channels of every
 * blockDim.y-th pixel of it.  Grid (slabs of all maps, vectors, images). */
template <typename T, int N>
__global__ void
moments_kernel (const __grid_constant__ Maps maps, int c, int per_group)
{
  int m = 0;

  while (m + 1 < maps.n && (int) blockIdx.x >= maps.at[m + 1].first_slab)
    m++;
  const Map &map = maps.at[m];
  const int at = PLANE_CHANNEL (N), slab = blockIdx.x - map.first_slab;
  const int first = slab * map.slab;
  const int last = min (first + map.slab, map.hw);
  const T *image = (const T *) map.x + (gsize) blockIdx.z * map.hw * c;
  float s[N] = { 0 }, q[N] = { 0 };

  if (at < c)
    sum_pixels<T, N> (s, q, image, first, last, at, c);
  join_lanes<N> (s, q);
  if (threadIdx.y == 0 && at < c) {
    float *out =
        map.partial + ((gsize) blockIdx.z * map.n_slabs + slab) * 2 * c + at;

    vector_store<N> (out, s);
    vector_store<N> (out + c, q);
  }
  if (is_last_block (map.n_done + blockIdx.z, map.n_slabs * gridDim.y))
    make_statistics<T> (map, image, c, per_group);
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

/* A thread takes a vector of APPLIED_PIXELS pixels of y (n, hw, c), blockDim.y
 * apart.  Grid (pixels of all maps, vectors, images). */
template <typename T, int N>
__global__ void
apply_kernel (const __grid_constant__ Maps maps, const float *w, const float *b,
    bool relu, int c)
{
  const int at = PLANE_CHANNEL (N);
  int m = 0;

  if (at >= c)
    return;
  while (m + 1 < maps.n && (int) blockIdx.x >= maps.at[m + 1].first_block)
    m++;
  const Map &map = maps.at[m];
  const gsize channel = (gsize) blockIdx.z * c + at;
  const int first = (blockIdx.x - map.first_block) * blockDim.y * APPLIED_PIXELS
      + threadIdx.y;
  const gsize image = (gsize) blockIdx.z * map.hw * c + at;
  const T *x = (const T *) map.x + image;
  T *y = (T *) map.y + image;
  float mean[N], scale[N], factor[N], bias[N], v[APPLIED_PIXELS][N];

#pragma unroll
  for (int i = 0; i < APPLIED_PIXELS; i++)
    if (first + i * (int) blockDim.y < map.hw)
      vector_load<N> (v[i], x + (gsize) (first + i * blockDim.y) * c);
  vector_load<N> (mean, map.mean + channel);
  vector_load<N> (scale, map.rstd + channel);
  vector_load<N> (factor, w + at);
  vector_load<N> (bias, b + at);
#pragma unroll
  for (int k = 0; k < N; k++)
    scale[k] *= factor[k];
#pragma unroll
  for (int i = 0; i < APPLIED_PIXELS; i++) {
    if (first + i * (int) blockDim.y >= map.hw)
      break;
#pragma unroll
    for (int k = 0; k < N; k++) {
      v[i][k] = (v[i][k] - mean[k]) * scale[k] + bias[k];
      v[i][k] = relu && !(v[i][k] > 0) ? 0 : v[i][k];
    }
    vector_store<N> (y + (gsize) (first + i * blockDim.y) * c, v[i]);
  }
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
  float s[N] = { 0 }, q[N] = { 0 }, v[N], d[N], o[N], m[N], r[N];

  if (at < c) {
    vector_load<N> (m, mean + channel);
    vector_load<N> (r, rstd + channel);
  }
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
      q[k] += g * (v[k] - m[k]) * r[k];
    }
  }
  join_lanes<N> (s, q);
  if (threadIdx.y > 0 || at >= c)
    return;
  float *out =
      partial + ((gsize) blockIdx.z * gridDim.x + blockIdx.x) * 2 * c + at;
  vector_store<N> (out, s);
  vector_store<N> (out + c, q);
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
  float *to = means + (gsize) blockIdx.y * 2 * c;
  for (int k = first + threadIdx.x; k < first + per_group; k += blockDim.x) {
    to[k] = (float) mean_g;
    to[c + k] = (float) mean_gh;
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
    int hw, int c)
{
  const int at = PLANE_CHANNEL (N), pixel = PLANE_PIXEL;
  const gsize channel = (gsize) blockIdx.z * c + at;
  const float *of_image = means + (gsize) blockIdx.z * 2 * c + at;
  float v[N], d[N], o[N], m[N], r[N], factor[N], mean_g[N], mean_gh[N];

  if (at >= c || pixel >= hw)
    return;
  const gsize i = ((gsize) blockIdx.z * hw + pixel) * c + at;

  vector_load<N> (v, x + i);
  vector_load<N> (d, dy + i);
  if (y)
    vector_load<N> (o, y + i);
  vector_load<N> (m, mean + channel);
  vector_load<N> (r, rstd + channel);
  vector_load<N> (factor, w + at);
  vector_load<N> (mean_g, of_image);
  vector_load<N> (mean_gh, of_image + c);
#pragma unroll
  for (int k = 0; k < N; k++) {
    const float g = !y || o[k] > 0 ? d[k] * factor[k] : 0;
    const float h = (v[k] - m[k]) * r[k];

    d[k] = (g - mean_g[k] - h * mean_gh[k]) * r[k];
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

/* The @n steps from @node on; blocks have @rows pixels side by side. */
static Maps
maps_of (const DefcnNode *node, int n, int rows)
{
  const int per_block = rows * APPLIED_PIXELS;
  int slabs = 0, blocks = 0;
  Maps maps = {};

  maps.n = n;
  for (int i = 0; i < n; i++) {
    const GroupNorm *gn = (const GroupNorm *) node[i].state;
    const DefcnTensor *x = node[i].x[0];
    Map *map = &maps.at[i];

    map->x = x->data;
    map->y = node[i].y->data;
    map->totals = gn->totals;
    map->partial = gn->partial;
    map->mean = gn->mean;
    map->rstd = gn->rstd;
    map->n_done = gn->n_done;
    map->hw = x->h * x->w;
    map->slab = gn->slab;
    map->n_slabs = gn->n_slabs;
    map->first_slab = slabs;
    map->first_block = blocks;
    slabs += gn->n_slabs;
    blocks += (map->hw + per_block - 1) / per_block;
  }
  return maps;
}

/* The first behind the last one's. */
static unsigned
n_slabs (const Maps &maps)
{
  const Map *last = &maps.at[maps.n - 1];

  return last->first_slab + last->n_slabs;
}

static unsigned
n_blocks (const Maps &maps, int rows)
{
  const Map *last = &maps.at[maps.n - 1];
  const int per_block = rows * APPLIED_PIXELS;

  return last->first_block + (last->hw + per_block - 1) / per_block;
}

template <typename T, int N>
static void
forward (Cuda *be, const DefcnNode *node, int n)
{
  const DefcnTensor *x = node->x[0];
  const int vectors = x->c / N;
  const dim3 block = cuda_plane_block (vectors);
  const unsigned columns = (vectors + block.x - 1) / block.x;
  const Maps maps = maps_of (node, n, block.y);

  LAUNCH ((moments_kernel<T, N>), dim3 (n_slabs (maps), columns, x->n), block,
      be->stream)
  (maps, x->c, x->c / node->groups);
  LAUNCH ((apply_kernel<T, N>), dim3 (n_blocks (maps, block.y), columns, x->n),
      block, be->stream)
  (maps, node->w->data, node->b->data, node->relu, x->c);
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
      node->accumulate[0], hw, x->c);
}

static void
forward_row (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const int n = cuda_together (node);

  if (n > 0)
    CUDA_DISPATCH (cuda_type_of (be, node->y), node->y->c, forward, be, node,
        n);
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
  cuda_device_enter (cuda_of (be));
  cudaFree (gn->totals);
  g_free (gn);
  node->state = NULL;
}

/* One block of device memory for all the arrays. */
static gboolean
allocate (Cuda *be, GroupNorm *gn, const DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0];
  const gsize channels = (gsize) x->n * x->c;
  const gsize partial = channels * 2 * gn->n_slabs;
  const gsize training = node->train ? channels * 4 : 0;
  const gsize bytes = channels * 2 * sizeof (double)
      + (partial + 2 * channels + training) * sizeof (float)
      + x->n * sizeof (int);
  float *at;

  gn->totals = (double *) cuda_device_alloc (bytes, node->name, error);
  if (!gn->totals)
    return FALSE;
  gn->partial = at = (float *) (gn->totals + channels * 2);
  gn->mean = at += partial;
  gn->rstd = at += channels;
  gn->sums = at += channels;
  gn->means = gn->sums + channels * 2;
  gn->n_done = (int *) (gn->sums + training);
  cuda_device_note (be,
      cudaMemsetAsync (gn->n_done, 0, x->n * sizeof (int), be->stream),
      "clearing");
  return TRUE;
}

static gboolean
prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0];
  const int hw = x->h * x->w;
  GroupNorm *gn;

  if (!cuda_device_check (base, node, &defcn_group_norm_reference, error))
    return FALSE;
  node->state = gn = g_new0 (GroupNorm, 1);
  gn->n_slabs = CLAMP (hw / SLAB_PIXELS, 1, MAX_SLABS);
  gn->slab = (hw + gn->n_slabs - 1) / gn->n_slabs;
  if (allocate (cuda_of (base), gn, node, error))
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
