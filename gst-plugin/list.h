/* Lists of names in a property.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Splits at commas but those behind a backslash, which names may have, and
 * which themselves are written twice: "traffic light,truck\\, heavy".  Other
 * backslashes stay.  Returns: (transfer full): NULL-terminated, empty for "".
 */
char **gst_defcn_list_split (const char *text);

G_END_DECLS
