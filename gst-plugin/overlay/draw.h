/* Boxes, labels, zones and lines on a canvas whose clip is the picture.
 *
 * Thread rule: one thread at a time, for its text.
 */
#pragma once

#include "colors.h"
#include "label.h"
#include "paint.h"
#include "text.h"

G_BEGIN_DECLS

/* Pixels of text that can be read in a picture of @width x @height. */
int gst_defcn_draw_font_size (int width, int height);
/* Pixels of the lines of zones, likewise. */
int gst_defcn_draw_line_width (int width, int height);

/* A box for each of @objects (GstDefcnObject), the first on top. */
void gst_defcn_draw_boxes (GstDefcnCanvas *canvas, const GArray *objects,
    const GstDefcnColors *colors, int thickness);

/* The labels of those boxes. */
void gst_defcn_draw_labels (GstDefcnCanvas *canvas, GstDefcnText *text,
    const GArray *objects, const GstDefcnColors *colors,
    const GstDefcnLabel *label);

/* @places (GstDefcnScenePlace): a zone's outline with its name and who is in
 * it, a line with its name, an arrow the way that is forward, and who went
 * "forward/backward". */
void gst_defcn_draw_places (GstDefcnCanvas *canvas, GstDefcnText *text,
    const GArray *places, int thickness);

G_END_DECLS
