/* What a network is, from the names and shapes of its tensors.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "model.h"
#include "naming.h"

G_BEGIN_DECLS

/* Labels for a head of @n classes: COCO's for 80, "person" for 1, else class0,
 * class1 ..  (transfer full), NULL-terminated. */
char **defcn_derive_labels (int n);

/* The network that @foreign (official names) holds the weights of.  What shapes
 * do not tell is as published: thresholds, 3DMF's tau and phi, the pixels that
 * files of that @naming are trained on.  *@full: it has a head; without one
 * the spec's is the default.  @labels may be NULL.  NULL with @error: parts
 * that no network of ours has, a depth that is none, labels that do not fit. */
DefcnSpec *defcn_derive_spec (gboolean *full, const DefcnForeign *foreign,
    DefcnNaming naming, const char *const *labels, GError **error);

G_END_DECLS
