/* A job: one frame to look at, and what was found there. */
#include "job.h"
#include "cudaframe.h"

static const struct
{
  GstVideoFormat from;
  DefcnFormat to;
} formats[] = {
  { GST_VIDEO_FORMAT_NV12, DEFCN_FORMAT_NV12 },
  { GST_VIDEO_FORMAT_NV21, DEFCN_FORMAT_NV21 },
  { GST_VIDEO_FORMAT_I420, DEFCN_FORMAT_I420 },
  { GST_VIDEO_FORMAT_YV12, DEFCN_FORMAT_I420 },
  { GST_VIDEO_FORMAT_YUY2, DEFCN_FORMAT_YUY2 },
  { GST_VIDEO_FORMAT_UYVY, DEFCN_FORMAT_UYVY },
  { GST_VIDEO_FORMAT_Y42B, DEFCN_FORMAT_Y42B },
  { GST_VIDEO_FORMAT_Y444, DEFCN_FORMAT_Y444 },
  { GST_VIDEO_FORMAT_P010_10LE, DEFCN_FORMAT_P010 },
  { GST_VIDEO_FORMAT_I420_10LE, DEFCN_FORMAT_I420_10 },
  { GST_VIDEO_FORMAT_RGB, DEFCN_FORMAT_RGB },
  { GST_VIDEO_FORMAT_BGR, DEFCN_FORMAT_BGR },
  { GST_VIDEO_FORMAT_RGBA, DEFCN_FORMAT_RGBA },
  { GST_VIDEO_FORMAT_RGBx, DEFCN_FORMAT_RGBA },
  { GST_VIDEO_FORMAT_BGRA, DEFCN_FORMAT_BGRA },
  { GST_VIDEO_FORMAT_BGRx, DEFCN_FORMAT_BGRA },
  { GST_VIDEO_FORMAT_ARGB, DEFCN_FORMAT_ARGB },
  { GST_VIDEO_FORMAT_xRGB, DEFCN_FORMAT_ARGB },
  { GST_VIDEO_FORMAT_ABGR, DEFCN_FORMAT_ABGR },
  { GST_VIDEO_FORMAT_xBGR, DEFCN_FORMAT_ABGR },
  { GST_VIDEO_FORMAT_GRAY8, DEFCN_FORMAT_GRAY8 },
};

static DefcnFormat
image_format (GstVideoFormat format)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (formats[i].from == format)
      return formats[i].to;
  return DEFCN_N_FORMATS; /* to be converted */
}

/* The nearest of the three that the core knows: FCC differs from BT.601 in the
 * third digit, SMPTE 240M from BT.709 in the second. */
static DefcnMatrix
image_matrix (const GstVideoInfo *info)
{
  switch (GST_VIDEO_INFO_COLORIMETRY (info).matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return DEFCN_MATRIX_BT2020;
    case GST_VIDEO_COLOR_MATRIX_BT709:
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
      return DEFCN_MATRIX_BT709;
    case GST_VIDEO_COLOR_MATRIX_BT601:
    case GST_VIDEO_COLOR_MATRIX_FCC:
      return DEFCN_MATRIX_BT601;
    default:
      return GST_VIDEO_INFO_HEIGHT (info) > 576 ? DEFCN_MATRIX_BT709
                                                : DEFCN_MATRIX_BT601;
  }
}

/* No picture has others, whatever caps say. */
static gboolean
is_aspect (int n, int d)
{
  return n > 0 && d > 0 && n / DEFCN_IMAGE_MAX_ASPECT < d
      && d / DEFCN_IMAGE_MAX_ASPECT < n;
}

static void
image_from_frame (DefcnImage *image, const GstVideoFrame *frame)
{
  *image = (DefcnImage){ .width = GST_VIDEO_FRAME_WIDTH (frame),
    .height = GST_VIDEO_FRAME_HEIGHT (frame),
    .matrix = image_matrix (&frame->info),
    .full_range = GST_VIDEO_INFO_COLORIMETRY (&frame->info).range
        == GST_VIDEO_COLOR_RANGE_0_255 };
  if (is_aspect (frame->info.par_n, frame->info.par_d)) {
    image->par_n = frame->info.par_n;
    image->par_d = frame->info.par_d;
  }
  for (guint i = 0; i < MIN (GST_VIDEO_FRAME_N_PLANES (frame), 3); i++) {
    /* Y, U, V whichever of them comes first, where each has a plane. */
    const guint plane = GST_VIDEO_FRAME_N_PLANES (frame) == 3
        ? GST_VIDEO_FRAME_COMP_PLANE (frame, i)
        : i;

    image->planes[i] = GST_VIDEO_FRAME_PLANE_DATA (frame, plane);
    image->strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE (frame, plane);
  }
  image->format = image_format (GST_VIDEO_FRAME_FORMAT (frame));
}

