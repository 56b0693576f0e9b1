/* skip-still: which frames count as still, whatever their format and layout,
 * and when they are looked at all the same. */
#include "fake_detector.h"
#include "rig.h"

#define FRAME (GST_SECOND / 25)
#define WIDTH FAKE_DETECTOR_WIDTH
#define HEIGHT FAKE_DETECTOR_HEIGHT
#define GRAY "video/x-raw,format=GRAY8,width=160,height=120,framerate=25/1"

/* Frame number @n, all of one luma. */
static GstBuffer *
flat (guint n, guint8 luma)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT, NULL);

  gst_buffer_memset (buffer, 0, luma, -1);
  GST_BUFFER_PTS (buffer) = n * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;
  return buffer;
}

static void
fill (GstBuffer *buffer, int left, int top, int w, int h, guint8 luma)
{
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (int y = top; y < top + h; y++)
    for (int x = left; x < left + w; x++)
      map.data[y * WIDTH + x] = luma;
  gst_buffer_unmap (buffer, &map);
}

/* @in is looked at, or it is still and has the objects of frame @of. */
static void
assert_frame (GstHarness *h, GstBuffer *in, int of)
{
  g_autoptr (GstBuffer) out = NULL;
  GstDefcnMark mark;

  g_test_message ("frame %" G_GUINT64_FORMAT, GST_BUFFER_PTS (in) / FRAME);
  out = gst_harness_push_and_pull (h, in);
  mark = rig_mark (out);
  g_assert_cmpstr (mark.reason, ==, of < 0 ? "" : "still");
  g_assert_cmpint (mark.inferred, ==, of < 0);
  g_assert_cmpint (mark.repeated, ==, of >= 0);
  g_assert_cmpint (mark.fresh, ==, of < 0);
  g_assert_cmpuint (rig_count_objects (out), ==, 1);
  if (of >= 0)
    g_assert_cmpuint (mark.timestamp, ==, (guint) of * FRAME);
}

static GstHarness *
still_harness (const char *properties)
{
  g_autofree char *all =
      g_strconcat ("skip-still=3 repeat-detections=true ", properties, NULL);

  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  return fake_detector_harness (all, GRAY);
}

/* Up to the threshold a frame is still, and compared with is the last one that
 * was looked at: what changes slowly has changed in the end. */
static void
test_threshold (void)
{
  static const struct
  {
    guint8 luma;
    int of;
  } frames[] = { { 100, -1 }, { 103, 0 }, { 97, 0 }, { 104, -1 }, { 101, 3 },
    { 107, 3 }, { 100, -1 }, { 101, 6 }, { 102, 6 }, { 103, 6 }, { 104, -1 },
    { 255, -1 }, { 0, -1 } };
  GstHarness *h = still_harness ("");

  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    assert_frame (h, flat (i, frames[i].luma), frames[i].of);
  g_assert_cmpuint (rig_stat (h, "skipped-still"), ==, 7);
  g_assert_cmpuint (rig_stat (h, "inferred"), ==, 6);
  g_assert_cmpuint (rig_stat (h, "frames"), ==, 13);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 6);
  gst_harness_teardown (h);
}

/* Off unless asked for; without repeat-detections a still frame has none. */
static void
test_off (void)
{
  GstHarness *h = fake_detector_finding ("repeat-detections=true");

  for (guint i = 0; i < 3; i++) {
    GstBuffer *in = rig_frame (h, 0);

    GST_BUFFER_PTS (in) = i * FRAME;
    assert_frame (h, in, -1);
  }
  gst_harness_teardown (h);

  h = still_harness ("repeat-detections=false");
  assert_frame (h, flat (0, 9), -1);
  for (guint i = 1; i < 3; i++) {
    g_autoptr (GstBuffer) out = gst_harness_push_and_pull (h, flat (i, 9));

    g_assert_cmpstr (rig_mark (out).reason, ==, "still");
    g_assert_false (rig_mark (out).repeated);
    g_assert_cmpuint (rig_count_objects (out), ==, 0);
  }
  gst_harness_teardown (h);
}

/* A person's width somewhere: seen in a cell, wherever it is, the corners too.
 */
