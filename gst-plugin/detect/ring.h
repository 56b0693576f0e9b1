/* Frames in flight: those that have come to a defcndetect and not left it, with
 * the events between them, in order.
 *
 * A frame leaves when its result is there, or has to when as many as nireq are
 * in flight, fewer where upstream's pool would be empty; an event leaves when
 * all before it have.
 *
 * Thread rule: the streaming thread's.
 */
#pragma once

#include "frame.h"

G_BEGIN_DECLS

void gst_defcn_ring_init (GstDefcnDetect *self);
/* Away with all that is in flight. */
void gst_defcn_ring_clear (GstDefcnDetect *self);
/* The same in the middle of a stream: what is kept of events is downstream's to
 * have afterwards. */
void gst_defcn_ring_flush (GstDefcnDetect *self);
gboolean gst_defcn_ring_is_empty (const GstDefcnDetect *self);

/* Adds @frame with its @buffer, or @event; all (transfer full). */
void gst_defcn_ring_add_frame (GstDefcnDetect *self, GstDefcnFrame *frame,
    GstBuffer *buffer);
void gst_defcn_ring_add_event (GstDefcnDetect *self, GstEvent *event);

/* *@buffer: (transfer full): the first frame if it may leave, else NULL; events
 * before it have been pushed.  Others than GST_FLOW_OK without a buffer: an
 * error has been posted, or flushing. */
GstFlowReturn gst_defcn_ring_pop (GstDefcnDetect *self, GstBuffer **buffer);

/* Waits for all frames and pushes what is in flight.  What downstream says is
 * what the next frame is told (gst_defcn_ring_verdict). */
void gst_defcn_ring_drain (GstDefcnDetect *self);
/* The first that went wrong in a drain since it was asked for last. */
GstFlowReturn gst_defcn_ring_verdict (GstDefcnDetect *self);

G_END_DECLS
