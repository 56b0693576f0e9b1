/* What a training step asks of the device, against the host on the same
 * predictions: qualities, assignments, losses, gradients. */
#include "train/loss.h"
#include "assign/assign.h"
#include "assign/atss.h"
#include "assign/auxiliary.h"
#include "assign/center.h"
#include "assign/fcos.h"
#include "assign/poto.h"

#include <math.h>
#include <string.h>

#include "../testing.h"

#define MAX_IMAGES 3
#define HEIGHT 12 /* of P3 */
#define WIDTH 18
#define GARBAGE 7.0f /* in gradients before */
#define TOLERANCE 1e-5
#define QUALITY_TOLERANCE 2e-6 /* of the quality: exponentials and powers */

/* What is special about the predictions or the objects. */
typedef enum
{
  PLAIN,
  TIES,    /* every location predicts the same */
  BROKEN,  /* logits, filters and sides that are not numbers */
  EXTREME, /* sigmoids of 0 and 1, boxes of no and of huge area */
  OUTSIDE, /* objects beyond the image */
  EMPTY,   /* objects of no area */
  IGNORED, /* objects without a class among the others */
} Kind;

typedef struct
{
  const char *name;
  Kind kind;
  int n_classes, n_images;
  int n_objects; /* of the last image; those before have fewer */
  gboolean filter;
  DefcnAssignRule rule;
  double aux_boxes;    /* weight of the auxiliary boxes, 0: no such loss */
  gboolean classifier; /* an auxiliary one */
} Case;

#define POTO &defcn_poto_hungarian
#define ARGMAX &defcn_poto_argmax
#define FCOS &defcn_fcos_assigner
#define CENTER &defcn_center_assigner
#define ATSS &defcn_atss_assigner

