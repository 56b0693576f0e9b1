/* A net: builders, memory plan, forward and backward loops. */
#include "net.h"

#include <string.h>

#include "block.h"
#include "together.h"

/* A tensor's life in the plan. */
typedef struct
{
  DefcnTensor tensor;
  int first, last; /* steps that write it first and read it last */
  gboolean keep;
  gboolean is_output;  /* no step reads it */
  gboolean wants_grad; /* something trained is upstream */
  gsize bytes;
  gsize offset; /* of the data in the block of memory */
} Slot;

struct _DefcnNet
{
  DefcnParams *params;
  DefcnBackend *be;
  GPtrArray *slots; /* of Slot; [0] is the input */
  GArray *nodes;    /* of DefcnNode */
  GStringChunk *names;
  DefcnBlock *block; /* of activations */
  char *gradients;
  gsize gradient_bytes;
  gboolean planned;
  /* Of the backend. */
  gpointer forward_recording, between_recording, backward_recording;
};

static Slot *
slot_of (DefcnTensor *t)
{
  return (Slot *) t; /* the tensor is the slot's first member */
}

static DefcnTensor *
tensor_new (DefcnNet *net, int n, int h, int w, int c, DefcnTensorRole role)
{
  Slot *slot = g_new0 (Slot, 1);

  slot->tensor = (DefcnTensor){ .n = n, .h = h, .w = w, .c = c, .role = role };
  g_ptr_array_add (net->slots, slot);
  return &slot->tensor;
}

DefcnNet *
defcn_net_new (DefcnParams *params, DefcnBackend *be, int n, int h, int w)
{
  DefcnNet *net = g_new0 (DefcnNet, 1);

  net->params = params;
  net->be = be;
  net->slots = g_ptr_array_new_with_free_func (g_free);
  net->nodes = g_array_new (FALSE, FALSE, sizeof (DefcnNode));
  net->names = g_string_chunk_new (1024);
  tensor_new (net, n, h, w, 3, DEFCN_TENSOR_INPUT);
  return net;
}

void
defcn_net_free (DefcnNet *net)
{
  if (!net)
    return;
  if (net->be->forget) {
    net->be->forget (net->be, net->forward_recording);
    net->be->forget (net->be, net->between_recording);
    net->be->forget (net->be, net->backward_recording);
  }
  for (guint i = 0; i < net->nodes->len; i++) {
    DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);

    if (node->state && net->be->ops[node->kind].release)
      net->be->ops[node->kind].release (net->be, node);
  }
  defcn_block_unref (net->block, net);
  if (net->gradients)
    net->be->free (net->be, net->gradients);
  g_array_unref (net->nodes);
  g_ptr_array_unref (net->slots);
  g_string_chunk_free (net->names);
  g_free (net);
}

DefcnTensor *
defcn_net_input (DefcnNet *net)
{
  return net->slots->pdata[0];
}

static gboolean
is_trained (const DefcnTensor *param)
{
  return param && param->grad;
}

/* Appends @node with a new output of (n, h, w, c). */
static DefcnTensor *
append (DefcnNet *net, DefcnNode *node, const char *name, int n, int h, int w,
    int c)
{
  g_return_val_if_fail (!net->planned, NULL);

  node->name = g_string_chunk_insert_const (net->names, name);
  node->y = tensor_new (net, n, h, w, c, DEFCN_TENSOR_ACTIVATION);

  Slot *y = slot_of (node->y);
  y->first = y->last = net->nodes->len;
  y->is_output = TRUE;
  y->wants_grad = is_trained (node->w) || is_trained (node->b);
  for (int i = 0; i < DEFCN_MAX_INPUTS && node->x[i]; i++) {
    Slot *x = slot_of (node->x[i]);

    x->last = net->nodes->len;
    x->is_output = FALSE;
    y->wants_grad = y->wants_grad || x->wants_grad;
  }
  g_array_append_val (net->nodes, *node);
  return &y->tensor;
}

