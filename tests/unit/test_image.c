/* Checks, sizes, conversion of every format, resampling, normalisation. */
#include "scaler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "heap.h"

/* An image in memory of its own; every plane is exactly as large as its rows
 * need, so that a sanitizer sees any read past the last of them. */
typedef struct
{
  DefcnImage image;
  guint8 *mem[3];
} Picture;

static int
plane_row (DefcnFormat format, int plane, int width)
{
  const int half = (width + 1) / 2;
  const int bytes[DEFCN_N_FORMATS][3] = {
    [DEFCN_FORMAT_RGB] = { 3 * width },
    [DEFCN_FORMAT_BGR] = { 3 * width },
    [DEFCN_FORMAT_RGBA] = { 4 * width },
    [DEFCN_FORMAT_BGRA] = { 4 * width },
    [DEFCN_FORMAT_GRAY8] = { width },
    [DEFCN_FORMAT_NV12] = { width, 2 * half },
    [DEFCN_FORMAT_I420] = { width, half, half },
    [DEFCN_FORMAT_YUY2] = { 4 * half },
    [DEFCN_FORMAT_UYVY] = { 4 * half },
    [DEFCN_FORMAT_NV21] = { width, 2 * half },
    [DEFCN_FORMAT_ARGB] = { 4 * width },
    [DEFCN_FORMAT_ABGR] = { 4 * width },
    [DEFCN_FORMAT_Y42B] = { width, half, half },
    [DEFCN_FORMAT_Y444] = { width, width, width },
    [DEFCN_FORMAT_P010] = { 2 * width, 4 * half },
    [DEFCN_FORMAT_I420_10] = { 2 * width, 2 * half, 2 * half },
  };

  return bytes[format][plane];
}

static gboolean
has_all_rows (DefcnFormat format)
{
  return format == DEFCN_FORMAT_Y42B || format == DEFCN_FORMAT_Y444;
}

/* The same seed gives the same pixels, whatever the padding and @poison. */
static void
picture_init (Picture *p, DefcnFormat format, int width, int height, int pad,
    guint8 poison, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  *p = (Picture){
    .image = { .format = format, .width = width, .height = height }
  };
  for (int i = 0; i < 3 && plane_row (format, i, width); i++) {
    const int row = plane_row (format, i, width), stride = row + pad;
    const int h = i && !has_all_rows (format) ? (height + 1) / 2 : height;

    p->mem[i] = g_malloc ((gsize) stride * (h - 1) + row);
    memset (p->mem[i], poison, (gsize) stride * (h - 1) + row);
    for (int y = 0; y < h; y++) {
      for (int x = 0; x < row; x++)
        p->mem[i][(gsize) y * stride + x] = g_rand_int_range (rand, 0, 256);
    }
    p->image.planes[i] = p->mem[i];
    p->image.strides[i] = stride;
  }
}

static void
picture_clear (Picture *p)
{
  for (int i = 0; i < 3; i++)
    g_free (p->mem[i]);
}

/* Word @i of @p without its @shift lowest bits, to the nearest byte. */
static double
word (const guint8 *p, int i, int shift)
{
  const double value = (p[2 * i] + 256 * p[2 * i + 1]) / (double) (1 << shift);

  return MIN (floor (value + 0.5), 255);
}

