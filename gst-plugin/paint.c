/* Filled rectangles and text on a mapped video frame. */
#include "paint.h"

#include <math.h>

#include "layout.h"

#define GLYPH_WIDTH 5
#define GLYPH_HEIGHT 7
#define CELL_WIDTH 6

/* Rows of 5 bits, the leftmost dot is 16; from space to tilde. */
static const guint8 glyphs[95][GLYPH_HEIGHT] = {
  /* clang-format off */
  { 0, 0, 0, 0, 0, 0, 0 }, /* space */
  { 4, 4, 4, 4, 4, 0, 4 }, /* ! */
  { 10, 10, 0, 0, 0, 0, 0 }, /* " */
  { 10, 10, 31, 10, 31, 10, 10 }, /* # */
  { 4, 15, 20, 14, 5, 30, 4 }, /* $ */
  { 25, 26, 2, 4, 8, 19, 19 }, /* % */
  { 12, 18, 20, 8, 21, 18, 13 }, /* & */
  { 4, 4, 0, 0, 0, 0, 0 }, /* ' */
  { 2, 4, 8, 8, 8, 4, 2 }, /* ( */
  { 8, 4, 2, 2, 2, 4, 8 }, /* ) */
  { 0, 4, 21, 14, 21, 4, 0 }, /* * */
  { 0, 4, 4, 31, 4, 4, 0 }, /* + */
  { 0, 0, 0, 0, 4, 4, 8 }, /* , */
  { 0, 0, 0, 31, 0, 0, 0 }, /* - */
  { 0, 0, 0, 0, 0, 12, 12 }, /* . */
  { 1, 2, 2, 4, 8, 8, 16 }, /* / */
  { 14, 17, 19, 21, 25, 17, 14 }, /* 0 */
  { 4, 12, 4, 4, 4, 4, 14 }, /* 1 */
  { 14, 17, 1, 6, 8, 16, 31 }, /* 2 */
  { 30, 1, 1, 14, 1, 1, 30 }, /* 3 */
  { 2, 6, 10, 18, 31, 2, 2 }, /* 4 */
  { 31, 16, 30, 1, 1, 17, 14 }, /* 5 */
  { 6, 8, 16, 30, 17, 17, 14 }, /* 6 */
  { 31, 1, 2, 4, 4, 8, 8 }, /* 7 */
  { 14, 17, 17, 14, 17, 17, 14 }, /* 8 */
  { 14, 17, 17, 15, 1, 2, 12 }, /* 9 */
  { 0, 12, 12, 0, 12, 12, 0 }, /* : */
  { 0, 12, 12, 0, 12, 4, 8 }, /* ; */
  { 2, 4, 8, 16, 8, 4, 2 }, /* < */
  { 0, 0, 31, 0, 31, 0, 0 }, /* = */
  { 8, 4, 2, 1, 2, 4, 8 }, /* > */
  { 14, 17, 1, 6, 4, 0, 4 }, /* ? */
  { 14, 17, 23, 21, 23, 16, 15 }, /* @ */
  { 4, 10, 17, 17, 31, 17, 17 }, /* A */
  { 30, 17, 17, 30, 17, 17, 30 }, /* B */
  { 15, 16, 16, 16, 16, 16, 15 }, /* C */
  { 28, 18, 17, 17, 17, 18, 28 }, /* D */
  { 31, 16, 16, 30, 16, 16, 31 }, /* E */
  { 31, 16, 16, 30, 16, 16, 16 }, /* F */
  { 15, 16, 16, 19, 17, 17, 15 }, /* G */
  { 17, 17, 17, 31, 17, 17, 17 }, /* H */
  { 14, 4, 4, 4, 4, 4, 14 }, /* I */
  { 7, 2, 2, 2, 2, 18, 12 }, /* J */
  { 17, 18, 20, 24, 20, 18, 17 }, /* K */
  { 16, 16, 16, 16, 16, 16, 31 }, /* L */
  { 17, 27, 21, 21, 17, 17, 17 }, /* M */
  { 17, 25, 25, 21, 19, 19, 17 }, /* N */
  { 14, 17, 17, 17, 17, 17, 14 }, /* O */
  { 30, 17, 17, 30, 16, 16, 16 }, /* P */
  { 14, 17, 17, 17, 21, 18, 13 }, /* Q */
  { 30, 17, 17, 30, 20, 18, 17 }, /* R */
  { 15, 16, 16, 14, 1, 1, 30 }, /* S */
  { 31, 4, 4, 4, 4, 4, 4 }, /* T */
  { 17, 17, 17, 17, 17, 17, 14 }, /* U */
  { 17, 17, 17, 17, 10, 10, 4 }, /* V */
  { 17, 17, 17, 21, 21, 27, 17 }, /* W */
  { 17, 17, 10, 4, 10, 17, 17 }, /* X */
  { 17, 17, 10, 4, 4, 4, 4 }, /* Y */
  { 31, 1, 2, 4, 8, 16, 31 }, /* Z */
  { 14, 8, 8, 8, 8, 8, 14 }, /* [ */
  { 16, 8, 8, 4, 2, 2, 1 }, /* backslash */
  { 14, 2, 2, 2, 2, 2, 14 }, /* ] */
  { 4, 10, 17, 0, 0, 0, 0 }, /* ^ */
  { 0, 0, 0, 0, 0, 0, 31 }, /* _ */
  { 8, 4, 0, 0, 0, 0, 0 }, /* ` */
  { 0, 0, 14, 1, 15, 17, 15 }, /* a */
  { 16, 16, 30, 17, 17, 17, 30 }, /* b */
  { 0, 0, 15, 16, 16, 16, 15 }, /* c */
  { 1, 1, 15, 17, 17, 17, 15 }, /* d */
  { 0, 0, 14, 17, 31, 16, 15 }, /* e */
  { 6, 8, 30, 8, 8, 8, 8 }, /* f */
  { 0, 0, 15, 17, 15, 1, 14 }, /* g */
  { 16, 16, 30, 17, 17, 17, 17 }, /* h */
  { 4, 0, 12, 4, 4, 4, 14 }, /* i */
  { 2, 0, 6, 2, 2, 18, 12 }, /* j */
  { 16, 16, 18, 20, 24, 20, 18 }, /* k */
  { 12, 4, 4, 4, 4, 4, 2 }, /* l */
  { 0, 0, 26, 21, 21, 21, 21 }, /* m */
  { 0, 0, 30, 17, 17, 17, 17 }, /* n */
  { 0, 0, 14, 17, 17, 17, 14 }, /* o */
  { 0, 0, 30, 17, 30, 16, 16 }, /* p */
  { 0, 0, 15, 17, 15, 1, 1 }, /* q */
  { 0, 0, 22, 24, 16, 16, 16 }, /* r */
  { 0, 0, 15, 16, 14, 1, 30 }, /* s */
  { 8, 8, 30, 8, 8, 8, 6 }, /* t */
  { 0, 0, 17, 17, 17, 17, 15 }, /* u */
  { 0, 0, 17, 17, 10, 10, 4 }, /* v */
  { 0, 0, 17, 21, 21, 21, 10 }, /* w */
  { 0, 0, 17, 10, 4, 10, 17 }, /* x */
  { 0, 0, 17, 17, 15, 1, 14 }, /* y */
  { 0, 0, 31, 2, 4, 8, 31 }, /* z */
  { 2, 4, 4, 8, 4, 4, 2 }, /* { */
  { 4, 4, 4, 4, 4, 4, 4 }, /* | */
  { 8, 4, 4, 2, 4, 4, 8 }, /* } */
  { 0, 0, 9, 22, 0, 0, 0 }, /* ~ */
  /* clang-format on */
};

