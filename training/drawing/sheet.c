/* A white sheet for a diagram, and text on it, by cairo. */
#include "sheet.h"

#include "error.h"

#include <cairo.h>

cairo_t *
defcn_sheet_new (int width, int height, double font_size)
{
  cairo_surface_t *surface =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height);
  cairo_t *cr = cairo_create (surface);

  cairo_surface_destroy (surface); /* it is @cr's */
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_paint (cr);
  cairo_select_font_face (cr, "sans", CAIRO_FONT_SLANT_NORMAL,
      CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, font_size);
  return cr;
}

gboolean
defcn_sheet_save (cairo_t *cr, const char *path, GError **error)
{
  const cairo_status_t status =
      cairo_surface_write_to_png (cairo_get_target (cr), path);

  cairo_destroy (cr);
  if (status != CAIRO_STATUS_SUCCESS)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: %s", path,
        cairo_status_to_string (status));
  return status == CAIRO_STATUS_SUCCESS;
}

void
defcn_sheet_text (cairo_t *cr, double x, double y, double align,
    const char *text)
{
  cairo_text_extents_t extents;

  cairo_text_extents (cr, text, &extents);
  cairo_move_to (cr, x - align * extents.x_advance, y);
  cairo_show_text (cr, text);
}
