/* Architectures, step by step: what each option of the spec builds, what is
 * trained and how it starts. */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "testing.h"
#include "tiny_spec.h"

/* The shapes of the pyramid for an input whose levels get odd. */
static void
test_shapes (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 96, 160, NULL);
  static const int sizes[DEFCN_N_LEVELS][2] = { { 12, 20 }, { 6, 10 }, { 3, 5 },
    { 2, 3 }, { 1, 2 } };

  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_assert_cmpint (plan->logits[l]->h, ==, sizes[l][0]);
    g_assert_cmpint (plan->logits[l]->w, ==, sizes[l][1]);
    g_assert_cmpint (plan->logits[l]->c, ==, 2);
    g_assert_cmpint (plan->deltas[l]->c, ==, 4);
    g_assert_cmpint (plan->filter[l]->c, ==, 1);
  }
}

/* The step of @plan called @name, the @k-th of that name. */
static const DefcnNode *
step (const DefcnPlan *plan, const char *name, int k)
{
  for (guint i = 0; i < defcn_net_count (plan->net); i++) {
    const DefcnNode *node = defcn_net_node (plan->net, i);

    if (g_str_equal (node->name, name) && k-- == 0)
      return node;
  }
  g_error ("there is no step %s", name);
}

/* The step that makes @t. */
static const DefcnNode *
maker (const DefcnPlan *plan, const DefcnTensor *t)
{
  for (guint i = 0; i < defcn_net_count (plan->net); i++)
    if (defcn_net_node (plan->net, i)->y == t)
      return defcn_net_node (plan->net, i);
  g_error ("nobody makes that");
}

/* Where a ResNet halves its maps: at the first 1x1 as MSRA has it or at the 3x3
 * as torchvision has it, in bottlenecks; which runs. */
static void
test_stride (void)
{
  static const struct
  {
    int depth;
    gboolean in_1x1;
    int strides[2]; /* of res3.0.conv1, conv2 */
  } cases[] = { { 50, TRUE, { 2, 1 } }, { 50, FALSE, { 1, 2 } },
    { 18, TRUE, { 2, 1 } }, { 18, FALSE, { 2, 1 } } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnBackend) be = open_backend ();
    g_autoptr (DefcnSpec) spec =
        tiny_spec (DEFCN_BACKBONE_RESNET, cases[i].depth, FALSE);

    spec->stride_in_1x1 = cases[i].in_1x1;
    g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
    const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);
    for (int stage = 2; stage <= 5; stage++) {
      for (int conv = 0; conv < 2; conv++) {
        g_autofree char *name =
            g_strdup_printf ("backbone.bottom_up.res%d.0.conv%d", stage,
                conv + 1);
        const DefcnNode *node = step (plan, name, 0);

        g_assert_cmpint (node->stride, ==,
            stage == 2 ? 1 : cases[i].strides[conv]);
        g_assert_cmpint (node->size, ==, cases[i].depth == 50 && !conv ? 1 : 3);
      }
    }
    const gsize len = defcn_tensor_len (plan->logits[0]);
    g_autofree float *y = g_new (float, len);
    defcn_net_forward (plan->net);
    be->download (be, plan->logits[0], y, plan->logits[0]->data);
    for (gsize k = 0; k < len; k++)
      g_assert_cmpfloat_with_epsilon (y[k], -4.59512f, 1);
  }
}

/* Blocks per stage of each depth, He et al. 2016 table 1. */
static void
test_blocks (void)
{
  static const struct
  {
    int depth, blocks[4];
  } cases[] = { { 18, { 2, 2, 2, 2 } }, { 34, { 3, 4, 6, 3 } },
    { 50, { 3, 4, 6, 3 } }, { 101, { 3, 4, 23, 3 } },
    { 152, { 3, 8, 36, 3 } } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnBackend) be = open_backend ();
    g_autoptr (DefcnSpec) spec =
        tiny_spec (DEFCN_BACKBONE_RESNET, cases[i].depth, FALSE);
    g_autoptr (DefcnModel) model = NULL;

    spec->groups = 2;
    model = defcn_model_new (spec, be, FALSE, 0, NULL);
    for (int stage = 2; stage <= 5; stage++) {
      const int factor = 1 << (stage - 2), last = cases[i].blocks[stage - 2];
      g_autofree char *name =
          g_strdup_printf ("backbone.bottom_up.res%d.%d.conv2.weight", stage,
              last - 1);
      g_autofree char *more =
          g_strdup_printf ("backbone.bottom_up.res%d.%d.conv2.weight", stage,
              last);
      const DefcnParam *p =
          defcn_params_lookup (defcn_model_params (model), name);

      g_assert_null (defcn_params_lookup (defcn_model_params (model), more));
      g_assert_cmpint (p->n, ==, 8 * factor); /* groups * group_width, or out */
      g_assert_cmpint (p->c, ==, cases[i].depth < 50 ? p->n : p->n / 2);
    }
  }
}

