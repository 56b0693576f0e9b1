/* cuDNN has a plan for every convolution of the networks that people use, in
 * every precision and pass: made for an H100 that need not be there.
 *
 * Many are compiled on the way, a second each.  Without DEFCN_TEST_FULL in the
 * environment one shape stands for all that differ in sizes alone, and the
 * cases that are marked so are left out. */
#include <string.h>

#include "hopper.h"

typedef struct
{
  const char *name;
  DefcnBackbone backbone;
  int depth;
  CudaType type;
  gboolean tf32;
  GraphKind kind;
  gboolean rare; /* only in full */
} Case;

/* The shape without its sizes, but for whether channels are aligned. */
static GraphShape
pattern_of (const GraphShape *shape)
{
  GraphShape p = *shape;

  p.n = p.h = p.w = p.out_h = p.out_w = 0;
  p.groups = p.groups > 1;
  p.c = p.c % 8 == 0;
  p.k = p.k % 8 == 0;
  return p;
}

/* "fused", "split" or NULL: what can be planned. */
static const char *
plan (cudnnBackendDescriptor_t device, const GraphShape *fused,
    const char *name, gboolean *compiled)
{
  g_autoptr (GError) error = NULL;
  GraphShape alone = *fused;
  Graph *graph = graph_new (NULL, device, fused, NULL, 1, &error);
  const char *how = "fused";

  if (!graph && (fused->bias || fused->residual || fused->relu)) {
    g_clear_error (&error);
    alone.bias = alone.residual = alone.relu = FALSE;
    graph = graph_new (NULL, device, &alone, NULL, 1, &error);
    how = "split";
  }
  if (!graph) {
    g_test_message ("%s: %s", name, error->message);
    return NULL;
  }
  *compiled = hopper_is_compiled (graph);
  graph_unref (graph);
  return how;
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  const char *const labels[] = { "person", NULL };
  cudnnBackendDescriptor_t device = hopper_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, &error);
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_bytes_hash, g_bytes_equal);
  g_autoptr (GPtrArray) keys =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  guint n_split = 0, n_none = 0, n_compiled = 0, n_avoidable = 0;
  const gboolean is_full = g_getenv ("DEFCN_TEST_FULL") != NULL;

  if (c->rare && !is_full) {
    g_test_skip ("takes minutes: DEFCN_TEST_FULL=1 runs it");
    return;
  }
  if (!device) {
    g_test_skip ("this cuDNN makes no plans without a device");
    return;
  }
  spec->backbone = c->backbone;
  spec->depth = c->depth;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, FALSE, 1, &error);
  g_assert_no_error (error);
  const DefcnPlan *net = defcn_model_plan (model, 1, 128, 128, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < defcn_net_count (net->net); i++) {
    const DefcnNode *node = defcn_net_node (net->net, i);

    if (node->kind != DEFCN_OP_CONV)
      continue;
    const GraphShape shape = hopper_shape (node, c->kind, c->type, c->tf32);
    const GraphShape seen_as = is_full ? shape : pattern_of (&shape);
    GBytes *key = g_bytes_new (&seen_as, sizeof seen_as);

    g_ptr_array_add (keys, key);
    if (!g_hash_table_add (seen, key))
      continue;
    gboolean compiled = FALSE;
    const char *how = plan (device, &shape, node->name, &compiled);
    n_compiled += compiled;
    n_avoidable += compiled && shape.x_type == shape.y_type;
    n_split += g_strcmp0 (how, "split") == 0;
    n_none += how == NULL;
  }
  g_test_message ("%u shapes, %u not fused, %u compiled",
      g_hash_table_size (seen), n_split, n_compiled);
  g_assert_cmpuint (n_none, ==, 0);
  if (c->kind == GRAPH_FORWARD)
    g_assert_cmpuint (n_avoidable, ==, 0);
  cudnnBackendDestroyDescriptor (device);
}

/* The candidates of a convolution have names of their own, each of which finds
 * that candidate again; a name that cuDNN does not know is as none; the one
 * that is settled on is the one that stays. */
