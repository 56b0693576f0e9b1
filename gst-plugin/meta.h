/* Detections on a buffer: what defcndetect attaches and what the overlay, the
 * publisher and the tests read back.
 *
 * A buffer can say the same thing in three ways (GstDefcnMetaFlags):
 *
 *   roi        GstVideoRegionOfInterestMeta, pixels, with the parameter
 *              structure "detection" {x_min, x_max, y_min, y_max (double, 0..1
 *              of the frame), confidence (double), label_id (int)}, as DL
 *              Streamer writes it.  videoconvert drops the structure.
 *   analytics  GstAnalyticsODMtd, GStreamer 1.24 or newer, pixels; the id of
 *              the ROI meta is the id of the ODMtd.
 *   custom     in the custom meta below, normalised: survives videoconvert and
 *              videoscale everywhere.
 *
 * Always, whatever the flags: one custom meta "defcn-detections", the mark,
 *
 *   inferred            boolean  this very frame went through the network
 *   reason              string   why not: "interval", "qos", "busy", "region"
 *   repeated            boolean  the objects are those of an earlier frame,
 *   inferred-timestamp  uint64   which has this PTS
 *   model               string   SHA-256 of the model file
 *   n-objects           uint     how many objects the frame has
 *   objects             array    of structures like "detection" with label
 *                                (string) added; only with the flag custom
 *
 * so that "nothing there" and "nobody looked" differ.
 *
 * Thread rule: re-entrant; a buffer is for one thread.
 */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_DEFCN_META_NAME "defcn-detections"

typedef struct
{
  double x_min, y_min, x_max, y_max; /* 0..1 of the frame, min < max */
  double confidence;                 /* 0..1; -1: lost on the way */
  int label_id;                      /* class index; -1: not known */
  GQuark label;                      /* UTF-8; 0: none */
  int parent_id; /* id of the ROI meta that was looked in, 0: none */
} GstDefcnObject;

/* A rectangle in whole pixels of a frame. */
typedef struct
{
  int x, y, w, h;
} GstDefcnPixels;

typedef struct
{
  gboolean inferred;
  const char *reason; /* interned, "" for none */
  gboolean repeated;
  GstClockTime timestamp; /* PTS of the frame that was looked at */
  const char *model;      /* interned SHA-256, "" when not known */
} GstDefcnMark;

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

/* Makes the custom meta known; before any other function, any number of
 * times. */
void gst_defcn_meta_register (void);

/* The pixels of @object in a frame of @width x @height, the same ones for who
 * crops, draws or publishes it.
 *
 * Each edge goes to the nearest border between two pixels: none moves by more
 * than half a pixel, and boxes that touch still do.  What is left is inside the
 * frame and at least one pixel each way; where rounding would leave none, it is
 * the pixel that the middle of the box lies in. */
GstDefcnPixels gst_defcn_meta_pixels (const GstDefcnObject *object, int width,
    int height);

/* Adds @objects (GstDefcnObject) and @mark to @buffer, which is writable and
 * holds a frame of @width x @height.  Adds to what is there. */
void gst_defcn_meta_attach (GstBuffer *buffer, const GArray *objects,
    const GstDefcnMark *mark, GstDefcnMetaFlags flags, int width, int height);

/* Appends the objects on @buffer to @objects (GstDefcnObject), whoever wrote
 * them: of the custom meta if it has any, else of the ROI metas that have a
 * "detection", else of the ODMtds, else of bare ROI metas (with confidence and
 * label_id -1).  Labels that are not UTF-8 get U+FFFD for the bytes that are
 * at fault.  @width, @height: of the frame.  Returns how many. */
guint gst_defcn_meta_read (GstBuffer *buffer, GArray *objects, int width,
    int height);

/* FALSE when no defcndetect saw the buffer; *@mark is then all empty. */
gboolean gst_defcn_meta_read_mark (GstBuffer *buffer, GstDefcnMark *mark);

/* Makes an unset @value a GstValueArray of structures {label, label_id,
 * confidence, x_min, x_max, y_min, y_max}, as in the custom meta. */
void gst_defcn_meta_objects_to_value (GValue *value, const GArray *objects);

G_END_DECLS
