/* What evaluations measured. */
#include "measured.h"

#include "chart.h"
#include "html.h"

#include <math.h>
#include <stdlib.h>

#define MOST_CLASSES 25 /* of a confusion matrix, and one for the others */

static const DefcnMeasured *
row_at (const GArray *rows, guint i)
{
  return &g_array_index (rows, DefcnMeasured, i);
}

static const cJSON *
object_of (const cJSON *figures, const char *key)
{
  return cJSON_GetObjectItemCaseSensitive (figures, key);
}

/* A number of @figures, in the object @part of it unless NULL; NaN where it is
 * not there or there was nothing to measure. */
static double
figure (const cJSON *figures, const char *part, const char *key)
{
  const double value =
      defcn_history_number (part ? object_of (figures, part) : figures, key);

  return value >= 0 ? value : NAN;
}

static const struct
{
  const char *title, *part, *key;
} table[] = {
  { "AP", NULL, "ap" },
  { "AP50", NULL, "ap50" },
  { "AP75", NULL, "ap75" },
  { "small", NULL, "ap_small" },
  { "medium", NULL, "ap_medium" },
  { "large", NULL, "ap_large" },
  { "AR100", NULL, "ar100" },
  { "mMR", NULL, "mmr" },
  { "recall", NULL, "recall" },
  { "twins", NULL, "duplicate_rate" },
  { "precision in use", "working", "precision" },
  { "recall in use", "working", "recall" },
  { "F1 in use", "working", "f1" },
};

/* Whether any row has the figure @t of the table. */
static gboolean
is_there (const GArray *rows, gsize t)
{
  for (guint i = 0; i < rows->len; i++)
    if (isfinite (
            figure (row_at (rows, i)->figures, table[t].part, table[t].key)))
      return TRUE;
  return FALSE;
}

static void
append_way (GString *html, const cJSON *figures, DefcnColumn column)
{
  const cJSON *of = defcn_figures_json_column (figures, column);

  if (column == DEFCN_COLUMN_NONE)
    g_string_append (html, "no NMS");
  else if (column == DEFCN_COLUMN_LOCAL)
    g_string_append_printf (html, "local filter %.2f",
        figure (of, NULL, "duplicate_iou"));
  else
    g_string_append_printf (html, "NMS %.2f", figure (of, NULL, "nms_iou"));
  if (of == figures)
    g_string_append (html, " <b>(its own)</b>");
}

static void
append_figures (GString *html, const GArray *rows)
{
  gboolean there[G_N_ELEMENTS (table)];

  g_string_append (html,
      "<div class=\"wide\"><table><thead><tr><th scope=\"col\">model</th>"
      "<th scope=\"col\" class=\"words\">boxes</th>");
  for (gsize t = 0; t < G_N_ELEMENTS (table); t++) {
    there[t] = is_there (rows, t);
    if (there[t])
      g_string_append_printf (html, "<th scope=\"col\">%s</th>",
          table[t].title);
  }
  g_string_append (html, "</tr></thead>\n<tbody>\n");
  for (guint i = 0; i < rows->len; i++) {
    const DefcnMeasured *row = row_at (rows, i);

    for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
      const cJSON *of = defcn_figures_json_column (row->figures, k);

      if (!of)
        continue;
      defcn_html_within (html, "<tr><th scope=\"row\">", row->name,
          "</th><td class=\"words\">");
      append_way (html, row->figures, k);
      g_string_append (html, "</td>");
      for (gsize t = 0; t < G_N_ELEMENTS (table); t++)
        if (there[t])
          defcn_html_figure (html, figure (of, table[t].part, table[t].key), 4);
      g_string_append (html, "</tr>\n");
    }
  }
  g_string_append (html, "</tbody></table></div>\n");
}

/* Whose figures these are, a line each. */
static void
append_sources (GString *html, const GArray *rows)
{
  g_string_append (html, "<ul>\n");
  for (guint i = 0; i < rows->len; i++) {
    const DefcnMeasured *row = row_at (rows, i);

    defcn_html_within (html, "<li>", row->name, ": ");
    g_string_append_printf (html, "%.0f pictures",
        figure (row->figures, NULL, "images"));
    if (row->subject) {
      g_autofree char *file = g_path_get_basename (row->subject->dataset->path);

      defcn_html_within (html, " of ", file, ", measured for this report");
    } else {
      g_string_append_printf (html,
          " of its validation set, measured by the run at iteration "
          "%" G_GINT64_FORMAT,
          row->iteration);
    }
    g_string_append_printf (html, "; in use: scores over %.2f",
        figure (row->figures, "working", "threshold"));
    if (isfinite (figure (row->figures, "best", "threshold")))
      g_string_append_printf (html, ", F1 is best around %.2f (%.3f)",
          figure (row->figures, "best", "threshold"),
          figure (row->figures, "best", "f1"));
    g_string_append (html, ".</li>\n");
  }
  g_string_append (html, "</ul>\n");
}

