/* The locations of an image with what the network predicts there, and where a
 * location may belong to an object.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "data/dataset.h"

G_BEGIN_DECLS

typedef struct
{
  float x, y;              /* centre of the location, input pixels */
  float stride;            /* of its level */
  int level;               /* 0 for P3 */
  int anchor;              /* which of the location's boxes it is */
  DefcnBox box;            /* predicted, corners alone */
  const float *deltas;     /* l, t, r, b, borrowed; NULL: no predictions */
  const float *logits;     /* of all classes, borrowed */
  const float *aux_logits; /* those of the auxiliary loss, likewise */
  const float *filter;     /* one logit, borrowed; NULL without 3DMF */
} DefcnPoint;

/* Number of locations of @levels, or where these have several boxes of boxes:
 * each is then a point. */
int defcn_points_count (const DefcnLevel *levels, int n_levels);
/* Returns: (transfer full): the locations of @levels in flat order.  Of levels
 * without values the points have the centre alone. */
DefcnPoint *defcn_points_new (const DefcnLevel *levels, int n_levels,
    int n_classes);
/* One more than the last of @n_points that is on the level of @first. */
int defcn_points_level_end (const DefcnPoint *points, int n_points, int first);

/* l, t, r, b from @point to the sides of @object; negative outside. */
void defcn_point_targets (float targets[4], const DefcnPoint *point,
    const DefcnObject *object);
/* IoU of @object with @box. */
float defcn_object_iou (const DefcnObject *object, const DefcnBox *box);
/* The same with the square of @side strides around @point. */
float defcn_point_square_iou (const DefcnPoint *point,
    const DefcnObject *object, int side);
/* Where the centres of @object's locations may lie on a level of @stride: its
 * box, cut to @radius strides around its centre; uncut with a radius of 0, and
 * anywhere with one below. */
DefcnBox defcn_object_prior (const DefcnObject *object, float stride,
    float radius);
/* Whether @at is strictly between the bounds of a prior. */
static inline gboolean
defcn_point_between (float at, float low, float high)
{
  return at - low > 0 && high - at > 0;
}
/* Spatial prior: strictly inside defcn_object_prior(). */
gboolean defcn_point_allowed (const DefcnPoint *point,
    const DefcnObject *object, float radius);

G_END_DECLS
