/* Do the scores mean what they say: precision beside the mean score, in bins.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "outcomes.h"

G_BEGIN_DECLS

#define DEFCN_RELIABILITY_BINS 20 /* of 0.05: score in (k / 20, (k + 1) / 20] */

typedef struct
{
  guint n;                 /* detections that are not ignored */
  double score, precision; /* means; 0 without any */
} DefcnReliabilityBin;

typedef struct
{
  DefcnReliabilityBin bins[DEFCN_RELIABILITY_BINS];
  /* Expected calibration error: |precision - score| of the bins, weighed by
   * their n; -1 without any detection. */
  double error;
} DefcnReliability;

void defcn_reliability_measure (DefcnReliability *reliability,
    const DefcnOutcomes *outcomes);

G_END_DECLS