/* Inverted residuals, Sandler et al. 2018 table 2: expansion, stride, channels,
 * and where there is a skip. */
static void
test_mobilenet (void)
{
  static const struct
  {
    int expansion, stride, out;
    gboolean skip;
  } blocks[] = { { 1, 1, 16, FALSE }, { 6, 2, 24, FALSE }, { 6, 1, 24, TRUE },
    { 6, 2, 32, FALSE }, { 6, 1, 32, TRUE }, { 6, 1, 32, TRUE },
    { 6, 1, 64, FALSE }, { 6, 1, 64, TRUE }, { 6, 1, 64, TRUE },
    { 6, 1, 64, TRUE }, { 6, 2, 96, FALSE }, { 6, 1, 96, TRUE },
    { 6, 1, 96, TRUE }, { 6, 2, 160, FALSE }, { 6, 1, 160, TRUE },
    { 6, 1, 160, TRUE }, { 6, 1, 320, FALSE } };
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_MOBILENETV2, 0, FALSE);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (blocks); i++) {
    g_autofree char *name = g_strdup_printf ("backbone.bottom_up.block%zu.", i);
    g_autofree char *expand = g_strconcat (name, "expand", NULL);
    g_autofree char *depthwise = g_strconcat (name, "depthwise", NULL);
    g_autofree char *project = g_strconcat (name, "project", NULL);
    const DefcnNode *e = step (plan, expand, 0);
    const DefcnNode *d = step (plan, depthwise, 0);
    const DefcnNode *p = step (plan, project, 0);

    g_assert_cmpint (e->y->c, ==, blocks[i].expansion * e->x[0]->c);
    g_assert_true (e->size == 1 && e->relu && d->relu && !p->relu);
    g_assert_true (d->size == 3 && d->groups == d->y->c && d->y->c == e->y->c);
    g_assert_cmpint (d->stride, ==, blocks[i].stride);
    g_assert_cmpint (p->y->c, ==, blocks[i].out);
    g_assert_true (p->x[1] == (blocks[i].skip ? e->x[0] : NULL));
  }
  g_assert_cmpint (plan->features[0]->c, ==, 64);
  g_assert_cmpint (plan->features[1]->c, ==, 96);
  g_assert_cmpint (plan->features[2]->c, ==, 320);
}

/* freeze_at N keeps the stem (1) and the stages up to N, and nothing else. */
static void
test_frozen (void)
{
  for (int backbone = 0; backbone < 2; backbone++) {
    for (int freeze_at = 0; freeze_at <= 5; freeze_at++) {
      static const int stages[] = { 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5,
        5, 5 }; /* of MobileNetV2's blocks */
      g_autoptr (DefcnBackend) be = open_backend ();
      g_autoptr (DefcnSpec) spec = tiny_spec (backbone, 18, TRUE);
      g_autoptr (DefcnModel) model = NULL;

      spec->freeze_at = freeze_at;
      model = defcn_model_new (spec, be, TRUE, 0, NULL);
      DefcnParams *params = defcn_model_params (model);
      for (guint i = 0; i < defcn_params_count (params); i++) {
        const DefcnParam *p = defcn_params_get (params, i);
        const char *name = p->name + strlen ("backbone.bottom_up.");
        int number = 0, stage = 6;

        if (p->kind == DEFCN_PARAM_BUFFER)
          continue;
        if (g_str_has_prefix (p->name, "backbone.bottom_up."))
          stage = g_str_has_prefix (name, "stem")      ? 1
              : sscanf (name, "block%d", &number) == 1 ? stages[number]
                                                       : name[3] - '0';
        g_assert_cmpint (p->trainable, ==, stage > freeze_at);
      }
    }
  }
}

