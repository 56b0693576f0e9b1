/* The update of the masters where they are: the global norm of the gradients,
 * SGD or AdamW, averages, effective weights.  Three launches for any number of
 * parameters; sums in a fixed order, so that an update repeats to the bit.
 *
 * The arithmetic is that of training/train/optimizer.c operation by operation,
 * hence __fmul_rn and its like, which the compiler does not contract. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "vector.cuh"

#define PER_THREAD 16
#define PER_BLOCK (CUDA_THREADS * PER_THREAD)

/* What the first kernels leave to the last. */
typedef struct
{
  double norm;
  float scale; /* of the gradients, below 1 where they are clipped */
  int is_finite;
} Verdict;

/* A master on the device. */
typedef struct
{
  DefcnMaster master;
  float *data, *grad; /* the effective ones */
  unsigned row, len;
  float lr, keep, root; /* of the present update */
} Entry;

/* Elements [first, first + PER_BLOCK) of an entry belong to a block. */
typedef struct
{
  unsigned entry, first;
} Chunk;

typedef struct
{
  unsigned n, n_chunks;
  /* on the device */
  Entry *entries;
  Chunk *chunks;
  double *partial; /* (n_chunks) */
  Verdict *verdict;
} Updater;

/* dvalue = scale grad */
__device__ inline float
gradient (const Entry *e, unsigned i)
{
  const float g = e->grad[i];

  return e->master.scale ? __fmul_rn (e->master.scale[i / e->row], g) : g;
}

/* One block per chunk: partial (chunks) = the sum of the squares. */
__global__ void
norm_kernel (double *partial, const Entry *entries, const Chunk *chunks)
{
  __shared__ double sums[CUDA_THREADS];
  const Chunk chunk = chunks[blockIdx.x];
  const Entry e = entries[chunk.entry];
  double sum = 0;

  for (int k = 0; k < PER_THREAD; k++) {
    const unsigned i = chunk.first + k * CUDA_THREADS + threadIdx.x;

    if (i < e.len) {
      const double g = gradient (&e, i);

      sum += g * g;
    }
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

/* One block: the norm, and the numbers of every entry for this update. */
__global__ void
verdict_kernel (Verdict *verdict, Entry *entries, const double *partial,
    unsigned n, unsigned n_chunks, DefcnUpdateRule rule)
{
  __shared__ double sums[CUDA_THREADS];
  double sum = 0;

  for (unsigned i = threadIdx.x; i < n_chunks; i += CUDA_THREADS)
    sum += partial[i];
  sums[threadIdx.x] = sum;
  __syncthreads ();
  for (unsigned half = CUDA_THREADS / 2; half > 0; half /= 2) {
    if (threadIdx.x < half)
      sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads ();
  }
  if (threadIdx.x == 0) {
    const double norm = sqrt (sums[0]);

    verdict->norm = norm;
    verdict->is_finite = norm <= DBL_MAX; /* nor NaN */
    verdict->scale =
        rule.clip > 0 && norm > rule.clip ? (float) (rule.clip / norm) : 1;
  }
  for (unsigned i = threadIdx.x; i < n; i += CUDA_THREADS) {
    Entry *e = &entries[i];
    const double lr = __dmul_rn (rule.lr, e->master.rate);

    e->lr = (float) (e->master.square ? lr / rule.bias1 : lr);
    e->keep = (float) (1 - __dmul_rn (lr, e->master.decay));
    e->root = (float) (1 / sqrt (rule.bias2));
  }
}

/* v = m v + (g + decay p); returns p - lr v. */
__device__ inline float
step_sgd (const Entry *e, unsigned i, float p, float g,
    const DefcnUpdateRule *rule)
{
  float *v = &e->master.momentum[i];

  *v = __fadd_rn (__fmul_rn (rule->momentum, *v),
      __fadd_rn (g, __fmul_rn (e->master.decay, p)));
  return __fsub_rn (p, __fmul_rn (e->lr, *v));
}

/* m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g g; returns
 * keep p - lr m / (sqrt (v) root + epsilon). */
__device__ inline float
step_adamw (const Entry *e, unsigned i, float p, float g,
    const DefcnUpdateRule *rule)
{
  float *m = &e->master.momentum[i], *v = &e->master.square[i];

  *m = __fadd_rn (__fmul_rn (rule->momentum, *m),
      __fmul_rn (1 - rule->momentum, g));
  *v = __fadd_rn (__fmul_rn (rule->beta2, *v),
      __fmul_rn (__fmul_rn (1 - rule->beta2, g), g));
  const float spread =
      __fadd_rn (__fmul_rn (__fsqrt_rn (*v), e->root), rule->epsilon);
  return __fsub_rn (__fmul_rn (e->keep, p),
      __fdiv_rn (__fmul_rn (e->lr, *m), spread));
}

__device__ inline void
update (const Entry *e, unsigned i, float scale, const DefcnUpdateRule *rule)
{
  const float g = __fmul_rn (scale, gradient (e, i)), old = e->master.value[i];
  const float p = e->master.square ? step_adamw (e, i, old, g, rule)
                                   : step_sgd (e, i, old, g, rule);
  float *average = e->master.average;
  float data = p;

  e->master.value[i] = p;
  if (average)
    average[i] = __fadd_rn (__fmul_rn (rule->average, average[i]),
        __fmul_rn (1 - rule->average, p));
  if (e->master.scale)
    data = __fmul_rn (e->master.scale[i / e->row], p);
  if (e->master.shift)
    data = __fadd_rn (e->master.shift[i / e->row], data);
  e->data[i] = data;
}

/* One block per chunk, neighbouring threads on neighbouring elements. */
__global__ void
update_kernel (const Entry *entries, const Chunk *chunks,
    const Verdict *verdict, DefcnUpdateRule rule)
{
  const Chunk chunk = chunks[blockIdx.x];
  const Entry e = entries[chunk.entry];
  const float scale = verdict->scale;

  if (!verdict->is_finite)
    return;
  for (int k = 0; k < PER_THREAD; k++) {
    const unsigned i = chunk.first + k * CUDA_THREADS + threadIdx.x;

    if (i < e.len)
      update (&e, i, scale, &rule);
  }
}

static void
free_updater (DefcnBackend *base, gpointer data)
{
  Updater *u = (Updater *) data;

  cuda_device_enter (cuda_of (base));
  cudaFree (u->entries);
  cudaFree (u->chunks);
  cudaFree (u->partial);
  cudaFree (u->verdict);
  g_free (u);
}

/* FALSE with @error if one is too large. */
static gboolean
list (GArray *entries, GArray *chunks, const DefcnMaster *masters, guint n,
    GError **error)
{
  for (guint m = 0; m < n; m++) {
    const gsize len = defcn_tensor_len (masters[m].effective);
    Entry entry = {};

    if (len > G_MAXINT) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
          "a parameter of %" G_GSIZE_FORMAT " elements, wanted %d at most", len,
          G_MAXINT);
      return FALSE;
    }
    entry.master = masters[m];
    entry.data = masters[m].effective->data;
    entry.grad = masters[m].effective->grad;
    entry.len = (unsigned) len;
    entry.row = (unsigned) (len / masters[m].rows);
    g_array_append_val (entries, entry);
    for (unsigned first = 0; first < len; first += PER_BLOCK) {
      const Chunk chunk = { m, first };

      g_array_append_val (chunks, chunk);
    }
  }
  return TRUE;
}

