/* The soak: streams through the project's elements for a time, with everything
 * done to them that happens in weeks.
 *
 *   soak [--seconds N] [--streams N] [--seed N] [--device NAME] ..
 *
 * A seed gives every stream the same faults at the same frames; when what is
 * done from outside (properties, seeks, stops) hits them is up to the machine.
 * The last line has the figures; fails when a frame is lost or reordered, when
 * an element gives an error that no fault has earned, when a stream hangs, when
 * memory, descriptors or threads are left that were not there before: of memory
 * it is what malloc() has given, with the caches of GLib's slices and oneDNN's
 * primitives off.  A long run must not grow either while it lasts; in a short
 * one networks for new sizes of pictures still come. */
#include <malloc.h>

#include "chain.h"
#include "folder.h"
#include "growth.h"
#include "gstdefcndetect.h"
#include "gstdefcnoverlay.h"
#include "gstdefcnpublish.h"
#include "gstdefcntrack.h"
#include "heap.h"
#include "meta.h"
#include "publish/place.h"
#include "stream.h"
#include "tiny_model.h"

/* What is kept once and for all by what is first used then, KB: the glyphs of
 * fonts and sizes are the most. */
#define KEPT 1024
/* Seconds after which what is kept for each size of pictures is there. */
#define LONG 600
/* Parts of a run whose means are taken for independent. */
#define BLOCKS 20
/* A stream hangs when its camera gives no frame in so many looks, each after a
 * second at least (a machine that is stopped has many seconds between two), and
 * when nothing comes out of so many frames.  A few hundred are rightly lost
 * where an encoder does not take the pictures of just now. */
#define PATIENCE 60
#define MANY 4000

typedef struct
{
  int seconds, n_streams, seed, pause, slope, trace, lost;
  char *device;
} Options;

typedef struct
{
  const Options *options;
  GPtrArray *streams;
  gint quit;  /* atomic */
  int traced; /* s, when it was said last */
} Soak;

static gpointer
storm (gpointer data)
{
  Soak *soak = data;
  GRand *rand = g_rand_new_with_seed ((guint32) soak->options->seed);

  while (!g_atomic_int_get (&soak->quit)) {
    stream_storm (soak->streams->pdata[g_rand_int_range (rand, 0,
                      (gint32) soak->streams->len)],
        rand);
    g_usleep (g_rand_int_range (rand, 1000, 200000));
  }
  g_rand_free (rand);
  return NULL;
}

static StreamCounts
total (GPtrArray *streams)
{
  StreamCounts sum = { 0 };

  for (guint i = 0; i < streams->len; i++) {
    StreamCounts one;

    stream_counts (streams->pdata[i], &one);
    sum.frames += one.frames;
    sum.lost += one.lost;
    sum.reordered += one.reordered;
    sum.faults += one.faults;
    sum.restarts += one.restarts;
    sum.unexpected += one.unexpected;
  }
  return sum;
}

/* What a stream had done when it last did something. */
typedef struct
{
  guint64 given, frames, given_then; /* the last: when a frame came out */
  guint looks;                       /* since a frame was given */
} Progress;

static gboolean
hangs (Progress *progress, const StreamCounts *now)
{
  progress->looks = now->given == progress->given ? progress->looks + 1 : 0;
  progress->given = now->given;
  if (now->frames != progress->frames)
    progress->given_then = now->given;
  progress->frames = now->frames;
  return progress->looks > PATIENCE || now->given - progress->given_then > MANY;
}

/* Every stream goes on; where one does not, all are shown where they stand. */
static void
check_progress (Soak *soak, Progress *progress)
{
  for (guint i = 0; i < soak->streams->len; i++) {
    StreamCounts counts;

    stream_counts (soak->streams->pdata[i], &counts);
    if (!hangs (&progress[i], &counts))
      continue;
    for (guint k = 0; k < soak->streams->len; k++)
      stream_tell (soak->streams->pdata[k]);
    g_error ("stream %u hangs after %" G_GUINT64_FORMAT " frames", i,
        counts.frames);
  }
}

