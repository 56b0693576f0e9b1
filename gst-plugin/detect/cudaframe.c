/* Frames in the memory of CUDA devices. */
#include "cudaframe.h"

/* In an order that 1.22 can compile. */
#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

/* What both the core and every version of gstreamer-cuda know. */
#define CAPS                                                                   \
  "video/x-raw(" GST_CAPS_FEATURE_MEMORY_CUDA_MEMORY "), "                     \
  "format={ NV12, I420, RGBA, BGRA, RGBx, BGRx, RGB, BGR }, "                  \
  "width=[ 16, 8192 ], height=[ 16, 8192 ], "                                  \
  "framerate=" GST_VIDEO_FPS_RANGE

GstCaps *
gst_defcn_cudaframe_caps (void)
{
  return gst_caps_from_string (CAPS);
}

/* All planes are in one memory. */
static GstCudaMemory *
memory_of (GstBuffer *buffer)
{
  GstMemory *memory;

  if (gst_buffer_n_memory (buffer) != 1)
    return NULL;
  memory = gst_buffer_peek_memory (buffer, 0);
  return gst_is_cuda_memory (memory) ? GST_CUDA_MEMORY_CAST (memory) : NULL;
}

GstMapFlags
gst_defcn_cudaframe_prepare (GstBuffer *pixels)
{
  GstCudaMemory *memory = memory_of (pixels);
  GstVideoInfo *info;

  if (!memory)
    return 0;
  info = &memory->info; /* the strides are the allocator's, not the caps' */
  if (!gst_buffer_get_video_meta (pixels))
    gst_buffer_add_video_meta_full (pixels, GST_VIDEO_FRAME_FLAG_NONE,
        GST_VIDEO_INFO_FORMAT (info), GST_VIDEO_INFO_WIDTH (info),
        GST_VIDEO_INFO_HEIGHT (info), GST_VIDEO_INFO_N_PLANES (info),
        info->offset, info->stride);
  return (GstMapFlags) GST_MAP_CUDA;
}

/* Who made the frame may have left work for it on a stream; before 1.24 it had
 * to wait for that. */
static gpointer
stream_of (GstCudaMemory *memory)
{
#if GST_CHECK_VERSION(1, 24, 0)
  GstCudaStream *stream = gst_cuda_memory_get_stream (memory);

  return stream ? gst_cuda_stream_get_handle (stream) : NULL;
#else
  return NULL;
#endif
}

void
gst_defcn_cudaframe_describe (DefcnImage *image, GstBuffer *pixels)
{
  GstCudaMemory *memory = memory_of (pixels);

  image->memory = DEFCN_MEMORY_CUDA;
  image->cuda_context = gst_cuda_context_get_handle (memory->context);
  image->cuda_stream = stream_of (memory);
}

GstObject *
gst_defcn_cudaframe_context (GstBuffer *buffer)
{
  const GstCudaMemory *memory = memory_of (buffer);

  return memory ? gst_object_ref (GST_OBJECT (memory->context)) : NULL;
}

GstObject *
gst_defcn_cudaframe_given_context (GstElement *element, GstContext *context)
{
  GstCudaContext *given = NULL;

  gst_cuda_handle_set_context (element, context, -1, &given);
  return (GstObject *) given;
}

gboolean
gst_defcn_cudaframe_answer (GstElement *element, GstQuery *query,
    GstObject *context)
{
  return context
      && gst_cuda_handle_context_query (element, query,
          GST_CUDA_CONTEXT (context));
}
