/* One frame through defcndetect. */
#pragma once

#include "state.h"

G_BEGIN_DECLS

/* Looks at @buffer or says why not, attaches what is known after it, and
 * reports.  GST_FLOW_ERROR: an error has been posted.  The streaming thread's.
 */
GstFlowReturn gst_defcn_frame_process (GstDefcnDetect *self, GstBuffer *buffer);

G_END_DECLS
