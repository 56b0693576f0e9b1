/* 3D max filtering of one plane. */
#include "lanes.h"

#include <math.h>

typedef guint16 Codes __attribute__ ((vector_size (LANES * 2), aligned (2)));

INLINE Vec
larger (Vec a, Vec b)
{
  const Mask m = a > b;

  return (Vec) (((Mask) a & m) | ((Mask) b & ~m));
}

static void
resize (float *dst, const float *src, const TubeAxis *ax, const TubeAxis *ay,
    int h, int w, int src_w)
{
  for (int y = 0; y < h; y++) {
    const float *r0 = src + (gsize) ay->i0[y] * src_w * LANES;
    const float *r1 = src + (gsize) ay->i1[y] * src_w * LANES;
    const float wy = ay->w1[y];

    for (int x = 0; x < w; x++) {
      const gsize a = (gsize) ax->i0[x] * LANES, b = (gsize) ax->i1[x] * LANES;
      const float wx = ax->w1[x];

      lanes_store (dst + ((gsize) y * w + x) * LANES,
          (1 - wy) * ((1 - wx) * lanes_load (r0 + a) + wx * lanes_load (r0 + b))
              + wy
                  * ((1 - wx) * lanes_load (r1 + a)
                      + wx * lanes_load (r1 + b)));
    }
  }
}

INLINE void
add (float *p, Vec v)
{
  lanes_store (p, lanes_load (p) + v);
}

static void
resize_gradient (float *dsrc, const float *ddst, const TubeAxis *ax,
    const TubeAxis *ay, int h, int w, int src_w)
{
  for (int y = 0; y < h; y++) {
    float *r0 = dsrc + (gsize) ay->i0[y] * src_w * LANES;
    float *r1 = dsrc + (gsize) ay->i1[y] * src_w * LANES;
    const float wy = ay->w1[y];

    for (int x = 0; x < w; x++) {
      const gsize a = (gsize) ax->i0[x] * LANES, b = (gsize) ax->i1[x] * LANES;
      const float wx = ax->w1[x];
      const Vec d = lanes_load (ddst + ((gsize) y * w + x) * LANES);

      add (r0 + a, (1 - wy) * (1 - wx) * d);
      add (r0 + b, (1 - wy) * wx * d);
      add (r1 + a, wy * (1 - wx) * d);
      add (r1 + b, wy * wx * d);
    }
  }
}

INLINE void
store_sum (float *y, Vec best, const float *residual, gboolean relu)
{
  const Vec v = best + lanes_load (residual);

  lanes_store (y, relu ? lanes_rectify (v) : v);
}

/* Maximum over the levels first, then rows, then columns. */
static void
maximum (float *y, const float *residual, const float *const *levels,
    int n_levels, int phi, gboolean relu, int h, int w, float *scratch)
{
  const int radius = phi / 2;
  const gsize row = (gsize) w * LANES;
  float *line = scratch + h * row;

  for (gsize i = 0; i < h * row; i += LANES) {
    Vec best = lanes_load (levels[0] + i);

    for (int l = 1; l < n_levels; l++)
      best = larger (lanes_load (levels[l] + i), best);
    lanes_store (scratch + i, best);
  }
  for (int i = 0; i < h; i++) {
    const int first = MAX (i - radius, 0), last = MIN (i + radius, h - 1);

    for (gsize k = 0; k < row; k += LANES) {
      Vec best = lanes_load (scratch + first * row + k);

      for (int j = first + 1; j <= last; j++)
        best = larger (lanes_load (scratch + j * row + k), best);
      lanes_store (line + k, best);
    }
    for (int x = 0; x < w; x++) {
      const gsize at = i * row + (gsize) x * LANES;
      const int left = MAX (x - radius, 0), right = MIN (x + radius, w - 1);
      Vec best = lanes_load (line + (gsize) left * LANES);

      for (int j = left + 1; j <= right; j++)
        best = larger (lanes_load (line + (gsize) j * LANES), best);
      store_sum (y + at, best, residual + at, relu);
    }
  }
}

static void
keep_winners (float *y, guint16 *winners, const float *residual,
    const float *const *levels, int n_levels, int phi, gboolean relu, int h,
    int w)
{
  const int radius = phi / 2;

  for (int i = 0; i < h; i++) {
    const int top = MAX (i - radius, 0), bottom = MIN (i + radius, h - 1);

    for (int x = 0; x < w; x++) {
      const gsize at = ((gsize) i * w + x) * LANES;
      const int left = MAX (x - radius, 0), right = MIN (x + radius, w - 1);
      Vec best = lanes_zero () - INFINITY;
      Mask code = { 0 };

      for (int l = 0; l < n_levels; l++) {
        for (int r = top; r <= bottom; r++) {
          for (int c = left; c <= right; c++) {
            const Vec v = lanes_load (levels[l] + ((gsize) r * w + c) * LANES);
            const Mask m = v > best;
            const gint32 here =
                (l * phi + r - i + radius) * phi + c - x + radius;

            code = (code & ~m) | (here & m);
            best = (Vec) (((Mask) v & m) | ((Mask) best & ~m));
          }
        }
      }
      store_sum (y + at, best, residual + at, relu);
      *(Codes *) (winners + at) = __builtin_convertvector(code, Codes);
    }
  }
}

/* What comes to a place comes from the outputs around it that named it. */
static void
gather_gradient (float *dlevel, const float *dy, const guint16 *winners,
    int level, int phi, gboolean accumulate, int h, int w)
{
  const int radius = phi / 2;

  for (int i = 0; i < h; i++) {
    const int top = MAX (i - radius, 0), bottom = MIN (i + radius, h - 1);

    for (int x = 0; x < w; x++) {
      const gsize at = ((gsize) i * w + x) * LANES;
      const int left = MAX (x - radius, 0), right = MIN (x + radius, w - 1);
      Vec sum = accumulate ? lanes_load (dlevel + at) : lanes_zero ();

      for (int r = top; r <= bottom; r++) {
        for (int c = left; c <= right; c++) {
          const gsize from = ((gsize) r * w + c) * LANES;
          const gint32 here =
              (level * phi + i - r + radius) * phi + x - c + radius;
          const Mask code =
              __builtin_convertvector(*(const Codes *) (winners + from), Mask);

          sum += (Vec) ((Mask) lanes_load (dy + from) & (code == here));
        }
      }
      lanes_store (dlevel + at, sum);
    }
  }
}

const TubeKernels KERNEL_NAME (tube, ISA) = { resize, resize_gradient, maximum,
  keep_winners, gather_gradient };