/* The pyramid: laterals joined from the top, P6 from P5 or from C5, P7 from P6
 * rectified. */
static void
test_pyramid (void)
{
  for (int from_c5 = 0; from_c5 < 2; from_c5++) {
    g_autoptr (DefcnBackend) be = open_backend ();
    g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);
    g_autoptr (DefcnModel) model = NULL;

    spec->p6_from_c5 = from_c5;
    model = defcn_model_new (spec, be, FALSE, 0, NULL);
    const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);
    const DefcnNode *p6 = maker (plan, plan->fpn[3]);
    const DefcnNode *p7 = maker (plan, plan->fpn[4]);
    const DefcnNode *rectified = maker (plan, p7->x[0]);
    const DefcnTensor *top = NULL;

    g_assert_true (p6->x[0] == (from_c5 ? plan->features[2] : plan->fpn[2]));
    g_assert_cmpint (rectified->kind, ==, DEFCN_OP_RELU);
    g_assert_true (rectified->x[0] == plan->fpn[3]);
    g_assert_true (!p6->relu && !p7->relu && p6->stride == 2);
    for (int i = 2; i >= 0; i--) {
      const DefcnNode *output = maker (plan, plan->fpn[i]);
      const DefcnNode *sum = maker (plan, output->x[0]);
      const DefcnNode *lateral = i == 2 ? sum : maker (plan, sum->x[0]);

      g_assert_true (lateral->x[0] == plan->features[i]);
      g_assert_true (lateral->size == 1 && output->size == 3);
      if (i < 2)
        g_assert_true (sum->kind == DEFCN_OP_UPSAMPLE_ADD && sum->x[1] == top);
      top = output->x[0];
    }
  }
}

/* With an anchor the last layer of the box branch is its code, and nothing
 * scales it. */
static void
test_anchors (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);

  spec->anchors = 1;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const DefcnNode *boxes = maker (plan, plan->deltas[l]);
    const DefcnAnchor *a = &boxes->anchors[0];

    g_assert_cmpint (boxes->kind, ==, DEFCN_OP_ANCHORS);
    g_assert_cmpint (boxes->n_anchors, ==, 1);
    g_assert_true (a->x == 0 && a->y == 0);
    g_assert_cmpfloat (a->w, ==, 32 << l);
    g_assert_cmpfloat (a->h, ==, 32 << l);
    g_assert_true (boxes->x[0]->precise && boxes->y->precise);
    g_assert_cmpstr (maker (plan, boxes->x[0])->name, ==, "head.bbox_pred");
  }
  g_assert_null (
      defcn_params_lookup (defcn_model_params (model), "head.scales.0.scale"));
}

/* RetinaNet: nine boxes a location with classes of their own, towers of
 * convolutions with a ReLU and no norm. */
static void
test_retinanet (void)
{
  static const char *const names[] = { "head.bbox_subnet.4.bias",
    "head.bbox_subnet.2.bias", "head.bbox_subnet.0.bias" };
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, FALSE);

  spec->anchors = 9;
  spec->norm_groups = 0;
  spec->tower_depth = 3;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const DefcnNode *boxes = maker (plan, plan->deltas[l]);
    const DefcnNode *n = maker (plan, boxes->x[0]);

    g_assert_cmpint (boxes->n_anchors, ==, 9);
    g_assert_cmpfloat (boxes->anchors[0].x, ==, -(4 << l));
    g_assert_cmpint (plan->deltas[l]->c, ==, 36);
    g_assert_cmpint (plan->logits[l]->c, ==, 9 * spec->n_classes);
    g_assert_false (n->relu);
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
      n = maker (plan, n->x[0]);
      g_assert_cmpint (n->kind, ==, DEFCN_OP_CONV);
      g_assert_true (n->relu);
      g_assert_true (g_str_has_prefix (names[i], n->name));
      g_assert_nonnull (
          defcn_params_lookup (defcn_model_params (model), names[i]));
    }
    g_assert_true (n->x[0] == plan->fpn[l]);
  }
}

/* What the head's options decide: depth and groups of the towers, the box step,
 * and 3DMF on the box tower. */
