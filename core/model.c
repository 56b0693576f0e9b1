/* Architectures, and a model: spec, parameters, plans. */
#include "model.h"

#include <math.h>
#include <string.h>

#define MAX_PLANS 8
#define MAX_PLAN_BYTES ((gsize) 4 << 30)

struct _DefcnModel
{
  DefcnSpec *spec;
  DefcnBackend *be;
  DefcnParams *params;
  gboolean train;
  GQueue plans; /* of DefcnPlan, last used first */
};

/* Backbone convolution: frozen batch norm behind it, kaiming fan-out. */
static DefcnTensor *
conv_norm (DefcnNet *net, DefcnTensor *x, const char *name, int out, int size,
    int stride, int groups, gboolean relu, DefcnTensor *residual,
    gboolean frozen)
{
  return defcn_net_conv (net, x, name, out, size, stride,
      &(DefcnConvOptions){ .groups = groups,
          .norm = TRUE,
          .relu = relu,
          .residual = residual,
          .frozen = frozen,
          .init = DEFCN_INIT_NORMAL,
          .init_value = sqrtf (2.0f * groups / (size * size * out)) });
}

/* One ResNet block, SPEC 2.3: basic (two 3x3) or bottleneck. */
static DefcnTensor *
resnet_block (DefcnNet *net, DefcnTensor *x, const DefcnSpec *spec,
    const char *name, int width, int out, int stride, gboolean frozen)
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
    return conv_norm (net, y, conv2, out, 3, 1, 1, TRUE, skip, frozen);
  }
  y = conv_norm (net, x, conv1, width, 1, stride1, 1, TRUE, NULL, frozen);
  y = conv_norm (net, y, conv2, width, 3, stride / stride1, spec->groups, TRUE,
      NULL, frozen);
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
          spec->freeze_at >= stage);
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

/* FPN convolution: own bias, kaiming uniform fan-in with a = 1, SPEC 3. */
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

/* Head convolution on every level, by the same weights: own bias, normal (0,
 * 0.01), SPEC 4.1.  @y may be @x. */
static void
conv_head (DefcnNet *net, DefcnTensor **y, DefcnTensor *const *x,
    const char *name, int out, float bias_value)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    y[l] = defcn_net_conv (net, x[l], name, out, 3, 1,
        &(DefcnConvOptions){ .bias = TRUE,
            .init = DEFCN_INIT_NORMAL,
            .init_value = 0.01f,
            .bias_value = bias_value });
}

/* tower_depth x (conv 3x3, group norm, ReLU); modules are numbered in threes,
 * as in the reference's nn.Sequential. */
static void
build_tower (DefcnNet *net, DefcnTensor **y, DefcnTensor *const *x,
    const DefcnSpec *spec, const char *name)
{
  memcpy (y, x, DEFCN_N_LEVELS * sizeof *y);
  for (int i = 0; i < spec->tower_depth; i++) {
    g_autofree char *conv = g_strdup_printf ("head.%s.%d", name, 3 * i);
    g_autofree char *norm = g_strdup_printf ("head.%s.%d", name, 3 * i + 1);

    conv_head (net, y, y, conv, spec->fpn_channels, 0);
    for (int l = 0; l < DEFCN_N_LEVELS; l++)
      y[l] = defcn_net_group_norm (net, y[l], norm, spec->norm_groups, TRUE);
  }
}

/* 3D max filtering, SPEC 4.2, on the box towers of all levels. */
static void
build_filter (DefcnNet *net, const DefcnSpec *spec, DefcnTensor *const *towers,
    DefcnPlan *plan)
{
  DefcnTensor *f[DEFCN_N_LEVELS], *z[DEFCN_N_LEVELS];

  conv_head (net, f, towers, "head.max3d.conv", spec->fpn_channels, 0);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    z[l] = defcn_net_tube_max (net, towers[l], f, DEFCN_N_LEVELS, l, spec->tau,
        spec->phi, !spec->filter_norm);
    if (spec->filter_norm)
      z[l] = defcn_net_group_norm (net, z[l], "head.max3d.norm",
          spec->norm_groups, TRUE);
  }
  conv_head (net, plan->filter, z, "head.filter", 1, 0);
}

