/* Prediction-aware one-to-one assignment. */
#include "poto.h"

#include "hungarian.h"

#include <math.h>

static float
sigmoid (float x)
{
  return 1 / (1 + expf (-x));
}

float
defcn_poto_quality (const DefcnPoint *point, const DefcnObject *object,
    float alpha, gboolean with_filter)
{
  const DefcnBox box = { .x1 = object->x1,
    .y1 = object->y1,
    .x2 = object->x2,
    .y2 = object->y2 };
  const float iou = defcn_box_iou (&box, &point->box);

  if (iou == 0 && alpha > 0) /* most pairs: spare the powers */
    return isnan (point->logits[object->label]) ? -1 : 0;

  float p = sigmoid (point->logits[object->label]);
  if (with_filter && point->filter)
    p *= sigmoid (*point->filter);
  const float quality = powf (p, 1 - alpha) * powf (iou, alpha);
  return isnan (quality) ? -1 : quality;
}

static float
masked_quality (const DefcnAssignRule *rule, const DefcnPoint *point,
    const DefcnObject *object)
{
  return defcn_point_allowed (point, object, rule->radius)
      ? defcn_poto_quality (point, object, rule->alpha, TRUE)
      : -1;
}

void
defcn_poto_qualities (float *quality, const DefcnAssignRule *rule,
    const DefcnPoint *points, int n_points, const DefcnObject *const *objects,
    int n_objects)
{
  for (int i = 0; i < n_objects; i++)
    for (int j = 0; j < n_points; j++)
      quality[(gsize) i * n_points + j] =
          masked_quality (rule, &points[j], objects[i]);
}

void
defcn_poto_match (int *matches, const float *quality, int n_objects,
    int n_points)
{
  const gsize len = (gsize) n_objects * n_points;
  g_autofree double *gain = g_new (double, len);

  for (gsize i = 0; i < len; i++)
    gain[i] = quality[i];
  defcn_hungarian_solve (matches, gain, n_objects, n_points, TRUE);
}

void
defcn_poto_argmax (int *matches, const float *quality, int n_objects,
    int n_points)
{
  g_autofree float *best = g_new (float, n_objects);

  for (int i = 0; i < n_objects; i++) {
    best[i] = -1;
    matches[i] = -1;
    for (int j = 0; j < n_points; j++) {
      const float here = quality[(gsize) i * n_points + j];

      if (here > best[i]) {
        best[i] = here;
        matches[i] = j;
      }
    }
    /* A location is its best object's, the first on ties. */
    for (int k = 0; k < i && matches[i] >= 0; k++) {
      if (matches[k] != matches[i])
        continue;
      if (best[i] > best[k])
        matches[k] = -1;
      else
        matches[i] = -1;
    }
  }
}
