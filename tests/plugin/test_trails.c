/* Where tracked objects have been: which lines, and what is kept. */
#include <string.h>

#include "overlay_rig.h"

#include "overlay/trails.h"

#define W 200
#define H 100
#define KEEP (2 * GST_SECOND)

typedef struct
{
  GstDefcnTrails *trails;
  GArray *objects;
  GstBuffer *buffer;
  GstVideoFrame frame;
} Rig;

static void
set_up (Rig *rig, int w, int h)
{
  GstVideoInfo info;

  rig->trails = gst_defcn_trails_new ();
  rig->objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, w, h);
  rig->buffer = overlay_rig_frame (&info, FALSE);
  g_assert_true (
      gst_video_frame_map (&rig->frame, &info, rig->buffer, GST_MAP_READWRITE));
}

static void
tear_down (Rig *rig)
{
  gst_video_frame_unmap (&rig->frame);
  gst_buffer_unref (rig->buffer);
  g_array_unref (rig->objects);
  gst_defcn_trails_free (rig->trails);
}

/* An object whose lower edge has its middle at pixel @x, @y of W x H. */
static void
add (Rig *rig, gint64 id, double x, double y)
{
  GstDefcnObject o = { x / (W - 1) - 0.02, 0, x / (W - 1) + 0.02, y / (H - 1),
    0.5, 0, 0 };

  o.track.id = id;
  g_array_append_val (rig->objects, o);
}

static void
follow (Rig *rig, double seconds)
{
  const GstDefcnColors white = { .color = 0xffffff };

  gst_defcn_trails_follow (rig->trails, rig->objects, &white,
      (gint64) (seconds * GST_SECOND), KEEP);
  g_array_set_size (rig->objects, 0);
}

static void
follow_one (Rig *rig, gint64 id, double x, double y, double seconds)
{
  add (rig, id, x, y);
  follow (rig, seconds);
}

static void
draw (Rig *rig, int thickness)
{
  GstDefcnCanvas canvas;

  memset (GST_VIDEO_FRAME_PLANE_DATA (&rig->frame, 0), 77,
      (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&rig->frame, 0)
          * GST_VIDEO_FRAME_HEIGHT (&rig->frame));
  gst_defcn_canvas_begin (&canvas, &rig->frame, NULL);
  gst_defcn_trails_draw (rig->trails, &canvas, thickness);
  gst_defcn_canvas_end (&canvas);
}

/* Drawn pixels of a column. */
static int
column (Rig *rig, int x)
{
  int n = 0;

  for (int y = 0; y < GST_VIDEO_FRAME_HEIGHT (&rig->frame); y++)
    n += overlay_rig_drawn (&rig->frame, x, y);
  return n;
}

/* A line from where it was to where it is, thick there and thin at the other
 * end, and nothing of it before and after. */
static void
test_line (void)
{
  Rig rig;
  int before = 0;

  set_up (&rig, W, H);
  for (int i = 0; i <= 20; i++)
    follow_one (&rig, 1, 20 + 8 * i, 50, i * 0.1);
  g_assert_true (gst_defcn_trails_are_seen (rig.trails));
  draw (&rig, 7);
  for (int x = 0; x < W; x++) {
    const int n = column (&rig, x);

    if (x < 20 || x > 180)
      g_assert_cmpint (n, ==, 0);
    else
      g_assert_cmpint (n, >=, MAX (before, 1));
    before = n;
    if (x == 20)
      g_assert_cmpint (n, ==, 1);
    if (x == 180)
      g_assert_cmpint (n, ==, 7);
    if (x == 100)
      g_assert_true (overlay_rig_drawn (&rig.frame, x, 50));
  }
  tear_down (&rig);
}

/* One point is no line, an object without an id has none, and another id begins
 * anew: nothing joins the two. */
static void
test_ids (void)
{
  Rig rig;

  set_up (&rig, W, H);
  follow_one (&rig, 1, 20, 50, 0);
  g_assert_false (gst_defcn_trails_are_seen (rig.trails));
  follow_one (&rig, 1, 60, 50, 0.1);
  follow_one (&rig, 2, 120, 50, 0.2);
  follow_one (&rig, 2, 160, 50, 0.3);
  draw (&rig, 1);
  for (int x = 0; x < W; x++)
    g_assert_cmpint (column (&rig, x), ==,
        (x >= 20 && x <= 60) || (x >= 120 && x <= 160));
  tear_down (&rig);

  set_up (&rig, W, H);
  for (int i = 0; i < 5; i++)
    follow_one (&rig, 0, 20 + 20 * i, 50, i * 0.1);
  g_assert_false (gst_defcn_trails_are_seen (rig.trails));
  tear_down (&rig);
}

