/* Locations, their predictions and the spatial prior. */
#include "points.h"

#include <math.h>

int
defcn_points_count (const DefcnLevel *levels, int n_levels)
{
  int n = 0;

  for (int l = 0; l < n_levels; l++)
    n += defcn_level_boxes (&levels[l]);
  return n;
}

DefcnPoint *
defcn_points_new (const DefcnLevel *levels, int n_levels, int n_classes)
{
  DefcnPoint *points =
      g_new (DefcnPoint, defcn_points_count (levels, n_levels));
  gsize j = 0;

  for (int l = 0; l < n_levels; l++) {
    const DefcnLevel *level = &levels[l];

    for (gsize i = 0; i < defcn_level_boxes (level); i++, j++) {
      DefcnPoint *p = &points[j];
      int x, y;

      defcn_level_locate (&x, &y, level, i);
      *p = (DefcnPoint){ .x = (x + 0.5f) * level->stride,
        .y = (y + 0.5f) * level->stride,
        .stride = level->stride,
        .level = l,
        .anchor = i % MAX (level->anchors, 1) };
      if (!level->deltas)
        continue;

      const float *d = level->deltas + 4 * i;
      p->deltas = d;
      p->logits = level->logits + i * n_classes;
      p->aux_logits =
          level->aux_logits ? level->aux_logits + i * n_classes : p->logits;
      p->filter = level->filter ? level->filter + i : NULL;
      p->box = (DefcnBox){ .x1 = p->x - d[0],
        .y1 = p->y - d[1],
        .x2 = p->x + d[2],
        .y2 = p->y + d[3] };
    }
  }
  return points;
}

int
defcn_points_level_end (const DefcnPoint *points, int n_points, int first)
{
  int end = first;

  while (end < n_points && points[end].level == points[first].level)
    end++;
  return end;
}

void
defcn_point_targets (float targets[4], const DefcnPoint *point,
    const DefcnObject *object)
{
  targets[0] = point->x - object->x1;
  targets[1] = point->y - object->y1;
  targets[2] = object->x2 - point->x;
  targets[3] = object->y2 - point->y;
}

float
defcn_object_iou (const DefcnObject *object, const DefcnBox *box)
{
  const DefcnBox own = { .x1 = object->x1,
    .y1 = object->y1,
    .x2 = object->x2,
    .y2 = object->y2 };

  return defcn_box_iou (&own, box);
}

float
defcn_point_square_iou (const DefcnPoint *point, const DefcnObject *object,
    int side)
{
  const float half = point->stride * side / 2;
  const DefcnBox square = { .x1 = point->x - half,
    .y1 = point->y - half,
    .x2 = point->x + half,
    .y2 = point->y + half };

  return defcn_object_iou (object, &square);
}

DefcnBox
defcn_object_prior (const DefcnObject *object, float stride, float radius)
{
  float x1 = object->x1, y1 = object->y1, x2 = object->x2, y2 = object->y2;

  if (radius < 0)
    return (DefcnBox){ .x1 = -INFINITY,
      .y1 = -INFINITY,
      .x2 = INFINITY,
      .y2 = INFINITY };
  if (radius > 0) {
    const float cx = (x1 + x2) / 2, cy = (y1 + y2) / 2;
    const float reach = stride * radius;

    x1 = MAX (cx - reach, x1);
    y1 = MAX (cy - reach, y1);
    x2 = MIN (cx + reach, x2);
    y2 = MIN (cy + reach, y2);
  }
  return (DefcnBox){ .x1 = x1, .y1 = y1, .x2 = x2, .y2 = y2 };
}

gboolean
defcn_point_allowed (const DefcnPoint *point, const DefcnObject *object,
    float radius)
{
  const DefcnBox prior = defcn_object_prior (object, point->stride, radius);

  return defcn_point_between (point->x, prior.x1, prior.x2)
      && defcn_point_between (point->y, prior.y1, prior.y2);
}
