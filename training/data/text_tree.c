/* Trees of texts. */
#include "text_tree.h"

#include <string.h>

static int
by_text (gconstpointer a, gconstpointer b, gpointer data G_GNUC_UNUSED)
{
  return strcmp (a, b);
}

GTree *
defcn_text_tree_new (GDestroyNotify key, GDestroyNotify value)
{
  return g_tree_new_full (by_text, NULL, key, value);
}
