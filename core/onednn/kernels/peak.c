/* Multiply-adds that wait for nothing: what the vector units can do. */
#include "lanes.h"

/* Sums in flight: two units of a latency of five at most, or, where a register
 * is narrower than a block, as many as leave room in sixteen. */
#ifdef __AVX__
#define WIDTH LANES
#define SUMS 10
#else
#define WIDTH 4
#define SUMS 12
#endif

typedef float Register __attribute__ ((vector_size (WIDTH * 4), may_alias));

/* Every sum stays near 2. */
static void
spin (float *sums, int n)
{
  const Register half = (Register){ 0 } + 0.5f, one = (Register){ 0 } + 1;
  Register v[SUMS];

  for (int k = 0; k < SUMS; k++)
    v[k] = *(Register *) sums + (float) k;
  for (int i = 0; i < n; i++) {
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++)
      v[k] = v[k] * half + one;
  }
  for (int k = 1; k < SUMS; k++)
    v[0] += v[k];
  *(Register *) sums = v[0];
}

const PeakKernels KERNEL_NAME (peak, ISA) = { spin, SUMS *WIDTH * 2 };
