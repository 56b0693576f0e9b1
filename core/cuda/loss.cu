/* The losses and the gradients of the heads where they are.  Sums go in a fixed
 * order, so that a step repeats to the bit. */
#include "heads.cuh"

#include "objective.h"

#define MAX_LANES 32 /* threads of a location */

typedef struct
{
  double cls_scale, box_scale, aux_scale;
} Scales;

/* labels (n_rows): the class of each positive. */
__global__ void
label_kernel (int *labels, const Batch batch, const DefcnPositive *positives,
    unsigned n)
{
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  int l = 0;

  if (i >= n)
    return;
  const DefcnPositive p = positives[i];
  while (l + 1 < batch.n && p.location >= batch.at[l + 1].first)
    l++;
  const BatchLevel *level = &batch.at[l];
  labels[level->base + (gsize) p.image * level->h * level->w + p.location
      - level->first] = p.label;
}

/* What a thread, then a location, then a block adds up. */
typedef struct
{
  double cls, aux, slope; /* slope: of the filter */
} FocalSums;

__device__ static inline void
add_focal (FocalSums *sums, const FocalSums *more)
{
  sums->cls += more->cls;
  sums->aux += more->aux;
  sums->slope += more->slope;
}

/* Every @lanes-th class from @lane of the location @row: both losses, and their
 * gradient by the logits.  @aux: NULL without the auxiliary loss. */
__device__ static FocalSums
focal_classes (const BatchLevel *level, gsize row, int n_classes, int lane,
    int lanes, int label, const int *aux, float scale, float aux_scale)
{
  const float *x = level->logits + row * n_classes;
  float *dx = level->dlogits + row * n_classes;
  const float f =
      level->filter ? defcn_objective_sigmoid (level->filter[row]) : 1;
  FocalSums sums = {};

  for (int k = lane; k < n_classes; k += lanes) {
    float d, df = 0;

    sums.cls += level->filter
        ? defcn_objective_focal_product (&d, &df, x[k], f, k == label)
        : defcn_objective_focal_logit (&d, x[k], k == label);
    sums.slope += df;
    d *= scale;
    if (aux) {
      float more;

      sums.aux += defcn_objective_focal_logit (&more, x[k], k == *aux);
      d += aux_scale * more;
    }
    dx[k] = d;
  }
  return sums;
}

/* @lanes threads, a power of two, per row of the batch.  labels, aux (n_rows):
 * the class or -1.  partial (2, blocks): the sums of both losses. */
__global__ void
focal_kernel (double *partial, const Batch batch, const int *labels,
    const int *aux, int lanes, float scale, float aux_scale)
{
  __shared__ FocalSums all[CUDA_THREADS];
  const int lane = threadIdx.x % lanes, rows = CUDA_THREADS / lanes;
  const gsize row = (gsize) blockIdx.x * rows + threadIdx.x / lanes;
  const BatchLevel *level = &batch.at[0];
  FocalSums sums = {};

  if (row < batch.n_rows) {
    while (level + 1 < batch.at + batch.n && row >= level[1].base)
      level++;
    sums = focal_classes (level, row - level->base, batch.n_classes, lane,
        lanes, labels[row], aux ? aux + row : NULL, scale, aux_scale);
  }
  all[threadIdx.x] = sums;
  __syncthreads ();
  if (lane == 0) {
    for (int k = 1; k < lanes; k++)
      add_focal (&sums, &all[threadIdx.x + k]);
    all[threadIdx.x] = sums;
    if (row < batch.n_rows && level->dfilter)
      level->dfilter[row - level->base] = (float) (scale * sums.slope);
  }
  __syncthreads ();
  if (threadIdx.x == 0) {
    for (int k = lanes; k < CUDA_THREADS; k += lanes)
      add_focal (&sums, &all[k]);
    partial[blockIdx.x] = sums.cls;
    partial[gridDim.x + blockIdx.x] = sums.aux;
  }
}

/* One thread per positive; the other gradients are zero already.  partial
 * (blocks): the sums. */
__global__ void
giou_kernel (double *partial, const Batch batch, const DefcnPositive *positives,
    const float *targets, unsigned n, double scale)
{
  __shared__ double all[CUDA_THREADS];
  const unsigned i = blockIdx.x * CUDA_THREADS + threadIdx.x;
  double sum = 0;

  if (i < n) {
    const DefcnPositive positive = positives[i];
    int l = 0;

    while (l + 1 < batch.n && positive.location >= batch.at[l + 1].first)
      l++;
    const BatchLevel *level = &batch.at[l];
    const gsize row = (gsize) positive.image * level->h * level->w
        + positive.location - level->first;
    float d[4];

    sum = defcn_objective_giou (d, level->deltas + row * 4,
        targets + (gsize) i * 4);
    for (int k = 0; k < 4; k++)
      level->ddeltas[row * 4 + k] = (float) (scale * d[k]);
  }
  all[threadIdx.x] = sum;
  __syncthreads ();
  if (threadIdx.x == 0) {
    for (int k = 1; k < CUDA_THREADS; k++)
      sum += all[k];
    partial[blockIdx.x] = sum;
  }
}

