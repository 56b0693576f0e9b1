/* Evaluation of boxes that a file has, whoever found them.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "evaluate.h"

G_BEGIN_DECLS

/* @path: an array of COCO's results, in which CrowdHuman's images are numbered
 * by their lines from 0, as `defcn eval --detections` does; or of CrowdHuman
 * data lines of {"ID", "dtboxes": [{"box": [x, y, w, h], "score"}], "width",
 * "height"}, where the size may be missing and is the picture's then.  Of
 * @options the limit does not apply.  COCO's array may be a member
 * "annotations", "predictions", "detections" or "results" of an object.  Every
 * image must be one of @dataset's, by its id or by its file's name; boxes of a
 * category that it does not have are left out and counted, and an error where
 * all are and @options do not say partial; boxes of a negative size match
 * nothing and are counted.  @out: the first column alone.  FALSE with @error
 * that names the file and the row. */
gboolean defcn_results_evaluate (const DefcnDataset *dataset, const char *path,
    const DefcnEvaluateOptions *options, DefcnFigures *out, GError **error);

G_END_DECLS
