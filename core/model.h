/* Architectures: ResNet or MobileNetV2 + FPN + FCOS head + 3DMF.
 *
 * How to add an architecture: one function in model.c that builds the backbone
 * out of defcn_net_*() calls and returns C3, C4, C5, and one row in its table.
 *
 * A model file is safetensors (weights.h) with tensors under the official
 * state_dict names and the metadata
 *   "defcn.spec"       JSON of DefcnSpec, field names as below
 *   "defcn.training"   JSON, provenance: data, recipe, iterations (free form)
 *   "format"           "pt"
 *
 * Thread rule: one thread at a time per model.
 */
#pragma once

#include "image.h"
#include "net.h"
#include "weights.h"

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
  int depth;                 /* ResNet: 18, 34, 50, 101, 152 */
  int groups, group_width;   /* bottleneck: 1 x 64; ResNeXt 32 x 8 */
  int stem_channels;         /* 64 */
  int res2_channels;         /* 256; 64 for 18 and 34 */
  gboolean stride_in_1x1;    /* MSRA: TRUE; torchvision: FALSE */
  int freeze_at;             /* 2: stem and res2 are not trained */
  int fpn_channels;          /* 256 */
  gboolean p6_from_c5;       /* the paper; the code has P5 */
  int tower_depth;           /* 4 */
  int norm_groups;           /* 32, of the head's group norms */
  gboolean norm_reg_targets; /* relu times stride; FALSE: exp */
  gboolean filter;           /* 3DMF branch */
  gboolean filter_norm;      /* group norm in it */
  int tau, phi;              /* 2, 3 */
  DefcnInputRule input;
  float threshold; /* decode rule of the file */
  int topk, max_detections;
  float nms_iou; /* 0: none */
  int n_classes;
  char **labels; /* n_classes names, NULL-terminated */
} DefcnSpec;

/* R-50, POTO + 3DMF on COCO as published, @labels NULL-terminated, copied. */
DefcnSpec *defcn_spec_new (const char *const *labels);
DefcnSpec *defcn_spec_copy (const DefcnSpec *spec);
void defcn_spec_free (DefcnSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnSpec, defcn_spec_free)
/* JSON as in the metadata; from_json checks every field's type and range and
 * names @where in its errors. */
char *defcn_spec_to_json (const DefcnSpec *spec);
DefcnSpec *defcn_spec_from_json (const char *json, const char *where,
    GError **error);

/* A net planned for one input size, with its outputs. */
typedef struct
{
  DefcnNet *net;
  DefcnTensor *input;                  /* (n, h, w, 3) */
  DefcnTensor *features[3];            /* C3, C4, C5; readable if training */
  DefcnTensor *fpn[DEFCN_N_LEVELS];    /* P3 .. P7; likewise */
  DefcnTensor *logits[DEFCN_N_LEVELS]; /* (n, h, w, n_classes) */
  DefcnTensor *deltas[DEFCN_N_LEVELS]; /* (n, h, w, 4), input pixels */
  DefcnTensor *filter[DEFCN_N_LEVELS]; /* (n, h, w, 1); NULL without 3DMF */
} DefcnPlan;

typedef struct _DefcnModel DefcnModel;

/* A model with parameters initialised from @seed.  @spec is copied, @be is
 * borrowed and outlives the model.  @train: plans can go backward. */
DefcnModel *defcn_model_new (const DefcnSpec *spec, DefcnBackend *be,
    gboolean train, guint64 seed, GError **error);
/* A model from an opened file: spec from its metadata, then
 * defcn_model_load(). */
DefcnModel *defcn_model_open (const DefcnWeights *weights, DefcnBackend *be,
    gboolean train, GError **error);
void defcn_model_free (DefcnModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnModel, defcn_model_free)

/* Copies the file's tensors into the parameters of the same names and uploads
 * them.  Every parameter must be there with its shape (an error names tensor,
 * found and wanted shape); tensors of other names are ignored.  With
 * @partial, a missing parameter keeps its value and *@n_missing counts. */
gboolean defcn_model_load (DefcnModel *model, const DefcnWeights *weights,
    gboolean partial, guint *n_missing, GError **error);
/* Adds all parameters and the spec to @writer; weights as @dtype, vectors
 * always F32. */
void defcn_model_save (const DefcnModel *model, DefcnWeightsWriter *writer,
    DefcnDtype dtype);

const DefcnSpec *defcn_model_spec (const DefcnModel *model);
DefcnParams *defcn_model_params (const DefcnModel *model);
DefcnBackend *defcn_model_backend (const DefcnModel *model);

/* The plan for @n images of @h x @w, multiples of the rule's divisor, made on
 * first use and kept: the 8 last used, fewer when they take more than 4 GiB
 * together.  Borrowed, valid until the next call.  NULL with @error set.  What
 * the backend measured on the way is kept (DefcnBackend.tune). */
const DefcnPlan *defcn_model_plan (DefcnModel *model, int n, int h, int w,
    GError **error);

G_END_DECLS
