/* The one-to-many assignment of FCOS (arXiv 1904.01355), without centerness:
 * the baseline of table 1.  Of several objects that want a location the
 * smallest has it, the first of equals.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"

G_BEGIN_DECLS

extern const DefcnAssigner defcn_fcos_assigner;

/* Whether the level of @point is for objects of @object's size: by the longest
 * way from it to a side. */
gboolean defcn_fcos_in_range (const DefcnPoint *point,
    const DefcnObject *object);

G_END_DECLS
