/* What runs tell of themselves. */
#include "runs.h"

#include "chart.h"
#include "eval/figures.h"
#include "html.h"
#include "machine.h"

#include <math.h>

#define MOST_POINTS 150 /* of a curve of updates */

static const DefcnHistory *
run_at (const GPtrArray *runs, guint i)
{
  return runs->pdata[i];
}

/* Its best evaluation by AP, on CrowdHuman by AP50; NULL without any. */
static const DefcnEvaluation *
best_of (const DefcnHistory *h, const char **key)
{
  const DefcnEvaluation *best = NULL;
  double most = -1;

  *key = isfinite (defcn_history_number (defcn_history_last (h), "ap"))
      ? "ap"
      : "ap50";
  for (guint i = 0; i < h->evaluations->len; i++) {
    const DefcnEvaluation *e =
        &g_array_index (h->evaluations, DefcnEvaluation, i);
    const double ap = defcn_history_number (e->figures, *key);

    if (ap > most) {
      most = ap;
      best = e;
    }
  }
  return best;
}

static gint64
last_iteration (const DefcnHistory *h)
{
  gint64 last = 0;

  if (h->updates->len)
    last =
        g_array_index (h->updates, DefcnUpdates, h->updates->len - 1).iteration;
  if (h->evaluations->len)
    last = MAX (last,
        g_array_index (h->evaluations, DefcnEvaluation, h->evaluations->len - 1)
            .iteration);
  return last;
}

static void
append_run (GString *html, const DefcnHistory *h)
{
  const char *key;
  const DefcnEvaluation *best = best_of (h, &key);
  const char *wanted = defcn_history_recipe (h, "iterations");
  const cJSON *last = defcn_history_last (h);

  defcn_html_within (html, "<tr><th scope=\"row\">", h->name, "</th><td>");
  if (h->updates->len || h->evaluations->len)
    g_string_append_printf (html, "%" G_GINT64_FORMAT, last_iteration (h));
  else
    g_string_append (html, "–");
  if (wanted)
    defcn_html_within (html, " of ", wanted, "");
  g_string_append (html, "</td>");
  defcn_html_figure (html, defcn_history_number (last, "ap"), 4);
  defcn_html_figure (html, defcn_history_number (last, "ap50"), 4);
  defcn_html_figure (html,
      defcn_history_number (defcn_figures_json_column (last, DEFCN_COLUMN_NONE),
          "ap50"),
      4);
  defcn_html_figure (html, defcn_history_number (last, "duplicate_rate"), 4);
  if (best)
    g_string_append_printf (html, "<td>%.4f at %" G_GINT64_FORMAT "</td><td>",
        defcn_history_number (best->figures, key), best->iteration);
  else
    g_string_append (html, "<td>–</td><td>");
  g_autofree char *file = h->model ? g_path_get_basename (h->model) : NULL;
  defcn_html_within (html, "", file ? file : "–", "</td></tr>\n");
}

void
defcn_runs_append_overview (GString *html, const GPtrArray *runs)
{
  g_string_append (html,
      "<div class=\"wide\"><table><thead><tr><th scope=\"col\">run</th>"
      "<th scope=\"col\">iterations</th><th scope=\"col\">last AP</th>"
      "<th scope=\"col\">AP50</th><th scope=\"col\">AP50, no NMS</th>"
      "<th scope=\"col\">twins</th><th scope=\"col\">best</th>"
      "<th scope=\"col\">model</th></tr></thead>\n<tbody>\n");
  for (guint i = 0; i < runs->len; i++)
    append_run (html, run_at (runs, i));
  g_string_append (html, "</tbody></table></div>\n");
  for (guint i = 0; i < runs->len; i++) {
    const DefcnHistory *h = run_at (runs, i);

    if (!h->notes->len)
      continue;
    defcn_html_within (html, "<p class=\"note\">", h->name, ":</p>\n<ul>\n");
    for (guint k = 0; k < h->notes->len; k++)
      defcn_html_within (html, "<li>", h->notes->pdata[k], "</li>\n");
    g_string_append (html, "</ul>\n");
  }
}

