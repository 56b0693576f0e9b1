/* A white sheet for a diagram, and text on it.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _cairo cairo_t; /* as in cairo.h */

/* Of @width x @height pixels, with sans of @font_size; ends with
 * defcn_sheet_save(). */
cairo_t *defcn_sheet_new (int width, int height, double font_size);
/* Writes it as a PNG; FALSE with an error that names @path.  Frees @cr. */
gboolean defcn_sheet_save (cairo_t *cr, const char *path, GError **error);

/* The colour of series @i: nine that everybody can tell apart, then again. */
void defcn_sheet_color (double rgb[3], int i);

/* At @x, of which the text keeps the part @align to its left (0 .. 1), on the
 * base line @y. */
void defcn_sheet_text (cairo_t *cr, double x, double y, double align,
    const char *text);

G_END_DECLS
