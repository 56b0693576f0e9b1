/* Detections on a buffer: what defcndetect attaches and what the overlay, the
 * publisher and the tests read back.
 *
 * A buffer can say the same thing in three ways (GstDefcnMetaFlags):
 *
 *   roi        GstVideoRegionOfInterestMeta, pixels, with the parameter
 *              structure "detection" {x_min, x_max, y_min, y_max (double, 0..1
 *              of the frame), confidence (double), label_id (int)}, as DL
 *              Streamer writes it, and from defcntrack on "object_id" {id
 *              (int)}, as gvatrack writes it.  videoconvert drops both.
 *   analytics  GstAnalyticsODMtd, GStreamer 1.24 or newer, pixels; the id of
 *              the ROI meta is the id of the ODMtd.  What is tracked has a
 *              GstAnalyticsTrackingMtd that relates to it.
 *   custom     nothing but what follows.
 *
 * With any of these flags there is a custom meta "defcn-objects", the boxes,
 *
 *   objects     array   of structures like "detection" with label (string),
 *                       parent_id (int) and where there is one parent (string,
 *                       type of that ROI meta) added, normalised; of what
 *                       defcntrack has followed also object_id (int64, absent
 *                       while new), track_state ("new" or "confirmed"),
 *                       track_age (uint64, ns since it was found first),
 *                       x_velocity and y_velocity (double, frame widths and
 *                       heights a second), predicted (boolean, not found in
 *                       this frame)
 *   set         uint    of which mark they are
 *   crop        array   x, y, width, height (int) of the GstVideoCropMeta that
 *                       the frame had, absent without one
 *
 * tagged as what depends on size and orientation: it goes along where a picture
 * is converted or scaled to the same display aspect, and not where it is
 * cropped, turned or put into borders.  And always, whatever the flags, a
 * custom meta "defcn-detections", the mark, without tags, so that it goes along
 * everywhere:
 *
 *   inferred            boolean  this very frame went through the network
 *   reason              string   why not: "interval", "qos", "busy", "region",
 *                                "still"
 *   repeated            boolean  the objects are those of an earlier frame,
 *   inferred-timestamp  uint64   which has this PTS
 *   predicted           boolean  the objects are where those of earlier frames
 *                                should be by now, says defcntrack, or that
 *                                there are none; absent: no
 *   fresh               boolean  no frame before this one told of that result
 *   model               string   SHA-256 of the model file
 *   model-name          string   its name without folders
 *   detector            string   name of the element
 *   classes             string   names of the classes that are told of, a comma
 *                                between them (a backslash before one within),
 *                                as of the last look; absent before it
 *   partial             boolean  that was at regions alone, or found as much as
 *                                max-detections lets through, or more than
 *                                defcntrack can predict; absent: no
 *   frame               uint64   frames that the element had passed before
 *   n-objects           uint     how many objects the frame has
 *   set                 uint     0, or one more than the last mark's before it
 *   ids                 array    first and last id (int) of the ROI metas and
 *                                the ODMtds, absent where there are none
 *
 * so that "nothing there", "nobody looked" and "lost on the way" differ: lost
 * is what a mark counts and what no boxes come with.
 *
 * Thread rule: re-entrant; a buffer is for one thread.
 */
#pragma once

#include <gst/video/video.h>

#include "mark.h"
#include "object.h"

G_BEGIN_DECLS

typedef enum
{
  GST_DEFCN_META_ROI = 1 << 0,
  GST_DEFCN_META_ANALYTICS = 1 << 1,
  GST_DEFCN_META_CUSTOM = 1 << 2,
} GstDefcnMetaFlags;

#define GST_TYPE_DEFCN_META_FLAGS (gst_defcn_meta_flags_get_type ())
GType gst_defcn_meta_flags_get_type (void);

/* Which flags this build can serve. */
GstDefcnMetaFlags gst_defcn_meta_supported (void);

/* Makes the custom metas known; before any other function, any number of
 * times. */
void gst_defcn_meta_register (void);

/* Adds @objects (GstDefcnObject) and @mark to @buffer, which is writable and
 * holds a frame of @width x @height.  Adds to what is there. */
void gst_defcn_meta_attach (GstBuffer *buffer, const GArray *objects,
    const GstDefcnMark *mark, GstDefcnMetaFlags flags, int width, int height);

/* Attaches the boxes and the mark of objects whose ROI metas and ODMtds are on
 * @buffer already: those with @ids, the first and the last. */
void gst_defcn_meta_attach_kept (GstBuffer *buffer, const GArray *objects,
    const GstDefcnMark *mark, const int ids[2]);

/* Appends the objects on @buffer to @objects (GstDefcnObject), whoever wrote
 * them: the boxes of each defcndetect, then others' ROI metas that have a
 * "detection", or if there are none others' ODMtds, or if no defcndetect saw
 * the buffer bare ROI metas (with confidence and label_id -1): beside a mark
 * they are somebody's zones.  Of a mark whose boxes are lost nothing is read,
 * its ROI metas neither: they may have been scaled into a picture with borders.
 *
 * Whatever bytes others wrote, labels are UTF-8 of 255 bytes at most without
 * control characters (U+FFFD stands for what is at fault).  @width, @height: of
 * the frame.  Returns how many. */
guint gst_defcn_meta_read (GstBuffer *buffer, GArray *objects, int width,
    int height);

/* Appends the marks on @buffer to @marks (GstDefcnMark), one for each
 * defcndetect that saw it, in their order.  Returns how many. */
guint gst_defcn_meta_read_marks (GstBuffer *buffer, GArray *marks);

/* The last mark, with what all have lost; FALSE when no defcndetect saw the
 * buffer, *@mark is then all empty. */
gboolean gst_defcn_meta_read_mark (GstBuffer *buffer, GstDefcnMark *mark);

/* Writes the ids of the tracks of @objects, which are all that
 * gst_defcn_meta_read() has read from @buffer, onto the ROI metas or ODMtds
 * they come from; for a buffer without marks. */
void gst_defcn_meta_tell_tracks (GstBuffer *buffer, const GArray *objects);

/* Sets the fields of @mark in @structure, as in the custom meta, set and ids
 * apart. */
void gst_defcn_meta_mark_to_structure (const GstDefcnMark *mark,
    guint n_objects, GstStructure *structure);

/* Makes an unset @value a GstValueArray of structures {label, label_id,
 * confidence, x_min, x_max, y_min, y_max}, as in the custom meta. */
void gst_defcn_meta_objects_to_value (GValue *value, const GArray *objects);

G_END_DECLS
