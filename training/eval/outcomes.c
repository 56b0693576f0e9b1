/* What became of a model's detections. */
#include "outcomes.h"

void
defcn_outcomes_init (DefcnOutcomes *outcomes)
{
  outcomes->outcomes = g_array_new (FALSE, TRUE, sizeof (DefcnOutcome));
  outcomes->n_objects = 0;
}

void
defcn_outcomes_clear (DefcnOutcomes *outcomes)
{
  g_clear_pointer (&outcomes->outcomes, g_array_unref);
}

static int
by_score (gconstpointer a, gconstpointer b)
{
  const DefcnOutcome *p = a, *q = b;

  return (p->score < q->score) - (p->score > q->score);
}

void
defcn_outcomes_sort (DefcnOutcomes *outcomes)
{
  g_array_sort (outcomes->outcomes, by_score);
}
