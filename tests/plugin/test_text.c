/* Texts as runs: any script, what is kept, and where there is no font. */
#include <glib/gstdio.h>
#include <string.h>

#include "overlay_rig.h"

#include "overlay/draw.h"
#include "overlay/text.h"

static gboolean
skip_without_pango (void)
{
  if (gst_defcn_text_has_pango ())
    return FALSE;
  g_test_skip ("built without Pango");
  return TRUE;
}

/* What of the run is ink, as if the whole were black. */
static guint
count_ink (const GstDefcnRun *run)
{
  guint sum = 0;

  for (int y = 0; y < run->mask.h; y++)
    for (int x = 0; x < run->mask.w; x++)
      sum += run->mask.cover[y * run->mask.stride + x];
  return sum / 255;
}

static gboolean
is_same (const GstDefcnRun *a, const GstDefcnRun *b)
{
  if (a->mask.w != b->mask.w || a->mask.h != b->mask.h
      || a->advance != b->advance)
    return FALSE;
  for (int y = 0; y < a->mask.h; y++)
    if (memcmp (a->mask.cover + y * a->mask.stride,
            b->mask.cover + y * b->mask.stride, a->mask.w))
      return FALSE;
  return TRUE;
}

/* Of any script every text has ink of its own, about where its line is: right
 * to left, combined, Chinese (in a font that has it or not), an emoji. */
static void
test_scripts (void)
{
  static const char *const texts[] = { "person", "?", "Gr\xc3\xbcn",
    "\xd9\x83\xd9\x84\xd8\xa8 \xd9\x83\xd8\xa8\xd9\x8a\xd8\xb1", /* Arabic */
    "\xd7\x9b\xd7\x9c\xd7\x91",                                  /* Hebrew */
    "\xd0\xba\xd0\xbe\xd1\x82",                                  /* Russian */
    "\xe8\xa1\x8c\xe4\xba\xba",                                  /* Chinese */
    "\xe0\xb8\x84\xe0\xb8\x99",                                  /* Thai */
    "e\xcc\x81", "\xf0\x9f\x90\x95" };
  g_autoptr (GstDefcnText) text = NULL;

  if (skip_without_pango ())
    return;
  text = gst_defcn_text_new (NULL, 24, 1920);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    const GstDefcnRun *run = gst_defcn_text_run (text, texts[i]);

    g_test_message ("%s: %d x %d at %d, %d; %d wide, %d + %d high", texts[i],
        run->mask.w, run->mask.h, run->x, run->y, run->advance, run->ascent,
        run->descent);
    g_assert_cmpuint (count_ink (run), >, 10);
    g_assert_cmpint (run->advance, >, 5);
    g_assert_cmpint (run->advance, <, 24 * 12);
    g_assert_cmpint (ABS (run->x), <=, 8);
    g_assert_cmpint (run->x + run->mask.w, <=, run->advance + 8);
    g_assert_cmpint (-run->y, <=, run->ascent + 8);
    g_assert_cmpint (run->y + run->mask.h, <=, run->descent + 8);
    g_assert_cmpint (run->ascent + run->descent, >=, 24);
    for (guint j = 0; j < i; j++)
      g_assert_false (is_same (run, gst_defcn_text_run (text, texts[j])));
  }
}

/* Text is taken as it is: marks of a markup language are characters, and what
 * would end a line does not. */
static void
test_literal (void)
{
  static const char *const texts[] = { "<b>bold</b>", "a&amp;b", "<", "&",
    "<span size='99999'>x", "%s%n", "{id}" };
  g_autoptr (GstDefcnText) text = NULL;
  const GstDefcnRun *line;

  if (skip_without_pango ())
    return;
  text = gst_defcn_text_new ("Monospace", 20, 1920);
  line = gst_defcn_text_run (text, "x");
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    const GstDefcnRun *run = gst_defcn_text_run (text, texts[i]);

    g_test_message ("%s", texts[i]);
    g_assert_cmpint (run->advance, ==, line->advance * (int) strlen (texts[i]));
  }
  for (guint i = 0; i < 2; i++) { /* a line ends here, and a paragraph */
    const GstDefcnRun *run =
        gst_defcn_text_run (text, i ? "a\xe2\x80\xa9z" : "a\xe2\x80\xa8z");

    g_assert_cmpint (run->ascent + run->descent, <=,
        (line->ascent + line->descent) * 3 / 2);
  }
}

/* The longest label is cut to the width there is, in both fonts; nothing is a
 * run without ink. */
