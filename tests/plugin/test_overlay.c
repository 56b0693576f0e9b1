/* What defcnoverlay takes, decides and leaves alone. */
#include "overlay_rig.h"

#include <string.h>

#define W 320
#define H 240

static const GstDefcnMark repeated = { FALSE, "qos", TRUE, 0, "c0ffee" };
static const GstDefcnMark skipped = { FALSE, "qos", FALSE, 0, "c0ffee" };

static void
assert_untouched (GstBuffer *buffer)
{
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (gsize i = 0; i < map.size; i++)
    g_assert_cmpuint (map.data[i], ==, 77);
  gst_buffer_unmap (buffer, &map);
}

/* Without anything to draw the very same buffer comes out, shared or not; its
 * pixels are not copied and not touched. */
static void
test_untouched (void)
{
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");

  for (int i = 0; i < 6; i++) {
    GstHarness *h =
        overlay_rig_harness ("hide-labels=\"dog, person\"", "I420", W, H);
    const gboolean shared = i % 2;
    GstVideoInfo info;
    GstBuffer *in, *out;

    overlay_rig_info (&info, h);
    in = overlay_rig_frame (&info, FALSE);
    if (i / 2 > 0) /* nothing found; or nothing that shows */
      overlay_rig_attach (in, &o, i / 2 - 1, &overlay_rig_looked, W, H);
    out = gst_harness_push_and_pull (h, shared ? gst_buffer_ref (in) : in);
    g_assert_true (out == in);
    assert_untouched (out);
    if (shared)
      gst_buffer_unref (in);
    g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (out), ==, 1);
    gst_buffer_unref (out);
    gst_harness_teardown (h);
  }
}

/* A frame that somebody else holds is copied before it is drawn on, and so is
 * memory that nobody may write; a frame of our own is drawn in place. */
static void
test_copy_on_write (void)
{
  static const struct
  {
    gboolean shared, read_only;
  } cases[] = { { FALSE, FALSE }, { TRUE, FALSE }, { FALSE, TRUE },
    { TRUE, TRUE } };
  const int box[4] = { 64, 100, 128, 160 };
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h =
        overlay_rig_harness ("show-labels=false color=0xff0000", "GRAY8", W, H);
    g_autofree guint8 *pixels = g_malloc (W * H);
    GstBuffer *in = gst_buffer_new ();
    GstBuffer *out;
    GstVideoFrame frame;

    memset (pixels, 77, W * H);
    gst_buffer_append_memory (in,
        gst_memory_new_wrapped (cases[i].read_only ? GST_MEMORY_FLAG_READONLY
                                                   : 0,
            pixels, W * H, 0, W * H, NULL, NULL));
    overlay_rig_attach (in, &o, 1, &overlay_rig_looked, W, H);
    out = overlay_rig_draw_frame (&frame, h,
        cases[i].shared ? gst_buffer_ref (in) : in);
    g_assert_cmpint (out == in, ==, !cases[i].shared);
    overlay_rig_assert_box (&frame, box, 2, 0xff0000);
    gst_video_frame_unmap (&frame);
    if (cases[i].shared || cases[i].read_only)
      for (int p = 0; p < W * H; p++)
        g_assert_cmpuint (pixels[p], ==, 77);
    else
      g_assert_cmpuint (pixels[100 * W + 64], !=, 77);
    if (cases[i].shared)
      gst_buffer_unref (in);
    gst_buffer_unref (out);
    gst_harness_teardown (h);
  }
}

/* A buffer smaller than a frame ends the flow with one error. */
static void
test_short_buffer (void)
{
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");
  GstHarness *h = overlay_rig_harness ("", "GRAY8", W, H);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL, more = NULL;
  g_autoptr (GError) error = NULL;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H - 1, NULL);

  gst_element_set_bus (overlay, bus);
  overlay_rig_attach (buffer, &o, 1, &overlay_rig_looked, W, H);
  g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_ERROR);
  message = rig_message (bus, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
  more = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_null (more);
  gst_element_set_bus (overlay, NULL);
  gst_harness_teardown (h);
}

/* In a frame that is a part of a larger one the box is where that part has it,
 * and its label stays in there. */
