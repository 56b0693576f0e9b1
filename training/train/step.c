/* One training step up to the gradients.  The heads stay where they are if the
 * backend has a learner that does for the rule; else they come to the host and
 * gradients go back. */
#include "step.h"

#include "assign/assign.h"
#include "assign/auxiliary.h"
#include "backward.h"
#include "buckets.h"
#include "heads.h"

#include <string.h>

struct _DefcnStep
{
  DefcnModel *model;
  DefcnStepRule rule;
  DefcnScaler *scaler; /* for backends that normalise */
  float *input;
  gsize input_len;
  float *values, *gradients; /* of the heads of a micro-batch */
  gsize heads_len;
  DefcnLevel (*levels)[DEFCN_N_LEVELS];    /* per image */
  DefcnLevelGrad (*grads)[DEFCN_N_LEVELS]; /* per image */
  GPtrArray *assignments, *aux;            /* of DefcnAssignment, per image */
  DefcnQualities *qualities;               /* NULL: heads come to the host */
  GArray *positives, *aux_positives;       /* DefcnPositive */
  GArray *targets, *aux_targets;           /* float[4], of the positives */
  GArray *ignored;                         /* DefcnPositive */
  double normalizer;                       /* the running mean */
  DefcnRanks *ranks;                       /* NULL: none but this */
  DefcnBuckets *buckets;                   /* with them */
};

#define FIRST_NORMALIZER 100 /* detectron2's */

static gboolean
has_centerness (const DefcnStep *step)
{
  return defcn_model_spec (step->model)->centerness;
}

/* Whether a learner knows the boxes and their loss. */
static gboolean
is_learnt (const DefcnStep *step)
{
  return defcn_model_spec (step->model)->anchors <= 1
      && step->rule.box_loss == DEFCN_BOX_LOSS_GIOU;
}

DefcnStep *
defcn_step_new (DefcnModel *model, const DefcnStepRule *rule)
{
  DefcnStep *step = g_new0 (DefcnStep, 1);

  step->model = model;
  step->rule = *rule;
  step->scaler = defcn_scaler_new ();
  step->normalizer = FIRST_NORMALIZER;
  if (defcn_model_backend (model)->learner && !has_centerness (step)
      && is_learnt (step) && !defcn_assign_needs_heads (&rule->assign))
    step->qualities = defcn_qualities_new ();
  step->positives = g_array_new (FALSE, FALSE, sizeof (DefcnPositive));
  step->aux_positives = g_array_new (FALSE, FALSE, sizeof (DefcnPositive));
  step->targets = g_array_new (FALSE, FALSE, sizeof (float[4]));
  step->aux_targets = g_array_new (FALSE, FALSE, sizeof (float[4]));
  step->ignored = g_array_new (FALSE, FALSE, sizeof (DefcnPositive));
  step->assignments =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_assignment_free);
  step->aux =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_assignment_free);
  return step;
}

void
defcn_step_free (DefcnStep *step)
{
  if (!step)
    return;
  defcn_scaler_free (step->scaler);
  g_free (step->values);
  g_free (step->gradients);
  g_free (step->input);
  g_free (step->levels);
  g_free (step->grads);
  g_ptr_array_unref (step->assignments);
  g_ptr_array_unref (step->aux);
  defcn_qualities_free (step->qualities);
  defcn_buckets_free (step->buckets);
  g_array_unref (step->positives);
  g_array_unref (step->aux_positives);
  g_array_unref (step->targets);
  g_array_unref (step->aux_targets);
  g_array_unref (step->ignored);
  g_free (step);
}

/* The plan for @n examples padded to the largest of them. */
static const DefcnPlan *
plan_for (DefcnStep *step, DefcnExample *const *examples, int n, GError **error)
{
  const int divisor = defcn_model_spec (step->model)->input.divisor;
  int h = 1, w = 1;

  for (int i = 0; i < n; i++) {
    h = MAX (h, examples[i]->height);
    w = MAX (w, examples[i]->width);
  }
  h = (h + divisor - 1) / divisor * divisor;
  w = (w + divisor - 1) / divisor * divisor;
  return defcn_model_plan (step->model, n, h, w, error);
}

