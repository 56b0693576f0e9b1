/* Overload: a live camera at 30 frames a second before a network that takes
 * 200 ms for one, with each of the ways to live with that.
 *
 *   overload [--seconds N] [--case N] [--late MS] [--trace N]
 *
 * A run of @seconds for every way; prints a table and TAP, and a line every
 * so many seconds of --trace.  The delay is put
 * in place of the network (defcn_detector_run_by is wrapped by the linker), so
 * that it is the same on any machine and takes none of its processor. */
#include <gst/gst.h>
#include <stdio.h>
#include <unistd.h>

#include "detector.h"
#include "gstdefcndetect.h"
#include "meta.h"
#include "tiny_model.h"

#define FPS 30
#define DELAY (200 * G_TIME_SPAN_MILLISECOND)
#define MS(ns) ((double) (ns) / GST_MSECOND)

/* In place of the network: what it takes, and one object. */
gboolean __wrap_defcn_detector_run_by (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error);

gboolean
__wrap_defcn_detector_run_by (DefcnDetector *detector, GArray **boxes,
    const DefcnImage *images, const DefcnRegion *regions,
    const DefcnDecodeRule *rules, int n, GError **error)
{
  const DefcnBox box = { 10, 10, 60, 100, 0.9f, 0 };

  g_usleep (DELAY);
  for (int i = 0; i < n; i++) {
    g_array_set_size (boxes[i], 0);
    g_array_append_val (boxes[i], box);
  }
  return TRUE;
}

/* The detector did not compute: it has no times of its own. */
void __wrap_defcn_detector_timings (const DefcnDetector *detector,
    DefcnTimings *timings);

void
__wrap_defcn_detector_timings (const DefcnDetector *detector,
    DefcnTimings *timings)
{
  *timings = (DefcnTimings){ 0, DELAY * 1000, 0 };
}

/* Seconds between two lines; 0: none. */
static int trace;

typedef struct
{
  const char *name, *queue, *detect, *sink;
  /* Bounds: the share of frames that come out, how many are looked at in a
   * second, and what the oldest boxes and the worst delay may be in ms; 0:
   * none. */
  double out, looked, age, latency;
  gboolean grows; /* the delay is at least half of the time in the end */
} Case;

typedef struct
{
  GstElement *pipeline;
  GMutex lock;
  GArray *ages, *latencies; /* ns, guint64 */
  guint in, out, known, reordered;
  guint64 last;
  gboolean failed;
  /* What was said last. */
  const char *name;
  guint seconds, said_in, said_out, said_ages, said_latencies;
} Run;

static GstPadProbeReturn
count_in (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Run *run = data;

  g_mutex_lock (&run->lock);
  run->in++;
  g_mutex_unlock (&run->lock);
  return GST_PAD_PROBE_OK;
}

/* A frame is shown. */
static void
count_out (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  Run *run = data;
  g_autoptr (GstClock) clock = gst_element_get_clock (run->pipeline);
  const GstClockTime now =
      gst_clock_get_time (clock) - gst_element_get_base_time (run->pipeline);
  const guint64 latency =
      now > GST_BUFFER_PTS (buffer) ? now - GST_BUFFER_PTS (buffer) : 0;
  GstDefcnMark mark;

  g_mutex_lock (&run->lock);
  run->reordered += run->out && GST_BUFFER_OFFSET (buffer) <= run->last;
  run->last = GST_BUFFER_OFFSET (buffer);
  run->out++;
  g_array_append_val (run->latencies, latency);
  if (gst_defcn_meta_read_mark (buffer, &mark)
      && GST_CLOCK_TIME_IS_VALID (mark.timestamp)) {
    const guint64 age = GST_BUFFER_PTS (buffer) - mark.timestamp;

    run->known++;
    g_array_append_val (run->ages, age);
  }
  g_mutex_unlock (&run->lock);
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return (x > y) - (x < y);
}

/* Of sorted values, in ms. */
static double
percentile (const GArray *values, guint percent)
{
  const guint n = values->len;

  return n ? MS (g_array_index (values, guint64,
             MAX ((n * percent + 99) / 100, 1) - 1))
           : 0;
}