static void
test_long (void)
{
  char longest[256] = { 0 };

  memset (longest, 'W', 255);
  for (int dots = 0; dots < 2; dots++) {
    g_autoptr (GstDefcnText) narrow =
        gst_defcn_text_new (dots ? "dots" : NULL, 18, 320);
    g_autoptr (GstDefcnText) wide =
        gst_defcn_text_new (dots ? "dots" : NULL, 18, 32768);
    const GstDefcnRun *run = gst_defcn_text_run (narrow, longest);

    g_assert_cmpint (run->advance, <=, 320 + 12);
    g_assert_cmpint (run->advance, >, 200);
    g_assert_cmpint (run->mask.w, <=, run->advance + 8);
    g_assert_cmpint (gst_defcn_text_run (wide, longest)->advance, >=, 255 * 9);
    run = gst_defcn_text_run (narrow, "");
    g_assert_cmpint (run->advance, ==, 0);
    g_assert_cmpuint (count_ink (run), ==, 0);
    run = gst_defcn_text_run (narrow, " ");
    g_assert_cmpint (run->advance, >, 0);
    g_assert_cmpuint (count_ink (run), ==, 0);
  }
}

/* Larger text is larger, and another font another; at the size that a picture
 * gets by itself letters are high enough to be read: from 320 x 180 to 4K a
 * 35th of the picture at least, and 7 pixels. */
static void
test_sizes (void)
{
  static const int sizes[][2] = { { 320, 180 }, { 180, 320 }, { 640, 480 },
    { 1280, 720 }, { 1920, 1080 }, { 1080, 1920 }, { 3840, 2160 } };
  int before = 0;

  for (int dots = 0; dots < 2; dots++)
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      const int w = sizes[i][0], h = sizes[i][1];
      const int size = gst_defcn_draw_font_size (w, h);
      g_autoptr (GstDefcnText) text =
          gst_defcn_text_new (dots ? "dots" : NULL, size, w);
      const GstDefcnRun *run = gst_defcn_text_run (text, "H");

      g_test_message ("%d x %d: %d, H is %d x %d", w, h, size, run->mask.w,
          run->mask.h);
      g_assert_cmpint (run->mask.h, >=, 7);
      g_assert_cmpint (gst_defcn_draw_line_width (w, h), ==,
          MAX (2, MIN (w, h) / 300));
      g_assert_cmpint (run->mask.h * 80, >=, MIN (w, h));
      g_assert_cmpint (run->mask.h * 20, <=, MIN (w, h));
    }
  if (skip_without_pango ())
    return;
  for (int size = 8; size <= 64; size *= 2) {
    g_autoptr (GstDefcnText) text = gst_defcn_text_new (NULL, size, 9999);
    g_autoptr (GstDefcnText) mono =
        gst_defcn_text_new ("Monospace Bold", size, 9999);
    const GstDefcnRun *run = gst_defcn_text_run (text, "person");

    g_assert_cmpint (run->advance, >, before * 3 / 2);
    g_assert_false (is_same (run, gst_defcn_text_run (mono, "person")));
    before = run->advance;
  }
}

/* A text is rendered once, and stays until there are too many. */
static void
test_kept (void)
{
  g_autoptr (GstDefcnText) text = gst_defcn_text_new ("dots", 9, 1000);
  const GstDefcnRun *first = gst_defcn_text_run (text, "first");
  const GstDefcnMask mask = first->mask;

  gst_defcn_text_trim (text);
  g_assert_true (gst_defcn_text_run (text, "first") == first);
  for (int i = 0; i < 2000; i++) {
    g_autofree char *name = g_strdup_printf ("%d", i);

    gst_defcn_text_run (text, name);
  }
  /* Not before the frame is done. */
  g_assert_true (gst_defcn_text_run (text, "first") == first);
  g_assert_true (first->mask.cover == mask.cover);
  g_assert_cmpuint (gst_defcn_text_count (text), ==, 2001);
  gst_defcn_text_trim (text);
  g_assert_cmpuint (gst_defcn_text_count (text), ==, 0);
  for (int i = 0; i < 200; i++) { /* fewer, but large ones */
    g_autofree char *name = g_strdup_printf ("%0250d", i);

    gst_defcn_text_trim (text);
    gst_defcn_text_run (text, name);
  }
  g_assert_cmpuint (gst_defcn_text_count (text), ==, 200);
}

