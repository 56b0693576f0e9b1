/* In place of cuDNN: the reference convolution between float copies of what the
 * module keeps in its own types, with the module's own kernels around it. */
#include "emulate.hpp"

#include <vector>

#include "../../core/cuda/module.h"

struct _CudaConvs
{
  int unused;
};

CudaConvs *
cuda_convs_new (Cuda *be, GError **error)
{
  return g_new0 (CudaConvs, 1);
}

void
cuda_convs_free (CudaConvs *convs)
{
  g_free (convs);
}

void
cuda_convs_refresh (Cuda *be)
{
}

/* A tensor's data and gradient as floats; written back on request. */
class Floats {
public:
  Floats (Cuda *backend, const DefcnTensor *tensor)
      : be (backend), original (tensor), copy (*tensor),
        type (cuda_type_of (backend, tensor))
  {
    const gsize len = defcn_tensor_len (tensor);

    if (type == CUDA_FLOAT)
      return;
    data.resize (len);
    copy.data = data.data ();
    cuda_convert (be, copy.data, CUDA_FLOAT, tensor->data, type, len);
    if (!tensor->grad)
      return;
    grad.resize (len);
    copy.grad = grad.data ();
    cuda_convert (be, copy.grad, CUDA_FLOAT, tensor->grad, type, len);
  }

  void keep_data () const
  {
    if (type != CUDA_FLOAT)
      cuda_convert (be, original->data, type, copy.data, CUDA_FLOAT,
          defcn_tensor_len (original));
  }

  void keep_grad () const
  {
    if (type != CUDA_FLOAT && original->grad)
      cuda_convert (be, original->grad, type, copy.grad, CUDA_FLOAT,
          defcn_tensor_len (original));
  }

  Cuda *be;
  const DefcnTensor *original;
  DefcnTensor copy;

private:
  CudaType type;
  std::vector<float> data, grad;
};

/* The step without what is fused to it. */
static DefcnNode
bare (const DefcnNode *node, DefcnTensor *x, DefcnTensor *y)
{
  DefcnNode copy = *node;

  copy.x[0] = x;
  copy.x[1] = NULL;
  copy.y = y;
  copy.b = NULL;
  copy.relu = FALSE;
  return copy;
}

/* All in one. */
static void
run_fused (Cuda *be, const DefcnNode *node)
{
  Floats x (be, node->x[0]), y (be, node->y);
  Floats residual (be, node->x[1] ? node->x[1] : node->x[0]);
  DefcnNode copy = *node;

  copy.x[0] = &x.copy;
  copy.x[1] = node->x[1] ? &residual.copy : NULL;
  copy.y = &y.copy;
  defcn_conv_reference.forward (&be->base, &copy);
  y.keep_data ();
}

/* The convolution, then the rest by the module's kernel, as where no engine of
 * cuDNN fuses them.  In float32: half a sum that is rounded may change the sign
 * of the whole. */
static void
run_split (Cuda *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y;
  /* the output may stand where the residual does */
  std::vector<float> room (defcn_tensor_len (y));
  DefcnTensor alone = *y;

  alone.data = room.data ();
  const DefcnNode copy = bare (node, node->x[0], &alone);

  defcn_conv_reference.forward (&be->base, &copy);
  cuda_epilogue (be, y->data, alone.data, CUDA_FLOAT,
      node->b ? node->b->data : NULL, node->x[1] ? node->x[1]->data : NULL,
      node->relu, (gsize) y->n * y->h * y->w, y->c);
}

static void
run_forward (Cuda *be, const DefcnNode *node)
{
  if (be->type == CUDA_FLOAT)
    run_split (be, node);
  else
    run_fused (be, node);
}

static void
run_backward (Cuda *be, const DefcnNode *node)
{
  const DefcnTensor *y = node->y, *residual = node->x[1];
  const CudaType type = cuda_type_of (be, y);
  const gsize len = defcn_tensor_len (y);
  std::vector<float> columns (cuda_columns_scratch (y->c));

  if (node->relu)
    cuda_mask (be, y->grad, y->data, type, len);
  if (residual && residual->grad)
    cuda_add (be, residual->grad, y->grad, type, node->accumulate[1], len);
  if (node->b && node->b->grad)
    cuda_add_columns (be, node->b->grad, y->grad, type,
        (gsize) y->n * y->h * y->w, y->c, columns.data ());
  Floats x (be, node->x[0]), dy (be, y);
  const DefcnNode copy = bare (node, &x.copy, &dy.copy);

  defcn_conv_reference.backward (&be->base, &copy);
  x.keep_grad ();
}

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  emulate_submit ([=] { run_forward (cuda_of (be), node); });
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  emulate_submit ([=] { run_backward (cuda_of (be), node); });
}

static gboolean
prepare (DefcnBackend *be, DefcnNode *node, GError **error)
{
  return defcn_conv_reference.prepare (be, node, error);
}

const DefcnOp cuda_conv = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
};
