/* Direct convolution by oneDNN: bias, residual and ReLU fused.
 *
 * Groups narrower than a block are merged until they fill blocks, with zeros
 * between them: oneDNN has nothing fast for them as they are.
 */
#include "pack.h"
#include "passes.h"

#include <string.h>

typedef struct
{
  char *info; /* implementation */
  dnnl_primitive_t primitive;
  dnnl_memory_t x, y, b; /* or their gradients */
  OnednnPack *pack;
  /* Gradient of w: in the implementation's layout, then added to ours. */
  dnnl_memory_t packed, dense;
  gsize packed_len; /* floats, whole cache lines */
  dnnl_primitive_t reorder;
} Direct;

static dnnl_status_t
activation_desc (ShimDesc *md, const Onednn *be, const DefcnTensor *t)
{
  const dnnl_dims_t dims = { t->n, t->c, t->h, t->w };

  return shim_desc_tag (md, 4, dims,
      t->role == DEFCN_TENSOR_INPUT ? dnnl_nchw
          : be->block == 16         ? dnnl_nChw16c
                                    : dnnl_nChw8c);
}

/* How many groups are taken as one. */
static int
merged_groups (const Onednn *be, const DefcnNode *node)
{
  const int in = node->w->c, out = node->w->n / node->groups;

  if (node->groups == 1 || (in == 1 && out == 1))
    return 1;
  for (int k = 1; k < node->groups; k++)
    if (node->groups % k == 0 && k * in % be->block == 0
        && k * out % be->block == 0)
      return k;
  return node->groups;
}

/* The weight as oneDNN sees it: dims of the merged groups. */
static DefcnTensor
merged_weight (const DefcnNode *node, int merged)
{
  DefcnTensor w = *node->w;

  w.c *= merged;
  return w;
}

/* Copies a weight to its place in the merged one. */
static void
spread (float *wide, const DefcnTensor *w, int groups, int merged)
{
  const int taps = w->h * w->w, per_group = w->n / groups;

  for (int o = 0; o < w->n; o++)
    for (int t = 0; t < taps; t++) {
      const gsize row = (gsize) o * taps + t;

      memcpy (wide + (row * merged + o / per_group % merged) * w->c,
          w->data + row * w->c, w->c * sizeof (float));
    }
}

/* Adds what is in that place to the gradient. */
static void
gather_gradient (const DefcnTensor *w, const float *wide, int groups,
    int merged)
{
  const int taps = w->h * w->w, per_group = w->n / groups;

  for (int o = 0; o < w->n; o++)
    for (int t = 0; t < taps; t++) {
      const gsize row = (gsize) o * taps + t;
      const float *from = wide + (row * merged + o / per_group % merged) * w->c;

      for (int i = 0; i < w->c; i++)
        w->grad[row * w->c + i] += from[i];
    }
}

/* Dims of the weight as oneDNN counts them: (g,) o, i, h, w. */
static int
weight_dims (dnnl_dims_t dims, const DefcnTensor *w, int groups)
{
  if (groups == 1) {
    memcpy (dims, (dnnl_dims_t){ w->n, w->c, w->h, w->w },
        sizeof (dnnl_dims_t));
    return 4;
  }
  memcpy (dims, (dnnl_dims_t){ groups, w->n / groups, w->c, w->h, w->w },
      sizeof (dnnl_dims_t));
  return 5;
}

/* Our dense OHWI. */
static dnnl_status_t
dense_desc (ShimDesc *md, const DefcnTensor *w, int groups)
{
  const gint64 row = (gint64) w->h * w->w * w->c;
  dnnl_dims_t dims;
  const int n_dims = weight_dims (dims, w, groups);
  const dnnl_dims_t flat = { row, 1, (gint64) w->w * w->c, w->c };
  const dnnl_dims_t grouped = { row * (w->n / groups), row, 1,
    (gint64) w->w * w->c, w->c };

  return shim_desc_strides (md, n_dims, dims, groups == 1 ? flat : grouped);
}

static dnnl_status_t
any_desc (ShimDesc *md, const DefcnTensor *w, int groups)
{
  dnnl_dims_t dims;
  const int n_dims = weight_dims (dims, w, groups);

  return shim_desc_tag (md, n_dims, dims, dnnl_format_tag_any);
}

static dnnl_status_t
memory_new (dnnl_memory_t *memory, const Onednn *be, ShimDescRef md, void *data)
{
  return dnnl_memory_create (memory, md, be->engine, data);
}