/* Of the values since @from, in ms. */
static double
percentile_since (const GArray *values, guint from, guint percent)
{
  g_autoptr (GArray) some = g_array_new (FALSE, FALSE, sizeof (guint64));

  if (values->len > from)
    g_array_append_vals (some, &g_array_index (values, guint64, from),
        values->len - from);
  g_array_sort (some, compare);
  return percentile (some, percent);
}

/* Since the last time. */
static gboolean
say (gpointer data)
{
  Run *run = data;

  g_mutex_lock (&run->lock);
  run->seconds += (guint) trace;
  g_print ("# %u s: %s: in %u, out %u, age p50 %.0f p95 %.0f max %.0f ms, "
           "latency p50 %.0f p95 %.0f max %.0f ms\n",
      run->seconds, run->name, run->in - run->said_in, run->out - run->said_out,
      percentile_since (run->ages, run->said_ages, 50),
      percentile_since (run->ages, run->said_ages, 95),
      percentile_since (run->ages, run->said_ages, 100),
      percentile_since (run->latencies, run->said_latencies, 50),
      percentile_since (run->latencies, run->said_latencies, 95),
      percentile_since (run->latencies, run->said_latencies, 100));
  run->said_in = run->in;
  run->said_out = run->out;
  run->said_ages = run->ages->len;
  run->said_latencies = run->latencies->len;
  g_mutex_unlock (&run->lock);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Run *run = data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
    gst_bin_recalculate_latency (GST_BIN (run->pipeline));
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    run->failed = TRUE;
  return G_SOURCE_CONTINUE;
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

static void
play (Run *run, const Case *c, const char *model, guint seconds)
{
  g_autofree char *launch = g_strdup_printf (
      "videotestsrc name=source is-live=true pattern=ball "
      "! video/x-raw,format=GRAY8,width=160,height=120,framerate=%d/1 %s "
      "! defcndetect name=detect model=%s device=reference %s "
      "! fakesink name=sink signal-handoffs=true sync=true qos=true %s",
      FPS, c->queue, model, c->detect, c->sink);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GstElement) source = NULL, sink = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GError) error = NULL;
  guint sayer = 0;

  run->pipeline = gst_parse_launch (launch, &error);
  if (error)
    g_error ("%s", error->message);
  source = gst_bin_get_by_name (GST_BIN (run->pipeline), "source");
  sink = gst_bin_get_by_name (GST_BIN (run->pipeline), "sink");
  pad = gst_element_get_static_pad (source, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count_in, run, NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (count_out), run);
  bus = gst_element_get_bus (run->pipeline);
  gst_bus_add_watch (bus, on_message, run);
  gst_element_set_state (run->pipeline, GST_STATE_PLAYING);
  g_timeout_add (seconds * 1000, quit, loop);
  if (trace > 0)
    sayer = g_timeout_add_seconds ((guint) trace, say, run);
  g_main_loop_run (loop);
  if (sayer)
    g_source_remove (sayer);
}

/* What the detector counted. */
static guint64
inferred (Run *run)
{
  g_autoptr (GstElement) detect =
      gst_bin_get_by_name (GST_BIN (run->pipeline), "detect");
  g_autoptr (GstStructure) stats = NULL;
  guint64 n = 0;

  g_object_get (detect, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "inferred", &n);
  return n;
}

/* Nothing is said of the first second: the first result has to be there. */
static gboolean
holds (const Case *c, const Run *run, guint64 looked, guint seconds,
    double late)
{
  const double wanted = FPS * (double) (seconds - 1);
  const double most = percentile (run->latencies, 100);

  return !run->failed && run->reordered == 0
      && (!c->grows || most >= 500 * (seconds - 1))
      && run->out >= c->out * wanted
      && (double) looked >= c->looked * (seconds - 1)
      && run->known + FPS >= c->out * run->out
      && (!c->age || percentile (run->ages, 100) <= c->age + late)
      && (!c->latency || most <= c->latency + late);
}

