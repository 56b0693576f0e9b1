/* What `defcn bench` tells of times that were made by hand. */
#include "bench/report.h"

#include "folder.h"
#include "tiny_model.h"

#include <cjson/cJSON.h>
#include <string.h>

#define N 4

static char *folder, *model;
static const DefcnNode *above; /* which the rigged op does with one before */
static const DefcnNode *alone; /* which has a word like it */

/* A network of 128x64, whose batches of two go apart; no times. */
static void
bench_open (DefcnBench *b)
{
  const DefcnBenchOptions options = { .model = model,
    .width = 100,
    .height = 60,
    .batch = 2,
    .classes = 80,
    .repetitions = N,
    .device = { .device = "reference", .threads = 1 } };
  g_autoptr (GError) error = NULL;

  *b = (DefcnBench){ 0 };
  g_assert_true (defcn_bench_stages_open (b, &options, &error));
  g_assert_no_error (error);
}

static void
set (DefcnSamples *s, double a, double b, double c, double d)
{
  g_assert_cmpint (s->n, ==, N);
  memcpy (s->ms, (double[]){ a, b, c, d }, N * sizeof *s->ms);
}

/* res2 with 1 GFLOP, an upload, the network and all of it, and of a batch with
 * its memory; the peak is 800 GFLOP/s. */
static void
fill (DefcnBench *b)
{
  memset (b->macs, 0, sizeof b->macs);
  b->macs[DEFCN_STAGE_RES2] = 300000000;
  b->macs[DEFCN_STAGE_RES3] = 200000000;
  set (&b->stages[DEFCN_STAGE_RES2], 4, 1, 3, 2);
  set (&b->stages[DEFCN_STAGE_UPLOAD], 0, 0, 0, 8);
  set (&b->forward, 10, 10, 10, 10);
  set (&b->total, 20, 20, 20, 60);
  set (&b->whole_batch, 40, 30, 40, 80);
  b->batch_bytes = 3000000;
  b->peak = 8e11;
}

static cJSON *
report (const DefcnBench *b)
{
  g_autofree char *text = defcn_bench_report_json (b);
  cJSON *json = cJSON_Parse (text);

  g_assert_true (g_str_has_suffix (text, "}\n"));
  g_assert_nonnull (json);
  return json;
}

static void
assert_number (const cJSON *object, const char *name, double want)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, name);

  g_assert_true (cJSON_IsNumber (item));
  g_assert_cmpfloat_with_epsilon (item->valuedouble, want, 0.6e-4);
}

/* Quantiles, work, share of the peak; a stage that took no time is left out,
 * and work is counted where there is some. */
static void
test_numbers (void)
{
  DefcnBench b;

  bench_open (&b);
  fill (&b);
  cJSON *json = report (&b);
  const cJSON *stages = cJSON_GetObjectItem (json, "stages");
  const cJSON *row = cJSON_GetObjectItem (stages, "res2");
  g_assert_cmpint (cJSON_GetArraySize (stages), ==, 2);
  assert_number (row, "ms", 2.5);
  assert_number (row, "ms_p90", 3.7);
  assert_number (row, "ms_least", 1);
  assert_number (row, "ms_most", 4);
  assert_number (row, "gflop", 0.6);
  assert_number (row, "gflop_per_second", 240);
  assert_number (row, "peak_percent", 30);
  row = cJSON_GetObjectItem (stages, "upload");
  assert_number (row, "ms", 0);
  assert_number (row, "ms_most", 8);
  g_assert_false (cJSON_HasObjectItem (row, "gflop"));
  g_assert_false (cJSON_HasObjectItem (row, "peak_percent"));
  row = cJSON_GetObjectItem (json, "network");
  assert_number (row, "gflop", 1);
  assert_number (row, "gflop_per_second", 100);
  assert_number (row, "peak_percent", 12.5);
  row = cJSON_GetObjectItem (json, "total");
  assert_number (row, "ms", 20);
  assert_number (row, "ms_p90", 48);
  row = cJSON_GetObjectItem (json, "whole_batch");
  assert_number (row, "ms", 40);
  assert_number (row, "ms_most", 80);
  assert_number (json, "images_per_second", 50);
  assert_number (json, "peak_gflop_per_second", 800);
  cJSON_Delete (json);

  b.peak = 0;
  set (&b.forward, 0, 0, 0, 0);
  json = report (&b);
  row = cJSON_GetObjectItem (cJSON_GetObjectItem (json, "stages"), "res2");
  g_assert_false (cJSON_HasObjectItem (row, "peak_percent"));
  g_assert_false (cJSON_HasObjectItem (json, "peak_gflop_per_second"));
  g_assert_false (cJSON_HasObjectItem (json, "network"));
  cJSON_Delete (json);
  defcn_bench_stages_close (&b);
}