/* Sends the bytes, to be normalised there; FALSE where that cannot be done. */
static gboolean
preprocess (DefcnStep *step, const DefcnPlan *plan,
    DefcnExample *const *examples, int n)
{
  const DefcnInputRule *rule = &defcn_model_spec (step->model)->input;
  DefcnBackend *be = defcn_model_backend (step->model);

  if (!be->preprocess)
    return FALSE;
  for (int i = 0; i < n; i++) {
    const int w = examples[i]->width, h = examples[i]->height;
    const DefcnImage image = { DEFCN_FORMAT_RGB, w, h, { examples[i]->rgb },
      { w * 3 } };
    DefcnPreprocess p;

    defcn_scaler_describe (step->scaler, &p, &image, 0, 0, w, h, w, h, rule);
    if (!be->preprocess (be, plan->input, i, &image, &p))
      return FALSE;
  }
  return TRUE;
}

static void
upload_input (DefcnStep *step, const DefcnPlan *plan,
    DefcnExample *const *examples, int n)
{
  const DefcnInputRule *rule = &defcn_model_spec (step->model)->input;
  DefcnBackend *be = defcn_model_backend (step->model);
  const DefcnTensor *x = plan->input;
  const gsize image = (gsize) x->h * x->w * 3;

  if (step->input_len < n * image) {
    step->input_len = n * image;
    step->input = g_renew (float, step->input, step->input_len);
  }
  for (int i = 0; i < n; i++)
    defcn_image_normalize (step->input + i * image, examples[i]->rgb,
        examples[i]->width, examples[i]->height, x->w, x->h, rule);
  be->upload (be, x, x->data, step->input);
}

/* Sizes and strides of every image's levels. */
static void
shape_levels (DefcnStep *step, const DefcnPlan *plan, int n)
{
  step->levels = g_realloc (step->levels, n * sizeof *step->levels);
  for (int i = 0; i < n; i++)
    defcn_heads_describe (step->levels[i], plan);
}

/* Where the gradient of the head output @value is; NULL without. */
static float *
beside (const DefcnStep *step, const float *value)
{
  return value ? step->gradients + (value - step->values) : NULL;
}

/* Brings the head outputs to the host, zeroes their gradients and points
 * levels and grads of every image at them. */
static void
download_heads (DefcnStep *step, const DefcnPlan *plan, int n)
{
  const int n_classes = defcn_model_spec (step->model)->n_classes;
  const gsize len = defcn_heads_len (plan);

  if (step->heads_len < len) {
    step->heads_len = len;
    step->values = g_renew (float, step->values, len);
    step->gradients = g_renew (float, step->gradients, len);
  }
  memset (step->gradients, 0, len * sizeof (float));
  step->grads = g_realloc (step->grads, n * sizeof *step->grads);
  defcn_heads_download (step->levels[0], step->values, plan,
      defcn_model_backend (step->model));
  for (int i = 0; i < n; i++) {
    if (i > 0) {
      memcpy (step->levels[i], step->levels[i - 1], sizeof step->levels[i]);
      defcn_heads_next (step->levels[i], n_classes);
    }
    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      const DefcnLevel *level = &step->levels[i][l];

      step->grads[i][l] = (DefcnLevelGrad){ beside (step, level->logits),
        beside (step, level->deltas), beside (step, level->filter),
        beside (step, level->aux_logits), beside (step, level->centerness) };
    }
  }
}

/* What the assignment needs of the predictions. */
static gboolean
compute_qualities (DefcnStep *step, const DefcnPlan *plan,
    DefcnExample *const *examples, int n, GError **error)
{
  const DefcnHeads heads = defcn_heads_on_device (plan);

  defcn_qualities_begin (step->qualities, &step->rule.assign);
  for (int i = 0; i < n; i++)
    defcn_qualities_add (step->qualities, step->levels[i], DEFCN_N_LEVELS,
        examples[i]->objects);
  return defcn_qualities_run (step->qualities,
      defcn_model_backend (step->model), &heads, error);
}

/* The @i-th assignment of @list, with room for @n_locations. */
static DefcnAssignment *
assignment_at (GPtrArray *list, int i, int n_locations, int n_classes)
{
  if ((guint) i >= list->len)
    g_ptr_array_set_size (list, i + 1);

  DefcnAssignment *a = list->pdata[i];
  if (a && a->n_locations == n_locations)
    return a;
  defcn_assignment_free (a);
  list->pdata[i] = defcn_assignment_new (n_locations, n_classes);
  return list->pdata[i];
}

