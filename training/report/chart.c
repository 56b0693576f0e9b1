/* A chart as a figure of an HTML page. */
#include "chart.h"

#include "html.h"
#include "scale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the drawing, in its own units: a column of a page is about as wide. */
#define WIDTH 520
#define HEIGHT 320
#define LEFT 66.0
#define RIGHT 492.0
#define TOP 34.0
#define BOTTOM 272.0
#define X_STEPS 6
#define Y_STEPS 6
#define MARKER 3.5      /* half of a marker on a line */
#define DOT 5.5         /* of one without */
#define DODGE 0.12      /* between the series of a category */
#define MOST_MARKERS 60 /* points of a line that are all marked */
#define FEW_MARKERS 5   /* of a longer one */

typedef struct
{
  char *name;
  guint color;
  DefcnLine line;
  GArray *points; /* of DefcnPoint */
} Series;

struct _DefcnChart
{
  char *id, *title, *x_name, *y_name, *text;
  GPtrArray *series;
  double x_low, x_high, y_low, y_high; /* at least; NaN: by the values */
  char **categories;
  gboolean diagonal;
};

typedef struct
{
  DefcnScale x, y;
} Axes;

static const char *const dashes[] = { "", " stroke-dasharray=\"7 4\"",
  " stroke-dasharray=\"1.5 4\" stroke-linecap=\"round\"", "" };

const char *
defcn_chart_color (guint i)
{
  static const char *const colors[DEFCN_CHART_N_COLORS] = { "#0072b2",
    "#c44e00", "#007a5a", "#a0447f", "#7f5f00", "#3b3b3b", "#3f7f9f",
    "#8a2be2" };

  return colors[i % DEFCN_CHART_N_COLORS];
}

static void
series_free (gpointer data)
{
  Series *series = data;

  g_free (series->name);
  g_array_unref (series->points);
  g_free (series);
}

DefcnChart *
defcn_chart_new (const char *id, const char *title, const char *x_name,
    const char *y_name)
{
  DefcnChart *chart = g_new0 (DefcnChart, 1);

  chart->id = g_strdup (id);
  chart->title = g_strdup (title);
  chart->x_name = g_strdup (x_name);
  chart->y_name = g_strdup (y_name);
  chart->series = g_ptr_array_new_with_free_func (series_free);
  chart->x_low = chart->x_high = chart->y_low = chart->y_high = NAN;
  return chart;
}

void
defcn_chart_free (DefcnChart *chart)
{
  if (!chart)
    return;
  g_free (chart->id);
  g_free (chart->title);
  g_free (chart->x_name);
  g_free (chart->y_name);
  g_free (chart->text);
  g_strfreev (chart->categories);
  g_ptr_array_unref (chart->series);
  g_free (chart);
}

void
defcn_chart_explain (DefcnChart *chart, const char *text)
{
  g_free (chart->text);
  chart->text = g_strdup (text);
}

void
defcn_chart_include_x (DefcnChart *chart, double low, double high)
{
  chart->x_low = low;
  chart->x_high = high;
}

void
defcn_chart_include_y (DefcnChart *chart, double low, double high)
{
  chart->y_low = low;
  chart->y_high = high;
}

void
defcn_chart_categories (DefcnChart *chart, const char *const *names)
{
  g_strfreev (chart->categories);
  chart->categories = g_strdupv ((char **) names);
}

void
defcn_chart_diagonal (DefcnChart *chart)
{
  chart->diagonal = TRUE;
}

GArray *
defcn_chart_add (DefcnChart *chart, const char *name, guint color,
    DefcnLine line)
{
  Series *series = g_new0 (Series, 1);

  series->name = g_strdup (name);
  series->color = color;
  series->line = line;
  series->points = g_array_new (FALSE, FALSE, sizeof (DefcnPoint));
  g_ptr_array_add (chart->series, series);
  return series->points;
}

/* Which of @most equal parts of 0 .. @x_high it is in. */
static guint
part_of (const DefcnPoint *p, double x_high, guint most)
{
  return p->x / x_high * most * (1 - 1e-12);
}

