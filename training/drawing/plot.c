/* The curves of a training run as a picture, by cairo. */
#include "plot.h"

#include "error.h"
#include "sheet.h"

#include <cairo.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#define WIDTH 900
#define HEIGHT 540
#define LEFT 70.0
#define RIGHT 830.0
#define TOP 30.0
#define BOTTOM 480.0
#define N_TICKS 5
#define SMOOTHING 0.9

typedef enum
{
  AXIS_LEFT,
  AXIS_RIGHT,
  AXIS_OWN, /* to the top at its largest value */
} Axis;

/* A curve: one key of the metrics, or of an object in them. */
typedef struct
{
  const char *object, *key, *name;
  Axis axis;
  GArray *x, *y; /* of double */
} Curve;

typedef struct
{
  double x_max, left_max, right_max;
} Axes;

static gboolean
read_metrics (Curve *curves, gsize n, const char *path, GError **error)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    cJSON *object = lines[i][0] ? cJSON_Parse (lines[i]) : NULL;
    const cJSON *at = cJSON_GetObjectItemCaseSensitive (object, "iteration");

    if (lines[i][0] && !cJSON_IsNumber (at)) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
          "%s: line %u is no JSON object with an \"iteration\"", path, i + 1);
      cJSON_Delete (object);
      return FALSE;
    }
    for (gsize c = 0; at && c < n; c++) {
      const cJSON *from = curves[c].object
          ? cJSON_GetObjectItemCaseSensitive (object, curves[c].object)
          : object;
      const cJSON *item =
          cJSON_GetObjectItemCaseSensitive (from, curves[c].key);

      if (!cJSON_IsNumber (item))
        continue;
      g_array_append_val (curves[c].x, at->valuedouble);
      g_array_append_val (curves[c].y, item->valuedouble);
    }
    cJSON_Delete (object);
  }
  return TRUE;
}

/* A round number at least @value, for the end of an axis. */
static double
round_up (double value)
{
  const double power = pow (10, floor (log10 (MAX (value, 1e-9))));
  static const double steps[] = { 1, 1.5, 2, 2.5, 3, 4, 5, 10 };

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++) {
    if (value <= steps[i] * power * (1 + 1e-9))
      return steps[i] * power;
  }
  return 10 * power;
}

static Axes
find_axes (const Curve *curves, gsize n)
{
  Axes axes = { 1, 1e-9, 1e-9 };

  for (gsize c = 0; c < n; c++) {
    for (guint i = 0; i < curves[c].x->len; i++) {
      axes.x_max = MAX (axes.x_max, g_array_index (curves[c].x, double, i));
      const double y = g_array_index (curves[c].y, double, i);
      if (curves[c].axis == AXIS_LEFT)
        axes.left_max = MAX (axes.left_max, y);
      if (curves[c].axis == AXIS_RIGHT)
        axes.right_max = MAX (axes.right_max, y);
    }
  }
  axes.left_max = round_up (axes.left_max);
  axes.right_max =
      axes.right_max > 1e-9 ? MIN (round_up (axes.right_max), 1) : 1;
  return axes;
}

static void
draw_frame (cairo_t *cr, const Axes *axes)
{
  cairo_set_line_width (cr, 1);
  for (int i = 0; i <= N_TICKS; i++) {
    const double part = (double) i / N_TICKS;
    const double x = LEFT + part * (RIGHT - LEFT);
    const double y = BOTTOM + part * (TOP - BOTTOM);
    g_autofree char *left = g_strdup_printf ("%.3g", part * axes->left_max);
    g_autofree char *right = g_strdup_printf ("%.3g", part * axes->right_max);
    g_autofree char *below = g_strdup_printf ("%.0f", part * axes->x_max);

    cairo_set_source_rgb (cr, 0.88, 0.88, 0.88);
    cairo_move_to (cr, LEFT, y);
    cairo_line_to (cr, RIGHT, y);
    cairo_stroke (cr);
    cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
    defcn_sheet_text (cr, LEFT - 8, y + 4, 1, left);
    defcn_sheet_text (cr, RIGHT + 8, y + 4, 0, right);
    defcn_sheet_text (cr, x, BOTTOM + 18, 0.5, below);
  }
  cairo_rectangle (cr, LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP);
  cairo_stroke (cr);
  defcn_sheet_text (cr, (LEFT + RIGHT) / 2, HEIGHT - 20, 0.5, "iteration");
  defcn_sheet_text (cr, LEFT, TOP - 10, 0.5, "loss");
  defcn_sheet_text (cr, RIGHT, TOP - 10, 0.5, "AP");
}

