/* The steps of a network as ONNX nodes. */
#include "network.h"

#define NORM_EPSILON 1e-5f

typedef struct
{
  DefcnOnnx *onnx;
  DefcnBackend *be;
  GHashTable *values; /* DefcnTensor -> name of its value */
} Export;

static const char *
value_of (const Export *e, const DefcnTensor *t)
{
  return g_hash_table_lookup (e->values, t);
}

/* OHWI -> OIHW; vectors stay what they are. */
static void
fill (float *values, gconstpointer tensor, gpointer be)
{
  const DefcnTensor *t = tensor;
  const gsize hw = (gsize) t->h * t->w, row = hw * t->c;
  g_autofree float *dense = g_new (float, defcn_tensor_len (t));

  ((DefcnBackend *) be)->download (be, t, dense, t->data);
  for (int o = 0; o < t->n; o++)
    for (int i = 0; i < t->c; i++)
      for (gsize k = 0; k < hw; k++)
        values[o * row + i * hw + k] = dense[o * row + k * t->c + i];
}

/* A parameter under the name that it has in the model file. */
static const char *
parameter (const Export *e, const DefcnNode *node, const char *suffix,
    const DefcnTensor *t, const gint64 *dims, int n_dims)
{
  g_autofree char *name = g_strconcat (node->name, suffix, NULL);

  return defcn_onnx_tensor (e->onnx, name, dims, n_dims, fill, t, e->be);
}

static const char *
rectify (const Export *e, const DefcnNode *node, const char *y)
{
  return node->relu ? defcn_onnx_add (e->onnx, "Relu", y, NULL) : y;
}

/* Of @x with the weights of @node; @residual: NULL for none. */
static const char *
convolve (const Export *e, const DefcnNode *node, const char *x, int stride,
    int pad, const DefcnTensor *residual)
{
  DefcnOnnx *o = e->onnx;
  const DefcnTensor *w = node->w;
  const gint64 dims[] = { w->n, w->c, w->h, w->w }, n = w->n;
  const gint64 pads[] = { pad, pad, pad, pad }, strides[] = { stride, stride };
  const char *inputs[] = { x, parameter (e, node, ".weight", w, dims, 4),
    node->b ? parameter (e, node, ".bias", node->b, &n, 1) : NULL };
  const char *y = defcn_onnx_add_all (o, "Conv", inputs, node->b ? 3 : 2);

  defcn_onnx_int (o, "group", node->groups);
  defcn_onnx_ints (o, "kernel_shape", dims + 2, 2);
  defcn_onnx_ints (o, "pads", pads, 4);
  defcn_onnx_ints (o, "strides", strides, 2);
  if (residual)
    y = defcn_onnx_add (o, "Add", y, value_of (e, residual), NULL);
  return rectify (e, node, y);
}

static const char *
emit_conv (const Export *e, const DefcnNode *node)
{
  return convolve (e, node, value_of (e, node->x[0]), node->stride, node->pad,
      node->x[1]);
}

/* Channels @begin to before @end of @x. */
static const char *
slice (DefcnOnnx *o, const char *x, int begin, int end)
{
  return defcn_onnx_add (o, "Slice", x,
      defcn_onnx_int64s (o, (gint64[]){ begin }, 1),
      defcn_onnx_int64s (o, (gint64[]){ end }, 1),
      defcn_onnx_int64s (o, (gint64[]){ 1 }, 1), NULL);
}

/* Those of the offsets, a location's taps beside each other: (n, channels of a
 * tap, size h, size w). */
static const char *
lay_out (const Export *e, const DefcnNode *node, int begin, int end)
{
  DefcnOnnx *o = e->onnx;
  const char *x = defcn_onnx_add (o, "DepthToSpace",
      slice (o, value_of (e, node->x[1]), begin, end), NULL);

  defcn_onnx_int (o, "blocksize", node->size);
  return x;
}

/* Where taps that are not moved read along axis @i, 2 or 3, moved by @offset
 * and from pixels to what GridSample takes, -1 to 1 over the map. */
