/* WebP where the build found no libwebp: it is told apart and refused. */
#include "webp.h"

#include "error.h"

#include <string.h>

gboolean
defcn_webp_is (const guint8 *data, gsize len)
{
  return len >= 12 && memcmp (data, "RIFF", 4) == 0
      && memcmp (data + 8, "WEBP", 4) == 0;
}

gboolean
defcn_webp_read (DefcnDecoded *d, GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: a WebP, and this build is without libwebp", d->path);
  return FALSE;
}
