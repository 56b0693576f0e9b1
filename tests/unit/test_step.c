/* A training step on a tiny network: micro-batches, normalisers, what a backend
 * that keeps the heads is asked. */
#include "train/step.h"

#include "assign/assign.h"
#include "assign/auxiliary.h"
#include "assign/poto.h"
#include "hub.h"

#include <math.h>
#include <string.h>

#define N_IMAGES 3
#define N_CLASSES 2
#define RADIUS 1.5f

typedef struct
{
  DefcnBackend *be;
  DefcnModel *model;
  DefcnStep *step;
  DefcnExample *examples[N_IMAGES];
} Rig;

static void
set_all (DefcnModel *model, const char *name, float value, float factor)
{
  DefcnParam *p = defcn_params_lookup (defcn_model_params (model), name);

  for (gsize i = 0; i < defcn_param_len (p); i++)
    p->value[i] = p->value[i] * factor + value;
}

/* Noise of @w x @h with @n boxes, no two of the same place. */
static DefcnExample *
example_new (GRand *rand, int w, int h, int n)
{
  DefcnExample *e = g_new0 (DefcnExample, 1);

  e->width = w;
  e->height = h;
  e->rgb = g_malloc ((gsize) w * h * 3);
  for (int i = 0; i < w * h * 3; i++)
    e->rgb[i] = g_rand_int (rand) >> 24;
  e->objects = g_array_new (FALSE, TRUE, sizeof (DefcnObject));
  for (int i = 0; i < n; i++) {
    const DefcnObject o = { .x1 = 3 + 11 * i,
      .y1 = 5 + 7 * i,
      .x2 = 30 + 9 * i,
      .y2 = 28 + 8 * i,
      .label = i % N_CLASSES };

    g_array_append_val (e->objects, o);
  }
  return e;
}

/* A network whose boxes and scores say something, and a batch of which every
 * image has one object more than the one before. */
static void
rig_init_with (Rig *rig, const DefcnStepRule *rule, const DefcnLearner *learner,
    gboolean aux_classifier)
{
  static const char *const labels[] = { "one", "two", NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  g_autoptr (GError) error = NULL;

  spec->depth = 18;
  spec->stem_channels = spec->res2_channels = 8;
  spec->fpn_channels = 16;
  spec->norm_groups = 4;
  spec->tower_depth = 1;
  spec->aux_classifier = aux_classifier;
  rig->be = defcn_backend_new ("reference", 1, &error);
  g_assert_no_error (error);
  rig->be->learner = learner;
  rig->model = defcn_model_new (spec, rig->be, TRUE, 5, &error);
  g_assert_no_error (error);
  set_all (rig->model, "head.cls_score.bias", -1, 0);
  set_all (rig->model, "head.cls_score.weight", 0, 30);
  set_all (rig->model, "head.filter.weight", 0, 30);
  if (aux_classifier)
    set_all (rig->model, "head.aux_score.weight", 0, 30);
  set_all (rig->model, "head.bbox_pred.bias", 2, 0);
  set_all (rig->model, "head.bbox_pred.weight", 0, 10);
  defcn_params_upload (defcn_model_params (rig->model));
  rig->step = defcn_step_new (rig->model, rule);
  for (int i = 0; i < N_IMAGES; i++)
    rig->examples[i] = example_new (rand, 64, 64, i + 1);
}

static void
rig_init (Rig *rig, const DefcnStepRule *rule, const DefcnLearner *learner)
{
  rig_init_with (rig, rule, learner, FALSE);
}

static void
rig_clear (Rig *rig)
{
  for (int i = 0; i < N_IMAGES; i++)
    defcn_example_free (rig->examples[i]);
  defcn_step_free (rig->step);
  defcn_model_free (rig->model);
  defcn_backend_free (rig->be);
}

static DefcnStepRule
rule_of (const char *assigner, int aux_topk)
{
  return (DefcnStepRule){ .assign = { .assigner = defcn_assign_find (assigner),
                              .alpha = 0.8f,
                              .radius = RADIUS,
                              .aux_topk = aux_topk },
    .reg_weight = 2 };
}

/* With all that is beside the paper. */
static DefcnStepRule
whole_rule_of (const char *assigner, int aux_topk)
{
  DefcnStepRule rule = rule_of (assigner, aux_topk);

  rule.aux_reg_weight = 0.75;
  rule.assign.skip_unplaced = TRUE;
  rule.assign.ignore_regions = TRUE;
  return rule;
}

/* Regions to ignore that hold background, foreground and both, one of them
 * between the objects. */
static void
add_regions (Rig *rig)
{
  const DefcnObject left = { .x1 = 0,
    .y1 = 0,
    .x2 = 40,
    .y2 = 64,
    .label = -1 };
  const DefcnObject low = { .x1 = 8,
    .y1 = 44,
    .x2 = 64,
    .y2 = 60,
    .label = -1 };

  g_array_append_val (rig->examples[0]->objects, low);
  g_array_insert_val (rig->examples[2]->objects, 1, left);
}

static DefcnStepLosses
run (Rig *rig, int n, int micro)
{
  g_autoptr (GError) error = NULL;
  DefcnStepLosses losses;

  defcn_step_run (rig->step, rig->examples, n, micro, &losses, &error);
  g_assert_no_error (error);
  return losses;
}

/* All gradients one after the other; (transfer full). */
static float *
gradients_of (const Rig *rig, gsize *len)
{
  DefcnParams *params = defcn_model_params (rig->model);
  GArray *values = g_array_new (FALSE, FALSE, sizeof (float));

  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);

    if (p->grad)
      g_array_append_vals (values, p->grad, defcn_param_len (p));
  }
  *len = values->len;
  return (float *) g_array_free (values, FALSE);
}