GArray *
defcn_chart_thin (const GArray *points, double x_high, guint most)
{
  GArray *thin = g_array_new (FALSE, FALSE, sizeof (DefcnPoint));

  if (points->len <= most || !(x_high > 0)) {
    g_array_append_vals (thin, points->data, points->len);
    return thin;
  }
  for (guint i = 0; i < points->len;) {
    const guint part =
        part_of (&g_array_index (points, DefcnPoint, i), x_high, most);
    DefcnPoint mean = { 0, 0 };
    guint n = 0, n_finite = 0;

    for (; i < points->len; i++, n++) {
      const DefcnPoint p = g_array_index (points, DefcnPoint, i);

      if (part_of (&p, x_high, most) != part)
        break;
      mean.x += p.x;
      mean.y += isfinite (p.y) ? p.y : 0;
      n_finite += isfinite (p.y) != 0;
    }
    mean.x /= n;
    mean.y = n_finite ? mean.y / n_finite : NAN;
    g_array_append_val (thin, mean);
  }
  return thin;
}

static const Series *
series_at (const DefcnChart *chart, guint i)
{
  return chart->series->pdata[i];
}

static const DefcnPoint *
point_at (const Series *series, guint i)
{
  return &g_array_index (series->points, DefcnPoint, i);
}

static gboolean
is_seen (const DefcnPoint *p)
{
  return isfinite (p->x) && isfinite (p->y);
}

/* FALSE where no point can be seen. */
static gboolean
find_axes (Axes *axes, const DefcnChart *chart)
{
  double x[2] = { chart->x_low, chart->x_high };
  double y[2] = { chart->y_low, chart->y_high };
  guint n = 0;

  for (guint s = 0; s < chart->series->len; s++)
    for (guint i = 0; i < series_at (chart, s)->points->len; i++) {
      const DefcnPoint *p = point_at (series_at (chart, s), i);

      if (!is_seen (p))
        continue;
      x[0] = fmin (x[0], p->x);
      x[1] = fmax (x[1], p->x);
      y[0] = fmin (y[0], p->y);
      y[1] = fmax (y[1], p->y);
      n++;
    }
  axes->x = defcn_scale_fit (x[0], x[1], X_STEPS);
  axes->y = defcn_scale_fit (y[0], y[1], Y_STEPS);
  if (chart->categories) {
    const guint n_names = g_strv_length (chart->categories);

    axes->x = (DefcnScale){ -0.5, MAX (n_names, 1) - 0.5, 1, n_names };
  }
  return n > 0;
}

static double
x_of (const Axes *axes, double x)
{
  return LEFT + defcn_scale_part (&axes->x, x) * (RIGHT - LEFT);
}

static double
y_of (const Axes *axes, double y)
{
  return BOTTOM + defcn_scale_part (&axes->y, y) * (TOP - BOTTOM);
}

