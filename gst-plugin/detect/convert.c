/* Frames of the formats that the core does not read, by GstVideoConverter. */
#include "convert.h"

struct _GstDefcnConvert
{
  GstVideoConverter *converter;
  GstVideoInfo from, to; /* that it is for */
  GstBuffer *pixels;
};

GstDefcnConvert *
gst_defcn_convert_new (void)
{
  return g_new0 (GstDefcnConvert, 1);
}

static void
clear (GstDefcnConvert *convert)
{
  g_clear_pointer (&convert->converter, gst_video_converter_free);
  gst_clear_buffer (&convert->pixels);
}

void
gst_defcn_convert_free (GstDefcnConvert *convert)
{
  if (!convert)
    return;
  clear (convert);
  g_free (convert);
}

/* Does nothing when the last frame was like @from. */
static gboolean
prepare (GstDefcnConvert *c, const GstVideoInfo *from, GError **error)
{
  if (c->converter && gst_video_info_is_equal (&c->from, from))
    return TRUE;
  clear (c);
  c->from = *from;
  if (gst_video_info_set_interlaced_format (&c->to, GST_VIDEO_FORMAT_BGRx,
          GST_VIDEO_INFO_INTERLACE_MODE (from), from->width, from->height)) {
    c->to.fps_n = from->fps_n; /* which has to be the same */
    c->to.fps_d = from->fps_d;
    c->converter = gst_video_converter_new (from, &c->to, NULL);
  }
  if (!c->converter) {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "GStreamer cannot convert frames of %s.",
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (from)));
    return FALSE;
  }
  c->pixels =
      gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&c->to), NULL);
  return TRUE;
}

gboolean
gst_defcn_convert_run (GstDefcnConvert *c, DefcnImage *image,
    GstVideoFrame *frame, GError **error)
{
  GstVideoFrame to;

  if (!prepare (c, &frame->info, error))
    return FALSE;
  if (!gst_video_frame_map (&to, &c->to, c->pixels, GST_MAP_WRITE)) {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "No memory to convert a frame of %d x %d.", frame->info.width,
        frame->info.height);
    return FALSE;
  }
  gst_video_converter_frame (c->converter, frame, &to);
  image->format = DEFCN_FORMAT_BGRA;
  image->planes[0] = GST_VIDEO_FRAME_PLANE_DATA (&to, 0);
  image->strides[0] = GST_VIDEO_FRAME_PLANE_STRIDE (&to, 0);
  gst_video_frame_unmap (&to); /* memory of ours stays where it is */
  return TRUE;
}