/* The textbook conversion of one pixel in double precision, 0..255. */
static void
convert_exactly (double rgb[3], const DefcnImage *im, int x, int y)
{
  static const double kr_kb[][2] = { { 0.299, 0.114 }, { 0.2126, 0.0722 },
    { 0.2627, 0.0593 } };
  const double kr = kr_kb[im->matrix][0], kb = kr_kb[im->matrix][1];
  const guint8 *p = im->planes[0] + y * im->strides[0];
  const guint8 *q = im->planes[1];
  const guint8 *r = im->planes[2];
  double luma, u = 128, v = 128;

  if (q)
    q += (has_all_rows (im->format) ? y : y / 2) * im->strides[1];
  if (r)
    r += (has_all_rows (im->format) ? y : y / 2) * im->strides[2];
  switch (im->format) {
    case DEFCN_FORMAT_RGB:
    case DEFCN_FORMAT_RGBA:
      p += x * (im->format == DEFCN_FORMAT_RGB ? 3 : 4);
      rgb[0] = p[0], rgb[1] = p[1], rgb[2] = p[2];
      return;
    case DEFCN_FORMAT_BGR:
    case DEFCN_FORMAT_BGRA:
      p += x * (im->format == DEFCN_FORMAT_BGR ? 3 : 4);
      rgb[0] = p[2], rgb[1] = p[1], rgb[2] = p[0];
      return;
    case DEFCN_FORMAT_NV12:
      luma = p[x], u = q[x / 2 * 2], v = q[x / 2 * 2 + 1];
      break;
    case DEFCN_FORMAT_I420:
      luma = p[x], u = q[x / 2], v = r[x / 2];
      break;
    case DEFCN_FORMAT_ARGB:
      rgb[0] = p[4 * x + 1], rgb[1] = p[4 * x + 2], rgb[2] = p[4 * x + 3];
      return;
    case DEFCN_FORMAT_ABGR:
      rgb[0] = p[4 * x + 3], rgb[1] = p[4 * x + 2], rgb[2] = p[4 * x + 1];
      return;
    case DEFCN_FORMAT_NV21:
      luma = p[x], u = q[x / 2 * 2 + 1], v = q[x / 2 * 2];
      break;
    case DEFCN_FORMAT_Y42B:
      luma = p[x], u = q[x / 2], v = r[x / 2];
      break;
    case DEFCN_FORMAT_Y444:
      luma = p[x], u = q[x], v = r[x];
      break;
    case DEFCN_FORMAT_P010:
      luma = word (p, x, 8);
      u = word (q, x / 2 * 2, 8), v = word (q, x / 2 * 2 + 1, 8);
      break;
    case DEFCN_FORMAT_I420_10:
      luma = word (p, x, 2);
      u = word (q, x / 2, 2), v = word (r, x / 2, 2);
      break;
    case DEFCN_FORMAT_UYVY:
      luma = p[2 * x + 1], u = p[x / 2 * 4], v = p[x / 2 * 4 + 2];
      break;
    case DEFCN_FORMAT_YUY2:
      luma = p[2 * x], u = p[x / 2 * 4 + 1], v = p[x / 2 * 4 + 3];
      break;
    default:
      luma = p[x];
  }
  luma = im->full_range ? luma / 255 : (luma - 16) / 219;
  u = (u - 128) / (im->full_range ? 255 : 224);
  v = (v - 128) / (im->full_range ? 255 : 224);
  rgb[0] = luma + 2 * (1 - kr) * v;
  rgb[2] = luma + 2 * (1 - kb) * u;
  rgb[1] = (luma - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
  for (int c = 0; c < 3; c++)
    rgb[c] = CLAMP (rgb[c], 0, 1) * 255;
}

static void
assert_converted (DefcnScaler *scaler, const DefcnImage *im, int x, int y,
    int w, int h)
{
  g_autofree guint8 *rgb = g_malloc ((gsize) w * h * 3);
  int inexact = 0;

  defcn_scaler_run (scaler, rgb, im, x, y, w, h, w, h);
  for (int i = 0; i < w * h; i++) {
    double exact[3];

    convert_exactly (exact, im, x + i % w, y + i / w);
    for (int c = 0; c < 3; c++) {
      g_assert_cmpfloat_with_epsilon (rgb[3 * i + c], exact[c], 0.51);
      inexact += rgb[3 * i + c] != floor (exact[c] + 0.5);
    }
  }
  g_assert_cmpint (inexact, <=, 1 + w * h * 3 / 50);
}

/* Without a resize every format gives the exact conversion, rounded: odd
 * sizes, odd rectangles, all matrices and ranges, both sets of kernels. */
static void
test_formats (void)
{
  static const int sizes[][2] = { { 1, 1 }, { 3, 5 }, { 17, 31 }, { 64, 9 } };
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  for (int format = 0; format < DEFCN_N_FORMATS; format++) {
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
      for (int variant = 0; variant < 12; variant++) {
        const int w = sizes[i][0], h = sizes[i][1];
        Picture p;

        picture_init (&p, format, w, h, variant * 5, 0xA5, variant + 1);
        p.image.matrix = variant % 3;
        p.image.full_range = variant / 3 % 2;
        defcn_scaler_set_simd (scaler, variant / 6);
        assert_converted (scaler, &p.image, 0, 0, w, h);
        if (w > 1) {
          assert_converted (scaler, &p.image, 1, 0, w - 1, h);
          assert_converted (scaler, &p.image, 0, 3, w - 1, h - 3);
          assert_converted (scaler, &p.image, w / 2, h / 2, 1, 1);
          assert_converted (scaler, &p.image, w - 1, h - 1, 1, 1);
        }
        picture_clear (&p);
      }
    }
  }
}

