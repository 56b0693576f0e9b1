/* JPEG by libjpeg-turbo, in.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "decoded.h"

G_BEGIN_DECLS

/* Whether @data begins as such a file does. */
gboolean defcn_jpeg_is (const guint8 *data, gsize len);
/* FALSE with @error naming the file: damaged, cut off, too large. */
gboolean defcn_jpeg_read (DefcnDecoded *decoded, GError **error);

G_END_DECLS
