/* JPEG, in, for tests: by libjpeg, whose word it is against ours. */
#pragma once

#include <glib.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

static inline void
on_jpeg_error (j_common_ptr info)
{
  g_assert_not_reached ();
}

/* (transfer full): three bytes a pixel. */
static inline guint8 *
decode_jpeg (GBytes *bytes, int *width, int *height)
{
  struct jpeg_decompress_struct info = { 0 };
  struct jpeg_error_mgr errors;
  gsize n;
  const guint8 *data = g_bytes_get_data (bytes, &n);
  guint8 *rgb;

  info.err = jpeg_std_error (&errors);
  errors.error_exit = on_jpeg_error;
  jpeg_create_decompress (&info);
  jpeg_mem_src (&info, data, n);
  jpeg_read_header (&info, TRUE);
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress (&info);
  *width = (int) info.output_width;
  *height = (int) info.output_height;
  rgb = g_malloc ((gsize) 3 * *width * *height);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = rgb + (gsize) 3 * *width * info.output_scanline;

    jpeg_read_scanlines (&info, &row, 1);
  }
  jpeg_finish_decompress (&info);
  g_assert_cmpint (errors.num_warnings, ==, 0);
  jpeg_destroy_decompress (&info);
  return rgb;
}
