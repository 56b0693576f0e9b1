/* Label assignment on predictions small enough to work out by hand. */
#include "assign/assign.h"

#include "assign/anchor.h"
#include "assign/atss.h"
#include "assign/auxiliary.h"
#include "assign/center.h"
#include "assign/fcos.h"
#include "assign/foreground_loss.h"
#include "assign/poto.h"
#include "assign/retinanet.h"

#include <math.h>
#include <string.h>

#define N_CLASSES 2
#define MAX_LEVELS 5
#define MAX_LOCATIONS 512

/* A pyramid of square levels, h = side, then its halves rounded up.  Every
 * location starts with logits and filter 0 (p = 1/2) and no box. */
typedef struct
{
  DefcnLevel levels[MAX_LEVELS];
  int n_levels, n;
  float logits[MAX_LOCATIONS * N_CLASSES], deltas[MAX_LOCATIONS * 4],
      filter[MAX_LOCATIONS];
} Scene;

static Scene *
scene_new (int n_levels, int side, gboolean filter)
{
  Scene *s = g_new0 (Scene, 1);

  s->n_levels = n_levels;
  for (int l = 0; l < n_levels; l++) {
    s->levels[l] = (DefcnLevel){ .h = side,
      .w = side,
      .stride = 8 << l,
      .logits = s->logits + s->n * N_CLASSES,
      .deltas = s->deltas + s->n * 4,
      .filter = filter ? s->filter + s->n : NULL };
    s->n += side * side;
    side = (side + 1) / 2;
  }
  g_assert_cmpint (s->n, <=, MAX_LOCATIONS);
  g_assert_cmpint (s->n, ==, defcn_points_count (s->levels, n_levels));
  return s;
}

static DefcnObject
object (float x1, float y1, float x2, float y2, int label)
{
  return (
      DefcnObject){ .x1 = x1, .y1 = y1, .x2 = x2, .y2 = y2, .label = label };
}

/* Makes location @j predict the box of @o scaled about its centre. */
static void
predict (Scene *s, int j, const DefcnObject *o, float grow)
{
  g_autofree DefcnPoint *points =
      defcn_points_new (s->levels, s->n_levels, N_CLASSES);
  const float dx = (grow - 1) * (o->x2 - o->x1) / 2;
  const float dy = (grow - 1) * (o->y2 - o->y1) / 2;
  float *d = s->deltas + 4 * j;

  defcn_point_targets (d, &points[j], o);
  d[0] += dx;
  d[1] += dy;
  d[2] += dx;
  d[3] += dy;
}

static GArray *
objects_new (const DefcnObject *objects, guint n)
{
  GArray *array = g_array_new (FALSE, FALSE, sizeof (DefcnObject));

  return g_array_append_vals (array, objects, n);
}

static const DefcnAssignRule poto = { &defcn_poto_hungarian, 0.8f, 1.5f, 9 };
static const DefcnAssignRule inside = { &defcn_poto_hungarian, 0.8f, 0, 9 };
static const DefcnAssignRule argmax = { &defcn_poto_argmax, 0.8f, 1.5f, 9 };
static const DefcnAssignRule fcos = { &defcn_fcos_assigner, 0.8f, 1.5f, 9 };
static const DefcnAssignRule center = { &defcn_center_assigner, 0.8f, 1.5f, 9 };
static const DefcnAssignRule anchor = { &defcn_anchor_assigner, 0.8f, 1.5f, 9 };
static const DefcnAssignRule atss = { &defcn_atss_assigner, 0.8f, 1.5f, 9 };
static const DefcnAssignRule loss = { &defcn_foreground_loss_assigner, 0.8f,
  1.5f, 9 };

static DefcnAssignment *
run (const Scene *s, const DefcnAssignRule *rule, const DefcnObject *objects,
    guint n)
{
  g_autoptr (GArray) array = objects_new (objects, n);
  DefcnAssignment *a = defcn_assignment_new (s->n, N_CLASSES);

  /* What was there before must not show. */
  for (int j = 0; j < s->n; j++)
    a->classes[j] = a->objects[j] = 77;
  defcn_assign_run (a, rule, s->levels, s->n_levels, array, NULL, 0);
  return a;
}

/* Foreground is exactly the @n locations of @want (location, object) with the
 * objects' classes and targets; all else is background. */
static void
check (const DefcnAssignment *a, const Scene *s, const DefcnObject *objects,
    const int (*want)[2], int n)
{
  g_autofree DefcnPoint *points =
      defcn_points_new (s->levels, s->n_levels, N_CLASSES);

  g_assert_cmpint (a->n_foreground, ==, n);
  for (int j = 0; j < s->n; j++) {
    int expected = -1;

    for (int k = 0; k < n; k++)
      if (want[k][0] == j)
        expected = want[k][1];
    g_assert_cmpint (a->objects[j], ==, expected);
    g_assert_cmpint (a->classes[j], ==,
        expected < 0 ? N_CLASSES : objects[expected].label);
    if (expected < 0)
      continue;
    g_assert_cmpfloat (a->targets[j][0], ==,
        points[j].x - objects[expected].x1);
    g_assert_cmpfloat (a->targets[j][1], ==,
        points[j].y - objects[expected].y1);
    g_assert_cmpfloat (a->targets[j][2], ==,
        objects[expected].x2 - points[j].x);
    g_assert_cmpfloat (a->targets[j][3], ==,
        objects[expected].y2 - points[j].y);
  }
}

/* Locations run level by level, row by row, at the middle of their cells. */
static void
test_locations (void)
{
  g_autofree Scene *s = scene_new (3, 3, TRUE);
  g_autofree DefcnPoint *points =
      defcn_points_new (s->levels, s->n_levels, N_CLASSES);
  static const float want[][4] = { { 0, 4, 4, 8 }, { 1, 12, 4, 8 },
    { 3, 4, 12, 8 }, { 8, 20, 20, 8 }, { 9, 8, 8, 16 }, { 10, 24, 8, 16 },
    { 12, 24, 24, 16 }, { 13, 16, 16, 32 } };

  g_assert_cmpint (s->n, ==, 14);
  for (gsize k = 0; k < G_N_ELEMENTS (want); k++) {
    const int j = want[k][0];

    g_assert_cmpfloat (points[j].x, ==, want[k][1]);
    g_assert_cmpfloat (points[j].y, ==, want[k][2]);
    g_assert_cmpfloat (points[j].stride, ==, want[k][3]);
    g_assert_true (points[j].logits == s->logits + j * N_CLASSES);
    g_assert_true (points[j].filter == s->filter + j);
  }
}

/* Quality is p^(1 - alpha) IoU^alpha with the filter in p, and -1 outside the
 * prior. */
