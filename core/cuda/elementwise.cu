/* Conversion between types, sums, the mask of a fused ReLU, column sums, and
 * the rows of the kinds that compute element by element: RELU and BOX. */
#include "vector.cuh"

/* One thread per vector.  dst (len) = src (len). */
template <typename To, typename From, int N>
__global__ void
convert_kernel (To *dst, const From *src, gsize len)
{
  const gsize i = ((gsize) blockIdx.x * blockDim.x + threadIdx.x) * N;
  float v[N];

  if (i >= len)
    return;
  vector_load<N> (v, src + i);
  vector_store<N> (dst + i, v);
}

/* One thread per element of dst (rows, dst_c), of src (rows, src_c) or zero. */
template <typename To, typename From>
__global__ void
convert_rows_kernel (To *dst, int dst_c, const From *src, int src_c, gsize len)
{
  const gsize i = (gsize) blockIdx.x * blockDim.x + threadIdx.x;
  const gsize row = i / dst_c;
  const int k = (int) (i - row * dst_c);

  if (i >= len)
    return;
  dst[i] = vector_from_float<To> (
      k < src_c ? vector_to_float (src[row * src_c + k]) : 0);
}

/* Rows of a memory, and how it is read. */
typedef struct
{
  int dst_c, src_c;
  gsize rows;
} Rows;

template <typename To, typename From>
static void
convert_types (Cuda *be, void *dst, const void *src, const Rows &r)
{
  const gsize len = r.rows * r.dst_c;

  if (r.dst_c != r.src_c)
    LAUNCH ((convert_rows_kernel<To, From>), cuda_blocks (len), CUDA_THREADS,
        be->stream)
  ((To *) dst, r.dst_c, (const From *) src, r.src_c, len);
  else if (len % 4 == 0)
      LAUNCH ((convert_kernel<To, From, 4>), cuda_blocks (len / 4),
          CUDA_THREADS, be->stream) ((To *) dst, (const From *) src, len);
  else LAUNCH ((convert_kernel<To, From, 1>), cuda_blocks (len), CUDA_THREADS,
      be->stream) ((To *) dst, (const From *) src, len);
}

template <typename To>
static void
convert_to (Cuda *be, void *dst, const void *src, CudaType src_type,
    const Rows &r)
{
  if (src_type == CUDA_FLOAT)
    convert_types<To, float> (be, dst, src, r);
  else if (src_type == CUDA_HALF)
    convert_types<To, Half> (be, dst, src, r);
  else
    convert_types<To, Bfloat> (be, dst, src, r);
}

void
cuda_convert_rows (Cuda *be, void *dst, CudaType dst_type, int dst_c,
    const void *src, CudaType src_type, int src_c, gsize rows)
{
  const Rows r = { dst_c, src_c, rows };

  if (rows == 0)
    return;
  if (dst_type == CUDA_FLOAT)
    convert_to<float> (be, dst, src, src_type, r);
  else if (dst_type == CUDA_HALF)
    convert_to<Half> (be, dst, src, src_type, r);
  else
    convert_to<Bfloat> (be, dst, src, src_type, r);
}

void
cuda_convert (Cuda *be, void *dst, CudaType dst_type, const void *src,
    CudaType src_type, gsize len)
{
  cuda_convert_rows (be, dst, dst_type, 1, src, src_type, 1, len);
}

/* One thread per vector.  dst (len) = or += src (len). */
template <typename T, int N>
__global__ void
add_kernel (T *dst, const T *src, bool accumulate, gsize len)
{
  const gsize i = ((gsize) blockIdx.x * blockDim.x + threadIdx.x) * N;
  float v[N];

  if (i >= len)
    return;
  vector_load<N> (v, src + i);
  vector_store_or_add<N> (dst + i, v, accumulate);
}

template <typename T, int N>
static void
add (Cuda *be, void *dst, const void *src, gboolean accumulate, gsize len)
{
  LAUNCH ((add_kernel<T, N>), cuda_blocks (len / N), CUDA_THREADS, be->stream)
  ((T *) dst, (const T *) src, accumulate, len);
}

