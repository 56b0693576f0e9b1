/* defcndetect in the stream: states, events, buffers, messages. */
#include "rig.h"
#include "testing.h"

#define CAPS "video/x-raw,format=RGB,width=160,height=120,framerate=25/1"

static GstBuffer *
pass (GstHarness *h, guint n)
{
  GstBuffer *out = gst_harness_push_and_pull (h, rig_frame (h, n));

  g_assert_nonnull (out);
  g_assert_cmpuint (GST_BUFFER_PTS (out), ==, n * (GST_SECOND / 25));
  return out;
}

/* Twenty times up and down, through READY and through NULL in turns, with
 * frames and an EOS each time: the element starts afresh. */
static void
test_state_cycles (void)
{
  g_autofree char *launch =
      g_strdup_printf ("videotestsrc num-buffers=2 ! %s ! defcndetect name=d "
                       "model=%s device=%s threads=1 ! fakesink sync=false",
          CAPS, rig_model (), testing_backend ());
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, &error);
  g_autoptr (GstElement) element = NULL;
  g_autoptr (GstBus) bus = NULL;

  g_assert_no_error (error);
  element = gst_bin_get_by_name (GST_BIN (pipeline), "d");
  bus = gst_element_get_bus (pipeline);
  for (int i = 0; i < 20; i++) {
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GstStructure) stats = NULL;
    guint64 frames;

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_nonnull (message);
    g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
    g_object_get (element, "stats", &stats, NULL);
    g_assert_true (gst_structure_get_uint64 (stats, "frames", &frames));
    g_assert_cmpuint (frames, ==, 2);
    gst_element_set_state (pipeline, i % 2 ? GST_STATE_NULL : GST_STATE_READY);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* Up and down without a single frame, and down in the middle of one. */
static void
test_state_without_frames (void)
{
  for (int i = 0; i < 5; i++) {
    GstHarness *h = rig_harness ("", i % 2 ? CAPS : NULL);

    gst_harness_teardown (h);
  }
}

/* EOS goes through; after a flush the element works again. */
static void
test_eos_and_reuse (void)
{
  GstHarness *h = rig_harness ("", CAPS);

  gst_buffer_unref (pass (h, 0));
  g_assert_true (gst_harness_push_event (h, gst_event_new_eos ()));
  g_assert_cmpint (gst_harness_push (h, rig_frame (h, 1)), ==, GST_FLOW_EOS);
  rig_flush (h);
  {
    g_autoptr (GstBuffer) out = pass (h, 5);

    g_assert_true (rig_mark (out).inferred);
    g_assert_cmpuint (rig_count_objects (out), >, 0);
  }
  gst_harness_teardown (h);
}

/* A flush forgets the count of the interval and the last objects. */
static void
test_flush_forgets (void)
{
  GstHarness *h =
      rig_harness ("inference-interval=5 repeat-detections=true", CAPS);

  gst_buffer_unref (pass (h, 0));
  for (int i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) skipped = pass (h, 1);
    g_autoptr (GstBuffer) first = NULL;

    g_assert_false (rig_mark (skipped).inferred);
    rig_flush (h);
    first = pass (h, 0);
    g_assert_true (rig_mark (first).inferred);
  }
  gst_harness_teardown (h);
}

/* New caps in mid-stream: each frame gets the core's boxes for its own. */
static void
test_caps_change (void)
{
  static const char *caps[] = { CAPS,
    "video/x-raw,format=NV12,width=320,height=240,framerate=25/1",
    "video/x-raw,format=GRAY8,width=17,height=33,framerate=30/1", CAPS };
  GstHarness *h = rig_harness ("", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (caps); i++) {
    g_autoptr (GstCaps) c = gst_caps_from_string (caps[i]);
    g_autoptr (GstBuffer) in = NULL;
    g_autoptr (GstBuffer) out = NULL;
    g_autoptr (GArray) boxes = NULL;
    GstVideoInfo info;

    gst_harness_set_src_caps_str (h, caps[i]);
    g_assert_true (gst_video_info_from_caps (&info, c));
    in = rig_frame (h, i);
    boxes = rig_boxes (in, &info, NULL);
    out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
    rig_assert_boxes (out, boxes, &info);
  }
  gst_harness_teardown (h);
}

