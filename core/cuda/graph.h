/* One convolution and what is fused to it as a plan of cuDNN's graph API.
 *
 * With a device-properties JSON in place of a handle, plans are made for that
 * device without having it, which is how they are tested (tests/cuda). */
#pragma once

#include <cudnn.h>

#include "graph_shape.h"

G_BEGIN_DECLS

/* Where the tensors are.  Unused ones NULL. */
typedef struct
{
  void *x, *w, *y, *bias, *residual;
} GraphPointers;

typedef struct _Graph Graph;
/* A graph with its memory. */
typedef struct _GraphCall GraphCall;

#define GRAPH_MAX_CANDIDATES 8

/* Either @handle or @device, a finalized device-properties descriptor.
 * @wanted: the name of the candidate to take, if cuDNN still offers it; else,
 * and with NULL, there are as many as can be had up to @max, best first by
 * cuDNN's judgement, and the first is chosen.
 * Returns: (transfer full): NULL with @error: no engine of cuDNN can do it. */
Graph *graph_new (cudnnHandle_t handle, cudnnBackendDescriptor_t device,
    const GraphShape *shape, const char *wanted, guint max, GError **error);
/* What graph_to_json() gave for this shape, device and version of cuDNN; @name
 * is that of the candidate.  NULL: cuDNN does not take it. */
Graph *graph_from_json (cudnnHandle_t handle, cudnnBackendDescriptor_t device,
    const GraphShape *shape, const char *name, const char *json);
/* The chosen plan with the kernels that were compiled for it; (transfer full),
 * NULL: it cannot be told. */
char *graph_to_json (const Graph *graph);
Graph *graph_ref (Graph *graph);
void graph_unref (Graph *graph);
/* Whether somebody else has it too. */
gboolean graph_is_shared (const Graph *graph);

/* The candidates, and their names: engine and knobs, as "eng7_k2=1_k3=0". */
guint graph_count (const Graph *graph);
const char *graph_name (const Graph *graph, guint i);
/* What follows is about candidate @i from now on. */
void graph_choose (Graph *graph, guint i);
/* Drops all candidates but the chosen one. */
void graph_settle (Graph *graph);

/* Bytes of workspace that it wants. */
gsize graph_workspace (const Graph *graph);
/* The name of the candidate that was chosen. */
const char *graph_engine (const Graph *graph);

/* The chosen candidate, whose graph it keeps, on this memory; NULL with
 * @error. */
GraphCall *graph_bind (Graph *graph, const GraphPointers *pointers,
    void *workspace, GError **error);
void graph_call_free (GraphCall *call);
const Graph *graph_call_graph (const GraphCall *call);
/* Queues it on the handle's stream. */
cudnnStatus_t graph_run (const GraphCall *call, cudnnHandle_t handle);

G_END_DECLS
