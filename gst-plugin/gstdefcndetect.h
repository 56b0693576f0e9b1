/* The element defcndetect: finds objects, attaches them, leaves the picture. */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DEFCN_DETECT (gst_defcn_detect_get_type ())
G_DECLARE_FINAL_TYPE (GstDefcnDetect, gst_defcn_detect, GST, DEFCN_DETECT,
    GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (defcndetect)

G_END_DECLS
