/* Label assignment: from the rule to the way it asks for. */
#include "assign.h"

#include "anchor.h"
#include "atss.h"
#include "center.h"
#include "fcos.h"
#include "foreground_loss.h"
#include "poto.h"
#include "retinanet.h"

static const DefcnAssigner *const assigners[] = {
  &defcn_poto_hungarian,
  &defcn_poto_argmax,
  &defcn_foreground_loss_assigner,
  &defcn_center_assigner,
  &defcn_fcos_assigner,
  &defcn_atss_assigner,
  &defcn_anchor_assigner,
  &defcn_retinanet_assigner,
};

const DefcnAssigner *
defcn_assign_find (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (assigners); i++)
    if (g_str_equal (assigners[i]->name, name))
      return assigners[i];
  return NULL;
}

const char *const *
defcn_assign_names (void)
{
  static const char *names[G_N_ELEMENTS (assigners) + 1];
  static gsize filled;

  if (g_once_init_enter (&filled)) {
    for (gsize i = 0; i < G_N_ELEMENTS (assigners); i++)
      names[i] = assigners[i]->name;
    g_once_init_leave (&filled, 1);
  }
  return names;
}

gboolean
defcn_assign_needs_heads (const DefcnAssignRule *rule)
{
  return rule->assigner->has_predictions
      || (rule->aux_topk > 0
          && rule->auxiliary == DEFCN_AUXILIARY_QUALITY_FCOS);
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
  g_autofree float *quality =
      rule->assigner->has_quality ? g_new (float, (gsize) n_kept *n) : NULL;
  const DefcnAssignInput input = { .rule = rule,
    .points = points,
    .objects = kept,
    .quality = quality,
    .n_points = n,
    .n_objects = n_kept,
    .n_classes = out->n_classes };

  if (quality && qualities)
    defcn_qualities_fill (qualities, quality, image, n);
  else if (quality)
    defcn_poto_qualities (quality, rule, points, n, kept, n_kept);
  rule->assigner->run (winners, &input);
  defcn_assignment_set (out, winners, points, kept, origin);
  if (rule->ignore_regions)
    defcn_assignment_ignore (out, points, objects);
}
