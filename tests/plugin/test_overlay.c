/* Boxes and labels in the pixels of every format. */
#include "rig.h"

#include <string.h>

#include "paint.h"

#define W 320
#define H 240

static const GstDefcnMark looked = { TRUE, "", FALSE, 0, "c0ffee" };
static const GstDefcnMark repeated = { FALSE, "qos", TRUE, 0, "c0ffee" };

static GstHarness *
harness_new (const char *properties, const char *format, int w, int h)
{
  g_autofree char *launch = g_strconcat ("defcnoverlay ", properties, NULL);
  g_autofree char *caps = g_strdup_printf (
      "video/x-raw,format=%s,width=%d,height=%d,framerate=25/1", format, w, h);
  GstHarness *harness = gst_harness_new_parse (launch);

  g_assert_nonnull (harness);
  gst_harness_set_src_caps_str (harness, caps);
  return harness;
}

static void
harness_info (GstVideoInfo *info, GstHarness *h)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->srcpad);

  g_assert_true (gst_video_info_from_caps (info, caps));
}

/* A frame of which every byte is 77, a value that no colour here has; @padded:
 * with longer lines than the caps say, and gaps before the planes. */
static GstBuffer *
frame_new (const GstVideoInfo *info, gboolean padded)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  int stride[GST_VIDEO_MAX_PLANES] = { 0 };
  gsize size = 0;
  GstBuffer *buffer;

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    const int rows =
        GST_VIDEO_SUB_SCALE (GST_VIDEO_FORMAT_INFO_H_SUB (info->finfo, p),
            info->height);

    offset[p] = size + 40;
    stride[p] = GST_VIDEO_INFO_PLANE_STRIDE (info, p) + 24;
    size = offset[p] + (gsize) stride[p] * rows;
  }
  if (!padded)
    size = GST_VIDEO_INFO_SIZE (info);
  buffer = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_memset (buffer, 0, 77, size);
  if (padded)
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
        GST_VIDEO_INFO_FORMAT (info), info->width, info->height,
        GST_VIDEO_INFO_N_PLANES (info), offset, stride);
  GST_BUFFER_PTS (buffer) = 0;
  return buffer;
}

/* An object at whole pixels of a @w x @h frame. */
static GstDefcnObject
object (int x1, int y1, int x2, int y2, int w, int h, const char *label)
{
  return (GstDefcnObject){ (double) x1 / w, (double) y1 / h, (double) x2 / w,
    (double) y2 / h, 0.5, 0, g_quark_from_string (label), 0 };
}

static void
attach (GstBuffer *buffer, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark, int w, int h)
{
  g_autoptr (GArray) array =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  g_array_append_vals (array, objects, n);
  gst_defcn_meta_attach (buffer, array, mark, GST_DEFCN_META_CUSTOM, w, h);
}

/* Component @c of the pixel at @x, @y. */
static guint8 *
at (GstVideoFrame *frame, guint c, int x, int y)
{
  const GstVideoFormatInfo *format = frame->info.finfo;

  x >>= GST_VIDEO_FORMAT_INFO_W_SUB (format, c);
  y >>= GST_VIDEO_FORMAT_INFO_H_SUB (format, c);
  return (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, c)
      + (gsize) y * GST_VIDEO_FRAME_COMP_STRIDE (frame, c)
      + (gsize) x * GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
}

static guint8
sample (GstVideoFrame *frame, guint c, int x, int y)
{
  return *at (frame, c, x, y);
}

static gboolean
drawn (GstVideoFrame *frame, int x, int y)
{
  return sample (frame, 0, x, y) != 77;
}

/* Pushes @in, maps what comes out. */
static GstBuffer *
draw_frame (GstVideoFrame *frame, GstHarness *h, GstBuffer *in)
{
  GstVideoInfo info;
  GstBuffer *out = gst_harness_push_and_pull (h, in);

  harness_info (&info, h);
  g_assert_nonnull (out);
  g_assert_true (gst_video_frame_map (frame, &info, out, GST_MAP_READ));
  return out;
}

