/* What a decoder of pictures is given and gives back.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DEFCN_DECODED_MAX_SIDE 16384

typedef struct
{
  const char *path; /* for messages */
  const guint8 *data;
  gsize len;
  gsize max_pixels;
  /* Filled in. */
  int width, height;
  guint8 *rgb;     /* dense 8 bit; the caller frees it, after an error too */
  int orientation; /* EXIF's, 1 .. 8 */
  char *warning;   /* (transfer full): harmless faults of the file, or NULL */
} DefcnDecoded;

/* Checks the size and allocates the pixels, zeroed.  FALSE with @error naming
 * the file, the size and the limit. */
gboolean defcn_decoded_allocate (DefcnDecoded *decoded, guint width,
    guint height, GError **error);

G_END_DECLS
