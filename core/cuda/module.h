/* Inside the CUDA module: the backend, the types of its memory, and what its
 * rows share.  Every tensor is dense NHWC on the device.
 *
 * Activations are of the backend's type, but for those that the net calls
 * precise, and for parameters: these are float32 whatever the precision.
 *
 * Work is queued on one stream.  What prepare() or alloc() cannot do is a
 * GError; what goes wrong on the device later is kept until sync().
 */
#pragma once

#include <cuda_runtime_api.h>
#include <gmodule.h>

#include "backend.h"

G_BEGIN_DECLS

typedef enum
{
  CUDA_FLOAT,
  CUDA_HALF,
  CUDA_BFLOAT,
} CudaType;

typedef struct _CudaConvs CudaConvs;
typedef struct _CudaFinder CudaFinder;
typedef struct _CudaImages CudaImages;
typedef struct _CudaLanes CudaLanes;

/* Device memory that grows and stays. */
typedef struct
{
  void *mem;
  gsize bytes;
} CudaRoom;

typedef struct
{
  DefcnBackend base;
  int device;
  CudaType type; /* of activations */
  gboolean tf32; /* float32 convolutions may round their inputs */
  cudaStream_t stream;
  CudaConvs *convs; /* conv.c */
  CudaLanes *lanes; /* lanes.c */
  /* Staging of uploads and downloads: one chunk, pinned and on the device. */
  float *pinned, *staging;
  gsize pinned_used;  /* bytes that queued copies may still read */
  gboolean waited;    /* since the last find() or replay() */
  CudaFinder *finder; /* decode.cu */
  CudaImages *images; /* image.cu, NULL before the first frame */
  CudaRoom qualities; /* quality.cu */
  CudaRoom losses;    /* loss.cu */
  cudaError_t failed; /* the first, until sync() */
  const char *failed_at;
} Cuda;

static inline Cuda *
cuda_of (DefcnBackend *be)
{
  return (Cuda *) be;
}

static inline CudaType
cuda_type_of (const Cuda *be, const DefcnTensor *t)
{
  return t->role == DEFCN_TENSOR_PARAM || t->precise ? CUDA_FLOAT : be->type;
}

static inline gsize
cuda_type_size (CudaType type)
{
  return type == CUDA_FLOAT ? 4 : 2;
}

/* The network's input has a multiple of these channels in memory, padded with
 * zeros: as many as cuDNN's engines for such a layer read (tests/cuda/
 * test_plans.c), which of three make a padded copy in every pass. */
#define CUDA_HALF_CHANNELS 4
#define CUDA_BFLOAT_CHANNELS 8

/* Channels of a pixel of @t in memory of @type.  Where they are padded only
 * convolutions read them. */
static inline int
cuda_channels (const DefcnTensor *t, CudaType type)
{
  const int wide = t->role != DEFCN_TENSOR_INPUT ? 1
      : type == CUDA_HALF                        ? CUDA_HALF_CHANNELS
      : type == CUDA_BFLOAT                      ? CUDA_BFLOAT_CHANNELS
                                                 : 1;

  return (t->c + wide - 1) / wide * wide;
}

/* Elements of @t in memory. */
static inline gsize
cuda_len (const Cuda *be, const DefcnTensor *t)
{
  return (gsize) t->n * t->h * t->w * cuda_channels (t, cuda_type_of (be, t));
}

/* Steps whose forward pass one launch does, at most. */
#define CUDA_TOGETHER 8

/* How many steps from @node on its forward pass does; 0: an earlier one's has
 * done it. */
static inline int
cuda_together (const DefcnNode *node)
{
  if (node->n_together < 2 || node->n_together > CUDA_TOGETHER)
    return 1;
  return node->together == 0 ? node->n_together : 0;
}

/* What others can call: whoever opens the module asks for its version first,
 * DEFCN_VERSION, since it is of one with what calls it. */
G_MODULE_EXPORT const char *defcn_cuda_version (void);
/* @precision: "fp32", "tf32", "fp16",
 * "bf16", or "auto" (fp16).  NULL with @error. */
G_MODULE_EXPORT DefcnBackend *defcn_cuda_new (int device, const char *precision,
    int threads, GError **error);

/* Images of a pass, at most. */
#define CUDA_BATCH 16

/* Floats of the pinned and the device's staging buffer. */
#define CUDA_CHUNK ((gsize) 4 << 20)

/* device.c. */

/* Keeps the first error for sync(). */
void cuda_device_note (Cuda *be, cudaError_t error, const char *where);

/* Makes the backend's device that of the calling thread. */
void cuda_device_enter (Cuda *be);

/* What every step but a convolution wants: no input that is padded.  FALSE with
 * @error. */
gboolean cuda_device_check_inputs (const Cuda *be, const DefcnNode *node,
    GError **error);
/* That, and the checks of the @reference's prepare(). */
gboolean cuda_device_check (DefcnBackend *be, DefcnNode *node,
    const DefcnOp *reference, GError **error);

/* Device memory; NULL with @error that names @what. */
void *cuda_device_alloc (gsize bytes, const char *what, GError **error);

/* Makes @room at least @bytes large, what it held may be lost; FALSE
 * with @error that names @what.  Parts of a room begin at multiples of 256. */
gboolean cuda_device_room (CudaRoom *room, gsize bytes, const char *what,
    GError **error);
/* Waits for the stream. */
void cuda_device_wait (Cuda *be, const char *where);
/* A part of the pinned buffer that nothing queued reads, of at most CUDA_CHUNK
 * floats; it is read until the next wait. */
