/* Single rows against the golden set's values, forward and backward, on the
 * backend under test.  Every case that a file has is run. */
#include "golden.h"
#include "params.h"
#include "vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs @node from "@case_name.gout" to the gradients and compares all. */
static void
run_node (Vectors *vectors, DefcnNode *node, const char *case_name)
{
  testing_prepare (vectors->be, node);
  testing_forward (vectors->be, node);
  vectors_assert (vectors, node->y, FALSE, case_name, "y");
  vectors_load_grad (vectors, node->y, case_name, "gout");
  testing_backward (vectors->be, node);
  if (node->w)
    vectors_assert (vectors, node->w, TRUE, case_name, "gweight");
  if (node->b)
    vectors_assert (vectors, node->b, TRUE, case_name, "gbias");
  testing_release (vectors->be, node);
}

typedef void (*CaseFunc) (Vectors *vectors, const char *name);

/* Runs @func on every case whose name starts with @prefix and has @end. */
static void
run_cases (gconstpointer below, const char *prefix, const char *end,
    CaseFunc func)
{
  g_auto (Vectors) vectors = { NULL };

  if (!vectors_open (&vectors, below))
    return;
  g_auto (GStrv) cases = vectors_cases (&vectors, prefix, end);
  for (guint i = 0; cases[i]; i++)
    func (&vectors, cases[i]);
  if (!cases[0])
    g_test_skip_printf ("%s: no %s", (const char *) below, prefix);
}

static DefcnNode
conv_node (Vectors *vectors, const char *name, DefcnTensorRole role)
{
  g_autofree char *spec_name = g_strconcat (name, "spec", NULL);
  gsize len;
  g_autofree int *spec = testing_golden_ints (vectors->file, spec_name, &len);

  g_assert_cmpuint (len, ==, 4); /* size, stride, padding, groups */
  return (DefcnNode){
    .kind = DEFCN_OP_CONV,
    .name = name,
    .x[0] = vectors_load (vectors, role, name, "x"),
    .y = vectors_output (vectors, name, "y"),
    .w = vectors_load (vectors, DEFCN_TENSOR_PARAM, name, "weight"),
    .b = vectors_has (vectors, name, "bias")
        ? vectors_load (vectors, DEFCN_TENSOR_PARAM, name, "bias")
        : NULL,
    .size = spec[0],
    .stride = spec[1],
    .pad = spec[2],
    .groups = spec[3],
    .train = TRUE,
  };
}

static void
run_conv (Vectors *vectors, const char *name)
{
  DefcnNode node = conv_node (vectors, name, DEFCN_TENSOR_ACTIVATION);

  run_node (vectors, &node, name);
  vectors_assert (vectors, node.x[0], TRUE, name, "gx");
}

/* Convolution: 7x7, strides, groups, maps smaller than the kernel. */
static void
test_conv (gconstpointer below)
{
  run_cases (below, "conv", "spec", run_conv);
}

static void
run_conv_input (Vectors *vectors, const char *name)
{
  DefcnNode node = conv_node (vectors, name, DEFCN_TENSOR_INPUT);

  if (node.x[0]->c != 3)
    return;
  float *grad = g_steal_pointer (&node.x[0]->grad);
  vectors->be->free (vectors->be, grad);
  run_node (vectors, &node, name);
}

/* The network's input takes the same convolutions, without a gradient. */
static void
test_conv_input (gconstpointer below)
{
  run_cases (below, "conv", "spec", run_conv_input);
}

/* Offsets of @count locations, (dy, dx) by tap, and behind them one more for
 * each tap, NULL where there are no masks: (location, channel). */
static float *
join_channels (const float *offsets, const float *masks, gsize count, int n)
{
  const int c = masks ? 3 * n : 2 * n;
  float *joined = g_new (float, count *c);

  for (gsize i = 0; i < count; i++) {
    memcpy (joined + i * c, offsets + i * 2 * n, 2 * n * sizeof (float));
    if (masks)
      memcpy (joined + i * c + 2 * n, masks + i * n, n * sizeof (float));
  }
  return joined;
}

