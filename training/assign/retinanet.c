/* RetinaNet: all anchors that overlap an object well. */
#include "retinanet.h"

#include "anchors.h"

#define ANCHORS 9
#define FOREGROUND 0.5f /* least IoU */
#define BACKGROUND 0.4f /* what its IoU is below */

typedef DefcnAnchor Anchors[DEFCN_N_LEVELS][ANCHORS];

static DefcnBox
box_of (const DefcnPoint *p, Anchors anchors)
{
  const DefcnAnchor *a = &anchors[p->level][p->anchor];
  const float x = p->x + a->x, y = p->y + a->y;

  return (DefcnBox){ .x1 = x - a->w / 2,
    .y1 = y - a->h / 2,
    .x2 = x + a->w / 2,
    .y2 = y + a->h / 2 };
}

/* Whether no other anchor overlaps one of the objects more.  @best: its own
 * largest IoU; @most: that of every object. */
static gboolean
is_needed (const DefcnAssignInput *input, const DefcnBox *anchor, float best,
    const float *most)
{
  for (int i = 0; i < input->n_objects; i++)
    if (most[i] > 0 && best >= most[i]
        && defcn_object_iou (input->objects[i], anchor) == most[i])
      return TRUE;
  return FALSE;
}

static void
match (int *winners, const DefcnAssignInput *input)
{
  const int n = input->n_points, n_objects = input->n_objects;
  g_autofree float *best = g_new0 (float, n);             /* IoU of a point */
  g_autofree int *owner = g_new0 (int, n);                /* and its object */
  g_autofree float *most = g_new0 (float, n_objects + 1); /* of an object */
  Anchors anchors;

  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    defcn_anchors_fill (anchors[l], ANCHORS, l);
  for (int j = 0; j < n; j++) {
    const DefcnBox anchor = box_of (&input->points[j], anchors);

    for (int i = 0; i < n_objects; i++) {
      const float iou = defcn_object_iou (input->objects[i], &anchor);

      most[i] = MAX (most[i], iou);
      if (iou > best[j]) {
        best[j] = iou;
        owner[j] = i;
      }
    }
  }
  for (int j = 0; j < n; j++) {
    const DefcnBox anchor = box_of (&input->points[j], anchors);

    if (best[j] >= FOREGROUND || is_needed (input, &anchor, best[j], most))
      winners[j] = owner[j];
    else
      winners[j] = best[j] >= BACKGROUND ? DEFCN_WINNER_NEITHER : -1;
  }
}

const DefcnAssigner defcn_retinanet_assigner = {
  .name = "retinanet",
  .anchors = ANCHORS,
  .run = match,
};
