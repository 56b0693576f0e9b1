/* 3D max filtering: y = relu? (x0 + max over the tube of x1 ..), eq. 5, 6.
 *
 * Forward is one pass: a block brings its tile of pixels and their border into
 * shared memory, where each is already the maximum over the levels, resized on
 * the way, and then takes the maximum over the window.  All comparisons are in
 * float32.  The gradient goes to the first winner in the order level, row,
 * column; backward gathers it in fixed order, without atomics. */
#include "vector.cuh"

#define TILE 8       /* output pixels of a block, in x and in y */
#define MAX_RADIUS 3 /* phi up to 7 */
#define SIDE (TILE + 2 * MAX_RADIUS)
#define CHANNELS 32 /* of a block */

typedef struct
{
  const void *x;
  int h, w;
} Level;

typedef struct
{
  Level at[DEFCN_MAX_INPUTS - 1];
  int n, self;
} Levels;

typedef struct
{
  guint16 *winners; /* (n, h, w, c): (level * phi + row) * phi + column */
  float *resized;   /* gradient of one resized level (n, h, w, c) */
} Tube;

/* Bilinear taps of output @o, align_corners false: weight of *i1. */
__device__ static inline float
bilinear_axis (int *i0, int *i1, int o, int in, int out)
{
  const float scale = (float) in / out;
  const float at = fmaxf (scale * (o + 0.5f) - 0.5f, 0.0f);

  *i0 = min ((int) at, in - 1);
  *i1 = min (*i0 + 1, in - 1);
  return at - *i0;
}

/* Level @l at output pixel (oy, ox), channel @at of image @n. */
template <typename T>
__device__ static inline float
sample (const Levels &levels, int l, int n, int oy, int ox, int at, int h,
    int w, int c)
{
  const Level &level = levels.at[l];
  const T *x = (const T *) level.x + (gsize) n * level.h * level.w * c + at;
  int y0, y1, x0, x1;

  if (l == levels.self)
    return vector_to_float (x[((gsize) oy * w + ox) * c]);
  const float wy = bilinear_axis (&y0, &y1, oy, level.h, h);
  const float wx = bilinear_axis (&x0, &x1, ox, level.w, w);
  const float top =
      (1 - wx) * vector_to_float (x[((gsize) y0 * level.w + x0) * c])
      + wx * vector_to_float (x[((gsize) y0 * level.w + x1) * c]);
  const float low =
      (1 - wx) * vector_to_float (x[((gsize) y1 * level.w + x0) * c])
      + wx * vector_to_float (x[((gsize) y1 * level.w + x1) * c]);

  return (1 - wy) * top + wy * low;
}

/* Block (CHANNELS, TILE): a tile of TILE x TILE pixels and CHANNELS channels.
 * Grid (tiles, channels / CHANNELS, images).  winners may be NULL. */
template <typename T>
__global__ void
forward_kernel (T *y, guint16 *winners, const T *residual, const Levels levels,
    int radius, bool relu, int h, int w, int c)
{
  __shared__ float joined[SIDE * SIDE][CHANNELS];
  __shared__ guint8 origin[SIDE * SIDE][CHANNELS];
  const int tiles = (w + TILE - 1) / TILE, phi = 2 * radius + 1;
  const int side = TILE + 2 * radius;
  const int top = blockIdx.x / tiles * TILE, left = blockIdx.x % tiles * TILE;
  const int at = blockIdx.y * CHANNELS + threadIdx.x;

  for (int k = threadIdx.y; at < c && k < side * side; k += TILE) {
    const int iy = top - radius + k / side, ix = left - radius + k % side;
    float best;
    int from = 0;

    if (iy < 0 || iy >= h || ix < 0 || ix >= w)
      continue;
    best = sample<T> (levels, 0, blockIdx.z, iy, ix, at, h, w, c);
    for (int l = 1; l < levels.n; l++) {
      const float v = sample<T> (levels, l, blockIdx.z, iy, ix, at, h, w, c);

      if (v > best) {
        best = v;
        from = l;
      }
    }
    joined[k][threadIdx.x] = best;
    origin[k][threadIdx.x] = from;
  }
  __syncthreads ();

  const int oy = top + threadIdx.y;
  for (int ox = left; at < c && oy < h && ox < min (left + TILE, w); ox++) {
    float best = 0;
    int from = -1, row = 0, column = 0;

    for (int dy = 0; dy < phi; dy++)
      for (int dx = 0; dx < phi; dx++) {
        const int iy = oy - radius + dy, ix = ox - radius + dx;
        const int k = (iy - top + radius) * side + ix - left + radius;

        if (iy < 0 || iy >= h || ix < 0 || ix >= w)
          continue;
        const float v = joined[k][threadIdx.x];
        const int l = origin[k][threadIdx.x];
        if (from < 0 || v > best || (v == best && l < from)) {
          best = v;
          from = l;
          row = dy;
          column = dx;
        }
      }
    const gsize i = (((gsize) blockIdx.z * h + oy) * w + ox) * c + at;
    const float sum = vector_to_float (residual[i]) + best;

    y[i] = vector_from_float<T> (relu && !(sum > 0) ? 0 : sum);
    if (winners)
      winners[i] = (from * phi + row) * phi + column;
  }
}

