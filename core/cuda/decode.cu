/* The scores above a threshold, with their boxes and without local duplicates,
 * compacted on the device: a frame costs one small copy back, however many
 * locations there are. */
#include "boxes.cuh"

#include "sigmoid.h"

#include <math.h>
#include <string.h>

#define CAPACITY 16384 /* beyond it the caller takes the whole heads */
#define FIRST 1024     /* copied at once, before their number is known */

/* What find() looks for. */
typedef struct
{
  float threshold, duplicate_iou;
} Query;

/* On the device: the copy to the host takes @n and the first of each image. */
typedef struct
{
  Query query;
  int n[CUDA_BATCH]; /* of each image; counts on beyond the capacity */
  int unused[14];    /* keeps the candidates aligned */
  DefcnCandidate first[CUDA_BATCH][FIRST];
  DefcnCandidate rest[CUDA_BATCH][CAPACITY - FIRST];
} Found;

struct _CudaFinder
{
  Found *found;
  Found *host; /* pinned, without the rest */
  Query query; /* that the device has */
};

typedef struct
{
  const float *logits, *deltas, *filter; /* filter may be NULL */
  int h, w, stride;
  int first; /* location of all levels */
} HeadLevel;

typedef struct
{
  HeadLevel at[DEFCN_N_LEVELS];
  int n, n_locations, n_classes;
} Heads;

/* The row of a location in the tensors of all images. */
__device__ static inline gsize
row_of (const HeadLevel &level, int image, int location)
{
  return (gsize) image * level.h * level.w + location;
}

/* A score above the threshold, its box, and the limit of the local duplicate
 * filter (boxes.h). */
typedef struct
{
  int image, l, x, y, location, label;
  float score, iou; /* the limit */
  DefcnBox box;
} Score;

/* Whether the @side x @side locations from (@x0, @y0) of level @m have a better
 * score of the class, whose box has IoU above the limit with @s's. */
__device__ static bool
window_has_better (const Heads &heads, const Score &s, int m, int x0, int y0,
    int side)
{
  const HeadLevel &level = heads.at[m];

  for (int y = max (y0, 0); y < min (y0 + side, level.h); y++) {
    for (int x = max (x0, 0); x < min (x0 + side, level.w); x++) {
      const int i = y * level.w + x;
      const gsize row = row_of (level, s.image, i);
      const bool comes_first = m < s.l || (m == s.l && i < s.location);
      float score =
          defcn_sigmoid (level.logits[row * heads.n_classes + s.label]);

      /* the filter only makes it less */
      if (score >= s.score && level.filter)
        score *= defcn_sigmoid (level.filter[row]);
      if ((score > s.score || (score == s.score && comes_first))
          && boxes_iou (s.box,
                 boxes_at (level.deltas + row * 4, x, y, level.stride))
              > s.iou)
        return true;
    }
  }
  return false;
}

/* Whether the score @score of class @label at a location of level @l goes. */
__device__ static bool
is_duplicate (const Heads &heads, int image, int l, int location, int label,
    float score, float iou)
{
  const HeadLevel &level = heads.at[l];
  Score s = {};

  s.image = image;
  s.l = l;
  s.x = location % level.w;
  s.y = location / level.w;
  s.location = location;
  s.label = label;
  s.score = score;
  s.iou = iou;
  s.box = boxes_at (level.deltas + row_of (level, image, location) * 4, s.x,
      s.y, level.stride);
  return window_has_better (heads, s, s.l, s.x - 1, s.y - 1, 3)
      || (s.l > 0
          && window_has_better (heads, s, s.l - 1, 2 * s.x - 2, 2 * s.y - 2, 6))
      || (s.l + 1 < heads.n
          && window_has_better (heads, s, s.l + 1, s.x / 2 - 1, s.y / 2 - 1,
              3));
}

/* One thread per location of all levels; a row of the grid is an image.  The
 * order of what is found is any. */
__global__ void
find_kernel (Found *found, const __grid_constant__ Heads heads)
{
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const int image = blockIdx.y;
  const float threshold = found->query.threshold;
  const float duplicate_iou = found->query.duplicate_iou;
  int l = 0;

  if (at >= heads.n_locations)
    return;
  while (l + 1 < heads.n && at >= heads.at[l + 1].first)
    l++;
  const int location = at - heads.at[l].first;
  const gsize row = row_of (heads.at[l], image, location);
  const float *filter = heads.at[l].filter;
  const float f = filter ? defcn_sigmoid (filter[row]) : 1.0f;
  const float *logits = heads.at[l].logits + row * heads.n_classes;
  const float *deltas = heads.at[l].deltas + row * 4;

  for (int k = 0; f > threshold && k < heads.n_classes; k++) {
    const float score = defcn_sigmoid (logits[k]) * f;

    if (!(score > threshold))
      continue;
    if (duplicate_iou > 0 && duplicate_iou < 1
        && is_duplicate (heads, image, l, location, k, score, duplicate_iou))
      continue;
    const int slot = atomicAdd (&found->n[image], 1);
    if (slot >= CAPACITY)
      continue;
    DefcnCandidate *c = slot < FIRST ? &found->first[image][slot]
                                     : &found->rest[image][slot - FIRST];
    c->score = score;
    c->level = l;
    c->location = location;
    c->label = k;
    for (int i = 0; i < 4; i++)
      c->ltrb[i] = deltas[i];
  }
}