/* One block; sums (cls, box, aux) of the partial ones, times their scale. */
__global__ void
loss_sums_kernel (DefcnLossSums *sums, const double *focal, const double *giou,
    unsigned n_focal, unsigned n_giou, const Scales scales)
{
  __shared__ double all[3][CUDA_THREADS];
  double cls = 0, aux = 0, box = 0;

  for (unsigned i = threadIdx.x; i < n_focal; i += CUDA_THREADS) {
    cls += focal[i];
    aux += focal[n_focal + i];
  }
  for (unsigned i = threadIdx.x; i < n_giou; i += CUDA_THREADS)
    box += giou[i];
  all[0][threadIdx.x] = cls;
  all[1][threadIdx.x] = box;
  all[2][threadIdx.x] = aux;
  __syncthreads ();
  if (threadIdx.x < 3) {
    double *of = all[threadIdx.x], sum = 0;

    for (int k = 0; k < CUDA_THREADS; k++)
      sum += of[k];
    of[0] = sum;
  }
  __syncthreads ();
  if (threadIdx.x == 0) {
    sums->cls = all[0][0] * scales.cls_scale;
    sums->box = all[1][0] * scales.box_scale;
    sums->aux = all[2][0] * scales.aux_scale;
  }
}

/* Threads per location: as few as take the classes at once, so that neighbours
 * read neighbours. */
static int
lanes_for (int n_classes)
{
  int lanes = 1;

  while (lanes < n_classes && lanes < MAX_LANES)
    lanes *= 2;
  return lanes;
}

/* Where the parts of the room are; the sums come first. */
typedef struct
{
  DefcnLossSums *sums;
  DefcnPositive *positives, *aux;
  float *targets;
  int *labels; /* (2, n_rows) */
  double *focal, *giou;
  unsigned n_focal, n_giou; /* blocks */
} LossParts;

static gboolean
loss_parts (LossParts *p, Cuda *be, const Batch *batch,
    const DefcnLossInput *input, GError **error)
{
  const int rows = CUDA_THREADS / lanes_for (batch->n_classes);
  const gsize sizes[] = { sizeof (DefcnLossSums),
    input->n_positives * sizeof (DefcnPositive),
    input->n_aux * sizeof (DefcnPositive),
    input->n_positives * 4 * sizeof (float), 2 * batch->n_rows * sizeof (int),
    2 * ((batch->n_rows + rows - 1) / rows) * sizeof (double),
    cuda_blocks (input->n_positives) * sizeof (double) };
  char *at[G_N_ELEMENTS (sizes)];
  gsize bytes = 0;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    bytes += heads_part (sizes[i]);
  if (!cuda_device_room (&be->losses, bytes, "losses", error))
    return FALSE;
  bytes = 0;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    at[i] = (char *) be->losses.mem + bytes;
    bytes += heads_part (sizes[i]);
  }
  p->sums = (DefcnLossSums *) at[0];
  p->positives = (DefcnPositive *) at[1];
  p->aux = (DefcnPositive *) at[2];
  p->targets = (float *) at[3];
  p->labels = (int *) at[4];
  p->focal = (double *) at[5];
  p->giou = (double *) at[6];
  p->n_focal = (unsigned) ((batch->n_rows + rows - 1) / rows);
  p->n_giou = cuda_blocks (input->n_positives);
  return TRUE;
}

/* Brings the positives and makes labels (n_rows) of them. */
static void
queue_labels (Cuda *be, int *labels, const Batch *batch,
    DefcnPositive *positives, const DefcnPositive *src, guint n)
{
  cuda_device_send (be, positives, src, n * sizeof (DefcnPositive));
  cuda_device_note (be,
      cudaMemsetAsync (labels, 0xff, batch->n_rows * sizeof (int), be->stream),
      "clearing labels");
  if (n > 0)
    LAUNCH (label_kernel, cuda_blocks (n), CUDA_THREADS, be->stream)
  (labels, *batch, positives, n);
}

gboolean
cuda_losses (DefcnBackend *base, const DefcnHeads *heads,
    const DefcnLossInput *input, GError **error)
{
  Cuda *be = cuda_of (base);
  const Batch batch = heads_batch (heads);
  const Scales scales = { input->cls_scale, input->box_scale,
    input->aux_scale };
  const guint n = input->n_positives;
  LossParts p;

  cuda_device_enter (be);
  if (!loss_parts (&p, be, &batch, input, error))
    return FALSE;
  cuda_device_send (be, p.targets, input->targets,
      (gsize) n * 4 * sizeof (float));
  queue_labels (be, p.labels, &batch, p.positives, input->positives, n);
  if (input->has_aux)
    queue_labels (be, p.labels + batch.n_rows, &batch, p.aux, input->aux,
        input->n_aux);
  for (int l = 0; l < batch.n; l++)
    cuda_device_note (be,
        cudaMemsetAsync (heads->deltas[l]->grad, 0,
            defcn_tensor_len (heads->deltas[l]) * sizeof (float), be->stream),
        "clearing gradients");
  LAUNCH (focal_kernel, p.n_focal, CUDA_THREADS, be->stream)
  (p.focal, batch, p.labels, input->has_aux ? p.labels + batch.n_rows : NULL,
      lanes_for (batch.n_classes), (float) input->cls_scale,
      (float) input->aux_scale);
  if (n > 0)
    LAUNCH (giou_kernel, p.n_giou, CUDA_THREADS, be->stream)
  (p.giou, batch, p.positives, p.targets, n, input->box_scale);
  LAUNCH (loss_sums_kernel, 1, CUDA_THREADS, be->stream)
  (p.sums, p.focal, p.giou, p.n_focal, p.n_giou, scales);
  cuda_device_note (be, cudaGetLastError (), "losses");
  return TRUE;
}

void
cuda_loss_sums (DefcnBackend *base, DefcnLossSums *sums)
{
  Cuda *be = cuda_of (base);

  cuda_device_enter (be);
  cuda_device_receive (be, sums, be->losses.mem, sizeof *sums);
}
