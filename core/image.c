/* Images: checks, sizes, normalisation. */
#include "image.h"

#include <math.h>
#include <string.h>

#include "error.h"

#define MAX_SIDE 16384

/* Of the planes: bytes for a pixel, or for two where they share a sample. */
static const struct
{
  const char *name;
  int n_planes;
  int luma, chroma;        /* bytes, of planes 0 and the others */
  gboolean luma_of_two;    /* else of one pixel */
  gboolean chroma_of_two;  /* else of one pixel */
  gboolean chroma_of_rows; /* two rows share one of chroma */
} formats[DEFCN_N_FORMATS] = {
  [DEFCN_FORMAT_RGB] = { "RGB", 1, 3 },
  [DEFCN_FORMAT_BGR] = { "BGR", 1, 3 },
  [DEFCN_FORMAT_RGBA] = { "RGBA", 1, 4 },
  [DEFCN_FORMAT_BGRA] = { "BGRA", 1, 4 },
  [DEFCN_FORMAT_GRAY8] = { "GRAY8", 1, 1 },
  [DEFCN_FORMAT_NV12] = { "NV12", 2, 1, 2, FALSE, TRUE, TRUE },
  [DEFCN_FORMAT_I420] = { "I420", 3, 1, 1, FALSE, TRUE, TRUE },
  [DEFCN_FORMAT_YUY2] = { "YUY2", 1, 4, 0, TRUE },
  [DEFCN_FORMAT_UYVY] = { "UYVY", 1, 4, 0, TRUE },
  [DEFCN_FORMAT_NV21] = { "NV21", 2, 1, 2, FALSE, TRUE, TRUE },
  [DEFCN_FORMAT_ARGB] = { "ARGB", 1, 4 },
  [DEFCN_FORMAT_ABGR] = { "ABGR", 1, 4 },
  [DEFCN_FORMAT_Y42B] = { "Y42B", 3, 1, 1, FALSE, TRUE, FALSE },
  [DEFCN_FORMAT_Y444] = { "Y444", 3, 1, 1, FALSE, FALSE, FALSE },
  [DEFCN_FORMAT_P010] = { "P010_10LE", 2, 2, 4, FALSE, TRUE, TRUE },
  [DEFCN_FORMAT_I420_10] = { "I420_10LE", 3, 2, 2, FALSE, TRUE, TRUE },
};

/* Bytes of pixels in a row of @plane. */
static int
row_bytes (DefcnFormat format, int plane, int width)
{
  const int half = (width + 1) / 2;

  return plane
      ? formats[format].chroma * (formats[format].chroma_of_two ? half : width)
      : formats[format].luma * (formats[format].luma_of_two ? half : width);
}

gboolean
defcn_image_check (const DefcnImage *image, GError **error)
{
  if ((guint) image->format >= DEFCN_N_FORMATS) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "image format %d is unknown", (int) image->format);
    return FALSE;
  }
  if (image->width < 1 || image->height < 1 || image->width > MAX_SIDE
      || image->height > MAX_SIDE) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "image size %d x %d is not within 1 .. %d", image->width, image->height,
        MAX_SIDE);
    return FALSE;
  }
  if ((guint) image->matrix > DEFCN_MATRIX_BT2020) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "image matrix %d is unknown", (int) image->matrix);
    return FALSE;
  }
  if ((guint) image->orientation >= DEFCN_N_ORIENTATIONS) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "image orientation %d is unknown", (int) image->orientation);
    return FALSE;
  }
  if ((image->par_n || image->par_d)
      && (image->par_n < 1 || image->par_d < 1
          || image->par_n > (gint64) image->par_d * DEFCN_IMAGE_MAX_ASPECT
          || image->par_d > (gint64) image->par_n * DEFCN_IMAGE_MAX_ASPECT)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "pixel aspect ratio %d/%d is not within 1/%d .. %d", image->par_n,
        image->par_d, DEFCN_IMAGE_MAX_ASPECT, DEFCN_IMAGE_MAX_ASPECT);
    return FALSE;
  }
  for (int i = 0; i < formats[image->format].n_planes; i++) {
    const int wanted = row_bytes (image->format, i, image->width);

    if (!image->planes[i] || image->strides[i] < wanted) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "plane %d of a %s image %d pixels wide %s: stride %d, wanted at "
          "least %d",
          i, formats[image->format].name, image->width,
          image->planes[i] ? "is too narrow" : "is missing", image->strides[i],
          wanted);
      return FALSE;
    }
  }
  return TRUE;
}