static guint8
to_byte (double value)
{
  return CLAMP (lrint (value), 0, 255);
}

static void
init_components (GstDefcnPaint *paint, const GstVideoInfo *info, guint32 rgb)
{
  const double r = (rgb >> 16 & 255) / 255.0;
  const double g = (rgb >> 8 & 255) / 255.0;
  const double b = (rgb & 255) / 255.0;
  double kr, kb;

  if (GST_VIDEO_INFO_IS_RGB (info)) {
    *paint =
        (GstDefcnPaint){ { rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255, 255 } };
    return;
  }
  if (!gst_video_color_matrix_get_Kr_Kb (info->colorimetry.matrix, &kr, &kb)) {
    kr = 0.299;
    kb = 0.114;
  }

  const gboolean full = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
  const double y = kr * r + (1 - kr - kb) * g + kb * b;
  const double u = (b - y) / (2 * (1 - kb)), v = (r - y) / (2 * (1 - kr));
  const double luma = full ? 255 : 219, chroma = full ? 255 : 224;
  *paint = (GstDefcnPaint){ { to_byte ((full ? 0 : 16) + luma * y),
      to_byte (128 + chroma * u), to_byte (128 + chroma * v), 255 } };
}

void
gst_defcn_paint_init (GstDefcnPaint *paint, const GstVideoInfo *info,
    guint32 rgb)
{
  static const guint order[] = { 3, 0, 1, 2 };
  const gboolean full = GST_VIDEO_INFO_IS_RGB (info)
      || info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;

  init_components (paint, info, rgb);
  for (guint i = 0; i < 4; i++) {
    const guint byte = paint->component[order[i]];

    /* Alpha is of the full range always. */
    paint->wide[i] = full || i == 0 ? byte * 257 : byte << 8;
  }
}

