/* Plans by the text of their shape. */
#include "plans.h"

#include "plan_file.h"
#include "tune.h"

#define MAX_GRAPHS 1024

struct _Plans
{
  cudnnHandle_t handle;
  char *device;
  GHashTable *graphs; /* text -> Graph */
};

Plans *
plans_new (cudnnHandle_t handle, const char *device)
{
  Plans *plans = g_new0 (Plans, 1);

  plans->handle = handle;
  plans->device = g_strdup (device);
  plans->graphs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      (GDestroyNotify) graph_unref);
  return plans;
}

void
plans_free (Plans *plans)
{
  if (!plans)
    return;
  g_hash_table_unref (plans->graphs);
  g_free (plans->device);
  g_free (plans);
}

static Graph *
read_graph (const Plans *plans, const GraphShape *shape, const char *step,
    const char *wanted)
{
  g_autofree char *name = NULL;
  g_autofree char *json = plan_file_read (plans->device, step, wanted, &name);

  return json ? graph_from_json (plans->handle, NULL, shape, name, json) : NULL;
}

static void
write_graph (const Plans *plans, const Graph *graph, const char *step,
    const char *wanted)
{
  g_autofree char *json = graph_to_json (graph);

  if (json)
    plan_file_write (plans->device, step, wanted, graph_engine (graph), json);
}

/* The first that cuDNN offers. */
static Graph *
make_first (const Plans *plans, const GraphShape *shape, const char *step,
    GError **error)
{
  Graph *graph = read_graph (plans, shape, step, "");

  if (graph)
    return graph;
  graph = graph_new (plans->handle, NULL, shape, NULL, 1, error);
  if (graph)
    write_graph (plans, graph, step, "");
  return graph;
}

/* The one that was found fastest, now or earlier. */
static Graph *
make_fastest (const Plans *plans, Cuda *be, const GraphShape *shape,
    const char *step, const GraphPointers *pointers, GError **error)
{
  g_autofree char *kept =
      g_strdup (defcn_tune_lookup (be->base.tune, plans->device, step));
  Graph *graph = kept ? read_graph (plans, shape, step, kept) : NULL;

  if (graph)
    return graph;
  graph =
      graph_new (plans->handle, NULL, shape, kept, GRAPH_MAX_CANDIDATES, error);
  if (!graph)
    return NULL;
  if (g_strcmp0 (graph_engine (graph), kept) != 0)
    tune_graph (graph, be, plans->handle, pointers, plans->device, step);
  write_graph (plans, graph, step, graph_engine (graph));
  return graph;
}

static gboolean
is_unused (gpointer step, gpointer graph, gpointer data)
{
  return !graph_is_shared (graph);
}

Graph *
plans_get (Plans *plans, Cuda *be, const GraphShape *shape,
    const GraphPointers *pointers, GError **error)
{
  g_autofree char *step = graph_shape_text (shape);
  Graph *graph = g_hash_table_lookup (plans->graphs, step);

  if (graph)
    return graph_ref (graph);
  graph = be->base.tune ? make_fastest (plans, be, shape, step, pointers, error)
                        : make_first (plans, shape, step, error);
  if (!graph)
    return NULL;
  if (g_hash_table_size (plans->graphs) >= MAX_GRAPHS)
    g_hash_table_foreach_remove (plans->graphs, is_unused, NULL);
  g_hash_table_insert (plans->graphs, g_steal_pointer (&step),
      graph_ref (graph));
  return graph;
}
