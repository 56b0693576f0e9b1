/* Regular files, whole: nothing that blocks or never ends.
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
/* The bytes of UTF-8's byte order mark at the start of @text: 0 or 3. */
gsize defcn_file_bom (const char *text, gsize len);

G_END_DECLS