static void
test_quality (void)
{
  static const float alphas[] = { 0, 0.5f, 0.8f, 1 };

  for (gsize k = 0; k < G_N_ELEMENTS (alphas); k++) {
    g_autofree Scene *s = scene_new (1, 8, TRUE);
    DefcnAssignRule rule = poto;
    const DefcnObject o = object (8, 8, 56, 56, 1), *list[] = { &o };
    g_autofree float *q = g_new (float, s->n);
    const int middle = 3 * 8 + 3;

    rule.alpha = alphas[k];
    predict (s, middle, &o, 0.5f); /* IoU 1/4 */
    s->logits[middle * N_CLASSES + 1] = 1;
    s->filter[middle] = 2;
    g_autofree DefcnPoint *points =
        defcn_points_new (s->levels, s->n_levels, N_CLASSES);
    defcn_poto_qualities (q, &rule, points, s->n, list, 1);

    const double p = 1 / (1 + exp (-1)) / (1 + exp (-2));
    g_assert_cmpfloat_with_epsilon (q[middle],
        pow (p, 1 - alphas[k]) * pow (0.25, alphas[k]), 1e-6);
    /* inside the radius with no overlap: 0^alpha, and 0^0 is 1 */
    g_assert_cmpfloat_with_epsilon (q[middle + 1], alphas[k] > 0 ? 0 : 0.25,
        1e-6);
    /* a logit that is not a number, of a box that overlaps and of one that
     * does not; only alpha 1 does not look at it */
    for (int at = middle; at <= middle + 1 && rule.alpha < 1; at++) {
      const float keep = s->logits[at * N_CLASSES + 1];

      s->logits[at * N_CLASSES + 1] = NAN;
      defcn_poto_qualities (q, &rule, points, s->n, list, 1);
      g_assert_cmpfloat (q[at], ==, -1);
      s->logits[at * N_CLASSES + 1] = keep;
    }
    /* centre 32, 32: the cells at 12 +- strides are out of 1.5 strides */
    g_assert_cmpfloat (q[3 * 8 + 1], ==, -1);

    rule.radius = 0; /* the whole box */
    defcn_poto_qualities (q, &rule, points, s->n, list, 1);
    g_assert_cmpfloat (q[3 * 8 + 1], >=, 0);
    g_assert_cmpfloat (q[0], ==, -1);
  }
}

/* The prior is strict and cut to the object on the side that is near. */
static void
test_prior (void)
{
  static const struct
  {
    float x, radius;
    gboolean want;
  } cases[] = { { 10, 0, FALSE }, { 10.5f, 0, TRUE }, { 50, 0, FALSE },
    { 49, 0, TRUE }, { 18, 1.5f, FALSE }, { 18.5f, 1.5f, TRUE },
    { 42, 1.5f, FALSE }, { 41.5f, 1.5f, TRUE }, { 12, 100, TRUE },
    { 9, 100, FALSE }, { 51, 100, FALSE } };
  const DefcnObject o = object (10, 0, 50, 1000, 0);

  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++) {
    const DefcnPoint p = { .x = cases[k].x, .y = 500, .stride = 8 };
    const DefcnPoint above = { .x = cases[k].x, .y = -1, .stride = 8 };
    const DefcnPoint below = { .x = cases[k].x, .y = 1001, .stride = 8 };
    const DefcnPoint turned = { .x = 500, .y = cases[k].x, .stride = 8 };
    const DefcnObject wide = object (0, 10, 1000, 50, 0);

    g_assert_cmpint (defcn_point_allowed (&p, &o, cases[k].radius), ==,
        cases[k].want);
    g_assert_cmpint (defcn_point_allowed (&turned, &wide, cases[k].radius), ==,
        cases[k].want);
    g_assert_false (defcn_point_allowed (&above, &o, cases[k].radius));
    g_assert_false (defcn_point_allowed (&below, &o, cases[k].radius));
  }

  /* the radius is in strides of the level */
  const DefcnPoint near = { .x = 14.5f, .y = 500, .stride = 16 };
  const DefcnPoint far = { .x = 14, .y = 500, .stride = 16 };
  g_assert_true (defcn_point_allowed (&near, &o, 1));
  g_assert_false (defcn_point_allowed (&far, &o, 1));
}

/* Each object gets the allowed location that predicts it best; a better one
 * outside the prior or of another class does not count. */
static void
test_best (void)
{
  g_autofree Scene *s = scene_new (2, 8, TRUE);
  const DefcnObject objects[] = { object (4, 4, 28, 28, 0),
    object (32, 32, 64, 64, 1) };
  static const int want[][2] = { { 8 + 2, 0 }, { 64 + 2 * 4 + 2, 1 } };

  predict (s, 8 + 1, &objects[0], 0.7f);
  predict (s, 8 + 2, &objects[0], 0.9f);
  predict (s, 63, &objects[0], 1); /* far away */
  predict (s, 5 * 8 + 5, &objects[1], 0.9f);
  predict (s, 64 + 2 * 4 + 2, &objects[1], 0.9f);
  s->logits[(64 + 2 * 4 + 2) * N_CLASSES + 1] = 0.5f;
  s->logits[(5 * 8 + 5) * N_CLASSES] = 3; /* of class 0 */
  g_autoptr (DefcnAssignment) a = run (s, &poto, objects, 2);
  check (a, s, objects, want, 2);
  g_autoptr (DefcnAssignment) b = run (s, &argmax, objects, 2);
  check (b, s, objects, want, 2);
  g_autoptr (DefcnAssignment) c = run (s, &inside, objects, 2);
  check (c, s, objects, want, 2);
}

/* The filter takes part in the one-to-one choice. */
static void
test_filter (void)
{
  g_autofree Scene *s = scene_new (1, 8, TRUE);
  const DefcnObject o = object (8, 8, 56, 56, 0);
  static const int want[][2] = { { 4 * 8 + 4, 0 } };

  predict (s, 3 * 8 + 3, &o, 0.95f);
  predict (s, 4 * 8 + 4, &o, 0.94f);
  s->filter[3 * 8 + 3] = -4;
  g_autoptr (DefcnAssignment) a = run (s, &poto, &o, 1);
  check (a, s, &o, want, 1);
}

/* Of two objects that want one location the total decides under POTO, the
 * larger quality under argmax, where the other goes without. */
static void
test_conflict (void)
{
  g_autofree Scene *s = scene_new (1, 8, FALSE);
  const DefcnObject objects[] = { object (8, 8, 56, 56, 0),
    object (10, 8, 56, 56, 1), object (8, 8, 56, 56, 0) };
  static const int both[][2] = { { 27, 1 }, { 28, 0 } };
  static const int one[][2] = { { 27, 0 } };

  predict (s, 27, &objects[0], 1); /* the first choice of both */
  predict (s, 28, &objects[0], 0.9f);
  s->logits[28 * N_CLASSES + 1] = -5; /* no choice for the second */
  g_autoptr (DefcnAssignment) a = run (s, &poto, objects, 2);
  check (a, s, objects, both, 2);
  g_autoptr (DefcnAssignment) b = run (s, &argmax, objects, 2);
  check (b, s, objects, one, 1);
  g_autoptr (DefcnAssignment) c = run (s, &argmax, objects, 3);
  check (c, s, objects, one, 1); /* equal quality: the first object */
  g_autoptr (DefcnAssignment) d = run (s, &poto, objects, 3);
  g_assert_cmpint (d->n_foreground, ==, 3);
}

