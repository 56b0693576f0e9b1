/* What the soak rests on sees what it is there to see. */
#include <gst/check/gstharness.h>

#include "growth.h"
#include "ledger.h"

static void
push (GstHarness *h, guint64 number)
{
  GstBuffer *buffer = gst_buffer_new ();

  GST_BUFFER_OFFSET (buffer) = number;
  gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
}

/* Frames that go into one element and come out of another: each case is what
 * comes out of 1 to 4, 'f' a flush, 'e' the end, 's' a stop, 'd' the sink's
 * death. */
static void
test_ledger (void)
{
  static const struct
  {
    const char *out;
    guint64 lost, reordered;
  } cases[] = { { "1234e", 0, 0 }, { "123", 0, 0 }, { "124e", 1, 0 },
    { "34e", 2, 0 }, { "e", 4, 0 }, { "12e", 2, 0 }, { "2134e", 1, 1 },
    { "12344e", 0, 1 }, { "12fe", 0, 0 }, { "4fe", 3, 0 }, { "1s", 0, 0 },
    { "1se", 0, 0 }, { "1f3e", 0, 1 }, { "1d4e", 0, 0 }, { "3d4", 2, 0 },
    { "1de", 0, 0 }, { "1df3e", 0, 1 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *in = gst_harness_new ("identity");
    GstHarness *out = gst_harness_new ("identity");
    GstPad *from = gst_element_get_static_pad (out->element, "sink");
    GstPad *into = gst_element_get_static_pad (in->element, "sink");
    Ledger ledger;
    GstSegment segment;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    g_test_message ("%s", cases[i].out);
    ledger_init (&ledger);
    ledger_watch (&ledger, into, from, FALSE);
    gst_harness_set_src_caps_str (in, "video/x-raw");
    gst_harness_set_src_caps_str (out, "video/x-raw");
    for (guint64 n = 1; n <= 4; n++)
      push (in, n);
    for (const char *c = cases[i].out; *c; c++) {
      if (*c == 'e') {
        gst_harness_push_event (out, gst_event_new_eos ());
      } else if (*c == 's') {
        ledger_forget (&ledger);
      } else if (*c == 'd') {
        ledger_die (&ledger);
      } else if (*c == 'f') {
        gst_harness_push_event (in, gst_event_new_flush_start ());
        gst_harness_push_event (out, gst_event_new_flush_start ());
        gst_harness_push_event (out, gst_event_new_flush_stop (FALSE));
        gst_harness_push_event (out, gst_event_new_segment (&segment));
      } else {
        push (out, (guint64) (*c - '0'));
      }
    }
    if (strchr (cases[i].out, 'e')) {
      g_assert_true (ledger_wait_eos (&ledger));
      ledger_end (&ledger);
    }
    g_assert_cmpuint (ledger.in, ==, 4);
    g_assert_cmpuint (ledger.lost, ==, cases[i].lost);
    g_assert_cmpuint (ledger.reordered, ==, cases[i].reordered);
    gst_object_unref (from);
    gst_object_unref (into);
    gst_harness_teardown (in);
    gst_harness_teardown (out);
    ledger_clear (&ledger);
  }
}

/* Frames without numbers get some. */
static void
test_stamp (void)
{
  GstHarness *h = gst_harness_new ("identity");
  GstPad *into = gst_element_get_static_pad (h->element, "sink");
  Ledger ledger;

  ledger_init (&ledger);
  ledger_watch (&ledger, into, h->sinkpad, TRUE);
  gst_harness_set_src_caps_str (h, "video/x-raw");
  for (guint i = 0; i < 3; i++)
    push (h, GST_BUFFER_OFFSET_NONE);
  g_assert_cmpuint (ledger.out, ==, 3);
  g_assert_cmpuint (ledger.lost + ledger.reordered, ==, 0);
  gst_object_unref (into);
  gst_harness_teardown (h);
  ledger_clear (&ledger);
}

/* A line is found through what wavers about it, and how much that is. */
static void
test_growth (void)
{
  for (int slope = -100; slope <= 100; slope += 50) {
    Growth growth = { 0 };
    double noise;

    for (int i = 0; i < 400; i++)
      growth_add (&growth, i / 60.0,
          1e6 + slope * i / 60.0 + (i % 2 ? 40 : -40));
    g_assert_cmpfloat_with_epsilon (growth_slope (&growth, &noise), slope, 1);
    g_assert_cmpfloat_with_epsilon (noise, 1.04, 0.05);
  }
  g_assert_cmpuint (growth_resident (), >, 1000);
  g_assert_cmpuint (growth_descriptors (), >=, 3);
  g_assert_cmpuint (growth_threads (), >=, 1);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ledger/ledger", test_ledger);
  g_test_add_func ("/ledger/stamp", test_stamp);
  g_test_add_func ("/ledger/growth", test_growth);
  return g_test_run ();
}