static gboolean
measure (const Case *c, const char *model, guint seconds, double late)
{
  Run run = { .name = c->name };
  guint64 looked;
  gboolean good;
  g_autoptr (GstBus) bus = NULL;

  g_mutex_init (&run.lock);
  run.ages = g_array_new (FALSE, FALSE, sizeof (guint64));
  run.latencies = g_array_new (FALSE, FALSE, sizeof (guint64));
  play (&run, c, model, seconds);
  looked = inferred (&run);
  bus = gst_element_get_bus (run.pipeline);
  gst_bus_remove_watch (bus);
  gst_element_set_state (run.pipeline, GST_STATE_NULL);
  gst_object_unref (run.pipeline);
  g_array_sort (run.ages, compare);
  g_array_sort (run.latencies, compare);
  g_print ("# | %-18s | %5u | %5u | %5" G_GUINT64_FORMAT
           " | %4.0f %4.0f %5.0f | %4.0f %4.0f %5.0f |\n",
      c->name, run.in, run.out, looked, percentile (run.ages, 50),
      percentile (run.ages, 95), percentile (run.ages, 100),
      percentile (run.latencies, 50), percentile (run.latencies, 95),
      percentile (run.latencies, 100));
  good = holds (c, &run, looked, seconds, late);
  g_array_unref (run.ages);
  g_array_unref (run.latencies);
  g_mutex_clear (&run.lock);
  return good;
}

/* no-block: a frame takes no longer than without a detector, and the boxes are
 * a run and the frames that came meanwhile old: 200 ms, at most another 200
 * until the next result, and a frame on either side.  qos: every frame in time
 * but those that wait for one that is looked at, and for it to be seen that
 * they are late.  A leaky queue: what comes out is looked at, late by two runs.
 * And what happens without any of these: nothing but the queue grows, so that
 * the delay is no less than half of the time. */
static const Case cases[] = {
  { "no-block", "", "no-block=true repeat-detections=true", "", 0.9, 4, 500,
      100 },
  { "qos", "", "repeat-detections=true", "", 0.9, 2, 1000, 800 },
  { "leaky queue", "! queue leaky=downstream max-size-buffers=1", "qos=false",
      "", 4.0 / FPS, 4, 1, 700 },
  { "leaky, no-block", "! queue leaky=downstream max-size-buffers=2",
      "no-block=true repeat-detections=true", "", 0.9, 4, 500, 200 },
  { "none of them",
      "! queue max-size-buffers=0 max-size-time=0 "
      "max-size-bytes=0",
      "qos=false", "", 0, 4, 1, 0, TRUE },
};

int
main (int argc, char **argv)
{
  int seconds = 5, late = 300, only = 0, failed = 0;
  const GOptionEntry entries[] = {
    { "seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "of every case", "N" },
    { "case", 0, 0, G_OPTION_ARG_INT, &only, "this one alone", "N" },
    { "late", 0, 0, G_OPTION_ARG_INT, &late,
        "what a busy machine may add to bounds, in ms", "MS" },
    { "trace", 0, 0, G_OPTION_ARG_INT, &trace,
        "say a line every so many seconds", "N" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *model = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || seconds < 3) {
    g_printerr ("%s\n", error ? error->message : "--seconds: 3 at least");
    return 2;
  }
  gst_defcn_meta_register ();
  GST_ELEMENT_REGISTER (defcndetect, NULL);
  model = g_strdup_printf ("%s/defcn-overload-%d.safetensors", g_get_tmp_dir (),
      (int) getpid ());
  testing_tiny_model_write (model);
  g_print ("1..%d\n# | %-18s | %5s | %5s | %5s | %-15s | %-15s |\n"
           "# |  | in | out | looked at | age p50 p95 max (ms) | latency p50 "
           "p95 max (ms) |\n",
      (int) G_N_ELEMENTS (cases), "frames", "in", "out", "look", "age",
      "latency");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    /* What grows takes memory. */
    const guint n = (guint) (cases[i].grows ? MIN (seconds, 10) : seconds);
    const gboolean good =
        (only && only != (int) i + 1) || measure (&cases[i], model, n, late);

    failed += !good;
    g_print ("%s %u - %s\n", good ? "ok" : "not ok", i + 1, cases[i].name);
  }
  remove (model);
  return failed > 0;
}
