/* Resampling with colour conversion, row by row. */
#include "scaler.h"

#include <math.h>
#include <string.h>

#define LEAST_ROWS 32 /* of output, that a thread is worth */

/* One dimension of the triangle filter: output i is the weighted sum
 * of the count[i] inputs from first[i] on.  Rows of weights have @taps entries,
 * an even number, zero behind the last. */
typedef struct
{
  int in, out, taps;
  int *first, *count;
  gint32 *weights;
} Table;

static void
table_clear (Table *t)
{
  g_free (t->first);
  g_free (t->count);
  g_free (t->weights);
  memset (t, 0, sizeof *t);
}

static void
table_fill_row (Table *t, int i, double scale, double *w)
{
  const double stretch = MAX (scale, 1.0), inverse = 1.0 / stretch;
  const double center = (i + 0.5) * scale;
  const int first = MAX (0, (int) (center - stretch + 0.5));
  const int end = MIN (t->in, (int) (center + stretch + 0.5));
  double sum = 0;

  for (int j = first; j < end; j++) {
    const double x = fabs ((j - center + 0.5) * inverse);

    w[j - first] = x < 1 ? 1 - x : 0;
    sum += w[j - first];
  }
  t->first[i] = first;
  t->count[i] = end - first;
  for (int j = 0; j < end - first; j++)
    t->weights[(gsize) i * t->taps + j] =
        (int) (0.5 + w[j] / sum * (1 << DEFCN_WEIGHT_BITS));
}

/* Does nothing when @t is already for these sizes. */
static void
table_build (Table *t, int in, int out)
{
  if (t->in == in && t->out == out)
    return;
  table_clear (t);

  const double scale = (double) in / out;
  /* Rounding may add one to the filter's width. */
  const int taps = ((int) ceil (2 * MAX (scale, 1.0)) + 2) / 2 * 2;
  g_autofree double *w = g_new (double, taps);

  *t = (Table){ in, out, taps, g_new (int, out), g_new (int, out),
    g_new0 (gint32, (gsize) out * taps) };
  for (int i = 0; i < out; i++)
    table_fill_row (t, i, scale, w);
}

/* Scratch memory that only grows, zero at first. */
typedef struct
{
  guint8 *data;
  gsize size;
} Scratch;

static guint8 *
scratch_get (Scratch *s, gsize size)
{
  if (s->size < size) {
    g_free (s->data);
    s->data = g_malloc0 (size);
    s->size = size;
  }
  return s->data;
}

/* What a thread needs for its share of the output rows. */
typedef struct
{
  Scratch chroma;  /* a row of U and one of V at full resolution */
  Scratch pixels;  /* a source row, R, G, B, 0 */
  Scratch ring;    /* rows after the horizontal pass, by row number modulo */
  Scratch out;     /* an output row, R, G, B, 0 */
  GPtrArray *taps; /* the ring's rows that make one output row */
} Strip;

struct _DefcnScaler
{
  const DefcnPixelKernels *kernels;
  Table x, y;
  Strip *strips;
  int n_strips;
};

static void
free_strips (DefcnScaler *s)
{
  for (int i = 0; i < s->n_strips; i++) {
    g_free (s->strips[i].chroma.data);
    g_free (s->strips[i].pixels.data);
    g_free (s->strips[i].ring.data);
    g_free (s->strips[i].out.data);
    g_ptr_array_unref (s->strips[i].taps);
  }
  g_free (s->strips);
}

DefcnScaler *
defcn_scaler_new (void)
{
  DefcnScaler *s = g_new0 (DefcnScaler, 1);

  s->kernels = defcn_pixels_kernels (TRUE);
  defcn_scaler_set_threads (s, 1);
  return s;
}

void
defcn_scaler_free (DefcnScaler *s)
{
  if (!s)
    return;
  table_clear (&s->x);
  table_clear (&s->y);
  free_strips (s);
  g_free (s);
}

void
defcn_scaler_set_threads (DefcnScaler *s, int threads)
{
  free_strips (s);
  s->n_strips = MAX (threads, 1);
  s->strips = g_new0 (Strip, s->n_strips);
  for (int i = 0; i < s->n_strips; i++)
    s->strips[i].taps = g_ptr_array_new ();
}

