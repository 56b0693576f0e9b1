/* The auxiliary one-to-many assignment. */
#include "auxiliary.h"

#include "atss.h"
#include "candidates.h"
#include "fcos.h"
#include "poto.h"

#define RADIUS 1.5f /* of the centre sampling, in strides */

/* What one image is matched with; n entries each but where said. */
typedef struct
{
  const DefcnAssignRule *rule;
  const DefcnPoint *points;
  int n;
  int *winners;
  float *won; /* quality of the winners */
  float *all; /* of every point for one object */
  int *candidates;
  float *quality; /* of the candidates */
} Match;

const char *const *
defcn_auxiliary_names (void)
{
  static const char *const names[] = {
    [DEFCN_AUXILIARY_QUALITY_ATSS] = "quality-atss",
    [DEFCN_AUXILIARY_QUALITY_TOPK] = "quality-topk",
    [DEFCN_AUXILIARY_QUALITY_FCOS] = "quality-fcos",
    [DEFCN_AUXILIARY_ATSS] = "atss",
    [DEFCN_AUXILIARY_FCOS] = "fcos",
    NULL,
  };

  return names;
}

static void
claim (Match *m, int k, int object)
{
  defcn_candidates_claim (m->winners, m->won, m->candidates[k], object,
      m->quality[k]);
}

static void
rate (Match *m, const DefcnObject *object)
{
  for (int j = 0; j < m->n; j++)
    m->all[j] = defcn_poto_quality (&m->points[j], object, m->rule, TRUE);
}

/* Candidates of all levels for @object.  Returns: how many. */
static int
find_candidates (Match *m, const DefcnObject *object)
{
  int n = 0;

  rate (m, object);
  for (int first = 0, end; first < m->n; first = end) {
    end = defcn_points_level_end (m->points, m->n, first);
    n += defcn_candidates_best (m->candidates + n, m->rule->aux_topk, m->all,
        first, end);
  }
  for (int k = 0; k < n; k++)
    m->quality[k] = m->all[m->candidates[k]];
  return n;
}

/* The @n candidates of @object that are inside of it and good enough. */
static void
quality_atss (Match *m, const DefcnObject *object, int i, int n)
{
  const double threshold = defcn_candidates_threshold (m->quality, n);

  for (int k = 0; k < n; k++)
    if (m->quality[k] >= threshold
        && defcn_point_allowed (&m->points[m->candidates[k]], object, 0))
      claim (m, k, i);
}

/* The best of all levels are among the best of each. */
static void
quality_topk (Match *m, const DefcnObject *object, int i, int n)
{
  g_autofree int *best = g_new (int, m->rule->aux_topk);
  const int n_best =
      defcn_candidates_best (best, m->rule->aux_topk, m->quality, 0, n);

  for (int k = 0; k < n_best; k++)
    if (defcn_point_allowed (&m->points[m->candidates[best[k]]], object, 0))
      claim (m, best[k], i);
}

static void
quality_fcos (Match *m, const DefcnObject *object, int i)
{
  int level_first = 0, level_end = 0;
  float best = -1;

  rate (m, object);
  for (int first = 0, end; first < m->n; first = end) {
    end = defcn_points_level_end (m->points, m->n, first);
    for (int j = first; j < end; j++)
      if (m->all[j] > best
          && defcn_point_allowed (&m->points[j], object, RADIUS)) {
        best = m->all[j];
        level_first = first;
        level_end = end;
      }
  }
  for (int j = level_first; j < level_end; j++)
    if (defcn_point_allowed (&m->points[j], object, RADIUS))
      defcn_candidates_claim (m->winners, m->won, j, i, m->all[j]);
}

static void
match_object (Match *m, const DefcnObject *object, int i,
    const DefcnQualities *qualities, int image)
{
  int n;

  if (m->rule->auxiliary == DEFCN_AUXILIARY_QUALITY_FCOS) {
    quality_fcos (m, object, i);
    return;
  }
  n = qualities
      ? defcn_qualities_best (qualities, m->candidates, m->quality, image, i)
      : find_candidates (m, object);
  if (m->rule->auxiliary == DEFCN_AUXILIARY_QUALITY_TOPK)
    quality_topk (m, object, i, n);
  else
    quality_atss (m, object, i, n);
}

/* By another assigner, which needs no quality. */
static gboolean
match_plainly (Match *m, const DefcnObject *const *objects, int n_objects)
{
  DefcnAssignRule rule = *m->rule;
  const DefcnAssignInput input = { .rule = &rule,
    .points = m->points,
    .objects = objects,
    .n_points = m->n,
    .n_objects = n_objects };

  rule.radius = RADIUS;
  if (rule.auxiliary == DEFCN_AUXILIARY_ATSS)
    defcn_atss_assigner.run (m->winners, &input);
  else if (rule.auxiliary == DEFCN_AUXILIARY_FCOS)
    defcn_fcos_assigner.run (m->winners, &input);
  else
    return FALSE;
  return TRUE;
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
  Match m = { rule, points, n, winners, won, all, candidates, quality };

  for (int j = 0; j < n; j++)
    winners[j] = -1;
  if (!match_plainly (&m, kept, n_kept))
    for (int i = 0; i < n_kept; i++)
      match_object (&m, kept[i], i, qualities, image);
  defcn_assignment_set (out, winners, points, kept, origin);
  if (rule->ignore_regions)
    defcn_assignment_ignore (out, points, objects);
}
