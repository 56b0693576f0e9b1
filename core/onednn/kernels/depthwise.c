/* Backward of a depthwise 3x3 convolution: everything is read once. */
#include "lanes.h"

/* Row @oy of dy after the mask of a fused ReLU, with a zero pixel before and
 * after it; its sum goes to @sum. */
INLINE void
load_row (float *row, Vec *sum, const float *dy, const float *y, int oy,
    const DepthwiseShape *s)
{
  const gsize at = (gsize) oy * s->out_w * LANES;

  lanes_store (row, lanes_zero ());
  lanes_store (row + (gsize) (s->out_w + 1) * LANES, lanes_zero ());
  for (int i = 0; i < s->out_w; i++) {
    const gsize j = at + (gsize) i * LANES;
    const Vec d = s->relu
        ? lanes_masked (lanes_load (dy + j), lanes_load (y + j))
        : lanes_load (dy + j);

    lanes_store (row + (gsize) (i + 1) * LANES, d);
    *sum += d;
  }
}

INLINE void
store_dx (float *dx, const float *x, Vec v, const DepthwiseShape *s)
{
  if (s->x_relu)
    v = lanes_masked (v, lanes_load (x));
  if (s->accumulate)
    v += lanes_load (dx);
  lanes_store (dx, v);
}

/* One row of x with the rows of dy that it met, at kernel rows 2, 1, 0. */
INLINE void
row_stride_1 (float *dx, Vec *sums, const float *const *rows, const float *x,
    const Vec *w, const DepthwiseShape *s)
{
  Vec part[9];

  for (int k = 0; k < 9; k++)
    part[k] = lanes_zero ();
  for (int i = 0; i < s->w; i++) {
    const Vec here = lanes_load (x + (gsize) i * LANES);
    Vec d[3];

    for (int r = 0; r < 3; r++) {
      const float *row = rows[r] + (gsize) i * LANES;
      const int k = 3 * (2 - r);

      d[r] = lanes_zero ();
      for (int c = 0; c < 3; c++) {
        const Vec v = lanes_load (row + c * LANES);

        d[r] += v * w[k + 2 - c];
        part[k + 2 - c] += v * here;
      }
    }
    if (dx)
      store_dx (dx + (gsize) i * LANES, x + (gsize) i * LANES,
          d[0] + d[1] + d[2], s);
  }
  for (int k = 0; k < 9; k++)
    sums[k] += part[k];
}

/* The same with stride 2: one row of dy at kernel row @k / 3.  @add: dx has
 * the other row's share. */
INLINE void
row_stride_2 (float *dx, Vec *sums, const float *row, const float *x,
    const Vec *w, const int k, gboolean add, gboolean last,
    const DepthwiseShape *s)
{
  Vec part[3] = { lanes_zero (), lanes_zero (), lanes_zero () };

  for (int i = 0; i < s->w; i += 2) {
    const Vec d0 = lanes_load (row + (gsize) (i / 2 + 1) * LANES);
    const Vec d1 = lanes_load (row + (gsize) (i / 2 + 2) * LANES);

    for (int odd = 0; odd < MIN (2, s->w - i); odd++) {
      const gsize at = (gsize) (i + odd) * LANES;
      const Vec here = lanes_load (x + at);
      Vec d = odd ? d1 * w[k] + d0 * w[k + 2] : d0 * w[k + 1];

      if (odd) {
        part[0] += d1 * here;
        part[2] += d0 * here;
      } else {
        part[1] += d0 * here;
      }
      if (!dx)
        continue;
      if (add || s->accumulate)
        d += lanes_load (dx + at);
      lanes_store (dx + at, last && s->x_relu ? lanes_masked (d, here) : d);
    }
  }
  for (int c = 0; c < 3; c++)
    sums[k + c] += part[c];
}

static void
plane_stride_1 (float *dx, Vec *sums, const float *dy, const float *y,
    const float *x, const Vec *w, const DepthwiseShape *s, float *rows)
{
  const gsize row = (gsize) (s->out_w + 2) * LANES,
              x_row = (gsize) s->w * LANES;

  memset (rows + 2 * row, 0, row * sizeof *rows); /* above the first */
  load_row (rows, sums + 9, dy, y, 0, s);
  for (int i = 0; i < s->h; i++) {
    const float *const near[] = { rows + (i + 2) % 3 * row, rows + i % 3 * row,
      rows + (i + 1) % 3 * row };

    if (i + 1 < s->h)
      load_row (rows + (i + 1) % 3 * row, sums + 9, dy, y, i + 1, s);
    else
      memset (rows + (i + 1) % 3 * row, 0, row * sizeof *rows);
    row_stride_1 (dx ? dx + i * x_row : NULL, sums, near, x + i * x_row, w, s);
  }
}

static void
plane_stride_2 (float *dx, Vec *sums, const float *dy, const float *y,
    const float *x, const Vec *w, const DepthwiseShape *s, float *rows)
{
  const gsize row = (gsize) (s->out_w + 2) * LANES,
              x_row = (gsize) s->w * LANES;

  load_row (rows, sums + 9, dy, y, 0, s);
  for (int i = 0; i < s->h; i++) {
    const int o = i / 2;
    const float *here = rows + o % 2 * row;
    float *next = rows + (o + 1) % 2 * row;
    float *to = dx ? dx + i * x_row : NULL;

    if (i % 2 == 0) {
      row_stride_2 (to, sums, here, x + i * x_row, w, 3, FALSE, TRUE, s);
      continue;
    }
    row_stride_2 (to, sums, here, x + i * x_row, w, 6, FALSE, o + 1 == s->out_h,
        s);
    if (o + 1 == s->out_h)
      continue;
    load_row (next, sums + 9, dy, y, o + 1, s);
    row_stride_2 (to, sums, next, x + i * x_row, w, 0, TRUE, TRUE, s);
  }
}

static void
backward (float *dx, float *sums, const float *dy, const float *y,
    const float *x, const float *w, const DepthwiseShape *s, float *rows)
{
  Vec total[10], taps[9];

  for (int k = 0; k < 10; k++)
    total[k] = lanes_zero ();
  for (int k = 0; k < 9; k++)
    taps[k] = lanes_load (w + k * LANES);
  if (s->stride == 1)
    plane_stride_1 (dx, total, dy, y, x, taps, s, rows);
  else
    plane_stride_2 (dx, total, dy, y, x, taps, s, rows);
  for (int k = 0; k < 10; k++)
    lanes_store (sums + k * LANES, total[k]);
}

const DepthwiseKernels KERNEL_NAME (depthwise, ISA) = { backward };
