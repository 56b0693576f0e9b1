/* Convolution by oneDNN: bias, residual and ReLU fused, blocked layouts, packed
 * weights shared by all steps that use the same parameter. */
#include "onednn.h"

#include <string.h>

/* A parameter in the layout that an implementation wants. */
typedef struct
{
  int references;
  const DefcnTensor *w;
  guint version; /* of @w when it was packed */
  ShimDesc desc;
  dnnl_memory_t dense, packed;
  float *data;
  dnnl_primitive_t reorder;
} Pack;

typedef struct
{
  char *info; /* implementation of forward */
  int groups;
  dnnl_memory_t x, y, b, dx, dy;
  Pack *forward_pack, *backward_pack;
  dnnl_primitive_t forward, backward_data, backward_weights;
  /* dw in the implementation's layout and, reordered, in ours. */
  dnnl_memory_t dw_packed, dw_dense, db;
  dnnl_primitive_t dw_reorder;
  float *dx_scratch, *dw_packed_data, *dw_dense_data, *db_data;
} Conv;

static gboolean
check (dnnl_status_t status, const DefcnNode *node, const char *what,
    GError **error)
{
  const DefcnTensor *x = node->x[0];

  if (status == dnnl_success)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "onednn: %s: %s of a %dx%d convolution stride %d of %d x %d x %d x %d to "
      "%d channels in %d groups: status %d",
      node->name, what, node->size, node->size, node->stride, x->n, x->h, x->w,
      x->c, node->y->c, node->groups, status);
  return FALSE;
}

static dnnl_status_t
activation_desc (ShimDesc *md, const Onednn *be, const DefcnTensor *t)
{
  const dnnl_dims_t dims = { t->n, t->c, t->h, t->w };

  return shim_desc_tag (md, 4, dims,
      t->role == DEFCN_TENSOR_INPUT ? dnnl_nchw
          : be->block == 16         ? dnnl_nChw16c
                                    : dnnl_nChw8c);
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
pack_unref (Onednn *be, Pack *pack)
{
  if (!pack || --pack->references > 0)
    return;
  g_ptr_array_remove_fast (be->packs, pack);
  if (pack->reorder)
    dnnl_primitive_destroy (pack->reorder);
  if (pack->dense)
    dnnl_memory_destroy (pack->dense);
  if (pack->packed)
    dnnl_memory_destroy (pack->packed);
  shim_desc_free (&pack->desc);
  be->base.free (&be->base, pack->data);
  g_free (pack);
}

/* The pack of @w in the layout @md, shared. */
static dnnl_status_t
pack_get (Pack **result, Onednn *be, const DefcnTensor *w, int groups,
    ShimDescRef md)
{
  ShimDesc dense = { 0 };

  for (guint i = 0; i < be->packs->len; i++) {
    Pack *pack = be->packs->pdata[i];

    if (pack->w == w && dnnl_memory_desc_equal (shim_ref (&pack->desc), md)) {
      pack->references++;
      *result = pack;
      return dnnl_success;
    }
  }

  Pack *pack = g_new0 (Pack, 1);
  pack->references = 1;
  pack->w = w;
  pack->version = w->version - 1;
  pack->data = be->base.alloc (&be->base, dnnl_memory_desc_get_size (md));
  g_ptr_array_add (be->packs, pack);
  dnnl_status_t status =
      pack->data ? shim_desc_clone (&pack->desc, md) : dnnl_out_of_memory;
  if (!status)
    status = dense_desc (&dense, w, groups);
  if (!status)
    status = memory_new (&pack->packed, be, md, pack->data);
  if (!status)
    status = memory_new (&pack->dense, be, shim_ref (&dense), w->data);
  if (!status)
    status = reorder_new (&pack->reorder, be, shim_ref (&dense), md);
  shim_desc_free (&dense);
  if (status) {
    pack_unref (be, pack);
    return status;
  }
  *result = pack;
  return dnnl_success;
}

static void
execute (Onednn *be, const DefcnNode *node, dnnl_primitive_t primitive,
    int n_args, const dnnl_exec_arg_t *args)
{
  const dnnl_status_t status =
      dnnl_primitive_execute (primitive, be->stream, n_args, args);

  if (status != dnnl_success && be->failed == dnnl_success) {
    be->failed = status;
    be->failed_name = g_intern_string (node->name);
  }
}

static void
pack_update (Onednn *be, const DefcnNode *node, Pack *pack)
{
  const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, pack->dense },
    { DNNL_ARG_TO, pack->packed } };

  if (pack->version == pack->w->version)
    return;
  execute (be, node, pack->reorder, G_N_ELEMENTS (args), args);
  pack->version = pack->w->version;
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
  dnnl_status_t status = activation_desc (&d->x, be, node->x[0]);

  d->stride[0] = d->stride[1] = node->stride;
  d->pad[0] = d->pad[1] = node->pad;
  if (!status)
    status = activation_desc (&d->y, be, node->y);
  if (!status)
    status = any_desc (&d->w, node->w, node->groups);
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

