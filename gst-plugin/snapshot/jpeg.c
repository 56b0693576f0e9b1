/* JPEG by libjpeg-turbo, out. */
#include "jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

static const char comment[] = "defcnsnapshot";

/* All that a longjmp may come back to. */
typedef struct
{
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  unsigned char *data;
  unsigned long size;
} Writer;

/* libjpeg's errors come back by longjmp. */
static void
on_error (j_common_ptr info)
{
  Writer *w = info->client_data;

  info->err->format_message (info, w->text);
  longjmp (w->jump, 1);
}

static void
on_message (j_common_ptr info, int level)
{
}

static void
write_rows (Writer *w, const guint8 *rgb, int width, int height, int stride,
    int quality)
{
  struct jpeg_compress_struct *info = &w->info;

  jpeg_mem_dest (info, &w->data, &w->size);
  info->image_width = (JDIMENSION) width;
  info->image_height = (JDIMENSION) height;
  info->input_components = 3;
  info->in_color_space = JCS_RGB;
  jpeg_set_defaults (info);
  jpeg_set_quality (info, quality, TRUE);
  jpeg_start_compress (info, TRUE);
  jpeg_write_marker (info, JPEG_COM, (const JOCTET *) comment,
      sizeof comment - 1);
  while (info->next_scanline < info->image_height) {
    JSAMPROW row = (JSAMPROW) rgb + (gsize) info->next_scanline * stride;

    jpeg_write_scanlines (info, &row, 1);
  }
  jpeg_finish_compress (info);
}

GBytes *
gst_defcn_jpeg_encode (const guint8 *rgb, int width, int height, int stride,
    int quality, GError **error)
{
  g_autofree Writer *w = g_new0 (Writer, 1);
  GBytes *bytes = NULL;

  w->info.err = jpeg_std_error (&w->errors);
  w->info.client_data = w;
  w->errors.error_exit = on_error;
  w->errors.emit_message = on_message;
  if (setjmp (w->jump) == 0) {
    jpeg_create_compress (&w->info);
    write_rows (w, rgb, width, height, stride, quality);
    bytes = g_bytes_new (w->data, w->size);
  } else {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_ENCODE,
        "A picture of %d x %d cannot be encoded: %s", width, height, w->text);
  }
  jpeg_destroy_compress (&w->info);
  free (w->data);
  return bytes;
}

/* Behind SOI and the JFIF header, the comment is what comes first. */
gboolean
gst_defcn_jpeg_is_ours (const guint8 *head, gsize n)
{
  static const guint8 marker[] = { 0xff, 0xfe, 0, sizeof comment + 1 };
  const gsize at = 20, length = sizeof comment - 1;

  return n >= at + sizeof marker + length
      && memcmp (head, "\xff\xd8\xff\xe0", 4) == 0
      && memcmp (head + at, marker, sizeof marker) == 0
      && memcmp (head + at + sizeof marker, comment, length) == 0;
}
