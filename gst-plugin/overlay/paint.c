/* Rectangles, lines and masks on a mapped video frame. */
#include "paint.h"

#include <math.h>
#include <string.h>

#include "samples.h"

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

/* Of a format that is not bytes: rows as GStreamer unpacks them, changed and at
 * the end packed again. */
typedef struct _GstDefcnCanvasRows
{
  int width;        /* that is unpacked */
  gboolean is_wide; /* components of 16 bits */
  gboolean is_yuv;  /* the last two of which are chroma */
  int w_sub, h_sub; /* of the chroma */
  guint16 **rows;   /* NULL: not touched */
} Rows;

static Rows *
rows_new (const GstVideoFrame *frame)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  Rows *rows = g_new0 (Rows, 1);

  rows->width = gst_defcn_samples_packed_width (frame);
  rows->is_wide = GST_VIDEO_FORMAT_INFO_BITS (
                      gst_video_format_get_info (format->unpack_format))
      > 8;
  rows->is_yuv = !GST_VIDEO_FORMAT_INFO_IS_RGB (format);
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++) {
    rows->w_sub =
        MAX (rows->w_sub, (int) GST_VIDEO_FORMAT_INFO_W_SUB (format, c));
    rows->h_sub =
        MAX (rows->h_sub, (int) GST_VIDEO_FORMAT_INFO_H_SUB (format, c));
  }
  rows->rows = g_new0 (guint16 *, GST_VIDEO_FRAME_HEIGHT (frame));
  return rows;
}

static guint16 *
rows_touch (GstDefcnCanvas *canvas, int y)
{
  const GstVideoFrame *frame = canvas->frame;
  const GstVideoFormatInfo *format = frame->info.finfo;
  Rows *rows = canvas->rows;

  if (!rows->rows[y]) {
    rows->rows[y] = g_new (guint16, (gsize) 4 * (rows->width + 64));
    format->unpack_func (format, GST_VIDEO_PACK_FLAG_NONE, rows->rows[y],
        frame->data, frame->info.stride, 0, y, rows->width);
  }
  return rows->rows[y];
}

static void
rows_put (Rows *rows, GstVideoFrame *frame)
{
  const GstVideoFormatInfo *format = frame->info.finfo;

  for (int y = 0; y < GST_VIDEO_FRAME_HEIGHT (frame); y++) {
    if (!rows->rows[y])
      continue;
    format->pack_func (format, GST_VIDEO_PACK_FLAG_NONE, rows->rows[y], 0,
        frame->data, frame->info.stride, frame->info.chroma_site, y,
        rows->width);
    g_free (rows->rows[y]);
  }
  g_free (rows->rows);
  g_free (rows);
}

void
gst_defcn_canvas_begin (GstDefcnCanvas *canvas, GstVideoFrame *frame,
    const GstDefcnPixels *clip)
{
  const GstDefcnPixels all = { 0, 0, GST_VIDEO_FRAME_WIDTH (frame),
    GST_VIDEO_FRAME_HEIGHT (frame) };

  *canvas = (GstDefcnCanvas){ frame, clip ? *clip : all,
    gst_defcn_samples_are_bytes (frame->info.finfo) ? NULL : rows_new (frame) };
}

void
gst_defcn_canvas_end (GstDefcnCanvas *canvas)
{
  if (canvas->rows)
    rows_put (canvas->rows, canvas->frame);
  canvas->rows = NULL;
}

/* Where something goes, in pixels of the frame, and how much of each. */
typedef struct
{
  int x1, y1, x2, y2;
  const GstDefcnMask *mask; /* NULL: all of it */
  int x, y;                 /* of the mask */
} Area;

static guint
pixel_cover (const Area *area, int x, int y)
{
  const GstDefcnMask *mask = area->mask;

  if (x < area->x1 || x >= area->x2 || y < area->y1 || y >= area->y2)
    return 0;
  if (!mask)
    return 255;
  return mask->cover[(gsize) (y - area->y) * mask->stride + x - area->x];
}

/* The mean cover of the pixels that share a sample, 0..255.  Without a mask a
 * pixel that is touched is all of it. */
static guint
sample_cover (const Area *area, int x, int y, int w_sub, int h_sub)
{
  const int x1 = x << w_sub, x2 = (x + 1) << w_sub;
  const int y1 = y << h_sub, y2 = (y + 1) << h_sub;
  guint sum = 0;

  for (int row = y1; row < y2; row++)
    for (int column = x1; column < x2; column++)
      sum += pixel_cover (area, column, row);
  if (!area->mask)
    return sum ? 255 : 0;
  return sum >> (w_sub + h_sub);
}

static guint
mix (guint old, guint ink, guint cover)
{
  return (old * (255 - cover) + ink * cover + 127) / 255;
}

/* Samples from @from to @to of a row, @pixel bytes apart, all of them. */
static void
fill_samples (guint8 *row, int from, int to, int pixel, guint8 value)
{
  if (pixel == 1) {
    memset (row + from, value, (gsize) (to - from));
    return;
  }
  for (int x = from; x < to; x++)
    row[(gssize) x * pixel] = value;
}

