/* defcndetect at the moments that decide: what comes while the network works,
 * with a detector that the test plays. */
#include "fake_detector.h"
#include "rig.h"

#include <string.h>

#include "detect/state.h"

#define FRAME (GST_SECOND / 25)

/* A frame is @reason; with @of, objects found in frame number @of. */
static void
assert_passed (GstBuffer *passed, const char *reason, int of)
{
  g_autoptr (GstBuffer) out = passed;
  const GstDefcnMark mark = rig_mark (out);

  g_assert_cmpstr (mark.reason, ==, reason);
  g_assert_cmpint (mark.inferred, ==, !*reason);
  g_assert_cmpint (mark.repeated, ==, *reason && of >= 0);
  /* A repeated one is fresh when it comes late. */
  if (!*reason || of < 0)
    g_assert_cmpint (mark.fresh, ==, !*reason);
  g_assert_cmpuint (mark.timestamp, ==,
      of >= 0 ? (guint) of * FRAME : GST_CLOCK_TIME_NONE);
  g_assert_cmpuint (rig_count_objects (out), ==, of >= 0);
}

static void
assert_passes (GstHarness *h, guint n, const char *reason, int of)
{
  g_test_message ("frame %u", n);
  assert_passed (fake_detector_pass (h, n), reason, of);
}

static void
start_stream (GstHarness *h)
{
  gst_harness_push_event (h, gst_event_new_stream_start ("another"));
  rig_push_segment (h);
}

/* The caps alone, to another size each time. */
static void
change_caps (GstHarness *h)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->srcpad);
  int width;

  gst_structure_get_int (gst_caps_get_structure (caps, 0), "width", &width);
  caps = gst_caps_make_writable (caps);
  gst_caps_set_simple (caps, "width", G_TYPE_INT,
      width == FAKE_DETECTOR_WIDTH ? 2 * FAKE_DETECTOR_WIDTH
                                   : FAKE_DETECTOR_WIDTH,
      NULL);
  gst_harness_push_event (h, gst_event_new_caps (caps));
}

/* Lets the detector end what it was at, and waits for its end. */
static void
let_end (GstHarness *h, guint runs)
{
  fake_detector_release ();
  fake_detector_wait_runs (runs);
}

/* no-block: frames pass while the network works, and none of them says that it
 * was looked at; the first one after its end has the result, once. */
static void
test_no_block (void)
{
  for (int repeat = 0; repeat < 2; repeat++) {
    GstHarness *h = fake_detector_finding (
        repeat ? "no-block=true repeat-detections=true" : "no-block=true");
    GstBuffer *again;
    guint tries = 0;

    fake_detector_hold ();
    assert_passes (h, 0, "busy", -1);
    fake_detector_wait_held ();
    assert_passes (h, 1, "busy", -1);
    assert_passes (h, 2, "busy", -1);
    g_assert_cmpuint (rig_stat (h, "skipped-busy"), ==, 2);
    g_assert_cmpuint (rig_stat (h, "inferred"), ==, 0);
    let_end (h, 1);

    /* The detector has ended; the worker may still have to say so. */
    fake_detector_hold ();
    for (;; tries++) {
      g_autoptr (GstBuffer) out = fake_detector_pass (h, 3 + tries);

      g_assert_cmpstr (rig_mark (out).reason, ==, "busy");
      g_assert_cmpint (rig_mark (out).fresh, ==, rig_mark (out).repeated);
      if (!rig_mark (out).repeated)
        continue;
      g_assert_cmpuint (rig_mark (out).timestamp, ==, 0);
      g_assert_cmpuint (rig_count_objects (out), ==, 1);
      break;
    }
    fake_detector_wait_held (); /* that frame was handed over itself */
    again = fake_detector_pass (h, 4 + tries);
    g_assert_false (rig_mark (again).fresh);
    assert_passed (again, "busy", repeat ? 0 : -1);
    g_assert_cmpuint (rig_stat (h, "inferred"), ==, 1);
    g_assert_cmpuint (rig_stat (h, "frames"), ==, 5 + tries);
    fake_detector_release ();
    gst_harness_teardown (h);
  }
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
}

/* Pushes frame number 1. */
static gpointer
push_one (gpointer data)
{
  GstHarness *h = data;

  return GINT_TO_POINTER (gst_harness_push (h, rig_frame (h, 1)));
}

/* Switched off while the network works, no-block has the next frame wait for it
 * and be looked at. */
