/* A backend: a memory space plus one row of functions per kind of op.
 *
 * How to add an op, x, in six files: here its line in DEFCN_OPS, and in
 * DefcnNode what only it reads; reference/x.c, which defines defcn_x_reference,
 * forward above backward; its builder in net.h and net.c; its form in ONNX in
 * training/export/network.c; rows of cases in tests/ops/checkops.c.  The enum,
 * the reference's rows and the list of sources come from DEFCN_OPS.  A device
 * whose constructor sets no row refuses to plan a net that has such a step.
 *
 * How to add it to a device: a file in its folder, named in its list of sources
 * and its header, and one assignment in its constructor.
 *
 * How to add a backend: one folder, its constructor below, one line in
 * backend.c, one meson block with its option, its name in tests/meson.build.
 * A backend starts from the reference rows only where its memory is the host's.
 *
 * Thread rule: one thread at a time per backend; those that share() has made of
 * it may run beside it and each other.
 */
#pragma once

#include "anchors.h"
#include "error.h"
#include "learner.h"
#include "pass.h"
#include "side.h"
#include "tensor.h"
#include "tune.h"

G_BEGIN_DECLS

#define DEFCN_MAX_INPUTS 8

/* The kinds of op: DEFCN_OP_NAME and the name of its file.  meson.build reads
 * the lines that begin with OP. */
/* clang-format off */
#define DEFCN_OPS(OP)                                                          \
  /* y = relu? (conv (x0, w) + b + x1?), grouped */                            \
  OP (CONV, conv)                                                              \
  /* y = relu? (conv (x0 where the offsets x1 say, w) + b + x2?), grouped */   \
  OP (DEFORM_CONV, deform_conv)                                                \
  /* 3x3 stride 2 pad 1, padding counts as -inf */                             \
  OP (MAX_POOL, max_pool)                                                      \
  /* y = max (x0, 0) */                                                        \
  OP (RELU, relu)                                                              \
  /* y = relu? ((x0 - mean) / std * w + b), eps 1e-5 */                        \
  OP (GROUP_NORM, group_norm)                                                  \
  /* y = x0 + nearest x2 of x1 (FPN top-down) */                               \
  OP (UPSAMPLE_ADD, upsample_add)                                              \
  /* y = relu? (x0 + max over the tube of x1..), 3DMF */                       \
  OP (TUBE_MAX, tube_max)                                                      \
  /* y = relu (w x0) * factor, or exp (w x0) */                                \
  OP (BOX, box)                                                                \
  /* y = l, t, r, b of the boxes that x0 codes relative to anchors */          \
  OP (ANCHORS, anchors)
/* clang-format on */

#define DEFCN_OP_KIND(NAME, name) DEFCN_OP_##NAME,
typedef enum
{
  DEFCN_OPS (DEFCN_OP_KIND) DEFCN_N_OPS
} DefcnOpKind;

typedef struct _DefcnBackend DefcnBackend;

/* One step of a net.  All pointers are borrowed from the net and its params,
 * but for @state.  Fields that a kind does not name are zero. */
typedef struct
{
  DefcnOpKind kind;
  const char *name;                 /* official name of the layer, for people */
  DefcnTensor *x[DEFCN_MAX_INPUTS]; /* inputs, unused ones NULL */
  DefcnTensor *y;                   /* output */
  DefcnTensor *w, *b;               /* parameters, NULL where there are none */
  /* CONV, DEFORM_CONV: kernel side, stride, zero padding */
  int size, stride, pad;
  int groups;           /* CONV, DEFORM_CONV, GROUP_NORM */
  gboolean relu;        /* CONV, DEFORM_CONV, GROUP_NORM, TUBE_MAX: fused */
  gboolean exponential; /* BOX: exp instead of relu times factor */
  float factor;         /* BOX: stride of the level in pixels */
  /* DEFORM_CONV (DCN, arXiv 1703.06211 and 1811.11168): x[1] has the size of y
   * and for tap k = size * row + column the channels 2k and 2k + 1, by how many
   * pixels down and right of its place it reads x[0].  Between pixels it reads
   * bilinearly, what is outside counts 0, as all does from -1 or the size on.
   * DCNv2: behind those channel 2 size^2 + k, the logit of a mask that what the
   * tap reads is multiplied with. */
  /* TUBE_MAX: x[0] is the residual, x[1] .. x[n_levels] are the levels of the
   * tube from fine to coarse and x[1 + self] has the size of y; the others are
   * resized to it (bilinear, align_corners false) before the maximum over the
   * levels and a phi x phi window, cut at the border.  Ties: level, row,
   * column, first wins.  Eq. 5, 6. */
  int n_levels, self, phi;
  /* ANCHORS: four channels each, in their order. */
  int n_anchors;
  DefcnAnchor anchors[DEFCN_MAX_ANCHORS];
  /* It and the n_together - 1 steps behind it do the same to different inputs,
   * CONV and GROUP_NORM with the same weights, and none reads another's output:
   * a backend may do the forward pass of all at the first.  @together: which of
   * them this is, from 0.  With n_together below 2 it is alone. */
  int n_together, together;
  gboolean train; /* forward keeps what backward needs */
  /* How backward stores the gradient of x[i]: add to what is there (TRUE) or
   * overwrite it (FALSE: this step is the first to write it). */
  gboolean accumulate[DEFCN_MAX_INPUTS];
  gpointer state; /* whatever prepare() made */
} DefcnNode;

