/* One frame through defcndetect, from when it comes to when it leaves.
 *
 * Thread rule: the streaming thread's.
 */
#pragma once

#include "state.h"

G_BEGIN_DECLS

/* What is known of a frame between the two. */
typedef struct _GstDefcnFrame GstDefcnFrame;

/* Has @buffer looked at or says why not; what it will be attached to need not
 * be the same buffer.  NULL with others than GST_FLOW_OK in *@ret: an error has
 * been posted, or flushing. */
GstDefcnFrame *gst_defcn_frame_begin (GstDefcnDetect *self, GstBuffer *buffer,
    GstFlowReturn *ret);
void gst_defcn_frame_free (GstDefcnFrame *frame);

/* Whether the first frame in flight, @frame, need not be waited for. */
gboolean gst_defcn_frame_is_ready (const GstDefcnDetect *self,
    const GstDefcnFrame *frame);
/* Waits for its result, attaches to @buffer what is known after it, and
 * reports.  In the order in which frames have begun. */
GstFlowReturn gst_defcn_frame_end (GstDefcnDetect *self, GstDefcnFrame *frame,
    GstBuffer *buffer);

G_END_DECLS
