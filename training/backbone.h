/* The words for backbones and the pixels that they take, a recipe's, and what
 * they say of a network.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "spec.h"

G_BEGIN_DECLS

/* What defcn_backbone_read() and defcn_backbone_read_pixels() take. */
#define DEFCN_BACKBONE_WORDS                                                   \
  "resnet18, 34, 50, 101, 152, resnext101_32x8d and its like, or mobilenetv2"
#define DEFCN_BACKBONE_PIXELS "msra, fair or torchvision"

/* Sets backbone, depth, groups and widths of @spec from "resnet50",
 * "resnext101_32x8d" (32 groups, 8 channels in each of res2) or "mobilenetv2".
 * FALSE, and nothing is set, for another word. */
gboolean defcn_backbone_read (DefcnSpec *spec, const char *word);
/* The word of @spec's backbone, (transfer full). */
char *defcn_backbone_word (const DefcnSpec *spec);

/* What people call it, "ResNeXt-101 32x8d, DCNv2 from res3 on"; (transfer
 * full). */
char *defcn_backbone_title (const DefcnSpec *spec);

/* Sets order, mean and deviation of @rule: "msra" (BGR, 0 .. 255 minus the
 * mean), "fair" (the same over the deviation: its ResNeXts), "torchvision"
 * (RGB, mean and deviation).  FALSE for another word. */
gboolean defcn_backbone_read_pixels (DefcnInputRule *rule, const char *word);
/* The word of @rule, static; NULL where there is none. */
const char *defcn_backbone_pixels (const DefcnInputRule *rule);

G_END_DECLS