static void
assert_gradients (const Rig *rig, const float *want, gsize len)
{
  gsize n;
  g_autofree float *found = gradients_of (rig, &n);
  float largest = 0;

  g_assert_cmpuint (n, ==, len);
  for (gsize i = 0; i < len; i++)
    largest = MAX (largest, fabsf (want[i]));
  g_assert_cmpfloat (largest, >, 0.01f);
  for (gsize i = 0; i < len; i++)
    if (!(fabsf (found[i] - want[i]) <= 1e-4f * largest))
      g_error ("gradient %" G_GSIZE_FORMAT ": %g, wanted %g", i, found[i],
          want[i]);
}

static void
assert_losses (const DefcnStepLosses *found, const DefcnStepLosses *want)
{
  g_assert_cmpint (found->n_foreground, ==, want->n_foreground);
  g_assert_cmpint (found->n_foreground_aux, ==, want->n_foreground_aux);
  g_assert_cmpfloat_with_epsilon (found->cls, want->cls,
      1e-9 + 1e-5 * want->cls);
  g_assert_cmpfloat_with_epsilon (found->box, want->box,
      1e-9 + 1e-5 * want->box);
  g_assert_cmpfloat_with_epsilon (found->aux, want->aux,
      1e-9 + 1e-5 * want->aux);
  g_assert_cmpfloat_with_epsilon (found->total, want->total,
      1e-9 + 1e-5 * want->total);
}

/* A batch in pieces, of which the last is a smaller one, is the batch at once:
 * losses, counts and gradients. */
static void
test_micro (void)
{
  const DefcnStepRule rules[] = { rule_of ("poto", 0), rule_of ("poto", 9),
    whole_rule_of ("poto", 0), whole_rule_of ("poto", 9) };

  for (gsize a = 0; a < G_N_ELEMENTS (rules); a++) {
    gsize len;
    Rig rig;

    rig_init (&rig, &rules[a], NULL);
    add_regions (&rig);
    const DefcnStepLosses want = run (&rig, N_IMAGES, N_IMAGES);
    g_autofree float *gradients = gradients_of (&rig, &len);
    g_assert_cmpint (want.n_foreground, ==, 1 + 2 + 3);
    g_assert_cmpint (want.n_foreground_aux > 0, ==, a % 2);
    for (int micro = 4; micro > 0; micro--) {
      const DefcnStepLosses found = run (&rig, N_IMAGES, micro);

      assert_losses (&found, &want);
      assert_gradients (&rig, gradients, len);
    }
    rig_clear (&rig);
  }
}

/* A step leaves nothing to the next one. */
static void
test_again (void)
{
  const DefcnStepRule rule = rule_of ("poto", 9);
  gsize len, n;
  Rig rig;

  rig_init (&rig, &rule, NULL);
  const DefcnStepLosses first = run (&rig, 1, 1);
  g_autofree float *want = gradients_of (&rig, &len);
  run (&rig, N_IMAGES, 2);
  const DefcnStepLosses second = run (&rig, 1, 1);
  g_autofree float *found = gradients_of (&rig, &n);
  g_assert_cmpmem (&first, sizeof first, &second, sizeof second);
  g_assert_cmpmem (found, n * sizeof (float), want, len * sizeof (float));
  rig_clear (&rig);
}

/* Each loss is the sum over the images' assignments by the number of
 * foregrounds of the batch, of its own kind for the auxiliary one. */
