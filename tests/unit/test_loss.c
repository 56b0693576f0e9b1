/* Losses against double-precision references and finite differences. */
#include "anchors.h"
#include "objective.h"
#include "train/loss.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ALPHA 0.25

static double
sigmoid (double x)
{
  return 1 / (1 + exp (-x));
}

/* Focal loss of a logit as arXiv 1708.02002 has it, in double: a_t (1 - p_t)^2
 * ce, a_t = 1/4 for positives. */
static double
reference_logit (double x, gboolean positive)
{
  const double p = sigmoid (x), t = positive;
  const double ce = MAX (x, 0) - x * t + log1p (exp (-fabs (x)));
  const double one_minus_pt = positive ? sigmoid (-x) : p;

  return (ALPHA * t + (1 - ALPHA) * (1 - t)) * one_minus_pt * one_minus_pt * ce;
}

static double
reference_product (double cls, double filter, gboolean positive)
{
  const double p = sigmoid (cls) * sigmoid (filter), t = positive;
  const double ce =
      -(t * MAX (log (p), -100) + (1 - t) * MAX (log1p (-p), -100));
  const double off = positive ? 1 - p : p;

  return (ALPHA * t + (1 - ALPHA) * (1 - t)) * off * off * ce;
}

/* By the logit of the filter. */
static float
focal_product (float *dcls, float *dfilter, float cls, float filter,
    gboolean positive)
{
  return defcn_objective_focal_product (dcls, dfilter, cls,
      defcn_sigmoid (filter), positive);
}

/* GIoU loss of boxes (-l, -t, r, b), arXiv 1902.09630, in double. */
static double
reference_giou (const double p[4], const double t[4])
{
  const double eps = FLT_EPSILON;
  const double own = MAX (0, p[2] + p[0]) * MAX (0, p[3] + p[1]);
  const double want = MAX (0, t[2] + t[0]) * MAX (0, t[3] + t[1]);
  const double w = MAX (0, MIN (p[2], t[2]) - MAX (-p[0], -t[0]));
  const double h = MAX (0, MIN (p[3], t[3]) - MAX (-p[1], -t[1]));
  const double joined = own + want - w * h;
  const double hull = (MAX (p[2], t[2]) - MIN (-p[0], -t[0]))
      * (MAX (p[3], t[3]) - MIN (-p[1], -t[1]));

  return 1 - w * h / MAX (joined, eps) + (hull - joined) / MAX (hull, eps);
}

static void
assert_near (double found, double want, double relative, double absolute)
{
  if (!(fabs (found - want) <= relative * fabs (want) + absolute))
    g_error ("%.9g, wanted %.9g", found, want);
}

/* Value and derivative over the whole range of logits, both labels. */
static void
test_logit (void)
{
  static const double step = 1e-5;

  for (double x = -80; x <= 80; x += 0.37) {
    for (int positive = 0; positive < 2; positive++) {
      float dx;
      const float xf = x;
      const float loss = defcn_objective_focal_logit (&dx, xf, positive);
      const double slope = (reference_logit (xf + step, positive)
                               - reference_logit (xf - step, positive))
          / (2 * step);

      assert_near (loss, reference_logit (xf, positive), 1e-5, 1e-30);
      assert_near (dx, slope, 1e-5, 1e-8);
    }
  }
}

/* Value and both derivatives where fp32 has not saturated. */
static void
test_product (void)
{
  static const double step = 1e-5;

  for (double a = -13; a <= 13; a += 0.93) {
    for (double b = -13; b <= 13; b += 0.71) {
      for (int positive = 0; positive < 2; positive++) {
        const float cls = a, filter = b;
        const double f = sigmoid (filter), s = sigmoid (cls);
        /* the rounding of 1 - p, 1 - f and 1 - s beside what they are */
        const double noise =
            4e-7 / (1 - s * f) + 1.2e-7 / (1 - f) + 1.2e-7 / (1 - s) + 1e-5;
        float dcls, dfilter;
        const float loss =
            focal_product (&dcls, &dfilter, cls, filter, positive);
        const double slope_cls =
            (reference_product (cls + step, filter, positive)
                - reference_product (cls - step, filter, positive))
            / (2 * step);
        const double slope_filter =
            (reference_product (cls, filter + step, positive)
                - reference_product (cls, filter - step, positive))
            / (2 * step);

        assert_near (loss, reference_product (cls, filter, positive), noise,
            1e-7);
        assert_near (dcls, slope_cls, noise, 1e-7);
        assert_near (dfilter, slope_filter, noise, 1e-7);
      }
    }
  }
}

