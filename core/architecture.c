/* Architectures: backbones, FPN, head. */
#include "architecture.h"

#include <math.h>
#include <string.h>

/* Of the first weights of the head, which are normal. */
#define HEAD_DEVIATION 0.01f

/* Of a backbone's convolution: frozen batch norm behind it, kaiming fan-out. */
static DefcnConvOptions
norm_options (int out, int size, int groups, gboolean relu,
    DefcnTensor *residual, gboolean frozen)
{
  return (DefcnConvOptions){ .groups = groups,
    .norm = TRUE,
    .relu = relu,
    .residual = residual,
    .frozen = frozen,
    .init = DEFCN_INIT_NORMAL,
    .init_value = sqrtf (2.0f * groups / (size * size * out)) };
}

static DefcnTensor *
conv_norm (DefcnNet *net, DefcnTensor *x, const char *name, int out, int size,
    int stride, int groups, gboolean relu, DefcnTensor *residual,
    gboolean frozen)
{
  const DefcnConvOptions options =
      norm_options (out, size, groups, relu, residual, frozen);

  return defcn_net_conv (net, x, name, out, size, stride, &options);
}

/* Where the 3x3 deformable convolution @name reads: at first where a usual one
 * does, and half of that where there are masks. */
static DefcnTensor *
conv_offsets (DefcnNet *net, DefcnTensor *x, const DefcnSpec *spec,
    const char *name, int stride, gboolean frozen)
{
  g_autofree char *offset = g_strconcat (name, "_offset", NULL);

  return defcn_net_conv (net, x, offset, spec->dcn_modulated ? 27 : 18, 3,
      stride,
      &(DefcnConvOptions){ .bias = TRUE,
          .frozen = frozen,
          .init = DEFCN_INIT_CONSTANT });
}

/* The last 3x3 convolution of a block, deformable with @deform. */
static DefcnTensor *
conv_3x3 (DefcnNet *net, DefcnTensor *x, const DefcnSpec *spec,
    const char *name, int out, int stride, int groups, DefcnTensor *residual,
    gboolean frozen, gboolean deform)
{
  const DefcnConvOptions options =
      norm_options (out, 3, groups, TRUE, residual, frozen);

  if (!deform)
    return defcn_net_conv (net, x, name, out, 3, stride, &options);
  return defcn_net_deform_conv (net, x,
      conv_offsets (net, x, spec, name, stride, frozen), name, out, 3, stride,
      &options);
}

/* One ResNet block, He et al. 2016 fig. 5: basic (two 3x3) or bottleneck. */
static DefcnTensor *
resnet_block (DefcnNet *net, DefcnTensor *x, const DefcnSpec *spec,
    const char *name, int width, int out, int stride, gboolean frozen,
    gboolean deform)
{
  const gboolean basic = spec->depth < 50;
  const int stride1 = basic || spec->stride_in_1x1 ? stride : 1;
  g_autofree char *shortcut = g_strconcat (name, ".shortcut", NULL);
  g_autofree char *conv1 = g_strconcat (name, ".conv1", NULL);
  g_autofree char *conv2 = g_strconcat (name, ".conv2", NULL);
  g_autofree char *conv3 = g_strconcat (name, ".conv3", NULL);
  DefcnTensor *skip = x->c == out
      ? x
      : conv_norm (net, x, shortcut, out, 1, stride, 1, FALSE, NULL, frozen);
  DefcnTensor *y;

  if (basic) {
    y = conv_norm (net, x, conv1, out, 3, stride, 1, TRUE, NULL, frozen);
    return conv_3x3 (net, y, spec, conv2, out, 1, 1, skip, frozen, deform);
  }
  y = conv_norm (net, x, conv1, width, 1, stride1, 1, TRUE, NULL, frozen);
  y = conv_3x3 (net, y, spec, conv2, width, stride / stride1, spec->groups,
      NULL, frozen, deform);
  return conv_norm (net, y, conv3, out, 1, 1, 1, TRUE, skip, frozen);
}