static void
add_point (GArray *points, double x, double y)
{
  const DefcnPoint p = { x, y };

  g_array_append_val (points, p);
}

/* Precision over recall; what was measured by runs has no curve. */
static void
append_precision_recall (GString *html, const GArray *rows)
{
  g_autoptr (DefcnChart) chart = defcn_chart_new ("precision-recall",
      "Precision and recall", "recall", "precision");
  guint n = 0;

  defcn_chart_explain (chart,
      "IoU 0.5, all classes together, for every threshold of the scores. "
      "Dashed: the same model without NMS or filter, where it has one.");
  defcn_chart_include_x (chart, 0, 1);
  defcn_chart_include_y (chart, 0, 1);
  for (guint i = 0; i < rows->len; i++) {
    const DefcnMeasured *row = row_at (rows, i);

    for (int own = 1; own >= 0 && row->subject; own--) {
      const DefcnFigures *f = &row->subject->figures;
      const DefcnColumn column = own ? f->own : DEFCN_COLUMN_NONE;
      g_autofree char *name = own
          ? g_strdup (row->name)
          : g_strdup_printf ("%s, all boxes", row->name);

      if (!own && f->own == DEFCN_COLUMN_NONE)
        continue;
      GArray *points = defcn_chart_add (chart, name, row->color,
          own ? DEFCN_LINE_SOLID : DEFCN_LINE_DASHED);
      for (int k = 0; k < DEFCN_PRECISION_RECALL_N; k++)
        add_point (points, k / 100.0, f->curves[column].precision[k]);
      n++;
    }
  }
  if (n)
    defcn_chart_append (html, chart);
}

/* Figures by name, a marker for every row. */
static void
append_dots (GString *html, const GArray *rows, DefcnChart *chart,
    const char *const *parts, const char *const *keys)
{
  defcn_chart_include_y (chart, 0, NAN);
  for (guint i = 0; i < rows->len; i++) {
    const DefcnMeasured *row = row_at (rows, i);
    GArray *points =
        defcn_chart_add (chart, row->name, row->color, DEFCN_LINE_NONE);

    for (int k = 0; keys[k]; k++)
      add_point (points, k, figure (row->figures, parts[k], keys[k]));
  }
  defcn_chart_append (html, chart);
}

static void
append_sizes (GString *html, const GArray *rows)
{
  static const char *const names[] = { "all", "small", "medium", "large",
    NULL };
  static const char *const none[] = { NULL, NULL, NULL, NULL };
  static const char *const ap[] = { "ap", "ap_small", "ap_medium", "ap_large",
    NULL };
  static const char *const ar[] = { "ar100", "ar_small", "ar_medium",
    "ar_large", NULL };
  g_autoptr (DefcnChart) precisions =
      defcn_chart_new ("sizes-ap", "AP by size", "size of the objects", "AP");
  g_autoptr (DefcnChart) recalls =
      defcn_chart_new ("sizes-ar", "AR by size", "size of the objects", "AR");

  defcn_chart_explain (precisions,
      "IoU 0.50 to 0.95; small: below 32 x 32 pixels, large: from 96 x 96.");
  defcn_chart_categories (precisions, names);
  append_dots (html, rows, precisions, none, ap);
  defcn_chart_explain (recalls, "At most 100 boxes of a picture.");
  defcn_chart_categories (recalls, names);
  append_dots (html, rows, recalls, none, ar);
}

static void
append_crowds (GString *html, const GArray *rows)
{
  static const char *const names[] = { "AP50", "of crowded", "recall",
    "of crowded", NULL };
  static const char *const parts[] = { NULL, "crowded", "working", "crowded" };
  static const char *const keys[] = { "ap50", "ap50", "recall",
    "working_recall", NULL };
  const cJSON *crowded = object_of (row_at (rows, 0)->figures, "crowded");
  g_autoptr (DefcnChart) chart = defcn_chart_new ("crowds", "Crowded pictures",
      "all pictures, and crowded ones; recall in use", "AP50, recall");
  g_autofree char *text =
      g_strdup_printf ("Crowded are %.0f pictures with %.0f objects or more.",
          figure (crowded, NULL, "images"),
          figure (crowded, NULL, "least_objects"));

  if (!(figure (crowded, NULL, "images") > 0))
    g_string_append (html, "<p>No picture is crowded.</p>\n");
  else
    defcn_chart_explain (chart, text);
  defcn_chart_categories (chart, names);
  append_dots (html, rows, chart, parts, keys);
}

