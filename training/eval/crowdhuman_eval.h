/* CrowdHuman metrics: AP50, mMR (the log-average miss rate), Recall, equal to
 * cvpods' crowdhumantools.
 *
 * Thread rule: one thread at a time per evaluator.
 */
#pragma once

#include "data/dataset.h"

G_BEGIN_DECLS

typedef struct
{
  double ap, mmr, recall; /* 0, 1, 0 without detections */
} DefcnCrowdhumanResult;

typedef struct _DefcnCrowdhumanEval DefcnCrowdhumanEval;

DefcnCrowdhumanEval *defcn_crowdhuman_eval_new (const DefcnDataset *dataset);
void defcn_crowdhuman_eval_free (DefcnCrowdhumanEval *eval);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnCrowdhumanEval, defcn_crowdhuman_eval_free)

/* Detections of sample @i, whose image is @width x @height: x, y, w, h. */
void defcn_crowdhuman_eval_add (DefcnCrowdhumanEval *eval, guint i, int width,
    int height, const double (*xywh)[4], const double *score, guint n);
void defcn_crowdhuman_eval_run (DefcnCrowdhumanEval *eval,
    DefcnCrowdhumanResult *result);

G_END_DECLS
