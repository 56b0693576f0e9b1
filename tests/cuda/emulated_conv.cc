/* In place of cuDNN: the reference convolution between float copies of what the
 * module keeps in its own types. */
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

static void
with_floats (Cuda *be, const DefcnNode *node, bool is_backward)
{
  Floats x (be, node->x[0]), y (be, node->y);
  Floats residual (be, node->x[1] ? node->x[1] : node->x[0]);
  DefcnNode copy = *node;

  copy.x[0] = &x.copy;
  copy.x[1] = !node->x[1]        ? NULL
      : node->x[1] == node->x[0] ? &x.copy
                                 : &residual.copy;
  copy.y = &y.copy;
  if (!is_backward) {
    defcn_conv_reference.forward (&be->base, &copy);
    y.keep_data ();
    return;
  }
  defcn_conv_reference.backward (&be->base, &copy);
  y.keep_grad ();
  x.keep_grad ();
  if (copy.x[1] == &residual.copy)
    residual.keep_grad ();
}

static void
forward (DefcnBackend *be, const DefcnNode *node)
{
  emulate_submit ([=] { with_floats (cuda_of (be), node, false); });
}

static void
backward (DefcnBackend *be, const DefcnNode *node)
{
  emulate_submit ([=] { with_floats (cuda_of (be), node, true); });
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