static void
test_everywhere (void)
{
  for (int y = 0; y < HEIGHT; y += 7) {
    for (int x = 0; x < WIDTH; x += 9) {
      GstHarness *h = still_harness ("");
      GstBuffer *moved = flat (1, 100);

      fill (moved, x, y, MIN (4, WIDTH - x), MIN (6, HEIGHT - y), 150);
      assert_frame (h, flat (0, 100), -1);
      assert_frame (h, moved, -1);
      gst_harness_teardown (h);
    }
  }
}

/* Never longer than max-still without a look, nor than max-age, nor where time
 * is missing, stands still or goes back. */
static void
test_bounded (void)
{
  GstHarness *h = still_harness ("max-still=200000000");
  g_autoptr (GstElement) element = rig_element (h);
  GstBuffer *in;
  guint64 bound;

  g_object_get (element, "max-still", &bound, NULL);
  g_assert_cmpuint (bound, ==, 200 * GST_MSECOND);
  for (guint i = 0; i < 13; i++)
    assert_frame (h, flat (i, 80), i % 5 ? (int) (i / 5 * 5) : -1);
  assert_frame (h, flat (12, 80), -1);
  assert_frame (h, flat (13, 80), 12);
  assert_frame (h, flat (11, 80), -1);
  in = flat (14, 80);
  GST_BUFFER_PTS (in) = GST_CLOCK_TIME_NONE;
  assert_frame (h, in, -1);
  assert_frame (h, flat (15, 80), -1);
  gst_harness_teardown (h);

  h = still_harness ("max-age=80000000");
  for (guint i = 0; i < 8; i++)
    assert_frame (h, flat (i, 80), i % 2 ? (int) i - 1 : -1);
  gst_harness_teardown (h);

  h = still_harness ("");
  for (guint i = 0; i < 102; i++)
    assert_frame (h, flat (i, 80), i % 50 ? (int) (i / 50 * 50) : -1);
  gst_harness_teardown (h);
}

static void
set_threshold (GstHarness *h)
{
  g_autoptr (GstElement) element = rig_element (h);

  g_object_set (element, "threshold", 0.25f, NULL);
}

static void
restart (GstHarness *h)
{
  fake_detector_restart (h);
  gst_harness_set_src_caps_str (h, GRAY);
}

/* What makes the earlier result say nothing about this frame has it looked at,
 * however still it is: another stream, and other settings. */
static void
test_looks_anew (void)
{
  static void (*const what[]) (
      GstHarness *) = { rig_push_segment, rig_flush, set_threshold, restart };
  GstHarness *h;
  GstBuffer *in;

  for (guint i = 0; i < G_N_ELEMENTS (what); i++) {
    g_test_message ("%u", i);
    h = still_harness ("");
    assert_frame (h, flat (0, 50), -1);
    assert_frame (h, flat (1, 50), 0);
    what[i](h);
    assert_frame (h, flat (2, 50), -1);
    assert_frame (h, flat (3, 50), 2);
    gst_harness_teardown (h);
  }
  h = still_harness ("");
  assert_frame (h, flat (0, 50), -1);
  in = flat (1, 50);
  GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_DISCONT);
  assert_frame (h, in, -1);
  assert_frame (h, flat (2, 50), 1);
  gst_harness_teardown (h);
}

/* A region has a grid of its own: what is too small for the whole frame's is
 * seen there, and what is outside is not.  Regions that come with the frames
 * have to be the same. */
static void
test_regions (void)
{
  GstHarness *h = still_harness ("roi=16,16,32,32");
  GstBuffer *in;

  assert_frame (h, flat (0, 50), -1);
  in = flat (1, 50);
  fill (in, 60, 60, 40, 40, 200);
  assert_frame (h, in, 0);
  in = flat (2, 50);
  fill (in, 20, 20, 1, 1, 54);
  assert_frame (h, in, -1);
  gst_harness_teardown (h);

  h = still_harness ("");
  assert_frame (h, flat (0, 50), -1);
  in = flat (1, 50);
  fill (in, 20, 20, 1, 1, 54);
  assert_frame (h, in, 0);
  gst_harness_teardown (h);

  h = still_harness ("inference-region=roi-list");
  for (guint i = 0; i < 6; i++) {
    in = flat (i, 50);
    gst_buffer_add_video_region_of_interest_meta (in, "zone", i < 4 ? 10 : 11,
        10, 90, 100);
    if (i == 2 || i == 3)
      gst_buffer_add_video_region_of_interest_meta (in, "zone", 1, 1, 9, 9);
    assert_frame (h, in, i % 2 ? (int) i - 1 : -1);
  }
  gst_harness_teardown (h);
}

