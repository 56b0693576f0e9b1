/* Convolution: cuDNN graphs for the three passes; bias, residual and ReLU fused
 * to the forward one where an engine can do that, behind it where not. */
#include <string.h>

#include "lanes.h"
#include "plans.h"

/* Device memory that is lent to one operation of a lane at a time, which the
 * stream sees to.  What it outgrows stays until the end: plans hold its
 * address. */
typedef struct
{
  GPtrArray *blocks;
  void *last;
  gsize len;
} Arena;

enum
{
  ARENA_WORKSPACE, /* of lane 0, and so on */
  ARENA_Y = ARENA_WORKSPACE + CUDA_TOGETHER,
  ARENA_DX = ARENA_Y + CUDA_TOGETHER,
  ARENA_DY,
  ARENA_DW,
  ARENA_DW_FLOAT,
  ARENA_COLUMNS,
  ARENA_LOANS, /* one for each */
  N_ARENAS = ARENA_LOANS + N_CUDA_LOANS
};

/* A parameter in the backend's type, of all the steps that share it, with
 * channels of zeros where x has such. */
typedef struct
{
  const DefcnTensor *param;
  guint version;
  CudaType type;
  int c;
  void *data;
  int n_users;
} Pack;

struct _CudaConvs
{
  cudnnHandle_t handle;
  GPtrArray *packs;
  Arena arenas[N_ARENAS];
  Plans *plans;
};

typedef struct
{
  GraphCall *forward, *data, *filter;
  gboolean split;      /* forward is the convolution alone */
  gboolean narrow;     /* and rounds what it writes to the type of x */
  Pack *weight, *bias; /* NULL: the parameter itself */
  void *y;             /* what forward writes when split */
  void *dx, *dy, *dw;
  float *dw_float, *columns;
  char *how; /* what describe() says */
} Conv;

static void *
arena_get (Arena *arena, gsize bytes, const char *what, GError **error)
{
  if (bytes <= arena->len)
    return arena->last;

  void *block = cuda_device_alloc (bytes, what, error);
  if (!block)
    return NULL;
  g_ptr_array_add (arena->blocks, block);
  arena->last = block;
  arena->len = bytes;
  return block;
}

void *
cuda_convs_lend (Cuda *be, CudaLoan loan, gsize bytes, const char *what,
    GError **error)
{
  return arena_get (&be->convs->arenas[ARENA_LOANS + loan], bytes, what, error);
}

static void
free_block (gpointer block)
{
  cudaFree (block);
}

/* "NVIDIA H100, cuDNN 91002": device and library by name and version. */
static char *
describe_device (const Cuda *be)
{
  struct cudaDeviceProp properties;

  if (cudaGetDeviceProperties (&properties, be->device) != cudaSuccess)
    return g_strdup_printf ("cuDNN %zu", cudnnGetVersion ());
  return g_strdup_printf ("%s, cuDNN %zu", properties.name, cudnnGetVersion ());
}

CudaConvs *
cuda_convs_new (Cuda *be, GError **error)
{
  CudaConvs *convs = g_new0 (CudaConvs, 1);
  g_autofree char *device = describe_device (be);
  cudnnStatus_t status = cudnnCreate (&convs->handle);

  if (status == CUDNN_STATUS_SUCCESS)
    status = cudnnSetStream (convs->handle, be->stream);
  convs->packs = g_ptr_array_new ();
  convs->plans = plans_new (convs->handle, device);
  for (int i = 0; i < N_ARENAS; i++)
    convs->arenas[i].blocks = g_ptr_array_new_with_free_func (free_block);
  if (status == CUDNN_STATUS_SUCCESS)
    return convs;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "cuDNN does not start: %s", cudnnGetErrorString (status));
  cuda_convs_free (convs);
  return NULL;
}

void
cuda_convs_free (CudaConvs *convs)
{
  if (!convs)
    return;
  for (int i = 0; i < N_ARENAS; i++)
    g_ptr_array_unref (convs->arenas[i].blocks);
  g_ptr_array_unref (convs->packs);
  plans_free (convs->plans);
  if (convs->handle)
    cudnnDestroy (convs->handle);
  g_free (convs);
}

static gsize
rows_of (const DefcnTensor *param)
{
  return defcn_tensor_len (param) / param->c;
}

static void
pack_refresh (Cuda *be, Pack *pack)
{
  if (!pack || pack->version == pack->param->version)
    return;
  cuda_convert_rows (be, pack->data, pack->type, pack->c, pack->param->data,
      CUDA_FLOAT, pack->param->c, rows_of (pack->param));
  pack->version = pack->param->version;
}

