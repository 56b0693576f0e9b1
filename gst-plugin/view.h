/* A buffer mapped as a video frame, and the part of it that is the picture.
 *
 * What other elements say about their memory (GstVideoMeta, GstVideoCropMeta)
 * is checked before a byte of it is touched.
 *
 * Thread rule: re-entrant; a view is for one thread.
 */
#pragma once

#include "meta.h"

G_BEGIN_DECLS

typedef struct
{
  GstVideoFrame frame;
  GstDefcnPixels visible; /* of the frame: GstVideoCropMeta, else the caps */
} GstDefcnView;

/* Maps @buffer, a frame of @info, with @flags of GstMapFlags and
 * GstVideoFrameMapFlags.  FALSE, with nothing mapped and an @error of the
 * domain GST_STREAM_ERROR, code FAILED, that says what does not fit: a buffer
 * that cannot be mapped or is too small, planes that end outside of it, another
 * format than @info's, a crop that is not inside the frame. */
gboolean gst_defcn_view_map (GstDefcnView *view, GstBuffer *buffer,
    const GstVideoInfo *info, int flags, GError **error);
void gst_defcn_view_unmap (GstDefcnView *view);

G_END_DECLS
