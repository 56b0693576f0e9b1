/* defcnpublish: writes detections as JSON. */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DEFCN_PUBLISH (gst_defcn_publish_get_type ())
G_DECLARE_FINAL_TYPE (GstDefcnPublish, gst_defcn_publish, GST, DEFCN_PUBLISH,
    GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (defcnpublish)

G_END_DECLS
