/* Picture files: kinds, orientations, damage, and writing. */
#include "data/picture.h"

#include "error.h"
#include "folder.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

static char *folder;

/* The colours of the four corners of a picture. */
static const guint8 corners[4][3] = {
  { 250, 10, 10 },
  { 10, 250, 10 },
  { 10, 10, 250 },
  { 240, 240, 240 },
};

/* 48 x 32, quarters of the four colours: top left and right, bottom left and
 * right. */
static DefcnPicture *
quarters_new (void)
{
  DefcnPicture *picture = defcn_picture_new (48, 32);

  for (int y = 0; y < 32; y++) {
    for (int x = 0; x < 48; x++)
      memcpy (picture->rgb + (y * 48 + x) * 3, corners[y / 16 * 2 + x / 24], 3);
  }
  return picture;
}

/* The quarter's index of a pixel, -1 where it is no colour of them. */
static int
corner_at (const DefcnPicture *picture, int x, int y)
{
  const guint8 *p = picture->rgb + ((gsize) y * picture->width + x) * 3;

  for (int k = 0; k < 4; k++) {
    if (ABS (p[0] - corners[k][0]) < 12 && ABS (p[1] - corners[k][1]) < 12
        && ABS (p[2] - corners[k][2]) < 12)
      return k;
  }
  return -1;
}

/* What a JPEG is made of. */
typedef struct
{
  J_COLOR_SPACE in, stored;
  int components;
  gboolean no_adobe, progressive;
  const guint8 *exif;
  guint exif_len;
} JpegKind;

static const JpegKind rgb_jpeg = { JCS_RGB, JCS_YCbCr, 3 };

static GBytes *
jpeg_new (const JpegKind *kind, const guint8 *pixels, int width, int height)
{
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  unsigned char *data = NULL;
  unsigned long len = 0;

  info.err = jpeg_std_error (&errors);
  jpeg_create_compress (&info);
  jpeg_mem_dest (&info, &data, &len);
  info.image_width = width;
  info.image_height = height;
  info.input_components = kind->components;
  info.in_color_space = kind->in;
  jpeg_set_defaults (&info);
  jpeg_set_colorspace (&info, kind->stored);
  jpeg_set_quality (&info, 98, TRUE);
  info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  if (kind->no_adobe)
    info.write_Adobe_marker = FALSE;
  if (kind->progressive)
    jpeg_simple_progression (&info);
  jpeg_start_compress (&info, TRUE);
  if (kind->exif)
    jpeg_write_marker (&info, JPEG_APP0 + 1, kind->exif, kind->exif_len);
  for (int y = 0; y < height; y++) {
    JSAMPROW row = (JSAMPROW) pixels + (gsize) y * width * kind->components;

    jpeg_write_scanlines (&info, &row, 1);
  }
  jpeg_finish_compress (&info);
  jpeg_destroy_compress (&info);
  return g_bytes_new_with_free_func (data, len, free, data);
}

/* A kind of PNG and one of its pixels, with the colour it has to have. */
typedef struct
{
  const char *name;
  int type, depth, interlace;
  guint8 pixel[8]; /* as stored; below 8 bits one sample's value */
  guint8 want[3];
  gboolean transparent, gamma;
  guint8 exif; /* orientation, 0: none */
} PngKind;

static void
append_png (png_structp png, png_bytep data, size_t len)
{
  g_byte_array_append (png_get_io_ptr (png), data, len);
}

static const guint8 exif_template[] = { 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01,
  0x12, 0, 3, 0, 0, 0, 1, 0, 1, 0, 0 };

