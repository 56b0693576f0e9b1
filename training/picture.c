/* Picture files in and out: JPEG by libjpeg-turbo, PNG by libpng. */
#include "picture.h"

#include "backend.h"

#include <glib/gstdio.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

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

/* A warning means damage: the decoder would go on with grey. */
static void
on_jpeg_message (j_common_ptr info, int level)
{
  if (level < 0)
    on_jpeg_error (info);
}

/* Adobe's inverted CMYK to RGB. */
static void
convert_cmyk (guint8 *rgb, const guint8 *cmyk, int width)
{
  for (int x = 0; x < width; x++) {
    for (int c = 0; c < 3; c++)
      rgb[3 * x + c] = cmyk[4 * x + c] * cmyk[4 * x + 3] / 255;
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

/* The orientation tag 0x0112 of an APP1 marker, 1 where there is none. */
static int
exif_orientation (const guint8 *data, gsize len)
{
  if (len < 14 || memcmp (data, "Exif\0\0", 6) != 0)
    return 1;

  const guint8 *tiff = data + 6;
  const gsize size = len - 6;
  const gboolean big = tiff[0] == 'M';
  const guint32 ifd = exif_u32 (tiff + 4, big);
  if (size < 2 || ifd > size - 2)
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
  for (jpeg_saved_marker_ptr m = info->marker_list; m; m = m->next) {
    if (r->orientation == 1)
      r->orientation = exif_orientation (m->data, m->data_length);
  }

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
      convert_cmyk (line, r->row, info->output_width);
  }
  jpeg_finish_decompress (info);
  return TRUE;
}

static DefcnPicture *
load_jpeg (const char *path, const guint8 *data, gsize len, GError **error)
{
  g_autofree JpegReader *r = g_new0 (JpegReader, 1);
  gboolean good = FALSE;

  r->orientation = 1;
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

static DefcnPicture *
load_png (const char *path, const guint8 *data, gsize len, GError **error)
{
  g_autoptr (DefcnPicture) picture = NULL;
  const png_color black = { 0, 0, 0 };
  png_image image = { .version = PNG_IMAGE_VERSION };

  if (png_image_begin_read_from_memory (&image, data, len)) {
    if (!check_size (path, image.width, image.height, error)) {
      png_image_free (&image);
      return NULL;
    }
    image.format = PNG_FORMAT_RGB;
    picture = defcn_picture_new (image.width, image.height);
    png_image_finish_read (&image, &black, picture->rgb, 0, NULL);
  }
  if (PNG_IMAGE_FAILED (image)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", path,
        image.message);
    png_image_free (&image);
    return NULL;
  }
  return g_steal_pointer (&picture);
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
  }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: %s", path, text);
  return FALSE;
}
