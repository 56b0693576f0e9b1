/* Direct convolution by oneDNN: bias, residual and ReLU fused.
 *
 * Groups narrower than a block are merged until they fill blocks, with zeros
 * between them: oneDNN has nothing fast for them as they are.
 */
#include "passes.h"
#include "primitive.h"

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
  const int merged = defcn_onednn_primitive_merged (be, node);
  const DefcnTensor w = defcn_onednn_primitive_weight (node, merged);
  dnnl_status_t status =
      defcn_onednn_primitive_activation (&d->x, be, node->x[0]);

  d->stride[0] = d->stride[1] = node->stride;
  d->pad[0] = d->pad[1] = node->pad;
  if (!status)
    status = defcn_onednn_primitive_activation (&d->y, be, node->y);
  if (!status)
    status =
        defcn_onednn_primitive_any (&d->w, dnnl_f32, &w, node->groups / merged);
  if (!status && node->b)
    status = shim_desc_tag (&d->b, 1, bias, dnnl_x);
  return status;
}

/* The forward convolution; without @fused, the hint that backward passes ask
 * for.  What it works with is ours: oneDNN's own belongs to the thread that
 * prepares, and another may run. */
static dnnl_status_t
forward_desc (dnnl_primitive_desc_t *pd, const Onednn *be,
    const DefcnNode *node, const Descs *d, gboolean fused)
{
  dnnl_primitive_attr_t attr = NULL;
  dnnl_status_t status = fused
      ? defcn_onednn_primitive_fusion (&attr, node->x[1] != NULL, node->relu)
      : dnnl_success;

  if (!status && fused)
    status = dnnl_primitive_attr_set_scratchpad_mode (attr,
        dnnl_scratchpad_mode_user);
  if (!status)
    status = shim_conv_forward (pd, be->engine, shim_ref (&d->x),
        shim_ref (&d->w), node->b ? shim_ref (&d->b) : NULL, shim_ref (&d->y),
        d->stride, d->dilation, d->pad, attr);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  return status;
}

static dnnl_status_t
primitive_new (OnednnPrimitive *c, const_dnnl_primitive_desc_t pd)
{
  c->info = g_strdup (defcn_onednn_primitive_info (pd));
  return dnnl_primitive_create (&c->primitive, pd);
}

static double
cost (const Onednn *be, const DefcnNode *node)
{
  return 1;
}

/* Makes one pass out of its descriptors by @build. */
static gpointer
prepare (Onednn *be, const DefcnNode *node, GError **error,
    dnnl_status_t (*build) (OnednnPrimitive *c, Onednn *be,
        const DefcnNode *node, const Descs *d))
{
  OnednnPrimitive *c = g_new0 (OnednnPrimitive, 1);
  Descs d = { 0 };
  dnnl_status_t status = descs_init (&d, be, node);

  if (!status)
    status = build (c, be, node, &d);
  descs_clear (&d);
  return defcn_onednn_primitive_prepared (c, be, node, status, "", error);
}

static dnnl_status_t
take_scratch (OnednnPrimitive *c, Onednn *be, const_dnnl_primitive_desc_t pd)
{
  ShimDescRef md = shim_query (pd, dnnl_query_scratchpad_md);

  if (!defcn_onednn_scratch_reserve (be, defcn_onednn_primitive_len (md)))
    return dnnl_out_of_memory;
  return defcn_onednn_primitive_memory (&c->scratch, be, md, NULL);
}

static dnnl_status_t
forward_build (OnednnPrimitive *c, Onednn *be, const DefcnNode *node,
    const Descs *d)
{
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t status = forward_desc (&pd, be, node, d, TRUE);

  if (!status)
    status = primitive_new (c, pd);
  if (!status)
    status = defcn_onednn_primitive_pack (&c->pack, be, node,
        shim_query (pd, dnnl_query_weights_md));
  if (!status)
    status = defcn_onednn_primitive_memory (&c->x.theirs, be, shim_ref (&d->x),
        node->x[0]->data);
  if (!status)
    status = defcn_onednn_primitive_memory (&c->y.theirs, be, shim_ref (&d->y),
        node->y->data);
  if (!status && node->b)
    status = defcn_onednn_primitive_memory (&c->b, be, shim_ref (&d->b),
        node->b->data);
  if (!status)
    status = take_scratch (c, be, pd);
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
  const OnednnPrimitive *c = state;
  const gsize len = be->base.size (&be->base, node->y) / sizeof (float);
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, c->x.theirs },
    { DNNL_ARG_WEIGHTS, c->pack->packed },
    { DNNL_ARG_DST, c->y.theirs },
    { DNNL_ARG_SCRATCHPAD, c->scratch },
    { DNNL_ARG_BIAS, c->b },
  };

  dnnl_memory_set_data_handle (c->scratch, be->scratch);
  defcn_onednn_pack_update (be, c->pack);
  if (node->x[1] && node->x[1]->data != node->y->data)
    defcn_onednn_elementwise_add (&be->base, node->y->data, node->x[1]->data,
        len, FALSE);
  defcn_onednn_primitive_execute (be, node->name, c->primitive, node->b ? 5 : 4,
      args);
}

