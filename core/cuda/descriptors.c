/* Descriptors are made, given attributes and finalized; those of the operations
 * make an operation graph. */
#include "descriptors.h"

#include <stdbool.h>

void
descriptors_check (Builder *b, cudnnStatus_t status)
{
  if (b->status != CUDNN_STATUS_SUCCESS || status == CUDNN_STATUS_SUCCESS)
    return;
  b->status = status;
  cudnnGetLastErrorString (b->message, sizeof b->message);
}

Descriptor
descriptors_create (Builder *b, cudnnBackendDescriptorType_t type)
{
  Descriptor d = NULL;

  if (b->status != CUDNN_STATUS_SUCCESS)
    return NULL;
  descriptors_check (b, cudnnBackendCreateDescriptor (type, &d));
  if (d)
    g_ptr_array_add (b->made, d);
  return d;
}

void
descriptors_set (Builder *b, Descriptor d, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, gint64 n, const void *value)
{
  if (b->status == CUDNN_STATUS_SUCCESS)
    descriptors_check (b, cudnnBackendSetAttribute (d, name, type, n, value));
}

void
descriptors_set_descriptor (Builder *b, Descriptor d,
    cudnnBackendAttributeName_t name, Descriptor value)
{
  descriptors_set (b, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void
set_int (Builder *b, Descriptor d, cudnnBackendAttributeName_t name,
    gint64 value)
{
  descriptors_set (b, d, name, CUDNN_TYPE_INT64, 1, &value);
}

static void
set_type (Builder *b, Descriptor d, cudnnBackendAttributeName_t name,
    cudnnDataType_t value)
{
  descriptors_set (b, d, name, CUDNN_TYPE_DATA_TYPE, 1, &value);
}

void
descriptors_finalize (Builder *b, Descriptor d)
{
  if (b->status == CUDNN_STATUS_SUCCESS)
    descriptors_check (b, cudnnBackendFinalize (d));
}

static cudnnDataType_t
data_type (CudaType type)
{
  switch (type) {
    case CUDA_HALF:
      return CUDNN_DATA_HALF;
    case CUDA_BFLOAT:
      return CUDNN_DATA_BFLOAT16;
    default:
      return CUDNN_DATA_FLOAT;
  }
}

/* (n, c, h, w) in cuDNN's order of dimensions, NHWC in memory. */
static Descriptor
tensor (Builder *b, gint64 uid, cudnnDataType_t type, int n, int c, int h,
    int w)
{
  const gint64 dims[] = { n, c, h, w };
  const gint64 strides[] = { (gint64) c * h * w, 1, (gint64) c * w, c };
  const bool is_virtual = uid >= DESCRIPTORS_VIRTUAL;
  Descriptor t = descriptors_create (b, CUDNN_BACKEND_TENSOR_DESCRIPTOR);

  set_int (b, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
  set_type (b, t, CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  descriptors_set (b, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4,
      dims);
  descriptors_set (b, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4,
      strides);
  set_int (b, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
  descriptors_set (b, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1,
      &is_virtual);
  descriptors_finalize (b, t);
  return t;
}

/* A tensor of y's size, virtual unless it is the last of the chain. */
static Descriptor
output (Builder *b, gboolean last)
{
  const GraphShape *s = b->shape;

  return tensor (b, last ? DESCRIPTORS_Y : b->next_uid++,
      last ? data_type (s->y_type) : CUDNN_DATA_FLOAT, s->n, s->k, s->out_h,
      s->out_w);
}

static Descriptor
convolution (Builder *b)
{
  const GraphShape *s = b->shape;
  const gint64 pad[] = { s->pad, s->pad }, one[] = { 1, 1 };
  const gint64 stride[] = { s->stride, s->stride };
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  Descriptor d = descriptors_create (b, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);

  set_type (b, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  set_int (b, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
  descriptors_set (b, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE,
      CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  descriptors_set (b, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64,
      2, pad);
  descriptors_set (b, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64,
      2, pad);
  descriptors_set (b, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2,
      one);
  descriptors_set (b, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
      CUDNN_TYPE_INT64, 2, stride);
  descriptors_finalize (b, d);
  return d;
}

static const cudnnBackendDescriptorType_t types[] = {
  [GRAPH_FORWARD] = CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
  [GRAPH_BACKWARD_DATA] =
      CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
  [GRAPH_BACKWARD_FILTER] =
      CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
};

#define ATTRIBUTE(pass, name) CUDNN_ATTR_OPERATION_CONVOLUTION_##pass##_##name
#define ATTRIBUTES(pass, x, w, y)                                              \
  {                                                                            \
    ATTRIBUTE (pass, CONV_DESC), ATTRIBUTE (pass, x), ATTRIBUTE (pass, w),     \
        ATTRIBUTE (pass, y), ATTRIBUTE (pass, ALPHA), ATTRIBUTE (pass, BETA)   \
  }

/* The attributes of an operation, in the order convolution, x, w, y, alpha,
 * beta. */
static const cudnnBackendAttributeName_t attributes[][6] = {
  [GRAPH_FORWARD] = ATTRIBUTES (FORWARD, X, W, Y),
  [GRAPH_BACKWARD_DATA] = ATTRIBUTES (BWD_DATA, DX, W, DY),
  [GRAPH_BACKWARD_FILTER] = ATTRIBUTES (BWD_FILTER, X, DW, DY),
};

static void
add_convolution (Builder *b, Descriptor y)
{
  const GraphShape *s = b->shape;
  const cudnnBackendAttributeName_t *names = attributes[s->kind];
  const float alpha = 1, beta = 0;
  Descriptor x =
      tensor (b, DESCRIPTORS_X, data_type (s->x_type), s->n, s->c, s->h, s->w);
  Descriptor w = tensor (b, DESCRIPTORS_W, data_type (s->w_type), s->k,
      s->c / s->groups, s->size, s->size);
  Descriptor conv = convolution (b);
  Descriptor op = descriptors_create (b, types[s->kind]);

  descriptors_set_descriptor (b, op, names[0], conv);
  descriptors_set_descriptor (b, op, names[1], x);
  descriptors_set_descriptor (b, op, names[2], w);
  descriptors_set_descriptor (b, op, names[3], y);
  descriptors_set (b, op, names[4], CUDNN_TYPE_FLOAT, 1, &alpha);
  descriptors_set (b, op, names[5], CUDNN_TYPE_FLOAT, 1, &beta);
  descriptors_finalize (b, op);
  b->ops[b->n_ops++] = op;
}

/* y = mode (x, other); @other may be NULL. */
static void
add_pointwise (Builder *b, cudnnPointwiseMode_t mode, Descriptor x,
    Descriptor other, Descriptor y)
{
  Descriptor d = descriptors_create (b, CUDNN_BACKEND_POINTWISE_DESCRIPTOR), op;

  descriptors_set (b, d, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE,
      1, &mode);
  set_type (b, d, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  descriptors_finalize (b, d);
  op = descriptors_create (b, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  descriptors_set_descriptor (b, op,
      CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, d);
  descriptors_set_descriptor (b, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (other)
    descriptors_set_descriptor (b, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
        other);
  descriptors_set_descriptor (b, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  descriptors_finalize (b, op);
  b->ops[b->n_ops++] = op;
}

/* The residual comes first and the bias has y's type: so do the engines that
 * cuDNN brings compiled want it. */
static void
add_operations (Builder *b)
{
  const GraphShape *s = b->shape;
  int left = s->bias + s->residual + s->relu;
  Descriptor y = output (b, left == 0), next;

  add_convolution (b, y);
  if (s->residual) {
    Descriptor residual = tensor (b, DESCRIPTORS_RESIDUAL,
        data_type (s->y_type), s->n, s->k, s->out_h, s->out_w);

    next = output (b, --left == 0);
    add_pointwise (b, CUDNN_POINTWISE_ADD, y, residual, next);
    y = next;
  }
  if (s->bias) {
    Descriptor bias =
        tensor (b, DESCRIPTORS_BIAS, data_type (s->y_type), 1, s->k, 1, 1);

    next = output (b, --left == 0);
    add_pointwise (b, CUDNN_POINTWISE_ADD, y, bias, next);
    y = next;
  }
  if (s->relu)
    add_pointwise (b, CUDNN_POINTWISE_RELU_FWD, y, NULL, output (b, TRUE));
}

Descriptor
descriptors_graph (Builder *b)
{
  Descriptor d;

  add_operations (b);
  d = descriptors_create (b, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  descriptors_set (b, d, CUDNN_ATTR_OPERATIONGRAPH_OPS,
      CUDNN_TYPE_BACKEND_DESCRIPTOR, b->n_ops, b->ops);
  if (b->handle)
    descriptors_set (b, d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE,
        1, &b->handle);
  descriptors_finalize (b, d);
  return d;
}