/* Pushes one frame with @objects through @h, maps what comes out. */
static GstBuffer *
draw (GstVideoFrame *frame, GstHarness *h, const GstDefcnObject *objects,
    guint n, const GstDefcnMark *mark)
{
  GstVideoInfo info;
  GstBuffer *buffer;

  harness_info (&info, h);
  buffer = frame_new (&info, FALSE);
  attach (buffer, objects, n, mark, info.width, info.height);
  return draw_frame (frame, h, buffer);
}

/* The inside of the rectangle within @t of its border, as drawn; ltrb. */
static gboolean
on_border (int x, int y, const int box[4], int t)
{
  if (x < box[0] || x >= box[2] || y < box[1] || y >= box[3])
    return FALSE;
  return x < box[0] + t || x >= box[2] - t || y < box[1] + t || y >= box[3] - t;
}

/* Maps a buffer of the layout of @frame, every byte @value. */
static GstBuffer *
map_like (GstVideoFrame *copy, GstVideoFrame *frame, guint8 value)
{
  const gsize size = gst_buffer_get_size (frame->buffer);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  gst_buffer_memset (buffer, 0, value, size);
  g_assert_true (
      gst_video_frame_map (copy, &frame->info, buffer, GST_MAP_READWRITE));
  return buffer;
}

static void
assert_same_bytes (GstBuffer *buffer, GstBuffer *wanted)
{
  GstMapInfo a, b;

  g_assert_true (gst_buffer_map (buffer, &a, GST_MAP_READ));
  g_assert_true (gst_buffer_map (wanted, &b, GST_MAP_READ));
  g_assert_cmpmem (a.data, a.size, b.data, b.size);
  gst_buffer_unmap (buffer, &a);
  gst_buffer_unmap (wanted, &b);
}

/* Every byte of the buffer: @rgb in all samples that the border touches, and
 * untouched everywhere else, padding included. */
static void
assert_box (GstVideoFrame *frame, const int box[4], int t, guint32 rgb)
{
  GstVideoFrame wanted;
  g_autoptr (GstBuffer) buffer = map_like (&wanted, frame, 77);
  GstDefcnPaint paint;

  gst_defcn_paint_init (&paint, &frame->info, rgb);
  for (int y = box[1]; y < box[3]; y++)
    for (int x = box[0]; x < box[2]; x++)
      for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++)
        if (on_border (x, y, box, t))
          *at (&wanted, c, x, y) = paint.component[c];
  gst_video_frame_unmap (&wanted);
  assert_same_bytes (frame->buffer, buffer);
}

/* Whatever was drawn, it was on samples. */
static void
assert_padding (GstVideoFrame *frame)
{
  GstVideoFrame wanted;
  g_autoptr (GstBuffer) buffer = map_like (&wanted, frame, 77);

  for (int y = 0; y < GST_VIDEO_FRAME_HEIGHT (frame); y++)
    for (int x = 0; x < GST_VIDEO_FRAME_WIDTH (frame); x++)
      for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++)
        *at (&wanted, c, x, y) = sample (frame, c, x, y);
  gst_video_frame_unmap (&wanted);
  assert_same_bytes (frame->buffer, buffer);
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
  const GstDefcnObject o = object (64, 100, 128, 160, W, H, "person");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *format = g_strdup_printf ("%s,colorimetry=%s",
        cases[i].format, cases[i].colorimetry);
    GstHarness *h =
        harness_new ("show-labels=false color=0xff0000", format, W, H);
    GstVideoFrame frame;
    g_autoptr (GstBuffer) buffer = draw (&frame, h, &o, 1, &looked);

    g_test_message ("%s", format);
    assert_box (&frame, box, 2, 0xff0000);
    for (guint c = 0; c < cases[i].n; c++) {
      g_assert_cmpuint (sample (&frame, c, 64, 100), ==, cases[i].red[c]);
      g_assert_cmpuint (sample (&frame, c, 127, 159), ==, cases[i].red[c]);
      g_assert_cmpuint (sample (&frame, c, 96, 130), ==, 77);
      g_assert_cmpuint (sample (&frame, c, 62, 98), ==, 77);
    }
    gst_video_frame_unmap (&frame);
    gst_harness_teardown (h);
  }
}