static void
test_crop (void)
{
  const int box[4] = { 64 + 30, 100 + 20, 128 + 30, 160 + 20 };
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");

  for (int labels = 0; labels < 2; labels++) {
    GstHarness *h = overlay_rig_harness (labels ? "color=0xff0000"
                                                : "show-labels=false "
                                                  "color=0xff0000",
        "GRAY8", W, H);
    g_autoptr (GstBuffer) buffer =
        gst_buffer_new_allocate (NULL, (W + 40) * (H + 40), NULL);
    GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);
    GstVideoInfo info;
    GstVideoFrame frame;

    crop->x = 30;
    crop->y = 20;
    crop->width = W;
    crop->height = H;
    gst_buffer_memset (buffer, 0, 77, (W + 40) * (H + 40));
    gst_buffer_add_video_meta (buffer, 0, GST_VIDEO_FORMAT_GRAY8, W + 40,
        H + 40);
    overlay_rig_attach (buffer, &o, 1, &overlay_rig_looked, W, H);
    overlay_rig_info (&info, h);
    buffer = gst_harness_push_and_pull (h, buffer);
    g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
    if (labels)
      g_assert_true (overlay_rig_drawn (&frame, 64 + 30, 99 + 20));
    else
      overlay_rig_assert_box (&frame, box, 2, 0xff0000);
    gst_video_frame_unmap (&frame);
    gst_harness_teardown (h);
  }
}

/* Boxes that got lost are not drawn, and one warning says so for each caps. */
static void
test_lost (void)
{
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");
  GstHarness *h =
      gst_harness_new_parse ("videoflip video-direction=horiz ! defcnoverlay");
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  g_autoptr (GstBus) bus = gst_bus_new ();

  gst_element_set_bus (overlay, bus);
  for (guint turn = 0; turn < 2; turn++) {
    GstVideoInfo info;
    guint warnings = 0;

    gst_harness_set_src_caps_str (h,
        turn ? "video/x-raw,format=GRAY8,width=160,height=120,framerate=25/1"
             : "video/x-raw,format=GRAY8,width=320,height=240,framerate=25/1");
    overlay_rig_info (&info, h);
    for (int i = 0; i < 3; i++) {
      GstBuffer *in = overlay_rig_frame (&info, FALSE);
      g_autoptr (GstBuffer) out = NULL;

      overlay_rig_attach (in, &o, 1, &overlay_rig_looked, W, H);
      out = gst_harness_push_and_pull (h, in);
      assert_untouched (out);
    }
    for (;; warnings++) {
      g_autoptr (GstMessage) message =
          gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);

      if (!message)
        break;
    }
    g_assert_cmpuint (warnings, ==, 1);
  }
  gst_element_set_bus (overlay, NULL);
  gst_harness_teardown (h);
}