static void
test_head (void)
{
  for (int variant = 0; variant < 4; variant++) {
    const gboolean norm = variant & 1, stride = variant & 2;
    g_autoptr (DefcnBackend) be = open_backend ();
    g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
    g_autoptr (DefcnModel) model = NULL;

    spec->tower_depth = variant;
    spec->filter_norm = norm;
    spec->norm_reg_targets = stride;
    spec->tau = 4;
    spec->phi = 5;
    model = defcn_model_new (spec, be, FALSE, 0, NULL);
    const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);
    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      const DefcnNode *box = maker (plan, plan->deltas[l]);
      const DefcnNode *pred = maker (plan, box->x[0]);
      const DefcnNode *filter = maker (plan, plan->filter[l]);
      const DefcnNode *max = maker (plan, filter->x[0]);
      const DefcnTensor *towers[] = { pred->x[0],
        maker (plan, plan->logits[l])->x[0] };

      g_assert_cmpint (box->exponential, ==, !stride);
      g_assert_cmpfloat (box->factor, ==, stride ? 8 << l : 1);
      g_assert_cmpint (max->kind == DEFCN_OP_GROUP_NORM, ==, norm);
      g_assert_true (max->relu);
      if (norm) {
        max = maker (plan, max->x[0]);
        g_assert_false (max->relu);
      }
      g_assert_cmpint (max->kind, ==, DEFCN_OP_TUBE_MAX);
      g_assert_cmpint (max->phi, ==, 5);
      g_assert_cmpint (max->n_levels, ==, MIN (l + 2, 4) - MAX (l - 2, 0) + 1);
      g_assert_true (max->x[0] == towers[0]);
      g_assert_cmpstr (maker (plan, max->x[1])->name, ==, "head.max3d.conv");
      for (int t = 0; t < 2; t++) {
        for (int i = 0; i < spec->tower_depth; i++) {
          const DefcnNode *n = maker (plan, towers[t]);

          g_assert_cmpint (n->kind, ==, DEFCN_OP_GROUP_NORM);
          g_assert_true (n->relu && n->groups == 4);
          towers[t] = maker (plan, n->x[0])->x[0];
        }
        g_assert_true (towers[t] == plan->fpn[l]);
      }
    }
  }
}

/* How layers start: mean 0 and the standard deviation of their kind; the class
 * scores at a probability of 0.01. */
static void
test_initial (void)
{
  static const struct
  {
    const char *name;
    double deviation;
  } cases[] = {
    /* backbone: normal, sqrt (2 / fan out), a group's own */
    { "backbone.bottom_up.stem.conv1.weight", 0.025254 },    /* 2 / (49 * 64) */
    { "backbone.bottom_up.res5.0.conv1.weight", 0.102062 },  /* / (1 * 192) */
    { "backbone.bottom_up.res5.0.conv2.weight", 0.0589256 }, /* 3 / (9 * 192) */
    { "backbone.bottom_up.res5.0.shortcut.weight", 0.125 },  /* / 128 */
    /* pyramid: uniform up to sqrt (3 / fan in) */
    { "backbone.fpn_lateral5.weight", 0.0883883 }, /* 1 / 128 */
    { "backbone.fpn_output3.weight", 0.0589256 },  /* 1 / (9 * 32) */
    { "backbone.top_block.p6.weight", 0.0589256 },
    { "head.cls_subnet.0.weight", 0.01 },
    { "head.bbox_subnet.0.weight", 0.01 },
    { "head.max3d.conv.weight", 0.01 },
  };
  g_autoptr (DefcnBackend) be = open_backend ();
  g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 50, TRUE);
  const float prior = -4.59512f;

  spec->stem_channels = 64;
  spec->groups = 3;
  spec->group_width = 8;
  spec->fpn_channels = 32;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 3, NULL);
  DefcnParams *params = defcn_model_params (model);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnParam *p = defcn_params_lookup (params, cases[i].name);
    const gsize len = defcn_param_len (p);
    double sum = 0, squares = 0;

    for (gsize k = 0; k < len; k++) {
      sum += p->value[k];
      squares += p->value[k] * p->value[k];
    }
    const double deviation = cases[i].deviation;
    g_test_message ("%s: %g of %g", p->name, sqrt (squares / len), deviation);
    g_assert_cmpfloat_with_epsilon (sum / len, 0, 4 * deviation / sqrt (len));
    g_assert_cmpfloat_with_epsilon (sqrt (squares / len), deviation,
        4 * deviation / sqrt (2.0 * len));
  }
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    if (p->kind == DEFCN_PARAM_BIAS)
      g_assert_cmpfloat_with_epsilon (p->value[0],
          g_str_equal (p->name, "head.cls_score.bias") ? prior : 0, 1e-4);
  }
}

