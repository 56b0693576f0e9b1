/* Focal, GIoU, L1 and centerness losses with their gradients. */
#include "loss.h"

#include "anchors.h"
#include "objective.h"

/* Sum over the @k classes of a location, logits form. @dx: NULL or added to. */
static double
location_logits (float *dx, const float *x, int k, int label, float scale)
{
  double sum = 0;

  for (int c = 0; c < k; c++) {
    float d;

    sum += defcn_objective_focal_logit (&d, x[c], c == label);
    if (dx)
      dx[c] += scale * d;
  }
  return sum;
}

/* The same for the product with the sigmoid of @filter. */
static double
location_product (float *dx, float *dfilter, const float *x, float filter,
    int k, int label, float scale)
{
  const float f = defcn_sigmoid (filter);
  double sum = 0, dsum = 0;

  for (int c = 0; c < k; c++) {
    float d, df;

    sum += defcn_objective_focal_product (&d, &df, x[c], f, c == label);
    dsum += df;
    if (dx)
      dx[c] += scale * d;
  }
  if (dfilter)
    *dfilter += scale * dsum;
  return sum;
}

/* @filtered: use the levels' filter.  @own: their auxiliary logits. */
static double
focal (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *a, double scale, gboolean filtered, gboolean own)
{
  const int k = a->n_classes, *label = a->classes;
  double sum = 0;

  for (int l = 0; l < n_levels; l++) {
    const DefcnLevel *level = &levels[l];
    const gsize n = defcn_level_boxes (level);
    const float *logits = own ? level->aux_logits : level->logits;
    float *dlogits = !grads ? NULL
        : own               ? grads[l].aux_logits
                            : grads[l].logits;
    float *dfilter = grads ? grads[l].filter : NULL;

    for (gsize j = 0; j < n; j++, label++) {
      const float *x = logits + j * k;
      float *dx = dlogits ? dlogits + j * k : NULL;

      if (*label < 0)
        continue;
      if (filtered)
        sum += location_product (dx, dfilter ? dfilter + j : NULL, x,
            level->filter[j], k, *label, scale);
      else
        sum += location_logits (dx, x, k, *label, scale);
    }
  }
  return sum * scale;
}

double
defcn_loss_focal (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *assignment, double scale)
{
  return focal (grads, levels, n_levels, assignment, scale,
      levels[0].filter != NULL, FALSE);
}

double
defcn_loss_aux (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *aux, double scale)
{
  return focal (grads, levels, n_levels, aux, scale, FALSE,
      levels[0].aux_logits != NULL);
}

static double
giou (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *assignment, double scale, gboolean weighted)
{
  double sum = 0;
  int first = 0;

  for (int l = 0; l < n_levels; l++) {
    const int n = defcn_level_boxes (&levels[l]);

    for (int j = 0; j < n; j++) {
      const float *t = assignment->targets[first + j];
      float d[4];

      if (assignment->objects[first + j] < 0)
        continue;
      const double weight = weighted ? defcn_objective_centerness (t) : 1;
      sum += weight
          * defcn_objective_giou (d, levels[l].deltas + 4 * (gsize) j, t);
      for (int i = 0; grads && grads[l].deltas && i < 4; i++)
        grads[l].deltas[4 * (gsize) j + i] += scale * weight * d[i];
    }
    first += n;
  }
  return sum * scale;
}

double
defcn_loss_giou (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *assignment, double scale)
{
  return giou (grads, levels, n_levels, assignment, scale, FALSE);
}

double
defcn_loss_giou_weighted (DefcnLevelGrad *grads, const DefcnLevel *levels,
    int n_levels, const DefcnAssignment *assignment, double scale)
{
  return giou (grads, levels, n_levels, assignment, scale, TRUE);
}

/* Absolute differences of one box's code from the wanted one's; d[i] is the
 * derivative by the i-th side, 0 of what is equal. */
static double
l1 (float *d, const float *sides, const float *want, const DefcnAnchor *a)
{
  const float size[] = { a->w, a->h };
  float code[4], target[4], sign[4];
  double sum = 0;

  defcn_anchors_encode (code, sides, a);
  defcn_anchors_encode (target, want, a);
  for (int i = 0; i < 4; i++) {
    sum += fabs ((double) code[i] - target[i]);
    sign[i] = (code[i] > target[i]) - (code[i] < target[i]);
  }
  for (int i = 0; i < 2; i++) {
    const float across =
        MAX (sides[i] + sides[i + 2], DEFCN_ANCHORS_LEAST * size[i]);
    const float move = sign[i] / (2 * size[i]), grow = sign[i + 2] / across;

    d[i] = grow - move;
    d[i + 2] = grow + move;
  }
  return sum;
}

double
defcn_loss_l1 (DefcnLevelGrad *grads, const DefcnLevel *levels, int n_levels,
    const DefcnAssignment *assignment, double scale)
{
  double sum = 0;
  int first = 0;

  for (int l = 0; l < n_levels; l++) {
    const int n = defcn_level_boxes (&levels[l]), each = levels[l].anchors;
    DefcnAnchor anchors[DEFCN_MAX_ANCHORS];

    defcn_anchors_fill (anchors, each, l);
    for (int j = 0; j < n; j++) {
      float d[4];

      if (assignment->objects[first + j] < 0)
        continue;
      sum += l1 (d, levels[l].deltas + 4 * (gsize) j,
          assignment->targets[first + j], &anchors[j % each]);
      for (int i = 0; grads && grads[l].deltas && i < 4; i++)
        grads[l].deltas[4 * (gsize) j + i] += scale * d[i];
    }
    first += n;
  }
  return sum * scale;
}

double
defcn_loss_centerness (DefcnLevelGrad *grads, const DefcnLevel *levels,
    int n_levels, const DefcnAssignment *assignment, double scale)
{
  double sum = 0;
  int first = 0;

  for (int l = 0; l < n_levels; l++) {
    const int n = defcn_level_boxes (&levels[l]);

    for (int j = 0; j < n; j++) {
      float d;

      if (assignment->objects[first + j] < 0)
        continue;
      sum += defcn_objective_bce (&d, levels[l].centerness[j],
          defcn_objective_centerness (assignment->targets[first + j]));
      if (grads && grads[l].centerness)
        grads[l].centerness[j] += scale * d;
    }
    first += n;
  }
  return sum * scale;
}

double
defcn_loss_centerness_sum (const DefcnAssignment *assignment)
{
  double sum = 0;

  for (int j = 0; j < assignment->n_locations; j++)
    if (assignment->objects[j] >= 0)
      sum += defcn_objective_centerness (assignment->targets[j]);
  return sum;
}