/* An object with no allowed location: location 0 under POTO, with its true and
 * negative targets; nothing under argmax and FCOS. */
static void
test_unreachable (void)
{
  g_autofree Scene *s = scene_new (2, 8, TRUE);
  const DefcnObject o = object (100, 100, 103, 103, 1);
  static const int first[][2] = { { 0, 0 } };

  g_autoptr (DefcnAssignment) a = run (s, &poto, &o, 1);
  check (a, s, &o, first, 1);
  g_assert_cmpfloat (a->targets[0][0], ==, -96);
  g_autoptr (DefcnAssignment) b = run (s, &argmax, &o, 1);
  check (b, s, &o, NULL, 0);
  g_autoptr (DefcnAssignment) c = run (s, &fcos, &o, 1);
  check (c, s, &o, NULL, 0);
}

/* With skip_unplaced POTO leaves out an object whose box holds no location, one
 * whose locations others have, and one whose qualities are no numbers; one
 * whose best is of quality 0 is placed as ever. */
static void
test_skipped (void)
{
  const DefcnObject far = object (100, 100, 103, 103, 1);
  const DefcnObject one = object (25, 25, 31, 31, 0); /* location 27 alone */
  const DefcnObject broken = object (8, 8, 24, 24, 0);
  const DefcnObject pair[] = { one, one, far };
  static const int first[][2] = { { 27, 0 } };

  for (int skip = 0; skip < 2; skip++) {
    DefcnAssignRule rule = poto;
    g_autofree Scene *s = scene_new (1, 8, TRUE);

    rule.skip_unplaced = skip;
    g_autoptr (DefcnAssignment) none = run (s, &rule, &far, 1);
    g_assert_cmpint (none->n_foreground, ==, !skip);
    g_autoptr (DefcnAssignment) nothing = run (s, &rule, &one, 1);
    check (nothing, s, &one, first, 1); /* quality 0 is one */

    predict (s, 27, &one, 0.9f);
    g_autoptr (DefcnAssignment) tie = run (s, &rule, pair, 3);
    g_assert_cmpint (tie->n_foreground, ==, skip ? 1 : 3);
    g_assert_cmpint (tie->classes[27], ==, 0);
    g_assert_cmpint (tie->objects[27], <=, 1);

    for (int j = 0; j < s->n; j++)
      s->logits[N_CLASSES * j] = NAN;
    g_autoptr (DefcnAssignment) lost = run (s, &rule, &broken, 1);
    g_assert_cmpint (lost->n_foreground, ==, !skip);
  }
}

/* An object that is skipped takes no other's place. */
static void
test_skipped_others (void)
{
  DefcnAssignRule rule = poto;
  g_autofree Scene *s = scene_new (1, 8, TRUE);
  const DefcnObject objects[] = { object (100, 100, 103, 103, 1),
    object (0, 0, 8, 8, 0), object (8, 8, 56, 56, 1) };
  static const int want[][2] = { { 0, 1 }, { 27, 2 } };

  rule.skip_unplaced = TRUE;
  predict (s, 27, &objects[2], 1);
  g_autoptr (DefcnAssignment) a = run (s, &rule, objects, 3);
  check (a, s, objects, want, 2);
}

/* More objects than locations: every location is used, the rest go without. */
static void
test_crowded (void)
{
  g_autofree Scene *s = scene_new (1, 2, TRUE);
  DefcnObject objects[9];

  for (int i = 0; i < 9; i++)
    objects[i] = object (0, 0, 16 + i, 16, i % 2);
  g_autoptr (DefcnAssignment) a = run (s, &poto, objects, 9);
  g_assert_cmpint (a->n_foreground, ==, 4);
  g_autoptr (DefcnAssignment) b = run (s, &argmax, objects, 9);
  g_assert_cmpint (b->n_foreground, >=, 1);
  g_assert_cmpint (b->n_foreground, <=, 4);
}

/* Ignored objects are as if they were not there, but indices stay the
 * caller's; an image without objects is all background. */
static void
test_ignored (void)
{
  static const DefcnAssignRule *const rules[] = { &poto, &inside, &argmax,
    &fcos, &center, &anchor, &atss, &loss };
  const DefcnObject objects[] = { object (8, 8, 56, 56, -1),
    object (8, 8, 56, 56, 1), object (0, 0, 40, 40, -1) };

  for (gsize r = 0; r < G_N_ELEMENTS (rules); r++) {
    g_autofree Scene *s = scene_new (1, 8, TRUE);

    predict (s, 27, &objects[1], 1);
    g_autoptr (DefcnAssignment) a = run (s, rules[r], objects, 3);
    g_autoptr (DefcnAssignment) alone = run (s, rules[r], &objects[1], 1);
    g_assert_cmpint (a->objects[27], ==, 1);
    g_assert_cmpint (a->n_foreground, ==, alone->n_foreground);
    for (int j = 0; j < s->n; j++)
      g_assert_cmpint (a->classes[j], ==, alone->classes[j]);

    g_autoptr (DefcnAssignment) none = run (s, rules[r], objects, 0);
    check (none, s, objects, NULL, 0);
    g_autoptr (DefcnAssignment) ignored = run (s, rules[r], objects, 1);
    check (ignored, s, objects, NULL, 0);
  }
}

/* A network that has diverged still gets a defined assignment. */
static void
test_not_a_number (void)
{
  static const float bad[] = { NAN, INFINITY, -INFINITY };
  const DefcnObject objects[] = { object (8, 8, 56, 56, 0),
    object (0, 0, 30, 30, 1) };
  g_autoptr (GArray) array = objects_new (objects, 2);

  for (gsize b = 0; b < G_N_ELEMENTS (bad); b++) {
    g_autofree Scene *s = scene_new (2, 8, TRUE);

    for (int j = 0; j < s->n; j++)
      s->filter[j] = s->logits[2 * j] = s->logits[2 * j + 1] =
          s->deltas[4 * j + b] = bad[b];
    g_autoptr (DefcnAssignment) a = run (s, &poto, objects, 2);
    g_assert_cmpint (a->n_foreground, ==, 2);
    g_autoptr (DefcnAssignment) c = run (s, &argmax, objects, 2);
    g_assert_cmpint (c->n_foreground, <=, 2);
    g_autoptr (DefcnAssignment) d = defcn_assignment_new (s->n, N_CLASSES);
    defcn_auxiliary_run (d, &poto, s->levels, s->n_levels, array, NULL, 0);
    g_assert_cmpint (d->n_foreground, <=, s->n);
  }
}

