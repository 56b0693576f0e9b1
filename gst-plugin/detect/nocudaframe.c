/* Builds without gstreamer-cuda: there are no frames in CUDA memory. */
#include "cudaframe.h"

GstCaps *
gst_defcn_cudaframe_caps (void)
{
  return gst_caps_new_empty ();
}

GstMapFlags
gst_defcn_cudaframe_prepare (GstBuffer *pixels)
{
  return 0;
}

void
gst_defcn_cudaframe_describe (DefcnImage *image, GstBuffer *pixels)
{
}

GstObject *
gst_defcn_cudaframe_context (GstBuffer *buffer)
{
  return NULL;
}

GstObject *
gst_defcn_cudaframe_given_context (GstElement *element, GstContext *context)
{
  return NULL;
}

gboolean
gst_defcn_cudaframe_answer (GstElement *element, GstQuery *query,
    GstObject *context)
{
  return FALSE;
}
