/* The spec of a network from its tensors. */
#include "derive.h"

#include "anchors.h"
#include "backbone.h"

#include <math.h>
#include <string.h>

#define BACKBONE "backbone.bottom_up."
#define CELL_ANCHORS "anchor_generator.cell_anchors."

static const char *const coco_labels[] = { "person", "bicycle", "car",
  "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
  "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
  "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack",
  "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
  "sports ball", "kite", "baseball bat", "baseball glove", "skateboard",
  "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife",
  "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
  "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
  "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse",
  "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
  "refrigerator", "book", "clock", "vase", "scissors", "teddy bear",
  "hair drier", "toothbrush", NULL };

G_GNUC_PRINTF (3, 4)
static gboolean
fail (GError **error, const DefcnForeign *foreign, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL, "%s: %s", foreign->path,
      text);
  return FALSE;
}

char **
defcn_derive_labels (int n)
{
  static const char *const person[] = { "person", NULL };

  if (n == 80)
    return g_strdupv ((char **) coco_labels);
  if (n == 1)
    return g_strdupv ((char **) person);

  char **labels = g_new0 (char *, n + 1);
  for (int i = 0; i < n; i++)
    labels[i] = g_strdup_printf ("class%d", i);
  return labels;
}

/* Dim @i of the tensor called so, 0 without it. */
static int
dim (const DefcnForeign *foreign, const char *name, int i)
{
  const DefcnForeignTensor *t = defcn_foreign_lookup (foreign, name);

  return t && i < t->n_dims ? CLAMP (t->dims[i], 0, G_MAXINT) : 0;
}

static int
count_blocks (const DefcnForeign *foreign, int stage)
{
  for (int i = 0;; i++) {
    g_autofree char *conv1 =
        g_strdup_printf (BACKBONE "res%d.%d.conv1.weight", stage, i);
    g_autofree char *conv2 =
        g_strdup_printf (BACKBONE "res%d.%d.conv2.weight", stage, i);

    if (!defcn_foreign_lookup (foreign, conv1)
        && !defcn_foreign_lookup (foreign, conv2))
      return i;
  }
}

/* ResNets (arXiv 1512.03385, tab. 1) and ResNeXts. */
static gboolean
derive_resnet (DefcnSpec *spec, const DefcnForeign *foreign, GError **error)
{
  static const struct
  {
    int depth;
    gboolean bottleneck;
    int blocks[3]; /* of res2 to res4; res5 may be left out of a file */
  } depths[] = {
    { 18, FALSE, { 2, 2, 2 } },
    { 34, FALSE, { 3, 4, 6 } },
    { 50, TRUE, { 3, 4, 6 } },
    { 101, TRUE, { 3, 4, 23 } },
    { 152, TRUE, { 3, 8, 36 } },
  };
  const gboolean bottleneck =
      dim (foreign, BACKBONE "res2.0.conv3.weight", 0) > 0;
  const int blocks[3] = { count_blocks (foreign, 2), count_blocks (foreign, 3),
    count_blocks (foreign, 4) };

  spec->depth = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (depths); i++)
    if (depths[i].bottleneck == bottleneck
        && memcmp (depths[i].blocks, blocks, sizeof blocks) == 0)
      spec->depth = depths[i].depth;
  if (spec->depth == 0)
    return fail (error, foreign,
        "a ResNet with %d, %d, %d %s blocks is none of 18, 34, 50, 101, 152",
        blocks[0], blocks[1], blocks[2], bottleneck ? "bottleneck" : "basic");

  spec->stem_channels = dim (foreign, BACKBONE "stem.conv1.weight", 0);
  spec->res2_channels = dim (foreign,
      bottleneck ? BACKBONE "res2.0.conv3.weight"
                 : BACKBONE "res2.0.conv1.weight",
      0);
  if (!bottleneck)
    return TRUE;
  spec->group_width = dim (foreign, BACKBONE "res2.0.conv2.weight", 1);
  if (spec->group_width > 0)
    spec->groups =
        dim (foreign, BACKBONE "res2.0.conv2.weight", 0) / spec->group_width;
  return TRUE;
}

/* Whether the tensor @name can be the weight of the offsets of a deformable
 * convolution, with or without masks. */
