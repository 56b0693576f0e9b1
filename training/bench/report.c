/* The report of `defcn bench`: a table, or JSON. */
#include "report.h"

#include "machine.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static const char *const stage_names[DEFCN_N_STAGES] = { "preprocess", "upload",
  "stem", "res2", "res3", "res4", "res5", "blocks", "fpn", "towers", "3dmf",
  "filter", "cls", "box", "download", "postprocess", "gradients", "update" };

static int
compare_doubles (const void *a, const void *b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* The value at @part of the sorted samples: 0 least, 0.5 median, 1 most. */
static double
quantile (const DefcnSamples *s, double part)
{
  g_autofree double *sorted = g_memdup2 (s->ms, s->n * sizeof *s->ms);
  const double at = part * (s->n - 1);
  const int i = at;

  qsort (sorted, s->n, sizeof *sorted, compare_doubles);
  return sorted[i] + (at - i) * (sorted[MIN (i + 1, s->n - 1)] - sorted[i]);
}

static double
gflop (guint64 macs)
{
  return macs * 2e-9;
}

/* Percent of the peak that @macs in @ms are. */
static double
share (const DefcnBench *b, guint64 macs, double ms)
{
  return gflop (macs) / ms * 1e3 / (b->peak * 1e-9) * 100;
}

static const char *
implementation (const DefcnBench *b, const DefcnNode *node)
{
  const DefcnOp *op = &b->be->ops[node->kind];
  const char *name = op->describe ? op->describe (b->be, node) : NULL;

  return name ? name : "-";
}

static void
print_row (const DefcnBench *b, const char *name, const DefcnSamples *s,
    guint64 macs)
{
  const double ms = quantile (s, 0.5);

  printf ("%-12s %9.2f %9.2f  %9.2f .. %-9.2f", name, ms, quantile (s, 0.9),
      quantile (s, 0), quantile (s, 1));
  if (macs)
    printf (" %8.2f %8.1f", gflop (macs), gflop (macs) / ms * 1e3);
  if (macs && b->peak > 0)
    printf (" %5.0f %%", share (b, macs, ms));
  printf ("\n");
}

/* Whether an earlier step does the forward pass of step @i with its own. */
static gboolean
is_done_above (const DefcnBench *b, guint i)
{
  const DefcnNode *node = defcn_net_node (b->plan->net, i);

  return node->together > 0 && strstr (implementation (b, node), " above");
}

/* What step @i does, also for those behind it. */
static guint64
macs_done (const DefcnBench *b, guint i)
{
  const guint n = defcn_net_count (b->plan->net);
  guint64 macs = 0;

  if (is_done_above (b, i))
    return 0;
  do
    macs += defcn_node_macs (defcn_net_node (b->plan->net, i++));
  while (i < n && is_done_above (b, i));
  return macs;
}

static void
print_nodes (const DefcnBench *b)
{
  printf ("\n%-36s %-20s %-16s %9s %9s\n", "step", "implementation", "output",
      "ms", "GFLOP/s");
  for (guint i = 0; i < defcn_net_count (b->plan->net); i++) {
    const DefcnNode *node = defcn_net_node (b->plan->net, i);
    const double ms = quantile (&b->nodes[i], 0.5);
    g_autofree char *shape =
        g_strdup_printf ("%dx%dx%d", node->y->h, node->y->w, node->y->c);

    printf ("%-36s %-20s %-16s %9.3f", node->name, implementation (b, node),
        shape, ms);
    if (macs_done (b, i))
      printf (" %9.1f", gflop (macs_done (b, i)) / ms * 1e3);
    printf ("\n");
  }
}

static guint64
all_macs (const DefcnBench *b)
{
  guint64 macs = 0;

  for (int i = 0; i < DEFCN_N_STAGES; i++)
    macs += b->macs[i];
  return macs;
}

/* Whether what comes after the network was measured by itself. */
static gboolean
has_crowds (const DefcnBench *b)
{
  return quantile (&b->crowds[0], 1) > 0;
}

static void
print_crowds (const DefcnBench *b)
{
  printf ("from heads to boxes:");
  for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++)
    printf ("%s %d objects %.3f ms", i > 0 ? "," : "", b->n_found[i],
        quantile (&b->crowds[i], 0.5));
  printf ("\n");
}

/* What the activations would take if every tensor had memory of its own, as it
 * has in training. */