static void
build_resnet (DefcnNet *net, const DefcnSpec *spec, DefcnTensor **features)
{
  static const struct
  {
    int depth, blocks[4];
  } depths[] = {
    { 18, { 2, 2, 2, 2 } },
    { 34, { 3, 4, 6, 3 } },
    { 50, { 3, 4, 6, 3 } },
    { 101, { 3, 4, 23, 3 } },
    { 152, { 3, 8, 36, 3 } },
  };
  gsize row = 0;

  while (row < G_N_ELEMENTS (depths) - 1 && depths[row].depth != spec->depth)
    row++;

  DefcnTensor *x =
      conv_norm (net, defcn_net_input (net), "backbone.bottom_up.stem.conv1",
          spec->stem_channels, 7, 2, 1, TRUE, NULL, spec->freeze_at >= 1);
  x = defcn_net_max_pool (net, x);
  for (int stage = 2; stage <= 5; stage++) {
    const int factor = 1 << (stage - 2);

    for (int i = 0; i < depths[row].blocks[stage - 2]; i++) {
      g_autofree char *name =
          g_strdup_printf ("backbone.bottom_up.res%d.%d", stage, i);

      x = resnet_block (net, x, spec, name,
          spec->groups * spec->group_width * factor,
          spec->res2_channels * factor, stage > 2 && i == 0 ? 2 : 1,
          spec->freeze_at >= stage,
          spec->dcn_from > 0 && stage >= spec->dcn_from);
    }
    if (stage > 2)
      features[stage - 3] = x;
  }
}

/* Inverted residuals, Sandler et al. 2018 table 2; the 64-channel blocks stay
 * at stride 8, which reproduces the statistics of the published weights. */
static void
build_mobilenetv2 (DefcnNet *net, const DefcnSpec *spec, DefcnTensor **features)
{
  static const struct
  {
    int out, stride, expansion, stage;
  } blocks[] = {
    { 16, 1, 1, 2 },
    { 24, 2, 6, 2 },
    { 24, 1, 6, 2 },
    { 32, 2, 6, 3 },
    { 32, 1, 6, 3 },
    { 32, 1, 6, 3 },
    { 64, 1, 6, 3 },
    { 64, 1, 6, 3 },
    { 64, 1, 6, 3 },
    { 64, 1, 6, 3 },
    { 96, 2, 6, 4 },
    { 96, 1, 6, 4 },
    { 96, 1, 6, 4 },
    { 160, 2, 6, 5 },
    { 160, 1, 6, 5 },
    { 160, 1, 6, 5 },
    { 320, 1, 6, 5 },
  };
  DefcnTensor *x =
      conv_norm (net, defcn_net_input (net), "backbone.bottom_up.stem.conv", 32,
          3, 2, 1, TRUE, NULL, spec->freeze_at >= 1);

  for (gsize i = 0; i < G_N_ELEMENTS (blocks); i++) {
    const int wide = x->c * blocks[i].expansion;
    const gboolean frozen = spec->freeze_at >= blocks[i].stage;
    const gboolean skip = blocks[i].stride == 1 && x->c == blocks[i].out;
    g_autofree char *expand =
        g_strdup_printf ("backbone.bottom_up.block%zu.expand", i);
    g_autofree char *depthwise =
        g_strdup_printf ("backbone.bottom_up.block%zu.depthwise", i);
    g_autofree char *project =
        g_strdup_printf ("backbone.bottom_up.block%zu.project", i);
    DefcnTensor *y =
        conv_norm (net, x, expand, wide, 1, 1, 1, TRUE, NULL, frozen);

    y = conv_norm (net, y, depthwise, wide, 3, blocks[i].stride, wide, TRUE,
        NULL, frozen);
    x = conv_norm (net, y, project, blocks[i].out, 1, 1, 1, FALSE,
        skip ? x : NULL, frozen);
    if (blocks[i].stage > 2)
      features[blocks[i].stage - 3] = x;
  }
}

static void (*const builders[]) (DefcnNet *net, const DefcnSpec *spec,
    DefcnTensor **features) = {
  [DEFCN_BACKBONE_RESNET] = build_resnet,
  [DEFCN_BACKBONE_MOBILENETV2] = build_mobilenetv2,
};