/* Black, white and primaries of each matrix and range come out within 1. */
static void
test_known_colours (void)
{
  static const struct
  {
    DefcnMatrix matrix;
    gboolean full;
    guint8 yuv[3], rgb[3];
  } cases[] = {
    { DEFCN_MATRIX_BT601, FALSE, { 16, 128, 128 }, { 0, 0, 0 } },
    { DEFCN_MATRIX_BT709, FALSE, { 235, 128, 128 }, { 255, 255, 255 } },
    { DEFCN_MATRIX_BT2020, TRUE, { 255, 128, 128 }, { 255, 255, 255 } },
    { DEFCN_MATRIX_BT601, FALSE, { 81, 90, 240 }, { 254, 0, 0 } },
    { DEFCN_MATRIX_BT601, TRUE, { 76, 85, 255 }, { 254, 0, 0 } },
    { DEFCN_MATRIX_BT709, FALSE, { 63, 102, 240 }, { 255, 1, 0 } },
    { DEFCN_MATRIX_BT709, FALSE, { 0, 128, 128 }, { 0, 0, 0 } },
    { DEFCN_MATRIX_BT709, FALSE, { 255, 255, 255 }, { 255, 183, 255 } },
  };
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnImage image = { DEFCN_FORMAT_I420, 1, 1,
      { cases[i].yuv, cases[i].yuv + 1, cases[i].yuv + 2 }, { 1, 1, 1 },
      cases[i].matrix, cases[i].full };
    guint8 rgb[3];

    defcn_scaler_run (scaler, rgb, &image, 0, 0, 1, 1, 1, 1);
    for (int c = 0; c < 3; c++)
      g_assert_cmpint (ABS (rgb[c] - cases[i].rgb[c]), <=, 1);
  }
}

/* What lies between the rows is not looked at, and neither set of kernels nor
 * the number of threads nor the sizes run before change a bit of a resize. */
static void
test_padding_and_kernels (void)
{
  static const int cases[][4] = { { 31, 17, 13, 7 }, { 17, 31, 40, 50 },
    { 200, 3, 7, 3 }, { 3, 200, 3, 9 }, { 1, 1, 5, 4 }, { 90, 70, 1, 1 },
    { 33, 33, 33, 12 }, { 64, 48, 63, 49 }, { 90, 601, 31, 200 },
    { 50, 97, 50, 97 }, { 20, 40, 20, 300 } };
  g_autoptr (DefcnScaler) a = defcn_scaler_new (), b = defcn_scaler_new ();

  defcn_scaler_set_threads (a, 3);
  defcn_scaler_set_simd (b, FALSE);
  for (int format = 0; format < DEFCN_N_FORMATS; format++) {
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
      const int *c = cases[i];
      const gsize size = (gsize) c[2] * c[3] * 3;
      g_autofree guint8 *one = g_malloc (size), *other = g_malloc (size);
      Picture dense, padded;

      picture_init (&dense, format, c[0], c[1], 0, 0, 9);
      picture_init (&padded, format, c[0], c[1], 37, 0xFF, 9);
      defcn_scaler_run (a, one, &dense.image, 0, 0, c[0], c[1], c[2], c[3]);
      defcn_scaler_run (b, other, &padded.image, 0, 0, c[0], c[1], c[2], c[3]);
      g_assert_cmpmem (one, size, other, size);
      picture_clear (&dense);
      picture_clear (&padded);
    }
  }
}

/* Pillow's BILINEAR, a triangle filter that grows when it shrinks, for one
 * dimension of an interleaved image: weights of 22 fractional bits, sums
 * rounded to bytes. */