/* One thread per element (n, h, w, c) of level @level at the size of y: the
 * gradient of every window whose winner it is. */
template <typename T>
__global__ void
gather_kernel (float *dresized, const T *dy, const guint16 *winners, int level,
    int radius, int h, int w, int c)
{
  const int at = PLANE_CHANNEL (1), pixel = PLANE_PIXEL;
  const int iy = pixel / w, ix = pixel % w, phi = 2 * radius + 1;
  float sum = 0;

  if (at >= c || pixel >= h * w)
    return;
  for (int oy = max (iy - radius, 0); oy <= min (iy + radius, h - 1); oy++)
    for (int ox = max (ix - radius, 0); ox <= min (ix + radius, w - 1); ox++) {
      const gsize i = (((gsize) blockIdx.z * h + oy) * w + ox) * c + at;
      const int wanted =
          (level * phi + iy - oy + radius) * phi + ix - ox + radius;

      if (winners[i] == wanted)
        sum += vector_to_float (dy[i]);
    }
  dresized[((gsize) blockIdx.z * h * w + pixel) * c + at] = sum;
}

/* The outputs of an axis that may take from source @i: [*first, *last]. */
__device__ static inline void
takers (int *first, int *last, int i, int in, int out)
{
  const float ratio = (float) out / in;

  *first = max ((int) floorf ((i - 1 + 0.5f) * ratio - 0.5f) - 1, 0);
  *last = min ((int) ceilf ((i + 1 + 0.5f) * ratio - 0.5f) + 1, out - 1);
  if (i == 0) /* what lies before the first centre takes from it */
    *first = 0;
  if (i == in - 1)
    *last = out - 1;
}

/* How much output @o of an axis takes from source @i. */
__device__ static inline float
share (int i, int o, int in, int out)
{
  int i0, i1;
  const float weight = bilinear_axis (&i0, &i1, o, in, out);

  return (i == i0 ? 1 - weight : 0) + (i == i1 ? weight : 0);
}

/* One thread per element of dx (n, in_h, in_w, c): the transpose of the resize
 * to (h, w), or the identity when @self. */
template <typename T>
__global__ void
scatter_kernel (T *dx, const float *dresized, bool self, bool accumulate,
    int in_h, int in_w, int h, int w, int c)
{
  const int at = PLANE_CHANNEL (1), pixel = PLANE_PIXEL;
  const int iy = pixel / in_w, ix = pixel % in_w;
  const float *d = dresized + (gsize) blockIdx.z * h * w * c + at;
  int y0 = iy, y1 = iy, x0 = ix, x1 = ix;
  float sum = 0;

  if (at >= c || pixel >= in_h * in_w)
    return;
  if (!self) {
    takers (&y0, &y1, iy, in_h, h);
    takers (&x0, &x1, ix, in_w, w);
  }
  for (int oy = y0; oy <= y1; oy++) {
    const float wy = self ? 1 : share (iy, oy, in_h, h);

    for (int ox = x0; wy > 0 && ox <= x1; ox++) {
      const float wx = self ? 1 : share (ix, ox, in_w, w);

      if (wx > 0)
        sum += wy * wx * d[((gsize) oy * w + ox) * c];
    }
  }
  vector_store_or_add<1> (dx + ((gsize) blockIdx.z * in_h * in_w + pixel) * c
          + at,
      &sum, accumulate);
}

