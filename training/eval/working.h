/* What becomes of a model's detections at one threshold of the scores: its
 * precision, recall and duplicates where it works, all classes together.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "outcomes.h"

G_BEGIN_DECLS

/* At a threshold; -1 where there is nothing to measure. */
typedef struct
{
  double threshold; /* scores over it count; -1: there is none, all is -1 */
  double precision, recall; /* of hits among what is not ignored, of objects */
  double f1;
  double duplicate_rate; /* among all, 0 without any */
} DefcnWorking;

DefcnWorking defcn_working_at (const DefcnOutcomes *outcomes, double threshold);
/* At the highest threshold at which the recall is @recall or more, a float just
 * below the score of the last hit that this takes; threshold -1 where it is not
 * reached, or where @recall is not over 0. */
DefcnWorking defcn_working_at_recall (const DefcnOutcomes *outcomes,
    double recall);
/* At the threshold of best F1.  It is looked for in steps of 0.01 from @lowest
 * up, and F1 is the mean of five neighbouring steps (fewer at the ends), so
 * that one lucky detection does not decide; of equal ones the highest.
 * Threshold -1 without a hit. */
DefcnWorking defcn_working_best (const DefcnOutcomes *outcomes, float lowest);

G_END_DECLS