/* Layer by layer, so that a backend may run the levels of one together. */
static void
build_head (DefcnNet *net, const DefcnSpec *spec, DefcnPlan *plan)
{
  const float prior = -logf ((1 - 0.01f) / 0.01f);
  DefcnTensor *x[DEFCN_N_LEVELS], *towers[DEFCN_N_LEVELS];

  build_tower (net, x, plan->fpn, spec, "cls_subnet");
  conv_head (net, plan->logits, x, "head.cls_score", spec->n_classes, prior);
  build_tower (net, towers, plan->fpn, spec, "bbox_subnet");
  conv_head (net, x, towers, "head.bbox_pred", 4, 0);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_autofree char *scale = g_strdup_printf ("head.scales.%d", l);

    plan->deltas[l] = defcn_net_box (net, x[l], scale,
        spec->norm_reg_targets ? 8 << l : 1, !spec->norm_reg_targets);
  }
  if (spec->filter)
    build_filter (net, spec, towers, plan);
}

static void
plan_free (DefcnPlan *plan)
{
  defcn_net_free (plan->net);
  g_free (plan);
}

/* The whole network, not planned yet. */
static DefcnPlan *
build (DefcnModel *model, int n, int h, int w)
{
  DefcnPlan *plan = g_new0 (DefcnPlan, 1);

  plan->net = defcn_net_new (model->params, model->be, n, h, w);
  plan->input = defcn_net_input (plan->net);
  builders[model->spec->backbone](plan->net, model->spec, plan->features);
  build_fpn (plan->net, model->spec, plan);
  build_head (plan->net, model->spec, plan);
  return plan;
}

DefcnModel *
defcn_model_new (const DefcnSpec *spec, DefcnBackend *be, gboolean train,
    guint64 seed, GError **error)
{
  /* Through the JSON form, whose reader has all the checks. */
  g_autofree char *json = defcn_spec_to_json (spec);
  DefcnSpec *checked = defcn_spec_from_json (json, "model", error);

  if (!checked)
    return NULL;

  DefcnModel *model = g_new0 (DefcnModel, 1);
  model->spec = checked;
  model->be = be;
  model->train = train;
  model->params = defcn_params_new (be, train);
  g_queue_init (&model->plans);
  plan_free (build (model, 1, 128, 128)); /* creates the parameters */
  if (!defcn_params_check (model->params, error)) {
    defcn_model_free (model);
    return NULL;
  }
  defcn_params_initialize (model->params, seed);
  defcn_params_upload (model->params);
  return model;
}

DefcnModel *
defcn_model_open (const DefcnWeights *weights, DefcnBackend *be, gboolean train,
    GError **error)
{
  const char *path = defcn_weights_path (weights);
  const char *json = defcn_weights_metadata (weights, "defcn.spec");

  if (!json) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "%s: no \"defcn.spec\" in its metadata, not a defcn model (see defcn "
        "import)",
        path);
    return NULL;
  }

  g_autoptr (DefcnSpec) spec = defcn_spec_from_json (json, path, error);
  if (!spec)
    return NULL;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, train, 0, error);
  if (!model || !defcn_model_load (model, weights, FALSE, NULL, error))
    return NULL;
  return g_steal_pointer (&model);
}

void
defcn_model_free (DefcnModel *model)
{
  if (!model)
    return;
  g_queue_clear_full (&model->plans, (GDestroyNotify) plan_free);
  defcn_params_free (model->params);
  defcn_spec_free (model->spec);
  g_free (model);
}

/* The file's dims of @p: OIHW for a weight, one dim otherwise. */
static int
file_dims (gint64 dims[4], const DefcnParam *p)
{
  if (p->kind != DEFCN_PARAM_WEIGHT) {
    dims[0] = p->c;
    return 1;
  }
  dims[0] = p->n;
  dims[1] = p->c;
  dims[2] = p->h;
  dims[3] = p->w;
  return 4;
}

static char *
shape_text (int n_dims, const gint64 *dims)
{
  GString *text = g_string_new (NULL);

  for (int i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "x" : "", dims[i]);
  return g_string_free (text, FALSE);
}

/* OIHW <-> OHWI of one weight. */
static void
transpose (float *dst, const float *src, const DefcnParam *p,
    gboolean to_master)
{
  const gsize hw = (gsize) p->h * p->w, row = hw * p->c;

  for (int o = 0; o < p->n; o++) {
    for (int i = 0; i < p->c; i++) {
      for (gsize k = 0; k < hw; k++) {
        const gsize oihw = o * row + i * hw + k, ohwi = o * row + k * p->c + i;

        dst[to_master ? ohwi : oihw] = src[to_master ? oihw : ohwi];
      }
    }
  }
}

