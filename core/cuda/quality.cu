/* How well locations suit objects, for the matching on the host: the qualities
 * of given windows, and the best of every level.
 *
 * Boxes and IoU are those of training/assign/points.c and core/boxes.c bit for
 * bit, so that the same pairs meet.  Powers and exponentials are the device's:
 * qualities differ by some 1e-6 of them. */
#include "boxes.cuh"
#include "heads.cuh"

#include "objective.h"

#define TRUTHS_AT_ONCE 64 /* of the scratch of the second kernel */
#define FIRST_STAGE 16    /* threads of a reduction's second stage */

/* Of the box that the location (x, y) predicts with the sides @d. */
__device__ static inline float
iou_of (const DefcnTruth *t, const float *d, int x, int y, int stride)
{
  DefcnBox truth = {};

  truth.x1 = t->x1;
  truth.y1 = t->y1;
  truth.x2 = t->x2;
  truth.y2 = t->y2;
  return boxes_iou (truth, boxes_at (d, x, y, stride));
}

/* Eq. 4, or the sum of table 4; not a number is -1.  @auxiliary: by the
 * auxiliary logits, without the filter. */
__device__ static inline float
quality_of (const Batch *batch, const DefcnTruth *t, int l, int location,
    float alpha, bool additive, bool auxiliary)
{
  const BatchLevel *level = &batch->at[l];
  const gsize row = (gsize) t->image * level->h * level->w + location;
  const float *logits = auxiliary ? level->aux_logits : level->logits;
  const float logit = logits[row * batch->n_classes + t->label];
  const float iou = iou_of (t, level->deltas + row * 4, location % level->w,
      location / level->w, level->stride);

  if (iou == 0 && alpha > 0 && !additive) /* most pairs */
    return isnan (logit) ? -1 : 0;

  float p = defcn_sigmoid (logit);
  if (!auxiliary && level->filter)
    p *= defcn_sigmoid (level->filter[row]);
  const float quality = additive ? (1 - alpha) * p + alpha * iou
                                 : powf (p, 1 - alpha) * powf (iou, alpha);
  return isnan (quality) ? -1 : quality;
}

/* One block per window. */
__global__ void
window_kernel (float *values, const __grid_constant__ Batch batch,
    const DefcnTruth *truths, const DefcnWindow *windows, float alpha,
    bool additive)
{
  const DefcnWindow window = windows[blockIdx.x];
  const DefcnTruth truth = truths[window.truth];
  const int n = window.w * window.h, w = batch.at[window.level].w;

  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    const int x = window.x + i % window.w, y = window.y + i / window.w;

    values[window.first + i] = quality_of (&batch, &truth, window.level,
        y * w + x, alpha, additive, false);
  }
}

/* Whether @a comes before @b; location -1 comes last. */
__device__ static inline bool
is_before (DefcnRanked a, DefcnRanked b)
{
  if (a.location < 0 || b.location < 0)
    return a.location >= 0;
  return a.quality > b.quality
      || (a.quality == b.quality && a.location < b.location);
}

/* The first in the order of all threads' @own; a block of CUDA_THREADS. */
__device__ static DefcnRanked
first_of_block (DefcnRanked own)
{
  __shared__ DefcnRanked all[CUDA_THREADS];
  DefcnRanked first;

  all[threadIdx.x] = own;
  __syncthreads ();
  if (threadIdx.x < FIRST_STAGE) {
    first = all[threadIdx.x];
    for (int k = threadIdx.x; k < CUDA_THREADS; k += FIRST_STAGE)
      if (is_before (all[k], first))
        first = all[k];
    all[threadIdx.x] = first; /* read by no other thread of this stage */
  }
  __syncthreads ();
  first = all[0];
  for (int k = 1; k < FIRST_STAGE; k++)
    if (is_before (all[k], first))
      first = all[k];
  __syncthreads (); /* before the next call writes */
  return first;
}

/* One block per level and truth, whose qualities it keeps in its row of
 * @scratch (truths, n_locations); then the best, the next, and so on. */
