/* The pictures that models are most wrong about, with the boxes. */
#include "pictures.h"

#include "html.h"
#include "scaler.h"
#include "verdict.h"

#include <math.h>

#define EDGE 480 /* of a picture on the page */
#define LABEL 24 /* width of a box that its score does not hide */

/* How a box is drawn, and called; meaning: NULL where the name says it. */
static const struct
{
  const char *name, *meaning, *color, *dash;
} looks[DEFCN_N_VERDICTS] = {
  { "right", NULL, "#0072b2", "" },
  { "twin", "a second box of an object", "#a0447f", "2 3" },
  { "wrong class", NULL, "#7f5f00", "10 3 2 3" },
  { "false", "nothing is there", "#c44e00", "7 4" },
  { "on a crowd", "not counted", "#3b3b3b", "1 4" },
  { "missed", NULL, "#000000", "12 4" },
  { "crowd", "not counted", "#3b3b3b", "1 4" },
};

typedef struct
{
  guint errors, i;
} Rank;

static int
by_errors (gconstpointer a, gconstpointer b)
{
  const Rank *p = a, *q = b;

  if (p->errors != q->errors)
    return p->errors > q->errors ? -1 : 1;
  return (p->i > q->i) - (p->i < q->i);
}

GArray *
defcn_pictures_worst (const GPtrArray *subjects, guint n)
{
  g_autoptr (GArray) ranks = g_array_new (FALSE, FALSE, sizeof (Rank));
  GArray *worst = g_array_new (FALSE, FALSE, sizeof (guint));
  const guint n_samples = subjects->len
      ? ((const DefcnSubject *) subjects->pdata[0])->verdicts->len
      : 0;

  for (guint i = 0; i < n_samples; i++) {
    Rank rank = { 0, i };

    for (guint s = 0; s < subjects->len; s++) {
      const DefcnSubject *subject = subjects->pdata[s];

      rank.errors += defcn_verdict_errors (subject->verdicts->pdata[i]);
    }
    if (rank.errors)
      g_array_append_val (ranks, rank);
  }
  g_array_sort (ranks, by_errors);
  for (guint i = 0; i < MIN (n, ranks->len); i++)
    g_array_append_val (worst, g_array_index (ranks, Rank, i).i);
  return worst;
}

DefcnPicture *
defcn_pictures_shrink (const DefcnPicture *picture)
{
  const DefcnImage image = defcn_picture_image (picture);
  const double part =
      fmin (1, (double) EDGE / MAX (picture->width, picture->height));
  DefcnPicture *small =
      defcn_picture_new (MAX (1, (int) round (picture->width * part)),
          MAX (1, (int) round (picture->height * part)));
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  defcn_scaler_run (scaler, small->rgb, &image, 0, 0, picture->width,
      picture->height, small->width, small->height);
  return small;
}

void
defcn_pictures_append_key (GString *html)
{
  g_string_append (html, "<ul class=\"legend\">\n");
  for (int k = 0; k < DEFCN_N_VERDICTS; k++)
    if (k != DEFCN_VERDICT_CROWD)
      g_string_append_printf (html,
          "<li><svg viewBox=\"0 0 34 12\" width=\"34\" height=\"12\" "
          "aria-hidden=\"true\"><path class=\"line\" stroke=\"%s\" "
          "stroke-dasharray=\"%s\" d=\"M1 6H33\"/></svg> %s%s%s</li>\n",
          looks[k].color, looks[k].dash, looks[k].name,
          looks[k].meaning ? ": " : "",
          looks[k].meaning ? looks[k].meaning : "");
  g_string_append (html, "</ul>\n");
}

/* "right, person 0.81" */
static void
append_words (GString *html, const DefcnVerdict *v, char **labels)
{
  g_string_append (html, looks[v->kind].name);
  if (v->box.label >= 0)
    defcn_html_within (html, ": ", labels[v->box.label], "");
  if (v->box.score >= 0)
    g_string_append_printf (html, " %.2f", v->box.score);
  if (v->kind == DEFCN_VERDICT_OTHER)
    defcn_html_within (html, ", it is ", labels[v->truth], "");
}

static void
append_box (GString *html, const DefcnVerdict *v, char **labels, double sx,
    double sy)
{
  const double x = v->box.x1 * sx, y = v->box.y1 * sy;
  const double w = (v->box.x2 - v->box.x1) * sx;
  const double h = (v->box.y2 - v->box.y1) * sy;

  g_string_append (html, "<g><title>");
  append_words (html, v, labels);
  g_string_append_printf (html,
      "</title><rect class=\"under\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
      "height=\"%.1f\"/><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
      "height=\"%.1f\" stroke=\"%s\" stroke-dasharray=\"%s\"/>",
      x, y, w, h, x, y, w, h, looks[v->kind].color, looks[v->kind].dash);
  if (v->box.score >= 0 && w >= LABEL)
    g_string_append_printf (html,
        "<text x=\"%.1f\" y=\"%.1f\" fill=\"%s\">%.2f</text>", x + 2,
        MAX (y, 0) + 11, looks[v->kind].color, v->box.score);
  g_string_append (html, "</g>\n");
}

