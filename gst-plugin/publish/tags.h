/* The property "tags" of defcnpublish: a JSON object that every record gets to
 * the letter, so that no number and no character is another one than written.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* @text on one line: without the blanks between its parts, control characters
 * within strings escaped, else as it is.  NULL and @error (GST_RESOURCE_ERROR,
 * SETTINGS) unless it is one JSON object (RFC 8259).  (transfer full) */
char *gst_defcn_tags_new (const char *text, GError **error);

G_END_DECLS
