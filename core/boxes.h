/* Head outputs -> boxes: threshold, local duplicate filter, top-k, decode; IoU;
 * NMS for baselines.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DEFCN_N_LEVELS 5 /* P3 .. P7 */

/* Input pixels between the locations of @level: 8 .. 128. */
static inline int
defcn_boxes_stride (int level)
{
  return 8 << level;
}

/* Corners in pixels, x2 and y2 exclusive edges; score 0..1; class index. */
typedef struct
{
  float x1, y1, x2, y2;
  float score;
  int label;
} DefcnBox;

/* One image's head outputs on one level; host memory, dense (H,W,C).  A
 * location may have several boxes, each with its own logits (RetinaNet): then
 * (h, w, c) is (h, w, anchors, c), and what is indexed by location goes by box,
 * of which @anchors in a row have one location. */
typedef struct
{
  int h, w, stride;
  const float *logits; /* (h, w, n_classes) */
  /* (h, w, 4): l, t, r, b in input pixels from the location's centre; with
   * anchors (anchors.h) it may be outside, and one of them negative */
  const float *deltas;
  const float *filter;     /* (h, w, 1), NULL without 3DMF */
  const float *centerness; /* (h, w, 1), logits; NULL without */
  /* (h, w, n_classes), of the auxiliary loss; NULL: that has @logits */
  const float *aux_logits;
  int anchors; /* boxes of a location, 0 as 1 */
} DefcnLevel;

/* Boxes of @level. */
static inline gsize
defcn_level_boxes (const DefcnLevel *level)
{
  return (gsize) level->h * level->w * MAX (level->anchors, 1);
}

typedef struct
{
  float threshold; /* strict: score > threshold (reference 0.05) */
  const float *class_thresholds; /* n_classes, overrides @threshold; or NULL */
  int topk;            /* candidates per level before the threshold, 1000 */
  int max_detections;  /* best of the image, 100 (CrowdHuman 500) */
  float nms_iou;       /* > 0 and < 1: class-wise greedy NMS; else none */
  float duplicate_iou; /* > 0 and < 1: local duplicate filter; else none */
} DefcnDecodeRule;

/* Whether NMS or the filter of @iou drops anything: 0 and 1 are none. */
static inline gboolean
defcn_boxes_drops (float iou)
{
  return iou > 0 && iou < 1;
}

/* As the reference code decodes: per level the best min (topk, boxes) of score
 * = sigmoid (logit) * sigmoid (filter), those above the threshold, decoded to
 * input pixels around ((x + 0.5) stride, (y + 0.5) stride), all levels by score
 * descending (ties: lower index), NMS if any, the best max_detections.  @boxes:
 * array of DefcnBox, emptied first.  With centerness (FCOS, ATSS) the score of
 * what is above the threshold becomes sqrt (score * sigmoid (centerness))
 * before it is sorted.
 *
 * The local duplicate filter (not in the paper; kin to tab. 5's 3DMF as post-
 * processing) comes before all of that: a score goes if its tube has a better
 * one of the same class (equal: of the lower index; NaN: none) whose box has
 * IoU > duplicate_iou with its own.  The tube of location (x, y) is 3x3
 * locations around it, the 6x6 of the finer level that are children of these
 * (2 x - 2 .. 2 x + 3), and the 3x3 of the coarser level around (x / 2, y / 2),
 * as far as they exist.  Not greedy: what goes takes others with it, so the
 * result knows no order, and a score is compared with 53 others at most,
 * however many objects there are.  Where locations have several boxes, it is
 * all of theirs. */
void defcn_boxes_decode (GArray *boxes, const DefcnLevel *levels, int n_levels,
    int n_classes, const DefcnDecodeRule *rule);

/* One score of the heads that somebody else has found, and its box. */
typedef struct
{
  float score;
  int level, location; /* location: row * width + column of its level */
  int label;
  float ltrb[4]; /* deltas there, in input pixels */
} DefcnCandidate;

/* The lowest threshold that @rule applies to any class. */
float defcn_boxes_threshold (const DefcnDecodeRule *rule, int n_classes);

/* defcn_boxes_decode() from all scores above defcn_boxes_threshold() instead of
 * the heads, of one box a location.  @candidates: array of DefcnCandidate in
 * any order, sorted here.  @levels: sizes and strides, the values are not read.
 * duplicate_iou is not read either: whoever finds candidates leaves duplicates
 * out. */
void defcn_boxes_select (GArray *boxes, GArray *candidates,
    const DefcnLevel *levels, int n_levels, int n_classes,
    const DefcnDecodeRule *rule);

/* x = x * scale_x + offset_x, clipped to [0, width] x [0, height] shifted by
 * the offset's rectangle (left, top, right, bottom); boxes without area go. */
void defcn_boxes_to_image (GArray *boxes, float scale_x, float scale_y,
    float left, float top, float right, float bottom);

/* inter / (a + b - inter), 0 when they do not meet (fp32, pairwise_iou). */
float defcn_box_iou (const DefcnBox *a, const DefcnBox *b);

/* Greedy class-wise NMS on @boxes sorted by score descending: IoU > @iou with
 * a better box of the class removes a box. */
void defcn_boxes_nms (GArray *boxes, float iou);

G_END_DECLS