/* Every pixel is the kind's. */
static GByteArray *
png_new (const PngKind *kind, int width, int height)
{
  static const png_color palette[4] = { { 1, 2, 3 }, { 40, 50, 60 },
    { 200, 100, 0 }, { 9, 9, 9 } };
  static const png_byte alphas[4] = { 255, 255, 128, 0 };
  png_structp png =
      png_create_write_struct (PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct (png);
  GByteArray *bytes = g_byte_array_new ();

  if (setjmp (png_jmpbuf (png)))
    g_assert_not_reached ();
  png_set_write_fn (png, bytes, append_png, NULL);
  png_set_user_limits (png, 1000000, 1000000);
  png_set_IHDR (png, info, width, height, kind->depth, kind->type,
      kind->interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (kind->type == PNG_COLOR_TYPE_PALETTE)
    png_set_PLTE (png, info, palette, 4);
  if (kind->transparent)
    png_set_tRNS (png, info, alphas, 4, NULL);
  if (kind->gamma)
    png_set_gAMA (png, info, 1.0);
  if (kind->exif) {
    guint8 exif[sizeof exif_template];

    memcpy (exif, exif_template, sizeof exif);
    exif[19] = kind->exif;
    png_set_eXIf_1 (png, info, sizeof exif, exif);
  }
  png_write_info (png, info);

  const gsize bits = png_get_channels (png, info) * kind->depth;
  g_autofree guint8 *row = g_malloc0 ((width * bits + 7) / 8);
  for (int x = 0; x < width; x++) {
    if (bits >= 8)
      memcpy (row + x * bits / 8, kind->pixel, bits / 8);
    else
      row[x * bits / 8] |= kind->pixel[0] << (8 - bits - x * bits % 8);
  }
  g_autofree png_bytep *rows = g_new (png_bytep, height);
  for (int y = 0; y < height; y++)
    rows[y] = row;
  png_write_image (png, rows);
  png_write_end (png, info);
  png_destroy_write_struct (&png, &info);
  return bytes;
}

static DefcnPicture *
load_bytes (const void *data, gsize len, GError **error)
{
  g_autofree char *path = folder_write (folder, "picture", data, len);

  return defcn_picture_load (path, error);
}

static DefcnPicture *
load_good (GBytes *bytes)
{
  g_autoptr (GError) error = NULL;
  DefcnPicture *picture = load_bytes (g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes), &error);

  g_assert_no_error (error);
  return picture;
}

/* Damage is an error of the core's domain that names the file. */
static void
assert_refused (const void *data, gsize len, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnPicture) picture = load_bytes (data, len, &error);

  g_assert_null (picture);
  g_assert_true (error && error->domain == DEFCN_ERROR);
  g_assert_nonnull (strstr (error->message, folder));
  if (text && !strstr (error->message, text))
    g_error ("\"%s\" does not say \"%s\"", error->message, text);
}

/* The eight orientations of EXIF put every corner where it belongs, in either
 * byte order; a tag that is none changes nothing. */
static void
test_orientation (void)
{
  static const struct
  {
    int tag;
    int corners[4]; /* of the file, now top left and right, bottom .. */
  } cases[] = {
    { 0, { 0, 1, 2, 3 } },
    { 1, { 0, 1, 2, 3 } },
    { 2, { 1, 0, 3, 2 } },
    { 3, { 3, 2, 1, 0 } },
    { 4, { 2, 3, 0, 1 } },
    { 5, { 0, 2, 1, 3 } },
    { 6, { 2, 0, 3, 1 } },
    { 7, { 3, 1, 2, 0 } },
    { 8, { 1, 3, 0, 2 } },
    { 9, { 0, 1, 2, 3 } },
  };
  g_autoptr (DefcnPicture) source = quarters_new ();

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (cases); i++) {
    const int tag = cases[i / 2].tag;
    guint8 exif[6 + 8 + 2 + 24] = "Exif\0";
    const guint8 big[] = { 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 2, 0x01, 0x0f, 0, 2,
      0, 0, 0, 1, 'a', 0, 0, 0, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, tag, 0, 0 };
    const guint8 little[] = { 'I', 'I', 42, 0, 8, 0, 0, 0, 2, 0, 0x0f, 0x01, 2,
      0, 1, 0, 0, 0, 'a', 0, 0, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, tag, 0, 0, 0 };
    JpegKind kind = rgb_jpeg;

    memcpy (exif + 6, i % 2 ? big : little, sizeof big);
    kind.exif = exif;
    kind.exif_len = sizeof exif;
    g_autoptr (GBytes) bytes = jpeg_new (&kind, source->rgb, 48, 32);
    g_autoptr (DefcnPicture) picture = load_good (bytes);
    const int w = picture->width, h = picture->height;

    g_assert_cmpint (w, ==, tag >= 5 && tag <= 8 ? 32 : 48);
    g_assert_cmpint (h, ==, tag >= 5 && tag <= 8 ? 48 : 32);
    for (int k = 0; k < 4; k++)
      g_assert_cmpint (corner_at (picture, k % 2 ? w - 3 : 2,
                           k / 2 ? h - 3 : 2),
          ==, cases[i / 2].corners[k]);
  }
}

