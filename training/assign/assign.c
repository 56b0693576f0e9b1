/* Label assignment: the rules and what they have in common. */
#include "assign.h"

#include "poto.h"
#include "qualities.h"

#include <math.h>

DefcnAssignment *
defcn_assignment_new (int n_locations, int n_classes)
{
  DefcnAssignment *a = g_new0 (DefcnAssignment, 1);

  a->n_locations = n_locations;
  a->n_classes = n_classes;
  a->classes = g_new (int, n_locations);
  a->objects = g_new (int, n_locations);
  a->targets = g_malloc0_n (n_locations, sizeof *a->targets);
  for (int j = 0; j < n_locations; j++) {
    a->classes[j] = n_classes;
    a->objects[j] = -1;
  }
  return a;
}

void
defcn_assignment_free (DefcnAssignment *assignment)
{
  if (!assignment)
    return;
  g_free (assignment->classes);
  g_free (assignment->objects);
  g_free (assignment->targets);
  g_free (assignment);
}

int
defcn_assign_locations (const DefcnLevel *levels, int n_levels)
{
  int n = 0;

  for (int l = 0; l < n_levels; l++)
    n += levels[l].h * levels[l].w;
  return n;
}

/* FCOS: sizes (longest side distance) that each level is for, closed ranges. */
static const float ranges[DEFCN_N_LEVELS][2] = {
  { -1, 64 },
  { 64, 128 },
  { 128, 256 },
  { 256, 512 },
  { 512, INFINITY },
};

static gboolean
fcos_wants (const DefcnAssignRule *rule, const DefcnPoint *point,
    const DefcnObject *object)
{
  const float *range = ranges[MIN (point->level, DEFCN_N_LEVELS - 1)];
  float t[4];

  if (!defcn_point_allowed (point, object, rule->radius))
    return FALSE;
  defcn_point_targets (t, point, object);
  const float longest = MAX (MAX (t[0], t[1]), MAX (t[2], t[3]));
  return longest >= range[0] && longest <= range[1];
}

/* @winners: object of each location, -1 for none; the smallest wins (5.6). */
static void
fcos_match (int *winners, const DefcnAssignRule *rule, const DefcnPoint *points,
    int n_points, const DefcnObject *const *objects, int n_objects)
{
  for (int j = 0; j < n_points; j++) {
    float smallest = INFINITY;

    winners[j] = -1;
    for (int i = 0; i < n_objects; i++) {
      const DefcnObject *o = objects[i];
      const float area = (o->x2 - o->x1) * (o->y2 - o->y1);

      if (area < smallest && fcos_wants (rule, &points[j], o)) {
        smallest = area;
        winners[j] = i;
      }
    }
  }
}

/* The same from the location of each object. */
static void
one_to_one (int *winners, DefcnAssigner assigner, const float *quality,
    int n_objects, int n_points)
{
  g_autofree int *matches = g_new (int, n_objects);

  if (assigner == DEFCN_ASSIGN_POTO_ARGMAX)
    defcn_poto_argmax (matches, quality, n_objects, n_points);
  else
    defcn_poto_match (matches, quality, n_objects, n_points);
  for (int j = 0; j < n_points; j++)
    winners[j] = -1;
  for (int i = 0; i < n_objects; i++)
    if (matches[i] >= 0)
      winners[matches[i]] = i;
}

/* @kept: the objects that count; @origin: their indices in the caller's. */
static void
assignment_set (DefcnAssignment *out, const int *winners,
    const DefcnPoint *points, const DefcnObject *const *kept, const int *origin)
{
  out->n_foreground = 0;
  for (int j = 0; j < out->n_locations; j++) {
    const int i = winners[j];

    out->classes[j] = i < 0 ? out->n_classes : kept[i]->label;
    out->objects[j] = i < 0 ? -1 : origin[i];
    if (i < 0)
      continue;
    if (points)
      defcn_point_targets (out->targets[j], &points[j], kept[i]);
    out->n_foreground++;
  }
}

/* Returns: how many objects are not ignored. */
static int
keep_objects (const DefcnObject **kept, int *origin, const GArray *objects,
    int n_classes)
{
  int n = 0;

  for (guint i = 0; i < objects->len; i++) {
    const DefcnObject *object = &g_array_index (objects, DefcnObject, i);

    g_return_val_if_fail (object->label < n_classes, 0);
    if (object->label < 0)
      continue;
    kept[n] = object;
    origin[n++] = i;
  }
  return n;
}