__global__ void
best_kernel (DefcnRanked *best, float *scratch,
    const __grid_constant__ Batch batch, const DefcnTruth *truths,
    int n_locations, float alpha, int topk)
{
  const BatchLevel *level = &batch.at[blockIdx.x];
  const int n = level->h * level->w;
  const DefcnTruth truth = truths[blockIdx.y];
  float *quality = scratch + (gsize) blockIdx.y * n_locations + level->first;
  DefcnRanked last;

  best += ((gsize) blockIdx.y * batch.n + blockIdx.x) * topk;
  for (int j = threadIdx.x; j < n; j += CUDA_THREADS)
    quality[j] = quality_of (&batch, &truth, blockIdx.x, j, alpha, false, true);
  for (int k = 0; k < topk; k++) {
    DefcnRanked own = { -1, 0 };

    /* Only what the thread itself has written.  In the order of locations: one
     * of equal quality stays the first. */
    for (int j = threadIdx.x; j < n; j += CUDA_THREADS) {
      const DefcnRanked next = { j, quality[j] };

      if ((k == 0 || is_before (last, next)) && is_before (next, own))
        own = next;
    }
    last = first_of_block (own);
    if (threadIdx.x == 0)
      best[k] = last;
    if (last.location < 0) { /* alike in all threads: the level is used up */
      for (int rest = k + 1 + threadIdx.x; rest < topk; rest += CUDA_THREADS)
        best[rest] = last;
      return;
    }
  }
}

static int
locations_of (const Batch *batch)
{
  const BatchLevel *last = &batch->at[batch->n - 1];

  return last->first + last->h * last->w;
}

gboolean
cuda_qualities (DefcnBackend *base, const DefcnHeads *heads,
    const DefcnQualityQuery *query, float *values, DefcnRanked *best,
    GError **error)
{
  Cuda *be = cuda_of (base);
  const Batch batch = heads_batch (heads);
  const int n_locations = locations_of (&batch);
  const guint n = query->n_truths, per_truth = batch.n * query->topk;
  const gsize truths_bytes = heads_part (n * sizeof (DefcnTruth));
  const gsize windows_bytes =
      heads_part (query->n_windows * sizeof (DefcnWindow));
  const gsize values_bytes = heads_part (query->n_values * sizeof (float));
  const gsize best_bytes =
      heads_part ((gsize) n * per_truth * sizeof (DefcnRanked));
  const gsize scratch_bytes = per_truth == 0
      ? 0
      : (gsize) MIN (n, TRUTHS_AT_ONCE) * n_locations * sizeof (float);

  cuda_device_enter (be);
  if (!cuda_device_room (&be->qualities,
          truths_bytes + windows_bytes + values_bytes + best_bytes
              + scratch_bytes,
          "qualities", error))
    return FALSE;

  char *mem = (char *) be->qualities.mem;
  DefcnTruth *truths = (DefcnTruth *) mem;
  DefcnWindow *windows = (DefcnWindow *) (mem += truths_bytes);
  float *found = (float *) (mem += windows_bytes);
  DefcnRanked *ranked = (DefcnRanked *) (mem += values_bytes);
  float *scratch = (float *) (mem + best_bytes);

  cuda_device_send (be, truths, query->truths, n * sizeof (DefcnTruth));
  cuda_device_send (be, windows, query->windows,
      query->n_windows * sizeof (DefcnWindow));
  if (query->n_windows > 0)
    LAUNCH (window_kernel, query->n_windows, CUDA_THREADS / 2, be->stream)
  (found, batch, truths, windows, query->alpha, query->additive);
  for (guint i = 0; per_truth > 0 && i < n; i += TRUTHS_AT_ONCE)
    LAUNCH (best_kernel, dim3 (batch.n, MIN (TRUTHS_AT_ONCE, n - i)),
        CUDA_THREADS, be->stream)
  (ranked + (gsize) i * per_truth, scratch, batch, truths + i, n_locations,
      query->alpha, query->topk);
  cuda_device_receive (be, values, found, query->n_values * sizeof (float));
  cuda_device_receive (be, best, ranked,
      (gsize) n * per_truth * sizeof (DefcnRanked));
  return base->sync (base, error);
}
