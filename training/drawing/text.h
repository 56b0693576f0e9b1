/* Text on a drawing of cairo.
 *
 * Thread rule: re-entrant.
 */
#pragma once

struct _cairo; /* cairo_t */

/* At @x, of which the text keeps the part @align to its left (0 .. 1), on the
 * base line @y. */
void defcn_text_draw (struct _cairo *cr, double x, double y, double align,
    const char *text);