static void
test_normalisers (void)
{
  const DefcnStepRule rule = whole_rule_of ("poto", 9);
  DefcnStepLosses want = { 0 };
  double aux_box = 0;
  Rig rig;

  rig_init (&rig, &rule, NULL);
  add_regions (&rig);
  const DefcnStepLosses found = run (&rig, N_IMAGES, N_IMAGES);
  for (int i = 0; i < N_IMAGES; i++) {
    const DefcnLevel *levels = defcn_step_levels (rig.step, i);
    const DefcnAssignment *a = defcn_step_assignment (rig.step, i);
    const DefcnAssignment *aux = defcn_step_aux (rig.step, i);

    want.n_foreground += a->n_foreground;
    want.n_foreground_aux += aux->n_foreground;
    want.cls += defcn_loss_focal (NULL, levels, DEFCN_N_LEVELS, a, 1);
    want.box += defcn_loss_giou (NULL, levels, DEFCN_N_LEVELS, a, 1);
    want.aux += defcn_loss_aux (NULL, levels, DEFCN_N_LEVELS, aux, 1);
    aux_box += defcn_loss_giou (NULL, levels, DEFCN_N_LEVELS, aux, 1);
  }
  g_assert_cmpfloat (aux_box, >, 1);
  want.aux += rule.aux_reg_weight * aux_box;
  g_assert_cmpint (want.n_foreground, !=, want.n_foreground_aux);
  want.cls /= want.n_foreground;
  want.box *= rule.reg_weight / want.n_foreground;
  want.aux /= want.n_foreground_aux;
  want.total = want.cls + want.box + want.aux;
  assert_losses (&found, &want);
  rig_clear (&rig);
}

/* Images without objects: background alone, and no division by nothing. */
static void
test_empty (void)
{
  const DefcnStepRule rule = rule_of ("poto", 9);
  Rig rig;

  rig_init (&rig, &rule, NULL);
  for (int i = 0; i < N_IMAGES; i++)
    g_array_set_size (rig.examples[i]->objects, 0);
  const DefcnStepLosses found = run (&rig, N_IMAGES, 2);
  g_assert_cmpint (found.n_foreground, ==, 0);
  g_assert_cmpint (found.n_foreground_aux, ==, 0);
  g_assert_cmpfloat (found.box, ==, 0);
  g_assert_true (found.cls > 0 && isfinite (found.total));
  rig_clear (&rig);
}

/* A micro-batch has the size of its largest image, rounded up to what the
 * network wants, and strides from 8 up. */
static void
test_padding (void)
{
  const DefcnStepRule rule = rule_of ("poto", 0);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  Rig rig;

  rig_init (&rig, &rule, NULL);
  run (&rig, 1, 1);
  defcn_example_free (rig.examples[0]);
  defcn_example_free (rig.examples[2]);
  rig.examples[0] = example_new (rand, 97, 33, 1);
  rig.examples[2] = example_new (rand, 33, 65, 1);
  run (&rig, N_IMAGES, N_IMAGES);
  for (int i = 0; i < N_IMAGES; i++) {
    const DefcnLevel *levels = defcn_step_levels (rig.step, i);

    for (int l = 0; l < DEFCN_N_LEVELS; l++)
      g_assert_cmpint (levels[l].stride, ==, 8 << l);
    g_assert_cmpint (levels[0].h, ==, 96 / 8);
    g_assert_cmpint (levels[0].w, ==, 128 / 8);
    g_assert_cmpint (levels[2].h, ==, 96 / 32);
  }
  rig_clear (&rig);
}

static int n_preprocessed, n_inputs;

/* Normalises in place of a device; refuses the third picture of a batch. */
static gboolean
normalize (DefcnBackend *be, const DefcnTensor *input, int n,
    const DefcnImage *image, const DefcnPreprocess *p)
{
  g_assert_cmpint (image->format, ==, DEFCN_FORMAT_RGB);
  g_assert_cmpint (p->out_w, ==, image->width);
  g_assert_cmpint (p->out_h, ==, image->height);
  n_preprocessed++;
  if (n == 2)
    return FALSE;
  defcn_image_normalize (input->data + (gsize) n * input->h * input->w * 3,
      image->planes[0], image->width, image->height, input->w, input->h,
      p->rule);
  return TRUE;
}

static void (*plain_upload) (DefcnBackend *be, const DefcnTensor *t,
    gpointer mem, const float *src);

static void
count_inputs (DefcnBackend *be, const DefcnTensor *t, gpointer mem,
    const float *src)
{
  n_inputs += t->role == DEFCN_TENSOR_INPUT;
  plain_upload (be, t, mem, src);
}

/* A backend that normalises is sent the bytes, and floats only where it cannot;
 * the losses are the same. */
static void
test_preprocess (void)
{
  const DefcnStepRule rule = rule_of ("poto", 0);
  Rig plain, rig;

  rig_init (&plain, &rule, NULL);
  rig_init (&rig, &rule, NULL);
  plain_upload = rig.be->upload;
  rig.be->upload = count_inputs;
  rig.be->preprocess = normalize;
  for (int n = 1; n <= N_IMAGES; n++) {
    n_preprocessed = n_inputs = 0;
    const DefcnStepLosses found = run (&rig, n, n);
    const DefcnStepLosses wanted = run (&plain, n, n);

    g_assert_cmpfloat (found.total, ==, wanted.total);
    g_assert_cmpint (n_preprocessed, ==, n);
    g_assert_cmpint (n_inputs, ==, n == 3);
  }
  rig_clear (&rig);
  rig_clear (&plain);
}

/* What the network's heads are sent as their gradients: logits, deltas and
 * filter. */