/* Appends @node, a convolution of @x whose weights are called @name. */
static DefcnTensor *
append_conv (DefcnNet *net, DefcnNode *node, const char *name, int c_out,
    int size, int stride, const DefcnConvOptions *options)
{
  const DefcnTensor *x = node->x[0];

  node->size = size;
  node->stride = stride;
  node->pad = (size - 1) / 2;
  node->groups = MAX (options->groups, 1);
  node->relu = options->relu;
  g_return_val_if_fail (x->c % node->groups == 0 && c_out % node->groups == 0,
      NULL);
  defcn_params_conv (net->params, &node->w, &node->b, name, options->norm,
      options->bias, !options->frozen, options->init, options->init_value,
      options->bias_value, c_out, size, x->c / node->groups);
  return append (net, node, name, x->n,
      (x->h + 2 * node->pad - size) / stride + 1,
      (x->w + 2 * node->pad - size) / stride + 1, c_out);
}

DefcnTensor *
defcn_net_conv (DefcnNet *net, DefcnTensor *x, const char *name, int c_out,
    int size, int stride, const DefcnConvOptions *options)
{
  DefcnNode node = { .kind = DEFCN_OP_CONV, .x = { x, options->residual } };

  return append_conv (net, &node, name, c_out, size, stride, options);
}

DefcnTensor *
defcn_net_deform_conv (DefcnNet *net, DefcnTensor *x, DefcnTensor *offsets,
    const char *name, int c_out, int size, int stride,
    const DefcnConvOptions *options)
{
  DefcnNode node = { .kind = DEFCN_OP_DEFORM_CONV,
    .x = { x, offsets, options->residual } };

  return append_conv (net, &node, name, c_out, size, stride, options);
}

DefcnTensor *
defcn_net_max_pool (DefcnNet *net, DefcnTensor *x)
{
  DefcnNode node = { .kind = DEFCN_OP_MAX_POOL,
    .x = { x },
    .size = 3,
    .stride = 2,
    .pad = 1 };

  return append (net, &node, "max_pool", x->n, (x->h - 1) / 2 + 1,
      (x->w - 1) / 2 + 1, x->c);
}

DefcnTensor *
defcn_net_relu (DefcnNet *net, DefcnTensor *x)
{
  DefcnNode node = { .kind = DEFCN_OP_RELU, .x = { x } };

  return append (net, &node, "relu", x->n, x->h, x->w, x->c);
}

DefcnTensor *
defcn_net_group_norm (DefcnNet *net, DefcnTensor *x, const char *name,
    int groups, gboolean relu)
{
  g_autofree char *weight = g_strconcat (name, ".weight", NULL);
  g_autofree char *bias = g_strconcat (name, ".bias", NULL);
  DefcnNode node = {
    .kind = DEFCN_OP_GROUP_NORM,
    .x = { x },
    .w = defcn_params_vector (net->params, weight, DEFCN_PARAM_NORM, 1, x->c),
    .b = defcn_params_vector (net->params, bias, DEFCN_PARAM_NORM, 0, x->c),
    .groups = groups,
    .relu = relu,
  };

  g_return_val_if_fail (x->c % groups == 0, NULL);
  return append (net, &node, name, x->n, x->h, x->w, x->c);
}

DefcnTensor *
defcn_net_upsample_add (DefcnNet *net, DefcnTensor *lateral,
    DefcnTensor *coarse)
{
  DefcnNode node = { .kind = DEFCN_OP_UPSAMPLE_ADD, .x = { lateral, coarse } };

  g_return_val_if_fail (lateral->h == 2 * coarse->h
          && lateral->w == 2 * coarse->w && lateral->c == coarse->c,
      NULL);
  return append (net, &node, "upsample_add", lateral->n, lateral->h, lateral->w,
      lateral->c);
}

