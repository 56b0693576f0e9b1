/* 3D max filtering: y = relu? (x0 + max over the tube of x1 ..), eq. 5, 6.
 *
 * Forward is one pass over all maps that go together: a block brings its tile
 * of pixels and their border into shared memory, where each is already the
 * maximum over the levels, resized on the way, and then takes the maximum over
 * the window.  All comparisons are in float32.  The gradient goes to the first
 * winner in the order level, row, column; backward gathers it in fixed order,
 * without atomics. */
#include "vector.cuh"

#define TILE 8       /* output pixels of a block, in x and in y */
#define MAX_RADIUS 3 /* phi up to 7 */
#define SIDE (TILE + 2 * MAX_RADIUS)
#define CHANNELS 32 /* of a block */

typedef struct
{
  const void *x;
  int h, w;
  float scale_y, scale_x; /* of its size by that of y */
} Level;

typedef struct
{
  guint16 *winners; /* (n, h, w, c): (level * phi + row) * phi + column */
  float *resized;   /* gradient of one resized level (n, h, w, c) */
} Tube;

/* One of the maps of a launch. */
typedef struct
{
  Level levels[DEFCN_MAX_INPUTS - 1];
  int n_levels, self;
  const void *residual;
  void *y;
  guint16 *winners; /* NULL in inference */
  int h, w;
  int tiles_x, first; /* tiles side by side; the first tile in the grid */
} Map;

typedef struct
{
  Map at[CUDA_TOGETHER];
  int n;
} Maps;

/* Bilinear taps of output @o, align_corners false: weight of *i1.  @scale: in /
 * out. */
__device__ static inline float
bilinear_taps (int *i0, int *i1, int o, int in, float scale)
{
  const float at = fmaxf (scale * (o + 0.5f) - 0.5f, 0.0f);

  *i0 = min ((int) at, in - 1);
  *i1 = min (*i0 + 1, in - 1);
  return at - *i0;
}

/* A vector of a level at output pixel (oy, ox); @x: its first channel. */
template <typename T, int N>
__device__ static inline void
sample (float *out, const T *x, const Level &level, int oy, int ox, int c)
{
  int y0, y1, x0, x1;
  const float wy = bilinear_taps (&y0, &y1, oy, level.h, level.scale_y);
  const float wx = bilinear_taps (&x0, &x1, ox, level.w, level.scale_x);
  const T *top = x + (gsize) y0 * level.w * c;
  const T *low = x + (gsize) y1 * level.w * c;
  float a[N], b[N], d[N], e[N];

  vector_load<N> (a, top + (gsize) x0 * c);
  vector_load<N> (b, top + (gsize) x1 * c);
  vector_load<N> (d, low + (gsize) x0 * c);
  vector_load<N> (e, low + (gsize) x1 * c);
#pragma unroll
  for (int k = 0; k < N; k++)
    out[k] = (1 - wy) * ((1 - wx) * a[k] + wx * b[k])
        + wy * ((1 - wx) * d[k] + wx * e[k]);
}

/* The maximum over the levels at output pixel (oy, ox), from channel @at on;
 * @from: which level has it. */
template <typename T, int N>
__device__ static inline void
join_levels (float *best, int *from, const Map &map, int oy, int ox, int at,
    int c)
{
  for (int l = 0; l < map.n_levels; l++) {
    const Level &level = map.levels[l];
    const T *x =
        (const T *) level.x + (gsize) blockIdx.z * level.h * level.w * c + at;
    float v[N];

    if (l == map.self)
      vector_load<N> (v, x + ((gsize) oy * map.w + ox) * c);
    else
      sample<T, N> (v, x, level, oy, ox, c);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const bool better = l == 0 || v[k] > best[k];

      best[k] = better ? v[k] : best[k];
      from[k] = better ? l : from[k];
    }
  }
}

/* Block (CHANNELS / N, rows), rows a multiple of TILE: a tile of TILE x TILE
 * pixels and CHANNELS channels, a thread takes vectors of N.  Grid (tiles of
 * all maps, channels / CHANNELS, images).  @side: of the tile with its border;
 * k / side is k * @reciprocal >> 16 for k below side * side. */