static dnnl_status_t
reorder_new (dnnl_primitive_t *reorder, const Onednn *be, ShimDescRef from,
    ShimDescRef to)
{
  dnnl_primitive_desc_t pd;
  dnnl_status_t status = dnnl_reorder_primitive_desc_create (&pd, from,
      be->engine, to, be->engine, NULL);

  if (status)
    return status;
  status = dnnl_primitive_create (reorder, pd);
  dnnl_primitive_desc_destroy (pd);
  return status;
}

static void
execute (Onednn *be, const char *name, dnnl_primitive_t primitive, int n_args,
    const dnnl_exec_arg_t *args)
{
  const dnnl_status_t status =
      dnnl_primitive_execute (primitive, be->stream, n_args, args);

  if (status != dnnl_success && be->failed == dnnl_success) {
    be->failed = status;
    be->failed_name = g_intern_string (name);
  }
}

static void
fill (Onednn *be, OnednnPack *pack)
{
  const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, pack->dense },
    { DNNL_ARG_TO, pack->packed } };

  if (pack->wide)
    spread (pack->wide, pack->w, pack->groups, pack->merged);
  execute (be, "weights", pack->reorder, G_N_ELEMENTS (args), args);
}

/* The pack of the node's weights in the layout @md. */
static dnnl_status_t
pack_new (OnednnPack **result, Onednn *be, const DefcnNode *node,
    ShimDescRef md)
{
  OnednnPack *pack = defcn_onednn_pack_get (be, node->w, fill, md,
      dnnl_memory_desc_get_size (md));
  const int merged = merged_groups (be, node);
  const DefcnTensor w = merged_weight (node, merged);
  ShimDesc dense = { 0 };
  dnnl_status_t status = pack ? dnnl_success : dnnl_out_of_memory;

  *result = pack;
  if (status || pack->reorder)
    return status;
  pack->groups = node->groups;
  pack->merged = merged;
  if (merged > 1
      && !(pack->wide = be->base.alloc (&be->base,
               defcn_tensor_len (&w) * sizeof (float))))
    return dnnl_out_of_memory;
  status = dense_desc (&dense, &w, node->groups / merged);
  if (!status)
    status = memory_new (&pack->packed, be, md, pack->data);
  if (!status)
    status = memory_new (&pack->dense, be, shim_ref (&dense),
        pack->wide ? pack->wide : node->w->data);
  if (!status)
    status = reorder_new (&pack->reorder, be, shim_ref (&dense), md);
  shim_desc_free (&dense);
  return status;
}

/* Descriptors of one convolution while it is prepared. */
typedef struct
{
  ShimDesc x, w, b, y;
  dnnl_dims_t stride, pad, dilation;
} Descs;

static void
descs_clear (Descs *d)
{
  shim_desc_free (&d->x);
  shim_desc_free (&d->w);
  shim_desc_free (&d->b);
  shim_desc_free (&d->y);
}

static dnnl_status_t
descs_init (Descs *d, const Onednn *be, const DefcnNode *node)
{
  const dnnl_dims_t bias = { node->y->c };
  const int merged = merged_groups (be, node);
  const DefcnTensor w = merged_weight (node, merged);
  dnnl_status_t status = activation_desc (&d->x, be, node->x[0]);

  d->stride[0] = d->stride[1] = node->stride;
  d->pad[0] = d->pad[1] = node->pad;
  if (!status)
    status = activation_desc (&d->y, be, node->y);
  if (!status)
    status = any_desc (&d->w, &w, node->groups / merged);
  if (!status && node->b)
    status = shim_desc_tag (&d->b, 1, bias, dnnl_x);
  return status;
}

/* Sum of the residual, then ReLU. */
static dnnl_status_t
fusion_new (dnnl_primitive_attr_t *attr, const DefcnNode *node)
{
  dnnl_post_ops_t ops = NULL;
  dnnl_status_t status = dnnl_primitive_attr_create (attr);

  if (!status)
    status = dnnl_post_ops_create (&ops);
  if (!status && node->x[1])
    status = shim_append_sum (ops);
  if (!status && node->relu)
    status = shim_append_relu (ops);
  if (!status)
    status = dnnl_primitive_attr_set_post_ops (*attr, ops);
  if (ops)
    dnnl_post_ops_destroy (ops);
  return status;
}

/* The forward convolution; without @fused, the hint that backward passes ask
 * for. */
static dnnl_status_t
forward_desc (dnnl_primitive_desc_t *pd, const Onednn *be,
    const DefcnNode *node, const Descs *d, gboolean fused)
{
  dnnl_primitive_attr_t attr = NULL;
  dnnl_status_t status = fused ? fusion_new (&attr, node) : dnnl_success;

  if (!status)
    status = shim_conv_forward (pd, be->engine, shim_ref (&d->x),
        shim_ref (&d->w), node->b ? shim_ref (&d->b) : NULL, shim_ref (&d->y),
        d->stride, d->dilation, d->pad, attr);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  return status;
}

