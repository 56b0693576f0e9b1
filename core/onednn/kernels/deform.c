/* What a deformable convolution reads between pixels, and its gradients.  A
 * pixel outside has the share 0 and the place of the first. */
#include "lanes.h"

static void
sample (float *columns, const float *x, gsize plane, const DeformTap *taps,
    int n, int blocks)
{
  for (int t = 0; t < n; t++) {
    const DeformTap *tap = &taps[t];
    const float *from = x;

    for (int b = 0; b < blocks; b++, from += plane, columns += LANES)
      lanes_store (columns,
          lanes_load (from + tap->at[0]) * tap->weight[0]
              + lanes_load (from + tap->at[1]) * tap->weight[1]
              + lanes_load (from + tap->at[2]) * tap->weight[2]
              + lanes_load (from + tap->at[3]) * tap->weight[3]);
  }
}

static void
spread (float *dx, const float *dcolumns, gsize step, const DeformTap *taps,
    int n)
{
  for (int t = 0; t < n; t++, dcolumns += step) {
    const Vec d = lanes_load (dcolumns);

    for (int i = 0; i < 4; i++) {
      float *to = dx + taps[t].at[i];

      lanes_store (to, lanes_load (to) + d * taps[t].weight[i]);
    }
  }
}

INLINE float
sum_lanes (Vec v)
{
  float sum = 0;

  for (int k = 0; k < LANES; k++)
    sum += v[k];
  return sum;
}

static void
slopes (float *sums, const float *dcolumns, const float *x, gsize plane,
    const DeformTap *taps, const DeformSlopes *all, int n, int blocks)
{
  for (int t = 0; t < n; t++, sums += 3) {
    const DeformSlopes *s = &all[t];
    Vec down = lanes_zero (), right = lanes_zero (), mask = lanes_zero ();
    const float *from = x;

    for (int b = 0; b < blocks; b++, from += plane, dcolumns += LANES) {
      const Vec d = lanes_load (dcolumns);

      for (int i = 0; i < 4; i++) {
        const Vec v = lanes_load (from + taps[t].at[i]) * d;

        down += v * s->down[i];
        right += v * s->right[i];
        mask += v * s->share[i];
      }
    }
    sums[0] = sum_lanes (down);
    sums[1] = sum_lanes (right);
    sums[2] = sum_lanes (mask);
  }
}

static void
finish (float *y, gsize plane, const float *rows, const float *bias,
    const float *add, gboolean relu, int n, int blocks)
{
  for (int i = 0; i < n; i++) {
    for (int b = 0; b < blocks; b++, rows += LANES) {
      const gsize at = b * plane + (gsize) i * LANES;
      Vec v = lanes_load (rows);

      if (bias)
        v += lanes_load (bias + b * LANES);
      if (add)
        v += lanes_load (add + at);
      lanes_store (y + at, relu ? lanes_rectify (v) : v);
    }
  }
}

static void
gather (float *rows, const float *y, gsize plane, int n, int blocks)
{
  for (int i = 0; i < n; i++)
    for (int b = 0; b < blocks; b++, rows += LANES)
      lanes_store (rows, lanes_load (y + b * plane + (gsize) i * LANES));
}

const DeformKernels KERNEL_NAME (deform, ISA) = { sample, spread, slopes,
  finish, gather };
