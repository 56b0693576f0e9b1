/* 1x1 convolution in bfloat16 with sums in float32, for CPUs that multiply
 * pairs of it (AVX512_BF16). */
#include "lanes.h"

#include <immintrin.h>

enum
{
  ROWS = 14, /* pixels at once: what the registers hold, two vectors each */
  PAIRS = LANES / 2,
  SUMS = 10 /* in flight */
};

static void
round_pixels (guint16 *v, gsize stride, const float *x, gsize plane, int blocks,
    int n, int step)
{
  for (int b = 0; b < blocks; b++) {
    for (int i = 0; i < n; i++) {
      const __m512 pixel =
          _mm512_loadu_ps (x + b * plane + (gsize) i * step * LANES);

      _mm256_storeu_si256 ((__m256i *) (void *) (v + b * stride + i * LANES),
          (__m256i) _mm512_cvtneps_pbh (pixel));
    }
  }
}

static void
weights (guint16 *u, const float *w, int block, int out, int in)
{
  const int lanes = MIN (LANES, out - block * LANES);
  const int channels = (in + LANES - 1) / LANES * LANES;
  const int blocks = (out + LANES - 1) / LANES;
  const int width = block / 2 * 2 + 2 <= blocks ? 2 : 1;

  u += (gsize) (block / 2) * 2 * LANES * channels + block % 2 * 2 * LANES;
  w += (gsize) block * LANES * in;
  for (int i = 0; i < channels; i += 2, u += width * 2 * LANES) {
    float pairs[2 * LANES] = { 0 };

    for (int o = 0; o < lanes; o++)
      for (int k = 0; k < MIN (2, in - i); k++)
        pairs[2 * o + k] = w[(gsize) o * in + i + k];
    _mm512_storeu_si512 (u,
        (__m512i) _mm512_cvtne2ps_pbh (_mm512_loadu_ps (pairs + LANES),
            _mm512_loadu_ps (pairs)));
  }
}

/* @rows pixels times @width blocks of outputs. */
INLINE void
multiply_tile (float *y, gsize plane, const guint16 *v, gsize stride,
    const guint16 *u, const float *bias, const float *add, gboolean relu,
    int blocks, const int rows, const int width)
{
  __m512 sum[ROWS][2];

  for (int r = 0; r < rows; r++)
    for (int o = 0; o < width; o++)
      sum[r][o] = _mm512_loadu_ps (bias + o * LANES);
  for (int b = 0; b < blocks; b++, v += stride) {
    for (int k = 0; k < PAIRS; k++, u += width * 2 * LANES) {
      const __m512bh u0 = (__m512bh) _mm512_loadu_si512 (u);
      const __m512bh u1 =
          width > 1 ? (__m512bh) _mm512_loadu_si512 (u + 2 * LANES) : u0;

      for (int r = 0; r < rows; r++) {
        gint32 pair;

        memcpy (&pair, v + r * LANES + 2 * k, sizeof pair);
        const __m512bh x = (__m512bh) _mm512_set1_epi32 (pair);
        sum[r][0] = _mm512_dpbf16_ps (sum[r][0], x, u0);
        if (width > 1)
          sum[r][1] = _mm512_dpbf16_ps (sum[r][1], x, u1);
      }
    }
  }
  for (int o = 0; o < width; o++) {
    for (int r = 0; r < rows; r++) {
      const gsize at = o * plane + r * LANES;
      Vec value = (Vec) sum[r][o];

      if (add)
        value += lanes_load (add + at);
      lanes_store (y + at, relu ? lanes_rectify (value) : value);
    }
  }
}

/* Shares of pixels as even as can be: few at once use the registers badly. */
INLINE void
multiply_panel (float *y, gsize plane, const guint16 *v, gsize stride,
    const guint16 *u, const float *bias, const float *add, gboolean relu, int n,
    int blocks, const int width)
{
  const int shares = (n + ROWS - 1) / ROWS, rows = (n + shares - 1) / shares;

  for (int t = 0; t < n; t += rows) {
    float *to = y + (gsize) t * LANES;
    const guint16 *from = v + (gsize) t * LANES;
    const float *more = add ? add + (gsize) t * LANES : NULL;

#define CASE(count)                                                            \
  case count:                                                                  \
    multiply_tile (to, plane, from, stride, u, bias, more, relu, blocks,       \
        count, width);                                                         \
    break
    switch (MIN (rows, n - t)) {
      CASE (14);
      CASE (13);
      CASE (12);
      CASE (11);
      CASE (10);
      CASE (9);
      CASE (8);
      CASE (7);
      CASE (6);
      CASE (5);
      CASE (4);
      CASE (3);
      CASE (2);
      CASE (1);
    }
#undef CASE
  }
}

static void
multiply (float *y, gsize plane, const guint16 *v, gsize stride,
    const guint16 *u, const float *bias, const float *add, gboolean relu, int n,
    int in_blocks, int out_blocks)
{
  const gsize panel = (gsize) 2 * LANES * in_blocks * LANES;
  int o = 0;

  for (; o + 2 <= out_blocks; o += 2)
    multiply_panel (y + o * plane, plane, v, stride, u + o / 2 * panel,
        bias + o * LANES, add ? add + o * plane : NULL, relu, n, in_blocks, 2);
  if (o < out_blocks)
    multiply_panel (y + o * plane, plane, v, stride, u + o / 2 * panel,
        bias + o * LANES, add ? add + o * plane : NULL, relu, n, in_blocks, 1);
}

/* Sums that wait for nothing, as many as peak.c has; none changes. */
static void
spin (float *sums, int n)
{
  const __m512bh none = (__m512bh) _mm512_setzero_si512 ();
  __m512 v[SUMS];

  for (int k = 0; k < SUMS; k++)
    v[k] = _mm512_loadu_ps (sums) + (float) k;
  for (int i = 0; i < n; i++) {
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++)
      v[k] = _mm512_dpbf16_ps (v[k], none, none);
  }
  for (int k = 1; k < SUMS; k++)
    v[0] += v[k];
  _mm512_storeu_ps (sums, v[0]);
}

const PeakKernels defcn_peak_bfloat = { spin, SUMS *LANES * 4 };
const BfloatKernels defcn_bfloat_avx512 = { round_pixels, weights, multiply };
