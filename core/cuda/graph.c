/* cuDNN's graph API: descriptors are made, given attributes and finalized; an
 * operation graph is handed to the heuristics, which rank engine configurations;
 * the first that make a plan are the candidates. */
#include "graph.h"

#include <stdbool.h>
#include <string.h>

typedef cudnnBackendDescriptor_t Descriptor;

enum
{
  UID_X = 1,
  UID_W,
  UID_Y,
  UID_BIAS,
  UID_RESIDUAL,
  UID_VIRTUAL, /* and above */
};

#define MAX_OPS 4
#define MAX_CONFIGS 64

typedef struct
{
  Descriptor plan;
  gint64 workspace;
  char *name;
} Candidate;

struct _Graph
{
  GPtrArray *descriptors; /* all but plans and @pack, in order of creation */
  GArray *candidates;
  guint chosen;
  Descriptor pack;
  GraphShape shape;
};

/* What is being built; after the first error nothing more is done. */
typedef struct
{
  Graph *graph;
  cudnnHandle_t handle;
  Descriptor device;
  Descriptor ops[MAX_OPS];
  int n_ops;
  gint64 next_uid;
  const char *wanted; /* name of the one candidate, or NULL */
  guint max;
  gboolean repeatable; /* engines that give the same bits every time */
  cudnnStatus_t status;
  char message[256];
} Builder;

static void
check (Builder *b, cudnnStatus_t status)
{
  if (b->status != CUDNN_STATUS_SUCCESS || status == CUDNN_STATUS_SUCCESS)
    return;
  b->status = status;
  cudnnGetLastErrorString (b->message, sizeof b->message);
}

static Descriptor
create (Builder *b, cudnnBackendDescriptorType_t type)
{
  Descriptor d = NULL;

  if (b->status != CUDNN_STATUS_SUCCESS)
    return NULL;
  check (b, cudnnBackendCreateDescriptor (type, &d));
  if (d)
    g_ptr_array_add (b->graph->descriptors, d);
  return d;
}

static void
set (Builder *b, Descriptor d, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, gint64 n, const void *value)
{
  if (b->status == CUDNN_STATUS_SUCCESS)
    check (b, cudnnBackendSetAttribute (d, name, type, n, value));
}