static gboolean
derive_modulated (DefcnSpec *spec, const DefcnForeign *foreign,
    const char *name, GError **error)
{
  const int channels = dim (foreign, name, 0);

  if (channels != 18 && channels != 27)
    return fail (error, foreign,
        "tensor \"%s\" has %d channels: a deformable 3x3 convolution of one "
        "group of offsets has 18, or 27 with masks",
        name, channels);
  spec->dcn_modulated = channels == 27;
  return TRUE;
}

/* In all blocks from a stage on, or in none. */
static gboolean
derive_deformable (DefcnSpec *spec, const DefcnForeign *foreign, GError **error)
{
  spec->dcn_from = 0;
  for (int stage = 2; stage <= 5; stage++) {
    for (int i = 0; i < count_blocks (foreign, stage); i++) {
      g_autofree char *name =
          g_strdup_printf (BACKBONE "res%d.%d.conv2_offset.weight", stage, i);
      const gboolean there = defcn_foreign_lookup (foreign, name) != NULL;

      if (there && spec->dcn_from == 0 && i == 0)
        spec->dcn_from = stage;
      if (there != (spec->dcn_from > 0))
        return fail (error, foreign,
            "tensor \"%s\" is %s: a network is deformable from a stage on",
            name, there ? "there" : "missing");
      if (there && !derive_modulated (spec, foreign, name, error))
        return FALSE;
    }
  }
  return TRUE;
}

/* What files of that kind were trained on: MSRA's and Caffe2's on BGR without a
 * deviation but for ResNeXts, torchvision's on RGB. */
static void
derive_input (DefcnSpec *spec, const DefcnForeign *foreign, DefcnNaming naming)
{
  const gboolean torchvision = naming == DEFCN_NAMING_TORCHVISION
      || naming == DEFCN_NAMING_MXNET
      || g_strcmp0 (foreign->author, "torchvision") == 0;

  spec->stride_in_1x1 = !torchvision && spec->groups == 1;
  defcn_backbone_read_pixels (&spec->input,
      torchvision            ? "torchvision"
          : spec->groups > 1 ? "fair"
                             : "msra");
}

/* @modules: a convolution with what follows it. */
static int
count_tower (const DefcnForeign *foreign, int modules)
{
  for (int i = 0;; i++) {
    g_autofree char *name =
        g_strdup_printf ("head.cls_subnet.%d.weight", modules * i);

    if (!defcn_foreign_lookup (foreign, name))
      return i;
  }
}

/* The last convolution of both towers, or none.  @modules: a convolution with
 * what follows it. */
