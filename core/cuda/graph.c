/* A graph: its descriptors, the candidates that can run it, and the pack of
 * pointers that they run on. */
#include "graph.h"

#include "engines.h"

struct _Graph
{
  GPtrArray *descriptors; /* all but plans and @pack, in order of creation */
  GArray *candidates;     /* EnginesCandidate */
  guint chosen;
  Descriptor pack;
  GraphShape shape;
};

Graph *
graph_new (cudnnHandle_t handle, cudnnBackendDescriptor_t device,
    const GraphShape *shape, const char *wanted, guint max, GError **error)
{
  Graph *graph = g_new0 (Graph, 1);
  GPtrArray *made = graph->descriptors = g_ptr_array_new ();
  GArray *found = graph->candidates =
      g_array_new (FALSE, FALSE, sizeof (EnginesCandidate));
  Builder b = { .made = made,
    .shape = shape,
    .handle = handle,
    .device = device,
    .next_uid = DESCRIPTORS_VIRTUAL };
  Descriptor all = descriptors_graph (&b);

  graph->shape = *shape;

  /* A training that goes on later shall come to the same bits. */
  if (b.status == CUDNN_STATUS_SUCCESS
      && ((wanted && engines_gather (found, &b, all, wanted, 1, FALSE))
          || (shape->kind != GRAPH_FORWARD
              && engines_gather (found, &b, all, NULL, max, TRUE))
          || engines_gather (found, &b, all, NULL, max, FALSE)))
    return graph;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "cuDNN has no plan: %s",
      *b.message ? b.message : cudnnGetErrorString (b.status));
  graph_free (graph);
  return NULL;
}

static EnginesCandidate *
candidate_at (const Graph *graph, guint i)
{
  return &g_array_index (graph->candidates, EnginesCandidate, i);
}

void
graph_free (Graph *graph)
{
  if (!graph)
    return;
  if (graph->pack)
    cudnnBackendDestroyDescriptor (graph->pack);
  for (guint i = 0; i < graph->candidates->len; i++)
    engines_clear (candidate_at (graph, i));
  g_array_unref (graph->candidates);
  for (guint i = graph->descriptors->len; i-- > 0;)
    cudnnBackendDestroyDescriptor (graph->descriptors->pdata[i]);
  g_ptr_array_unref (graph->descriptors);
  g_free (graph);
}

guint
graph_count (const Graph *graph)
{
  return graph->candidates->len;
}

const char *
graph_name (const Graph *graph, guint i)
{
  return candidate_at (graph, i)->name;
}

void
graph_choose (Graph *graph, guint i)
{
  graph->chosen = i;
}

void
graph_settle (Graph *graph)
{
  for (guint i = graph->candidates->len; i-- > 0;) {
    if (i == graph->chosen)
      continue;
    engines_clear (candidate_at (graph, i));
    g_array_remove_index (graph->candidates, i);
    graph->chosen -= i < graph->chosen;
  }
}

gsize
graph_workspace (const Graph *graph)
{
  return candidate_at (graph, graph->chosen)->workspace;
}

const char *
graph_engine (const Graph *graph)
{
  return candidate_at (graph, graph->chosen)->name;
}

gboolean
graph_bind (Graph *graph, const GraphPointers *pointers, void *workspace,
    GError **error)
{
  const GraphShape *s = &graph->shape;
  gint64 uids[5] = { DESCRIPTORS_X, DESCRIPTORS_W, DESCRIPTORS_Y };
  void *data[5] = { pointers->x, pointers->w, pointers->y };
  int n = 3;
  Builder b = { 0 };

  if (s->bias) {
    uids[n] = DESCRIPTORS_BIAS;
    data[n++] = pointers->bias;
  }
  if (s->residual) {
    uids[n] = DESCRIPTORS_RESIDUAL;
    data[n++] = pointers->residual;
  }
  if (graph->pack)
    cudnnBackendDestroyDescriptor (graph->pack);
  graph->pack = NULL;
  descriptors_check (&b,
      cudnnBackendCreateDescriptor (CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
          &graph->pack));
  descriptors_set (&b, graph->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
      CUDNN_TYPE_INT64, n, uids);
  descriptors_set (&b, graph->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
      CUDNN_TYPE_VOID_PTR, n, data);
  descriptors_set (&b, graph->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
      CUDNN_TYPE_VOID_PTR, 1, &workspace);
  descriptors_finalize (&b, graph->pack);
  if (b.status == CUDNN_STATUS_SUCCESS)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "cuDNN: %s",
      *b.message ? b.message : cudnnGetErrorString (b.status));
  return FALSE;
}

cudnnStatus_t
graph_run (const Graph *graph, cudnnHandle_t handle)
{
  return cudnnBackendExecute (handle, candidate_at (graph, graph->chosen)->plan,
      graph->pack);
}
