/* Where in a checkpoint the weights are: programs keep them at all depths,
 * beside optimizers and averages, and with wrappers' names before every name.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "pickle_value.h"

G_BEGIN_DECLS

typedef gboolean (*DefcnStateFunc) (const DefcnPickleValue *value);

/* The dict below @root (or itself) that has the most entries for which @is
 * holds, under string keys; nothing of an optimizer.  Of those with "ema" on
 * their way only with @ema, or where there is no other; with @ema the others
 * only where there is none.  *@place: (transfer full): the keys on the way, "."
 * between them, NULL for the root.  NULL if there is none. */
const DefcnPickleValue *defcn_state_find (char **place,
    const DefcnPickleValue *root, DefcnStateFunc is, gboolean ema);
/* The length of what wrappers (module., model., _orig_mod.) put before the key
 * of every entry for which @is holds. */
gsize defcn_state_prefix (const DefcnPickleValue *dict, DefcnStateFunc is);

G_END_DECLS
