/* Do the scores mean what they say. */
#include "reliability.h"

#include <math.h>

void
defcn_reliability_measure (DefcnReliability *reliability,
    const DefcnOutcomes *outcomes)
{
  DefcnReliabilityBin *bins = reliability->bins;
  guint n = 0;
  double error = 0;

  *reliability = (DefcnReliability){ 0 };
  for (guint i = 0; i < outcomes->outcomes->len; i++) {
    const DefcnOutcome *o =
        &g_array_index (outcomes->outcomes, DefcnOutcome, i);
    const int k = ceil (o->score * DEFCN_RELIABILITY_BINS) - 1;
    DefcnReliabilityBin *bin = &bins[CLAMP (k, 0, DEFCN_RELIABILITY_BINS - 1)];

    if (o->ignored)
      continue;
    bin->n++;
    bin->score += o->score;
    bin->precision += o->hit;
    n++;
  }
  for (int k = 0; k < DEFCN_RELIABILITY_BINS; k++) {
    error += fabs (bins[k].precision - bins[k].score);
    bins[k].score /= MAX (bins[k].n, 1);
    bins[k].precision /= MAX (bins[k].n, 1);
  }
  reliability->error = n ? error / n : -1;
}