static void
test_no_block_off (void)
{
  GstHarness *h = fake_detector_finding ("no-block=true");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBuffer) out = NULL;
  GThread *thread;

  fake_detector_hold ();
  gst_buffer_unref (fake_detector_pass (h, 0));
  fake_detector_wait_held ();
  g_object_set (element, "no-block", FALSE, NULL);
  thread = g_thread_new ("push", push_one, h);
  fake_detector_wait_asleep (thread);
  fake_detector_release ();
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_OK);
  out = gst_harness_pull (h);
  g_assert_true (rig_mark (out).inferred);
  g_assert_cmpuint (rig_mark (out).timestamp, ==, FRAME);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 2);
  gst_harness_teardown (h);
}

/* What the network was at when the stream was flushed, when another one or
 * another segment began or when the caps changed has no place in what comes. */
static void
test_outdated (void)
{
  static void (*const breaks[]) (GstHarness *) = { rig_flush, start_stream,
    change_caps, rig_push_segment };

  for (guint i = 0; i < G_N_ELEMENTS (breaks); i++)
    for (int ended = 0; ended < 2; ended++) {
      GstHarness *h =
          fake_detector_finding ("no-block=true repeat-detections=true");
      guint n = 10;

      g_test_message ("break %u, %d", i, ended);
      fake_detector_hold ();
      assert_passes (h, 0, "busy", -1);
      fake_detector_wait_held ();
      if (ended) {
        let_end (h, 1);
        fake_detector_wait_idle ();
        fake_detector_hold ();
      }
      breaks[i](h);
      for (; n < 13; n++)
        assert_passes (h, n, "busy", -1);
      fake_detector_release ();
      for (;; n++) {
        g_autoptr (GstBuffer) out = fake_detector_pass (h, n);

        if (!rig_mark (out).repeated)
          continue;
        g_assert_cmpuint (rig_mark (out).timestamp, >=, 10 * FRAME);
        break;
      }
      gst_harness_teardown (h);
    }
}

/* A flush, another stream, another segment and other caps begin the count of
 * the interval anew and forget the last objects. */
static void
test_forgets (void)
{
  static void (*const breaks[]) (GstHarness *) = { rig_flush, start_stream,
    change_caps, rig_push_segment };

  for (guint i = 0; i < G_N_ELEMENTS (breaks); i++) {
    GstHarness *h =
        fake_detector_finding ("inference-interval=3 repeat-detections=true");
    g_autoptr (GstElement) element = rig_element (h);

    g_test_message ("break %u", i);
    assert_passes (h, 0, "", 0);
    assert_passes (h, 1, "interval", 0);
    breaks[i](h);
    assert_passes (h, 2, "", 2);
    assert_passes (h, 3, "interval", 2);
    breaks[i](h);
    /* Not looked at: what is there to repeat is of another stream. */
    g_object_set (element, "roi", "500,500,1,1", NULL);
    assert_passes (h, 4, "region", -1);
    gst_harness_teardown (h);
  }
}

/* The message of a frame says what its mark does, repeated objects included. */
static void
test_message (void)
{
  GstHarness *h = fake_detector_finding (
      "message=true inference-interval=2 repeat-detections=true");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);

  for (guint i = 0; i < 4; i++) {
    g_autoptr (GstBuffer) out = fake_detector_pass (h, i);
    g_autoptr (GstMessage) message = rig_message (bus, GST_MESSAGE_ELEMENT);
    const GstStructure *s = gst_message_get_structure (message);
    const GstDefcnMark mark = rig_mark (out);
    gboolean inferred, repeated, fresh;
    guint64 timestamp, of, frame;
    guint n;

    g_assert_true (gst_structure_get (s, "inferred", G_TYPE_BOOLEAN, &inferred,
        "repeated", G_TYPE_BOOLEAN, &repeated, "timestamp", G_TYPE_UINT64,
        &timestamp, "inferred-timestamp", G_TYPE_UINT64, &of, "n-objects",
        G_TYPE_UINT, &n, "fresh", G_TYPE_BOOLEAN, &fresh, "frame",
        G_TYPE_UINT64, &frame, NULL));
    g_assert_cmpint (fresh, ==, i % 2 == 0);
    g_assert_cmpuint (frame, ==, i);
    g_assert_cmpstr (gst_structure_get_string (s, "detector"), ==, "detect");
    g_assert_cmpstr (gst_structure_get_string (s, "model-name"), ==,
        mark.model_name);
    g_assert_cmpint (inferred, ==, i % 2 == 0);
    g_assert_cmpint (repeated, ==, i % 2);
    g_assert_cmpuint (timestamp, ==, i * FRAME);
    g_assert_cmpuint (of, ==, i / 2 * 2 * FRAME);
    g_assert_cmpuint (of, ==, mark.timestamp);
    g_assert_cmpuint (n, ==, 1);
    g_assert_cmpstr (gst_structure_get_string (s, "reason"), ==, mark.reason);
    g_assert_cmpstr (gst_structure_get_string (s, "model"), ==, mark.model);
  }
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* Objects of a frame are repeated up to max-age, to the nanosecond, forwards
 * and backwards, and where there are no times. */
