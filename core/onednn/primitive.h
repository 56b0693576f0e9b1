/* What the convolutions that oneDNN computes have in common.  Private to the
 * convolution's files; statuses are oneDNN's. */
#pragma once

#include "pack.h"

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