/* EXIF blocks that end early or point out of themselves are passed over. */
static void
test_bad_exif (void)
{
  static const struct
  {
    guint8 data[40];
    guint len;
  } cases[] = {
    { "Exif\0\0", 6 },
    { "Exif\0\0MM\0*\0\0\0", 13 },
    { "Exif\0\0MM\0*\0\0\0\x08", 14 },
    { "Exif\0\0MM\0*\0\0\0\x07\0\1", 16 },
    { "Exif\0\0MM\0*\xff\xff\xff\xff\0\1", 16 },
    { "Exif\0\0MM\0*\0\0\0\x08\xff\xff", 16 },
    { "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0", 25 },
    { "Exif\0\0XX\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0", 28 },
    { "Exig\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0", 28 },
  };
  g_autoptr (DefcnPicture) source = quarters_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    JpegKind kind = rgb_jpeg;

    kind.exif = cases[i].data;
    kind.exif_len = cases[i].len;
    g_autoptr (GBytes) bytes = jpeg_new (&kind, source->rgb, 48, 32);
    g_autoptr (DefcnPicture) picture = load_good (bytes);

    g_assert_cmpint (picture->width, ==, 48);
    g_assert_cmpint (corner_at (picture, 2, 2), ==, 0);
  }
}

/* Every kind of JPEG becomes the RGB it was made from. */
static void
test_jpeg_kinds (void)
{
  static const struct
  {
    JpegKind kind;
    guint8 pixel[4], want[3];
  } cases[] = {
    { { JCS_RGB, JCS_YCbCr, 3 }, { 200, 100, 50 }, { 200, 100, 50 } },
    { { JCS_RGB, JCS_YCbCr, 3, .progressive = TRUE }, { 9, 99, 250 },
        { 9, 99, 250 } },
    { { JCS_RGB, JCS_RGB, 3 }, { 200, 100, 50 }, { 200, 100, 50 } },
    { { JCS_GRAYSCALE, JCS_GRAYSCALE, 1 }, { 77 }, { 77, 77, 77 } },
    /* Adobe's: 255 is no ink. */
    { { JCS_CMYK, JCS_CMYK, 4 }, { 255, 255, 0, 255 }, { 255, 255, 0 } },
    { { JCS_CMYK, JCS_CMYK, 4 }, { 200, 100, 50, 127 }, { 100, 50, 25 } },
    { { JCS_CMYK, JCS_YCCK, 4 }, { 200, 100, 50, 127 }, { 100, 50, 25 } },
    { { JCS_CMYK, JCS_CMYK, 4, .no_adobe = TRUE }, { 0, 0, 255, 0 },
        { 255, 255, 0 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    static const int sizes[][2] = { { 1, 1 }, { 17, 3 }, { 2, 40 } };

    for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++) {
      const int w = sizes[s][0], h = sizes[s][1];
      const int c = cases[i].kind.components;
      g_autofree guint8 *pixels = g_malloc (w * h * c);

      for (int k = 0; k < w * h; k++)
        memcpy (pixels + k * c, cases[i].pixel, c);
      g_autoptr (GBytes) bytes = jpeg_new (&cases[i].kind, pixels, w, h);
      g_autoptr (DefcnPicture) picture = load_good (bytes);

      g_assert_cmpint (picture->width, ==, w);
      g_assert_cmpint (picture->height, ==, h);
      for (int k = 0; k < w * h * 3; k++)
        g_assert_cmpint (ABS (picture->rgb[k] - cases[i].want[k % 3]), <=, 3);
    }
  }
}

/* Every kind of PNG gives its stored values, whatever its gamma or alpha. */
static void
test_png_kinds (void)
{
  static const PngKind cases[] = {
    { "rgb", PNG_COLOR_TYPE_RGB, 8, 0, { 1, 20, 255 }, { 1, 20, 255 } },
    { "interlaced", PNG_COLOR_TYPE_RGB, 8, 1, { 7, 8, 9 }, { 7, 8, 9 } },
    { "gamma", PNG_COLOR_TYPE_RGB, 8, 0, { 90, 91, 92 }, { 90, 91, 92 },
        .gamma = TRUE },
    { "rgb16", PNG_COLOR_TYPE_RGB, 16, 0, { 5, 255, 6, 1, 7, 0 }, { 5, 6, 7 } },
    { "rgba", PNG_COLOR_TYPE_RGBA, 8, 0, { 10, 20, 30, 0 }, { 10, 20, 30 } },
    { "rgba16", PNG_COLOR_TYPE_RGBA, 16, 1, { 10, 0, 20, 0, 30, 0, 128, 0 },
        { 10, 20, 30 } },
    { "grey", PNG_COLOR_TYPE_GRAY, 8, 0, { 99 }, { 99, 99, 99 } },
    { "grey1", PNG_COLOR_TYPE_GRAY, 1, 0, { 1 }, { 255, 255, 255 } },
    { "grey2", PNG_COLOR_TYPE_GRAY, 2, 0, { 1 }, { 85, 85, 85 } },
    { "grey4", PNG_COLOR_TYPE_GRAY, 4, 0, { 3 }, { 51, 51, 51 } },
    { "grey16", PNG_COLOR_TYPE_GRAY, 16, 0, { 50, 7 }, { 50, 50, 50 } },
    { "grey alpha", PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, { 44, 3 },
        { 44, 44, 44 } },
    { "palette", PNG_COLOR_TYPE_PALETTE, 2, 0, { 1 }, { 40, 50, 60 } },
    { "palette8", PNG_COLOR_TYPE_PALETTE, 8, 1, { 2 }, { 200, 100, 0 } },
    { "palette alpha", PNG_COLOR_TYPE_PALETTE, 8, 0, { 2 }, { 200, 100, 0 },
        .transparent = TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    static const int sizes[][2] = { { 1, 1 }, { 13, 5 } };

    for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (GByteArray) bytes =
          png_new (&cases[i], sizes[s][0], sizes[s][1]);
      g_autoptr (DefcnPicture) picture =
          load_bytes (bytes->data, bytes->len, &error);

      g_assert_no_error (error);
      g_assert_cmpint (picture->width, ==, sizes[s][0]);
      g_assert_cmpint (picture->height, ==, sizes[s][1]);
      for (int k = 0; k < picture->width * picture->height; k++) {
        if (memcmp (picture->rgb + 3 * k, cases[i].want, 3) != 0)
          g_error ("%s: pixel %d is %d %d %d", cases[i].name, k,
              picture->rgb[3 * k], picture->rgb[3 * k + 1],
              picture->rgb[3 * k + 2]);
      }
    }
  }
}

/* PNG's own EXIF chunk turns the picture too. */
static void
test_png_orientation (void)
{
  const PngKind kind = { "exif", PNG_COLOR_TYPE_GRAY, 8, 0, { 5 }, { 5, 5, 5 },
    .exif = 6 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) bytes = png_new (&kind, 5, 3);
  g_autoptr (DefcnPicture) picture =
      load_bytes (bytes->data, bytes->len, &error);

  g_assert_no_error (error);
  g_assert_cmpint (picture->width, ==, 3);
  g_assert_cmpint (picture->height, ==, 5);
}

/* A file cut off anywhere is an error, never a picture with grey rows; but of a
 * JPEG all rows may be there without its end marker. */
static void
test_truncated (void)
{
  static const JpegKind progressive = { JCS_RGB, JCS_YCbCr, 3,
    .progressive = TRUE };
  const PngKind kind = { "rgb", PNG_COLOR_TYPE_RGB, 8, 1, { 1, 2, 3 } };
  g_autoptr (DefcnPicture) source = quarters_new ();
  g_autoptr (GBytes) jpeg = jpeg_new (&rgb_jpeg, source->rgb, 48, 32);
  g_autoptr (GBytes) slow = jpeg_new (&progressive, source->rgb, 48, 32);
  g_autoptr (GByteArray) png = png_new (&kind, 9, 9);
  const GBytes *const jpegs[] = { jpeg, slow };

  for (int k = 0; k < 2; k++) {
    const guint8 *data = g_bytes_get_data ((GBytes *) jpegs[k], NULL);
    const gsize len = g_bytes_get_size ((GBytes *) jpegs[k]);

    for (gsize i = 0; i + 2 < len; i++)
      assert_refused (data, i, NULL);
    for (gsize i = len - 2; i < len; i++) {
      g_autoptr (DefcnPicture) picture = load_bytes (data, i, NULL);

      g_assert_nonnull (picture);
      g_assert_cmpint (corner_at (picture, 45, 30), ==, 3);
      g_assert_nonnull (picture->warning);
    }
  }
  for (gsize i = 0; i < png->len; i++)
    assert_refused (png->data, i, NULL);
}

/* Bytes before the end marker lose no pixel and are told; an early end marker
 * or a wrong checksum are damage. */
static void
test_damaged (void)
{
  static const int extra[] = { 0, 1, 16, 40, 500 };
  const PngKind kind = { "grey", PNG_COLOR_TYPE_GRAY, 8, 0, { 9 } };
  g_autoptr (DefcnPicture) source = quarters_new ();
  g_autoptr (GBytes) jpeg = jpeg_new (&rgb_jpeg, source->rgb, 48, 32);
  const guint8 *data = g_bytes_get_data (jpeg, NULL);
  const gsize len = g_bytes_get_size (jpeg);
  g_autoptr (DefcnPicture) intact = load_good (jpeg);

  for (gsize i = 0; i < G_N_ELEMENTS (extra); i++) {
    g_autofree guint8 *padded = g_malloc0 (len + extra[i]);

    memcpy (padded, data, len - 2);
    memcpy (padded + len - 2 + extra[i], data + len - 2, 2);
    g_autoptr (DefcnPicture) picture =
        load_bytes (padded, len + extra[i], NULL);

    g_assert_nonnull (picture);
    g_assert_cmpmem (picture->rgb, 48 * 32 * 3, intact->rgb, 48 * 32 * 3);
    g_assert_cmpint (picture->warning != NULL, ==, extra[i] > 1);
    if (extra[i] > 1)
      g_assert_nonnull (strstr (picture->warning, "extraneous"));
  }

  g_autofree guint8 *early = g_memdup2 (data, len);
  memcpy (early + len - 12, "\xff\xd9", 2);
  assert_refused (early, len, NULL);

  g_autoptr (GByteArray) png = png_new (&kind, 9, 9);
  png->data[png->len - 20] ^= 1; /* in the checksum of the pixels */
  assert_refused (png->data, png->len, NULL);
}

/* Files that are no pictures, or too large ones, are named. */
static void
test_refused (void)
{
  assert_refused ("", 0, "neither JPEG nor PNG nor WebP");
  assert_refused ("GIF89a\1\0\1\0\0\0\0", 13, "neither JPEG nor PNG nor WebP");
  assert_refused ("\xff\xd8\xff", 3, NULL);
  assert_refused ("\x89PNG\r\n\x1a\n", 8, "cut off");

  static const char *const names[] = { "wide.jpg", "wide.png" };
  for (int i = 0; i < 4; i++) {
    const int w = i / 2 ? 1 : 16385, h = i / 2 ? 16385 : 1;
    g_autoptr (DefcnPicture) large = defcn_picture_new (w, h);
    g_autofree char *path = folder_file (folder, names[i % 2]);
    g_autoptr (GError) error = NULL;

    g_assert_true (defcn_picture_save (large, path, NULL));
    g_assert_null (defcn_picture_load (path, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, "16385"));
    g_assert_nonnull (strstr (error->message, path));
  }

  g_autoptr (GError) error = NULL;
  g_autofree char *missing = folder_file (folder, "missing.jpg");
  g_assert_null (defcn_picture_load (missing, &error));
  g_assert_nonnull (strstr (error->message, "missing.jpg"));
  g_clear_error (&error);
  g_assert_null (defcn_picture_load (folder, &error));
  g_assert_nonnull (error);
}

/* The largest sides that are allowed can be read. */
static void
test_largest (void)
{
  static const char *const names[] = { "large.jpg", "large.png" };

  for (int i = 0; i < 4; i++) {
    const int w = i / 2 ? 2 : 16384, h = i / 2 ? 16384 : 2;
    g_autoptr (DefcnPicture) large = defcn_picture_new (w, h);
    g_autofree char *path = folder_file (folder, names[i % 2]);

    g_assert_true (defcn_picture_save (large, path, NULL));
    g_autoptr (DefcnPicture) again = defcn_picture_load (path, NULL);
    g_assert_nonnull (again);
    g_assert_cmpint (again->width, ==, w);
    g_assert_cmpint (again->height, ==, h);
  }
}

/* PNG keeps every value, JPEG nearly; the name's ending decides. */
static void
test_save (void)
{
  static const struct
  {
    const char *name, *magic;
    int within;
  } cases[] = {
    { "a.png", "\x89PNG", 0 },
    { "b.PNG", "\x89PNG", 0 },
    { "c.jpg", "\xff\xd8\xff\xe0", 4 },
    { "d", "\xff\xd8\xff\xe0", 4 },
  };
  g_autoptr (DefcnPicture) picture = defcn_picture_new (61, 37);

  for (int i = 0; i < 61 * 37 * 3; i++)
    picture->rgb[i] = i / 3 % 61 * 2 + i / 3 / 61;
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = folder_file (folder, cases[i].name);
    g_autofree char *data = NULL;
    g_autoptr (GError) error = NULL;

    g_assert_true (defcn_picture_save (picture, path, &error));
    g_assert_true (g_file_get_contents (path, &data, NULL, NULL));
    g_assert_cmpmem (data, 4, cases[i].magic, 4);
    g_autoptr (DefcnPicture) again = defcn_picture_load (path, &error);
    g_assert_no_error (error);
    g_assert_cmpint (again->width, ==, 61);
    g_assert_cmpint (again->height, ==, 37);
    for (int k = 0; k < 61 * 37 * 3; k++)
      g_assert_cmpint (ABS (again->rgb[k] - picture->rgb[k]), <=,
          cases[i].within);
  }
}