static dnnl_status_t
primitive_new (Direct *c, const_dnnl_primitive_desc_t pd)
{
  const char *info = NULL;
  dnnl_status_t status = dnnl_primitive_create (&c->primitive, pd);

  if (!status)
    status = dnnl_primitive_desc_query (pd, dnnl_query_impl_info_str, 0,
        (void *) &info);
  c->info = g_strdup (info);
  return status;
}

static void
release (Onednn *be, gpointer state)
{
  Direct *c = state;
  dnnl_memory_t const memories[] = { c->x, c->y, c->b, c->packed, c->dense };

  for (gsize i = 0; i < G_N_ELEMENTS (memories); i++)
    if (memories[i])
      dnnl_memory_destroy (memories[i]);
  if (c->primitive)
    dnnl_primitive_destroy (c->primitive);
  if (c->reorder)
    dnnl_primitive_destroy (c->reorder);
  defcn_onednn_pack_unref (be, c->pack);
  g_free (c->info);
  g_free (c);
}

static const char *
describe (gpointer state)
{
  return ((const Direct *) state)->info;
}

static double
cost (const Onednn *be, const DefcnNode *node)
{
  return 1;
}

/* Makes one pass out of its descriptors by @build. */
static gpointer
prepare (Onednn *be, const DefcnNode *node, GError **error,
    dnnl_status_t (
        *build) (Direct *c, Onednn *be, const DefcnNode *node, const Descs *d))
{
  Direct *c = g_new0 (Direct, 1);
  Descs d = { 0 };
  dnnl_status_t status = descs_init (&d, be, node);

  if (!status)
    status = build (c, be, node, &d);
  descs_clear (&d);
  if (!status)
    return c;

  g_autofree char *what = status == dnnl_out_of_memory
      ? g_strdup ("no memory")
      : g_strdup_printf ("status %d", status);
  defcn_onednn_passes_error (error, node, what);
  release (be, c);
  return NULL;
}

static dnnl_status_t
forward_build (Direct *c, Onednn *be, const DefcnNode *node, const Descs *d)
{
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t status = forward_desc (&pd, be, node, d, TRUE);

  if (!status)
    status = primitive_new (c, pd);
  if (!status)
    status =
        pack_new (&c->pack, be, node, shim_query (pd, dnnl_query_weights_md));
  if (!status)
    status = memory_new (&c->x, be, shim_ref (&d->x), node->x[0]->data);
  if (!status)
    status = memory_new (&c->y, be, shim_ref (&d->y), node->y->data);
  if (!status && node->b)
    status = memory_new (&c->b, be, shim_ref (&d->b), node->b->data);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  return status;
}

static gpointer
forward_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  return prepare (be, node, error, forward_build);
}

static void
forward_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Direct *c = state;
  const gsize len = be->base.size (&be->base, node->y) / sizeof (float);
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, c->x },
    { DNNL_ARG_WEIGHTS, c->pack->packed },
    { DNNL_ARG_DST, c->y },
    { DNNL_ARG_BIAS, c->b },
  };

  defcn_onednn_pack_update (be, c->pack);
  if (node->x[1] && node->x[1]->data != node->y->data)
    defcn_onednn_elementwise_add (&be->base, node->y->data, node->x[1]->data,
        len, FALSE);
  execute (be, node->name, c->primitive, node->b ? 4 : 3, args);
}

const OnednnPass defcn_onednn_direct_forward = { cost, forward_prepare,
  forward_run, release, describe };

static dnnl_status_t
data_build (Direct *c, Onednn *be, const DefcnNode *node, const Descs *d)
{
  dnnl_primitive_desc_t hint = NULL, pd = NULL;
  dnnl_status_t status = forward_desc (&hint, be, node, d, FALSE);

  if (!status)
    status = shim_conv_backward_data (&pd, be->engine, shim_ref (&d->x),
        shim_ref (&d->w), shim_ref (&d->y), d->stride, d->dilation, d->pad,
        hint);
  if (!status)
    status = primitive_new (c, pd);
  if (!status)
    status =
        pack_new (&c->pack, be, node, shim_query (pd, dnnl_query_weights_md));
  if (!status)
    status = memory_new (&c->x, be, shim_ref (&d->x), node->x[0]->grad);
  if (!status)
    status = memory_new (&c->y, be, shim_ref (&d->y), node->y->grad);
  if (!status && node->accumulate[0]
      && !defcn_onednn_scratch_reserve (be,
          be->base.size (&be->base, node->x[0]) / sizeof (float)))
    status = dnnl_out_of_memory;
  if (hint)
    dnnl_primitive_desc_destroy (hint);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  return status;
}