static void
resize_plainly (guint8 *dst, const guint8 *src, int n_lines, int line_step,
    int in, int out, int step, int out_line_step)
{
  const double scale = (double) in / out, fs = MAX (scale, 1.0);

  for (int i = 0; i < out; i++) {
    const double c = (i + 0.5) * scale;
    const int lo = MAX (0, (int) (c - fs + 0.5));
    const int hi = MIN (in, (int) (c + fs + 0.5));
    double sum = 0;

    for (int j = lo; j < hi; j++)
      sum += MAX (0, 1 - fabs ((j - c + 0.5) / fs));
    for (int line = 0; line < n_lines; line++) {
      for (int ch = 0; ch < 3; ch++) {
        gint64 acc = 1 << 21;

        for (int j = lo; j < hi; j++) {
          const double w = MAX (0, 1 - fabs ((j - c + 0.5) / fs)) / sum;

          acc += (gint64) (w * (1 << 22) + 0.5)
              * src[line * line_step + j * step + ch];
        }
        dst[line * out_line_step + i * step + ch] = CLAMP (acc >> 22, 0, 255);
      }
    }
  }
}

/* Both passes, horizontal first, equal the rule; extremes included. */
static void
test_resize (void)
{
  static const int cases[][4] = { { 1, 1, 1, 1 }, { 1, 1, 9, 7 },
    { 50, 40, 1, 1 }, { 2, 300, 3, 2 }, { 300, 2, 2, 3 }, { 31, 17, 62, 34 },
    { 64, 48, 63, 49 }, { 19, 23, 19, 40 }, { 19, 23, 40, 23 },
    { 5000, 1, 3, 1 } };
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int w = cases[i][0], h = cases[i][1];
    const int out_w = cases[i][2], out_h = cases[i][3];
    const gsize size = (gsize) out_w * out_h * 3;
    g_autofree guint8 *wide = g_malloc ((gsize) out_w * h * 3);
    g_autofree guint8 *expected = g_malloc (size), *rgb = g_malloc (size);
    Picture p;

    picture_init (&p, DEFCN_FORMAT_RGB, w, h, 0, 0, 21 + i);
    resize_plainly (wide, p.mem[0], h, w * 3, w, out_w, 3, out_w * 3);
    resize_plainly (expected, wide, out_w, 3, h, out_h, out_w * 3, 3);
    defcn_scaler_run (scaler, rgb, &p.image, 0, 0, w, h, out_w, out_h);
    g_assert_cmpmem (rgb, size, expected, size);
    picture_clear (&p);
  }
}

/* The tables that a device is given are those of the scaler: by them, in
 * double loops, comes what the scaler gives. */
static void
test_describe (void)
{
  static const int cases[][4] = { { 31, 17, 13, 40 }, { 9, 40, 30, 7 },
    { 12, 9, 12, 20 }, { 12, 9, 5, 9 } };
  const DefcnInputRule rule = { .divisor = 32 };
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int w = cases[i][0], h = cases[i][1];
    const int out_w = cases[i][2], out_h = cases[i][3];
    g_autofree guint8 *rgb = g_malloc ((gsize) out_w * out_h * 3);
    DefcnPreprocess d;
    Picture p;

    picture_init (&p, DEFCN_FORMAT_RGB, w + 3, h + 2, 0, 0, 31 + i);
    p.image.matrix = DEFCN_MATRIX_BT709;
    defcn_scaler_run (scaler, rgb, &p.image, 3, 2, w, h, out_w, out_h);
    defcn_scaler_describe (scaler, &d, &p.image, 3, 2, w, h, out_w, out_h,
        &rule);
    g_assert_true (d.x == 3 && d.y == 2 && d.w == w && d.h == h);
    g_assert_true (d.out_w == out_w && d.out_h == out_h && d.rule == &rule);
    g_assert_cmpint (d.yuv.offset, ==, 16);
    g_assert_cmpint (d.yuv.rv, ==, 117489); /* 65536 * 2 (1 - kr) 255 / 224 */
    for (int y = 0; y < out_h; y++) {
      for (int x = 0; x < out_w * 3; x++) {
        gint64 sum = 1 << 21;

        for (int j = 0; j < d.taps_y && d.first_y[y] + j < h; j++) {
          gint64 row = 1 << 21;

          for (int k = 0; k < d.taps_x && d.first_x[x / 3] + k < w; k++)
            row += (gint64) d.weights_x[x / 3 * d.taps_x + k]
                * p.mem[0][(d.first_y[y] + j + 2) * (w + 3) * 3
                    + (d.first_x[x / 3] + k + 3) * 3 + x % 3];
          sum += d.weights_y[y * d.taps_y + j] * CLAMP (row >> 22, 0, 255);
        }
        g_assert_cmpint (CLAMP (sum >> 22, 0, 255), ==, rgb[y * out_w * 3 + x]);
      }
    }
    picture_clear (&p);
  }
}