void
cuda_add (Cuda *be, void *dst, const void *src, CudaType type,
    gboolean accumulate, gsize len)
{
  CUDA_DISPATCH (type, len, add, be, dst, src, accumulate, len);
}

/* One thread per vector.  dy (len) = y > 0 ? dy : 0. */
template <typename T, int N>
__global__ void
mask_kernel (T *dy, const T *y, gsize len)
{
  const gsize i = ((gsize) blockIdx.x * blockDim.x + threadIdx.x) * N;
  float d[N], v[N];

  if (i >= len)
    return;
  vector_load<N> (d, dy + i);
  vector_load<N> (v, y + i);
#pragma unroll
  for (int k = 0; k < N; k++)
    d[k] = v[k] > 0 ? d[k] : 0;
  vector_store<N> (dy + i, d);
}

template <typename T, int N>
static void
mask (Cuda *be, void *dy, const void *y, gsize len)
{
  LAUNCH ((mask_kernel<T, N>), cuda_blocks (len / N), CUDA_THREADS, be->stream)
  ((T *) dy, (const T *) y, len);
}

void
cuda_mask (Cuda *be, void *dy, const void *y, CudaType type, gsize len)
{
  CUDA_DISPATCH (type, len, mask, be, dy, y, len);
}

/* One thread per vector of y (rows, c). */
template <typename T, int N>
__global__ void
epilogue_kernel (T *y, const T *x, const float *bias, const T *residual,
    bool relu, gsize len, int c)
{
  const gsize i = ((gsize) blockIdx.x * blockDim.x + threadIdx.x) * N;
  float v[N], r[N];

  if (i >= len)
    return;
  const int at = i % c;

  vector_load<N> (v, x + i);
  if (residual)
    vector_load<N> (r, residual + i);
#pragma unroll
  for (int k = 0; k < N; k++) {
    v[k] += bias ? bias[at + k] : 0;
    v[k] += residual ? r[k] : 0;
    v[k] = relu && !(v[k] > 0) ? 0 : v[k];
  }
  vector_store<N> (y + i, v);
}

template <typename T, int N>
static void
epilogue (Cuda *be, void *y, const void *x, const float *bias,
    const void *residual, gboolean relu, gsize len, int c)
{
  LAUNCH ((epilogue_kernel<T, N>), cuda_blocks (len / N), CUDA_THREADS,
      be->stream)
  ((T *) y, (const T *) x, bias, (const T *) residual, relu, len, c);
}

void
cuda_epilogue (Cuda *be, void *y, const void *x, CudaType type,
    const float *bias, const void *residual, gboolean relu, gsize rows, int c)
{
  CUDA_DISPATCH (type, c, epilogue, be, y, x, bias, residual, relu, rows * c,
      c);
}

/* Column sums take two steps of fixed order, so that they repeat to the bit. */
#define SLABS 64

/* Block (32, 8), grid (columns / 32, SLABS): a thread sums every eighth row of
 * its slab in one column, its block joins the eight.  partial: (SLABS, c). */
template <typename T>
__global__ void
columns_kernel (float *partial, const T *x, gsize rows, int c)
{
  __shared__ float sums[8][32];
  const int column = blockIdx.x * 32 + threadIdx.x;
  const gsize per_slab = (rows + SLABS - 1) / SLABS;
  const gsize first = blockIdx.y * per_slab;
  const gsize last = first + per_slab < rows ? first + per_slab : rows;
  float sum = 0;

  if (column < c)
    for (gsize r = first + threadIdx.y; r < last; r += 8)
      sum += vector_to_float (x[r * c + column]);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads ();
  if (threadIdx.y > 0 || column >= c)
    return;
  for (int k = 1; k < 8; k++)
    sum += sums[k][threadIdx.x];
  partial[(gsize) blockIdx.y * c + column] = sum;
}

/* One thread per column. */
__global__ void
columns_end_kernel (float *sums, const float *partial, int c)
{
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  double sum = 0;

  if (column >= c)
    return;
  for (int slab = 0; slab < SLABS; slab++)
    sum += partial[(gsize) slab * c + column];
  sums[column] += (float) sum;
}