/* Grey is the luma of the colour. */
static void
test_gray (void)
{
  const int box[4] = { 64, 100, 128, 160 };
  const GstDefcnObject o = object (64, 100, 128, 160, W, H, "person");
  GstHarness *h =
      harness_new ("show-labels=false color=0xffffff", "GRAY8", W, H);
  GstVideoFrame frame;
  g_autoptr (GstBuffer) buffer = draw (&frame, h, &o, 1, &looked);

  assert_box (&frame, box, 2, 0xffffff);
  g_assert_cmpuint (sample (&frame, 0, 64, 100), >=, 235);
  gst_video_frame_unmap (&frame);
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
    GstHarness *h = harness_new (properties, format, w, height);
    const GstDefcnObject o =
        object (b[0], b[1], b[2], b[3], w, height, "person");
    GstVideoInfo info;

    g_test_message ("%s, case %u", format, k);
    harness_info (&info, h);
    for (int padded = 0; padded < 2; padded++) {
      GstVideoFrame frame;
      g_autoptr (GstBuffer) buffer = frame_new (&info, padded);

      attach (buffer, &o, 1, &looked, w, height);
      buffer = draw_frame (&frame, h, buffer);
      assert_box (&frame, b, cases[k].thickness, 0xff0000);
      gst_video_frame_unmap (&frame);
    }
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
    GstHarness *h = harness_new ("color=0xff0000", format, size[0], size[1]);
    const GstDefcnObject o[2] = {
      object (0, 0, 1, 1, size[0], size[1], "person"),
      object (size[0] - 1, size[1] - 1, size[0], size[1], size[0], size[1],
          "car"),
    };
    GstVideoInfo info;
    GstVideoFrame frame;
    g_autoptr (GstBuffer) buffer = NULL;

    g_test_message ("%s, %d x %d", format, size[0], size[1]);
    harness_info (&info, h);
    buffer = frame_new (&info, TRUE);
    attach (buffer, o, 2, &looked, size[0], size[1]);
    buffer = draw_frame (&frame, h, buffer);
    g_assert_true (drawn (&frame, 0, 0));
    g_assert_true (drawn (&frame, size[0] - 1, size[1] - 1));
    assert_padding (&frame);
    gst_video_frame_unmap (&frame);
    gst_harness_teardown (h);
  }
}

