/* The one-to-many assignment of the auxiliary loss (table 9):
 *
 *   quality-atss  the paper's choice: of every level the aux_topk locations
 *                 that suit an object best, of these the ones inside it whose
 *                 quality is at least their mean plus deviation
 *   quality-topk  the aux_topk best of all levels that are inside it
 *   quality-fcos  all locations near its middle (1.5 strides) of the level
 *                 whose best one of them is the best of all
 *   atss, fcos    as atss.h and, with 1.5 strides, fcos.h: without predictions
 *
 * Of several objects that want a location the one with the largest quality has
 * it, the first of equals.  Quality is eq. 4 without prior and filter, which
 * the paper leaves open, and by the auxiliary classifier where there is one.
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"
#include "qualities.h"

G_BEGIN_DECLS

/* Their words in a recipe, by DefcnAuxiliaryKind, NULL-terminated. */
const char *const *defcn_auxiliary_names (void);

/* As defcn_assign_run(), for a rule with aux_topk. */
void defcn_auxiliary_run (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image);

G_END_DECLS