/* The last iteration of any run. */
static double
longest (const GPtrArray *runs)
{
  gint64 last = 0;

  for (guint i = 0; i < runs->len; i++)
    last = MAX (last, last_iteration (run_at (runs, i)));
  return last;
}

static gboolean
has_values (const GPtrArray *runs, DefcnHistoryKey key)
{
  for (guint i = 0; i < runs->len; i++) {
    const GArray *rows = run_at (runs, i)->updates;

    for (guint k = 0; k < rows->len; k++) {
      const double value = g_array_index (rows, DefcnUpdates, k).values[key];

      if (isfinite (value) && value != 0)
        return TRUE;
    }
  }
  return FALSE;
}

/* A key of the updates; a thin line has at most so many points that a table of
 * them can be read, each the mean of as many lines. */
static void
append_updates (GString *html, const GPtrArray *runs, DefcnHistoryKey key,
    const char *id, const char *title, const char *unit)
{
  g_autoptr (DefcnChart) chart = defcn_chart_new (id, title, "iteration", unit);
  const double last = longest (runs);

  if (key != DEFCN_HISTORY_LOSS && !has_values (runs, key))
    return;
  defcn_chart_include_y (chart, 0, NAN);
  for (guint i = 0; i < runs->len; i++) {
    const GArray *rows = run_at (runs, i)->updates;
    g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (DefcnPoint));

    if (!rows->len)
      continue;
    for (guint k = 0; k < rows->len; k++) {
      const DefcnUpdates *u = &g_array_index (rows, DefcnUpdates, k);
      const DefcnPoint p = { u->iteration, u->values[key] };

      g_array_append_val (all, p);
    }
    g_autoptr (GArray) thin = defcn_chart_thin (all, last, MOST_POINTS);
    GArray *points =
        defcn_chart_add (chart, run_at (runs, i)->name, i, DEFCN_LINE_SOLID);
    g_array_append_vals (points, thin->data, thin->len);
  }
  defcn_chart_append (html, chart);
}

static void
add_evaluations (DefcnChart *chart, const GPtrArray *runs, guint i,
    DefcnColumn column, const char *key)
{
  static const char *const ways[DEFCN_N_COLUMNS] = { "no NMS", "local filter",
    "NMS" };
  static const DefcnLine lines[DEFCN_N_COLUMNS] = { DEFCN_LINE_SOLID,
    DEFCN_LINE_DASHED, DEFCN_LINE_DOTTED };
  const DefcnHistory *h = run_at (runs, i);
  g_autofree char *name = g_strdup_printf ("%s, %s", h->name, ways[column]);
  GArray *points = defcn_chart_add (chart, name, i, lines[column]);

  for (guint k = 0; k < h->evaluations->len; k++) {
    const DefcnEvaluation *e =
        &g_array_index (h->evaluations, DefcnEvaluation, k);
    const double value =
        defcn_history_number (defcn_figures_json_column (e->figures, column),
            key);
    const DefcnPoint p = { e->iteration, value >= 0 ? value : NAN };

    g_array_append_val (points, p);
  }
}

/* A figure of the evaluations by what becomes of the boxes, up to @last. */
static void
append_evaluations (GString *html, const GPtrArray *runs, const char *key,
    DefcnColumn last, DefcnChart *chart)
{
  gboolean there = FALSE;

  defcn_chart_include_x (chart, 0, NAN);
  defcn_chart_include_y (chart, 0, NAN);
  for (guint i = 0; i < runs->len; i++) {
    const cJSON *figures = defcn_history_last (run_at (runs, i));

    if (!isfinite (defcn_history_number (figures, key)))
      continue;
    there = TRUE;
    for (int k = 0; k <= (int) last; k++)
      add_evaluations (chart, runs, i, k, key);
  }
  if (there)
    defcn_chart_append (html, chart);
}

