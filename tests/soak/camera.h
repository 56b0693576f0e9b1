/* A source that does what its thread tells it: frames with numbers, and all the
 * events that a live source, a demuxer and a user can come up with.
 *
 * Thread rule: one thread calls what is declared here; a seek that flushes may
 * come from any, and has that thread's pushes return FLUSHING.
 */
#pragma once

#include <gst/video/video.h>

#define CAMERA_FRAME (20 * GST_MSECOND)

#define CAMERA_TYPE (camera_get_type ())
G_DECLARE_FINAL_TYPE (Camera, camera, CAMERA, CAMERA, GstElement)

/* Stream start, segment and caps, where the next frame is number @n. */
void camera_begin (Camera *camera, const GstVideoInfo *info, guint64 n);
/* With another base and start. */
void camera_segment (Camera *camera, guint64 n);
void camera_caps (Camera *camera, const GstVideoInfo *info);
void camera_push_event (Camera *camera, GstEvent *event);
void camera_flush (Camera *camera);
GstFlowReturn camera_push (Camera *camera, GstBuffer *buffer);
/* TRUE: somebody has sought since; the flush has been ended, and a stream has
 * to begin anew. */
gboolean camera_sought (Camera *camera);
/* It has been stopped, which ends a flush too: one that is ended later would
 * come between the frames of the next start. */
void camera_forget (Camera *camera);

/* Noise of blocks, number @n. */
GstBuffer *camera_frame (const GstVideoInfo *info, guint64 n);
