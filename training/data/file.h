/* Regular files, whole: nothing that blocks or never ends; text in UTF-8.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads @path; *@data is (transfer full) and has a 0 behind its *@len bytes.
 * FALSE with @error naming the file: not there, no regular file (FIFO, device,
 * folder), more than @max bytes, no memory. */
gboolean defcn_file_read (char **data, gsize *len, const char *path, gsize max,
    GError **error);
/* Maps @path for reading, NULL with @error under the same conditions; it is the
 * caller's word that nobody writes to it meanwhile. */
GMappedFile *defcn_file_map (const char *path, GError **error);

/* The same two for text.  UTF-16 and UTF-32, by their byte order mark or the
 * zeros of a first character of ASCII, become UTF-8; there is no byte order
 * mark in what comes back.  NULL or FALSE with @error too where it is damaged:
 * the encoding is named. */
gboolean defcn_file_read_text (char **text, gsize *len, const char *path,
    gsize max, GError **error);
GBytes *defcn_file_map_text (const char *path, GError **error);

G_END_DECLS
