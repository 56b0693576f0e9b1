/* COCO detection metrics, equal to pycocotools' COCOeval (iouType bbox), and
 * the duplicate rate.
 *
 * Thread rule: one thread at a time per evaluator.
 */
#pragma once

#include "data/dataset.h"
#include "matches.h"
#include "outcomes.h"

G_BEGIN_DECLS

#define DEFCN_COCO_RECALLS DEFCN_MATCH_RECALLS

typedef struct
{
  /* AP, AP50, AP75, APs, APm, APl, AR@1, AR@10, AR@100, ARs, ARm, ARl; -1
   * where there is nothing to measure. */
  double stats[12];
  GArray *class_ap; /* of double, one per class; -1 without ground truth */
  /* Share of detections above duplicate_threshold that overlap a better one
   * of their class, at IoU > 0.7, on the same object: their best match (IoU >
   * 0.5) among the image's objects is the same one. */
  double duplicate_rate;
  guint64 n_detections; /* above duplicate_threshold */
  guint64 n_duplicates;
} DefcnCocoResult;

void defcn_coco_result_clear (DefcnCocoResult *result);

typedef struct _DefcnCocoEval DefcnCocoEval;

/* @dataset: borrowed, outlives the evaluator. */
DefcnCocoEval *defcn_coco_eval_new (const DefcnDataset *dataset,
    float duplicate_threshold);
void defcn_coco_eval_free (DefcnCocoEval *eval);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnCocoEval, defcn_coco_eval_free)

/* Detections (DefcnBox in file pixels, by descending score) of sample @i. */
void defcn_coco_eval_add (DefcnCocoEval *eval, guint i, const GArray *boxes);
/* The same with boxes as x, y, w, h in double and the class index, for results
 * files: n rows of @xywh, @score, @label. */
void defcn_coco_eval_add_xywh (DefcnCocoEval *eval, guint i,
    const double (*xywh)[4], const double *score, const int *label, guint n);
/* Leaves out the samples of fewer than @least_objects objects, crowds not
 * counted, from here on; 0: none.  Returns: how many take part. */
guint defcn_coco_eval_restrict (DefcnCocoEval *eval, guint least_objects);
/* @result is filled; clear it after use. */
void defcn_coco_eval_run (DefcnCocoEval *eval, DefcnCocoResult *result);
/* AP and AP50 of @n sets of as many images as there are, drawn from them with
 * replacement; -1 where a set has no object.  The draws depend on the number of
 * images alone: those of two models on the same data are of the same sets, so
 * that their differences may be taken draw by draw.  Not while restricted. */
void defcn_coco_eval_bootstrap (const DefcnCocoEval *eval, guint n, double *ap,
    double *ap50);
/* What became of every detection at IoU 0.5, all areas: of those of no class of
 * the data, and beyond the best 100 of their class in their image, it is
 * ignored.  @outcomes is filled; clear it after use. */
void defcn_coco_eval_outcomes (const DefcnCocoEval *eval,
    DefcnOutcomes *outcomes);
/* The precision of class @label at every recall, and the largest recall, at IoU
 * 0.5 + 0.05 * @threshold (0 .. 9), all areas, 100 detections an image.  FALSE
 * where the class has no object.  For tests: COCO's figures are means of it. */
gboolean defcn_coco_eval_curve (const DefcnCocoEval *eval, int label,
    int threshold, double precision[DEFCN_COCO_RECALLS], double *recall);

G_END_DECLS