/* Saturated logits give finite losses and gradients; torch's clamps show: the
 * log at -100 and the slope's denominator p (1 - p) at 1e-12. */
static void
test_extremes (void)
{
  static const float extremes[] = { -1000, -200, -90, -17, 0, 17, 90, 200,
    1000 };

  for (gsize i = 0; i < G_N_ELEMENTS (extremes); i++) {
    for (int positive = 0; positive < 2; positive++) {
      float dx, df;

      g_assert_true (
          isfinite (defcn_objective_focal_logit (&dx, extremes[i], positive)));
      g_assert_true (isfinite (dx));
      for (gsize j = 0; j < G_N_ELEMENTS (extremes); j++) {
        const float loss =
            focal_product (&dx, &df, extremes[i], extremes[j], positive);

        g_assert_true (isfinite (loss) && isfinite (dx) && isfinite (df));
        g_assert_cmpfloat (loss, >=, 0);
      }
    }
  }

  float dx, df;
  assert_near (focal_product (&dx, &df, -1000, 0, TRUE), 0.25 * 100, 1e-6, 0);
  focal_product (&dx, &df, -14, -14, TRUE);
  assert_near (dx, -0.25 * pow (sigmoid (-14), 2) / 1e-12, 1e-4, 0);
}

/* Value and derivative of random boxes: inside, outside, apart. */
static void
test_giou (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (int round = 0; round < 500; round++) {
    float p[4], t[4], d[4];
    double pd[4], td[4];

    for (int i = 0; i < 4; i++) {
      pd[i] = p[i] = g_rand_double_range (rand, 0, 60);
      td[i] = t[i] = g_rand_double_range (rand, round % 2 ? -20 : 1, 60);
    }
    assert_near (defcn_objective_giou (d, p, t), reference_giou (pd, td), 1e-5,
        1e-6);
    for (int i = 0; i < 4; i++) {
      const double step = 1e-6, keep = pd[i];

      pd[i] = keep + step;
      const double above = reference_giou (pd, td);
      pd[i] = keep - step;
      const double below = reference_giou (pd, td);
      pd[i] = keep;
      assert_near (d[i], (above - below) / (2 * step), 1e-4, 1e-6);
    }
  }
}

/* Boxes so small that the denominators are near their floor, or below it, where
 * they have no slope. */
static void
test_giou_small (void)
{
  static const double sides[] = { 3e-2, 1e-3, 4e-4, 2e-4, 1e-4 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);

  for (gsize s = 0; s < G_N_ELEMENTS (sides); s++) {
    for (int round = 0; round < 50; round++) {
      float p[4], t[4], d[4];
      double pd[4], td[4], largest = 0;

      for (int i = 0; i < 4; i++) {
        pd[i] = p[i] = g_rand_double_range (rand, 0.2, 1) * sides[s];
        td[i] = t[i] = g_rand_double_range (rand, 0.2, 1) * sides[s];
      }
      assert_near (defcn_objective_giou (d, p, t), reference_giou (pd, td),
          1e-5, 1e-6);
      for (int i = 0; i < 4; i++)
        largest = MAX (largest, fabs (d[i]));
      for (int i = 0; i < 4; i++) {
        const double step = 1e-6 * sides[s], keep = pd[i];

        pd[i] = keep + step;
        const double above = reference_giou (pd, td);
        pd[i] = keep - step;
        const double below = reference_giou (pd, td);
        pd[i] = keep;
        assert_near (d[i], (above - below) / (2 * step), 1e-3, 1e-4 * largest);
      }
    }
  }
}

