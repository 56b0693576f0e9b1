/* What the convolutions that oneDNN computes have in common.  Private to the
 * convolution's files; statuses are oneDNN's. */
#pragma once

#include "pack.h"

/* A tensor as the primitive has it and, where that is another layout or type,
 * as we do. */
typedef struct
{
  dnnl_memory_t theirs, ours; /* ours NULL: theirs is ours */
  dnnl_primitive_t reorder;   /* between them; NULL: there is none */
  gsize len;                  /* floats of scratch for theirs, cache lines */
} OnednnSide;

/* The state of a pass that oneDNN computes. */
typedef struct
{
  char *info; /* implementation */
  dnnl_primitive_t primitive;
  OnednnSide x, y; /* or their gradients */
  OnednnSide dw;   /* gradient of w */
  dnnl_memory_t b; /* or its gradient */
  OnednnPack *pack;
  dnnl_memory_t scratch; /* what it works with, of the backend's scratch */
} OnednnPrimitive;

/* float32 in the backend's layout. */
dnnl_status_t defcn_onednn_primitive_activation (ShimDesc *md, const Onednn *be,
    const DefcnTensor *t);
/* A weight in whatever layout an implementation likes. */
dnnl_status_t defcn_onednn_primitive_any (ShimDesc *md, dnnl_data_type_t type,
    const DefcnTensor *w, int groups);
/* float32, our dense OHWI. */
dnnl_status_t defcn_onednn_primitive_dense (ShimDesc *md, const DefcnTensor *w,
    int groups);

/* How many groups are taken as one, and the weight with the dims of such. */
int defcn_onednn_primitive_merged (const Onednn *be, const DefcnNode *node);
DefcnTensor defcn_onednn_primitive_weight (const DefcnNode *node, int merged);

/* Sum with what is there, then ReLU. */
dnnl_status_t defcn_onednn_primitive_fusion (dnnl_primitive_attr_t *attr,
    gboolean sum, gboolean relu);
/* Name of the implementation, borrowed, "" if there is none. */
const char *defcn_onednn_primitive_info (const_dnnl_primitive_desc_t pd);
/* Floats that @md takes, whole cache lines. */
gsize defcn_onednn_primitive_len (ShimDescRef md);

dnnl_status_t defcn_onednn_primitive_memory (dnnl_memory_t *memory,
    const Onednn *be, ShimDescRef md, void *data);
/* @add: to what is there. */
dnnl_status_t defcn_onednn_primitive_reorder (dnnl_primitive_t *reorder,
    const Onednn *be, ShimDescRef from, ShimDescRef to, gboolean add);
/* The pack of the node's weights in the layout and type @md. */
dnnl_status_t defcn_onednn_primitive_pack (OnednnPack **result, Onednn *be,
    const DefcnNode *node, ShimDescRef md);
/* Keeps the first status that is no success for sync(). */
void defcn_onednn_primitive_execute (Onednn *be, const char *name,
    dnnl_primitive_t primitive, int n_args, const dnnl_exec_arg_t *args);
void defcn_onednn_primitive_clear_side (OnednnSide *side);
/* From ours to theirs, or the other way; nothing where they are one. */
void defcn_onednn_primitive_exchange (Onednn *be, const char *name,
    const OnednnSide *side, gboolean in);

/* Ends what prepares @p with @status: returns @p, or frees it and returns NULL
 * with @error, @what before a status. */
gpointer defcn_onednn_primitive_prepared (OnednnPrimitive *p, Onednn *be,
    const DefcnNode *node, dnnl_status_t status, const char *what,
    GError **error);
/* Rows of OnednnPass whose state is an OnednnPrimitive. */
void defcn_onednn_primitive_release (Onednn *be, gpointer state);
const char *defcn_onednn_primitive_describe (gpointer state);