template <typename T, int N, bool TRAIN>
__global__ void
forward_kernel (const __grid_constant__ Maps maps, int radius, int side,
    int reciprocal, bool relu, int c)
{
  alignas (32) __shared__ float joined[SIDE * SIDE][CHANNELS];
  alignas (8) __shared__ guint8 origin[TRAIN ? SIDE * SIDE : 1][CHANNELS];
  const int own = threadIdx.x * N, at = blockIdx.y * CHANNELS + own;
  int m = 0;

  while (m + 1 < maps.n && (int) blockIdx.x >= maps.at[m + 1].first)
    m++;
  const Map &map = maps.at[m];
  const int tile = blockIdx.x - map.first, tile_y = tile / map.tiles_x;
  const int top = tile_y * TILE, left = (tile - tile_y * map.tiles_x) * TILE;

  for (int k = threadIdx.y; at < c && k < side * side; k += blockDim.y) {
    const int row = k * reciprocal >> 16;
    const int iy = top - radius + row, ix = left - radius + k - row * side;
    float best[N] = { 0 };
    int from[N] = { 0 };

    if (iy < 0 || iy >= map.h || ix < 0 || ix >= map.w)
      continue;
    join_levels<T, N> (best, from, map, iy, ix, at, c);
    vector_store<N> (&joined[k][own], best);
    if (TRAIN)
#pragma unroll
      for (int i = 0; i < N; i++)
        origin[k][own + i] = from[i];
  }
  __syncthreads ();

  for (int p = threadIdx.y; at < c && p < TILE * TILE; p += blockDim.y) {
    const int py = p / TILE, px = p % TILE, oy = top + py, ox = left + px;
    const int first_row = max (radius - oy, 0),
              first_column = max (radius - ox, 0);
    const int last_row = min (2 * radius, map.h - 1 - oy + radius);
    const int last_column = min (2 * radius, map.w - 1 - ox + radius);
    const gsize i = (((gsize) blockIdx.z * map.h + oy) * map.w + ox) * c + at;
    float best[N] = { 0 }, v[N], residual[N];
    int from[N] = { 0 }, cell[N] = { 0 };
    bool is_first = true;

    if (oy >= map.h || ox >= map.w)
      continue;
    vector_load<N> (residual, (const T *) map.residual + i);
    for (int row = first_row; row <= last_row; row++)
      for (int column = first_column; column <= last_column; column++) {
        const int k = (py + row) * side + px + column;

        vector_load<N> (v, &joined[k][own]);
#pragma unroll
        for (int j = 0; j < N; j++) {
          const int l = TRAIN ? origin[k][own + j] : 0;
          const bool better = is_first || v[j] > best[j]
              || (TRAIN && v[j] == best[j] && l < from[j]);

          best[j] = better ? v[j] : best[j];
          from[j] = better ? l : from[j];
          cell[j] = better ? row * (2 * radius + 1) + column : cell[j];
        }
        is_first = false;
      }
#pragma unroll
    for (int j = 0; j < N; j++) {
      const float sum = residual[j] + best[j];

      best[j] = relu && !(sum > 0) ? 0 : sum;
      if (TRAIN)
        map.winners[i + j] =
            from[j] * (2 * radius + 1) * (2 * radius + 1) + cell[j];
    }
    vector_store<N> ((T *) map.y + i, best);
  }
}

/* Bilinear taps of output @o, align_corners false: weight of *i1. */
__device__ static inline float
bilinear_axis (int *i0, int *i1, int o, int in, int out)
{
  return bilinear_taps (i0, i1, o, in, (float) in / out);
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

/* The @n steps from @node on. */
static Maps
maps_of (const DefcnNode *node, int n)
{
  Maps maps = {};
  int tiles = 0;

  maps.n = n;
  for (int i = 0; i < n; i++) {
    const Tube *tube = (const Tube *) node[i].state;
    const DefcnTensor *y = node[i].y;
    Map *map = &maps.at[i];

    map->n_levels = node[i].n_levels;
    map->self = node[i].self;
    for (int l = 0; l < map->n_levels; l++) {
      const DefcnTensor *x = node[i].x[1 + l];

      map->levels[l] = { x->data, x->h, x->w, (float) x->h / y->h,
        (float) x->w / y->w };
    }
    map->residual = node[i].x[0]->data;
    map->y = y->data;
    map->winners = tube ? tube->winners : NULL;
    map->h = y->h;
    map->w = y->w;
    map->tiles_x = (y->w + TILE - 1) / TILE;
    map->first = tiles;
    tiles += map->tiles_x * ((y->h + TILE - 1) / TILE);
  }
  return maps;
}

template <typename T, int N>
static void
forward (Cuda *be, const DefcnNode *node, int n)
{
  const DefcnTensor *y = node->y;
  const int radius = node->phi / 2, side = TILE + 2 * radius;
  const Maps maps = maps_of (node, n);
  const Map *last = &maps.at[n - 1];
  const dim3 grid (last->first + last->tiles_x * ((last->h + TILE - 1) / TILE),
      (y->c + CHANNELS - 1) / CHANNELS, y->n);
  const dim3 block (CHANNELS / N, CUDA_THREADS / (CHANNELS / N));
  const int reciprocal = 65536 / side + 1;

  if (node->train)
    LAUNCH ((forward_kernel<T, N, true>), grid, block, be->stream)
  (maps, radius, side, reciprocal, node->relu, y->c);
  else LAUNCH ((forward_kernel<T, N, false>), grid, block, be->stream) (maps,
      radius, side, reciprocal, node->relu, y->c);
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

  const int n = cuda_together (node);

  if (n > 0)
    CUDA_DISPATCH (cuda_type_of (be, node->y), node->y->c, forward, be, node,
        n);
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
  cuda_device_enter (cuda_of (be));
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
  if (!cuda_device_check (be, &copy, &defcn_tube_max_reference, error))
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