int
defcn_image_planes (DefcnFormat format)
{
  return formats[format].n_planes;
}

int
defcn_image_row_bytes (const DefcnImage *image, int i)
{
  return row_bytes (image->format, i, image->width);
}

int
defcn_image_row_shift (DefcnFormat format, int i)
{
  return i && formats[format].chroma_of_rows;
}

void
defcn_image_target_size (int *out_w, int *out_h, int width, int height,
    int short_edge, int long_edge)
{
  const double scale = (double) short_edge / MIN (width, height);
  double w = height < width ? scale * width : short_edge;
  double h = height < width ? short_edge : scale * height;

  if (MAX (w, h) > long_edge) {
    const double limit = long_edge / MAX (w, h);

    w *= limit;
    h *= limit;
  }
  *out_w = MAX (1, (int) floor (w + 0.5));
  *out_h = MAX (1, (int) floor (h + 0.5));
}

DefcnTurn
defcn_image_turn (DefcnOrientation orientation, int w, int h)
{
  switch (orientation) {
    case DEFCN_ORIENTATION_RIGHT:
      return (DefcnTurn){ 0, 1, 0, -1, 0, h - 1 };
    case DEFCN_ORIENTATION_HALF:
      return (DefcnTurn){ -1, 0, w - 1, 0, -1, h - 1 };
    case DEFCN_ORIENTATION_LEFT:
      return (DefcnTurn){ 0, -1, w - 1, 1, 0, 0 };
    case DEFCN_ORIENTATION_MIRROR:
      return (DefcnTurn){ -1, 0, w - 1, 0, 1, 0 };
    case DEFCN_ORIENTATION_FLIP:
      return (DefcnTurn){ 1, 0, 0, 0, -1, h - 1 };
    case DEFCN_ORIENTATION_TRANSPOSE:
      return (DefcnTurn){ 0, 1, 0, 1, 0, 0 };
    case DEFCN_ORIENTATION_ANTI_TRANSPOSE:
      return (DefcnTurn){ 0, -1, w - 1, -1, 0, h - 1 };
    default:
      return (DefcnTurn){ 1, 0, 0, 0, 1, 0 };
  }
}

gboolean
defcn_image_turn_swaps (DefcnOrientation orientation)
{
  return defcn_image_turn (orientation, 1, 1).xx == 0;
}

void
defcn_image_turn_run (guint8 *dst, const guint8 *src, const DefcnTurn *turn,
    int w, int h)
{
  const int stride = turn->xx ? w : h; /* of src, in pixels */
  const gssize step = turn->xx + (gssize) turn->yx * stride;

  for (int y = 0; y < h; y++) {
    const gssize row = (gssize) turn->yy * y + turn->y0;
    const guint8 *at = src + 3 * (row * stride + turn->xy * y + turn->x0);

    for (int x = 0; x < w; x++, dst += 3) {
      memcpy (dst, at, 3);
      if (x + 1 < w)
        at += 3 * step;
    }
  }
}

void
defcn_image_normalize (float *dst, const guint8 *rgb, int w, int h, int pad_w,
    int pad_h, const DefcnInputRule *rule)
{
  float values[3][256];

  for (int c = 0; c < 3; c++) {
    for (int i = 0; i < 256; i++)
      values[c][i] = (i - rule->mean[c]) / rule->std[c];
  }
  for (int y = 0; y < h; y++) {
    float *row = dst + (gsize) y * pad_w * 3;
    const int first = rule->bgr ? 2 : 0, last = 2 - first;

    for (int x = 0; x < w; x++, rgb += 3) {
      row[3 * x] = values[0][rgb[first]];
      row[3 * x + 1] = values[1][rgb[1]];
      row[3 * x + 2] = values[2][rgb[last]];
    }
    memset (row + 3 * w, 0, (gsize) (pad_w - w) * 3 * sizeof *row);
  }
  memset (dst + (gsize) h * pad_w * 3, 0,
      (gsize) (pad_h - h) * pad_w * 3 * sizeof *dst);
}
