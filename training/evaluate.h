/* Evaluation of a model on a data set: what `defcn eval` prints and `defcn
 * train` watches.  The pictures go through core/detector.h, the path of the
 * element.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "coco_eval.h"
#include "crowdhuman_eval.h"
#include "model.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

typedef struct
{
  float threshold;           /* of the scores; below 0: the model's */
  float nms_iou;             /* of the column with NMS, SPEC 5.9: 0.6 */
  float duplicate_threshold; /* scores that count for the duplicate rate */
  guint limit;               /* at most so many images; 0: all */
  gboolean progress;         /* show it on stderr */
  const volatile int *stop;  /* ends early, as an error, when not 0; or NULL */
  const char *detections;    /* write the boxes without NMS here, as COCO
                                results; or NULL */
} DefcnEvaluateOptions;

/* threshold -1, nms_iou 0.6, duplicate_threshold 0.3. */
extern const DefcnEvaluateOptions defcn_evaluate_defaults;

typedef struct
{
  gboolean crowdhuman;
  guint n_images;
  char **labels;
  /* [0] as the model gives them, [1] with NMS. */
  DefcnCocoResult coco[2];
  DefcnCrowdhumanResult crowd[2];
  double milliseconds; /* per image: preprocess, network, decode; the mean */
} DefcnEvaluation;

void defcn_evaluation_clear (DefcnEvaluation *evaluation);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DefcnEvaluation, defcn_evaluation_clear)

/* @options: NULL for the defaults.  The classes of @model and @dataset must
 * agree in number and names.  FALSE with @error set; an unreadable picture is
 * an error that names it. */
gboolean defcn_evaluate_model (DefcnModel *model, const DefcnDataset *dataset,
    const DefcnEvaluateOptions *options, DefcnEvaluation *out, GError **error);

/* The figure to compare models by: AP, or AP50 on CrowdHuman. */
double defcn_evaluation_ap (const DefcnEvaluation *evaluation);
double defcn_evaluation_ap50 (const DefcnEvaluation *evaluation);
/* One line; (transfer full). */
char *defcn_evaluation_summary (const DefcnEvaluation *evaluation);
/* The table that `defcn eval` prints; (transfer full). */
char *defcn_evaluation_table (const DefcnEvaluation *evaluation);
/* Adds all figures to @object: flat keys, those with NMS under "nms". */
void defcn_evaluation_to_json (const DefcnEvaluation *evaluation,
    cJSON *object);

G_END_DECLS
