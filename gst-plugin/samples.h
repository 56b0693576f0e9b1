/* How the samples of a video format lie in memory.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Whether every component of @format is a byte of its own, in rows, and where
 * GStreamer says: sample x, y of component c is y * COMP_STRIDE + x *
 * COMP_PSTRIDE behind COMP_DATA of the frame. */
gboolean gst_defcn_samples_are_bytes (const GstVideoFormatInfo *format);

/* Pixels of a row of @frame that GStreamer packs within the row. */
int gst_defcn_samples_packed_width (const GstVideoFrame *frame);

G_END_DECLS