void *cuda_device_pinned (Cuda *be, gsize bytes, const char *where);

/* Copies between host and device through the pinned buffer, in order with the
 * stream; receive waits for it. */
void cuda_device_send (Cuda *be, void *dst, const void *src, gsize bytes);
void cuda_device_receive (Cuda *be, void *dst, const void *src, gsize bytes);
/* The same of @rows rows of @width bytes, which are @src_stride apart in the
 * host's memory and dense on the device. */
void cuda_device_send_rows (Cuda *be, void *dst, const void *src,
    gsize src_stride, gsize width, gsize rows);

/* The rows, one file each. */
extern const DefcnOp cuda_conv;
extern const DefcnOp cuda_deform_conv;
extern const DefcnOp cuda_max_pool;
extern const DefcnOp cuda_relu;
extern const DefcnOp cuda_group_norm;
extern const DefcnOp cuda_upsample_add;
extern const DefcnOp cuda_tube_max;
extern const DefcnOp cuda_box;
extern const DefcnOp cuda_anchors;

/* conv.c: what all convolutions of a backend share. */
CudaConvs *cuda_convs_new (Cuda *be, GError **error);
void cuda_convs_free (CudaConvs *convs);
/* Brings the packed weights up to date; forward and backward do so themselves,
 * a recorded graph cannot. */
void cuda_convs_refresh (Cuda *be);

/* Device memory for one step at a time, which the stream sees to, until the
 * backend goes; NULL with @error that names @what. */
typedef enum
{
  CUDA_LOAN_MAP,  /* what a deformable convolution reads */
  CUDA_LOAN_DMAP, /* its gradient */
  CUDA_LOAN_DX,   /* a gradient of x in float */
  N_CUDA_LOANS
} CudaLoan;

void *cuda_convs_lend (Cuda *be, CudaLoan loan, gsize bytes, const char *what,
    GError **error);

/* decode.cu: what a pass does behind the steps, and its memory; NULL with
 * @error. */
CudaFinder *cuda_finder_new (Cuda *be, GError **error);
void cuda_finder_free (CudaFinder *finder);
void cuda_seek (DefcnBackend *be, float threshold, float duplicate_iou);
void cuda_find (DefcnBackend *be, DefcnTensor *const *logits,
    DefcnTensor *const *deltas, DefcnTensor *const *filter, int n_levels);
gboolean cuda_found (DefcnBackend *be, GArray *candidates, int image);

/* image.cu: the backend's row, what a pass does before the steps, and what they
 * keep. */
gboolean cuda_preprocess (DefcnBackend *be, const DefcnTensor *input, int n,
    const DefcnImage *image, const DefcnPreprocess *p);
gboolean cuda_image_place (DefcnBackend *be, const DefcnTensor *input, int n,
    const DefcnImage *image, const DefcnPreprocess *p);
void cuda_images_preprocess (DefcnBackend *be, const DefcnTensor *input);
void cuda_images_free (CudaImages *images);

/* peer.c, for images in device memory, with the device entered.  Whether our
 * kernels can read @image where it is. */
gboolean cuda_peer_is_readable (Cuda *be, const DefcnImage *image);
/* Makes our stream wait for the image's. */
void cuda_peer_wait (Cuda *be, const DefcnImage *image);
/* Queues a copy of @height rows of @width bytes from @image's context. */
void cuda_peer_copy (Cuda *be, guint8 *dst, gsize dst_stride,
    const DefcnImage *image, const guint8 *src, gsize src_stride, gsize width,
    gsize height);

/* side.c: a second stream. */
extern const DefcnSide cuda_side;

/* update.cu: the backend's updater. */
extern const DefcnUpdater cuda_updater;

/* quality.cu, loss.cu: the backend's learner. */
gboolean cuda_qualities (DefcnBackend *be, const DefcnHeads *heads,
    const DefcnQualityQuery *query, float *values, DefcnRanked *best,
    GError **error);
gboolean cuda_losses (DefcnBackend *be, const DefcnHeads *heads,
    const DefcnLossInput *input, GError **error);
void cuda_loss_sums (DefcnBackend *be, DefcnLossSums *sums);

/* elementwise.cu.  @len: elements; all queue on the backend's stream. */

/* dst = src, between any two types. */
void cuda_convert (Cuda *be, void *dst, CudaType dst_type, const void *src,
    CudaType src_type, gsize len);
/* The same of rows: dst (rows, dst_c) = src (rows, src_c), cut off or padded
 * with zeros. */
void cuda_convert_rows (Cuda *be, void *dst, CudaType dst_type, int dst_c,
    const void *src, CudaType src_type, int src_c, gsize rows);
/* dst = or += src, of one type. */
void cuda_add (Cuda *be, void *dst, const void *src, CudaType type,
    gboolean accumulate, gsize len);
/* dy = y > 0 ? dy : 0 */
void cuda_mask (Cuda *be, void *dy, const void *y, CudaType type, gsize len);
/* y (rows, c) = relu? (x + bias (c)? + residual?); y may be x or residual. */
void cuda_epilogue (Cuda *be, void *y, const void *x, CudaType type,
    const float *bias, const void *residual, gboolean relu, gsize rows, int c);
/* Floats of scratch that cuda_add_columns() needs for @c columns. */
gsize cuda_columns_scratch (int c);
/* sums (c) += the sums of the columns of x (rows, c). */
void cuda_add_columns (Cuda *be, float *sums, const void *x, CudaType type,
    gsize rows, int c, float *scratch);

G_END_DECLS
