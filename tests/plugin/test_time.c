/* defcndetect and time: what is skipped, what is late, what never waits. */
#include "rig.h"

#include <string.h>

#define CAPS "video/x-raw,format=RGB,width=160,height=120,framerate=25/1"

static GstBuffer *
pass (GstHarness *h, guint n)
{
  GstBuffer *out = gst_harness_push_and_pull (h, rig_frame (h, n));

  g_assert_nonnull (out);
  g_assert_cmpuint (GST_BUFFER_PTS (out), ==, n * (GST_SECOND / 25));
  return out;
}

/* Every third frame is looked at and the others say why not; a change of the
 * property counts at once. */
static void
test_interval (void)
{
  GstHarness *h = rig_harness ("inference-interval=3", CAPS);
  g_autoptr (GstElement) element = rig_element (h);

  for (guint i = 0; i < 10; i++) {
    g_autoptr (GstBuffer) out = pass (h, i);
    GstDefcnMark mark = rig_mark (out);

    g_assert_cmpint (mark.inferred, ==, i % 3 == 0);
    g_assert_cmpstr (mark.reason, ==, i % 3 == 0 ? "" : "interval");
    g_assert_false (mark.repeated);
    g_assert_cmpint (rig_count_objects (out) > 0, ==, i % 3 == 0);
  }
  g_assert_cmpuint (rig_stat (h, "frames"), ==, 10);
  g_assert_cmpuint (rig_stat (h, "inferred"), ==, 4);
  g_assert_cmpuint (rig_stat (h, "skipped-interval"), ==, 6);
  g_object_set (element, "inference-interval", 1, NULL);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) out = pass (h, i);

    g_assert_true (rig_mark (out).inferred);
  }
  gst_harness_teardown (h);
}

/* With repeat-detections skipped frames carry the last objects, marked with
 * the time of their own frame. */
static void
test_repeat (void)
{
  GstHarness *h =
      rig_harness ("inference-interval=3 repeat-detections=true", CAPS);
  guint n = 0;

  for (guint i = 0; i < 7; i++) {
    g_autoptr (GstBuffer) out = pass (h, i);
    GstDefcnMark mark = rig_mark (out);

    if (i % 3 == 0)
      n = rig_count_objects (out);
    g_assert_cmpuint (n, >, 0);
    g_assert_cmpuint (rig_count_objects (out), ==, n);
    g_assert_cmpint (mark.repeated, ==, i % 3 != 0);
    g_assert_cmpint (mark.inferred, ==, i % 3 == 0);
    g_assert_cmpint (mark.fresh, ==, i % 3 == 0);
    g_assert_cmpuint (mark.frame, ==, i);
    g_assert_cmpstr (mark.detector, ==, "detect");
    g_assert_true (g_str_has_suffix (rig_model (), mark.model_name));
    g_assert_null (strchr (mark.model_name, '/'));
    g_assert_cmpuint (mark.timestamp, ==, i / 3 * 3 * (GST_SECOND / 25));
  }
  gst_harness_teardown (h);
}

static void
push_qos (GstHarness *h, GstClockTimeDiff diff, GstClockTime timestamp)
{
  gst_harness_push_upstream_event (h,
      gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, diff, timestamp));
}

/* Late frames pass without being looked at, a message says so; with qos=false
 * or when downstream has caught up they are looked at again. */
