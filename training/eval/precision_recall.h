/* Precision over recall: what the detections are worth at every threshold, all
 * classes together.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "outcomes.h"

G_BEGIN_DECLS

#define DEFCN_PRECISION_RECALL_N 101 /* recalls 0, 0.01 .. 1 */

typedef struct
{
  /* The best precision with that recall or more, 0 where it is not reached; -1
   * without an object.  For one class its mean is AP50. */
  double precision[DEFCN_PRECISION_RECALL_N];
} DefcnPrecisionRecall;

/* @outcomes: by descending score. */
void defcn_precision_recall_measure (DefcnPrecisionRecall *curve,
    const DefcnOutcomes *outcomes);

G_END_DECLS