static void
scale (gpointer data)
{
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  guint8 rgb[40 * 70 * 3];
  Picture p;

  picture_init (&p, DEFCN_FORMAT_I420, 31, 17, 0, 0, 1);
  for (int threads = 1; threads <= 2; threads++) {
    defcn_scaler_set_threads (scaler, threads);
    for (int i = 0; i < 3; i++)
      defcn_scaler_run (scaler, rgb, &p.image, 0, 0, 31, 17, 40 - i, 70);
  }
  picture_clear (&p);
}

/* Nothing is left of tables, strips and rows. */
static void
test_leaks (void)
{
  heap_assert_kept (scale, NULL);
}

/* A rectangle gives what the same rectangle, cut out first, gives. */
static void
test_region_is_a_crop (void)
{
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();

  for (int format = 0; format < DEFCN_N_FORMATS; format++) {
    guint8 crop[11 * 13 * 3], whole[6 * 21 * 3], part[6 * 21 * 3];
    Picture p;

    picture_init (&p, format, 40, 30, 3, 0x5A, 5);
    defcn_scaler_run (scaler, crop, &p.image, 9, 7, 11, 13, 11, 13);
    defcn_scaler_run (scaler, whole,
        &(DefcnImage){ DEFCN_FORMAT_RGB, 11, 13, { crop }, { 33 } }, 0, 0, 11,
        13, 6, 21);
    defcn_scaler_run (scaler, part, &p.image, 9, 7, 11, 13, 6, 21);
    g_assert_cmpmem (whole, sizeof whole, part, sizeof part);
    picture_clear (&p);
  }
}

