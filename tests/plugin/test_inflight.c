/* Frames in flight (nireq), with a detector that the test plays. */
#include "fake_detector.h"
#include "rig.h"

#include <string.h>

#define FRAME (GST_SECOND / 25)

/* What has come out of the element, in order: "0 1 tag 2 eos". */
typedef struct
{
  GMutex lock;
  GString *text;
  GThread *thread; /* that must push */
} Seen;

static const char *const names[] = { "a", "b", "c", "d" };

static GstPadProbeReturn
see (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Seen *seen = data;

  if (seen->thread)
    g_assert_true (g_thread_self () == seen->thread);
  g_mutex_lock (&seen->lock);
  if (seen->text->len)
    g_string_append_c (seen->text, ' ');
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    g_string_append_printf (seen->text, "%u",
        (guint) (GST_BUFFER_PTS (info->data) / FRAME));
  else if (GST_EVENT_TYPE (info->data) == GST_EVENT_CUSTOM_DOWNSTREAM)
    g_string_append (seen->text,
        gst_structure_get_name (gst_event_get_structure (info->data)));
  else
    g_string_append (seen->text, GST_EVENT_TYPE_NAME (info->data));
  g_mutex_unlock (&seen->lock);
  return GST_PAD_PROBE_OK;
}

/* A harness whose caps and segment have passed already. */
static GstHarness *
start (Seen *seen, const char *properties)
{
  GstHarness *h = fake_detector_finding (properties);

  *seen = (Seen){ .text = g_string_new (NULL) };
  gst_pad_add_probe (h->sinkpad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, see,
      seen, NULL);
  return h;
}

static void
end (GstHarness *h, Seen *seen)
{
  seen->thread = NULL;
  gst_harness_teardown (h);
  g_string_free (seen->text, TRUE);
}

/* Since it was asked last. */
static void
assert_seen (Seen *seen, const char *wanted)
{
  g_mutex_lock (&seen->lock);
  g_assert_cmpstr (seen->text->str, ==, wanted);
  g_string_set_size (seen->text, 0);
  g_mutex_unlock (&seen->lock);
}

static void
forget (Seen *seen)
{
  g_mutex_lock (&seen->lock);
  g_string_set_size (seen->text, 0);
  g_mutex_unlock (&seen->lock);
}

static void
push (GstHarness *h, guint n)
{
  g_assert_cmpint (gst_harness_push (h, rig_frame (h, n)), ==, GST_FLOW_OK);
}

static void
push_custom (GstHarness *h, guint n)
{
  g_assert_true (gst_harness_push_event (h,
      gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
          gst_structure_new_empty (names[n]))));
}

/* Frames are held until they must leave, in order, and each has its own
 * result; nothing waits but for the first one of too many. */
static void
test_order (void)
{
  Seen seen;
  GstHarness *h = start (&seen, "nireq=4");

  seen.thread = g_thread_self ();
  fake_detector_hold ();
  for (guint i = 0; i < 3; i++)
    push (h, i);
  fake_detector_wait_held ();
  assert_seen (&seen, "");
  fake_detector_release ();
  for (guint i = 3; i < 10; i++) {
    push (h, i);
    g_assert_cmpuint (gst_harness_buffers_in_queue (h), >=, i - 2);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_seen (&seen, "0 1 2 3 4 5 6 7 8 9 eos");
  for (guint i = 0; i < 10; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (h);

    g_assert_true (rig_mark (out).inferred);
    g_assert_cmpuint (rig_mark (out).timestamp, ==, i * FRAME);
    g_assert_cmpuint (rig_mark (out).frame, ==, i);
    g_assert_cmpuint (rig_count_objects (out), ==, 1);
  }
  g_assert_cmpuint (rig_stat (h, "inferred"), ==, 10);
  end (h, &seen);
}

/* A frame whose result is there does not wait until it has to leave. */
static void
test_ready (void)
{
  Seen seen;
  GstHarness *h = start (&seen, "nireq=16");

  fake_detector_hold ();
  push (h, 0);
  fake_detector_wait_held ();
  fake_detector_release ();
  fake_detector_wait_runs (1);
  fake_detector_wait_idle ();
  assert_seen (&seen, "");
  fake_detector_hold ();
  push (h, 1);
  assert_seen (&seen, "0");
  fake_detector_release ();
  end (h, &seen);
}

/* Events between frames stay between them, and do not have the frames waited
 * for. */
static void
test_events (void)
{
  Seen seen;
  GstHarness *h = start (&seen, "nireq=4");
  GstTagList *tags = gst_tag_list_new (GST_TAG_TITLE, "x", NULL);

  fake_detector_hold ();
  push_custom (h, 0); /* before all */
  push (h, 0);
  push_custom (h, 1);
  push (h, 1);
  gst_harness_push_event (h, gst_event_new_tag (tags));
  push_custom (h, 2);
  push (h, 2);
  push_custom (h, 3);
  fake_detector_wait_held ();
  assert_seen (&seen, "a");
  fake_detector_release ();
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_seen (&seen, "0 b 1 tag c 2 d eos");
  end (h, &seen);
}

static void
push_caps (GstHarness *h)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "video/x-raw,format=RGB,width=32,height=32,framerate=25/1");

  gst_harness_push_event (h, gst_event_new_caps (caps));
}

