/* PNG by libpng, in. */
#include "png.h"

#include "error.h"
#include "exif.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

gboolean
defcn_png_is (const guint8 *data, gsize len)
{
  return len >= 8 && memcmp (data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

typedef struct
{
  png_structp png;
  png_infop info;
  const guint8 *data;
  gsize left;
  DefcnDecoded *out;
  png_bytep *rows;
  char text[128];
} Reader;

static void
on_error (png_structp png, png_const_charp text)
{
  Reader *r = png_get_error_ptr (png);

  g_strlcpy (r->text, text, sizeof r->text);
  png_longjmp (png, 1);
}

/* Of chunks that say nothing about pixels: a damaged one of those is an
 * error. */
static void
on_warning (png_structp png, png_const_charp text)
{
}

static void
read_bytes (png_structp png, png_bytep out, size_t len)
{
  Reader *r = png_get_io_ptr (png);

  if (len > r->left)
    png_error (png, "the file is cut off");
  memcpy (out, r->data, len);
  r->data += len;
  r->left -= len;
}

/* Values as they are stored: no gamma; 16 bits lose their lower half;
 * transparency is left out. */
static gboolean
read_rows (Reader *r, GError **error)
{
  png_uint_32 exif_size;
  png_bytep exif;

  png_read_info (r->png, r->info);
  const guint width = png_get_image_width (r->png, r->info);
  const guint height = png_get_image_height (r->png, r->info);
  if (!defcn_decoded_allocate (r->out, width, height, error))
    return FALSE;

  png_set_expand (r->png);
  png_set_strip_16 (r->png);
  png_set_gray_to_rgb (r->png);
  png_set_strip_alpha (r->png);
  png_set_interlace_handling (r->png);
  png_read_update_info (r->png, r->info);
  r->rows = g_new (png_bytep, height);
  for (guint y = 0; y < height; y++)
    r->rows[y] = r->out->rgb + (gsize) y * width * 3;
  if (png_get_rowbytes (r->png, r->info) != (gsize) width * 3)
    png_error (r->png, "its pixels are of no known kind");
  png_read_image (r->png, r->rows);
  png_read_end (r->png, r->info);
  if (png_get_eXIf_1 (r->png, r->info, &exif_size, &exif))
    r->out->orientation = defcn_exif_orientation (exif, exif_size);
  return TRUE;
}

gboolean
defcn_png_read (DefcnDecoded *decoded, GError **error)
{
  g_autofree Reader *r = g_new0 (Reader, 1);
  gboolean good = FALSE;

  r->data = decoded->data;
  r->left = decoded->len;
  r->out = decoded;
  r->png =
      png_create_read_struct (PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
  r->info = r->png ? png_create_info_struct (r->png) : NULL;
  if (!r->info) {
    g_strlcpy (r->text, "libpng cannot start", sizeof r->text);
  } else if (setjmp (png_jmpbuf (r->png)) == 0) {
    png_set_user_limits (r->png, 0x7fffffff, 0x7fffffff); /* allocate() */
    png_set_read_fn (r->png, r, read_bytes);
    good = read_rows (r, error);
  }
  png_destroy_read_struct (&r->png, &r->info, NULL);
  g_free (r->rows);
  if (!good && r->text[0])
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s",
        decoded->path, r->text);
  return good;
}