static gsize
bytes_unshared (const DefcnBench *b)
{
  gsize bytes = b->be->size (b->be, b->plan->input);

  for (guint i = 0; i < defcn_net_count (b->plan->net); i++)
    bytes += b->be->size (b->be, defcn_net_node (b->plan->net, i)->y);
  return bytes;
}

/* Whether the images of the batch went apart, beside the plan of one. */
static gboolean
is_apart (const DefcnBench *b)
{
  return !b->train && b->batch > b->plan->input->n;
}

/* What all images of a repetition took. */
static const DefcnSamples *
whole (const DefcnBench *b)
{
  return is_apart (b) ? &b->whole_batch : &b->total;
}

static gsize
activations (const DefcnBench *b)
{
  return is_apart (b) ? b->batch_bytes : defcn_net_bytes (b->plan->net);
}

/* What bf16 multiplies by in inference; NULL without bf16 and on CUDA. */
static const char *
bf16_by (const DefcnBackend *be)
{
  if (!be->bf16)
    return NULL;
  return be->bf16_tiles ? "tiles" : be->bf16_pairs ? "pairs" : "none";
}

static void
print_bf16 (const char *by)
{
  if (g_str_equal (by, "tiles"))
    printf ("bf16: convolutions by tiles of AMX\n");
  else if (g_str_equal (by, "pairs"))
    printf ("bf16: 1x1 convolutions by pairs of AVX512_BF16\n");
  else
    printf ("bf16: no faster than fp32 on this CPU, inference stays in fp32\n");
}

void
defcn_bench_report_text (const DefcnBench *b)
{
  const DefcnTensor *x = b->plan->input;

  printf ("%s, %d threads, input %d x %dx%d%s, %d repetitions\n\n", b->be->name,
      b->be->threads, b->batch, x->w, x->h,
      is_apart (b) ? " apart, the stages of one" : "", b->total.n);
  printf ("%-12s %9s %9s  %9s .. %-9s %8s %8s%s\n", "stage", "ms", "90 %",
      "least", "most", "GFLOP", "GFLOP/s", b->peak > 0 ? "   share" : "");
  for (int i = 0; i < DEFCN_N_STAGES; i++)
    if (quantile (&b->stages[i], 1) > 0)
      print_row (b, stage_names[i], &b->stages[i], b->macs[i]);
  if (quantile (&b->forward, 1) > 0)
    print_row (b, "network", &b->forward, all_macs (b));
  print_row (b, "total", &b->total, 0);
  if (is_apart (b))
    print_row (b, "batch", &b->whole_batch, 0);
  printf ("\n%.2f images/s\n", b->batch * 1e3 / quantile (whole (b), 0.5));
  if (b->peak > 0)
    printf ("peak of %d threads %.1f GFLOP/s in multiply-adds\n",
        b->be->threads, b->peak * 1e-9);
  if (bf16_by (b->be))
    print_bf16 (bf16_by (b->be));
  if (has_crowds (b))
    print_crowds (b);
  if (b->train)
    printf ("%.1f MB of activations and gradients\n",
        defcn_net_bytes (b->plan->net) * 1e-6);
  else
    printf ("%.1f MB of activations, %.1f without reuse\n",
        activations (b) * 1e-6, bytes_unshared (b) * b->batch / x->n * 1e-6);
  if (b->verbose)
    print_nodes (b);
}

static void
add_rounded (cJSON *object, const char *name, double value)
{
  cJSON_AddNumberToObject (object, name, round (value * 1e4) / 1e4);
}

static cJSON *
json_row (const DefcnBench *b, const DefcnSamples *s, guint64 macs)
{
  cJSON *row = cJSON_CreateObject ();

  add_rounded (row, "ms", quantile (s, 0.5));
  add_rounded (row, "ms_p90", quantile (s, 0.9));
  add_rounded (row, "ms_least", quantile (s, 0));
  add_rounded (row, "ms_most", quantile (s, 1));
  if (macs) {
    add_rounded (row, "gflop", gflop (macs));
    add_rounded (row, "gflop_per_second",
        gflop (macs) / quantile (s, 0.5) * 1e3);
    if (b->peak > 0)
      add_rounded (row, "peak_percent", share (b, macs, quantile (s, 0.5)));
  }
  return row;
}