/* What is too old goes, also when the object does. */
static void
test_age (void)
{
  Rig rig;

  set_up (&rig, W, H);
  for (int i = 0; i <= 30; i++) /* 3 s, of which two are kept */
    follow_one (&rig, 1, 20 + 5 * i, 50, i * 0.1);
  draw (&rig, 1);
  for (int x = 0; x < W; x++)
    g_assert_cmpint (column (&rig, x), ==, x >= 70 && x <= 170);
  follow (&rig, 4);
  draw (&rig, 1);
  for (int x = 0; x < W; x++)
    g_assert_cmpint (column (&rig, x), ==, x >= 120 && x <= 170);
  follow (&rig, 4.95);
  g_assert_false (gst_defcn_trails_are_seen (rig.trails));
  follow_one (&rig, 1, 20, 50, 6);
  g_assert_false (gst_defcn_trails_are_seen (rig.trails));
  tear_down (&rig);
}

/* Time that goes back begins anew, as clear does. */
static void
test_back (void)
{
  for (int cleared = 0; cleared < 2; cleared++) {
    Rig rig;

    set_up (&rig, W, H);
    follow_one (&rig, 1, 20, 50, 1);
    follow_one (&rig, 1, 60, 50, 1.1);
    if (cleared)
      gst_defcn_trails_clear (rig.trails);
    else
      follow_one (&rig, 1, 100, 50, 0.5);
    g_assert_false (gst_defcn_trails_are_seen (rig.trails));
    follow_one (&rig, 1, 140, 50, 0.6);
    draw (&rig, 1);
    for (int x = 0; x < W; x++)
      g_assert_cmpint (column (&rig, x), ==, !cleared && x >= 100 && x <= 140);
    tear_down (&rig);
  }
}

/* In a frame of another size, or that is part of a larger one, the line is
 * where the picture is, and nowhere else. */
static void
test_picture (void)
{
  const GstDefcnPixels clip = { 100, 50, W, H };
  GstDefcnCanvas canvas;
  Rig rig;

  set_up (&rig, 2 * W, 2 * H);
  follow_one (&rig, 1, 0, 99, 0);
  follow_one (&rig, 1, 199, 99, 0.1);
  draw (&rig, 1);
  for (int x = 0; x < 2 * W; x++)
    g_assert_true (overlay_rig_drawn (&rig.frame, x, 2 * H - 1));

  memset (GST_VIDEO_FRAME_PLANE_DATA (&rig.frame, 0), 77, 4 * W * H);
  gst_defcn_canvas_begin (&canvas, &rig.frame, &clip);
  gst_defcn_trails_draw (rig.trails, &canvas, 9);
  gst_defcn_canvas_end (&canvas);
  for (int y = 0; y < 2 * H; y++)
    for (int x = 0; x < 2 * W; x++)
      if (x < 100 || x >= 300 || y < 50 || y >= 150)
        g_assert_false (overlay_rig_drawn (&rig.frame, x, y));
  g_assert_true (overlay_rig_drawn (&rig.frame, 100, 149));
  g_assert_true (overlay_rig_drawn (&rig.frame, 299, 149));
  tear_down (&rig);
}

/* However many objects and frames there are, so much is kept and no more: an
 * hour of a thousand frames a second takes no more memory than a second. */
static void
test_bounded (void)
{
  Rig rig;

  set_up (&rig, W, H);
  for (int i = 0; i < 2 * GST_DEFCN_TRAILS_MAX; i++)
    add (&rig, i + 1, 20, 50);
  follow (&rig, 0);
  for (int i = 0; i < 2 * GST_DEFCN_TRAILS_MAX; i++)
    add (&rig, i + 1, i < GST_DEFCN_TRAILS_MAX ? 60 : 160, 50);
  follow (&rig, 0.1);
  draw (&rig, 1);
  g_assert_cmpint (column (&rig, 40), ==, 1);
  g_assert_cmpint (column (&rig, 100), ==, 0); /* one too many */
  tear_down (&rig);

  set_up (&rig, W, H);
  for (int i = 0; i <= 4000; i++)
    follow_one (&rig, 1, 20 + i % 2 * 100 + i * 0.01, 50, i * 0.001);
  draw (&rig, 1);
  /* Points that are closer in time than a 64th of it are one. */
  g_assert_cmpuint (gst_defcn_trails_count (rig.trails), <=,
      GST_DEFCN_TRAILS_POINTS + 2);
  g_assert_cmpuint (gst_defcn_trails_count (rig.trails), >,
      GST_DEFCN_TRAILS_POINTS / 2);
  tear_down (&rig);
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/trails/line", test_line);
  g_test_add_func ("/trails/ids", test_ids);
  g_test_add_func ("/trails/age", test_age);
  g_test_add_func ("/trails/back", test_back);
  g_test_add_func ("/trails/picture", test_picture);
  g_test_add_func ("/trails/bounded", test_bounded);
  return rig_run ();
}
