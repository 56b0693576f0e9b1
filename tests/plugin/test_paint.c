/* What defcnoverlay draws: every byte of frames of every format. */
#include "overlay_rig.h"

#include <string.h>

#include "overlay/dots.h"

#define W 320
#define H 240

static void
fill (GstVideoFrame *frame, const GstDefcnPaint *paint, int x, int y, int w,
    int h)
{
  GstDefcnCanvas canvas;

  gst_defcn_canvas_begin (&canvas, frame, NULL);
  gst_defcn_paint_rect (&canvas, paint, x, y, w, h);
  gst_defcn_canvas_end (&canvas);
}

/* In the dot font, the first dot of which is at @x, @y. */
static void
write_dots (GstVideoFrame *frame, const GstDefcnPaint *paint, int x, int y,
    int scale, const char *text)
{
  GstDefcnCanvas canvas;
  GstDefcnRun run;

  gst_defcn_dots_render (&run, text, scale, 1 << 15);
  gst_defcn_canvas_begin (&canvas, frame, NULL);
  gst_defcn_paint_mask (&canvas, paint, x + run.x, y + run.ascent + run.y,
      &run.mask);
  gst_defcn_canvas_end (&canvas);
  g_free (run.mask.cover);
}

static int
dots_width (const char *text, int scale)
{
  GstDefcnRun run;

  gst_defcn_dots_render (&run, text, scale, 1 << 15);
  g_free (run.mask.cover);
  return run.advance;
}

/* In each format a red box has red's components on its border, which are the
 * standard's own figures, and leaves every other pixel alone. */
static void
test_formats (void)
{
  static const struct
  {
    const char *format, *colorimetry;
    guint n;
    guint8 red[4];
  } cases[] = {
    { "RGB", "sRGB", 3, { 255, 0, 0 } }, { "BGR", "sRGB", 3, { 255, 0, 0 } },
    { "RGBA", "sRGB", 4, { 255, 0, 0, 255 } },
    { "BGRA", "sRGB", 4, { 255, 0, 0, 255 } },
    { "RGBx", "sRGB", 3, { 255, 0, 0 } }, { "BGRx", "sRGB", 3, { 255, 0, 0 } },
    { "I420", "bt601", 3, { 81, 90, 240 } },
    { "NV12", "bt601", 3, { 81, 90, 240 } },
    { "YUY2", "bt601", 3, { 81, 90, 240 } },
    { "I420", "bt709", 3, { 63, 102, 240 } },
    { "NV12", "1:4:0:0", 3, { 76, 85, 255 } }, /* full range, BT.601 */
  };
  const int box[4] = { 64, 100, 128, 160 };
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *format = g_strdup_printf ("%s,colorimetry=%s",
        cases[i].format, cases[i].colorimetry);
    GstHarness *h =
        overlay_rig_harness ("show-labels=false color=0xff0000", format, W, H);
    GstVideoFrame frame;
    GstBuffer *buffer =
        overlay_rig_draw (&frame, h, &o, 1, &overlay_rig_looked);

    g_test_message ("%s", format);
    overlay_rig_assert_box (&frame, box, 2, 0xff0000);
    for (guint c = 0; c < cases[i].n; c++) {
      g_assert_cmpuint (overlay_rig_sample (&frame, c, 64, 100), ==,
          cases[i].red[c]);
      g_assert_cmpuint (overlay_rig_sample (&frame, c, 127, 159), ==,
          cases[i].red[c]);
      g_assert_cmpuint (overlay_rig_sample (&frame, c, 96, 130), ==, 77);
      g_assert_cmpuint (overlay_rig_sample (&frame, c, 62, 98), ==, 77);
    }
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (buffer);
    gst_harness_teardown (h);
  }
}