static void
set_descriptor (Builder *b, Descriptor d, cudnnBackendAttributeName_t name,
    Descriptor value)
{
  set (b, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void
set_int (Builder *b, Descriptor d, cudnnBackendAttributeName_t name,
    gint64 value)
{
  set (b, d, name, CUDNN_TYPE_INT64, 1, &value);
}

static void
set_type (Builder *b, Descriptor d, cudnnBackendAttributeName_t name,
    cudnnDataType_t value)
{
  set (b, d, name, CUDNN_TYPE_DATA_TYPE, 1, &value);
}

static void
finalize (Builder *b, Descriptor d)
{
  if (b->status == CUDNN_STATUS_SUCCESS)
    check (b, cudnnBackendFinalize (d));
}

static cudnnDataType_t
data_type (CudaType type)
{
  switch (type) {
    case CUDA_HALF:
      return CUDNN_DATA_HALF;
    case CUDA_BFLOAT:
      return CUDNN_DATA_BFLOAT16;
    default:
      return CUDNN_DATA_FLOAT;
  }
}

/* (n, c, h, w) in cuDNN's order of dimensions, NHWC in memory. */
static Descriptor
tensor (Builder *b, gint64 uid, cudnnDataType_t type, int n, int c, int h,
    int w)
{
  const gint64 dims[] = { n, c, h, w };
  const gint64 strides[] = { (gint64) c * h * w, 1, (gint64) c * w, c };
  const bool is_virtual = uid >= UID_VIRTUAL;
  Descriptor t = create (b, CUDNN_BACKEND_TENSOR_DESCRIPTOR);

  set_int (b, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
  set_type (b, t, CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  set (b, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims);
  set (b, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
  set_int (b, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
  set (b, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
  finalize (b, t);
  return t;
}

/* A tensor of y's size, virtual unless it is the last of the chain. */
static Descriptor
output (Builder *b, gboolean last)
{
  const GraphShape *s = &b->graph->shape;

  return tensor (b, last ? UID_Y : b->next_uid++,
      last ? data_type (s->y_type) : CUDNN_DATA_FLOAT, s->n, s->k, s->out_h,
      s->out_w);
}

static Descriptor
convolution (Builder *b)
{
  const GraphShape *s = &b->graph->shape;
  const gint64 pad[] = { s->pad, s->pad }, one[] = { 1, 1 };
  const gint64 stride[] = { s->stride, s->stride };
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  Descriptor d = create (b, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);

  set_type (b, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  set_int (b, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
  set (b, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1,
      &mode);
  set (b, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
  set (b, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
  set (b, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, one);
  set (b, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2,
      stride);
  finalize (b, d);
  return d;
}

/* The attributes of the three kinds of operation, in the order convolution, x,
 * w, y, alpha, beta. */
static const struct
{
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t names[6];
} operations[] = {
  [GRAPH_FORWARD] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
      { CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA } },
  [GRAPH_BACKWARD_DATA] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
      { CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA } },
  [GRAPH_BACKWARD_FILTER] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
      { CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA } },
};

static void
add_convolution (Builder *b, Descriptor y)
{
  const GraphShape *s = &b->graph->shape;
  const cudnnBackendAttributeName_t *names = operations[s->kind].names;
  const float alpha = 1, beta = 0;
  Descriptor x =
      tensor (b, UID_X, data_type (s->x_type), s->n, s->c, s->h, s->w);
  Descriptor w = tensor (b, UID_W, data_type (s->w_type), s->k,
      s->c / s->groups, s->size, s->size);
  Descriptor conv = convolution (b);
  Descriptor op = create (b, operations[s->kind].type);

  set_descriptor (b, op, names[0], conv);
  set_descriptor (b, op, names[1], x);
  set_descriptor (b, op, names[2], w);
  set_descriptor (b, op, names[3], y);
  set (b, op, names[4], CUDNN_TYPE_FLOAT, 1, &alpha);
  set (b, op, names[5], CUDNN_TYPE_FLOAT, 1, &beta);
  finalize (b, op);
  b->ops[b->n_ops++] = op;
}

/* y = mode (x, other); @other may be NULL. */
static void
add_pointwise (Builder *b, cudnnPointwiseMode_t mode, Descriptor x,
    Descriptor other, Descriptor y)
{
  Descriptor d = create (b, CUDNN_BACKEND_POINTWISE_DESCRIPTOR), op;

  set (b, d, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  set_type (b, d, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  finalize (b, d);
  op = create (b, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  set_descriptor (b, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, d);
  set_descriptor (b, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (other)
    set_descriptor (b, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, other);
  set_descriptor (b, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  finalize (b, op);
  b->ops[b->n_ops++] = op;
}

/* The chain of operations: convolution, + bias, + residual, ReLU. */
static void
add_operations (Builder *b)
{
  const GraphShape *s = &b->graph->shape;
  int left = s->bias + s->residual + s->relu;
  Descriptor y = output (b, left == 0), next;

  add_convolution (b, y);
  if (s->bias) {
    Descriptor bias = tensor (b, UID_BIAS, CUDNN_DATA_FLOAT, 1, s->k, 1, 1);

    next = output (b, --left == 0);
    add_pointwise (b, CUDNN_POINTWISE_ADD, y, bias, next);
    y = next;
  }
  if (s->residual) {
    Descriptor residual = tensor (b, UID_RESIDUAL, data_type (s->y_type), s->n,
        s->k, s->out_h, s->out_w);

    next = output (b, --left == 0);
    add_pointwise (b, CUDNN_POINTWISE_ADD, y, residual, next);
    y = next;
  }
  if (s->relu)
    add_pointwise (b, CUDNN_POINTWISE_RELU_FWD, y, NULL, output (b, TRUE));
}

static Descriptor
operation_graph (Builder *b)
{
  Descriptor d = create (b, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);

  set (b, d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
      b->n_ops, b->ops);
  if (b->handle)
    set (b, d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1,
        &b->handle);
  finalize (b, d);
  return d;
}

/* What is known of the engine of a configuration. */
typedef struct
{
  gint64 index;
  gboolean exact;      /* keeps float32 as it is */
  gboolean repeatable; /* gives the same bits every time */
} Engine;

static gboolean
inspect (Builder *b, Engine *e, Descriptor config)
{
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  Descriptor engine = create (b, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  gint64 n = 0;

  if (cudnnBackendGetAttribute (config, CUDNN_ATTR_ENGINECFG_ENGINE,
          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine)
          != CUDNN_STATUS_SUCCESS
      || cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX,
             CUDNN_TYPE_INT64, 1, &n, &e->index)
          != CUDNN_STATUS_SUCCESS
      || cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
             CUDNN_TYPE_NUMERICAL_NOTE, G_N_ELEMENTS (notes), &n, notes)
          != CUDNN_STATUS_SUCCESS)
    return FALSE;
  e->exact = e->repeatable = TRUE;
  for (gint64 i = 0; i < n; i++) {
    if (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE
        || notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS
        || notes[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
      e->exact = FALSE;
    if (notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)
      e->repeatable = FALSE;
  }
  return TRUE;
}

/* Appends a knob of a configuration; FALSE if it does not tell. */
static gboolean
append_knob (GString *name, Descriptor knob)
{
  cudnnBackendKnobType_t type;
  gint64 value, n;

  if (cudnnBackendGetAttribute (knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE,
          CUDNN_TYPE_KNOB_TYPE, 1, &n, &type)
          != CUDNN_STATUS_SUCCESS
      || cudnnBackendGetAttribute (knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE,
             CUDNN_TYPE_INT64, 1, &n, &value)
          != CUDNN_STATUS_SUCCESS)
    return FALSE;
  g_string_append_printf (name, "_k%d=%" G_GINT64_FORMAT, (int) type, value);
  return TRUE;
}

/* Engine and knobs of @config; NULL if it does not tell. */
static char *
name_of (gint64 index, Descriptor config)
{
  g_autoptr (GString) name = g_string_new (NULL);
  Descriptor knobs[CUDNN_KNOB_TYPE_COUNTS] = { NULL };
  gboolean good = TRUE;
  gint64 n = 0;

  g_string_printf (name, "eng%" G_GINT64_FORMAT, index);
  for (guint i = 0; i < G_N_ELEMENTS (knobs); i++)
    good = good
        && cudnnBackendCreateDescriptor (CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,
               &knobs[i])
            == CUDNN_STATUS_SUCCESS;
  good = good
      && cudnnBackendGetAttribute (config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
             CUDNN_TYPE_BACKEND_DESCRIPTOR, G_N_ELEMENTS (knobs), &n, knobs)
          == CUDNN_STATUS_SUCCESS;
  for (gint64 i = 0; good && i < MIN (n, (gint64) G_N_ELEMENTS (knobs)); i++)
    good = append_knob (name, knobs[i]);
  for (guint i = 0; i < G_N_ELEMENTS (knobs); i++)
    if (knobs[i])
      cudnnBackendDestroyDescriptor (knobs[i]);
  return good ? g_strdup (name->str) : NULL;
}

static gboolean
wants_exact (const GraphShape *s)
{
  return !s->tf32 && s->x_type == CUDA_FLOAT;
}

/* NULL: refused, which is not the builder's error. */
static Descriptor
make_plan (Builder *b, Descriptor config)
{
  Descriptor plan = NULL;

  check (b,
      cudnnBackendCreateDescriptor (CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
          &plan));
  if (b->handle)
    set (b, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
        &b->handle);
  else
    set_descriptor (b, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, b->device);
  set_descriptor (b, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  if (b->status == CUDNN_STATUS_SUCCESS
      && cudnnBackendFinalize (plan) == CUDNN_STATUS_SUCCESS)
    return plan;
  if (b->status == CUDNN_STATUS_SUCCESS)
    cudnnGetLastErrorString (b->message, sizeof b->message);
  if (plan)
    cudnnBackendDestroyDescriptor (plan);
  return NULL;
}

/* Makes @config a candidate if it is one. */
static void
try_config (Builder *b, Descriptor config)
{
  g_autofree char *name = NULL;
  Candidate candidate;
  Engine engine;
  gint64 n = 0;

  if (!inspect (b, &engine, config)
      || (wants_exact (&b->graph->shape) && !engine.exact)
      || (b->repeatable && !engine.repeatable))
    return;
  name = name_of (engine.index, config);
  if (!name || (b->wanted && !g_str_equal (name, b->wanted)))
    return;
  candidate.plan = make_plan (b, config);
  if (!candidate.plan)
    return;
  check (b,
      cudnnBackendGetAttribute (candidate.plan,
          CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n,
          &candidate.workspace));
  candidate.name = g_steal_pointer (&name);
  g_array_append_val (b->graph->candidates, candidate);
}

/* Asks one kind of heuristics. */
static void
try_heuristics (Builder *b, Descriptor operations_graph,
    cudnnBackendHeurMode_t mode)
{
  Descriptor configs[MAX_CONFIGS];
  Descriptor d = create (b, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  gint64 n = 0;

  set_descriptor (b, d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
      operations_graph);
  set (b, d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (b->device)
    set_descriptor (b, d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, b->device);
  if (b->status != CUDNN_STATUS_SUCCESS)
    return;
  if (cudnnBackendFinalize (d) != CUDNN_STATUS_SUCCESS) {
    cudnnGetLastErrorString (b->message, sizeof b->message);
    return;
  }
  for (int i = 0; i < MAX_CONFIGS; i++)
    configs[i] = create (b, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (b->status != CUDNN_STATUS_SUCCESS
      || cudnnBackendGetAttribute (d, CUDNN_ATTR_ENGINEHEUR_RESULTS,
             CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_CONFIGS, &n, configs)
          != CUDNN_STATUS_SUCCESS)
    return;
  for (gint64 i = 0; i < MIN (n, MAX_CONFIGS); i++)
    if (b->graph->candidates->len < b->max && b->status == CUDNN_STATUS_SUCCESS)
      try_config (b, configs[i]);
}

/* TRUE with at least one candidate. */
static gboolean
gather (Builder *b, Descriptor operations_graph, const char *wanted, guint max,
    gboolean repeatable)
{
  b->wanted = wanted;
  b->max = max;
  b->repeatable = repeatable;
  try_heuristics (b, operations_graph, CUDNN_HEUR_MODE_A);
  if (b->graph->candidates->len == 0)
    try_heuristics (b, operations_graph, CUDNN_HEUR_MODE_FALLBACK);
  return b->status == CUDNN_STATUS_SUCCESS && b->graph->candidates->len > 0;
}

Graph *
graph_new (cudnnHandle_t handle, cudnnBackendDescriptor_t device,
    const GraphShape *shape, const char *wanted, guint max, GError **error)
{
  Graph *graph = g_new0 (Graph, 1);
  Builder b = { .graph = graph,
    .handle = handle,
    .device = device,
    .next_uid = UID_VIRTUAL };

  graph->shape = *shape;
  graph->descriptors = g_ptr_array_new ();
  graph->candidates = g_array_new (FALSE, FALSE, sizeof (Candidate));
  add_operations (&b);
  Descriptor all = operation_graph (&b);

  /* A training that goes on later shall come to the same bits. */
  if (b.status == CUDNN_STATUS_SUCCESS
      && ((wanted && gather (&b, all, wanted, 1, FALSE))
          || (shape->kind != GRAPH_FORWARD && gather (&b, all, NULL, max, TRUE))
          || gather (&b, all, NULL, max, FALSE)))
    return graph;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "cuDNN has no plan: %s",
      *b.message ? b.message : cudnnGetErrorString (b.status));
  graph_free (graph);
  return NULL;
}

static Candidate *
candidate_at (const Graph *graph, guint i)
{
  return &g_array_index (graph->candidates, Candidate, i);
}

void
graph_free (Graph *graph)
{
  if (!graph)
    return;
  if (graph->pack)
    cudnnBackendDestroyDescriptor (graph->pack);
  for (guint i = 0; i < graph->candidates->len; i++) {
    cudnnBackendDestroyDescriptor (candidate_at (graph, i)->plan);
    g_free (candidate_at (graph, i)->name);
  }
  g_array_unref (graph->candidates);
  for (guint i = graph->descriptors->len; i-- > 0;)
    cudnnBackendDestroyDescriptor (graph->descriptors->pdata[i]);
  g_ptr_array_unref (graph->descriptors);
  g_free (graph);
}

char *
graph_shape_text (const GraphShape *s)
{
  static const char *const kinds[] = { "forward", "data", "filter" };
  static const char *const types[] = { "float", "half", "bfloat" };

  return g_strdup_printf ("%s %dx%dx%dx%d k%d %dx%d s%d p%d g%d %s %s%s%s%s%s",
      kinds[s->kind], s->n, s->h, s->w, s->c, s->k, s->size, s->size, s->stride,
      s->pad, s->groups, types[s->x_type], types[s->y_type],
      s->bias ? " bias" : "", s->residual ? " residual" : "",
      s->relu ? " relu" : "",
      s->x_type == CUDA_FLOAT && s->tf32 ? " tf32" : "");
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
    cudnnBackendDestroyDescriptor (candidate_at (graph, i)->plan);
    g_free (candidate_at (graph, i)->name);
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
  gint64 uids[5] = { UID_X, UID_W, UID_Y };
  void *data[5] = { pointers->x, pointers->w, pointers->y };
  int n = 3;
  Builder b = { .graph = graph };

  if (s->bias) {
    uids[n] = UID_BIAS;
    data[n++] = pointers->bias;
  }
  if (s->residual) {
    uids[n] = UID_RESIDUAL;
    data[n++] = pointers->residual;
  }
  if (graph->pack)
    cudnnBackendDestroyDescriptor (graph->pack);
  graph->pack = NULL;
  check (&b,
      cudnnBackendCreateDescriptor (CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
          &graph->pack));
  set (&b, graph->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n,
      uids);
  set (&b, graph->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
      CUDNN_TYPE_VOID_PTR, n, data);
  set (&b, graph->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
      1, &workspace);
  finalize (&b, graph->pack);
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