/* By request pixels are taken as they are stored, and pictures may be smaller
 * than others allow. */
static void
test_options (void)
{
  const PngKind kind = { "exif", PNG_COLOR_TYPE_GRAY, 8, 0, { 5 }, { 5, 5, 5 },
    .exif = 6 };
  g_autoptr (GByteArray) bytes = png_new (&kind, 5, 3);
  g_autofree char *path =
      folder_write (folder, "turned.png", bytes->data, bytes->len);
  g_autofree char *large = folder_file (folder, "large.png");
  g_autoptr (DefcnPicture) wide = defcn_picture_new (1001, 1000);
  DefcnPictureOptions options = { .ignore_exif = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnPicture) stored = defcn_picture_open (path, &options, NULL);

  g_assert_cmpint (stored->width, ==, 5);
  g_assert_true (defcn_picture_save (wide, large, NULL));
  options.max_megapixels = 1;
  g_assert_null (defcn_picture_open (large, &options, &error));
  g_assert_nonnull (
      strstr (error->message, "1001 x 1000 pixels, more than 1 "));
  options.max_megapixels = 2;
  g_autoptr (DefcnPicture) again = defcn_picture_open (large, &options, NULL);
  g_assert_nonnull (again);
}

/* Of 16384 pixels a side, more than a hundred megapixels: refused before they
 * are allocated; more scans than a picture has as well. */
