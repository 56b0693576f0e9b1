/* defcnoverlay: draws detections into the picture. */
#pragma once

#include <gst/video/gstvideofilter.h>

G_BEGIN_DECLS

#define GST_TYPE_DEFCN_OVERLAY (gst_defcn_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstDefcnOverlay, gst_defcn_overlay, GST, DEFCN_OVERLAY,
    GstVideoFilter)

GST_ELEMENT_REGISTER_DECLARE (defcnoverlay)

G_END_DECLS