static const char *
add_axis (const Export *e, const DefcnNode *node, const char *offset, int i)
{
  DefcnOnnx *o = e->onnx;
  const char *side = defcn_onnx_add (o, "Gather",
      defcn_onnx_add (o, "Shape", value_of (e, node->x[0]), NULL),
      defcn_onnx_int64 (o, i), NULL);
  const char *at = defcn_onnx_add (o, "Range", defcn_onnx_int64 (o, 0),
      defcn_onnx_add (o, "Gather", defcn_onnx_add (o, "Shape", offset, NULL),
          defcn_onnx_int64 (o, i), NULL),
      defcn_onnx_int64 (o, 1), NULL);
  const char *size = defcn_onnx_int64 (o, node->size);
  const char *location =
      defcn_onnx_add (o, "Mul", defcn_onnx_add (o, "Div", at, size, NULL),
          defcn_onnx_int64 (o, node->stride), NULL);
  const char *y = defcn_onnx_add (o, "Add", location,
      defcn_onnx_add (o, "Mod", at, size, NULL), NULL);

  y = defcn_onnx_add (o, "Sub", y, defcn_onnx_int64 (o, node->pad), NULL);
  if (i == 2)
    y = defcn_onnx_add (o, "Unsqueeze", y,
        defcn_onnx_int64s (o, (gint64[]){ 1 }, 1), NULL);
  y = defcn_onnx_add (o, "Cast", y, NULL);
  defcn_onnx_int (o, "to", DEFCN_ONNX_FLOAT);
  side = defcn_onnx_add (o, "Cast", side, NULL);
  defcn_onnx_int (o, "to", DEFCN_ONNX_FLOAT);
  y = defcn_onnx_add (o, "Add", offset, y, NULL);
  y = defcn_onnx_add (o, "Add", y, y, NULL);
  y = defcn_onnx_add (o, "Add", y, defcn_onnx_number (o, 1), NULL);
  y = defcn_onnx_add (o, "Div", y, side, NULL);
  return defcn_onnx_add (o, "Sub", y, defcn_onnx_number (o, 1), NULL);
}

/* Opset 17 has no DeformConv, and few engines do: what the taps read is a map
 * of its own, size times as high and wide, which a convolution strides over. */
static const char *
emit_deform_conv (const Export *e, const DefcnNode *node)
{
  DefcnOnnx *o = e->onnx;
  const int n_taps = node->size * node->size;
  const char *offsets = lay_out (e, node, 0, 2 * n_taps), *grid, *x;
  const char *down = slice (o, offsets, 0, 1);
  const char *right = slice (o, offsets, 1, 2);
  const char *axes[] = { add_axis (e, node, right, 3),
    add_axis (e, node, down, 2) };

  grid = defcn_onnx_add_all (o, "Concat", axes, 2);
  defcn_onnx_int (o, "axis", 1);
  grid = defcn_onnx_add (o, "Transpose", grid, NULL);
  defcn_onnx_ints (o, "perm", (gint64[]){ 0, 2, 3, 1 }, 4);
  x = defcn_onnx_add (o, "GridSample", value_of (e, node->x[0]), grid, NULL);
  defcn_onnx_int (o, "align_corners", 0);
  defcn_onnx_string (o, "mode", "bilinear");
  defcn_onnx_string (o, "padding_mode", "zeros");
  if (node->x[1]->c > 2 * n_taps)
    x = defcn_onnx_add (o, "Mul", x,
        defcn_onnx_add (o, "Sigmoid", lay_out (e, node, 2 * n_taps, 3 * n_taps),
            NULL),
        NULL);
  return convolve (e, node, x, node->size, 0, node->x[2]);
}

/* The maximum of a square window; the border counts as -inf. */
static const char *
pool (DefcnOnnx *o, const char *x, int size, int stride)
{
  const int pad = size / 2;
  const char *y = defcn_onnx_add (o, "MaxPool", x, NULL);

  defcn_onnx_ints (o, "kernel_shape", (gint64[]){ size, size }, 2);
  defcn_onnx_ints (o, "pads", (gint64[]){ pad, pad, pad, pad }, 4);
  defcn_onnx_ints (o, "strides", (gint64[]){ stride, stride }, 2);
  return y;
}

static const char *
emit_max_pool (const Export *e, const DefcnNode *node)
{
  return pool (e->onnx, value_of (e, node->x[0]), node->size, node->stride);
}

