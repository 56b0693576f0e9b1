/* The losses and the gradients of the heads where they are.  Sums go in a fixed
 * order, so that a step repeats to the bit. */
#include "heads.cuh"

#include "objective.h"

#define MAX_LANES 32 /* threads of a location */

typedef struct
{
  double cls_scale, box_scale, aux_scale, aux_box_scale;
} Scales;

/* labels (n_rows): the label of each listed location. */
__global__ void
label_kernel (int *labels, const __grid_constant__ Batch batch,
    const DefcnPositive *listed, unsigned n)
{
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  int l = 0;

  if (i >= n)
    return;
  const DefcnPositive p = listed[i];
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

/* Every @lanes-th class from @lane of the location @row: both losses, of those
 * that do not ignore it, and their gradient by the logits.  @aux: NULL without
 * the auxiliary loss. */
__device__ static FocalSums
focal_classes (const BatchLevel *level, gsize row, int n_classes, int lane,
    int lanes, int label, const int *aux, float scale, float aux_scale)
{
  const float *x = level->logits + row * n_classes;
  const float *aux_x = level->aux_logits + row * n_classes;
  float *dx = level->dlogits + row * n_classes;
  const float f = level->filter ? defcn_sigmoid (level->filter[row]) : 1;
  const bool takes = label != DEFCN_LABEL_IGNORED;
  const bool takes_aux = aux && *aux != DEFCN_LABEL_IGNORED;
  FocalSums sums = {};

  for (int k = lane; k < n_classes; k += lanes) {
    float d = 0, df = 0, daux = 0;

    if (takes && level->filter)
      sums.cls += defcn_objective_focal_product (&d, &df, x[k], f, k == label);
    else if (takes)
      sums.cls += defcn_objective_focal_logit (&d, x[k], k == label);
    sums.slope += df;
    if (takes_aux)
      sums.aux += defcn_objective_focal_logit (&daux, aux_x[k], k == *aux);
    d *= scale;
    daux *= aux_scale;
    if (level->daux_logits)
      level->daux_logits[row * n_classes + k] = daux;
    else
      d += daux;
    dx[k] = d;
  }
  return sums;
}

/* @lanes threads, a power of two, per row of the batch.  labels, aux (n_rows):
 * the class, -1 for background or DEFCN_LABEL_IGNORED.  partial (2, blocks):
 * the sums of both losses. */
__global__ void
focal_kernel (double *partial, const __grid_constant__ Batch batch,
    const int *labels, const int *aux, int lanes, float scale, float aux_scale)
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

/* One thread per positive, added to the gradients, which are zero at first.
 * partial (blocks): the sums. */
__global__ void
giou_kernel (double *partial, const __grid_constant__ Batch batch,
    const DefcnPositive *positives, const float *targets, unsigned n,
    double scale)
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
      level->ddeltas[row * 4 + k] += (float) (scale * d[k]);
  }
  all[threadIdx.x] = sum;
  __syncthreads ();
  if (threadIdx.x == 0) {
    for (int k = 1; k < CUDA_THREADS; k++)
      sum += all[k];
    partial[blockIdx.x] = sum;
  }
}

/* One block; sums (cls, box, aux) of the partial ones, times their scale.  The
 * auxiliary boxes come behind the @n_giou of the others. */