DefcnTensor *
defcn_net_tube_max (DefcnNet *net, DefcnTensor *residual,
    DefcnTensor *const *levels, int n_levels, int level, int tau, int phi,
    gboolean relu)
{
  const int first = MAX (level - tau / 2, 0);
  const int last = MIN (level + tau / 2, n_levels - 1);
  DefcnNode node = {
    .kind = DEFCN_OP_TUBE_MAX,
    .x = { residual },
    .n_levels = last - first + 1,
    .self = level - first,
    .phi = phi,
    .relu = relu,
  };

  g_return_val_if_fail (node.n_levels < DEFCN_MAX_INPUTS, NULL);
  for (int i = first; i <= last; i++)
    node.x[1 + i - first] = levels[i];
  return append (net, &node, "head.max3d", residual->n, residual->h,
      residual->w, residual->c);
}

DefcnTensor *
defcn_net_box (DefcnNet *net, DefcnTensor *x, const char *name, float factor,
    gboolean exponential)
{
  g_autofree char *scale = g_strconcat (name, ".scale", NULL);
  DefcnNode node = {
    .kind = DEFCN_OP_BOX,
    .x = { x },
    .w = defcn_params_vector (net->params, scale, DEFCN_PARAM_SCALE, 1, 1),
    .factor = factor,
    .exponential = exponential,
  };

  return append (net, &node, name, x->n, x->h, x->w, x->c);
}

DefcnTensor *
defcn_net_anchors (DefcnNet *net, DefcnTensor *x, const char *name,
    const DefcnAnchor *anchors, int n)
{
  DefcnNode node = { .kind = DEFCN_OP_ANCHORS, .x = { x }, .n_anchors = n };

  g_return_val_if_fail (n > 0 && n <= DEFCN_MAX_ANCHORS && x->c == 4 * n, NULL);
  memcpy (node.anchors, anchors, n * sizeof *anchors);
  return append (net, &node, name, x->n, x->h, x->w, x->c);
}

void
defcn_net_keep (DefcnNet *net, DefcnTensor *t)
{
  slot_of (t)->keep = TRUE;
}

void
defcn_net_borrow (DefcnNet *net, DefcnNet *other)
{
  g_return_if_fail (!net->planned && !net->block && other->block);

  net->block = defcn_block_ref (other->block);
}

/* Whether two slots are alive at the same step. */
static gboolean
overlap (const Slot *a, const Slot *b)
{
  return a->first <= b->last && b->first <= a->last;
}

/* Lowest offset at which slot @i meets none of the earlier ones that are alive
 * with it; quadratic, once per plan. */
static gsize
place (const DefcnNet *net, guint i)
{
  const Slot *slot = net->slots->pdata[i];
  gsize offset = 0;
  gboolean moved;

  do {
    moved = FALSE;
    for (guint j = 0; j < i; j++) {
      const Slot *other = net->slots->pdata[j];

      if (overlap (slot, other) && offset < other->offset + other->bytes
          && other->offset < offset + slot->bytes) {
        offset = other->offset + other->bytes;
        moved = TRUE;
      }
    }
  } while (moved);
  return offset;
}

/* The residual of step @i whose memory its output may take over: nobody reads
 * it later.  Whatever else is alive at that step was alive beside the
 * residual, so the place is free.  NULL if there is none. */
static Slot *
residual_to_reuse (const DefcnNet *net, guint i)
{
  const DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);
  Slot *residual =
      node->kind == DEFCN_OP_CONV && node->x[1] ? slot_of (node->x[1]) : NULL;

  return residual && node->x[0] != node->x[1] && residual->last == (int) i
          && residual->tensor.inner == node->y->inner
          && residual->bytes == slot_of (node->y)->bytes
      ? residual
      : NULL;
}

