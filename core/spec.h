/* What a model file says of its network, and its form as JSON.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "boxes.h"
#include "image.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_BACKBONE_RESNET,
  DEFCN_BACKBONE_MOBILENETV2,
} DefcnBackbone;

/* Everything that decides the shape of the network and how it is fed and
 * read.  Strings and labels are owned. */
typedef struct
{
  DefcnBackbone backbone;
  int depth;               /* ResNet: 18, 34, 50, 101, 152 */
  int groups, group_width; /* bottleneck: 1 x 64; ResNeXt 32 x 8 */
  int stem_channels;       /* 64 */
  int res2_channels;       /* 256; 64 for 18 and 34 */
  gboolean stride_in_1x1;  /* MSRA: TRUE; torchvision: FALSE */
  int dcn_from;            /* ResNet: deformable from this stage on; 0: none */
  gboolean dcn_modulated;  /* with masks, DCNv2; FALSE: offsets alone */
  int freeze_at;           /* 2: stem and res2 are not trained */
  int fpn_channels;        /* 256 */
  gboolean p6_from_c5;     /* the paper; the code has P5 */
  int tower_depth;         /* 4 */
  gboolean dcn_head;       /* the last of each tower is deformable */
  int norm_groups;         /* 32, of the head's group norms */
  gboolean norm_reg_targets; /* relu times stride; FALSE: exp */
  gboolean filter;           /* 3DMF branch */
  gboolean filter_norm;      /* group norm in it */
  int tau, phi;              /* 2, 3 */
  gboolean centerness;       /* FCOS's third output, of baselines */
  /* Training alone, in no file: the auxiliary loss has a classifier of its own
   * on the class tower.  The paper's is on the coarse one. */
  gboolean aux_classifier;
  DefcnInputRule input;
  float threshold; /* decode rule of the file; evaluation's: 0.05 */
  int topk, max_detections;
  float nms_iou;           /* 0: none */
  float duplicate_iou;     /* local duplicate filter (boxes.h), 0: none */
  float working_threshold; /* the score that counts in use: 0.3 */
  int n_classes;
  char **labels; /* n_classes names, NULL-terminated */
} DefcnSpec;

/* R-50, POTO + 3DMF on COCO as published, @labels NULL-terminated, copied. */
DefcnSpec *defcn_spec_new (const char *const *labels);
DefcnSpec *defcn_spec_copy (const DefcnSpec *spec);
void defcn_spec_free (DefcnSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnSpec, defcn_spec_free)
/* The decode rule of the file. */
DefcnDecodeRule defcn_spec_decode_rule (const DefcnSpec *spec);
/* JSON as in the metadata; from_json checks every field's type and range and
 * names @where in its errors.  What files before them lack may be
 * missing: duplicate_iou is 0, working_threshold 0.3, there is no centerness
 * and nothing is deformable. */
char *defcn_spec_to_json (const DefcnSpec *spec);
DefcnSpec *defcn_spec_from_json (const char *json, const char *where,
    GError **error);

G_END_DECLS
