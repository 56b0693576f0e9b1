/* Every row of a backend over a table of cases: the reference against finite
 * differences, any other backend (DEFCN_TEST_BACKEND) against the reference. */
#include "rig.h"

#include <math.h>
#include <string.h>

#include "../testing.h"

typedef enum
{
  RANDOM, /* -1 .. 1 */
  LARGE,  /* -1e4 .. 1e4 */
  TIES,   /* -1, 0 or 1: the order in which winners are sought matters */
  ZEROS,
} Fill;

typedef struct
{
  const char *name;
  RigShape shape;
  Fill fill;
  double tolerance; /* other backends, times the largest value */
} Case;

#define CONV(n, h, w, c, out, size, stride, groups, flags_)                    \
  {                                                                            \
    DEFCN_OP_CONV, n, h, w, c, out, size, stride, groups, .flags = flags_      \
  }
#define DEFORM(n, h, w, c, out, size, stride, groups, offsets_, flags_)        \
  {                                                                            \
    DEFCN_OP_DEFORM_CONV, n, h, w, c, out, size, stride, groups,               \
        .offsets = offsets_, .flags = flags_                                   \
  }
#define PLAIN(kind, n, h, w, c, flags_)                                        \
  {                                                                            \
    kind, n, h, w, c, .flags = flags_                                          \
  }
#define POOL(n, h, w, c, flags_)                                               \
  {                                                                            \
    DEFCN_OP_MAX_POOL, n, h, w, c, .stride = 2, .flags = flags_                \
  }
#define RECTIFIER(...) PLAIN (DEFCN_OP_RELU, __VA_ARGS__)
#define UPSAMPLE(n, h, w, c, flags_)                                           \
  {                                                                            \
    DEFCN_OP_UPSAMPLE_ADD, n, h, w, c, .inputs = { { (h) / 2, (w) / 2 } },     \
                                       .flags = flags_                         \
  }
#define NORM(n, h, w, c, groups_, flags_)                                      \
  {                                                                            \
    DEFCN_OP_GROUP_NORM, n, h, w, c, .groups = groups_, .vector = c,           \
                                     .flags = BIAS | (flags_)                  \
  }
#define BOX(n, h, w, c, factor_, flags_)                                       \
  {                                                                            \
    DEFCN_OP_BOX, n, h, w, c, .vector = 1, .flags = PRECISE | (flags_),        \
                              .node = {                                        \
                                .factor = factor_                              \
                              }                                                \
  }
#define BOX_EXP(n, h, w, c, factor_, flags_)                                   \
  {                                                                            \
    DEFCN_OP_BOX, n, h, w, c, .vector = 1, .flags = PRECISE | (flags_),        \
                              .node = {                                        \
                                .factor = factor_,                             \
                                .exponential = TRUE                            \
                              }                                                \
  }
/* Of one anchor beside its location. */
#define ANCHORED(n, h, w, flags_)                                              \
  {                                                                            \
    DEFCN_OP_ANCHORS, n, h, w, 4, .flags = PRECISE | (flags_), .node = {       \
      .n_anchors = 1,                                                          \
      .anchors = { { -4, 2, 12, 20 } }                                         \
    }                                                                          \
  }
/* Of three, more than a block of channels, of sizes of their own. */
#define THREE(n, h, w, flags_)                                                 \
  {                                                                            \
    DEFCN_OP_ANCHORS, n, h, w, 12, .flags = PRECISE | (flags_), .node = {      \
      .n_anchors = 3,                                                          \
      .anchors = { { -4, 2, 12, 20 }, { 0, 0, 5, 7 }, { 1, 3, 2, 16 } }        \
    }                                                                          \
  }
#define TUBE(n, h, w, c, at, phi_, flags_, n_levels_, ...)                     \
  {                                                                            \
    DEFCN_OP_TUBE_MAX, n, h, w, c, .inputs = { __VA_ARGS__ }, .flags = flags_, \
                                   .node = {                                   \
                                     .n_levels = n_levels_,                    \
                                     .self = at,                               \
                                     .phi = phi_                               \
                                   }                                           \
  }

