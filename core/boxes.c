/* Head outputs -> boxes: threshold, local duplicate filter, top-k, decode; IoU;
 * NMS for baselines. */
#include "boxes.h"

#include "sigmoid.h"

#include <math.h>
#include <stdlib.h>

/* A score of the head.  index: location * n_classes + class in its level. */
typedef struct
{
  float score;
  int level;
  gsize index;
} Candidate;

/* All heads of one image. */
typedef struct
{
  const DefcnLevel *levels;
  int n_levels, n_classes;
} Heads;

/* Best first; ties by level, then index, so that the order is total. */
static int
compare_candidates (const void *pa, const void *pb)
{
  const Candidate *a = pa, *b = pb;

  if (a->score != b->score)
    return a->score > b->score ? -1 : 1;
  if (a->level != b->level)
    return a->level < b->level ? -1 : 1;
  return a->index < b->index ? -1 : a->index > b->index;
}

/* The worst candidate is at heap[0]; of equal scores the last index is. */
static inline gboolean
is_worse (const Candidate *a, const Candidate *b)
{
  return a->score < b->score || (a->score == b->score && a->index > b->index);
}

static void
heap_push (Candidate *heap, gsize len, Candidate new)
{
  gsize i = len;

  while (i > 0 && is_worse (&new, &heap[(i - 1) / 2])) {
    heap[i] = heap[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  heap[i] = new;
}

static void
heap_replace (Candidate *heap, gsize len, Candidate new)
{
  gsize i = 0;

  for (gsize child = 1; child < len; child = 2 * i + 1) {
    if (child + 1 < len && is_worse (&heap[child + 1], &heap[child]))
      child++;
    if (!is_worse (&heap[child], &new))
      break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = new;
}

/* A logit below this cannot give sigmoid (logit) * @f > @cut.  The margin is
 * far above the rounding of either side: what passes is computed exactly. */
static inline float
logit_bound (float cut, float f)
{
  if (cut < 1e-30f)
    return -INFINITY;

  const float p = cut / f;
  return p < 0.999f ? logf (p / (1 - p)) - 0.01f : 6.0f;
}

/* @d: distances to the four sides from the location's centre. */
static DefcnBox
decode_box (const DefcnLevel *l, const Candidate *c, const float *d,
    int n_classes)
{
  int column, row;

  defcn_level_locate (&column, &row, l, c->index / n_classes);
  const float x = (column + 0.5f) * l->stride;
  const float y = (row + 0.5f) * l->stride;

  return (DefcnBox){ x - d[0], y - d[1], x + d[2], y + d[3], c->score,
    c->index % n_classes };
}

/* Whether the @side x @side locations from (@x0, @y0) of a level have a better
 * score of @c's class, whose box has IoU > @iou with @c's.  @bound: what no
 * better score's logit is below. */
static gboolean
window_has_better (const Heads *heads, int level, int x0, int y0, int side,
    const Candidate *c, const DefcnBox *box, float bound, float iou)
{
  const DefcnLevel *l = &heads->levels[level];
  const int n_classes = heads->n_classes, each = MAX (l->anchors, 1);

  for (int y = MAX (y0, 0); y < MIN (y0 + side, l->h); y++) {
    for (int x = each * MAX (x0, 0); x < each * MIN (x0 + side, l->w); x++) {
      const gsize i = (gsize) y * each * l->w + x;
      Candidate other = { 0, level, i * n_classes + box->label };

      if (!(l->logits[other.index] >= bound))
        continue;
      other.score = defcn_sigmoid (l->logits[other.index])
          * (l->filter ? defcn_sigmoid (l->filter[i]) : 1.0f);
      if (compare_candidates (&other, c) >= 0)
        continue;

      /* What is not finite has no IoU, or 0. */
      const DefcnBox b = decode_box (l, &other, l->deltas + i * 4, n_classes);
      if (defcn_box_iou (box, &b) > iou)
        return TRUE;
    }
  }
  return FALSE;
}

/* The local duplicate filter: whether @c goes.  Of at most 53 others few have a
 * logit that is high enough for a closer look. */
static gboolean
is_duplicate (const Heads *heads, const Candidate *c, float iou)
{
  const int level = c->level;
  const DefcnLevel *l = &heads->levels[level];
  const gsize i = c->index / heads->n_classes;
  const DefcnBox box = decode_box (l, c, l->deltas + i * 4, heads->n_classes);
  const float bound = logit_bound (c->score, 1);
  int x, y;

  defcn_level_locate (&x, &y, l, i);
  return window_has_better (heads, level, x - 1, y - 1, 3, c, &box, bound, iou)
      || (level > 0
          && window_has_better (heads, level - 1, 2 * x - 2, 2 * y - 2, 6, c,
              &box, bound, iou))
      || (level + 1 < heads->n_levels
          && window_has_better (heads, level + 1, x / 2 - 1, y / 2 - 1, 3, c,
              &box, bound, iou));
}

/* Whether a filter of @rule drops @c. */
static gboolean
is_filtered (const Heads *heads, const Candidate *c,
    const DefcnDecodeRule *rule)
{
  return (rule->max_filter.phi > 0
             && !defcn_max_filter_keeps (&rule->max_filter, heads->levels,
                 heads->n_levels, heads->n_classes, c->level,
                 c->index / heads->n_classes, c->index % heads->n_classes))
      || (defcn_boxes_drops (rule->duplicate_iou)
          && is_duplicate (heads, c, rule->duplicate_iou));
}

/* The best @keep scores > @threshold of one level into @heap, unordered,
 * without what the filters of @rule drop.  Returns: how many.  Scores that the
 * threshold would drop after the top-k may as well go before it.  NaN fails
 * every comparison and so never passes. */
static gsize
collect_level (Candidate *heap, gsize keep, const Heads *heads, int level,
    float threshold, const DefcnDecodeRule *rule)
{
  const DefcnLevel *l = &heads->levels[level];
  const int n_classes = heads->n_classes;
  const gsize n_boxes = defcn_level_boxes (l);
  float cut = threshold;
  gsize len = 0;

  for (gsize i = 0; i < n_boxes; i++) {
    const float *logits = l->logits + i * n_classes;
    const float f = l->filter ? defcn_sigmoid (l->filter[i]) : 1.0f;

    if (!(f > cut))
      continue;

    const float bound = logit_bound (cut, f);
    for (int k = 0; k < n_classes; k++) {
      if (!(logits[k] >= bound))
        continue;

      const Candidate new = { defcn_sigmoid (logits[k]) * f, level,
        i * n_classes + k };
      if (!(new.score > cut))
        continue;
      if (is_filtered (heads, &new, rule))
        continue;
      if (len < keep)
        heap_push (heap, len++, new);
      else
        heap_replace (heap, len, new);
      if (len == keep)
        cut = MAX (threshold, heap[0].score);
    }
  }
  return len;
}

static inline gboolean
is_finite (const DefcnBox *b)
{
  return isfinite (b->x1) && isfinite (b->y1) && isfinite (b->x2)
      && isfinite (b->y2);
}

float
defcn_boxes_threshold (const DefcnDecodeRule *rule, int n_classes)
{
  float lowest = rule->threshold;

  for (int k = 0; rule->class_thresholds && k < n_classes; k++)
    lowest = k == 0 ? rule->class_thresholds[0]
                    : MIN (lowest, rule->class_thresholds[k]);
  return lowest;
}

static gboolean
has_nms (const DefcnDecodeRule *rule)
{
  return defcn_boxes_drops (rule->nms_iou);
}

static gboolean
has_range (const DefcnDecodeRule *rule)
{
  return has_nms (rule)
      && (rule->nms_range.window > 0 || rule->nms_range.per_level);
}

/* The boxes of an image so far, and where each was found. */
typedef struct
{
  GArray *boxes; /* the caller's */
  GArray *cells; /* NULL where nobody asks */
  int n_classes;
  const DefcnDecodeRule *rule;
} Found;

static Found
found_new (GArray *boxes, int n_classes, const DefcnDecodeRule *rule)
{
  GArray *cells =
      has_range (rule) ? g_array_new (FALSE, FALSE, sizeof (DefcnCell)) : NULL;

  g_array_set_size (boxes, 0);
  return (Found){ boxes, cells, n_classes, rule };
}

/* Appends the box of @c if its class and its numbers allow it.  @ltrb: its
 * deltas. */
static void
append (Found *found, const Candidate *c, const DefcnLevel *l,
    const float *ltrb)
{
  const DefcnBox box = decode_box (l, c, ltrb, found->n_classes);
  const float *thresholds = found->rule->class_thresholds;

  if ((thresholds && !(box.score > thresholds[box.label])) || !is_finite (&box))
    return;
  g_array_append_val (found->boxes, box);
  if (found->cells) {
    DefcnCell cell = { .level = c->level };

    defcn_level_locate (&cell.x, &cell.y, l, c->index / found->n_classes);
    g_array_append_val (found->cells, cell);
  }
}

/* What is left to do with the sorted boxes. */
static void
finish (Found *found)
{
  const DefcnDecodeRule *rule = found->rule;
  const guint max = MAX (rule->max_detections, 0);

  if (has_nms (rule))
    defcn_boxes_nms (found->boxes, found->cells, rule->nms_iou,
        &rule->nms_range);
  if (found->boxes->len > max)
    g_array_set_size (found->boxes, max);
  g_clear_pointer (&found->cells, g_array_unref);
}

/* The scores of baselines with centerness, of those above the threshold. */
static void
weigh (Candidate *candidates, gsize n, const DefcnLevel *level, int n_classes)
{
  for (gsize i = 0; i < n; i++) {
    Candidate *c = &candidates[i];

    c->score = sqrtf (
        c->score * defcn_sigmoid (level->centerness[c->index / n_classes]));
  }
}

void
defcn_boxes_decode (GArray *boxes, const DefcnLevel *levels, int n_levels,
    int n_classes, const DefcnDecodeRule *rule)
{
  const float lowest = defcn_boxes_threshold (rule, n_classes);
  const guint max = MAX (rule->max_detections, 0);
  const Heads heads = { levels, n_levels, n_classes };
  gsize room = 0, len = 0;

  g_array_set_size (boxes, 0);
  for (int i = 0; i < n_levels; i++)
    room += MIN ((gsize) MAX (rule->topk, 0), defcn_level_boxes (&levels[i]));
  if (room == 0 || n_classes < 1)
    return;

  g_autofree Candidate *candidates = g_new (Candidate, room);
  for (int i = 0; i < n_levels; i++) {
    const gsize n = collect_level (candidates + len,
        MIN ((gsize) rule->topk, defcn_level_boxes (&levels[i])), &heads, i,
        lowest, rule);

    if (levels[i].centerness)
      weigh (candidates + len, n, &levels[i], n_classes);
    len += n;
  }
  qsort (candidates, len, sizeof *candidates, compare_candidates);

  Found found = found_new (boxes, n_classes, rule);
  for (gsize i = 0; i < len && (has_nms (rule) || boxes->len < max); i++) {
    const Candidate *c = &candidates[i];
    const DefcnLevel *l = &levels[c->level];

    append (&found, c, l, l->deltas + c->index / n_classes * 4);
  }
  finish (&found);
}

/* As compare_candidates(). */
static int
compare_found (const void *pa, const void *pb)
{
  const DefcnCandidate *a = pa, *b = pb;
  const Candidate x = { a->score, a->level, a->location },
                  y = { b->score, b->level, b->location };
  const int order = compare_candidates (&x, &y);

  return order ? order : a->label - b->label;
}

void
defcn_boxes_select (GArray *boxes, GArray *candidates, const DefcnLevel *levels,
    int n_levels, int n_classes, const DefcnDecodeRule *rule)
{
  const guint max = MAX (rule->max_detections, 0);
  const float threshold = defcn_boxes_threshold (rule, n_classes);
  g_autofree gsize *room = g_new0 (gsize, MAX (n_levels, 1));
  Found found = found_new (boxes, n_classes, rule);

  for (int i = 0; i < n_levels; i++)
    room[i] = MIN ((gsize) MAX (rule->topk, 0), defcn_level_boxes (&levels[i]));
  g_array_sort (candidates, compare_found);
  for (guint i = 0; i < candidates->len && (has_nms (rule) || boxes->len < max);
       i++) {
    const DefcnCandidate *f = &g_array_index (candidates, DefcnCandidate, i);
    const Candidate c = { f->score, f->level,
      (gsize) f->location * n_classes + f->label };

    if (!(f->score > threshold))
      break;
    if (room[f->level] == 0)
      continue;
    room[f->level]--;
    append (&found, &c, &levels[f->level], f->ltrb);
  }
  finish (&found);
}

void
defcn_boxes_to_image (GArray *boxes, float scale_x, float scale_y, float left,
    float top, float right, float bottom)
{
  guint kept = 0;

  for (guint i = 0; i < boxes->len; i++) {
    DefcnBox b = g_array_index (boxes, DefcnBox, i);

    /* Clipped before the shift: a region then gives what its crop gives. */
    b.x1 = CLAMP (b.x1 * scale_x, 0, right - left) + left;
    b.x2 = CLAMP (b.x2 * scale_x, 0, right - left) + left;
    b.y1 = CLAMP (b.y1 * scale_y, 0, bottom - top) + top;
    b.y2 = CLAMP (b.y2 * scale_y, 0, bottom - top) + top;
    if (b.x2 > b.x1 && b.y2 > b.y1)
      g_array_index (boxes, DefcnBox, kept++) = b;
  }
  g_array_set_size (boxes, kept);
}

float
defcn_box_iou (const DefcnBox *a, const DefcnBox *b)
{
  const float w = MIN (a->x2, b->x2) - MAX (a->x1, b->x1);
  const float h = MIN (a->y2, b->y2) - MAX (a->y1, b->y1);

  if (!(w > 0 && h > 0))
    return 0;

  const float inter = w * h;
  return inter
      / ((a->x2 - a->x1) * (a->y2 - a->y1) + (b->x2 - b->x1) * (b->y2 - b->y1)
          - inter);
}

/* The cell of @level in which location @x of level @from lies. */
static int
cell_on (int x, int from, int level)
{
  return ((2 * x + 1) << from) >> (level + 1);
}

/* Whether @kept may take @other away. */
static gboolean
reaches (const DefcnNmsRange *range, const DefcnCell *kept,
    const DefcnCell *other)
{
  const int r = range->window / 2;

  if (range->per_level && kept->level != other->level)
    return FALSE;
  return range->window <= 0
      || (ABS (cell_on (other->x, other->level, kept->level) - kept->x) <= r
          && ABS (cell_on (other->y, other->level, kept->level) - kept->y)
              <= r);
}

void
defcn_boxes_nms (GArray *boxes, GArray *cells, float iou,
    const DefcnNmsRange *range)
{
  DefcnBox *b = (DefcnBox *) boxes->data;
  DefcnCell *c = cells ? (DefcnCell *) cells->data : NULL;
  guint kept = 0;

  for (guint i = 0; i < boxes->len; i++) {
    guint j = 0;

    while (j < kept
        && (b[j].label != b[i].label || !(defcn_box_iou (&b[j], &b[i]) > iou)
            || (c && !reaches (range, &c[j], &c[i]))))
      j++;
    if (j < kept)
      continue;
    if (c)
      c[kept] = c[i];
    b[kept++] = b[i];
  }
  g_array_set_size (boxes, kept);
  if (cells)
    g_array_set_size (cells, kept);
}