/* A repeated box has thin lines whatever the thickness. */
static void
test_repeated (void)
{
  const int box[4] = { 64, 100, 128, 160 };
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");
  GstHarness *h =
      overlay_rig_harness ("show-labels=false color=0xff0000 thickness=6",
          "GRAY8", W, H);
  GstVideoFrame frame;
  GstBuffer *buffer = overlay_rig_draw (&frame, h, &o, 1, &overlay_rig_looked);

  overlay_rig_assert_box (&frame, box, 6, 0xff0000);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  buffer = overlay_rig_draw (&frame, h, &o, 1, &repeated);
  overlay_rig_assert_box (&frame, box, 1, 0xff0000);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  buffer = overlay_rig_draw (&frame, h, &o, 1, &skipped); /* others' objects */
  overlay_rig_assert_box (&frame, box, 6, 0xff0000);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

/* Hiding one label hides its boxes alone, and a property set while frames flow
 * holds from the next one on; classes differ in colour by themselves. */
static void
test_live (void)
{
  const int person[4] = { 10, 100, 60, 160 };
  GstDefcnObject two[] = {
    overlay_rig_object (10, 100, 60, 160, W, H, "person"),
    overlay_rig_object (100, 100, 160, 160, W, H, "dog"),
  };
  GstHarness *h = overlay_rig_harness ("show-labels=false", "RGB", W, H);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  GstVideoFrame frame;
  GstBuffer *buffer;
  guint differ = 0;

  two[1].label_id = 1;
  buffer = overlay_rig_draw (&frame, h, two, 2, &overlay_rig_looked);
  for (guint c = 0; c < 3; c++)
    differ += overlay_rig_sample (&frame, c, 10, 100)
        != overlay_rig_sample (&frame, c, 100, 100);
  g_assert_cmpuint (differ, >, 0);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);

  for (guint thickness = 1; thickness <= 100; thickness += 33) {
    g_object_set (overlay, "hide-labels", " dog ,cat", "color",
        0x00ff00 + thickness, "thickness", thickness, NULL);
    buffer = overlay_rig_draw (&frame, h, two, 2, &overlay_rig_looked);
    overlay_rig_assert_box (&frame, person, thickness, 0x00ff00 + thickness);
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (buffer);
  }

  g_object_set (overlay, "show-labels", TRUE, "hide-labels", NULL, NULL);
  buffer = overlay_rig_draw (&frame, h, two, 2, &overlay_rig_looked);
  g_assert_true (overlay_rig_drawn (&frame, 10, 99)); /* a label */
  g_assert_true (overlay_rig_drawn (&frame, 100, 100));
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

/* Ten classes after each other have colours of their own, then they come again;
 * no class has the first one's. */
static void
test_class_colors (void)
{
  GstHarness *h = overlay_rig_harness ("show-labels=false", "RGB", W, H);
  guint32 colors[21];

  for (int id = -1; id < 20; id++) {
    GstDefcnObject o = overlay_rig_object (10, 100, 60, 160, W, H, "any");
    g_autoptr (GstBuffer) buffer = NULL;
    GstVideoFrame frame;

    o.label_id = id;
    buffer = overlay_rig_draw (&frame, h, &o, 1, &overlay_rig_looked);
    colors[id + 1] = overlay_rig_sample (&frame, 0, 10, 100) << 16
        | overlay_rig_sample (&frame, 1, 10, 100) << 8
        | overlay_rig_sample (&frame, 2, 10, 100);
    gst_video_frame_unmap (&frame);
  }
  g_assert_cmphex (colors[0], ==, colors[1]);
  for (guint i = 1; i <= 10; i++) {
    g_assert_cmphex (colors[i + 10], ==, colors[i]);
    for (guint j = 1; j < i; j++)
      g_assert_cmphex (colors[i], !=, colors[j]);
  }
  gst_harness_teardown (h);
}

/* What hides a label: itself, whole, with spaces around it or none, and nothing
 * else; an object without a label is never hidden. */
static void
test_hide_labels (void)
{
  static const struct
  {
    const char *list, *label;
    gboolean hidden;
  } cases[] = {
    { "dog", "dog", TRUE },
    { " dog", "dog", TRUE },
    { "dog ", "dog", TRUE },
    { "cat, dog", "dog", TRUE },
    { "dog,cat", "dog", TRUE },
    { "traffic light", "traffic light", TRUE },
    { "dogs", "dog", FALSE },
    { "do", "dog", FALSE },
    { "Dog", "dog", FALSE },
    { "dog cat", "dog", FALSE },
    { "", "dog", FALSE },
    { NULL, "dog", FALSE },
    { "", NULL, FALSE },
    { "?", NULL, FALSE },
  };
  GstHarness *h = overlay_rig_harness ("show-labels=false", "GRAY8", W, H);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBuffer) buffer = NULL;
    GstVideoInfo info;
    GstVideoFrame frame;

    g_test_message ("case %u", i);
    g_object_set (overlay, "hide-labels", cases[i].list, NULL);
    overlay_rig_info (&info, h);
    buffer = overlay_rig_frame (&info, FALSE);
    gst_buffer_add_video_region_of_interest_meta_id (buffer,
        cases[i].label ? g_quark_from_string (cases[i].label) : 0, 10, 100, 50,
        60);
    buffer = overlay_rig_draw_frame (&frame, h, buffer);
    g_assert_cmpint (overlay_rig_drawn (&frame, 10, 100), ==, !cases[i].hidden);
    gst_video_frame_unmap (&frame);
  }
  gst_harness_teardown (h);
}

/* Where boxes cross the better one is on top, and where labels do, its label.
 */