static gboolean
derive_towers (DefcnSpec *spec, const DefcnForeign *foreign, int modules,
    GError **error)
{
  static const char *const towers[] = { "cls_subnet", "bbox_subnet" };

  for (int i = 0; i < 2 * spec->tower_depth; i++) {
    const int tower = i / spec->tower_depth, at = i % spec->tower_depth;
    const gboolean last = at == spec->tower_depth - 1;
    g_autofree char *name = g_strdup_printf ("head.%s.%d_offset.weight",
        towers[tower], modules * at);
    const gboolean there = defcn_foreign_lookup (foreign, name) != NULL;

    if (last && tower == 0)
      spec->dcn_head = there;
    if (there != (last && spec->dcn_head))
      return fail (error, foreign,
          "tensor \"%s\" is %s: the last convolution of both towers is "
          "deformable, or none",
          name, there ? "there" : "missing");
    if (there && !derive_modulated (spec, foreign, name, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
derive_head (DefcnSpec *spec, const DefcnForeign *foreign, GError **error)
{
  spec->fpn_channels = dim (foreign, "backbone.fpn_lateral3.weight", 0);
  spec->p6_from_c5 =
      dim (foreign, "backbone.top_block.p6.weight", 1) != spec->fpn_channels;
  if (defcn_foreign_lookup (foreign, "head.cls_subnet.0.weight")
      && !defcn_foreign_lookup (foreign, "head.cls_subnet.1.weight"))
    spec->norm_groups = 0;
  const int modules = spec->norm_groups > 0 ? 3 : 2;
  spec->tower_depth = count_tower (foreign, modules);
  spec->filter = defcn_foreign_lookup (foreign, "head.filter.weight") != NULL;
  spec->centerness =
      defcn_foreign_lookup (foreign, "head.centerness.weight") != NULL;
  if (spec->centerness) /* a one-to-many baseline */
    spec->nms_iou = 0.6f;
  spec->filter_norm =
      defcn_foreign_lookup (foreign, "head.max3d.norm.weight") != NULL;
  if (spec->n_classes == 1) { /* the CrowdHuman configurations */
    spec->input.long_edge = 1400;
    spec->max_detections = 500;
  }
  return derive_towers (spec, foreign, modules, error);
}

/* Whether @t, where there is one, has the @n anchors of a level: x1, y1, x2, y2
 * around 0. */
static gboolean
are_ours (const DefcnForeignTensor *t, int n, const DefcnAnchor *anchors)
{
  if (t->n_dims != 2 || t->dims[0] != n || t->dims[1] != 4)
    return FALSE;
  for (int i = 0; t->data && i < n; i++)
    for (int k = 0; k < 4; k++) {
      const float size = k % 2 ? anchors[i].h : anchors[i].w;

      if (fabsf (t->data[4 * i + k] - (k < 2 ? -size : size) / 2) > size / 1000)
        return FALSE;
    }
  return TRUE;
}

/* A head of one box a location is that of table 1's row "Anchor" where the file
 * has anchors, one of nine RetinaNet's whether it has or not.  FALSE with
 * @error where it has others. */
static gboolean
derive_anchors (DefcnSpec *spec, const DefcnForeign *foreign, int n,
    GError **error)
{
  if (n > 1 || defcn_foreign_lookup (foreign, CELL_ANCHORS "0"))
    spec->anchors = n;
  if (n > 1)
    spec->nms_iou = 0.5f;
  for (int l = 0; spec->anchors > 0 && l < DEFCN_N_LEVELS; l++) {
    g_autofree char *name = g_strdup_printf (CELL_ANCHORS "%d", l);
    const DefcnForeignTensor *t = defcn_foreign_lookup (foreign, name);
    DefcnAnchor anchors[DEFCN_MAX_ANCHORS];

    defcn_anchors_fill (anchors, n, l);
    if (t ? !are_ours (t, n, anchors) : n == 1)
      return fail (error, foreign,
          "tensor \"%s\": wanted %d anchor%s a location, the first of %g x %g "
          "pixels",
          name, n, n > 1 ? "s" : "", anchors[0].w, anchors[0].h);
  }
  return TRUE;
}

DefcnSpec *
defcn_derive_spec (gboolean *full, const DefcnForeign *foreign,
    DefcnNaming naming, const char *const *labels, GError **error)
{
  const int n_sides = dim (foreign, "head.bbox_pred.weight", 0);
  const int n_anchors = MAX (n_sides / 4, 1);
  const int n_scores = dim (foreign, "head.cls_score.weight", 0);
  const int n_classes = n_scores / n_anchors;
  const int n_labels = labels ? g_strv_length ((char **) labels) : 0;

  *full = n_scores > 0;
  if (*full
      && (!defcn_anchors_exist (n_anchors) || n_scores % n_anchors != 0)) {
    fail (error, foreign,
        "a detector with %d anchors at a location is not one of these: "
        "--backbone takes its backbone",
        n_anchors);
    return NULL;
  }
  if (n_classes > 10000 || (*full && labels && n_labels != n_classes)) {
    fail (error, foreign, "%d labels for a head of %d classes", n_labels,
        n_classes);
    return NULL;
  }

  g_auto (GStrv) own = defcn_derive_labels (MAX (n_classes, 1));
  g_autoptr (DefcnSpec) spec =
      defcn_spec_new (labels ? labels : (const char *const *) own);
  if (defcn_foreign_lookup (foreign, BACKBONE "block0.depthwise.weight")) {
    spec->backbone = DEFCN_BACKBONE_MOBILENETV2;
    spec->depth = 0;
  } else if (!derive_resnet (spec, foreign, error)
      || !derive_deformable (spec, foreign, error)) {
    return NULL;
  }
  derive_input (spec, foreign, naming);
  if (*full
      && (!derive_head (spec, foreign, error)
          || !derive_anchors (spec, foreign, n_anchors, error)))
    return NULL;
  return g_steal_pointer (&spec);
}