static const Case cases[] = {
  { "nothing", PLAIN, 80, 1, 0, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "nothing-argmax", PLAIN, 3, 2, 0, FALSE, { ARGMAX, 0.8f, 1.5f, 0 } },
  { "one", PLAIN, 80, 1, 1, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "one-no-filter", PLAIN, 80, 1, 1, FALSE, { POTO, 0.8f, 1.5f, 9 } },
  { "one-class", PLAIN, 1, 2, 7, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "no-aux", PLAIN, 20, 2, 7, TRUE, { POTO, 0.8f, 1.5f, 0 } },
  { "bare", PLAIN, 33, 2, 7, FALSE, { POTO, 0.8f, 1.5f, 0 } },
  { "batch", PLAIN, 80, 3, 9, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "crowd", PLAIN, 1, 2, 40, TRUE, { POTO, 0.8f, 0, 9 } },
  { "crowd-argmax", PLAIN, 1, 1, 40, FALSE, { ARGMAX, 0.8f, 1.5f, 9 } },
  { "argmax", PLAIN, 80, 2, 9, TRUE, { ARGMAX, 0.8f, 1.5f, 9 } },
  { "fcos", PLAIN, 80, 3, 9, FALSE, { FCOS, 0.8f, 1.5f, 0 } },
  { "fcos-aux", PLAIN, 5, 2, 9, TRUE, { FCOS, 0.8f, 1.5f, 3 } },
  { "top-1", PLAIN, 5, 1, 6, TRUE, { POTO, 0.8f, 1.5f, 1 } },
  { "top-of-all", PLAIN, 5, 1, 3, TRUE, { POTO, 0.8f, 1.5f, 220 } },
  { "class-alone", PLAIN, 5, 1, 6, TRUE, { POTO, 0, 1.5f, 9 } },
  { "box-alone", PLAIN, 5, 1, 6, TRUE, { POTO, 1, 1.5f, 9 } },
  { "ties", TIES, 2, 2, 12, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "ties-argmax", TIES, 2, 2, 12, FALSE, { ARGMAX, 0.8f, 0, 9 } },
  { "broken", BROKEN, 5, 2, 12, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "broken-no-filter", BROKEN, 5, 2, 12, FALSE, { POTO, 0.8f, 0, 9 } },
  { "broken-argmax", BROKEN, 80, 1, 12, TRUE, { ARGMAX, 0.8f, 1.5f, 9 } },
  { "extreme", EXTREME, 5, 2, 12, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "extreme-no-filter", EXTREME, 5, 2, 12, FALSE, { ARGMAX, 0.8f, 0, 9 } },
  { "outside", OUTSIDE, 5, 2, 6, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "outside-argmax", OUTSIDE, 5, 2, 6, TRUE, { ARGMAX, 0.8f, 0, 9 } },
  { "empty", EMPTY, 5, 2, 6, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "empty-fcos", EMPTY, 5, 2, 6, TRUE, { FCOS, 0.8f, 1.5f, 9 } },
  { "ignored", IGNORED, 5, 2, 9, TRUE, { POTO, 0.8f, 1.5f, 9 } },
  { "skipped", OUTSIDE, 5, 2, 6, TRUE, { POTO, 0.8f, 1.5f, 9, TRUE } },
  { "skipped-broken", BROKEN, 5, 2, 12, TRUE, { POTO, 0.8f, 1.5f, 9, TRUE } },
  { "regions", IGNORED, 5, 2, 9, TRUE, { POTO, 0.8f, 1.5f, 9, FALSE, TRUE } },
  { "regions-bare", IGNORED, 33, 3, 15, FALSE,
      { POTO, 0.8f, 0, 0, FALSE, TRUE } },
  { "regions-one-class", IGNORED, 1, 3, 21, FALSE,
      { ARGMAX, 0.8f, 1.5f, 9, FALSE, TRUE }, 1 },
  { "regions-fcos", IGNORED, 80, 2, 9, TRUE,
      { FCOS, 0.8f, 1.5f, 3, FALSE, TRUE }, 0.5 },
  { "regions-alone", IGNORED, 5, 1, 1, TRUE,
      { POTO, 0.8f, 1.5f, 9, FALSE, TRUE }, 0.5 },
  { "aux-boxes", PLAIN, 80, 3, 9, TRUE, { POTO, 0.8f, 1.5f, 9 }, 0.75 },
  { "aux-boxes-fcos", PLAIN, 5, 2, 9, FALSE, { FCOS, 0.8f, 1.5f, 9 }, 2 },
  { "aux-boxes-crowd", PLAIN, 1, 2, 40, TRUE, { POTO, 0.8f, 0, 40 }, 1 },
  { "aux-boxes-many", TIES, 2, 3, 40, TRUE, { POTO, 0, 1.5f, 220 }, 1 },
  { "aux-boxes-none", PLAIN, 5, 2, 0, TRUE, { POTO, 0.8f, 1.5f, 9 }, 1 },
  { "all", IGNORED, 20, 3, 18, TRUE, { POTO, 0.8f, 1.5f, 9, TRUE, TRUE }, 0.75,
      TRUE },
  { "anywhere", PLAIN, 5, 2, 7, TRUE, { POTO, 0.8f, -1, 9 } },
  { "anywhere-broken", BROKEN, 5, 2, 7, TRUE, { ARGMAX, 0.8f, -1, 0 } },
  { "sum", PLAIN, 5, 2, 9, TRUE, { POTO, 0.5f, 1.5f, 9, FALSE, FALSE, TRUE } },
  { "sum-broken", BROKEN, 5, 2, 9, TRUE,
      { POTO, 0.8f, 1.5f, 9, TRUE, FALSE, TRUE } },
  { "sum-class-alone", PLAIN, 5, 1, 6, FALSE,
      { ARGMAX, 0, 1.5f, 0, FALSE, FALSE, TRUE } },
  { "center", PLAIN, 5, 2, 9, FALSE, { CENTER, 0.8f, 1.5f, 0 } },
  { "atss", PLAIN, 5, 2, 9, FALSE, { ATSS, 0.8f, 1.5f, 0 } },
  { "aux-topk", PLAIN, 5, 2, 9, TRUE,
      { POTO, 0.8f, 1.5f, 9, FALSE, FALSE, FALSE,
          DEFCN_AUXILIARY_QUALITY_TOPK },
      0.5 },
  { "aux-fcos", PLAIN, 5, 2, 9, TRUE,
      { POTO, 0.8f, 1.5f, 9, FALSE, FALSE, FALSE, DEFCN_AUXILIARY_FCOS }, 0.5 },
  { "aux-atss", IGNORED, 5, 2, 9, TRUE,
      { POTO, 0.8f, 1.5f, 9, FALSE, TRUE, FALSE, DEFCN_AUXILIARY_ATSS } },
  { "classifier", PLAIN, 80, 2, 9, TRUE, { POTO, 0.8f, 1.5f, 9 }, 0, TRUE },
  { "classifier-bare", PLAIN, 1, 2, 9, FALSE, { ARGMAX, 0.8f, 1.5f, 9 }, 0,
      TRUE },
  { "classifier-broken", BROKEN, 5, 2, 12, TRUE, { POTO, 0.8f, 1.5f, 9 }, 1,
      TRUE },
};