/* Grey is the luma of the colour. */
static void
test_gray (void)
{
  const int box[4] = { 64, 100, 128, 160 };
  const GstDefcnObject o =
      overlay_rig_object (64, 100, 128, 160, W, H, "person");
  GstHarness *h =
      overlay_rig_harness ("show-labels=false color=0xffffff", "GRAY8", W, H);
  GstVideoFrame frame;
  GstBuffer *buffer = overlay_rig_draw (&frame, h, &o, 1, &overlay_rig_looked);

  overlay_rig_assert_box (&frame, box, 2, 0xffffff);
  g_assert_cmpuint (overlay_rig_sample (&frame, 0, 64, 100), >=, 235);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

#define ALL_FORMATS                                                            \
  {                                                                            \
    "NV12", "I420", "YUY2", "RGB", "BGR", "RGBA", "BGRA", "RGBx", "BGRx",      \
        "GRAY8"                                                                \
  }

/* In every format, of the tightest and of another layout, boxes at every edge,
 * of one pixel, and thinner than their lines: lines stay inside the box and the
 * frame, at odd sizes, the smallest and the widest. */
static void
test_clipping (void)
{
  static const struct
  {
    int w, h, box[4], thickness;
  } cases[] = {
    { 1, 1, { 0, 0, 1, 1 }, 2 },
    { 2, 3, { 1, 1, 2, 3 }, 1 },
    { 16, 16, { 0, 0, 16, 16 }, 1 },
    { 16, 16, { 3, 5, 4, 6 }, 2 },
    { 33, 17, { 0, 0, 33, 17 }, 2 },
    { 33, 17, { 32, 16, 33, 17 }, 2 },
    { 33, 17, { 0, 0, 1, 1 }, 100 },
    { 35, 19, { 5, 7, 8, 18 }, 2 },
    { 35, 19, { 5, 3, 30, 16 }, 100 },
    { 35, 19, { 31, 15, 35, 19 }, 3 },
    { 17, 33, { 0, 9, 17, 12 }, 4 },
    { 8192, 16, { 8101, 3, 8192, 9 }, 2 },
  };
  static const char *const formats[] = ALL_FORMATS;

  for (guint i = 0; i < G_N_ELEMENTS (cases) * G_N_ELEMENTS (formats); i++) {
    const guint k = i / G_N_ELEMENTS (formats);
    const char *format = formats[i % G_N_ELEMENTS (formats)];
    const int *b = cases[k].box, w = cases[k].w, height = cases[k].h;
    g_autofree char *properties =
        g_strdup_printf ("show-labels=false color=0xff0000 thickness=%d",
            cases[k].thickness);
    GstHarness *h = overlay_rig_harness (properties, format, w, height);
    const GstDefcnObject o =
        overlay_rig_object (b[0], b[1], b[2], b[3], w, height, "person");
    GstVideoInfo info;

    g_test_message ("%s, case %u", format, k);
    overlay_rig_info (&info, h);
    for (int padded = 0; padded < 2; padded++) {
      GstVideoFrame frame;
      g_autoptr (GstBuffer) buffer = overlay_rig_frame (&info, padded);

      overlay_rig_attach (buffer, &o, 1, &overlay_rig_looked, w, height);
      buffer = overlay_rig_draw_frame (&frame, h, buffer);
      overlay_rig_assert_box (&frame, b, cases[k].thickness, 0xff0000);
      gst_video_frame_unmap (&frame);
    }
    gst_harness_teardown (h);
  }
}

/* Whatever GStreamer can describe can be drawn on: the rectangle has its colour
 * and nothing else has changed, seen through GstVideoConverter, but for the
 * pixels that share a sample with it. */
static void
test_any_format (void)
{
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);
  const int w = 67, h = 45, box[] = { 11, 7, 40, 30 };

  for (guint i = 0; i < n; i++) {
    GstVideoInfo info, rgb;
    g_autoptr (GstBuffer) plain = NULL, buffer = NULL, before = NULL,
                          after = NULL;
    GstVideoFrame frame, a, b;
    GstDefcnPaint paint;
    gboolean gray, palette;

    if (!gst_video_info_set_format (&info, formats[i], w, h)
        || !info.finfo->unpack_func)
      continue;
    g_test_message ("%s", info.finfo->name);
    gray = GST_VIDEO_INFO_IS_GRAY (&info);
    palette = (info.finfo->flags & GST_VIDEO_FORMAT_FLAG_PALETTE) != 0;
    gst_video_info_set_format (&rgb, GST_VIDEO_FORMAT_BGRx, w, h);
    plain = gst_buffer_new_allocate (NULL, rgb.size, NULL);
    gst_buffer_memset (plain, 0, 0x66, -1);
    buffer = rig_convert (plain, &rgb, &info);
    before = rig_convert (buffer, &info, &rgb);
    gst_defcn_paint_init (&paint, &info, 0xff9900);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    fill (&frame, &paint, box[0], box[1], box[2] - box[0], box[3] - box[1]);
    gst_video_frame_unmap (&frame);
    after = rig_convert (buffer, &info, &rgb);

    g_assert_true (gst_video_frame_map (&a, &rgb, before, GST_MAP_READ));
    g_assert_true (gst_video_frame_map (&b, &rgb, after, GST_MAP_READ));
    for (int y = 0; y < h; y++) {
      for (int x = 0; x < w; x++) {
        static const int orange[] = { 0x00, 0x99, 0xff }; /* B, G, R */
        const guint8 *p = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&a, 0)
            + y * GST_VIDEO_FRAME_PLANE_STRIDE (&a, 0) + 4 * x;
        const guint8 *q = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&b, 0)
            + y * GST_VIDEO_FRAME_PLANE_STRIDE (&b, 0) + 4 * x;
        const gboolean inside = x >= box[0] + 4 && x < box[2] - 4
            && y >= box[1] + 4 && y < box[3] - 4;
        const gboolean outside = x < box[0] - 8 || x >= box[2] + 8
            || y < box[1] - 8 || y >= box[3] + 8;

        for (int c = 0; c < 3; c++) {
          if (inside)
            g_assert_cmpint (ABS (q[c] - (gray ? 166 : orange[c])), <=,
                palette ? 40 : 12);
          if (outside)
            g_assert_cmpint (ABS (q[c] - p[c]), <=, 1);
        }
      }
    }
    gst_video_frame_unmap (&a);
    gst_video_frame_unmap (&b);
  }
}

