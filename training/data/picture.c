/* Picture files in and out: JPEG by libjpeg-turbo, PNG by libpng. */
#include "picture.h"

#include "error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define MAX_SIDE 16384

DefcnPicture *
defcn_picture_new (int width, int height)
{
  DefcnPicture *picture = g_new (DefcnPicture, 1);

  g_return_val_if_fail (width > 0 && height > 0, NULL);
  picture->width = width;
  picture->height = height;
  picture->rgb = g_malloc0 ((gsize) width * height * 3);
  return picture;
}

void
defcn_picture_free (DefcnPicture *picture)
{
  if (!picture)
    return;
  g_free (picture->rgb);
  g_free (picture);
}

DefcnImage
defcn_picture_image (const DefcnPicture *picture)
{
  return (DefcnImage){ .format = DEFCN_FORMAT_RGB,
    .width = picture->width,
    .height = picture->height,
    .planes = { picture->rgb },
    .strides = { picture->width * 3 } };
}

static gboolean
check_size (const char *path, guint width, guint height, GError **error)
{
  if (width >= 1 && height >= 1 && width <= MAX_SIDE && height <= MAX_SIDE)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: %u x %u pixels, wanted 1 .. %d a side", path, width, height,
      MAX_SIDE);
  return FALSE;
}

/* libjpeg's errors come back by longjmp. */
typedef struct
{
  struct jpeg_error_mgr base;
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
} JpegErrors;

static void
on_jpeg_error (j_common_ptr info)
{
  JpegErrors *errors = (JpegErrors *) info->err;

  info->err->format_message (info, errors->text);
  longjmp (errors->jump, 1);
}

/* Bytes that some cameras and editors leave before the end marker. */
#define MAX_PADDING 16

/* Warnings about a file whose pixels are all there. */
static gboolean
is_harmless (const struct jpeg_error_mgr *errors)
{
  switch (errors->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
      return TRUE;
    case JWRN_EXTRANEOUS_DATA:
      return errors->msg_parm.i[0] <= MAX_PADDING
          && errors->msg_parm.i[1] == JPEG_EOI;
    default:
      return FALSE;
  }
}

/* A warning means damage: the decoder would go on with grey. */
static void
on_jpeg_message (j_common_ptr info, int level)
{
  if (level < 0 && !is_harmless (info->err))
    on_jpeg_error (info);
}

/* @inverted: 255 is no ink, as Adobe's programs write it. */
static void
convert_cmyk (guint8 *rgb, const guint8 *cmyk, int width, gboolean inverted)
{
  const guint8 mask = inverted ? 0 : 255;

  for (int x = 0; x < width; x++) {
    const int light = cmyk[4 * x + 3] ^ mask;

    for (int c = 0; c < 3; c++)
      rgb[3 * x + c] = (cmyk[4 * x + c] ^ mask) * light / 255;
  }
}

static guint
exif_u16 (const guint8 *p, gboolean big)
{
  return big ? p[0] << 8 | p[1] : p[1] << 8 | p[0];
}

static guint32
exif_u32 (const guint8 *p, gboolean big)
{
  return big ? exif_u16 (p, TRUE) << 16 | exif_u16 (p + 2, TRUE)
             : exif_u16 (p + 2, FALSE) << 16 | exif_u16 (p, FALSE);
}