static void
test_bombs (void)
{
  static const JpegKind progressive = { JCS_RGB, JCS_YCbCr, 3,
    .progressive = TRUE };
  g_autoptr (DefcnPicture) source = quarters_new ();
  g_autoptr (GBytes) jpeg = jpeg_new (&rgb_jpeg, source->rgb, 48, 32);
  g_autoptr (GBytes) slow = jpeg_new (&progressive, source->rgb, 48, 32);
  const gsize len = g_bytes_get_size (jpeg);
  g_autofree guint8 *huge = g_memdup2 (g_bytes_get_data (jpeg, NULL), len);
  const guint8 *data = g_bytes_get_data (slow, NULL);
  gsize n = g_bytes_get_size (slow), begin = 0;
  g_autoptr (GByteArray) many = g_byte_array_new ();

  for (gsize i = 2; i + 9 < len; i++) /* the size in SOF0 */
    if (huge[i] == 0xff && huge[i + 1] == 0xc0)
      memcpy (huge + i + 5, "\x40\x00\x40\x00", 4);
  assert_refused (huge, len, "more than 100 megapixels");

  /* The last scan, which adds a bit, comes again and again; it is a wrong
   * progression, but the number of scans ends it first. */
  for (gsize i = 2; i + 1 < n; i++)
    if (data[i] == 0xff && data[i + 1] == 0xda)
      begin = i;
  g_byte_array_append (many, data, n - 2);
  for (int i = 0; i < 200; i++)
    g_byte_array_append (many, data + begin, n - 2 - begin);
  g_byte_array_append (many, data + n - 2, 2);
  assert_refused (many->data, many->len, NULL);
}