enum
{
  LOGITS,
  DELTAS,
  FILTER,
  AUX_LOGITS,
  N_HEADS
};

/* The predictions of a batch on both sides, and what becomes of them. */
typedef struct
{
  const Case *c;
  DefcnBackend *be;
  DefcnTensor tensors[N_HEADS][DEFCN_N_LEVELS];
  DefcnTensor *list[N_HEADS][DEFCN_N_LEVELS];
  DefcnHeads heads;
  float *values[N_HEADS][DEFCN_N_LEVELS], *grads[N_HEADS][DEFCN_N_LEVELS];
  DefcnLevel levels[MAX_IMAGES][DEFCN_N_LEVELS];
  DefcnLevelGrad image_grads[MAX_IMAGES][DEFCN_N_LEVELS];
  GArray *objects[MAX_IMAGES];
  DefcnAssignment *assignments[MAX_IMAGES], *aux[MAX_IMAGES];
  int n_locations;
} Rig;

/* One for all cases: its memory grows and stays. */
static DefcnBackend *backend;

/* FALSE where there is none and the test is skipped. */
static gboolean
have_backend (void)
{
  g_autoptr (GError) error = NULL;

  if (!backend)
    backend = defcn_backend_new_in (testing_backend (), "fp32", 1, &error);
  if (!backend)
    testing_no_backend (error);
  else if (!backend->learner)
    g_error ("backend \"%s\" has no learner", testing_backend ());
  return backend != NULL;
}

static float
prediction (GRand *rand, Kind kind, int head)
{
  const double u = g_rand_double (rand);
  const gboolean strange = g_rand_int_range (rand, 0, 6) == 0;

  if (kind == TIES)
    return head == DELTAS ? 20 : -0.5f;
  if (kind == BROKEN && strange)
    return NAN;
  if (kind == EXTREME && head == DELTAS)
    return strange ? 0 : u < 0.2 ? 1e6 : 60 * u;
  if (kind == EXTREME)
    return strange ? 0 : u < 0.5 ? -120 * u : 120 * u;
  return head == DELTAS ? MAX (0, 90 * u - 10) : 8 * u - 5;
}

static DefcnObject
object (GRand *rand, const Case *c, int i)
{
  const float w = g_rand_double_range (rand, 6, 120);
  const float h = g_rand_double_range (rand, 6, 90);
  const float x = g_rand_double_range (rand, -10, WIDTH * 8 - 20);
  const float y = g_rand_double_range (rand, -10, HEIGHT * 8 - 20);
  DefcnObject o = { .x1 = x,
    .y1 = y,
    .x2 = x + w,
    .y2 = y + h,
    .label = g_rand_int_range (rand, 0, c->n_classes) };

  if (c->kind == TIES) { /* sides that are predicted exactly, too */
    o.x1 = 8 * floorf (o.x1 / 8);
    o.y1 = 8 * floorf (o.y1 / 8);
    o.x2 = o.x1 + 8 * ceilf (w / 8);
    o.y2 = o.y1 + 8 * ceilf (h / 8);
  }
  if (c->kind == OUTSIDE && i % 2 == 0) {
    o.x1 += 1000;
    o.x2 += 1000;
  }
  if (c->kind == EMPTY && i % 3 > 0) {
    o.x2 = o.x1;
    o.y2 = i % 3 == 1 ? o.y1 : o.y2;
  }
  if (c->kind == IGNORED && i % 3 == 0)
    o.label = -1;
  return o;
}

