/* The inner loops over pixels: YUV to RGB and the two resampling passes.
 *
 * Each exists for the CPU at hand and for the baseline, with the same bits:
 * all of it is integer arithmetic.  A pixel is four bytes R, G, B, 0.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Fixed point with 16 fractional bits: R = y (Y - offset) + rv (V - 128), G =
 * y (Y - offset) + gu (U - 128) + gv (V - 128), B = y (Y - offset) + bu (U -
 * 128). */
typedef struct
{
  gint32 offset, y, rv, gu, gv, bu;
} DefcnYuvTable;

/* Lanes that vertical() may write past the end of its row. */
#define DEFCN_PIXELS_PAD 32

typedef struct
{
  /* @n pixels from full-resolution rows of Y, U and V. */
  void (*yuv) (guint8 *dst, const guint8 *y, const guint8 *u, const guint8 *v,
      int n, const DefcnYuvTable *table);
  /* dst[i] = sum over @taps of weights[i][j] src[first[i] + j] for @n pixels;
   * @taps is even, and pixels are read even where the weight is 0. */
  void (*horizontal) (guint8 *dst, const guint8 *src, int n, const int *first,
      const gint32 *weights, int taps);
  /* dst = sum of weights[j] rows[j] for @n bytes of @taps rows; @rows and @dst
   * are padded to DEFCN_PIXELS_PAD. */
  void (*vertical) (guint8 *dst, const guint8 *const *rows,
      const gint32 *weights, int taps, int n);
} DefcnPixelKernels;

/* Fractional bits of the weights; both passes round to nearest. */
#define DEFCN_WEIGHT_BITS 22

/* @simd: FALSE for the baseline whatever the CPU can do. */
const DefcnPixelKernels *defcn_pixels_kernels (gboolean simd);

G_END_DECLS