static void
push_stream_start (GstHarness *h)
{
  gst_harness_push_event (h, gst_event_new_stream_start ("other"));
}

static void
push_gap (GstHarness *h)
{
  gst_harness_push_event (h, gst_event_new_gap (0, FRAME));
}

static void
push_eos (GstHarness *h)
{
  gst_harness_push_event (h, gst_event_new_eos ());
}

static void
push_segment_done (GstHarness *h)
{
  gst_harness_push_event (h, gst_event_new_segment_done (GST_FORMAT_TIME, 0));
}

static void
ask_to_drain (GstHarness *h)
{
  g_autoptr (GstQuery) query = gst_query_new_drain ();

  gst_pad_peer_query (h->srcpad, query);
}

static gpointer
release_when_asleep (gpointer thread)
{
  fake_detector_wait_asleep (thread);
  fake_detector_release ();
  return NULL;
}

/* What may be followed by nothing, or by frames of another kind, leaves after
 * all frames. */
static void
test_drains (void)
{
  static const struct
  {
    void (*push) (GstHarness *h);
    const char *seen;
  } cases[] = {
    { push_caps, "0 1 a 2 caps" },
    { rig_push_segment, "0 1 a 2 segment" },
    { push_stream_start, "0 1 a 2 stream-start" },
    { push_gap, "0 1 a 2 gap" },
    { push_eos, "0 1 a 2 eos" },
    { push_segment_done, "0 1 a 2 segment-done" },
    { ask_to_drain, "0 1 a 2" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Seen seen;
    GstHarness *h = start (&seen, "nireq=4");
    GThread *thread;

    g_test_message ("case %u", i);
    fake_detector_hold ();
    push (h, 0);
    push (h, 1);
    push_custom (h, 0);
    push (h, 2);
    fake_detector_wait_held ();
    assert_seen (&seen, "");
    thread = g_thread_new ("release", release_when_asleep, g_thread_self ());
    seen.thread = g_thread_self ();
    cases[i].push (h);
    assert_seen (&seen, cases[i].seen);
    g_assert_cmpuint (fake_detector_n_runs (), ==, 3);
    g_thread_join (thread);
    end (h, &seen);
  }
}

/* A flush throws away what is in flight; what is to be kept of its events is
 * there afterwards, and the next frames pass as the first did. */
static void
test_flush (void)
{
  Seen seen;
  GstHarness *h = start (&seen, "nireq=4 repeat-detections=true");
  GstTagList *tags = gst_tag_list_new (GST_TAG_TITLE, "kept", NULL);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstPad) src = gst_element_get_static_pad (element, "src");
  g_autoptr (GstEvent) kept = NULL;

  fake_detector_hold ();
  push (h, 0);
  push_custom (h, 0);
  gst_harness_push_event (h, gst_event_new_tag (tags));
  push (h, 1);
  fake_detector_wait_held ();
  forget (&seen);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  assert_seen (&seen, "");
  kept = gst_pad_get_sticky_event (src, GST_EVENT_TAG, 0);
  g_assert_nonnull (kept);
  rig_push_segment (h);
  fake_detector_release ();
  for (guint i = 7; i < 12; i++)
    push (h, i);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_nonnull (strstr (seen.text->str, "7 8 9 10 11 eos"));
  g_assert_null (strstr (seen.text->str, "1 7"));
  g_assert_null (strstr (seen.text->str, "a "));
  end (h, &seen);
}