static const Case cases[] = {
  { "conv/3x3", CONV (1, 8, 8, 16, 16, 3, 1, 1, 0), RANDOM, 2e-5 },
  { "conv/3x3-bias-relu", CONV (1, 9, 7, 32, 24, 3, 1, 1, BIAS | RELU), RANDOM,
      2e-5 },
  { "conv/3x3-odd-channels", CONV (2, 7, 5, 5, 3, 3, 1, 1, BIAS), RANDOM,
      2e-5 },
  { "conv/3x3-to-one", CONV (2, 6, 9, 20, 1, 3, 1, 1, BIAS), RANDOM, 2e-5 },
  { "conv/3x3-to-four", CONV (1, 6, 9, 24, 4, 3, 1, 1, BIAS | ADD_0), RANDOM,
      2e-5 },
  { "conv/3x3-to-classes", CONV (1, 5, 4, 16, 80, 3, 1, 1, BIAS), RANDOM,
      2e-5 },
  { "conv/3x3-one-channel", CONV (1, 6, 5, 1, 4, 3, 1, 1, BIAS | RELU), RANDOM,
      2e-5 },
  { "conv/3x3-residual",
      CONV (2, 5, 7, 16, 16, 3, 1, 1, BIAS | RESIDUAL | RELU), RANDOM, 2e-5 },
  { "conv/3x3-stride", CONV (1, 9, 11, 16, 24, 3, 2, 1, BIAS), RANDOM, 2e-5 },
  { "conv/3x3-stride-even", CONV (2, 8, 6, 20, 16, 3, 2, 1, BIAS | ADD_0),
      RANDOM, 2e-5 },
  { "conv/3x3-large-map", CONV (1, 21, 18, 16, 16, 3, 1, 1, BIAS | RELU),
      RANDOM, 2e-5 },
  { "conv/3x3-wide", CONV (1, 5, 40, 64, 64, 3, 1, 1, BIAS), RANDOM, 2e-5 },
  { "conv/3x3-large-odd",
      CONV (2, 22, 19, 40, 23, 3, 1, 1, BIAS | RESIDUAL | RELU | ADD_0), RANDOM,
      2e-5 },
  { "conv/3x3-large-whole", CONV (1, 28, 24, 48, 48, 3, 1, 1, ADD_OTHERS),
      RANDOM, 2e-5 },
  { "conv/3x3-large-to-one", CONV (2, 25, 17, 33, 1, 3, 1, 1, BIAS), RANDOM,
      2e-5 },
  { "conv/3x3-large-to-four", CONV (1, 26, 26, 16, 4, 3, 1, 1, BIAS | ADD_0),
      RANDOM, 2e-5 },
  { "conv/3x3-large-values", CONV (1, 24, 24, 16, 32, 3, 1, 1, BIAS), LARGE,
      2e-5 },
  { "conv/3x3-large-frozen", CONV (1, 23, 30, 24, 40, 3, 1, 1, FROZEN), RANDOM,
      2e-5 },
  { "conv/3x3-large-leaf", CONV (1, 23, 30, 24, 40, 3, 1, 1, BIAS | NO_DX0),
      RANDOM, 2e-5 },
  { "conv/3x3-many-tiles", CONV (1, 44, 43, 3, 40, 3, 1, 1, 0), RANDOM, 2e-5 },
  { "conv/3x3-pieces", CONV (1, 44, 43, 250, 2, 3, 1, 1, BIAS), RANDOM, 2e-5 },
  { "conv/3x3-one-pixel", CONV (1, 1, 1, 16, 16, 3, 1, 1, BIAS), RANDOM, 2e-5 },
  { "conv/3x3-one-row", CONV (2, 1, 3, 8, 8, 3, 1, 1, BIAS | RELU), RANDOM,
      2e-5 },
  { "conv/3x3-one-pixel-stride", CONV (1, 2, 1, 16, 8, 3, 2, 1, BIAS), RANDOM,
      2e-5 },
  { "conv/3x3-accumulate", CONV (1, 7, 6, 16, 16, 3, 1, 1, BIAS | RELU | ADD_0),
      RANDOM, 2e-5 },
  { "conv/3x3-frozen", CONV (1, 7, 6, 16, 16, 3, 1, 1, BIAS | FROZEN), RANDOM,
      2e-5 },
  { "conv/3x3-frozen-add",
      CONV (1, 7, 6, 16, 16, 3, 1, 1, BIAS | FROZEN | ADD_0 | RELU), RANDOM,
      2e-5 },
  { "conv/3x3-leaf", CONV (2, 6, 6, 16, 8, 3, 1, 1, BIAS | NO_DX0), RANDOM,
      2e-5 },
  { "conv/3x3-leaf-no-bias", CONV (2, 6, 6, 16, 8, 3, 1, 1, NO_DX0 | RELU),
      RANDOM, 2e-5 },
  { "conv/3x3-all-frozen",
      CONV (1, 6, 6, 16, 16, 3, 1, 1, BIAS | FROZEN | NO_DX0 | RESIDUAL | RELU),
      RANDOM, 2e-5 },
  { "conv/3x3-depthwise", CONV (1, 7, 9, 24, 24, 3, 1, 24, BIAS | RELU), RANDOM,
      2e-5 },
  { "conv/3x3-depthwise-stride", CONV (2, 7, 6, 20, 20, 3, 2, 20, 0), RANDOM,
      2e-5 },
  { "conv/3x3-depthwise-residual",
      CONV (2, 6, 7, 16, 16, 3, 1, 16, BIAS | RESIDUAL | RELU), RANDOM, 2e-5 },
  { "conv/3x3-depthwise-double", CONV (1, 5, 6, 8, 16, 3, 1, 8, BIAS | ADD_0),
      RANDOM, 2e-5 },
  { "conv/3x3-depthwise-odd",
      CONV (3, 9, 13, 40, 40, 3, 1, 40, BIAS | RELU | ADD_0), RANDOM, 2e-5 },
  { "conv/3x3-depthwise-frozen",
      CONV (2, 6, 5, 16, 16, 3, 1, 16, FROZEN | RELU), RANDOM, 2e-5 },
  { "conv/3x3-depthwise-leaf", CONV (2, 6, 5, 16, 16, 3, 1, 16, BIAS | NO_DX0),
      RANDOM, 2e-5 },
  { "conv/3x3-depthwise-pixel", CONV (2, 1, 1, 16, 16, 3, 1, 16, BIAS), RANDOM,
      2e-5 },
  { "conv/3x3-depthwise-stride-odd",
      CONV (2, 9, 13, 24, 24, 3, 2, 24, BIAS | RELU), RANDOM, 2e-5 },
  { "conv/3x3-depthwise-stride-even",
      CONV (2, 8, 10, 24, 24, 3, 2, 24, BIAS | RELU | ADD_0), RANDOM, 2e-5 },
  { "conv/3x3-depthwise-stride-leaf",
      CONV (1, 8, 11, 24, 24, 3, 2, 24, BIAS | RELU | NO_DX0), RANDOM, 2e-5 },
  { "conv/3x3-depthwise-stride-pixel",
      CONV (2, 1, 2, 16, 16, 3, 2, 16, BIAS | ADD_0), RANDOM, 2e-5 },
  { "conv/3x3-grouped", CONV (1, 6, 7, 32, 32, 3, 1, 4, BIAS | RELU), RANDOM,
      2e-5 },
  { "conv/3x3-grouped-stride", CONV (2, 6, 7, 64, 64, 3, 2, 8, 0), RANDOM,
      2e-5 },
  { "conv/3x3-grouped-odd", CONV (1, 5, 6, 15, 9, 3, 1, 3, BIAS | ADD_0),
      RANDOM, 2e-5 },
  { "conv/3x3-grouped-narrow",
      CONV (1, 6, 7, 32, 32, 3, 1, 8, BIAS | RELU | ADD_0), RANDOM, 2e-5 },
  { "conv/3x3-grouped-merged-stride", CONV (2, 9, 7, 96, 48, 3, 2, 12, BIAS),
      RANDOM, 2e-5 },
  { "conv/1x1-grouped-unequal", CONV (1, 5, 6, 48, 96, 1, 1, 6, RESIDUAL),
      RANDOM, 2e-5 },
  { "conv/1x1", CONV (1, 7, 9, 32, 16, 1, 1, 1, 0), RANDOM, 2e-5 },
  { "conv/1x1-batch", CONV (3, 5, 6, 24, 20, 1, 1, 1, BIAS | RELU), RANDOM,
      2e-5 },
  { "conv/1x1-stride", CONV (1, 7, 9, 16, 32, 1, 2, 1, 0), RANDOM, 2e-5 },
  { "conv/1x1-stride-add", CONV (2, 8, 6, 20, 16, 1, 2, 1, BIAS | ADD_0),
      RANDOM, 2e-5 },
  { "conv/1x1-residual",
      CONV (1, 5, 7, 16, 64, 1, 1, 1, BIAS | RESIDUAL | RELU), RANDOM, 2e-5 },
  { "conv/1x1-residual-add",
      CONV (1, 5, 7, 16, 20, 1, 1, 1, RESIDUAL | ADD_0 | ADD_OTHERS), RANDOM,
      2e-5 },
  { "conv/1x1-residual-add-relu",
      CONV (1, 5, 7, 16, 64, 1, 1, 1, BIAS | RESIDUAL | RELU | ADD_OTHERS),
      RANDOM, 2e-5 },
  { "conv/1x1-residual-leaf",
      CONV (1, 5, 7, 16, 16, 1, 1, 1, RESIDUAL | RELU | NO_DX1), RANDOM, 2e-5 },
  { "conv/1x1-odd-channels", CONV (2, 4, 5, 3, 5, 1, 1, 1, BIAS), RANDOM,
      2e-5 },
  { "conv/5x5", CONV (1, 7, 6, 8, 8, 5, 1, 1, BIAS), RANDOM, 2e-5 },
  { "conv/7x7", CONV (1, 10, 9, 8, 8, 7, 1, 1, BIAS | RELU), RANDOM, 2e-5 },
  { "conv/7x7-smaller-map", CONV (1, 3, 2, 4, 8, 7, 2, 1, BIAS), RANDOM, 2e-5 },
  { "conv/stem", CONV (2, 17, 14, 3, 16, 7, 2, 1, BIAS | RELU | INPUT), RANDOM,
      2e-5 },
  { "conv/stem-odd", CONV (1, 13, 15, 3, 20, 7, 2, 1, RELU | INPUT | FROZEN),
      RANDOM, 2e-5 },
  { "conv/stem-3x3", CONV (1, 12, 10, 3, 16, 3, 2, 1, BIAS | RELU | INPUT),
      RANDOM, 2e-5 },
  { "conv/3x3-zeros", CONV (1, 6, 7, 16, 16, 3, 1, 1, BIAS | RELU), ZEROS, 0 },
  { "conv/3x3-large", CONV (1, 6, 7, 16, 16, 3, 1, 1, BIAS), LARGE, 2e-5 },
  { "conv/1x1-large", CONV (1, 6, 7, 20, 16, 1, 1, 1, BIAS | RELU), LARGE,
      2e-5 },

  { "deform/masks", DEFORM (1, 8, 7, 16, 24, 3, 1, 1, 27, BIAS), RANDOM, 2e-5 },
  { "deform/offsets", DEFORM (1, 6, 7, 24, 16, 3, 1, 1, 18, BIAS | RELU),
      RANDOM, 2e-5 },
  { "deform/odd-channels", DEFORM (2, 7, 5, 5, 3, 3, 1, 1, 27, BIAS | RELU),
      RANDOM, 2e-5 },
  { "deform/no-bias", DEFORM (1, 5, 6, 20, 8, 3, 1, 1, 27, RELU), RANDOM,
      2e-5 },
  { "deform/stride", DEFORM (2, 9, 11, 16, 24, 3, 2, 1, 27, BIAS), RANDOM,
      2e-5 },
  { "deform/1x1", DEFORM (1, 6, 5, 16, 8, 1, 1, 1, 3, BIAS), RANDOM, 2e-5 },
  { "deform/5x5", DEFORM (1, 7, 6, 8, 8, 5, 1, 1, 75, BIAS), RANDOM, 2e-5 },
  { "deform/narrow-groups", DEFORM (1, 6, 7, 16, 32, 3, 1, 8, 27, BIAS), RANDOM,
      2e-5 },
  { "deform/whole-groups",
      DEFORM (2, 6, 7, 64, 32, 3, 1, 2, 27, BIAS | RELU | ADD_0 | ADD_OTHERS),
      RANDOM, 2e-5 },
  { "deform/odd-groups", DEFORM (2, 5, 6, 12, 6, 3, 1, 3, 27, BIAS), RANDOM,
      2e-5 },
  { "deform/depthwise", DEFORM (1, 6, 5, 24, 24, 3, 1, 24, 27, BIAS), RANDOM,
      2e-5 },
  { "deform/residual",
      DEFORM (1, 6, 7, 16, 16, 3, 1, 1, 27, BIAS | RELU | RESIDUAL), RANDOM,
      2e-5 },
  { "deform/residual-add",
      DEFORM (2, 5, 4, 8, 20, 3, 1, 1, 18, RESIDUAL | ADD_OTHERS), RANDOM,
      2e-5 },
  { "deform/add", DEFORM (2, 6, 5, 16, 8, 3, 1, 1, 27, BIAS | RELU | ADD_0),
      RANDOM, 2e-5 },
  { "deform/frozen", DEFORM (1, 6, 5, 16, 8, 3, 1, 1, 27, BIAS | FROZEN),
      RANDOM, 2e-5 },
  { "deform/leaf", DEFORM (1, 6, 5, 16, 8, 3, 1, 1, 27, BIAS | NO_DX0), RANDOM,
      2e-5 },
  { "deform/fixed-offsets", DEFORM (1, 6, 5, 16, 8, 3, 1, 1, 27, NO_DX1),
      RANDOM, 2e-5 },
  { "deform/weights-alone",
      DEFORM (1, 6, 5, 16, 8, 3, 1, 1, 27, NO_DX0 | NO_DX1), RANDOM, 2e-5 },
  { "deform/all-frozen",
      DEFORM (1, 5, 5, 16, 8, 3, 1, 1, 27, BIAS | FROZEN | NO_DX0 | NO_DX1),
      RANDOM, 2e-5 },
  { "deform/one-pixel", DEFORM (2, 1, 1, 8, 8, 3, 1, 1, 27, BIAS), RANDOM,
      2e-5 },
  { "deform/long", DEFORM (2, 19, 21, 16, 8, 3, 1, 1, 27, BIAS | RELU), RANDOM,
      2e-5 },
  { "deform/long-groups", DEFORM (1, 25, 31, 32, 32, 3, 2, 2, 27, RELU | ADD_0),
      RANDOM, 2e-5 },
  { "deform/whole-pixels", DEFORM (1, 6, 7, 16, 8, 3, 1, 1, 27, BIAS), TIES,
      2e-5 },
  { "deform/zeros", DEFORM (1, 6, 7, 16, 16, 3, 1, 1, 27, BIAS | RELU), ZEROS,
      0 },
  { "deform/large", DEFORM (1, 6, 7, 16, 16, 3, 1, 1, 27, BIAS), LARGE, 2e-5 },

  { "max-pool/even", POOL (1, 8, 10, 16, 0), RANDOM, 0 },
  { "max-pool/odd", POOL (2, 7, 9, 5, 0), RANDOM, 0 },
  { "max-pool/add", POOL (2, 9, 6, 24, ADD_0), RANDOM, 1e-6 },
  { "max-pool/one-pixel", POOL (1, 1, 1, 8, 0), RANDOM, 0 },
  { "max-pool/leaf", POOL (1, 4, 5, 20, NO_DX0), RANDOM, 0 },
  { "max-pool/ties", POOL (2, 7, 8, 16, 0), TIES, 1e-6 },
  { "max-pool/large", POOL (1, 7, 8, 3, 0), LARGE, 1e-6 },
  { "max-pool/zeros", POOL (1, 4, 4, 8, 0), ZEROS, 1e-6 },

  { "relu/plain", RECTIFIER (1, 7, 5, 24, 0), RANDOM, 0 },
  { "relu/add", RECTIFIER (2, 3, 5, 5, ADD_0), RANDOM, 1e-6 },
  { "relu/leaf", RECTIFIER (1, 3, 5, 8, NO_DX0), RANDOM, 0 },
  { "relu/large-map", RECTIFIER (1, 40, 30, 16, ADD_0), RANDOM, 1e-6 },
  { "relu/zero-is-off", RECTIFIER (1, 3, 5, 16, 0), TIES, 0 },
  { "relu/large", RECTIFIER (1, 3, 3, 3, 0), LARGE, 0 },

  { "group-norm/32", NORM (2, 5, 7, 64, 32, RELU), RANDOM, 1e-5 },
  { "group-norm/single-channels", NORM (1, 6, 5, 32, 32, 0), RANDOM, 1e-5 },
  { "group-norm/wide-groups", NORM (1, 3, 4, 256, 32, RELU | ADD_0), RANDOM,
      1e-5 },
  { "group-norm/odd", NORM (3, 3, 5, 20, 5, ADD_0), RANDOM, 1e-5 },
  { "group-norm/one-group", NORM (1, 4, 3, 5, 1, RELU), RANDOM, 1e-5 },
  { "group-norm/large-map", NORM (1, 40, 33, 8, 4, RELU), RANDOM, 2e-5 },
  { "group-norm/frozen", NORM (2, 4, 3, 24, 3, FROZEN), RANDOM, 1e-5 },
  { "group-norm/leaf", NORM (2, 4, 3, 24, 3, NO_DX0 | RELU), RANDOM, 1e-5 },
  { "group-norm/large", NORM (1, 5, 4, 16, 4, RELU), LARGE, 1e-5 },
  { "group-norm/zeros", NORM (1, 3, 4, 16, 4, 0), ZEROS, 1e-5 },

  { "upsample-add/plain", UPSAMPLE (1, 8, 6, 16, 0), RANDOM, 1e-6 },
  { "upsample-add/add", UPSAMPLE (2, 6, 10, 5, ADD_0 | ADD_OTHERS), RANDOM,
      1e-6 },
  { "upsample-add/add-fine", UPSAMPLE (1, 2, 2, 24, ADD_0), RANDOM, 1e-6 },
  { "upsample-add/no-fine", UPSAMPLE (1, 4, 2, 20, NO_DX0), RANDOM, 1e-6 },
  { "upsample-add/no-coarse", UPSAMPLE (1, 4, 2, 8, NO_DX1), RANDOM, 1e-6 },
  { "upsample-add/large", UPSAMPLE (1, 4, 6, 3, ADD_OTHERS), LARGE, 1e-6 },

  { "tube-max/middle",
      TUBE (1, 6, 10, 16, 1, 3, 0, 3, { 12, 20 }, { 6, 10 }, { 3, 5 }), RANDOM,
      1e-5 },
  { "tube-max/finest", TUBE (2, 8, 6, 5, 0, 3, RELU, 2, { 8, 6 }, { 4, 3 }),
      RANDOM, 1e-5 },
  { "tube-max/coarsest", TUBE (1, 1, 2, 24, 1, 3, 0, 2, { 2, 3 }, { 1, 2 }),
      RANDOM, 1e-5 },
  { "tube-max/odd-sizes",
      TUBE (1, 5, 7, 20, 1, 3, RELU, 3, { 9, 13 }, { 5, 7 }, { 3, 4 }), RANDOM,
      1e-5 },
  { "tube-max/five-levels",
      TUBE (1, 4, 5, 8, 2, 5, 0, 5, { 16, 20 }, { 8, 10 }, { 4, 5 }, { 2, 3 },
          { 1, 2 }),
      RANDOM, 1e-5 },
  { "tube-max/one-level", TUBE (2, 5, 4, 8, 0, 3, 0, 1, { 5, 4 }), RANDOM,
      1e-5 },
  { "tube-max/phi-1",
      TUBE (1, 6, 4, 8, 1, 1, RELU, 3, { 12, 8 }, { 6, 4 }, { 3, 2 }), RANDOM,
      1e-5 },
  { "tube-max/nothing", TUBE (1, 3, 4, 8, 0, 1, 0, 1, { 3, 4 }), RANDOM, 1e-5 },
  { "tube-max/phi-5",
      TUBE (1, 3, 7, 3, 1, 5, 0, 3, { 6, 14 }, { 3, 7 }, { 2, 4 }), RANDOM,
      1e-5 },
  { "tube-max/add",
      TUBE (2, 4, 6, 16, 1, 3, RELU | ADD_0 | ADD_OTHERS, 3, { 8, 12 },
          { 4, 6 }, { 2, 3 }),
      RANDOM, 1e-5 },
  { "tube-max/add-levels",
      TUBE (1, 4, 6, 16, 1, 3, ADD_OTHERS, 3, { 8, 12 }, { 4, 6 }, { 2, 3 }),
      RANDOM, 1e-5 },
  { "tube-max/leaf",
      TUBE (1, 4, 6, 16, 1, 3, NO_DX0 | NO_DX1, 3, { 8, 12 }, { 4, 6 },
          { 2, 3 }),
      RANDOM, 1e-5 },
  { "tube-max/ties",
      TUBE (1, 4, 6, 8, 1, 3, 0, 3, { 8, 12 }, { 4, 6 }, { 2, 3 }), TIES,
      1e-5 },
  { "tube-max/zeros", TUBE (1, 4, 6, 8, 1, 3, 0, 2, { 8, 12 }, { 4, 6 }), ZEROS,
      1e-5 },
  { "tube-max/large", TUBE (1, 4, 6, 8, 0, 3, 0, 2, { 4, 6 }, { 2, 3 }), LARGE,
      1e-5 },

  { "box/relu", BOX (2, 5, 7, 4, 8, 0), RANDOM, 1e-5 },
  { "box/relu-add", BOX (1, 3, 5, 4, 128, ADD_0), RANDOM, 1e-5 },
  { "box/exp", BOX_EXP (1, 5, 4, 4, 16, 0), RANDOM, 1e-5 },
  { "box/exp-add", BOX_EXP (2, 3, 3, 4, 1, ADD_0), RANDOM, 1e-5 },
  { "box/frozen", BOX (1, 3, 5, 4, 8, FROZEN), RANDOM, 1e-5 },
  { "box/leaf", BOX (1, 3, 5, 4, 8, NO_DX0), RANDOM, 1e-5 },
  { "box/zeros", BOX (1, 3, 5, 4, 8, 0), ZEROS, 0 },
  { "box/zero-is-off", BOX (1, 3, 5, 4, 8, 0), TIES, 1e-6 },
  { "box/large", BOX (1, 3, 5, 4, 8, 0), LARGE, 1e-6 },

  { "anchors/one", ANCHORED (2, 5, 7, 0), RANDOM, 1e-5 },
  { "anchors/add", ANCHORED (1, 3, 5, ADD_0), RANDOM, 1e-5 },
  { "anchors/three", THREE (2, 4, 3, 0), RANDOM, 1e-5 },
  { "anchors/three-add", THREE (1, 5, 3, ADD_0), RANDOM, 1e-5 },
  { "anchors/leaf", ANCHORED (1, 3, 5, NO_DX0), RANDOM, 1e-5 },
  { "anchors/zeros", ANCHORED (1, 3, 5, 0), ZEROS, 1e-6 },
  { "anchors/large", ANCHORED (1, 3, 5, 0), LARGE, 1e-5 },
};

