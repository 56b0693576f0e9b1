/* Whole networks of a backend (DEFCN_TEST_BACKEND), step by step. */
#include "model.h"

#include <math.h>
#include <string.h>

#include "../tensors.h"
#include "../testing.h"

typedef struct
{
  const char *name;
  DefcnBackbone backbone;
  int depth, res2_channels;
  int fpn_channels;
  gboolean train;
  int groups, group_width; /* 0: as it is */
  int dcn_from;
} Network;

static const Network networks[] = {
  { "resnet18", DEFCN_BACKBONE_RESNET, 18, 64, 96, FALSE },
  { "resnet18-training", DEFCN_BACKBONE_RESNET, 18, 64, 96, TRUE },
  { "resnet50", DEFCN_BACKBONE_RESNET, 50, 256, 256, FALSE },
  { "resnet50-training", DEFCN_BACKBONE_RESNET, 50, 256, 256, TRUE },
  { "mobilenetv2", DEFCN_BACKBONE_MOBILENETV2, 50, 256, 64, FALSE },
  { "mobilenetv2-training", DEFCN_BACKBONE_MOBILENETV2, 50, 256, 64, TRUE },
  { "resnext50-32x4d", DEFCN_BACKBONE_RESNET, 50, 256, 64, FALSE, 32, 4 },
  { "resnext50-32x8d", DEFCN_BACKBONE_RESNET, 50, 256, 64, TRUE, 32, 8 },
  { "resnext50-64x4d-dcn", DEFCN_BACKBONE_RESNET, 50, 256, 64, TRUE, 64, 4, 3 },
};

static DefcnBackend *
open_backend (GError **error)
{
  return defcn_backend_new_in (testing_backend (), testing_precision (), 2,
      error);
}

/* The library behind a backend does not fall back to its own reference code, a
 * hundred times as slow, at any step of the networks that people use. */
static void
test_implementations (gconstpointer data)
{
  const Network *n = data;
  const char *const labels[] = { "person", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = open_backend (&error);
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);

  if (!be) {
    testing_no_backend (error);
    return;
  }
  if (g_str_equal (be->name, "reference")) {
    g_test_skip ("the reference backend has no library behind it");
    return;
  }
  spec->backbone = n->backbone;
  spec->depth = n->depth;
  spec->res2_channels = n->res2_channels;
  spec->fpn_channels = n->fpn_channels;
  spec->norm_groups = 16;
  if (n->groups) {
    spec->groups = n->groups;
    spec->group_width = n->group_width;
  }
  spec->dcn_from = n->dcn_from;
  spec->dcn_head = n->dcn_from > 0;
  g_autoptr (DefcnModel) model =
      defcn_model_new (spec, be, n->train, 1, &error);
  g_assert_no_error (error);
  const DefcnPlan *plan = defcn_model_plan (model, 1, 320, 448, &error);
  g_assert_no_error (error);

  for (guint i = 0; i < defcn_net_count (plan->net); i++) {
    const DefcnNode *node = defcn_net_node (plan->net, i);
    const DefcnOp *op = &be->ops[node->kind];
    const char *name = op->describe ? op->describe (be, node) : NULL;

    if (name && strstr (name, "ref"))
      g_error ("%s, %d x %d x %d x %d to %d channels, runs on \"%s\"",
          node->name, node->x[0]->n, node->x[0]->h, node->x[0]->w,
          node->x[0]->c, node->y->c, name);
  }
}

/* What runs every step of a ResNet-18 for @n images of @side, a line each. */
static char *
implementations_of (DefcnBackend *be, int n, int side)
{
  const char *const labels[] = { "person", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  GString *text = g_string_new (NULL);

  spec->depth = 18;
  spec->res2_channels = 32;
  spec->fpn_channels = 32;
  spec->norm_groups = 16;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 1, &error);
  g_assert_no_error (error);
  const DefcnPlan *plan = defcn_model_plan (model, n, side, side, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < defcn_net_count (plan->net); i++) {
    const DefcnNode *node = defcn_net_node (plan->net, i);
    const DefcnOp *op = &be->ops[node->kind];

    g_string_append_printf (text, "%s: %s\n", node->name,
        op->describe ? op->describe (be, node) : "plain");
  }
  return g_string_free (text, FALSE);
}