static const char *
emit_relu (const Export *e, const DefcnNode *node)
{
  return defcn_onnx_add (e->onnx, "Relu", value_of (e, node->x[0]), NULL);
}

/* Opset 17 has none: as PyTorch writes it, an instance norm of the groups. */
static const char *
emit_group_norm (const Export *e, const DefcnNode *node)
{
  DefcnOnnx *o = e->onnx;
  const gint64 dims[] = { node->w->c, 1, 1 };
  const char *x = value_of (e, node->x[0]), *shape, *y;
  g_autofree float *ones = g_new (float, node->groups);
  g_autofree float *zeros = g_new0 (float, node->groups);

  for (int i = 0; i < node->groups; i++)
    ones[i] = 1;
  shape = defcn_onnx_add (o, "Shape", x, NULL);
  y = defcn_onnx_add (o, "Reshape", x,
      defcn_onnx_int64s (o, (gint64[]){ 0, node->groups, -1 }, 3), NULL);
  y = defcn_onnx_add (o, "InstanceNormalization", y,
      defcn_onnx_floats (o, ones, node->groups),
      defcn_onnx_floats (o, zeros, node->groups), NULL);
  defcn_onnx_float (o, "epsilon", NORM_EPSILON);
  y = defcn_onnx_add (o, "Reshape", y, shape, NULL);
  y = defcn_onnx_add (o, "Mul", y,
      parameter (e, node, ".weight", node->w, dims, 3), NULL);
  y = defcn_onnx_add (o, "Add", y,
      parameter (e, node, ".bias", node->b, dims, 3), NULL);
  return rectify (e, node, y);
}

static const char *
emit_upsample_add (const Export *e, const DefcnNode *node)
{
  DefcnOnnx *o = e->onnx;
  const float twice[] = { 1, 1, 2, 2 };
  const char *y = defcn_onnx_add (o, "Resize", value_of (e, node->x[1]), "",
      defcn_onnx_floats (o, twice, 4), NULL);

  defcn_onnx_string (o, "mode", "nearest");
  defcn_onnx_string (o, "coordinate_transformation_mode", "asymmetric");
  defcn_onnx_string (o, "nearest_mode", "floor");
  return defcn_onnx_add (o, "Add", value_of (e, node->x[0]), y, NULL);
}

/* Eq. 5, 6: all levels have the same n and c, so the shape of the tube's own
 * is that of the others once they are resized. */
static const char *
emit_tube_max (const Export *e, const DefcnNode *node)
{
  DefcnOnnx *o = e->onnx;
  const char *levels[DEFCN_MAX_INPUTS];
  const char *shape = NULL;

  if (node->n_levels > 1)
    shape = defcn_onnx_add (o, "Shape", value_of (e, node->x[1 + node->self]),
        NULL);
  for (int i = 0; i < node->n_levels; i++) {
    levels[i] = value_of (e, node->x[1 + i]);
    if (i == node->self)
      continue;
    levels[i] = defcn_onnx_add (o, "Resize", levels[i], "", "", shape, NULL);
    defcn_onnx_string (o, "mode", "linear");
    defcn_onnx_string (o, "coordinate_transformation_mode", "half_pixel");
  }
  const char *y = node->n_levels > 1
      ? defcn_onnx_add_all (o, "Max", levels, node->n_levels)
      : levels[0];
  y = pool (o, y, node->phi, 1);
  y = defcn_onnx_add (o, "Add", value_of (e, node->x[0]), y, NULL);
  return rectify (e, node, y);
}

static const char *
emit_box (const Export *e, const DefcnNode *node)
{
  DefcnOnnx *o = e->onnx;
  const gint64 one = 1;
  const char *y = defcn_onnx_add (o, "Mul", value_of (e, node->x[0]),
      parameter (e, node, ".scale", node->w, &one, 1), NULL);

  if (node->exponential)
    return defcn_onnx_add (o, "Exp", y, NULL);
  y = defcn_onnx_add (o, "Relu", y, NULL);
  return defcn_onnx_add (o, "Mul", y, defcn_onnx_number (o, node->factor),
      NULL);
}

/* @d in sizes of the anchor, from the location's centre. */
static const char *
emit_centre (DefcnOnnx *o, const char *d, float at, float size)
{
  const char *y =
      defcn_onnx_add (o, "Mul", d, defcn_onnx_number (o, size), NULL);

  return at == 0
      ? y
      : defcn_onnx_add (o, "Add", y, defcn_onnx_number (o, at), NULL);
}