static void
test_max_age (void)
{
  GstHarness *h = fake_detector_finding (
      "inference-interval=100 repeat-detections=true max-age=120000000");
  g_autoptr (GstElement) element = rig_element (h);
  GstBuffer *in = rig_frame (h, 9);
  g_autoptr (GstBuffer) out = NULL;

  assert_passes (h, 10, "", 10);
  assert_passes (h, 13, "interval", 10);
  assert_passes (h, 14, "interval", -1);
  assert_passes (h, 7, "interval", 10);
  assert_passes (h, 6, "interval", -1);
  GST_BUFFER_PTS (in) = GST_CLOCK_TIME_NONE;
  out = gst_harness_push_and_pull (h, in);
  g_assert_true (rig_mark (out).repeated);
  g_object_set (element, "max-age", (guint64) 119999999, NULL);
  assert_passes (h, 13, "interval", -1);
  g_object_set (element, "max-age", GST_CLOCK_TIME_NONE, NULL);
  assert_passes (h, 100000, "interval", 10);
  gst_harness_teardown (h);
}

static void
assert_discont_passes (GstHarness *h, guint n, const char *reason, int of)
{
  GstBuffer *in = rig_frame (h, n);

  GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_DISCONT);
  assert_passed (gst_harness_push_and_pull (h, in), reason, of);
}

/* Over a discontinuity nothing is repeated; what the network was at then is
 * told once. */
static void
test_discont (void)
{
  GstHarness *h =
      fake_detector_finding ("inference-interval=4 repeat-detections=true");

  assert_discont_passes (h, 0, "", 0);
  assert_passes (h, 1, "interval", 0);
  assert_discont_passes (h, 2, "interval", -1);
  assert_passes (h, 3, "interval", -1);
  assert_discont_passes (h, 4, "", 4);
  assert_passes (h, 5, "interval", 4);
  gst_harness_teardown (h);

  h = fake_detector_finding ("no-block=true repeat-detections=true");
  fake_detector_hold ();
  assert_passes (h, 0, "busy", -1);
  fake_detector_wait_held ();
  assert_discont_passes (h, 1, "busy", -1);
  let_end (h, 1);
  fake_detector_wait_idle ();
  fake_detector_hold ();
  assert_passes (h, 2, "busy", 0);
  fake_detector_wait_held ();
  assert_passes (h, 3, "busy", -1);
  fake_detector_release ();
  gst_harness_teardown (h);
}

static gpointer
to_ready (gpointer element)
{
  gst_element_set_state (element, GST_STATE_READY);
  return NULL;
}

/* Going to READY wakes a frame that waits for the network, which still works.
 */
static void
test_ready_while_waiting (void)
{
  GstHarness *h = fake_detector_finding ("");
  g_autoptr (GstElement) element = rig_element (h);
  GThread *pusher, *stopper;

  fake_detector_hold ();
  pusher = g_thread_new ("push", push_one, h);
  fake_detector_wait_held ();
  fake_detector_wait_asleep (pusher);
  stopper = g_thread_new ("stop", to_ready, element);
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (pusher)), ==,
      GST_FLOW_FLUSHING);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 0);
  fake_detector_release ();
  g_thread_join (stopper);
  gst_element_set_state (element, GST_STATE_PLAYING);
  rig_push_segment (h);
  gst_harness_teardown (h);
}

/* A frame that was due but not looked at leaves the next one due. */
static void
test_interval_stays_due (void)
{
  GstHarness *h = fake_detector_finding ("inference-interval=2");
  g_autoptr (GstElement) element = rig_element (h);

  g_object_set (element, "roi", "500,500,1,1", NULL);
  assert_passes (h, 0, "region", -1);
  assert_passes (h, 1, "region", -1);
  g_object_set (element, "roi", NULL, NULL);
  assert_passes (h, 2, "", 2);
  assert_passes (h, 3, "interval", -1);
  assert_passes (h, 4, "", 4);
  gst_harness_teardown (h);
}

