/* What a graph computes: one pass of a convolution and what is fused to it. */
#pragma once

#include "module.h"

G_BEGIN_DECLS

typedef enum
{
  GRAPH_FORWARD,         /* y = relu? (conv (x, w) + residual? + bias?) */
  GRAPH_BACKWARD_DATA,   /* x is dx, y is dy */
  GRAPH_BACKWARD_FILTER, /* w is dw, y is dy */
} GraphKind;

/* Sizes are those of the forward pass: x (n, h, w, c) * weight (k, size, size,
 * c / groups) = y (n, out_h, out_w, k), all NHWC. */
typedef struct
{
  GraphKind kind;
  int n, h, w, c, k, out_h, out_w;
  int size, stride, pad, groups;
  CudaType x_type, w_type, y_type;
  gboolean bias, residual, relu; /* forward; both of y's type */
  gboolean tf32;                 /* float32 inputs may be rounded to TF32 */
} GraphShape;

/* Of a CONV step, with nothing fused; @type: of x and w. */
GraphShape graph_shape_of (const DefcnNode *node, GraphKind kind, CudaType type,
    CudaType y_type, gboolean tf32);

/* "forward 1x128x128x64 k256 3x3 s1 p1 g1 half half bias relu": what tells one
 * convolution from another; (transfer full). */
char *graph_shape_text (const GraphShape *shape);

G_END_DECLS