/* Side @side of level @level. */
static int
halved (int side, int level)
{
  return (side + (1 << level) - 1) >> level;
}

static void
make_head (Rig *rig, GRand *rand, int head, int l)
{
  const Case *c = rig->c;
  const int channels[N_HEADS] = { c->n_classes, 4, 1, c->n_classes };
  DefcnTensor *t = &rig->tensors[head][l];

  *t = (DefcnTensor){ .n = c->n_images,
    .h = halved (HEIGHT, l),
    .w = halved (WIDTH, l),
    .c = channels[head],
    .role = DEFCN_TENSOR_ACTIVATION,
    .precise = TRUE };
  if ((head == FILTER && !c->filter) || (head == AUX_LOGITS && !c->classifier))
    return;

  const gsize len = defcn_tensor_len (t), each = len / c->n_images;
  float *value = rig->values[head][l] = g_new (float, len);
  float *grad = rig->grads[head][l] = g_new0 (float, len);
  for (gsize i = 0; i < len; i++)
    value[i] = prediction (rand, c->kind, head);
  t->data = rig->be->alloc (rig->be, rig->be->size (rig->be, t));
  t->grad = rig->be->alloc (rig->be, rig->be->size (rig->be, t));
  rig->be->upload (rig->be, t, t->data, value);
  rig->list[head][l] = t;
  for (int i = 0; i < c->n_images; i++) {
    DefcnLevel *level = &rig->levels[i][l];
    DefcnLevelGrad *g = &rig->image_grads[i][l];

    *(head == LOGITS         ? &level->logits
            : head == DELTAS ? &level->deltas
            : head == FILTER ? &level->filter
                             : &level->aux_logits) = value + i * each;
    *(head == LOGITS         ? &g->logits
            : head == DELTAS ? &g->deltas
            : head == FILTER ? &g->filter
                             : &g->aux_logits) = grad + i * each;
  }
}

static void
rig_open (Rig *rig, const Case *c, DefcnBackend *be)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  *rig = (Rig){ .c = c, .be = be };
  rig->heads =
      (DefcnHeads){ rig->list[LOGITS], rig->list[DELTAS], rig->list[FILTER],
        c->classifier ? rig->list[AUX_LOGITS] : NULL, DEFCN_N_LEVELS };
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    rig->heads.strides[l] = 8 << l;
    for (int i = 0; i < c->n_images; i++)
      rig->levels[i][l] = (DefcnLevel){ .h = halved (HEIGHT, l),
        .w = halved (WIDTH, l),
        .stride = 8 << l };
    for (int head = 0; head < N_HEADS; head++)
      make_head (rig, rand, head, l);
  }
  rig->n_locations = defcn_points_count (rig->levels[0], DEFCN_N_LEVELS);
  for (int i = 0; i < c->n_images; i++) {
    rig->objects[i] = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    for (int k = 0; k < c->n_objects * (i + 1) / c->n_images; k++) {
      const DefcnObject o = object (rand, c, k);

      g_array_append_val (rig->objects[i], o);
    }
    rig->assignments[i] = defcn_assignment_new (rig->n_locations, c->n_classes);
    rig->aux[i] = defcn_assignment_new (rig->n_locations, c->n_classes);
    defcn_assign_run (rig->assignments[i], &c->rule, rig->levels[i],
        DEFCN_N_LEVELS, rig->objects[i], NULL, 0);
    if (c->rule.aux_topk > 0)
      defcn_auxiliary_run (rig->aux[i], &c->rule, rig->levels[i],
          DEFCN_N_LEVELS, rig->objects[i], NULL, 0);
  }
}

