/* A model that the report measures itself: its figures on the data set, and
 * what is right and wrong about every picture.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "device_options.h"
#include "eval/evaluate.h"
#include "history.h"

G_BEGIN_DECLS

typedef struct
{
  const DefcnHistory *history; /* borrowed; it has a model */
  DefcnBackend *be;
  DefcnModel *model;
  DefcnDataset *dataset; /* the objects of the model's classes */
  DefcnFigures figures;
  cJSON *json;         /* of the figures, as figures.h writes them */
  GPtrArray *verdicts; /* of GArray of DefcnVerdict, of each sample what is
                          right and wrong about it: its boxes over the working
                          threshold, and its objects */
  guint *confusion;    /* as defcn_verdict_count() fills it */
} DefcnSubject;

/* Opens the model of @history, with which it is on @dataset, borrowed; all of
 * it is evaluated, by @options but for what becomes of the boxes.  NULL with
 * @error. */
DefcnSubject *defcn_subject_new (const DefcnHistory *history,
    const DefcnDataset *dataset, const DefcnDetectorOptions *device,
    const DefcnEvaluateOptions *options, GError **error);
/* The same without a data set, for its score maps alone. */
DefcnSubject *defcn_subject_open (const DefcnHistory *history,
    const DefcnDetectorOptions *device, GError **error);
void defcn_subject_free (DefcnSubject *subject);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnSubject, defcn_subject_free)

G_END_DECLS
