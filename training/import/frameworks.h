/* Detectors of other programs, known by the names of their tensors.  Of some
 * the backbone is one of ours.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "foreign.h"

G_BEGIN_DECLS

/* What @foreign looks like, for people: "a detector of torchvision"; NULL:
 * nothing that is known.  *@prefix: what stands before the names of its ResNet,
 * which are those of torchvision, (transfer full), of several the first; NULL:
 * there is none. */
const char *defcn_frameworks_find (char **prefix, const DefcnForeign *foreign);

G_END_DECLS