typedef struct
{
  /* Optional; the only one that may fail.  Called once per node when all its
   * tensors have their memory: check shapes, choose implementations, allocate.
   * On failure it has released what it took and @state is NULL. */
  gboolean (*prepare) (DefcnBackend *be, DefcnNode *node, GError **error);
  /* Queue y = f (x, w, b). */
  void (*forward) (DefcnBackend *be, const DefcnNode *node);
  /* Queue the gradients of every x[i], w and b that has one, from y->grad.
   * x[i]->grad obeys accumulate[i]; w->grad and b->grad are always added to.
   * y->grad may be destroyed.  The mask of a fused ReLU is y > 0. */
  void (*backward) (DefcnBackend *be, const DefcnNode *node);
  /* Optional: undo prepare(); leaves @state NULL. */
  void (*release) (DefcnBackend *be, DefcnNode *node);
  /* Optional: which implementation prepare() chose, e.g. "jit:avx2". */
  const char *(*describe) (DefcnBackend *be, const DefcnNode *node);
} DefcnOp;

struct _DefcnBackend
{
  const char *name;    /* "reference", "onednn", "cuda" */
  const char *library; /* what computes, e.g. "oneDNN 2.6.3"; NULL: own code */
  int threads;         /* CPU threads that an op may use, at least 1 */
  const char *precision; /* "fp32", "fp16", ..: what it computes in */
  char *passed_over;     /* owned: why "auto" did not take CUDA, else NULL */
  /* Convolutions are summed product by product, as the formula has it, and not
   * by Winograd's algorithm, which rounds more (by some 1e-6 of a layer's
   * largest value) and takes a quarter of the multiplications.  FALSE at first;
   * the caller sets it before the first step is prepared.  CUDA chooses by
   * itself. */
  gboolean exact;
  /* Convolutions multiply in bfloat16 and add in float32, as far as that takes
   * no longer on this CPU: in inference those on tiles, else the 1x1 by pairs,
   * most of training.  Only where the CPU can, has_bf16.  Set by
   * defcn_backend_new_in() for "bf16". */
  gboolean bf16, has_bf16;
  /* Whether the CPU multiplies tiles of bfloat16 (AMX): convolutions of
   * inference then store it as well, for one another.  Whoever clears it,
   * before a net is planned, has the CPU without. */
  gboolean bf16_tiles;
  /* Whether pairs of bfloat16 (AVX512_BF16) are multiplied faster than float32,
   * measured once in a process: where they are not, what would be multiplied so
   * stays in float32.  Whoever sets it, before the first step is prepared, has
   * it the other way. */
  gboolean bf16_pairs;
  /* How much memory a model may take for plans that it keeps for other sizes of
   * input; 0: 8 plans of 4 GiB together. */
  gsize plan_bytes;
  /* How many images of one size are worth a pass together; 0: 4. */
  int batch;
  /* Whether the sums of an image depend on how many there are in its pass: who
   * wants the same bits in every batch always runs as many. */
  gboolean sums_by_batch;
  /* Owned, NULL at first: what a step takes is measured when it is prepared,
   * and kept (CUDA's convolutions).  Set before the first step is prepared. */
  DefcnTune *tune;
  DefcnBackend *parent; /* that share() has made it of, else NULL */
  DefcnOp ops[DEFCN_N_OPS];

