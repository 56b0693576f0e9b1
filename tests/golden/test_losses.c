/* Losses and their gradients against the reference code. */
#include "golden.h"
#include "objective.h"
#include "train/loss.h"

#include <math.h>
#include <string.h>

#define TOLERANCE 1e-4
#define EXTREME_TOLERANCE 1e-3

/* A one-row level of all locations with the golden classes. */
typedef struct
{
  DefcnLevel level;
  DefcnLevelGrad grad;
  DefcnAssignment *assignment;
  int n, k;
} Heads;

static void
heads_init (Heads *heads, const int *classes, int n, int k, const float *logits,
    const float *filter)
{
  *heads = (Heads){ .n = n, .k = k };
  heads->level = (DefcnLevel){ .h = 1,
    .w = n,
    .stride = 8,
    .logits = logits,
    .filter = filter };
  heads->grad.logits = g_new0 (float, (gsize) n *k);
  heads->grad.filter = g_new0 (float, n);
  heads->assignment = defcn_assignment_new (n, k);
  for (int j = 0; j < n; j++)
    heads->assignment->classes[j] = classes[j];
}

static void
heads_clear (Heads *heads)
{
  g_free (heads->grad.logits);
  g_free (heads->grad.filter);
  defcn_assignment_free (heads->assignment);
}

static void
assert_close (const char *what, double difference, double tolerance)
{
  g_test_message ("%s: %.3g", what, difference);
  g_assert_cmpfloat (difference, <=, tolerance);
}

static gboolean
is_extreme (const char *set)
{
  return g_str_has_prefix (set, "extreme");
}

static double
tolerance_of (const char *set)
{
  return is_extreme (set) ? EXTREME_TOLERANCE : TOLERANCE;
}

/* Calls @check for every set of the file that has "@prefix<set>@end". */
static void
check_sets (const char *below, const char *prefix, const char *end,
    void (*check) (const DefcnWeights *file, const char *set))
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  int n = 0;

  for (guint i = 0; file && i < defcn_weights_count (file); i++) {
    const char *name = defcn_weights_get (file, i)->name;

    if (!g_str_has_prefix (name, prefix) || !g_str_has_suffix (name, end))
      continue;
    g_autofree char *set = g_strndup (name + strlen (prefix),
        strlen (name) - strlen (prefix) - strlen (end));
    check (file, set);
    n++;
  }
  if (file && n == 0)
    g_test_skip_printf ("%s: no %s", below, prefix);
}

/* Focal loss on logits: every element, the sum without rows of class -1, the
 * gradient of the sum. */
static void
check_focal_logit (const DefcnWeights *file, const char *set)
{
  const double tolerance = tolerance_of (set);
  g_autofree char *x_name = g_strdup_printf ("logit.%s.x", set);
  g_autofree char *each_name = g_strdup_printf ("logit.%s.per_element", set);
  g_autofree char *sum_name = g_strdup_printf ("logit.%s.sum", set);
  g_autofree char *dx_name = g_strdup_printf ("logit.%s.gx", set);
  gsize n, len;
  Heads heads;

  g_autofree int *classes = testing_golden_ints (file, "classes", &n);
  g_autofree float *x = testing_golden_floats (file, x_name, &len);
  g_autofree float *each = testing_golden_floats (file, each_name, NULL);
  g_autofree float *sum = testing_golden_floats (file, sum_name, NULL);
  g_autofree float *dx = testing_golden_floats (file, dx_name, NULL);
  const int k = len / n;

  g_autofree float *found = g_new (float, len);
  for (gsize i = 0; i < len; i++) {
    float d;

    found[i] =
        defcn_objective_focal_logit (&d, x[i], classes[i / k] == (int) (i % k));
  }
  assert_close ("elements", testing_golden_difference (found, each, len),
      tolerance);

  heads_init (&heads, classes, n, k, x, NULL);
  const double total =
      defcn_loss_focal (&heads.grad, &heads.level, 1, heads.assignment, 1);
  assert_close ("sum", fabs (total - sum[0]) / fabs (sum[0]), tolerance);
  assert_close ("gradient",
      testing_golden_difference (heads.grad.logits, dx, len), tolerance);
  heads_clear (&heads);
}

static void
test_focal_logit (gconstpointer below)
{
  check_sets (below, "logit.", ".x", check_focal_logit);
}

/* The same on the product of two sigmoids, with the gradient of both; of the
 * extreme set only elements with both logits inside +-15, and no sums. */
