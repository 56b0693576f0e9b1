/* A graph: its descriptors and the candidates that can run it; a call: one of
 * them with the pack of pointers that it runs on. */
#include "graph.h"

#include "engines.h"

struct _Graph
{
  int n_users;
  GPtrArray *descriptors; /* all but plans and @pack, in order of creation */
  GArray *candidates;     /* EnginesCandidate */
  guint chosen;
  GraphShape shape;
};

struct _GraphCall
{
  Graph *graph;
  Descriptor plan; /* of the graph */
  Descriptor pack;
};

static Graph *
alloc_graph (const GraphShape *shape)
{
  Graph *graph = g_new0 (Graph, 1);

  graph->n_users = 1;
  graph->descriptors = g_ptr_array_new ();
  graph->candidates = g_array_new (FALSE, FALSE, sizeof (EnginesCandidate));
  graph->shape = *shape;
  return graph;
}

static EnginesCandidate *
candidate_at (const Graph *graph, guint i)
{
  return &g_array_index (graph->candidates, EnginesCandidate, i);
}

static void
set_no_plan (GError **error, const GraphShape *shape, const Builder *b)
{
  g_autofree char *text = graph_shape_text (shape);

  if (b->status != CUDNN_STATUS_SUCCESS || *b->message)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "cuDNN has no plan for \"%s\": %s", text,
        *b->message ? b->message : cudnnGetErrorString (b->status));
  else
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "cuDNN has no plan for \"%s\"; some are compiled as they are needed: "
        "can libnvrtc.so.%d be loaded?",
        text, CUDART_VERSION / 1000);
}

Graph *
graph_new (cudnnHandle_t handle, cudnnBackendDescriptor_t device,
    const GraphShape *shape, const char *wanted, guint max, GError **error)
{
  Graph *graph = alloc_graph (shape);
  GArray *found = graph->candidates;
  Builder b = { .made = graph->descriptors,
    .shape = shape,
    .handle = handle,
    .device = device,
    .next_uid = DESCRIPTORS_VIRTUAL };
  Descriptor all = descriptors_graph (&b);

  /* A training that goes on later shall come to the same bits. */
  if (b.status == CUDNN_STATUS_SUCCESS
      && ((wanted && engines_gather (found, &b, all, wanted, 1, FALSE))
          || (shape->kind != GRAPH_FORWARD
              && engines_gather (found, &b, all, NULL, max, TRUE))
          || engines_gather (found, &b, all, NULL, max, FALSE)))
    return graph;
  set_no_plan (error, shape, &b);
  graph_unref (graph);
  return NULL;
}

Graph *
graph_from_json (cudnnHandle_t handle, cudnnBackendDescriptor_t device,
    const GraphShape *shape, const char *name, const char *json)
{
  Graph *graph = alloc_graph (shape);
  Builder b = { .made = graph->descriptors,
    .handle = handle,
    .device = device };
  EnginesCandidate candidate = { 0 };

  candidate.plan = engines_load (&b, json, &candidate.workspace);
  if (!candidate.plan) {
    graph_unref (graph);
    return NULL;
  }
  candidate.name = g_strdup (name);
  g_array_append_val (graph->candidates, candidate);
  return graph;
}

Graph *
graph_ref (Graph *graph)
{
  graph->n_users++;
  return graph;
}

void
graph_unref (Graph *graph)
{
  if (!graph || --graph->n_users > 0)
    return;
  for (guint i = 0; i < graph->candidates->len; i++)
    engines_clear (candidate_at (graph, i));
  g_array_unref (graph->candidates);
  for (guint i = graph->descriptors->len; i-- > 0;)
    cudnnBackendDestroyDescriptor (graph->descriptors->pdata[i]);
  g_ptr_array_unref (graph->descriptors);
  g_free (graph);
}

gboolean
graph_is_shared (const Graph *graph)
{
  return graph->n_users > 1;
}

char *
graph_to_json (const Graph *graph)
{
  return engines_save (candidate_at (graph, graph->chosen)->plan);
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

GraphCall *
graph_bind (Graph *graph, const GraphPointers *pointers, void *workspace,
    GError **error)
{
  const GraphShape *s = &graph->shape;
  gint64 uids[5] = { DESCRIPTORS_X, DESCRIPTORS_W, DESCRIPTORS_Y };
  void *data[5] = { pointers->x, pointers->w, pointers->y };
  int n = 3;
  Builder b = { 0 };
  GraphCall *call = g_new0 (GraphCall, 1);

  call->graph = graph_ref (graph);
  call->plan = candidate_at (graph, graph->chosen)->plan;
  if (s->bias) {
    uids[n] = DESCRIPTORS_BIAS;
    data[n++] = pointers->bias;
  }
  if (s->residual) {
    uids[n] = DESCRIPTORS_RESIDUAL;
    data[n++] = pointers->residual;
  }
  descriptors_check (&b,
      cudnnBackendCreateDescriptor (CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
          &call->pack));
  descriptors_set (&b, call->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
      CUDNN_TYPE_INT64, n, uids);
  descriptors_set (&b, call->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
      CUDNN_TYPE_VOID_PTR, n, data);
  descriptors_set (&b, call->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
      CUDNN_TYPE_VOID_PTR, 1, &workspace);
  descriptors_finalize (&b, call->pack);
  if (b.status == CUDNN_STATUS_SUCCESS)
    return call;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "cuDNN: %s",
      *b.message ? b.message : cudnnGetErrorString (b.status));
  graph_call_free (call);
  return NULL;
}

void
graph_call_free (GraphCall *call)
{
  if (!call)
    return;
  if (call->pack)
    cudnnBackendDestroyDescriptor (call->pack);
  graph_unref (call->graph);
  g_free (call);
}

const Graph *
graph_call_graph (const GraphCall *call)
{
  return call->graph;
}

cudnnStatus_t
graph_run (const GraphCall *call, cudnnHandle_t handle)
{
  return cudnnBackendExecute (handle, call->plan, call->pack);
}