static GstFlowReturn answers;
static guint n_answered;

static GstFlowReturn
answer (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
  n_answered++;
  return answers;
}

/* What downstream says of a frame upstream hears with the frame that pushed it
 * out, or with the next one where an event did; then no more of it, and what
 * was in flight has gone. */
static void
test_flow (void)
{
  static const GstFlowReturn cases[] = { GST_FLOW_EOS, GST_FLOW_NOT_LINKED,
    GST_FLOW_ERROR, GST_FLOW_CUSTOM_ERROR };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Seen seen;
    GstHarness *h = start (&seen, "nireq=3");
    GstFlowReturn ret = GST_FLOW_OK;
    guint n = 0;

    g_test_message ("case %u", i);
    gst_pad_set_chain_function (h->sinkpad, answer);
    answers = cases[i];
    while (ret == GST_FLOW_OK && n < 10)
      ret = gst_harness_push (h, rig_frame (h, n++));
    g_assert_cmpint (ret, ==, cases[i]);
    g_assert_cmpuint (n, <=, 3);

    answers = GST_FLOW_OK;
    for (; n < 15; n++)
      push (h, n);
    push_gap (h);
    answers = cases[i];
    n_answered = 0;
    fake_detector_freeze (); /* so that it stays in flight */
    push (h, n++);
    fake_detector_thaw ();
    push_gap (h);
    g_assert_cmpuint (n_answered, ==, 1);
    answers = GST_FLOW_OK;
    g_assert_cmpint (gst_harness_push (h, rig_frame (h, n++)), ==, cases[i]);
    push (h, n++);
    push_gap (h);
    g_assert_cmpuint (n_answered, ==, 2);
    end (h, &seen);
  }
}

/* A failure of the network ends the stream, with one error. */
static void
test_failure (void)
{
  for (int drained = 0; drained < 2; drained++) {
    Seen seen;
    GstHarness *h = start (&seen, "nireq=3");
    g_autoptr (GstElement) element = rig_element (h);
    g_autoptr (GstBus) bus = rig_bus (h);
    g_autoptr (GstMessage) message = NULL;
    GstFlowReturn ret = GST_FLOW_OK;
    guint n = 0;

    fake_detector_set_failing (TRUE);
    if (drained) { /* unless it has failed at once */
      ret = gst_harness_push (h, rig_frame (h, n++));
      push_gap (h);
    }
    while (ret == GST_FLOW_OK && n < 10)
      ret = gst_harness_push (h, rig_frame (h, n++));
    g_assert_cmpint (ret, ==, GST_FLOW_ERROR);
    g_assert_cmpuint (n, <=, 3);
    g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 0);
    message = rig_message (bus, GST_MESSAGE_ERROR);
    g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR));
    gst_element_set_bus (element, NULL);
    end (h, &seen);
  }
}

/* What frames say of themselves, and of a gap before them, does not depend on
 * how many are in flight. */
static void
test_same (void)
{
  static const char *const properties[] = { "", "inference-interval=3",
    "inference-interval=3 repeat-detections=true",
    "inference-interval=4 repeat-detections=true max-age=50000000" };

  for (guint i = 0; i < G_N_ELEMENTS (properties); i++) {
    g_autofree char *first = NULL;

    for (guint nireq = 1; nireq <= 16; nireq += 5) {
      g_autofree char *all =
          g_strdup_printf ("%s nireq=%u", properties[i], nireq);
      Seen seen;
      GstHarness *h = start (&seen, all);
      GString *text = g_string_new (NULL);

      for (guint n = 0; n < 20; n++) {
        GstBuffer *in = rig_frame (h, n);

        if (n % 7 == 5)
          GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_DISCONT);
        g_assert_cmpint (gst_harness_push (h, in), ==, GST_FLOW_OK);
      }
      push_eos (h);
      for (guint n = 0; n < 20; n++) {
        g_autoptr (GstBuffer) out = gst_harness_pull (h);
        const GstDefcnMark mark = rig_mark (out);

        g_string_append_printf (text, "%u:%s,%d,%" G_GUINT64_FORMAT ",%u ", n,
            mark.reason, mark.repeated, mark.timestamp,
            rig_count_objects (out));
        g_assert_cmpint (GST_BUFFER_IS_DISCONT (out), ==, n % 7 == 5);
      }
      if (!first)
        first = g_strdup (text->str);
      g_assert_cmpstr (text->str, ==, first);
      g_string_free (text, TRUE);
      end (h, &seen);
    }
  }
}

