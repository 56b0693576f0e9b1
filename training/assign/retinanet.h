/* RetinaNet's assignment (arXiv 1708.02002, sec. 4) with detectron2's
 * constants.  An anchor (anchors.h) is foreground, of the object that it has
 * the largest IoU with (the first of equals), where that is .5 or more; from .4
 * on it is neither foreground nor background, and below it background.  All the
 * anchors that overlap an object most are foreground whatever their IoU, of
 * their own best objects ("low-quality matches").
 *
 * An object that meets no anchor has none; detectron2 would then take all
 * anchors of the picture for foreground.
 *
 * What else makes a RetinaNet of detectron2: focal loss of the classes and L1
 * loss of the boxes' codes (its smooth L1 with a beta of 0; train/loss.h), both
 * over a running mean of the numbers of foregrounds, .9 of it and .1 of the
 * batch's, from 100 on (train/step.h); towers of four convolutions with a ReLU
 * and no norm, a prior of .01, P6 from C5 (core/architecture.c); NMS at .5.
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"

G_BEGIN_DECLS

extern const DefcnAssigner defcn_retinanet_assigner;

G_END_DECLS
