/* Detectors of other programs, known by the names of their tensors. */
#include "frameworks.h"

#include <string.h>

typedef struct
{
  const char *part;   /* a name begins with this, "" fits all */
  const char *prefix; /* before the names of a torchvision ResNet, NULL: none */
  const char *what;
} Framework;

/* The first that fits. */
static const Framework frameworks[] = {
  { "roi_heads.", "backbone.body.", "a two-stage detector of torchvision" },
  { "head.", "backbone.body.", "a detector of torchvision" },
  { "", "backbone.body.", "a network of torchvision" },
  { "", "backbone.0.body.", "DETR or one like it" },
  { "", "model.backbone.conv_encoder.model.", "DETR of Hugging Face" },
  { "roi_head.", "backbone.", "a two-stage detector of MMDetection" },
  { "bbox_head.", "backbone.", "a detector of MMDetection" },
  { "mask_head.", "backbone.", "a network of MMDetection" },
  { "decode_head.", "backbone.", "a network of MMSegmentation" },
  { "queue", "encoder_q.", "MoCo" },
  { "model.0.conv.", NULL, "a YOLO of ultralytics" },
  { "0.conv.", NULL, "a YOLO of ultralytics" },
  { "backbone.backbone.", NULL, "YOLOX" },
  { "backbone.stem.conv.", NULL, "a detector of MMDetection without a ResNet" },
  { "backbone.patch_embed.", NULL, "a detector around a transformer" },
  { "patch_embed.", NULL, "a vision transformer" },
  { "resnet.embedder.", NULL, "a ResNet of Hugging Face" },
  { "vit.", NULL, "a vision transformer of Hugging Face" },
  { "features.0.0.", NULL, "a MobileNet or EfficientNet of torchvision" },
  { "features.0.", NULL, "a VGG of torchvision" },
  { "conv_stem.", NULL, "an EfficientNet of timm" },
  { "stages.0.", NULL, "a ConvNeXt" },
};

static gboolean
has_part (const DefcnForeign *foreign, const char *part)
{
  for (guint i = 0; i < foreign->tensors->len; i++) {
    const DefcnForeignTensor *t = foreign->tensors->pdata[i];

    if (g_str_has_prefix (t->name, part))
      return TRUE;
  }
  return FALSE;
}

static gboolean
has_resnet (const DefcnForeign *foreign, const char *prefix)
{
  static const char *const names[] = { "conv1.weight",
    "layer1.0.conv1.weight" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *name = g_strconcat (prefix, names[i], NULL);

    if (!defcn_foreign_lookup (foreign, name))
      return FALSE;
  }
  return TRUE;
}

/* What stands before the names of a ResNet, whatever it is; (transfer full), or
 * NULL. */
static char *
find_prefix (const DefcnForeign *foreign)
{
  static const char name[] = "layer1.0.conv1.weight";

  for (guint i = 0; i < foreign->tensors->len; i++) {
    const DefcnForeignTensor *t = foreign->tensors->pdata[i];

    if (!g_str_has_suffix (t->name, name) || g_str_equal (t->name, name))
      continue;
    g_autofree char *prefix =
        g_strndup (t->name, strlen (t->name) - strlen (name));
    if (g_str_has_suffix (prefix, ".") && has_resnet (foreign, prefix))
      return g_steal_pointer (&prefix);
  }
  return NULL;
}

const char *
defcn_frameworks_find (char **prefix, const DefcnForeign *foreign)
{
  *prefix = NULL;
  if (has_resnet (foreign, "")) /* by itself */
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (frameworks); i++) {
    const Framework *f = &frameworks[i];

    if (!has_part (foreign, f->part)
        || (f->prefix && !has_resnet (foreign, f->prefix)))
      continue;
    *prefix = g_strdup (f->prefix);
    return f->what;
  }
  *prefix = find_prefix (foreign);
  return *prefix ? "a network around a ResNet" : NULL;
}