/* Ties and clamps have torch's sub-gradients: half for each side of a tie, and
 * a clamp's slope at its bound. */
static void
test_giou_ties (void)
{
  static const struct
  {
    float p[4], t[4], loss, d[4];
  } cases[] = {
    /* equal: inter' 5, own' 10, hull' 5 */
    { { 5, 5, 5, 5 }, { 5, 5, 5, 5 }, 0, { 0, 0, 0, 0 } },
    /* an empty prediction does not move */
    { { 0, 0, 0, 0 }, { 5, 5, 5, 5 }, 1, { 0, 0, 0, 0 } },
    /* half the width; l: inter' 10, own' 10; r: inter' 5, own' 10, hull' 5;
     * t, b: inter' 2.5, own' 5, hull' 5 */
    { { 0, 5, 5, 5 }, { 5, 5, 5, 5 }, 0.5f,
        { -0.1f, 0.0125f, -0.025f, 0.0125f } },
    /* side by side; t, b: own' 5, hull' 7.5 */
    { { -5, 5, 10, 5 }, { 5, 5, 5, 5 }, 1,
        { -1 / 15.0f, 1 / 60.0f, 0, 1 / 60.0f } },
    /* both empty: all denominators at their floor */
    { { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, 1, { 0, 0, 0, 0 } },
  };

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++) {
    float d[4];

    assert_near (defcn_objective_giou (d, cases[c].p, cases[c].t),
        cases[c].loss, 1e-6, 1e-6);
    for (int i = 0; i < 4; i++)
      assert_near (d[i], cases[c].d[i], 1e-5, 1e-6);
  }
}

/* Heads of a small pyramid for the whole-loss tests. */
#define N_CLASSES 3
#define N_LEVELS 2
#define N_LOCATIONS (3 * 4 + 2 * 2)

typedef struct
{
  float logits[N_LOCATIONS * N_CLASSES], deltas[N_LOCATIONS * 4],
      filter[N_LOCATIONS], aux_logits[N_LOCATIONS * N_CLASSES];
} Heads;

/* What there is beside logits and deltas. */
typedef enum
{
  BARE = 0,
  FILTER = 1 << 0,
  AUX_LOGITS = 1 << 1,
} Parts;

static void
point_at (DefcnLevel levels[N_LEVELS], DefcnLevelGrad grads[N_LEVELS], Heads *x,
    Heads *dx, Parts parts)
{
  const int first[N_LEVELS] = { 0, 12 }, h[N_LEVELS] = { 3, 2 },
            w[N_LEVELS] = { 4, 2 };

  for (int l = 0; l < N_LEVELS; l++) {
    levels[l] = (DefcnLevel){ .h = h[l],
      .w = w[l],
      .stride = 8 << l,
      .logits = x->logits + first[l] * N_CLASSES,
      .deltas = x->deltas + first[l] * 4,
      .filter = parts & FILTER ? x->filter + first[l] : NULL,
      .aux_logits =
          parts & AUX_LOGITS ? x->aux_logits + first[l] * N_CLASSES : NULL };
    grads[l] = (DefcnLevelGrad){ .logits = dx->logits + first[l] * N_CLASSES,
      .deltas = dx->deltas + first[l] * 4,
      .filter = parts & FILTER ? dx->filter + first[l] : NULL,
      .aux_logits = dx->aux_logits + first[l] * N_CLASSES };
  }
}

typedef double (*Loss) (DefcnLevelGrad *grads, const DefcnLevel *levels,
    int n_levels, const DefcnAssignment *assignment, double scale);

