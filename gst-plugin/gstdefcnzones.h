/* defcnzones: counts who is in which zone and who goes over which line. */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DEFCN_ZONES (gst_defcn_zones_get_type ())
G_DECLARE_FINAL_TYPE (GstDefcnZones, gst_defcn_zones, GST, DEFCN_ZONES,
    GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (defcnzones)

G_END_DECLS