void
defcn_runs_append_curves (GString *html, const GPtrArray *runs)
{
  g_autoptr (DefcnChart) ap = defcn_chart_new ("curve-ap",
      "AP without and with NMS", "iteration", "AP");
  g_autoptr (DefcnChart) ap50 = defcn_chart_new ("curve-ap50",
      "AP50 without and with NMS", "iteration", "AP50");
  g_autoptr (DefcnChart) mmr =
      defcn_chart_new ("curve-mmr", "mMR", "iteration", "mMR");
  g_autoptr (DefcnChart) twins =
      defcn_chart_new ("curve-twins", "Twins", "iteration", "share");

  g_string_append (html, "<div class=\"charts\">\n");
  append_updates (html, runs, DEFCN_HISTORY_LOSS, "loss", "Loss", "loss");
  append_evaluations (html, runs, "ap", DEFCN_COLUMN_NMS, ap);
  append_evaluations (html, runs, "ap50", DEFCN_COLUMN_NMS, ap50);
  defcn_chart_explain (mmr, "Log-average miss rate: less is better.");
  append_evaluations (html, runs, "mmr", DEFCN_COLUMN_NMS, mmr);
  defcn_chart_explain (twins,
      "The share of detections that overlap a better one (IoU over 0.7) on "
      "the same object.");
  append_evaluations (html, runs, "duplicate_rate", DEFCN_COLUMN_LOCAL, twins);
  append_updates (html, runs, DEFCN_HISTORY_CLS, "loss-cls",
      "Classification loss", "loss");
  append_updates (html, runs, DEFCN_HISTORY_BOX, "loss-box", "Box loss",
      "loss");
  append_updates (html, runs, DEFCN_HISTORY_AUX, "loss-aux", "Auxiliary loss",
      "loss");
  append_updates (html, runs, DEFCN_HISTORY_CENTERNESS, "loss-centerness",
      "Centerness loss", "loss");
  append_updates (html, runs, DEFCN_HISTORY_LR, "lr", "Learning rate", "rate");
  append_updates (html, runs, DEFCN_HISTORY_NORM, "gradient",
      "Norm of the gradient", "norm");
  append_updates (html, runs, DEFCN_HISTORY_SPEED, "speed", "Speed",
      "images/s");
  g_string_append (html, "</div>\n");
}

/* Every key that any run has, in their order; borrowed. */
static GPtrArray *
all_keys (const GPtrArray *runs)
{
  GPtrArray *keys = g_ptr_array_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < runs->len; i++) {
    const GPtrArray *recipe = run_at (runs, i)->recipe;

    for (guint k = 0; recipe && k + 1 < recipe->len; k += 2)
      if (g_hash_table_add (seen, recipe->pdata[k]))
        g_ptr_array_add (keys, recipe->pdata[k]);
  }
  return keys;
}

/* Whether runs whose recipe is known have other values under @key. */
static gboolean
differs (const GPtrArray *runs, const char *key)
{
  const DefcnHistory *first = NULL;

  for (guint i = 0; i < runs->len; i++) {
    const DefcnHistory *h = run_at (runs, i);

    if (!h->recipe)
      continue;
    if (first
        && g_strcmp0 (defcn_history_recipe (first, key),
               defcn_history_recipe (h, key))
            != 0)
      return TRUE;
    first = first ? first : h;
  }
  return FALSE;
}

/* Those of @keys that runs differ in; borrowed. */
static GPtrArray *
differing_keys (const GPtrArray *runs, const GPtrArray *keys)
{
  GPtrArray *differing = g_ptr_array_new ();

  for (guint k = 0; k < keys->len; k++)
    if (differs (runs, keys->pdata[k]))
      g_ptr_array_add (differing, keys->pdata[k]);
  return differing;
}