/* What has gone by, what is allocated, and what the process has. */
static void
trace (Soak *soak, double seconds)
{
  const int step = soak->options->trace;
  struct mallinfo2 heap;
  StreamCounts counts;

  if (!step || seconds < soak->traced + step)
    return;
  soak->traced = (int) seconds / step * step;
  heap = mallinfo2 ();
  counts = total (soak->streams);
  g_printerr ("%.0f s: %" G_GUINT64_FORMAT " frames, %u faults, "
              "%" G_GUINT64_FORMAT " lost, %u unexpected errors, resident "
              "%" G_GUINT64_FORMAT " KB, heap %zu KB, mapped %zu KB, "
              "free %zu KB, %u threads, %u descriptors\n",
      seconds, counts.frames, counts.faults, counts.lost, counts.unexpected,
      growth_resident (), heap.uordblks / 1024, heap.hblkhd / 1024,
      heap.fordblks / 1024, growth_threads (), growth_descriptors ());
}

/* The means of the blocks of the last two thirds of the time: samples that are
 * close to each other are of the same streams. */
typedef struct
{
  Growth *growth;
  double end, sum, n; /* of the block that is under way */
} Blocks;

static void
add_sample (Blocks *blocks, double seconds, double all)
{
  const double length = all * 2 / 3 / BLOCKS;

  if (seconds < all / 3)
    return;
  blocks->sum += (double) growth_resident ();
  blocks->n++;
  if (!blocks->end)
    blocks->end = all / 3 + length;
  if (seconds < blocks->end)
    return;
  growth_add (blocks->growth, (blocks->end - length / 2) / 60,
      blocks->sum / blocks->n);
  *blocks =
      (Blocks){ blocks->growth, MAX (blocks->end + length, seconds), 0, 0 };
}

/* Runs the streams. */
static StreamCounts
run (Soak *soak, const StreamOptions *options, Growth *growth)
{
  const guint n = (guint) soak->options->n_streams;
  const gint64 begin = g_get_monotonic_time ();
  g_autofree Progress *progress = g_new0 (Progress, n);
  GThread *thread;
  StreamCounts counts;
  Blocks blocks = { .growth = growth };
  double seconds = 0;

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (soak->streams,
        stream_new (options, i, (guint32) soak->options->seed));
  for (guint i = 0; i < n; i++)
    stream_start (soak->streams->pdata[i]);
  thread = g_thread_new ("storm", storm, soak);
  while (seconds < soak->options->seconds) {
    g_usleep (G_TIME_SPAN_SECOND);
    seconds = (double) (g_get_monotonic_time () - begin) / G_TIME_SPAN_SECOND;
    check_progress (soak, progress);
    malloc_trim (0);
    trace (soak, seconds);
    add_sample (&blocks, seconds, soak->options->seconds);
  }
  g_atomic_int_set (&soak->quit, 1);
  g_thread_join (thread);
  counts = total (soak->streams);
  g_ptr_array_set_size (soak->streams, 0);
  return counts;
}

static char *
write_model (const char *folder, const char *name, int short_edge)
{
  char *path = folder_file (folder, name);

  if (short_edge)
    testing_tiny_model_write_as (path, short_edge, -4);
  else if (!g_file_set_contents (path, "no model", -1, NULL))
    g_error ("%s: cannot be written", path);
  return path;
}

/* KB that are allocated; of freed ones none counts. */
static gint64
allocated (void)
{
  return (gint64) heap_in_use () / 1024;
}

/* A short stream of each kind first: what is loaded and opened once and for all
 * is there then. */
static void
warm_up (const Options *options, const StreamOptions *stream)
{
  Options short_ones = *options;
  Soak soak = { .options = &short_ones,
    .streams = g_ptr_array_new_with_free_func ((GDestroyNotify) stream_free) };
  Growth growth = { 0 };

  short_ones.seconds = 4;
  short_ones.n_streams = (int) chain_kinds ();
  run (&soak, stream, &growth);
  g_ptr_array_unref (soak.streams);
}

/* Threads of GLib's pools go when they have been idle for a while. */
static guint
settled (guint (*count) (void), guint wanted)
{
  for (int i = 0; i < 45 && count () > wanted; i++)
    g_usleep (G_TIME_SPAN_SECOND);
  return count ();
}

/* @left: KB after all has ended. */
static gboolean
has_grown (const Options *options, double left, double slope, double noise)
{
  return left > KEPT + options->slope * options->seconds / 60.0
      || (options->seconds >= LONG && slope - 2 * noise > options->slope);
}

