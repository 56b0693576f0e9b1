/* `defcn bench`: where the time of a detection goes, stage by stage. */
#include "bench/batch.h"
#include "bench/crowds.h"
#include "bench/dump.h"
#include "bench/report.h"
#include "bench/stages.h"
#include "bench/updates.h"
#include "command.h"
#include "data/output.h"
#include "device_options.h"

#include <stdio.h>
#include <stdlib.h>

static gboolean
parse_size (DefcnBenchOptions *o, GError **error)
{
  char *end = NULL;

  o->width = 864;
  o->height = 512;
  if (o->size) {
    o->width = strtol (o->size, &end, 10);
    o->height = *end == 'x' ? strtol (end + 1, &end, 10) : 0;
  }
  if (o->width < 1 || o->height < 1 || o->width > 16384 || o->height > 16384
      || (end && *end)) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--size \"%s\" is not WIDTHxHEIGHT within 1 .. 16384", o->size);
    return FALSE;
  }
  return TRUE;
}

static gboolean
parse (DefcnBenchOptions *o, int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model, "Model file", "FILE" },
    { "preset", 'p', 0, G_OPTION_ARG_STRING, &o->preset,
        "Network of a training preset, random weights", "NAME" },
    { "set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &o->settings,
        "Recipe key of the preset, e.g. backbone=resnet18", "KEY=VALUE" },
    { "classes", 'c', 0, G_OPTION_ARG_INT, &o->classes,
        "Classes of a preset's network (80)", "N" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &o->size,
        "Network input, rounded up to what the network wants (864x512)",
        "WxH" },
    { "batch", 'b', 0, G_OPTION_ARG_INT, &o->batch, "Images at once (1)", "N" },
    { "repetitions", 'r', 0, G_OPTION_ARG_INT, &o->repetitions,
        "Measurements, of which the median counts (10)", "N" },
    { "train", 0, 0, G_OPTION_ARG_NONE, &o->train,
        "Measure training steps on one fixed batch", NULL },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &o->json, "Print JSON", NULL },
    { "save", 0, 0, G_OPTION_ARG_FILENAME, &o->save,
        "Also write the JSON, whatever is printed", "FILE" },
    { "dump", 0, 0, G_OPTION_ARG_FILENAME, &o->dump,
        "Also write the network, its input and its outputs", "FILE" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &o->verbose,
        "Also every step and its implementation", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context,
      "Measures a network stage by stage, and the 1920x1080 NV12 frame before "
      "and the boxes\nafter it: the median of the repetitions, what nine in "
      "ten take at most, least and most. The\n"
      "share is of the peak that the vector units have been measured at; "
      "convolutions count\nwith their direct multiply-adds, of which "
      "Winograd's algorithm does a quarter, so\nthat it can be above 100 %.\n\n"
      "On the CPU the images of a --batch go apart, in as many lanes as "
      "there are threads: the\nstages are then of one image on all threads, "
      "and images a second and activations of\nthe batch.");
  g_option_context_add_main_entries (context, entries, NULL);
  defcn_device_options_add (&o->device, context,
      DEFCN_DEVICE_OPTIONS_THREADS | DEFCN_DEVICE_OPTIONS_EXACT
          | DEFCN_DEVICE_OPTIONS_AUTOTUNE);
  if (!g_option_context_parse (context, &argc, &argv, error))
    return FALSE;
  if (argc > 1)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "\"%s\" is not expected", argv[1]);
  else if (o->model && o->preset)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--model and --preset exclude each other");
  else if (o->device.autotune && !o->model)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--autotune keeps what it measures beside a --model");
  else if (o->train && (o->dump || o->verbose))
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--train goes with neither --dump nor --verbose");
  else if (o->batch < 1 || o->repetitions < 1 || o->classes < 1
      || o->device.threads < 0)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--batch, --repetitions and --classes are at least 1, --threads 0");
  else
    return parse_size (o, error);
  return FALSE;
}

static void
options_clear (DefcnBenchOptions *o)
{
  g_free (o->model);
  g_free (o->preset);
  g_free (o->size);
  defcn_device_options_clear (&o->device);
  g_free (o->dump);
  g_free (o->save);
  g_strfreev (o->settings);
}

/* Prints what was asked for. */
static gboolean
report (const DefcnBench *b, const DefcnBenchOptions *o, GError **error)
{
  g_autofree char *json =
      o->json || o->save ? defcn_bench_report_json (b) : NULL;

  if (o->save && !defcn_output_write (o->save, json, -1, error))
    return FALSE;
  if (o->json)
    fputs (json, stdout);
  else
    defcn_bench_report_text (b);
  return TRUE;
}

int
defcn_bench_main (int argc, char **argv)
{
  DefcnBenchOptions options = { .batch = 1, .classes = 80, .repetitions = 10 };
  DefcnBench bench = { 0 };
  g_autoptr (GError) error = NULL;
  int status = 2;

  if (parse (&options, argc, argv, &error)) {
    bench.train = options.train;
    bench.verbose = options.verbose;
    status = !(defcn_bench_stages_open (&bench, &options, &error)
        && (options.train ? defcn_bench_updates_measure (&bench, &error)
                          : defcn_bench_stages_measure (&bench, &error))
        && (options.train || defcn_bench_batch_measure (&bench, &error))
        && (!options.dump || defcn_bench_dump (&bench, options.dump, &error))
        && (options.train || options.batch > 1
            || defcn_bench_crowds_measure (&bench, &error))
        && report (&bench, &options, &error));
  }
  if (error)
    g_printerr ("defcn bench: %s\n", error->message);
  defcn_bench_stages_close (&bench);
  options_clear (&options);
  return status;
}
