/* What kernels share: vectors of one memory transaction, conversion to and from
 * float, and the launch, which a test may replace (tests/cuda/emulate.hpp). */
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "module.h"

#ifndef LAUNCH
#define LAUNCH(kernel, grid, block, stream) kernel<<<grid, block, 0, stream>>>
#endif

typedef __half Half;
typedef __nv_bfloat16 Bfloat;

/* N elements that are read and written at once. */
template <typename T, int N> struct alignas (sizeof (T) * N) Vector
{
  T v[N];
};

__device__ inline float
vector_to_float (float x)
{
  return x;
}

__device__ inline float
vector_to_float (Half x)
{
  return __half2float (x);
}

__device__ inline float
vector_to_float (Bfloat x)
{
  return __bfloat162float (x);
}

template <typename T> __device__ inline T vector_from_float (float x);

template <>
__device__ inline float
vector_from_float<float> (float x)
{
  return x;
}

template <>
__device__ inline Half
vector_from_float<Half> (float x)
{
  return __float2half_rn (x);
}

template <>
__device__ inline Bfloat
vector_from_float<Bfloat> (float x)
{
  return __float2bfloat16_rn (x);
}

template <int N, typename T>
__device__ inline void
vector_load (float *out, const T *in)
{
  const Vector<T, N> all = *(const Vector<T, N> *) in;

#pragma unroll
  for (int k = 0; k < N; k++)
    out[k] = vector_to_float (all.v[k]);
}

template <int N, typename T>
__device__ inline void
vector_store (T *out, const float *in)
{
  Vector<T, N> all;

#pragma unroll
  for (int k = 0; k < N; k++)
    all.v[k] = vector_from_float<T> (in[k]);
  *(Vector<T, N> *) out = all;
}

/* Adds to what is there when @accumulate. */
template <int N, typename T>
__device__ inline void
vector_store_or_add (T *out, const float *in, bool accumulate)
{
  float sum[N];

  if (!accumulate) {
    vector_store<N> (out, in);
    return;
  }
  vector_load<N> (sum, out);
#pragma unroll
  for (int k = 0; k < N; k++)
    sum[k] += in[k];
  vector_store<N> (out, sum);
}

/* Calls @function<T, N> (...) for the type and the widest vectors of 16 bytes
 * that @c channels, a whole number of them, allow. */
#define CUDA_DISPATCH(type, c, function, ...)                                  \
  do {                                                                         \
    switch (type) {                                                            \
      case CUDA_FLOAT:                                                         \
        if ((c) % 4 == 0)                                                      \
          function<float, 4> (__VA_ARGS__);                                    \
        else                                                                   \
          function<float, 1> (__VA_ARGS__);                                    \
        break;                                                                 \
      case CUDA_HALF:                                                          \
        if ((c) % 8 == 0)                                                      \
          function<Half, 8> (__VA_ARGS__);                                     \
        else                                                                   \
          function<Half, 1> (__VA_ARGS__);                                     \
        break;                                                                 \
      case CUDA_BFLOAT:                                                        \
        if ((c) % 8 == 0)                                                      \
          function<Bfloat, 8> (__VA_ARGS__);                                   \
        else                                                                   \
          function<Bfloat, 1> (__VA_ARGS__);                                   \
        break;                                                                 \
    }                                                                          \
  } while (0)

#define CUDA_THREADS 256

/* Blocks of CUDA_THREADS for @n threads. */
static inline unsigned
cuda_blocks (gsize n)
{
  return (unsigned) ((n + CUDA_THREADS - 1) / CUDA_THREADS);
}

/* Threads over pixels and channels: a block is (vectors of a pixel, pixels),
 * the grid (pixels, vectors, images). */
static inline dim3
cuda_plane_block (int n_vectors)
{
  const int wide = MIN (n_vectors, 32);

  return dim3 (wide, CUDA_THREADS / wide);
}

static inline dim3
cuda_plane_grid (int n_vectors, gsize pixels, int n, int pixels_per_thread)
{
  const dim3 block = cuda_plane_block (n_vectors);
  const gsize per_block = (gsize) block.y * pixels_per_thread;

  return dim3 ((unsigned) ((pixels + per_block - 1) / per_block),
      (n_vectors + block.x - 1) / block.x, n);
}

/* The first channel of the thread's vector, and its pixel (its first of
 * several). */
#define PLANE_CHANNEL(n) ((int) (blockIdx.y * blockDim.x + threadIdx.x) * (n))
#define PLANE_PIXEL ((int) (blockIdx.x * blockDim.y + threadIdx.y))