/* A marker of colour @i around x, y, about 2 @r wide. */
static void
append_marker (GString *html, guint i, double x, double y, double r)
{
  const double third = 0.35 * r;

  switch (i % DEFCN_CHART_N_COLORS) {
    case 0: /* a circle */
      g_string_append_printf (html,
          "M%.2f %.2fa%g %g 0 1 0 %g 0a%g %g 0 1 0 %g 0z", x - r, y, r, r,
          2 * r, r, r, -2 * r);
      break;
    case 1: /* a square */
      g_string_append_printf (html, "M%.2f %.2fh%gv%gh%gz", x - r, y - r, 2 * r,
          2 * r, -2 * r);
      break;
    case 2: /* a triangle */
      g_string_append_printf (html, "M%.2f %.2fl%g %gh%gz", x, y - r * 1.2,
          r * 1.2, 2.1 * r, -2.4 * r);
      break;
    case 3: /* a diamond */
      g_string_append_printf (html, "M%.2f %.2fl%g %gl%g %gl%g %gz", x,
          y - 1.4 * r, 1.4 * r, 1.4 * r, -1.4 * r, 1.4 * r, -1.4 * r, -1.4 * r);
      break;
    case 4: /* a triangle on its tip */
      g_string_append_printf (html, "M%.2f %.2fl%g %gh%gz", x, y + r * 1.2,
          r * 1.2, -2.1 * r, -2.4 * r);
      break;
    case 5: /* a plus */
      g_string_append_printf (html,
          "M%.2f %.2fh%gv%gh%gv%gh%gv%gh%gv%gh%gv%gh%gz", x - third,
          y - 3 * third, 2 * third, 2 * third, 2 * third, 2 * third, -2 * third,
          2 * third, -2 * third, -2 * third, -2 * third, -2 * third, 2 * third);
      break;
    case 6: /* a bar that lies */
      g_string_append_printf (html, "M%.2f %.2fh%gv%gh%gz", x - 1.4 * r,
          y - 0.6 * r, 2.8 * r, 1.2 * r, -2.8 * r);
      break;
    default: /* a bar that stands */
      g_string_append_printf (html, "M%.2f %.2fh%gv%gh%gz", x - 0.6 * r,
          y - 1.4 * r, 1.2 * r, 2.8 * r, -1.2 * r);
      break;
  }
}

/* Text in the middle of x, or to its left; anchor: "middle", "end", "start". */
static void
append_text (GString *html, double x, double y, const char *anchor,
    const char *text)
{
  g_string_append_printf (html,
      "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"%s\">", x, y, anchor);
  defcn_html_text (html, text);
  g_string_append (html, "</text>\n");
}

static void
append_frame (GString *html, const DefcnChart *chart, const Axes *axes)
{
  g_string_append (html, "<g class=\"grid\" aria-hidden=\"true\">\n<path d=\"");
  for (int i = 0; i < axes->y.n; i++)
    g_string_append_printf (html, "M%g %.2fH%g", LEFT,
        y_of (axes, defcn_scale_tick (&axes->y, i)), RIGHT);
  for (int i = 0; i < axes->x.n && !chart->categories; i++)
    g_string_append_printf (html, "M%.2f %gV%g",
        x_of (axes, defcn_scale_tick (&axes->x, i)), BOTTOM, BOTTOM + 5);
  g_string_append (html, "\"/>\n");
  if (chart->diagonal)
    g_string_append_printf (html,
        "<path class=\"diagonal\" d=\"M%.2f %.2fL%.2f %.2f\"/>\n",
        x_of (axes, axes->x.low), y_of (axes, axes->y.low),
        x_of (axes, axes->x.high), y_of (axes, axes->y.high));
  for (int i = 0; i < axes->y.n; i++) {
    g_autofree char *label = defcn_scale_label (&axes->y, i);

    append_text (html, LEFT - 7,
        y_of (axes, defcn_scale_tick (&axes->y, i)) + 4, "end", label);
  }
  for (int i = 0; i < axes->x.n; i++) {
    g_autofree char *label = chart->categories
        ? g_strdup (chart->categories[i])
        : defcn_scale_label (&axes->x, i);
    const double at = chart->categories ? i : defcn_scale_tick (&axes->x, i);

    append_text (html, x_of (axes, at), BOTTOM + 19, "middle", label);
  }
  append_text (html, (LEFT + RIGHT) / 2, BOTTOM + 40, "middle", chart->x_name);
  append_text (html, 4, 14, "start", chart->y_name);
  g_string_append (html, "</g>\n");
}

/* How far series @s is moved aside, where it shares categories. */
static double
aside (const DefcnChart *chart, guint s)
{
  return chart->categories ? (s - (chart->series->len - 1) / 2.0) * DODGE : 0;
}

static void
append_line (GString *html, const DefcnChart *chart, const Axes *axes, guint s)
{
  const Series *series = series_at (chart, s);
  gboolean drawn = FALSE;

  g_string_append_printf (html,
      "<path class=\"line\" fill=\"none\" stroke=\"%s\"%s d=\"",
      defcn_chart_color (series->color), dashes[series->line]);
  for (guint i = 0; i < series->points->len; i++) {
    const DefcnPoint *p = point_at (series, i);

    if (is_seen (p))
      g_string_append_printf (html, "%c%.2f %.2f", drawn ? 'L' : 'M',
          x_of (axes, p->x), y_of (axes, p->y));
    drawn = is_seen (p);
  }
  g_string_append (html, "\"/>\n");
}

