/* Pieces of an HTML page. */
#include "html.h"

#include "terminal.h"

#include <math.h>
#include <stdio.h>
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

/* @quality: of a JPEG, 0: a PNG. */
static char *
address_of (const DefcnPicture *picture, int quality)
{
  char *data = NULL;
  size_t len = 0;
  FILE *file = open_memstream (&data, &len);

  g_return_val_if_fail (file != NULL, NULL);
  const gboolean good = quality > 0
      ? defcn_picture_write_jpeg (picture, file, quality, NULL)
      : defcn_picture_write_png (picture, file, NULL);
  fclose (file);
  g_autofree char *base64 = g_base64_encode ((const guchar *) data, len);
  free (data);
  g_return_val_if_fail (good, NULL);
  return g_strdup_printf ("data:image/%s;base64,%s",
      quality > 0 ? "jpeg" : "png", base64);
}

char *
defcn_html_jpeg (const DefcnPicture *picture)
{
  return address_of (picture, JPEG_QUALITY);
}

char *
defcn_html_png (const DefcnPicture *picture)
{
  return address_of (picture, 0);
}