/* Whatever was measured to choose them, and for how many images at once, all
 * backends of a process run the same network by the same implementations, so
 * that their results agree. */
static void
test_agreement (void)
{
  for (int side = 64; side <= 192; side += 64) {
    g_autofree char *first = NULL;

    for (int i = 0; i < 5; i++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (DefcnBackend) be = open_backend (&error);

      if (!be) {
        testing_no_backend (error);
        return;
      }
      g_autofree char *text =
          implementations_of (be, i < 3 ? 1 : 2 * i - 3, side);
      if (!first)
        first = g_steal_pointer (&text);
      else
        g_assert_cmpstr (text, ==, first);
    }
  }
}

enum
{
  N_MAPS = 5
};

/* No output of the steps that may be taken together lies where one of their
 * inputs does. */
static void
assert_apart (const DefcnNet *net, DefcnBackend *be)
{
  for (guint i = 0; i < defcn_net_count (net); i++) {
    const DefcnNode *node = defcn_net_node (net, i);
    const DefcnNode *first = node - node->together;

    for (int k = 0; k < node->n_together; k++)
      for (int j = 0; j < DEFCN_MAX_INPUTS && node->x[j]; j++) {
        const DefcnTensor *x = node->x[j], *y = first[k].y;
        const char *from = (const char *) x->data, *to = (const char *) y->data;

        g_assert_true (
            from + be->size (be, x) <= to || to + be->size (be, y) <= from);
      }
  }
}

/* A pyramid with two convolutions on every map, layer by layer or map by map.
 * Returns: what the second gives on each map. */
static void
run_pyramid (float **results, DefcnBackend *be, gboolean layer_by_layer)
{
  const DefcnConvOptions options = { .bias = TRUE,
    .relu = TRUE,
    .init = DEFCN_INIT_UNIFORM,
    .init_value = 0.1f,
    .bias_value = 0.1f };
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (8);
  g_autoptr (DefcnParams) params = defcn_params_new (be, FALSE);
  g_autoptr (DefcnNet) net = defcn_net_new (params, be, 2, 106, 142);
  DefcnTensor *input = defcn_net_input (net), *maps[N_MAPS];

  for (int i = 0; i < N_MAPS; i++) {
    g_autofree char *name = g_strdup_printf ("down%d", i);

    maps[i] = defcn_net_conv (net, i > 0 ? maps[i - 1] : input, name, 40, 3, 2,
        &options);
  }
  for (int i = 0; i < 2 * N_MAPS; i++) {
    const int layer = layer_by_layer ? i / N_MAPS : i % 2;
    const int map = layer_by_layer ? i % N_MAPS : i / 2;

    maps[map] = defcn_net_conv (net, maps[map], layer ? "second" : "first", 40,
        3, 1, &options);
  }
  g_assert_true (defcn_net_plan (net, FALSE, &error));
  assert_apart (net, be);
  defcn_params_initialize (params, 5);
  defcn_params_upload (params);
  g_autofree float *x = testing_random (rand, defcn_tensor_len (input), 1);
  be->upload (be, input, input->data, x);
  defcn_net_forward (net);
  for (int i = 0; i < N_MAPS; i++)
    results[i] = testing_tensor_read (be, maps[i]);
  g_assert_cmpint (defcn_net_node (net, N_MAPS)->n_together, ==,
      layer_by_layer ? N_MAPS : 0);
}

/* Steps that are taken together give what they give one by one: nothing is read
 * before it is there, or written over while it is still read. */
static void
test_together (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = open_backend (&error);
  float *together[N_MAPS], *alone[N_MAPS];
  int h = 106, w = 142;

  if (!be) {
    testing_no_backend (error);
    return;
  }
  run_pyramid (together, be, TRUE);
  run_pyramid (alone, be, FALSE);
  for (int i = 0; i < N_MAPS; i++) {
    h = (h + 1) / 2;
    w = (w + 1) / 2;
    testing_assert_close (together[i], alone[i], (gsize) 2 * h * w * 40, 3e-5,
        "a map");
    g_free (together[i]);
    g_free (alone[i]);
  }
}