static void
rig_close (Rig *rig)
{
  for (int head = 0; head < N_HEADS; head++) {
    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      g_free (rig->values[head][l]);
      g_free (rig->grads[head][l]);
      if (rig->list[head][l]) {
        rig->be->free (rig->be, rig->list[head][l]->data);
        rig->be->free (rig->be, rig->list[head][l]->grad);
      }
    }
  }
  for (int i = 0; i < rig->c->n_images; i++) {
    g_array_unref (rig->objects[i]);
    defcn_assignment_free (rig->assignments[i]);
    defcn_assignment_free (rig->aux[i]);
  }
}

/* Whether @a is @b within @tolerance of it, of what is below @least of that. */
static gboolean
is_close (double a, double b, double tolerance, double least)
{
  if (isnan (b))
    return isnan (a);
  return a == b || fabs (a - b) <= tolerance * MAX (fabs (b), least);
}

static DefcnQualities *
ask (Rig *rig)
{
  DefcnQualities *q = defcn_qualities_new ();
  g_autoptr (GError) error = NULL;

  defcn_qualities_begin (q, &rig->c->rule);
  for (int i = 0; i < rig->c->n_images; i++) {
    DefcnLevel shapes[DEFCN_N_LEVELS];

    for (int l = 0; l < DEFCN_N_LEVELS; l++)
      shapes[l] = (DefcnLevel){ .h = rig->levels[i][l].h,
        .w = rig->levels[i][l].w,
        .stride = rig->levels[i][l].stride };
    defcn_qualities_add (q, shapes, DEFCN_N_LEVELS, rig->objects[i]);
  }
  g_assert_true (defcn_qualities_run (q, rig->be, &rig->heads, &error));
  g_assert_no_error (error);
  return q;
}

/* The matrix of image @i; the device leaves out rows of ignored objects. */
static void
check_qualities (Rig *rig, const DefcnQualities *q, int i)
{
  const GArray *objects = rig->objects[i];
  const int n = rig->n_locations;
  g_autofree float *wanted = g_new (float, n);
  g_autofree DefcnPoint *points =
      defcn_points_new (rig->levels[i], DEFCN_N_LEVELS, rig->c->n_classes);
  g_autofree float *found = g_new (float, (gsize) objects->len *n);
  int row = 0;

  defcn_qualities_fill (q, found, i, n);
  for (guint k = 0; k < objects->len; k++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, k);

    if (o->label < 0)
      continue;
    defcn_poto_qualities (wanted, &rig->c->rule, points, n, &o, 1);
    for (int j = 0; j < n; j++)
      if (!is_close (found[(gsize) row * n + j], wanted[j], QUALITY_TOLERANCE,
              0))
        g_error ("image %d, object %u, location %d: %.9g, wanted %.9g", i, k, j,
            found[(gsize) row * n + j], wanted[j]);
    row++;
  }
}

static void
assert_same (const DefcnAssignment *found, const DefcnAssignment *wanted)
{
  const gsize bytes = wanted->n_locations * sizeof (int);

  g_assert_cmpint (found->n_foreground, ==, wanted->n_foreground);
  g_assert_cmpmem (found->classes, bytes, wanted->classes, bytes);
  g_assert_cmpmem (found->objects, bytes, wanted->objects, bytes);
  for (int j = 0; j < wanted->n_locations; j++)
    if (wanted->objects[j] >= 0)
      g_assert_cmpmem (found->targets[j], sizeof (float[4]), wanted->targets[j],
          sizeof (float[4]));
}