void
defcn_scaler_set_simd (DefcnScaler *s, gboolean simd)
{
  s->kernels = defcn_pixels_kernels (simd);
}

/* R = Y' + 2 (1 - kr) Cr, B = Y' + 2 (1 - kb) Cb and G from Y' = kr R + kg G +
 * kb B, with Y' stretched from 219 steps and C from 224 unless @full_range. */
static DefcnYuvTable
yuv_table (DefcnMatrix matrix, gboolean full_range)
{
  static const double k[][2] = {
    [DEFCN_MATRIX_BT601] = { 0.299, 0.114 },
    [DEFCN_MATRIX_BT709] = { 0.2126, 0.0722 },
    [DEFCN_MATRIX_BT2020] = { 0.2627, 0.0593 },
  };
  const double kr = k[matrix][0], kb = k[matrix][1], kg = 1 - kr - kb;
  const double y = full_range ? 65536 : 65536 * 255.0 / 219;
  const double c = full_range ? 65536 : 65536 * 255.0 / 224;

  return (DefcnYuvTable){
    .offset = full_range ? 0 : 16,
    .y = lrint (y),
    .rv = lrint (c * 2 * (1 - kr)),
    .gu = lrint (-c * 2 * (1 - kb) * kb / kg),
    .gv = lrint (-c * 2 * (1 - kr) * kr / kg),
    .bu = lrint (c * 2 * (1 - kb)),
  };
}

/* @step and the offsets of the channels are constants where this is used. */
static inline void
unpack_rgb (guint8 *dst, const guint8 *src, int n, int step, int r, int g,
    int b)
{
  guint32 *out = (guint32 *) (void *) dst;

  for (int i = 0; i < n; i++, src += step)
    out[i] =
        GUINT32_TO_LE (src[r] | (guint32) src[g] << 8 | (guint32) src[b] << 16);
}

/* Chroma samples of every second pixel -> one for each of @n pixels. */
static inline void
spread_chroma (guint8 *u, guint8 *v, const guint8 *src_u, const guint8 *src_v,
    int step, int n)
{
  for (int i = 0; i < n / 2; i++) {
    u[2 * i] = u[2 * i + 1] = src_u[i * step];
    v[2 * i] = v[2 * i + 1] = src_v[i * step];
  }
  if (n % 2) {
    u[n - 1] = src_u[n / 2 * step];
    v[n - 1] = src_v[n / 2 * step];
  }
}

/* A word of 16 bits, little-endian, without its @shift lowest, rounded. */
static inline guint8
narrow (const guint8 *word, int shift)
{
  const guint value = word[0] | word[1] << 8;

  return MIN ((value + (1u << shift >> 1)) >> shift, 255);
}

static inline void
narrow_luma (guint8 *luma, const guint8 *src, int n, int shift)
{
  for (int i = 0; i < n; i++)
    luma[i] = narrow (src + 2 * i, shift);
}

/* As spread_chroma(), of words. */
static inline void
narrow_chroma (guint8 *u, guint8 *v, const guint8 *src_u, const guint8 *src_v,
    int step, int n, int shift)
{
  for (int i = 0; i < n; i++) {
    u[i] = narrow (src_u + i / 2 * step, shift);
    v[i] = narrow (src_v + i / 2 * step, shift);
  }
}

/* One rectangle of an image that is being read row by row. */
typedef struct
{
  const DefcnImage *image;
  int x, y, w;
  DefcnYuvTable table;
  guint8 *pixels, *luma, *u, *v; /* scratch rows; @luma where it is not dense */
  int chroma_row;                /* what u and v hold, -1 for nothing */
} Reader;

/* Makes @w + 1 pixels of room and what @extra more a filter may touch. */
static void
reader_init (Reader *r, Strip *s, const DefcnImage *image, int x, int y, int w,
    int extra)
{
  const gsize n = (gsize) w + 1;
  guint8 *rows = scratch_get (&s->chroma, 3 * n);

  *r = (Reader){ image, x, y, w, yuv_table (image->matrix, image->full_range),
    scratch_get (&s->pixels, (n + extra) * 4), rows, rows + n, rows + 2 * n,
    -1 };
  if (image->format == DEFCN_FORMAT_GRAY8)
    memset (r->u, 128, 2 * n);
}