static guint
count_drawn (GstVideoFrame *frame, int x1, int y1, int x2, int y2)
{
  guint n = 0;

  for (int y = y1; y < y2; y++)
    for (int x = x1; x < x2; x++)
      n += overlay_rig_drawn (frame, x, y);
  return n;
}

static guint
count_dots (const char *text)
{
  const GstDefcnPaint white = { { 255 } };
  GstVideoInfo info;
  GstVideoFrame frame;
  g_autoptr (GstBuffer) buffer = NULL;
  guint dots;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, W, 8);
  buffer = overlay_rig_frame (&info, FALSE);
  g_assert_true (
      gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
  write_dots (&frame, &white, 0, 0, 1, text);
  dots = count_drawn (&frame, 0, 0, W, 8);
  gst_video_frame_unmap (&frame);
  return dots;
}

/* Text can be read on every colour, and labels lie over the boxes of others,
 * better ones too. */
static void
test_labels_legible (void)
{
  static const struct
  {
    guint32 color;
    guint8 ink;
  } cases[] = { { 0xffffff, 0 }, { 0xffff00, 0 }, { 0x00ff00, 0 },
    { 0x0000ff, 255 }, { 0x000001, 255 }, { 0x800000, 255 }, { 0x6d6d6d, 255 },
    { 0x6e6e6e, 0 }, { 0x6060ff, 0 }, { 0x5050ff, 255 }, { 0xff4000, 0 },
    { 0xff3000, 255 }, { 0x00bc00, 0 }, { 0x00bb00, 255 } };
  const GstDefcnObject two[] = {
    overlay_rig_object (80, 20, 128, 160, W, H, "best"),
    overlay_rig_object (64, 100, 128, 160, W, H, "person"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const guint32 color = cases[i].color;
    g_autofree char *properties = g_strdup_printf ("color=%u", color);
    GstHarness *h = overlay_rig_harness (properties, "RGB", W, H);
    GstVideoFrame frame;
    GstBuffer *buffer =
        overlay_rig_draw (&frame, h, two, 2, &overlay_rig_looked);
    guint ink = 0;

    for (int y = 91; y < 100; y++)
      for (int x = 64; x < 131; x++) {
        const guint32 pixel = overlay_rig_sample (&frame, 0, x, y) << 16
            | overlay_rig_sample (&frame, 1, x, y) << 8
            | overlay_rig_sample (&frame, 2, x, y);

        g_assert_true (pixel == color || pixel == cases[i].ink * 0x010101u);
        ink += pixel != color;
      }
    g_assert_cmpuint (ink, ==, count_dots ("person 0.50"));
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (buffer);
    gst_harness_teardown (h);
  }
}

/* A label larger than the frame stays in it, whatever the format, the layout
 * and the place. */
static void
test_labels_clipped (void)
{
  static const int sizes[][2] = { { 1, 1 }, { 3, 2 }, { 16, 16 }, { 8192, 4 } };
  static const char *const formats[] = ALL_FORMATS;

  for (guint i = 0; i < G_N_ELEMENTS (sizes) * G_N_ELEMENTS (formats); i++) {
    const int *size = sizes[i / G_N_ELEMENTS (formats)];
    const char *format = formats[i % G_N_ELEMENTS (formats)];
    GstHarness *h =
        overlay_rig_harness ("color=0xff0000", format, size[0], size[1]);
    const GstDefcnObject o[2] = {
      overlay_rig_object (0, 0, 1, 1, size[0], size[1], "person"),
      overlay_rig_object (size[0] - 1, size[1] - 1, size[0], size[1], size[0],
          size[1], "car"),
    };
    GstVideoInfo info;
    GstVideoFrame frame;
    g_autoptr (GstBuffer) buffer = NULL;

    g_test_message ("%s, %d x %d", format, size[0], size[1]);
    overlay_rig_info (&info, h);
    buffer = overlay_rig_frame (&info, TRUE);
    overlay_rig_attach (buffer, o, 2, &overlay_rig_looked, size[0], size[1]);
    buffer = overlay_rig_draw_frame (&frame, h, buffer);
    g_assert_true (overlay_rig_drawn (&frame, 0, 0));
    g_assert_true (overlay_rig_drawn (&frame, size[0] - 1, size[1] - 1));
    overlay_rig_assert_padding (&frame);
    gst_video_frame_unmap (&frame);
    gst_harness_teardown (h);
  }
}

/* A label is a filled strip above the box, below its top edge where there is
 * no room above; it has dark ink; it is moved left where it would leave the
 * frame, and cut only if it is wider than that. */
static void
test_labels (void)
{
  static const struct
  {
    int x, y;
    const char *label;
    int left, right, top; /* of the strip */
  } cases[] = {
    { 64, 100, "person", 64, 131, 91 },
    { 64, 3, "person", 64, 131, 0 },
    { 300, 100, "a label to be moved", 175, 320, 91 },
    { 300, 100,
        "a label that is wider than the frame, however far one moves it", 0,
        320, 91 },
    { 64, 100, "Gr\xc3\xbcn \xe4\xbd\xa0", 64, 131, 91 },
    { 64, 100, "", 64, 89, 91 },
    { 64, 100, "\xff latin \xe9", 64, 149, 91 },
    { 64, 100, "cut \xf0", 64, 125, 91 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = overlay_rig_harness ("color=0xffffff", "GRAY8", W, H);
    const int left = cases[i].left, right = cases[i].right;
    const int top = cases[i].top;
    GstVideoInfo info;
    GstVideoFrame frame;
    GstVideoRegionOfInterestMeta *roi;
    guint ink = 0;
    g_autoptr (GstBuffer) buffer = NULL;

    overlay_rig_info (&info, h);
    buffer = overlay_rig_frame (&info, FALSE);
    roi = gst_buffer_add_video_region_of_interest_meta (buffer, cases[i].label,
        cases[i].x, cases[i].y, 20, 60);
    gst_video_region_of_interest_meta_add_param (roi,
        gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5,
            NULL));
    buffer = overlay_rig_draw_frame (&frame, h, buffer);

    g_test_message ("case %u", i);
    g_assert_cmpuint (count_drawn (&frame, left, top, right, top + 9), ==,
        9 * (right - left));
    for (int row = top; row < top + 9; row++)
      for (int column = left; column < right; column++)
        ink += overlay_rig_sample (&frame, 0, column, row) < 77;
    g_assert_cmpuint (ink, >, 0);
    g_assert_cmpuint (count_drawn (&frame, 0, 0, W, top), ==, 0);
    g_assert_cmpuint (count_drawn (&frame, 0, top, left, top + 9), ==, 0);
    g_assert_cmpuint (count_drawn (&frame, right, top, W, top + 9), ==, 0);
    gst_video_frame_unmap (&frame);
    gst_harness_teardown (h);
  }
}

/* Where a label lies, to the byte, at every border of the frame: its strip is a
 * dot wider than the text on each side, and dots are larger in a larger frame.
 */
static void
test_labels_placed (void)
{
  static const struct
  {
    int w, h, box[4], scale, x, y;
    double confidence;
    const char *text;
  } cases[] = {
    { 100, 60, { 10, 20, 60, 50 }, 1, 10, 11, 0.5, "a 0.50" },
    { 100, 60, { 10, 20, 60, 50 }, 1, 10, 11, 0, "a 0.00" },
    { 100, 60, { 10, 20, 60, 50 }, 1, 10, 11, 0.996, "a 1.00" },
    { 100, 60, { 10, 20, 60, 50 }, 1, 10, 11, -1, "a" },
    { 100, 60, { 0, 0, 100, 60 }, 1, 0, 0, 0.5, "a 0.50" },
    { 100, 60, { 0, 8, 100, 60 }, 1, 0, 0, 0.5, "a 0.50" },
    { 100, 60, { 0, 9, 100, 60 }, 1, 0, 0, 0.5, "a 0.50" },
    { 100, 60, { 0, 10, 100, 60 }, 1, 0, 1, 0.5, "a 0.50" },
    { 100, 60, { 62, 30, 99, 60 }, 1, 62, 21, 0.5, "a 0.50" },
    { 100, 60, { 63, 30, 99, 60 }, 1, 63, 21, 0.5, "a 0.50" },
    { 100, 60, { 64, 30, 99, 60 }, 1, 63, 21, 0.5, "a 0.50" },
    { 100, 60, { 99, 59, 100, 60 }, 1, 63, 50, 0.5, "a 0.50" },
    { 37, 60, { 5, 30, 9, 60 }, 1, 0, 21, 0.5, "a 0.50" },
    { 36, 60, { 5, 30, 9, 60 }, 1, 0, 21, 0.5, "a 0.50" },
    { 20, 60, { 5, 30, 9, 60 }, 1, 0, 21, 0.5, "a 0.50" },
    { 100, 60, { 10, 20, 60, 50 }, 1, 10, 11, 0.5, "? 0.50" },
    { 200, 1200, { 10, 100, 60, 150 }, 1, 10, 91, 0.5, "a 0.50" },
    { 1200, 622, { 10, 100, 60, 150 }, 1, 10, 91, 0.5, "a 0.50" },
    { 1200, 623, { 10, 100, 60, 150 }, 2, 10, 82, 0.5, "a 0.50" },
    { 1200, 623, { 1190, 17, 1199, 150 }, 2, 1126, 0, 0.5, "a 0.50" },
    { 623, 1200, { 10, 100, 60, 150 }, 2, 10, 82, 0.5, "a 0.50" },
    { 1200, 1022, { 10, 100, 60, 150 }, 2, 10, 82, 0.5, "a 0.50" },
    { 1200, 1023, { 10, 100, 60, 150 }, 3, 10, 73, 0.5, "a 0.50" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int *b = cases[i].box, scale = cases[i].scale;
    const int x = cases[i].x, y = cases[i].y;
    GstHarness *h =
        overlay_rig_harness ("color=0xffffff", "GRAY8", cases[i].w, cases[i].h);
    const GstDefcnPaint white = { { 255 } }, black = { { 0 } };
    g_autoptr (GstBuffer) wanted = NULL, found = NULL;
    GstDefcnObject o = overlay_rig_object (b[0], b[1], b[2], b[3], cases[i].w,
        cases[i].h, "a");
    GstVideoInfo info;
    GstVideoFrame frame;
    GstMapInfo map;

    g_test_message ("case %u", i);
    o.confidence = cases[i].confidence;
    if (*cases[i].text == '?') /* without a label */
      o.label = 0;
    overlay_rig_info (&info, h);
    wanted = overlay_rig_frame (&info, FALSE);
    g_assert_true (
        gst_video_frame_map (&frame, &info, wanted, GST_MAP_READWRITE));
    fill (&frame, &white, b[0], b[1], b[2] - b[0], 2);
    fill (&frame, &white, b[0], MAX (b[3] - 2, b[1]), b[2] - b[0],
        MIN (2, b[3] - b[1]));
    fill (&frame, &white, b[0], b[1], 2, b[3] - b[1]);
    fill (&frame, &white, MAX (b[2] - 2, b[0]), b[1], MIN (2, b[2] - b[0]),
        b[3] - b[1]);
    fill (&frame, &white, x, y, (6 * (int) strlen (cases[i].text) + 1) * scale,
        9 * scale);
    write_dots (&frame, &black, x + scale, y + scale, scale, cases[i].text);
    gst_video_frame_unmap (&frame);

    found = overlay_rig_draw (&frame, h, &o, 1, &overlay_rig_looked);
    gst_video_frame_unmap (&frame);
    g_assert_true (gst_buffer_map (wanted, &map, GST_MAP_READ));
    g_assert_cmpint (gst_buffer_memcmp (found, 0, map.data, map.size), ==, 0);
    gst_buffer_unmap (wanted, &map);
    gst_harness_teardown (h);
  }
}

/* Of a rectangle what lies in the frame is painted, whichever border it
 * crosses, and nothing of one beyond. */
static void
test_rectangles (void)
{
  static const int cases[][4] = { { -3, 2, 5, 4 }, { 2, -3, 4, 5 },
    { -9, -9, 99, 99 }, { 12, 3, 9, 4 }, { 3, 12, 4, 9 }, { -5, 3, 5, 4 },
    { 3, -5, 4, 5 }, { 16, 3, 5, 4 }, { 3, 16, 5, 4 }, { 5, 5, 0, 3 },
    { 5, 5, 3, 0 }, { 5, 5, -3, 3 }, { 15, 15, 1, 1 } };
  const GstDefcnPaint white = { { 255 } };
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, 16, 16);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int *r = cases[i];
    g_autoptr (GstBuffer) buffer = overlay_rig_frame (&info, TRUE);
    GstVideoFrame frame;

    g_test_message ("case %u", i);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    fill (&frame, &white, r[0], r[1], r[2], r[3]);
    for (int y = 0; y < 16; y++)
      for (int x = 0; x < 16; x++)
        g_assert_cmpint (overlay_rig_drawn (&frame, x, y), ==,
            x >= r[0] && x < r[0] + r[2] && y >= r[1] && y < r[1] + r[3]);
    overlay_rig_assert_padding (&frame);
    gst_video_frame_unmap (&frame);
  }
}