/* Two convolutions that read one rectified map, forward and backward from
 * noise: the gradient of the weight that made the map. */
static float *
fork_gradient (gsize *len, DefcnBackend *be)
{
  const DefcnConvOptions options = { .relu = TRUE,
    .init = DEFCN_INIT_UNIFORM,
    .init_value = 0.2f };
  const char *const names[] = { "left", "right" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  g_autoptr (DefcnParams) params = defcn_params_new (be, TRUE);
  g_autoptr (DefcnNet) net = defcn_net_new (params, be, 1, 48, 56);
  DefcnTensor *input = defcn_net_input (net), *ends[2];
  DefcnTensor *shared =
      defcn_net_conv (net, input, "shared", 16, 3, 2, &options);

  for (int i = 0; i < 2; i++)
    ends[i] = defcn_net_conv (net, shared, names[i], 16, 3, 1, &options);
  g_assert_true (defcn_net_plan (net, TRUE, &error));
  defcn_params_initialize (params, 5);
  defcn_params_upload (params);
  g_autofree float *x = testing_random (rand, defcn_tensor_len (input), 1);
  be->upload (be, input, input->data, x);
  defcn_net_forward (net);
  for (int i = 0; i < 2; i++) {
    g_autofree float *dy = testing_random (rand, defcn_tensor_len (ends[i]), 1);
    be->upload (be, ends[i], ends[i]->grad, dy);
  }
  defcn_net_backward (net);
  g_assert_true (be->sync (be, &error));
  defcn_params_download_gradients (params);
  const DefcnParam *p = defcn_params_lookup (params, "shared.weight");

  *len = defcn_param_len (p);
  return g_memdup2 (p->grad, *len * sizeof (float));
}

/* The gradient of a fused ReLU that two steps read is masked once both have
 * added to it. */
static void
test_fork (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = open_backend (&error);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 1, NULL);
  gsize len;

  if (!be) {
    testing_no_backend (error);
    return;
  }
  g_autofree float *gradient = fork_gradient (&len, be);
  g_autofree float *wanted = fork_gradient (&len, oracle);
  testing_assert_close (gradient, wanted, len, 1e-4, "gradient");
}

typedef struct
{
  const char *name;
  DefcnBackbone backbone;
  int depth;
  int groups; /* 0: 1 */
  int dcn_from;
} Tiny;

static const Tiny tinies[] = {
  { "resnet18", DEFCN_BACKBONE_RESNET, 18 },
  { "resnet50", DEFCN_BACKBONE_RESNET, 50 },
  { "mobilenetv2", DEFCN_BACKBONE_MOBILENETV2, 50 },
  { "resnet18-dcn", DEFCN_BACKBONE_RESNET, 18, 0, 4 },
  { "resnext50-dcn", DEFCN_BACKBONE_RESNET, 50, 3, 3 },
};

static float *
noise (GRand *rand, const DefcnTensor *t)
{
  float *values = g_new (float, defcn_tensor_len (t));

  for (gsize i = 0; i < defcn_tensor_len (t); i++)
    values[i] = g_rand_double_range (rand, -1, 1);
  return values;
}

static DefcnSpec *
tiny_network (const Tiny *tiny)
{
  const char *const labels[] = { "person", "car", NULL };
  DefcnSpec *spec = defcn_spec_new (labels);

  spec->backbone = tiny->backbone;
  spec->depth = tiny->depth;
  spec->group_width = tiny->groups ? 8 : 24;
  spec->groups = MAX (tiny->groups, 1);
  spec->dcn_from = tiny->dcn_from;
  spec->dcn_head = tiny->dcn_from > 0;
  spec->stem_channels = 24;
  spec->res2_channels = 32;
  spec->fpn_channels = 24;
  spec->norm_groups = 6;
  spec->tower_depth = 1;
  spec->freeze_at = 0;
  return spec;
}