/* FPN convolution: own bias, kaiming uniform with a = 1, which is within
 * sqrt (3 / fan-in). */
static DefcnTensor *
conv_fpn (DefcnNet *net, DefcnTensor *x, const char *name, int out, int size,
    int stride)
{
  return defcn_net_conv (net, x, name, out, size, stride,
      &(DefcnConvOptions){ .bias = TRUE,
          .init = DEFCN_INIT_UNIFORM,
          .init_value = sqrtf (3.0f / (size * size * x->c)) });
}

/* t5 = lateral5 (C5), t4 = lateral4 (C4) + up2 (t5), ..; P = output (t). */
static void
build_fpn (DefcnNet *net, const DefcnSpec *spec, DefcnPlan *plan)
{
  const int c = spec->fpn_channels;
  DefcnTensor *top = NULL;

  for (int i = 2; i >= 0; i--) {
    g_autofree char *lateral =
        g_strdup_printf ("backbone.fpn_lateral%d", i + 3);
    g_autofree char *output = g_strdup_printf ("backbone.fpn_output%d", i + 3);
    DefcnTensor *t = conv_fpn (net, plan->features[i], lateral, c, 1, 1);

    top = top ? defcn_net_upsample_add (net, t, top) : t;
    plan->fpn[i] = conv_fpn (net, top, output, c, 3, 1);
  }
  plan->fpn[3] =
      conv_fpn (net, spec->p6_from_c5 ? plan->features[2] : plan->fpn[2],
          "backbone.top_block.p6", c, 3, 2);
  plan->fpn[4] = conv_fpn (net, defcn_net_relu (net, plan->fpn[3]),
      "backbone.top_block.p7", c, 3, 2);
}

/* Head convolution on every level, by the same weights and an own bias.  @y may
 * be @x. */
static void
conv_head (DefcnNet *net, DefcnTensor **y, DefcnTensor *const *x,
    const char *name, int out, float bias_value, gboolean relu)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    y[l] = defcn_net_conv (net, x[l], name, out, 3, 1,
        &(DefcnConvOptions){ .bias = TRUE,
            .init = DEFCN_INIT_NORMAL,
            .init_value = HEAD_DEVIATION,
            .bias_value = bias_value,
            .relu = relu });
}

/* The same, deformable. */
static void
deform_head (DefcnNet *net, DefcnTensor **y, const DefcnSpec *spec,
    const char *name, gboolean relu)
{
  DefcnTensor *offsets[DEFCN_N_LEVELS];

  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    offsets[l] = conv_offsets (net, y[l], spec, name, 1, FALSE);
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    y[l] = defcn_net_deform_conv (net, y[l], offsets[l], name,
        spec->fpn_channels, 3, 1,
        &(DefcnConvOptions){ .bias = TRUE,
            .init = DEFCN_INIT_NORMAL,
            .init_value = HEAD_DEVIATION,
            .relu = relu });
}

/* tower_depth x (conv 3x3, group norm, ReLU), or without a norm, the last one
 * deformable with dcn_head (tab. 10); modules are numbered in threes, or twos,
 * as in the reference's nn.Sequential. */
static void
build_tower (DefcnNet *net, DefcnTensor **y, DefcnTensor *const *x,
    const DefcnSpec *spec, const char *name)
{
  memcpy (y, x, DEFCN_N_LEVELS * sizeof *y);
  for (int i = 0; i < spec->tower_depth; i++) {
    const gboolean has_norm = spec->norm_groups > 0;
    const int modules = has_norm ? 3 : 2;
    g_autofree char *conv = g_strdup_printf ("head.%s.%d", name, modules * i);
    g_autofree char *norm = g_strdup_printf ("head.%s.%d", name, 3 * i + 1);

    if (spec->dcn_head && i == spec->tower_depth - 1)
      deform_head (net, y, spec, conv, !has_norm);
    else
      conv_head (net, y, y, conv, spec->fpn_channels, 0, !has_norm);
    for (int l = 0; l < DEFCN_N_LEVELS && has_norm; l++)
      y[l] = defcn_net_group_norm (net, y[l], norm, spec->norm_groups, TRUE);
  }
}

