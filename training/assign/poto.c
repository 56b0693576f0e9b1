/* Prediction-aware one-to-one assignment. */
#include "poto.h"

#include "hungarian.h"
#include "sigmoid.h"

#include <math.h>

float
defcn_poto_quality (const DefcnPoint *point, const DefcnObject *object,
    const DefcnAssignRule *rule, gboolean auxiliary)
{
  const gboolean additive = rule->additive && !auxiliary;
  const float alpha = rule->alpha;
  const float *logits = auxiliary ? point->aux_logits : point->logits;
  const float iou = defcn_object_iou (object, &point->box);

  if (iou == 0 && alpha > 0 && !additive) /* most pairs: spare the powers */
    return isnan (logits[object->label]) ? -1 : 0;

  float p = defcn_sigmoid (logits[object->label]);
  if (!auxiliary && point->filter)
    p *= defcn_sigmoid (*point->filter);
  const float quality = additive ? (1 - alpha) * p + alpha * iou
                                 : powf (p, 1 - alpha) * powf (iou, alpha);
  return isnan (quality) ? -1 : quality;
}

static float
masked_quality (const DefcnAssignRule *rule, const DefcnPoint *point,
    const DefcnObject *object)
{
  return defcn_point_allowed (point, object, rule->radius)
      ? defcn_poto_quality (point, object, rule, FALSE)
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

/* The object of each location from the location of each object. */
static void
turn_round (int *winners, const int *matches, int n_objects, int n_points)
{
  for (int j = 0; j < n_points; j++)
    winners[j] = -1;
  for (int i = 0; i < n_objects; i++)
    if (matches[i] >= 0)
      winners[matches[i]] = i;
}

static void
hungarian (int *winners, const DefcnAssignInput *input)
{
  const int n_objects = input->n_objects, n_points = input->n_points;
  const gsize len = (gsize) n_objects * n_points;
  g_autofree double *gain = g_new (double, len);
  g_autofree int *matches = g_new (int, n_objects);

  for (gsize i = 0; i < len; i++)
    gain[i] = input->quality[i];
  defcn_hungarian_solve (matches, gain, n_objects, n_points, TRUE);
  for (int i = 0; input->rule->skip_unplaced && i < n_objects; i++)
    if (matches[i] >= 0
        && input->quality[(gsize) i * n_points + matches[i]] < 0)
      matches[i] = -1;
  turn_round (winners, matches, n_objects, n_points);
}

static void
argmax (int *winners, const DefcnAssignInput *input)
{
  const int n_objects = input->n_objects, n_points = input->n_points;
  g_autofree float *best = g_new (float, n_objects);
  g_autofree int *matches = g_new (int, n_objects);

  for (int i = 0; i < n_objects; i++) {
    best[i] = -1;
    matches[i] = -1;
    for (int j = 0; j < n_points; j++) {
      const float here = input->quality[(gsize) i * n_points + j];

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
  turn_round (winners, matches, n_objects, n_points);
}

const DefcnAssigner defcn_poto_hungarian = {
  .name = "poto",
  .has_quality = TRUE,
  .run = hungarian,
};

const DefcnAssigner defcn_poto_argmax = {
  .name = "argmax",
  .has_quality = TRUE,
  .run = argmax,
};