/* Forward and assignment of one micro-batch; adds to the counts. */
static const DefcnPlan *
forward (DefcnStep *step, DefcnExample *const *examples, int n,
    DefcnStepLosses *counts, GError **error)
{
  const int n_classes = defcn_model_spec (step->model)->n_classes;
  DefcnBackend *be = defcn_model_backend (step->model);
  const DefcnPlan *plan = plan_for (step, examples, n, error);

  if (!plan)
    return NULL;
  if (!preprocess (step, plan, examples, n))
    upload_input (step, plan, examples, n);
  defcn_net_forward (plan->net);
  if (!be->sync (be, error))
    return NULL;
  shape_levels (step, plan, n);
  if (!step->qualities)
    download_heads (step, plan, n);
  else if (!compute_qualities (step, plan, examples, n, error))
    return NULL;
  for (int i = 0; i < n; i++) {
    const DefcnLevel *levels = step->levels[i];
    const int r = defcn_points_count (levels, DEFCN_N_LEVELS);
    DefcnAssignment *a = assignment_at (step->assignments, i, r, n_classes);

    defcn_assign_run (a, &step->rule.assign, levels, DEFCN_N_LEVELS,
        examples[i]->objects, step->qualities, i);
    counts->n_foreground += a->n_foreground;
    if (has_centerness (step))
      counts->sum_centerness += defcn_loss_centerness_sum (a);
    if (step->rule.assign.aux_topk > 0) {
      DefcnAssignment *aux = assignment_at (step->aux, i, r, n_classes);

      defcn_auxiliary_run (aux, &step->rule.assign, levels, DEFCN_N_LEVELS,
          examples[i]->objects, step->qualities, i);
      counts->n_foreground_aux += aux->n_foreground;
    }
  }
  return plan;
}

/* What losses are divided by, and the running mean goes on with. */
static void
count (DefcnStep *step, const DefcnStepLosses *counts)
{
  const double m = step->rule.normalizer_momentum;

  step->normalizer =
      m * step->normalizer + (1 - m) * MAX (1, counts->n_foreground);
}

/* The scales of the losses, from the counts of the whole batch. */
static DefcnLossInput
scales_of (const DefcnStep *step, const DefcnStepLosses *counts)
{
  const double scale = 1.0 / step->normalizer;
  const double aux_scale = 1.0 / MAX (1, counts->n_foreground_aux);

  return (DefcnLossInput){ .has_aux = step->rule.assign.aux_topk > 0,
    .cls_scale = scale,
    .box_scale = scale * step->rule.reg_weight,
    .aux_scale = aux_scale,
    .aux_box_scale = aux_scale * step->rule.aux_reg_weight };
}

static void
upload_gradient (DefcnBackend *be, const DefcnTensor *head, const float *src)
{
  if (head)
    be->upload (be, head, head->grad, src);
}

/* Losses on the host, their gradients sent to the heads'. */
static void
host_losses (DefcnStep *step, const DefcnPlan *plan, int n,
    DefcnStepLosses *losses)
{
  DefcnBackend *be = defcn_model_backend (step->model);
  const DefcnLossInput scales = scales_of (step, losses);

  for (int i = 0; i < n; i++) {
    const DefcnAssignment *a = step->assignments->pdata[i];
    const DefcnLevel *levels = step->levels[i];
    DefcnLevelGrad *grads = step->grads[i];

    losses->cls +=
        defcn_loss_focal (grads, levels, DEFCN_N_LEVELS, a, scales.cls_scale);
    if (has_centerness (step)) {
      losses->box += defcn_loss_giou_weighted (grads, levels, DEFCN_N_LEVELS, a,
          step->rule.reg_weight / MAX (1, losses->sum_centerness));
      losses->centerness += defcn_loss_centerness (grads, levels,
          DEFCN_N_LEVELS, a, scales.cls_scale);
    } else if (step->rule.box_loss == DEFCN_BOX_LOSS_L1) {
      losses->box +=
          defcn_loss_l1 (grads, levels, DEFCN_N_LEVELS, a, scales.box_scale);
    } else {
      losses->box +=
          defcn_loss_giou (grads, levels, DEFCN_N_LEVELS, a, scales.box_scale);
    }
    if (!scales.has_aux)
      continue;
    losses->aux += defcn_loss_aux (grads, levels, DEFCN_N_LEVELS,
        step->aux->pdata[i], scales.aux_scale);
    if (scales.aux_box_scale > 0)
      losses->aux += defcn_loss_giou (grads, levels, DEFCN_N_LEVELS,
          step->aux->pdata[i], scales.aux_box_scale);
  }
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const DefcnLevelGrad *first = &step->grads[0][l];

    upload_gradient (be, plan->logits[l], first->logits);
    upload_gradient (be, plan->deltas[l], first->deltas);
    upload_gradient (be, plan->filter[l], first->filter);
    upload_gradient (be, plan->centerness[l], first->centerness);
    upload_gradient (be, plan->aux_logits[l], first->aux_logits);
  }
}