static const DefcnPlan *watched;
static float *sent[3][DEFCN_N_LEVELS];
static void (*upload) (DefcnBackend *be, const DefcnTensor *t, gpointer mem,
    const float *src);

static void
watch (DefcnBackend *be, const DefcnTensor *t, gpointer mem, const float *src)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const DefcnTensor *const heads[3] = { watched->logits[l],
      watched->deltas[l], watched->filter[l] };

    for (int k = 0; k < 3; k++) {
      if (heads[k] != t || t->grad != mem)
        continue;
      g_free (sent[k][l]);
      sent[k][l] = g_memdup2 (src, defcn_tensor_len (t) * sizeof (float));
    }
  }
  upload (be, t, mem, src);
}

static void
assert_zeros (const float *values, int n, gboolean zeros)
{
  for (int i = 0; i < n; i++)
    g_assert_cmpint (values[i] == 0, ==, zeros);
}

/* An ignored location's classes and filter learn nothing, all others' do; boxes
 * learn from both assignments at once. */
static void
test_ignored (void)
{
  const DefcnStepRule rule = whole_rule_of ("poto", 9);
  g_autoptr (GError) error = NULL;
  int n_ignored = 0, n_both = 0;
  Rig rig;

  rig_init (&rig, &rule, NULL);
  add_regions (&rig);
  watched = defcn_model_plan (rig.model, N_IMAGES, 64, 64, &error);
  g_assert_no_error (error);
  upload = rig.be->upload;
  rig.be->upload = watch;
  const DefcnStepLosses losses = run (&rig, N_IMAGES, N_IMAGES);
  const double scale = rule.reg_weight / losses.n_foreground;
  const double aux_scale = rule.aux_reg_weight / losses.n_foreground_aux;

  for (int i = 0; i < N_IMAGES; i++) {
    const DefcnLevel *levels = defcn_step_levels (rig.step, i);
    const DefcnAssignment *a = defcn_step_assignment (rig.step, i);
    const DefcnAssignment *aux = defcn_step_aux (rig.step, i);
    g_autofree float *deltas = g_new0 (float, 4 * a->n_locations);
    DefcnLevelGrad grads[DEFCN_N_LEVELS] = { 0 };
    int first = 0;

    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      grads[l].deltas = deltas + 4 * first;
      first += levels[l].h * levels[l].w;
    }
    defcn_loss_giou (grads, levels, DEFCN_N_LEVELS, a, scale);
    defcn_loss_giou (grads, levels, DEFCN_N_LEVELS, aux, aux_scale);
    for (int l = 0, j = 0; l < DEFCN_N_LEVELS; l++) {
      const int n = levels[l].h * levels[l].w;

      for (int k = i * n; k < (i + 1) * n; k++, j++) {
        const gboolean none = a->classes[j] == DEFCN_CLASS_IGNORED;
        const gboolean none_aux = aux->classes[j] == DEFCN_CLASS_IGNORED;

        assert_zeros (sent[0][l] + k * N_CLASSES, N_CLASSES, none && none_aux);
        assert_zeros (sent[2][l] + k, 1, none);
        for (int c = 0; c < 4; c++)
          g_assert_cmpfloat_with_epsilon (sent[1][l][4 * k + c],
              deltas[4 * j + c], 1e-6);
        n_ignored += none;
        n_both += a->objects[j] >= 0 && aux->objects[j] >= 0;
      }
    }
  }
  g_assert_cmpint (n_ignored, >, 20);
  g_assert_cmpint (n_both, >, 0);
  for (int k = 0; k < 3 * DEFCN_N_LEVELS; k++)
    g_clear_pointer (&sent[k / DEFCN_N_LEVELS][k % DEFCN_N_LEVELS], g_free);
  rig_clear (&rig);
}

/* Alpha is what was set last: 0 asks the score alone, 1 the box alone. */
static void
test_alpha (void)
{
  DefcnStepRule rule = rule_of ("poto", 9);
  Rig rig, other;

  for (int k = 0; k < 2; k++) {
    gsize len;

    rule.assign.alpha = 1 - k;
    rig_init (&rig, &rule, NULL);
    rule.assign.alpha = k;
    rig_init (&other, &rule, NULL);
    const DefcnStepLosses before = run (&rig, N_IMAGES, N_IMAGES);
    defcn_step_set_alpha (rig.step, k);
    const DefcnStepLosses found = run (&rig, N_IMAGES, N_IMAGES);
    const DefcnStepLosses want = run (&other, N_IMAGES, N_IMAGES);
    g_autofree float *gradients = gradients_of (&other, &len);
    g_assert_cmpfloat (before.total, !=, want.total);
    assert_losses (&found, &want);
    assert_gradients (&rig, gradients, len);
    rig_clear (&rig);
    rig_clear (&other);
  }
}

/* Losses are over the running mean of the numbers of foregrounds, which begins
 * with 100 and goes on from what it is set to; without a momentum over that of
 * the batch, in parts too. */
