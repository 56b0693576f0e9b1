/* What the tests of defcnoverlay share: blank frames in, and what was drawn on
 * them out. */
#pragma once

#include "rig.h"

#include "overlay/paint.h"

/* The mark of a frame that went through the network. */
extern const GstDefcnMark overlay_rig_looked;

/* "defcnoverlay PROPERTIES" with caps set; in the dot font unless these name
 * another. */
GstHarness *overlay_rig_harness (const char *properties, const char *format,
    int w, int h);
/* Of the harness's caps. */
void overlay_rig_info (GstVideoInfo *info, GstHarness *h);

/* A frame of which every byte is 77, a value that no colour here has; @padded:
 * with longer lines than the caps say, and gaps before the planes. */
GstBuffer *overlay_rig_frame (const GstVideoInfo *info, gboolean padded);

/* An object at whole pixels, ltrb, of a @w x @h frame; of confidence 0.5. */
GstDefcnObject overlay_rig_object (int x1, int y1, int x2, int y2, int w, int h,
    const char *label);
/* As custom metadata. */
void overlay_rig_attach (GstBuffer *buffer, const GstDefcnObject *objects,
    guint n, const GstDefcnMark *mark, int w, int h);

/* Pushes @in, maps what comes out.  (transfer full) */
GstBuffer *overlay_rig_draw_frame (GstVideoFrame *frame, GstHarness *h,
    GstBuffer *in);
/* The same with a new frame that has @objects. */
GstBuffer *overlay_rig_draw (GstVideoFrame *frame, GstHarness *h,
    const GstDefcnObject *objects, guint n, const GstDefcnMark *mark);

/* Component @c of the pixel at @x, @y: where, and what. */
guint8 *overlay_rig_at (GstVideoFrame *frame, guint c, int x, int y);
guint8 overlay_rig_sample (GstVideoFrame *frame, guint c, int x, int y);
gboolean overlay_rig_drawn (GstVideoFrame *frame, int x, int y);

/* Every byte of the buffer: @rgb in all samples that the border of @box (ltrb,
 * @t pixels to the inside) touches, and untouched everywhere else, padding
 * included. */
void overlay_rig_assert_box (GstVideoFrame *frame, const int box[4], int t,
    guint32 rgb);
/* Whatever was drawn, it was on samples. */
void overlay_rig_assert_padding (GstVideoFrame *frame);
