/* The auxiliary one-to-many assignment. */
#include "auxiliary.h"

#include "poto.h"

#include <math.h>

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
threshold_of (const float *quality, int n)
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
find_candidates (int *candidates, float *quality, float *all,
    const DefcnAssignRule *rule, const DefcnPoint *points,
    const DefcnLevel *levels, int n_levels, const DefcnObject *object)
{
  int n = 0, first = 0;

  for (int l = 0; l < n_levels; l++) {
    const int len = levels[l].h * levels[l].w;
    const int k = MIN (rule->aux_topk, len);

    for (int j = first; j < first + len; j++)
      all[j] = defcn_poto_quality (&points[j], object, rule->alpha, TRUE);
    best_of_level (candidates + n, k, all, first, first + len);
    n += k;
    first += len;
  }
  for (int k = 0; k < n; k++)
    quality[k] = all[candidates[k]];
  return n;
}

void
defcn_auxiliary_run (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image)
{
  const int n = defcn_points_count (levels, n_levels);
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

  const int n_kept =
      defcn_assignment_keep (kept, origin, objects, out->n_classes);
  g_autofree DefcnPoint *points =
      defcn_points_new (levels, n_levels, out->n_classes);
  for (int j = 0; j < n; j++)
    winners[j] = -1;
  for (int i = 0; i < n_kept; i++) {
    const int n_candidates = qualities
        ? defcn_qualities_best (qualities, candidates, quality, image, i)
        : find_candidates (candidates, quality, all, rule, points, levels,
            n_levels, kept[i]);
    const double threshold = threshold_of (quality, n_candidates);
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
  defcn_assignment_set (out, winners, points, kept, origin);
  if (rule->ignore_regions)
    defcn_assignment_ignore (out, points, objects);
}