/* Adds the locations of image @image that @a or @aux (or NULL) ignores: where
 * one does and the other does not, that has a foreground. */
static void
list_ignored (GArray *ignored, const DefcnAssignment *a,
    const DefcnAssignment *aux, int image)
{
  for (int j = 0; j < a->n_locations; j++) {
    const DefcnPositive at = { image, j, DEFCN_LABEL_IGNORED };

    if (a->classes[j] == DEFCN_CLASS_IGNORED
        || (aux && aux->classes[j] == DEFCN_CLASS_IGNORED))
      g_array_append_val (ignored, at);
  }
}

/* Adds the foregrounds of image @image; @targets: NULL or their boxes. */
static void
list_positives (GArray *positives, GArray *targets, const DefcnAssignment *a,
    int image)
{
  for (int j = 0; j < a->n_locations; j++) {
    const DefcnPositive positive = { image, j, a->classes[j] };

    if (a->objects[j] < 0)
      continue;
    g_array_append_val (positives, positive);
    if (targets)
      g_array_append_val (targets, a->targets[j]);
  }
}

/* Queues losses and gradients where the heads are. */
static gboolean
queue_losses (DefcnStep *step, const DefcnPlan *plan, int n,
    const DefcnStepLosses *losses, GError **error)
{
  DefcnBackend *be = defcn_model_backend (step->model);
  const DefcnHeads heads = defcn_heads_on_device (plan);
  DefcnLossInput input = scales_of (step, losses);
  GArray *aux_targets = input.aux_box_scale > 0 ? step->aux_targets : NULL;

  g_array_set_size (step->ignored, 0);
  g_array_set_size (step->positives, 0);
  g_array_set_size (step->targets, 0);
  g_array_set_size (step->aux_positives, 0);
  g_array_set_size (step->aux_targets, 0);
  for (int i = 0; i < n; i++) {
    const DefcnAssignment *a = step->assignments->pdata[i];
    const DefcnAssignment *aux = input.has_aux ? step->aux->pdata[i] : NULL;

    list_ignored (step->ignored, a, aux, i);
    list_positives (step->positives, step->targets, a, i);
    if (aux)
      list_positives (step->aux_positives, aux_targets, aux, i);
  }
  input.ignored = (const DefcnPositive *) (gpointer) step->ignored->data;
  input.n_ignored = step->ignored->len;
  input.positives = (const DefcnPositive *) (gpointer) step->positives->data;
  input.targets = (const float (*)[4]) (gpointer) step->targets->data;
  input.n_positives = step->positives->len;
  input.aux = (const DefcnPositive *) (gpointer) step->aux_positives->data;
  input.n_aux = step->aux_positives->len;
  if (aux_targets)
    input.aux_targets = (const float (*)[4]) (gpointer) aux_targets->data;
  return be->learner->losses (be, &heads, &input, error);
}

/* Of the last micro-batch the gradients go to the other ranks as they come. */
static void
net_backward (DefcnStep *step, const DefcnPlan *plan, gboolean last)
{
  if (step->buckets && last)
    defcn_backward_run (plan->net, defcn_model_backend (step->model),
        defcn_buckets_tell, step->buckets);
  else
    defcn_net_backward (plan->net);
}