static guint
count_drawn (GstVideoFrame *frame, int x1, int y1, int x2, int y2)
{
  guint n = 0;

  for (int y = y1; y < y2; y++)
    for (int x = x1; x < x2; x++)
      n += drawn (frame, x, y);
  return n;
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
    { 64, 100, "", 64, 95, 91 },
    { 64, 100, "\xff latin \xe9", 64, 149, 91 },
    { 64, 100, "cut \xf0", 64, 125, 91 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = harness_new ("color=0xffffff", "GRAY8", W, H);
    const int left = cases[i].left, right = cases[i].right;
    const int top = cases[i].top;
    GstVideoInfo info;
    GstVideoFrame frame;
    GstVideoRegionOfInterestMeta *roi;
    guint ink = 0;
    g_autoptr (GstBuffer) buffer = NULL;

    harness_info (&info, h);
    buffer = frame_new (&info, FALSE);
    roi = gst_buffer_add_video_region_of_interest_meta (buffer, cases[i].label,
        cases[i].x, cases[i].y, 20, 60);
    gst_video_region_of_interest_meta_add_param (roi,
        gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5,
            NULL));
    buffer = draw_frame (&frame, h, buffer);

    g_test_message ("case %u", i);
    g_assert_cmpuint (count_drawn (&frame, left, top, right, top + 9), ==,
        9 * (right - left));
    for (int row = top; row < top + 9; row++)
      for (int column = left; column < right; column++)
        ink += sample (&frame, 0, column, row) < 77;
    g_assert_cmpuint (ink, >, 0);
    g_assert_cmpuint (count_drawn (&frame, 0, 0, W, top), ==, 0);
    g_assert_cmpuint (count_drawn (&frame, 0, top, left, top + 9), ==, 0);
    g_assert_cmpuint (count_drawn (&frame, right, top, W, top + 9), ==, 0);
    gst_video_frame_unmap (&frame);
    gst_harness_teardown (h);
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
    gst_defcn_paint_text (&frame, &paint, 0, 0, 1, text);
    memcpy (dots, GST_VIDEO_FRAME_PLANE_DATA (&frame, 0), 64);
    gst_video_frame_unmap (&frame);
    for (int i = 0; i < 64; i++)
      g_assert_true (dots[i] == 0 || (i % 8 < 5 && i / 8 < 7));
    g_test_message ("'%c'", c);
    g_assert_true (g_hash_table_add (seen, g_bytes_new (dots, 64)));
  }
}

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
  const GstDefcnObject o = object (64, 100, 128, 160, W, H, "person");

  for (int i = 0; i < 6; i++) {
    GstHarness *h = harness_new ("hide-labels=\"dog, person\"", "I420", W, H);
    const gboolean shared = i % 2;
    GstVideoInfo info;
    GstBuffer *in, *out;

    harness_info (&info, h);
    in = frame_new (&info, FALSE);
    if (i / 2 > 0) /* nothing found; or nothing that shows */
      attach (in, &o, i / 2 - 1, &looked, W, H);
    out = gst_harness_push_and_pull (h, shared ? gst_buffer_ref (in) : in);
    g_assert_true (out == in);
    assert_untouched (out);
    if (shared)
      gst_buffer_unref (in);
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
  const GstDefcnObject o = object (64, 100, 128, 160, W, H, "person");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h =
        harness_new ("show-labels=false color=0xff0000", "GRAY8", W, H);
    g_autofree guint8 *pixels = g_malloc (W * H);
    GstBuffer *in = gst_buffer_new ();
    GstBuffer *out;
    GstVideoFrame frame;

    memset (pixels, 77, W * H);
    gst_buffer_append_memory (in,
        gst_memory_new_wrapped (cases[i].read_only ? GST_MEMORY_FLAG_READONLY
                                                   : 0,
            pixels, W * H, 0, W * H, NULL, NULL));
    attach (in, &o, 1, &looked, W, H);
    out = draw_frame (&frame, h, cases[i].shared ? gst_buffer_ref (in) : in);
    g_assert_cmpint (out == in, ==, !cases[i].shared);
    assert_box (&frame, box, 2, 0xff0000);
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
  const GstDefcnObject o = object (64, 100, 128, 160, W, H, "person");
  GstHarness *h = harness_new ("", "GRAY8", W, H);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL, more = NULL;
  g_autoptr (GError) error = NULL;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H - 1, NULL);

  gst_element_set_bus (overlay, bus);
  attach (buffer, &o, 1, &looked, W, H);
  g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_ERROR);
  message = rig_message (bus, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
  more = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_null (more);
  gst_element_set_bus (overlay, NULL);
  gst_harness_teardown (h);
}

