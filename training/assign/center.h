/* The nearest location to an object's centre on every level for its size: row
 * "Center" of the paper's table 1.
 *
 * An object has none, one or, where its sizes lie on the border of two levels,
 * several.  Of several objects that want a location the smallest has it, the
 * first of equals.
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"

G_BEGIN_DECLS

extern const DefcnAssigner defcn_center_assigner;

G_END_DECLS