/* FCOS: the level of the object's size, borders belonging to both; the
 * smallest of several objects, the first of equals. */
static void
test_fcos (void)
{
  g_autofree Scene *s = scene_new (4, 16, FALSE);
  const DefcnObject small = object (40, 40, 56, 56, 0);

  /* centre 48, 48: the four cells of P3 around it, and not their neighbours,
   * which are on the border of the box */
  static const int four[][2] = { { 5 * 16 + 5, 0 }, { 5 * 16 + 6, 0 },
    { 6 * 16 + 5, 0 }, { 6 * 16 + 6, 0 } };
  g_autoptr (DefcnAssignment) a = run (s, &fcos, &small, 1);
  check (a, s, &small, four, 4);

  /* too large for P3; centre 64, 64: the four cells of P4 around it */
  const DefcnObject medium = object (0, 0, 128, 128, 1);
  static const int coarse[][2] = { { 256 + 3 * 8 + 3, 0 },
    { 256 + 3 * 8 + 4, 0 }, { 256 + 4 * 8 + 3, 0 }, { 256 + 4 * 8 + 4, 0 } };
  g_autoptr (DefcnAssignment) b = run (s, &fcos, &medium, 1);
  check (b, s, &medium, coarse, 4);

  /* 64 away on all sides: of both levels, seen where each has its middle */
  const DefcnObject borders[] = { object (4, 4, 132, 132, 0),
    object (8, 8, 136, 136, 0) };
  const int middles[] = { 8 * 16 + 8, 256 + 4 * 8 + 4 };
  for (int k = 0; k < 2; k++) {
    g_autoptr (DefcnAssignment) edge = run (s, &fcos, &borders[k], 1);
    g_assert_cmpint (edge->objects[middles[k]], ==, 0);
  }

  /* the farthest side decides, whichever it is: 100 is for P4 alone */
  const DefcnObject far[] = { object (-44, 40, 72, 72, 0),
    object (40, -44, 72, 72, 0), object (40, 40, 156, 72, 0),
    object (40, 40, 72, 156, 0) };
  DefcnAssignRule whole = fcos;
  whole.radius = 0;
  for (int k = 0; k < 4; k++) {
    const int at = 256 + 3 * 8 + 3; /* 56, 56 */
    g_autoptr (DefcnAssignment) a4 = run (s, &whole, &far[k], 1);
    g_assert_cmpint (a4->objects[at], ==, 0);
    g_assert_cmpint (a4->objects[6 * 16 + 6], ==, -1); /* 52, 52 of P3 */
  }

  const DefcnObject nested[] = { object (32, 32, 64, 64, 1), small, small };
  g_autoptr (DefcnAssignment) c = run (s, &fcos, nested, 3);
  for (int k = 0; k < 4; k++)
    g_assert_cmpint (c->objects[four[k][0]], ==, 1);
  g_assert_cmpint (c->n_foreground, >, 4 - 1);
}

/* The sizes that each level is for, both ends belonging to it. */
static void
test_fcos_levels (void)
{
  static const float sizes[] = { 1, 63, 64, 65, 127, 128, 129, 255, 256, 257,
    511, 512, 513, 5000 };
  static const char *const levels[] = { "0", "0", "01", "1", "1", "12", "2",
    "2", "23", "3", "3", "34", "4", "4" };

  for (gsize k = 0; k < G_N_ELEMENTS (sizes); k++) {
    const DefcnObject o = object (-0.5f, -0.5f, sizes[k], 0.5f, 0);
    const DefcnObject *list[] = { &o };

    for (int l = 0; l < DEFCN_N_LEVELS; l++) {
      const DefcnPoint point = { .stride = 8 << l, .level = l };
      DefcnAssignRule rule = fcos;
      const DefcnAssignInput input = { .rule = &rule,
        .points = &point,
        .objects = list,
        .n_points = 1,
        .n_objects = 1 };
      int winner;

      rule.radius = 0;
      defcn_fcos_assigner.run (&winner, &input);
      g_assert_cmpint (winner, ==, strchr (levels[k], '0' + l) ? 0 : -1);
    }
  }
}

/* Argmax: the first of equal locations, one of quality 0 too. */
static void
test_argmax_ties (void)
{
  g_autofree Scene *s = scene_new (1, 8, FALSE);
  const DefcnObject o = object (8, 8, 56, 56, 0);
  static const int nothing[][2] = { { 27, 0 } }, equal[][2] = { { 28, 0 } };

  g_autoptr (DefcnAssignment) a = run (s, &argmax, &o, 1);
  g_assert_cmpint (a->n_foreground, ==, 1);
  check (a, s, &o, nothing, 1);
  predict (s, 28, &o, 0.9f);
  predict (s, 35, &o, 0.9f);
  g_autoptr (DefcnAssignment) b = run (s, &argmax, &o, 1);
  check (b, s, &o, equal, 1);
}

static DefcnAssignment *
run_aux (const Scene *s, const DefcnAssignRule *rule,
    const DefcnObject *objects, guint n)
{
  g_autoptr (GArray) array = objects_new (objects, n);
  DefcnAssignment *a = defcn_assignment_new (s->n, N_CLASSES);

  defcn_auxiliary_run (a, rule, s->levels, s->n_levels, array, NULL, 0);
  return a;
}

static void
check_classes (const DefcnAssignment *a, const int *foreground, int n,
    int label)
{
  g_assert_cmpint (a->n_foreground, ==, n);
  for (int k = 0; k < n; k++)
    g_assert_cmpint (a->classes[foreground[k]], ==, label);
}

/* Auxiliary: candidates above mean plus deviation and inside the box; the
 * filter is not asked. */
static void
test_aux (void)
{
  g_autofree Scene *s = scene_new (2, 8, TRUE);
  const DefcnObject o = object (8, 8, 56, 56, 1);
  static const int best[] = { 27, 28 };

  /* qualities .9 .9 of 18 candidates, the others 0 to .1: the threshold is
   * about .1 + .28 */
  predict (s, 27, &o, 0.95f);
  predict (s, 28, &o, 0.95f);
  predict (s, 0, &o, 1); /* the best, but outside the box */
  predict (s, 35, &o, 0.1f);
  s->filter[27] = -20;
  g_autoptr (DefcnAssignment) a = run_aux (s, &poto, &o, 1);
  check_classes (a, best, 2, 1);
  g_assert_cmpint (a->objects[27], ==, 0);
}

/* With one candidate a level the threshold is exact: q of 1 and x give mean
 * (1 + x) / 2 plus |1 - x| / sqrt (2), more than 1 for x < 1, so that only
 * equals pass. */
