/* Steps that a backend may do together: the levels of a head's layer.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "backend.h"

G_BEGIN_DECLS

/* Sets n_together and together of @n steps in the order they run. */
void defcn_together_mark (DefcnNode *nodes, guint n);

G_END_DECLS
