/* Trees of texts.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* (transfer full): by strcmp().  No hash table, since texts that share a hash
 * are easily made, and a file of them takes the square of its size.  @key,
 * @value: free what goes, NULL: borrowed. */
GTree *defcn_text_tree_new (GDestroyNotify key, GDestroyNotify value);

G_END_DECLS