static void
append_keys (GString *html, const GPtrArray *runs, const GPtrArray *keys)
{
  g_string_append (html,
      "<div class=\"wide\"><table class=\"text\"><thead><tr>"
      "<th scope=\"col\">key</th>");
  for (guint i = 0; i < runs->len; i++)
    defcn_html_within (html, "<th scope=\"col\">", run_at (runs, i)->name,
        "</th>");
  g_string_append (html, "</tr></thead>\n<tbody>\n");
  for (guint k = 0; k < keys->len; k++) {
    defcn_html_within (html, "<tr><th scope=\"row\">", keys->pdata[k], "</th>");
    for (guint i = 0; i < runs->len; i++) {
      const char *value =
          defcn_history_recipe (run_at (runs, i), keys->pdata[k]);

      defcn_html_within (html, "<td>", value ? value : "–", "</td>");
    }
    g_string_append (html, "</tr>\n");
  }
  g_string_append (html, "</tbody></table></div>\n");
}

/* The entries of @object as rows. */
static void
append_entries (GString *html, const cJSON *object)
{
  const cJSON *item;

  cJSON_ArrayForEach (item, object)
  {
    if (!item->string || g_str_equal (item->string, "recipe"))
      continue;
    defcn_html_within (html, "<tr><th scope=\"row\">", item->string,
        "</th><td>");
    if (cJSON_IsNumber (item)) {
      g_string_append_printf (html, "%.10g</td></tr>\n", item->valuedouble);
      continue;
    }
    char *text = cJSON_IsString (item) ? NULL : cJSON_PrintUnformatted (item);
    defcn_html_within (html, "", text ? text : item->valuestring,
        "</td></tr>\n");
    cJSON_free (text);
  }
}

static void
append_object (GString *html, const char *title, const cJSON *object)
{
  defcn_html_within (html, "<h3>", title, "</h3>\n");
  g_string_append (html, "<div class=\"wide\"><table class=\"text\"><tbody>\n");
  append_entries (html, object);
  g_string_append (html, "</tbody></table></div>\n");
}

static void
append_recipes (GString *html, const GPtrArray *runs)
{
  g_autoptr (GPtrArray) keys = all_keys (runs);
  g_autoptr (GPtrArray) differing = differing_keys (runs, keys);

  if (!keys->len) {
    g_string_append (html, "<p>No recipe is known.</p>\n");
    return;
  }
  if (differing->len) {
    g_string_append (html, "<h3>What differs</h3>\n");
    append_keys (html, runs, differing);
  } else if (runs->len > 1) {
    g_string_append (html, "<p>The recipes that are known are equal.</p>\n");
  }
  g_string_append (html, "<details><summary>All keys</summary>\n");
  append_keys (html, runs, keys);
  g_string_append (html, "</details>\n");
}

void
defcn_runs_append_recipes (GString *html, const GPtrArray *runs)
{
  append_recipes (html, runs);
  for (guint i = 0; i < runs->len; i++) {
    const DefcnHistory *h = run_at (runs, i);
    g_autofree char *title =
        g_strdup_printf ("What the model of %s says", h->name);

    if (h->training)
      append_object (html, title, h->training);
  }
}

/* The machines of a run that differ from the one before. */
static void
append_training (GString *html, const DefcnHistory *h)
{
  const cJSON *before = NULL;

  for (guint i = 0; i < h->machines->len; i++) {
    const cJSON *line = h->machines->pdata[i];
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive (line, "machine");
    g_autofree char *title = g_strdup_printf ("%s, trained from iteration %.0f",
        h->name, defcn_history_number (line, "iteration"));

    if (!before || !cJSON_Compare (before, machine, TRUE))
      append_object (html, title, machine);
    before = machine;
  }
}

void
defcn_runs_append_machines (GString *html, const GPtrArray *runs,
    const char *const *devices)
{
  cJSON *own = defcn_machine_to_json ();

  for (guint i = 0; i < runs->len; i++)
    append_training (html, run_at (runs, i));
  for (guint i = 0; devices[i]; i++)
    cJSON_AddStringToObject (own, "measured with", devices[i]);
  append_object (html, "This report", own);
  cJSON_Delete (own);
}