/* With no-block no frame is held, nor waited for. */
static void
test_no_block (void)
{
  Seen seen;
  GstHarness *h = start (&seen, "nireq=4 no-block=true");
  g_autoptr (GstElement) element = rig_element (h);

  fake_detector_hold ();
  for (guint i = 0; i < 3; i++)
    push (h, i);
  assert_seen (&seen, "0 1 2");
  fake_detector_wait_held ();
  /* Switched off, each frame has its own result again. */
  g_object_set (element, "no-block", FALSE, NULL);
  fake_detector_release ();
  for (guint i = 3; i < 8; i++)
    push (h, i);
  push_eos (h);
  assert_seen (&seen, "3 4 5 6 7 eos");
  for (guint i = 0; i < 8; i++) {
    g_autoptr (GstBuffer) out = gst_harness_pull (h);

    if (i > 2)
      g_assert_cmpuint (rig_mark (out).timestamp, ==, i * FRAME);
    g_assert_cmpint (rig_mark (out).inferred, ==, i > 2);
  }
  end (h, &seen);
}

/* Frames that none waits behind. */
static void
push_apart (GstHarness *h, guint from, guint to)
{
  for (guint i = from; i < to; i++) {
    push (h, i);
    fake_detector_wait_runs (i + 1);
    fake_detector_wait_idle ();
  }
}

/* The frames that are held are part of the latency, as long as the caps say
 * they take, which is told anew; and pools have room for them. */
static void
test_latency (void)
{
  Seen seen;
  GstHarness *h = start (&seen, "nireq=4");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  g_autoptr (GstCaps) caps = gst_caps_from_string (FAKE_DETECTOR_CAPS);
  g_autoptr (GstQuery) query = gst_query_new_allocation (caps, TRUE);
  guint min, size;

  gst_harness_set_upstream_latency (h, 5);
  push_apart (h, 0, 4);
  push_gap (h);
  g_assert_cmpuint (gst_harness_query_latency (h), ==, 5 + 3 * FRAME + 321);
  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=RGB,width=160,height=120,framerate=5/1");
  gst_bus_set_flushing (bus, TRUE);
  gst_bus_set_flushing (bus, FALSE);
  push_apart (h, 4, 16);
  gst_message_unref (rig_message (bus, GST_MESSAGE_LATENCY));
  g_assert_cmpuint (gst_harness_query_latency (h), ==,
      5 + 3 * (GST_SECOND / 5) + 321);
  g_assert_true (gst_pad_query (sink, query));
  gst_query_parse_nth_allocation_pool (query, 0, NULL, &size, &min, NULL);
  g_assert_cmpuint (min, ==, 5);
  gst_element_set_bus (element, NULL);
  end (h, &seen);
}

static GstBufferPool *
pool_new (GstHarness *h, guint max)
{
  GstBufferPool *pool = gst_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->srcpad);
  GstVideoInfo info;

  g_assert_true (gst_video_info_from_caps (&info, caps));
  gst_buffer_pool_config_set_params (config, caps,
      (guint) GST_VIDEO_INFO_SIZE (&info), 0, max);
  g_assert_true (gst_buffer_pool_set_config (pool, config));
  g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
  return pool;
}

/* As a source does, which would wait for it. */
static GstBuffer *
acquire (GstBufferPool *pool, guint n)
{
  GstBufferPoolAcquireParams params = {
    .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT
  };
  GstBuffer *buffer = NULL;

  g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, &params), ==,
      GST_FLOW_OK);
  gst_buffer_memset (buffer, 0, 0, gst_buffer_get_size (buffer));
  GST_BUFFER_PTS (buffer) = n * FRAME;
  return buffer;
}

