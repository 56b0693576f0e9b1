/* Pieces of an HTML page: text of files, and pictures within the page.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "data/picture.h"

G_BEGIN_DECLS

/* Appends @text, whatever it is, as text of an element or of an attribute in
 * quotes: what means something in HTML is escaped, bytes that are no UTF-8 and
 * control characters are replaced. */
void defcn_html_text (GString *html, const char *text);
/* The same between @open and @close, which are HTML. */
void defcn_html_within (GString *html, const char *open, const char *text,
    const char *close);
/* A number of a table in a <td>: @decimals behind the point, a dash for what is
 * not finite, or below 0 (figures.h: nothing to measure). */
void defcn_html_figure (GString *html, double value, int decimals);

/* The picture as the address of an image: "data:image/jpeg;base64,..", of
 * quality 80, or "data:image/png..", without loss; (transfer full). */
char *defcn_html_jpeg (const DefcnPicture *picture);
char *defcn_html_png (const DefcnPicture *picture);

G_END_DECLS