/* A dot of text is as large as its scale, and its characters follow each other
 * at six of them. */
static void
test_text_scaled (void)
{
  const GstDefcnPaint white = { { 255 } };
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, 64, 64);
  for (int scale = 1; scale < 4; scale++) {
    g_autoptr (GstBuffer) buffer = overlay_rig_frame (&info, FALSE);
    GstVideoFrame frame;

    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    write_dots (&frame, &white, 3, 5, scale, "||");
    for (int y = 0; y < 64; y++)
      for (int x = 0; x < 64; x++) {
        const int column = x < 3 ? -1 : (x - 3) / scale;
        const int row = y < 5 ? -1 : (y - 5) / scale;

        g_assert_cmpint (overlay_rig_drawn (&frame, x, y), ==,
            (column == 2 || column == 8) && row >= 0 && row < 7);
      }
    gst_video_frame_unmap (&frame);
    g_assert_cmpint (dots_width ("||", scale), ==, 12 * scale);
  }
}

/* Characters are the right way round. */
static void
test_glyph (void)
{
  const GstDefcnPaint white = { { 255 } };
  g_autoptr (GstBuffer) buffer = NULL;
  GstVideoInfo info;
  GstVideoFrame frame;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, 8, 8);
  buffer = overlay_rig_frame (&info, FALSE);
  g_assert_true (
      gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
  write_dots (&frame, &white, 0, 0, 1, "L");
  for (int y = 0; y < 8; y++)
    for (int x = 0; x < 8; x++)
      g_assert_cmpint (overlay_rig_drawn (&frame, x, y), ==,
          (x == 0 && y < 7) || (y == 6 && x < 5));
  gst_video_frame_unmap (&frame);
}