void
cuda_convs_refresh (Cuda *be)
{
  for (guint i = 0; i < be->convs->packs->len; i++)
    pack_refresh (be, be->convs->packs->pdata[i]);
}

/* @c: channels in memory. */
static Pack *
pack_get (Cuda *be, const DefcnTensor *param, CudaType type, int c,
    const char *name, GError **error)
{
  GPtrArray *packs = be->convs->packs;
  Pack *pack;

  for (guint i = 0; i < packs->len; i++) {
    pack = packs->pdata[i];
    if (pack->param == param && pack->type == type && pack->c == c) {
      pack->n_users++;
      return pack;
    }
  }
  void *data = cuda_device_alloc (rows_of (param) * c * cuda_type_size (type),
      name, error);
  if (!data)
    return NULL;
  pack = g_new0 (Pack, 1);
  *pack = (Pack){ .param = param,
    .version = param->version - 1,
    .type = type,
    .c = c,
    .data = data,
    .n_users = 1 };
  g_ptr_array_add (packs, pack);
  return pack;
}

static void
pack_unref (Cuda *be, Pack *pack)
{
  if (!pack || --pack->n_users > 0)
    return;
  g_ptr_array_remove_fast (be->convs->packs, pack);
  cudaFree (pack->data);
  g_free (pack);
}

static GraphShape
shape_of (const Cuda *be, const DefcnNode *node, GraphKind kind)
{
  const CudaType type = cuda_type_of (be, node->x[0]);

  /* dy is brought to the type of x first */
  return graph_shape_of (node, kind, type,
      kind == GRAPH_FORWARD ? cuda_type_of (be, node->y) : type, be->tf32);
}

/* Takes a graph and gives it its memory; @lane: where it runs. */
static GraphCall *
plan (Cuda *be, const GraphShape *shape, const GraphPointers *pointers,
    int lane, const char *name, GError **error)
{
  Graph *graph = plans_get (be->convs->plans, be, shape, pointers, error);
  GraphCall *call = NULL;
  void *workspace;

  if (!graph)
    return NULL;
  workspace = arena_get (&be->convs->arenas[ARENA_WORKSPACE + lane],
      MAX (graph_workspace (graph), 1), name, error);
  if (workspace)
    call = graph_bind (graph, pointers, workspace, error);
  graph_unref (graph);
  return call;
}

/* Channels of a tap of the weight in memory. */
static int
weight_channels (const Cuda *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0];

  return cuda_channels (x, cuda_type_of (be, x)) / node->groups;
}

static void *
packed (const Pack *pack, const DefcnTensor *param)
{
  return pack ? pack->data : param ? param->data : NULL;
}

/* The convolution, and the rest behind it: into scratch where the output may
 * stand where the residual does, or is of another type. */
static gboolean
plan_split (Cuda *be, Conv *conv, DefcnNode *node, CudaType type,
    GError **error)
{
  GraphShape shape = shape_of (be, node, GRAPH_FORWARD);
  GraphPointers pointers = { .x = node->x[0]->data,
    .w = packed (conv->weight, node->w),
    .y = node->y->data };

  if (node->x[1] || type != shape.y_type)
    pointers.y = arena_get (&be->convs->arenas[ARENA_Y + cuda_lane_of (node)],
        defcn_tensor_len (node->y) * cuda_type_size (type), node->name, error);
  if (!pointers.y)
    return FALSE;
  shape.y_type = type;
  conv->y = pointers.y;
  conv->forward =
      plan (be, &shape, &pointers, cuda_lane_of (node), node->name, error);
  return conv->forward != NULL;
}

/* All in one, or in two.  A float32 output of smaller inputs has engines that
 * are compiled as needed alone: where they cannot be, it is rounded to the type
 * of these once, before bias. */
static gboolean
plan_forward (Cuda *be, Conv *conv, DefcnNode *node, GError **error)
{
  GraphShape shape = shape_of (be, node, GRAPH_FORWARD);
  const GraphPointers pointers = { .x = node->x[0]->data,
    .w = packed (conv->weight, node->w),
    .y = node->y->data,
    .bias = packed (conv->bias, node->b),
    .residual = node->x[1] ? node->x[1]->data : NULL };

  shape.bias = node->b != NULL;
  shape.residual = node->x[1] != NULL;
  shape.relu = node->relu;
  conv->forward =
      plan (be, &shape, &pointers, cuda_lane_of (node), node->name, NULL);
  if (conv->forward)
    return TRUE;
  conv->split = shape.bias || shape.residual || shape.relu;
  if (shape.y_type == shape.x_type || node->x[1])
    return plan_split (be, conv, node, shape.y_type, error);
  if (plan_split (be, conv, node, shape.y_type, NULL))
    return TRUE;
  conv->narrow = TRUE;
  return plan_split (be, conv, node, shape.x_type, error);
}