CudaFinder *
cuda_finder_new (Cuda *be, GError **error)
{
  CudaFinder *finder = g_new0 (CudaFinder, 1);
  cudaError_t status;

  finder->query.threshold = NAN; /* no query yet */
  finder->found =
      (Found *) cuda_device_alloc (sizeof (Found), "detections", error);
  if (finder->found) {
    status = cudaMallocHost ((void **) &finder->host, offsetof (Found, rest));
    if (status == cudaSuccess)
      return finder;
    cudaGetLastError ();
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "detections: no pinned memory: %s", cudaGetErrorString (status));
  }
  cuda_finder_free (finder);
  return NULL;
}

void
cuda_finder_free (CudaFinder *finder)
{
  if (!finder)
    return;
  cudaFree (finder->found);
  cudaFreeHost (finder->host);
  g_free (finder);
}

void
cuda_seek (DefcnBackend *base, float threshold, float duplicate_iou)
{
  Cuda *be = cuda_of (base);
  CudaFinder *finder = be->finder;
  const Query query = { threshold, duplicate_iou };

  if (memcmp (&query, &finder->query, sizeof query) == 0)
    return;
  cuda_device_enter (be);
  cuda_device_send (be, &finder->found->query, &query, sizeof query);
  if (be->failed == cudaSuccess)
    finder->query = query;
}

static Heads
heads_of (DefcnTensor *const *logits, DefcnTensor *const *deltas,
    DefcnTensor *const *filter, int n_levels)
{
  Heads heads = {};

  heads.n = n_levels;
  heads.n_classes = logits[0]->c;
  for (int l = 0; l < n_levels; l++) {
    heads.at[l].logits = logits[l]->data;
    heads.at[l].deltas = deltas[l]->data;
    heads.at[l].filter = filter[l] ? filter[l]->data : NULL;
    heads.at[l].h = logits[l]->h;
    heads.at[l].w = logits[l]->w;
    heads.at[l].stride = defcn_boxes_stride (l);
    heads.at[l].first = heads.n_locations;
    heads.n_locations += logits[l]->h * logits[l]->w;
  }
  return heads;
}

void
cuda_find (DefcnBackend *base, DefcnTensor *const *logits,
    DefcnTensor *const *deltas, DefcnTensor *const *filter, int n_levels)
{
  Cuda *be = cuda_of (base);
  Found *found = be->finder->found, *host = be->finder->host;
  const Heads heads = heads_of (logits, deltas, filter, n_levels);
  const int images = MIN (logits[0]->n, CUDA_BATCH);
  const gsize begin = offsetof (Found, n), first = offsetof (Found, first);

  cuda_device_enter (be);
  be->waited = FALSE;
  cuda_device_note (be,
      cudaMemsetAsync (found->n, 0, sizeof found->n, be->stream), "clearing");
  LAUNCH (find_kernel, dim3 (cuda_blocks (heads.n_locations), images),
      dim3 (CUDA_THREADS), be->stream)
  (found, heads);
  cuda_device_note (be,
      cudaMemcpyAsync (host->n, found->n,
          first - begin + images * sizeof found->first[0],
          cudaMemcpyDeviceToHost, be->stream),
      "receiving");
}

gboolean
cuda_found (DefcnBackend *base, GArray *candidates, int image)
{
  Cuda *be = cuda_of (base);
  const CudaFinder *finder = be->finder;
  const gsize each = sizeof (DefcnCandidate);
  int n;

  g_array_set_size (candidates, 0);
  if (image >= CUDA_BATCH)
    return FALSE;
  if (!be->waited) {
    cuda_device_enter (be);
    cuda_device_wait (be, "finding");
  }
  if (be->failed != cudaSuccess)
    return FALSE;
  n = finder->host->n[image];
  if (n > CAPACITY)
    return FALSE;
  g_array_set_size (candidates, n);
  memcpy (candidates->data, finder->host->first[image], MIN (n, FIRST) * each);
  if (n <= FIRST)
    return TRUE;
  cuda_device_enter (be);
  cuda_device_receive (be, candidates->data + FIRST * each,
      finder->found->rest[image], (n - FIRST) * each);
  return be->failed == cudaSuccess;
}