static void
test_order (void)
{
  GstDefcnObject three[] = {
    overlay_rig_object (50, 60, 150, 160, W, H, "person"),
    overlay_rig_object (100, 30, 200, 130, W, H, "car"),
    overlay_rig_object (50, 60, 120, 160, W, H, "dog"),
  };
  GstHarness *h = overlay_rig_harness ("", "RGB", W, H);
  GstVideoFrame frame;
  GstBuffer *buffer;

  three[1].label_id = 1;
  three[2].label_id = 2;
  buffer = overlay_rig_draw (&frame, h, three, 3, &overlay_rig_looked);
  for (guint c = 0; c < 3; c++) {
    /* The colours of classes 0 and 1, each where it is alone. */
    const guint8 best = overlay_rig_sample (&frame, c, 140, 60);
    const guint8 second = overlay_rig_sample (&frame, c, 190, 30);

    g_assert_cmpuint (overlay_rig_sample (&frame, c, 100, 60), ==, best);
    g_assert_cmpuint (overlay_rig_sample (&frame, c, 149, 129), ==, best);
    g_assert_cmpuint (overlay_rig_sample (&frame, c, 119, 129), ==, second);
    g_assert_cmpuint (overlay_rig_sample (&frame, c, 50, 100), ==, best);
    g_assert_cmpuint (overlay_rig_sample (&frame, c, 50, 51), ==, best);
  }
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

/* A frame that is late downstream passes all the same: the ones that are thrown
 * away are for who is slow to choose. */
static void
test_late (void)
{
  GstHarness *h = overlay_rig_harness ("", "I420", W, H);
  GstVideoInfo info;

  overlay_rig_info (&info, h);
  rig_push_segment (h);
  gst_harness_push_upstream_event (h,
      gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, GST_SECOND, GST_SECOND));
  g_assert_cmpint (gst_harness_push (h, overlay_rig_frame (&info, FALSE)), ==,
      GST_FLOW_OK);
  g_assert_cmpuint (gst_harness_buffers_received (h), ==, 1);
  gst_harness_teardown (h);
}

/* Property values come back as they were set; defaults are the documented. */
static void
test_properties (void)
{
  g_autoptr (GstElement) overlay =
      gst_element_factory_make ("defcnoverlay", NULL);
  g_autofree char *before = NULL, *after = NULL;
  gboolean show;
  guint thickness, color;

  gst_object_ref_sink (overlay);
  g_object_get (overlay, "show-labels", &show, "thickness", &thickness, "color",
      &color, "hide-labels", &before, NULL);
  g_assert_true (show);
  g_assert_cmpuint (thickness, ==, 2);
  g_assert_cmpuint (color, ==, 0);
  g_assert_null (before);
  g_object_set (overlay, "show-labels", FALSE, "thickness", 100, "color",
      0xffffff, "hide-labels", "a, b", NULL);
  g_object_get (overlay, "show-labels", &show, "thickness", &thickness, "color",
      &color, "hide-labels", &after, NULL);
  g_assert_false (show);
  g_assert_cmpuint (thickness, ==, 100);
  g_assert_cmpuint (color, ==, 0xffffff);
  g_assert_cmpstr (after, ==, "a, b");
}

/* However the detections are told, the picture is the same. */
static void
test_metas (void)
{
  static const GstDefcnMetaFlags flags[] = { GST_DEFCN_META_CUSTOM,
    GST_DEFCN_META_ROI, GST_DEFCN_META_ANALYTICS,
    GST_DEFCN_META_ROI | GST_DEFCN_META_ANALYTICS | GST_DEFCN_META_CUSTOM };
  const int box[4] = { 29, 57, 63, 91 }; /* 0.29 * 100 < 29 */
  const GstDefcnObject o =
      overlay_rig_object (29, 57, 63, 91, 100, 100, "person");
  g_autoptr (GArray) array =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  g_array_append_val (array, o);
  for (guint i = 0; i < G_N_ELEMENTS (flags); i++) {
    GstHarness *h = overlay_rig_harness ("show-labels=false color=0xff0000",
        "RGB", 100, 100);
    const GstDefcnMetaFlags built = flags[i] & gst_defcn_meta_supported ();
    GstVideoInfo info;
    GstVideoFrame frame;
    GstBuffer *buffer;

    overlay_rig_info (&info, h);
    buffer = overlay_rig_frame (&info, FALSE);
    gst_defcn_meta_attach (buffer, array, &overlay_rig_looked, built, 100, 100);
    buffer = overlay_rig_draw_frame (&frame, h, buffer);
    if (built)
      overlay_rig_assert_box (&frame, box, 2, 0xff0000);
    else
      assert_untouched (buffer);
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (buffer);
    gst_harness_teardown (h);
  }
}