static gboolean
plan_data (Cuda *be, Conv *conv, DefcnNode *node, GError **error)
{
  const GraphShape shape = shape_of (be, node, GRAPH_BACKWARD_DATA);
  const GraphPointers pointers = { .w = packed (conv->weight, node->w),
    .x = conv->dx ? conv->dx : node->x[0]->grad,
    .y = conv->dy ? conv->dy : node->y->grad };

  conv->data = plan (be, &shape, &pointers, 0, node->name, error);
  return conv->data != NULL;
}

static gboolean
plan_filter (Cuda *be, Conv *conv, DefcnNode *node, GError **error)
{
  const GraphShape shape = shape_of (be, node, GRAPH_BACKWARD_FILTER);
  const GraphPointers pointers = { .w = conv->dw,
    .x = node->x[0]->data,
    .y = conv->dy ? conv->dy : node->y->grad };

  conv->filter = plan (be, &shape, &pointers, 0, node->name, error);
  return conv->filter != NULL;
}

/* Scratch of backward, as far as this step needs it. */
static gboolean
lend (Cuda *be, Conv *conv, const DefcnNode *node, GError **error)
{
  Arena *arenas = be->convs->arenas;
  const DefcnTensor *x = node->x[0], *y = node->y, *w = node->w;
  const CudaType type = cuda_type_of (be, x);
  const gsize size = cuda_type_size (type), len = defcn_tensor_len (w);
  const gsize padded = rows_of (w) * weight_channels (be, node);
  const char *name = node->name;

  if (cuda_type_of (be, y) != type
      && !(conv->dy = arena_get (&arenas[ARENA_DY], defcn_tensor_len (y) * size,
               name, error)))
    return FALSE;
  if (x->grad && node->accumulate[0]
      && !(conv->dx = arena_get (&arenas[ARENA_DX], cuda_len (be, x) * size,
               name, error)))
    return FALSE;
  if (w->grad
      && !(
          conv->dw = arena_get (&arenas[ARENA_DW], padded * size, name, error)))
    return FALSE;
  if (w->grad && type != CUDA_FLOAT
      && !(conv->dw_float = arena_get (&arenas[ARENA_DW_FLOAT],
               len * sizeof (float), name, error)))
    return FALSE;
  if (node->b && node->b->grad
      && !(conv->columns = arena_get (&arenas[ARENA_COLUMNS],
               cuda_columns_scratch (y->c) * sizeof (float), name, error)))
    return FALSE;
  return TRUE;
}

static gboolean
plan_all (Cuda *be, Conv *conv, DefcnNode *node, GError **error)
{
  const CudaType type = cuda_type_of (be, node->x[0]);
  const CudaType y_type = cuda_type_of (be, node->y);

  if (type != CUDA_FLOAT
      && !(conv->weight = pack_get (be, node->w, type,
               weight_channels (be, node), node->name, error)))
    return FALSE;
  if (node->b && y_type != CUDA_FLOAT
      && !(conv->bias =
               pack_get (be, node->b, y_type, node->b->c, node->name, error)))
    return FALSE;
  if (!plan_forward (be, conv, node, error))
    return FALSE;
  if (!node->train)
    return TRUE;
  return lend (be, conv, node, error)
      && (!node->x[0]->grad || plan_data (be, conv, node, error))
      && (!node->w->grad || plan_filter (be, conv, node, error));
}

static void
release (DefcnBackend *base, DefcnNode *node)
{
  Conv *conv = node->state;

  if (!conv)
    return;
  cuda_device_enter (cuda_of (base));
  graph_call_free (conv->forward);
  graph_call_free (conv->data);
  graph_call_free (conv->filter);
  pack_unref (cuda_of (base), conv->weight);
  pack_unref (cuda_of (base), conv->bias);
  g_free (conv->how);
  g_free (conv);
  node->state = NULL;
}

/* The engine, and whether it was measured; if not from the file, why not. */
static char *
tell (const Cuda *be, const Conv *conv)
{
  const char *engine = graph_engine (graph_call_graph (conv->forward));
  const char *problem =
      be->base.tune ? defcn_tune_problem (be->base.tune) : NULL;

  return g_strconcat (engine, conv->split ? " split" : "",
      conv->narrow ? " rounded" : "", be->base.tune ? " tuned" : "",
      problem ? " (" : NULL, problem, ")", NULL);
}

