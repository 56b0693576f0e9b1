/* Convolution of training in bfloat16 by oneDNN (precision bf16): what is
 * multiplied is rounded on the way in, sums and what is stored are float32.
 *
 * The implementation has its own layouts.  Between them and ours stand
 * reorders, which round and may add. */
#include "passes.h"
#include "primitive.h"

#include <math.h>
#include <string.h>

/* Multiply-adds in float32 that a core does while it reorders one number. */
#define REORDER 40

typedef enum
{
  FORWARD,
  DATA,
  WEIGHTS
} Kind;

static dnnl_status_t
any_activation (ShimDesc *md, dnnl_data_type_t type, const DefcnTensor *t)
{
  const dnnl_dims_t dims = { t->n, t->c, t->h, t->w };

  return shim_desc_typed (md, 4, dims, type, dnnl_format_tag_any);
}

/* The forward convolution; @y_type: bfloat16 for the hint of the others. */
static dnnl_status_t
forward_desc (dnnl_primitive_desc_t *pd, const Onednn *be,
    const DefcnNode *node, dnnl_data_type_t y_type)
{
  const dnnl_dims_t stride = { node->stride, node->stride };
  const dnnl_dims_t pad = { node->pad, node->pad }, dilation = { 0 };
  const dnnl_dims_t bias = { node->y->c };
  const gboolean with_bias = node->b && y_type == dnnl_f32;
  ShimDesc x = { 0 }, w = { 0 }, b = { 0 }, y = { 0 };
  dnnl_primitive_attr_t attr = NULL;
  dnnl_status_t status = any_activation (&x, dnnl_bf16, node->x[0]);

  if (!status)
    status = defcn_onednn_primitive_any (&w, dnnl_bf16, node->w, 1);
  if (!status)
    status = any_activation (&y, y_type, node->y);
  if (!status && with_bias)
    status = shim_desc_tag (&b, 1, bias, dnnl_x);
  if (!status && y_type == dnnl_f32 && node->relu && !node->x[1])
    status = defcn_onednn_primitive_fusion (&attr, FALSE, TRUE);
  if (!status)
    status = shim_conv_forward (pd, be->engine, shim_ref (&x), shim_ref (&w),
        with_bias ? shim_ref (&b) : NULL, shim_ref (&y), stride, dilation, pad,
        attr);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  shim_desc_free (&x);
  shim_desc_free (&w);
  shim_desc_free (&b);
  shim_desc_free (&y);
  return status;
}

static dnnl_status_t
backward_desc (dnnl_primitive_desc_t *pd, const Onednn *be,
    const DefcnNode *node, Kind kind)
{
  const dnnl_dims_t stride = { node->stride, node->stride };
  const dnnl_dims_t pad = { node->pad, node->pad }, dilation = { 0 };
  const gboolean data = kind == DATA;
  ShimDesc x = { 0 }, w = { 0 }, y = { 0 };
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t status = forward_desc (&hint, be, node, dnnl_bf16);

  if (!status)
    status = any_activation (&x, data ? dnnl_f32 : dnnl_bf16, node->x[0]);
  if (!status)
    status = defcn_onednn_primitive_any (&w, data ? dnnl_bf16 : dnnl_f32,
        node->w, 1);
  if (!status)
    status = any_activation (&y, dnnl_bf16, node->y);
  if (!status && data)
    status = shim_conv_backward_data (pd, be->engine, shim_ref (&x),
        shim_ref (&w), shim_ref (&y), stride, dilation, pad, hint);
  else if (!status)
    status = shim_conv_backward_weights (pd, be->engine, shim_ref (&x),
        shim_ref (&w), NULL, shim_ref (&y), stride, dilation, pad, hint);
  if (hint)
    dnnl_primitive_desc_destroy (hint);
  shim_desc_free (&x);
  shim_desc_free (&w);
  shim_desc_free (&y);
  return status;
}

static dnnl_status_t
desc_of (dnnl_primitive_desc_t *pd, const Onednn *be, const DefcnNode *node,
    Kind kind)
{
  return kind == FORWARD ? forward_desc (pd, be, node, dnnl_f32)
                         : backward_desc (pd, be, node, kind);
}

/* Whether oneDNN has more than its own reference code and matrix products. */
static gboolean
has_implementation (const Onednn *be, const DefcnNode *node, Kind kind)
{
  dnnl_primitive_desc_t pd = NULL;
  const char *info = desc_of (&pd, be, node, kind) == dnnl_success
      ? defcn_onednn_primitive_info (pd)
      : "ref";
  const gboolean good = !strstr (info, "ref") && !strstr (info, "gemm");

  if (pd)
    dnnl_primitive_desc_destroy (pd);
  return good;
}

/* Of a map of one column, oneDNN 2.6 multiplies with what lies behind it for
 * the gradient of the weights. */
static gboolean
is_misread (const DefcnNode *node, Kind kind)
{
  return kind == WEIGHTS && node->x[0]->w < node->stride;
}

/* Of the direct convolution's time: bfloat16 has twice the peak where it has
 * more at all, in tiles (AMX) 16 times, of which memory leaves a half; to that
 * come the reorders. */