/* Nothing of a rectangle without a side is painted, nor of the chroma that its
 * place shares with others. */
static void
test_no_rectangle (void)
{
  const GstDefcnPaint paint = { { 1, 2, 3, 4 } };
  g_autoptr (GstBuffer) buffer = NULL;
  GstVideoInfo info;
  GstVideoFrame frame;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 16, 16);
  buffer = overlay_rig_frame (&info, FALSE);
  g_assert_true (
      gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
  fill (&frame, &paint, 5, 4, 0, 4);
  fill (&frame, &paint, 4, 5, 4, 0);
  fill (&frame, &paint, 5, 5, 0, 0);
  for (guint c = 0; c < 3; c++)
    for (int y = 0; y < 16; y++)
      for (int x = 0; x < 16; x++)
        g_assert_cmpuint (overlay_rig_sample (&frame, c, x, y), ==, 77);
  gst_video_frame_unmap (&frame);
}

/* What the font has not is a question mark, below its first character and above
 * its last; a character of several bytes is one. */
static void
test_font_ends (void)
{
  static const char *const others[] = { "\x1f", "\x7f", "\xc3\xbc",
    "\xf0\x9f\x90\x95", "\x01" };
  const guint question = count_dots ("?"), tilde = count_dots ("~");

  g_assert_cmpuint (question, !=, tilde);
  g_assert_cmpuint (count_dots (" "), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_assert_cmpuint (count_dots (others[i]), ==, question);
    g_assert_cmpint (dots_width (others[i], 2), ==, 12);
  }
}