/* Padded channels are in no group. */
static gboolean
check_groups (const Cuda *be, const DefcnNode *node, GError **error)
{
  const DefcnTensor *x = node->x[0];

  if (node->groups == 1 || cuda_channels (x, cuda_type_of (be, x)) == x->c)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: %d groups of the network's input, which in this precision has one",
      node->name, node->groups);
  return FALSE;
}

static gboolean
prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  Cuda *be = cuda_of (base);

  if (!defcn_conv_reference.prepare (base, node, error)
      || !check_groups (be, node, error))
    return FALSE;
  node->state = g_new0 (Conv, 1);
  if (plan_all (be, node->state, node, error)) {
    ((Conv *) node->state)->how = tell (be, node->state);
    return TRUE;
  }
  g_prefix_error (error, "%s: ", node->name);
  release (base, node);
  return FALSE;
}

static void
run (Cuda *be, const GraphCall *call, const char *name)
{
  const cudnnHandle_t handle = be->convs->handle;

  if (cudnnSetStream (handle, be->stream) != CUDNN_STATUS_SUCCESS
      || graph_run (call, handle) != CUDNN_STATUS_SUCCESS)
    cuda_device_note (be, cudaErrorUnknown, name);
}

static void
forward (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const Conv *conv = node->state;
  const DefcnTensor *y = node->y;
  const CudaType type = cuda_type_of (be, y);

  pack_refresh (be, conv->weight); /* that of all that go together */
  pack_refresh (be, conv->bias);
  cuda_lanes_begin (be, node);
  run (be, conv->forward, node->name);
  if (conv->narrow)
    cuda_convert (be, y->data, type, conv->y, cuda_type_of (be, node->x[0]),
        defcn_tensor_len (y));
  if (conv->split)
    cuda_epilogue (be, y->data, conv->narrow ? y->data : conv->y, type,
        node->b ? node->b->data : NULL, node->x[1] ? node->x[1]->data : NULL,
        node->relu, (gsize) y->n * y->h * y->w, y->c);
  cuda_lanes_end (be, node);
}

/* cuDNN sums in float32 and rounds once to the type of x; its engines that
 * write float32 are compiled as needed, for Ampere, and not there for all
 * shapes.  The sums over passes and steps that share the weight are float32. */
static void
backward_filter (Cuda *be, const Conv *conv, const DefcnNode *node)
{
  const CudaType type = cuda_type_of (be, node->x[0]);
  const gsize len = defcn_tensor_len (node->w);

  run (be, conv->filter, node->name);
  if (type != CUDA_FLOAT)
    cuda_convert_rows (be, conv->dw_float, CUDA_FLOAT, node->w->c, conv->dw,
        type, weight_channels (be, node), rows_of (node->w));
  cuda_add (be, node->w->grad, type != CUDA_FLOAT ? conv->dw_float : conv->dw,
      CUDA_FLOAT, TRUE, len);
}

static void
backward (DefcnBackend *base, const DefcnNode *node)
{
  Cuda *be = cuda_of (base);
  const Conv *conv = node->state;
  const DefcnTensor *x = node->x[0], *y = node->y;
  const CudaType type = cuda_type_of (be, y);
  const gsize len = defcn_tensor_len (y);

  if (node->relu)
    cuda_mask (be, y->grad, y->data, type, len);
  if (node->x[1] && node->x[1]->grad)
    cuda_add (be, node->x[1]->grad, y->grad, type, node->accumulate[1], len);
  if (node->b && node->b->grad)
    cuda_add_columns (be, node->b->grad, y->grad, type,
        (gsize) y->n * y->h * y->w, y->c, conv->columns);
  if (conv->dy)
    cuda_convert (be, conv->dy, cuda_type_of (be, x), y->grad, type, len);
  if (conv->data) {
    run (be, conv->data, node->name);
    if (conv->dx)
      cuda_add (be, x->grad, conv->dx, cuda_type_of (be, x), TRUE,
          cuda_len (be, x));
  }
  if (conv->filter)
    backward_filter (be, conv, node);
}

static const char *
describe (DefcnBackend *be, const DefcnNode *node)
{
  const Conv *conv = node->state;

  return conv->how;
}

const DefcnOp cuda_conv = {
  .prepare = prepare,
  .forward = forward,
  .backward = backward,
  .release = release,
  .describe = describe,
};