template <typename T>
static void
columns (Cuda *be, float *partial, const void *x, gsize rows, int c)
{
  LAUNCH (columns_kernel<T>, dim3 ((c + 31) / 32, SLABS), dim3 (32, 8),
      be->stream)
  (partial, (const T *) x, rows, c);
}

gsize
cuda_columns_scratch (int c)
{
  return (gsize) SLABS * c;
}

void
cuda_add_columns (Cuda *be, float *sums, const void *x, CudaType type,
    gsize rows, int c, float *scratch)
{
  if (type == CUDA_FLOAT)
    columns<float> (be, scratch, x, rows, c);
  else if (type == CUDA_HALF)
    columns<Half> (be, scratch, x, rows, c);
  else
    columns<Bfloat> (be, scratch, x, rows, c);
  LAUNCH (columns_end_kernel, cuda_blocks (c), CUDA_THREADS, be->stream)
  (sums, scratch, c);
}

/* One thread per vector.  y = max (x, 0). */
template <typename T, int N>
__global__ void
relu_kernel (T *y, const T *x, gsize len)
{
  const gsize i = ((gsize) blockIdx.x * blockDim.x + threadIdx.x) * N;
  float v[N];

  if (i >= len)
    return;
  vector_load<N> (v, x + i);
#pragma unroll
  for (int k = 0; k < N; k++)
    v[k] = v[k] > 0 ? v[k] : 0;
  vector_store<N> (y + i, v);
}

/* One thread per vector.  dx = or += y > 0 ? dy : 0. */
template <typename T, int N>
__global__ void
relu_backward_kernel (T *dx, const T *dy, const T *y, bool accumulate,
    gsize len)
{
  const gsize i = ((gsize) blockIdx.x * blockDim.x + threadIdx.x) * N;
  float d[N], v[N];

  if (i >= len)
    return;
  vector_load<N> (d, dy + i);
  vector_load<N> (v, y + i);
#pragma unroll
  for (int k = 0; k < N; k++)
    d[k] = v[k] > 0 ? d[k] : 0;
  vector_store_or_add<N> (dx + i, d, accumulate);
}

template <typename T, int N>
static void
relu (Cuda *be, const DefcnNode *node, gsize len)
{
  LAUNCH ((relu_kernel<T, N>), cuda_blocks (len / N), CUDA_THREADS, be->stream)
  ((T *) node->y->data, (const T *) node->x[0]->data, len);
}

template <typename T, int N>
static void
relu_backward (Cuda *be, const DefcnNode *node, gsize len)
{
  LAUNCH ((relu_backward_kernel<T, N>), cuda_blocks (len / N), CUDA_THREADS,
      be->stream)
  ((T *) node->x[0]->grad, (const T *) node->y->grad, (const T *) node->y->data,
      node->accumulate[0], len);
}

static void
relu_forward_row (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const gsize len = defcn_tensor_len (node->y);

  CUDA_DISPATCH (cuda_type_of (be, node->y), len, relu, be, node, len);
}

static void
relu_backward_row (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const gsize len = defcn_tensor_len (node->y);

  if (node->x[0]->grad)
    CUDA_DISPATCH (cuda_type_of (be, node->y), len, relu_backward, be, node,
        len);
}

static gboolean
relu_prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  return cuda_device_check (be, node, &defcn_relu_reference, error);
}

const DefcnOp cuda_relu = {
  .prepare = relu_prepare,
  .forward = relu_forward_row,
  .backward = relu_backward_row,
};

/* One of the maps of a launch of the box branch. */
typedef struct
{
  float *y;
  const float *x, *w;
  float factor;
  gsize len;
  unsigned first; /* block in the grid */
} BoxMap;

typedef struct
{
  BoxMap at[CUDA_TOGETHER];
  int n;
} BoxMaps;

/* The box branch is float32 in any precision.  One thread per element of all
 * maps.  y = relu (w x) factor, or exp (w x). */
