/* The inner loops over pixels: YUV to RGB and the two resampling passes. */
#include "pixels.h"

#define HALF (1 << (DEFCN_WEIGHT_BITS - 1))

static inline guint32
clamp_byte (gint32 x)
{
  return x < 0 ? 0 : x > 255 ? 255 : x;
}

/* Also the AVX2 row: the compiler vectorises it for the target it is inlined
 * in. */
static inline __attribute__ ((always_inline)) void
yuv (guint8 *dst, const guint8 *y, const guint8 *u, const guint8 *v, int n,
    const DefcnYuvTable *table)
{
  const DefcnYuvTable t = *table;
  const gint32 bias = (1 << 15) - t.offset * t.y;
  guint32 *out = __builtin_assume_aligned (dst, 4);

  for (int i = 0; i < n; i++) {
    const gint32 luma = t.y * y[i] + bias;
    const gint32 cb = u[i] - 128, cr = v[i] - 128;
    const guint32 r = clamp_byte ((luma + t.rv * cr) >> 16);
    const guint32 g = clamp_byte ((luma + t.gu * cb + t.gv * cr) >> 16);
    const guint32 b = clamp_byte ((luma + t.bu * cb) >> 16);

    out[i] = GUINT32_TO_LE (r | g << 8 | b << 16);
  }
}

static void
yuv_baseline (guint8 *dst, const guint8 *y, const guint8 *u, const guint8 *v,
    int n, const DefcnYuvTable *table)
{
  yuv (dst, y, u, v, n, table);
}

static void
horizontal_baseline (guint8 *dst, const guint8 *src, int n, const int *first,
    const gint32 *weights, int taps)
{
  for (int i = 0; i < n; i++, weights += taps) {
    const guint8 *p = src + (gsize) first[i] * 4;
    gint32 sum[4] = { HALF, HALF, HALF, HALF };

    for (int j = 0; j < taps; j++) {
      for (int c = 0; c < 4; c++)
        sum[c] += weights[j] * p[4 * j + c];
    }
    for (int c = 0; c < 4; c++)
      dst[4 * i + c] = clamp_byte (sum[c] >> DEFCN_WEIGHT_BITS);
  }
}

static void
vertical_baseline (guint8 *dst, const guint8 *const *rows,
    const gint32 *weights, int taps, int n)
{
  for (int x = 0; x < n; x += DEFCN_PIXELS_PAD) {
    gint32 sum[DEFCN_PIXELS_PAD];

    for (int l = 0; l < DEFCN_PIXELS_PAD; l++)
      sum[l] = HALF;
    for (int j = 0; j < taps; j++) {
      for (int l = 0; l < DEFCN_PIXELS_PAD; l++)
        sum[l] += weights[j] * rows[j][x + l];
    }
    for (int l = 0; l < DEFCN_PIXELS_PAD; l++)
      dst[x + l] = clamp_byte (sum[l] >> DEFCN_WEIGHT_BITS);
  }
}

static const DefcnPixelKernels baseline = { yuv_baseline, horizontal_baseline,
  vertical_baseline };

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2 __attribute__ ((target ("avx2")))

AVX2 static void
yuv_avx2 (guint8 *dst, const guint8 *y, const guint8 *u, const guint8 *v, int n,
    const DefcnYuvTable *table)
{
  yuv (dst, y, u, v, n, table);
}

/* Two taps at a time: the channels of one pixel in each half of a vector. */
AVX2 static void
horizontal_avx2 (guint8 *dst, const guint8 *src, int n, const int *first,
    const gint32 *weights, int taps)
{
  const __m256i spread = _mm256_setr_epi32 (0, 0, 0, 0, 1, 1, 1, 1);

  for (int i = 0; i < n; i++, weights += taps) {
    const guint8 *p = src + (gsize) first[i] * 4;
    __m256i sum = _mm256_setzero_si256 ();

    for (int j = 0; j < taps; j += 2) {
      const __m256i pixels = _mm256_cvtepu8_epi32 (_mm_loadu_si64 (p + 4 * j));
      const __m256i w =
          _mm256_permutevar8x32_epi32 (_mm256_castsi128_si256 (
                                           _mm_loadu_si64 (weights + j)),
              spread);

      sum = _mm256_add_epi32 (sum, _mm256_mullo_epi32 (pixels, w));
    }

    __m128i s = _mm_add_epi32 (_mm256_castsi256_si128 (sum),
        _mm256_extracti128_si256 (sum, 1));
    s = _mm_srai_epi32 (_mm_add_epi32 (s, _mm_set1_epi32 (HALF)),
        DEFCN_WEIGHT_BITS);
    s = _mm_packs_epi32 (s, s);
    _mm_storeu_si32 (dst + 4 * i, _mm_packus_epi16 (s, s));
  }
}

/* Packing works within 128-bit halves; the last permutation undoes that. */
AVX2 static void
vertical_avx2 (guint8 *dst, const guint8 *const *rows, const gint32 *weights,
    int taps, int n)
{
  const __m256i order = _mm256_setr_epi32 (0, 4, 1, 5, 2, 6, 3, 7);

  for (int x = 0; x < n; x += 32) {
    __m256i sum[4];

    for (int l = 0; l < 4; l++)
      sum[l] = _mm256_set1_epi32 (HALF);
    for (int j = 0; j < taps; j++) {
      const __m256i w = _mm256_set1_epi32 (weights[j]);

      for (int l = 0; l < 4; l++)
        sum[l] = _mm256_add_epi32 (sum[l],
            _mm256_mullo_epi32 (_mm256_cvtepu8_epi32 (
                                    _mm_loadu_si64 (rows[j] + x + 8 * l)),
                w));
    }
    for (int l = 0; l < 4; l++)
      sum[l] = _mm256_srai_epi32 (sum[l], DEFCN_WEIGHT_BITS);

    const __m256i low = _mm256_packs_epi32 (sum[0], sum[1]);
    const __m256i high = _mm256_packs_epi32 (sum[2], sum[3]);
    _mm256_storeu_si256 ((__m256i *) (void *) (dst + x),
        _mm256_permutevar8x32_epi32 (_mm256_packus_epi16 (low, high), order));
  }
}

static const DefcnPixelKernels avx2 = { yuv_avx2, horizontal_avx2,
  vertical_avx2 };
#endif

const DefcnPixelKernels *
defcn_pixels_kernels (gboolean simd)
{
#ifdef __x86_64__
  if (simd && __builtin_cpu_supports ("avx2"))
    return &avx2;
#endif
  return &baseline;
}
