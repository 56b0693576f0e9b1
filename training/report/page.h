/* The page around what the report has to say: one HTML file that needs nothing
 * else, and runs nothing.
 *
 *   GString *html = defcn_page_begin ("My runs");
 *   defcn_page_section (html, "curves", "Curves");
 *   ...
 *   defcn_page_end (html);
 *
 * Thread rule: one thread at a time per page.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The top of the page, (transfer full). */
GString *defcn_page_begin (const char *title);
/* The next section, which ends the one before.  @id: a word, of the table
 * below; @title is HTML. */
void defcn_page_section (GString *html, const char *id, const char *title);
/* The end of the page, and the links to its sections, which come where the
 * top has left room. */
void defcn_page_end (GString *html);

G_END_DECLS
