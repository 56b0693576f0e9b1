/* defcnsnapshot: writes pictures of what is found. */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DEFCN_SNAPSHOT (gst_defcn_snapshot_get_type ())
G_DECLARE_FINAL_TYPE (GstDefcnSnapshot, gst_defcn_snapshot, GST, DEFCN_SNAPSHOT,
    GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (defcnsnapshot)

G_END_DECLS
