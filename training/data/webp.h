/* WebP by libwebp, in.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "decoded.h"

G_BEGIN_DECLS

/* Whether @data begins as such a file does. */
gboolean defcn_webp_is (const guint8 *data, gsize len);
/* FALSE with @error naming the file: damaged, cut off, too large. FALSE with
 * @error where it is built without libwebp. */
gboolean defcn_webp_read (DefcnDecoded *decoded, GError **error);

G_END_DECLS