/* The rest of a table's head: a column for every row. */
static void
append_names (GString *html, const GArray *rows)
{
  for (guint i = 0; i < rows->len; i++)
    defcn_html_within (html, "<th scope=\"col\">", row_at (rows, i)->name,
        "</th>");
  g_string_append (html, "</tr></thead>\n<tbody>\n");
}

static void
append_reliability_table (GString *html, const GArray *rows)
{
  g_string_append (html,
      "<details><summary>Detections of every bin</summary>\n"
      "<div class=\"wide\"><table><thead><tr><th scope=\"col\">score</th>");
  append_names (html, rows);
  for (int k = 0; k < DEFCN_RELIABILITY_BINS; k++) {
    g_string_append_printf (html, "<tr><th scope=\"row\">%.2f to %.2f</th>",
        (double) k / DEFCN_RELIABILITY_BINS,
        (k + 1.0) / DEFCN_RELIABILITY_BINS);
    for (guint i = 0; i < rows->len; i++)
      defcn_html_figure (html,
          figure (cJSON_GetArrayItem (object_of (row_at (rows, i)->figures,
                                          "reliability"),
                      k),
              NULL, "detections"),
          0);
    g_string_append (html, "</tr>\n");
  }
  g_string_append (html, "</tbody></table></div></details>\n");
}

static void
append_reliability (GString *html, const GArray *rows)
{
  g_autoptr (DefcnChart) chart =
      defcn_chart_new ("reliability", "Reliability", "mean score", "precision");

  defcn_chart_explain (chart,
      "The precision of detections by their score, in bins of 0.05: on the "
      "diagonal a score says its precision.");
  defcn_chart_include_x (chart, 0, 1);
  defcn_chart_include_y (chart, 0, 1);
  defcn_chart_diagonal (chart);
  for (guint i = 0; i < rows->len; i++) {
    const DefcnMeasured *row = row_at (rows, i);
    const double error = figure (row->figures, NULL, "calibration_error");
    g_autofree char *name = isfinite (error)
        ? g_strdup_printf ("%s, expected calibration error "
                           "%.3f",
            row->name, error)
        : g_strdup (row->name);
    GArray *points =
        defcn_chart_add (chart, name, row->color, DEFCN_LINE_SOLID);
    const cJSON *bin;

    cJSON_ArrayForEach (bin, object_of (row->figures, "reliability"))
    {
      if (figure (bin, NULL, "detections") > 0)
        add_point (points, figure (bin, NULL, "score"),
            figure (bin, NULL, "precision"));
    }
  }
  g_string_append (html, "<div>\n");
  defcn_chart_append (html, chart);
  append_reliability_table (html, rows);
  g_string_append (html, "</div>\n");
}

/* Of every class that any row has. */
static void
append_classes (GString *html, const GArray *rows)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  const cJSON *item;

  for (guint i = 0; i < rows->len; i++)
    cJSON_ArrayForEach (item, object_of (row_at (rows, i)->figures, "class_ap"))
    {
      if (item->string
          && !g_ptr_array_find_with_equal_func (names, item->string,
              g_str_equal, NULL))
        g_ptr_array_add (names, item->string);
    }
  if (names->len < 2)
    return;
  g_string_append (html,
      "<h3>AP of every class</h3>\n<div class=\"wide\"><table><thead><tr>"
      "<th scope=\"col\">class</th>");
  append_names (html, rows);
  for (guint c = 0; c < names->len; c++) {
    defcn_html_within (html, "<tr><th scope=\"row\">", names->pdata[c],
        "</th>");
    for (guint i = 0; i < rows->len; i++)
      defcn_html_figure (html,
          figure (row_at (rows, i)->figures, "class_ap", names->pdata[c]), 4);
    g_string_append (html, "</tr>\n");
  }
  g_string_append (html, "</tbody></table></div>\n");
}

typedef struct
{
  guint n;
  int label;
} Frequency;

static int
by_frequency (gconstpointer a, gconstpointer b)
{
  const Frequency *p = a, *q = b;

  if (p->n != q->n)
    return p->n > q->n ? -1 : 1;
  return p->label - q->label;
}