/* What was measured, and on what. */
static void
test_conditions (void)
{
  DefcnBench b;
  gsize bytes;

  bench_open (&b);
  fill (&b);
  b.be->exact = TRUE;
  b.be->library = "engine 1.2";
  bytes = b.be->size (b.be, b.plan->input);
  for (guint i = 0; i < defcn_net_count (b.plan->net); i++)
    bytes += b.be->size (b.be, defcn_net_node (b.plan->net, i)->y);

  cJSON *json = report (&b);
  const cJSON *versions = cJSON_GetObjectItem (json, "versions");
  const cJSON *machine = cJSON_GetObjectItem (json, "machine");
  g_assert_cmpstr (cJSON_GetObjectItem (json, "device")->valuestring, ==,
      "reference");
  g_assert_true (cJSON_IsTrue (cJSON_GetObjectItem (json, "exact")));
  assert_number (json, "threads", 1);
  assert_number (json, "width", 128);
  assert_number (json, "height", 64);
  assert_number (json, "batch", 2);
  assert_number (json, "repetitions", N);
  assert_number (json, "activations_mb", 3);
  assert_number (json, "activations_unshared_mb", 2 * bytes * 1e-6);
  g_assert_false (cJSON_HasObjectItem (json, "training_mb"));
  g_assert_false (cJSON_HasObjectItem (json, "steps"));
  g_assert_cmpstr (cJSON_GetObjectItem (versions, "engine")->valuestring, ==,
      "engine 1.2");
  g_assert_cmpstr (cJSON_GetObjectItem (versions, "defcn")->valuestring, ==,
      DEFCN_VERSION);
  assert_number (machine, "cores", g_get_num_processors ());
  g_assert_null (
      strchr (cJSON_GetObjectItem (machine, "cpu")->valuestring, '\n'));
  g_assert_true (
      g_str_has_prefix (cJSON_GetObjectItem (machine, "system")->valuestring,
          "Linux "));
  g_assert_true (
      g_str_has_suffix (cJSON_GetObjectItem (json, "date")->valuestring, "Z"));
  cJSON_Delete (json);

  b.train = TRUE;
  json = report (&b);
  assert_number (json, "training_mb", defcn_net_bytes (b.plan->net) * 1e-6);
  g_assert_false (cJSON_HasObjectItem (json, "activations_mb"));
  cJSON_Delete (json);
  defcn_bench_stages_close (&b);
}

/* Crowds are told where they were measured. */
static void
test_crowds (void)
{
  DefcnBench b;

  bench_open (&b);
  fill (&b);
  cJSON *json = report (&b);
  g_assert_false (cJSON_HasObjectItem (json, "crowds"));
  cJSON_Delete (json);

  for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++) {
    set (&b.crowds[i], i + 1, i + 2, i + 1, i + 2);
    b.n_found[i] = 10 * i + 7;
  }
  json = report (&b);
  const cJSON *crowds = cJSON_GetObjectItem (json, "crowds");
  g_assert_cmpint (cJSON_GetArraySize (crowds), ==, DEFCN_BENCH_N_CROWDS);
  for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++) {
    assert_number (cJSON_GetArrayItem (crowds, i), "ms", i + 1.5);
    assert_number (cJSON_GetArrayItem (crowds, i), "objects", 10 * i + 7);
  }
  cJSON_Delete (json);
  defcn_bench_stages_close (&b);
}

static const char *
describe (DefcnBackend *be, const DefcnNode *node)
{
  return node == above || node == alone ? "as above" : "rigged";
}

/* Times the convolutions by hand; the second of those that go together is done
 * with the first.  Returns: the first's number. */
static guint
rig_nodes (DefcnBench *b)
{
  guint first = 0;

  b->be->ops[DEFCN_OP_CONV].describe = describe;
  b->verbose = TRUE;
  above = alone = NULL;
  for (guint i = 0; i < defcn_net_count (b->plan->net); i++) {
    const DefcnNode *node = defcn_net_node (b->plan->net, i);

    set (&b->nodes[i], i + 1, i + 1, i + 1, i + 1);
    if (!above && node->together == 1) {
      above = node;
      first = i - 1;
    }
    if (node->kind == DEFCN_OP_CONV && node->n_together < 2)
      alone = node;
  }
  g_assert_nonnull (above);
  g_assert_nonnull (alone);
  return first;
}

/* Every step is told; what goes with an earlier one counts there. */
static void
test_steps (void)
{
  DefcnBench b;

  bench_open (&b);
  fill (&b);
  const guint first = rig_nodes (&b), n = defcn_net_count (b.plan->net);
  cJSON *json = report (&b);
  const cJSON *steps = cJSON_GetObjectItem (json, "steps");
  g_assert_cmpint (cJSON_GetArraySize (steps), ==, n);
  for (guint i = 0; i < n; i++) {
    const DefcnNode *node = defcn_net_node (b.plan->net, i);
    const cJSON *step = cJSON_GetArrayItem (steps, i);
    const cJSON *name = cJSON_GetObjectItem (step, "implementation");
    guint64 macs = node == above ? 0 : defcn_node_macs (node);

    if (i == first)
      macs += defcn_node_macs (above);
    assert_number (step, "ms", i + 1);
    g_assert_cmpstr (cJSON_GetObjectItem (step, "name")->valuestring, ==,
        node->name);
    g_assert_cmpstr (name->valuestring, ==,
        node->kind != DEFCN_OP_CONV          ? "-"
            : node == above || node == alone ? "as above"
                                             : "rigged");
    g_assert_cmpint (cJSON_HasObjectItem (step, "gflop"), ==, macs > 0);
    if (macs)
      assert_number (step, "gflop", macs * 2e-9);
  }
  cJSON_Delete (json);
  defcn_bench_stages_close (&b);
}

