/* Architectures: ResNet, ResNeXt, both deformable at will, or MobileNetV2 + FPN
 * + FCOS head + 3DMF (arXiv 2012.03544, fig. 3; equations and tables in the
 * core are of that paper).
 *
 * How to add a backbone: its name in DefcnBackbone (spec.h) and in the table of
 * spec.c, one function in architecture.c that builds it out of defcn_net_*()
 * calls and returns C3, C4, C5, and one row in the table there.
 *
 * Thread rule: one thread at a time per params.
 */
#pragma once

#include "boxes.h"
#include "net.h"
#include "spec.h"

G_BEGIN_DECLS

/* The net for one input size, with its outputs. */
typedef struct
{
  DefcnNet *net;
  DefcnTensor *input;               /* (n, h, w, 3) */
  DefcnTensor *features[3];         /* C3, C4, C5; readable if training */
  DefcnTensor *fpn[DEFCN_N_LEVELS]; /* P3 .. P7; likewise */
  /* (n, h, w, n_classes) and (n, h, w, 4), input pixels; with several anchors
   * as many times, box by box */
  DefcnTensor *logits[DEFCN_N_LEVELS], *deltas[DEFCN_N_LEVELS];
  DefcnTensor *filter[DEFCN_N_LEVELS];     /* (n, h, w, 1); NULL without 3DMF */
  DefcnTensor *centerness[DEFCN_N_LEVELS]; /* (n, h, w, 1); NULL without it */
  /* (n, h, w, n_classes) of the auxiliary classifier; NULL without */
  DefcnTensor *aux_logits[DEFCN_N_LEVELS];
} DefcnPlan;

/* The net of @spec for (n, h, w, 3) images, h and w multiples of 32, to be
 * planned by defcn_net_plan().  Creates the parameters that @params lacks.
 * @params, @be: borrowed, outlive it. */
DefcnPlan *defcn_architecture_build (const DefcnSpec *spec, DefcnParams *params,
    DefcnBackend *be, int n, int h, int w);
void defcn_architecture_free (DefcnPlan *plan);
/* Whether the parameter @name is for training alone. */
gboolean defcn_architecture_is_auxiliary (const char *name);

G_END_DECLS
