/* What `defcn bench` measures: what it opens, whose time goes where, what a
 * dump of it says. */
#include "bench/stages.h"

#include "bench/batch.h"
#include "bench/crowds.h"
#include "bench/dump.h"
#include "bench/updates.h"
#include "folder.h"
#include "tiny_model.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#define N 3

static char *folder, *model;

static void
bench_open_on (DefcnBench *b, DefcnBenchOptions *options, int threads)
{
  g_autoptr (GError) error = NULL;

  options->classes = 3;
  options->repetitions = N;
  options->device =
      (DefcnDetectorOptions){ .device = "reference", .threads = threads };
  *b = (DefcnBench){ 0 };
  g_assert_true (defcn_bench_stages_open (b, options, &error));
  g_assert_no_error (error);
}

static void
bench_open (DefcnBench *b, DefcnBenchOptions *options)
{
  bench_open_on (b, options, 1);
}

/* The size is rounded up, settings change the preset, classes are those that
 * are asked for; a model has its own. */
static void
test_open (void)
{
  static const struct
  {
    int width, height, w, h;
  } sizes[] = { { 33, 32, 64, 32 }, { 64, 63, 64, 64 }, { 1, 65, 32, 96 } };
  char *settings[] = { "backbone=resnet18", "fpn_channels=32", NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    DefcnBenchOptions options = { .settings = settings,
      .width = sizes[i].width,
      .height = sizes[i].height,
      .batch = 1 };
    DefcnBench b;

    bench_open (&b, &options);
    g_assert_cmpint (b.plan->input->w, ==, sizes[i].w);
    g_assert_cmpint (b.plan->input->h, ==, sizes[i].h);
    g_assert_cmpint (defcn_model_spec (b.model)->n_classes, ==, 3);
    g_assert_cmpint (defcn_model_spec (b.model)->depth, ==, 18);
    g_assert_cmpint (defcn_model_spec (b.model)->fpn_channels, ==, 32);
    g_assert_cmpstr (defcn_model_spec (b.model)->labels[2], ==, "class2");
    defcn_bench_stages_close (&b);
  }
}

/* The five parts of a detection make up its time, its steps the network's
 * stages, each in the stage of its name; nothing is left of the warming up. */
static void
test_measure (void)
{
  static const struct
  {
    const char *part;
    DefcnStage stage;
  } places[] = { { ".stem", DEFCN_STAGE_STEM }, { ".res2", DEFCN_STAGE_RES2 },
    { ".res5", DEFCN_STAGE_RES5 }, { "cls_subnet", DEFCN_STAGE_TOWERS },
    { "bbox_subnet", DEFCN_STAGE_TOWERS }, { "max3d", DEFCN_STAGE_MAX3D },
    { "head.filter", DEFCN_STAGE_FILTER }, { "cls_score", DEFCN_STAGE_CLS },
    { "bbox_pred", DEFCN_STAGE_BOX }, { "scales", DEFCN_STAGE_BOX },
    { "lateral", DEFCN_STAGE_FPN }, { "max_pool", DEFCN_STAGE_STEM } };
  DefcnBenchOptions options = { .model = model,
    .width = 64,
    .height = 64,
    .batch = 1 };
  g_autoptr (GError) error = NULL;
  DefcnBench b;

  bench_open (&b, &options);
  g_assert_true (defcn_bench_stages_measure (&b, &error));
  g_assert_no_error (error);
  for (gsize k = 0; k < G_N_ELEMENTS (places); k++) {
    gboolean found = FALSE;

    for (guint i = 0; i < defcn_net_count (b.plan->net); i++)
      found |= strstr (defcn_net_node (b.plan->net, i)->name, places[k].part)
          != NULL;
    g_assert_true (found);
  }
  for (int r = 0; r < N; r++) {
    double sums[DEFCN_N_STAGES] = { 0 };
    guint64 macs[DEFCN_N_STAGES] = { 0 };
    const DefcnStage parts[] = { DEFCN_STAGE_PREPROCESS, DEFCN_STAGE_UPLOAD,
      DEFCN_STAGE_DOWNLOAD, DEFCN_STAGE_POSTPROCESS };
    double whole = b.forward.ms[r];

    for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
      g_assert_cmpfloat (b.stages[parts[i]].ms[r], >, 0);
      whole += b.stages[parts[i]].ms[r];
      sums[parts[i]] = b.stages[parts[i]].ms[r];
    }
    g_assert_cmpfloat_with_epsilon (whole, b.total.ms[r], 1e-6);
    for (guint i = 0; i < defcn_net_count (b.plan->net); i++) {
      const DefcnNode *node = defcn_net_node (b.plan->net, i);
      DefcnStage stage = DEFCN_STAGE_FPN;

      for (gsize k = 0; k < G_N_ELEMENTS (places); k++)
        if (strstr (node->name, places[k].part))
          stage = places[k].stage;
      if (strstr (node->name, ".res3"))
        stage = DEFCN_STAGE_RES3;
      if (strstr (node->name, ".res4"))
        stage = DEFCN_STAGE_RES4;
      g_assert_cmpfloat (b.nodes[i].ms[r], >, 0);
      sums[stage] += b.nodes[i].ms[r];
      macs[stage] += defcn_node_macs (node);
    }
    for (int i = 0; i < DEFCN_N_STAGES; i++) {
      g_assert_cmpfloat_with_epsilon (b.stages[i].ms[r], sums[i], 1e-6);
      g_assert_cmpuint (b.macs[i], ==, macs[i]);
    }
  }
  defcn_bench_stages_close (&b);
}