/* The same rectangle is drawn from a bare region of interest, which has no
 * confidence and no class. */
static void
test_foreign_region (void)
{
  const int box[4] = { 64, 100, 128, 160 };
  GstHarness *h =
      overlay_rig_harness ("show-labels=false color=0xff0000", "GRAY8", W, H);
  GstVideoInfo info;
  GstVideoFrame frame;
  GstBuffer *buffer;

  overlay_rig_info (&info, h);
  buffer = overlay_rig_frame (&info, FALSE);
  gst_buffer_add_video_region_of_interest_meta (buffer, "face", 64, 100, 64,
      60);
  buffer = overlay_rig_draw_frame (&frame, h, buffer);
  overlay_rig_assert_box (&frame, box, 2, 0xff0000);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

/* What is set between the base class's question for a writable buffer and the
 * drawing changes nothing: a frame is drawn on if and only if it was asked for
 * as writable. */
static void
test_decided_once (void)
{
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");
  GstHarness *h = overlay_rig_harness ("", "GRAY8", W, H);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  GstBaseTransform *base = GST_BASE_TRANSFORM (overlay);
  GstBaseTransformClass *klass = GST_BASE_TRANSFORM_GET_CLASS (base);
  GstVideoInfo info;

  overlay_rig_info (&info, h);
  for (int hidden = 0; hidden < 2; hidden++) {
    g_autoptr (GstBuffer) in = overlay_rig_frame (&info, FALSE);
    GstBuffer *out = NULL;

    overlay_rig_attach (in, &o, 1, &overlay_rig_looked, W, H);
    gst_buffer_ref (in);
    g_object_set (overlay, "hide-labels", hidden ? "person" : NULL, NULL);
    g_assert_cmpint (klass->prepare_output_buffer (base, in, &out), ==,
        GST_FLOW_OK);
    g_object_set (overlay, "hide-labels", hidden ? NULL : "person", NULL);
    g_assert_cmpint (klass->transform_ip (base, out), ==, GST_FLOW_OK);
    g_assert_cmpint (out == in, ==, hidden);
    assert_untouched (in);
    if (!hidden) {
      g_assert_cmpint (gst_buffer_memcmp (out, 100 * W + 64, "MM", 2), !=, 0);
      gst_buffer_unref (out);
    }
    gst_buffer_unref (in);
  }
  gst_harness_teardown (h);
}

static gpointer
toggle (gpointer data)
{
  gpointer *arguments = data;

  while (!g_atomic_int_get ((int *) arguments[1])) {
    g_object_set (arguments[0], "hide-labels", "person", NULL);
    g_object_set (arguments[0], "hide-labels", NULL, NULL);
  }
  return NULL;
}

/* Properties set from another thread while shared frames flow lead to no error
 * and never to drawing on somebody else's frame. */
static void
test_toggled_while_flowing (void)
{
  const GstDefcnObject o = overlay_rig_object (4, 4, 12, 12, 32, 32, "person");
  GstHarness *h = overlay_rig_harness ("", "GRAY8", 32, 32);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  int done = 0;
  gpointer arguments[2] = { overlay, &done };
  GThread *thread = g_thread_new ("toggle", toggle, arguments);
  GstVideoInfo info;

  overlay_rig_info (&info, h);
  for (int i = 0; i < 2000; i++) {
    g_autoptr (GstBuffer) in = overlay_rig_frame (&info, FALSE);
    g_autoptr (GstBuffer) out = NULL;

    overlay_rig_attach (in, &o, 1, &overlay_rig_looked, 32, 32);
    out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
    g_assert_nonnull (out);
    assert_untouched (in);
  }
  g_atomic_int_set (&done, 1);
  g_thread_join (thread);
  gst_harness_teardown (h);
}

/* New caps in mid-stream, and the element going down and up, lead to boxes in
 * the right places of the new frames. */
static void
test_states (void)
{
  static const char *const caps[] = {
    "video/x-raw,format=RGB,width=64,height=48,framerate=25/1",
    "video/x-raw,format=NV12,width=33,height=17,framerate=25/1",
    "video/x-raw,format=YUY2,width=320,height=240,framerate=25/1",
  };
  const int box[4] = { 4, 4, 12, 12 };
  GstHarness *h =
      gst_harness_new_parse ("defcnoverlay show-labels=false color=0xff0000");

  for (int i = 0; i < 9; i++) {
    GstVideoInfo info;
    GstVideoFrame frame;
    GstBuffer *buffer;
    GstDefcnObject o;

    gst_harness_set_src_caps_str (h, caps[i % 3]);
    overlay_rig_info (&info, h);
    o = overlay_rig_object (4, 4, 12, 12, info.width, info.height, "person");
    buffer = overlay_rig_draw (&frame, h, &o, 1, &overlay_rig_looked);
    overlay_rig_assert_box (&frame, box, 2, 0xff0000);
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (buffer);
    if (i % 3 == 2) {
      gst_element_set_state (h->element, GST_STATE_NULL);
      gst_element_set_state (h->element, GST_STATE_PLAYING);
      gst_harness_play (h);
    }
  }
  gst_harness_teardown (h);
}

/* What is tracked has its id before the label; boxes that are predicted have
 * thin lines. */
static void
test_track (void)
{
  static const GstDefcnMark predicted = { FALSE, "interval", .model = "",
    .predicted = TRUE };
  const char *texts[] = { "person 0.50", "#7 person 0.50", "#7 person 0.50" };
  const int box[] = { 64, 100, 128, 160 };

  for (int i = 0; i < 3; i++) {
    GstHarness *h =
        overlay_rig_harness ("color=0xff0000 thickness=3", "GRAY8", W, H);
    GstDefcnObject o =
        overlay_rig_object (box[0], box[1], box[2], box[3], W, H, "person");
    const int width = 6 * (int) strlen (texts[i]) + 1;
    GstVideoFrame frame;
    GstBuffer *buffer;

    o.track.id = i ? 7 : 0;
    o.track.state = g_quark_from_string ("confirmed");
    buffer = overlay_rig_draw (&frame, h, &o, 1,
        i < 2 ? &overlay_rig_looked : &predicted);
    g_assert_true (overlay_rig_drawn (&frame, box[0] + width - 1, box[1] - 9));
    g_assert_false (overlay_rig_drawn (&frame, box[0] + width, box[1] - 9));
    g_assert_true (overlay_rig_drawn (&frame, box[0], 130));
    g_assert_cmpint (overlay_rig_drawn (&frame, box[0] + 2, 130), ==, i < 2);
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (buffer);
    gst_harness_teardown (h);
  }
}

static void
draw_and_stop (void)
{
  const GstDefcnObject o = overlay_rig_object (4, 4, 12, 12, 32, 32, "person");
  GstHarness *h = overlay_rig_harness ("hide-labels=a,b", "GRAY8", 32, 32);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  GstVideoFrame frame;
  GstBuffer *buffer;

  g_object_set (overlay, "hide-labels", "c", NULL);
  buffer = overlay_rig_draw (&frame, h, &o, 1, &overlay_rig_looked);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

/* The element leaves no memory behind. */
static void
test_steady (void)
{
  rig_assert_steady (draw_and_stop);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/overlay/untouched", test_untouched);
  g_test_add_func ("/overlay/copy-on-write", test_copy_on_write);
  g_test_add_func ("/overlay/repeated", test_repeated);
  g_test_add_func ("/overlay/short-buffer", test_short_buffer);
  g_test_add_func ("/overlay/order", test_order);
  g_test_add_func ("/overlay/live", test_live);
  g_test_add_func ("/overlay/class-colors", test_class_colors);
  g_test_add_func ("/overlay/hide-labels", test_hide_labels);
  g_test_add_func ("/overlay/late", test_late);
  g_test_add_func ("/overlay/lost", test_lost);
  g_test_add_func ("/overlay/crop", test_crop);
  g_test_add_func ("/overlay/properties", test_properties);
  g_test_add_func ("/overlay/metas", test_metas);
  g_test_add_func ("/overlay/foreign-region", test_foreign_region);
  g_test_add_func ("/overlay/decided-once", test_decided_once);
  g_test_add_func ("/overlay/toggled-while-flowing",
      test_toggled_while_flowing);
  g_test_add_func ("/overlay/track", test_track);
  g_test_add_func ("/overlay/states", test_states);
  g_test_add_func ("/overlay/steady", test_steady);
  return rig_run ();
}