/* All points of a short series; a few of a long one, each colour's elsewhere,
 * so that lines can be told apart without colours; and points whose neighbours
 * are gaps. */
static gboolean
is_marked (const Series *series, guint i)
{
  const guint n = series->points->len, every = MAX (n / FEW_MARKERS, 1);

  return n <= MOST_MARKERS
      || i % every == (2 * series->color + 1) * every / 16 % every
      || ((i == 0 || !is_seen (point_at (series, i - 1)))
          && (i + 1 == n || !is_seen (point_at (series, i + 1))));
}

static void
append_series (GString *html, const DefcnChart *chart, const Axes *axes,
    guint s)
{
  const Series *series = series_at (chart, s);

  g_string_append (html, "<g class=\"series\">\n");
  if (series->line != DEFCN_LINE_NONE)
    append_line (html, chart, axes, s);
  for (guint i = 0; i < series->points->len; i++) {
    const DefcnPoint *p = point_at (series, i);

    if (!is_seen (p) || !is_marked (series, i))
      continue;
    g_string_append_printf (html, "<path class=\"marker\" fill=\"%s\" d=\"",
        defcn_chart_color (series->color));
    append_marker (html, series->color, x_of (axes, p->x + aside (chart, s)),
        y_of (axes, p->y), series->line == DEFCN_LINE_NONE ? DOT : MARKER);
    defcn_html_within (html, "\"><title>", series->name, ", ");
    if (chart->categories)
      defcn_html_text (html, chart->categories[(int) p->x]);
    else
      g_string_append_printf (html, "%.10g", p->x);
    g_string_append_printf (html, ": %.4g</title></path>\n", p->y);
  }
  g_string_append (html, "</g>\n");
}

/* What the chart shows, in words. */
static void
append_description (GString *html, const DefcnChart *chart)
{
  defcn_html_within (html, "", chart->y_name, " over ");
  defcn_html_within (html, "", chart->x_name, ".");
  for (guint s = 0; s < chart->series->len; s++) {
    const Series *series = series_at (chart, s);
    const DefcnPoint *first = NULL, *last = NULL, *least = NULL, *most = NULL;

    for (guint i = 0; i < series->points->len; i++) {
      const DefcnPoint *p = point_at (series, i);

      if (!is_seen (p))
        continue;
      first = first ? first : p;
      last = p;
      least = !least || p->y < least->y ? p : least;
      most = !most || p->y > most->y ? p : most;
    }
    defcn_html_within (html, " ", series->name, ": ");
    if (first)
      g_string_append_printf (html,
          "from %.3g to %.3g, lowest %.3g, highest %.3g.", first->y, last->y,
          least->y, most->y);
    else
      g_string_append (html, "no values.");
  }
}

static void
append_svg (GString *html, const DefcnChart *chart, const Axes *axes)
{
  g_string_append_printf (html,
      "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s-title "
      "%s-desc\">\n<title id=\"%s-title\">",
      WIDTH, HEIGHT, chart->id, chart->id, chart->id);
  defcn_html_text (html, chart->title);
  g_string_append_printf (html, "</title>\n<desc id=\"%s-desc\">", chart->id);
  append_description (html, chart);
  g_string_append (html, "</desc>\n");
  append_frame (html, chart, axes);
  for (guint s = 0; s < chart->series->len; s++)
    append_series (html, chart, axes, s);
  g_string_append (html, "</svg>\n");
}