  /* Optional: whether this convolution of inference can read and write tensors
   * that no other kind of step sees (DefcnTensor.inner).  Asked before size(),
   * of tensors without memory. */
  gboolean (*takes_inner) (DefcnBackend *be, const DefcnNode *node);
  /* Bytes that @t takes in this backend's layout, a multiple of 64. */
  gsize (*size) (DefcnBackend *be, const DefcnTensor *t);
  /* Zeroed memory aligned to 64 bytes, or NULL when there is none. */
  void *(*alloc) (DefcnBackend *be, gsize bytes);
  void (*free) (DefcnBackend *be, void *mem);
  void (*zero) (DefcnBackend *be, void *mem, gsize bytes);
  /* Between dense NHWC host memory and @mem, which is @t's data or grad; @t
   * gives dims and role.  download() waits for queued work. */
  void (*upload) (DefcnBackend *be, const DefcnTensor *t, void *mem,
      const float *src);
  void (*download) (DefcnBackend *be, const DefcnTensor *t, float *dst,
      const void *mem);
  /* Waits for all queued work; FALSE with the first thing that went wrong. */
  gboolean (*sync) (DefcnBackend *be, GError **error);
  /* Optional, both or neither: calls @queue (@data), which queues the same work
   * every time, or repeats what an earlier call has recorded in @recording:
   * NULL at first, kept by the caller, freed by forget().  The first call
   * records nothing: @queue may wait for its work. */
  void (*replay) (DefcnBackend *be, gpointer *recording,
      void (*queue) (gpointer data), gpointer data);
  void (*forget) (DefcnBackend *be, gpointer recording);
  /* Optional: a rectangle of @image resized, normalised and padded into image
   * @n of @input, with the bits of defcn_scaler_run() (scaler.h).  FALSE if it
   * cannot be done there: the caller does it and uploads. */
  gboolean (*preprocess) (DefcnBackend *be, const DefcnTensor *input, int n,
      const DefcnImage *image, const DefcnPreprocess *p);
  DefcnMemory reads; /* where preprocess() takes images from beside the host */
  /* Optional: the images of a pass and the scores in its heads stay in backend
   * memory.  With it come replay() and preprocess(). */
  const DefcnPass *pass;
  /* Optional: float32 operations a second that @threads can do at most, from
   * multiply-adds that wait for no memory; takes some 40 ms. */
  double (*peak) (DefcnBackend *be);
  /* Optional: the masters of a model in training are kept in backend memory. */
  const DefcnUpdater *updater;
  /* Optional: what a training step needs of the heads is computed from them in
   * backend memory, and only that crosses. */
  const DefcnLearner *learner;
  /* Optional: a backend of @threads threads over the same memory, set as this
   * one is by now, whose steps read this one's parameters while its own do:
   * images of inference then go through networks of their own (apart.h), and
   * none needs company.  It is freed before this one; NULL with @error. */
  DefcnBackend *(*share) (DefcnBackend *be, int threads, GError **error);
  /* Optional: gradients can be summed over ranks where they are: those of
   * parameters are dense float32 in memory of the device. */
  const DefcnSide *side;
  void (*destroy) (DefcnBackend *be);
};

/* @name: "reference", "onednn", "cuda", "cuda:N"; "cpu" for the fastest CPU
 * backend built in, "auto" (or NULL) for the fastest that works.
 * @threads: CPU threads, 0 for one per core that the process may run on.
 * CUDA is a module, looked for in the folder of the environment's
 * DEFCN_MODULES, else where it was installed.
 * Returns: (transfer full): NULL with @error (DEFCN_ERROR_BACKEND) that says
 * why, e.g. that the backend was not built. */
DefcnBackend *defcn_backend_new (const char *name, int threads, GError **error);
/* The same in a precision: "fp32", which defcn_backend_new() takes, or what the
 * device has beside it: CUDA "tf32", "fp16" and "bf16", a CPU with AVX512_BF16
 * "bf16".  "auto" or NULL: what suits the device, fp16 on CUDA, else fp32.
 * Gradients of fp16 may overflow. */
DefcnBackend *defcn_backend_new_in (const char *name, const char *precision,
    int threads, GError **error);
void defcn_backend_free (DefcnBackend *be);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnBackend, defcn_backend_free)

/* Returns: the name of @kind in lower case, e.g. "max_pool"; static. */
const char *defcn_backend_op_name (DefcnOpKind kind);

/* The constructors that backend.c lists, one per folder. */
DefcnBackend *defcn_reference_new (int threads, GError **error);
DefcnBackend *defcn_onednn_new (int threads, GError **error);

/* The reference rows, which work on dense NHWC. */
#define DEFCN_OP_REFERENCE(NAME, name)                                         \
  extern const DefcnOp defcn_##name##_reference;
DEFCN_OPS (DEFCN_OP_REFERENCE)

/* Whether the tensors of a DEFORM_CONV fit together, which is what a device's
 * prepare() begins with; FALSE with @error. */
gboolean defcn_deform_conv_check (DefcnBackend *be, const DefcnNode *node,
    GError **error);

G_END_DECLS
