/* Label assignment: which locations are the foreground of which object.  One
 * image at a time, from the current predictions, no gradient.
 *
 * A new assigner is a file with a DefcnAssigner (see fcos.c) and touches two
 * that exist: the table in assign.c, and meson.build.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"
#include "qualities.h"

G_BEGIN_DECLS

/* The assigner @name of a recipe, NULL: there is none. */
const DefcnAssigner *defcn_assign_find (const char *name);
/* Names of the assigners, NULL-terminated. */
const char *const *defcn_assign_names (void);

/* Whether the matching reads predictions that no backend computes the qualities
 * of: defcn_assign_run() and defcn_auxiliary_run() then need those of @levels.
 */
gboolean defcn_assign_needs_heads (const DefcnAssignRule *rule);

/* Fills @out.  @objects: array of DefcnObject in input pixels; label < 0 is
 * left out first.  @levels: predictions of the image (fp32 after the box
 * branch).  @qualities: NULL, or what a backend has computed for the same rule
 * and objects, of which this is image @image: the values of @levels are then
 * not read. */
void defcn_assign_run (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image);

G_END_DECLS