/* Short edge, long edge limit, rounding, and never less than one pixel. */
static void
test_target_size (void)
{
  static const int cases[][6] = {
    { 640, 480, 800, 1333, 1067, 800 },
    { 480, 640, 800, 1333, 800, 1067 },
    { 1920, 1080, 320, 569, 569, 320 },
    { 2000, 500, 800, 1333, 1333, 333 },
    { 1667, 1000, 800, 1333, 1333, 800 }, /* 1333.6 is over the limit */
    { 1000, 1667, 800, 1333, 800, 1333 },
    { 1666, 1000, 800, 1333, 1333, 800 }, /* 1332.8 is not */
    { 3, 2, 25, 100, 38, 25 },            /* halves go up */
    { 1000, 999, 3, 100, 3, 3 },
    { 512, 512, 800, 1333, 800, 800 },
    { 16384, 1, 800, 1333, 1333, 1 },
    { 1, 16384, 800, 1333, 1, 1333 },
    { 1, 1, 1, 1, 1, 1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int *c = cases[i];
    int w, h;

    defcn_image_target_size (&w, &h, c[0], c[1], c[2], c[3]);
    g_assert_cmpint (w, ==, c[4]);
    g_assert_cmpint (h, ==, c[5]);
  }
}

/* Channel order, mean, standard deviation and zero padding. */
static void
test_normalize (void)
{
  const guint8 rgb[] = { 10, 20, 30, 40, 50, 60 };
  DefcnInputRule rule = { .bgr = TRUE,
    .mean = { 1, 2, 3 },
    .std = { 1, 2, 4 } };
  float dst[2 * 3 * 3];

  memset (dst, 0xFF, sizeof dst);
  defcn_image_normalize (dst, rgb, 2, 1, 3, 2, &rule);
  const float bgr[18] = { 29, 9, 1.75f, 59, 24, 9.25f };
  g_assert_cmpmem (dst, sizeof dst, bgr, sizeof bgr);

  rule.bgr = FALSE;
  memset (dst, 0xFF, sizeof dst);
  defcn_image_normalize (dst, rgb, 1, 2, 3, 2, &rule);
  const float column[18] = { 9, 9, 6.75f, 0, 0, 0, 0, 0, 0, 39, 24, 14.25f };
  g_assert_cmpmem (dst, sizeof dst, column, sizeof column);
}

/* Everything a caller can get wrong is refused by name. */
static void
test_check (void)
{
  static guint8 mem[64];
  const DefcnImage good = { DEFCN_FORMAT_I420, 5, 3, { mem, mem, mem },
    { 5, 3, 3 }, DEFCN_MATRIX_BT709, FALSE };
  DefcnImage bad[16], largest = good;
  const char *const words[] = { "format 16", "format", "size 0 x 3",
    "size 5 x -1", "size 16385 x 3 is not within 1 .. 16384", "matrix",
    "plane 0 of a I420 image 5 pixels wide is missing", "plane 2 of a I420",
    ("plane 1 of a I420 image 5 pixels wide is too narrow: stride 2, wanted "
     "at least 3"),
    "plane 0", "size 5 x 16385", "orientation 8", "ratio 1/0", "ratio -1/1",
    "ratio 65/1", "ratio 1/65" };

  g_assert_true (defcn_image_check (&good, NULL));
  largest.width = largest.height = 16384;
  for (int i = 0; i < 3; i++)
    largest.strides[i] = i ? 8192 : 16384;
  g_assert_true (defcn_image_check (&largest, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    bad[i] = good;
  bad[0].format = DEFCN_N_FORMATS;
  bad[1].format = (DefcnFormat) -1;
  bad[2].width = 0;
  bad[3].height = -1;
  bad[4].width = 16385;
  bad[5].matrix = (DefcnMatrix) 3;
  bad[6].planes[0] = NULL;
  bad[7].planes[2] = NULL;
  bad[8].strides[1] = 2;
  bad[9].strides[0] = -5;
  bad[10].height = 16385;
  bad[11].orientation = DEFCN_N_ORIENTATIONS;
  for (int i = 0; i < 4; i++) {
    static const int ratios[][2] = { { 1, 0 }, { -1, 1 }, { 65, 1 },
      { 1, 65 } };

    bad[12 + i].par_n = ratios[i][0];
    bad[12 + i].par_d = ratios[i][1];
  }
  largest.par_n = 64;
  largest.par_d = 1;
  g_assert_true (defcn_image_check (&largest, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (defcn_image_check (&bad[i], &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, words[i]));
  }
}

/* The stride that each format needs is just enough; one less is not. */
static void
test_check_strides (void)
{
  for (int format = 0; format < DEFCN_N_FORMATS; format++) {
    const int n = defcn_image_planes (format);

    g_assert_true (n == 3 || !plane_row (format, n, 1));
    g_assert_cmpint (plane_row (format, n - 1, 1), >, 0);
    for (int w = 1; w < 6; w++) {
      for (int plane = 0; plane < 3 && plane_row (format, plane, w); plane++) {
        Picture p;

        picture_init (&p, format, w, 2, 0, 0, 1);
        g_assert_true (defcn_image_check (&p.image, NULL));
        g_assert_cmpint (defcn_image_planes (format), >, plane);
        g_assert_cmpint (defcn_image_row_bytes (&p.image, plane), ==,
            plane_row (format, plane, w));
        p.image.strides[plane]--;
        g_assert_false (defcn_image_check (&p.image, NULL));
        picture_clear (&p);
      }
    }
  }
}

int
main (int argc, char **argv)
{
  heap_init (argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image/check", test_check);
  g_test_add_func ("/image/check/strides", test_check_strides);
  g_test_add_func ("/image/target-size", test_target_size);
  g_test_add_func ("/image/formats", test_formats);
  g_test_add_func ("/image/known-colours", test_known_colours);
  g_test_add_func ("/image/padding-and-kernels", test_padding_and_kernels);
  g_test_add_func ("/image/resize", test_resize);
  g_test_add_func ("/image/describe", test_describe);
  g_test_add_func ("/image/leaks", test_leaks);
  g_test_add_func ("/image/region", test_region_is_a_crop);
  g_test_add_func ("/image/normalize", test_normalize);
  return g_test_run ();
}
