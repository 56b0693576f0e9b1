/* Precision over recall, worked out by hand. */
#include "eval/precision_recall.h"

#define TOLERANCE 1e-12

/* Hits "+", misses "-", ignored "." by descending score, of @n_objects. */
static void
measure (DefcnPrecisionRecall *curve, const char *what, guint n_objects)
{
  g_auto (DefcnOutcomes) outcomes = { 0 };

  defcn_outcomes_init (&outcomes);
  outcomes.n_objects = n_objects;
  for (guint i = 0; what[i]; i++) {
    const DefcnOutcome o = { .score = 1 - i * 0.01,
      .hit = what[i] == '+',
      .ignored = what[i] == '.' };

    g_array_append_val (outcomes.outcomes, o);
  }
  defcn_precision_recall_measure (curve, &outcomes);
}

/* The best precision at a recall or beyond it, 0 where it is not reached. */
static void
test_curve (void)
{
  static const struct
  {
    const char *what;
    guint n;
    int recall; /* percent */
    double precision;
  } rows[] = {
    { "++++", 4, 0, 1 },
    { "++++", 4, 100, 1 },
    { "-+", 2, 0, 0.5 },
    { "-+", 2, 50, 0.5 },
    { "-+", 2, 51, 0 },
    { "+--+", 2, 50, 1 },
    { "+--+", 2, 51, 0.5 },
    { "+--+", 2, 100, 0.5 },
    { "-+++", 4, 20, 0.75 }, /* what comes later is better */
    { "-+++", 4, 75, 0.75 },
    { "-+++", 4, 76, 0 },
    { "+..+", 2, 100, 1 }, /* ignored is neither */
    { "---", 2, 0, 0 },
    { "", 3, 0, 0 },
    { "--", 0, 0, -1 },
    { "", 0, 100, -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    DefcnPrecisionRecall curve;

    measure (&curve, rows[i].what, rows[i].n);
    g_assert_cmpfloat_with_epsilon (curve.precision[rows[i].recall],
        rows[i].precision, TOLERANCE);
    for (int k = 1; k < DEFCN_PRECISION_RECALL_N; k++)
      g_assert_cmpfloat (curve.precision[k], <=, curve.precision[k - 1]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/precision-recall/curve", test_curve);
  return g_test_run ();
}