static double
cost (const Onednn *be, const DefcnNode *node, Kind kind)
{
  const DefcnTensor *x = node->x[0], *y = node->y;
  const double macs =
      (double) defcn_tensor_len (y) * node->size * node->size * x->c;
  const double moved = defcn_tensor_len (x) + defcn_tensor_len (y);

  if (!be->base.bf16 || !be->bfloat || !node->train || node->groups > 1
      || x->role != DEFCN_TENSOR_ACTIVATION || is_misread (node, kind)
      || !has_implementation (be, node, kind))
    return INFINITY;
  return (be->base.bf16_tiles          ? 0.125
                 : be->base.bf16_pairs ? 0.5
                                       : 1)
      + REORDER * moved / macs;
}

static double
forward_cost (const Onednn *be, const DefcnNode *node)
{
  return cost (be, node, FORWARD);
}

static double
data_cost (const Onednn *be, const DefcnNode *node)
{
  return cost (be, node, DATA);
}

static double
weights_cost (const Onednn *be, const DefcnNode *node)
{
  return cost (be, node, WEIGHTS);
}

/* Ours in, rounded. */
static dnnl_status_t
side_in (OnednnSide *side, Onednn *be, ShimDescRef theirs, const DefcnTensor *t,
    float *data)
{
  ShimDesc ours = { 0 };
  dnnl_status_t status = defcn_onednn_primitive_activation (&ours, be, t);

  side->len = defcn_onednn_primitive_len (theirs);
  if (!status)
    status =
        defcn_onednn_primitive_memory (&side->ours, be, shim_ref (&ours), data);
  if (!status)
    status = defcn_onednn_primitive_memory (&side->theirs, be, theirs, NULL);
  if (!status)
    status = defcn_onednn_primitive_reorder (&side->reorder, be,
        shim_ref (&ours), theirs, FALSE);
  shim_desc_free (&ours);
  return status;
}

/* Theirs out to @ours, added to what is there or not; takes @ours. */
static dnnl_status_t
side_out (OnednnSide *side, Onednn *be, ShimDescRef theirs, ShimDesc *ours,
    float *data, gboolean add)
{
  const gboolean same = dnnl_memory_desc_equal (theirs, shim_ref (ours));
  const gboolean moves = add || !same;
  dnnl_status_t status = defcn_onednn_primitive_memory (&side->theirs, be,
      theirs, moves ? NULL : data);

  if (moves) {
    side->len = defcn_onednn_primitive_len (theirs);
    if (!status)
      status = defcn_onednn_primitive_memory (&side->ours, be, shim_ref (ours),
          data);
    if (!status)
      status = defcn_onednn_primitive_reorder (&side->reorder, be, theirs,
          shim_ref (ours), add);
  }
  shim_desc_free (ours);
  return status;
}

static dnnl_status_t
side_out_activation (OnednnSide *side, Onednn *be, ShimDescRef theirs,
    const DefcnTensor *t, float *data, gboolean add)
{
  ShimDesc ours = { 0 };
  const dnnl_status_t status = defcn_onednn_primitive_activation (&ours, be, t);

  return status ? status : side_out (side, be, theirs, &ours, data, add);
}

/* Puts theirs to *@at in the scratch, which moves behind it. */
static void
side_place (const OnednnSide *side, float **at)
{
  if (!side->reorder)
    return;
  dnnl_memory_set_data_handle (side->theirs, *at);
  *at += side->len;
}

static dnnl_status_t
forward_sides (OnednnPrimitive *m, Onednn *be, const DefcnNode *node,
    const_dnnl_primitive_desc_t pd)
{
  const dnnl_dims_t bias = { node->y->c };
  ShimDesc b = { 0 };
  dnnl_status_t status = side_in (&m->x, be, shim_query (pd, dnnl_query_src_md),
      node->x[0], node->x[0]->data);

  if (!status)
    status = defcn_onednn_primitive_pack (&m->pack, be, node,
        shim_query (pd, dnnl_query_weights_md));
  if (!status)
    status = side_out_activation (&m->y, be, shim_query (pd, dnnl_query_dst_md),
        node->y, node->y->data, FALSE);
  if (!status && node->b)
    status = shim_desc_tag (&b, 1, bias, dnnl_x);
  if (!status && node->b)
    status =
        defcn_onednn_primitive_memory (&m->b, be, shim_ref (&b), node->b->data);
  shim_desc_free (&b);
  return status;
}

static dnnl_status_t
data_sides (OnednnPrimitive *m, Onednn *be, const DefcnNode *node,
    const_dnnl_primitive_desc_t pd)
{
  dnnl_status_t status = side_in (&m->y, be,
      shim_query (pd, dnnl_query_diff_dst_md), node->y, node->y->grad);

  if (!status)
    status = defcn_onednn_primitive_pack (&m->pack, be, node,
        shim_query (pd, dnnl_query_weights_md));
  if (!status)
    status =
        side_out_activation (&m->x, be, shim_query (pd, dnnl_query_diff_src_md),
            node->x[0], node->x[0]->grad, node->accumulate[0]);
  return status;
}