/* A repeated box has thin lines whatever the thickness. */
static void
test_repeated (void)
{
  const int box[4] = { 64, 100, 128, 160 };
  const GstDefcnObject o = object (64, 100, 128, 160, W, H, "person");
  GstHarness *h = harness_new ("show-labels=false color=0xff0000 thickness=6",
      "GRAY8", W, H);
  GstVideoFrame frame;
  GstBuffer *buffer = draw (&frame, h, &o, 1, &looked);

  assert_box (&frame, box, 6, 0xff0000);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  buffer = draw (&frame, h, &o, 1, &repeated);
  assert_box (&frame, box, 1, 0xff0000);
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
    object (10, 100, 60, 160, W, H, "person"),
    object (100, 100, 160, 160, W, H, "dog"),
  };
  GstHarness *h = harness_new ("show-labels=false", "RGB", W, H);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  GstVideoFrame frame;
  GstBuffer *buffer;
  guint differ = 0;

  two[1].label_id = 1;
  buffer = draw (&frame, h, two, 2, &looked);
  for (guint c = 0; c < 3; c++)
    differ += sample (&frame, c, 10, 100) != sample (&frame, c, 100, 100);
  g_assert_cmpuint (differ, >, 0);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);

  for (guint thickness = 1; thickness <= 100; thickness += 33) {
    g_object_set (overlay, "hide-labels", " dog ,cat", "color",
        0x00ff00 + thickness, "thickness", thickness, NULL);
    buffer = draw (&frame, h, two, 2, &looked);
    assert_box (&frame, person, thickness, 0x00ff00 + thickness);
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (buffer);
  }

  g_object_set (overlay, "show-labels", TRUE, "hide-labels", NULL, NULL);
  buffer = draw (&frame, h, two, 2, &looked);
  g_assert_true (drawn (&frame, 10, 99)); /* a label */
  g_assert_true (drawn (&frame, 100, 100));
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
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
  const GstDefcnObject o = object (29, 57, 63, 91, 100, 100, "person");
  g_autoptr (GArray) array =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  g_array_append_val (array, o);
  for (guint i = 0; i < G_N_ELEMENTS (flags); i++) {
    GstHarness *h =
        harness_new ("show-labels=false color=0xff0000", "RGB", 100, 100);
    const GstDefcnMetaFlags built = flags[i] & gst_defcn_meta_supported ();
    GstVideoInfo info;
    GstVideoFrame frame;
    GstBuffer *buffer;

    harness_info (&info, h);
    buffer = frame_new (&info, FALSE);
    gst_defcn_meta_attach (buffer, array, &looked, built, 100, 100);
    buffer = draw_frame (&frame, h, buffer);
    if (built)
      assert_box (&frame, box, 2, 0xff0000);
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
      harness_new ("show-labels=false color=0xff0000", "GRAY8", W, H);
  GstVideoInfo info;
  GstVideoFrame frame;
  GstBuffer *buffer;

  harness_info (&info, h);
  buffer = frame_new (&info, FALSE);
  gst_buffer_add_video_region_of_interest_meta (buffer, "face", 64, 100, 64,
      60);
  buffer = draw_frame (&frame, h, buffer);
  assert_box (&frame, box, 2, 0xff0000);
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
  const GstDefcnObject o = object (64, 100, 128, 160, W, H, "person");
  GstHarness *h = harness_new ("", "GRAY8", W, H);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  GstBaseTransform *base = GST_BASE_TRANSFORM (overlay);
  GstBaseTransformClass *klass = GST_BASE_TRANSFORM_GET_CLASS (base);
  GstVideoInfo info;

  harness_info (&info, h);
  for (int hidden = 0; hidden < 2; hidden++) {
    g_autoptr (GstBuffer) in = frame_new (&info, FALSE);
    GstBuffer *out = NULL;

    attach (in, &o, 1, &looked, W, H);
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
  const GstDefcnObject o = object (4, 4, 12, 12, 32, 32, "person");
  GstHarness *h = harness_new ("", "GRAY8", 32, 32);
  g_autoptr (GstElement) overlay = gst_harness_find_element (h, "defcnoverlay");
  int done = 0;
  gpointer arguments[2] = { overlay, &done };
  GThread *thread = g_thread_new ("toggle", toggle, arguments);
  GstVideoInfo info;

  harness_info (&info, h);
  for (int i = 0; i < 2000; i++) {
    g_autoptr (GstBuffer) in = frame_new (&info, FALSE);
    g_autoptr (GstBuffer) out = NULL;

    attach (in, &o, 1, &looked, 32, 32);
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
    harness_info (&info, h);
    o = object (4, 4, 12, 12, info.width, info.height, "person");
    buffer = draw (&frame, h, &o, 1, &looked);
    assert_box (&frame, box, 2, 0xff0000);
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

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/overlay/formats", test_formats);
  g_test_add_func ("/overlay/gray", test_gray);
  g_test_add_func ("/overlay/clipping", test_clipping);
  g_test_add_func ("/overlay/labels", test_labels);
  g_test_add_func ("/overlay/labels-clipped", test_labels_clipped);
  g_test_add_func ("/overlay/font", test_font);
  g_test_add_func ("/overlay/untouched", test_untouched);
  g_test_add_func ("/overlay/copy-on-write", test_copy_on_write);
  g_test_add_func ("/overlay/repeated", test_repeated);
  g_test_add_func ("/overlay/short-buffer", test_short_buffer);
  g_test_add_func ("/overlay/live", test_live);
  g_test_add_func ("/overlay/properties", test_properties);
  g_test_add_func ("/overlay/metas", test_metas);
  g_test_add_func ("/overlay/foreign-region", test_foreign_region);
  g_test_add_func ("/overlay/decided-once", test_decided_once);
  g_test_add_func ("/overlay/toggled-while-flowing",
      test_toggled_while_flowing);
  g_test_add_func ("/overlay/states", test_states);
  return rig_run ();
}