static void
test_candidates (void)
{
  cudnnBackendDescriptor_t device = hopper_new ();
  g_autoptr (GError) error = NULL;
  const GraphShape shape = { .kind = GRAPH_FORWARD,
    .n = 1,
    .h = 64,
    .w = 64,
    .c = 64,
    .k = 64,
    .out_h = 64,
    .out_w = 64,
    .size = 3,
    .stride = 1,
    .pad = 1,
    .groups = 1,
    .x_type = CUDA_HALF,
    .w_type = CUDA_HALF,
    .y_type = CUDA_HALF,
    .tf32 = TRUE };
  const guint max = 4;

  if (!device) {
    g_test_skip ("this cuDNN makes no plans without a device");
    return;
  }
  g_autofree char *text = graph_shape_text (&shape);
  g_assert_cmpstr (text, ==, "forward 1x64x64x64 k64 3x3 s1 p1 g1 half half");
  Graph *all = graph_new (NULL, device, &shape, NULL, max, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (graph_count (all), >, 1);
  g_assert_cmpuint (graph_count (all), <=, max);
  for (guint i = 0; i < graph_count (all); i++) {
    const char *name = graph_name (all, i);
    Graph *one = graph_new (NULL, device, &shape, name, max, &error);

    g_test_message ("%s", name);
    g_assert_no_error (error);
    g_assert_cmpuint (graph_count (one), ==, 1);
    g_assert_cmpstr (graph_engine (one), ==, name);
    graph_unref (one);
    for (guint k = 0; k < i; k++)
      g_assert_cmpstr (graph_name (all, k), !=, name);
  }
  Graph *stale = graph_new (NULL, device, &shape, "eng9999", max, &error);
  g_assert_cmpuint (graph_count (stale), ==, graph_count (all));
  for (guint i = 0; i < graph_count (all); i++)
    g_assert_cmpstr (graph_name (stale, i), ==, graph_name (all, i));
  graph_unref (stale);

  g_autofree char *second = g_strdup (graph_name (all, 1));
  graph_choose (all, 1);
  graph_settle (all);
  g_assert_cmpuint (graph_count (all), ==, 1);
  g_assert_cmpstr (graph_engine (all), ==, second);
  graph_unref (all);
  cudnnBackendDestroyDescriptor (device);
}

/* A plan that was kept is the plan: the same engine, the same workspace, the
 * same text; a damaged one is none. */
static void
test_kept (void)
{
  static const CudaType y_types[] = { CUDA_HALF, CUDA_FLOAT };
  cudnnBackendDescriptor_t device = hopper_new ();

  if (!device) {
    g_test_skip ("this cuDNN makes no plans without a device");
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (y_types); i++) {
    const GraphShape shape = { .kind = GRAPH_FORWARD,
      .n = 1,
      .h = 32,
      .w = 32,
      .c = 64,
      .k = 80,
      .out_h = 32,
      .out_w = 32,
      .size = 3,
      .stride = 1,
      .pad = 1,
      .groups = 1,
      .x_type = CUDA_HALF,
      .w_type = CUDA_HALF,
      .y_type = y_types[i],
      .bias = TRUE };
    g_autoptr (GError) error = NULL;
    Graph *graph = graph_new (NULL, device, &shape, NULL, 1, &error);

    g_assert_no_error (error);
    g_assert_true (hopper_is_compiled (graph) == (y_types[i] == CUDA_FLOAT));
    g_autofree char *json = graph_to_json (graph);
    Graph *kept =
        graph_from_json (NULL, device, &shape, graph_engine (graph), json);
    g_assert_nonnull (kept);
    g_assert_cmpstr (graph_engine (kept), ==, graph_engine (graph));
    g_assert_cmpuint (graph_workspace (kept), ==, graph_workspace (graph));
    g_autofree char *again = graph_to_json (kept);
    g_assert_cmpstr (again, ==, json);
    json[strlen (json) / 2] = 0;
    g_assert_null (graph_from_json (NULL, device, &shape, "eng1", json));
    graph_unref (kept);
    graph_unref (graph);
  }
  cudnnBackendDestroyDescriptor (device);
}

/* The first layer of the networks has a plan whose engine needs no padded copy
 * of the input: of three channels cuDNN's first choice for the 7x7 makes one.
 */
static void
test_stem (void)
{
  static const struct
  {
    CudaType type;
    int k, size, n;
  } stems[] = { { CUDA_HALF, 64, 7, 1 }, { CUDA_HALF, 64, 7, 32 },
    { CUDA_BFLOAT, 64, 7, 1 }, { CUDA_BFLOAT, 64, 7, 32 },
    { CUDA_HALF, 32, 3, 1 }, { CUDA_BFLOAT, 32, 3, 1 } };
  cudnnBackendDescriptor_t device = hopper_new ();

  if (!device) {
    g_test_skip ("this cuDNN makes no plans without a device");
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (stems); i++) {
    const int size = stems[i].size, k = stems[i].k, n = stems[i].n;
    DefcnTensor x = { n, 800, 1344, 3, DEFCN_TENSOR_INPUT };
    DefcnTensor y = { n, 400, 672, k, DEFCN_TENSOR_ACTIVATION };
    DefcnTensor b = { 1, 1, 1, k, DEFCN_TENSOR_PARAM };
    const DefcnNode node = { .kind = DEFCN_OP_CONV,
      .x = { &x },
      .y = &y,
      .b = &b,
      .size = size,
      .stride = 2,
      .pad = size / 2,
      .groups = 1,
      .relu = TRUE };
    const gsize copy = (gsize) n * 800 * 1344 * 4 * 2;
    GraphShape shape = hopper_shape (&node, GRAPH_FORWARD, stems[i].type, TRUE);
    g_autoptr (GError) error = NULL;
    Graph *graph = graph_new (NULL, device, &shape, NULL, 1, &error);

    g_assert_no_error (error);
    g_test_message ("%d channels: %s", shape.c, graph_engine (graph));
    g_assert_cmpint (shape.c, ==, stems[i].type == CUDA_HALF ? 4 : 8);
    g_assert_cmpuint (graph_workspace (graph), <, copy / 8);
    g_assert_false (hopper_is_compiled (graph));
    graph_unref (graph);
  }
  cudnnBackendDestroyDescriptor (device);
}

#define FLOAT CUDA_FLOAT
#define HALF CUDA_HALF
#define BFLOAT CUDA_BFLOAT
#define FORWARD GRAPH_FORWARD
#define DATA GRAPH_BACKWARD_DATA
#define FILTER GRAPH_BACKWARD_FILTER

#define NETWORK(name, ...)                                                     \
  { name "/fp16", __VA_ARGS__, HALF, TRUE, FORWARD, FALSE },                   \
      { name "/bf16", __VA_ARGS__, BFLOAT, TRUE, FORWARD, TRUE },              \
      { name "/bf16/data", __VA_ARGS__, BFLOAT, TRUE, DATA, FALSE },           \
      { name "/bf16/filter", __VA_ARGS__, BFLOAT, TRUE, FILTER, FALSE },       \
      { name "/tf32", __VA_ARGS__, FLOAT, TRUE, FORWARD, TRUE },               \
      { name "/tf32/data", __VA_ARGS__, FLOAT, TRUE, DATA, FALSE },            \
      { name "/tf32/filter", __VA_ARGS__, FLOAT, TRUE, FILTER, FALSE },        \
      { name "/fp32", __VA_ARGS__, FLOAT, FALSE, FORWARD, TRUE },              \
      { name "/fp32/data", __VA_ARGS__, FLOAT, FALSE, DATA, TRUE },            \
  {                                                                            \
    name "/fp32/filter", __VA_ARGS__, FLOAT, FALSE, FILTER, TRUE               \
  }

static const Case cases[] = {
  NETWORK ("resnet18", DEFCN_BACKBONE_RESNET, 18),
  NETWORK ("resnet50", DEFCN_BACKBONE_RESNET, 50),
  NETWORK ("mobilenetv2", DEFCN_BACKBONE_MOBILENETV2, 0),
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plans/candidates", test_candidates);
  g_test_add_func ("/plans/kept", test_kept);
  g_test_add_func ("/plans/stem", test_stem);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/plans/%s", cases[i].name);
    g_test_add_data_func (path, &cases[i], test_case);
  }
  return g_test_run ();
}