static const char *const slot_names[N_SLOTS] = { "x0", "x1", "x2", "x3", "x4",
  "x5", "x6", "x7", "w", "b" };

/* What a case feeds in. */
typedef struct
{
  float *data[N_SLOTS];
  float *grads[N_SLOTS]; /* what stands in the gradients before backward */
  float *dy;
} Feed;

/* What comes out. */
typedef struct
{
  float *y;
  float *grads[N_SLOTS];
} Result;

static void
feed_clear (Feed *feed)
{
  for (int i = 0; i < N_SLOTS; i++) {
    g_free (feed->data[i]);
    g_free (feed->grads[i]);
  }
  g_free (feed->dy);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Feed, feed_clear)

static void
result_clear (Result *result)
{
  g_free (result->y);
  for (int i = 0; i < N_SLOTS; i++)
    g_free (result->grads[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

/* Parameters are always added to. */
static gboolean
adds_gradient (const Rig *rig, int slot)
{
  return slot >= SLOT_W || rig->node.accumulate[slot];
}

/* What moves the taps of a deformable convolution: pixels, whatever x is. */
static gboolean
is_offsets (const Case *c, int slot)
{
  return slot == 1 && c->shape.offsets > 0;
}

static gboolean
is_large (const Case *c, int slot)
{
  return c->fill == LARGE && slot < SLOT_W && !is_offsets (c, slot);
}

static float *
fill_slot (GRand *rand, const Case *c, const Rig *rig, int slot)
{
  const DefcnTensor *t = rig->slots[slot];
  gsize len = defcn_tensor_len (t);
  float scale = is_large (c, slot) ? 1e4 : is_offsets (c, slot) ? 1.75 : 1;
  float *values;

  /* weights that keep y as large as x */
  if (slot == SLOT_W && c->shape.out > 0)
    scale = sqrtf (3.0f / ((float) t->h * t->w * t->c));
  values = testing_random (rand, len, scale);
  for (gsize i = 0; c->fill == TIES && slot < SLOT_W && i < len; i++)
    values[i] = roundf (values[i]);
  if (c->fill == ZEROS)
    memset (values, 0, len * sizeof (float));
  return values;
}

/* A number of 8 significant bits, which any precision holds exactly: then
 * inputs do not differ between backends, and so maxima do not. */
static void
shorten (float *values, gsize len)
{
  for (gsize i = 0; i < len; i++) {
    guint32 bits;

    memcpy (&bits, &values[i], sizeof bits);
    bits &= 0xffff0000;
    memcpy (&values[i], &bits, sizeof bits);
  }
}

/* A rounding to the precision, twice over; 0: there is none, as on the CPU,
 * which stores float32 and whose inputs here are short already. */
static double
unit (void)
{
  const char *precision = testing_precision ();

  if (!g_str_has_prefix (testing_backend (), "cuda"))
    return 0;
  return g_str_equal (precision, "fp16") || g_str_equal (precision, "tf32")
      ? 1.0 / 2048
      : g_str_equal (precision, "bf16") ? 1.0 / 256
                                        : 0;
}

/* A few roundings of what stands between the inputs and the result. */
static double
tolerance_of (const Case *c, double floor)
{
  return MAX (MAX (c->tolerance, floor), 4 * unit ());
}

/* Sums of a gradient are float32 in any precision.  cuDNN rounds that of a
 * convolution's weight once, when it is whole, and what a deformable one reads
 * has been rounded before; all others are not rounded. */
static double
gradient_tolerance (const Case *c, int slot)
{
  if (slot < SLOT_W)
    return tolerance_of (c, 0);
  return slot == SLOT_W && c->shape.out > 0
      ? MAX (c->tolerance, (c->shape.offsets > 0 ? 2 : 1) * unit ())
      : c->tolerance;
}

static void
feed_fill (Feed *feed, const Case *c, const Rig *rig)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_str_hash (c->name));

  for (int i = 0; i < N_SLOTS; i++) {
    const DefcnTensor *t = rig->slots[i];
    if (!t)
      continue;
    feed->data[i] = fill_slot (rand, c, rig, i);
    /* what is not added to is overwritten, so rubbish there must vanish */
    feed->grads[i] = testing_random (rand, defcn_tensor_len (t),
        adds_gradient (rig, i) ? 1 : 1e6);
    if (!g_str_equal (testing_precision (), "fp32")) {
      shorten (feed->data[i], defcn_tensor_len (t));
      shorten (feed->grads[i], defcn_tensor_len (t));
    }
  }
  feed->dy = testing_random (rand, defcn_tensor_len (rig->node.y), 1);
  if (!g_str_equal (testing_precision (), "fp32"))
    shorten (feed->dy, defcn_tensor_len (rig->node.y));
}

static void
write_data (Rig *rig, const Feed *feed)
{
  for (int i = 0; i < N_SLOTS; i++)
    if (rig->slots[i])
      testing_tensor_write (rig->be, rig->slots[i], feed->data[i]);
}

static void
run_forward (Result *result, Rig *rig, const Feed *feed)
{
  write_data (rig, feed);
  testing_forward (rig->be, &rig->node);
  g_free (result->y);
  result->y = testing_tensor_read (rig->be, rig->node.y);
}

static void
run_backward (Result *result, Rig *rig, const Feed *feed)
{
  testing_tensor_write_grad (rig->be, rig->node.y, feed->dy);
  for (int i = 0; i < N_SLOTS; i++)
    if (rig->slots[i] && rig->slots[i]->grad)
      testing_tensor_write_grad (rig->be, rig->slots[i], feed->grads[i]);
  testing_backward (rig->be, &rig->node);
  for (int i = 0; i < N_SLOTS; i++)
    if (rig->slots[i] && rig->slots[i]->grad) {
      g_free (result->grads[i]);
      result->grads[i] = testing_tensor_read_grad (rig->be, rig->slots[i]);
    }
}

/* sum (dy * (y - y0)): what the loss sum (dy * y) gains from @y0 to @y. */
static double
loss_gain (const float *dy, const float *y, const float *y0, gsize len)
{
  double sum = 0;

  for (gsize i = 0; i < len; i++)
    sum += (double) dy[i] * ((double) y[i] - y0[i]);
  return sum;
}

static float *
forward_shifted (Rig *rig, int slot, float *data, gsize at, float value)
{
  float old = data[at];

  data[at] = value;
  testing_tensor_write (rig->be, rig->slots[slot], data);
  testing_forward (rig->be, &rig->node);
  data[at] = old;
  testing_tensor_write (rig->be, rig->slots[slot], data);
  return testing_tensor_read (rig->be, rig->node.y);
}

/* Checks element @at of the gradient of @slot.  Returns FALSE if there is a
 * kink (ReLU, maximum) within the step, so that nothing can be said. */
static gboolean
check_element (const Case *c, Rig *rig, const Feed *feed, const Result *result,
    int slot, gsize at)
{
  gsize len = defcn_tensor_len (rig->node.y);
  float *data = feed->data[slot];
  float step = 1e-3 * (is_large (c, slot) ? 1e4 : 1);
  float above = data[at] + step, below = data[at] - step;
  g_autofree float *up = forward_shifted (rig, slot, data, at, above);
  g_autofree float *down = forward_shifted (rig, slot, data, at, below);
  double width = (double) above - below, noise = 0;
  double numeric = loss_gain (feed->dy, up, down, len) / width;
  double bend = (loss_gain (feed->dy, up, result->y, len)
                    + loss_gain (feed->dy, down, result->y, len))
      / width;
  double analytic = result->grads[slot][at], tolerance;

  if (adds_gradient (rig, slot))
    analytic -= feed->grads[slot][at];
  /* y is rounded to float, a few times over */
  for (gsize i = 0; i < len; i++)
    if (up[i] != down[i])
      noise += pow (4 * G_MINFLOAT + 4 * 6e-8 * result->y[i] * feed->dy[i], 2);
  tolerance = 5e-3 * MAX (fabs (numeric), 0.1) + 4 * sqrt (noise) / width;
  if (fabs (bend) > 0.5 * tolerance)
    return FALSE;
  if (!(fabs (numeric - analytic) <= tolerance))
    g_error ("%s: gradient %" G_GSIZE_FORMAT " of %s is %.6g, wanted %.6g "
             "within %.2g",
        c->name, at, slot_names[slot], analytic, numeric, tolerance);
  return TRUE;
}

/* The reference's gradients are the derivatives of its own forward. */
static void
check_gradients (const Case *c, Rig *rig, const Feed *feed,
    const Result *result)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (int slot = 0; slot < N_SLOTS; slot++) {
    int checked = 0, smooth = 0;
    if (!result->grads[slot])
      continue;
    for (; checked < 24; checked++) {
      gsize len = defcn_tensor_len (rig->slots[slot]);
      gsize at = len <= 24 ? (gsize) checked % len
                           : (gsize) g_rand_int_range (rand, 0, len);
      smooth += check_element (c, rig, feed, result, slot, at);
    }
    if (smooth * 2 < checked)
      g_error ("%s: only %d of %d gradients of %s could be checked", c->name,
          smooth, checked, slot_names[slot]);
  }
}