/* The table has the same numbers as the JSON. */
static void
test_text (void)
{
  if (g_test_subprocess ()) {
    DefcnBench b;

    bench_open (&b);
    fill (&b);
    rig_nodes (&b);
    for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++) {
      set (&b.crowds[i], i + 1, i + 1, i + 1, i + 1);
      b.n_found[i] = 10 * i + 7;
    }
    defcn_bench_report_text (&b);
    b.train = TRUE;
    b.verbose = FALSE;
    b.peak = 0;
    set (&b.crowds[0], 0, 0, 0, 0);
    defcn_bench_report_text (&b);
    defcn_bench_stages_close (&b);
    return;
  }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout (
      "*reference, 1 threads, input 2 x 128x64 apart, the stages of one, "
      "4 repetitions\n"
      "*GFLOP/s   share\n"
      "upload            0.00      5.60       0.00 .. 8.00     \n"
      "res2              2.50      3.70       1.00 .. 4.00     "
      "     0.60    240.0    30 %\n"
      "network          10.00     10.00      10.00 .. 10.00    "
      "     1.00    100.0    12 %\n"
      "total            20.00     48.00      20.00 .. 60.00    \n"
      "batch            40.00     68.00      30.00 .. 80.00    \n"
      "\n50.00 images/s\n"
      "peak of 1 threads 800.0 GFLOP/s in multiply-adds\n"
      "from heads to boxes: 7 objects 1.000 ms, 17 objects 2.000 ms, "
      "27 objects 3.000 ms, 37 objects 4.000 ms\n"
      "3.0 MB of activations, * without reuse\n"
      "\nstep *\n*backbone.bottom_up.stem.conv1 * rigged * 32x64x8 * 1.000 *\n"
      "*reference, 1 threads*GFLOP/s\n*"
      "res2              2.50      3.70       1.00 .. 4.00     "
      "     0.60    240.0\n"
      "*images/s\n* MB of activations and gradients\n");
}

/* What bf16 was found to be good for on this CPU. */
typedef struct
{
  gboolean bf16, tiles, pairs;
  const char *by, *text;
} Bf16;

static const Bf16 bf16_cases[] = {
  { TRUE, TRUE, FALSE, "\"bf16_by\":\t\"tiles\"",
      "multiply-adds\nbf16: convolutions by tiles of AMX\nfrom" },
  { TRUE, FALSE, TRUE, "\"bf16_by\":\t\"pairs\"",
      "multiply-adds\nbf16: 1x1 convolutions by pairs of AVX512_BF16\nfrom" },
  { TRUE, FALSE, FALSE, "\"bf16_by\":\t\"none\"",
      "multiply-adds\nbf16: no faster than fp32 on this CPU, inference stays "
      "in fp32\nfrom" },
  { FALSE, TRUE, TRUE, "\"precision\":\t\"fp32\",\n\t\"exact\"", "adds\nfrom" },
};

static void
test_bf16 (gconstpointer data)
{
  const Bf16 *c = data;

  if (g_test_subprocess ()) {
    DefcnBench b;

    bench_open (&b);
    fill (&b);
    for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++)
      set (&b.crowds[i], 1, 1, 1, 1);
    b.be->bf16 = c->bf16;
    b.be->bf16_tiles = c->tiles;
    b.be->bf16_pairs = c->pairs;
    defcn_bench_report_text (&b);

    g_autofree char *json = defcn_bench_report_json (&b);
    puts (json);
    defcn_bench_stages_close (&b);
    return;
  }
  g_autofree char *text = g_strdup_printf ("*%s*%s*", c->text, c->by);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout (text);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  model = folder_file (folder, "tiny.safetensors");
  testing_tiny_model_write (model);
  g_test_add_func ("/report/numbers", test_numbers);
  g_test_add_func ("/report/conditions", test_conditions);
  g_test_add_func ("/report/crowds", test_crowds);
  g_test_add_func ("/report/steps", test_steps);
  g_test_add_func ("/report/text", test_text);
  for (guint i = 0; i < G_N_ELEMENTS (bf16_cases); i++) {
    g_autofree char *path = g_strdup_printf ("/report/bf16/%u", i);
    g_test_add_data_func (path, &bf16_cases[i], test_bf16);
  }

  const int status = g_test_run ();
  g_free (model);
  folder_remove (folder);
  return status;
}