static void
push_qos (GstHarness *h, GstClockTimeDiff diff, GstClockTime timestamp)
{
  gst_harness_push_upstream_event (h,
      gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, diff, timestamp));
}

/* A frame is late up to the very time that downstream named, and is in time a
 * nanosecond later. */
static void
test_qos_border (void)
{
  GstHarness *h = fake_detector_finding ("");

  push_qos (h, FRAME, FRAME);
  assert_passes (h, 2, "qos", -1);
  push_qos (h, FRAME - 1, FRAME);
  assert_passes (h, 2, "", 2);
  gst_harness_teardown (h);
}

/* The message of a late frame has each of its times in its own place, and says
 * that all of the quality is there still. */
static void
test_qos_message (void)
{
  GstHarness *h = fake_detector_finding ("");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  g_autoptr (GstMessage) message = NULL;
  guint64 running, stream, timestamp, duration;
  gint64 jitter;
  double proportion;
  int quality;
  gboolean live;
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = GST_SECOND;
  segment.time = 2 * GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_qos (h, GST_SECOND, 3 * GST_SECOND);
  assert_passes (h, 2, "qos", -1);
  message = rig_message (bus, GST_MESSAGE_QOS);
  gst_message_parse_qos (message, &live, &running, &stream, &timestamp,
      &duration);
  gst_message_parse_qos_values (message, &jitter, &proportion, &quality);
  g_assert_false (live);
  g_assert_cmpuint (running, ==, GST_SECOND + 2 * FRAME);
  g_assert_cmpuint (stream, ==, 2 * GST_SECOND + 2 * FRAME);
  g_assert_cmpuint (timestamp, ==, 2 * FRAME);
  g_assert_cmpuint (duration, ==, FRAME);
  g_assert_cmpint (jitter, ==, 3 * GST_SECOND - 2 * FRAME);
  g_assert_cmpfloat (proportion, ==, 2);
  g_assert_cmpint (quality, ==, 1000000);
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* What downstream said holds until a flush, another stream, another segment or
 * another start; other caps change nothing about it. */
static void
test_qos_forgotten (void)
{
  static const struct
  {
    void (*what) (GstHarness *);
    gboolean late;
  } cases[] = { { rig_flush, FALSE }, { start_stream, FALSE },
    { rig_push_segment, FALSE }, { fake_detector_restart, FALSE },
    { change_caps, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = fake_detector_finding ("");

    g_test_message ("case %u", i);
    push_qos (h, GST_SECOND, 0);
    assert_passes (h, 1, "qos", -1);
    cases[i].what (h);
    if (cases[i].late)
      assert_passes (h, 2, "qos", -1);
    else
      assert_passes (h, 2, "", 2);
    gst_harness_teardown (h);
  }
}

/* A flush ends the wait for the network while that still works, and what it
 * was at never appears. */
static void
test_flush_while_waiting (void)
{
  GstHarness *h = fake_detector_finding ("repeat-detections=true");
  GThread *thread;

  fake_detector_hold ();
  thread = g_thread_new ("push", push_one, h);
  fake_detector_wait_held ();
  fake_detector_wait_asleep (thread);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==,
      GST_FLOW_FLUSHING);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 0);
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  rig_push_segment (h);
  fake_detector_release ();
  assert_passes (h, 7, "", 7);
  g_assert_cmpuint (rig_stat (h, "inferred"), ==, 1);
  gst_harness_teardown (h);
}

/* Stopping does not hang while frames wait for the network, and the detector is
 * closed then. */
static void
test_stop_while_working (void)
{
  GstHarness *h = fake_detector_finding ("no-block=true");
  g_autoptr (GstElement) element = rig_element (h);

  fake_detector_hold ();
  assert_passes (h, 0, "busy", -1);
  fake_detector_wait_held ();
  fake_detector_release ();
  gst_element_set_state (element, GST_STATE_NULL);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
  gst_harness_teardown (h);
}

/* A failure ends the stream with one error that says what it was: that of a
 * frame which was not waited for comes with a later one. */