/* Another backend computes what the reference does. */
static void
check_same (const Case *c, const Rig *rig, const Result *result,
    const Result *wanted)
{
  testing_assert_close (result->y, wanted->y, defcn_tensor_len (rig->node.y),
      tolerance_of (c, 0), "y");
  for (int i = 0; i < N_SLOTS; i++)
    if (result->grads[i])
      testing_assert_close (result->grads[i], wanted->grads[i],
          defcn_tensor_len (rig->slots[i]), gradient_tolerance (c, i),
          slot_names[i]);
}

static void
check_finite (const Case *c, const Rig *rig, const Result *result)
{
  for (gsize k = 0; k < defcn_tensor_len (rig->node.y); k++)
    g_assert_true (isfinite (result->y[k]));
  for (int i = 0; i < N_SLOTS; i++)
    for (gsize k = 0; result->grads[i] && k < defcn_tensor_len (rig->slots[i]);
         k++)
      g_assert_true (isfinite (result->grads[i][k]));
}

/* A step that was prepared for inference, without gradients, computes the same
 * y, and follows when its inputs and weights are rewritten. */
static void
check_inference (const Case *c, DefcnBackend *be, const Feed *feed,
    const Result *wanted)
{
  g_autoptr (Rig) rig = rig_new (be, &c->shape, FALSE);
  g_auto (Result) result = { NULL };
  g_auto (Feed) other = { { NULL } };
  Case random = *c;

  random.name = "other values";
  random.fill = RANDOM;
  feed_fill (&other, &random, rig);
  run_forward (&result, rig, &other);
  run_forward (&result, rig, feed);
  testing_assert_close (result.y, wanted->y, defcn_tensor_len (rig->node.y),
      tolerance_of (c, 1e-6), "y of inference");
}

