/* The logistic function, for host and CUDA.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <math.h>

#ifdef __CUDACC__
#define DEFCN_SIGMOID __host__ __device__ static inline
#else
#define DEFCN_SIGMOID static inline
#endif

DEFCN_SIGMOID float
defcn_sigmoid (float x)
{
  return 1 / (1 + expf (-x));
}