/* Once forward and backward from noise: the model with its gradients. */
static DefcnModel *
run_tiny (const Tiny *tiny, DefcnBackend *be)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  g_autoptr (DefcnSpec) spec = tiny_network (tiny);
  DefcnModel *model = defcn_model_new (spec, be, TRUE, 1, &error);
  g_assert_no_error (error);
  const DefcnPlan *plan = defcn_model_plan (model, 2, 128, 96, &error);
  g_assert_no_error (error);

  g_autofree float *x = noise (rand, plan->input);
  be->upload (be, plan->input, plan->input->data, x);
  defcn_net_forward (plan->net);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    DefcnTensor *const heads[] = { plan->logits[l], plan->deltas[l],
      plan->filter[l] };

    for (guint i = 0; i < G_N_ELEMENTS (heads); i++) {
      g_autofree float *dy = noise (rand, heads[i]);
      be->upload (be, heads[i], heads[i]->grad, dy);
    }
  }
  defcn_net_backward (plan->net);
  g_assert_true (be->sync (be, &error));
  defcn_params_download_gradients (defcn_model_params (model));
  return model;
}

/* The scores of @n copies of one picture. */
static float *
scores_of (gsize *len, const Tiny *tiny, DefcnBackend *be, int n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autoptr (DefcnSpec) spec = tiny_network (tiny);
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 1, &error);

  g_assert_no_error (error);
  const DefcnPlan *plan = defcn_model_plan (model, n, 160, 96, &error);
  g_assert_no_error (error);
  g_autofree float *x = noise (rand, plan->input);
  const gsize image = defcn_tensor_len (plan->input) / n;
  for (int i = 1; i < n; i++)
    memcpy (x + i * image, x, image * sizeof (float));
  be->upload (be, plan->input, plan->input->data, x);
  defcn_net_forward (plan->net);
  *len = defcn_tensor_len (plan->logits[0]);
  float *scores = g_new (float, *len);
  be->download (be, plan->logits[0], scores, plan->logits[0]->data);
  return scores;
}

/* A picture has the same scores, to the bit, alone and among others. */
static void
test_batch (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = open_backend (&error);
  gsize len, all;

  if (!be) {
    testing_no_backend (error);
    return;
  }
  if (be->sums_by_batch) {
    g_test_skip ("its sums depend on the batch");
    return;
  }
  g_autofree float *alone = scores_of (&len, data, be, 1);
  g_autofree float *together = scores_of (&all, data, be, 3);
  g_assert_cmpuint (all, ==, 3 * len);
  for (int i = 0; i < 3; i++)
    g_assert_cmpmem (alone, len * sizeof (float), together + i * len,
        len * sizeof (float));
}

/* On tiles a picture has the same scores, to the bit, by any number of threads;
 * in float32 what is measured depends on them. */
static void
test_threads (gconstpointer data)
{
  g_autofree float *alone = NULL;
  gsize len;

  for (int threads = 1; threads <= 3; threads++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnBackend) be = defcn_backend_new_in (testing_backend (),
        testing_precision (), threads, &error);

    if (!be || !be->bf16 || !be->bf16_tiles) {
      g_test_skip ("no bf16 on tiles");
      return;
    }
    g_autofree float *scores = scores_of (&len, data, be, 1);
    if (!alone)
      alone = g_steal_pointer (&scores);
    else
      g_assert_cmpmem (alone, len * sizeof (float), scores,
          len * sizeof (float));
  }
}

/* In bf16 a picture has the scores of float32 but for its rounding; they are
 * others, though, where something is rounded at all. */
static void
test_rounding (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = open_backend (&error);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 2, NULL);
  double worst = 0, largest = 0;
  gsize len;

  if (!be || !be->bf16) {
    g_test_skip ("no bf16");
    return;
  }
  g_autofree float *scores = scores_of (&len, data, be, 1);
  g_autofree float *wanted = scores_of (&len, data, oracle, 1);
  for (gsize i = 0; i < len; i++) {
    worst = MAX (worst, fabs (scores[i] - wanted[i]));
    largest = MAX (largest, fabs (wanted[i]));
  }
  g_test_message ("off by %.1e of the largest value", worst / largest);
  g_assert_cmpfloat (worst, <, 5e-3 * largest);
  g_assert_cmpint (worst > 1e-5 * largest, ==,
      be->bf16_tiles || be->bf16_pairs);
}