static void
check_focal_product (const DefcnWeights *file, const char *set)
{
  const gboolean extreme = is_extreme (set);
  const double tolerance = tolerance_of (set);
  g_autofree char *cls_name = g_strdup_printf ("prob.%s.cls", set);
  g_autofree char *filter_name = g_strdup_printf ("prob.%s.flt", set);
  g_autofree char *each_name = g_strdup_printf ("prob.%s.per_element", set);
  g_autofree char *sum_name = g_strdup_printf ("prob.%s.sum", set);
  g_autofree char *dcls_name = g_strdup_printf ("prob.%s.gcls", set);
  g_autofree char *dfilter_name = g_strdup_printf ("prob.%s.gflt", set);
  gsize n, len, kept = 0;
  Heads heads;

  g_autofree int *classes = testing_golden_ints (file, "classes", &n);
  g_autofree float *cls = testing_golden_floats (file, cls_name, &len);
  g_autofree float *filter = testing_golden_floats (file, filter_name, NULL);
  g_autofree float *each = testing_golden_floats (file, each_name, NULL);
  g_autofree float *sum = testing_golden_floats (file, sum_name, NULL);
  g_autofree float *dcls = testing_golden_floats (file, dcls_name, NULL);
  g_autofree float *dfilter = testing_golden_floats (file, dfilter_name, NULL);
  const int k = len / n;

  heads_init (&heads, classes, n, k, cls, filter);
  const double total =
      defcn_loss_focal (&heads.grad, &heads.level, 1, heads.assignment, 1);

  /* What is not compared is set to what is wanted. */
  g_autofree float *found = g_new (float, len);
  for (gsize i = 0; i < len; i++) {
    const gsize j = i / k;
    float d, df;

    found[i] = defcn_objective_focal_product (&d, &df, cls[i],
        defcn_sigmoid (filter[j]), classes[j] == (int) (i % k));
    if (!extreme || (fabsf (cls[i]) <= 15 && fabsf (filter[j]) <= 15)) {
      kept++;
      continue;
    }
    found[i] = each[i];
    heads.grad.logits[i] = dcls[i];
  }
  g_test_message ("%zu of %zu elements", kept, len);
  g_assert_cmpuint (kept, >, len / 100);
  assert_close ("elements", testing_golden_difference (found, each, len),
      tolerance);
  assert_close ("gradient of cls",
      testing_golden_difference (heads.grad.logits, dcls, len), tolerance);
  if (!extreme) {
    assert_close ("gradient of filter",
        testing_golden_difference (heads.grad.filter, dfilter, n), tolerance);
    assert_close ("sum", fabs (total - sum[0]) / fabs (sum[0]), tolerance);
  }
  heads_clear (&heads);
}

static void
test_focal_product (gconstpointer below)
{
  check_sets (below, "prob.", ".cls", check_focal_product);
}

/* GIoU loss and gradient per element: zero boxes, ties, outside targets. */
static void
test_giou (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  gsize len;

  if (!file)
    return;
  g_autofree float *prediction = testing_golden_floats (file, "pred", &len);
  g_autofree float *target = testing_golden_floats (file, "target", NULL);
  g_autofree float *loss = testing_golden_floats (file, "giou.loss", NULL);
  g_autofree float *want = testing_golden_floats (file, "giou.gpred", NULL);
  g_autofree float *found = g_new (float, len / 4);
  g_autofree float *d = g_new (float, len);
  double worst = 0;

  for (gsize i = 0; i < len / 4; i++) {
    found[i] =
        defcn_objective_giou (d + 4 * i, prediction + 4 * i, target + 4 * i);
    /* each by its own scale: small boxes have large gradients */
    worst = MAX (worst, testing_golden_difference (d + 4 * i, want + 4 * i, 4));
  }
  assert_close ("gradient", worst, TOLERANCE);
  assert_close ("losses", testing_golden_difference (found, loss, len / 4),
      TOLERANCE);
}

/* Binary cross entropy of the centerness, and its gradient. */
static void
test_centerness (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  double total = 0;
  gsize len;

  if (!file)
    return;
  g_autofree float *x = testing_golden_floats (file, "x", &len);
  g_autofree float *t = testing_golden_floats (file, "t", NULL);
  g_autofree float *sum = testing_golden_floats (file, "sum", NULL);
  g_autofree float *want = testing_golden_floats (file, "gx", NULL);
  g_autofree float *d = g_new (float, len);

  for (gsize i = 0; i < len; i++)
    total += defcn_objective_bce (d + i, x[i], t[i]);
  assert_close ("gradient", testing_golden_difference (d, want, len),
      TOLERANCE);
  assert_close ("sum", fabs (total - sum[0]) / fabs (sum[0]), TOLERANCE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  testing_golden_add ("/golden/focal/logit", "ops/focal_loss*.safetensors",
      test_focal_logit);
  testing_golden_add ("/golden/focal/product", "ops/focal_loss*.safetensors",
      test_focal_product);
  testing_golden_add ("/golden/centerness", "ops/centerness_bce*.safetensors",
      test_centerness);
  testing_golden_add ("/golden/giou", "ops/iou_loss*.safetensors", test_giou);
  return g_test_run ();
}
