/* Head outputs -> boxes: threshold, local duplicate filter, top-k, decode; IoU;
 * NMS for baselines.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "levels.h"
#include "max_filter.h"

G_BEGIN_DECLS

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

/* What NMS compares, table 2; of zeros: every box of a class with every other.
 */
typedef struct
{
  int window;         /* odd, phi: only boxes whose location lies in the phi x
                         phi cells around the better one's, on its level; 0: at
                         any distance */
  gboolean per_level; /* only boxes of one level */
} DefcnNmsRange;

/* Where a box was found. */
typedef struct
{
  int level, x, y;
} DefcnCell;

typedef struct
{
  float threshold; /* strict: score > threshold (reference 0.05) */
  const float *class_thresholds; /* n_classes, overrides @threshold; or NULL */
  int topk;            /* candidates per level before the threshold, 1000 */
  int max_detections;  /* best of the image, 100 (CrowdHuman 500) */
  float nms_iou;       /* > 0 and < 1: class-wise greedy NMS; else none */
  float duplicate_iou; /* > 0 and < 1: local duplicate filter; else none */
  DefcnNmsRange nms_range;
  DefcnMaxFilter max_filter;
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
 * all of theirs.
 *
 * The max filter comes before all of it too.  NMS within a range takes the cell
 * of the better box's level in which the other's location lies. */
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
 * duplicate_iou and max_filter are not read either: whoever finds candidates
 * leaves out what they do. */
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
 * a better box of the class removes a box within @range.  @cells: array of
 * DefcnCell, of each box, those of boxes that go go too; NULL: at any distance,
 * whatever @range says. */
void defcn_boxes_nms (GArray *boxes, GArray *cells, float iou,
    const DefcnNmsRange *range);

G_END_DECLS