const OnednnPass defcn_onednn_direct_forward = { cost, forward_prepare,
  forward_run, defcn_onednn_primitive_release,
  defcn_onednn_primitive_describe };

static dnnl_status_t
data_build (OnednnPrimitive *c, Onednn *be, const DefcnNode *node,
    const Descs *d)
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
    status = defcn_onednn_primitive_pack (&c->pack, be, node,
        shim_query (pd, dnnl_query_weights_md));
  if (!status)
    status = defcn_onednn_primitive_memory (&c->x.theirs, be, shim_ref (&d->x),
        node->x[0]->grad);
  if (!status)
    status = defcn_onednn_primitive_memory (&c->y.theirs, be, shim_ref (&d->y),
        node->y->grad);
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
  const OnednnPrimitive *c = state;
  const DefcnTensor *x = node->x[0];
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_DIFF_DST, c->y.theirs },
    { DNNL_ARG_WEIGHTS, c->pack->packed },
    { DNNL_ARG_DIFF_SRC, c->x.theirs },
  };

  defcn_onednn_pack_update (be, c->pack);
  if (node->accumulate[0])
    dnnl_memory_set_data_handle (c->x.theirs, be->scratch);
  defcn_onednn_primitive_execute (be, node->name, c->primitive,
      G_N_ELEMENTS (args), args);
  if (node->accumulate[0])
    defcn_onednn_elementwise_add (&be->base, x->grad, be->scratch,
        be->base.size (&be->base, x) / sizeof (float), TRUE);
}

const OnednnPass defcn_onednn_direct_data = { cost, data_prepare, data_run,
  defcn_onednn_primitive_release, defcn_onednn_primitive_describe };

static gsize
dense_len (Onednn *be, const DefcnNode *node)
{
  const DefcnTensor w = defcn_onednn_primitive_weight (node,
      defcn_onednn_primitive_merged (be, node));

  return be->base.size (&be->base, &w) / sizeof (float);
}

/* In the shared scratch: dw packed, dw dense, db. */
static dnnl_status_t
weights_build (OnednnPrimitive *c, Onednn *be, const DefcnNode *node,
    const Descs *d)
{
  const gboolean bias = node->b && node->b->grad;
  const int merged = defcn_onednn_primitive_merged (be, node);
  const DefcnTensor w = defcn_onednn_primitive_weight (node, merged);
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
    status = defcn_onednn_primitive_dense (&dense, &w, node->groups / merged);
  if (!status) {
    ShimDescRef packed = shim_query (pd, dnnl_query_diff_weights_md);

    c->dw.len = defcn_onednn_primitive_len (packed);
    status = defcn_onednn_primitive_memory (&c->dw.theirs, be, packed, NULL);
    if (!status)
      status = defcn_onednn_primitive_memory (&c->dw.ours, be,
          shim_ref (&dense), NULL);
    if (!status)
      status = defcn_onednn_primitive_reorder (&c->dw.reorder, be, packed,
          shim_ref (&dense), FALSE);
  }
  if (!status)
    status = defcn_onednn_primitive_memory (&c->x.theirs, be, shim_ref (&d->x),
        node->x[0]->data);
  if (!status)
    status = defcn_onednn_primitive_memory (&c->y.theirs, be, shim_ref (&d->y),
        node->y->grad);
  if (!status && bias)
    status = defcn_onednn_primitive_memory (&c->b, be, shim_ref (&d->b), NULL);
  if (!status
      && !defcn_onednn_scratch_reserve (be,
          c->dw.len + dense_len (be, node) + node->y->c))
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
  const OnednnPrimitive *c = state;
  float *dense = be->scratch + c->dw.len;
  float *db = dense + dense_len (be, node);
  const int merged = defcn_onednn_primitive_merged (be, node);
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, c->x.theirs },
    { DNNL_ARG_DIFF_DST, c->y.theirs },
    { DNNL_ARG_DIFF_WEIGHTS, c->dw.theirs },
    { DNNL_ARG_DIFF_BIAS, c->b },
  };

  dnnl_memory_set_data_handle (c->dw.theirs, be->scratch);
  dnnl_memory_set_data_handle (c->dw.ours, dense);
  if (c->b)
    dnnl_memory_set_data_handle (c->b, db);
  defcn_onednn_primitive_execute (be, node->name, c->primitive, c->b ? 4 : 3,
      args);
  defcn_onednn_primitive_exchange (be, node->name, &c->dw, FALSE);
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
  weights_run, defcn_onednn_primitive_release,
  defcn_onednn_primitive_describe };
