/* The one-to-many assignment of FCOS (arXiv 1904.01355), without centerness: the
 * baseline of table 1.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"

G_BEGIN_DECLS

/* @winners: the object of each location, -1 for none; of several the smallest,
 * the first of equals. */
void defcn_fcos_match (int *winners, const DefcnAssignRule *rule,
    const DefcnPoint *points, int n_points, const DefcnObject *const *objects,
    int n_objects);

G_END_DECLS
