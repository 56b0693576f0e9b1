/* A white sheet for a diagram, and text on it, by cairo. */
#include "sheet.h"

#include "error.h"
#include "data/output.h"

#include <cairo.h>
#include <string.h>

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

static cairo_status_t
write_bytes (void *file, const unsigned char *data, unsigned int len)
{
  return fwrite (data, 1, len, file) == len ? CAIRO_STATUS_SUCCESS
                                            : CAIRO_STATUS_WRITE_ERROR;
}

gboolean
defcn_sheet_save (cairo_t *cr, const char *path, GError **error)
{
  g_autoptr (DefcnOutput) output = defcn_output_open (path, error);
  const cairo_status_t status = output
      ? cairo_surface_write_to_png_stream (cairo_get_target (cr), write_bytes,
          defcn_output_file (output))
      : CAIRO_STATUS_WRITE_ERROR;

  cairo_destroy (cr);
  if (!output)
    return FALSE;
  if (status == CAIRO_STATUS_SUCCESS)
    return defcn_output_close (output, error);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: %s", path,
      cairo_status_to_string (status));
  return FALSE;
}

void
defcn_sheet_color (double rgb[3], int i)
{
  static const double palette[][3] = { { 0, 0.45, 0.7 }, { 0.9, 0.62, 0 },
    { 0, 0.62, 0.45 }, { 0.8, 0.47, 0.65 }, { 0.84, 0.37, 0 }, { 0.7, 0, 0.35 },
    { 0.45, 0.25, 0.6 }, { 0.6, 0.5, 0.15 }, { 0.4, 0.2, 0 } };

  memcpy (rgb, palette[i % G_N_ELEMENTS (palette)], sizeof palette[0]);
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