static void
test_qos (void)
{
  GstHarness *h = rig_harness ("", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  guint n = 0;

  gst_buffer_unref (pass (h, 0));
  /* Frame 0 came 100 ms late: frames up to 100 ms (1, 2) cannot be in time. */
  push_qos (h, 100 * GST_MSECOND, 0);
  for (guint i = 1; i < 5; i++) {
    g_autoptr (GstBuffer) out = pass (h, i);
    GstDefcnMark mark = rig_mark (out);

    g_assert_cmpint (mark.inferred, ==, i > 2);
    g_assert_cmpstr (mark.reason, ==, i > 2 ? "" : "qos");
    if (i <= 2) {
      g_autoptr (GstMessage) message = rig_message (bus, GST_MESSAGE_QOS);
      guint64 running, processed, dropped;
      gint64 jitter;
      double proportion;
      GstFormat format;

      gst_message_parse_qos (message, NULL, &running, NULL, NULL, NULL);
      gst_message_parse_qos_values (message, &jitter, &proportion, NULL);
      gst_message_parse_qos_stats (message, &format, &processed, &dropped);
      g_assert_cmpuint (running, ==, i * (GST_SECOND / 25));
      g_assert_cmpint (jitter, ==, 100 * GST_MSECOND - i * (GST_SECOND / 25));
      g_assert_cmpfloat (proportion, ==, 2.0);
      g_assert_cmpint (format, ==, GST_FORMAT_BUFFERS);
      g_assert_cmpuint (processed, ==, 1);
      g_assert_cmpuint (dropped, ==, ++n);
    }
  }
  g_assert_cmpuint (rig_stat (h, "skipped-qos"), ==, 2);

  push_qos (h, 10 * GST_SECOND, 0);
  gst_buffer_unref (pass (h, 5));
  g_assert_cmpuint (rig_stat (h, "skipped-qos"), ==, 3);
  push_qos (h, -(gint64) GST_SECOND, GST_SECOND);
  gst_buffer_unref (pass (h, 6));
  g_assert_cmpuint (rig_stat (h, "skipped-qos"), ==, 3);
  push_qos (h, 10 * GST_SECOND, 0);
  g_object_set (element, "qos", FALSE, NULL);
  gst_buffer_unref (pass (h, 7));
  g_assert_cmpuint (rig_stat (h, "skipped-qos"), ==, 3);
  g_assert_cmpuint (rig_stat (h, "frames"), ==, 8);
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* Without time stamps nothing is ever late. */
static void
test_qos_without_time (void)
{
  GstHarness *h = rig_harness ("", CAPS);
  GstBuffer *in = rig_frame (h, 0);
  g_autoptr (GstBuffer) out = NULL;

  push_qos (h, 10 * GST_SECOND, 0);
  GST_BUFFER_PTS (in) = GST_BUFFER_DURATION (in) = GST_CLOCK_TIME_NONE;
  out = gst_harness_push_and_pull (h, in);
  g_assert_true (rig_mark (out).inferred);
  g_assert_false (GST_CLOCK_TIME_IS_VALID (rig_mark (out).timestamp));
  gst_harness_teardown (h);
}

/* Pushes frame after frame until one carries the result of an earlier one. */
static GstBuffer *
pass_until_fresh (GstHarness *h, guint *n)
{
  for (guint tries = 0; tries < 10000; tries++) {
    GstBuffer *out = pass (h, (*n)++);

    g_assert_false (rig_mark (out).inferred);
    g_assert_cmpstr (rig_mark (out).reason, ==, "busy");
    if (rig_mark (out).repeated)
      return out;
    g_assert_cmpuint (rig_count_objects (out), ==, 0);
    gst_buffer_unref (out);
    g_usleep (5000);
  }
  g_assert_not_reached ();
}

/* no-block: whoever writes into a frame that has passed does not disturb the
 * network, and a later frame gets the result that the same frame has when it is
 * waited for. */
static void
test_no_block (void)
{
  GstHarness *wait = rig_harness_model (rig_slow_model (), "", CAPS);
  GstHarness *h = rig_harness_model (rig_slow_model (), "no-block=true", CAPS);
  g_autoptr (GstBuffer) wanted = pass (wait, 0);
  g_autoptr (GstBuffer) first = pass (h, 0);
  g_autoptr (GstBuffer) fresh = NULL;
  guint n = 1;

  g_assert_cmpstr (rig_mark (first).reason, ==, "busy");
  g_assert_false (rig_mark (first).repeated);
  g_assert_true (gst_buffer_is_writable (first));
  gst_buffer_memset (first, 0, 0, -1);
  fresh = pass_until_fresh (h, &n);
  g_assert_cmpuint (rig_mark (fresh).timestamp, ==, 0);
  g_assert_cmpuint (rig_count_objects (fresh), >, 0);
  g_assert_cmpuint (rig_count_objects (fresh), ==, rig_count_objects (wanted));
  {
    g_autoptr (GArray) a = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    g_autoptr (GArray) b = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

    gst_defcn_meta_read (fresh, a, 160, 120);
    gst_defcn_meta_read (wanted, b, 160, 120);
    rig_assert_same (a, b);
  }
  gst_harness_teardown (wait);
  /* And down with a job running. */
  gst_harness_teardown (h);
}

/* no-block with repeat-detections: from the first result on every frame has
 * objects. */
static void
test_no_block_repeat (void)
{
  GstHarness *h = rig_harness_model (rig_slow_model (),
      "no-block=true repeat-detections=true max-age=18446744073709551615",
      CAPS);
  guint n = 0;
  GstBuffer *out = pass_until_fresh (h, &n);
  guint objects = rig_count_objects (out);

  gst_buffer_unref (out);
  out = pass (h, n);
  g_assert_true (rig_mark (out).repeated);
  g_assert_cmpuint (rig_mark (out).timestamp, ==, 0);
  g_assert_cmpuint (rig_count_objects (out), ==, objects);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

/* Switching no-block off in mid-stream waits again, with nothing lost. */
static void
test_no_block_off (void)
{
  GstHarness *h = rig_harness_model (rig_slow_model (), "no-block=true", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBuffer) out = NULL;

  gst_buffer_unref (pass (h, 0));
  g_object_set (element, "no-block", FALSE, NULL);
  out = pass (h, 1);
  g_assert_true (rig_mark (out).inferred);
  g_assert_cmpuint (rig_mark (out).timestamp, ==, GST_SECOND / 25);
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/time/interval", test_interval);
  g_test_add_func ("/time/repeat", test_repeat);
  g_test_add_func ("/time/qos", test_qos);
  g_test_add_func ("/time/qos-without-time", test_qos_without_time);
  g_test_add_func ("/time/no-block/result", test_no_block);
  g_test_add_func ("/time/no-block/repeat", test_no_block_repeat);
  g_test_add_func ("/time/no-block/off", test_no_block_off);
  return rig_run ();
}
