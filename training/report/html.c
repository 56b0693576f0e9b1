/* Pieces of an HTML page. */
#include "html.h"

#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <jpeglib.h>
#include <png.h>
#include <stdlib.h>

#define JPEG_QUALITY 80

void
defcn_html_text (GString *html, const char *text)
{
  g_autofree char *clean = defcn_terminal_text (text, '?', TRUE);
  g_autofree char *escaped = g_markup_escape_text (clean, -1);

  g_string_append (html, escaped);
}

void
defcn_html_within (GString *html, const char *open, const char *text,
    const char *close)
{
  g_string_append (html, open);
  defcn_html_text (html, text);
  g_string_append (html, close);
}

void
defcn_html_figure (GString *html, double value, int decimals)
{
  if (isfinite (value) && value >= 0)
    g_string_append_printf (html, "<td>%.*f</td>", decimals, value);
  else
    g_string_append (html, "<td>–</td>");
}

static char *
address_of (const char *type, gconstpointer data, gsize len)
{
  g_autofree char *base64 = g_base64_encode (data, len);

  return g_strdup_printf ("data:image/%s;base64,%s", type, base64);
}

/* libjpeg ends the process where there is no memory, as GLib does. */
char *
defcn_html_jpeg (const DefcnPicture *picture)
{
  struct jpeg_error_mgr errors;
  struct jpeg_compress_struct info = { .err = jpeg_std_error (&errors) };
  unsigned char *data = NULL;
  unsigned long len = 0;

  jpeg_create_compress (&info);
  jpeg_mem_dest (&info, &data, &len);
  info.image_width = picture->width;
  info.image_height = picture->height;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults (&info);
  jpeg_set_quality (&info, JPEG_QUALITY, TRUE);
  jpeg_start_compress (&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW rows[1] = { picture->rgb
      + (gsize) info.next_scanline * picture->width * 3 };

    jpeg_write_scanlines (&info, rows, 1);
  }
  jpeg_finish_compress (&info);
  jpeg_destroy_compress (&info);

  char *address = address_of ("jpeg", data, len);
  free (data);
  return address;
}

char *
defcn_html_png (const DefcnPicture *picture)
{
  png_image image = { .version = PNG_IMAGE_VERSION,
    .width = picture->width,
    .height = picture->height,
    .format = PNG_FORMAT_RGB };
  png_alloc_size_t len = PNG_IMAGE_PNG_SIZE_MAX (image);
  g_autofree guint8 *data = g_malloc (len);

  g_return_val_if_fail (png_image_write_to_memory (&image, data, &len, FALSE,
                            picture->rgb, 0, NULL),
      NULL);
  return address_of ("png", data, len);
}