static DefcnAssignment *
random_assignment (GRand *rand)
{
  DefcnAssignment *a = defcn_assignment_new (N_LOCATIONS, N_CLASSES);

  /* on the levels, of 12 and 4 locations, not in the same places */
  for (int j = 0; j < N_LOCATIONS; j += 5) {
    a->classes[j] = j % N_CLASSES == 0 && j % 2 ? 2 : j % N_CLASSES;
    a->objects[j] = 0;
    for (int i = 0; i < 4; i++)
      a->targets[j][i] = g_rand_double_range (rand, 1, 30);
  }
  a->classes[1] = -1; /* takes no part */
  return a;
}

static void
random_heads (Heads *x, GRand *rand)
{
  for (int k = 0; k < N_LOCATIONS * N_CLASSES; k++)
    x->logits[k] = g_rand_double_range (rand, -3, 3);
  for (int k = 0; k < N_LOCATIONS * N_CLASSES; k++)
    x->aux_logits[k] = g_rand_double_range (rand, -3, 3);
  for (int k = 0; k < N_LOCATIONS * 4; k++)
    x->deltas[k] = g_rand_double_range (rand, 1, 30);
  for (int k = 0; k < N_LOCATIONS; k++)
    x->filter[k] = g_rand_double_range (rand, -3, 3);
}

/* Heads at random, what is assigned to them, and their gradients, of 0. */
typedef struct
{
  Heads x, dx;
  DefcnLevel levels[N_LEVELS];
  DefcnLevelGrad grads[N_LEVELS];
  DefcnAssignment *a;
} Rig;

static void
rig_init (Rig *rig, guint seed, Parts parts)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  *rig = (Rig){ .a = random_assignment (rand) };
  random_heads (&rig->x, rand);
  point_at (rig->levels, rig->grads, &rig->x, &rig->dx, parts);
}

/* The gradient that the loss leaves in every head output is its slope. */
static void
check_loss (Loss loss, Parts parts)
{
  const double scale = 0.7;
  const float step = 1.0f / 64;
  Rig r;
  float *values = (float *) &r.x, *found = (float *) &r.dx;
  double largest = 0;

  rig_init (&r, 4, parts);
  const double value = loss (r.grads, r.levels, N_LEVELS, r.a, scale);
  g_assert_cmpfloat (value, >, 0);
  g_assert_cmpfloat (loss (NULL, r.levels, N_LEVELS, r.a, scale), ==, value);
  for (gsize k = 0; k < sizeof r.x / sizeof (float); k++) {
    const float keep = values[k];

    values[k] = keep + step;
    const double above = loss (NULL, r.levels, N_LEVELS, r.a, scale);
    values[k] = keep - step;
    const double below = loss (NULL, r.levels, N_LEVELS, r.a, scale);
    values[k] = keep;
    assert_near (found[k], (above - below) / (2 * step), 5e-3, 1e-4);
    largest = MAX (largest, fabs (found[k]));
  }
  g_assert_cmpfloat (largest, >, 0.01);

  /* Gradients are added to, and the scale is linear. */
  g_autofree float *once = g_memdup2 (found, sizeof r.dx);
  g_assert_cmpfloat_with_epsilon (loss (r.grads, r.levels, N_LEVELS, r.a,
                                      2 * scale),
      2 * value, 1e-9);
  for (gsize k = 0; k < sizeof r.x / sizeof (float); k++)
    assert_near (found[k], 3 * once[k], 1e-5, 1e-7);
  defcn_assignment_free (r.a);
}

static void
test_focal (void)
{
  check_loss (defcn_loss_focal, BARE);
}

static void
test_focal_filter (void)
{
  check_loss (defcn_loss_focal, FILTER | AUX_LOGITS);
}

static void
test_aux (void)
{
  check_loss (defcn_loss_aux, FILTER);
  check_loss (defcn_loss_aux, FILTER | AUX_LOGITS);
}

static void
test_box (void)
{
  check_loss (defcn_loss_giou, FILTER);
}

/* The box loss is of the foreground, on every level, and of nothing else. */
static void
test_foreground (void)
{
  Rig r;

  rig_init (&r, 7, FILTER);
  defcn_loss_giou (r.grads, r.levels, N_LEVELS, r.a, 1);
  for (int j = 0; j < N_LOCATIONS; j++) {
    float sum = 0;

    for (int i = 0; i < 4; i++)
      sum += fabsf (r.dx.deltas[4 * j + i]);
    g_assert_true (r.a->objects[j] < 0 ? sum == 0 : sum > 0);
  }
  defcn_assignment_free (r.a);
}