/* What is taken together needs its inputs until the last of it has run. */
static void
extend_together (DefcnNet *net)
{
  for (guint i = 0; i < net->nodes->len; i++) {
    const DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);
    const int end = (int) i - node->together + MAX (node->n_together, 1) - 1;

    for (int j = 0; j < DEFCN_MAX_INPUTS && node->x[j]; j++) {
      Slot *x = slot_of (node->x[j]);

      x->last = MAX (x->last, end);
    }
  }
}

/* What backends of low precision shall not round: the convolutions that end
 * the head, whose scores are compared, the box branch, and where deformable
 * convolutions read. */
static void
mark_precise (DefcnNet *net)
{
  for (guint i = 0; i < net->nodes->len; i++) {
    DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);

    if (node->kind == DEFCN_OP_CONV && slot_of (node->y)->is_output)
      node->y->precise = TRUE;
    if (node->kind == DEFCN_OP_BOX || node->kind == DEFCN_OP_ANCHORS)
      node->x[0]->precise = node->y->precise = TRUE;
    if (node->kind == DEFCN_OP_DEFORM_CONV)
      node->x[1]->precise = TRUE;
  }
}

/* What is only between convolutions that the backend computes on a type of its
 * own. */
static void
mark_inner (DefcnNet *net)
{
  const guint n = net->nodes->len;
  g_autofree gboolean *taken = g_new (gboolean, n);

  for (guint i = 0; i < n; i++) {
    const DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);
    const Slot *y = slot_of (node->y);

    taken[i] =
        node->kind == DEFCN_OP_CONV && net->be->takes_inner (net->be, node);
    node->y->inner = taken[i] && !y->keep && !y->is_output;
  }
  for (guint i = 0; i < n; i++) {
    const DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);

    for (int k = 0; !taken[i] && k < DEFCN_MAX_INPUTS && node->x[k]; k++)
      node->x[k]->inner = FALSE;
  }
}

/* Gives every slot its place and returns the size of the whole block.  Slot 0
 * is the input, uploaded before the first step; slot i is what step i - 1
 * computes. */
static gsize
layout (DefcnNet *net, gboolean train)
{
  gsize total = 0;

  for (guint i = 0; i < net->slots->len; i++) {
    Slot *slot = net->slots->pdata[i];

    slot->bytes = net->be->size (net->be, &slot->tensor);
    if (train || slot->keep || slot->is_output || i == 0) {
      slot->first = 0;
      slot->last = net->nodes->len;
    }
  }
  for (guint i = 0; i < net->slots->len; i++) {
    Slot *slot = net->slots->pdata[i];
    Slot *residual = i > 0 ? residual_to_reuse (net, i - 1) : NULL;

    slot->offset = residual ? residual->offset : place (net, i);
    if (residual)
      residual->last--;
    total = MAX (total, slot->offset + slot->bytes);
  }
  return total;
}

/* The steps go backward from the last: the first of them to reach an input
 * overwrites its gradient, the others add. */
static void
mark_accumulation (DefcnNet *net)
{
  g_autoptr (GHashTable) written = g_hash_table_new (NULL, NULL);

  for (guint i = net->nodes->len; i-- > 0;) {
    DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);

    for (int k = 0; k < DEFCN_MAX_INPUTS && node->x[k]; k++)
      node->accumulate[k] = !g_hash_table_add (written, node->x[k]);
  }
}

static gsize
assign_gradients (DefcnNet *net)
{
  gsize total = 0;

  for (guint i = 0; i < net->slots->len; i++) {
    Slot *slot = net->slots->pdata[i];

    if (slot->wants_grad)
      total += slot->bytes;
  }
  return total;
}