static void
test_aux_threshold (void)
{
  DefcnAssignRule rule = poto;
  const DefcnObject o = object (8, 8, 56, 56, 0);
  static const int both[] = { 27, 64 + 5 };

  rule.aux_topk = 1;
  for (int equal = 0; equal < 2; equal++) {
    g_autofree Scene *s = scene_new (2, 8, FALSE);

    predict (s, 27, &o, 1);
    predict (s, 64 + 5, &o, equal ? 1 : 0.9f);
    g_autoptr (DefcnAssignment) a = run_aux (s, &rule, &o, 1);
    check_classes (a, both, equal ? 2 : 0, 0);
  }
}

/* Of equal candidates a level gives the first, also when a better one comes
 * after them.  The other levels' nothings keep the threshold below. */
static void
test_aux_ties (void)
{
  static const float grows[][4] = { { 0.9f, 0.9f, 0.95f, 0.9f },
    { 0.9f, 0.9f, 0.9f, 0.9f }, { 0.5f, 0.9f, 0.9f, 0.9f } };
  static const int best[][2] = { { 20, 28 }, { 20, 27 }, { 27, 28 } };
  static const int at[] = { 20, 27, 28, 29 };
  DefcnAssignRule rule = poto;
  const DefcnObject o = object (8, 8, 56, 56, 0);

  rule.aux_topk = 2;
  for (gsize k = 0; k < G_N_ELEMENTS (grows); k++) {
    g_autofree Scene *s = scene_new (4, 8, FALSE);

    for (gsize i = 0; i < G_N_ELEMENTS (at); i++)
      predict (s, at[i], &o, grows[k][i]);
    g_autoptr (DefcnAssignment) a = run_aux (s, &rule, &o, 1);
    check_classes (a, best[k], 2, 0);
  }
}

/* The best of a level are its best wherever they stand: rising, falling and
 * mixed, fewer than asked for too. */
static void
test_aux_order (void)
{
  static const float grows[][4] = { { 0.9f, 0.9f, 0.3f, 0.2f },
    { 0.2f, 0.3f, 0.9f, 0.9f }, { 0.9f, 0.2f, 0.9f, 0.3f },
    { 0.3f, 0.9f, 0.2f, 0.9f } };
  DefcnAssignRule rule = poto;
  const DefcnObject o = object (8, 8, 56, 56, 0);

  for (gsize k = 0; k < G_N_ELEMENTS (grows); k++) {
    g_autofree Scene *s = scene_new (1, 8, FALSE);

    rule.aux_topk = 2;
    for (int i = 0; i < 4; i++)
      predict (s, 26 + i, &o, grows[k][i]);
    g_autoptr (DefcnAssignment) a = run_aux (s, &rule, &o, 1);
    g_assert_cmpint (a->n_foreground, ==, 2);
    for (int i = 0; i < 4; i++)
      g_assert_cmpint (a->classes[26 + i], ==,
          grows[k][i] > 0.5f ? 0 : N_CLASSES);
  }
}

/* The words of recipes name the assigners, and nothing else does. */
static void
test_names (void)
{
  const char *const *names = defcn_assign_names ();

  for (guint i = 0; names[i]; i++)
    g_assert_cmpstr (defcn_assign_find (names[i])->name, ==, names[i]);
  g_assert_true (defcn_assign_find ("poto") == &defcn_poto_hungarian);
  g_assert_true (defcn_assign_find ("argmax") == &defcn_poto_argmax);
  g_assert_true (defcn_assign_find ("loss") == &defcn_foreground_loss_assigner);
  g_assert_true (defcn_assign_find ("center") == &defcn_center_assigner);
  g_assert_true (defcn_assign_find ("fcos") == &defcn_fcos_assigner);
  g_assert_true (defcn_assign_find ("atss") == &defcn_atss_assigner);
  g_assert_null (defcn_assign_find ("pot"));
  g_assert_null (defcn_assign_find (""));
}

/* Two objects that both want a location: the larger quality, the first of
 * equals.  No objects, or ignored ones: all background. */
static void
test_aux_conflict (void)
{
  g_autofree Scene *s = scene_new (1, 8, FALSE);
  const DefcnObject objects[] = { object (10, 8, 56, 56, 0),
    object (8, 8, 56, 56, 1), object (8, 8, 56, 56, 0),
    object (8, 8, 56, 56, -1) };

  predict (s, 27, &objects[1], 1);
  g_autoptr (DefcnAssignment) a = run_aux (s, &poto, objects, 4);
  g_assert_cmpint (a->n_foreground, ==, 1);
  g_assert_cmpint (a->classes[27], ==, 1);
  g_assert_cmpint (a->objects[27], ==, 1);

  g_autoptr (DefcnAssignment) b = run_aux (s, &poto, objects, 0);
  check (b, s, objects, NULL, 0);
  g_autoptr (DefcnAssignment) c = run_aux (s, &poto, &objects[3], 1);
  check (c, s, objects, NULL, 0);
}

/* A level smaller than the number of candidates gives all it has, down to a
 * pyramid of one location. */
static void
test_aux_small (void)
{
  for (int side = 1; side <= 4; side++) {
    g_autofree Scene *s = scene_new (MAX_LEVELS, side, TRUE);
    const DefcnObject o = object (0, 0, 8 * side, 8 * side, 0);

    predict (s, 0, &o, 1);
    g_autoptr (DefcnAssignment) a = run_aux (s, &poto, &o, 1);
    g_assert_cmpint (a->classes[0], ==, 0);
  }
  g_autofree Scene *one = scene_new (1, 1, TRUE);
  const DefcnObject o = object (0, 0, 8, 8, 0);
  g_autoptr (DefcnAssignment) a = run_aux (one, &poto, &o, 1);
  g_assert_cmpint (a->n_foreground, ==, 1);
}

/* Which locations of @a have no class: those whose centre is strictly between
 * the sides of @region, but for foreground. */
static void
check_ignored (const DefcnAssignment *a, const Scene *s,
    const DefcnObject *region)
{
  g_autofree DefcnPoint *points =
      defcn_points_new (s->levels, s->n_levels, N_CLASSES);
  int n = 0;

  for (int j = 0; j < s->n; j++) {
    const DefcnPoint *p = &points[j];
    const gboolean within = p->x > region->x1 && p->x < region->x2
        && p->y > region->y1 && p->y < region->y2;

    if (a->objects[j] >= 0)
      g_assert_cmpint (a->classes[j], ==, 1);
    else
      g_assert_cmpint (a->classes[j], ==,
          within ? DEFCN_CLASS_IGNORED : N_CLASSES);
    n += within && a->objects[j] < 0;
  }
  g_assert_cmpint (n, >, 4);
}

/* In a region to ignore no assigner's background has a class, on any level;
 * what lies on its edge is outside, what belongs to an object stays its own,
 * and without the key the region is as if it were not there. */