/* What lies between the rows and outside the crop may change as it likes. */
static void
test_layout (void)
{
  GstHarness *h = still_harness ("");
  gsize offset[GST_VIDEO_MAX_PLANES] = { 128 };
  int strides[GST_VIDEO_MAX_PLANES] = { WIDTH + 40 };
  const gsize stride = strides[0];

  for (guint i = 0; i < 6; i++) {
    GstBuffer *in =
        gst_buffer_new_allocate (NULL, offset[0] + stride * HEIGHT, NULL);
    GstMapInfo map;

    gst_buffer_memset (in, 0, (guint8) (10 + 40 * i), -1);
    g_assert_true (gst_buffer_map (in, &map, GST_MAP_WRITE));
    for (gsize y = 0; y < HEIGHT; y++)
      for (gsize x = 10; x < 50; x++)
        map.data[offset[0] + y * stride + x] = 90;
    if (i == 3)
      map.data[offset[0] + 100 * stride + 30] = 255;
    gst_buffer_unmap (in, &map);
    gst_buffer_add_video_meta_full (in, 0, GST_VIDEO_FORMAT_GRAY8, WIDTH,
        HEIGHT, 1, offset, strides);
    gst_buffer_add_video_crop_meta (in)->x = 10;
    gst_buffer_get_video_crop_meta (in)->width = 40;
    gst_buffer_get_video_crop_meta (in)->height = HEIGHT;
    GST_BUFFER_PTS (in) = i * FRAME;
    assert_frame (h, in, i == 0 || i >= 3 ? i == 5 ? 4 : -1 : 0);
  }
  gst_harness_teardown (h);
}

/* no-block: compared is with what was handed over last, once its result is
 * there. */
static void
test_no_block (void)
{
  GstHarness *h = still_harness ("no-block=true");
  g_autoptr (GstBuffer) first = NULL, second = NULL, third = NULL;

  fake_detector_hold ();
  first = gst_harness_push_and_pull (h, flat (0, 50));
  g_assert_cmpstr (rig_mark (first).reason, ==, "busy");
  fake_detector_wait_held ();
  second = gst_harness_push_and_pull (h, flat (1, 50));
  g_assert_cmpstr (rig_mark (second).reason, ==, "busy");
  fake_detector_release ();
  fake_detector_wait_runs (1);
  fake_detector_wait_idle ();
  third = gst_harness_push_and_pull (h, flat (2, 52));
  g_assert_cmpstr (rig_mark (third).reason, ==, "still");
  g_assert_true (rig_mark (third).fresh);
  g_assert_cmpuint (rig_mark (third).timestamp, ==, 0);
  assert_frame (h, flat (3, 52), 0);
  g_assert_cmpuint (fake_detector_n_runs (), ==, 1);
  gst_harness_teardown (h);
}

/* A still frame whose turn it was leaves the turn to the next one. */
static void
test_interval (void)
{
  GstHarness *h = still_harness ("inference-interval=3");
  static const char *const reasons[] = { "", "interval", "interval", "still",
    "still", "", "interval" };

  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++) {
    g_autoptr (GstBuffer) out =
        gst_harness_push_and_pull (h, flat (i, i < 5 ? 50 : 90));

    g_assert_cmpstr (rig_mark (out).reason, ==, reasons[i]);
  }
  gst_harness_teardown (h);
}

/* A scene with a camera's noise, and a dark figure at @left. */
static GstBuffer *
scene (const GstVideoInfo *to, guint n, int left)
{
  const guint32 ground = 0xff8c8c8c, figure = 0xff323232;
  g_autoptr (GRand) rand = g_rand_new_with_seed (n + 1);
  g_autoptr (GstBuffer) drawn = NULL;
  GstVideoInfo from;
  GstMapInfo map;

  gst_video_info_set_format (&from, GST_VIDEO_FORMAT_BGRA,
      GST_VIDEO_INFO_WIDTH (to), GST_VIDEO_INFO_HEIGHT (to));
  drawn = gst_buffer_new_allocate (NULL, from.size, NULL);
  g_assert_true (gst_buffer_map (drawn, &map, GST_MAP_WRITE));
  for (int y = 0; y < from.height; y++) {
    guint32 *row = (guint32 *) (map.data + (gsize) y * from.stride[0]);

    for (int x = 0; x < from.width; x++) {
      const gboolean in = x >= left && x < left + 24 && y >= 60 && y < 60 + 60;

      row[x] = (in ? figure : ground)
          + 0x010101 * (guint32) g_rand_int_range (rand, 0, 13);
    }
  }
  gst_buffer_unmap (drawn, &map);
  GST_BUFFER_PTS (drawn) = n * FRAME;
  return rig_convert (drawn, &from, to);
}