/* A copy of @array on the device; once, so it may wait. */
static gpointer
copy_to_device (Cuda *be, const GArray *array, GError **error)
{
  const gsize bytes =
      (gsize) array->len * g_array_get_element_size ((GArray *) array);
  void *mem = cuda_device_alloc (bytes, "the update", error);

  if (mem && bytes > 0) {
    cuda_device_note (be,
        cudaMemcpyAsync (mem, array->data, bytes, cudaMemcpyHostToDevice,
            be->stream),
        "uploading");
    cuda_device_note (be, cudaStreamSynchronize (be->stream), "uploading");
  }
  return mem;
}

static gpointer
create (DefcnBackend *base, const DefcnMaster *masters, guint n, GError **error)
{
  Cuda *be = cuda_of (base);
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_autoptr (GArray) chunks = g_array_new (FALSE, FALSE, sizeof (Chunk));
  Updater *u;

  if (!list (entries, chunks, masters, n, error))
    return NULL;
  cuda_device_enter (be);
  u = g_new0 (Updater, 1);
  u->n = entries->len;
  u->n_chunks = chunks->len;
  if ((u->entries = (Entry *) copy_to_device (be, entries, error))
      && (u->chunks = (Chunk *) copy_to_device (be, chunks, error))
      && (u->partial =
              (double *) cuda_device_alloc (u->n_chunks * sizeof (double),
                  "the update", error))
      && (u->verdict = (Verdict *) cuda_device_alloc (sizeof (Verdict),
              "the update", error)))
    return u;
  free_updater (base, u);
  return NULL;
}

static double
step (DefcnBackend *base, gpointer data, const DefcnUpdateRule *rule)
{
  Cuda *be = cuda_of (base);
  const Updater *u = (const Updater *) data;
  Verdict verdict;

  cuda_device_enter (be);
  if (u->n_chunks > 0)
    LAUNCH (norm_kernel, u->n_chunks, CUDA_THREADS, be->stream)
  (u->partial, u->entries, u->chunks);
  LAUNCH (verdict_kernel, 1, CUDA_THREADS, be->stream)
  (u->verdict, u->entries, u->partial, u->n, u->n_chunks, *rule);
  if (u->n_chunks > 0)
    LAUNCH (update_kernel, u->n_chunks, CUDA_THREADS, be->stream)
  (u->entries, u->chunks, u->verdict, *rule);
  cuda_device_note (be, cudaGetLastError (), "updating");
  cuda_device_note (be,
      cudaMemcpyAsync (be->pinned, u->verdict, sizeof verdict,
          cudaMemcpyDeviceToHost, be->stream),
      "downloading");
  cuda_device_note (be, cudaStreamSynchronize (be->stream), "updating");
  memcpy (&verdict, be->pinned, sizeof verdict);
  return be->failed == cudaSuccess ? verdict.norm : NAN; /* sync() says why */
}

extern const DefcnUpdater cuda_updater = {
  .create = create,
  .step = step,
  .free = free_updater,
};