/* Whether @name begins with "@prefix" and ends with @end. */
static gboolean
is_between (const char *name, const char *prefix, const char *end)
{
  return g_str_has_prefix (name, prefix) && g_str_has_suffix (name, end);
}

/* The scores of level 3 of a picture of one grey, by weights of seed 4. */
static float *
scores_of (const DefcnSpec *spec, DefcnBackend *be, gsize *len)
{
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 4, NULL);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 96, NULL);
  const gsize n = defcn_tensor_len (plan->input);
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  g_autofree float *x = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    x[i] = g_rand_double_range (rand, -1, 1);
  be->upload (be, plan->input, plan->input->data, x);
  defcn_net_forward (plan->net);
  *len = defcn_tensor_len (plan->logits[0]);
  float *y = g_new (float, *len);
  be->download (be, plan->logits[0], y, plan->logits[0]->data);
  return y;
}

/* Stages from dcn_from on have their 3x3 deformable, behind a convolution of 18
 * channels, or 27 with masks, that begins at zero, as their weights frozen or
 * not; with dcn_head the last of each tower is. */
static void
test_deformable (void)
{
  static const struct
  {
    int depth, from, freeze_at;
    gboolean modulated, head;
    int n_steps; /* that are deformable */
  } cases[] = {
    { 50, 0, 2, TRUE, FALSE, 0 },
    { 50, 3, 2, TRUE, FALSE, 4 + 6 + 3 },
    { 50, 2, 2, FALSE, TRUE, 3 + 4 + 6 + 3 + 2 * DEFCN_N_LEVELS },
    { 18, 5, 5, TRUE, FALSE, 2 },
    { 18, 0, 2, TRUE, TRUE, 2 * DEFCN_N_LEVELS },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnBackend) be = open_backend ();
    g_autoptr (DefcnSpec) spec =
        tiny_spec (DEFCN_BACKBONE_RESNET, cases[i].depth, TRUE);
    int n = 0;

    spec->dcn_from = cases[i].from;
    spec->dcn_modulated = cases[i].modulated;
    spec->dcn_head = cases[i].head;
    spec->freeze_at = cases[i].freeze_at;
    g_autoptr (DefcnModel) model = defcn_model_new (spec, be, TRUE, 0, NULL);
    const DefcnPlan *plan = defcn_model_plan (model, 1, 64, 64, NULL);
    for (guint k = 0; k < defcn_net_count (plan->net); k++) {
      const DefcnNode *node = defcn_net_node (plan->net, k);
      g_autofree char *last =
          g_strdup_printf (".%d", 3 * (spec->tower_depth - 1));
      const gboolean wanted =
          is_between (node->name, "backbone.bottom_up.res", ".conv2")
          ? spec->dcn_from > 0
              && node->name[strlen ("backbone.bottom_up.res")] - '0'
                  >= spec->dcn_from
          : spec->dcn_head
              && (is_between (node->name, "head.cls_subnet", last)
                  || is_between (node->name, "head.bbox_subnet", last));

      g_assert_cmpint (node->kind == DEFCN_OP_DEFORM_CONV, ==, wanted);
      if (!wanted)
        continue;
      const DefcnNode *offsets = maker (plan, node->x[1]);
      g_autofree char *weight =
          g_strconcat (node->name, "_offset.weight", NULL);
      const DefcnParam *p =
          defcn_params_lookup (defcn_model_params (model), weight);
      n++;
      g_assert_true (offsets->x[0] == node->x[0] && !offsets->relu);
      g_assert_cmpint (p->n, ==, spec->dcn_modulated ? 27 : 18);
      g_assert_true (offsets->w->n == p->n && offsets->b);
      g_assert_cmpint (offsets->stride, ==, node->stride);
      g_assert_true (!offsets->w->grad == !node->w->grad);
      for (gsize j = 0; j < defcn_param_len (p); j++)
        g_assert_cmpfloat (p->value[j], ==, 0);
    }
    g_assert_cmpint (n, ==, cases[i].n_steps);
  }
}

