/* Frames in the memory of CUDA devices, "memory:CUDAMemory", as GStreamer's
 * CUDA elements make them, and their contexts.
 *
 * Without gstreamer-cuda (nocudaframe.c) there are no such frames, and nothing
 * of NVIDIA's is loaded.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/video/video.h>

#include "image.h"

G_BEGIN_DECLS

/* Returns: (transfer full): what of such frames a pad may take, maybe EMPTY. */
GstCaps *gst_defcn_cudaframe_caps (void);

/* What maps the frame @pixels on the device, 0 where that is no such frame.  A
 * buffer of its own, which then says where the planes are. */
GstMapFlags gst_defcn_cudaframe_prepare (GstBuffer *pixels);

/* Where the planes of @image, mapped like that, are; borrows from @pixels. */
void gst_defcn_cudaframe_describe (DefcnImage *image, GstBuffer *pixels);

/* Returns: (transfer full) (nullable): the "gst.cuda.context" of a frame, and
 * that which an element has been given. */
GstObject *gst_defcn_cudaframe_context (GstBuffer *buffer);
GstObject *gst_defcn_cudaframe_given_context (GstElement *element,
    GstContext *context);
/* Answers a CONTEXT query with @context, nullable; FALSE if it is not asked for
 * that. */
gboolean gst_defcn_cudaframe_answer (GstElement *element, GstQuery *query,
    GstObject *context);

G_END_DECLS
