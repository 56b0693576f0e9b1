/* The plans of a backend's convolutions, each shape's made once: kept while the
 * backend lives, and on disk (plan_file.h) for the next.
 *
 * Thread rule: one thread at a time. */
#pragma once

#include "graph.h"

G_BEGIN_DECLS

typedef struct _Plans Plans;

/* @device: what a plan and a measurement are good for, as
 * "NVIDIA H200, cuDNN 91900". */
Plans *plans_new (cudnnHandle_t handle, const char *device);
void plans_free (Plans *plans);

/* The graph of @shape: one that is there, the one on disk, or a new one.  Where
 * the backend has a tune it is the fastest, measured with @pointers, what they
 * point to being overwritten.
 * Returns: (transfer full): NULL with @error: cuDNN has none. */
Graph *plans_get (Plans *plans, Cuda *be, const GraphShape *shape,
    const GraphPointers *pointers, GError **error);

G_END_DECLS