static void
append_legend (GString *html, const DefcnChart *chart)
{
  g_string_append (html, "<ul class=\"legend\">\n");
  for (guint s = 0; s < chart->series->len; s++) {
    const Series *series = series_at (chart, s);
    const char *color = defcn_chart_color (series->color);

    g_string_append (html,
        "<li><svg viewBox=\"0 0 34 12\" width=\"34\" "
        "height=\"12\" aria-hidden=\"true\">");
    if (series->line != DEFCN_LINE_NONE)
      g_string_append_printf (html,
          "<path class=\"line\" fill=\"none\" stroke=\"%s\"%s d=\"M1 6H33\"/>",
          color, dashes[series->line]);
    g_string_append_printf (html, "<path fill=\"%s\" d=\"", color);
    append_marker (html, series->color, 17, 6, MARKER);
    defcn_html_within (html, "\"/></svg> ", series->name, "</li>\n");
  }
  g_string_append (html, "</ul>\n");
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Every x of any series, once. */
static GArray *
all_x (const DefcnChart *chart)
{
  GArray *x = g_array_new (FALSE, FALSE, sizeof (double));
  guint n = 0;

  for (guint s = 0; s < chart->series->len; s++)
    for (guint i = 0; i < series_at (chart, s)->points->len; i++)
      g_array_append_val (x, point_at (series_at (chart, s), i)->x);
  g_array_sort (x, compare_doubles);
  for (guint i = 0; i < x->len; i++) {
    const double value = g_array_index (x, double, i);

    if (n == 0 || value != g_array_index (x, double, n - 1))
      g_array_index (x, double, n++) = value;
  }
  g_array_set_size (x, n);
  return x;
}

/* @at: where the search begins, and the next one will. */
static void
append_value (GString *html, const Series *series, double x, guint *at)
{
  while (*at < series->points->len && point_at (series, *at)->x < x)
    (*at)++;
  if (*at == series->points->len || point_at (series, *at)->x != x)
    g_string_append (html, "<td></td>");
  else if (isfinite (point_at (series, *at)->y))
    g_string_append_printf (html, "<td>%.5g</td>", point_at (series, *at)->y);
  else
    g_string_append (html, "<td>not finite</td>");
}

static void
append_table (GString *html, const DefcnChart *chart)
{
  g_autoptr (GArray) x = all_x (chart);
  g_autofree guint *at = g_new0 (guint, chart->series->len + 1);

  defcn_html_within (html,
      "<details><summary>Values</summary>\n<div class=\"wide\"><table>"
      "<caption>",
      chart->title, "</caption>\n<thead><tr>");
  defcn_html_within (html, "<th scope=\"col\">", chart->x_name, "</th>");
  for (guint s = 0; s < chart->series->len; s++)
    defcn_html_within (html, "<th scope=\"col\">", series_at (chart, s)->name,
        "</th>");
  g_string_append (html, "</tr></thead>\n<tbody>\n");
  for (guint i = 0; i < x->len; i++) {
    const double value = g_array_index (x, double, i);

    g_string_append (html, "<tr><th scope=\"row\">");
    if (chart->categories)
      defcn_html_text (html, chart->categories[(int) value]);
    else
      g_string_append_printf (html, "%.10g", value);
    g_string_append (html, "</th>");
    for (guint s = 0; s < chart->series->len; s++)
      append_value (html, series_at (chart, s), value, &at[s]);
    g_string_append (html, "</tr>\n");
  }
  g_string_append (html, "</tbody></table></div></details>\n");
}

void
defcn_chart_append (GString *html, const DefcnChart *chart)
{
  Axes axes;
  const gboolean seen = find_axes (&axes, chart);

  g_string_append_printf (html, "<figure class=\"chart\" id=\"%s\">\n",
      chart->id);
  defcn_html_within (html, "<figcaption><h3>", chart->title, "</h3>");
  if (chart->text)
    defcn_html_within (html, "<p>", chart->text, "</p>");
  g_string_append (html, "</figcaption>\n");
  if (seen) {
    append_svg (html, chart, &axes);
    append_legend (html, chart);
  } else {
    g_string_append (html, "<p class=\"none\">No values.</p>\n");
  }
  append_table (html, chart);
  g_string_append (html, "</figure>\n");
}