/* "@offset", and "@mask" by @change where there are masks. */
static float *
read_offsets (DefcnTensor *like, Vectors *vectors, const char *name,
    const char *offset, const char *mask,
    float (*change) (float value, float mask))
{
  int dims[4];
  g_autofree float *offsets = vectors_values (vectors, name, offset, dims);
  const gsize count = (gsize) dims[0] * dims[1] * dims[2];
  const int n = dims[3] / 2;
  g_autofree float *values = NULL, *masks = NULL;

  *like = (DefcnTensor){ .n = dims[0],
    .h = dims[1],
    .w = dims[2],
    .c = 2 * n,
    .role = DEFCN_TENSOR_ACTIVATION,
    .precise = TRUE };
  if (vectors_has (vectors, name, mask)) {
    values = vectors_values (vectors, name, mask, dims);
    masks = vectors_values (vectors, name, "mask", dims);
    like->c = 3 * n;
  }
  for (gsize i = 0; values && i < count * n; i++)
    values[i] = change (values[i], masks[i]);
  return join_channels (offsets, values, count, n);
}

/* The file has masks, the step their logits. */
static float
logit (float mask, float same)
{
  return logf (mask / (1 - mask));
}

static float
logit_gradient (float gradient, float mask)
{
  return gradient * mask * (1 - mask);
}

static void
run_deformable (Vectors *vectors, const char *name)
{
  g_autofree char *spec_name = g_strconcat (name, "spec", NULL);
  gsize len;
  g_autofree int *spec = testing_golden_ints (vectors->file, spec_name, &len);
  DefcnTensor like;
  g_autofree float *offsets =
      read_offsets (&like, vectors, name, "offset", "mask", logit);
  g_autofree float *gradient =
      read_offsets (&like, vectors, name, "goffset", "gmask", logit_gradient);
  DefcnTensor *x1 = testing_tensor_new_like (vectors->be, &like, TRUE);

  g_assert_cmpuint (len, ==, 5); /* size, stride, padding, groups, masks */
  DefcnNode node = {
    .kind = DEFCN_OP_DEFORM_CONV,
    .name = name,
    .x = { vectors_load (vectors, DEFCN_TENSOR_ACTIVATION, name, "x"), x1 },
    .y = vectors_output (vectors, name, "y"),
    .w = vectors_load (vectors, DEFCN_TENSOR_PARAM, name, "weight"),
    .size = spec[0],
    .stride = spec[1],
    .pad = spec[2],
    .groups = spec[3],
    .train = TRUE,
  };
  g_assert_cmpint (spec[4] != 0, ==, x1->c == 3 * spec[0] * spec[0]);
  testing_tensor_write (vectors->be, x1, offsets);
  run_node (vectors, &node, name);
  vectors_assert (vectors, node.x[0], TRUE, name, "gx");
  g_autofree float *found = testing_tensor_read_grad (vectors->be, x1);
  testing_assert_close (found, gradient, defcn_tensor_len (x1),
      GRADIENT_TOLERANCE, "gradient of the offsets");
  testing_tensor_free (vectors->be, x1);
}

/* Deformable convolution, with and without masks. */
static void
test_deformable (gconstpointer below)
{
  run_cases (below, "dcn", "spec", run_deformable);
}

static void
run_max_pool (Vectors *vectors, const char *name)
{
  DefcnNode node = {
    .kind = DEFCN_OP_MAX_POOL,
    .name = name,
    .x[0] = vectors_load (vectors, DEFCN_TENSOR_ACTIVATION, name, "x"),
    .y = vectors_output (vectors, name, "y"),
    .train = TRUE,
  };

  run_node (vectors, &node, name);
  vectors_assert (vectors, node.x[0], TRUE, name, "gx");
}

static void
test_max_pool (gconstpointer below)
{
  run_cases (below, "maxpool", "gout", run_max_pool);
}