static void
test_normalizer (void)
{
  DefcnStepRule rule = rule_of ("poto", 9);
  Rig plain, mean;
  double normalizer = 100;

  rig_init (&plain, &rule, NULL);
  rule.normalizer_momentum = 0.75;
  rig_init (&mean, &rule, NULL);
  for (int k = 0; k < 3; k++) {
    const DefcnStepLosses a = run (&plain, N_IMAGES, N_IMAGES);
    const DefcnStepLosses b = run (&mean, N_IMAGES, k == 1 ? 1 : N_IMAGES);
    const double n = a.n_foreground;

    g_assert_cmpfloat (defcn_step_normalizer (plain.step), ==, n);
    normalizer = 0.75 * normalizer + 0.25 * n;
    g_assert_cmpfloat_with_epsilon (defcn_step_normalizer (mean.step),
        normalizer, 1e-9);
    g_assert_cmpfloat_with_epsilon (b.cls, a.cls * n / normalizer, 1e-5);
    g_assert_cmpfloat_with_epsilon (b.box, a.box * n / normalizer, 1e-5);
    if (k == 1)
      defcn_step_set_normalizer (mean.step, normalizer = 40);
  }
  rig_clear (&plain);
  rig_clear (&mean);
}

#define N_HEADS 4

/* A backend that keeps the heads, on the host: what it is asked must be enough
 * for the same step. */
static DefcnLossSums learner_sums;
static float *heads_mem[N_HEADS][DEFCN_N_LEVELS];

static const DefcnTensor *
head_of (const DefcnHeads *heads, int kind, int l)
{
  return (kind == 0   ? heads->logits
          : kind == 1 ? heads->deltas
          : kind == 2 ? heads->filter
                      : heads->aux_logits)[l];
}

/* Image @i of the heads in heads_mem. */
static void
view (DefcnLevel levels[DEFCN_N_LEVELS], const DefcnHeads *heads, int i)
{
  for (int l = 0; l < heads->n_levels; l++) {
    const gsize n = (gsize) heads->logits[l]->h * heads->logits[l]->w;

    levels[l] = (DefcnLevel){ .h = heads->logits[l]->h,
      .w = heads->logits[l]->w,
      .stride = heads->strides[l],
      .logits = heads_mem[0][l] + i * n * heads->logits[l]->c,
      .deltas = heads_mem[1][l] + i * n * 4,
      .filter = heads_mem[2][l] + i * n,
      .aux_logits = heads_mem[3][l]
          ? heads_mem[3][l] + i * n * heads->logits[l]->c
          : NULL };
  }
}

static float query_radius; /* of the rule that is asked for */

static void
download (DefcnBackend *be, const DefcnHeads *heads)
{
  for (int k = 0; k < N_HEADS; k++) {
    for (int l = 0; l < heads->n_levels; l++) {
      const DefcnTensor *t = head_of (heads, k, l);

      g_clear_pointer (&heads_mem[k][l], g_free);
      if (!t)
        continue;
      heads_mem[k][l] = g_new (float, defcn_tensor_len (t));
      be->download (be, t, heads_mem[k][l], t->data);
    }
  }
}

/* The @k-th best of the @n points at @points for @object. */
static DefcnRanked
ranked (const DefcnPoint *points, int n, const DefcnObject *object, float alpha,
    int k)
{
  const DefcnAssignRule rule = { .alpha = alpha };

  for (int j = 0; j < n; j++) {
    const float q = defcn_poto_quality (&points[j], object, &rule, TRUE);
    int better = 0;

    for (int m = 0; m < n; m++) {
      const float other = defcn_poto_quality (&points[m], object, &rule, TRUE);

      better += other > q || (other == q && m < j);
    }
    if (better == k)
      return (DefcnRanked){ j, q };
  }
  return (DefcnRanked){ -1, -1 };
}

static gboolean
qualities (DefcnBackend *be, const DefcnHeads *heads,
    const DefcnQualityQuery *query, float *values, DefcnRanked *best,
    GError **error)
{
  const DefcnAssignRule rule = { .alpha = query->alpha,
    .additive = query->additive };
  const int n_levels = heads->n_levels;
  gsize n_values = 0;

  download (be, heads);
  for (guint t = 0, w = 0; t < query->n_truths; t++) {
    const DefcnTruth *truth = &query->truths[t];
    const DefcnObject o = { .x1 = truth->x1,
      .y1 = truth->y1,
      .x2 = truth->x2,
      .y2 = truth->y2,
      .label = truth->label };
    DefcnLevel levels[DEFCN_N_LEVELS];

    view (levels, heads, truth->image);
    g_autofree DefcnPoint *points =
        defcn_points_new (levels, n_levels, heads->logits[0]->c);
    int first[DEFCN_N_LEVELS] = { 0 }, n_allowed = 0;
    for (int j = 0; j < defcn_points_count (levels, n_levels); j++)
      n_allowed += defcn_point_allowed (&points[j], &o, query_radius);
    for (int l = 1; l < n_levels; l++)
      first[l] = first[l - 1] + levels[l - 1].h * levels[l - 1].w;
    for (; w < query->n_windows && query->windows[w].truth == (int) t; w++) {
      const DefcnWindow *window = &query->windows[w];

      g_assert_cmpuint (window->first, ==, n_values);
      for (int i = 0; i < window->w * window->h; i++, n_values++) {
        const int x = window->x + i % window->w, y = window->y + i / window->w;
        const DefcnPoint *point =
            &points[first[window->level] + y * levels[window->level].w + x];

        g_assert_true (defcn_point_allowed (point, &o, query_radius));
        values[n_values] = defcn_poto_quality (point, &o, &rule, FALSE);
        n_allowed--;
      }
    }
    if (query->n_windows > 0)
      g_assert_cmpint (n_allowed, ==, 0);
    for (int l = 0; l < n_levels; l++)
      for (int k = 0; k < query->topk; k++)
        *best++ = ranked (points + first[l], levels[l].h * levels[l].w, &o,
            query->alpha, k);
  }
  g_assert_cmpuint (n_values, ==, query->n_values);
  return TRUE;
}

