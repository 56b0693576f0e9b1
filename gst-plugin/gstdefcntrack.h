/* defcntrack: gives detections the ids of the objects that they are of. */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DEFCN_TRACK (gst_defcn_track_get_type ())
G_DECLARE_FINAL_TYPE (GstDefcnTrack, gst_defcn_track, GST, DEFCN_TRACK,
    GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (defcntrack)

G_END_DECLS