/* At first they compute what usual ones do, and with masks something else. */
static void
test_undeformed (void)
{
  for (int depth = 18; depth <= 50; depth += 32) {
    g_autoptr (DefcnBackend) be = open_backend ();
    g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, depth, TRUE);
    gsize len;
    g_autofree float *usual = scores_of (spec, be, &len);
    double most = 0;

    spec->dcn_from = 3;
    spec->dcn_head = TRUE;
    g_autofree float *masked = scores_of (spec, be, &len);
    spec->dcn_modulated = FALSE;
    g_autofree float *found = scores_of (spec, be, &len);
    for (gsize k = 0; k < len; k++) {
      g_assert_cmpfloat_with_epsilon (found[k], usual[k], 1e-4);
      most = MAX (most, fabsf (masked[k] - usual[k]));
    }
    g_assert_cmpfloat (most, >, 1e-3);
  }
}

/* The published model (R-50, POTO + 3DMF, 80 classes, P6 from P5) has 32.83 M
 * parameters, of which 32.61 M are trained, and 0.106 M numbers of batch
 * norms. */
static void
test_published (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();
  static const char *const coco[] = { "a", NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (coco);
  gsize trained = 0, frozen = 0, buffers = 0;

  g_strfreev (spec->labels);
  spec->n_classes = 80;
  spec->labels = g_new0 (char *, 81);
  for (int i = 0; i < 80; i++)
    spec->labels[i] = g_strdup_printf ("class%d", i);

  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 1, NULL);
  DefcnParams *params = defcn_model_params (model);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    if (p->kind == DEFCN_PARAM_BUFFER)
      buffers += defcn_param_len (p);
    else if (p->trainable)
      trained += defcn_param_len (p);
    else
      frozen += defcn_param_len (p);
  }
  g_assert_cmpuint ((trained + frozen) / 10000, ==, 3283);
  g_assert_cmpuint (trained / 10000, ==, 3261);
  g_assert_cmpuint (buffers / 1000, ==, 106);
  g_assert_cmpuint (defcn_params_count (params), ==, 328);
}

/* Every step of the head stands with those of the other levels, so that a
 * backend can run the five together: with and without a norm in the filter. */
static void
test_together (void)
{
  g_autoptr (DefcnBackend) be = open_backend ();

  for (int norm = 0; norm < 2; norm++) {
    g_autoptr (DefcnSpec) spec = tiny_spec (DEFCN_BACKBONE_RESNET, 18, TRUE);
    guint n = 0;

    spec->filter_norm = norm;
    g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 0, NULL);
    const DefcnPlan *plan = defcn_model_plan (model, 1, 96, 160, NULL);
    for (guint i = 0; i < defcn_net_count (plan->net); i++) {
      const DefcnNode *node = defcn_net_node (plan->net, i);

      if (!g_str_has_prefix (node->name, "head."))
        continue;
      g_assert_cmpint (node->n_together, ==, DEFCN_N_LEVELS);
      n++;
    }
    g_assert_cmpuint (n, >, 8 * DEFCN_N_LEVELS);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/architecture/shapes", test_shapes);
  g_test_add_func ("/architecture/stride", test_stride);
  g_test_add_func ("/architecture/blocks", test_blocks);
  g_test_add_func ("/architecture/deformable", test_deformable);
  g_test_add_func ("/architecture/undeformed", test_undeformed);
  g_test_add_func ("/architecture/mobilenet", test_mobilenet);
  g_test_add_func ("/architecture/frozen", test_frozen);
  g_test_add_func ("/architecture/pyramid", test_pyramid);
  g_test_add_func ("/architecture/anchors", test_anchors);
  g_test_add_func ("/architecture/retinanet", test_retinanet);
  g_test_add_func ("/architecture/head", test_head);
  g_test_add_func ("/architecture/together", test_together);
  g_test_add_func ("/architecture/initial", test_initial);
  g_test_add_func ("/architecture/published", test_published);
  return g_test_run ();
}
