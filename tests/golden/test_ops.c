/* Single rows against PyTorch's values, forward and backward, on the backend
 * under test. */
#include "params.h"
#include "vectors.h"

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

/* Convolution: 7x7, strides, groups, maps smaller than the kernel. */
static void
test_conv (void)
{
  g_auto (Vectors) vectors = { NULL };
  int i = 0;

  if (!vectors_open (&vectors, "ops/conv_bn_pool.safetensors"))
    return;
  for (;; i++) {
    g_autofree char *name = g_strdup_printf ("conv%d.", i);
    g_autofree char *spec_name = g_strdup_printf ("conv%d.spec", i);
    const DefcnWeightsTensor *spec =
        defcn_weights_lookup (vectors.file, spec_name);
    gint64 s[4]; /* size, stride, padding, groups */
    if (!spec)
      break;
    g_assert_cmpuint (spec->len, ==, 4);
    memcpy (s, spec->data, sizeof s);
    DefcnNode node = {
      .kind = DEFCN_OP_CONV,
      .name = name,
      .x[0] = vectors_load (&vectors, DEFCN_TENSOR_ACTIVATION, name, "x"),
      .y = vectors_output (&vectors, name, "y"),
      .w = vectors_load (&vectors, DEFCN_TENSOR_PARAM, name, "weight"),
      .b = vectors_load (&vectors, DEFCN_TENSOR_PARAM, name, "bias"),
      .size = s[0],
      .stride = s[1],
      .pad = s[2],
      .groups = s[3],
      .train = TRUE,
    };
    run_node (&vectors, &node, name);
    vectors_assert (&vectors, node.x[0], TRUE, name, "gx");
  }
  g_assert_cmpint (i, ==, 6);
}

/* The network's input takes the same 7x7 convolution, without a gradient. */
static void
test_conv_input (void)
{
  g_auto (Vectors) vectors = { NULL };

  if (!vectors_open (&vectors, "ops/conv_bn_pool.safetensors"))
    return;
  DefcnNode node = {
    .kind = DEFCN_OP_CONV,
    .name = "stem",
    .x[0] = vectors_load (&vectors, DEFCN_TENSOR_INPUT, "conv0.", "x"),
    .y = vectors_output (&vectors, "conv0.", "y"),
    .w = vectors_load (&vectors, DEFCN_TENSOR_PARAM, "conv0.", "weight"),
    .b = vectors_load (&vectors, DEFCN_TENSOR_PARAM, "conv0.", "bias"),
    .size = 7,
    .stride = 2,
    .pad = 3,
    .groups = 1,
    .train = TRUE,
  };
  float *grad = g_steal_pointer (&node.x[0]->grad);
  vectors.be->free (vectors.be, grad);
  run_node (&vectors, &node, "conv0.");
}

static void
test_max_pool (void)
{
  g_auto (Vectors) vectors = { NULL };

  if (!vectors_open (&vectors, "ops/conv_bn_pool.safetensors"))
    return;
  DefcnNode node = {
    .kind = DEFCN_OP_MAX_POOL,
    .name = "maxpool",
    .x[0] = vectors_load (&vectors, DEFCN_TENSOR_ACTIVATION, "maxpool.", "x"),
    .y = vectors_output (&vectors, "maxpool.", "y"),
    .train = TRUE,
  };
  run_node (&vectors, &node, "maxpool.");
  vectors_assert (&vectors, node.x[0], TRUE, "maxpool.", "gx");
}

/* Frozen batch norm, folded by the params into a depthwise 1x1 convolution of
 * weight 1. */
static void
test_frozen_norm (void)
{
  static const char *const names[] = { "weight", "bias", "running_mean",
    "running_var" };
  g_auto (Vectors) vectors = { NULL };

  if (!vectors_open (&vectors, "ops/conv_bn_pool.safetensors"))
    return;
  g_autoptr (DefcnParams) params = defcn_params_new (vectors.be, FALSE);
  DefcnNode node = {
    .kind = DEFCN_OP_CONV,
    .name = "fbn",
    .x[0] = vectors_load (&vectors, DEFCN_TENSOR_ACTIVATION, "fbn.", "x"),
    .y = vectors_output (&vectors, "fbn.", "y"),
    .size = 1,
    .stride = 1,
    .groups = 8,
  };
  defcn_params_conv (params, &node.w, &node.b, "one", TRUE, FALSE, FALSE,
      DEFCN_INIT_CONSTANT, 1, 0, 8, 1, 1);
  defcn_params_initialize (params, 1);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *official = g_strconcat ("one.norm.", names[i], NULL);
    DefcnParam *p = defcn_params_lookup (params, official);
    int dims[4];
    g_autofree float *values =
        vectors_values (&vectors, "fbn.", names[i], dims);
    g_assert_nonnull (p);
    g_assert_cmpuint (defcn_param_len (p), ==, 8);
    memcpy (p->value, values, 8 * sizeof (float));
  }
  defcn_params_upload (params);
  testing_prepare (vectors.be, &node);
  testing_forward (vectors.be, &node);
  vectors_assert (&vectors, node.y, FALSE, "fbn.", "y");
  testing_release (vectors.be, &node);
}