/* The components of a colour in each matrix and range, the standards' own
 * figures; a matrix that is not known is BT.601's. */
static void
test_components (void)
{
  static const struct
  {
    const char *colorimetry;
    guint32 rgb;
    guint8 wanted[3];
  } cases[] = {
    { "bt601", 0x00ff00, { 145, 54, 34 } },
    { "bt601", 0x0000ff, { 41, 240, 110 } },
    { "bt601", 0xffffff, { 235, 128, 128 } },
    { "bt601", 0x000000, { 16, 128, 128 } },
    { "bt709", 0x00ff00, { 173, 42, 26 } },
    { "bt709", 0x0000ff, { 32, 240, 118 } },
    { "bt2020", 0xff0000, { 74, 97, 240 } },
    { "bt2020", 0x0000ff, { 29, 240, 119 } },
    { "2:0:5:1", 0xff0000, { 81, 90, 240 } },
    { "2:0:5:1", 0x0000ff, { 41, 240, 110 } },
    { "1:4:5:1", 0x0000ff, { 29, 255, 107 } },
    { "1:4:5:1", 0x00ffff, { 179, 171, 0 } },
    { "1:4:5:1", 0xffffff, { 255, 128, 128 } },
    { "1:4:5:1", 0x000000, { 0, 128, 128 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstVideoInfo info;
    GstDefcnPaint paint;

    gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 16, 16);
    g_assert_true (gst_video_colorimetry_from_string (&info.colorimetry,
        cases[i].colorimetry));
    gst_defcn_paint_init (&paint, &info, cases[i].rgb);
    g_test_message ("case %u: %u %u %u", i, paint.component[0],
        paint.component[1], paint.component[2]);
    for (int c = 0; c < 3; c++)
      g_assert_cmpuint (paint.component[c], ==, cases[i].wanted[c]);
    g_assert_cmpuint (paint.component[3], ==, 255);
  }
}

/* Every printable character has a glyph of its own, inside its cell. */
static void
test_font (void)
{
  GstVideoInfo info;
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_bytes_hash,
      g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
  GstDefcnPaint paint = { { 255 } };

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, 8, 8);
  for (char c = ' '; c <= '~'; c++) {
    g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL, 64, NULL);
    const char text[2] = { c, 0 };
    GstVideoFrame frame;
    guint8 dots[64];

    gst_buffer_memset (buffer, 0, 0, 64);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    write_dots (&frame, &paint, 0, 0, 1, text);
    memcpy (dots, GST_VIDEO_FRAME_PLANE_DATA (&frame, 0), 64);
    gst_video_frame_unmap (&frame);
    for (int i = 0; i < 64; i++)
      g_assert_true (dots[i] == 0 || (i % 8 < 5 && i / 8 < 7));
    g_test_message ("'%c'", c);
    g_assert_true (g_hash_table_add (seen, g_bytes_new (dots, 64)));
  }
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/paint/formats", test_formats);
  g_test_add_func ("/paint/any-format", test_any_format);
  g_test_add_func ("/paint/gray", test_gray);
  g_test_add_func ("/paint/clipping", test_clipping);
  g_test_add_func ("/paint/labels", test_labels);
  g_test_add_func ("/paint/labels-legible", test_labels_legible);
  g_test_add_func ("/paint/labels-clipped", test_labels_clipped);
  g_test_add_func ("/paint/labels-placed", test_labels_placed);
  g_test_add_func ("/paint/rectangles", test_rectangles);
  g_test_add_func ("/paint/no-rectangle", test_no_rectangle);
  g_test_add_func ("/paint/glyph", test_glyph);
  g_test_add_func ("/paint/text-scaled", test_text_scaled);
  g_test_add_func ("/paint/components", test_components);
  g_test_add_func ("/paint/font", test_font);
  g_test_add_func ("/paint/font-ends", test_font_ends);
  return rig_run ();
}