/* Makes u and v those of row @y, from even column @x on. */
static void
reader_chroma (Reader *r, int y, int x, int n)
{
  const DefcnImage *image = r->image;
  const int row = y >> defcn_image_row_shift (image->format, 1);
  const guint8 *u = image->planes[1] + (gsize) row * image->strides[1];
  const guint8 *v = defcn_image_planes (image->format) > 2
      ? image->planes[2] + (gsize) row * image->strides[2]
      : NULL;

  if (r->chroma_row == row)
    return;
  r->chroma_row = row;
  switch (image->format) {
    case DEFCN_FORMAT_NV12:
      spread_chroma (r->u, r->v, u + x, u + x + 1, 2, n);
      return;
    case DEFCN_FORMAT_NV21:
      spread_chroma (r->u, r->v, u + x + 1, u + x, 2, n);
      return;
    case DEFCN_FORMAT_P010:
      narrow_chroma (r->u, r->v, u + 2 * x, u + 2 * x + 2, 4, n, 8);
      return;
    case DEFCN_FORMAT_I420_10:
      narrow_chroma (r->u, r->v, u + x, v + x, 2, n, 2);
      return;
    case DEFCN_FORMAT_Y444:
      memcpy (r->u, u + x, n);
      memcpy (r->v, v + x, n);
      return;
    default: /* I420, Y42B */
      spread_chroma (r->u, r->v, u + x / 2, v + x / 2, 1, n);
      return;
  }
}

/* The luma row, with u and v made to belong to it, from even column @x on. */
static const guint8 *
reader_yuv (Reader *r, int y, int x, int n)
{
  const DefcnImage *image = r->image;
  const gboolean luma_first = image->format == DEFCN_FORMAT_YUY2;
  const guint8 *row = image->planes[0] + (gsize) y * image->strides[0];

  switch (image->format) {
    case DEFCN_FORMAT_GRAY8:
      return row + x;
    case DEFCN_FORMAT_YUY2:
    case DEFCN_FORMAT_UYVY:
      row += 2 * x;
      for (int i = 0; i < n; i++)
        r->luma[i] = row[2 * i + !luma_first];
      spread_chroma (r->u, r->v, row + luma_first, row + luma_first + 2, 4, n);
      return r->luma;
    case DEFCN_FORMAT_P010:
    case DEFCN_FORMAT_I420_10:
      narrow_luma (r->luma, row + 2 * x, n,
          image->format == DEFCN_FORMAT_P010 ? 8 : 2);
      reader_chroma (r, y, x, n);
      return r->luma;
    default:
      reader_chroma (r, y, x, n);
      return row + x;
  }
}

/* Row @i of the rectangle as pixels R, G, B, 0. */
static const guint8 *
reader_row (Reader *r, const DefcnPixelKernels *kernels, int i)
{
  const DefcnImage *image = r->image;
  const int y = r->y + i, odd = r->x & 1;
  const guint8 *row = image->planes[0] + (gsize) y * image->strides[0];

  switch (image->format) {
    case DEFCN_FORMAT_RGB:
      unpack_rgb (r->pixels, row + 3 * r->x, r->w, 3, 0, 1, 2);
      return r->pixels;
    case DEFCN_FORMAT_BGR:
      unpack_rgb (r->pixels, row + 3 * r->x, r->w, 3, 2, 1, 0);
      return r->pixels;
    case DEFCN_FORMAT_RGBA:
      unpack_rgb (r->pixels, row + 4 * r->x, r->w, 4, 0, 1, 2);
      return r->pixels;
    case DEFCN_FORMAT_BGRA:
      unpack_rgb (r->pixels, row + 4 * r->x, r->w, 4, 2, 1, 0);
      return r->pixels;
    case DEFCN_FORMAT_ARGB:
      unpack_rgb (r->pixels, row + 4 * r->x, r->w, 4, 1, 2, 3);
      return r->pixels;
    case DEFCN_FORMAT_ABGR:
      unpack_rgb (r->pixels, row + 4 * r->x, r->w, 4, 3, 2, 1);
      return r->pixels;
    default:
      /* From an even column on, so that chroma pairs stay together. */
      row = reader_yuv (r, y, r->x - odd, r->w + odd);
      kernels->yuv (r->pixels, row, r->u, r->v, r->w + odd, &r->table);
      return r->pixels + 4 * odd;
  }
}