/* A batch is measured as the detector runs it, every repetition, and takes the
 * activations of as many images as there are threads. */
static void
test_batch (void)
{
  for (int threads = 1; threads <= 2; threads++) {
    DefcnBenchOptions options = { .model = model,
      .width = 64,
      .height = 64,
      .batch = 5 };
    g_autoptr (GError) error = NULL;
    DefcnBench b;

    bench_open_on (&b, &options, threads);
    g_assert_cmpint (b.plan->input->n, ==, 1);
    g_assert_true (defcn_bench_stages_measure (&b, &error));
    g_assert_true (defcn_bench_batch_measure (&b, &error));
    g_assert_no_error (error);
    for (int r = 0; r < N; r++)
      g_assert_cmpfloat (b.whole_batch.ms[r], >, 0);
    g_assert_cmpuint (b.batch_bytes, ==,
        threads * defcn_net_bytes (b.plan->net));
    defcn_bench_stages_close (&b);
  }
}

/* A training step has two parts. */
static void
test_updates (void)
{
  DefcnBenchOptions options = { .model = model,
    .width = 64,
    .height = 32,
    .batch = 1,
    .train = TRUE };
  g_autoptr (GError) error = NULL;
  DefcnBench b;

  bench_open (&b, &options);
  const DefcnParam *p =
      defcn_params_lookup (defcn_model_params (b.model), "head.cls_score.bias");
  const float before = p->value[0];
  int n = 0;

  g_assert_true (defcn_bench_updates_measure (&b, &error));
  g_assert_no_error (error);
  double least_gradients = INFINITY, least_update = INFINITY;
  for (int r = 0; r < N; r++) {
    const double gradients = b.stages[DEFCN_STAGE_GRADIENTS].ms[r];
    const double update = b.stages[DEFCN_STAGE_UPDATE].ms[r];

    g_assert_cmpfloat (update, >, 0);
    g_assert_cmpfloat_with_epsilon (gradients + update, b.total.ms[r], 1e-6);
    g_assert_cmpfloat (b.forward.ms[r], ==, 0);
    least_gradients = MIN (least_gradients, gradients);
    least_update = MIN (least_update, update);
  }
  g_assert_cmpfloat (least_gradients, >, least_update);
  g_assert_cmpfloat (p->value[0], !=, before);
  /* and the network has what the update left */
  for (guint i = 0; i < defcn_net_count (b.plan->net); i++) {
    const DefcnNode *node = defcn_net_node (b.plan->net, i);
    float values[3];

    if (!g_str_equal (node->name, "head.cls_score"))
      continue;
    g_assert_cmpuint (defcn_tensor_len (node->b), ==, 3);
    b.be->download (b.be, node->b, values, node->b->data);
    g_assert_cmpmem (values, sizeof values, p->value, sizeof values);
    n++;
  }
  g_assert_cmpint (n, ==, DEFCN_N_LEVELS);
  defcn_bench_stages_close (&b);
}

/* As many objects as are asked for, or as there is room for. */
static void
test_crowds (void)
{
  static const int wanted[] = { 1, 10, 32, 32 };
  DefcnBenchOptions options = { .model = model,
    .width = 64,
    .height = 32,
    .batch = 1 };
  g_autoptr (GError) error = NULL;
  DefcnBench b;

  bench_open (&b, &options);
  g_assert_true (defcn_bench_crowds_measure (&b, &error));
  g_assert_no_error (error);
  for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++) {
    g_assert_cmpint (b.n_found[i], ==, wanted[i]);
    for (int r = 0; r < N; r++)
      g_assert_cmpfloat (b.crowds[i].ms[r], >, 0);
  }
  /* of all classes in turn, spread evenly, none on another */
  gboolean classes[3] = { FALSE };
  for (guint i = 0; i < b.boxes->len; i++)
    classes[g_array_index (b.boxes, DefcnBox, i).label] = TRUE;
  g_assert_true (classes[0] && classes[1] && classes[2]);
  defcn_bench_stages_close (&b);
}

/* The tensor @name of @dump is @t. */
static void
assert_tensor (const DefcnBench *b, const DefcnWeights *dump, char kind,
    guint number, const DefcnTensor *t)
{
  g_autofree char *name = g_strdup_printf ("%c%u", kind, number);
  const DefcnWeightsTensor *found = defcn_weights_lookup (dump, name);

  g_assert_cmpint (found != NULL, ==, t != NULL);
  if (!t)
    return;
  g_autofree float *values = g_new (float, defcn_tensor_len (t));
  const gint64 dims[] = { t->n, t->h, t->w, t->c };
  b->be->download (b->be, t, values, t->data);
  g_assert_cmpint (found->n_dims, ==, 4);
  g_assert_cmpmem (found->dims, sizeof dims, dims, sizeof dims);
  g_assert_cmpmem (found->data, found->len * sizeof (float), values,
      defcn_tensor_len (t) * sizeof (float));
}

