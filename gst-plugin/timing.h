/* When a frame is.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Whether running time is another after @event, a SEGMENT. */
gboolean gst_defcn_timing_shifts (const GstSegment *old, GstEvent *event);

/* Running time of @pts; GST_CLOCK_TIME_NONE where the stream does not go by
 * time, and before its segment begins. */
GstClockTime gst_defcn_timing_running (const GstSegment *segment,
    GstClockTime pts);

/* Stream time of @pts; GST_CLOCK_TIME_NONE where the stream does not go by
 * time, and outside of its segment. */
GstClockTime gst_defcn_timing_stream (const GstSegment *segment,
    GstClockTime pts);

/* The running time of a frame, the one before having been at @last.  Without
 * timestamps frames are as far apart as @info says, or 1/25 s. */
gint64 gst_defcn_timing_next (gint64 last, const GstSegment *segment,
    const GstVideoInfo *info, GstClockTime pts);

G_END_DECLS