__global__ void
loss_sums_kernel (DefcnLossSums *sums, const double *focal, const double *giou,
    unsigned n_focal, unsigned n_giou, unsigned n_aux_giou, const Scales scales)
{
  __shared__ double all[4][CUDA_THREADS];
  double cls = 0, aux = 0, box = 0, aux_box = 0;

  for (unsigned i = threadIdx.x; i < n_focal; i += CUDA_THREADS) {
    cls += focal[i];
    aux += focal[n_focal + i];
  }
  for (unsigned i = threadIdx.x; i < n_giou; i += CUDA_THREADS)
    box += giou[i];
  for (unsigned i = threadIdx.x; i < n_aux_giou; i += CUDA_THREADS)
    aux_box += giou[n_giou + i];
  all[0][threadIdx.x] = cls;
  all[1][threadIdx.x] = box;
  all[2][threadIdx.x] = aux;
  all[3][threadIdx.x] = aux_box;
  __syncthreads ();
  if (threadIdx.x < 4) {
    double *of = all[threadIdx.x], sum = 0;

    for (int k = 0; k < CUDA_THREADS; k++)
      sum += of[k];
    of[0] = sum;
  }
  __syncthreads ();
  if (threadIdx.x == 0) {
    sums->cls = all[0][0] * scales.cls_scale;
    sums->box = all[1][0] * scales.box_scale;
    sums->aux = all[2][0] * scales.aux_scale + all[3][0] * scales.aux_box_scale;
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
  DefcnPositive *ignored, *positives, *aux;
  float *targets, *aux_targets;
  int *labels; /* (2, n_rows) */
  double *focal, *giou;
  unsigned n_focal, n_giou, n_aux_giou; /* blocks */
} LossParts;

static gboolean
loss_parts (LossParts *p, Cuda *be, const Batch *batch,
    const DefcnLossInput *input, GError **error)
{
  const int rows = CUDA_THREADS / lanes_for (batch->n_classes);
  const guint n_aux_boxes = input->aux_targets ? input->n_aux : 0;
  const unsigned n_giou = cuda_blocks (input->n_positives);
  const unsigned n_aux_giou = cuda_blocks (n_aux_boxes);
  const gsize sizes[] = { sizeof (DefcnLossSums),
    input->n_ignored * sizeof (DefcnPositive),
    input->n_positives * sizeof (DefcnPositive),
    input->n_aux * sizeof (DefcnPositive),
    input->n_positives * 4 * sizeof (float),
    (gsize) n_aux_boxes * 4 * sizeof (float), 2 * batch->n_rows * sizeof (int),
    2 * ((batch->n_rows + rows - 1) / rows) * sizeof (double),
    (n_giou + n_aux_giou) * sizeof (double) };
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
  p->ignored = (DefcnPositive *) at[1];
  p->positives = (DefcnPositive *) at[2];
  p->aux = (DefcnPositive *) at[3];
  p->targets = (float *) at[4];
  p->aux_targets = (float *) at[5];
  p->labels = (int *) at[6];
  p->focal = (double *) at[7];
  p->giou = (double *) at[8];
  p->n_focal = (unsigned) ((batch->n_rows + rows - 1) / rows);
  p->n_giou = n_giou;
  p->n_aux_giou = n_aux_giou;
  return TRUE;
}

static void
queue_label (Cuda *be, int *labels, const Batch *batch,
    const DefcnPositive *listed, guint n)
{
  if (n > 0)
    LAUNCH (label_kernel, cuda_blocks (n), CUDA_THREADS, be->stream)
  (labels, *batch, listed, n);
}

/* Brings the positives and makes labels (n_rows) of the ignored locations,
 * which have come, and then of them. */
static void
queue_labels (Cuda *be, int *labels, const Batch *batch, const LossParts *p,
    guint n_ignored, DefcnPositive *positives, const DefcnPositive *src,
    guint n)
{
  cuda_device_send (be, positives, src, n * sizeof (DefcnPositive));
  cuda_device_note (be,
      cudaMemsetAsync (labels, 0xff, batch->n_rows * sizeof (int), be->stream),
      "clearing labels");
  queue_label (be, labels, batch, p->ignored, n_ignored);
  queue_label (be, labels, batch, positives, n);
}

/* Brings the boxes of @positives, which have come, and adds their loss. */
static void
queue_boxes (Cuda *be, double *partial, const Batch *batch,
    const DefcnPositive *positives, float *targets, const float (*src)[4],
    guint n, double scale)
{
  if (n == 0)
    return;
  cuda_device_send (be, targets, src, n * sizeof *src);
  LAUNCH (giou_kernel, cuda_blocks (n), CUDA_THREADS, be->stream)
  (partial, *batch, positives, targets, n, scale);
}

gboolean
cuda_losses (DefcnBackend *base, const DefcnHeads *heads,
    const DefcnLossInput *input, GError **error)
{
  Cuda *be = cuda_of (base);
  const Batch batch = heads_batch (heads);
  const Scales scales = { input->cls_scale, input->box_scale, input->aux_scale,
    input->aux_box_scale };
  LossParts p;

  cuda_device_enter (be);
  if (!loss_parts (&p, be, &batch, input, error))
    return FALSE;
  cuda_device_send (be, p.ignored, input->ignored,
      input->n_ignored * sizeof (DefcnPositive));
  queue_labels (be, p.labels, &batch, &p, input->n_ignored, p.positives,
      input->positives, input->n_positives);
  if (input->has_aux)
    queue_labels (be, p.labels + batch.n_rows, &batch, &p, input->n_ignored,
        p.aux, input->aux, input->n_aux);
  for (int l = 0; l < batch.n; l++)
    cuda_device_note (be,
        cudaMemsetAsync (heads->deltas[l]->grad, 0,
            defcn_tensor_len (heads->deltas[l]) * sizeof (float), be->stream),
        "clearing gradients");
  LAUNCH (focal_kernel, p.n_focal, CUDA_THREADS, be->stream)
  (p.focal, batch, p.labels, input->has_aux ? p.labels + batch.n_rows : NULL,
      lanes_for (batch.n_classes), (float) input->cls_scale,
      (float) input->aux_scale);
  queue_boxes (be, p.giou, &batch, p.positives, p.targets, input->targets,
      input->n_positives, input->box_scale);
  if (input->aux_targets)
    queue_boxes (be, p.giou + p.n_giou, &batch, p.aux, p.aux_targets,
        input->aux_targets, input->n_aux, input->aux_box_scale);
  LAUNCH (loss_sums_kernel, 1, CUDA_THREADS, be->stream)
  (p.sums, p.focal, p.giou, p.n_focal, p.n_giou, p.n_aux_giou, scales);
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
