/* The nearest location to the centre. */
#include "center.h"

#include "candidates.h"
#include "fcos.h"

/* Minus the squared distance to the centre of @object. */
static float
nearness (const DefcnPoint *point, const DefcnObject *object)
{
  const float dx = point->x - (object->x1 + object->x2) / 2;
  const float dy = point->y - (object->y1 + object->y2) / 2;

  return -(dx * dx + dy * dy);
}

static void
match (int *winners, const DefcnAssignInput *input)
{
  const DefcnPoint *points = input->points;
  const int n = input->n_points;
  g_autofree float *near = g_new (float, n);
  g_autofree float *won = g_new (float, n);

  for (int j = 0; j < n; j++)
    winners[j] = -1;
  for (int i = 0; i < input->n_objects; i++) {
    const DefcnObject *o = input->objects[i];
    const float area = (o->x2 - o->x1) * (o->y2 - o->y1);

    for (int j = 0; j < n; j++)
      near[j] = nearness (&points[j], o);
    for (int first = 0, end; first < n; first = end) {
      int best;

      end = defcn_points_level_end (points, n, first);
      if (defcn_candidates_best (&best, 1, near, first, end) == 1
          && defcn_fcos_in_range (&points[best], o))
        defcn_candidates_claim (winners, won, best, i, -area);
    }
  }
}

const DefcnAssigner defcn_center_assigner = {
  .name = "center",
  .run = match,
};