/* The assignments of the @n_images of a batch with the given foregrounds, after
 * what @input ignores. */
static DefcnAssignment **
listed (const DefcnHeads *heads, int n_images, const DefcnLossInput *input,
    const DefcnPositive *positives, const float (*targets)[4], guint n)
{
  DefcnAssignment **list = g_new (DefcnAssignment *, n_images);
  DefcnLevel levels[DEFCN_N_LEVELS];

  view (levels, heads, 0);
  for (int i = 0; i < n_images; i++)
    list[i] =
        defcn_assignment_new (defcn_points_count (levels, heads->n_levels),
            heads->logits[0]->c);
  for (guint k = 0; k < input->n_ignored; k++) {
    const DefcnPositive *p = &input->ignored[k];

    g_assert_cmpint (p->label, ==, DEFCN_LABEL_IGNORED);
    list[p->image]->classes[p->location] = DEFCN_CLASS_IGNORED;
  }
  for (guint k = 0; k < n; k++) {
    const DefcnPositive *p = &positives[k];
    DefcnAssignment *a = list[p->image];

    a->classes[p->location] = p->label;
    a->objects[p->location] = 0;
    if (targets)
      memcpy (a->targets[p->location], targets[k], sizeof targets[k]);
  }
  return list;
}

static gboolean
losses (DefcnBackend *be, const DefcnHeads *heads, const DefcnLossInput *input,
    GError **error)
{
  const int n = heads->logits[0]->n;
  float *mem[N_HEADS][DEFCN_N_LEVELS];

  download (be, heads);
  g_autofree DefcnAssignment **list = listed (heads, n, input, input->positives,
      input->targets, input->n_positives);
  g_autofree DefcnAssignment **aux =
      listed (heads, n, input, input->aux, input->aux_targets, input->n_aux);
  learner_sums = (DefcnLossSums){ 0 };
  for (int k = 0; k < N_HEADS; k++)
    for (int l = 0; l < heads->n_levels; l++)
      mem[k][l] = head_of (heads, k, l)
          ? g_new0 (float, defcn_tensor_len (head_of (heads, k, l)))
          : NULL;
  for (int i = 0; i < n; i++) {
    DefcnLevel levels[DEFCN_N_LEVELS];
    DefcnLevelGrad grads[DEFCN_N_LEVELS];

    view (levels, heads, i);
    for (int l = 0; l < heads->n_levels; l++) {
      const gsize at = (gsize) i * levels[l].h * levels[l].w;

      grads[l] = (DefcnLevelGrad){ .logits =
                                       mem[0][l] + at * heads->logits[l]->c,
        .deltas = mem[1][l] + at * 4,
        .filter = mem[2][l] + at,
        .aux_logits = mem[3][l] ? mem[3][l] + at * heads->logits[l]->c : NULL };
    }
    learner_sums.cls += defcn_loss_focal (grads, levels, heads->n_levels,
        list[i], input->cls_scale);
    learner_sums.box += defcn_loss_giou (grads, levels, heads->n_levels,
        list[i], input->box_scale);
    if (input->has_aux)
      learner_sums.aux += defcn_loss_aux (grads, levels, heads->n_levels,
          aux[i], input->aux_scale);
    if (input->aux_targets)
      learner_sums.aux += defcn_loss_giou (grads, levels, heads->n_levels,
          aux[i], input->aux_box_scale);
    defcn_assignment_free (list[i]);
    defcn_assignment_free (aux[i]);
  }
  for (int k = 0; k < N_HEADS; k++) {
    for (int l = 0; l < heads->n_levels; l++) {
      const DefcnTensor *t = head_of (heads, k, l);

      if (t)
        be->upload (be, t, t->grad, mem[k][l]);
      g_free (mem[k][l]);
      g_clear_pointer (&heads_mem[k][l], g_free);
    }
  }
  return TRUE;
}

static void
sums (DefcnBackend *be, DefcnLossSums *out)
{
  *out = learner_sums;
}