/* A buffer with the same memory and the metas that describe it, and no hold on
 * @buffer itself, which has to stay writable for what is attached to it: a
 * plain copy would carry a parent meta where the buffer is a pool's. */
static GstBuffer *
share_pixels (GstBuffer *buffer)
{
  GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);
  GstBuffer *pixels = gst_buffer_new ();

  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++)
    gst_buffer_append_memory (pixels, gst_buffer_get_memory (buffer, i));
  if (meta)
    gst_buffer_add_video_meta_full (pixels, meta->flags, meta->format,
        meta->width, meta->height, meta->n_planes, meta->offset, meta->stride);
  if (crop) {
    GstVideoCropMeta *copy = gst_buffer_add_video_crop_meta (pixels);

    copy->x = crop->x;
    copy->y = crop->y;
    copy->width = crop->width;
    copy->height = crop->height;
  }
  return pixels;
}

GstDefcnJob *
gst_defcn_job_new (GstBuffer *buffer, const GstVideoInfo *info,
    GstDefcnSettings *settings, gboolean on_device, GError **error)
{
  g_autoptr (GstDefcnJob) job = g_new0 (GstDefcnJob, 1);
  g_autoptr (GstBuffer) pixels = share_pixels (buffer);
  GstMapFlags device = gst_defcn_cudaframe_prepare (pixels);

  if (!on_device) /* such frames are copied to the host by being mapped there */
    device = 0;
  job->settings = gst_defcn_settings_ref (settings);
  if (!gst_defcn_view_map (&job->view, pixels, info, GST_MAP_READ | device,
          error)) {
    job->view.frame.buffer = NULL;
    return NULL;
  }
  image_from_frame (&job->image, &job->view.frame);
  if (device)
    gst_defcn_cudaframe_describe (&job->image, pixels);
  job->timestamp = GST_BUFFER_PTS (buffer);
  job->regions = g_array_new (FALSE, FALSE, sizeof (GstDefcnRegion));
  job->objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  job->owners = g_array_new (FALSE, FALSE, sizeof (guint));
  gst_defcn_job_add_region (job, 0, 0, job->view.visible.w, job->view.visible.h,
      0, 0);
  return g_steal_pointer (&job);
}

void
gst_defcn_job_add_region (GstDefcnJob *job, int x, int y, int w, int h,
    int parent_id, GQuark parent)
{
  const GstDefcnPixels *all = &job->view.visible;
  const int left = CLAMP (x, 0, all->w), top = CLAMP (y, 0, all->h);
  const GstDefcnRegion r = { { all->x + left, all->y + top,
                                 (int) MIN ((gint64) x + w, all->w) - left,
                                 (int) MIN ((gint64) y + h, all->h) - top },
    parent_id, parent };

  if (r.rectangle.w > 0 && r.rectangle.h > 0)
    g_array_append_val (job->regions, r);
}

void
gst_defcn_job_release_pixels (GstDefcnJob *job)
{
  if (job->view.frame.buffer)
    gst_defcn_view_unmap (&job->view);
  job->view.frame.buffer = NULL;
  g_clear_pointer (&job->convert, gst_defcn_convert_free);
}

void
gst_defcn_job_free (GstDefcnJob *job)
{
  if (!job)
    return;
  gst_defcn_job_release_pixels (job);
  g_clear_pointer (&job->regions, g_array_unref);
  g_clear_pointer (&job->objects, g_array_unref);
  g_clear_pointer (&job->owners, g_array_unref);
  gst_defcn_settings_unref (job->settings);
  gst_defcn_model_info_unref (job->info);
  gst_defcn_engine_unref (job->engine);
  g_clear_error (&job->error);
  g_free (job);
}
