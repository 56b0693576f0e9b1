/* What a decoder of pictures is given and gives back. */
#include "decoded.h"

#include "error.h"

gboolean
defcn_decoded_allocate (DefcnDecoded *d, guint width, guint height,
    GError **error)
{
  if (width < 1 || height < 1 || width > DEFCN_DECODED_MAX_SIDE
      || height > DEFCN_DECODED_MAX_SIDE) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: %u x %u pixels, wanted 1 .. %d a side", d->path, width, height,
        DEFCN_DECODED_MAX_SIDE);
    return FALSE;
  }
  if ((gsize) width * height > d->max_pixels) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: %u x %u pixels, more than %g megapixels (max-megapixels)", d->path,
        width, height, d->max_pixels * 1e-6);
    return FALSE;
  }
  d->width = width;
  d->height = height;
  d->rgb = g_try_malloc0 ((gsize) width * height * 3);
  if (d->rgb)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: no memory for %u x %u pixels", d->path, width, height);
  return FALSE;
}