/* One component's samples that the area touches. */
static void
paint_component (GstVideoFrame *frame, guint c, guint8 value, const Area *area)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const int w_sub = GST_VIDEO_FORMAT_INFO_W_SUB (format, c);
  const int h_sub = GST_VIDEO_FORMAT_INFO_H_SUB (format, c);
  const int pixel = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
  const int stride = GST_VIDEO_FRAME_COMP_STRIDE (frame, c);
  const int left = area->x1 >> w_sub, right = ((area->x2 - 1) >> w_sub) + 1;
  const int bottom = (area->y2 - 1) >> h_sub;

  for (int y = area->y1 >> h_sub; y <= bottom; y++) {
    guint8 *row =
        (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, c) + (gssize) y * stride;

    if (!area->mask) {
      fill_samples (row, left, right, pixel, value);
      continue;
    }
    for (int x = left; x < right; x++) {
      guint8 *sample = row + (gssize) x * pixel;

      *sample = mix (*sample, value, sample_cover (area, x, y, w_sub, h_sub));
    }
  }
}

/* Components from @from to before @to of A, R, G, B or A, Y, U, V of one pixel.
 */
static void
mix_pixel (Rows *rows, guint16 *row, const GstDefcnPaint *paint, int x,
    guint from, guint to, guint cover)
{
  for (guint i = from; cover && i < to; i++) {
    if (rows->is_wide) {
      guint16 *at = row + 4 * x + i;

      *at = mix (*at, paint->wide[i], cover);
    } else {
      guint8 *at = (guint8 *) row + 4 * x + i;

      *at = mix (*at, paint->component[(i + 3) % 4], cover);
    }
  }
}

/* Chroma that pixels share is set for all of them. */
static void
paint_rows (GstDefcnCanvas *canvas, const GstDefcnPaint *paint,
    const Area *area)
{
  Rows *rows = canvas->rows;
  const int w_sub = rows->w_sub, h_sub = rows->h_sub;
  const int left = area->x1 >> w_sub << w_sub;
  const int top = area->y1 >> h_sub << h_sub;
  const int right = MIN ((((area->x2 - 1) >> w_sub) + 1) << w_sub, rows->width);
  const int bottom = MIN ((((area->y2 - 1) >> h_sub) + 1) << h_sub,
      GST_VIDEO_FRAME_HEIGHT (canvas->frame));

  for (int y = top; y < bottom; y++) {
    guint16 *row = rows_touch (canvas, y);

    for (int x = left; x < right; x++) {
      const guint cover = pixel_cover (area, x, y);

      mix_pixel (rows, row, paint, x, 0, rows->is_yuv ? 2 : 4, cover);
      if (rows->is_yuv)
        mix_pixel (rows, row, paint, x, 2, 4,
            sample_cover (area, x >> w_sub, y >> h_sub, w_sub, h_sub));
    }
  }
}

static void
paint_area (GstDefcnCanvas *canvas, const GstDefcnPaint *paint, int w, int h,
    Area *area)
{
  const GstDefcnPixels *clip = &canvas->clip;

  area->x1 = MAX (area->x, clip->x);
  area->y1 = MAX (area->y, clip->y);
  area->x2 = MIN (area->x + w, clip->x + clip->w);
  area->y2 = MIN (area->y + h, clip->y + clip->h);
  if (area->x1 >= area->x2 || area->y1 >= area->y2)
    return;
  if (canvas->rows) {
    paint_rows (canvas, paint, area);
    return;
  }
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (canvas->frame); c++)
    paint_component (canvas->frame, c, paint->component[c], area);
}

void
gst_defcn_paint_rect (GstDefcnCanvas *canvas, const GstDefcnPaint *paint, int x,
    int y, int w, int h)
{
  Area area = { .x = x, .y = y };

  paint_area (canvas, paint, w, h, &area);
}

void
gst_defcn_paint_mask (GstDefcnCanvas *canvas, const GstDefcnPaint *paint, int x,
    int y, const GstDefcnMask *mask)
{
  Area area = { .mask = mask, .x = x, .y = y };

  paint_area (canvas, paint, mask->w, mask->h, &area);
}

/* As columns of @thickness where it is flat, and as rows where it is steep. */
void
gst_defcn_paint_line (GstDefcnCanvas *canvas, const GstDefcnPaint *paint,
    double x1, double y1, double x2, double y2, int thickness)
{
  const double dx = x2 - x1, dy = y2 - y1;
  const gboolean flat = fabs (dx) >= fabs (dy);
  const int steps = (int) ceil (MAX (fabs (dx), fabs (dy)));
  const int w = flat ? 1 : thickness, h = flat ? thickness : 1;

  for (int i = 0; i <= steps; i++) {
    const double t = steps ? (double) i / steps : 0;
    const int x = (int) floor (x1 + t * dx + 0.5) - w / 2;
    const int y = (int) floor (y1 + t * dy + 0.5) - h / 2;

    gst_defcn_paint_rect (canvas, paint, x, y, w, h);
  }
}
