/* Text out of files, for a terminal. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* (transfer full): @text in UTF-8, @other for each of its control characters,
 * those of C1 too, which some terminals obey as they do ESC; @lines: but for
 * the ends of lines and tabs.  Any thread. */
char *defcn_terminal_text (const char *text, char other, gboolean lines);

G_END_DECLS