static void
test_regions (void)
{
  static const DefcnAssignRule *const rules[] = { &poto, &inside, &argmax,
    &fcos, &center, &atss, &loss };
  /* the centres of P3 are at 4, 12 .., of P4 at 8, 24 .. */
  const DefcnObject objects[] = { object (12, 4, 44, 52, -1),
    object (8, 8, 56, 56, 1), object (100, 100, 103, 103, -1) };
  g_autoptr (GArray) array = objects_new (objects, 3);

  for (gsize r = 0; r < G_N_ELEMENTS (rules); r++) {
    g_autofree Scene *s = scene_new (2, 8, TRUE);
    DefcnAssignRule rule = *rules[r];

    predict (s, 27, &objects[1], 1);
    for (int on = 0; on < 2; on++) {
      rule.ignore_regions = on;
      g_autoptr (DefcnAssignment) a = run (s, &rule, objects, 3);
      g_autoptr (DefcnAssignment) alone = run (s, rules[r], &objects[1], 1);
      g_autoptr (DefcnAssignment) aux = defcn_assignment_new (s->n, N_CLASSES);
      defcn_auxiliary_run (aux, &rule, s->levels, s->n_levels, array, NULL, 0);

      g_assert_cmpint (a->n_foreground, ==, alone->n_foreground);
      g_assert_cmpint (a->objects[27], ==, 1);
      g_assert_cmpint (aux->objects[27], ==, 1);
      g_assert_cmpint (a->classes[27], ==, 1);
      for (int j = 0; j < s->n; j++)
        g_assert_cmpint (a->objects[j] >= 0, ==, alone->objects[j] >= 0);
      if (on) {
        check_ignored (a, s, &objects[0]);
        check_ignored (aux, s, &objects[0]);
        continue;
      }
      for (int j = 0; j < s->n; j++)
        g_assert_cmpint (a->classes[j], ==, alone->classes[j]);
    }
  }
}

/* The boxes of auxiliary foregrounds are those of their objects. */
static void
test_aux_targets (void)
{
  g_autofree Scene *s = scene_new (2, 8, FALSE);
  const DefcnObject objects[] = { object (0, 0, 5, 5, -1),
    object (8, 8, 56, 56, 1) };
  static const int both[][2] = { { 27, 1 }, { 28, 1 } };

  predict (s, 27, &objects[1], 0.95f);
  predict (s, 28, &objects[1], 0.95f);
  g_autoptr (DefcnAssignment) a = run_aux (s, &poto, objects, 2);
  check (a, s, objects, both, 2);
}

/* The nearest location of the level of the object's size, of both levels where
 * that is on their border; one that is not inside the object, too.  The smaller
 * of two objects has it, the first of equals. */
static void
test_center (void)
{
  g_autofree Scene *s = scene_new (3, 8, FALSE);
  const DefcnObject small = object (19, 17, 23, 23, 0);  /* at (21, 20) */
  const DefcnObject thin = object (9, 8, 10, 9, 0);      /* between cells */
  const DefcnObject larger = object (17, 15, 25, 25, 1); /* around small */
  const DefcnObject wide = object (-12, 16, 108, 24, 1);
  const DefcnObject nested[] = { larger, small, small };
  static const int alone[][2] = { { 18, 0 } }, nearby[][2] = { { 9, 0 } };
  static const int smaller[][2] = { { 18, 1 } };
  /* 60 either way from (48, 20): P3's nearest, at 44, reaches 64 to the right,
   * as P4's at 40 does beyond */
  static const int twice[][2] = { { 21, 0 }, { 64 + 6, 0 } };

  g_autoptr (DefcnAssignment) a = run (s, &center, &small, 1);
  check (a, s, &small, alone, 1);
  g_autoptr (DefcnAssignment) b = run (s, &center, &thin, 1);
  check (b, s, &thin, nearby, 1);
  g_autoptr (DefcnAssignment) c = run (s, &center, nested, 3);
  check (c, s, nested, smaller, 1);
  g_autoptr (DefcnAssignment) d = run (s, &center, &wide, 1);
  check (d, s, &wide, twice, 2);
}

/* The anchor of the largest IoU, 32 wide on P3 and 64 on P4, though its
 * location is outside of the object; the first of equals.  The object of the
 * larger IoU has it, the first of equals, and the other none; one that meets no
 * anchor has none either. */
static void
test_anchor (void)
{
  g_autofree Scene *s = scene_new (2, 8, FALSE);
  /* P3's anchor of its location 27, at (28, 28), and P4's of 5, at (24, 24) */
  const DefcnObject p3 = object (12, 12, 44, 44, 1);
  const DefcnObject p4 = object (-8, -8, 56, 56, 0);
  const DefcnObject thin = object (13, 8, 15, 12, 0);     /* in many */
  const DefcnObject between = object (16, 12, 48, 44, 0); /* 27's and 28's */
  const DefcnObject three[] = { object (12, 12, 44, 52, 0), p3, p3 };
  const DefcnObject far = object (900, 900, 910, 910, 0);
  const DefcnObject none = object (20, 20, 20, 20, 0);
  static const int fine[][2] = { { 27, 0 } }, coarse[][2] = { { 64 + 5, 0 } };
  static const int first[][2] = { { 0, 0 } }, second[][2] = { { 27, 1 } };

  g_autoptr (DefcnAssignment) a = run (s, &anchor, &p3, 1);
  check (a, s, &p3, fine, 1);
  g_autoptr (DefcnAssignment) b = run (s, &anchor, &p4, 1);
  check (b, s, &p4, coarse, 1);
  g_autoptr (DefcnAssignment) c = run (s, &anchor, &thin, 1);
  check (c, s, &thin, first, 1);
  g_assert_cmpfloat (c->targets[0][0], <, 0);
  g_autoptr (DefcnAssignment) d = run (s, &anchor, &between, 1);
  check (d, s, &between, fine, 1);
  g_autoptr (DefcnAssignment) e = run (s, &anchor, three, 3);
  check (e, s, three, second, 1);
  g_autoptr (DefcnAssignment) f = run (s, &anchor, &far, 1);
  check (f, s, &far, NULL, 0);
  g_autoptr (DefcnAssignment) g = run (s, &anchor, &none, 1);
  check (g, s, &none, NULL, 0);

  /* what is predicted does not count */
  predict (s, 40, &p3, 1);
  g_autoptr (DefcnAssignment) h = run (s, &anchor, &p3, 1);
  check (h, s, &p3, fine, 1);
}

/* RetinaNet's: beside what torchvision says (tests/golden), an object that
 * meets no anchor has none, one that fits none well the best, and without
 * objects all is background. */