/* "3 right, 1 missed" */
static void
append_counts (GString *html, const GArray *verdicts)
{
  guint counts[DEFCN_N_VERDICTS] = { 0 };
  const char *between = "";

  for (guint k = 0; k < verdicts->len; k++)
    counts[g_array_index (verdicts, DefcnVerdict, k).kind]++;
  for (int k = 0; k < DEFCN_N_VERDICTS; k++)
    if (counts[k]) {
      g_string_append_printf (html, "%s%u %s", between, counts[k],
          looks[k].name);
      between = ", ";
    }
  if (!*between)
    g_string_append (html, "nothing is there, nothing was found");
}

/* The picture itself is in the first drawing alone; the others take it from
 * there. */
static void
append_drawing (GString *html, const DefcnSubject *s, guint i, gboolean first,
    const DefcnPicture *picture, const DefcnPicture *small)
{
  const DefcnSample *sample = s->dataset->samples->pdata[i];
  const double w = sample->width ? sample->width : picture->width;
  const double h = sample->height ? sample->height : picture->height;
  const GArray *verdicts = s->verdicts->pdata[i];

  g_string_append_printf (html,
      "<figure class=\"boxes\"><svg viewBox=\"0 0 %d %d\" role=\"img\"><title>",
      small->width, small->height);
  defcn_html_within (html, "", s->history->name, ": ");
  append_counts (html, verdicts);
  g_string_append (html, "</title>\n");
  if (first) {
    g_autofree char *address = defcn_html_jpeg (small);

    g_string_append_printf (html,
        "<image id=\"picture-%u\" width=\"%d\" height=\"%d\" href=\"%s\"/>\n",
        i, small->width, small->height, address);
  } else {
    g_string_append_printf (html, "<use href=\"#picture-%u\"/>\n", i);
  }
  for (guint k = 0; k < verdicts->len; k++)
    append_box (html, &g_array_index (verdicts, DefcnVerdict, k),
        s->figures.labels, small->width / w, small->height / h);
  defcn_html_within (html, "</svg>\n<figcaption><b>", s->history->name,
      "</b>: ");
  append_counts (html, verdicts);
  g_string_append (html, "</figcaption></figure>\n");
}

static void
append_rows (GString *html, const DefcnSubject *s, guint i)
{
  const GArray *verdicts = s->verdicts->pdata[i];

  for (guint k = 0; k < verdicts->len; k++) {
    const DefcnVerdict *v = &g_array_index (verdicts, DefcnVerdict, k);
    const char *label = v->box.label < 0 ? "" : s->figures.labels[v->box.label];

    defcn_html_within (html, "<tr><th scope=\"row\">", s->history->name,
        "</th><td>");
    g_string_append (html, looks[v->kind].name);
    defcn_html_within (html, "</td><td>", label, "</td>");
    defcn_html_figure (html, v->box.score, 2);
    g_string_append_printf (html,
        "<td>%.1f</td><td>%.1f</td><td>%.1f</td><td>%.1f</td></tr>\n",
        v->box.x1, v->box.y1, v->box.x2, v->box.y2);
  }
}

gboolean
defcn_pictures_append (GString *html, const GPtrArray *subjects, guint i,
    GError **error)
{
  const DefcnSubject *first = subjects->pdata[0];
  const DefcnSample *sample = first->dataset->samples->pdata[i];
  g_autoptr (DefcnPicture) picture =
      defcn_dataset_picture (first->dataset, i, error);

  if (!picture)
    return FALSE;
  g_autoptr (DefcnPicture) small = defcn_pictures_shrink (picture);
  defcn_html_within (html, "<section class=\"picture\"><h3>", sample->name,
      "</h3>\n<div class=\"side\">\n");
  for (guint s = 0; s < subjects->len; s++)
    append_drawing (html, subjects->pdata[s], i, s == 0, picture, small);
  g_string_append (html,
      "</div>\n<details><summary>Values</summary>\n<div class=\"wide\"><table>"
      "<thead><tr><th scope=\"col\">model</th><th scope=\"col\">what</th>"
      "<th scope=\"col\">class</th><th scope=\"col\">score</th>"
      "<th scope=\"col\">x1</th><th scope=\"col\">y1</th>"
      "<th scope=\"col\">x2</th><th scope=\"col\">y2</th></tr></thead>\n"
      "<tbody>\n");
  for (guint s = 0; s < subjects->len; s++)
    append_rows (html, subjects->pdata[s], i);
  g_string_append (html, "</tbody></table></div></details>\n</section>\n");
  return TRUE;
}