/* Which implementation a backend chose, for people. */
static void
show_implementation (const Case *c, Rig *rig)
{
  const DefcnOp *op = &rig->be->ops[c->shape.kind];
  const char *name = op->describe ? op->describe (rig->be, &rig->node) : NULL;

  if (name)
    g_test_message ("%s: %s", c->name, name);
}

static DefcnBackend *
open_backend (const char *name, const char *precision)
{
  g_autoptr (GError) error = NULL;
  DefcnBackend *be = defcn_backend_new_in (name, precision, 2, &error);

  if (!be)
    testing_no_backend (error);
  return be;
}

/* Whether every device has this kind.  One that is new may be the reference's
 * alone for a while. */
static gboolean
is_everywhere (DefcnOpKind kind)
{
  static const DefcnOpKind kinds[] = { DEFCN_OP_CONV, DEFCN_OP_DEFORM_CONV,
    DEFCN_OP_MAX_POOL, DEFCN_OP_RELU, DEFCN_OP_GROUP_NORM,
    DEFCN_OP_UPSAMPLE_ADD, DEFCN_OP_TUBE_MAX, DEFCN_OP_BOX, DEFCN_OP_ANCHORS };

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (kinds[i] == kind)
      return TRUE;
  return FALSE;
}

/* Where rounding what a deformable convolution reads has turned a fused ReLU,
 * the gradients have nothing in common: none comes from there. */