static dnnl_status_t
prepare_forward (Conv *c, dnnl_primitive_desc_t *pd, Onednn *be,
    const DefcnNode *node, const Descs *d)
{
  dnnl_primitive_attr_t attr = NULL;
  dnnl_status_t status = fusion_new (&attr, node);
  const char *info;

  if (!status)
    status = shim_conv_forward (pd, be->engine, shim_ref (&d->x),
        shim_ref (&d->w), node->b ? shim_ref (&d->b) : NULL, shim_ref (&d->y),
        d->stride, d->dilation, d->pad, attr);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  if (!status)
    status = dnnl_primitive_create (&c->forward, *pd);
  if (!status)
    status = dnnl_primitive_desc_query (*pd, dnnl_query_impl_info_str, 0,
        (void *) &info);
  if (!status) {
    c->info = g_strdup (info);
    status = pack_get (&c->forward_pack, be, node->w, node->groups,
        shim_query (*pd, dnnl_query_weights_md));
  }
  if (!status)
    status = memory_new (&c->x, be, shim_ref (&d->x), node->x[0]->data);
  if (!status)
    status = memory_new (&c->y, be, shim_ref (&d->y), node->y->data);
  if (!status && node->b)
    status = memory_new (&c->b, be, shim_ref (&d->b), node->b->data);
  return status;
}

static dnnl_status_t
prepare_backward_data (Conv *c, dnnl_primitive_desc_t hint, Onednn *be,
    const DefcnNode *node, const Descs *d)
{
  dnnl_primitive_desc_t pd = NULL;
  DefcnTensor *x = node->x[0];
  dnnl_status_t status = shim_conv_backward_data (&pd, be->engine,
      shim_ref (&d->x), shim_ref (&d->w), shim_ref (&d->y), d->stride,
      d->dilation, d->pad, hint);

  if (!status)
    status = dnnl_primitive_create (&c->backward_data, pd);
  if (!status)
    status = pack_get (&c->backward_pack, be, node->w, node->groups,
        shim_query (pd, dnnl_query_weights_md));
  if (!status && node->accumulate[0]) {
    c->dx_scratch = be->base.alloc (&be->base, be->base.size (&be->base, x));
    status = c->dx_scratch ? dnnl_success : dnnl_out_of_memory;
  }
  if (!status)
    status = memory_new (&c->dx, be, shim_ref (&d->x),
        c->dx_scratch ? c->dx_scratch : x->grad);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  return status;
}

static dnnl_status_t
prepare_backward_weights (Conv *c, dnnl_primitive_desc_t hint, Onednn *be,
    const DefcnNode *node, const Descs *d)
{
  const gboolean bias = node->b && node->b->grad;
  DefcnBackend *base = &be->base;
  dnnl_primitive_desc_t pd = NULL;
  ShimDesc dense = { 0 };
  dnnl_status_t status = shim_conv_backward_weights (&pd, be->engine,
      shim_ref (&d->x), shim_ref (&d->w), bias ? shim_ref (&d->b) : NULL,
      shim_ref (&d->y), d->stride, d->dilation, d->pad, hint);

  if (!status)
    status = dnnl_primitive_create (&c->backward_weights, pd);
  if (!status) {
    ShimDescRef packed = shim_query (pd, dnnl_query_diff_weights_md);

    status = dense_desc (&dense, node->w, node->groups);
    c->dw_packed_data = base->alloc (base, dnnl_memory_desc_get_size (packed));
    c->dw_dense_data = base->alloc (base, base->size (base, node->w));
    if (bias)
      c->db_data = base->alloc (base, base->size (base, node->b));
    if (!c->dw_packed_data || !c->dw_dense_data || (bias && !c->db_data))
      status = dnnl_out_of_memory;
    if (!status)
      status = memory_new (&c->dw_packed, be, packed, c->dw_packed_data);
    if (!status)
      status =
          memory_new (&c->dw_dense, be, shim_ref (&dense), c->dw_dense_data);
    if (!status && bias)
      status = memory_new (&c->db, be, shim_ref (&d->b), c->db_data);
    if (!status)
      status = reorder_new (&c->dw_reorder, be, packed, shim_ref (&dense));
  }
  shim_desc_free (&dense);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  return status;
}

