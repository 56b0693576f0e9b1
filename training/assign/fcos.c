/* FCOS: all locations near the middle of an object of their level's size. */
#include "fcos.h"

#include <math.h>

/* Sizes (longest side distance) that each level is for, closed ranges. */
static const float ranges[DEFCN_N_LEVELS][2] = {
  { -1, 64 },
  { 64, 128 },
  { 128, 256 },
  { 256, 512 },
  { 512, INFINITY },
};

gboolean
defcn_fcos_in_range (const DefcnPoint *point, const DefcnObject *object)
{
  const float *range = ranges[MIN (point->level, DEFCN_N_LEVELS - 1)];
  float t[4];

  defcn_point_targets (t, point, object);
  const float longest = MAX (MAX (t[0], t[1]), MAX (t[2], t[3]));
  return longest >= range[0] && longest <= range[1];
}

static void
match (int *winners, const DefcnAssignInput *input)
{
  for (int j = 0; j < input->n_points; j++) {
    float smallest = INFINITY;

    winners[j] = -1;
    for (int i = 0; i < input->n_objects; i++) {
      const DefcnObject *o = input->objects[i];
      const DefcnPoint *p = &input->points[j];
      const float area = (o->x2 - o->x1) * (o->y2 - o->y1);

      if (area < smallest && defcn_point_allowed (p, o, input->rule->radius)
          && defcn_fcos_in_range (p, o)) {
        smallest = area;
        winners[j] = i;
      }
    }
  }
}

const DefcnAssigner defcn_fcos_assigner = {
  .name = "fcos",
  .run = match,
};