/* How far the gradient of @p may be from the reference's, of its norm.  A
 * single ReLU or maximum that falls the other way moves what is below it by
 * 5e-3; where every map is rounded to 8 bits many do.  Above all of them there
 * is but the rounding of one map, and none at all above that. */
static double
gradient_tolerance (const DefcnParam *p)
{
  if (!g_str_equal (testing_precision (), "bf16"))
    return 2e-2;
  if (g_str_equal (p->name, "head.cls_score.bias")
      || g_str_equal (p->name, "head.filter.bias"))
    return 1e-5;
  if (g_str_equal (p->name, "head.cls_score.weight")
      || g_str_equal (p->name, "head.filter.weight"))
    return 4e-2;
  return 0.7;
}

/* And how far its part along the reference's may be from that: what is summed
 * twice or left out shows here even where much is rounded. */
static double
scale_tolerance (void)
{
  return g_str_equal (testing_precision (), "bf16") ? 0.4 : 2e-2;
}

/* The gradient of every parameter of a whole network equals the reference's,
 * however the backend's steps share work. */
static void
test_gradients (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = open_backend (&error);
  g_autoptr (DefcnBackend) oracle = defcn_backend_new ("reference", 2, NULL);

  if (!be) {
    testing_no_backend (error);
    return;
  }
  if (g_str_equal (be->name, "reference")) {
    g_test_skip ("the reference backend is the oracle");
    return;
  }
  g_autoptr (DefcnModel) model = run_tiny (data, be);
  g_autoptr (DefcnModel) wanted = run_tiny (data, oracle);
  DefcnParams *params = defcn_model_params (model);
  double worst = 0, least = 1;

  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    const DefcnParam *q =
        defcn_params_lookup (defcn_model_params (wanted), p->name);
    double off = 0, norm = 0, along = 0;

    for (gsize k = 0; p->grad && k < defcn_param_len (p); k++) {
      off += (p->grad[k] - q->grad[k]) * (p->grad[k] - q->grad[k]);
      norm += q->grad[k] * q->grad[k];
      along += p->grad[k] * q->grad[k];
    }
    off = norm > 0 ? sqrt (off / norm) : off;
    along = norm > 0 ? along / norm : 1;
    worst = MAX (worst, off);
    least = MIN (least, along);
    if (off > gradient_tolerance (p))
      g_error ("%s: gradient is off by %g of its norm", p->name, off);
    if (fabs (along - 1) > scale_tolerance ())
      g_error ("%s: gradient is %g times as long", p->name, along);
  }
  g_test_message ("worst gradient is off by %.2g of its norm, shortest %.2g",
      worst, least);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autofree char *agreement =
      g_strdup_printf ("/networks/%s/agreement", testing_backend ());
  g_test_add_func (agreement, test_agreement);
  g_autofree char *together =
      g_strdup_printf ("/networks/%s/together", testing_backend ());
  g_test_add_func (together, test_together);
  g_autofree char *fork =
      g_strdup_printf ("/networks/%s/fork", testing_backend ());
  g_test_add_func (fork, test_fork);
  for (guint i = 0; i < G_N_ELEMENTS (tinies); i++) {
    g_autofree char *path = g_strdup_printf ("/networks/%s/gradients/%s",
        testing_backend (), tinies[i].name);
    g_test_add_data_func (path, &tinies[i], test_gradients);
    g_autofree char *batch = g_strdup_printf ("/networks/%s/batch/%s",
        testing_backend (), tinies[i].name);
    g_test_add_data_func (batch, &tinies[i], test_batch);
    g_autofree char *threads = g_strdup_printf ("/networks/%s/threads/%s",
        testing_backend (), tinies[i].name);
    g_test_add_data_func (threads, &tinies[i], test_threads);
    g_autofree char *rounding = g_strdup_printf ("/networks/%s/rounding/%s",
        testing_backend (), tinies[i].name);
    g_test_add_data_func (rounding, &tinies[i], test_rounding);
  }
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++) {
    g_autofree char *path = g_strdup_printf ("/networks/%s/implementations/%s",
        testing_backend (), networks[i].name);
    g_test_add_data_func (path, &networks[i], test_implementations);
  }
  return g_test_run ();
}
