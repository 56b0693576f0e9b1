/* Where the scores of a picture are, level by level of the FPN. */
#include "maps.h"

#include "heads.h"
#include "html.h"
#include "input.h"
#include "pictures.h"

#include <math.h>

#define COLUMN 150 /* width of a map on the page, in pixels */

/* What location @i scores with its best box and class. */
static float
score_at (const DefcnLevel *level, gsize i, int n_classes)
{
  const gsize each = MAX (level->anchors, 1);
  float score = 0;

  for (gsize box = i * each; box < (i + 1) * each; box++)
    for (int c = 0; c < n_classes; c++)
      score = fmaxf (score, defcn_level_score (level, box, c, n_classes));
  return score;
}

/* Without the padding of the input. */
static void
take_map (DefcnScoreMap *map, const DefcnLevel *level, int n_classes,
    const DefcnPlace *place)
{
  map->w = MIN (level->w, (place->w + level->stride - 1) / level->stride);
  map->h = MIN (level->h, (place->h + level->stride - 1) / level->stride);
  map->scores = g_new (float, (gsize) map->w * map->h);
  for (int y = 0; y < map->h; y++)
    for (int x = 0; x < map->w; x++)
      map->scores[(gsize) y * map->w + x] =
          score_at (level, (gsize) y * level->w + x, n_classes);
}

/* The picture goes through the network of @plan. */
static gboolean
run_network (const DefcnSubject *s, const DefcnPlan *plan,
    const DefcnImage *image, const DefcnPlace *place, GError **error)
{
  DefcnInput *input =
      defcn_input_new (s->be, &defcn_model_spec (s->model)->input);
  g_autoptr (GArray) places = g_array_new (FALSE, TRUE, sizeof (DefcnPlace));
  g_autoptr (GArray) batch = g_array_new (FALSE, TRUE, sizeof (int));

  g_array_append_vals (places, place, 1);
  g_array_set_size (batch, 1);
  const gboolean good =
      defcn_input_upload (input, plan->input, image, places, batch, error);
  if (good)
    defcn_net_forward (plan->net);
  const gboolean done = s->be->sync (s->be, good ? error : NULL);
  defcn_input_free (input);
  return good && done;
}

gboolean
defcn_maps_find (DefcnScoreMap maps[DEFCN_N_LEVELS], const DefcnSubject *s,
    const DefcnPicture *picture, GError **error)
{
  const DefcnSpec *spec = defcn_model_spec (s->model);
  const DefcnImage image = defcn_picture_image (picture);
  DefcnLevel levels[DEFCN_N_LEVELS];
  DefcnPlace place = { 0 };

  defcn_place_find (&place, &image, NULL, &spec->input);
  const DefcnPlan *plan =
      defcn_model_plan (s->model, 1, place.pad_h, place.pad_w, error);
  if (!plan || !run_network (s, plan, &image, &place, error))
    return FALSE;
  g_autofree float *values = g_new (float, defcn_heads_len (plan));
  defcn_heads_download (levels, values, plan, s->be);
  if (!s->be->sync (s->be, error))
    return FALSE;
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    take_map (&maps[l], &levels[l], spec->n_classes, &place);
  return TRUE;
}

void
defcn_maps_clear (DefcnScoreMap maps[DEFCN_N_LEVELS])
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    g_clear_pointer (&maps[l].scores, g_free);
}

/* Viridis, of Matplotlib (CC0), at five of its points. */
void
defcn_maps_color (guint8 rgb[3], double score)
{
  static const guint8 colors[][3] = { { 68, 1, 84 }, { 59, 82, 139 },
    { 33, 145, 140 }, { 94, 201, 98 }, { 253, 231, 37 } };
  const double at = (score >= 0 ? MIN (score, 1) : 0) * 4;
  const int i = MIN ((int) at, 3);

  for (int c = 0; c < 3; c++)
    rgb[c] = colors[i][c] + (at - i) * (colors[i + 1][c] - colors[i][c]) + 0.5;
}

