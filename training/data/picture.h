/* Picture files: JPEG, PNG and WebP in, JPEG and PNG out.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "image.h"

#include <stdio.h>

G_BEGIN_DECLS

/* Dense 8-bit RGB, owned. */
typedef struct
{
  int width, height;
  guint8 *rgb;
  char *warning; /* harmless faults that its file had, or NULL */
} DefcnPicture;

typedef struct
{
  gboolean ignore_exif; /* pixels as they are stored */
  int max_megapixels;   /* of a picture, and four times as many megabytes of
                           its file; 0: 100 */
} DefcnPictureOptions;

extern const DefcnPictureOptions defcn_picture_defaults;

DefcnPicture *defcn_picture_new (int width, int height);
void defcn_picture_free (DefcnPicture *picture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnPicture, defcn_picture_free)

/* Decodes by content, not by name; applies the EXIF orientation; grey, CMYK
 * JPEG, palette, 16-bit and alpha PNG become RGB (what is transparent keeps its
 * colour).  A JPEG of which every row was decoded is good, whatever else is
 * wrong with it: see @warning.  NULL with @error naming the file: unreadable,
 * no regular file, truncated or damaged, not a picture, larger than 16384 a
 * side or than @options allow. */
DefcnPicture *defcn_picture_open (const char *path,
    const DefcnPictureOptions *options, GError **error);
/* The same by the defaults. */
DefcnPicture *defcn_picture_load (const char *path, GError **error);
/* Whether the file begins as a picture does; nothing is decoded.  FALSE with
 * @error naming @path. */
gboolean defcn_picture_check (const char *path, GError **error);
/* Whether @name ends as the names of pictures do that can be read. */
gboolean defcn_picture_is_name (const char *name);
/* Paths of the pictures in @folder by their names, sorted by @compare (of
 * pointers to paths), without its subfolders; (transfer full), of char *.  NULL
 * with @error naming @folder, also where there is none. */
GPtrArray *defcn_picture_list (const char *folder, GCompareFunc compare,
    GError **error);
/* By extension: .png, else JPEG of quality 92.  As output.h writes. */
gboolean defcn_picture_save (const DefcnPicture *picture, const char *path,
    GError **error);
/* Into @file, with a @quality of 1 .. 100, or without loss; @error names no
 * file.  What the stream holds back may still fail. */
gboolean defcn_picture_write_jpeg (const DefcnPicture *picture, FILE *file,
    int quality, GError **error);
gboolean defcn_picture_write_png (const DefcnPicture *picture, FILE *file,
    GError **error);
/* The core's view of it, borrowed. */
DefcnImage defcn_picture_image (const DefcnPicture *picture);

G_END_DECLS