/* One component's samples that the rectangle touches. */
static void
fill_component (GstVideoFrame *frame, guint c, guint8 value, int x1, int y1,
    int x2, int y2)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const int w_sub = GST_VIDEO_FORMAT_INFO_W_SUB (format, c);
  const int h_sub = GST_VIDEO_FORMAT_INFO_H_SUB (format, c);
  const int pixel = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
  const int stride = GST_VIDEO_FRAME_COMP_STRIDE (frame, c);
  guint8 *data = GST_VIDEO_FRAME_COMP_DATA (frame, c);
  const int right = (x2 - 1) >> w_sub, bottom = (y2 - 1) >> h_sub;

  for (int y = y1 >> h_sub; y <= bottom; y++) {
    for (int x = x1 >> w_sub; x <= right; x++)
      data[(gssize) y * stride + (gssize) x * pixel] = value;
  }
}

/* Of A, R, G, B or A, Y, U, V of one pixel; the last two of YUV are chroma. */
static void
set_pixel (gpointer line, const GstDefcnPaint *paint, int x, gboolean is_wide,
    guint from, guint to)
{
  for (guint i = from; i < to; i++) {
    if (is_wide)
      ((guint16 *) line)[4 * x + i] = paint->wide[i];
    else
      ((guint8 *) line)[4 * x + i] = paint->component[(i + 3) % 4];
  }
}

/* Rows as GStreamer unpacks them, changed and packed again: formats of any
 * layout.  Chroma that pixels share is set where the rectangle touches any. */
static void
fill_unpacked (GstVideoFrame *frame, const GstDefcnPaint *paint, int x1, int y1,
    int x2, int y2)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const gboolean is_wide =
      GST_VIDEO_FORMAT_INFO_BITS (
          gst_video_format_get_info (format->unpack_format))
      > 8;
  const gboolean is_yuv = !GST_VIDEO_FORMAT_INFO_IS_RGB (format);
  const int width = gst_defcn_layout_packed_width (frame);
  int w_sub = 0, h_sub = 0;
  g_autofree guint16 *line = g_new (guint16, (gsize) 4 * (width + 64));

  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++) {
    w_sub = MAX (w_sub, (int) GST_VIDEO_FORMAT_INFO_W_SUB (format, c));
    h_sub = MAX (h_sub, (int) GST_VIDEO_FORMAT_INFO_H_SUB (format, c));
  }

  const int left = x1 >> w_sub << w_sub, top = y1 >> h_sub << h_sub;
  const int right = MIN ((((x2 - 1) >> w_sub) + 1) << w_sub, width);
  const int bottom =
      MIN ((((y2 - 1) >> h_sub) + 1) << h_sub, GST_VIDEO_FRAME_HEIGHT (frame));

  for (int y = top; y < bottom; y++) {
    format->unpack_func (format, GST_VIDEO_PACK_FLAG_NONE, line, frame->data,
        frame->info.stride, 0, y, width);
    for (int x = left; x < right; x++) {
      const gboolean inside = x >= x1 && x < x2 && y >= y1 && y < y2;

      if (inside)
        set_pixel (line, paint, x, is_wide, 0, 4);
      else if (is_yuv)
        set_pixel (line, paint, x, is_wide, 2, 4);
    }
    format->pack_func (format, GST_VIDEO_PACK_FLAG_NONE, line, 0, frame->data,
        frame->info.stride, frame->info.chroma_site, y, width);
  }
}

void
gst_defcn_paint_rect (GstVideoFrame *frame, const GstDefcnPaint *paint, int x,
    int y, int w, int h)
{
  const int x1 = MAX (x, 0), x2 = MIN (x + w, GST_VIDEO_FRAME_WIDTH (frame));
  const int y1 = MAX (y, 0), y2 = MIN (y + h, GST_VIDEO_FRAME_HEIGHT (frame));

  if (x1 >= x2 || y1 >= y2)
    return;
  if (!gst_defcn_layout_is_bytes (frame->info.finfo)) {
    fill_unpacked (frame, paint, x1, y1, x2, y2);
    return;
  }
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++)
    fill_component (frame, c, paint->component[c], x1, y1, x2, y2);
}

static void
paint_glyph (GstVideoFrame *frame, const GstDefcnPaint *paint, int x, int y,
    int scale, gunichar character)
{
  const guint8 *rows =
      glyphs[(character >= ' ' && character <= '~' ? character : '?') - ' '];

  for (int row = 0; row < GLYPH_HEIGHT; row++) {
    for (int column = 0; column < GLYPH_WIDTH; column++) {
      if (rows[row] & 16 >> column)
        gst_defcn_paint_rect (frame, paint, x + column * scale, y + row * scale,
            scale, scale);
    }
  }
}

void
gst_defcn_paint_text (GstVideoFrame *frame, const GstDefcnPaint *paint, int x,
    int y, int scale, const char *text)
{
  for (const char *at = text; *at; at = g_utf8_next_char (at)) {
    paint_glyph (frame, paint, x, y, scale, g_utf8_get_char (at));
    x += CELL_WIDTH * scale;
  }
}

int
gst_defcn_paint_text_width (const char *text, int scale)
{
  return g_utf8_strlen (text, -1) * CELL_WIDTH * scale;
}
