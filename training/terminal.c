/* Text out of files, for a terminal. */
#include "terminal.h"

char *
defcn_terminal_text (const char *text, char other, gboolean lines)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_new (NULL);

  for (const char *c = valid; *c; c = g_utf8_next_char (c)) {
    const gunichar u = g_utf8_get_char (c);

    if (g_unichar_iscntrl (u) && !(lines && (u == '\n' || u == '\t')))
      g_string_append_c (clean, other);
    else
      g_string_append_unichar (clean, u);
  }
  return g_string_free (clean, FALSE);
}
