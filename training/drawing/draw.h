/* Boxes on pictures, by cairo.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "boxes.h"
#include "data/picture.h"

G_BEGIN_DECLS

/* Draws every DefcnBox of @boxes with "label score" in its class's colour.
 * @labels: one per class, for the labels of the boxes. */
void defcn_draw_boxes (DefcnPicture *picture, const GArray *boxes,
    const char *const *labels);

/* Red, green, blue in 0..1 of class or curve @i: evenly spread hues. */
void defcn_draw_color (double rgb[3], int i);

G_END_DECLS
