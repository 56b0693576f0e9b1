/* Adaptive training sample selection (ATSS, arXiv 1912.02424), a one-to-many
 * assignment without predictions: of every level the 9 locations nearest to an
 * object's centre, of these the ones inside it whose anchor, a square of 8
 * strides, has an IoU with it of at least their mean plus deviation.  Of
 * several objects that want a location the one of the largest IoU has it.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"

G_BEGIN_DECLS

extern const DefcnAssigner defcn_atss_assigner;

G_END_DECLS