static dnnl_status_t
weights_sides (OnednnPrimitive *m, Onednn *be, const DefcnNode *node,
    const_dnnl_primitive_desc_t pd)
{
  ShimDesc dense = { 0 };
  dnnl_status_t status = side_in (&m->x, be, shim_query (pd, dnnl_query_src_md),
      node->x[0], node->x[0]->data);

  if (!status)
    status = side_in (&m->y, be, shim_query (pd, dnnl_query_diff_dst_md),
        node->y, node->y->grad);
  if (!status)
    status = defcn_onednn_primitive_dense (&dense, node->w, 1);
  if (!status)
    status = side_out (&m->dw, be, shim_query (pd, dnnl_query_diff_weights_md),
        &dense, node->w->grad, TRUE);
  return status;
}

static gpointer
prepare (Onednn *be, const DefcnNode *node, Kind kind, GError **error)
{
  OnednnPrimitive *m = g_new0 (OnednnPrimitive, 1);
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t status = desc_of (&pd, be, node, kind);

  if (!status)
    status = dnnl_primitive_create (&m->primitive, pd);
  if (!status)
    status = kind == FORWARD ? forward_sides (m, be, node, pd)
        : kind == DATA       ? data_sides (m, be, node, pd)
                             : weights_sides (m, be, node, pd);
  if (!status
      && !defcn_onednn_scratch_reserve (be, m->x.len + m->y.len + m->dw.len))
    status = dnnl_out_of_memory;
  if (!status)
    m->info = g_strconcat ("bfloat16 ", defcn_onednn_primitive_info (pd), NULL);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  return defcn_onednn_primitive_prepared (m, be, node, status,
      "bfloat16: ", error);
}

static gpointer
forward_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  return prepare (be, node, FORWARD, error);
}

static gpointer
data_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  return prepare (be, node, DATA, error);
}

static gpointer
weights_prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  return prepare (be, node, WEIGHTS, error);
}

static void
forward_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const OnednnPrimitive *m = state;
  const gsize len = be->base.size (&be->base, node->y) / sizeof (float);
  float *at = be->scratch;

  defcn_onednn_pack_update (be, m->pack);
  side_place (&m->x, &at);
  side_place (&m->y, &at);
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, m->x.theirs },
    { DNNL_ARG_WEIGHTS, m->pack->packed },
    { DNNL_ARG_DST, m->y.theirs },
    { DNNL_ARG_BIAS, m->b },
  };

  defcn_onednn_primitive_exchange (be, node->name, &m->x, TRUE);
  defcn_onednn_primitive_execute (be, node->name, m->primitive, m->b ? 4 : 3,
      args);
  defcn_onednn_primitive_exchange (be, node->name, &m->y, FALSE);
  if (!node->x[1])
    return;
  defcn_onednn_elementwise_add (&be->base, node->y->data, node->x[1]->data, len,
      TRUE);
  if (node->relu)
    defcn_onednn_elementwise_mask (&be->base, node->y->data, node->y->data,
        len);
}

static void
data_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const OnednnPrimitive *m = state;
  float *at = be->scratch;

  defcn_onednn_pack_update (be, m->pack);
  side_place (&m->y, &at);
  side_place (&m->x, &at);
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_DIFF_DST, m->y.theirs },
    { DNNL_ARG_WEIGHTS, m->pack->packed },
    { DNNL_ARG_DIFF_SRC, m->x.theirs },
  };

  defcn_onednn_primitive_exchange (be, node->name, &m->y, TRUE);
  defcn_onednn_primitive_execute (be, node->name, m->primitive,
      G_N_ELEMENTS (args), args);
  defcn_onednn_primitive_exchange (be, node->name, &m->x, FALSE);
}

/* The bias's gradient is summed of what is not rounded. */
static void
weights_run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const OnednnPrimitive *m = state;
  float *at = be->scratch;

  side_place (&m->x, &at);
  side_place (&m->y, &at);
  side_place (&m->dw, &at);
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, m->x.theirs },
    { DNNL_ARG_DIFF_DST, m->y.theirs },
    { DNNL_ARG_DIFF_WEIGHTS, m->dw.theirs },
  };

  defcn_onednn_primitive_exchange (be, node->name, &m->x, TRUE);
  defcn_onednn_primitive_exchange (be, node->name, &m->y, TRUE);
  defcn_onednn_primitive_execute (be, node->name, m->primitive,
      G_N_ELEMENTS (args), args);
  defcn_onednn_primitive_exchange (be, node->name, &m->dw, FALSE);
  defcn_onednn_passes_bias_gradient (be, node);
}

const OnednnPass defcn_onednn_mixed_forward = { forward_cost, forward_prepare,
  forward_run, defcn_onednn_primitive_release,
  defcn_onednn_primitive_describe };
const OnednnPass defcn_onednn_mixed_data = { data_cost, data_prepare, data_run,
  defcn_onednn_primitive_release, defcn_onednn_primitive_describe };
const OnednnPass defcn_onednn_mixed_weights = { weights_cost, weights_prepare,
  weights_run, defcn_onednn_primitive_release,
  defcn_onednn_primitive_describe };