static void
test_retinanet (void)
{
  static const DefcnAssignRule rule = { .assigner = &defcn_retinanet_assigner };
  g_autofree Scene *s = scene_new (1, 4, FALSE);
  /* with P3's squares of 32 at (8, 8), and in many */
  const DefcnObject o = object (-8, -8, 24, 24, 1);
  const DefcnObject thin = object (9, 9, 11, 10, 0);
  const DefcnObject far = object (900, 900, 910, 910, 0);
  int n = 0;

  s->n *= 9;
  s->levels[0].anchors = 9;
  g_assert_cmpint (defcn_points_count (s->levels, 1), ==, s->n);
  g_autoptr (DefcnAssignment) a = run (s, &rule, &o, 1);
  g_assert_cmpint (a->objects[5 * 9 + 1], ==, 0);
  g_assert_cmpfloat (a->targets[5 * 9 + 1][0], ==, 12 + 8);
  for (int j = 0; j < s->n; j++)
    n += a->classes[j] == DEFCN_CLASS_IGNORED;
  g_assert_cmpint (n, >, 0);
  g_assert_cmpint (a->n_foreground, >, 1);
  g_autoptr (DefcnAssignment) b = run (s, &rule, &thin, 1);
  g_assert_cmpint (b->n_foreground, >, 0);
  g_autoptr (DefcnAssignment) c = run (s, &rule, &far, 1);
  g_assert_cmpint (c->n_foreground, ==, 0);
  g_autoptr (DefcnAssignment) d = run (s, &rule, NULL, 0);
  for (int j = 0; j < s->n; j++)
    g_assert_cmpint (d->classes[j], ==, N_CLASSES);
}

/* Of the 9 nearest of each level those whose anchor, 64 wide on P3, overlaps
 * more than mean and deviation, and which are inside. */
static void
test_atss (void)
{
  g_autofree Scene *s = scene_new (3, 8, FALSE);
  g_autofree DefcnPoint *points =
      defcn_points_new (s->levels, s->n_levels, N_CLASSES);
  /* P3's anchor around its location 27, at (28, 28) */
  const DefcnObject o = object (-4, -4, 60, 60, 1);
  const DefcnObject thin = object (0, 27, 60, 29, 0);
  const DefcnObject three[] = { object (-12, -12, 60, 60, 0), o, o };
  g_autoptr (DefcnAssignment) a = run (s, &atss, &o, 1);

  g_assert_cmpint (a->objects[27], ==, 0);
  g_assert_cmpint (a->n_foreground, >, 1);
  for (int j = 0; j < s->n; j++) {
    if (a->objects[j] < 0)
      continue;
    g_assert_cmpint (points[j].level, ==, 0);
    g_assert_cmpfloat (ABS (points[j].x - 28), <=, 8);
    g_assert_cmpfloat (ABS (points[j].y - 28), <=, 8);
  }

  /* what is predicted does not count */
  predict (s, 40, &o, 1);
  g_autoptr (DefcnAssignment) b = run (s, &atss, &o, 1);
  for (int j = 0; j < s->n; j++)
    g_assert_cmpint (a->objects[j], ==, b->objects[j]);

  /* all of a thin one are inside it */
  g_autoptr (DefcnAssignment) c = run (s, &atss, &thin, 1);
  g_assert_cmpint (c->n_foreground, >, 0);
  for (int j = 0; j < s->n; j++)
    if (c->objects[j] >= 0)
      g_assert_true (defcn_point_allowed (&points[j], &thin, 0));

  g_autoptr (DefcnAssignment) d = run (s, &atss, three, 3);
  g_assert_cmpint (d->objects[27], ==, 1);
}

/* The cheapest location by classes and box, near the middle; with no number
 * anywhere the first that is free, or with skip_unplaced none. */
static void
test_foreground_loss (void)
{
  g_autofree Scene *s = scene_new (1, 8, FALSE);
  const DefcnObject o = object (8, 8, 56, 56, 1);
  const DefcnObject two[] = { o, o };
  static const int by_box[][2] = { { 28, 0 } }, by_class[][2] = { { 35, 0 } };
  DefcnAssignRule rule = loss;

  predict (s, 27, &o, 0.5f);
  predict (s, 28, &o, 0.93f);
  predict (s, 35, &o, 0.925f);
  predict (s, 0, &o, 1); /* not allowed */
  g_autoptr (DefcnAssignment) a = run (s, &loss, &o, 1);
  check (a, s, &o, by_box, 1);
  s->logits[35 * N_CLASSES + 1] = 9; /* its class */
  g_autoptr (DefcnAssignment) b = run (s, &loss, &o, 1);
  check (b, s, &o, by_class, 1);
  s->logits[35 * N_CLASSES] = 9; /* another one as well */
  g_autoptr (DefcnAssignment) c = run (s, &loss, &o, 1);
  check (c, s, &o, by_box, 1);
  g_autoptr (DefcnAssignment) d = run (s, &loss, two, 2);
  g_assert_cmpint (d->n_foreground, ==, 2);
  g_assert_cmpint (d->objects[28], >=, 0);
  g_assert_cmpint (d->objects[27], >=, 0);

  for (int j = 0; j < s->n * N_CLASSES; j++)
    s->logits[j] = NAN;
  g_autoptr (DefcnAssignment) e = run (s, &loss, &o, 1);
  g_assert_cmpint (e->n_foreground, ==, 1);
  rule.skip_unplaced = TRUE;
  g_autoptr (DefcnAssignment) f = run (s, &rule, &o, 1);
  g_assert_cmpint (f->n_foreground, ==, 0);
}

/* A radius below 0 is no prior at all. */
static void
test_anywhere (void)
{
  g_autofree Scene *s = scene_new (2, 8, FALSE);
  const DefcnObject o = object (8, 8, 24, 24, 0);
  static const int far[][2] = { { 63, 0 } };
  DefcnAssignRule rule = poto;

  predict (s, 63, &o, 0.95f);
  g_autoptr (DefcnAssignment) near = run (s, &poto, &o, 1);
  g_assert_cmpint (near->objects[63], ==, -1);
  rule.radius = -1;
  g_autoptr (DefcnAssignment) a = run (s, &rule, &o, 1);
  check (a, s, &o, far, 1);
}

/* The sum of class and box takes what the product does not: a sure class with a
 * box beside the object. */
static void
test_additive (void)
{
  g_autofree Scene *s = scene_new (1, 8, FALSE);
  const DefcnObject o = object (8, 8, 56, 56, 1);
  static const int product[][2] = { { 27, 0 } }, sum[][2] = { { 28, 0 } };
  DefcnAssignRule rule = poto;

  predict (s, 27, &o, 0.5f);         /* IoU .25, p 1/2 */
  s->logits[28 * N_CLASSES + 1] = 9; /* no box */
  g_autoptr (DefcnAssignment) a = run (s, &rule, &o, 1);
  check (a, s, &o, product, 1);
  rule.alpha = 0.5f;
  rule.additive = TRUE; /* 1/2 against 3/8 */
  g_autoptr (DefcnAssignment) b = run (s, &rule, &o, 1);
  check (b, s, &o, sum, 1);
  rule.alpha = 0.8f; /* 1/5 against 3/10 */
  g_autoptr (DefcnAssignment) c = run (s, &rule, &o, 1);
  check (c, s, &o, product, 1);
  rule.alpha = 0.5f;
  g_autoptr (DefcnAssignment) aux = run_aux (s, &rule, &o, 1);
  g_assert_cmpint (aux->objects[27], ==, 0); /* the product */
  g_assert_cmpint (aux->objects[28], ==, -1);
  s->logits[27 * N_CLASSES + 1] = NAN;
  rule.alpha = 0.8f;
  g_autoptr (DefcnAssignment) d = run (s, &rule, &o, 1);
  check (d, s, &o, sum, 1);
}

