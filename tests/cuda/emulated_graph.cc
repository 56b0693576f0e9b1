/* In place of cuDNN: graphs whose engines are the reference convolution between
 * float copies of what the module keeps in its own types.  There are three, the
 * second of them the fastest.  No engine fuses in float32, so that the module's
 * own kernels do it: half a sum that is rounded may change the sign of the
 * whole. */
#include "emulate.hpp"

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../../core/cuda/graph.h"

#define N_ENGINES 3
#define WORKSPACE 64

struct _Graph
{
  int n_users;
  GraphShape shape;
  std::vector<int> engines;
  guint chosen;
  std::vector<std::string> names;
};

struct _GraphCall
{
  Graph *graph;
  int engine;
  GraphPointers at;
};

static Graph *
make (const GraphShape *shape, std::vector<int> engines)
{
  Graph *graph = new Graph{ 1, *shape, engines, 0, {} };

  for (const int engine : engines)
    graph->names.push_back ("emulated" + std::to_string (engine));
  return graph;
}

/* Why there is no engine; NULL: there are. */
static const char *
refusal (const GraphShape *s)
{
  const bool is_fused = s->bias || s->residual || s->relu;

  if (emulate_fails ("plan"))
    return "there is no engine";
  if (is_fused && (s->x_type == CUDA_FLOAT || emulate_fails ("fused")))
    return "no engine fuses";
  if (s->x_type != s->y_type && emulate_fails ("compiled"))
    return "no engine widens";
  return NULL;
}

Graph *
graph_new (cudnnHandle_t, cudnnBackendDescriptor_t, const GraphShape *shape,
    const char *wanted, guint max, GError **error)
{
  const char *why = refusal (shape);
  std::vector<int> engines;

  if (why) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "emulated: %s", why);
    return NULL;
  }
  emulate_count (EMULATED_PLANS);
  for (int i = 0; i < N_ENGINES && engines.size () < max; i++)
    engines.push_back (i);
  for (int i = 0; i < N_ENGINES; i++)
    if (wanted && "emulated" + std::to_string (i) == wanted)
      engines = { i };
  return make (shape, engines);
}

char *
graph_to_json (const Graph *graph)
{
  return g_strdup (graph_engine (graph));
}

Graph *
graph_from_json (cudnnHandle_t, cudnnBackendDescriptor_t,
    const GraphShape *shape, const char *name, const char *json)
{
  int engine;

  if (std::strcmp (name, json) != 0
      || std::sscanf (json, "emulated%d", &engine) != 1)
    return NULL;
  return make (shape, { engine });
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
  if (graph && --graph->n_users == 0)
    delete graph;
}

gboolean
graph_is_shared (const Graph *graph)
{
  return graph->n_users > 1;
}

guint
graph_count (const Graph *graph)
{
  return graph->engines.size ();
}

const char *
graph_name (const Graph *graph, guint i)
{
  return graph->names[i].c_str ();
}

void
graph_choose (Graph *graph, guint i)
{
  graph->chosen = i;
}

void
graph_settle (Graph *graph)
{
  graph->engines = { graph->engines[graph->chosen] };
  graph->names = { graph->names[graph->chosen] };
  graph->chosen = 0;
}

gsize
graph_workspace (const Graph *)
{
  return WORKSPACE;
}

const char *
graph_engine (const Graph *graph)
{
  return graph_name (graph, graph->chosen);
}

GraphCall *
graph_bind (Graph *graph, const GraphPointers *pointers, void *workspace,
    GError **)
{
  std::memset (workspace, 0xff, WORKSPACE);
  return new GraphCall{ graph_ref (graph), graph->engines[graph->chosen],
    *pointers };
}

void
graph_call_free (GraphCall *call)
{
  if (!call)
    return;
  graph_unref (call->graph);
  delete call;
}

const Graph *
graph_call_graph (const GraphCall *call)
{
  return call->graph;
}

/* Values in memory of the device as floats. */
class Floats {
public:
  Floats (void *memory, CudaType of_type, gsize length)
      : at (memory), type (of_type), values (length)
  {
  }

  float *read ()
  {
    cuda_convert (&be, values.data (), CUDA_FLOAT, at, type, values.size ());
    return values.data ();
  }

  float *zeros ()
  {
    return values.data ();
  }

  void write ()
  {
    cuda_convert (&be, at, type, values.data (), CUDA_FLOAT, values.size ());
  }

private:
  static Cuda be;
  void *at;
  CudaType type;
  std::vector<float> values;
};

Cuda Floats::be;

static gsize
length (const DefcnTensor &t)
{
  return defcn_tensor_len (&t);
}

static void
compute (const GraphShape &s, const GraphPointers &at)
{
  DefcnTensor x = { s.n, s.h, s.w, s.c }, w = { s.k, s.size, s.size, s.c },
              y = { s.n, s.out_h, s.out_w, s.k }, b = { 1, 1, 1, s.k },
              residual = y;
  DefcnNode node = {};

  w.c = s.c / s.groups;
  Floats fx (at.x, s.x_type, length (x)), fw (at.w, s.w_type, length (w)),
      fy (at.y, s.y_type, length (y)), fb (at.bias, s.y_type, length (b)),
      fr (at.residual, s.y_type, length (y));
  node.x[0] = &x;
  node.y = &y;
  node.w = &w;
  node.size = s.size;
  node.stride = s.stride;
  node.pad = s.pad;
  node.groups = s.groups;
  node.relu = s.relu;
  switch (s.kind) {
    case GRAPH_FORWARD:
      x.data = fx.read ();
      w.data = fw.read ();
      y.data = fy.zeros ();
      if (s.bias)
        b.data = fb.read ();
      if (s.residual)
        residual.data = fr.read ();
      node.b = s.bias ? &b : NULL;
      node.x[1] = s.residual ? &residual : NULL;
      defcn_conv_reference.forward (NULL, &node);
      fy.write ();
      break;
    case GRAPH_BACKWARD_DATA:
      x.grad = fx.zeros ();
      w.data = fw.read ();
      y.grad = fy.read ();
      defcn_conv_reference.backward (NULL, &node);
      fx.write ();
      break;
    case GRAPH_BACKWARD_FILTER:
      x.data = fx.read ();
      w.grad = fw.zeros ();
      y.grad = fy.read ();
      defcn_conv_reference.backward (NULL, &node);
      fw.write ();
      break;
  }
}

struct cudnnContext
{
  cudaStream_t stream;
};

cudnnStatus_t
graph_run (const GraphCall *call, cudnnHandle_t handle)
{
  static const float times[N_ENGINES] = { 3, 1, 2 };
  const GraphShape shape = call->graph->shape;
  const GraphPointers at = call->at;

  if (emulate_is_capturing () && emulate_fails ("capture-run"))
    return CUDNN_STATUS_EXECUTION_FAILED;
  emulate_spend (times[call->engine]);
  emulate_submit (handle->stream, [=] { compute (shape, at); });
  return CUDNN_STATUS_SUCCESS;
}

extern "C" {

cudnnStatus_t
cudnnCreate (cudnnHandle_t *handle)
{
  if (emulate_fails ("cudnn"))
    return CUDNN_STATUS_NOT_INITIALIZED;
  *handle = new cudnnContext{ NULL };
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
cudnnDestroy (cudnnHandle_t handle)
{
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
cudnnSetStream (cudnnHandle_t handle, cudaStream_t stream)
{
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

size_t
cudnnGetVersion (void)
{
  return CUDNN_VERSION;
}

const char *
cudnnGetErrorString (cudnnStatus_t)
{
  return "an error of cuDNN";
}
}