/* Where each class of the matrix goes: a place of its own for the most frequent
 * ones, and one for all others; (transfer full).  @shown: how many have their
 * own. */
static int *
places_of (int *shown, const guint *counts, int n)
{
  g_autofree Frequency *frequencies = g_new0 (Frequency, n + 1);
  int *places = g_new (int, n + 1);

  for (int t = 0; t < n; t++) {
    frequencies[t].label = t;
    for (int p = 0; p <= n; p++)
      frequencies[t].n += counts[t * (n + 1) + p] + counts[p * (n + 1) + t];
  }
  qsort (frequencies, n, sizeof *frequencies, by_frequency);
  *shown = n <= MOST_CLASSES + 1 ? n : MOST_CLASSES;
  for (int t = 0; t < n; t++)
    places[frequencies[t].label] = *shown;
  for (int t = 0; t < *shown; t++)
    places[n <= MOST_CLASSES + 1 ? t : frequencies[t].label] = t;
  places[n] = *shown + (*shown < n);
  return places;
}

static void
append_matrix_head (GString *html, char **names, int n)
{
  g_string_append (html,
      "<div class=\"wide\"><table class=\"matrix\"><thead><tr>"
      "<th scope=\"col\">is &#92; found as</th>");
  for (int p = 0; p < n; p++)
    defcn_html_within (html, "<th scope=\"col\">",
        p == n - 1 ? "nothing" : names[p], "</th>");
  g_string_append (html, "</tr></thead>\n<tbody>\n");
}

/* @cells: n x n, the last row and column: nothing. */
static void
append_matrix (GString *html, const guint *cells, char **names, int n)
{
  append_matrix_head (html, names, n);
  for (int t = 0; t < n; t++) {
    guint sum = 0;

    for (int p = 0; p < n; p++)
      sum += cells[t * n + p];
    defcn_html_within (html, "<tr><th scope=\"row\">",
        t == n - 1 ? "nothing" : names[t], "</th>");
    for (int p = 0; p < n; p++) {
      const double part = sum ? (double) cells[t * n + p] / sum : 0;

      if (t == n - 1 && p == n - 1)
        g_string_append (html, "<td>–</td>");
      else
        g_string_append_printf (html,
            "<td style=\"background:rgba(%s,%.2f)\">%u</td>",
            t == p ? "0,114,178" : "196,78,0", part * 0.45, cells[t * n + p]);
    }
    g_string_append (html, "</tr>\n");
  }
  g_string_append (html, "</tbody></table></div>\n");
}

static void
append_confusion (GString *html, const DefcnMeasured *row)
{
  const DefcnSubject *s = row->subject;
  const int n = defcn_model_spec (s->model)->n_classes;
  int shown;
  g_autofree int *places = places_of (&shown, s->confusion, n);
  const int size = places[n] + 1;
  g_autofree guint *cells = g_new0 (guint, (gsize) size * size);
  g_autofree char **names = g_new0 (char *, size + 1);
  g_autofree char *way = defcn_figures_way (&s->figures);

  for (int t = 0; t <= n; t++) {
    if (t < n && places[t] < shown)
      names[places[t]] = s->figures.labels[t];
    for (int p = 0; p <= n; p++)
      cells[places[t] * size + places[p]] += s->confusion[t * (n + 1) + p];
  }
  if (shown < n)
    names[shown] = (char *) "all others";
  defcn_html_within (html, "<h3>Confusion of ", row->name, "</h3>\n<p>");
  g_string_append_printf (html,
      "Objects by what they are, in rows, and what they were found as, at IoU "
      "0.5 and scores over %.2f (%s); shaded by the share of the row. Crowds "
      "do not count.</p>\n",
      s->figures.working_threshold, way);
  append_matrix (html, cells, names, size);
}

void
defcn_measured_append (GString *html, const GArray *rows)
{
  gboolean coco = FALSE;

  append_sources (html, rows);
  append_figures (html, rows);
  for (guint i = 0; i < rows->len; i++)
    coco = coco || isfinite (figure (row_at (rows, i)->figures, NULL, "ar100"));
  g_string_append (html, "<div class=\"charts\">\n");
  append_precision_recall (html, rows);
  append_reliability (html, rows);
  if (coco)
    append_sizes (html, rows);
  append_crowds (html, rows);
  g_string_append (html, "</div>\n");
  append_classes (html, rows);
  for (guint i = 0; i < rows->len; i++)
    if (row_at (rows, i)->subject)
      append_confusion (html, row_at (rows, i));
}
