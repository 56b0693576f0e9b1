/* Boxes out of the heads, as ONNX nodes: what defcn_boxes_decode() does, but
 * for a threshold and NMS.
 *
 * Thread rule: as onnx.h.
 */
#pragma once

#include "network.h"

G_BEGIN_DECLS

/* (n, k, 4): corners in input pixels, (n, k), (n, k); the best k scores of an
 * image, best first. */
typedef struct
{
  const char *boxes, *scores, *labels;
  int k;
} DefcnExportBoxes;

/* The rule's topk and max_detections make k; the local duplicate filter is
 * among the nodes where the rule has it.  A score of 0 is nothing: a place that
 * is left over, or a duplicate. */
void defcn_export_decode (DefcnExportBoxes *boxes, DefcnOnnx *onnx,
    const DefcnExportHeads *heads, int n_classes, const DefcnDecodeRule *rule);

G_END_DECLS
