/* What becomes of a model's detections at one threshold of the scores. */
#include "working.h"

#include <math.h>

#define N_STEPS 100     /* of the thresholds that are tried */
#define NEIGHBOURS 2    /* on both sides, whose F1 counts too */
#define TOLERANCE 1e-12 /* means that differ by less are equal */

static const DefcnWorking nowhere = { -1, -1, -1, -1, -1 };

static double
share (double part, double whole)
{
  return whole > 0 ? part / whole : -1;
}

DefcnWorking
defcn_working_at (const DefcnOutcomes *outcomes, double threshold)
{
  guint n = 0, n_counted = 0, n_hits = 0, n_duplicates = 0;

  for (; n < outcomes->outcomes->len; n++) {
    const DefcnOutcome *o =
        &g_array_index (outcomes->outcomes, DefcnOutcome, n);

    if (o->score <= threshold)
      break;
    n_counted += !o->ignored;
    n_hits += o->hit;
    n_duplicates += o->duplicate;
  }
  return (DefcnWorking){ .threshold = threshold,
    .precision = share (n_hits, n_counted),
    .recall = share (n_hits, outcomes->n_objects),
    .f1 = share (2.0 * n_hits, (double) n_counted + outcomes->n_objects),
    .duplicate_rate = n ? (double) n_duplicates / n : 0 };
}

DefcnWorking
defcn_working_at_recall (const DefcnOutcomes *outcomes, double recall)
{
  guint n_hits = 0;

  for (guint i = 0; recall > 0 && i < outcomes->outcomes->len; i++) {
    const DefcnOutcome *o =
        &g_array_index (outcomes->outcomes, DefcnOutcome, i);

    n_hits += o->hit;
    if (share (n_hits, outcomes->n_objects) >= recall)
      return defcn_working_at (outcomes, nextafterf (o->score, -1));
  }
  return nowhere;
}

DefcnWorking
defcn_working_best (const DefcnOutcomes *outcomes, float lowest)
{
  DefcnWorking steps[N_STEPS], best = nowhere;
  double best_f1 = 0;
  int first = N_STEPS;

  while (first > 0 && (first - 1) / (float) N_STEPS >= lowest) {
    first--;
    steps[first] = defcn_working_at (outcomes, first / (double) N_STEPS);
  }
  for (int i = N_STEPS; i-- > first;) {
    const int from = MAX (i - NEIGHBOURS, first);
    const int to = MIN (i + NEIGHBOURS, N_STEPS - 1);
    double f1 = 0;

    for (int k = from; k <= to; k++)
      f1 += steps[k].f1 / (to - from + 1);
    if (f1 > best_f1 + TOLERANCE) {
      best_f1 = f1;
      best = steps[i];
    }
  }
  return best;
}