/* A buffer too short for its caps ends the stream with an error instead of a
 * read beyond its end. */
static void
test_short_frame (void)
{
  GstHarness *h = rig_harness ("", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  int sizes[] = { 0, 1, 160 * 120 * 3 - 1 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    GstBuffer *in = gst_buffer_new_allocate (NULL, sizes[i], NULL);

    GST_BUFFER_PTS (in) = 0;
    g_assert_cmpint (gst_harness_push (h, in), ==, GST_FLOW_ERROR);
    gst_clear_message (&message);
    g_clear_error (&error);
    message = rig_message (bus, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
  }
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* A frame that somebody else holds too is not copied, only its header is; one
 * that nobody holds goes through as it is. */
static void
test_no_copy (void)
{
  GstHarness *h = rig_harness ("", CAPS);
  GstBuffer *shared = rig_frame (h, 0), *alone = rig_frame (h, 1);
  GstMemory *memory = gst_buffer_peek_memory (alone, 0);
  GstBuffer *out = gst_harness_push_and_pull (h, gst_buffer_ref (shared));

  g_assert_true (out != shared);
  g_assert_true (
      gst_buffer_peek_memory (out, 0) == gst_buffer_peek_memory (shared, 0));
  g_assert_cmpuint (rig_count_objects (shared), ==, 0);
  g_assert_cmpuint (rig_count_objects (out), >, 0);
  gst_buffer_unref (out);
  gst_buffer_unref (shared);

  out = gst_harness_push_and_pull (h, alone);
  g_assert_true (out == alone);
  g_assert_true (gst_buffer_peek_memory (out, 0) == memory);
  /* Nothing of ours still holds the pixels. */
  g_assert_true (gst_buffer_is_all_memory_writable (out));
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

static guint64
field_uint64 (const GstStructure *s, const char *name)
{
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (s, name, &value));
  return value;
}

/* The message of a frame has its times and its objects; without `message`
 * there is none. */
static void
test_message (void)
{
  GstHarness *h = rig_harness ("message=true inference-interval=2", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 0;
  segment.base = GST_SECOND;
  segment.time = 2 * GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GstBuffer) out = pass (h, i);
    g_autoptr (GstMessage) message = rig_message (bus, GST_MESSAGE_ELEMENT);
    const GstStructure *s = gst_message_get_structure (message);
    const GValue *objects = gst_structure_get_value (s, "objects");
    GstClockTime pts = i * (GST_SECOND / 25);
    guint n = rig_count_objects (out), n_objects;
    gboolean inferred;

    g_assert_cmpstr (gst_structure_get_name (s), ==, "defcn-detections");
    g_assert_cmpuint (field_uint64 (s, "timestamp"), ==, pts);
    g_assert_cmpuint (field_uint64 (s, "running-time"), ==, pts + GST_SECOND);
    g_assert_cmpuint (field_uint64 (s, "stream-time"), ==,
        pts + 2 * GST_SECOND);
    g_assert_cmpuint (field_uint64 (s, "duration"), ==, GST_SECOND / 25);
    g_assert_true (gst_structure_get_boolean (s, "inferred", &inferred));
    g_assert_cmpint (inferred, ==, i == 0);
    g_assert_cmpstr (gst_structure_get_string (s, "reason"), ==,
        i == 0 ? "" : "interval");
    g_assert_true (gst_structure_get_uint (s, "n-objects", &n_objects));
    g_assert_cmpuint (n_objects, ==, n);
    g_assert_true (GST_VALUE_HOLDS_ARRAY (objects));
    g_assert_cmpuint (gst_value_array_get_size (objects), ==, n);
    if (i == 0) {
      const GstStructure *o =
          gst_value_get_structure (gst_value_array_get_value (objects, 0));

      g_assert_cmpuint (n, >, 0);
      g_assert_nonnull (gst_structure_get_string (o, "label"));
      g_assert_true (gst_structure_has_field_typed (o, "label_id", G_TYPE_INT));
      g_assert_true (
          gst_structure_has_field_typed (o, "confidence", G_TYPE_DOUBLE));
      g_assert_true (gst_structure_has_field_typed (o, "x_min", G_TYPE_DOUBLE));
    }
  }
  g_object_set (element, "message", FALSE, NULL);
  gst_buffer_unref (pass (h, 2));
  g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT));
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* stats-interval posts the statistics. */
static void
test_stats_message (void)
{
  GstHarness *h = rig_harness ("stats-interval=1000000", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  g_autoptr (GstMessage) message = NULL;
  const GstStructure *s;

  g_usleep (2000);
  gst_buffer_unref (pass (h, 0));
  message = rig_message (bus, GST_MESSAGE_ELEMENT);
  s = gst_message_get_structure (message);
  g_assert_cmpstr (gst_structure_get_name (s), ==, "defcn-stats");
  g_assert_cmpuint (field_uint64 (s, "frames"), ==, 1);
  g_assert_cmpuint (field_uint64 (s, "inferred"), ==, 1);
  g_assert_cmpuint (field_uint64 (s, "objects"), >, 0);
  g_assert_cmpuint (field_uint64 (s, "inference-p50"), >, 0);
  g_assert_cmpuint (field_uint64 (s, "total-p95"), >=,
      field_uint64 (s, "inference-p95"));
  g_assert_cmpuint (strlen (gst_structure_get_string (s, "model-hash")), ==,
      64);
  g_assert_cmpstr (gst_structure_get_string (s, "device"), ==,
      testing_backend ());
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* Properties change from another thread while frames pass and states change:
 * nothing deadlocks, nothing races (under the sanitizers). */
static void
test_stress (void)
{
  GstElement *element = gst_element_factory_make_full ("defcndetect", "model",
      rig_model (), "device", testing_backend (), "threads", 1, NULL);
  GstHarness *h = gst_harness_new_with_element (element, "sink", "src");
  GstHarnessThread *threads[3];
  GValue value = G_VALUE_INIT;

  gst_harness_set_src_caps_str (h, CAPS);
  g_value_init (&value, G_TYPE_FLOAT);
  g_value_set_float (&value, 0.4f);
  threads[0] =
      gst_harness_stress_property_start_full (h, "threshold", &value, 1000);
  g_value_unset (&value);
  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, "person=0.5");
  threads[1] = gst_harness_stress_property_start_full (h, "class-thresholds",
      &value, 1000);
  g_value_unset (&value);
  threads[2] = gst_harness_stress_push_upstream_event_start_full (h,
      gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1, -1, GST_SECOND), 1000);
  for (guint i = 0; i < 30; i++) {
    g_object_set (element, "no-block", i % 3 == 0, NULL);
    gst_buffer_unref (pass (h, i));
  }
  for (int i = 0; i < 3; i++)
    gst_harness_stress_thread_stop (threads[i]);
  g_assert_cmpuint (rig_stat (h, "frames"), ==, 30);
  gst_harness_teardown (h);
  gst_object_unref (element);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/flow/state-cycles", test_state_cycles);
  g_test_add_func ("/flow/state-without-frames", test_state_without_frames);
  g_test_add_func ("/flow/eos-and-reuse", test_eos_and_reuse);
  g_test_add_func ("/flow/flush-forgets", test_flush_forgets);
  g_test_add_func ("/flow/caps-change", test_caps_change);
  g_test_add_func ("/flow/short-frame", test_short_frame);
  g_test_add_func ("/flow/no-copy", test_no_copy);
  g_test_add_func ("/flow/message", test_message);
  g_test_add_func ("/flow/stats-message", test_stats_message);
  g_test_add_func ("/flow/stress", test_stress);
  return rig_run ();
}