static gboolean
is_head (const DefcnPlan *plan, const DefcnTensor *t)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    if (t == plan->logits[l] || t == plan->deltas[l] || t == plan->filter[l])
      return TRUE;
  return FALSE;
}

static double
number (const cJSON *step, const char *name)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (step, name);

  g_assert_true (cJSON_IsNumber (item));
  return item->valuedouble;
}

/* A dump is the network itself: every step with its numbers, where its inputs
 * come from, its parameters; the input and the heads. */
static void
test_dump (void)
{
  DefcnBenchOptions options = { .model = model,
    .width = 64,
    .height = 32,
    .batch = 1 };
  g_autofree char *path = folder_file (folder, "dump");
  g_autoptr (GError) error = NULL;
  DefcnBench b;

  bench_open (&b, &options);
  g_assert_true (defcn_bench_stages_measure (&b, &error));
  g_assert_true (defcn_bench_dump (&b, path, &error));
  g_assert_no_error (error);
  g_autoptr (DefcnWeights) dump = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  cJSON *steps = cJSON_Parse (defcn_weights_metadata (dump, "defcn.steps"));
  const DefcnWeightsTensor *input = defcn_weights_lookup (dump, "y0");
  g_assert_cmpmem (input->data, input->len * sizeof (float), b.input,
      defcn_tensor_len (b.plan->input) * sizeof (float));
  g_assert_cmpint (cJSON_GetArraySize (steps), ==,
      defcn_net_count (b.plan->net));
  for (guint i = 0; i < defcn_net_count (b.plan->net); i++) {
    const DefcnNode *node = defcn_net_node (b.plan->net, i);
    const cJSON *step = cJSON_GetArrayItem (steps, i);
    const cJSON *inputs = cJSON_GetObjectItem (step, "inputs");
    const cJSON *shape = cJSON_GetObjectItem (step, "shape");
    const int dims[] = { node->y->n, node->y->h, node->y->w, node->y->c };
    int n = 0;

    g_assert_cmpstr (cJSON_GetObjectItem (step, "name")->valuestring, ==,
        node->name);
    g_assert_cmpstr (cJSON_GetObjectItem (step, "kind")->valuestring, ==,
        defcn_backend_op_name (node->kind));
    g_assert_cmpfloat (number (step, "size"), ==, node->size);
    g_assert_cmpfloat (number (step, "stride"), ==, node->stride);
    g_assert_cmpfloat (number (step, "pad"), ==, node->pad);
    g_assert_cmpfloat (number (step, "groups"), ==, node->groups);
    g_assert_cmpfloat (number (step, "relu"), ==, node->relu);
    g_assert_cmpfloat (number (step, "exponential"), ==, node->exponential);
    g_assert_cmpfloat (number (step, "factor"), ==, node->factor);
    g_assert_cmpfloat (number (step, "levels"), ==, node->n_levels);
    g_assert_cmpfloat (number (step, "self"), ==, node->self);
    g_assert_cmpfloat (number (step, "phi"), ==, node->phi);
    g_assert_cmpint (cJSON_GetArraySize (shape), ==, 4);
    for (int k = 0; k < 4; k++)
      g_assert_cmpint (cJSON_GetArrayItem (shape, k)->valueint, ==, dims[k]);
    for (; n < DEFCN_MAX_INPUTS && node->x[n]; n++) {
      const int from = cJSON_GetArrayItem (inputs, n)->valueint;

      g_assert_true (node->x[n]
          == (from == 0 ? b.plan->input
                        : defcn_net_node (b.plan->net, from - 1)->y));
    }
    g_assert_cmpint (cJSON_GetArraySize (inputs), ==, n);
    assert_tensor (&b, dump, 'w', i + 1, node->w);
    assert_tensor (&b, dump, 'b', i + 1, node->b);
    assert_tensor (&b, dump, 'y', i + 1,
        is_head (b.plan, node->y) ? node->y : NULL);
  }
  cJSON_Delete (steps);
  g_assert_false (defcn_bench_dump (&b, "/dev/null/x", &error));
  g_assert_nonnull (error);
  defcn_bench_stages_close (&b);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  model = folder_file (folder, "tiny.safetensors");
  testing_tiny_model_write (model);
  g_test_add_func ("/stages/open", test_open);
  g_test_add_func ("/stages/measure", test_measure);
  g_test_add_func ("/stages/batch", test_batch);
  g_test_add_func ("/stages/updates", test_updates);
  g_test_add_func ("/stages/crowds", test_crowds);
  g_test_add_func ("/stages/dump", test_dump);

  const int status = g_test_run ();
  g_free (model);
  folder_remove (folder);
  return status;
}
