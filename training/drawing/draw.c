/* Boxes on pictures, by cairo. */
#include "draw.h"

#include <cairo.h>
#include <math.h>

/* Text height in pixels for pictures of usual size. */
#define FONT_SIZE 12

void
defcn_draw_color (double rgb[3], int i)
{
  const double hue = fmod (0.33 + i * 0.618033988749895, 1) * 6;

  for (int c = 0; c < 3; c++) {
    const double distance = fabs (fmod (hue + 6 - 2 * c + 3, 6) - 3);

    rgb[c] = CLAMP (2 - distance, 0, 1) * 0.85;
  }
}

/* RGB to cairo's native words and back. */
static cairo_surface_t *
surface_from (const DefcnPicture *picture)
{
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24,
      picture->width, picture->height);
  const int stride = cairo_image_surface_get_stride (surface);
  guint8 *data = cairo_image_surface_get_data (surface);

  for (int y = 0; data && y < picture->height; y++) {
    const guint8 *rgb = picture->rgb + (gsize) y * picture->width * 3;
    guint32 *row = (guint32 *) (data + (gsize) y * stride);

    for (int x = 0; x < picture->width; x++)
      row[x] =
          (guint32) rgb[3 * x] << 16 | rgb[3 * x + 1] << 8 | rgb[3 * x + 2];
  }
  cairo_surface_mark_dirty (surface);
  return surface;
}

static void
surface_to (DefcnPicture *picture, cairo_surface_t *surface)
{
  const int stride = cairo_image_surface_get_stride (surface);
  const guint8 *data = cairo_image_surface_get_data (surface);

  cairo_surface_flush (surface);
  for (int y = 0; data && y < picture->height; y++) {
    guint8 *rgb = picture->rgb + (gsize) y * picture->width * 3;
    const guint32 *row = (const guint32 *) (data + (gsize) y * stride);

    for (int x = 0; x < picture->width; x++) {
      rgb[3 * x] = row[x] >> 16;
      rgb[3 * x + 1] = row[x] >> 8;
      rgb[3 * x + 2] = row[x];
    }
  }
}

static void
draw_box (cairo_t *cr, const DefcnBox *box, const char *label)
{
  g_autofree char *text = g_strdup_printf ("%s %.2f", label, box->score);
  cairo_text_extents_t extents;
  double rgb[3];

  defcn_draw_color (rgb, box->label);
  cairo_set_source_rgb (cr, rgb[0], rgb[1], rgb[2]);
  cairo_rectangle (cr, box->x1, box->y1, box->x2 - box->x1, box->y2 - box->y1);
  cairo_stroke (cr);

  cairo_text_extents (cr, text, &extents);
  const double top = MAX (box->y1 - FONT_SIZE - 2, 0);
  cairo_rectangle (cr, box->x1 - 1, top, extents.x_advance + 4, FONT_SIZE + 2);
  cairo_fill (cr);
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_move_to (cr, box->x1 + 1, top + FONT_SIZE - 1);
  cairo_show_text (cr, text);
}

void
defcn_draw_boxes (DefcnPicture *picture, const GArray *boxes,
    const char *const *labels)
{
  cairo_surface_t *surface = surface_from (picture);
  cairo_t *cr = cairo_create (surface);

  cairo_set_line_width (cr, 2);
  cairo_select_font_face (cr, "sans", CAIRO_FONT_SLANT_NORMAL,
      CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, FONT_SIZE);
  for (guint i = boxes->len; i-- > 0;) { /* the best on top */
    const DefcnBox *box = &g_array_index (boxes, DefcnBox, i);

    draw_box (cr, box, labels[box->label]);
  }
  cairo_destroy (cr);
  surface_to (picture, surface);
  cairo_surface_destroy (surface);
}
