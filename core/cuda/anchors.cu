/* Boxes of anchors, float32 in any precision. */
#include "vector.cuh"

typedef struct
{
  DefcnAnchor at[DEFCN_MAX_ANCHORS];
  int n;
} Anchors;

static Anchors
anchors_of (const DefcnNode *node)
{
  Anchors anchors = {};

  anchors.n = node->n_anchors;
  for (int i = 0; i < node->n_anchors; i++)
    anchors.at[i] = node->anchors[i];
  return anchors;
}

/* One thread per box of y (.., 4 n). */
__global__ void
anchors_kernel (float *y, const float *x,
    const __grid_constant__ Anchors anchors, gsize n_boxes)
{
  const gsize i = (gsize) blockIdx.x * blockDim.x + threadIdx.x;
  float code[4], sides[4];

  if (i >= n_boxes)
    return;
  vector_load<4> (code, x + 4 * i);
  defcn_anchors_decode (sides, code, &anchors.at[i % anchors.n]);
  vector_store<4> (y + 4 * i, sides);
}

/* Likewise.  dx = or += the gradient of x. */
__global__ void
anchors_backward_kernel (float *dx, const float *dy, const float *y,
    const float *x, const __grid_constant__ Anchors anchors, bool accumulate,
    gsize n_boxes)
{
  const gsize i = (gsize) blockIdx.x * blockDim.x + threadIdx.x;
  float code[4], sides[4], dsides[4], dcode[4];

  if (i >= n_boxes)
    return;
  vector_load<4> (code, x + 4 * i);
  vector_load<4> (sides, y + 4 * i);
  vector_load<4> (dsides, dy + 4 * i);
  defcn_anchors_slope (dcode, dsides, sides, code, &anchors.at[i % anchors.n]);
  vector_store_or_add<4> (dx + 4 * i, dcode, accumulate);
}

static void
forward (DefcnBackend *base, const DefcnNode *node)
{
  const gsize n_boxes = defcn_tensor_len (node->y) / 4;

  LAUNCH (anchors_kernel, cuda_blocks (n_boxes), CUDA_THREADS,
      cuda_of (base)->stream)
  (node->y->data, node->x[0]->data, anchors_of (node), n_boxes);
}

static void
backward (DefcnBackend *base, const DefcnNode *node)
{
  const gsize n_boxes = defcn_tensor_len (node->y) / 4;

  if (node->x[0]->grad)
    LAUNCH (anchors_backward_kernel, cuda_blocks (n_boxes), CUDA_THREADS,
        cuda_of (base)->stream)
  (node->x[0]->grad, node->y->grad, node->y->data, node->x[0]->data,
      anchors_of (node), node->accumulate[0], n_boxes);
}

static gboolean
prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  const Cuda *be = cuda_of (base);

  if (!defcn_anchors_reference.prepare (base, node, error))
    return FALSE;
  if (cuda_type_of (be, node->x[0]) == CUDA_FLOAT
      && cuda_type_of (be, node->y) == CUDA_FLOAT)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: boxes of anchors want float32 tensors", node->name);
  return FALSE;
}

const DefcnOp cuda_anchors = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
