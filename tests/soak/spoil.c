/* Frames that are not as they should be. */
#include "spoil.h"

static guint
draw (GRand *rand, guint n)
{
  return (guint) g_rand_int_range (rand, 0, (gint32) n);
}

static void
foreign_planes (GstBuffer *buffer, const GstVideoInfo *info, GRand *rand)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 0 };

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    offset[p] = draw (rand, 1 << 20);
    stride[p] = (gint) draw (rand, 1 << 14) - 100;
  }
  gst_buffer_add_video_meta_full (buffer, 0, GST_VIDEO_INFO_FORMAT (info),
      info->width, info->height, GST_VIDEO_INFO_N_PLANES (info), offset,
      stride);
}

static void
crop (GstBuffer *buffer, GRand *rand)
{
  GstVideoCropMeta *meta = gst_buffer_add_video_crop_meta (buffer);

  meta->x = draw (rand, 3) * 20;
  meta->y = draw (rand, 3) * 20;
  meta->width = draw (rand, 3) * 16;
  meta->height = draw (rand, 3) * 16;
}

static void
zones (GstBuffer *buffer, GRand *rand)
{
  for (guint i = draw (rand, 100); i > 0; i--)
    gst_buffer_add_video_region_of_interest_meta (buffer, "zone",
        draw (rand, 300), draw (rand, 300), draw (rand, 300), draw (rand, 300));
}

gboolean
spoil (GstBuffer *buffer, Spoil how, const GstVideoInfo *info, GRand *rand)
{
  switch (how) {
    case SPOIL_SHORT:
      gst_buffer_set_size (buffer,
          (gssize) draw (rand, (guint) gst_buffer_get_size (buffer)));
      break;
    case SPOIL_PLANES:
      foreign_planes (buffer, info, rand);
      break;
    case SPOIL_CROP:
      crop (buffer, rand);
      break;
    case SPOIL_ZONES:
      zones (buffer, rand);
      break;
    case SPOIL_TIME:
      GST_BUFFER_PTS (buffer) =
          draw (rand, 2) ? GST_CLOCK_TIME_NONE : draw (rand, 1000) * GST_SECOND;
      break;
    case SPOIL_DISCONT:
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
      break;
    case SPOIL_N:
      g_assert_not_reached ();
  }
  return how == SPOIL_SHORT || how == SPOIL_PLANES || how == SPOIL_CROP;
}

gboolean
spoil_is_coded (Spoil how)
{
  return how == SPOIL_ZONES || how == SPOIL_DISCONT;
}
