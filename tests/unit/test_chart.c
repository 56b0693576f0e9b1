/* Charts of a page: their axes, their lines and the table of the same
 * values. */
#include "report/chart.h"

#include "report/scale.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Ends, steps and labels that were worked out by hand. */
static void
test_scale (void)
{
  static const struct
  {
    double low, high;
    int most;
    double first, last;
    int n;
    const char *labels;
  } rows[] = {
    { 0, 1, 5, 0, 1, 6, "0.0 0.2 0.4 0.6 0.8 1.0" },
    { 0, 9154, 6, 0, 10000, 6, "0 2000 4000 6000 8000 10000" },
    { 0, 0.0008, 6, 0, 0.0008, 5, "0.0000 0.0002 0.0004 0.0006 0.0008" },
    { 0.31, 0.69, 4, 0.3, 0.7, 5, "0.3 0.4 0.5 0.6 0.7" },
    { -3, 7, 6, -4, 8, 7, "-4 -2 0 2 4 6 8" },
    { 0, 3e-7, 3, 0, 3e-7, 4, "0 1e-07 2e-07 3e-07" },
    { 0, 3e9, 3, 0, 3e9, 4, "0 1e+09 2e+09 3e+09" },
    { 2, 2, 6, 1, 3, 5, "1.0 1.5 2.0 2.5 3.0" },
    { -2, -2, 6, -3, -1, 5, "-3.0 -2.5 -2.0 -1.5 -1.0" },
    { 0, 0, 5, 0, 1, 6, "0.0 0.2 0.4 0.6 0.8 1.0" },
    { NAN, NAN, 5, 0, 1, 6, "0.0 0.2 0.4 0.6 0.8 1.0" },
    { 0, INFINITY, 5, 0, 1, 6, "0.0 0.2 0.4 0.6 0.8 1.0" },
    { 3, 2, 5, 0, 1, 6, "0.0 0.2 0.4 0.6 0.8 1.0" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const DefcnScale s =
        defcn_scale_fit (rows[i].low, rows[i].high, rows[i].most);
    g_autoptr (GString) labels = g_string_new (NULL);

    for (int k = 0; k < s.n; k++) {
      g_autofree char *label = defcn_scale_label (&s, k);

      g_string_append_printf (labels, "%s%s", k ? " " : "", label);
    }
    g_assert_cmpstr (labels->str, ==, rows[i].labels);
    g_assert_cmpint (s.n, ==, rows[i].n);
    g_assert_cmpfloat_with_epsilon (s.low, rows[i].first, 1e-12);
    g_assert_cmpfloat_with_epsilon (s.high, rows[i].last,
        1e-12 + 1e-12 * fabs (rows[i].last));
    g_assert_cmpfloat (defcn_scale_part (&s, s.low), ==, 0);
    g_assert_cmpfloat (defcn_scale_part (&s, s.high), ==, 1);
  }
}

/* Whatever the values are, they are on the axis, and it has few ticks. */
static void
test_any_scale (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (int i = 0; i < 2000; i++) {
    const double size = pow (10, g_rand_double_range (rand, -300, 299));
    const double low = g_rand_double_range (rand, -1, 1) * size;
    const double high = low + g_rand_double (rand) * size * (i % 3 ? 1 : 1e-8);
    const int most = g_rand_int_range (rand, 2, 9);
    const DefcnScale s = defcn_scale_fit (low, high, most);

    g_assert_cmpint (s.n, >=, 2);
    g_assert_cmpint (s.n, <=, most + 1 + (most == 2));
    g_assert_cmpfloat (defcn_scale_part (&s, low), >=, -1e-6);
    g_assert_cmpfloat (defcn_scale_part (&s, high), <=, 1 + 1e-6);
    for (int k = 1; k < s.n; k++)
      g_assert_cmpfloat (defcn_scale_tick (&s, k), >,
          defcn_scale_tick (&s, k - 1));
  }
}

static double
channel (const char *color, int c)
{
  const char hex[] = { color[1 + 2 * c], color[2 + 2 * c], '\0' };
  const double v = strtol (hex, NULL, 16) / 255.0;

  return v <= 0.03928 ? v / 12.92 : pow ((v + 0.055) / 1.055, 2.4);
}

/* WCAG's contrast to white, for parts of drawings: 3 to 1. */
static void
test_colors (void)
{
  for (guint i = 0; i < DEFCN_CHART_N_COLORS; i++) {
    const char *color = defcn_chart_color (i);
    const double luminance = 0.2126 * channel (color, 0)
        + 0.7152 * channel (color, 1) + 0.0722 * channel (color, 2);

    g_assert_cmpfloat (1.05 / (luminance + 0.05), >=, 3);
    for (guint k = 0; k < i; k++)
      g_assert_cmpstr (color, !=, defcn_chart_color (k));
  }
  g_assert_cmpstr (defcn_chart_color (DEFCN_CHART_N_COLORS), ==,
      defcn_chart_color (0));
}

static void
add (GArray *points, double x, double y)
{
  const DefcnPoint p = { x, y };

  g_array_append_val (points, p);
}

static char *
draw (const DefcnChart *chart)
{
  GString *html = g_string_new (NULL);

  defcn_chart_append (html, chart);
  g_assert_cmpint (text_count (html->str, "<figure"), ==, 1);
  g_assert_cmpint (text_count (html->str, "</figure>"), ==, 1);
  g_assert_cmpint (text_count (html->str, "<table>"), ==, 1);
  g_assert_null (strstr (html->str, "nan"));
  g_assert_null (strstr (html->str, "inf"));
  return g_string_free (html, FALSE);
}

/* A line goes from corner to corner, a second series has its own look, and all
 * values are in the table. */
static void
test_lines (void)
{
  g_autoptr (DefcnChart) chart = defcn_chart_new ("a", "A <b> & c", "x", "y");
  GArray *points = defcn_chart_add (chart, "\"one\"", 0, DEFCN_LINE_SOLID);

  add (points, 0, 0);
  add (points, 10, 1);
  points = defcn_chart_add (chart, "two", 1, DEFCN_LINE_DASHED);
  add (points, 5, 0.123456789);
  g_autofree char *html = draw (chart);
  g_assert_nonnull (strstr (html, "d=\"M66.00 272.00L492.00 34.00\""));
  g_assert_cmpint (text_count (html, "stroke-dasharray=\"7 4\""), ==, 2);
  g_assert_cmpint (text_count (html, "class=\"marker\""), ==, 3);
  g_assert_nonnull (strstr (html, "<title id=\"a-title\">A &lt;b&gt; &amp; c"));
  g_assert_nonnull (strstr (html, "&quot;one&quot;: from 0 to 1"));
  g_assert_nonnull (strstr (html,
      "<tr><th scope=\"row\">0</th><td>0</td><td></td></tr>\n"
      "<tr><th scope=\"row\">5</th><td></td><td>0.12346</td></tr>\n"
      "<tr><th scope=\"row\">10</th><td>1</td><td></td></tr>\n"));
  g_assert_null (strstr (html, "<b>"));
}

/* What is not finite makes a gap, a point between two gaps is still seen, and
 * the table says so. */
static void
test_gaps (void)
{
  static const double y[] = { 1, NAN, 3, INFINITY, 2, 2, -INFINITY };
  g_autoptr (DefcnChart) chart = defcn_chart_new ("a", "t", "x", "y");
  GArray *points = defcn_chart_add (chart, "s", 0, DEFCN_LINE_SOLID);

  for (gsize i = 0; i < G_N_ELEMENTS (y); i++)
    add (points, i, y[i]);
  g_autofree char *html = draw (chart);
  const char *path = strstr (html, "class=\"line\"");
  const char *end = strstr (path, "/>");
  g_autofree char *line = g_strndup (path, end - path);
  g_assert_cmpint (text_count (line, "M"), ==, 3);
  g_assert_cmpint (text_count (line, "L"), ==, 1);
  g_assert_cmpint (text_count (html, "class=\"marker\""), ==, 4);
  g_assert_cmpint (text_count (html, "<td>not finite</td>"), ==, 3);
}

/* Nothing to draw is said in words, and one value is drawn. */
static void
test_few (void)
{
  for (int n = 0; n < 4; n++) {
    g_autoptr (DefcnChart) chart = defcn_chart_new ("a", "t", "x", "y");
    GArray *points =
        n ? defcn_chart_add (chart, "s", 0, DEFCN_LINE_SOLID) : NULL;

    if (n == 2)
      add (points, 3, NAN);
    if (n == 3)
      add (points, 3, 0.5);
    g_autofree char *html = draw (chart);
    g_assert_cmpint (text_count (html, "No values."), ==, n < 3);
    g_assert_cmpint (text_count (html, "role=\"img\""), ==, n == 3);
    g_assert_cmpint (text_count (html, "class=\"marker\""), ==, n == 3);
  }
}

/* Long series have few markers and short ones all; names instead of numbers; a
 * diagonal and limits beyond the values. */
static void
test_looks (void)
{
  static const char *const names[] = { "small", "<large>", NULL };
  g_autoptr (DefcnChart) chart = defcn_chart_new ("a", "t", "x", "y");
  g_autoptr (DefcnChart) other = defcn_chart_new ("b", "t", "x", "y");
  GArray *points = defcn_chart_add (chart, "s", 0, DEFCN_LINE_SOLID);

  for (int i = 0; i < 100; i++)
    add (points, i / 200.0, i / 200.0);
  defcn_chart_include_x (chart, 0, 1);
  defcn_chart_include_y (chart, 0, 1);
  defcn_chart_diagonal (chart);
  g_autofree char *html = draw (chart);
  g_assert_cmpint (text_count (html, "class=\"marker\""), ==, 5);
  g_assert_nonnull (strstr (html, "M66.00 272.00L492.00 34.00\"/>"));
  g_assert_nonnull (strstr (html, "L276.87 154.19\"")); /* .495, .495 */

  for (guint s = 0; s < DEFCN_CHART_N_COLORS; s++) {
    points = defcn_chart_add (other, "s", s, DEFCN_LINE_NONE);
    add (points, 0, 0.5);
    add (points, 1, 1);
  }
  defcn_chart_categories (other, names);
  g_autofree char *dots = draw (other);
  g_assert_cmpint (text_count (dots, "class=\"marker\""), ==,
      2 * DEFCN_CHART_N_COLORS);
  g_assert_cmpint (text_count (dots, "class=\"line\""), ==, 0);
  g_assert_cmpint (text_count (dots, "<th scope=\"row\">&lt;large&gt;</th>"),
      ==, 1);
}

/* Means of equal parts; what is not finite does not count, unless all is. */
static void
test_thin (void)
{
  g_autoptr (GArray) points = g_array_new (FALSE, FALSE, sizeof (DefcnPoint));

  for (int i = 1; i <= 100; i++)
    add (points, i, i <= 20 ? NAN : i % 2 ? i : NAN);
  g_autoptr (GArray) same = defcn_chart_thin (points, 100, 100);
  g_assert_cmpuint (same->len, ==, 100);
  g_autoptr (GArray) thin = defcn_chart_thin (points, 100, 10);
  g_assert_cmpuint (thin->len, ==, 10);
  for (guint i = 0; i < 10; i++) {
    const DefcnPoint p = g_array_index (thin, DefcnPoint, i);

    g_assert_cmpfloat_with_epsilon (p.x, 10 * i + 5.5, 1e-9);
    if (i < 2)
      g_assert_true (isnan (p.y));
    else
      g_assert_cmpfloat_with_epsilon (p.y, 10 * i + 5, 1e-9);
  }
  g_autoptr (GArray) half = defcn_chart_thin (points, 200, 10);
  g_assert_cmpuint (half->len, ==, 5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/chart/scale", test_scale);
  g_test_add_func ("/chart/any-scale", test_any_scale);
  g_test_add_func ("/chart/colors", test_colors);
  g_test_add_func ("/chart/lines", test_lines);
  g_test_add_func ("/chart/gaps", test_gaps);
  g_test_add_func ("/chart/few", test_few);
  g_test_add_func ("/chart/looks", test_looks);
  g_test_add_func ("/chart/thin", test_thin);
  return g_test_run ();
}