static void
run_frozen_norm (Vectors *vectors, const char *name)
{
  static const char *const names[] = { "weight", "bias", "running_mean",
    "running_var" };
  g_autoptr (DefcnParams) params = defcn_params_new (vectors->be, FALSE);
  DefcnNode node = {
    .kind = DEFCN_OP_CONV,
    .name = name,
    .x[0] = vectors_load (vectors, DEFCN_TENSOR_ACTIVATION, name, "x"),
    .y = vectors_output (vectors, name, "y"),
    .size = 1,
    .stride = 1,
  };
  const int c = node.groups = node.x[0]->c;

  defcn_params_conv (params, &node.w, &node.b, "one", TRUE, FALSE, FALSE,
      DEFCN_INIT_CONSTANT, 1, 0, c, 1, 1);
  defcn_params_initialize (params, 1);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *official = g_strconcat ("one.norm.", names[i], NULL);
    DefcnParam *p = defcn_params_lookup (params, official);
    int dims[4];
    g_autofree float *values = vectors_values (vectors, name, names[i], dims);
    g_assert_nonnull (p);
    g_assert_cmpuint (defcn_param_len (p), ==, c);
    memcpy (p->value, values, c * sizeof (float));
  }
  defcn_params_upload (params);
  testing_prepare (vectors->be, &node);
  testing_forward (vectors->be, &node);
  vectors_assert (vectors, node.y, FALSE, name, "y");
  testing_release (vectors->be, &node);
}

/* Frozen batch norm, folded by the params into a depthwise 1x1 convolution of
 * weight 1. */
static void
test_frozen_norm (gconstpointer below)
{
  run_cases (below, "fbn", "running_mean", run_frozen_norm);
}

static void
run_group_norm (Vectors *vectors, const char *name)
{
  const char *groups = defcn_weights_metadata (vectors->file, "groups");
  DefcnNode node = {
    .kind = DEFCN_OP_GROUP_NORM,
    .name = name,
    .x[0] = vectors_load (vectors, DEFCN_TENSOR_ACTIVATION, name, "x"),
    .y = vectors_output (vectors, name, "y"),
    .w = vectors_load (vectors, DEFCN_TENSOR_PARAM, name, "weight"),
    .b = vectors_load (vectors, DEFCN_TENSOR_PARAM, name, "bias"),
    .groups = groups ? atoi (groups) : 32,
    .train = TRUE,
  };
  const gsize values = (gsize) node.x[0]->h * node.x[0]->w * node.x[0]->c;

  /* PyTorch computes x / std - mean / std, which for a group of one value are
   * large and cancel. */
  vectors->forward = (int) values == node.groups ? 1e-4 : FORWARD_TOLERANCE;
  run_node (vectors, &node, name);
  vectors_assert (vectors, node.x[0], TRUE, name, "gx");
}

static void
test_group_norm (gconstpointer below)
{
  run_cases (below, "gn", "gout", run_group_norm);
}

/* The resize inside the tube: next to a level that never wins the maximum is
 * the resized level itself. */
static void
run_bilinear (Vectors *vectors, const char *name)
{
  DefcnNode node = {
    .kind = DEFCN_OP_TUBE_MAX,
    .name = name,
    .x[0] = vectors_output (vectors, name, "y"), /* zero */
    .x[1] = vectors_load (vectors, DEFCN_TENSOR_ACTIVATION, name, "x"),
    .x[2] = vectors_output (vectors, name, "y"),
    .y = vectors_output (vectors, name, "y"),
    .n_levels = 2,
    .self = 1,
    .phi = 1,
    .train = TRUE,
  };
  const gsize len = defcn_tensor_len (node.y);
  g_autofree float *low = g_new (float, len);

  for (gsize k = 0; k < len; k++)
    low[k] = -1e30f;
  testing_tensor_write (vectors->be, node.x[2], low);
  run_node (vectors, &node, name);
  vectors_assert (vectors, node.x[1], TRUE, name, "gx");
}

static void
test_bilinear (gconstpointer below)
{
  run_cases (below, "", "gout", run_bilinear);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name, *pattern;
    GTestDataFunc run;
  } tests[] = {
    { "/golden/ops/conv", "ops/conv*.safetensors", test_conv },
    { "/golden/ops/conv-input", "ops/conv*.safetensors", test_conv_input },
    { "/golden/ops/max-pool", "ops/conv*.safetensors", test_max_pool },
    { "/golden/ops/frozen-norm", "ops/conv*.safetensors", test_frozen_norm },
    { "/golden/ops/group-norm", "ops/groupnorm*.safetensors", test_group_norm },
    { "/golden/ops/bilinear", "ops/bilinear*.safetensors", test_bilinear },
    { "/golden/ops/deformable", "ops/deform_conv*.safetensors",
        test_deformable },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    testing_golden_add (tests[i].name, tests[i].pattern, tests[i].run);
  return g_test_run ();
}