static void
test_failure (void)
{
  for (int no_block = 0; no_block < 2; no_block++) {
    GstHarness *h = fake_detector_finding (no_block ? "no-block=true" : "");
    g_autoptr (GstElement) element = rig_element (h);
    g_autoptr (GstBus) bus = rig_bus (h);
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;
    GstFlowReturn ret = GST_FLOW_OK;
    guint n = 0;

    fake_detector_set_failing (TRUE);
    while (ret == GST_FLOW_OK)
      ret = gst_harness_push (h, rig_frame (h, n++));
    g_assert_cmpint (ret, ==, GST_FLOW_ERROR);
    g_assert_cmpint (n > 1, ==, no_block);
    message = rig_message (bus, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, "it was told to"));
    g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR));
    g_assert_cmpuint (rig_stat (h, "inferred"), ==, 0);
    g_assert_cmpuint (rig_stat (h, "frames"), ==, n - 1);
    gst_element_set_bus (element, NULL);
    gst_harness_teardown (h);
  }
}

/* Answers for what is before the harness. */
typedef struct
{
  gboolean live;
  GstClockTime min, max;
} Upstream;

static GstPadProbeReturn
answer_latency (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  const Upstream *u = data;
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return GST_PAD_PROBE_OK;
  gst_query_set_latency (query, u->live, u->min, u->max);
  return GST_PAD_PROBE_HANDLED;
}

static void
assert_latency (GstHarness *h, gboolean live, GstClockTime min,
    GstClockTime max)
{
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstPad) src = gst_element_get_static_pad (element, "src");
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime found_min, found_max;
  gboolean found_live;

  g_assert_true (gst_pad_query (src, query));
  gst_query_parse_latency (query, &found_live, &found_min, &found_max);
  g_assert_cmpint (found_live, ==, live);
  g_assert_cmpuint (found_min, ==, min);
  g_assert_cmpuint (found_max, ==, max);
}

/* Passes as many frames as it takes to look at the latency once. */
static gboolean
asks_again (GstHarness *h, GstBus *bus, guint *n)
{
  g_autoptr (GstMessage) message = NULL;

  for (int i = 0; i < 8; i++)
    gst_buffer_unref (fake_detector_pass (h, (*n)++));
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_LATENCY);
  return message != NULL;
}

/* A live pipeline is told what a frame takes, on top of least and most of
 * upstream, and to ask again when that is a quarter off what it was told, in
 * either direction, and not before; with no-block nothing is added. */
static void
test_latency (void)
{
  static const struct
  {
    guint64 time; /* that each run takes, on top of 1 and 2 */
    gboolean again;
  } cases[] = {
    { 997, TRUE },
    { 997, FALSE },
    { 1247, FALSE },
    { 1248, TRUE },
    { 936, FALSE },
    { 935, TRUE },
    { 9997, TRUE },
    { 7497, FALSE },
    { 7496, TRUE },
  };
  Upstream upstream = { TRUE, 500, 3000 };
  GstHarness *h;
  g_autoptr (GstElement) element = NULL;
  g_autoptr (GstBus) bus = NULL;
  guint n = 0;

  fake_detector_reset ();
  h = fake_detector_harness ("", FAKE_DETECTOR_CAPS);
  element = rig_element (h);
  bus = rig_bus (h);
  gst_pad_add_probe (h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM,
      answer_latency, &upstream, NULL);
  assert_latency (h, TRUE, 500, 3000);
  {
    g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
    g_autoptr (GstQuery) query = gst_query_new_latency ();
    GstClockTime min;

    /* Downstream is asked from the other side, and told nothing of ours. */
    g_assert_true (gst_pad_query (sink, query));
    gst_query_parse_latency (query, NULL, &min, NULL);
    g_assert_cmpuint (min, ==, 0);
  }
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const guint64 total = cases[i].time + 3;

    fake_detector_reset ();
    fake_detector_add_run (NULL, 0, (DefcnTimings){ 1, cases[i].time, 2 });
    /* Until the samples are of that time alone. */
    for (int j = 0; j < 136; j++)
      gst_buffer_unref (fake_detector_pass (h, n++));
    gst_bus_set_flushing (bus, TRUE);
    gst_bus_set_flushing (bus, FALSE);
    g_test_message ("case %u", i);
    g_assert_cmpint (asks_again (h, bus, &n), ==, cases[i].again);
    if (!cases[i].again)
      continue;
    assert_latency (h, TRUE, 500 + total, 3000 + total);
    upstream.max = GST_CLOCK_TIME_NONE;
    assert_latency (h, TRUE, 500 + total, GST_CLOCK_TIME_NONE);
    upstream.max = 3000;
  }
  g_object_set (element, "no-block", TRUE, NULL);
  g_assert_true (asks_again (h, bus, &n));
  assert_latency (h, TRUE, 500, 3000);
  g_object_set (element, "no-block", FALSE, NULL);
  g_assert_true (asks_again (h, bus, &n));

  /* Where nothing is live nothing is added and nobody is bothered, and neither
   * after a start that nobody has asked yet. */
  upstream.live = FALSE;
  assert_latency (h, FALSE, 0, GST_CLOCK_TIME_NONE);
  g_assert_false (asks_again (h, bus, &n));
  upstream.live = TRUE;
  assert_latency (h, TRUE, 500 + 7499, 3000 + 7499);
  fake_detector_restart (h);
  gst_bus_set_flushing (bus, TRUE);
  gst_bus_set_flushing (bus, FALSE);
  g_assert_false (asks_again (h, bus, &n));
  g_assert_cmpuint (rig_stat (h, "frames"), ==, 8);
  g_assert_cmpuint (rig_stat (h, "inferred"), ==, 8);
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* What a live pipeline is told is what 95 of 100 frames do not exceed, the
 * first one, which plans, aside as soon as there is another. */
