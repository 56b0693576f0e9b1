/* JPEG by libjpeg-turbo, in. */
#include "jpeg.h"

#include "error.h"
#include "exif.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* A progressive file names its scans; each takes a pass over all pixels. */
#define MAX_SCANS 100
#define MAX_SCANNED 4e9 /* pixels of all scans */

/* All that a longjmp may come back to. */
typedef struct
{
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  DefcnDecoded *out;
  guint8 *row;
  gboolean cut; /* before its end marker */
} Reader;

gboolean
defcn_jpeg_is (const guint8 *data, gsize len)
{
  return len >= 3 && memcmp (data, "\xff\xd8\xff", 3) == 0;
}

/* libjpeg's errors come back by longjmp. */
static void
on_error (j_common_ptr info)
{
  Reader *r = info->client_data;

  info->err->format_message (info, r->text);
  longjmp (r->jump, 1);
}

/* Warnings after which pixels are missing or invented. */
static gboolean
is_damage (int code)
{
  switch (code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
      return TRUE;
    default:
      return FALSE;
  }
}

/* Of what is not damage the first is kept for the caller. */
static void
on_message (j_common_ptr info, int level)
{
  Reader *r = info->client_data;
  char text[JMSG_LENGTH_MAX];

  if (level >= 0)
    return;
  if (is_damage (info->err->msg_code))
    on_error (info);
  r->cut = r->cut || info->err->msg_code == JWRN_JPEG_EOF;
  info->err->format_message (info, text);
  if (!r->out->warning)
    r->out->warning = g_strdup (text);
}

static void
on_progress (j_common_ptr info)
{
  Reader *r = info->client_data;
  const double n = r->info.input_scan_number;

  if (n <= MAX_SCANS && n * r->out->width * r->out->height <= MAX_SCANNED)
    return;
  g_strlcpy (r->text, "more scans than a picture has", sizeof r->text);
  longjmp (r->jump, 1);
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

static int
jpeg_orientation (jpeg_saved_marker_ptr marker)
{
  for (; marker; marker = marker->next) {
    if (marker->data_length > 6 && memcmp (marker->data, "Exif\0\0", 6) == 0)
      return defcn_exif_orientation (marker->data + 6, marker->data_length - 6);
  }
  return 1;
}

/* Whether all bits of all coefficients of a progressive file were there. */
static gboolean
is_complete (const struct jpeg_decompress_struct *info)
{
  for (int c = 0; c < info->num_components; c++)
    for (int k = 0; k < DCTSIZE2; k++)
      if (info->coef_bits[c][k] != 0)
        return FALSE;
  return TRUE;
}

static gboolean
read_rows (Reader *r, GError **error)
{
  struct jpeg_decompress_struct *info = &r->info;
  DefcnDecoded *out = r->out;

  jpeg_read_header (info, TRUE);
  if (!defcn_decoded_allocate (out, info->image_width, info->image_height,
          error))
    return FALSE;
  out->orientation = jpeg_orientation (info->marker_list);

  const gboolean cmyk = info->num_components == 4;
  info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress (info);
  r->row = g_malloc ((gsize) info->output_width * 4);
  while (info->output_scanline < info->output_height) {
    guint8 *line =
        out->rgb + (gsize) info->output_scanline * info->output_width * 3;
    JSAMPROW rows[1] = { cmyk ? r->row : line };

    jpeg_read_scanlines (info, rows, 1);
    if (cmyk)
      convert_cmyk (line, r->row, info->output_width, info->saw_Adobe_marker);
  }
  if (r->cut && info->progressive_mode && !is_complete (info)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: cut off between its scans", out->path);
    return FALSE;
  }
  jpeg_finish_decompress (info);
  return TRUE;
}

gboolean
defcn_jpeg_read (DefcnDecoded *decoded, GError **error)
{
  g_autofree Reader *r = g_new0 (Reader, 1);
  gboolean good = FALSE;

  r->out = decoded;
  r->info.err = jpeg_std_error (&r->errors);
  r->info.client_data = r;
  r->errors.error_exit = on_error;
  r->errors.emit_message = on_message;
  r->progress.progress_monitor = on_progress;
  if (setjmp (r->jump) == 0) {
    jpeg_create_decompress (&r->info);
    r->info.progress = &r->progress;
    jpeg_save_markers (&r->info, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src (&r->info, decoded->data, decoded->len);
    good = read_rows (r, error);
  } else {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s",
        decoded->path, r->text);
  }
  jpeg_destroy_decompress (&r->info);
  g_free (r->row);
  return good;
}
