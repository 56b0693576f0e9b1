/* When a frame is. */
#include "timing.h"

static gboolean
goes_by_time (const GstSegment *segment, GstClockTime pts)
{
  return segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID (pts);
}

gboolean
gst_defcn_timing_shifts (const GstSegment *old, GstEvent *event)
{
  const GstSegment *new;

  gst_event_parse_segment (event, &new);
  return old->format != new->format || old->rate != new->rate
      || old->start != new->start || old->base != new->base
      || old->time != new->time || old->offset != new->offset;
}

GstClockTime
gst_defcn_timing_running (const GstSegment *segment, GstClockTime pts)
{
  guint64 running;

  if (!goes_by_time (segment, pts))
    return GST_CLOCK_TIME_NONE;
  if (gst_segment_to_running_time_full (segment, GST_FORMAT_TIME, pts, &running)
      != 1)
    return GST_CLOCK_TIME_NONE; /* before the segment begins */
  return MIN (running, G_MAXINT64);
}

GstClockTime
gst_defcn_timing_stream (const GstSegment *segment, GstClockTime pts)
{
  if (!goes_by_time (segment, pts))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts);
}

gint64
gst_defcn_timing_next (gint64 last, const GstSegment *segment,
    const GstVideoInfo *info, GstClockTime pts)
{
  const GstClockTime running = gst_defcn_timing_running (segment, pts);

  if (GST_CLOCK_TIME_IS_VALID (running))
    return (gint64) running;
  return last
      + (info->fps_n > 0 ? (gint64) gst_util_uint64_scale_int (GST_SECOND,
             info->fps_d, info->fps_n)
                         : GST_SECOND / 25);
}
