/* The anchor of the largest IoU. */
#include "anchor.h"

#include "candidates.h"

#define ANCHOR 4 /* side in strides, as anchors.c has it */

static void
match (int *winners, const DefcnAssignInput *input)
{
  const int n = input->n_points;
  g_autofree float *won = g_new (float, n);

  for (int j = 0; j < n; j++)
    winners[j] = -1;
  for (int i = 0; i < input->n_objects; i++) {
    float most = 0;
    int best = -1;

    for (int j = 0; j < n; j++) {
      const float iou =
          defcn_point_square_iou (&input->points[j], input->objects[i], ANCHOR);

      if (iou > most) {
        most = iou;
        best = j;
      }
    }
    if (best >= 0)
      defcn_candidates_claim (winners, won, best, i, most);
  }
}

const DefcnAssigner defcn_anchor_assigner = {
  .name = "anchor",
  .anchors = 1,
  .run = match,
};
