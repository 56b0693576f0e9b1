/* From the names that other programs give their tensors to the official ones
 * (those of cvpods), with what the others leave out filled in.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "foreign.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_NAMING_OFFICIAL, /* cvpods: "backbone.bottom_up.res2.0.conv1.weight" */
  DEFCN_NAMING_DETECTRON2,  /* a backbone alone: "res2.0.conv1.weight" */
  DEFCN_NAMING_CAFFE2,      /* "res2_0_branch2a_w" */
  DEFCN_NAMING_TORCHVISION, /* "layer1.0.conv1.weight" */
  DEFCN_NAMING_MXNET,       /* "..features_linearbottleneck0_conv0_weight" */
  DEFCN_N_NAMINGS
} DefcnNaming;

/* For people. */
const char *defcn_naming_text (DefcnNaming naming);

/* The official name of @name, (transfer full); NULL for what a detector does
 * not use or @naming does not have. */
char *defcn_naming_translate (DefcnNaming naming, const char *name);

/* Finds out the naming, gives all tensors of @foreign their official names and
 * drops the others, whose names are added to @ignored (of char *, owned).
 * Frozen batch norms are completed, so that they come to the same scale and
 * shift exactly: without statistics mean 0 and variance 1 - 1e-5, of a folded
 * convolution also weight 1; those before version 3 of FrozenBatchNorm have the
 * 1e-5 taken off the variance.  A norm without its convolution is dropped.
 * FALSE with @error if no naming fits or two tensors come to one name. */
gboolean defcn_naming_apply (DefcnNaming *naming, DefcnForeign *foreign,
    GPtrArray *ignored, GError **error);

/* Names the momentum of @foreign, which has official names, after the trained
 * parameters: all but batch norms and the frozen first stages, in the file's
 * order.  FALSE with @error if numbers or shapes fit no choice of stages.  For
 * tests, which compare a training with that of the authors. */
gboolean defcn_naming_momentum (DefcnForeign *foreign, GError **error);

G_END_DECLS