/* The matching from the device's qualities is that from the host's. */
static void
test_assignment (gconstpointer data)
{
  const Case *c = data;
  DefcnLevel shapes[DEFCN_N_LEVELS];
  Rig rig;

  if (!have_backend ())
    return;
  rig_open (&rig, c, backend);
  g_autoptr (DefcnQualities) q = ask (&rig);

  for (int i = 0; i < c->n_images; i++) {
    g_autoptr (DefcnAssignment) a =
        defcn_assignment_new (rig.n_locations, c->n_classes);
    g_autoptr (DefcnAssignment) aux =
        defcn_assignment_new (rig.n_locations, c->n_classes);

    for (int l = 0; l < DEFCN_N_LEVELS; l++)
      shapes[l] = (DefcnLevel){ .h = rig.levels[i][l].h,
        .w = rig.levels[i][l].w,
        .stride = rig.levels[i][l].stride };
    if (c->rule.assigner->has_quality)
      check_qualities (&rig, q, i);
    defcn_assign_run (a, &c->rule, shapes, DEFCN_N_LEVELS, rig.objects[i], q,
        i);
    assert_same (a, rig.assignments[i]);
    if (c->rule.aux_topk == 0)
      continue;
    defcn_auxiliary_run (aux, &c->rule, shapes, DEFCN_N_LEVELS, rig.objects[i],
        q, i);
    assert_same (aux, rig.aux[i]);
  }
  rig_close (&rig);
}

static void
list_positives (GArray *positives, GArray *targets, const DefcnAssignment *a,
    int image)
{
  for (int j = 0; j < a->n_locations; j++) {
    const DefcnPositive p = { image, j, a->classes[j] };

    if (a->objects[j] < 0)
      continue;
    g_array_append_val (positives, p);
    g_array_append_val (targets, a->targets[j]);
  }
}

/* What either assignment of image @image ignores; foreground of one that the
 * other ignores is among it.  Returns: how many of these. */
static int
list_ignored (GArray *ignored, const DefcnAssignment *a,
    const DefcnAssignment *aux, int image)
{
  int n = 0;

  for (int j = 0; j < a->n_locations; j++) {
    const DefcnPositive p = { image, j, DEFCN_LABEL_IGNORED };
    const gboolean either = a->classes[j] == DEFCN_CLASS_IGNORED
        || aux->classes[j] == DEFCN_CLASS_IGNORED;

    if (!either)
      continue;
    g_array_append_val (ignored, p);
    n += a->objects[j] >= 0 || aux->objects[j] >= 0;
  }
  return n;
}

/* Losses on the device; no gradient was zero before.  FALSE with @error. */
static gboolean
device_losses (Rig *rig, DefcnLossSums *sums, const DefcnLossInput *scales,
    GError **error)
{
  g_autoptr (GArray) positives =
      g_array_new (FALSE, FALSE, sizeof (DefcnPositive));
  g_autoptr (GArray) aux = g_array_new (FALSE, FALSE, sizeof (DefcnPositive));
  g_autoptr (GArray) targets = g_array_new (FALSE, FALSE, sizeof (float[4]));
  g_autoptr (GArray) aux_targets =
      g_array_new (FALSE, FALSE, sizeof (float[4]));
  g_autoptr (GArray) ignored =
      g_array_new (FALSE, FALSE, sizeof (DefcnPositive));
  DefcnLossInput input = *scales;
  int n_both = 0;

  for (int head = 0; head < N_HEADS; head++) {
    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      DefcnTensor *t = rig->list[head][l];
      const gsize len = t ? defcn_tensor_len (t) : 0;
      g_autofree float *garbage = g_new (float, len);

      for (gsize i = 0; i < len; i++)
        garbage[i] = GARBAGE;
      if (t)
        rig->be->upload (rig->be, t, t->grad, garbage);
    }
  }
  for (int i = 0; i < rig->c->n_images; i++) {
    list_positives (positives, targets, rig->assignments[i], i);
    list_positives (aux, aux_targets, rig->aux[i], i);
    n_both += list_ignored (ignored, rig->assignments[i], rig->aux[i], i);
  }
  g_assert_cmpint (ignored->len > 0, ==, rig->c->rule.ignore_regions);
  if (input.has_aux && positives->len > 0)
    g_assert_cmpint (n_both > 0, ==, rig->c->rule.ignore_regions);
  input.ignored = (const DefcnPositive *) (gpointer) ignored->data;
  input.n_ignored = ignored->len;
  input.positives = (const DefcnPositive *) (gpointer) positives->data;
  input.targets = (const float (*)[4]) (gpointer) targets->data;
  input.n_positives = positives->len;
  input.aux = (const DefcnPositive *) (gpointer) aux->data;
  input.n_aux = aux->len;
  if (input.aux_box_scale > 0)
    input.aux_targets = (const float (*)[4]) (gpointer) aux_targets->data;
  if (!rig->be->learner->losses (rig->be, &rig->heads, &input, error))
    return FALSE;
  rig->be->learner->sums (rig->be, sums);
  return rig->be->sync (rig->be, error);
}

