/* Plans for a device that need not be there.
 *
 * Thread rule: any thread. */
#pragma once

#include "../../core/cuda/graph.h"
#include "model.h"

/* An H100 as cuDNN asks for it, which plans as an H200 does: they differ in
 * memory.  NULL: this cuDNN makes no plans without a device. */
cudnnBackendDescriptor_t hopper_new (void);

/* A convolution's, all of @type but what the network wants precisely. */
GraphShape hopper_shape (const DefcnNode *node, GraphKind kind, CudaType type,
    gboolean tf32);

/* Whether it has to be compiled: that is Ampere's code, a second each.
 * Fails where cuDNN does not tell. */
gboolean hopper_is_compiled (const Graph *graph);