/* The auxiliary loss leaves the filter alone, a row of class -1 counts for
 * nothing, and gradients that are not wanted are not touched. */
static void
test_left_alone (void)
{
  Rig r;

  rig_init (&r, 5, FILTER);
  defcn_loss_aux (r.grads, r.levels, N_LEVELS, r.a, 1);
  for (int k = 0; k < N_LOCATIONS; k++)
    g_assert_cmpfloat (r.dx.filter[k], ==, 0);
  for (int c = 0; c < N_CLASSES; c++)
    g_assert_cmpfloat (r.dx.logits[N_CLASSES + c], ==, 0);

  memset (&r.dx, 0, sizeof r.dx);
  for (int l = 0; l < N_LEVELS; l++)
    r.grads[l].logits = NULL;
  defcn_loss_focal (r.grads, r.levels, N_LEVELS, r.a, 1);
  for (int k = 0; k < N_LOCATIONS * N_CLASSES; k++)
    g_assert_cmpfloat (r.dx.logits[k], ==, 0);
  for (int k = 0; k < N_LOCATIONS; k++)
    g_assert_true (k == 1 ? r.dx.filter[k] == 0 : r.dx.filter[k] != 0);
  defcn_assignment_free (r.a);
}

/* Absolute differences of codes, of the foreground alone; the slopes by the
 * sides, taken down to the codes, are the signs of the differences. */
static void
test_l1 (void)
{
  Rig r;
  double sum = 0;
  int signs[3] = { 0 };

  rig_init (&r, 11, BARE);
  for (int l = 0; l < N_LEVELS; l++)
    r.levels[l].anchors = 1;
  for (int j = 0; j < N_LOCATIONS; j++)
    if (r.a->objects[j] >= 0) { /* one is met */
      memcpy (&r.x.deltas[4 * j], r.a->targets[j], sizeof r.a->targets[j]);
      break;
    }
  const double loss = defcn_loss_l1 (r.grads, r.levels, N_LEVELS, r.a, 0.5);
  for (int j = 0; j < N_LOCATIONS; j++) {
    const float *sides = &r.x.deltas[4 * j];
    float code[4], want[4], down[4];
    DefcnAnchor anchor;

    if (r.a->objects[j] < 0) {
      for (int i = 0; i < 4; i++)
        g_assert_cmpfloat (r.dx.deltas[4 * j + i], ==, 0);
      continue;
    }
    defcn_anchors_fill (&anchor, 1, j < 12 ? 0 : 1);
    defcn_anchors_encode (code, sides, &anchor);
    defcn_anchors_encode (want, r.a->targets[j], &anchor);
    defcn_anchors_slope (down, &r.dx.deltas[4 * j], sides, code, &anchor);
    for (int i = 0; i < 4; i++) {
      const int sign = (code[i] > want[i]) - (code[i] < want[i]);

      sum += fabs (code[i] - want[i]);
      signs[1 + sign]++;
      g_assert_cmpfloat_with_epsilon (down[i], 0.5 * sign, 1e-4);
    }
  }
  g_assert_true (signs[0] > 0 && signs[1] >= 4 && signs[2] > 0);
  g_assert_cmpfloat_with_epsilon (loss, 0.5 * sum, 1e-5);
  defcn_assignment_free (r.a);
}

