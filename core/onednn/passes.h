/* The passes of a convolution: the ways to compute one, and what they have in
 * common.  Private to the convolution's files. */
#pragma once

#include "engine.h"

enum
{
  PASSES_TOGETHER = 8 /* steps that are taken together, at most */
};

/* How many steps from @node on may be taken together, DefcnNode.n_together. */
static inline int
defcn_onednn_passes_together (const DefcnNode *node)
{
  return node->together == 0 && node->n_together > 1
          && node->n_together <= PASSES_TOGETHER
      ? node->n_together
      : 1;
}

/* One way to compute one pass: forward, gradient of x, or of w and b. */
typedef struct
{
  /* Estimate of its time as a share of the direct convolution's; INFINITY where
   * it is impossible. */
  double (*cost) (const Onednn *be, const DefcnNode *node);
  /* Returns: the pass's state; NULL with @error set. */
  gpointer (*prepare) (Onednn *be, const DefcnNode *node, GError **error);
  /* Winograd's forward pass does all the steps that are taken together. */
  void (*run) (Onednn *be, const DefcnNode *node, gpointer state);
  void (*release) (Onednn *be, gpointer state);
  /* Name of the implementation. */
  const char *(*describe) (gpointer state);
} OnednnPass;

/* Whether @node's backward is to store x[0]'s gradient masked with x[0] > 0:
 * the convolution that made x[0] has a fused ReLU and @node is its only reader,
 * so that saves the pass over memory that would mask it.  If TRUE, the caller
 * must do so. */
gboolean defcn_onednn_passes_mask_early (Onednn *be, const DefcnNode *node);

/* Sets @error for @node; what: "no memory" and the like. */
void defcn_onednn_passes_error (GError **error, const DefcnNode *node,
    const char *what);
/* b->grad += sums of dy. */
void defcn_onednn_passes_bias_gradient (Onednn *be, const DefcnNode *node);

/* Winograd F(4x4, 3x3). */
extern const OnednnPass defcn_onednn_winograd_forward;
extern const OnednnPass defcn_onednn_winograd_data;
extern const OnednnPass defcn_onednn_winograd_weights;

/* Depthwise: both gradients at once, and the mask of the fused ReLU. */
extern const OnednnPass defcn_onednn_depthwise_backward;

/* 1x1 in bfloat16, in inference. */
extern const OnednnPass defcn_onednn_bfloat_forward;

/* Any but grouped ones in bfloat16, in training. */
extern const OnednnPass defcn_onednn_mixed_forward;
extern const OnednnPass defcn_onednn_mixed_data;
extern const OnednnPass defcn_onednn_mixed_weights;

/* oneDNN's direct convolution, which suits always. */
extern const OnednnPass defcn_onednn_direct_forward;
extern const OnednnPass defcn_onednn_direct_data;
extern const OnednnPass defcn_onednn_direct_weights;