/* What a curve has at the upper edge. */
static double
top_of (const Curve *curve, const Axes *axes)
{
  double top = 1e-12;

  if (curve->axis != AXIS_OWN)
    return curve->axis == AXIS_LEFT ? axes->left_max : axes->right_max;
  for (guint i = 0; i < curve->y->len; i++)
    top = MAX (top, g_array_index (curve->y, double, i));
  return top;
}

/* The points of a curve, or their running mean, which knows how few there were
 * at its start. */
static void
trace (cairo_t *cr, const Curve *curve, const Axes *axes, gboolean smooth)
{
  const double top = top_of (curve, axes);
  double sum = 0, weight = 0;

  cairo_new_path (cr); /* text leaves a point behind */
  for (guint i = 0; i < curve->x->len; i++) {
    const double value = g_array_index (curve->y, double, i);

    sum = SMOOTHING * sum + value;
    weight = SMOOTHING * weight + 1;
    const double x = LEFT
        + g_array_index (curve->x, double, i) / axes->x_max * (RIGHT - LEFT);
    const double part = CLAMP ((smooth ? sum / weight : value) / top, 0, 1);
    const double y = BOTTOM + part * (TOP - BOTTOM);

    cairo_line_to (cr, x, y);
    if (curve->axis == AXIS_RIGHT) {
      cairo_arc (cr, x, y, 3, 0, 2 * G_PI);
      cairo_move_to (cr, x, y);
    }
  }
  cairo_stroke (cr);
}

static void
draw_curve (cairo_t *cr, const Curve *curve, const Axes *axes, int i,
    double legend)
{
  double rgb[3];

  if (curve->x->len == 0)
    return;
  defcn_sheet_color (rgb, i);
  cairo_set_line_width (cr, 1);
  if (curve->axis == AXIS_LEFT) {
    cairo_set_source_rgba (cr, rgb[0], rgb[1], rgb[2], 0.25);
    trace (cr, curve, axes, FALSE);
  }
  cairo_set_line_width (cr, 2);
  cairo_set_source_rgb (cr, rgb[0], rgb[1], rgb[2]);
  trace (cr, curve, axes, curve->axis == AXIS_LEFT);

  cairo_move_to (cr, legend, TOP - 14);
  cairo_line_to (cr, legend + 24, TOP - 14);
  cairo_stroke (cr);
  cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
  defcn_sheet_text (cr, legend + 28, TOP - 10, 0, curve->name);
}

gboolean
defcn_plot_metrics (const char *jsonl_path, const char *png_path,
    GError **error)
{
  Curve curves[] = {
    { NULL, "loss", "loss", AXIS_LEFT, NULL, NULL },
    { NULL, "loss_cls", "cls", AXIS_LEFT, NULL, NULL },
    { NULL, "loss_box", "box", AXIS_LEFT, NULL, NULL },
    { NULL, "loss_aux", "aux", AXIS_LEFT, NULL, NULL },
    { NULL, "ap", "AP", AXIS_RIGHT, NULL, NULL },
    { NULL, "ap50", "AP50", AXIS_RIGHT, NULL, NULL },
    { "no_nms", "ap50", "raw 50", AXIS_RIGHT, NULL, NULL },
    { NULL, "duplicate_rate", "twins", AXIS_RIGHT, NULL, NULL },
    { NULL, "lr", "lr", AXIS_OWN, NULL, NULL },
  };
  const gsize n = G_N_ELEMENTS (curves);

  for (gsize c = 0; c < n; c++) {
    curves[c].x = g_array_new (FALSE, FALSE, sizeof (double));
    curves[c].y = g_array_new (FALSE, FALSE, sizeof (double));
  }
  gboolean good = read_metrics (curves, n, jsonl_path, error);
  if (good) {
    cairo_t *cr = defcn_sheet_new (WIDTH, HEIGHT, 12);
    const Axes axes = find_axes (curves, n);

    draw_frame (cr, &axes);
    double legend = LEFT + 60;
    for (gsize c = 0; c < n; c++) {
      draw_curve (cr, &curves[c], &axes, c, legend);
      if (curves[c].x->len > 0)
        legend += 76;
    }
    good = defcn_sheet_save (cr, png_path, error);
  }
  for (gsize c = 0; c < n; c++) {
    g_array_unref (curves[c].x);
    g_array_unref (curves[c].y);
  }
  return good;
}
