/* The one field of EXIF that matters here: which way up a picture is.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The orientation 1 .. 8 in a TIFF block, what is behind "Exif\0\0" in a JPEG
 * and all of PNG's and WebP's chunk; 1, upright, where it says none. */
int defcn_exif_orientation (const guint8 *tiff, gsize size);

G_END_DECLS