static gboolean
backward (DefcnStep *step, const DefcnPlan *plan, int n, gboolean last,
    DefcnStepLosses *losses, GError **error)
{
  DefcnBackend *be = defcn_model_backend (step->model);
  DefcnLossSums sums;

  if (!step->qualities) {
    host_losses (step, plan, n, losses);
    net_backward (step, plan, last);
    return TRUE;
  }
  if (!queue_losses (step, plan, n, losses, error))
    return FALSE;
  net_backward (step, plan, last);
  be->learner->sums (be, &sums);
  losses->cls += sums.cls;
  losses->box += sums.box;
  losses->aux += sums.aux;
  return TRUE;
}

void
defcn_step_set_ranks (DefcnStep *step, DefcnRanks *ranks,
    DefcnCollective *collective)
{
  step->ranks = ranks;
  g_clear_pointer (&step->buckets, defcn_buckets_free);
  if (ranks)
    step->buckets = defcn_buckets_new (ranks, collective,
        defcn_model_backend (step->model), 0);
}

/* The foregrounds of all ranks: each divides by their number. */
static gboolean
join_counts (DefcnStep *step, DefcnStepLosses *counts, GError **error)
{
  const double mine[] = { counts->n_foreground, counts->n_foreground_aux,
    counts->sum_centerness };
  double sums[G_N_ELEMENTS (mine)] = { 0 };

  if (!step->ranks)
    return TRUE;

  const int size = defcn_ranks_size (step->ranks);
  g_autofree double *all = g_new (double, size *G_N_ELEMENTS (mine));
  if (!defcn_ranks_gather (step->ranks, all, mine, sizeof mine, error))
    return FALSE;
  for (gsize i = 0; i < size * G_N_ELEMENTS (mine); i++)
    sums[i % G_N_ELEMENTS (mine)] += all[i];
  counts->n_foreground = sums[0];
  counts->n_foreground_aux = sums[1];
  counts->sum_centerness = sums[2];
  return TRUE;
}

gboolean
defcn_step_run (DefcnStep *step, DefcnExample *const *examples, int n,
    int micro, DefcnStepLosses *losses, GError **error)
{
  DefcnBackend *be = defcn_model_backend (step->model);
  DefcnParams *params = defcn_model_params (step->model);
  const DefcnPlan *plan = NULL;

  *losses = (DefcnStepLosses){ 0 };
  defcn_params_zero_gradients (params);
  for (int i = 0; i < n; i += micro) {
    plan = forward (step, examples + i, MIN (micro, n - i), losses, error);
    if (!plan)
      return FALSE;
  }
  if (!join_counts (step, losses, error))
    return FALSE;
  count (step, losses);
  if (n <= micro) {
    if (!backward (step, plan, n, TRUE, losses, error))
      return FALSE;
  } else {
    for (int i = 0; i < n; i += micro) {
      DefcnStepLosses counted = { 0 };
      const int m = MIN (micro, n - i);

      plan = forward (step, examples + i, m, &counted, error);
      if (!plan || !backward (step, plan, m, i + m == n, losses, error))
        return FALSE;
    }
  }
  if (step->buckets && !defcn_buckets_finish (step->buckets, error))
    return FALSE;
  if (!be->sync (be, error))
    return FALSE;
  if (!defcn_params_on_device (params))
    defcn_params_download_gradients (params);
  losses->total = losses->cls + losses->box + losses->aux + losses->centerness;
  return TRUE;
}

void
defcn_step_add_losses (DefcnStepLosses *sum, const DefcnStepLosses *losses)
{
  sum->cls += losses->cls;
  sum->box += losses->box;
  sum->aux += losses->aux;
  sum->centerness += losses->centerness;
  sum->total += losses->total;
}

void
defcn_step_set_alpha (DefcnStep *step, float alpha)
{
  step->rule.assign.alpha = alpha;
}

double
defcn_step_normalizer (const DefcnStep *step)
{
  return step->normalizer;
}

void
defcn_step_set_normalizer (DefcnStep *step, double normalizer)
{
  step->normalizer = normalizer;
}

const DefcnAssignment *
defcn_step_assignment (const DefcnStep *step, int i)
{
  return (guint) i < step->assignments->len ? step->assignments->pdata[i]
                                            : NULL;
}

const DefcnAssignment *
defcn_step_aux (const DefcnStep *step, int i)
{
  return (guint) i < step->aux->len ? step->aux->pdata[i] : NULL;
}

const DefcnLevel *
defcn_step_levels (const DefcnStep *step, int i)
{
  return step->levels ? step->levels[i] : NULL;
}