static void
test_latency_percentile (void)
{
  Upstream upstream = { TRUE, 0, GST_CLOCK_TIME_NONE };
  GstHarness *h;

  fake_detector_reset ();
  fake_detector_add_run (NULL, 0, (DefcnTimings){ 1000, 10000, 100000 });
  for (guint i = 1; i <= 20; i++)
    fake_detector_add_run (NULL, 0, (DefcnTimings){ i, 0, 0 });
  h = fake_detector_harness ("", FAKE_DETECTOR_CAPS);
  gst_pad_add_probe (h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM,
      answer_latency, &upstream, NULL);
  gst_buffer_unref (fake_detector_pass (h, 0));
  assert_latency (h, TRUE, 111000, GST_CLOCK_TIME_NONE);
  for (guint i = 1; i <= 20; i++)
    gst_buffer_unref (fake_detector_pass (h, i));
  assert_latency (h, TRUE, 19, GST_CLOCK_TIME_NONE);
  g_assert_cmpuint (rig_stat (h, "total-p50"), ==, 10);
  g_assert_cmpuint (rig_stat (h, "total-p95"), ==, 19);
  gst_harness_teardown (h);
}

/* A start counts its frames anew: the latency is looked at with the eighth. */
static void
test_latency_restart (void)
{
  Upstream upstream = { TRUE, 0, GST_CLOCK_TIME_NONE };
  GstHarness *h = fake_detector_finding ("");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = NULL;

  gst_pad_add_probe (h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM,
      answer_latency, &upstream, NULL);
  for (guint i = 0; i < 3; i++)
    gst_buffer_unref (fake_detector_pass (h, i));
  fake_detector_restart (h);
  bus = rig_bus (h);
  assert_latency (h, TRUE, 0, GST_CLOCK_TIME_NONE);
  for (guint i = 1; i <= 8; i++) {
    g_autoptr (GstMessage) message = NULL;

    gst_buffer_unref (fake_detector_pass (h, i));
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_LATENCY);
    g_assert_cmpint (message != NULL, ==, i == 8);
  }
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* The statistics have each time under its own name. */
static void
test_stats (void)
{
  GstHarness *h = fake_detector_finding ("");

  gst_buffer_unref (fake_detector_pass (h, 0));
  g_assert_cmpuint (rig_stat (h, "preprocess-p50"), ==, 1);
  g_assert_cmpuint (rig_stat (h, "preprocess-p95"), ==, 1);
  g_assert_cmpuint (rig_stat (h, "inference-p50"), ==, 20);
  g_assert_cmpuint (rig_stat (h, "inference-p95"), ==, 20);
  g_assert_cmpuint (rig_stat (h, "postprocess-p50"), ==, 300);
  g_assert_cmpuint (rig_stat (h, "postprocess-p95"), ==, 300);
  g_assert_cmpuint (rig_stat (h, "total-p50"), ==, 321);
  g_assert_cmpuint (rig_stat (h, "total-p95"), ==, 321);
  g_assert_cmpuint (rig_stat (h, "objects"), ==, 1);
  for (int stopped = 0; stopped < 2; stopped++) {
    g_autoptr (GstElement) element = rig_element (h);
    g_autoptr (GstStructure) stats = NULL;

    if (stopped)
      gst_element_set_state (element, GST_STATE_READY);
    g_object_get (element, "stats", &stats, NULL);
    g_assert_cmpstr (gst_structure_get_string (stats, "device"), ==,
        stopped ? "" : "fake");
    g_assert_cmpstr (gst_structure_get_string (stats, "model-hash"), ==,
        stopped ? "" : "c0ffee");
  }
  gst_harness_teardown (h);
}

