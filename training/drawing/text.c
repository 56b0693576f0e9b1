/* Text on a drawing of cairo. */
#include "text.h"

#include <cairo.h>

void
defcn_text_draw (cairo_t *cr, double x, double y, double align,
    const char *text)
{
  cairo_text_extents_t extents;

  cairo_text_extents (cr, text, &extents);
  cairo_move_to (cr, x - align * extents.x_advance, y);
  cairo_show_text (cr, text);
}