static gboolean
allocate (DefcnNet *net, gboolean train, GError **error)
{
  DefcnBackend *be = net->be;
  const gsize data = layout (net, train);
  const gsize grads = train ? assign_gradients (net) : 0;

  if (!net->block)
    net->block = defcn_block_new (be, data, net);
  net->gradients = grads ? be->alloc (be, grads) : NULL;
  if (!net->block || (grads && !net->gradients)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "%s: no memory for a network that needs %" G_GSIZE_FORMAT " MiB",
        be->name, (data + grads) >> 20);
    return FALSE;
  }
  net->gradient_bytes = grads;

  char *next = net->gradients;
  for (guint i = 0; i < net->slots->len; i++) {
    Slot *slot = net->slots->pdata[i];

    slot->tensor.data = (float *) (net->block->memory + slot->offset);
    if (train && slot->wants_grad) {
      slot->tensor.grad = (float *) next;
      next += slot->bytes;
    }
  }
  return TRUE;
}

gboolean
defcn_net_plan (DefcnNet *net, gboolean train, GError **error)
{
  g_return_val_if_fail (!net->planned, FALSE);

  net->planned = TRUE;
  mark_precise (net);
  if (!train && net->be->takes_inner)
    mark_inner (net);
  defcn_together_mark ((DefcnNode *) net->nodes->data, net->nodes->len);
  extend_together (net);
  if (!allocate (net, train, error))
    return FALSE;
  if (train)
    mark_accumulation (net);
  for (guint i = 0; i < net->nodes->len; i++) {
    DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);
    const DefcnOp *op = &net->be->ops[node->kind];

    node->train = train;
    if (!op->forward || (train && !op->backward)) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
          "%s: step \"%s\": this device has no %s", net->be->name, node->name,
          defcn_backend_op_name (node->kind));
      return FALSE;
    }
    if (op->prepare && !op->prepare (net->be, node, error))
      return FALSE;
  }
  return TRUE;
}

static void
queue_forward (gpointer data)
{
  const DefcnNet *net = data;

  for (guint i = 0; i < net->nodes->len; i++) {
    const DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);

    net->be->ops[node->kind].forward (net->be, node);
  }
}

static void
queue_backward (gpointer data)
{
  const DefcnNet *net = data;

  for (guint i = net->nodes->len; i-- > 0;) {
    const DefcnNode *node = &g_array_index (net->nodes, DefcnNode, i);

    if (node->y->grad)
      net->be->ops[node->kind].backward (net->be, node);
  }
}

/* Queues by @queue (@data), or again what *@recording has of it. */
static void
run (const DefcnNet *net, gpointer *recording, void (*queue) (gpointer data),
    gpointer data)
{
  if (net->be->replay)
    net->be->replay (net->be, recording, queue, data);
  else
    queue (data);
}

void
defcn_net_forward (DefcnNet *net)
{
  run (net, &net->forward_recording, queue_forward, net);
}

/* What comes before the steps and what after. */
typedef struct
{
  DefcnNet *net;
  void (*before) (gpointer data);
  void (*after) (gpointer data);
  gpointer data;
} Between;

static void
queue_between (gpointer data)
{
  const Between *b = data;

  b->before (b->data);
  queue_forward (b->net);
  b->after (b->data);
}

void
defcn_net_forward_between (DefcnNet *net, void (*before) (gpointer data),
    void (*after) (gpointer data), gpointer data)
{
  Between between = { net, before, after, data };

  run (net, &net->between_recording, queue_between, &between);
}

void
defcn_net_backward (DefcnNet *net)
{
  run (net, &net->backward_recording, queue_backward, net);
}

guint
defcn_net_count (const DefcnNet *net)
{
  return net->nodes->len;
}

const DefcnNode *
defcn_net_node (const DefcnNet *net, guint i)
{
  g_return_val_if_fail (i < net->nodes->len, NULL);
  return &g_array_index (net->nodes, DefcnNode, i);
}

gsize
defcn_net_bytes (const DefcnNet *net)
{
  return defcn_block_bytes (net->block, net) + net->gradient_bytes;
}

guint64
defcn_node_macs (const DefcnNode *node)
{
  if (node->kind != DEFCN_OP_CONV && node->kind != DEFCN_OP_DEFORM_CONV)
    return 0;
  return (guint64) defcn_tensor_len (node->y) * node->size * node->size
      * node->w->c;
}
