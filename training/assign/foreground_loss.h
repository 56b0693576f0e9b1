/* The least loss in total: row "Foreground loss" of the paper's table 1, as
 * DETR (arXiv 2005.12872) does it.  What an object costs at a location is its
 * focal loss there, of all classes, and twice its GIoU loss; locations outside
 * of the prior are not free, and are taken where there is no other.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"

G_BEGIN_DECLS

extern const DefcnAssigner defcn_foreground_loss_assigner;

G_END_DECLS
