/* Picture files in and out: which decoder reads which, limits, orientation. */
#include "picture.h"

#include "decoded.h"
#include "error.h"
#include "file.h"
#include "jpeg.h"
#include "output.h"
#include "png.h"
#include "webp.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

#include <jpeglib.h>

#define MEGAPIXELS 100
#define SAVED_QUALITY 92 /* of JPEG */
/* Bytes of a file for each pixel that is allowed. */
#define BYTES_PER_PIXEL 4

const DefcnPictureOptions defcn_picture_defaults = { .max_megapixels =
                                                         MEGAPIXELS };

DefcnPicture *
defcn_picture_new (int width, int height)
{
  DefcnPicture *picture = g_new0 (DefcnPicture, 1);

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
  g_free (picture->warning);
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

/* Turns the picture upright; takes it. */
static DefcnPicture *
orient (DefcnPicture *picture, int orientation, const char *path,
    GError **error)
{
  const int w = picture->width, h = picture->height;
  const gboolean swap = orientation >= 5;

  if (orientation == 1)
    return picture;
  DefcnPicture *upright = g_memdup2 (picture, sizeof *picture);
  upright->width = swap ? h : w;
  upright->height = swap ? w : h;
  upright->rgb = g_try_malloc ((gsize) w * h * 3);
  picture->warning = NULL; /* upright has it */
  if (!upright->rgb) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no memory to turn %d x %d pixels", path, w, h);
    defcn_picture_free (picture);
    defcn_picture_free (upright);
    return NULL;
  }
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

static const struct
{
  gboolean (*is) (const guint8 *data, gsize len);
  gboolean (*read) (DefcnDecoded *decoded, GError **error);
} decoders[] = {
  { defcn_jpeg_is, defcn_jpeg_read },
  { defcn_png_is, defcn_png_read },
  { defcn_webp_is, defcn_webp_read },
};

static void
set_unknown (const char *path, GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: neither JPEG nor PNG nor WebP", path);
}

static gboolean
decode (DefcnDecoded *d, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (decoders); i++)
    if (decoders[i].is (d->data, d->len))
      return decoders[i].read (d, error);
  set_unknown (d->path, error);
  return FALSE;
}

gboolean
defcn_picture_check (const char *path, GError **error)
{
  g_autoptr (GMappedFile) map = defcn_file_map (path, error);

  if (!map)
    return FALSE;
  const guint8 *data = (const guint8 *) g_mapped_file_get_contents (map);
  for (gsize i = 0; i < G_N_ELEMENTS (decoders); i++)
    if (decoders[i].is (data, g_mapped_file_get_length (map)))
      return TRUE;
  set_unknown (path, error);
  return FALSE;
}

DefcnPicture *
defcn_picture_open (const char *path, const DefcnPictureOptions *options,
    GError **error)
{
  const gsize max_pixels =
      (gsize) (options->max_megapixels > 0 ? options->max_megapixels
                                           : MEGAPIXELS)
      * 1000000;
  g_autofree char *data = NULL;
  DefcnDecoded d = { .path = path, .max_pixels = max_pixels, .orientation = 1 };

  if (!defcn_file_read (&data, &d.len, path, max_pixels * BYTES_PER_PIXEL,
          error))
    return NULL;
  d.data = (const guint8 *) data;
  if (!decode (&d, error)) {
    g_free (d.rgb);
    g_free (d.warning);
    return NULL;
  }

  DefcnPicture *picture = g_new0 (DefcnPicture, 1);
  *picture = (DefcnPicture){ d.width, d.height, d.rgb, d.warning };
  return orient (picture, options->ignore_exif ? 1 : d.orientation, path,
      error);
}

DefcnPicture *
defcn_picture_load (const char *path, GError **error)
{
  return defcn_picture_open (path, &defcn_picture_defaults, error);
}

gboolean
defcn_picture_is_name (const char *name)
{
  static const char *const endings[] = { ".jpg", ".jpeg", ".png", ".webp" };
  g_autofree char *lower = g_ascii_strdown (name, -1);

  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++)
    if (g_str_has_suffix (lower, endings[i]))
      return TRUE;
  return FALSE;
}

GPtrArray *
defcn_picture_list (const char *folder, GCompareFunc compare, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  const char *name;

  if (!dir)
    return NULL;
  while ((name = g_dir_read_name (dir)))
    if (defcn_picture_is_name (name))
      g_ptr_array_add (files, g_build_filename (folder, name, NULL));
  if (files->len == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no .jpg, .jpeg, .png or .webp in this folder", folder);
    return NULL;
  }
  g_ptr_array_sort (files, compare);
  return g_steal_pointer (&files);
}

typedef struct
{
  struct jpeg_error_mgr base;
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
} WriteErrors;

static void
on_write_error (j_common_ptr info)
{
  WriteErrors *errors = (WriteErrors *) info->err;

  info->err->format_message (info, errors->text);
  longjmp (errors->jump, 1);
}

gboolean
defcn_picture_write_jpeg (const DefcnPicture *picture, FILE *file, int quality,
    GError **error)
{
  struct jpeg_compress_struct info;
  WriteErrors errors;

  info.err = jpeg_std_error (&errors.base);
  errors.base.error_exit = on_write_error;
  jpeg_create_compress (&info);
  if (setjmp (errors.jump) != 0) {
    jpeg_destroy_compress (&info);
    g_set_error_literal (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, errors.text);
    return FALSE;
  }
  jpeg_stdio_dest (&info, file);
  info.image_width = picture->width;
  info.image_height = picture->height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults (&info);
  jpeg_set_quality (&info, quality, TRUE);
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

gboolean
defcn_picture_write_png (const DefcnPicture *picture, FILE *file,
    GError **error)
{
  png_image image = { .version = PNG_IMAGE_VERSION,
    .width = picture->width,
    .height = picture->height,
    .format = PNG_FORMAT_RGB };

  if (png_image_write_to_stdio (&image, file, FALSE, picture->rgb, 0, NULL))
    return TRUE;
  g_set_error_literal (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, image.message);
  return FALSE;
}

gboolean
defcn_picture_save (const DefcnPicture *picture, const char *path,
    GError **error)
{
  g_autofree char *lower = g_ascii_strdown (path, -1);
  g_autoptr (DefcnOutput) output = defcn_output_open (path, error);

  if (!output)
    return FALSE;
  FILE *file = defcn_output_file (output);
  if (g_str_has_suffix (lower, ".png")
          ? defcn_picture_write_png (picture, file, error)
          : defcn_picture_write_jpeg (picture, file, SAVED_QUALITY, error))
    return defcn_output_close (output, error);
  g_prefix_error (error, "%s: ", path);
  return FALSE;
}
