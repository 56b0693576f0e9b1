/* Windows of the spatial prior, and qualities computed elsewhere. */
#include "qualities.h"

struct _DefcnQualities
{
  DefcnAssignRule rule;
  DefcnLevel levels[DEFCN_N_LEVELS]; /* sizes and strides */
  int first[DEFCN_N_LEVELS];         /* location of an image */
  int n_levels;
  GArray *truths;        /* DefcnTruth, those of an image together */
  GArray *windows;       /* DefcnWindow, those of an image together */
  GArray *truths_begin;  /* guint, per image and one more */
  GArray *windows_begin; /* likewise */
  gsize n_values, values_room;
  float *values;
  gsize best_room;
  DefcnRanked *best; /* (truths, levels, topk) */
};

DefcnQualities *
defcn_qualities_new (void)
{
  DefcnQualities *q = g_new0 (DefcnQualities, 1);

  q->truths = g_array_new (FALSE, FALSE, sizeof (DefcnTruth));
  q->windows = g_array_new (FALSE, FALSE, sizeof (DefcnWindow));
  q->truths_begin = g_array_new (FALSE, FALSE, sizeof (guint));
  q->windows_begin = g_array_new (FALSE, FALSE, sizeof (guint));
  return q;
}

void
defcn_qualities_free (DefcnQualities *q)
{
  if (!q)
    return;
  g_array_unref (q->truths);
  g_array_unref (q->windows);
  g_array_unref (q->truths_begin);
  g_array_unref (q->windows_begin);
  g_free (q->values);
  g_free (q->best);
  g_free (q);
}

static void
end_image (DefcnQualities *q)
{
  g_array_append_val (q->truths_begin, q->truths->len);
  g_array_append_val (q->windows_begin, q->windows->len);
}

void
defcn_qualities_begin (DefcnQualities *q, const DefcnAssignRule *rule)
{
  q->rule = *rule;
  q->n_levels = 0;
  q->n_values = 0;
  g_array_set_size (q->truths, 0);
  g_array_set_size (q->windows, 0);
  g_array_set_size (q->truths_begin, 0);
  g_array_set_size (q->windows_begin, 0);
  end_image (q);
}

/* The cells 0 .. @n - 1 of an axis whose centres lie between the bounds, which
 * are neighbours.  Returns: how many, from *@first on. */
static int
cells_between (int *first, float low, float high, int n, float stride)
{
  int count = 0;

  *first = 0;
  for (int i = 0; i < n; i++) {
    if (!defcn_point_between ((i + 0.5f) * stride, low, high))
      continue;
    if (count++ == 0)
      *first = i;
  }
  return count;
}

static void
add_windows (DefcnQualities *q, const DefcnObject *object)
{
  for (int l = 0; l < q->n_levels; l++) {
    const DefcnLevel *level = &q->levels[l];
    const DefcnBox prior =
        defcn_object_prior (object, level->stride, q->rule.radius);
    DefcnWindow window = { .truth = q->truths->len - 1,
      .level = l,
      .first = q->n_values };

    window.w =
        cells_between (&window.x, prior.x1, prior.x2, level->w, level->stride);
    window.h =
        cells_between (&window.y, prior.y1, prior.y2, level->h, level->stride);
    if (window.w == 0 || window.h == 0)
      continue;
    q->n_values += (gsize) window.w * window.h;
    g_array_append_val (q->windows, window);
  }
}

void
defcn_qualities_add (DefcnQualities *q, const DefcnLevel *levels, int n_levels,
    const GArray *objects)
{
  const int image = q->truths_begin->len - 1;
  int first = 0;

  q->n_levels = n_levels;
  for (int l = 0; l < n_levels; l++) {
    q->levels[l] = levels[l];
    q->first[l] = first;
    first += defcn_level_boxes (&levels[l]);
  }
  for (guint i = 0; i < objects->len; i++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, i);
    const DefcnTruth truth = { o->x1, o->y1, o->x2, o->y2, o->label, image };

    if (o->label < 0)
      continue;
    g_array_append_val (q->truths, truth);
    if (q->rule.assigner->has_quality)
      add_windows (q, o);
  }
  end_image (q);
}

/* Whether the auxiliary assignment wants the best of every level. */
static gboolean
is_ranked (const DefcnAssignRule *rule)
{
  return rule->aux_topk > 0
      && (rule->auxiliary == DEFCN_AUXILIARY_QUALITY_ATSS
          || rule->auxiliary == DEFCN_AUXILIARY_QUALITY_TOPK);
}

gboolean
defcn_qualities_run (DefcnQualities *q, DefcnBackend *be,
    const DefcnHeads *heads, GError **error)
{
  const DefcnQualityQuery query = {
    .truths = (const DefcnTruth *) (gpointer) q->truths->data,
    .windows = (const DefcnWindow *) (gpointer) q->windows->data,
    .n_truths = q->truths->len,
    .n_windows = q->windows->len,
    .n_values = q->n_values,
    .alpha = q->rule.alpha,
    .additive = q->rule.additive,
    .topk = is_ranked (&q->rule) ? q->rule.aux_topk : 0,
  };
  const gsize n_best = (gsize) query.n_truths * q->n_levels * query.topk;

  if (q->values_room < q->n_values) {
    q->values_room = q->n_values;
    q->values = g_renew (float, q->values, q->n_values);
  }
  if (q->best_room < n_best) {
    q->best_room = n_best;
    q->best = g_renew (DefcnRanked, q->best, n_best);
  }
  if (n_best == 0 && q->n_values == 0)
    return be->sync (be, error);
  return be->learner->qualities (be, heads, &query, q->values, q->best, error);
}

/* The number of the first object of @image, of all. */
static guint
begin_of (const GArray *begins, int image)
{
  return g_array_index (begins, guint, image);
}

void
defcn_qualities_fill (const DefcnQualities *q, float *quality, int image,
    int n_locations)
{
  const guint truth = begin_of (q->truths_begin, image);
  const gsize n = begin_of (q->truths_begin, image + 1) - truth;

  for (gsize i = 0; i < n * n_locations; i++)
    quality[i] = -1;
  for (guint k = begin_of (q->windows_begin, image);
       k < begin_of (q->windows_begin, image + 1); k++) {
    const DefcnWindow *w = &g_array_index (q->windows, DefcnWindow, k);
    float *row =
        quality + (gsize) (w->truth - truth) * n_locations + q->first[w->level];

    for (int i = 0; i < w->w * w->h; i++)
      row[(w->y + i / w->w) * q->levels[w->level].w + w->x + i % w->w] =
          q->values[w->first + i];
  }
}

int
defcn_qualities_best (const DefcnQualities *q, int *locations, float *quality,
    int image, int object)
{
  const gsize truth = begin_of (q->truths_begin, image) + object;
  const DefcnRanked *best = q->best + truth * q->n_levels * q->rule.aux_topk;
  int n = 0;

  for (int l = 0; l < q->n_levels; l++)
    for (int k = 0; k < q->rule.aux_topk; k++, best++)
      if (best->location >= 0) {
        locations[n] = q->first[l] + best->location;
        quality[n++] = best->quality;
      }
  return n;
}