/* A 2 x 1 WebP without loss: red, then blue. */
static const guint8 webp[] = { 82, 73, 70, 70, 30, 0, 0, 0, 87, 69, 66, 80, 86,
  80, 56, 76, 17, 0, 0, 0, 47, 1, 0, 0, 0, 15, 16, 243, 191, 255, 243, 31, 14,
  50, 162, 255, 1, 0 };

/* WebP is read where the build has libwebp, and named where it has not. */
static void
test_webp (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnPicture) picture = load_bytes (webp, sizeof webp, &error);

  if (!picture) {
    g_assert_nonnull (strstr (error->message, "without libwebp"));
    g_test_skip ("built without libwebp");
    return;
  }
  g_assert_cmpint (picture->width, ==, 2);
  g_assert_cmpint (picture->height, ==, 1);
  g_assert_cmpmem (picture->rgb, 6, "\xff\0\0\0\0\xff", 6);
  for (gsize i = 0; i < sizeof webp; i++)
    assert_refused (webp, i, NULL);
  g_assert_true (defcn_picture_is_name ("a.WEBP"));
  g_assert_true (defcn_picture_is_name ("a.jpeg"));
  g_assert_false (defcn_picture_is_name ("a.gif"));
}

/* What cannot be written is named and leaves nothing behind. */
static void
test_save_refused (void)
{
  g_autoptr (DefcnPicture) picture = defcn_picture_new (4, 4);
  g_autofree char *nowhere = folder_file (folder, "none/a.png");
  g_autofree char *taken = folder_file (folder, "taken.jpg");
  g_autoptr (GError) error = NULL;

  g_assert_false (defcn_picture_save (picture, nowhere, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, "none/a.png"));
  g_clear_error (&error);

  g_assert_cmpint (g_mkdir (taken, 0700), ==, 0);
  g_assert_false (defcn_picture_save (picture, taken, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
}

/* The core sees the picture's own bytes. */
static void
test_image (void)
{
  g_autoptr (DefcnPicture) picture = defcn_picture_new (5, 3);
  const DefcnImage image = defcn_picture_image (picture);

  g_assert_true (defcn_image_check (&image, NULL));
  g_assert_cmpint (image.format, ==, DEFCN_FORMAT_RGB);
  g_assert_cmpint (image.width, ==, 5);
  g_assert_cmpint (image.height, ==, 3);
  g_assert_cmpint (image.strides[0], ==, 15);
  g_assert_true (image.planes[0] == picture->rgb);
  defcn_picture_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/picture/orientation", test_orientation);
  g_test_add_func ("/picture/bad-exif", test_bad_exif);
  g_test_add_func ("/picture/jpeg-kinds", test_jpeg_kinds);
  g_test_add_func ("/picture/png-kinds", test_png_kinds);
  g_test_add_func ("/picture/png-orientation", test_png_orientation);
  g_test_add_func ("/picture/truncated", test_truncated);
  g_test_add_func ("/picture/damaged", test_damaged);
  g_test_add_func ("/picture/refused", test_refused);
  g_test_add_func ("/picture/largest", test_largest);
  g_test_add_func ("/picture/options", test_options);
  g_test_add_func ("/picture/bombs", test_bombs);
  g_test_add_func ("/picture/webp", test_webp);
  g_test_add_func ("/picture/save", test_save);
  g_test_add_func ("/picture/save-refused", test_save_refused);
  g_test_add_func ("/picture/image", test_image);
  folder = folder_new ();
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}
