/* One convolution and what is fused to it as a plan of cuDNN's graph API.
 *
 * With a device-properties JSON in place of a handle, plans are made for that
 * device without having it, which is how they are tested (tests/cuda). */
#pragma once

#include <cudnn.h>

#include "module.h"

G_BEGIN_DECLS

typedef enum
{
  GRAPH_FORWARD,         /* y = relu? (conv (x, w) + bias? + residual?) */
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
  gboolean bias, residual, relu; /* forward; the bias is float32 */
  gboolean tf32;                 /* float32 inputs may be rounded to TF32 */
} GraphShape;

/* Where the tensors are.  Unused ones NULL. */
typedef struct
{
  void *x, *w, *y, *bias, *residual;
} GraphPointers;

typedef struct _Graph Graph;

/* Either @handle or @device, a finalized device-properties descriptor.
 * NULL with @error: no engine of cuDNN can do it. */
Graph *graph_new (cudnnHandle_t handle, cudnnBackendDescriptor_t device,
    const GraphShape *shape, GError **error);
void graph_free (Graph *graph);

/* Bytes of workspace that it wants. */
gsize graph_workspace (const Graph *graph);
/* "eng7", the engine that was chosen. */
const char *graph_engine (const Graph *graph);

/* Fixes where everything lies; FALSE with @error. */
gboolean graph_bind (Graph *graph, const GraphPointers *pointers,
    void *workspace, GError **error);
/* Queues it on the handle's stream. */
cudnnStatus_t graph_run (const Graph *graph, cudnnHandle_t handle);

G_END_DECLS
