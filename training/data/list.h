/* Lists in one string: ";" between the items, which are paths or names.  Within
 * an item it is written "\;", and a backslash before one of the two "\\".
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* (transfer full): the items of @text; an empty one has one, "". */
char **defcn_list_split (const char *text);
/* (transfer full): what split() makes @items of. */
char *defcn_list_join (const char *const *items);
/* The same of @text with "," between its items, as a command line has them. */
char *defcn_list_from_commas (const char *text);

G_END_DECLS
