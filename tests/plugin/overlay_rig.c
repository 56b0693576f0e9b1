/* What the tests of defcnoverlay share. */
#include "overlay_rig.h"

const GstDefcnMark overlay_rig_looked = { TRUE, "", FALSE, 0, "c0ffee" };

GstHarness *
overlay_rig_harness (const char *properties, const char *format, int w, int h)
{
  g_autofree char *launch =
      g_strconcat ("defcnoverlay font=dots ", properties, NULL);
  g_autofree char *caps = g_strdup_printf (
      "video/x-raw,format=%s,width=%d,height=%d,framerate=25/1", format, w, h);
  GstHarness *harness = gst_harness_new_parse (launch);

  g_assert_nonnull (harness);
  gst_harness_set_src_caps_str (harness, caps);
  return harness;
}

void
overlay_rig_info (GstVideoInfo *info, GstHarness *h)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->srcpad);

  g_assert_true (gst_video_info_from_caps (info, caps));
}

GstBuffer *
overlay_rig_frame (const GstVideoInfo *info, gboolean padded)
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

GstDefcnObject
overlay_rig_object (int x1, int y1, int x2, int y2, int w, int h,
    const char *label)
{
  return (GstDefcnObject){ (double) x1 / w, (double) y1 / h, (double) x2 / w,
    (double) y2 / h, 0.5, 0, g_quark_from_string (label), 0 };
}

void
overlay_rig_attach (GstBuffer *buffer, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark, int w, int h)
{
  g_autoptr (GArray) array =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  g_array_append_vals (array, objects, n);
  gst_defcn_meta_attach (buffer, array, mark, GST_DEFCN_META_CUSTOM, w, h);
}

guint8 *
overlay_rig_at (GstVideoFrame *frame, guint c, int x, int y)
{
  const GstVideoFormatInfo *format = frame->info.finfo;

  x >>= GST_VIDEO_FORMAT_INFO_W_SUB (format, c);
  y >>= GST_VIDEO_FORMAT_INFO_H_SUB (format, c);
  return (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, c)
      + (gsize) y * GST_VIDEO_FRAME_COMP_STRIDE (frame, c)
      + (gsize) x * GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
}

guint8
overlay_rig_sample (GstVideoFrame *frame, guint c, int x, int y)
{
  return *overlay_rig_at (frame, c, x, y);
}

gboolean
overlay_rig_drawn (GstVideoFrame *frame, int x, int y)
{
  return overlay_rig_sample (frame, 0, x, y) != 77;
}

GstBuffer *
overlay_rig_draw_frame (GstVideoFrame *frame, GstHarness *h, GstBuffer *in)
{
  GstVideoInfo info;
  GstBuffer *out = gst_harness_push_and_pull (h, in);

  overlay_rig_info (&info, h);
  g_assert_nonnull (out);
  g_assert_true (gst_video_frame_map (frame, &info, out, GST_MAP_READ));
  return out;
}

GstBuffer *
overlay_rig_draw (GstVideoFrame *frame, GstHarness *h,
    const GstDefcnObject *objects, guint n, const GstDefcnMark *mark)
{
  GstVideoInfo info;
  GstBuffer *buffer;

  overlay_rig_info (&info, h);
  buffer = overlay_rig_frame (&info, FALSE);
  overlay_rig_attach (buffer, objects, n, mark, info.width, info.height);
  return overlay_rig_draw_frame (frame, h, buffer);
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

void
overlay_rig_assert_box (GstVideoFrame *frame, const int box[4], int t,
    guint32 rgb)
{
  GstVideoFrame wanted;
  g_autoptr (GstBuffer) buffer = map_like (&wanted, frame, 77);
  GstDefcnPaint paint;

  gst_defcn_paint_init (&paint, &frame->info, rgb);
  for (int y = box[1]; y < box[3]; y++)
    for (int x = box[0]; x < box[2]; x++)
      for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++)
        if (on_border (x, y, box, t))
          *overlay_rig_at (&wanted, c, x, y) = paint.component[c];
  gst_video_frame_unmap (&wanted);
  assert_same_bytes (frame->buffer, buffer);
}

void
overlay_rig_assert_padding (GstVideoFrame *frame)
{
  GstVideoFrame wanted;
  g_autoptr (GstBuffer) buffer = map_like (&wanted, frame, 77);

  for (int y = 0; y < GST_VIDEO_FRAME_HEIGHT (frame); y++)
    for (int x = 0; x < GST_VIDEO_FRAME_WIDTH (frame); x++)
      for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++)
        *overlay_rig_at (&wanted, c, x, y) =
            overlay_rig_sample (frame, c, x, y);
  gst_video_frame_unmap (&wanted);
  assert_same_bytes (frame->buffer, buffer);
}
