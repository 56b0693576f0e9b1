/* The head outputs of a plan, level by level.
 *
 * Thread rule: as the backend's.
 */
#pragma once

#include "architecture.h"

G_BEGIN_DECLS

/* How many floats the heads have, of all images. */
gsize defcn_heads_len (const DefcnPlan *plan);

/* Sizes and strides of the levels; their values are not there. */
void defcn_heads_describe (DefcnLevel levels[DEFCN_N_LEVELS],
    const DefcnPlan *plan);

/* The same with the values of image 0, downloaded with those of the others to
 * @values, of defcn_heads_len() floats. */
void defcn_heads_download (DefcnLevel levels[DEFCN_N_LEVELS], float *values,
    const DefcnPlan *plan, DefcnBackend *be);

/* From downloaded levels of an image to those of the next. */
void defcn_heads_next (DefcnLevel levels[DEFCN_N_LEVELS], int n_classes);

/* The heads as a learner takes them, borrowed from @plan. */
DefcnHeads defcn_heads_on_device (const DefcnPlan *plan);

G_END_DECLS
