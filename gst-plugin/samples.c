/* How the samples of a video format lie in memory. */
#include "samples.h"

/* Of VYUY GStreamer says that U is first, and converts as if V were. */
gboolean
gst_defcn_samples_are_bytes (const GstVideoFormatInfo *format)
{
  const guint odd = GST_VIDEO_FORMAT_FLAG_COMPLEX | GST_VIDEO_FORMAT_FLAG_TILED
      | GST_VIDEO_FORMAT_FLAG_PALETTE;

  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++)
    if (GST_VIDEO_FORMAT_INFO_DEPTH (format, c) != 8
        || GST_VIDEO_FORMAT_INFO_SHIFT (format, c) != 0
        || GST_VIDEO_FORMAT_INFO_PSTRIDE (format, c) == 0)
      return FALSE;
  return !(GST_VIDEO_FORMAT_INFO_FLAGS (format) & odd)
      && GST_VIDEO_FORMAT_INFO_FORMAT (format) != GST_VIDEO_FORMAT_VYUY;
}

/* It packs the last column of an odd UYVP beyond the row's end. */
int
gst_defcn_samples_packed_width (const GstVideoFrame *frame)
{
  const gboolean by_twos =
      GST_VIDEO_FRAME_FORMAT (frame) == GST_VIDEO_FORMAT_UYVP;

  return GST_VIDEO_FRAME_WIDTH (frame) / (1 + by_twos) * (1 + by_twos);
}
