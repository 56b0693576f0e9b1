/* The scores above a threshold, with their boxes and without local duplicates,
 * compacted on the device: a frame costs one small copy back, however many
 * locations there are. */
#include "boxes.cuh"

#include <string.h>

#define CAPACITY 16384 /* beyond it the caller takes the whole heads */
#define FIRST 1024     /* copied at once, before their number is known */

typedef struct
{
  const float *logits, *deltas, *filter; /* of one image; filter may be NULL */
  int h, w, stride;
  int first; /* location of all levels */
} HeadLevel;

typedef struct
{
  HeadLevel at[DEFCN_N_LEVELS];
  int n, n_locations, n_classes;
} Heads;

__device__ static inline float
sigmoid (float x)
{
  return 1.0f / (1.0f + expf (-x));
}

/* A score above the threshold, its box, and the limit of the local duplicate
 * filter (boxes.h). */
typedef struct
{
  int l, x, y, location, label;
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
      const bool comes_first = m < s.l || (m == s.l && i < s.location);
      float score =
          sigmoid (level.logits[(gsize) i * heads.n_classes + s.label]);

      /* the filter only makes it less */
      if (score >= s.score && level.filter)
        score *= sigmoid (level.filter[i]);
      if ((score > s.score || (score == s.score && comes_first))
          && boxes_iou (s.box,
                 boxes_at (level.deltas + (gsize) i * 4, x, y, level.stride))
              > s.iou)
        return true;
    }
  }
  return false;
}

/* Whether the score @score of class @label at a location of level @l goes. */
__device__ static bool
is_duplicate (const Heads &heads, int l, int location, int label, float score,
    float iou)
{
  const HeadLevel &level = heads.at[l];
  Score s = {};

  s.l = l;
  s.x = location % level.w;
  s.y = location / level.w;
  s.location = location;
  s.label = label;
  s.score = score;
  s.iou = iou;
  s.box =
      boxes_at (level.deltas + (gsize) location * 4, s.x, s.y, level.stride);
  return window_has_better (heads, s, s.l, s.x - 1, s.y - 1, 3)
      || (s.l > 0
          && window_has_better (heads, s, s.l - 1, 2 * s.x - 2, 2 * s.y - 2, 6))
      || (s.l + 1 < heads.n
          && window_has_better (heads, s, s.l + 1, s.x / 2 - 1, s.y / 2 - 1,
              3));
}

/* One thread per location of all levels.  The order of what is found is any;
 * *n_found counts on beyond the capacity. */
__global__ void
find_kernel (DefcnCandidate *found, int *n_found,
    const __grid_constant__ Heads heads, float threshold, float duplicate_iou)
{
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  int l = 0;

  if (at >= heads.n_locations)
    return;
  while (l + 1 < heads.n && at >= heads.at[l + 1].first)
    l++;
  const HeadLevel &level = heads.at[l];
  const int location = at - level.first;
  const float f = level.filter ? sigmoid (level.filter[location]) : 1.0f;
  const float *logits = level.logits + (gsize) location * heads.n_classes;
  const float *deltas = level.deltas + (gsize) location * 4;

  for (int k = 0; f > threshold && k < heads.n_classes; k++) {
    const float score = sigmoid (logits[k]) * f;

    if (!(score > threshold))
      continue;
    if (duplicate_iou > 0 && duplicate_iou < 1
        && is_duplicate (heads, l, location, k, score, duplicate_iou))
      continue;
    const int slot = atomicAdd (n_found, 1);
    if (slot >= CAPACITY)
      continue;
    found[slot].score = score;
    found[slot].level = l;
    found[slot].location = location;
    found[slot].label = k;
    for (int i = 0; i < 4; i++)
      found[slot].ltrb[i] = deltas[i];
  }
}

typedef struct
{
  int n, unused[7]; /* keeps the candidates aligned */
  DefcnCandidate at[CAPACITY];
} Found;

gboolean
cuda_decoder_init (Cuda *be, GError **error)
{
  be->found = cuda_device_alloc (sizeof (Found), "detections", error);
  return be->found != NULL;
}

static Heads
heads_of (DefcnTensor *const *logits, DefcnTensor *const *deltas,
    DefcnTensor *const *filter, int n_levels, int image)
{
  Heads heads = {};

  heads.n = n_levels;
  heads.n_classes = logits[0]->c;
  for (int l = 0; l < n_levels; l++) {
    const int n = logits[l]->h * logits[l]->w;
    const gsize at = (gsize) image * n;

    heads.at[l].logits = logits[l]->data + at * heads.n_classes;
    heads.at[l].deltas = deltas[l]->data + at * 4;
    heads.at[l].filter = filter[l] ? filter[l]->data + at : NULL;
    heads.at[l].h = logits[l]->h;
    heads.at[l].w = logits[l]->w;
    heads.at[l].stride = defcn_boxes_stride (l);
    heads.at[l].first = heads.n_locations;
    heads.n_locations += n;
  }
  return heads;
}

gboolean
cuda_candidates (DefcnBackend *base, GArray *candidates,
    DefcnTensor *const *logits, DefcnTensor *const *deltas,
    DefcnTensor *const *filter, int n_levels, int image, float threshold,
    float duplicate_iou)
{
  Cuda *be = cuda_of (base);
  Found *found = (Found *) be->found;
  const Heads heads = heads_of (logits, deltas, filter, n_levels, image);
  const gsize head = offsetof (Found, at), each = sizeof (DefcnCandidate);
  g_autofree char *copy = (char *) g_malloc (head + FIRST * each);
  int n;

  cuda_device_enter (be);
  g_array_set_size (candidates, 0);
  cuda_device_note (be, cudaMemsetAsync (found, 0, head, be->stream),
      "clearing");
  LAUNCH (find_kernel, cuda_blocks (heads.n_locations), CUDA_THREADS,
      be->stream)
  (found->at, &found->n, heads, threshold, duplicate_iou);
  cuda_device_receive (be, copy, found, head + FIRST * each);
  if (be->failed != cudaSuccess) /* for sync() to say */
    return TRUE;
  memcpy (&n, copy, sizeof n);
  if (n > CAPACITY)
    return FALSE;
  g_array_set_size (candidates, n);
  memcpy (candidates->data, copy + head, MIN (n, FIRST) * each);
  if (n > FIRST)
    cuda_device_receive (be, candidates->data + FIRST * each, found->at + FIRST,
        (n - FIRST) * each);
  return TRUE;
}
