/* Prediction-aware one-to-one assignment: quality and matching (eq. 3, 4).
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "assignment.h"

G_BEGIN_DECLS

/* Quality of @point for @object, eq. 4: p^(1 - alpha) IoU^alpha, p the class
 * probability, times that of the filter, or with an additive rule (1 - alpha) p
 * + alpha IoU (table 4); @auxiliary: by the auxiliary logits and without the
 * filter, always the product.  No prior.  A quality that is not a number (a
 * diverged network) is -1. */
float defcn_poto_quality (const DefcnPoint *point, const DefcnObject *object,
    const DefcnAssignRule *rule, gboolean auxiliary);

/* (@n_objects, @n_points): the same with filter and prior, -1 outside that. */
void defcn_poto_qualities (float *quality, const DefcnAssignRule *rule,
    const DefcnPoint *points, int n_points, const DefcnObject *const *objects,
    int n_objects);

/* The most quality in total; an object has no location only where there are
 * more objects than locations or, with skip_unplaced, none is left that it may
 * have. */
extern const DefcnAssigner defcn_poto_hungarian;
/* Every object's best location; none for an object without an allowed one, or
 * at whose best another object has a better quality. */
extern const DefcnAssigner defcn_poto_argmax;

G_END_DECLS
