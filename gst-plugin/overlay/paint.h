/* Rectangles, lines and masks on a mapped video frame of any format.
 *
 *   gst_defcn_canvas_begin (&canvas, &frame, NULL);
 *   gst_defcn_paint_init (&paint, &frame.info, 0xff0000);
 *   gst_defcn_paint_rect (&canvas, &paint, 10, 20, 30, 40);
 *   gst_defcn_canvas_end (&canvas);
 *
 * Formats whose components are bytes are painted on in place, without a row
 * converted; of others the rows that are touched are unpacked once and packed
 * at the end.
 *
 * Thread rule: re-entrant; a frame is for one thread.
 */
#pragma once

#include <gst/video/video.h>

#include "object.h"

G_BEGIN_DECLS

/* A colour as the components of a format take it. */
typedef struct
{
  guint8 component[GST_VIDEO_MAX_COMPONENTS];
  guint16 wide[4]; /* alpha first, for those that are not bytes */
} GstDefcnPaint;

/* How much of each pixel is covered, 0..255. */
typedef struct
{
  int w, h, stride;
  guint8 *cover;
} GstDefcnMask;

/* What is painted on, between begin and end. */
typedef struct
{
  GstVideoFrame *frame;
  GstDefcnPixels clip; /* nothing is painted beyond */
  struct _GstDefcnCanvasRows *rows;
} GstDefcnCanvas;

/* @frame is mapped for reading and writing, and has what is painted after the
 * end.  @clip: inside the frame; NULL: all of it. */
void gst_defcn_canvas_begin (GstDefcnCanvas *canvas, GstVideoFrame *frame,
    const GstDefcnPixels *clip);
void gst_defcn_canvas_end (GstDefcnCanvas *canvas);

/* @rgb: 0xRRGGBB.  YUV by the frame's matrix and range, grey as luma. */
void gst_defcn_paint_init (GstDefcnPaint *paint, const GstVideoInfo *info,
    guint32 rgb);

/* Fills the rectangle, clipped; chroma of a subsampled format covers every
 * sample that the rectangle touches. */
void gst_defcn_paint_rect (GstDefcnCanvas *canvas, const GstDefcnPaint *paint,
    int x, int y, int w, int h);

/* Blends @paint into what is there, by @mask with its first pixel at @x, @y;
 * chroma of a subsampled format by the mean of the pixels that share it. */
void gst_defcn_paint_mask (GstDefcnCanvas *canvas, const GstDefcnPaint *paint,
    int x, int y, const GstDefcnMask *mask);

/* A line of @thickness pixels between two pixels, both included; they are
 * finite, and not further from the frame than it is large, which is what it
 * takes time for. */
void gst_defcn_paint_line (GstDefcnCanvas *canvas, const GstDefcnPaint *paint,
    double x1, double y1, double x2, double y2, int thickness);

G_END_DECLS