static void
drop_turned (Feed *feed, const Rig *rig, const Result *a, const Result *b)
{
  for (gsize i = 0; rig->node.relu && i < defcn_tensor_len (rig->node.y); i++)
    if ((a->y[i] > 0) != (b->y[i] > 0))
      feed->dy[i] = 0;
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (DefcnBackend) be =
      open_backend (testing_backend (), testing_precision ());
  g_autoptr (DefcnBackend) oracle = open_backend ("reference", "fp32");
  g_auto (Feed) feed = { { NULL } };
  g_auto (Result) result = { NULL }, wanted = { NULL };
  g_autoptr (Rig) rig = NULL, oracle_rig = NULL;

  if (!be)
    return;
  if (!be->ops[c->shape.kind].forward) {
    g_assert_false (is_everywhere (c->shape.kind));
    g_test_skip ("the device has no such row");
    return;
  }
  if (c->fill == LARGE && g_str_equal (testing_precision (), "fp16")) {
    g_test_skip ("fp16 does not reach so far");
    return;
  }
  rig = rig_new (be, &c->shape, TRUE);
  show_implementation (c, rig);
  oracle_rig = rig_new (oracle, &c->shape, TRUE);
  feed_fill (&feed, c, rig);
  run_forward (&wanted, oracle_rig, &feed);
  run_forward (&result, rig, &feed);
  if (c->shape.offsets > 0 && unit () > 0)
    drop_turned (&feed, rig, &result, &wanted);
  run_backward (&wanted, oracle_rig, &feed);
  run_backward (&result, rig, &feed);
  /* a second round leaves no trace of the first */
  run_forward (&result, rig, &feed);
  run_backward (&result, rig, &feed);

  check_finite (c, rig, &result);
  check_same (c, rig, &result, &wanted);
  if (g_str_equal (be->name, "reference")
      && (c->fill == RANDOM || c->fill == LARGE))
    check_gradients (c, rig, &feed, &result);
  check_inference (c, be, &feed, &wanted);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        g_strdup_printf ("/ops/%s/%s", testing_backend (), cases[i].name);
    g_test_add_data_func (path, &cases[i], test_case);
  }
  return g_test_run ();
}