/* An ignored object between the others, one too small for any location and one
 * too large for the finest level. */
static void
make_strange (Rig *rig)
{
  const DefcnObject small = { .x1 = 1, .y1 = 1, .x2 = 2, .y2 = 2 };
  const DefcnObject large = { .x1 = 1, .y1 = 1, .x2 = 64, .y2 = 63 };

  g_array_index (rig->examples[2]->objects, DefcnObject, 1).label = -1;
  g_array_insert_val (rig->examples[2]->objects, 0, small);
  g_array_append_val (rig->examples[1]->objects, large);
}

/* A step of @rule with a backend that has a learner is one without. */
static void
check_learner (const DefcnStepRule *rule)
{
  static const DefcnLearner learner = { qualities, losses, sums };
  const gboolean aux_classifier = rule->assign.aux_topk > 1;
  gsize len;
  Rig host, device;

  query_radius = rule->assign.radius;
  rig_init_with (&host, rule, NULL, aux_classifier);
  rig_init_with (&device, rule, &learner, aux_classifier);
  make_strange (&host);
  make_strange (&device);
  add_regions (&host);
  add_regions (&device);
  const DefcnStepLosses want = run (&host, N_IMAGES, N_IMAGES);
  g_autofree float *gradients = gradients_of (&host, &len);
  for (int micro = N_IMAGES; micro > 0; micro--) {
    const DefcnStepLosses found = run (&device, N_IMAGES, micro);

    assert_losses (&found, &want);
    assert_gradients (&device, gradients, len);
  }
  rig_clear (&host);
  rig_clear (&device);
}

/* What such a backend is asked makes the same step, with every assigner of
 * locations of one box. */
static void
test_learner (void)
{
  static const int aux_topks[] = { 0, 1, 9 };

  for (const char *const *names = defcn_assign_names (); *names; names++) {
    if (defcn_assign_find (*names)->anchors > 1)
      continue;
    for (gsize a = 0; a < 2 * G_N_ELEMENTS (aux_topks); a++) {
      const int aux_topk = aux_topks[a / 2];
      const DefcnStepRule rule =
          a % 2 ? whole_rule_of (*names, aux_topk) : rule_of (*names, aux_topk);

      check_learner (&rule);
    }
  }
}

/* And with every rule of tables 3, 4 and 9. */
static void
test_learner_rules (void)
{
  for (int kind = 0; defcn_auxiliary_names ()[kind]; kind++) {
    for (int additive = 0; additive < 2; additive++) {
      for (int radius = -1; radius < 2; radius++) {
        DefcnStepRule rule = rule_of ("poto", 9);

        rule.assign.auxiliary = kind;
        rule.assign.additive = additive;
        rule.assign.radius = radius;
        check_learner (&rule);
      }
    }
  }
}

/* The auxiliary loss is the auxiliary classifier's alone: it sees neither the
 * coarse one's logits nor the filter's, and the other loss not its. */
static void
test_aux_classifier (void)
{
  const DefcnStepRule with = rule_of ("poto", 9), without = rule_of ("poto", 0);
  Rig rig, plain;

  rig_init_with (&rig, &with, NULL, TRUE);
  rig_init_with (&plain, &without, NULL, TRUE);
  const DefcnStepLosses found = run (&rig, N_IMAGES, N_IMAGES);
  const DefcnStepLosses alone = run (&plain, N_IMAGES, N_IMAGES);
  static const struct
  {
    const char *name;
    gboolean alike;
  } params[] = { { "head.cls_score.weight", TRUE },
    { "head.cls_score.bias", TRUE }, { "head.filter.weight", TRUE },
    { "head.aux_score.weight", FALSE }, { "head.aux_score.bias", FALSE },
    { "head.cls_subnet.0.weight", FALSE } };

  g_assert_cmpfloat (found.cls, ==, alone.cls);
  g_assert_cmpfloat (found.aux, >, 0);
  for (gsize k = 0; k < G_N_ELEMENTS (params); k++) {
    const DefcnParam *p =
        defcn_params_lookup (defcn_model_params (rig.model), params[k].name);
    const DefcnParam *q =
        defcn_params_lookup (defcn_model_params (plain.model), params[k].name);
    const gboolean alike =
        memcmp (p->grad, q->grad, defcn_param_len (p) * sizeof (float)) == 0;

    if (alike != params[k].alike)
      g_error ("%s: gradient %s", params[k].name, alike ? "alike" : "differs");
  }

  /* Scores of the coarse classifier do not move the auxiliary loss. */
  set_all (rig.model, "head.cls_score.bias", 1, 1);
  defcn_params_upload (defcn_model_params (rig.model));
  g_assert_cmpfloat (run (&rig, N_IMAGES, N_IMAGES).aux, ==, found.aux);
  set_all (rig.model, "head.aux_score.bias", 1, 1);
  defcn_params_upload (defcn_model_params (rig.model));
  g_assert_cmpfloat (run (&rig, N_IMAGES, N_IMAGES).aux, !=, found.aux);
  rig_clear (&rig);
  rig_clear (&plain);
}