/* Whatever raw format frames have: noise is still, a figure that has moved by
 * a third of its width is not. */
static void
test_formats (void)
{
  guint tried = 0, n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  for (guint i = 0; i < n; i++) {
    const GstVideoFormat format = formats[i];
    const char *name = gst_video_format_to_string (format);
    g_autofree char *caps = g_strdup_printf (
        "video/x-raw,format=%s,width=320,height=240,framerate=25/1", name);
    GstVideoInfo info;
    GstHarness *h;

    if (!strstr (GST_VIDEO_FORMATS_ALL, name)
        || !gst_video_info_set_format (&info, format, 320, 240))
      continue;
    g_test_message ("%s", name);
    fake_detector_reset ();
    fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
    h = fake_detector_harness ("skip-still=4 repeat-detections=true", caps);
    assert_frame (h, scene (&info, 0, 100), -1);
    assert_frame (h, scene (&info, 1, 100), 0);
    assert_frame (h, scene (&info, 2, 100), 0);
    assert_frame (h, scene (&info, 3, 108), -1);
    assert_frame (h, scene (&info, 4, 108), 3);
    gst_harness_teardown (h);
    tried++;
  }
  g_test_message ("%u formats", tried);
  g_assert_cmpuint (tried, >=, 100);
}

/* Sizes down to the smallest and up to the largest side: something in the last
 * corner is seen. */
static void
test_sizes (void)
{
  static const int sizes[][2] = { { 16, 16 }, { 17, 33 }, { 8192, 16 },
    { 16, 8192 }, { 31, 240 } };
  static const DefcnBox small = { 1, 2, 9, 12, 0.75f, 2 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *caps =
        g_strdup_printf ("video/"
                         "x-raw,format=I420,width=%d,height=%d,framerate=25/1",
            sizes[i][0], sizes[i][1]);
    GstHarness *h;

    g_test_message ("%d x %d", sizes[i][0], sizes[i][1]);
    fake_detector_reset ();
    fake_detector_add_run (&small, 1, fake_detector_times);
    h = fake_detector_harness ("skip-still=1 repeat-detections=true", caps);
    for (guint n = 0; n < 4; n++) {
      const int w = sizes[i][0], rows = sizes[i][1],
                stride = GST_ROUND_UP_4 (w);
      GstBuffer *in = rig_frame (h, 0);

      gst_buffer_memset (in, 0, 70, (gsize) stride * rows);
      for (int y = rows - MAX (rows / 64, 1); n >= 2 && y < rows; y++)
        gst_buffer_memset (in, (gsize) y * stride + w - 4, 255, 4);
      GST_BUFFER_PTS (in) = n * FRAME;
      assert_frame (h, in, n == 1 ? 0 : n == 3 ? 2 : -1);
    }
    gst_harness_teardown (h);
  }
}

static void
cycle (void)
{
  GstHarness *h = still_harness ("");

  for (guint i = 0; i < 3; i++)
    gst_buffer_unref (gst_harness_push_and_pull (h, flat (i, 90)));
  gst_harness_teardown (h);
}

static void
test_leaks (void)
{
  rig_assert_steady (cycle);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/still/threshold", test_threshold);
  g_test_add_func ("/still/off", test_off);
  g_test_add_func ("/still/everywhere", test_everywhere);
  g_test_add_func ("/still/bounded", test_bounded);
  g_test_add_func ("/still/looks-anew", test_looks_anew);
  g_test_add_func ("/still/regions", test_regions);
  g_test_add_func ("/still/layout", test_layout);
  g_test_add_func ("/still/no-block", test_no_block);
  g_test_add_func ("/still/interval", test_interval);
  g_test_add_func ("/still/formats", test_formats);
  g_test_add_func ("/still/sizes", test_sizes);
  g_test_add_func ("/still/leaks", test_leaks);
  return rig_run ();
}