static void
assert_skipped (GstHarness *h, guint interval, guint qos, guint busy,
    guint region)
{
  g_assert_cmpuint (rig_stat (h, "skipped-interval"), ==, interval);
  g_assert_cmpuint (rig_stat (h, "skipped-qos"), ==, qos);
  g_assert_cmpuint (rig_stat (h, "skipped-busy"), ==, busy);
  g_assert_cmpuint (rig_stat (h, "skipped-region"), ==, region);
}

/* A frame that is not looked at counts for one reason, one that the network is
 * handed and does not wait for for none. */
static void
test_stats_skipped (void)
{
  GstHarness *h = fake_detector_finding ("");
  g_autoptr (GstElement) element = rig_element (h);

  assert_passes (h, 0, "", 0);
  assert_skipped (h, 0, 0, 0, 0);
  g_object_set (element, "inference-interval", 2, NULL);
  assert_passes (h, 1, "interval", -1);
  assert_skipped (h, 1, 0, 0, 0);
  push_qos (h, GST_SECOND, 0);
  assert_passes (h, 2, "qos", -1);
  assert_skipped (h, 1, 1, 0, 0);
  g_object_set (element, "qos", FALSE, "roi", "500,500,1,1", NULL);
  assert_passes (h, 3, "region", -1);
  assert_skipped (h, 1, 1, 0, 1);
  g_object_set (element, "roi", NULL, "no-block", TRUE, "inference-interval", 1,
      NULL);
  fake_detector_hold ();
  assert_passes (h, 4, "busy", -1);
  assert_skipped (h, 1, 1, 0, 1);
  fake_detector_wait_held ();
  assert_passes (h, 5, "busy", -1);
  assert_skipped (h, 1, 1, 1, 1);
  g_assert_cmpuint (rig_stat (h, "frames"), ==, 6);
  g_assert_cmpuint (rig_stat (h, "inferred"), ==, 1);
  fake_detector_release ();
  gst_harness_teardown (h);
}

/* Objects are those of all frames that were looked at. */
static void
test_stats_objects (void)
{
  const DefcnBox boxes[] = { fake_detector_box, fake_detector_box,
    fake_detector_box };
  static const guint numbers[] = { 2, 0, 3 };
  GstHarness *h;
  guint sum = 0;

  fake_detector_reset ();
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    fake_detector_add_run (boxes, numbers[i], fake_detector_times);
  h = fake_detector_harness ("", FAKE_DETECTOR_CAPS);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    gst_buffer_unref (fake_detector_pass (h, i));
    sum += numbers[i];
    g_assert_cmpuint (rig_stat (h, "objects"), ==, sum);
  }
  gst_harness_teardown (h);
}

/* The statistics are posted when their time has come, not before. */
static void
test_stats_interval (void)
{
  static const struct
  {
    const char *properties;
    guint messages;
  } cases[] = { { "", 0 }, { "stats-interval=1", 3 },
    { "stats-interval=3600000000000", 0 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = fake_detector_finding (cases[i].properties);
    g_autoptr (GstElement) element = rig_element (h);
    g_autoptr (GstBus) bus = rig_bus (h);
    GstMessage *message;
    guint messages = 0;

    for (guint n = 0; n < 3; n++)
      gst_buffer_unref (fake_detector_pass (h, n));
    while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
      gst_message_unref (message);
      messages++;
    }
    g_assert_cmpuint (messages, ==, cases[i].messages);
    gst_element_set_bus (element, NULL);
    gst_harness_teardown (h);
  }
}

/* The unit of the interval is the nanosecond: half an hour after a message the
 * next one is due after less than that. */
