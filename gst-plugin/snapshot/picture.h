/* A part of a frame, copied as RGB.
 *
 * Thread rule: re-entrant; a picture is for one thread.
 */
#pragma once

#include <gst/video/video.h>

#include "view.h"

G_BEGIN_DECLS

typedef struct
{
  GstBuffer *pixels;    /* of ours alone */
  GstVideoInfo info;    /* RGB */
  GstDefcnPixels whole; /* where the picture lies that this is a part of */
} GstDefcnPicture;

/* The pixels of @object in a picture of @width x @height, and @margin of its
 * width and height on each side as far as there are pixels. */
GstDefcnPixels gst_defcn_picture_around (const GstDefcnObject *object,
    double margin, int width, int height);

/* Copies @part of what is visible in @view, and up to three pixels more on the
 * left and above, where chroma begins.  FALSE, and @error of the domain
 * GST_STREAM_ERROR, code FORMAT, with @picture all empty. */
gboolean gst_defcn_picture_cut (GstDefcnPicture *picture, GstDefcnView *view,
    const GstDefcnPixels *part, GError **error);
void gst_defcn_picture_clear (GstDefcnPicture *picture);

/* Bytes that such a part will take. */
gsize gst_defcn_picture_size (const GstDefcnPixels *part);

G_END_DECLS
