/* Words for backbones and their pixels. */
#include "backbone.h"

#include <stdio.h>
#include <string.h>

static const struct
{
  const char *word;
  gboolean bgr;
  float mean[3], std[3];
} pixels[] = {
  { "msra", TRUE, { 103.53f, 116.28f, 123.675f }, { 1, 1, 1 } },
  { "fair", TRUE, { 103.53f, 116.28f, 123.675f },
      { 57.375f, 57.12f, 58.395f } },
  { "torchvision", FALSE, { 123.675f, 116.28f, 103.53f },
      { 58.395f, 57.12f, 57.375f } },
};

/* "resnext101_32x8d": depth, groups and their width; "resnet50". */
static gboolean
read_resnet (int *depth, int *groups, int *width, const char *word)
{
  static const int depths[] = { 50, 101, 152, 18, 34 };
  char text[40];

  *groups = 1;
  *width = 64;
  if (sscanf (word, "resnext%3d_%4dx%4dd", depth, groups, width) == 3) {
    if (*groups < 2 || *groups > 1024 || *width < 1 || *width > 1024)
      return FALSE;
    g_snprintf (text, sizeof text, "resnext%d_%dx%dd", *depth, *groups, *width);
  } else if (sscanf (word, "resnet%3d", depth) == 1) {
    g_snprintf (text, sizeof text, "resnet%d", *depth);
  } else {
    return FALSE;
  }
  for (gsize i = 0; i < (*groups > 1 ? 3 : G_N_ELEMENTS (depths)); i++)
    if (*depth == depths[i])
      return g_str_equal (word, text); /* and nothing behind it */
  return FALSE;
}

gboolean
defcn_backbone_read (DefcnSpec *spec, const char *word)
{
  int depth, groups, width;

  if (g_str_equal (word, "mobilenetv2")) {
    spec->backbone = DEFCN_BACKBONE_MOBILENETV2;
    spec->depth = 0;
    return TRUE;
  }
  if (!read_resnet (&depth, &groups, &width, word))
    return FALSE;
  spec->backbone = DEFCN_BACKBONE_RESNET;
  spec->depth = depth;
  spec->groups = groups;
  spec->group_width = width;
  spec->res2_channels = depth < 50 ? 64 : 256;
  return TRUE;
}

char *
defcn_backbone_word (const DefcnSpec *spec)
{
  if (spec->backbone == DEFCN_BACKBONE_MOBILENETV2)
    return g_strdup ("mobilenetv2");
  return spec->groups > 1 ? g_strdup_printf ("resnext%d_%dx%dd", spec->depth,
             spec->groups, spec->group_width)
                          : g_strdup_printf ("resnet%d", spec->depth);
}

char *
defcn_backbone_title (const DefcnSpec *spec)
{
  GString *text = g_string_new (NULL);

  if (spec->backbone == DEFCN_BACKBONE_MOBILENETV2)
    g_string_append (text, "MobileNetV2");
  else if (spec->groups > 1)
    g_string_append_printf (text, "ResNeXt-%d %dx%d", spec->depth, spec->groups,
        spec->group_width);
  else
    g_string_append_printf (text, "ResNet-%d", spec->depth);
  if (spec->dcn_from > 0)
    g_string_append_printf (text, ", %s from res%d on",
        spec->dcn_modulated ? "DCNv2" : "DCN", spec->dcn_from);
  return g_string_free (text, FALSE);
}

gboolean
defcn_backbone_read_pixels (DefcnInputRule *rule, const char *word)
{
  for (gsize i = 0; i < G_N_ELEMENTS (pixels); i++) {
    if (!g_str_equal (word, pixels[i].word))
      continue;
    rule->bgr = pixels[i].bgr;
    memcpy (rule->mean, pixels[i].mean, sizeof rule->mean);
    memcpy (rule->std, pixels[i].std, sizeof rule->std);
    return TRUE;
  }
  return FALSE;
}

const char *
defcn_backbone_pixels (const DefcnInputRule *rule)
{
  for (gsize i = 0; i < G_N_ELEMENTS (pixels); i++) {
    if (!rule->bgr == !pixels[i].bgr
        && memcmp (rule->mean, pixels[i].mean, sizeof rule->mean) == 0
        && memcmp (rule->std, pixels[i].std, sizeof rule->std) == 0)
      return pixels[i].word;
  }
  return NULL;
}
