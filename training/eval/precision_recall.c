/* Precision over recall. */
#include "precision_recall.h"

/* The recalls as NumPy spaces them, which COCO's figures are taken at. */
static double
recall_at (int k)
{
  return k == DEFCN_PRECISION_RECALL_N - 1 ? 1 : k * 0.01;
}

void
defcn_precision_recall_measure (DefcnPrecisionRecall *curve,
    const DefcnOutcomes *outcomes)
{
  int reached = 0; /* recalls that were met */
  guint n = 0, n_hits = 0;

  for (int k = 0; k < DEFCN_PRECISION_RECALL_N; k++)
    curve->precision[k] = outcomes->n_objects ? 0 : -1;
  for (guint i = 0; outcomes->n_objects && i < outcomes->outcomes->len; i++) {
    const DefcnOutcome *o =
        &g_array_index (outcomes->outcomes, DefcnOutcome, i);

    if (o->ignored)
      continue;
    n++;
    n_hits += o->hit;
    const double precision = (double) n_hits / n;
    const double recall = (double) n_hits / outcomes->n_objects;
    while (reached < DEFCN_PRECISION_RECALL_N && recall_at (reached) <= recall)
      reached++;
    /* Precision falls and rises; what comes later counts for all before. */
    for (int k = reached; k-- > 0 && curve->precision[k] < precision;)
      curve->precision[k] = precision;
  }
}
