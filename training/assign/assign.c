/* Label assignment: from the rule to the way it asks for. */
#include "assign.h"

#include "fcos.h"
#include "poto.h"

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

void
defcn_assign_run (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image)
{
  const int n = defcn_points_count (levels, n_levels);
  g_autofree int *winners = g_new (int, n);
  g_autofree int *origin = g_new (int, objects->len);
  g_autofree const DefcnObject **kept =
      g_new (const DefcnObject *, objects->len);

  g_return_if_fail (out->n_locations == n);

  const int n_kept =
      defcn_assignment_keep (kept, origin, objects, out->n_classes);
  g_autofree DefcnPoint *points =
      defcn_points_new (levels, n_levels, out->n_classes);
  if (rule->assigner == DEFCN_ASSIGN_FCOS) {
    defcn_fcos_match (winners, rule, points, n, kept, n_kept);
  } else {
    g_autofree float *quality = g_new (float, (gsize) n_kept *n);

    if (qualities)
      defcn_qualities_fill (qualities, quality, image, n);
    else
      defcn_poto_qualities (quality, rule, points, n, kept, n_kept);
    one_to_one (winners, rule->assigner, quality, n_kept, n);
  }
  defcn_assignment_set (out, winners, points, kept, origin);
}