/* The best of all levels, one of which is not inside the object. */
static void
test_aux_topk (void)
{
  g_autofree Scene *s = scene_new (2, 8, TRUE);
  const DefcnObject o = object (8, 8, 56, 56, 1);
  static const int want[][2] = { { 27, 0 }, { 64 + 9, 0 } };
  DefcnAssignRule rule = poto;

  predict (s, 27, &o, 0.95f);
  predict (s, 28, &o, 0.9f);
  predict (s, 64 + 9, &o, 0.93f); /* at (24, 24) of P4 */
  predict (s, 0, &o, 1);
  rule.auxiliary = DEFCN_AUXILIARY_QUALITY_TOPK;
  rule.aux_topk = 3;
  g_autoptr (DefcnAssignment) a = run_aux (s, &rule, &o, 1);
  check (a, s, &o, want, 2);
}

/* All near the middle on the level of the best of them; of two objects the
 * better one. */
static void
test_aux_quality_fcos (void)
{
  g_autofree Scene *s = scene_new (2, 8, TRUE);
  g_autofree DefcnPoint *points =
      defcn_points_new (s->levels, s->n_levels, N_CLASSES);
  const DefcnObject o = object (8, 8, 56, 56, 1);
  const DefcnObject two[] = { object (6, 6, 58, 58, 1), o };
  DefcnAssignRule rule = poto;

  rule.auxiliary = DEFCN_AUXILIARY_QUALITY_FCOS;
  rule.radius = 0; /* that of the other assignment */
  for (int level = 0; level < 2; level++) {
    int n = 0;

    predict (s, 27, &o, level == 0 ? 0.95f : 0.8f);
    predict (s, 64 + 9, &o, 0.9f);
    predict (s, 64, &o, 1); /* not in the middle */
    g_autoptr (DefcnAssignment) a = run_aux (s, &rule, &o, 1);
    g_autoptr (DefcnAssignment) both = run_aux (s, &rule, two, 2);
    for (int j = 0; j < s->n; j++) {
      const gboolean wanted = points[j].level == level
          && defcn_point_allowed (&points[j], &o, 1.5f);

      g_assert_cmpint (a->objects[j], ==, wanted ? 0 : -1);
      n += wanted;
    }
    g_assert_cmpint (a->n_foreground, ==, n);
    g_assert_cmpint (both->objects[level == 0 ? 27 : 64 + 9], ==, 1);
  }
}

/* Those of table 9 that other assigners are, and which predictions the host has
 * to have for each. */
static void
test_aux_kinds (void)
{
  static const struct
  {
    DefcnAuxiliaryKind kind;
    const DefcnAssignRule *as;
  } plain[] = { { DEFCN_AUXILIARY_ATSS, &atss },
    { DEFCN_AUXILIARY_FCOS, &fcos } };
  g_autofree Scene *s = scene_new (2, 8, TRUE);
  const DefcnObject o = object (8, 8, 56, 56, 1);
  DefcnAssignRule rule = inside;

  for (gsize k = 0; k < G_N_ELEMENTS (plain); k++) {
    rule.auxiliary = plain[k].kind;
    g_autoptr (DefcnAssignment) a = run_aux (s, &rule, &o, 1);
    g_autoptr (DefcnAssignment) b = run (s, plain[k].as, &o, 1);
    g_assert_cmpint (a->n_foreground, >, 1);
    for (int j = 0; j < s->n; j++)
      g_assert_cmpint (a->classes[j], ==, b->classes[j]);
  }
  g_assert_cmpuint (g_strv_length ((char **) defcn_auxiliary_names ()), ==, 5);
  for (int kind = 0; kind < 5; kind++) {
    rule.auxiliary = kind;
    g_assert_cmpint (defcn_assign_needs_heads (&rule), ==,
        kind == DEFCN_AUXILIARY_QUALITY_FCOS);
  }
  rule.auxiliary = DEFCN_AUXILIARY_QUALITY_FCOS;
  rule.aux_topk = 0;
  g_assert_false (defcn_assign_needs_heads (&rule));
  g_assert_true (defcn_assign_needs_heads (&loss));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/assign/locations", test_locations);
  g_test_add_func ("/assign/quality", test_quality);
  g_test_add_func ("/assign/prior", test_prior);
  g_test_add_func ("/assign/best", test_best);
  g_test_add_func ("/assign/filter", test_filter);
  g_test_add_func ("/assign/conflict", test_conflict);
  g_test_add_func ("/assign/unreachable", test_unreachable);
  g_test_add_func ("/assign/skipped", test_skipped);
  g_test_add_func ("/assign/skipped-others", test_skipped_others);
  g_test_add_func ("/assign/crowded", test_crowded);
  g_test_add_func ("/assign/ignored", test_ignored);
  g_test_add_func ("/assign/not-a-number", test_not_a_number);
  g_test_add_func ("/assign/fcos", test_fcos);
  g_test_add_func ("/assign/fcos-levels", test_fcos_levels);
  g_test_add_func ("/assign/argmax-ties", test_argmax_ties);
  g_test_add_func ("/assign/aux", test_aux);
  g_test_add_func ("/assign/aux-threshold", test_aux_threshold);
  g_test_add_func ("/assign/aux-ties", test_aux_ties);
  g_test_add_func ("/assign/aux-order", test_aux_order);
  g_test_add_func ("/assign/names", test_names);
  g_test_add_func ("/assign/aux-conflict", test_aux_conflict);
  g_test_add_func ("/assign/aux-small", test_aux_small);
  g_test_add_func ("/assign/aux-targets", test_aux_targets);
  g_test_add_func ("/assign/regions", test_regions);
  g_test_add_func ("/assign/anchor", test_anchor);
  g_test_add_func ("/assign/center", test_center);
  g_test_add_func ("/assign/retinanet", test_retinanet);
  g_test_add_func ("/assign/atss", test_atss);
  g_test_add_func ("/assign/foreground-loss", test_foreground_loss);
  g_test_add_func ("/assign/anywhere", test_anywhere);
  g_test_add_func ("/assign/additive", test_additive);
  g_test_add_func ("/assign/aux-topk", test_aux_topk);
  g_test_add_func ("/assign/aux-quality-fcos", test_aux_quality_fcos);
  g_test_add_func ("/assign/aux-kinds", test_aux_kinds);
  return g_test_run ();
}
