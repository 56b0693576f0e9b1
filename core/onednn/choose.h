/* The choice of a pass, private to the convolution's files. */
#pragma once

#include "passes.h"

/* Prepares one of @choices, which end with NULL, for @node; @pass stays as it
 * is where none is possible. */
gboolean defcn_onednn_choose (const OnednnPass **pass, gpointer *state,
    const OnednnPass *const *choices, Onednn *be, const DefcnNode *node,
    GError **error);
