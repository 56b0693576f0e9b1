/* The steps of a network as ONNX nodes.
 *
 * Thread rule: as onnx.h.
 */
#pragma once

#include "architecture.h"
#include "onnx.h"

G_BEGIN_DECLS

/* The heads' values, one for each level: (n, c, h, w). */
typedef struct
{
  /* logits_p3 ..; c: classes */
  const char *logits[DEFCN_N_LEVELS];
  /* ltrb_p3 ..; c: left, top, right, bottom in pixels */
  const char *ltrb[DEFCN_N_LEVELS];
  /* filter_p3 ..; c: 1; NULL without 3DMF */
  const char *filter[DEFCN_N_LEVELS];
  /* centerness_p3 ..; c: 1; NULL without */
  const char *centerness[DEFCN_N_LEVELS];
} DefcnExportHeads;

/* Appends all steps of @plan, whose input is @input: (n, 3, h, w), h and w any
 * multiples of 32, whatever size @plan was made for.  Frozen batch norms are in
 * the weights, as @plan has them; weights have the names of the model file.
 * @plan, @be: borrowed until @onnx is freed. */
void defcn_export_network (DefcnExportHeads *heads, DefcnOnnx *onnx,
    const char *input, const DefcnPlan *plan, DefcnBackend *be);

G_END_DECLS
