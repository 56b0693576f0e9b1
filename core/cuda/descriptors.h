/* The descriptors of cuDNN's graph API: setting their attributes, and those of
 * one graph's operations.  Private to the graph's files. */
#pragma once

#include <cudnn.h>

#include "graph_shape.h"

G_BEGIN_DECLS

typedef cudnnBackendDescriptor_t Descriptor;

/* What the tensors of a graph go by. */
enum
{
  DESCRIPTORS_X = 1,
  DESCRIPTORS_W,
  DESCRIPTORS_Y,
  DESCRIPTORS_BIAS,
  DESCRIPTORS_RESIDUAL,
  DESCRIPTORS_VIRTUAL, /* and above */
};

#define DESCRIPTORS_MAX_OPS 4

/* What is being built; after the first error nothing more is done. */
typedef struct
{
  GPtrArray *made; /* what create made, in order; not owned */
  const GraphShape *shape;
  cudnnHandle_t handle; /* or */
  Descriptor device;
  Descriptor ops[DESCRIPTORS_MAX_OPS];
  int n_ops;
  gint64 next_uid; /* DESCRIPTORS_VIRTUAL at first */
  cudnnStatus_t status;
  char message[256]; /* of the error, or of the last refusal; may be empty */
} Builder;

/* Keeps @status if it is the first error. */
void descriptors_check (Builder *b, cudnnStatus_t status);

/* NULL after an error. */
Descriptor descriptors_create (Builder *b, cudnnBackendDescriptorType_t type);
void descriptors_set (Builder *b, Descriptor d,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    gint64 n, const void *value);
void descriptors_set_descriptor (Builder *b, Descriptor d,
    cudnnBackendAttributeName_t name, Descriptor value);
void descriptors_finalize (Builder *b, Descriptor d);

/* The operation graph of the shape: convolution, + residual, + bias, ReLU. */
Descriptor descriptors_graph (Builder *b);

G_END_DECLS