static void
conv_release (DefcnBackend *base, DefcnNode *node)
{
  Conv *c = node->state;
  Onednn *be = onednn_of (base);
  dnnl_memory_t const memories[] = { c->x, c->y, c->b, c->dx, c->dy,
    c->dw_packed, c->dw_dense, c->db };
  dnnl_primitive_t const primitives[] = { c->forward, c->backward_data,
    c->backward_weights, c->dw_reorder };
  float *const blocks[] = { c->dx_scratch, c->dw_packed_data, c->dw_dense_data,
    c->db_data };

  for (gsize i = 0; i < G_N_ELEMENTS (memories); i++) {
    if (memories[i])
      dnnl_memory_destroy (memories[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (primitives); i++) {
    if (primitives[i])
      dnnl_primitive_destroy (primitives[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (blocks); i++)
    base->free (base, blocks[i]);
  pack_unref (be, c->forward_pack);
  pack_unref (be, c->backward_pack);
  g_free (c->info);
  g_clear_pointer (&node->state, g_free);
}

static gboolean
conv_prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  Onednn *be = onednn_of (base);
  Conv *c = node->state = g_new0 (Conv, 1);
  Descs d = { 0 };
  dnnl_primitive_desc_t pd = NULL;

  onednn_enter (base);
  gboolean good = check (descs_init (&d, be, node), node, "layout", error)
      && check (prepare_forward (c, &pd, be, node, &d), node, "forward", error);
  if (good && node->train && node->y->grad)
    good = check (memory_new (&c->dy, be, shim_ref (&d.y), node->y->grad), node,
        "gradient", error);
  if (good && node->train && node->x[0]->grad)
    good = check (prepare_backward_data (c, pd, be, node, &d), node,
        "data gradient", error);
  if (good && node->train && node->w->grad)
    good = check (prepare_backward_weights (c, pd, be, node, &d), node,
        "weight gradient", error);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  descs_clear (&d);
  if (!good)
    conv_release (base, node);
  return good;
}

static void
conv_forward (DefcnBackend *base, const DefcnNode *node)
{
  Onednn *be = onednn_of (base);
  const Conv *c = node->state;
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, c->x },
    { DNNL_ARG_WEIGHTS, c->forward_pack->packed },
    { DNNL_ARG_DST, c->y },
    { DNNL_ARG_BIAS, c->b },
  };

  onednn_enter (base);
  pack_update (be, node, c->forward_pack);
  if (node->x[1] && node->x[1]->data != node->y->data)
    memcpy (node->y->data, node->x[1]->data, base->size (base, node->y));
  execute (be, node, c->forward, node->b ? 4 : 3, args);
}

static void
backward_data (DefcnBackend *base, const DefcnNode *node)
{
  Onednn *be = onednn_of (base);
  const Conv *c = node->state;
  DefcnTensor *x = node->x[0];
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_DIFF_DST, c->dy },
    { DNNL_ARG_WEIGHTS, c->backward_pack->packed },
    { DNNL_ARG_DIFF_SRC, c->dx },
  };

  pack_update (be, node, c->backward_pack);
  execute (be, node, c->backward_data, G_N_ELEMENTS (args), args);
  if (c->dx_scratch)
    defcn_onednn_add (base, x->grad, c->dx_scratch,
        base->size (base, x) / sizeof (float), TRUE);
}

static void
backward_weights (DefcnBackend *base, const DefcnNode *node)
{
  Onednn *be = onednn_of (base);
  const Conv *c = node->state;
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, c->x },
    { DNNL_ARG_DIFF_DST, c->dy },
    { DNNL_ARG_DIFF_WEIGHTS, c->dw_packed },
    { DNNL_ARG_DIFF_BIAS, c->db },
  };
  const dnnl_exec_arg_t reorder[] = { { DNNL_ARG_FROM, c->dw_packed },
    { DNNL_ARG_TO, c->dw_dense } };

  execute (be, node, c->backward_weights, c->db ? 4 : 3, args);
  execute (be, node, c->dw_reorder, G_N_ELEMENTS (reorder), reorder);
  defcn_onednn_add (base, node->w->grad, c->dw_dense_data,
      defcn_tensor_len (node->w), TRUE);
  if (c->db)
    defcn_onednn_add (base, node->b->grad, c->db_data, node->b->c, TRUE);
}

static void
conv_backward (DefcnBackend *base, const DefcnNode *node)
{
  const gsize len = base->size (base, node->y) / sizeof (float);

  onednn_enter (base);
  if (node->relu)
    defcn_onednn_mask (base, node->y->grad, node->y->data, len);
  if (node->x[1] && node->x[1]->grad)
    defcn_onednn_add (base, node->x[1]->grad, node->y->grad, len,
        node->accumulate[1]);
  if (node->w->grad)
    backward_weights (base, node);
  if (node->x[0]->grad)
    backward_data (base, node);
}

static const char *
conv_describe (DefcnBackend *be, const DefcnNode *node)
{
  return ((const Conv *) node->state)->info;
}

const DefcnOp defcn_onednn_conv = {
  .prepare = conv_prepare,
  .forward = conv_forward,
  .backward = conv_backward,
  .release = conv_release,
  .describe = conv_describe,
};