/* The orientation tag 0x0112 of EXIF's TIFF block, 1 where there is none. */
static int
exif_orientation (const guint8 *tiff, gsize size)
{
  if (size < 8
      || (memcmp (tiff, "II*\0", 4) != 0 && memcmp (tiff, "MM\0*", 4) != 0))
    return 1;

  const gboolean big = tiff[0] == 'M';
  const guint32 ifd = exif_u32 (tiff + 4, big);
  if (ifd > size - 2)
    return 1;

  const guint count = exif_u16 (tiff + ifd, big);
  for (guint i = 0; i < count; i++) {
    const gsize at = (gsize) ifd + 2 + 12 * i;

    if (at + 12 > size)
      return 1;
    if (exif_u16 (tiff + at, big) == 0x0112) {
      const guint value = exif_u16 (tiff + at + 8, big);

      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}

static int
jpeg_orientation (jpeg_saved_marker_ptr marker)
{
  for (; marker; marker = marker->next) {
    if (marker->data_length > 6 && memcmp (marker->data, "Exif\0\0", 6) == 0)
      return exif_orientation (marker->data + 6, marker->data_length - 6);
  }
  return 1;
}

/* Turns the picture upright; takes it. */
static DefcnPicture *
orient (DefcnPicture *picture, int orientation)
{
  const int w = picture->width, h = picture->height;
  const gboolean swap = orientation >= 5;
  DefcnPicture *upright;

  if (orientation == 1)
    return picture;
  upright = defcn_picture_new (swap ? h : w, swap ? w : h);
  for (int y = 0; y < upright->height; y++) {
    for (int x = 0; x < upright->width; x++) {
      int sx = swap ? y : x, sy = swap ? x : y;

      if (orientation == 2 || orientation == 3 || orientation == 7
          || orientation == 8)
        sx = w - 1 - sx;
      if (orientation == 3 || orientation == 4 || orientation == 6
          || orientation == 7)
        sy = h - 1 - sy;
      memcpy (upright->rgb + ((gsize) y * upright->width + x) * 3,
          picture->rgb + ((gsize) sy * w + sx) * 3, 3);
    }
  }
  defcn_picture_free (picture);
  return upright;
}

/* All that a longjmp may come back to. */
typedef struct
{
  struct jpeg_decompress_struct info;
  JpegErrors errors;
  DefcnPicture *picture;
  guint8 *row;
  int orientation;
} JpegReader;

static gboolean
read_jpeg_rows (JpegReader *r, const char *path, GError **error)
{
  struct jpeg_decompress_struct *info = &r->info;

  jpeg_read_header (info, TRUE);
  if (!check_size (path, info->image_width, info->image_height, error))
    return FALSE;
  r->orientation = jpeg_orientation (info->marker_list);

  const gboolean cmyk = info->num_components == 4;
  info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress (info);
  r->picture = defcn_picture_new (info->output_width, info->output_height);
  r->row = g_malloc ((gsize) info->output_width * 4);
  while (info->output_scanline < info->output_height) {
    guint8 *line = r->picture->rgb
        + (gsize) info->output_scanline * info->output_width * 3;
    JSAMPROW rows[1] = { cmyk ? r->row : line };

    jpeg_read_scanlines (info, rows, 1);
    if (cmyk)
      convert_cmyk (line, r->row, info->output_width, info->saw_Adobe_marker);
  }
  jpeg_finish_decompress (info);
  return TRUE;
}

static DefcnPicture *
load_jpeg (const char *path, const guint8 *data, gsize len, GError **error)
{
  g_autofree JpegReader *r = g_new0 (JpegReader, 1);
  gboolean good = FALSE;

  r->info.err = jpeg_std_error (&r->errors.base);
  r->errors.base.error_exit = on_jpeg_error;
  r->errors.base.emit_message = on_jpeg_message;
  jpeg_create_decompress (&r->info);
  if (setjmp (r->errors.jump) == 0) {
    jpeg_save_markers (&r->info, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src (&r->info, data, len);
    good = read_jpeg_rows (r, path, error);
  } else {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", path,
        r->errors.text);
  }
  jpeg_destroy_decompress (&r->info);
  g_free (r->row);
  if (!good) {
    defcn_picture_free (r->picture);
    return NULL;
  }
  return orient (r->picture, r->orientation);
}

typedef struct
{
  png_structp png;
  png_infop info;
  const guint8 *data;
  gsize left;
  DefcnPicture *picture;
  png_bytep *rows;
  int orientation;
  char text[128];
} PngReader;

static void
on_png_error (png_structp png, png_const_charp text)
{
  PngReader *r = png_get_error_ptr (png);

  g_strlcpy (r->text, text, sizeof r->text);
  png_longjmp (png, 1);
}

/* Of chunks that say nothing about pixels: a damaged one of those is an
 * error. */
static void
on_png_warning (png_structp png, png_const_charp text)
{
}

static void
read_png_bytes (png_structp png, png_bytep out, size_t len)
{
  PngReader *r = png_get_io_ptr (png);

  if (len > r->left)
    png_error (png, "the file is cut off");
  memcpy (out, r->data, len);
  r->data += len;
  r->left -= len;
}

/* Values as they are stored: no gamma; 16 bits lose their lower half;
 * transparency is left out. */
static gboolean
read_png_rows (PngReader *r, const char *path, GError **error)
{
  png_uint_32 exif_size;
  png_bytep exif;

  png_read_info (r->png, r->info);
  const guint width = png_get_image_width (r->png, r->info);
  const guint height = png_get_image_height (r->png, r->info);
  if (!check_size (path, width, height, error))
    return FALSE;

  png_set_expand (r->png);
  png_set_strip_16 (r->png);
  png_set_gray_to_rgb (r->png);
  png_set_strip_alpha (r->png);
  png_set_interlace_handling (r->png);
  png_read_update_info (r->png, r->info);
  r->picture = defcn_picture_new (width, height);
  r->rows = g_new (png_bytep, height);
  for (guint y = 0; y < height; y++)
    r->rows[y] = r->picture->rgb + (gsize) y * width * 3;
  if (png_get_rowbytes (r->png, r->info) != (gsize) width * 3)
    png_error (r->png, "its pixels are of no known kind");
  png_read_image (r->png, r->rows);
  png_read_end (r->png, r->info);
  if (png_get_eXIf_1 (r->png, r->info, &exif_size, &exif))
    r->orientation = exif_orientation (exif, exif_size);
  return TRUE;
}

static DefcnPicture *
load_png (const char *path, const guint8 *data, gsize len, GError **error)
{
  g_autofree PngReader *r = g_new0 (PngReader, 1);
  gboolean good = FALSE;

  r->data = data;
  r->left = len;
  r->orientation = 1;
  r->png = png_create_read_struct (PNG_LIBPNG_VER_STRING, r, on_png_error,
      on_png_warning);
  r->info = r->png ? png_create_info_struct (r->png) : NULL;
  if (!r->info) {
    g_strlcpy (r->text, "libpng cannot start", sizeof r->text);
  } else if (setjmp (png_jmpbuf (r->png)) == 0) {
    png_set_user_limits (r->png, 0x7fffffff, 0x7fffffff); /* check_size */
    png_set_read_fn (r->png, r, read_png_bytes);
    good = read_png_rows (r, path, error);
  }
  png_destroy_read_struct (&r->png, &r->info, NULL);
  g_free (r->rows);
  if (good)
    return orient (r->picture, r->orientation);
  if (r->text[0])
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", path,
        r->text);
  defcn_picture_free (r->picture);
  return NULL;
}

DefcnPicture *
defcn_picture_load (const char *path, GError **error)
{
  g_autofree char *data = NULL;
  gsize len;

  if (!g_file_get_contents (path, &data, &len, error))
    return NULL;

  const guint8 *bytes = (const guint8 *) data;
  if (len >= 3 && memcmp (bytes, "\xff\xd8\xff", 3) == 0)
    return load_jpeg (path, bytes, len, error);
  if (len >= 8 && memcmp (bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
    return load_png (path, bytes, len, error);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: neither JPEG nor PNG", path);
  return NULL;
}

static gboolean
write_jpeg (const DefcnPicture *picture, FILE *file, char *text)
{
  struct jpeg_compress_struct info;
  JpegErrors errors;

  info.err = jpeg_std_error (&errors.base);
  errors.base.error_exit = on_jpeg_error;
  jpeg_create_compress (&info);
  if (setjmp (errors.jump) != 0) {
    memcpy (text, errors.text, JMSG_LENGTH_MAX);
    jpeg_destroy_compress (&info);
    return FALSE;
  }
  jpeg_stdio_dest (&info, file);
  info.image_width = picture->width;
  info.image_height = picture->height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults (&info);
  jpeg_set_quality (&info, 92, TRUE);
  jpeg_start_compress (&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW rows[1] = { picture->rgb
      + (gsize) info.next_scanline * picture->width * 3 };

    jpeg_write_scanlines (&info, rows, 1);
  }
  jpeg_finish_compress (&info);
  jpeg_destroy_compress (&info);
  return TRUE;
}

static gboolean
write_png (const DefcnPicture *picture, FILE *file, char *text)
{
  png_image image = { .version = PNG_IMAGE_VERSION,
    .width = picture->width,
    .height = picture->height,
    .format = PNG_FORMAT_RGB };

  if (png_image_write_to_stdio (&image, file, FALSE, picture->rgb, 0, NULL))
    return TRUE;
  g_strlcpy (text, image.message, JMSG_LENGTH_MAX);
  return FALSE;
}

gboolean
defcn_picture_save (const DefcnPicture *picture, const char *path,
    GError **error)
{
  g_autofree char *temporary = g_strconcat (path, ".part", NULL);
  g_autofree char *lower = g_ascii_strdown (path, -1);
  char text[JMSG_LENGTH_MAX] = "cannot be written";
  FILE *file = g_fopen (temporary, "wb");

  if (file) {
    const gboolean written = g_str_has_suffix (lower, ".png")
        ? write_png (picture, file, text)
        : write_jpeg (picture, file, text);

    if (fclose (file) == 0 && written && g_rename (temporary, path) == 0)
      return TRUE;
    g_unlink (temporary);
  } else {
    g_strlcpy (text, g_strerror (errno), sizeof text);
  }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: %s", path, text);
  return FALSE;
}