/* 3D max filtering, eq. 5, 6, on the box towers of all levels, which are added
 * before the norm (fig. 3). */
static void
build_filter (DefcnNet *net, const DefcnSpec *spec, DefcnTensor *const *towers,
    DefcnPlan *plan)
{
  DefcnTensor *f[DEFCN_N_LEVELS], *z[DEFCN_N_LEVELS];

  conv_head (net, f, towers, "head.max3d.conv", spec->fpn_channels, 0, FALSE);
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    z[l] = defcn_net_tube_max (net, towers[l], f, DEFCN_N_LEVELS, l, spec->tau,
        spec->phi, !spec->filter_norm);
  for (int l = 0; l < DEFCN_N_LEVELS && spec->filter_norm; l++)
    z[l] = defcn_net_group_norm (net, z[l], "head.max3d.norm",
        spec->norm_groups, TRUE);
  conv_head (net, plan->filter, z, "head.filter", 1, 0, FALSE);
}

/* Out of the box towers the sides of every location's boxes. */
static void
build_boxes (DefcnNet *net, const DefcnSpec *spec, DefcnTensor *const *towers,
    DefcnPlan *plan)
{
  DefcnTensor *x[DEFCN_N_LEVELS];

  conv_head (net, x, towers, "head.bbox_pred", 4 * MAX (spec->anchors, 1), 0,
      FALSE);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_autofree char *scale = g_strdup_printf ("head.scales.%d", l);
    DefcnAnchor anchors[DEFCN_MAX_ANCHORS];

    defcn_anchors_fill (anchors, spec->anchors, l);
    plan->deltas[l] = spec->anchors > 0
        ? defcn_net_anchors (net, x[l], "head.anchors", anchors, spec->anchors)
        : defcn_net_box (net, x[l], scale,
            spec->norm_reg_targets ? defcn_boxes_stride (l) : 1,
            !spec->norm_reg_targets);
  }
}

#define AUX_SCORE "head.aux_score"

gboolean
defcn_architecture_is_auxiliary (const char *name)
{
  return g_str_has_prefix (name, AUX_SCORE ".");
}

/* Layer by layer, so that a backend may run the levels of one together. */
static void
build_head (DefcnNet *net, const DefcnSpec *spec, DefcnPlan *plan)
{
  const float prior = -logf ((1 - 0.01f) / 0.01f);
  const int n_scores = spec->n_classes * MAX (spec->anchors, 1);
  DefcnTensor *x[DEFCN_N_LEVELS], *towers[DEFCN_N_LEVELS];

  build_tower (net, x, plan->fpn, spec, "cls_subnet");
  conv_head (net, plan->logits, x, "head.cls_score", n_scores, prior, FALSE);
  if (spec->aux_classifier)
    conv_head (net, plan->aux_logits, x, AUX_SCORE, n_scores, prior, FALSE);
  build_tower (net, towers, plan->fpn, spec, "bbox_subnet");
  build_boxes (net, spec, towers, plan);
  if (spec->filter)
    build_filter (net, spec, towers, plan);
  if (spec->centerness)
    conv_head (net, plan->centerness, towers, "head.centerness", 1, 0, FALSE);
}

DefcnPlan *
defcn_architecture_build (const DefcnSpec *spec, DefcnParams *params,
    DefcnBackend *be, int n, int h, int w)
{
  DefcnPlan *plan = g_new0 (DefcnPlan, 1);

  plan->net = defcn_net_new (params, be, n, h, w);
  plan->input = defcn_net_input (plan->net);
  builders[spec->backbone](plan->net, spec, plan->features);
  build_fpn (plan->net, spec, plan);
  build_head (plan->net, spec, plan);
  return plan;
}

void
defcn_architecture_free (DefcnPlan *plan)
{
  if (!plan)
    return;
  defcn_net_free (plan->net);
  g_free (plan);
}
