/* CUDA on the CPU, as much as the module's kernels use, so that they are tested
 * where there is no device: blocks run one after another, the threads of a
 * block take turns at barriers.  Device memory is the host's, each allocation
 * its own, filled with NaN: sanitizers see what a kernel should not touch.
 * There are two devices, with one memory, of which each thread frees only what
 * is of the device that it has chosen.
 *
 * A kernel's file is compiled as C++ behind this header.  The first block of a
 * launch runs on fibres; if it meets no barrier, the others are plain calls.
 * DEFCN_EMULATE_REVERSE in the environment makes threads and blocks run
 * backwards, which shows races. */
#pragma once

#include <cuda_runtime_api.h>

#include <cmath>
#include <functional>

#include "emulated_counts.h"

extern uint3 emulate_thread, emulate_block;
extern dim3 emulate_block_dim, emulate_grid_dim;

#define threadIdx emulate_thread
#define blockIdx emulate_block
#define blockDim emulate_block_dim
#define gridDim emulate_grid_dim

/* One block at a time, so what a block shares may be static. */
#undef __shared__
#define __shared__ static

#undef __grid_constant__
#define __grid_constant__

/* One thread at a time sees all that was written. */
#define __threadfence()

#define __syncthreads emulate_barrier
void emulate_barrier ();

/* Runs @work now, or keeps it while @stream is captured. */
void emulate_submit (cudaStream_t stream, const std::function<void ()> &work);
bool emulate_is_capturing ();
/* Adds to the clock that events tell, ms. */
void emulate_spend (float ms);
/* Runs @thread once per thread of the grid. */
void emulate_run (dim3 grid, dim3 block, const std::function<void ()> &thread);

/* Counts @what of emulated_counts.h. */
void emulate_count (int what);

/* What goes wrong, as DEFCN_EMULATE_FAIL in the environment says:
 *   driver, old-driver, device, old-device
 *                               there is none, or not new enough
 *   alloc:N                     no memory from the Nth allocation on
 *   sync:N                      from the Nth time on, waiting tells of an error
 *   lost:N                      then every call does, in this process
 *   cudnn                       it does not start
 *   plan, fused, compiled       cuDNN has no plans, none that fuse, none that
 *                               it would have to compile
 *   capture, capture-run, capture-end, instantiate
 *                               a stream is not captured: from the beginning,
 *                               at a convolution, at the end, as it is made a
 *                               graph
 * Counted from when the variable has changed. */
bool emulate_fails (const char *what);
bool emulate_out_of_memory ();
cudaError_t emulate_wait ();
cudaError_t emulate_lost ();

/* Whether @stream is of the device that is the calling thread's; if not the
 * launch fails, which cudaGetLastError() tells. */
bool emulate_can_launch (cudaStream_t stream);
void emulate_fail_launch ();

/* emulated_order.cc: what was queued, and what comes after what. */
void emulate_order_work (cudaStream_t stream);
void emulate_order_record (cudaEvent_t event, cudaStream_t stream);
void emulate_order_wait (cudaStream_t stream, cudaEvent_t event);
void emulate_order_sync (cudaStream_t stream);
void emulate_order_forget (cudaStream_t stream);
bool emulate_order_is_done (cudaEvent_t event);
int emulate_stream_device (cudaStream_t stream);

template <typename... Args> struct EmulatedLaunch
{
  void (*kernel) (Args...);
  dim3 grid, block;
  cudaStream_t stream;

  void operator() (Args... args) const
  {
    const auto copy = *this;

    if (!emulate_can_launch (stream))
      return;
    emulate_submit (stream, [copy, args...] {
      emulate_run (copy.grid, copy.block,
          [copy, args...] { copy.kernel (args...); });
    });
  }
};

template <typename... Args>
EmulatedLaunch<Args...>
emulate_launch (void (*kernel) (Args...), dim3 grid, dim3 block,
    cudaStream_t stream)
{
  return { kernel, grid, block, stream };
}

#define LAUNCH(kernel, grid, block, stream)                                    \
  emulate_launch (kernel, grid, block, stream)

/* Rounded one by one, which the CPU does anyway. */
static inline float
__fadd_rn (float a, float b)
{
  return a + b;
}

static inline float
__fsub_rn (float a, float b)
{
  return a - b;
}

static inline float
__fmul_rn (float a, float b)
{
  return a * b;
}

static inline float
__fdiv_rn (float a, float b)
{
  return a / b;
}

static inline float
__fsqrt_rn (float a)
{
  return std::sqrt (a);
}

static inline double
__dmul_rn (double a, double b)
{
  return a * b;
}

static inline int
atomicAdd (int *at, int value)
{
  const int old = *at;

  *at += value;
  return old;
}

static inline float
atomicAdd (float *at, float value)
{
  const float old = *at;

  *at += value;
  return old;
}

static inline int
min (int a, int b)
{
  return a < b ? a : b;
}

static inline int
max (int a, int b)
{
  return a > b ? a : b;
}