/* Memory is bounded by bytes too. */
static void
test_kept_bytes (void)
{
  g_autoptr (GstDefcnText) text = gst_defcn_text_new ("dots", 500, 32768);
  guint most = 0;

  for (int i = 0; i < 50; i++) { /* some 12 MB each */
    g_autofree char *name = g_strdup_printf ("%0250d", i);

    gst_defcn_text_trim (text);
    gst_defcn_text_run (text, name);
    most = MAX (most, gst_defcn_text_count (text));
  }
  g_assert_cmpuint (most, ==, 1);
}

static void
without_fonts (void)
{
  g_autoptr (GstDefcnText) text = gst_defcn_text_new (NULL, 18, 1000);
  g_autoptr (GstDefcnText) dots = gst_defcn_text_new ("dots", 18, 1000);

  g_assert_true (is_same (gst_defcn_text_run (text, "person"),
      gst_defcn_text_run (dots, "person")));
}

/* On a machine that has no font at all labels are of dots. */
static void
test_no_fonts (void)
{
  g_autofree char *config = NULL;

  if (skip_without_pango ())
    return;
  if (g_test_subprocess ()) {
    without_fonts ();
    return;
  }
  config = rig_file ("fonts.conf",
      "<?xml version=\"1.0\"?><fontconfig><dir>/nowhere</dir></fontconfig>");
  g_setenv ("FONTCONFIG_FILE", config, TRUE);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_unsetenv ("FONTCONFIG_FILE");
  g_test_trap_assert_passed ();
}

/* In every format that GStreamer has a label is on its strip, ink and colour,
 * and nothing is changed around it. */
static void
test_any_format (void)
{
  const GstDefcnColors red = { .color = 0xff9900 };
  g_autoptr (GstDefcnLabel) label = gst_defcn_label_new ("{label}", NULL);
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  const int w = 161, h = 91;
  const GstDefcnObject o = overlay_rig_object (31, 60, 140, 85, w, h, "HHH");
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  g_array_append_val (objects, o);
  for (guint i = 0; i < 2 * n; i++) {
    g_autoptr (GstDefcnText) text =
        gst_defcn_text_new (i % 2 ? "dots" : NULL, 36, w);
    g_autoptr (GstBuffer) plain = NULL, buffer = NULL, before = NULL,
                          after = NULL;
    GstVideoInfo info, rgb;
    GstVideoFrame frame, a, b;
    GstDefcnCanvas canvas;
    guint ink = 0, back = 0;

    if (!gst_video_info_set_format (&info, formats[i / 2], w, h)
        || !info.finfo->unpack_func)
      continue;
    g_test_message ("%s", info.finfo->name);
    gst_video_info_set_format (&rgb, GST_VIDEO_FORMAT_BGRx, w, h);
    plain = gst_buffer_new_allocate (NULL, rgb.size, NULL);
    gst_buffer_memset (plain, 0, 0x66, -1);
    buffer = rig_convert (plain, &rgb, &info);
    before = rig_convert (buffer, &info, &rgb);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    gst_defcn_canvas_begin (&canvas, &frame, NULL);
    gst_defcn_draw_labels (&canvas, text, objects, &red, label);
    gst_defcn_canvas_end (&canvas);
    gst_video_frame_unmap (&frame);
    after = rig_convert (buffer, &info, &rgb);

    g_assert_true (gst_video_frame_map (&a, &rgb, before, GST_MAP_READ));
    g_assert_true (gst_video_frame_map (&b, &rgb, after, GST_MAP_READ));
    for (int y = 0; y < h; y++)
      for (int x = 0; x < w; x++) {
        const guint8 green = overlay_rig_sample (&b, 1, x, y);

        ink += green < 0x40;
        back += ABS (green - 0x99) < 25;
        if (x < 31 - 8 || y >= 60 + 8)
          for (guint c = 0; c < 3; c++)
            g_assert_cmpint (ABS (overlay_rig_sample (&a, c, x, y)
                                 - overlay_rig_sample (&b, c, x, y)),
                <=, 1);
      }
    g_assert_cmpuint (ink, >, 100);
    g_assert_cmpuint (back, >, 300);
    gst_video_frame_unmap (&a);
    gst_video_frame_unmap (&b);
  }
}

/* Half covered pixels are half of both: chroma that pixels share by the mean of
 * theirs, in bytes and in what is not. */
