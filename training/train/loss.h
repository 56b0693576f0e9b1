/* The losses, value beside gradient.  One image at a time; sums, not
 * means: the caller passes 1 / normaliser of the whole batch as @scale.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "assign/assignment.h"

G_BEGIN_DECLS

/* Gradients beside a DefcnLevel: same shapes, added to.  NULL: not wanted. */
typedef struct
{
  float *logits, *deltas, *filter, *aux_logits, *centerness;
} DefcnLevelGrad;

/* Focal loss (arXiv 1708.02002) of the one-to-one branch, on the product of the
 * sigmoids with 3DMF (levels[0].filter), on the logits without.  Returns the
 * sum over locations and classes times @scale. */
double defcn_loss_focal (DefcnLevelGrad *grads, const DefcnLevel *levels,
    int n_levels, const DefcnAssignment *assignment, double scale);
/* Focal loss of the auxiliary classes, on the logits of levels[0].aux_logits
 * and their like where they are, else on the coarse ones. */
double defcn_loss_aux (DefcnLevelGrad *grads, const DefcnLevel *levels,
    int n_levels, const DefcnAssignment *aux, double scale);
/* GIoU loss (arXiv 1902.09630) of the foreground locations.  @scale includes
 * the weight (2.0; 1.0 for FCOS). */
double defcn_loss_giou (DefcnLevelGrad *grads, const DefcnLevel *levels,
    int n_levels, const DefcnAssignment *assignment, double scale);
/* L1 loss of their codes (dx, dy, dw, dh relative to their anchors), of heads
 * with anchors: detectron2's smooth L1 with the beta of 0 that it trains
 * RetinaNet with. */
double defcn_loss_l1 (DefcnLevelGrad *grads, const DefcnLevel *levels,
    int n_levels, const DefcnAssignment *assignment, double scale);

/* GIoU again, each location times its centerness. */
double defcn_loss_giou_weighted (DefcnLevelGrad *grads,
    const DefcnLevel *levels, int n_levels, const DefcnAssignment *assignment,
    double scale);
/* Binary cross entropy of the centerness of the foreground locations. */
double defcn_loss_centerness (DefcnLevelGrad *grads, const DefcnLevel *levels,
    int n_levels, const DefcnAssignment *assignment, double scale);
/* The centerness of all foreground locations together. */
double defcn_loss_centerness_sum (const DefcnAssignment *assignment);

G_END_DECLS
