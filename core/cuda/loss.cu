/* The losses and the gradients of the heads where they are.  The arithmetic is
 * that of training/train/loss.c; sums go in a fixed order, so that a step repeats to
 * the bit. */
#include <float.h>
#include <math.h>

#include "heads.cuh"

#define ALPHA 0.25f /* as in training/train/loss.c */
#define LOG_FLOOR -100.0f
#define SLOPE_FLOOR 1e-12f
#define GIOU_EPS FLT_EPSILON
#define MAX_LANES 32 /* threads of a location */

typedef struct
{
  double cls_scale, box_scale, aux_scale;
} Scales;

/* t = 0: (1 - a) p^2 ce; t = 1 is the mirror image with a. */
__device__ static inline float
focal_side (float *dx, float x, float weight)
{
  const float e = expf (-fabsf (x)), large = 1 / (1 + e), small = e * large;
  const float p = x > 0 ? large : small, q = x > 0 ? small : large;
  const float softplus = MAX (x, 0) + log1pf (e);

  *dx = weight * p * p * (2 * q * softplus + p);
  return weight * p * p * softplus;
}

__device__ static inline float
focal_logit (float *dx, float x, bool positive)
{
  if (!positive)
    return focal_side (dx, x, 1 - ALPHA);

  const float loss = focal_side (dx, -x, ALPHA);
  *dx = -*dx;
  return loss;
}

/* Of the probability @p; *@dp is the derivative by it. */
__device__ static inline float
focal_probability (float *dp, float p, bool positive)
{
  const float q = 1 - p, t = positive ? 1 : 0;
  const float slope = (p - t) / MAX (p * q, SLOPE_FLOOR);

  if (positive) {
    const float ce = -MAX (logf (p), LOG_FLOOR);

    *dp = ALPHA * (q * q * slope - 2 * q * ce);
    return ALPHA * q * q * ce;
  }

  const float ce = -MAX (log1pf (-p), LOG_FLOOR);
  *dp = (1 - ALPHA) * (p * p * slope + 2 * p * ce);
  return (1 - ALPHA) * p * p * ce;
}

/* @f: sigmoid of the location's filter. */
__device__ static inline float
focal_filtered (float *dcls, float *dfilter, float cls, float f, bool positive)
{
  const float s = probability (cls);
  float dp;
  const float loss = focal_probability (&dp, s * f, positive);

  *dcls = dp * f * s * (1 - s);
  *dfilter = dp * s * f * (1 - f);
  return loss;
}

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
  const float f = level->filter ? probability (level->filter[row]) : 1;
  FocalSums sums = {};

  for (int k = lane; k < n_classes; k += lanes) {
    float d, df = 0;

    sums.cls += level->filter ? focal_filtered (&d, &df, x[k], f, k == label)
                              : focal_logit (&d, x[k], k == label);
    sums.slope += df;
    d *= scale;
    if (aux) {
      float more;

      sums.aux += focal_logit (&more, x[k], k == *aux);
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

/* Slope of min (a, b) by a; half on equality. */
__device__ static inline float
min_slope (float a, float b)
{
  return a < b ? 1 : a == b ? 0.5f : 0;
}

/* 1 - GIoU of the prediction @p and the target @t, both l, t, r, b; *@dp is its
 * derivative by @p. */
__device__ static inline float
giou_loss (float *dp, const float *p, const float *t)
{
  float own[2], want[2], overlap[2], hull[2]; /* width, height */

  for (int i = 0; i < 2; i++) {
    own[i] = MAX (p[i + 2] + p[i], 0);
    want[i] = MAX (t[i + 2] + t[i], 0);
    overlap[i] = MAX (MIN (p[i + 2], t[i + 2]) + MIN (p[i], t[i]), 0);
    hull[i] = MAX (p[i + 2], t[i + 2]) + MAX (p[i], t[i]);
  }

  const float inter = overlap[0] * overlap[1];
  /* As the host rounds: an area less an equal one is 0. */
  const float joined = __fsub_rn (__fadd_rn (__fmul_rn (want[0], want[1]),
                                      __fmul_rn (own[0], own[1])),
      __fmul_rn (overlap[0], overlap[1]));
  const float enclosing = __fmul_rn (hull[0], hull[1]);
  const float u = MAX (joined, GIOU_EPS), e = MAX (enclosing, GIOU_EPS);
  const float giou = inter / u - __fsub_rn (enclosing, joined) / e;

  const float djoined = 1 / e - (joined >= GIOU_EPS ? inter / (u * u) : 0);
  const float denclosing = -1 / e
      + (enclosing >= GIOU_EPS ? __fsub_rn (enclosing, joined) / (e * e) : 0);
  const float dinter = 1 / u - djoined;
  for (int i = 0; i < 4; i++) {
    const int axis = i % 2, other = 1 - axis;
    const float low = min_slope (p[i], t[i]);
    float d = denclosing * hull[other] * (1 - low);

    if (MIN (p[axis + 2], t[axis + 2]) + MIN (p[axis], t[axis]) >= 0)
      d += dinter * overlap[other] * low;
    if (p[axis + 2] + p[axis] >= 0)
      d += djoined * own[other];
    dp[i] = -d;
  }
  return 1 - giou;
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

    sum = giou_loss (d, level->deltas + row * 4, targets + (gsize) i * 4);
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
    bytes += part (sizes[i]);
  if (!cuda_room (&be->losses, bytes, "losses", error))
    return FALSE;
  bytes = 0;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    at[i] = (char *) be->losses.mem + bytes;
    bytes += part (sizes[i]);
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
  cuda_send (be, positives, src, n * sizeof (DefcnPositive));
  cuda_note (be,
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
  const Batch batch = batch_of (heads);
  const Scales scales = { input->cls_scale, input->box_scale,
    input->aux_scale };
  const guint n = input->n_positives;
  LossParts p;

  cuda_enter (be);
  if (!loss_parts (&p, be, &batch, input, error))
    return FALSE;
  cuda_send (be, p.targets, input->targets, (gsize) n * 4 * sizeof (float));
  queue_labels (be, p.labels, &batch, p.positives, input->positives, n);
  if (input->has_aux)
    queue_labels (be, p.labels + batch.n_rows, &batch, p.aux, input->aux,
        input->n_aux);
  for (int l = 0; l < batch.n; l++)
    cuda_note (be,
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
  cuda_note (be, cudaGetLastError (), "losses");
  return TRUE;
}

void
cuda_loss_sums (DefcnBackend *base, DefcnLossSums *sums)
{
  Cuda *be = cuda_of (base);

  cuda_enter (be);
  cuda_receive (be, sums, be->losses.mem, sizeof *sums);
}
