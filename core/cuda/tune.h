/* The fastest candidate of a graph, measured. */
#pragma once

#include "graph.h"

G_BEGIN_DECLS

/* Times the candidates of @graph on the backend's stream, what @pointers point
 * to being overwritten, and settles on the fastest, which the backend's tune
 * keeps as @step on @device. */
void tune_graph (Graph *graph, Cuda *be, cudnnHandle_t handle,
    const GraphPointers *pointers, const char *device, const char *step);

G_END_DECLS