static void
test_blend (void)
{
  static const char *const formats[] = { "GRAY8", "I420", "NV12", "RGBA",
    "I420_10LE", "GRAY16_LE", "ARGB64" };
  guint8 cover[4 * 4] = { 0, 255, 128, 128, 255, 0, 128, 128, 0, 0, 255, 255, 0,
    0, 255, 255 };
  const GstDefcnMask mask = { 4, 4, 4, cover };

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    GstVideoInfo info, ayuv;
    g_autoptr (GstBuffer) plain = NULL, buffer = NULL, out = NULL;
    GstVideoFrame frame;
    GstDefcnCanvas canvas;
    GstDefcnPaint paint;

    g_test_message ("%s", formats[i]);
    gst_video_info_set_format (&info, gst_video_format_from_string (formats[i]),
        16, 16);
    gst_video_info_set_format (&ayuv, GST_VIDEO_FORMAT_RGBx, 16, 16);
    plain = gst_buffer_new_allocate (NULL, ayuv.size, NULL);
    gst_buffer_memset (plain, 0, 0, -1);
    buffer = rig_convert (plain, &ayuv, &info);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    gst_defcn_canvas_begin (&canvas, &frame, NULL);
    gst_defcn_paint_init (&paint, &info, 0xffffff);
    gst_defcn_paint_mask (&canvas, &paint, 4, 8, &mask);
    gst_defcn_canvas_end (&canvas);
    gst_video_frame_unmap (&frame);
    out = rig_convert (buffer, &info, &ayuv);
    g_assert_true (gst_video_frame_map (&frame, &ayuv, out, GST_MAP_READ));
    for (int y = 0; y < 16; y++)
      for (int x = 0; x < 16; x++) {
        const gboolean inside = x >= 4 && x < 8 && y >= 8 && y < 12;
        const int wanted = inside ? cover[4 * (y - 8) + x - 4] : 0;

        for (guint c = 0; c < 3; c++)
          g_assert_cmpint (ABS (overlay_rig_sample (&frame, c, x, y) - wanted),
              <=, 3);
      }
    gst_video_frame_unmap (&frame);
  }
}

/* Chroma that pixels share is blended by the mean of their covers, of bytes and
 * of what is not, and set by a rectangle that touches one of them. */
static void
test_chroma (void)
{
  static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_I420,
    GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420_10LE };
  guint8 cover[4] = { 0, 255, 255, 100 };
  const GstDefcnMask mask = { 2, 2, 2, cover };

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    GstVideoInfo info;
    g_autoptr (GstBuffer) buffer = NULL;
    GstVideoFrame frame;
    GstDefcnCanvas canvas;
    GstDefcnPaint blue;
    int u[3];

    gst_video_info_set_format (&info, formats[i], 16, 16);
    buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
    gst_buffer_memset (buffer, 0, 0, -1);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    gst_defcn_canvas_begin (&canvas, &frame, NULL);
    gst_defcn_paint_init (&blue, &info, 0x0000ff); /* U is 240 */
    gst_defcn_paint_mask (&canvas, &blue, 4, 8, &mask);
    gst_defcn_paint_rect (&canvas, &blue, 11, 13, 1, 1);
    gst_defcn_canvas_end (&canvas);
    for (int k = 0; k < 3; k++) {
      static const int at[][2] = { { 4, 8 }, { 10, 12 }, { 2, 2 } };
      const guint8 *sample = overlay_rig_at (&frame, 1, at[k][0], at[k][1]);

      u[k] = GST_VIDEO_INFO_COMP_DEPTH (&info, 1) > 8
          ? GST_READ_UINT16_LE (sample) / 4
          : *sample;
    }
    gst_video_frame_unmap (&frame);
    g_test_message ("%s: %d %d %d", info.finfo->name, u[0], u[1], u[2]);
    g_assert_cmpint (ABS (u[0] - 240 * (255 + 255 + 100) / 4 / 255), <=, 2);
    g_assert_cmpint (ABS (u[1] - 240), <=, 1);
    g_assert_cmpint (u[2], ==, 0);
  }
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/text/scripts", test_scripts);
  g_test_add_func ("/text/literal", test_literal);
  g_test_add_func ("/text/long", test_long);
  g_test_add_func ("/text/sizes", test_sizes);
  g_test_add_func ("/text/kept", test_kept);
  g_test_add_func ("/text/kept-bytes", test_kept_bytes);
  g_test_add_func ("/text/no-fonts", test_no_fonts);
  g_test_add_func ("/text/any-format", test_any_format);
  g_test_add_func ("/text/blend", test_blend);
  g_test_add_func ("/text/chroma", test_chroma);
  return rig_run ();
}