/* Targets of the centerness, with a location outside of its object. */
static void
test_centerness (void)
{
  static const struct
  {
    float sides[4];
    double value;
  } cases[] = { { { 5, 5, 5, 5 }, 1 }, { { 1, 2, 3, 2 }, 0.57735027 },
    { { 3, 1, 1, 4 }, 0.28867513 }, { { 0, 2, 3, 2 }, 0 },
    { { -1, 2, 3, 2 }, 0 }, { { -1, -2, 3, 2 }, 0 } };

  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++)
    g_assert_cmpfloat_with_epsilon (defcn_objective_centerness (cases[k].sides),
        cases[k].value, 1e-6);
  for (double x = -40; x <= 40; x += 8)
    for (double t = 0; t <= 1; t += 0.25) {
      const double want = MAX (x, 0) - x * t + log1p (exp (-fabs (x)));
      float slope;

      g_assert_cmpfloat_with_epsilon (defcn_objective_bce (&slope, x, t), want,
          1e-6 * MAX (1, want));
      g_assert_cmpfloat_with_epsilon (slope, sigmoid (x) - t, 1e-6);
    }
}

/* Boxes weigh by their centerness, and it has a loss of its own: both of the
 * foreground alone, with the slopes that differences have. */
static void
test_weighted (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  g_autoptr (DefcnAssignment) a = random_assignment (rand);
  DefcnLevel levels[N_LEVELS];
  DefcnLevelGrad grads[N_LEVELS];
  float centerness[N_LOCATIONS], slopes[N_LOCATIONS] = { 0 };
  Heads x, dx = { 0 };
  double boxes = 0, weights = 0, own = 0;

  random_heads (&x, rand);
  point_at (levels, grads, &x, &dx, BARE);
  for (int l = 0; l < N_LEVELS; l++) {
    levels[l].centerness = centerness + (l == 0 ? 0 : 12);
    grads[l].centerness = slopes + (l == 0 ? 0 : 12);
  }
  for (int j = 0; j < N_LOCATIONS; j++)
    centerness[j] = g_rand_double_range (rand, -3, 3);
  const double loss = defcn_loss_centerness (grads, levels, N_LEVELS, a, 0.5);
  const double box = defcn_loss_giou_weighted (grads, levels, N_LEVELS, a, 0.5);
  for (int j = 0; j < N_LOCATIONS; j++) {
    float d[4], slope;

    if (a->objects[j] < 0) {
      g_assert_cmpfloat (slopes[j], ==, 0);
      g_assert_cmpfloat (dx.deltas[4 * j], ==, 0);
      continue;
    }
    const float t = defcn_objective_centerness (a->targets[j]);
    weights += t;
    boxes += t * defcn_objective_giou (d, &x.deltas[4 * j], a->targets[j]);
    own += defcn_objective_bce (&slope, centerness[j], t);
    g_assert_cmpfloat_with_epsilon (slopes[j], 0.5 * slope, 1e-6);
    for (int i = 0; i < 4; i++)
      g_assert_cmpfloat_with_epsilon (dx.deltas[4 * j + i], 0.5 * t * d[i],
          1e-6);
  }
  g_assert_cmpfloat (weights, >, 0);
  g_assert_cmpfloat_with_epsilon (box, 0.5 * boxes, 1e-6);
  g_assert_cmpfloat_with_epsilon (loss, 0.5 * own, 1e-6);
  g_assert_cmpfloat_with_epsilon (defcn_loss_centerness_sum (a), weights, 1e-6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/loss/logit", test_logit);
  g_test_add_func ("/loss/product", test_product);
  g_test_add_func ("/loss/extremes", test_extremes);
  g_test_add_func ("/loss/giou", test_giou);
  g_test_add_func ("/loss/giou-small", test_giou_small);
  g_test_add_func ("/loss/giou-ties", test_giou_ties);
  g_test_add_func ("/loss/focal", test_focal);
  g_test_add_func ("/loss/focal-filter", test_focal_filter);
  g_test_add_func ("/loss/aux", test_aux);
  g_test_add_func ("/loss/box", test_box);
  g_test_add_func ("/loss/foreground", test_foreground);
  g_test_add_func ("/loss/left-alone", test_left_alone);
  g_test_add_func ("/loss/l1", test_l1);
  g_test_add_func ("/loss/centerness", test_centerness);
  g_test_add_func ("/loss/weighted", test_weighted);
  return g_test_run ();
}