typedef struct
{
  float most;
  guint n; /* locations over the working threshold */
} Summary;

static Summary
summarize (const DefcnScoreMap *map, float threshold)
{
  Summary s = { 0, 0 };

  for (gsize i = 0; i < (gsize) map->w * map->h; i++) {
    s.most = fmaxf (s.most, map->scores[i]);
    s.n += map->scores[i] > threshold;
  }
  return s;
}

static void
append_map (GString *html, const DefcnScoreMap *map, int height,
    const Summary *summary, int level, const char *model)
{
  g_autoptr (DefcnPicture) picture = defcn_picture_new (map->w, map->h);

  for (gsize i = 0; i < (gsize) map->w * map->h; i++)
    defcn_maps_color (picture->rgb + 3 * i, map->scores[i]);
  g_autofree char *address = defcn_html_png (picture);
  g_string_append_printf (html,
      "<td><img class=\"map\" width=\"%d\" height=\"%d\" src=\"%s\" alt=\"",
      COLUMN, height, address);
  defcn_html_text (html, model);
  g_string_append_printf (html,
      ", P%d: best score %.2f, %u locations in use\">best %.2f, in use "
      "%u</td>",
      level + 3, summary->most, summary->n, summary->most, summary->n);
}

static gboolean
append_row (GString *html, const DefcnSubject *s, const DefcnPicture *picture,
    GError **error)
{
  const float threshold = defcn_model_spec (s->model)->working_threshold;
  const int height =
      MAX (1, (gint64) COLUMN * picture->height / picture->width);
  DefcnScoreMap maps[DEFCN_N_LEVELS] = { { 0 } };

  if (!defcn_maps_find (maps, s, picture, error)) {
    g_prefix_error (error, "%s: ", s->history->model);
    return FALSE;
  }
  defcn_html_within (html, "<tr><th scope=\"row\">", s->history->name, "");
  g_string_append_printf (html, "<br><small>in use: over %.2f</small></th>",
      threshold);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const Summary summary = summarize (&maps[l], threshold);

    append_map (html, &maps[l], height, &summary, l, s->history->name);
  }
  g_string_append (html, "</tr>\n");
  defcn_maps_clear (maps);
  return TRUE;
}

/* From 0 to 1. */
static void
append_key (GString *html)
{
  g_string_append (html, "<p class=\"key\">score 0 ");
  for (int i = 0; i <= 10; i++) {
    guint8 rgb[3];

    defcn_maps_color (rgb, i / 10.0);
    g_string_append_printf (html,
        "<span style=\"background:#%02x%02x%02x\"></span>", rgb[0], rgb[1],
        rgb[2]);
  }
  g_string_append (html, " 1</p>\n");
}

gboolean
defcn_maps_append (GString *html, const char *id, const GPtrArray *subjects,
    const DefcnPicture *picture, const char *name, GError **error)
{
  g_autoptr (DefcnPicture) small = defcn_pictures_shrink (picture);
  g_autofree char *address = defcn_html_jpeg (small);

  g_string_append_printf (html, "<figure id=\"%s\" class=\"maps\">\n", id);
  defcn_html_within (html, "<figcaption><h3>", name, "</h3></figcaption>\n");
  g_string_append_printf (html,
      "<img class=\"photo\" width=\"%d\" height=\"%d\" src=\"%s\" alt=\"",
      small->width, small->height, address);
  defcn_html_within (html, "", name, "\">\n");
  append_key (html);
  g_string_append (html,
      "<div class=\"wide\"><table><thead><tr><th scope=\"col\">model</th>");
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    g_string_append_printf (html, "<th scope=\"col\">P%d, stride %d</th>",
        l + 3, defcn_boxes_stride (l));
  g_string_append (html, "</tr></thead>\n<tbody>\n");
  for (guint i = 0; i < subjects->len; i++)
    if (!append_row (html, subjects->pdata[i], picture, error))
      return FALSE;
  g_string_append (html, "</tbody></table></div>\n</figure>\n");
  return TRUE;
}