__global__ void
box_kernel (const __grid_constant__ BoxMaps maps, bool exponential)
{
  int m = 0;

  while (m + 1 < maps.n && blockIdx.x >= maps.at[m + 1].first)
    m++;
  const BoxMap &map = maps.at[m];
  const gsize i = (gsize) (blockIdx.x - map.first) * blockDim.x + threadIdx.x;

  if (i >= map.len)
    return;
  const float v = map.w[0] * map.x[i];
  map.y[i] = exponential ? expf (v) : (v > 0 ? v : 0) * map.factor;
}

/* One block of 256 sums the products for dw; dx = or += dy' w on the way, where
 * dy' is the gradient of w x.  partial: one double per block. */
__global__ void
box_backward_kernel (float *dx, double *partial, const float *dy,
    const float *y, const float *x, const float *w, float factor,
    bool exponential, bool accumulate, gsize len)
{
  __shared__ double sums[CUDA_THREADS];
  const gsize step = (gsize) gridDim.x * blockDim.x;
  double sum = 0;

  for (gsize i = (gsize) blockIdx.x * blockDim.x + threadIdx.x; i < len;
       i += step) {
    const float d = exponential ? dy[i] * y[i]
        : w[0] * x[i] > 0       ? dy[i] * factor
                                : 0;

    sum += (double) d * x[i];
    if (dx)
      dx[i] = d * w[0] + (accumulate ? dx[i] : 0);
  }
  sums[threadIdx.x] = sum;
  __syncthreads ();
  for (unsigned half = CUDA_THREADS / 2; half > 0; half /= 2) {
    if (threadIdx.x < half)
      sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads ();
  }
  if (threadIdx.x == 0)
    partial[blockIdx.x] = sums[0];
}

/* One thread: dw += the partial sums in order. */
__global__ void
box_end_kernel (float *dw, const double *partial, int n)
{
  double sum = 0;

  for (int i = 0; i < n; i++)
    sum += partial[i];
  dw[0] += (float) sum;
}

#define BOX_BLOCKS 32

static void
box_forward (DefcnBackend *base, const DefcnNode *node)
{
  const int n = cuda_together (node);
  BoxMaps maps = {};
  unsigned blocks = 0;

  maps.n = n;
  for (int i = 0; i < n; i++) {
    const DefcnNode *of = node + i;
    const gsize len = defcn_tensor_len (of->y);

    maps.at[i] = { of->y->data, of->x[0]->data, of->w->data, of->factor, len,
      blocks };
    blocks += cuda_blocks (len);
  }
  if (n > 0)
    LAUNCH (box_kernel, blocks, CUDA_THREADS, cuda_of (base)->stream)
  (maps, node->exponential);
}

static void
box_backward (DefcnBackend *base, const DefcnNode *node)
{
  const gsize len = defcn_tensor_len (node->y);
  double *partial = (double *) node->state;
  cudaStream_t stream = cuda_of (base)->stream;

  LAUNCH (box_backward_kernel, BOX_BLOCKS, CUDA_THREADS, stream)
  (node->x[0]->grad, partial, node->y->grad, node->y->data, node->x[0]->data,
      node->w->data, node->factor, node->exponential, node->accumulate[0], len);
  if (node->w->grad)
    LAUNCH (box_end_kernel, 1, 1, stream) (node->w->grad, partial, BOX_BLOCKS);
}

static void
box_release (DefcnBackend *be, DefcnNode *node)
{
  cuda_device_enter (cuda_of (be));
  cudaFree (node->state);
  node->state = NULL;
}

static gboolean
box_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  const Cuda *be = cuda_of (base);

  if (!defcn_box_reference.prepare (base, node, error))
    return FALSE;
  if (cuda_type_of (be, node->x[0]) != CUDA_FLOAT
      || cuda_type_of (be, node->y) != CUDA_FLOAT) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "%s: the box branch wants float32 tensors", node->name);
    return FALSE;
  }
  if (!node->train)
    return TRUE;
  node->state =
      cuda_device_alloc (BOX_BLOCKS * sizeof (double), node->name, error);
  return node->state != NULL;
}

const DefcnOp cuda_box = {
  .prepare = box_prepare,
  .forward = box_forward,
  .backward = box_backward,
  .release = box_release,
};
