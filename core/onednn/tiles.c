/* Convolutions of inference in bfloat16 by oneDNN on tiles (AMX): what lies
 * between them (DefcnTensor.inner) is bfloat16 in nhwc, channels not padded,
 * all else is float32 in our layout and reordered on the way.
 *
 * Images go one by one: each gives the same bits in every batch.
 */
#include "tiles.h"

#include "primitive.h"

#include <math.h>
#include <string.h>

/* Multiply-adds in float32 that a core does while it reorders one number. */
#define REORDER 20

typedef struct
{
  OnednnPrimitive p; /* first: it is released as such */
  OnednnSide add;    /* the residual, put to where y is summed */
} Tiles;

static DefcnTensor
one_of (const DefcnTensor *t)
{
  DefcnTensor one = *t;

  one.n = 1;
  return one;
}

static gsize
image_bytes (Onednn *be, const DefcnTensor *t)
{
  return t->inner ? defcn_tensor_len (t) / t->n * sizeof (guint16)
                  : onednn_image (be, t) * sizeof (float);
}

static dnnl_status_t
dense (ShimDesc *md, dnnl_data_type_t type, const DefcnTensor *t)
{
  const dnnl_dims_t dims = { 1, t->c, t->h, t->w };

  return shim_desc_typed (md, 4, dims, type, dnnl_nhwc);
}

/* One image of @t as it lies in memory. */
static dnnl_status_t
ours (ShimDesc *md, const Onednn *be, const DefcnTensor *t)
{
  const DefcnTensor one = one_of (t);

  return t->inner ? dense (md, dnnl_bf16, t)
                  : defcn_onednn_primitive_activation (md, be, &one);
}

static dnnl_status_t
desc_of (dnnl_primitive_desc_t *pd, const Onednn *be, const DefcnNode *node)
{
  const dnnl_dims_t stride = { node->stride, node->stride };
  const dnnl_dims_t pad = { node->pad, node->pad }, dilation = { 0 };
  const dnnl_dims_t bias = { node->y->c };
  ShimDesc x = { 0 }, w = { 0 }, b = { 0 }, y = { 0 };
  dnnl_primitive_attr_t attr = NULL;
  dnnl_status_t status = dense (&x, dnnl_bf16, node->x[0]);

  if (!status)
    status = defcn_onednn_primitive_any (&w, dnnl_bf16, node->w, node->groups);
  if (!status)
    status = dense (&y, node->y->inner ? dnnl_bf16 : dnnl_f32, node->y);
  if (!status && node->b)
    status = shim_desc_tag (&b, 1, bias, dnnl_x);
  if (!status)
    status =
        defcn_onednn_primitive_fusion (&attr, node->x[1] != NULL, node->relu);
  if (!status)
    status = shim_conv_forward (pd, be->engine, shim_ref (&x), shim_ref (&w),
        node->b ? shim_ref (&b) : NULL, shim_ref (&y), stride, dilation, pad,
        attr);
  if (attr)
    dnnl_primitive_attr_destroy (attr);
  shim_desc_free (&x);
  shim_desc_free (&w);
  shim_desc_free (&b);
  shim_desc_free (&y);
  return status;
}

gboolean
defcn_onednn_tiles_suit (const Onednn *be, const DefcnNode *node)
{
  const gboolean depthwise =
      node->groups > 1 && node->w->c == 1 && node->w->n == node->groups;
  dnnl_primitive_desc_t pd = NULL;
  const char *info;
  gboolean suits;

  if (!be->base.bf16 || !be->base.bf16_tiles || node->train)
    return FALSE;
  if (node->y->precise || (node->groups > 1 && !depthwise)
      || desc_of (&pd, be, node) != dnnl_success)
    return FALSE;
  info = defcn_onednn_primitive_info (pd);
  /* Depthwise there is nothing to put on tiles. */
  suits = depthwise ? !strstr (info, "ref") && !strstr (info, "gemm")
                    : strstr (info, "amx") != NULL;
  dnnl_primitive_desc_destroy (pd);
  return suits;
}

/* Of the direct convolution's time, of tiles an eighth; what is inner can be
 * computed no other way. */
static double
cost (const Onednn *be, const DefcnNode *node)
{
  const DefcnTensor *x = node->x[0], *add = node->x[1], *y = node->y;
  const double macs =
      (double) defcn_tensor_len (y) * node->size * node->size * node->w->c;
  const double moved = defcn_tensor_len (x) + defcn_tensor_len (y)
      + (add ? defcn_tensor_len (add) : 0);

  if (x->inner || y->inner || (add && add->inner))
    return 0;
  if (node->groups > 1 || !defcn_onednn_tiles_suit (be, node))
    return INFINITY;
  return 0.125 + REORDER * moved / macs;
}

/* A tensor beside what the primitive has of it, @theirs; @in: the way of the
 * reorder, where one is wanted. */
