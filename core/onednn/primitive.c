/* What the convolutions that oneDNN computes have in common: descriptors,
 * memory, reorders, packed weights, their state. */
#include "primitive.h"

#include "passes.h"

#include <string.h>

dnnl_status_t
defcn_onednn_primitive_activation (ShimDesc *md, const Onednn *be,
    const DefcnTensor *t)
{
  const dnnl_dims_t dims = { t->n, t->c, t->h, t->w };

  return shim_desc_tag (md, 4, dims,
      t->role == DEFCN_TENSOR_INPUT ? dnnl_nchw
          : be->block == 16         ? dnnl_nChw16c
                                    : dnnl_nChw8c);
}

/* How many groups are taken as one. */
int
defcn_onednn_primitive_merged (const Onednn *be, const DefcnNode *node)
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
DefcnTensor
defcn_onednn_primitive_weight (const DefcnNode *node, int merged)
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
dnnl_status_t
defcn_onednn_primitive_dense (ShimDesc *md, const DefcnTensor *w, int groups)
{
  const gint64 row = (gint64) w->h * w->w * w->c;
  dnnl_dims_t dims;
  const int n_dims = weight_dims (dims, w, groups);
  const dnnl_dims_t flat = { row, 1, (gint64) w->w * w->c, w->c };
  const dnnl_dims_t grouped = { row * (w->n / groups), row, 1,
    (gint64) w->w * w->c, w->c };

  return shim_desc_strides (md, n_dims, dims, groups == 1 ? flat : grouped);
}

dnnl_status_t
defcn_onednn_primitive_any (ShimDesc *md, dnnl_data_type_t type,
    const DefcnTensor *w, int groups)
{
  dnnl_dims_t dims;
  const int n_dims = weight_dims (dims, w, groups);

  return shim_desc_typed (md, n_dims, dims, type, dnnl_format_tag_any);
}

dnnl_status_t
defcn_onednn_primitive_memory (dnnl_memory_t *memory, const Onednn *be,
    ShimDescRef md, void *data)
{
  return dnnl_memory_create (memory, md, be->engine, data);
}

dnnl_status_t
defcn_onednn_primitive_fusion (dnnl_primitive_attr_t *attr, gboolean sum,
    gboolean relu)
{
  dnnl_post_ops_t ops = NULL;
  dnnl_status_t status = dnnl_primitive_attr_create (attr);

  if (!status)
    status = dnnl_post_ops_create (&ops);
  if (!status && sum)
    status = shim_append_sum (ops);
  if (!status && relu)
    status = shim_append_relu (ops);
  if (!status)
    status = dnnl_primitive_attr_set_post_ops (*attr, ops);
  if (ops)
    dnnl_post_ops_destroy (ops);
  return status;
}

const char *
defcn_onednn_primitive_info (const_dnnl_primitive_desc_t pd)
{
  const char *info = NULL;

  dnnl_primitive_desc_query (pd, dnnl_query_impl_info_str, 0, (void *) &info);
  return info ? info : "";
}

gsize
defcn_onednn_primitive_len (ShimDescRef md)
{
  return (dnnl_memory_desc_get_size (md) + 63) / 64 * 16;
}

dnnl_status_t
defcn_onednn_primitive_reorder (dnnl_primitive_t *reorder, const Onednn *be,
    ShimDescRef from, ShimDescRef to, gboolean add)
{
  dnnl_primitive_attr_t attr = NULL;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t status =
      add ? defcn_onednn_primitive_fusion (&attr, TRUE, FALSE) : dnnl_success;

  if (!status)
    status = dnnl_reorder_primitive_desc_create (&pd, from, be->engine, to,
        be->engine, attr);
  if (!status)
    status = dnnl_primitive_create (reorder, pd);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  return status;
}

void
defcn_onednn_primitive_execute (Onednn *be, const char *name,
    dnnl_primitive_t primitive, int n_args, const dnnl_exec_arg_t *args)
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
  defcn_onednn_primitive_execute (be, "weights", pack->reorder,
      G_N_ELEMENTS (args), args);
}

/* The pack of the node's weights in the layout @md. */
dnnl_status_t
defcn_onednn_primitive_pack (OnednnPack **result, Onednn *be,
    const DefcnNode *node, ShimDescRef md)
{
  OnednnPack *pack = defcn_onednn_pack_get (be, node->w, fill, md,
      dnnl_memory_desc_get_size (md));
  const int merged = defcn_onednn_primitive_merged (be, node);
  const DefcnTensor w = defcn_onednn_primitive_weight (node, merged);
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
  status = defcn_onednn_primitive_dense (&dense, &w, node->groups / merged);
  if (!status)
    status = defcn_onednn_primitive_memory (&pack->packed, be, md, pack->data);
  if (!status)
    status = defcn_onednn_primitive_memory (&pack->dense, be, shim_ref (&dense),
        pack->wide ? pack->wide : node->w->data);
  if (!status)
    status = defcn_onednn_primitive_reorder (&pack->reorder, be,
        shim_ref (&dense), md, FALSE);
  shim_desc_free (&dense);
  return status;
}

void
defcn_onednn_primitive_exchange (Onednn *be, const char *name,
    const OnednnSide *side, gboolean in)
{
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_FROM, in ? side->ours : side->theirs },
    { DNNL_ARG_TO, in ? side->theirs : side->ours },
  };

  if (side->reorder)
    defcn_onednn_primitive_execute (be, name, side->reorder,
        G_N_ELEMENTS (args), args);
}

gpointer
defcn_onednn_primitive_prepared (OnednnPrimitive *p, Onednn *be,
    const DefcnNode *node, dnnl_status_t status, const char *what,
    GError **error)
{
  if (!status)
    return p;

  g_autofree char *why = status == dnnl_out_of_memory
      ? g_strdup ("no memory")
      : g_strdup_printf ("%sstatus %d", what, status);
  defcn_onednn_passes_error (error, node, why);
  defcn_onednn_primitive_release (be, p);
  return NULL;
}

void
defcn_onednn_primitive_clear_side (OnednnSide *side)
{
  if (side->theirs)
    dnnl_memory_destroy (side->theirs);
  if (side->ours)
    dnnl_memory_destroy (side->ours);
  if (side->reorder)
    dnnl_primitive_destroy (side->reorder);
}

void
defcn_onednn_primitive_release (Onednn *be, gpointer state)
{
  OnednnPrimitive *p = state;

  defcn_onednn_primitive_clear_side (&p->x);
  defcn_onednn_primitive_clear_side (&p->y);
  defcn_onednn_primitive_clear_side (&p->dw);
  if (p->b)
    dnnl_memory_destroy (p->b);
  if (p->scratch)
    dnnl_memory_destroy (p->scratch);
  if (p->primitive)
    dnnl_primitive_destroy (p->primitive);
  defcn_onednn_pack_unref (be, p->pack);
  g_free (p->info);
  g_free (p);
}

const char *
defcn_onednn_primitive_describe (gpointer state)
{
  return ((const OnednnPrimitive *) state)->info;
}
