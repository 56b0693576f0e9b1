/* The oneDNN backend, private to its folder.
 *
 * Layout: an activation is nChw{B}c, B = block, channels padded to a multiple
 * of B; the padding is zero and every row keeps it so.  The network's input is
 * nchw.  Parameters are dense OHWI; a convolution packs them for itself.
 *
 * Threads: oneDNN and our own rows run on OpenMP.  Its number of threads is a
 * property of the calling thread, so every row sets it first.
 */
#pragma once

#include "backend.h"
#include "shim.h"
#include "kernels/kernels.h"

#include <omp.h>

/* Clones of a loop over lanes for the vector units of x86; the loader picks.
 * Not with address sanitizer, whose start-up comes after the choice. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONEDNN_NO_CLONES 1
#endif
#endif
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)                      \
    && !defined(ONEDNN_NO_CLONES)
#define ONEDNN_CLONES                                                          \
  __attribute__ ((target_clones ("avx512f", "avx2", "default")))
#else
#define ONEDNN_CLONES
#endif

/* Calls a kernel whose last argument is the block with a constant, so that
 * its loops over lanes unroll. */
#define ONEDNN_BLOCKED(block, kernel, ...)                                     \
  do {                                                                         \
    if ((block) == 16)                                                         \
      kernel (__VA_ARGS__, 16);                                                \
    else                                                                       \
      kernel (__VA_ARGS__, 8);                                                 \
  } while (0)

/* What is known of a convolution's output with a fused ReLU, while its step is
 * prepared. */
typedef struct
{
  int readers;
  gboolean masked; /* its gradient arrives masked with y > 0 */
} OnednnRectified;

/* What backends that share memory have in common. */
typedef struct
{
  GPtrArray *packs; /* of the convolutions' packed weights */
  GMutex plan;      /* while a step is prepared or released */
  GMutex fill;      /* while a pack is looked at, and filled */
} OnednnCommon;

typedef struct
{
  DefcnBackend base;
  int block;            /* 8, or 16 with AVX-512 */
  OnednnCommon *common; /* the parent's, as is the engine, where there is one */
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  const BfloatKernels *bfloat; /* NULL: not on this CPU */
  const DeformKernels *deform;
  const DepthwiseKernels *depthwise;
  const PeakKernels *peak;
  const TubeKernels *tube;
  const WinogradKernels *winograd;
  GHashTable *rectified; /* DefcnTensor -> OnednnRectified */
  float *scratch;        /* of the step that runs; 64-byte aligned */
  gsize scratch_len;
  dnnl_status_t failed; /* first status that was not success */
  const char *failed_name;
} Onednn;

static inline Onednn *
onednn_of (DefcnBackend *be)
{
  return (Onednn *) be;
}

static inline void
onednn_enter (DefcnBackend *be)
{
  if (omp_get_max_threads () != be->threads)
    omp_set_num_threads (be->threads);
}

/* Blocks of channels of @t, and floats of one block's plane. */
static inline int
onednn_blocks (const Onednn *be, const DefcnTensor *t)
{
  return (t->c + be->block - 1) / be->block;
}

static inline gsize
onednn_plane (const Onednn *be, const DefcnTensor *t)
{
  return (gsize) t->h * t->w * be->block;
}

/* Numbers of one image of an activation or input, float32. */
static inline gsize
onednn_image (const Onednn *be, const DefcnTensor *t)
{
  return t->role == DEFCN_TENSOR_INPUT
      ? (gsize) t->h * t->w * t->c
      : onednn_blocks (be, t) * onednn_plane (be, t);
}

extern const DefcnOp defcn_onednn_conv;
extern const DefcnOp defcn_onednn_deform_conv;
extern const DefcnOp defcn_onednn_max_pool;
extern const DefcnOp defcn_onednn_relu;
extern const DefcnOp defcn_onednn_group_norm;
extern const DefcnOp defcn_onednn_upsample_add;
extern const DefcnOp defcn_onednn_tube_max;
extern const DefcnOp defcn_onednn_box;
extern const DefcnOp defcn_onednn_anchors;

/* The backend's peak(). */
double defcn_onednn_peak (DefcnBackend *be);
/* Whether one thread does more multiply-adds of @other than of @be's own. */
gboolean defcn_onednn_peak_is_above (const Onednn *be,
    const PeakKernels *other);

/* Makes the scratch at least @len floats; FALSE where there is no memory. */
gboolean defcn_onednn_scratch_reserve (Onednn *be, gsize len);

/* dy = 0 where y <= 0, and dst = or += src; whole tensors. */
void defcn_onednn_elementwise_mask (DefcnBackend *be, float *dy, const float *y,
    gsize len);
void defcn_onednn_elementwise_add (DefcnBackend *be, float *dst,
    const float *src, gsize len, gboolean accumulate);
/* sums[lane] += sum over @hw pixels of a plane. */
void defcn_onednn_elementwise_sum_plane (double *sums, const float *x, int hw,
    int block);
