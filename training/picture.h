/* Picture files: JPEG (libjpeg-turbo) and PNG (libpng) in and out, and simple
 * drawing on RGB.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "boxes.h"
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
 * JPEG, palette, 16-bit and alpha PNG become RGB.  NULL with @error naming the
 * file: unreadable, truncated, not a picture, larger than 16384 a side. */
DefcnPicture *defcn_picture_load (const char *path, GError **error);
/* By extension: .png, else JPEG of quality 92.  Atomic. */
gboolean defcn_picture_save (const DefcnPicture *picture, const char *path,
    GError **error);
/* The core's view of it, borrowed. */
DefcnImage defcn_picture_image (const DefcnPicture *picture);

/* Draws with clipping.  Text is 7-bit ASCII in a built-in 6x10 font. */
void defcn_picture_rect (DefcnPicture *picture, int x1, int y1, int x2, int y2,
    int thickness, guint32 rgb);
void defcn_picture_line (DefcnPicture *picture, int x1, int y1, int x2, int y2,
    guint32 rgb);
void defcn_picture_text (DefcnPicture *picture, int x, int y, const char *text,
    guint32 rgb);
/* Box and "label score" in the class's colour. */
void defcn_picture_boxes (DefcnPicture *picture, const GArray *boxes,
    const char *const *labels);

G_END_DECLS