typedef struct
{
  DefcnStepRule rule;
  int micro;
  DefcnStepLosses want;
  float *gradients;
  gsize len;
  DefcnStepLosses parts[N_IMAGES];
} Parts;

/* One image of the batch, or of twice the batch two. */
static void
play_part (DefcnRanks *ranks, gpointer data)
{
  Parts *parts = data;
  const int rank = defcn_ranks_rank (ranks);
  g_autoptr (GError) error = NULL;
  DefcnExample *own[2];
  Rig rig;

  rig_init (&rig, &parts->rule, NULL);
  add_regions (&rig);
  own[0] = own[1] = rig.examples[rank];
  defcn_step_set_ranks (rig.step, ranks, NULL);
  for (int round = 0; round < 3; round++) {
    g_assert_true (defcn_step_run (rig.step, own, parts->micro, 1,
        &parts->parts[rank], &error));
    g_assert_no_error (error);
    assert_gradients (&rig, parts->gradients, parts->len);
  }
  defcn_ranks_free (ranks, TRUE);
  rig_clear (&rig);
}

/* The gradients of three ranks, each of which has a part of the batch, are
 * those of one process with the same micro-batches, from the first step on and
 * with several of them; so are the counts, and the losses are parts of its. */
static void
test_ranks (void)
{
  const DefcnStepRule rules[] = { rule_of ("poto", 0),
    whole_rule_of ("poto", 9) };

  for (guint k = 0; k < 2 * G_N_ELEMENTS (rules); k++) {
    Parts parts = { .rule = rules[k / 2], .micro = 1 + k % 2 };
    DefcnStepLosses sum = { 0 };
    DefcnExample *all[2 * N_IMAGES];
    g_autoptr (GError) error = NULL;
    Rig rig;

    rig_init (&rig, &parts.rule, NULL);
    add_regions (&rig);
    for (int i = 0; i < parts.micro * N_IMAGES; i++)
      all[i] = rig.examples[i / parts.micro];
    g_assert_true (defcn_step_run (rig.step, all, parts.micro * N_IMAGES, 1,
        &parts.want, &error));
    parts.gradients = gradients_of (&rig, &parts.len);
    hub_run (N_IMAGES, play_part, &parts);
    /* a bucket each round, told of behind the last micro-batch alone */
    g_assert_cmpint (hub_sums (), ==, 3 * N_IMAGES);
    for (int i = 0; i < N_IMAGES; i++) {
      defcn_step_add_losses (&sum, &parts.parts[i]);
      sum.n_foreground = parts.parts[i].n_foreground;
      sum.n_foreground_aux = parts.parts[i].n_foreground_aux;
      assert_losses (&(DefcnStepLosses){ .n_foreground = sum.n_foreground,
                         .n_foreground_aux = sum.n_foreground_aux },
          &(DefcnStepLosses){ .n_foreground = parts.want.n_foreground,
              .n_foreground_aux = parts.want.n_foreground_aux });
    }
    assert_losses (&sum, &parts.want);
    g_free (parts.gradients);
    rig_clear (&rig);
  }
}

static void
play_failing (DefcnRanks *ranks, gpointer data)
{
  const DefcnStepRule rule = rule_of ("poto", 0);
  g_autoptr (GError) error = NULL;
  DefcnStepLosses losses;
  Rig rig;

  rig_init (&rig, &rule, NULL);
  defcn_step_set_ranks (rig.step, ranks, NULL);
  if (hub_rank () == 1) {
    g_set_error (&error, G_FILE_ERROR, 0, "burns");
    defcn_ranks_fail (ranks, &error);
  } else {
    g_assert_false (
        defcn_step_run (rig.step, rig.examples, 1, 1, &losses, &error));
    g_assert_nonnull (strstr (error->message, "burns"));
  }
  defcn_ranks_free (ranks, FALSE);
  rig_clear (&rig);
}

/* A step ends with what another rank has failed of. */
static void
test_failing_rank (void)
{
  hub_run (2, play_failing, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/step/micro", test_micro);
  g_test_add_func ("/step/again", test_again);
  g_test_add_func ("/step/normalisers", test_normalisers);
  g_test_add_func ("/step/empty", test_empty);
  g_test_add_func ("/step/padding", test_padding);
  g_test_add_func ("/step/preprocess", test_preprocess);
  g_test_add_func ("/step/ignored", test_ignored);
  g_test_add_func ("/step/normalizer", test_normalizer);
  g_test_add_func ("/step/alpha", test_alpha);
  g_test_add_func ("/step/learner", test_learner);
  g_test_add_func ("/step/learner-rules", test_learner_rules);
  g_test_add_func ("/step/aux-classifier", test_aux_classifier);
  g_test_add_func ("/step/ranks", test_ranks);
  g_test_add_func ("/step/failing-rank", test_failing_rank);
  return g_test_run ();
}
