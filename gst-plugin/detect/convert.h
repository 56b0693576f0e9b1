/* Frames of the formats that the core does not read, made into ones that it
 * does, by GstVideoConverter.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include <gst/video/video.h>

#include "image.h"

G_BEGIN_DECLS

/* Keeps what it needs between frames of one kind. */
typedef struct _GstDefcnConvert GstDefcnConvert;

GstDefcnConvert *gst_defcn_convert_new (void);
void gst_defcn_convert_free (GstDefcnConvert *convert);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDefcnConvert, gst_defcn_convert_free)

/* Makes @image, but for its size, that of the pixels of @frame, which lie in
 * @convert until the next call.  FALSE with @error (GST_STREAM_ERROR, FORMAT)
 * if GStreamer cannot convert such frames. */
gboolean gst_defcn_convert_run (GstDefcnConvert *convert, DefcnImage *image,
    GstVideoFrame *frame, GError **error);

G_END_DECLS