static int
soak_all (const Options *options)
{
  char *folder = folder_new ();
  StreamOptions stream = { folder, options->device,
    { write_model (folder, "a.safetensors", 64),
        write_model (folder, "b.safetensors", 48),
        write_model (folder, "none.safetensors", 0) },
    (guint) options->pause * 1000 };
  Soak soak = { .options = options,
    .streams = g_ptr_array_new_with_free_func ((GDestroyNotify) stream_free) };
  guint descriptors, threads, descriptors_after, threads_after;
  gint64 before, left;
  StreamCounts counts;
  Growth growth = { 0 };
  double slope, noise;
  gboolean good;

  warm_up (options, &stream);
  threads = settled (growth_threads, 1);
  descriptors = growth_descriptors ();
  before = allocated ();
  counts = run (&soak, &stream, &growth);
  g_ptr_array_unref (soak.streams);
  threads_after = settled (growth_threads, threads);
  descriptors_after = settled (growth_descriptors, descriptors);
  left = allocated () - before;
  if (descriptors_after > descriptors)
    growth_show_descriptors ();
  slope = growth_slope (&growth, &noise);
  good = counts.lost <= (guint64) options->lost && counts.reordered == 0
      && counts.unexpected == 0 && counts.frames > 0
      && !has_grown (options, (double) left, slope, noise)
      && threads_after <= threads && descriptors_after <= descriptors;
  g_print ("%s: seed %d, %d s, %d streams, %" G_GUINT64_FORMAT
           " frames, %u faults, %u restarts, %" G_GUINT64_FORMAT
           " lost, %" G_GUINT64_FORMAT " reordered, %u unexpected errors, "
           "%" G_GINT64_FORMAT " KB left, RSS %+.0f +- %.0f KB/min, "
           "descriptors %u -> %u, threads %u -> %u\n",
      good ? "ok" : "FAILED", options->seed, options->seconds,
      options->n_streams, counts.frames, counts.faults, counts.restarts,
      counts.lost, counts.reordered, counts.unexpected, left, slope, 2 * noise,
      descriptors, descriptors_after, threads, threads_after);
  folder_remove (folder);
  for (guint i = 0; i < G_N_ELEMENTS (stream.models); i++)
    g_free (stream.models[i]);
  return !good;
}

int
main (int argc, char **argv)
{
  Options options = { .seconds = 60,
    .n_streams = 4,
    .seed = 1,
    .pause = 5,
    .slope = 64,
    .device = "cpu" };
  const GOptionEntry entries[] = {
    { "seconds", 0, 0, G_OPTION_ARG_INT, &options.seconds, "for so long (60)",
        "N" },
    { "streams", 0, 0, G_OPTION_ARG_INT, &options.n_streams, "at a time (4)",
        "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT, &options.seed, "of all faults (1)", "N" },
    { "pause", 0, 0, G_OPTION_ARG_INT, &options.pause,
        "ms between two frames of a stream (5)", "MS" },
    { "lost", 0, 0, G_OPTION_ARG_INT, &options.lost,
        "frames that may be lost (0)", "N" },
    { "slope", 0, 0, G_OPTION_ARG_INT, &options.slope,
        "growth of memory that passes (64)", "KB/MIN" },
    { "trace", 0, 0, G_OPTION_ARG_INT, &options.trace,
        "say a line every so many seconds (never)", "N" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device,
        "of the detectors (cpu)", "NAME" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  /* Before either is used: what they keep would be taken for a leak. */
  g_setenv ("G_SLICE", "always-malloc", TRUE);
  g_setenv ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0", TRUE);
  g_setenv ("DNNL_PRIMITIVE_CACHE_CAPACITY", "0", TRUE);
  mallopt (M_ARENA_MAX, 1); /* the one that mallinfo2() counts */
  g_thread_pool_set_max_idle_time (1000);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)
      || options.seconds < 1 || options.n_streams < 1) {
    g_printerr ("%s\n",
        error ? error->message
              : "--seconds, --streams: 1 at "
                "least");
    return 2;
  }
  gst_defcn_meta_register ();
  gst_defcn_place_init ();
  GST_ELEMENT_REGISTER (defcndetect, NULL);
  GST_ELEMENT_REGISTER (defcnoverlay, NULL);
  GST_ELEMENT_REGISTER (defcnpublish, NULL);
  GST_ELEMENT_REGISTER (defcntrack, NULL);
  return soak_all (&options);
}
