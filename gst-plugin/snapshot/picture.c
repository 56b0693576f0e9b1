/* A part of a frame, copied as RGB. */
#include "picture.h"

#include <string.h>

GstDefcnPixels
gst_defcn_picture_around (const GstDefcnObject *object, double margin,
    int width, int height)
{
  const double w = margin * (object->x_max - object->x_min);
  const double h = margin * (object->y_max - object->y_min);
  GstDefcnObject wide = *object;

  wide.x_min = MAX (wide.x_min - w, 0);
  wide.x_max = MIN (wide.x_max + w, 1);
  wide.y_min = MAX (wide.y_min - h, 0);
  wide.y_max = MIN (wide.y_max + h, 1);
  return gst_defcn_object_pixels (&wide, width, height);
}

gsize
gst_defcn_picture_size (const GstDefcnPixels *part)
{
  return (gsize) 3 * part->w * part->h;
}

static int
max_sub (const GstVideoFormatInfo *format, gboolean vertical)
{
  int sub = 0;

  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++)
    sub = MAX (sub,
        (int) (vertical ? GST_VIDEO_FORMAT_INFO_H_SUB (format, c)
                        : GST_VIDEO_FORMAT_INFO_W_SUB (format, c)));
  return sub;
}

/* Whether GStreamer unpacks such frames from any column on: of pixels of 64
 * bits it begins elsewhere. */
static gboolean
starts_anywhere (const GstVideoFormatInfo *format)
{
  const guint odd = GST_VIDEO_FORMAT_FLAG_COMPLEX | GST_VIDEO_FORMAT_FLAG_TILED
      | GST_VIDEO_FORMAT_FLAG_PALETTE;

  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++)
    if (GST_VIDEO_FORMAT_INFO_PSTRIDE (format, c) == 0
        || GST_VIDEO_FORMAT_INFO_PSTRIDE (format, c) > 4)
      return FALSE;
  return !(GST_VIDEO_FORMAT_INFO_FLAGS (format) & odd);
}

/* @part of the frame, from where its chroma begins. */
static GstDefcnPixels
align (const GstDefcnView *view, const GstDefcnPixels *part)
{
  const GstVideoInfo *info = &view->frame.info;
  const int w_sub = max_sub (info->finfo, FALSE);
  const int h_sub = max_sub (info->finfo, TRUE)
      + (GST_VIDEO_INFO_IS_INTERLACED (info) ? 1 : 0);
  const int x = view->visible.x + part->x, y = view->visible.y + part->y;
  const int left = x >> w_sub << w_sub, top = y >> h_sub << h_sub;

  return (GstDefcnPixels){ left, top, part->w + x - left, part->h + y - top };
}

/* Converts @from of @frame into @pixels of @info. */
static gboolean
convert (GstBuffer *pixels, const GstVideoInfo *info, GstVideoFrame *frame,
    const GstDefcnPixels *from)
{
  GstVideoConverter *converter = gst_video_converter_new (&frame->info, info,
      gst_structure_new ("options", GST_VIDEO_CONVERTER_OPT_SRC_X, G_TYPE_INT,
          from->x, GST_VIDEO_CONVERTER_OPT_SRC_Y, G_TYPE_INT, from->y,
          GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT, from->w,
          GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT, G_TYPE_INT, from->h, NULL));
  GstVideoFrame to;

  if (!converter)
    return FALSE;
  if (!gst_video_frame_map (&to, info, pixels, GST_MAP_WRITE)) {
    gst_video_converter_free (converter);
    return FALSE;
  }
  gst_video_converter_frame (converter, frame, &to);
  gst_video_frame_unmap (&to);
  gst_video_converter_free (converter);
  return TRUE;
}

/* The rows of @part of @all. */
static void
copy_rows (GstBuffer *pixels, const GstVideoInfo *info, GstBuffer *all,
    const GstVideoInfo *all_info, const GstDefcnPixels *part)
{
  GstVideoFrame from, to;

  gst_video_frame_map (&from, all_info, all, GST_MAP_READ);
  gst_video_frame_map (&to, info, pixels, GST_MAP_WRITE);
  for (int y = 0; y < part->h; y++)
    memcpy ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&to, 0)
            + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&to, 0),
        (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&from, 0)
            + (gsize) (part->y + y) * GST_VIDEO_FRAME_PLANE_STRIDE (&from, 0)
            + 3 * (gsize) part->x,
        3 * (gsize) part->w);
  gst_video_frame_unmap (&to);
  gst_video_frame_unmap (&from);
}

static gboolean
set_rgb (GstVideoInfo *info, const GstVideoInfo *like, int w, int h)
{
  if (!gst_video_info_set_interlaced_format (info, GST_VIDEO_FORMAT_RGB,
          GST_VIDEO_INFO_INTERLACE_MODE (like), w, h))
    return FALSE;
  info->fps_n = like->fps_n; /* which has to be the same */
  info->fps_d = like->fps_d;
  return TRUE;
}

/* By way of the whole frame. */
static gboolean
cut_from_whole (GstDefcnPicture *picture, GstVideoFrame *frame,
    const GstDefcnPixels *from)
{
  const GstDefcnPixels all = { 0, 0, frame->info.width, frame->info.height };
  g_autoptr (GstBuffer) pixels = NULL;
  GstVideoInfo info;

  if (!set_rgb (&info, &frame->info, all.w, all.h))
    return FALSE;
  pixels = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
  if (!pixels || !convert (pixels, &info, frame, &all))
    return FALSE;
  copy_rows (picture->pixels, &picture->info, pixels, &info, from);
  return TRUE;
}

gboolean
gst_defcn_picture_cut (GstDefcnPicture *picture, GstDefcnView *view,
    const GstDefcnPixels *part, GError **error)
{
  GstVideoFrame *frame = &view->frame;
  const GstDefcnPixels from = align (view, part);
  gboolean good;

  memset (picture, 0, sizeof *picture);
  good = set_rgb (&picture->info, &frame->info, from.w, from.h);
  if (good)
    picture->pixels = gst_buffer_new_allocate (NULL,
        GST_VIDEO_INFO_SIZE (&picture->info), NULL);
  good = picture->pixels
      && (starts_anywhere (frame->info.finfo)
              ? convert (picture->pixels, &picture->info, frame, &from)
              : cut_from_whole (picture, frame, &from));
  if (!good) {
    gst_defcn_picture_clear (picture);
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "GStreamer cannot convert %d x %d pixels of %s.", from.w, from.h,
        gst_video_format_to_string (GST_VIDEO_FRAME_FORMAT (frame)));
    return FALSE;
  }
  picture->whole = (GstDefcnPixels){ view->visible.x - from.x,
    view->visible.y - from.y, view->visible.w, view->visible.h };
  return TRUE;
}

void
gst_defcn_picture_clear (GstDefcnPicture *picture)
{
  gst_clear_buffer (&picture->pixels);
}