static gpointer
data_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  return prepare (be, node, error, data_build);
}

static void
data_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Direct *c = state;
  const DefcnTensor *x = node->x[0];
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_DIFF_DST, c->y },
    { DNNL_ARG_WEIGHTS, c->pack->packed },
    { DNNL_ARG_DIFF_SRC, c->x },
  };

  defcn_onednn_pack_update (be, c->pack);
  if (node->accumulate[0])
    dnnl_memory_set_data_handle (c->x, be->scratch);
  execute (be, node->name, c->primitive, G_N_ELEMENTS (args), args);
  if (node->accumulate[0])
    defcn_onednn_elementwise_add (&be->base, x->grad, be->scratch,
        be->base.size (&be->base, x) / sizeof (float), TRUE);
}

const OnednnPass defcn_onednn_direct_data = { cost, data_prepare, data_run,
  release, describe };

static gsize
dense_len (Onednn *be, const DefcnNode *node)
{
  const DefcnTensor w = merged_weight (node, merged_groups (be, node));

  return be->base.size (&be->base, &w) / sizeof (float);
}

/* In the shared scratch: dw packed, dw dense, db. */
static dnnl_status_t
weights_build (Direct *c, Onednn *be, const DefcnNode *node, const Descs *d)
{
  const gboolean bias = node->b && node->b->grad;
  const int merged = merged_groups (be, node);
  const DefcnTensor w = merged_weight (node, merged);
  dnnl_primitive_desc_t hint = NULL, pd = NULL;
  ShimDesc dense = { 0 };
  dnnl_status_t status = forward_desc (&hint, be, node, d, FALSE);

  if (!status)
    status = shim_conv_backward_weights (&pd, be->engine, shim_ref (&d->x),
        shim_ref (&d->w), bias ? shim_ref (&d->b) : NULL, shim_ref (&d->y),
        d->stride, d->dilation, d->pad, hint);
  if (!status)
    status = primitive_new (c, pd);
  if (!status)
    status = dense_desc (&dense, &w, node->groups / merged);
  if (!status) {
    ShimDescRef packed = shim_query (pd, dnnl_query_diff_weights_md);

    c->packed_len = (dnnl_memory_desc_get_size (packed) + 63) / 64 * 16;
    status = memory_new (&c->packed, be, packed, NULL);
    if (!status)
      status = memory_new (&c->dense, be, shim_ref (&dense), NULL);
    if (!status)
      status = reorder_new (&c->reorder, be, packed, shim_ref (&dense));
  }
  if (!status)
    status = memory_new (&c->x, be, shim_ref (&d->x), node->x[0]->data);
  if (!status)
    status = memory_new (&c->y, be, shim_ref (&d->y), node->y->grad);
  if (!status && bias)
    status = memory_new (&c->b, be, shim_ref (&d->b), NULL);
  if (!status
      && !defcn_onednn_scratch_reserve (be,
          c->packed_len + dense_len (be, node) + node->y->c))
    status = dnnl_out_of_memory;
  shim_desc_free (&dense);
  if (hint)
    dnnl_primitive_desc_destroy (hint);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  return status;
}

static gpointer
weights_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  return prepare (be, node, error, weights_build);
}

static void
weights_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Direct *c = state;
  float *dense = be->scratch + c->packed_len;
  float *db = dense + dense_len (be, node);
  const int merged = merged_groups (be, node);
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, c->x },
    { DNNL_ARG_DIFF_DST, c->y },
    { DNNL_ARG_DIFF_WEIGHTS, c->packed },
    { DNNL_ARG_DIFF_BIAS, c->b },
  };
  const dnnl_exec_arg_t reorder[] = { { DNNL_ARG_FROM, c->packed },
    { DNNL_ARG_TO, c->dense } };

  dnnl_memory_set_data_handle (c->packed, be->scratch);
  dnnl_memory_set_data_handle (c->dense, dense);
  if (c->b)
    dnnl_memory_set_data_handle (c->b, db);
  execute (be, node->name, c->primitive, c->b ? 4 : 3, args);
  execute (be, node->name, c->reorder, G_N_ELEMENTS (reorder), reorder);
  if (merged > 1)
    gather_gradient (node->w, dense, node->groups, merged);
  else
    defcn_onednn_elementwise_add (&be->base, node->w->grad, dense,
        defcn_tensor_len (node->w), TRUE);
  if (c->b)
    defcn_onednn_elementwise_add (&be->base, node->b->grad, db, node->b->c,
        TRUE);
}

const OnednnPass defcn_onednn_direct_weights = { cost, weights_prepare,
  weights_run, release, describe };
