/* Filled rectangles and text on a mapped video frame of any format.
 *
 * Thread rule: re-entrant; a frame is for one thread.
 */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* A colour as the components of a format take it. */
typedef struct
{
  guint8 component[GST_VIDEO_MAX_COMPONENTS];
  guint16 wide[4]; /* alpha first, for those that are not bytes */
} GstDefcnPaint;

/* @rgb: 0xRRGGBB.  YUV by the frame's matrix and range, grey as luma. */
void gst_defcn_paint_init (GstDefcnPaint *paint, const GstVideoInfo *info,
    guint32 rgb);

/* Fills the rectangle, clipped to the frame; chroma of a subsampled format
 * covers every sample that the rectangle touches. */
void gst_defcn_paint_rect (GstVideoFrame *frame, const GstDefcnPaint *paint,
    int x, int y, int w, int h);

/* @text: UTF-8.  Glyphs of 5x7 dots in cells of 6x8, each dot @scale pixels;
 * what is not printable ASCII is drawn as '?', one for each character. */
void gst_defcn_paint_text (GstVideoFrame *frame, const GstDefcnPaint *paint,
    int x, int y, int scale, const char *text);

/* Width of @text in pixels. */
int gst_defcn_paint_text_width (const char *text, int scale);

G_END_DECLS