static void
test_stats_unit (void)
{
  static const struct
  {
    GstClockTime interval;
    gboolean due;
  } cases[] = { { 1801 * GST_SECOND, FALSE }, { 1799 * GST_SECOND, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = fake_detector_finding ("");
    g_autoptr (GstElement) element = rig_element (h);
    g_autoptr (GstBus) bus = rig_bus (h);
    g_autoptr (GstMessage) message = NULL;

    g_object_set (element, "stats-interval", cases[i].interval, NULL);
    ((GstDefcnDetect *) element)->last_stats =
        g_get_monotonic_time () - 1800 * G_USEC_PER_SEC;
    gst_buffer_unref (fake_detector_pass (h, 0));
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
    g_assert_cmpint (message != NULL, ==, cases[i].due);
    gst_buffer_unref (fake_detector_pass (h, 1)); /* at once: not due again */
    g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT));
    gst_element_set_bus (element, NULL);
    gst_harness_teardown (h);
  }
}

/* The first interval begins when the element starts. */
static void
test_stats_first (void)
{
  const GstClockTime half = g_get_monotonic_time () * (GST_USECOND / 2);
  GstHarness *h = fake_detector_finding ("");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);

  g_object_set (element, "stats-interval", half, NULL);
  gst_buffer_unref (fake_detector_pass (h, 0));
  g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT));
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* The element holds the context that it was told of last, until it stops. */
static void
test_context (void)
{
  GstHarness *h = fake_detector_finding ("");
  g_autoptr (GstElement) element = rig_element (h);
  GstDefcnDetect *self = (GstDefcnDetect *) element;
  g_autoptr (GstElement) first = gst_object_ref_sink (gst_bin_new ("first"));
  g_autoptr (GstElement) second = gst_object_ref_sink (gst_bin_new ("second"));

  gst_defcn_state_take_context (self, gst_object_ref (GST_OBJECT (first)));
  g_assert_true (self->cuda == (GstObject *) first);
  g_assert_cmpint (GST_OBJECT_REFCOUNT (first), ==, 2);
  gst_defcn_state_take_context (self, gst_object_ref (GST_OBJECT (second)));
  g_assert_true (self->cuda == (GstObject *) second);
  g_assert_cmpint (GST_OBJECT_REFCOUNT (first), ==, 1);
  g_assert_cmpint (GST_OBJECT_REFCOUNT (second), ==, 2);
  gst_element_set_state (element, GST_STATE_READY);
  g_assert_null (self->cuda);
  g_assert_cmpint (GST_OBJECT_REFCOUNT (second), ==, 1);
  /* One that comes before a start goes with the element. */
  gst_defcn_state_take_context (self, gst_object_ref (GST_OBJECT (second)));
  gst_harness_teardown (h);
  g_clear_object (&element);
  g_assert_cmpint (GST_OBJECT_REFCOUNT (second), ==, 1);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/moments/no-block", test_no_block);
  g_test_add_func ("/moments/no-block-off", test_no_block_off);
  g_test_add_func ("/moments/outdated", test_outdated);
  g_test_add_func ("/moments/forgets", test_forgets);
  g_test_add_func ("/moments/message", test_message);
  g_test_add_func ("/moments/max-age", test_max_age);
  g_test_add_func ("/moments/discont", test_discont);
  g_test_add_func ("/moments/ready-while-waiting", test_ready_while_waiting);
  g_test_add_func ("/moments/interval-stays-due", test_interval_stays_due);
  g_test_add_func ("/moments/qos-border", test_qos_border);
  g_test_add_func ("/moments/qos-message", test_qos_message);
  g_test_add_func ("/moments/qos-forgotten", test_qos_forgotten);
  g_test_add_func ("/moments/flush-while-waiting", test_flush_while_waiting);
  g_test_add_func ("/moments/stop-while-working", test_stop_while_working);
  g_test_add_func ("/moments/failure", test_failure);
  g_test_add_func ("/moments/latency", test_latency);
  g_test_add_func ("/moments/latency-percentile", test_latency_percentile);
  g_test_add_func ("/moments/latency-restart", test_latency_restart);
  g_test_add_func ("/moments/stats", test_stats);
  g_test_add_func ("/moments/stats-interval", test_stats_interval);
  g_test_add_func ("/moments/stats-skipped", test_stats_skipped);
  g_test_add_func ("/moments/stats-objects", test_stats_objects);
  g_test_add_func ("/moments/stats-unit", test_stats_unit);
  g_test_add_func ("/moments/stats-first", test_stats_first);
  g_test_add_func ("/moments/context", test_context);
  return rig_run ();
}
