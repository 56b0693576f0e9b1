/* CrowdHuman metrics: AP50, mMR (the log-average miss rate), Recall, equal to
 * cvpods' crowdhumantools, and the Jaccard index (jaccard.h).
 *
 * Thread rule: one thread at a time per evaluator.
 */
#pragma once

#include "data/dataset.h"
#include "outcomes.h"

G_BEGIN_DECLS

typedef struct
{
  double ap, mmr, recall; /* 0, 1, 0 without detections */
  double ji;              /* 0 without */
  double ji_threshold;    /* of the scores, where it is that */
} DefcnCrowdhumanResult;

typedef struct _DefcnCrowdhumanEval DefcnCrowdhumanEval;

DefcnCrowdhumanEval *defcn_crowdhuman_eval_new (const DefcnDataset *dataset);
void defcn_crowdhuman_eval_free (DefcnCrowdhumanEval *eval);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnCrowdhumanEval, defcn_crowdhuman_eval_free)

/* Detections of sample @i, whose image is @width x @height: x, y, w, h. */
void defcn_crowdhuman_eval_add (DefcnCrowdhumanEval *eval, guint i, int width,
    int height, const double (*xywh)[4], const double *score, guint n);
/* Leaves out the samples of fewer than @least_persons persons from here on; 0:
 * none.  Returns: how many take part. */
guint defcn_crowdhuman_eval_restrict (DefcnCrowdhumanEval *eval,
    guint least_persons);
/* What became of every detection: no duplicates are looked for, and what lies
 * on an ignored region is left out.  @outcomes is filled; clear it after
 * use. */
void defcn_crowdhuman_eval_outcomes (const DefcnCrowdhumanEval *eval,
    DefcnOutcomes *outcomes);
/* Fills all of @result but ji. */
void defcn_crowdhuman_eval_run (DefcnCrowdhumanEval *eval,
    DefcnCrowdhumanResult *result);
/* Fills ji, ji_threshold. */
void defcn_crowdhuman_eval_jaccard (const DefcnCrowdhumanEval *eval,
    DefcnCrowdhumanResult *result);
/* What NMS would leave of the persons, whoever detects them: the recall of the
 * ground truth in table 8.  Of equal scores NMS takes them in the order of the
 * annotations; they are not clipped.  -1 without persons. */
double defcn_crowdhuman_eval_truth_recall (const DefcnCrowdhumanEval *eval,
    double iou);

G_END_DECLS
