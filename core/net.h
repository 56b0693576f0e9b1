/* A net: a flat array of steps over tensors that it owns.
 *
 * Build it with the functions below in the order the steps run, plan it, then
 * call forward (and backward) as often as wanted: after defcn_net_plan()
 * nothing allocates and nothing can fail but the backend's sync().
 *
 *   DefcnNet *net = defcn_net_new (params, be, n, h, w);
 *   DefcnTensor *x = defcn_net_input (net);
 *   x = defcn_net_conv (net, x, "stem", 64, 7, 2, &(DefcnConvOptions){ ... });
 *   if (!defcn_net_plan (net, FALSE, &error)) ...
 *
 * Thread rule: one thread at a time per net, and per backend.
 */
#pragma once

#include "params.h"

G_BEGIN_DECLS

typedef struct _DefcnNet DefcnNet;

/* @params, @be: borrowed, outlive the net.  Input: (n, h, w, 3). */
DefcnNet *defcn_net_new (DefcnParams *params, DefcnBackend *be, int n, int h,
    int w);
void defcn_net_free (DefcnNet *net);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnNet, defcn_net_free)

typedef struct
{
  int groups;            /* 0 means 1 */
  gboolean norm;         /* frozen batch norm behind it */
  gboolean bias;         /* own bias (a convolution with neither is allowed) */
  gboolean relu;         /* fused */
  DefcnTensor *residual; /* added before the ReLU */
  gboolean frozen;       /* weight is not trained */
  DefcnInit init;        /* of the weight */
  float init_value;
  float bias_value;
} DefcnConvOptions;

/* Each appends a step and returns its output, borrowed from the net.  @name is
 * the official layer name; the same name in several steps shares weights. */
DefcnTensor *defcn_net_input (DefcnNet *net);
/* Padding is (size - 1) / 2; output (n, ceil (h / stride), ceil (w / stride),
 * c_out). */
DefcnTensor *defcn_net_conv (DefcnNet *net, DefcnTensor *x, const char *name,
    int c_out, int size, int stride, const DefcnConvOptions *options);
/* The same where @offsets say: the output of a convolution of the same size and
 * stride with 2 size^2 channels, or 3 size^2 with masks (DefcnNode). */
DefcnTensor *defcn_net_deform_conv (DefcnNet *net, DefcnTensor *x,
    DefcnTensor *offsets, const char *name, int c_out, int size, int stride,
    const DefcnConvOptions *options);
/* 3x3 stride 2 pad 1; output (n, ceil (h / 2), ceil (w / 2), c). */
DefcnTensor *defcn_net_max_pool (DefcnNet *net, DefcnTensor *x);
DefcnTensor *defcn_net_relu (DefcnNet *net, DefcnTensor *x);
/* "@name.weight", "@name.bias"; @groups divides c. */
DefcnTensor *defcn_net_group_norm (DefcnNet *net, DefcnTensor *x,
    const char *name, int groups, gboolean relu);
/* @lateral is twice as high and wide as @coarse. */
DefcnTensor *defcn_net_upsample_add (DefcnNet *net, DefcnTensor *lateral,
    DefcnTensor *coarse);
/* 3DMF for level @level of @n_levels: residual + max over the levels
 * [level - tau / 2, level + tau / 2] of @levels and a phi x phi window. */
DefcnTensor *defcn_net_tube_max (DefcnNet *net, DefcnTensor *residual,
    DefcnTensor *const *levels, int n_levels, int level, int tau, int phi,
    gboolean relu);
/* Box branch: relu (scale x) * factor, or exp (scale x) when @exponential.
 * The scalar is called "@name.scale". */
DefcnTensor *defcn_net_box (DefcnNet *net, DefcnTensor *x, const char *name,
    float factor, gboolean exponential);

/* l, t, r, b of boxes out of dx, dy, dw, dh relative to @n anchors of every
 * location, four channels each (anchors.h). */
DefcnTensor *defcn_net_anchors (DefcnNet *net, DefcnTensor *x, const char *name,
    const DefcnAnchor *anchors, int n);

/* Keeps @t readable after forward when activations share memory.  Outputs,
 * tensors that no step reads, are always kept. */
void defcn_net_keep (DefcnNet *net, DefcnTensor *t);

/* Before it is planned, for inference: its activations are in the memory of
 * @other, which has been, of the same steps and sizes on a backend that shares
 * memory.  One of them runs at a time, and what its steps leave is there until
 * then. */
void defcn_net_borrow (DefcnNet *net, DefcnNet *other);

/* Allocates all memory and lets the backend prepare every step.  With @train,
 * every activation is kept and those that a trained parameter feeds get
 * gradients; without, dead activations are reused.  FALSE with @error set. */
gboolean defcn_net_plan (DefcnNet *net, gboolean train, GError **error);

void defcn_net_forward (DefcnNet *net);
/* The same between what @before and @after queue, the same work every time: a
 * backend that records its work records all of it as one. */
void defcn_net_forward_between (DefcnNet *net, void (*before) (gpointer data),
    void (*after) (gpointer data), gpointer data);
/* Goes back from the gradients that the caller uploaded to the outputs: every
 * output that has a gradient needs one, zero if nothing else. */
void defcn_net_backward (DefcnNet *net);

/* The steps, for `defcn bench` and tests; borrowed. */
guint defcn_net_count (const DefcnNet *net);
const DefcnNode *defcn_net_node (const DefcnNet *net, guint i);
/* Bytes of activations (and gradients) that the plan took, what it borrows not
 * counted as long as the other has it. */
gsize defcn_net_bytes (const DefcnNet *net);
/* Multiply-adds of one step's convolution, 0 for the other kinds. */
guint64 defcn_node_macs (const DefcnNode *node);

G_END_DECLS
