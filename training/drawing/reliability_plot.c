/* The reliability of a model's scores as a picture, by cairo. */
#include "reliability_plot.h"

#include "sheet.h"

#include <cairo.h>
#include <math.h>

#define WIDTH 760
#define HEIGHT 880
#define LEFT 80.0
#define RIGHT 720.0
#define TOP 90.0
#define BOTTOM 660.0 /* of the precision, and COUNTS_ of the counts */
#define COUNTS_TOP 690.0
#define COUNTS_BOTTOM 810.0
#define N_BINS DEFCN_RELIABILITY_BINS
#define N_TICKS 5
#define FONT_SIZE 14
#define SMALL_FONT_SIZE 10
#define Z 1.96 /* normal quantile of an interval of 95 % */

static double
x_of (double score)
{
  return LEFT + score * (RIGHT - LEFT);
}

static double
y_of (double precision)
{
  return BOTTOM + precision * (TOP - BOTTOM);
}

static void
line (cairo_t *cr, double x1, double y1, double x2, double y2)
{
  cairo_move_to (cr, x1, y1);
  cairo_line_to (cr, x2, y2);
  cairo_stroke (cr);
}

static void
draw_axes (cairo_t *cr)
{
  cairo_set_line_width (cr, 1);
  for (int i = 0; i <= N_TICKS; i++) {
    const double part = (double) i / N_TICKS;
    g_autofree char *text = g_strdup_printf ("%.1f", part);

    cairo_set_source_rgb (cr, 0.88, 0.88, 0.88);
    line (cr, LEFT, y_of (part), RIGHT, y_of (part));
    line (cr, x_of (part), TOP, x_of (part), BOTTOM);
    cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
    defcn_sheet_text (cr, LEFT - 8, y_of (part) + 5, 1, text);
    defcn_sheet_text (cr, x_of (part), COUNTS_BOTTOM + 22, 0.5, text);
  }
  defcn_sheet_text (cr, (LEFT + RIGHT) / 2, HEIGHT - 18, 0.5, "score");
}

/* After the bars, which would cover them. */
static void
draw_frames (cairo_t *cr)
{
  static const double dashes[] = { 6, 5 };

  cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
  cairo_set_line_width (cr, 1);
  cairo_rectangle (cr, LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP);
  cairo_rectangle (cr, LEFT, COUNTS_TOP, RIGHT - LEFT,
      COUNTS_BOTTOM - COUNTS_TOP);
  cairo_stroke (cr);
  cairo_set_dash (cr, dashes, G_N_ELEMENTS (dashes), 0);
  cairo_set_line_width (cr, 1.5);
  line (cr, x_of (0), y_of (0), x_of (1), y_of (1));
  cairo_set_dash (cr, NULL, 0, 0);
}

/* Where the precision lies with @n detections: Wilson's interval. */
static void
interval (double *low, double *high, double precision, double n)
{
  const double middle = (precision + Z * Z / (2 * n)) / (1 + Z * Z / n);
  const double half = Z / (1 + Z * Z / n)
      * sqrt (precision * (1 - precision) / n + Z * Z / (4 * n * n));

  *low = middle - half;
  *high = middle + half;
}

static void
draw_bin (cairo_t *cr, const DefcnReliabilityBin *bin, int k)
{
  const double left = x_of ((double) k / N_BINS);
  const double width = x_of ((k + 1.0) / N_BINS) - left;
  const double x = x_of (bin->score);
  double low, high;

  if (!bin->n)
    return;
  cairo_set_source_rgb (cr, 0.65, 0.78, 0.92);
  cairo_rectangle (cr, left + 1, y_of (bin->precision), width - 2,
      BOTTOM - y_of (bin->precision));
  cairo_fill (cr);

  interval (&low, &high, bin->precision, bin->n);
  cairo_set_source_rgb (cr, 0.05, 0.30, 0.60);
  cairo_set_line_width (cr, 1.5);
  line (cr, x, y_of (low), x, y_of (high));
  line (cr, x - 4, y_of (low), x + 4, y_of (low));
  line (cr, x - 4, y_of (high), x + 4, y_of (high));
  cairo_arc (cr, x, y_of (bin->precision), 4.5, 0, 2 * G_PI);
  cairo_fill (cr);
}

/* The height of one detection can be seen, and no bar reaches its number's
 * place at the top. */
static void
draw_count (cairo_t *cr, const DefcnReliabilityBin *bin, int k, guint most)
{
  const double left = x_of ((double) k / N_BINS);
  const double width = x_of ((k + 1.0) / N_BINS) - left;
  const double height = log (1 + bin->n) / log (1 + most)
      * (COUNTS_BOTTOM - COUNTS_TOP - SMALL_FONT_SIZE - 8);
  g_autofree char *text = g_strdup_printf ("%u", bin->n);

  if (!bin->n)
    return;
  cairo_set_source_rgb (cr, 0.75, 0.75, 0.75);
  cairo_rectangle (cr, left + 1, COUNTS_BOTTOM - height, width - 2, height);
  cairo_fill (cr);
  cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
  defcn_sheet_text (cr, left + width / 2, COUNTS_BOTTOM - height - 4, 0.5,
      text);
}

static void
draw_words (cairo_t *cr, const DefcnReliability *r, const char *title, guint n)
{
  g_autofree char *found =
      g_strdup_printf ("expected calibration error %.4f, %u detections; "
                       "intervals of 95 %%",
          r->error, n);

  cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
  defcn_sheet_text (cr, (LEFT + RIGHT) / 2, 28, 0.5, title);
  defcn_sheet_text (cr, (LEFT + RIGHT) / 2, 52, 0.5,
      n ? found : "no detections");
  defcn_sheet_text (cr, LEFT, TOP - 10, 0.5, "precision");
  defcn_sheet_text (cr, LEFT, COUNTS_TOP - 8, 0, "detections (logarithmic)");
}

gboolean
defcn_reliability_plot_save (const DefcnReliability *reliability,
    const char *title, const char *path, GError **error)
{
  cairo_t *cr = defcn_sheet_new (WIDTH, HEIGHT, FONT_SIZE);
  guint n = 0, most = 1;

  draw_axes (cr);
  for (int k = 0; k < N_BINS; k++) {
    n += reliability->bins[k].n;
    most = MAX (most, reliability->bins[k].n);
    draw_bin (cr, &reliability->bins[k], k);
  }
  cairo_set_font_size (cr, SMALL_FONT_SIZE);
  for (int k = 0; k < N_BINS; k++)
    draw_count (cr, &reliability->bins[k], k, most);
  cairo_set_font_size (cr, FONT_SIZE);
  draw_frames (cr);
  draw_words (cr, reliability, title, n);
  return defcn_sheet_save (cr, path, error);
}
