/* A buffer mapped as a video frame, and the part of it that is the picture. */
#include "view.h"

static gboolean refuse (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "A frame cannot be read: %s.", text);
  return FALSE;
}

/* A video meta may say anything; mapping believes it. */
static gboolean
check_meta (const GstVideoMeta *meta, const GstVideoInfo *info, GError **error)
{
  if (!meta)
    return TRUE;
  if (meta->format != GST_VIDEO_INFO_FORMAT (info)
      || meta->n_planes != GST_VIDEO_INFO_N_PLANES (info))
    return refuse (error, "its video meta says %s of %u planes, the caps %s",
        gst_video_format_to_string (meta->format), meta->n_planes,
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)));
  if (meta->width < 1 || meta->height < 1 || meta->width > 32768
      || meta->height > 32768)
    return refuse (error, "its video meta says %u x %u pixels", meta->width,
        meta->height);
  return TRUE;
}

/* Bytes that plane @p takes, whose last row ends with its last pixel. */
static gsize
plane_bytes (const GstVideoFrame *frame, guint p)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const gsize stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, p);
  gsize row = 0, rows = 0;

  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++) {
    const gsize w =
        GST_VIDEO_FORMAT_INFO_SCALE_WIDTH (format, c, frame->info.width);
    const gsize h =
        GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT (format, c, frame->info.height);
    const gsize depth = GST_VIDEO_FORMAT_INFO_DEPTH (format, c)
        + GST_VIDEO_FORMAT_INFO_SHIFT (format, c);

    if (GST_VIDEO_FORMAT_INFO_PLANE (format, c) != p)
      continue;
    row = MAX (row,
        (w - 1) * GST_VIDEO_FORMAT_INFO_PSTRIDE (format, c)
            + GST_VIDEO_FORMAT_INFO_POFFSET (format, c) + (depth + 7) / 8);
    rows = MAX (rows, h);
  }
  return rows ? (rows - 1) * stride + row : 0;
}

static gboolean
check_plane (const GstVideoFrame *frame, guint p, GError **error)
{
  const GstMapInfo *map = &frame->map[p];
  const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (frame, p);
  const int stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, p);
  const gsize wanted = plane_bytes (frame, p);
  const gsize before = data - map->data;

  if (stride >= 0 && before <= map->size && wanted <= map->size - before)
    return TRUE;
  return refuse (error,
      "plane %u of %d x %d %s with a stride of %d takes %" G_GSIZE_FORMAT
      " bytes from %" G_GSIZE_FORMAT " on, the buffer has %" G_GSIZE_FORMAT,
      p, frame->info.width, frame->info.height,
      gst_video_format_to_string (GST_VIDEO_FRAME_FORMAT (frame)), stride,
      wanted, before, map->size);
}

/* Formats of tiles, of palettes and of packed words are not rows of components:
 * only GStreamer's own layout of them is taken. */
static gboolean
check_layout (const GstVideoFrame *frame, GError **error)
{
  GstVideoInfo own;

  if (!gst_video_info_set_format (&own, GST_VIDEO_FRAME_FORMAT (frame),
          frame->info.width, frame->info.height))
    return refuse (error, "GStreamer has no layout for it");
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (frame); p++) {
    const GstMapInfo *map = &frame->map[p];
    const gsize before =
        (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, p) - map->data;
    const gsize end = p + 1 < GST_VIDEO_FRAME_N_PLANES (frame)
        ? GST_VIDEO_INFO_PLANE_OFFSET (&own, p + 1)
        : GST_VIDEO_INFO_SIZE (&own);

    if (GST_VIDEO_FRAME_PLANE_STRIDE (frame, p)
            != GST_VIDEO_INFO_PLANE_STRIDE (&own, p)
        || before > map->size
        || end - GST_VIDEO_INFO_PLANE_OFFSET (&own, p) > map->size - before)
      return refuse (error, "plane %u of %s is not laid out as usual", p,
          gst_video_format_to_string (GST_VIDEO_FRAME_FORMAT (frame)));
  }
  return TRUE;
}

static gboolean
is_rows_of_components (const GstVideoFormatInfo *format)
{
  const guint odd = GST_VIDEO_FORMAT_FLAG_COMPLEX | GST_VIDEO_FORMAT_FLAG_TILED
      | GST_VIDEO_FORMAT_FLAG_PALETTE;

  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++)
    if (GST_VIDEO_FORMAT_INFO_PSTRIDE (format, c) == 0)
      return FALSE;
  return !(GST_VIDEO_FORMAT_INFO_FLAGS (format) & odd);
}

/* Where a video meta says where the planes are; GStreamer has compared the
 * size of others with that of their layout. */
static gboolean
check_planes (const GstVideoFrame *frame, GError **error)
{
  if (!is_rows_of_components (frame->info.finfo))
    return check_layout (frame, error);
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (frame); p++)
    if (!check_plane (frame, p, error))
      return FALSE;
  return TRUE;
}

static gboolean
find_visible (GstDefcnView *view, const GstVideoCropMeta *crop,
    const GstVideoInfo *info, GError **error)
{
  const guint w = GST_VIDEO_FRAME_WIDTH (&view->frame);
  const guint h = GST_VIDEO_FRAME_HEIGHT (&view->frame);

  if (!crop) {
    view->visible =
        (GstDefcnPixels){ 0, 0, MIN (w, (guint) GST_VIDEO_INFO_WIDTH (info)),
          MIN (h, (guint) GST_VIDEO_INFO_HEIGHT (info)) };
    return TRUE;
  }
  if (crop->width < 1 || crop->height < 1 || crop->x >= w || crop->y >= h
      || crop->width > w - crop->x || crop->height > h - crop->y)
    return refuse (error, "a crop to %u x %u at %u,%u is not inside %u x %u",
        crop->width, crop->height, crop->x, crop->y, w, h);
  view->visible =
      (GstDefcnPixels){ crop->x, crop->y, crop->width, crop->height };
  return TRUE;
}

/* Why a buffer could not be mapped: it is too small, or else. */
static gboolean
refuse_map (GstBuffer *buffer, const GstVideoMeta *meta,
    const GstVideoInfo *info, GError **error)
{
  const gsize size = gst_buffer_get_size (buffer);

  if (size < GST_VIDEO_INFO_SIZE (info))
    return refuse (error,
        "%" G_GSIZE_FORMAT " bytes are no frame of %d x %d %s, which takes "
        "%" G_GSIZE_FORMAT,
        size, GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info),
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)),
        GST_VIDEO_INFO_SIZE (info));
  return refuse (error,
      meta ? "planes of its video meta begin outside of it"
           : "its memory cannot be mapped");
}

gboolean
gst_defcn_view_map (GstDefcnView *view, GstBuffer *buffer,
    const GstVideoInfo *info, int flags, GError **error)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const gboolean on_device =
      (flags & ~(GST_MAP_READWRITE | GST_VIDEO_FRAME_MAP_FLAG_NO_REF)) != 0;

  if (!check_meta (meta, info, error))
    return FALSE;
  if (!gst_video_frame_map (&view->frame, info, buffer, flags))
    return refuse_map (buffer, meta, info, error);
  if ((on_device || !meta || check_planes (&view->frame, error))
      && find_visible (view, gst_buffer_get_video_crop_meta (buffer), info,
          error))
    return TRUE;
  gst_video_frame_unmap (&view->frame);
  return FALSE;
}

void
gst_defcn_view_unmap (GstDefcnView *view)
{
  gst_video_frame_unmap (&view->frame);
}
