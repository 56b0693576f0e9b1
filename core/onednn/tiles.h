/* Convolutions of inference in bfloat16 on tiles (AMX).  Private to the
 * convolution's files. */
#pragma once

#include "passes.h"

/* Whether @node, whose tensors need no memory yet, can be computed so. */
gboolean defcn_onednn_tiles_suit (const Onednn *be, const DefcnNode *node);

extern const OnednnPass defcn_onednn_tiles_forward;
