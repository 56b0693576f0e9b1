/* Picture files: JPEG (libjpeg-turbo) and PNG (libpng) in and out.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "image.h"

G_BEGIN_DECLS

/* Dense 8-bit RGB, owned. */
typedef struct
{
  int width, height;
  guint8 *rgb;
} DefcnPicture;

DefcnPicture *defcn_picture_new (int width, int height);
void defcn_picture_free (DefcnPicture *picture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnPicture, defcn_picture_free)

/* Decodes by content, not by name; applies the EXIF orientation; grey, CMYK
 * JPEG, palette, 16-bit and alpha PNG become RGB (what is transparent keeps its
 * colour).  NULL with @error naming the file: unreadable, truncated or damaged,
 * not a picture, larger than 16384 a side. */
DefcnPicture *defcn_picture_load (const char *path, GError **error);
/* By extension: .png, else JPEG of quality 92.  Atomic. */
gboolean defcn_picture_save (const DefcnPicture *picture, const char *path,
    GError **error);
/* The core's view of it, borrowed. */
DefcnImage defcn_picture_image (const DefcnPicture *picture);

G_END_DECLS