static void
test_group_norm (void)
{
  g_auto (Vectors) vectors = { NULL };
  int i = 0;

  if (!vectors_open (&vectors, "ops/groupnorm.safetensors"))
    return;
  /* gn2 has groups of one value.  PyTorch computes x / std - mean / std where
   * that is 0 and std 0.003. */
  vectors.forward = 1e-4;
  for (;; i++) {
    g_autofree char *name = g_strdup_printf ("gn%d.", i);
    if (!vectors_has (&vectors, name, "x"))
      break;
    DefcnNode node = {
      .kind = DEFCN_OP_GROUP_NORM,
      .name = name,
      .x[0] = vectors_load (&vectors, DEFCN_TENSOR_ACTIVATION, name, "x"),
      .y = vectors_output (&vectors, name, "y"),
      .w = vectors_load (&vectors, DEFCN_TENSOR_PARAM, name, "weight"),
      .b = vectors_load (&vectors, DEFCN_TENSOR_PARAM, name, "bias"),
      .groups = 32,
      .train = TRUE,
    };
    run_node (&vectors, &node, name);
    vectors_assert (&vectors, node.x[0], TRUE, name, "gx");
  }
  g_assert_cmpint (i, ==, 4);
}

/* The resize inside the tube: next to a level that never wins the maximum is
 * the resized level itself. */
static void
test_bilinear (void)
{
  g_auto (Vectors) vectors = { NULL };
  int i = 0;

  if (!vectors_open (&vectors, "ops/bilinear.safetensors"))
    return;
  for (;; i++) {
    g_autofree char *name = g_strdup_printf ("c%d.", i);
    if (!vectors_has (&vectors, name, "x"))
      break;
    DefcnNode node = {
      .kind = DEFCN_OP_TUBE_MAX,
      .name = name,
      .x[0] = vectors_output (&vectors, name, "y"), /* zero */
      .x[1] = vectors_load (&vectors, DEFCN_TENSOR_ACTIVATION, name, "x"),
      .x[2] = vectors_output (&vectors, name, "y"),
      .y = vectors_output (&vectors, name, "y"),
      .n_levels = 2,
      .self = 1,
      .phi = 1,
      .train = TRUE,
    };
    gsize len = defcn_tensor_len (node.y);
    g_autofree float *low = g_new (float, len);
    for (gsize k = 0; k < len; k++)
      low[k] = -1e30f;
    testing_tensor_write (vectors.be, node.x[2], low);
    run_node (&vectors, &node, name);
    vectors_assert (&vectors, node.x[1], TRUE, name, "gx");
  }
  g_assert_cmpint (i, ==, 9);
}

/* What the golden set has and this version has not. */
static void
test_absent (gconstpointer what)
{
  g_autofree char *message =
      g_strdup_printf ("%s is not part of this version", (const char *) what);

  g_test_skip (message);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/golden/ops/conv", test_conv);
  g_test_add_func ("/golden/ops/conv-input", test_conv_input);
  g_test_add_func ("/golden/ops/max-pool", test_max_pool);
  g_test_add_func ("/golden/ops/frozen-norm", test_frozen_norm);
  g_test_add_func ("/golden/ops/group-norm", test_group_norm);
  g_test_add_func ("/golden/ops/bilinear", test_bilinear);
  g_test_add_data_func ("/golden/ops/deform-conv",
      "ops/deform_conv.safetensors: deformable convolution", test_absent);
  g_test_add_data_func ("/golden/ops/centerness",
      "ops/centerness_bce.safetensors: the centerness branch", test_absent);
  return g_test_run ();
}
