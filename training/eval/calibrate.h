/* The working threshold of a model file.
 *
 * Thread rule: one thread at a time per file.
 */
#pragma once

#include "weights.h"

G_BEGIN_DECLS

/* FALSE with an error that names @path when it, or its folder, in which the new
 * file has to grow, cannot be written.  For before an evaluation: it takes
 * long. */
gboolean defcn_calibrate_check (const char *path, GError **error);
/* Writes @threshold into the spec of the model file; nothing else of it
 * changes.  The file is replaced as defcn_weights_set_metadata() does it. */
gboolean defcn_calibrate_write (const DefcnWeights *weights, double threshold,
    GError **error);

G_END_DECLS