void
defcn_assign_run_with (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image)
{
  const int n = defcn_assign_locations (levels, n_levels);
  g_autofree int *winners = g_new (int, n);
  g_autofree int *origin = g_new (int, objects->len);
  g_autofree const DefcnObject **kept =
      g_new (const DefcnObject *, objects->len);

  g_return_if_fail (out->n_locations == n);

  const int n_kept = keep_objects (kept, origin, objects, out->n_classes);
  g_autofree DefcnPoint *points =
      defcn_points_new (levels, n_levels, out->n_classes);
  if (rule->assigner == DEFCN_ASSIGN_FCOS) {
    fcos_match (winners, rule, points, n, kept, n_kept);
  } else {
    g_autofree float *quality = g_new (float, (gsize) n_kept *n);

    if (qualities)
      defcn_qualities_fill (qualities, quality, image, n);
    else
      defcn_poto_qualities (quality, rule, points, n, kept, n_kept);
    one_to_one (winners, rule->assigner, quality, n_kept, n);
  }
  assignment_set (out, winners, points, kept, origin);
}

void
defcn_assign_run (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects)
{
  defcn_assign_run_with (out, rule, levels, n_levels, objects, NULL, 0);
}

/* Indices of the @k >= 1 best of @quality in @first .. @end - 1, best first,
 * ties by lower index. */
static void
best_of_level (int *best, int k, const float *quality, int first, int end)
{
  int n = 0;

  for (int j = first; j < end; j++) {
    int place = n;

    if (n == k && quality[j] <= quality[best[k - 1]])
      continue;
    while (place > 0 && quality[j] > quality[best[place - 1]])
      place--;
    n = MIN (n + 1, k);
    for (int m = n - 1; m > place; m--)
      best[m] = best[m - 1];
    best[place] = j;
  }
}

/* Mean plus unbiased standard deviation of the candidates' quality; one
 * candidate has no deviation. */
static double
aux_threshold (const float *quality, int n)
{
  double sum = 0, squares = 0;

  for (int k = 0; k < n; k++)
    sum += quality[k];
  const double mean = n ? sum / n : 0;
  for (int k = 0; k < n; k++) {
    const double d = quality[k] - mean;

    squares += d * d;
  }
  return mean + (n > 1 ? sqrt (squares / (n - 1)) : 0);
}

/* Candidates of all levels for @object and, into @quality, theirs.  @all: room
 * for the quality of every point.  Returns: how many. */
static int
aux_candidates (int *candidates, float *quality, float *all,
    const DefcnAssignRule *rule, const DefcnPoint *points,
    const DefcnLevel *levels, int n_levels, const DefcnObject *object)
{
  int n = 0, first = 0;

  for (int l = 0; l < n_levels; l++) {
    const int len = levels[l].h * levels[l].w;
    const int k = MIN (rule->aux_topk, len);

    for (int j = first; j < first + len; j++)
      all[j] = defcn_poto_quality (&points[j], object, rule->alpha, FALSE);
    best_of_level (candidates + n, k, all, first, first + len);
    n += k;
    first += len;
  }
  for (int k = 0; k < n; k++)
    quality[k] = all[candidates[k]];
  return n;
}

void
defcn_assign_aux_with (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image)
{
  const int n = defcn_assign_locations (levels, n_levels);
  g_autofree int *winners = g_new (int, n);
  g_autofree int *origin = g_new (int, objects->len);
  g_autofree const DefcnObject **kept =
      g_new (const DefcnObject *, objects->len);
  g_autofree float *quality = g_new (float, n);
  g_autofree float *all = g_new (float, n);
  g_autofree float *won = g_new (float, n);
  g_autofree int *candidates = g_new (int, n);

  g_return_if_fail (out->n_locations == n);
  g_return_if_fail (rule->aux_topk > 0);

  const int n_kept = keep_objects (kept, origin, objects, out->n_classes);
  g_autofree DefcnPoint *points =
      defcn_points_new (levels, n_levels, out->n_classes);
  for (int j = 0; j < n; j++)
    winners[j] = -1;
  for (int i = 0; i < n_kept; i++) {
    const int n_candidates = qualities
        ? defcn_qualities_best (qualities, candidates, quality, image, i)
        : aux_candidates (candidates, quality, all, rule, points, levels,
            n_levels, kept[i]);
    const double threshold = aux_threshold (quality, n_candidates);
    for (int k = 0; k < n_candidates; k++) {
      const int j = candidates[k];

      if (!(quality[k] >= threshold)
          || !defcn_point_allowed (&points[j], kept[i], 0)
          || (winners[j] >= 0 && quality[k] <= won[j]))
        continue;
      winners[j] = i;
      won[j] = quality[k];
    }
  }
  assignment_set (out, winners, NULL, kept, origin);
}

void
defcn_assign_aux (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects)
{
  defcn_assign_aux_with (out, rule, levels, n_levels, objects, NULL, 0);
}
