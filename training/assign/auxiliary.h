/* The one-to-many assignment of the auxiliary loss, Quality-ATSS of table 9:
 * of every level the aux_topk locations that suit an object best, of these the
 * ones inside it whose quality is at least their mean plus deviation.  Of
 * several objects that want a location the one with the largest quality has it.
 *
 * Quality is eq. 4 without prior and filter, which the paper leaves open, and
 * by the auxiliary classifier where there is one.
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"
#include "qualities.h"

G_BEGIN_DECLS

/* As defcn_assign_run(), for a rule with aux_topk. */
void defcn_auxiliary_run (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image);

G_END_DECLS