static inline void
pack_rgb (guint8 *dst, const guint8 *src, int n)
{
  for (int i = 0; i < n; i++) {
    dst[3 * i] = src[4 * i];
    dst[3 * i + 1] = src[4 * i + 1];
    dst[3 * i + 2] = src[4 * i + 2];
  }
}

/* Output rows @from .. @to - 1 of defcn_scaler_run(). */
static void
run_strip (const DefcnScaler *s, Strip *strip, guint8 *rgb,
    const DefcnImage *image, int x, int y, int from, int to)
{
  const int w = s->x.in, h = s->y.in, out_w = s->x.out;
  const int n_rows = MIN (s->y.taps, h);
  const gsize row = ((gsize) out_w * 4 + DEFCN_PIXELS_PAD - 1)
      / DEFCN_PIXELS_PAD * DEFCN_PIXELS_PAD;
  guint8 *ring = scratch_get (&strip->ring, n_rows * row);
  guint8 *out = scratch_get (&strip->out, row);
  int next = s->y.first[from]; /* first source row not in the ring yet */
  Reader reader;

  reader_init (&reader, strip, image, x, y, w, s->x.taps);
  g_ptr_array_set_size (strip->taps, s->y.taps);
  for (int i = from; i < to; i++) {
    const int first = s->y.first[i], count = s->y.count[i];

    for (; next < first + count; next++) {
      const guint8 *pixels = reader_row (&reader, s->kernels, next);
      guint8 *dst = ring + next % n_rows * row;

      if (w == out_w)
        memcpy (dst, pixels, (gsize) w * 4);
      else
        s->kernels->horizontal (dst, pixels, out_w, s->x.first, s->x.weights,
            s->x.taps);
    }
    for (int j = 0; j < count; j++)
      strip->taps->pdata[j] = ring + (first + j) % n_rows * row;
    if (count > 1)
      s->kernels->vertical (out, (const guint8 *const *) strip->taps->pdata,
          s->y.weights + (gsize) i * s->y.taps, count, row);
    pack_rgb (rgb + (gsize) i * out_w * 3,
        count > 1 ? out : strip->taps->pdata[0], out_w);
  }
}

void
defcn_scaler_run (DefcnScaler *s, guint8 *rgb, const DefcnImage *image, int x,
    int y, int w, int h, int out_w, int out_h)
{
  const int n = CLAMP (out_h / LEAST_ROWS, 1, s->n_strips);

  table_build (&s->x, w, out_w);
  table_build (&s->y, h, out_h);
#ifdef _OPENMP
#pragma omp parallel for num_threads(n) schedule(static) if (n > 1)
#endif
  for (int i = 0; i < n; i++)
    run_strip (s, &s->strips[i], rgb, image, x, y, i * out_h / n,
        (i + 1) * out_h / n);
}

void
defcn_scaler_describe (DefcnScaler *s, DefcnPreprocess *p,
    const DefcnImage *image, int x, int y, int w, int h, int out_w, int out_h,
    const DefcnInputRule *rule)
{
  table_build (&s->x, w, out_w);
  table_build (&s->y, h, out_h);
  const gboolean swaps = defcn_image_turn_swaps (image->orientation);

  *p = (DefcnPreprocess){ x, y, w, h, out_w, out_h, s->x.taps, s->y.taps,
    s->x.first, s->y.first, s->x.weights, s->y.weights,
    yuv_table (image->matrix, image->full_range),
    defcn_image_turn (image->orientation, out_w, out_h), swaps ? out_h : out_w,
    swaps ? out_w : out_h, rule };
}