static dnnl_status_t
side_init (OnednnSide *side, Onednn *be, ShimDescRef theirs,
    const DefcnTensor *t, gboolean in)
{
  ShimDesc md = { 0 };
  dnnl_status_t status = ours (&md, be, t);

  if (!status)
    status = defcn_onednn_primitive_memory (&side->theirs, be, theirs, NULL);
  if (!status && !dnnl_memory_desc_equal (theirs, shim_ref (&md))) {
    side->len = defcn_onednn_primitive_len (theirs);
    status =
        defcn_onednn_primitive_memory (&side->ours, be, shim_ref (&md), NULL);
    if (!status)
      status = defcn_onednn_primitive_reorder (&side->reorder, be,
          in ? shim_ref (&md) : theirs, in ? theirs : shim_ref (&md), FALSE);
  }
  shim_desc_free (&md);
  return status;
}

static dnnl_status_t
build (Tiles *t, Onednn *be, const DefcnNode *node,
    const_dnnl_primitive_desc_t pd)
{
  const dnnl_dims_t bias = { node->y->c };
  ShimDescRef y = shim_query (pd, dnnl_query_dst_md);
  OnednnPrimitive *p = &t->p;
  ShimDesc b = { 0 };
  dnnl_status_t status = dnnl_primitive_create (&p->primitive, pd);

  if (!status)
    status = side_init (&p->x, be, shim_query (pd, dnnl_query_src_md),
        node->x[0], TRUE);
  if (!status)
    status = side_init (&p->y, be, y, node->y, FALSE);
  if (!status && node->x[1])
    status = side_init (&t->add, be, y, node->x[1], TRUE);
  if (!status)
    status = defcn_onednn_primitive_pack (&p->pack, be, node,
        shim_query (pd, dnnl_query_weights_md));
  if (!status && node->b)
    status = shim_desc_tag (&b, 1, bias, dnnl_x);
  if (!status && node->b)
    status =
        defcn_onednn_primitive_memory (&p->b, be, shim_ref (&b), node->b->data);
  shim_desc_free (&b);
  if (!status && !defcn_onednn_scratch_reserve (be, p->x.len + p->y.len))
    status = dnnl_out_of_memory;
  if (!status)
    p->info = g_strconcat ("bfloat16 ", defcn_onednn_primitive_info (pd), NULL);
  return status;
}

static gpointer
prepare (Onednn *be, const DefcnNode *node, GError **error)
{
  Tiles *t = g_new0 (Tiles, 1);
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t status = desc_of (&pd, be, node);

  if (!status)
    status = build (t, be, node, pd);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  if (status)
    defcn_onednn_primitive_clear_side (&t->add);
  return defcn_onednn_primitive_prepared (&t->p, be, node, status,
      "bfloat16: ", error);
}

/* Image @image of @t; theirs at @scratch where that is another. */
static void
side_point (const OnednnSide *side, Onednn *be, const DefcnTensor *t, int image,
    float *scratch)
{
  char *data = (char *) t->data + image * image_bytes (be, t);

  dnnl_memory_set_data_handle (side->theirs,
      side->reorder ? (void *) scratch : data);
  if (side->reorder)
    dnnl_memory_set_data_handle (side->ours, data);
}

/* Puts the residual to where y is summed, unless it is there. */
static void
place_residual (const Tiles *t, Onednn *be, const DefcnNode *node, int image)
{
  const DefcnTensor *add = node->x[1];
  void *sum = NULL, *from = NULL;

  dnnl_memory_get_data_handle (t->p.y.theirs, &sum);
  side_point (&t->add, be, add, image, sum);
  defcn_onednn_primitive_exchange (be, node->name, &t->add, TRUE);
  dnnl_memory_get_data_handle (t->add.theirs, &from);
  if (from != sum)
    memcpy (sum, from, image_bytes (be, add));
}

static void
run (Onednn *be, const DefcnNode *node, gpointer state)
{
  const Tiles *t = state;
  const OnednnPrimitive *p = &t->p;
  float *sums = p->y.reorder ? be->scratch + p->x.len : NULL;
  const dnnl_exec_arg_t args[] = {
    { DNNL_ARG_SRC, p->x.theirs },
    { DNNL_ARG_WEIGHTS, p->pack->packed },
    { DNNL_ARG_DST, p->y.theirs },
    { DNNL_ARG_BIAS, p->b },
  };

  defcn_onednn_pack_update (be, p->pack);
  for (int image = 0; image < node->y->n; image++) {
    side_point (&p->x, be, node->x[0], image, be->scratch);
    side_point (&p->y, be, node->y, image, sums);
    defcn_onednn_primitive_exchange (be, node->name, &p->x, TRUE);
    if (node->x[1])
      place_residual (t, be, node, image);
    defcn_onednn_primitive_execute (be, node->name, p->primitive,
        node->b ? 4 : 3, args);
    defcn_onednn_primitive_exchange (be, node->name, &p->y, FALSE);
  }
}

static void
release (Onednn *be, gpointer state)
{
  Tiles *t = state;

  defcn_onednn_primitive_clear_side (&t->add);
  defcn_onednn_primitive_release (be, &t->p);
}

const OnednnPass defcn_onednn_tiles_forward = { cost, prepare, run, release,
  defcn_onednn_primitive_describe };
