/* What elements that share a model cost each other: one that stalls, and ones
 * that flood.  The detector is one that the test plays. */
#include "fake_detector.h"
#include "rig.h"

/* Streams of 25 frames a second, one of which stalls. */
#define N 3
#define FRAMES 20
/* Not the last ones: who has ended is waited for as one that stalls. */
#define COUNTED (FRAMES - 2)
#define STALLED_AT 8
#define PASS 5 /* ms */
#define TIMEOUT 250
/* What a busy machine may add to a frame, ms.  What it does in one of so many
 * tries it did by chance. */
#define SLACK 150
#define TRIES 3

typedef struct
{
  GstHarness *h;
  guint n; /* frames until it stalls */
  gint64 begin;
  /* ms from when a frame was due until it was out, and that it was in there:
   * while one waits the next one becomes late. */
  double latency[FRAMES], inside[FRAMES];
} Stream;

static gpointer
run_stream (gpointer data)
{
  Stream *stream = data;

  for (guint i = 0; i < stream->n; i++) {
    const gint64 due =
        stream->begin + (gint64) i * (G_TIME_SPAN_SECOND / 25) + 20000;
    const gint64 now = g_get_monotonic_time ();
    gint64 in, out;

    if (now < due)
      g_usleep ((gulong) (due - now));
    in = g_get_monotonic_time ();
    gst_buffer_unref (fake_detector_pass (stream->h, i));
    out = g_get_monotonic_time ();
    stream->latency[i] = (double) (out - due) / 1000;
    stream->inside[i] = (double) (out - in) / 1000;
  }
  return NULL;
}

typedef struct
{
  double worst; /* latency of the frames of the others, ms */
  guint waited; /* of one of them, that were in there for most of TIMEOUT */
} Seen;

/* @n frames of the last stream, all of the others. */
static Seen
play (guint n)
{
  Stream streams[N] = { 0 };
  GThread *threads[N];
  Seen seen = { 0 };
  gint64 begin;

  fake_detector_reset ();
  fake_detector_set_pace (PASS);
  for (guint i = 0; i < N; i++)
    streams[i].h =
        fake_detector_harness ("model-instance-id=x batch-size=4 "
                               "batch-timeout=" G_STRINGIFY (TIMEOUT),
            FAKE_DETECTOR_CAPS);
  begin = g_get_monotonic_time ();
  for (guint i = 0; i < N; i++) {
    streams[i].begin = begin;
    streams[i].n = i == N - 1 ? n : FRAMES;
    threads[i] = g_thread_new ("stream", run_stream, &streams[i]);
  }
  for (guint i = 0; i < N; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < N - 1; i++) {
    guint waited = 0;

    for (guint k = 0; k < COUNTED; k++) {
      seen.worst = MAX (seen.worst, streams[i].latency[k]);
      waited += streams[i].inside[k] > 0.8 * TIMEOUT;
    }
    seen.waited = MAX (seen.waited, waited);
  }
  for (guint i = 0; i < N; i++)
    gst_harness_teardown (streams[i].h);
  return seen;
}

/* A stream that stalls adds one batch-timeout at most to the frames of the
 * others, of each of them once: those that come meanwhile included. */
static void
test_stall (void)
{
  for (guint try = 0; try < TRIES; try++) {
    const Seen calm = play (FRAMES), stalled = play (STALLED_AT);

    g_test_message ("latency %.1f ms at most, %.1f with a stall, %u waited",
        calm.worst, stalled.worst, stalled.waited);
    if (calm.waited == 0 && stalled.waited == 1
        && stalled.worst <= calm.worst + TIMEOUT + SLACK)
      return;
  }
  g_test_fail_printf ("a stall costs more than %d ms, or more than once",
      TIMEOUT);
}

#define FLOODS 2
#define DEPTH 8
#define FLOOD_CAPS "video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1"

typedef struct
{
  GstHarness *h;
  gint *quit; /* atomic */
  guint pushed;
} Flood;

/* As fast as they are taken; what is found is thrown away. */
static gpointer
run_flood (gpointer data)
{
  Flood *flood = data;

  while (!g_atomic_int_get (flood->quit))
    g_assert_cmpint (gst_harness_push (flood->h,
                         rig_frame (flood->h, flood->pushed++)),
        ==, GST_FLOW_OK);
  return NULL;
}

static gpointer
pass_one (gpointer h)
{
  gst_buffer_unref (fake_detector_pass (h, 0));
  return NULL;
}

/* How many passes a frame of @h waits for, beside @threads that flood. */
static guint
count_before (GstHarness *h, GThread *const *threads)
{
  GThread *one;
  guint first, at;

  fake_detector_hold ();
  fake_detector_wait_held ();
  for (guint i = 0; i < FLOODS; i++)
    fake_detector_wait_asleep (threads[i]); /* its lane is full */
  one = g_thread_new ("one", pass_one, h);
  fake_detector_wait_asleep (one);
  first = at = fake_detector_n_runs ();
  fake_detector_release ();
  g_thread_join (one);
  while (fake_detector_image (at).width != FAKE_DETECTOR_WIDTH)
    at++;
  return at - first;
}

/* A frame beside streams that flood waits for what is being looked at and for
 * one of each of them, however many they have waiting: nobody starves. */
static void
test_flood (void)
{
  Flood floods[FLOODS] = { 0 };
  GThread *threads[FLOODS];
  GstHarness *h;
  gint quit = 0;

  fake_detector_reset ();
  h = fake_detector_harness ("model-instance-id=x", FAKE_DETECTOR_CAPS);
  for (guint i = 0; i < FLOODS; i++) {
    floods[i].h =
        fake_detector_harness ("model-instance-id=x nireq=" G_STRINGIFY (DEPTH),
            FLOOD_CAPS);
    gst_harness_set_drop_buffers (floods[i].h, TRUE);
    floods[i].quit = &quit;
    threads[i] = g_thread_new ("flood", run_flood, &floods[i]);
  }
  for (guint i = 0; i < 20; i++)
    g_assert_cmpuint (count_before (h, threads), <=, 1 + FLOODS);
  g_atomic_int_set (&quit, 1);
  for (guint i = 0; i < FLOODS; i++) {
    g_thread_join (threads[i]);
    g_assert_cmpuint (floods[i].pushed, >, DEPTH);
    gst_harness_teardown (floods[i].h);
  }
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/stall/once", test_stall);
  g_test_add_func ("/stall/flood", test_flood);
  return rig_run ();
}