static gboolean
load_param (DefcnParam *p, const DefcnWeights *weights,
    const DefcnWeightsTensor *t, GError **error)
{
  gint64 dims[4];
  const int n_dims = file_dims (dims, p);

  if (t->n_dims != n_dims
      || memcmp (t->dims, dims, n_dims * sizeof dims[0]) != 0) {
    g_autofree char *found = shape_text (t->n_dims, t->dims);
    g_autofree char *wanted = shape_text (n_dims, dims);

    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "%s: tensor \"%s\" is %s, the model wants %s",
        defcn_weights_path (weights), p->name, found, wanted);
    return FALSE;
  }

  g_autofree float *values = g_new (float, t->len);
  if (!defcn_weights_read (weights, t, values, error))
    return FALSE;
  if (p->kind == DEFCN_PARAM_WEIGHT)
    transpose (p->value, values, p, TRUE);
  else
    memcpy (p->value, values, t->len * sizeof *values);
  return TRUE;
}

gboolean
defcn_model_load (DefcnModel *model, const DefcnWeights *weights,
    gboolean partial, guint *n_missing, GError **error)
{
  guint missing = 0;

  defcn_params_download (model->params); /* what is missing keeps its value */

  for (guint i = 0; i < defcn_params_count (model->params); i++) {
    DefcnParam *p = defcn_params_get (model->params, i);
    const DefcnWeightsTensor *t = defcn_weights_lookup (weights, p->name);

    if (!t && !partial) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
          "%s: no tensor \"%s\"", defcn_weights_path (weights), p->name);
      return FALSE;
    }
    if (!t)
      missing++;
    else if (!load_param (p, weights, t, error))
      return FALSE;
  }
  if (n_missing)
    *n_missing = missing;
  defcn_params_upload (model->params);
  return TRUE;
}

void
defcn_model_save (const DefcnModel *model, DefcnWeightsWriter *writer,
    DefcnDtype dtype)
{
  g_autofree char *json = defcn_spec_to_json (model->spec);

  defcn_params_download (model->params);
  defcn_weights_writer_metadata (writer, "format", "pt");
  defcn_weights_writer_metadata (writer, "defcn.spec", json);
  for (guint i = 0; i < defcn_params_count (model->params); i++) {
    const DefcnParam *p = defcn_params_get (model->params, i);
    const gboolean weight = p->kind == DEFCN_PARAM_WEIGHT;
    g_autofree float *values =
        g_memdup2 (p->value, defcn_param_len (p) * sizeof (float));
    gint64 dims[4];
    const int n_dims = file_dims (dims, p);

    if (weight)
      transpose (values, p->value, p, FALSE);
    defcn_weights_writer_add (writer, p->name, weight ? dtype : DEFCN_DTYPE_F32,
        n_dims, dims, values);
  }
}

const DefcnSpec *
defcn_model_spec (const DefcnModel *model)
{
  return model->spec;
}

DefcnParams *
defcn_model_params (const DefcnModel *model)
{
  return model->params;
}

DefcnBackend *
defcn_model_backend (const DefcnModel *model)
{
  return model->be;
}

/* Drops the plans least recently used until what is kept fits the limits. */
static void
trim_plans (DefcnModel *model)
{
  gsize bytes = 0;
  guint kept = 0;

  for (GList *l = model->plans.head; l; l = l->next, kept++) {
    bytes += defcn_net_bytes (((DefcnPlan *) l->data)->net);
    if (kept > 0 && (kept >= MAX_PLANS || bytes > MAX_PLAN_BYTES))
      break;
  }
  while (g_queue_get_length (&model->plans) > kept)
    plan_free (g_queue_pop_tail (&model->plans));
}

const DefcnPlan *
defcn_model_plan (DefcnModel *model, int n, int h, int w, GError **error)
{
  const int divisor = model->spec->input.divisor;

  for (GList *l = model->plans.head; l; l = l->next) {
    const DefcnTensor *input = ((DefcnPlan *) l->data)->input;

    if (input->n == n && input->h == h && input->w == w) {
      g_queue_unlink (&model->plans, l);
      g_queue_push_head_link (&model->plans, l);
      return l->data;
    }
  }
  if (n < 1 || h < 1 || w < 1 || h % divisor || w % divisor) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "a network input of %d x %d x %d is not in multiples of %d", n, h, w,
        divisor);
    return NULL;
  }

  DefcnPlan *plan = build (model, n, h, w);
  if (!defcn_net_plan (plan->net, model->train, error)) {
    plan_free (plan);
    return NULL;
  }
  if (model->be->tune)
    defcn_tune_save (model->be->tune);
  g_queue_push_head (&model->plans, plan);
  trim_plans (model);
  return plan;
}
