/* Evaluation of a model on a data set: what `defcn eval` prints and `defcn
 * train` watches.  The pictures go through core/detector.h, the path of the
 * element.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "figures.h"
#include "model.h"
#include "ranks/ranks.h"

G_BEGIN_DECLS

typedef struct
{
  float threshold;           /* of the scores; below 0: the model's */
  float nms_iou;             /* of the column with NMS; 0 or less: the model's,
                                0.6 (fig. 5) where it has none */
  DefcnNmsRange nms_range;   /* of the same column */
  DefcnMaxFilter max_filter; /* of all columns */
  float duplicate_iou;       /* of the column with the local filter; 0 or less:
                                the model's, 0.7 where it has none */
  double recall;             /* at which duplicates are compared; 0: what the
                                model has at its working threshold */
  guint least_objects;       /* of the pictures that are told apart */
  float duplicate_threshold; /* scores that count for the duplicate rate */
  guint draws;               /* sets of drawn images for AP's interval, 0:
                                none; not of CrowdHuman data */
  guint limit;               /* only the first so many images; 0: all */
  guint batch;               /* how many are shown to the detector at once; 0:
                                one; on CUDA eight where there are 1000, since
                                every number of one size is planned anew */
  gboolean partial;          /* results: of a part of the classes, it may be
                                that none is of one of these */
  gboolean progress;         /* show it on stderr */
  const volatile int *stop;  /* ends early, as an error with @out's stopped,
                                when not 0; or NULL */
  const char *detections;    /* write the model's boxes here, as COCO results;
                                or NULL */
  /* Called on rank 0 for every sample with the boxes of the model's own way,
   * DefcnBox by descending score in the pixels of the annotations; or NULL. */
  void (*each) (guint i, const GArray *boxes, gpointer data);
  gpointer data;
  DefcnRanks *ranks; /* that share the pictures, each of which calls with the
                        same but for progress and stop; rank 0 has the figures,
                        the others none; NULL: this process is alone */
} DefcnEvaluateOptions;

/* threshold 0.05, which figures of others are taken at; duplicate_threshold
 * 0.3, least_objects 8, the others 0. */
extern const DefcnEvaluateOptions defcn_evaluate_defaults;

#define DEFCN_EVALUATE_MAX_BATCH 64
#define DEFCN_EVALUATE_NMS_IOU 0.6f /* where nobody says another */

/* @options: NULL for the defaults.  The classes of @dataset must be those of
 * @model (defcn_dataset_match); boxes of a class without a category are left
 * out.  FALSE with @error set; an unreadable picture, and one of another shape
 * than its record, is an error that names it. */
gboolean defcn_evaluate_model (DefcnModel *model, const DefcnDataset *dataset,
    const DefcnEvaluateOptions *options, DefcnFigures *out, GError **error);

G_END_DECLS