/* A pool of few buffers is not emptied, whatever nireq says: nobody would bring
 * the frame that pushes the first one out.  One buffer stays with the sink, as
 * its last sample does, and @copied ones are of no pool themselves. */
static void
pass_pool (guint max, guint room, gboolean copied)
{
  Seen seen;
  GstHarness *h = start (&seen, "nireq=8");
  g_autoptr (GstBufferPool) pool = pool_new (h, max);
  GstBuffer *shown = NULL;
  GThread *thread = NULL;

  fake_detector_hold ();
  for (guint i = 0; i < 20; i++) {
    GstBuffer *buffer = acquire (pool, i), *out;

    if (copied) {
      GstBuffer *copy = gst_buffer_copy (buffer);

      if (!gst_buffer_get_parent_buffer_meta (copy)) /* old GStreamer */
        gst_buffer_add_parent_buffer_meta (copy, buffer);
      gst_buffer_unref (buffer);
      g_assert_null (copy->pool);
      buffer = copy;
    }
    if (i + 1 == room)
      thread = g_thread_new ("release", release_when_asleep, g_thread_self ());
    g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
    if (i + 1 == room)
      g_thread_join (thread);
    else if (i + 1 < room)
      assert_seen (&seen, "");
    while ((out = gst_harness_try_pull (h))) {
      gst_clear_buffer (&shown);
      shown = out;
    }
  }
  push_eos (h);
  g_assert_nonnull (strstr (seen.text->str, "19 eos"));
  gst_clear_buffer (&shown);
  end (h, &seen);
  gst_buffer_pool_set_active (pool, FALSE);
}

static void
test_pool (void)
{
  pass_pool (2, 1, FALSE);
  pass_pool (4, 3, FALSE);
  pass_pool (4, 3, TRUE);
  pass_pool (64, 8, FALSE);
  pass_pool (0, 8, FALSE);
}

static gpointer
push_many (gpointer data)
{
  GstHarness *h = data;

  for (guint i = 0; i < 3; i++)
    if (gst_harness_push (h, rig_frame (h, i)) != GST_FLOW_OK)
      return GINT_TO_POINTER (1);
  return NULL;
}

static gpointer
to_null (gpointer element)
{
  gst_element_set_state (element, GST_STATE_NULL);
  return NULL;
}

/* Who waits with frames in flight is woken when the element stops. */
static void
test_stop (void)
{
  Seen seen;
  GstHarness *h = start (&seen, "nireq=3");
  g_autoptr (GstElement) element = rig_element (h);
  GThread *thread, *stopper;

  fake_detector_hold ();
  thread = g_thread_new ("push", push_many, h);
  fake_detector_wait_held ();
  fake_detector_wait_asleep (thread);
  stopper = g_thread_new ("stop", to_null, element);
  g_assert_nonnull (g_thread_join (thread));
  fake_detector_release ();
  g_thread_join (stopper);
  g_assert_cmpint (fake_detector_n_open (), ==, 0);
  end (h, &seen);
}

static void
live_and_die (void)
{
  GstHarness *h = fake_detector_harness ("nireq=4", FAKE_DETECTOR_CAPS);

  for (guint i = 0; i < 9; i++) {
    push (h, i);
    push_custom (h, i % 4);
    if (i == 3) {
      rig_flush (h);
    }
  }
  gst_harness_teardown (h);
}

/* Nothing that was in flight stays behind. */
static void
test_steady (void)
{
  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  rig_assert_steady (live_and_die);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/inflight/order", test_order);
  g_test_add_func ("/inflight/ready", test_ready);
  g_test_add_func ("/inflight/events", test_events);
  g_test_add_func ("/inflight/drains", test_drains);
  g_test_add_func ("/inflight/flush", test_flush);
  g_test_add_func ("/inflight/flow", test_flow);
  g_test_add_func ("/inflight/failure", test_failure);
  g_test_add_func ("/inflight/same", test_same);
  g_test_add_func ("/inflight/no-block", test_no_block);
  g_test_add_func ("/inflight/latency", test_latency);
  g_test_add_func ("/inflight/pool", test_pool);
  g_test_add_func ("/inflight/stop", test_stop);
  g_test_add_func ("/inflight/steady", test_steady);
  return rig_run ();
}
