/* A chart as a figure of an HTML page: SVG, its legend, and the table of its
 * values.
 *
 *   DefcnChart *chart = defcn_chart_new ("loss", "Loss", "iteration", "loss");
 *   GArray *points = defcn_chart_add (chart, "mine", 0, DEFCN_LINE_SOLID);
 *   DefcnPoint p = { 20, 1.5 };
 *   g_array_append_val (points, p);
 *   defcn_chart_append (html, chart);
 *   defcn_chart_free (chart);
 *
 * Thread rule: one thread at a time per chart.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The colours that series have, by turns: eight that everybody can tell apart,
 * each with a contrast of 3:1 at least to white. */
#define DEFCN_CHART_N_COLORS 8
const char *defcn_chart_color (guint i);

typedef enum
{
  DEFCN_LINE_SOLID,
  DEFCN_LINE_DASHED,
  DEFCN_LINE_DOTTED,
  DEFCN_LINE_NONE, /* markers alone */
} DefcnLine;

/* Where y is not finite the line has a gap. */
typedef struct
{
  double x, y;
} DefcnPoint;

typedef struct _DefcnChart DefcnChart;

/* @id: a word, the figure's on its page; it and all names are copied, and may
 * be any text but @id. */
DefcnChart *defcn_chart_new (const char *id, const char *title,
    const char *x_name, const char *y_name);
void defcn_chart_free (DefcnChart *chart);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnChart, defcn_chart_free)

/* A sentence below the title. */
void defcn_chart_explain (DefcnChart *chart, const char *text);
/* What an axis has at least, beside the values; NaN: nothing. */
void defcn_chart_include_x (DefcnChart *chart, double low, double high);
void defcn_chart_include_y (DefcnChart *chart, double low, double high);
/* The x are 0, 1, .. with these names, NULL-terminated. */
void defcn_chart_categories (DefcnChart *chart, const char *const *names);
/* A thin line from one corner to the other: what should be. */
void defcn_chart_diagonal (DefcnChart *chart);

/* A series; its points, of DefcnPoint, are lent to be filled, by ascending x.
 * Its markers follow @color: every colour has its own. */
GArray *defcn_chart_add (DefcnChart *chart, const char *name, guint color,
    DefcnLine line);

/* Points of @points that stand for all of them: the means of @most equal parts
 * of 0 .. @x_high, of what is finite in each; (transfer full).  As many points
 * or fewer stay what they are. */
GArray *defcn_chart_thin (const GArray *points, double x_high, guint most);

/* Appends the figure; one without a value says so in words. */
void defcn_chart_append (GString *html, const DefcnChart *chart);

G_END_DECLS