static Levels
levels_of (const DefcnNode *node)
{
  Levels levels = {};

  levels.n = node->n_levels;
  levels.self = node->self;
  for (int l = 0; l < node->n_levels; l++) {
    levels.at[l].x = node->x[1 + l]->data;
    levels.at[l].h = node->x[1 + l]->h;
    levels.at[l].w = node->x[1 + l]->w;
  }
  return levels;
}

template <typename T, int N>
static void
forward (Cuda *be, const DefcnNode *node)
{
  const Tube *tube = (const Tube *) node->state;
  const DefcnTensor *y = node->y;
  const int tiles = ((y->w + TILE - 1) / TILE) * ((y->h + TILE - 1) / TILE);

  LAUNCH (forward_kernel<T>,
      dim3 (tiles, (y->c + CHANNELS - 1) / CHANNELS, y->n),
      dim3 (CHANNELS, TILE), be->stream)
  ((T *) y->data, tube ? tube->winners : NULL, (const T *) node->x[0]->data,
      levels_of (node), node->phi / 2, node->relu, y->h, y->w, y->c);
}

template <typename T, int N>
static void
backward_level (Cuda *be, const DefcnNode *node, int l)
{
  const Tube *tube = (const Tube *) node->state;
  const DefcnTensor *x = node->x[1 + l], *y = node->y;

  LAUNCH (gather_kernel<T>,
      cuda_plane_grid (y->c, (gsize) y->h * y->w, y->n, 1),
      cuda_plane_block (y->c), be->stream)
  (tube->resized, (const T *) y->grad, tube->winners, l, node->phi / 2, y->h,
      y->w, y->c);
  LAUNCH (scatter_kernel<T>,
      cuda_plane_grid (x->c, (gsize) x->h * x->w, x->n, 1),
      cuda_plane_block (x->c), be->stream)
  ((T *) x->grad, tube->resized, l == node->self, node->accumulate[1 + l], x->h,
      x->w, y->h, y->w, y->c);
}

static void
forward_row (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);

  CUDA_DISPATCH (cuda_type_of (be, node->y), 1, forward, be, node);
}

static void
backward_row (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const DefcnTensor *y = node->y;
  const CudaType type = cuda_type_of (be, y);

  if (node->relu)
    cuda_mask (be, y->grad, y->data, type, defcn_tensor_len (y));
  if (node->x[0]->grad)
    cuda_add (be, node->x[0]->grad, y->grad, type, node->accumulate[0],
        defcn_tensor_len (y));
  for (int l = 0; l < node->n_levels; l++)
    if (node->x[1 + l]->grad)
      CUDA_DISPATCH (type, 1, backward_level, be, node, l);
}

static void
release (DefcnBackend *be, DefcnNode *node)
{
  Tube *tube = (Tube *) node->state;

  if (!tube)
    return;
  cudaFree (tube->winners);
  cudaFree (tube->resized);
  g_free (tube);
  node->state = NULL;
}

/* The reference's checks, without its memory. */
static gboolean
check (DefcnBackend *be, const DefcnNode *node, GError **error)
{
  DefcnNode copy = *node;

  copy.train = FALSE;
  if (!defcn_tube_max_reference.prepare (be, &copy, error))
    return FALSE;
  defcn_tube_max_reference.release (be, &copy);
  if (node->phi / 2 <= MAX_RADIUS)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: phi is %d, CUDA goes up to %d", node->name, node->phi,
      2 * MAX_RADIUS + 1);
  return FALSE;
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  const gsize len = defcn_tensor_len (node->y);
  Tube *tube;

  if (!check (be, node, error))
    return FALSE;
  if (!node->train)
    return TRUE;
  node->state = tube = g_new0 (Tube, 1);
  tube->winners =
      (guint16 *) cuda_device_alloc (len * sizeof (guint16), node->name, error);
  if (tube->winners)
    tube->resized =
        (float *) cuda_device_alloc (len * sizeof (float), node->name, error);
  if (tube->resized)
    return TRUE;
  release (be, node);
  return FALSE;
}

const DefcnOp cuda_tube_max = {
  .prepare = prepare,
  .forward = forward_row,
  .backward = backward_row,
  .release = release,
};
