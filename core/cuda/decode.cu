/* The scores above a threshold, with their boxes, compacted on the device: a
 * frame costs one small copy back, however many locations there are. */
#include "vector.cuh"

#include <string.h>

#define CAPACITY 16384 /* beyond it the caller takes the whole heads */
#define FIRST 1024     /* copied at once, before their number is known */

typedef struct
{
  const float *logits, *deltas, *filter; /* of one image; filter may be NULL */
  int n_locations;
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

/* One thread per location of all levels.  The order of what is found is any;
 * *n_found counts on beyond the capacity. */
__global__ void
find_kernel (DefcnCandidate *found, int *n_found, const Heads heads,
    float threshold)
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

  for (int k = 0; f > threshold && k < heads.n_classes; k++) {
    const float score = sigmoid (logits[k]) * f;

    if (!(score > threshold))
      continue;
    const int slot = atomicAdd (n_found, 1);
    if (slot >= CAPACITY)
      continue;
    found[slot].score = score;
    found[slot].level = l;
    found[slot].location = location;
    found[slot].label = k;
    for (int i = 0; i < 4; i++)
      found[slot].ltrb[i] = level.deltas[(gsize) location * 4 + i];
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
    heads.at[l].n_locations = n;
    heads.at[l].first = heads.n_locations;
    heads.n_locations += n;
  }
  return heads;
}

static void
fetch (Cuda *be, void *dst, const void *src, gsize bytes)
{
  cuda_device_note (be,
      cudaMemcpyAsync (be->pinned, src, bytes, cudaMemcpyDeviceToHost,
          be->stream),
      "fetching detections");
  cuda_device_note (be, cudaStreamSynchronize (be->stream),
      "fetching detections");
  memcpy (dst, be->pinned, bytes);
}

gboolean
cuda_candidates (DefcnBackend *base, GArray *candidates,
    DefcnTensor *const *logits, DefcnTensor *const *deltas,
    DefcnTensor *const *filter, int n_levels, int image, float threshold)
{
  Cuda *be = cuda_of (base);
  Found *found = (Found *) be->found;
  const Heads heads = heads_of (logits, deltas, filter, n_levels, image);
  const gsize head = offsetof (Found, at), each = sizeof (DefcnCandidate);
  g_autofree char *copy = (char *) g_malloc (head + FIRST * each);
  int n;

  g_array_set_size (candidates, 0);
  cuda_device_note (be, cudaMemsetAsync (found, 0, head, be->stream),
      "clearing");
  LAUNCH (find_kernel, cuda_blocks (heads.n_locations), CUDA_THREADS,
      be->stream)
  (found->at, &found->n, heads, threshold);
  fetch (be, copy, found, head + FIRST * each);
  if (be->failed != cudaSuccess) /* for sync() to say */
    return TRUE;
  memcpy (&n, copy, sizeof n);
  if (n > CAPACITY)
    return FALSE;
  g_array_set_size (candidates, n);
  memcpy (candidates->data, copy + head, MIN (n, FIRST) * each);
  if (n > FIRST)
    fetch (be, candidates->data + FIRST * each, found->at + FIRST,
        (n - FIRST) * each);
  return TRUE;
}
