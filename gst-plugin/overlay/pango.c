/* Text by Pango and cairo. */
#include "pango.h"

#include <pango/pangocairo.h>

struct _GstDefcnPango
{
  PangoFontMap *map;
  PangoContext *context;
  PangoLayout *layout;
  int ascent, descent; /* of the font itself */
};

gboolean
gst_defcn_pango_is_there (void)
{
  return TRUE;
}

/* Families there are always, and a font only if one is installed. */
static gboolean
has_fonts (GstDefcnPango *pango)
{
  PangoFontDescription *description =
      pango_font_description_from_string ("Sans");
  PangoFont *font =
      pango_font_map_load_font (pango->map, pango->context, description);
  const gboolean found = font != NULL;

  g_clear_object (&font);
  pango_font_description_free (description);
  return found;
}

static void
set_font (GstDefcnPango *pango, const char *font, int size)
{
  PangoFontDescription *description =
      pango_font_description_from_string (font ? font : "Sans");
  PangoFontMetrics *metrics;

  pango_font_description_set_absolute_size (description,
      (double) size * PANGO_SCALE);
  pango_layout_set_font_description (pango->layout, description);
  metrics = pango_context_get_metrics (pango->context, description,
      pango_language_get_default ());
  pango->ascent = PANGO_PIXELS_CEIL (pango_font_metrics_get_ascent (metrics));
  pango->descent = PANGO_PIXELS_CEIL (pango_font_metrics_get_descent (metrics));
  pango_font_metrics_unref (metrics);
  pango_font_description_free (description);
}

GstDefcnPango *
gst_defcn_pango_new (const char *font, int size, int max_width)
{
  GstDefcnPango *pango = g_new0 (GstDefcnPango, 1);
  cairo_font_options_t *options = cairo_font_options_create ();

  /* Widths in whole pixels: runs follow each other without a seam. */
  cairo_font_options_set_antialias (options, CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_metrics (options, CAIRO_HINT_METRICS_ON);
  pango->map = pango_cairo_font_map_new ();
  pango->context = pango_font_map_create_context (pango->map);
  pango_cairo_context_set_font_options (pango->context, options);
  cairo_font_options_destroy (options);
  pango->layout = pango_layout_new (pango->context);
  if (!has_fonts (pango)) {
    gst_defcn_pango_free (pango);
    return NULL;
  }
  set_font (pango, font, size);
  pango_layout_set_single_paragraph_mode (pango->layout, TRUE);
  pango_layout_set_ellipsize (pango->layout, PANGO_ELLIPSIZE_END);
  pango_layout_set_width (pango->layout,
      MIN (max_width, G_MAXINT / PANGO_SCALE) * PANGO_SCALE);
  return pango;
}

void
gst_defcn_pango_free (GstDefcnPango *pango)
{
  if (!pango)
    return;
  g_object_unref (pango->layout);
  g_object_unref (pango->context);
  g_object_unref (pango->map);
  g_free (pango);
}

/* The layout's ink as a mask that begins at @ink. */
static void
draw (GstDefcnPango *pango, GstDefcnMask *mask, const PangoRectangle *ink)
{
  cairo_surface_t *surface;
  cairo_t *cairo;

  mask->w = ink->width;
  mask->h = ink->height;
  mask->stride = cairo_format_stride_for_width (CAIRO_FORMAT_A8, ink->width);
  mask->cover = g_malloc0 ((gsize) mask->stride * mask->h);
  surface = cairo_image_surface_create_for_data (mask->cover, CAIRO_FORMAT_A8,
      mask->w, mask->h, mask->stride);
  cairo = cairo_create (surface);
  cairo_move_to (cairo, -ink->x, -ink->y);
  pango_cairo_show_layout (cairo, pango->layout);
  cairo_destroy (cairo);
  cairo_surface_destroy (surface);
}

void
gst_defcn_pango_render (GstDefcnPango *pango, GstDefcnRun *run,
    const char *string)
{
  PangoRectangle ink, logical;
  int base;

  pango_layout_set_text (pango->layout, string, -1);
  pango_layout_get_pixel_extents (pango->layout, &ink, &logical);
  base = PANGO_PIXELS (pango_layout_get_baseline (pango->layout));
  /* Text from right to left lies at the right end of the layout's width. */
  run->x = ink.x - logical.x;
  run->y = ink.y - base;
  run->advance = logical.width;
  run->ascent = MAX (base - logical.y, pango->ascent);
  run->descent = MAX (logical.y + logical.height - base, pango->descent);
  if (ink.width > 0 && ink.height > 0)
    draw (pango, &run->mask, &ink);
}