static DefcnLossSums
host_losses (Rig *rig, const DefcnLossInput *scales)
{
  DefcnLossSums sums = { 0 };

  for (int i = 0; i < rig->c->n_images; i++) {
    DefcnLevelGrad *grads = rig->image_grads[i];
    const DefcnLevel *levels = rig->levels[i];

    sums.cls += defcn_loss_focal (grads, levels, DEFCN_N_LEVELS,
        rig->assignments[i], scales->cls_scale);
    sums.box += defcn_loss_giou (grads, levels, DEFCN_N_LEVELS,
        rig->assignments[i], scales->box_scale);
    if (scales->has_aux)
      sums.aux += defcn_loss_aux (grads, levels, DEFCN_N_LEVELS, rig->aux[i],
          scales->aux_scale);
    if (scales->aux_box_scale > 0)
      sums.aux += defcn_loss_giou (grads, levels, DEFCN_N_LEVELS, rig->aux[i],
          scales->aux_box_scale);
  }
  return sums;
}

/* All gradients of the device, one after the other. */
static GArray *
gradients (const Rig *rig)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (float));

  for (int head = 0; head < N_HEADS; head++) {
    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      const DefcnTensor *t = rig->list[head][l];
      const guint at = all->len;

      if (!t)
        continue;
      g_array_set_size (all, at + defcn_tensor_len (t));
      rig->be->download (rig->be, t, (float *) (gpointer) all->data + at,
          t->grad);
    }
  }
  return all;
}

static void
check_gradients (const Rig *rig, const GArray *found)
{
  static const char *const names[] = { "logits", "deltas", "filter" };
  guint at = 0;

  for (int head = 0; head < N_HEADS; head++) {
    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      const DefcnTensor *t = rig->list[head][l];
      const gsize len = t ? defcn_tensor_len (t) : 0;

      for (gsize i = 0; i < len; i++, at++) {
        const float a = g_array_index (found, float, at);
        const float b = rig->grads[head][l][i];

        if (!is_close (a, b, TOLERANCE, 1e-3))
          g_error ("%s of level %d, %" G_GSIZE_FORMAT ": %.9g, wanted %.9g",
              names[head], l, i, a, b);
      }
    }
  }
  g_assert_cmpuint (at, ==, found->len);
}

static void
check_sum (const char *name, double found, double wanted)
{
  if (!is_close (found, wanted, TOLERANCE, 0))
    g_error ("%s: %.12g, wanted %.12g", name, found, wanted);
}

static DefcnLossInput
scales_of (const Rig *rig)
{
  int n = 0, n_aux = 0;

  for (int i = 0; i < rig->c->n_images; i++) {
    n += rig->assignments[i]->n_foreground;
    n_aux += rig->aux[i]->n_foreground;
  }
  return (DefcnLossInput){ .has_aux = rig->c->rule.aux_topk > 0,
    .cls_scale = 1.0 / MAX (1, n),
    .box_scale = 2.0 / MAX (1, n),
    .aux_scale = 1.0 / MAX (1, n_aux),
    .aux_box_scale = rig->c->aux_boxes / MAX (1, n_aux) };
}

/* Losses and every gradient are the host's, also where both losses meet and
 * where there is none; and they repeat to the bit in any order of threads. */