static void
add_machine (cJSON *object, const DefcnBench *b)
{
  cJSON *machine = cJSON_AddObjectToObject (object, "machine");
  cJSON *versions = cJSON_AddObjectToObject (object, "versions");
  g_autoptr (GDateTime) date = g_date_time_new_now_utc ();
  g_autofree char *when = g_date_time_format_iso8601 (date);
  g_autofree char *glib = g_strdup_printf ("%u.%u.%u", glib_major_version,
      glib_minor_version, glib_micro_version);
  struct utsname system = { 0 };
  double load = 0;

  uname (&system);
  g_autofree char *cpu = defcn_machine_processor ();
  g_autofree char *kernel =
      g_strdup_printf ("%s %s", system.sysname, system.release);
  cJSON_AddStringToObject (object, "date", when);
  cJSON_AddStringToObject (machine, "cpu", cpu);
  cJSON_AddNumberToObject (machine, "cores", g_get_num_processors ());
  cJSON_AddStringToObject (machine, "system", kernel);
  if (getloadavg (&load, 1) == 1)
    add_rounded (machine, "load", load);
  cJSON_AddStringToObject (versions, "defcn", DEFCN_VERSION);
  cJSON_AddStringToObject (versions, "glib", glib);
  if (b->be->library)
    cJSON_AddStringToObject (versions, "engine", b->be->library);
}

char *
defcn_bench_report_json (const DefcnBench *b)
{
  const DefcnTensor *x = b->plan->input;
  cJSON *object = cJSON_CreateObject ();

  cJSON_AddStringToObject (object, "device", b->be->name);
  cJSON_AddNumberToObject (object, "threads", b->be->threads);
  cJSON_AddStringToObject (object, "precision", b->be->precision);
  if (bf16_by (b->be))
    cJSON_AddStringToObject (object, "bf16_by", bf16_by (b->be));
  cJSON_AddBoolToObject (object, "exact", b->be->exact);
  if (b->peak > 0)
    add_rounded (object, "peak_gflop_per_second", b->peak * 1e-9);
  cJSON_AddNumberToObject (object, "width", x->w);
  cJSON_AddNumberToObject (object, "height", x->h);
  cJSON_AddNumberToObject (object, "batch", b->batch);
  cJSON_AddNumberToObject (object, "repetitions", b->total.n);
  add_machine (object, b);
  cJSON *stages = cJSON_AddObjectToObject (object, "stages");
  for (int i = 0; i < DEFCN_N_STAGES; i++)
    if (quantile (&b->stages[i], 1) > 0)
      cJSON_AddItemToObject (stages, stage_names[i],
          json_row (b, &b->stages[i], b->macs[i]));
  if (quantile (&b->forward, 1) > 0)
    cJSON_AddItemToObject (object, "network",
        json_row (b, &b->forward, all_macs (b)));
  cJSON_AddItemToObject (object, "total", json_row (b, &b->total, 0));
  if (is_apart (b))
    cJSON_AddItemToObject (object, "whole_batch",
        json_row (b, &b->whole_batch, 0));
  add_rounded (object, "images_per_second",
      b->batch * 1e3 / quantile (whole (b), 0.5));
  if (has_crowds (b)) {
    cJSON *crowds = cJSON_AddArrayToObject (object, "crowds");

    for (int i = 0; i < DEFCN_BENCH_N_CROWDS; i++) {
      cJSON *row = json_row (b, &b->crowds[i], 0);

      cJSON_AddNumberToObject (row, "objects", b->n_found[i]);
      cJSON_AddItemToArray (crowds, row);
    }
  }
  add_rounded (object, b->train ? "training_mb" : "activations_mb",
      activations (b) * 1e-6);
  add_rounded (object, "activations_unshared_mb",
      bytes_unshared (b) * b->batch / x->n * 1e-6);
  if (b->verbose) {
    cJSON *steps = cJSON_AddArrayToObject (object, "steps");

    for (guint i = 0; i < defcn_net_count (b->plan->net); i++) {
      const DefcnNode *node = defcn_net_node (b->plan->net, i);
      cJSON *step = json_row (b, &b->nodes[i], macs_done (b, i));

      cJSON_AddStringToObject (step, "name", node->name);
      cJSON_AddStringToObject (step, "implementation",
          implementation (b, node));
      cJSON_AddItemToArray (steps, step);
    }
  }

  char *text = cJSON_Print (object);
  char *line = g_strconcat (text, "\n", NULL);
  cJSON_free (text);
  cJSON_Delete (object);
  return line;
}
