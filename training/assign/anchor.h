/* The anchor that overlaps an object most: row "Anchor" of the paper's table 1.
 * A location has one, the square of 4 strides (anchors.h).
 *
 * The IoU is that of the anchor, whatever is predicted; the first of equals has
 * the object, and an object that meets no anchor has none.  Of several objects
 * that want a location the one of the largest IoU has it, the first of equals.
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"

G_BEGIN_DECLS

extern const DefcnAssigner defcn_anchor_assigner;

G_END_DECLS
