/* Times the candidates of a convolution on the device. */
#include "tune.h"

#define RUNS 8
#define MAX_WORKSPACE ((gsize) 1 << 30)

typedef struct
{
  Graph *graph;
  Cuda *be;
  cudnnHandle_t handle;
  const GraphPointers *pointers;
  void *workspace;
  gsize len; /* of it */
  cudaEvent_t start, end;
} Timing;

/* Queues one run after the other between two events, the first alone: it may
 * load a kernel. */
static gboolean
queue_runs (const Timing *t, const GraphCall *call)
{
  if (cudnnSetStream (t->handle, t->be->stream) != CUDNN_STATUS_SUCCESS
      || graph_run (call, t->handle) != CUDNN_STATUS_SUCCESS
      || cudaEventRecord (t->start, t->be->stream) != cudaSuccess)
    return FALSE;
  for (int i = 0; i < RUNS; i++)
    if (graph_run (call, t->handle) != CUDNN_STATUS_SUCCESS)
      return FALSE;
  return cudaEventRecord (t->end, t->be->stream) == cudaSuccess;
}

/* Microseconds of candidate @i, below 0 where it cannot. */
static double
time_candidate (gpointer data, guint i)
{
  Timing *t = data;
  GraphCall *call = NULL;
  gboolean good;
  float ms = 0;

  graph_choose (t->graph, i);
  if (graph_workspace (t->graph) <= t->len)
    call = graph_bind (t->graph, t->pointers, t->workspace, NULL);
  if (!call)
    return -1;
  good = queue_runs (t, call) && cudaEventSynchronize (t->end) == cudaSuccess
      && cudaEventElapsedTime (&ms, t->start, t->end) == cudaSuccess;
  if (!good) {
    cudaStreamSynchronize (t->be->stream);
    cudaGetLastError (); /* a candidate that fails is left out */
  }
  graph_call_free (call);
  return good ? ms * 1000.0 / RUNS : -1;
}

/* The most that a candidate wants, as far as it can be had. */
static void
take_workspace (Timing *t)
{
  for (guint i = 0; i < graph_count (t->graph); i++) {
    graph_choose (t->graph, i);
    const gsize wanted = graph_workspace (t->graph);

    if (wanted <= MAX_WORKSPACE)
      t->len = MAX (t->len, wanted);
  }
  t->workspace = cuda_device_alloc (t->len, "timing", NULL);
  if (!t->workspace)
    t->len = 0;
}

void
tune_graph (Graph *graph, Cuda *be, cudnnHandle_t handle,
    const GraphPointers *pointers, const char *device, const char *step)
{
  Timing t = { .graph = graph,
    .be = be,
    .handle = handle,
    .pointers = pointers };
  const guint n = graph_count (graph);
  const char *names[GRAPH_MAX_CANDIDATES];
  int best = -1;

  cuda_device_enter (be);
  for (guint i = 0; i < n; i++)
    names[i] = graph_name (graph, i);
  take_workspace (&t);
  if (cudaEventCreate (&t.start) == cudaSuccess
      && cudaEventCreate (&t.end) == cudaSuccess)
    best = defcn_tune_measure (be->base.tune, device, step, names, n,
        time_candidate, &t);
  graph_choose (graph, MAX (best, 0));
  graph_settle (graph);
  if (t.start)
    cudaEventDestroy (t.start);
  if (t.end)
    cudaEventDestroy (t.end);
  cudaFree (t.workspace);
}
