/* Packed parameters, private to the convolution's files.  Backends that share
 * memory share them: they are got and let go of while a step is prepared or
 * released, which one of them does at a time. */
#pragma once

#include "engine.h"

/* A parameter in the layout that an implementation wants, shared by all steps
 * that use the parameter and filled anew when its version has changed. */
typedef struct _OnednnPack OnednnPack;
struct _OnednnPack
{
  int references;
  const DefcnTensor *w;
  guint version; /* of @w when it was packed */
  float *data;
  void (*fill) (Onednn *be, OnednnPack *pack);
  /* With oneDNN's layouts alone. */
  ShimDesc desc;
  int groups, merged; /* of the convolution, and how many of them are one */
  float *wide;        /* merged and dense, NULL: w's own data is */
  dnnl_memory_t dense, packed;
  dnnl_primitive_t reorder;
};

/* Returns: (nullable): the pack of @w that @fill makes, and that has the layout
 * @md unless that is NULL; a new one has @bytes of zeros. */
OnednnPack *defcn_onednn_pack_get (Onednn *be, const DefcnTensor *w,
    void (*fill) (Onednn *be, OnednnPack *pack), ShimDescRef md, gsize bytes);
void defcn_onednn_pack_unref (Onednn *be, OnednnPack *pack);
/* Fills it if need be. */
void defcn_onednn_pack_update (Onednn *be, OnednnPack *pack);