static void
test_losses (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  DefcnLossSums found, again;
  Rig rig;

  if (!have_backend ())
    return;
  rig_open (&rig, data, backend);
  const DefcnLossInput scales = scales_of (&rig);
  const DefcnLossSums wanted = host_losses (&rig, &scales);

  g_assert_true (device_losses (&rig, &found, &scales, &error));
  g_assert_no_error (error);
  check_sum ("classes", found.cls, wanted.cls);
  check_sum ("boxes", found.box, wanted.box);
  check_sum ("auxiliary", found.aux, wanted.aux);
  g_autoptr (GArray) first = gradients (&rig);
  check_gradients (&rig, first);

  const gboolean was_reversed = g_getenv ("DEFCN_EMULATE_REVERSE") != NULL;
  if (was_reversed)
    g_unsetenv ("DEFCN_EMULATE_REVERSE");
  else
    g_setenv ("DEFCN_EMULATE_REVERSE", "1", TRUE);
  g_assert_true (device_losses (&rig, &again, &scales, &error));
  g_autoptr (GArray) second = gradients (&rig);
  if (was_reversed)
    g_setenv ("DEFCN_EMULATE_REVERSE", "1", TRUE);
  else
    g_unsetenv ("DEFCN_EMULATE_REVERSE");
  g_assert_cmpmem (&again, sizeof again, &found, sizeof found);
  g_assert_cmpmem (second->data, second->len * sizeof (float), first->data,
      first->len * sizeof (float));
  rig_close (&rig);
}

/* Memory that cannot be had is an error that says for what, and the next step
 * works. */
static void
test_no_memory (void)
{
  static const Case c = { "", PLAIN, 80, 2, 9, TRUE, { POTO, 0.8f, 1.5f, 9 } };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new_in (testing_backend (), "fp32", 1, &error);
  g_autoptr (DefcnQualities) q = defcn_qualities_new ();
  DefcnLossSums sums;
  Rig rig;

  if (!be) {
    testing_no_backend (error);
    return;
  }
  rig_open (&rig, &c, be);
  const DefcnLossInput scales = scales_of (&rig);

  g_setenv ("DEFCN_EMULATE_FAIL", "alloc:1", TRUE);
  defcn_qualities_begin (q, &c.rule);
  for (int i = 0; i < c.n_images; i++)
    defcn_qualities_add (q, rig.levels[i], DEFCN_N_LEVELS, rig.objects[i]);
  if (defcn_qualities_run (q, be, &rig.heads, &error)) {
    g_test_skip ("a real device, which has memory");
  } else {
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
    g_assert_nonnull (strstr (error->message, "qualities: no "));
    g_clear_error (&error);
    g_assert_false (device_losses (&rig, &sums, &scales, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
    g_assert_nonnull (strstr (error->message, "losses: no "));
    g_clear_error (&error);
  }
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  g_assert_true (defcn_qualities_run (q, be, &rig.heads, &error));
  g_assert_true (device_losses (&rig, &sums, &scales, &error));
  g_assert_no_error (error);
  rig_close (&rig);
}

/* A device that is lost while qualities are computed is an error, and no match
 * is made of what did not arrive. */
static void
test_lost (void)
{
  static const Case c = { "", PLAIN, 5, 1, 3, TRUE, { POTO, 0.8f, 1.5f, 9 } };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnQualities) q = defcn_qualities_new ();
  Rig rig;

  if (!have_backend ())
    return;
  rig_open (&rig, &c, backend);
  defcn_qualities_begin (q, &c.rule);
  defcn_qualities_add (q, rig.levels[0], DEFCN_N_LEVELS, rig.objects[0]);
  g_setenv ("DEFCN_EMULATE_FAIL", "sync:1", TRUE);
  if (defcn_qualities_run (q, backend, &rig.heads, &error))
    g_test_skip ("a real device, which is not lost");
  else
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  rig_close (&rig);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *assignment =
        g_strdup_printf ("/learner/assignment/%s", cases[i].name);
    g_autofree char *losses =
        g_strdup_printf ("/learner/losses/%s", cases[i].name);

    g_test_add_data_func (assignment, &cases[i], test_assignment);
    g_test_add_data_func (losses, &cases[i], test_losses);
  }
  g_test_add_func ("/learner/no-memory", test_no_memory);
  g_test_add_func ("/learner/lost", test_lost);
  const int status = g_test_run ();
  g_clear_pointer (&backend, defcn_backend_free);
  return status;
}
