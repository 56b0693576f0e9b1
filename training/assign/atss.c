/* Adaptive training sample selection. */
#include "atss.h"

#include "candidates.h"

#include <math.h>

#define PER_LEVEL 9
#define ANCHOR 8 /* side in strides */

/* As fine as the reference's, whose equal distances are float32. */
static float
distance (const DefcnPoint *point, const DefcnObject *object)
{
  const float dx = point->x - (object->x1 + object->x2) / 2;
  const float dy = point->y - (object->y1 + object->y2) / 2;

  return sqrtf (dx * dx + dy * dy);
}

/* Into @candidates the nearest of every level.  @near: room for all points.
 * Returns: how many. */
static int
nearest (int *candidates, float *near, const DefcnAssignInput *input,
    const DefcnObject *object)
{
  const int n = input->n_points;
  int found = 0;

  for (int j = 0; j < n; j++)
    near[j] = -distance (&input->points[j], object);
  for (int first = 0, end; first < n; first = end) {
    end = defcn_points_level_end (input->points, n, first);
    found +=
        defcn_candidates_best (candidates + found, PER_LEVEL, near, first, end);
  }
  return found;
}

static void
match (int *winners, const DefcnAssignInput *input)
{
  const int n = input->n_points;
  g_autofree float *near = g_new (float, n);
  g_autofree float *won = g_new (float, n);
  g_autofree int *candidates = g_new (int, n);
  g_autofree float *iou = g_new (float, n);

  for (int j = 0; j < n; j++)
    winners[j] = -1;
  for (int i = 0; i < input->n_objects; i++) {
    const DefcnObject *o = input->objects[i];
    const int found = nearest (candidates, near, input, o);

    for (int k = 0; k < found; k++)
      iou[k] =
          defcn_point_square_iou (&input->points[candidates[k]], o, ANCHOR);
    const double threshold = defcn_candidates_threshold (iou, found);
    for (int k = 0; k < found; k++)
      if (iou[k] >= threshold
          && defcn_point_allowed (&input->points[candidates[k]], o, 0))
        defcn_candidates_claim (winners, won, candidates[k], i, iou[k]);
  }
}

const DefcnAssigner defcn_atss_assigner = {
  .name = "atss",
  .run = match,
};
