/* A tensor: a dense four-dimensional float32 array and, when training, its
 * gradient.
 *
 * Dimensions are always n, h, w, c in that order and at every seam the data is
 * dense NHWC.  Inside, a backend may keep another layout: `data` and `grad`
 * point to memory of the backend that planned the tensor and are read and
 * written with its upload() and download() alone.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  DEFCN_TENSOR_INPUT,      /* the network's input, three channels */
  DEFCN_TENSOR_ACTIVATION, /* what a step computes */
  DEFCN_TENSOR_PARAM,      /* what a step is given: weights; dense, any dims */
} DefcnTensorRole;

/* Parameters use the four dimensions like this: convolution weight (out, kh,
 * kw, in / groups), a vector (1, 1, 1, c). */
typedef struct
{
  int n, h, w, c;
  DefcnTensorRole role;
  float *data;      /* backend memory */
  float *grad;      /* backend memory, NULL where no gradient is wanted */
  guint version;    /* of @data, for params: bumped whenever it is rewritten */
  gboolean precise; /* float32 even where a backend computes in less */
  gboolean inner;   /* only convolutions see it, in a type of the backend's */
} DefcnTensor;

/* Returns: how many elements @t has. */
static inline gsize
defcn_tensor_len (const DefcnTensor *t)
{
  return (gsize) t->n * t->h * t->w * t->c;
}

G_END_DECLS