/* Half of what @d is the logarithm of, in sizes of the anchor. */
static const char *
emit_half (DefcnOnnx *o, const char *d, float size)
{
  const char *y = defcn_onnx_add (o, "Min", d,
      defcn_onnx_number (o, DEFCN_ANCHORS_CLAMP), NULL);

  y = defcn_onnx_add (o, "Exp", y, NULL);
  return defcn_onnx_add (o, "Mul", y, defcn_onnx_number (o, size / 2), NULL);
}

static const char *
emit_anchors (const Export *e, const DefcnNode *node)
{
  DefcnOnnx *o = e->onnx;
  const char *parts[4 * DEFCN_MAX_ANCHORS], *sides[4 * DEFCN_MAX_ANCHORS];
  const int n = 4 * node->n_anchors;

  parts[0] = defcn_onnx_add (o, "Split", value_of (e, node->x[0]), NULL);
  for (int i = 1; i < n; i++)
    parts[i] = defcn_onnx_also (o);
  defcn_onnx_int (o, "axis", 1);
  for (int i = 0; i < n; i += 4) {
    const DefcnAnchor *a = &node->anchors[i / 4];
    const char *x = emit_centre (o, parts[i], a->x, a->w);
    const char *y = emit_centre (o, parts[i + 1], a->y, a->h);
    const char *half_w = emit_half (o, parts[i + 2], a->w);
    const char *half_h = emit_half (o, parts[i + 3], a->h);

    sides[i] = defcn_onnx_add (o, "Sub", half_w, x, NULL);
    sides[i + 1] = defcn_onnx_add (o, "Sub", half_h, y, NULL);
    sides[i + 2] = defcn_onnx_add (o, "Add", half_w, x, NULL);
    sides[i + 3] = defcn_onnx_add (o, "Add", half_h, y, NULL);
  }
  const char *ltrb = defcn_onnx_add_all (o, "Concat", sides, n);
  defcn_onnx_int (o, "axis", 1);
  return ltrb;
}

/* An op without its function here does not compile. */
#define EMIT(NAME, name) [DEFCN_OP_##NAME] = emit_##name,
static const char *(*const emitters[DEFCN_N_OPS]) (const Export *e,
    const DefcnNode *node) = { DEFCN_OPS (EMIT) };

/* Gives the value of the last step, @y, its name if it is that of a head. */
static const char *
call_head (DefcnOnnx *onnx, const char *value, const char *head,
    const DefcnTensor *y, DefcnTensor *const *heads)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_autofree char *name = g_strdup_printf ("%s_p%d", head, l + 3);

    if (y == heads[l])
      return defcn_onnx_call (onnx, name);
  }
  return value;
}

void
defcn_export_network (DefcnExportHeads *heads, DefcnOnnx *onnx,
    const char *input, const DefcnPlan *plan, DefcnBackend *be)
{
  g_autoptr (GHashTable) values = g_hash_table_new (NULL, NULL);
  const Export e = { onnx, be, values };

  g_hash_table_insert (values, plan->input, (gpointer) input);
  for (guint i = 0; i < defcn_net_count (plan->net); i++) {
    const DefcnNode *node = defcn_net_node (plan->net, i);
    const char *value;

    defcn_onnx_scope (onnx, node->name);
    value = emitters[node->kind](&e, node);
    value = call_head (onnx, value, "logits", node->y, plan->logits);
    value = call_head (onnx, value, "ltrb", node->y, plan->deltas);
    value = call_head (onnx, value, "filter", node->y, plan->filter);
    value = call_head (onnx, value, "centerness", node->y, plan->centerness);
    g_hash_table_insert (values, node->y, (gpointer) value);
  }
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    heads->logits[l] = value_of (&e, plan->logits[l]);
    heads->ltrb[l] = value_of (&e, plan->deltas[l]);
    heads->filter[l] = plan->filter[l] ? value_of (&e, plan->filter[l]) : NULL;
    heads->centerness[l] =
        plan->centerness[l] ? value_of (&e, plan->centerness[l]) : NULL;
  }
}
