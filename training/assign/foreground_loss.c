/* One-to-one by the loss of the foregrounds. */
#include "foreground_loss.h"

#include "hungarian.h"
#include "objective.h"

#include <math.h>

#define BOX_WEIGHT 2   /* that of the box loss in its code's recipe */
#define FORBIDDEN 1e8f /* cost outside of the prior */

/* Focal loss of all classes where none is there. */
static float
background_loss (const DefcnPoint *point, int n_classes)
{
  float sum = 0, d;

  for (int c = 0; c < n_classes; c++)
    sum += defcn_objective_focal_logit (&d, point->logits[c], FALSE);
  return sum;
}

/* @background: background_loss() of @point.  No number is a cost as good as
 * none. */
static float
cost_of (const DefcnPoint *point, const DefcnObject *object, float background)
{
  const float x = point->logits[object->label];
  float targets[4], slope[4], d;

  defcn_point_targets (targets, point, object);
  const float cost = background + defcn_objective_focal_logit (&d, x, TRUE)
      - defcn_objective_focal_logit (&d, x, FALSE)
      + BOX_WEIGHT * defcn_objective_giou (slope, point->deltas, targets);
  return isfinite (cost) ? cost : FORBIDDEN;
}

static void
match (int *winners, const DefcnAssignInput *input)
{
  const int n_objects = input->n_objects, n_points = input->n_points;
  g_autofree double *cost = g_new (double, (gsize) n_objects *n_points);
  g_autofree int *matches = g_new (int, n_objects);

  for (int j = 0; j < n_points; j++) {
    const DefcnPoint *p = &input->points[j];
    float background = NAN; /* not known yet */

    winners[j] = -1;
    for (int i = 0; i < n_objects; i++) {
      const DefcnObject *o = input->objects[i];
      const gboolean allowed = defcn_point_allowed (p, o, input->rule->radius);

      if (allowed && isnan (background))
        background = background_loss (p, input->n_classes);
      cost[(gsize) i * n_points + j] =
          allowed ? cost_of (p, o, background) : FORBIDDEN;
    }
  }
  defcn_hungarian_solve (matches, cost, n_objects, n_points, FALSE);
  for (int i = 0; i < n_objects; i++)
    if (matches[i] >= 0
        && (!input->rule->skip_unplaced
            || cost[(gsize) i * n_points + matches[i]] < FORBIDDEN))
      winners[matches[i]] = i;
}

const DefcnAssigner defcn_foreground_loss_assigner = {
  .name = "loss",
  .has_predictions = TRUE,
  .run = match,
};
