/* Decoding, rescaling, IoU and NMS of boxes. */
#include "boxes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLASSES 7

/* Thresholds of single classes. */
static const float mixed[MAX_CLASSES] = { 0.5f, 0.01f, 2, 0.2f, 0.05f, 0.9f,
  0.3f };

/* Random head outputs; the filter is optional. */
typedef struct
{
  DefcnLevel levels[DEFCN_N_LEVELS];
  float *mem[3 * DEFCN_N_LEVELS];
} Heads;

static float *
random_floats (GRand *rand, gsize n, double lo, double hi, double step)
{
  float *values = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    values[i] = step > 0
        ? lo + step * g_rand_int_range (rand, 0, (hi - lo) / step + 1)
        : g_rand_double_range (rand, lo, hi);
  return values;
}

/* @step > 0 quantises logits, so that scores tie. */
static void
heads_init (Heads *heads, GRand *rand, int h, int w, int n_classes,
    gboolean filter, double step)
{
  memset (heads, 0, sizeof *heads);
  for (int i = 0; i < DEFCN_N_LEVELS; i++) {
    const gsize n = (gsize) h * w;
    float **mem = &heads->mem[3 * i];

    mem[0] = random_floats (rand, n * n_classes, -6, 4, step);
    mem[1] = random_floats (rand, n * 4, 0, 40, 0);
    if (filter)
      mem[2] = random_floats (rand, n, -4, 5, step);
    heads->levels[i] = (DefcnLevel){ h, w, 8 << i, mem[0], mem[1], mem[2] };
    h = (h + 1) / 2;
    w = (w + 1) / 2;
  }
}

static void
heads_clear (Heads *heads)
{
  for (gsize i = 0; i < G_N_ELEMENTS (heads->mem); i++)
    g_free (heads->mem[i]);
}

typedef struct
{
  float score;
  int level;
  guint index;
} Scored;

static int
by_score (const void *pa, const void *pb)
{
  const Scored *a = pa, *b = pb;

  if (a->score != b->score)
    return a->score > b->score ? -1 : 1;
  return a->level != b->level ? a->level - b->level
                              : (int) a->index - (int) b->index;
}

/* All cells of 40 pixels have their box, which their locations share but for
 * up to 4 pixels a side: neighbours are about as often duplicates as not. */
static void
heads_share_boxes (Heads *heads, GRand *rand)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const DefcnLevel *level = &heads->levels[l];

    for (int i = 0; i < level->h * level->w; i++) {
      const float x = (i % level->w + 0.5f) * level->stride;
      const float y = (i / level->w + 0.5f) * level->stride;
      const float left = floorf (x / 40) * 40, top = floorf (y / 40) * 40;
      float *d = &heads->mem[3 * l + 1][4 * i];

      d[0] = x - left;
      d[1] = y - top;
      d[2] = left + 40 - x;
      d[3] = top + 40 - y;
      for (int side = 0; side < 4; side++)
        d[side] += g_rand_double_range (rand, -4, 4);
    }
  }
}

static float
score_at (const DefcnLevel *level, int n_classes, guint index)
{
  const float s = 1.0f / (1.0f + expf (-level->logits[index]));
  const float f = level->filter
      ? 1.0f / (1.0f + expf (-level->filter[index / n_classes]))
      : 1.0f;

  return s * f;
}

static DefcnBox
box_at (const DefcnLevel *level, int n_classes, guint index)
{
  const guint at = index / n_classes;
  const float *d = level->deltas + 4 * at;
  const float x = (at % level->w + 0.5f) * level->stride;
  const float y = (at / level->w + 0.5f) * level->stride;

  return (DefcnBox){ x - d[0], y - d[1], x + d[2], y + d[3],
    score_at (level, n_classes, index), index % n_classes };
}

/* Whether cell @j of a level, along one side, lies in the tube of cell @i, @up
 * levels below: of two levels the coarser one's cells are compared. */
static gboolean
is_near (int i, int j, int up)
{
  return ABS (up > 0 ? i / 2 - j : up < 0 ? i - j / 2 : i - j) <= 1;
}

/* Every score of the image is compared with @index of level @l. */
static gboolean
is_duplicate_plainly (const DefcnLevel *levels, int l, int n_classes,
    guint index, float iou)
{
  const DefcnBox box = box_at (&levels[l], n_classes, index);
  const int at = index / n_classes, w = levels[l].w;

  for (int m = 0; m < DEFCN_N_LEVELS; m++) {
    const int n = levels[m].h * levels[m].w, v = levels[m].w;

    for (int j = 0; ABS (m - l) <= 1 && j < n; j++) {
      const guint other = j * n_classes + index % n_classes;
      const DefcnBox b = box_at (&levels[m], n_classes, other);

      if (is_near (at % w, j % v, m - l) && is_near (at / w, j / v, m - l)
          && (b.score > box.score
              || (b.score == box.score && (m < l || (m == l && other < index))))
          && defcn_box_iou (&b, &box) > iou)
        return TRUE;
    }
  }
  return FALSE;
}

/* What boxes.h says, plainly: sort everything but duplicates, cut, threshold,
 * decode. */
static GArray *
decode_plainly (const DefcnLevel *levels, int n_classes,
    const DefcnDecodeRule *rule)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (Scored));
  GArray *boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const DefcnLevel *level = &levels[l];
    const guint n = level->h * level->w, first = all->len;

    for (guint i = 0; i < n * n_classes; i++) {
      const Scored scored = { score_at (level, n_classes, i), l, i };

      if (!(rule->duplicate_iou > 0 && rule->duplicate_iou < 1)
          || !is_duplicate_plainly (levels, l, n_classes, i,
              rule->duplicate_iou))
        g_array_append_val (all, scored);
    }
    if (all->len > first)
      qsort (&g_array_index (all, Scored, first), all->len - first,
          sizeof (Scored), by_score);
    g_array_set_size (all, MIN (all->len, first + MIN (n, (guint) rule->topk)));
    for (guint i = all->len; i > first; i--) {
      const Scored *scored = &g_array_index (all, Scored, i - 1);
      const float threshold = rule->class_thresholds
          ? rule->class_thresholds[scored->index % n_classes]
          : rule->threshold;

      if (!(scored->score > threshold))
        g_array_remove_index (all, i - 1);
    }
  }
  qsort (all->data, all->len, sizeof (Scored), by_score);
  for (guint i = 0; i < all->len && i < (guint) rule->max_detections; i++) {
    const Scored *s = &g_array_index (all, Scored, i);
    const DefcnBox box = box_at (&levels[s->level], n_classes, s->index);

    g_array_append_val (boxes, box);
  }
  g_array_free (all, TRUE);
  return boxes;
}

static void
assert_same_boxes (const GArray *a, const GArray *b)
{
  g_assert_cmpuint (a->len, ==, b->len);
  g_assert_cmpmem (a->data, a->len * sizeof (DefcnBox), b->data,
      b->len * sizeof (DefcnBox));
}

/* What a device would find above the threshold, from the last to the first. */
static GArray *
find_candidates (const DefcnLevel *levels, int n_classes, float threshold)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (DefcnCandidate));

  for (int l = DEFCN_N_LEVELS - 1; l >= 0; l--) {
    const DefcnLevel *level = &levels[l];

    for (int i = level->h * level->w * n_classes - 1; i >= 0; i--) {
      const int at = i / n_classes;
      DefcnCandidate c = { .score = score_at (level, n_classes, i),
        .level = l,
        .location = at,
        .label = i % n_classes };

      memcpy (c.ltrb, level->deltas + 4 * at, sizeof c.ltrb);
      if (c.score > threshold)
        g_array_append_val (found, c);
    }
  }
  return found;
}

/* The partial selection, and that from candidates, give what a full sort gives,
 * bit for bit, with and without filter, ties, class thresholds and every kind
 * of cut. */
static void
test_decode_is_the_full_sort (void)
{
  static const struct
  {
    int h, w, n_classes;
    gboolean filter;
    double step;
    float threshold;
    const float *class_thresholds;
    int topk, max;
  } cases[] = {
    { 12, 17, 7, TRUE, 0, 0.05f, NULL, 1000, 100 },
    { 12, 17, 7, TRUE, 0, 0.05f, NULL, 10, 100 },
    { 12, 17, 7, FALSE, 0, 0.05f, NULL, 20, 1000 },
    { 12, 17, 7, TRUE, 0, 0.05f, mixed, 30, 1000 },
    { 12, 17, 7, TRUE, 0.5, 0.05f, NULL, 25, 1000 },
    { 12, 17, 7, TRUE, 0.5, 0.0f, NULL, 25, 60 },
    { 9, 1, 1, TRUE, 0, 0.0f, NULL, 1000, 1000 },
    { 9, 5, 3, TRUE, 2, -1.0f, NULL, 1000, 1000 },
    { 9, 5, 3, FALSE, 0, 0.999f, NULL, 1000, 1000 },
    { 9, 5, 3, FALSE, 0, 1.0f, NULL, 1000, 1000 },
    { 1, 1, 2, TRUE, 0, 0.0f, NULL, 1, 1 },
    { 12, 17, 7, TRUE, 0, 0.05f, NULL, 10, 0 },
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  guint found = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnDecodeRule rule = { cases[i].threshold,
      cases[i].class_thresholds, cases[i].topk, cases[i].max, 0 };
    g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    Heads heads;

    heads_init (&heads, rand, cases[i].h, cases[i].w, cases[i].n_classes,
        cases[i].filter, cases[i].step);
    g_autoptr (GArray) expected =
        decode_plainly (heads.levels, cases[i].n_classes, &rule);
    defcn_boxes_decode (boxes, heads.levels, DEFCN_N_LEVELS, cases[i].n_classes,
        &rule);
    assert_same_boxes (boxes, expected);
    found += boxes->len;

    g_autoptr (GArray) candidates = find_candidates (heads.levels,
        cases[i].n_classes, defcn_boxes_threshold (&rule, cases[i].n_classes));
    defcn_boxes_select (boxes, candidates, heads.levels, DEFCN_N_LEVELS,
        cases[i].n_classes, &rule);
    assert_same_boxes (boxes, expected);
    heads_clear (&heads);
  }
  g_assert_cmpuint (found, >, 300);
}

/* The local duplicate filter gives what comparing every score with every other
 * gives, bit for bit, for limits inside (0, 1), with ties, class thresholds,
 * all kinds of cut, and levels that do not fit onto each other. */
static void
test_duplicates (void)
{
  static const struct
  {
    int h, w, n_classes;
    gboolean filter;
    double step;
    float threshold;
    const float *class_thresholds;
    int topk, max;
    float iou;
    int cut; /* by which the levels above the first are narrower */
  } cases[] = {
    { 12, 17, 7, TRUE, 0, 0.05f, NULL, 1000, 5000, 0.7f, 0 },
    { 12, 17, 7, TRUE, 0, 0.05f, NULL, 1000, 5000, 0.5f, 0 },
    { 12, 17, 7, TRUE, 0, 0.05f, NULL, 20, 100, 0.7f, 0 },
    { 13, 17, 7, FALSE, 0, 0.05f, mixed, 30, 5000, 0.7f, 0 },
    { 13, 18, 7, TRUE, 0.5, 0.05f, NULL, 1000, 5000, 0.7f, 0 },
    { 13, 18, 3, FALSE, 2, 0.05f, NULL, 25, 5000, 0.6f, 0 },
    { 13, 17, 3, TRUE, 2, -1.0f, NULL, 1000, 5000, 0.7f, 1 },
    { 14, 19, 1, TRUE, 0, 0.05f, NULL, 1000, 5000, 0.7f, 1 },
    { 14, 24, 1, FALSE, 0.5, 0.0f, NULL, 1000, 5000, 0.6f, 1 },
    { 9, 1, 1, TRUE, 0, 0.0f, NULL, 1000, 1000, 0.3f, 0 },
    { 1, 9, 2, TRUE, 0, 0.0f, NULL, 1000, 1000, 0.3f, 0 },
    { 1, 1, 2, TRUE, 0, 0.0f, NULL, 1000, 1000, 0.7f, 0 },
    { 12, 17, 3, TRUE, 0, 0.05f, NULL, 1000, 5000, 0, 0 },
    { 12, 17, 3, TRUE, 0, 0.05f, NULL, 1000, 5000, 1, 0 },
    { 12, 17, 3, TRUE, 0, 0.05f, NULL, 1000, 5000, -1, 0 },
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  guint kept = 0, before = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    DefcnDecodeRule rule = { cases[i].threshold, cases[i].class_thresholds,
      cases[i].topk, cases[i].max, 0, cases[i].iou };
    const int n_classes = cases[i].n_classes;
    Heads heads;

    heads_init (&heads, rand, cases[i].h, cases[i].w, n_classes,
        cases[i].filter, cases[i].step);
    for (int l = 1; l < DEFCN_N_LEVELS; l++)
      heads.levels[l].w = MAX (1, heads.levels[l].w - cases[i].cut);
    heads_share_boxes (&heads, rand);
    g_autoptr (GArray) expected =
        decode_plainly (heads.levels, n_classes, &rule);
    defcn_boxes_decode (boxes, heads.levels, DEFCN_N_LEVELS, n_classes, &rule);
    assert_same_boxes (boxes, expected);
    kept += boxes->len;

    rule.duplicate_iou = 0;
    defcn_boxes_decode (all, heads.levels, DEFCN_N_LEVELS, n_classes, &rule);
    if (!(cases[i].iou > 0 && cases[i].iou < 1))
      assert_same_boxes (boxes, all);
    before += all->len;
    heads_clear (&heads);
  }
  g_assert_cmpuint (kept, >, 1500);
  g_assert_cmpuint (kept, <, before - 900);
}

#define CELL 8

/* One score on the finest of two levels, or on the coarser. */
typedef struct
{
  int level, x, y;
  float logit;
  DefcnBox box; /* its corners */
} Peak;

/* The boxes of @peaks; whatever else the heads hold is below the threshold. */
static GArray *
decode_peaks (const Peak *peaks, int n, const DefcnDecodeRule *rule)
{
  enum
  {
    W = 16
  };
  GArray *boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  float logits[2][W * W], deltas[2][W * W * 4];
  const DefcnLevel levels[2] = {
    { W, W, CELL, logits[0], deltas[0], NULL },
    { W / 2, W / 2, 2 * CELL, logits[1], deltas[1], NULL },
  };

  for (int i = 0; i < W * W; i++)
    logits[0][i] = logits[1][i] = -20;
  for (int i = 0; i < n; i++) {
    const Peak *p = &peaks[i];
    const DefcnLevel *l = &levels[p->level];
    const int at = p->y * l->w + p->x;
    const float x = (p->x + 0.5f) * l->stride, y = (p->y + 0.5f) * l->stride;
    const float d[4] = { x - p->box.x1, y - p->box.y1, p->box.x2 - x,
      p->box.y2 - y };

    logits[p->level][at] = p->logit;
    memcpy (deltas[p->level] + 4 * at, d, sizeof d);
  }
  defcn_boxes_decode (boxes, levels, 2, 1, rule);
  return boxes;
}

/* Two people, each found in its own cell and, a little worse, with the same box
 * in the cells around that and in the cell above, at every distance: of each
 * one box stays, and of both as soon as their boxes differ. */
static void
test_duplicates_of_people (void)
{
  const DefcnDecodeRule rule = { 0.05f, NULL, 1000, 100, 0, 0.7f };
  gboolean has_one = FALSE, has_two = FALSE;

  for (int distance = 0; distance <= 64; distance++) {
    const DefcnBox people[2] = { { 20, 40, 44, 88 },
      { 20 + distance, 40, 44 + distance, 88 } };
    const float iou = defcn_box_iou (&people[0], &people[1]);
    /* one cell cannot tell of both */
    const int middle = (32 + distance) / CELL;
    const int cells[2] = { 32 / CELL, MAX (32 / CELL + 1, middle) };
    g_autoptr (GArray) peaks = g_array_new (FALSE, FALSE, sizeof (Peak));

    for (int k = 0; k < 2; k++) {
      const Peak around[] = {
        { 0, cells[k], 9, -1 - k, people[k] },
        { 0, cells[k], 7, -2 - k, people[k] },
        { 1, cells[k] / 2, 4, -1.5f - k, people[k] },
      };

      g_array_append_vals (peaks, around, G_N_ELEMENTS (around));
    }
    for (int k = 0; k < 2; k++) { /* the best of a cell is its last */
      const Peak best = { 0, cells[k], 8, 2 - k, people[k] };

      g_array_append_val (peaks, best);
    }
    g_autoptr (GArray) boxes =
        decode_peaks ((Peak *) peaks->data, peaks->len, &rule);
    const DefcnBox *b = (DefcnBox *) boxes->data;
    g_assert_cmpuint (boxes->len, ==, iou > 0.7f ? 1 : 2);
    g_assert_cmpfloat (b[0].x1, ==, 20);
    if (boxes->len == 2)
      g_assert_cmpfloat (b[1].x1, ==, 20 + distance);
    has_one = has_one || boxes->len == 1;
    has_two = has_two || (boxes->len == 2 && iou > 0.6f);
  }
  g_assert_true (has_one && has_two);
}

/* By hand: who takes whom away. */
static void
test_duplicates_by_hand (void)
{
  /* IoU with the one: exactly 0.7; 0.8, 0.6, and 0.75 between these two */
#define ONE                                                                    \
  {                                                                            \
    30, 30, 60, 60                                                             \
  }
#define LIMIT                                                                  \
  {                                                                            \
    30, 30, 60, 51                                                             \
  }
#define LESS                                                                   \
  {                                                                            \
    30, 30, 60, 54                                                             \
  }
#define LEAST                                                                  \
  {                                                                            \
    30, 30, 60, 48                                                             \
  }
  static const struct
  {
    Peak peaks[3];
    int topk, max;
    guint n; /* boxes that stay: the first of @peaks */
  } cases[] = {
    /* two cells away is not near, on whichever level */
    { { { 0, 4, 4, 3, ONE }, { 0, 6, 4, 2, ONE } }, 9, 9, 2 },
    { { { 0, 4, 4, 3, ONE }, { 0, 4, 6, 2, ONE } }, 9, 9, 2 },
    { { { 0, 5, 4, 3, ONE }, { 0, 4, 5, 2, ONE } }, 9, 9, 1 },
    { { { 0, 4, 4, 3, ONE }, { 1, 3, 3, 2, ONE } }, 9, 9, 1 },
    { { { 0, 3, 4, 3, ONE }, { 1, 3, 3, 2, ONE } }, 9, 9, 2 },
    { { { 0, 9, 9, 3, ONE }, { 1, 3, 3, 2, ONE } }, 9, 9, 1 },
    { { { 0, 9, 10, 3, ONE }, { 1, 3, 3, 2, ONE } }, 9, 9, 2 },
    { { { 1, 3, 3, 3, ONE }, { 0, 9, 4, 2, ONE } }, 9, 9, 1 },
    { { { 1, 3, 3, 3, ONE }, { 0, 10, 4, 2, ONE } }, 9, 9, 2 },
    /* IoU 0.7 is not above 0.7 */
    { { { 0, 4, 4, 3, ONE }, { 0, 5, 4, 2, LIMIT } }, 9, 9, 2 },
    { { { 0, 4, 4, 3, ONE }, { 0, 5, 4, 2, LESS } }, 9, 9, 1 },
    { { { 0, 4, 4, 3, ONE }, { 0, 5, 4, 2, LEAST } }, 9, 9, 2 },
    /* equal scores: the lower location, the finer level */
    { { { 0, 4, 4, 3, ONE }, { 0, 5, 4, 3, ONE } }, 9, 9, 1 },
    { { { 0, 4, 4, 3, ONE }, { 1, 2, 2, 3, ONE } }, 9, 9, 1 },
    /* what goes takes others with it */
    { { { 0, 4, 4, 3, ONE }, { 0, 5, 4, 2, LESS }, { 0, 6, 4, 1, LEAST } }, 9,
        9, 1 },
    { { { 0, 4, 4, 3, ONE }, { 0, 5, 4, 2, LESS }, { 0, 5, 5, 1, LEAST } }, 9,
        9, 1 },
    /* a duplicate takes up no place */
    { { { 0, 4, 4, 3, ONE }, { 0, 12, 12, 1, ONE }, { 0, 5, 4, 2, ONE } }, 2, 9,
        2 },
    { { { 0, 4, 4, 3, ONE }, { 0, 12, 12, 1, ONE }, { 0, 5, 4, 2, ONE } }, 9, 2,
        2 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnDecodeRule rule = { 0.05f, NULL, cases[i].topk, cases[i].max, 0,
      0.7f };
    int n = 3;

    while (cases[i].peaks[n - 1].logit == 0)
      n--;
    g_autoptr (GArray) boxes = decode_peaks (cases[i].peaks, n, &rule);
    if (boxes->len != cases[i].n)
      g_error ("case %zu: %u boxes, wanted %u", i, boxes->len, cases[i].n);
    for (guint k = 0; k < boxes->len; k++)
      g_assert_cmpfloat_with_epsilon (g_array_index (boxes, DefcnBox, k).score,
          1.0f / (1.0f + expf (-cases[i].peaks[k].logit)), 1e-6f);
  }
}

/* A score or a box that is no number takes nobody away. */
static void
test_duplicates_survive_nan (void)
{
  static const float bad[] = { NAN, INFINITY, -INFINITY, 1e38f, -1e38f };
  const DefcnDecodeRule rule = { 0.05f, NULL, 1000, 100, 0, 0.7f };
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  float logits[2] = { 1, 2 }, deltas[8] = { 4, 4, 12, 4, 12, 4, 4, 4 };
  const DefcnLevel level = { 1, 2, 8, logits, deltas, NULL };

  defcn_boxes_decode (boxes, &level, 1, 1, &rule);
  g_assert_cmpuint (boxes->len, ==, 1);
  for (int side = 0; side < 4; side++) {
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
      const float good = deltas[4 + side];

      deltas[4 + side] = bad[i];
      defcn_boxes_decode (boxes, &level, 1, 1, &rule);
      g_assert_cmpuint (boxes->len, >, 0);
      g_assert_cmpfloat (g_array_index (boxes, DefcnBox, boxes->len - 1).score,
          <, 0.8f);
      deltas[4 + side] = good;
    }
  }
  logits[1] = NAN;
  defcn_boxes_decode (boxes, &level, 1, 1, &rule);
  g_assert_cmpuint (boxes->len, ==, 1);
  g_assert_cmpfloat (g_array_index (boxes, DefcnBox, 0).score, <, 0.8f);
}

/* Values worked out by hand: location, stride, class and score of one peak. */
static void
test_decode_by_hand (void)
{
  float logits[2 * 3 * 2], deltas[2 * 3 * 4] = { 0 }, filter[2 * 3];
  const DefcnLevel level = { 2, 3, 16, logits, deltas, filter };
  const DefcnDecodeRule rule = { 0.05f, NULL, 1000, 100, 0 };
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  for (int i = 0; i < 12; i++)
    logits[i] = -20;
  for (int i = 0; i < 6; i++)
    filter[i] = 20;
  logits[5 * 2 + 1] = logf (3); /* 0.75 */
  filter[5] = 0;                /* 0.5 */
  memcpy (deltas + 5 * 4, (float[]){ 1, 2, 3, 4 }, 4 * sizeof (float));
  defcn_boxes_decode (boxes, &level, 1, 2, &rule);
  g_assert_cmpuint (boxes->len, ==, 1);

  const DefcnBox *b = &g_array_index (boxes, DefcnBox, 0);
  g_assert_cmpfloat (b->x1, ==, 39);
  g_assert_cmpfloat (b->y1, ==, 22);
  g_assert_cmpfloat (b->x2, ==, 43);
  g_assert_cmpfloat (b->y2, ==, 28);
  g_assert_cmpfloat_with_epsilon (b->score, 0.375f, 1e-6f);
  g_assert_cmpint (b->label, ==, 1);
}

/* The threshold, of all classes or of one, is strict: a score equal to it gives
 * no box. */
static void
test_decode_threshold_is_strict (void)
{
  const float logits[] = { 0 }, deltas[] = { 1, 1, 1, 1 };
  const DefcnLevel level = { 1, 1, 8, logits, deltas, NULL };
  DefcnDecodeRule rule = { 0.5f, NULL, 1000, 100, 0 };
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  defcn_boxes_decode (boxes, &level, 1, 1, &rule);
  g_assert_cmpuint (boxes->len, ==, 0);
  rule.threshold = nextafterf (0.5f, 0);
  defcn_boxes_decode (boxes, &level, 1, 1, &rule);
  g_assert_cmpuint (boxes->len, ==, 1);

  const float two_logits[] = { 0, 0 };
  const DefcnLevel two = { 1, 1, 8, two_logits, deltas, NULL };
  rule.topk = 2;
  for (int k = 0; k < 2; k++) { /* class k passes a lower one */
    const float thresholds[] = { k ? 0.5f : 0.25f, k ? 0.25f : 0.5f };

    rule.class_thresholds = thresholds;
    defcn_boxes_decode (boxes, &two, 1, 2, &rule);
    for (guint i = 0; i < boxes->len; i++)
      g_assert_cmpint (g_array_index (boxes, DefcnBox, i).label, ==, k);
  }
}

/* The lowest that applies to a class, which is not @threshold where each has
 * its own. */
static void
test_threshold (void)
{
  static const float thresholds[] = { 0.3f, 0.2f, 0.4f, 0.1f };
  DefcnDecodeRule rule = { .threshold = 0.05f };

  g_assert_cmpfloat (defcn_boxes_threshold (&rule, 3), ==, 0.05f);
  rule.class_thresholds = thresholds;
  g_assert_cmpfloat (defcn_boxes_threshold (&rule, 3), ==, 0.2f);
  g_assert_cmpfloat (defcn_boxes_threshold (&rule, 1), ==, 0.3f);
  rule.threshold = 0.9f;
  g_assert_cmpfloat (defcn_boxes_threshold (&rule, 4), ==, 0.1f);
}

/* NaN and infinity in any input neither crash nor give a box that has them. */
static void
test_decode_survives_nan (void)
{
  static const float bad[] = { NAN, INFINITY, -INFINITY, 1e38f, -1e38f };
  g_autoptr (GRand) rand = g_rand_new_with_seed (8);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  for (int threshold = -1; threshold <= 1; threshold++) {
    const DefcnDecodeRule rule = { threshold * 0.05f, NULL, 20, 100, 0.6f };
    Heads heads;

    heads_init (&heads, rand, 8, 8, 3, TRUE, 0);
    for (int i = 0; i < 64; i++) {
      heads.mem[0][g_rand_int_range (rand, 0, 192)] = bad[i % 5];
      heads.mem[1][g_rand_int_range (rand, 0, 256)] = bad[(i + 1) % 5];
      heads.mem[2][g_rand_int_range (rand, 0, 64)] = bad[(i + 2) % 5];
    }
    defcn_boxes_decode (boxes, heads.levels, DEFCN_N_LEVELS, 3, &rule);
    g_assert_cmpuint (boxes->len, >, 0);
    for (guint i = 0; i < boxes->len; i++) {
      const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);

      g_assert_true (isfinite (b->x1 + b->y1) && isfinite (b->x2 + b->y2));
      g_assert_true (b->score >= 0 && b->score <= 1);
    }
    for (int i = 0; i < 192; i++)
      heads.mem[0][i] = NAN;
    defcn_boxes_decode (boxes, heads.levels, 1, 3, &rule);
    g_assert_cmpuint (boxes->len, ==, 0);
    heads_clear (&heads);
  }
}

/* Boxes are scaled, clipped, shifted; those left without area go. */
static void
test_to_image (void)
{
  const DefcnBox in[] = {
    { 10, 20, 30, 40, 0.9f, 0 }, { -5, -5, 5, 5, 0.8f, 1 },
    { 90, 90, 500, 500, 0.7f, 2 },
    { -9, 10, -1, 20, 0.6f, 3 },   /* left of the rectangle */
    { 10, 300, 20, 310, 0.5f, 4 }, /* below it */
    { 10, 10, 10, 20, 0.4f, 5 },   /* no width */
    { 10, 10, 20, 10, 0.4f, 5 },   /* no height */
    { NAN, 10, 20, 20, 0.3f, 6 },  /* not a box */
    { 30, 10, 20, 20, 0.2f, 7 },   /* inside out */
  };
  const DefcnBox out[] = {
    { 120, 130, 160, 210, 0.9f, 0 },
    { 100, 50, 110, 70, 0.8f, 1 },
    { 280, 410, 300, 450, 0.7f, 2 },
  };
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  g_array_append_vals (boxes, in, G_N_ELEMENTS (in));
  defcn_boxes_to_image (boxes, 2, 4, 100, 50, 300, 450);
  g_assert_cmpmem (boxes->data, boxes->len * sizeof (DefcnBox), out,
      sizeof out);
}

/* IoU of pairs worked out by hand. */
static void
test_iou (void)
{
  static const struct
  {
    DefcnBox a, b;
    float iou;
  } cases[] = {
    { { 0, 0, 10, 10 }, { 0, 0, 10, 10 }, 1 },
    { { 0, 0, 10, 10 }, { 5, 0, 15, 10 }, 50.0f / 150 },
    { { 0, 0, 10, 10 }, { 10, 0, 20, 10 }, 0 },
    { { 0, 0, 10, 10 }, { 20, 20, 30, 30 }, 0 },
    { { 0, 0, 10, 10 }, { 5, 20, 15, 30 }, 0 },
    { { 0, 0, 10, 10 }, { 20, 5, 30, 15 }, 0 },
    { { 0, 0, 10, 4 }, { 5, 2, 7, 6 }, 4.0f / 44 },
    { { 0, 0, 4, 4 }, { 1, 1, 3, 3 }, 4.0f / 16 },
    { { 0, 0, 0, 0 }, { 0, 0, 0, 0 }, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_assert_cmpfloat (defcn_box_iou (&cases[i].a, &cases[i].b), ==,
        cases[i].iou);
    g_assert_cmpfloat (defcn_box_iou (&cases[i].b, &cases[i].a), ==,
        cases[i].iou);
  }
}

/* Greedy, class-wise, strict, and a removed box removes nothing. */
static void
test_nms (void)
{
  const DefcnBox in[] = {
    { 0, 0, 10, 10, 0.9f, 0 },
    { 0, 0, 10, 10, 0.8f, 1 }, /* other class: stays */
    { 0, 0, 10, 6, 0.7f, 0 },  /* IoU 0.6: goes */
    { 0, 0, 10, 5, 0.6f, 0 },  /* IoU exactly 0.5: stays */
    { 0, 3, 10, 6, 0.5f, 0 },  /* 0.5 with the removed one: stays */
  };
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  g_array_append_vals (boxes, in, G_N_ELEMENTS (in));
  defcn_boxes_nms (boxes, NULL, 0.5f, NULL);
  g_assert_cmpuint (boxes->len, ==, 4);
  g_assert_cmpfloat (g_array_index (boxes, DefcnBox, 2).score, ==, 0.6f);
  g_assert_cmpfloat (g_array_index (boxes, DefcnBox, 3).score, ==, 0.5f);
}

/* The decode rule runs NMS inside (0, 1) alone, before the best are cut. */
static void
test_decode_nms_rule (void)
{
  static const struct
  {
    float nms_iou;
    int max;
    guint n;
  } cases[] = { { 0, 100, 4 }, { 1, 100, 4 }, { 0.6f, 100, 2 }, { 0.6f, 2, 2 },
    { 0, 3, 3 } };
  const float logits[] = { 3, 2, 1, 0 };
  const float deltas[] = { 4, 4, 4, 4, 12, 4, -4, 4, /* the same box twice */
    4, 4, 4, 4, 12, 4, -4, 4 };
  const DefcnLevel level = { 1, 4, 8, logits, deltas, NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnDecodeRule rule = { 0.05f, NULL, 1000, cases[i].max,
      cases[i].nms_iou };
    g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

    defcn_boxes_decode (boxes, &level, 1, 1, &rule);
    g_assert_cmpuint (boxes->len, ==, cases[i].n);

    /* and from candidates */
    g_autoptr (GArray) found =
        g_array_new (FALSE, FALSE, sizeof (DefcnCandidate));
    g_autoptr (GArray) selected = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    for (int k = 0; k < 4; k++) {
      DefcnCandidate c = { .score = 1.0f / (1.0f + expf (-logits[k])),
        .location = k };

      memcpy (c.ltrb, deltas + 4 * k, sizeof c.ltrb);
      g_array_append_val (found, c);
    }
    defcn_boxes_select (selected, found, &level, 1, 1, &rule);
    assert_same_boxes (selected, boxes);
  }
}

/* Boxes of one location have it in common; the duplicate filter looks at all of
 * the neighbours'. */
static void
test_decode_several (void)
{
  /* two locations of two boxes, two classes */
  static const float logits[] = { -9, 1, 2, -9, -9, -9, -9, 0 };
  static const float deltas[] = { 4, 4, 4, 4, 1, 2, 3, 4, 0, 0, 0, 0, 12, 4, -4,
    4 }; /* the last is the first's */
  static const DefcnBox want[] = { { 3, 2, 7, 8, 0.8808f, 0 },
    { 0, 0, 8, 8, 0.7311f, 1 }, { 0, 0, 8, 8, 0.5f, 1 } };
  const DefcnLevel level = { .h = 1,
    .w = 2,
    .stride = 8,
    .logits = logits,
    .deltas = deltas,
    .anchors = 2 };
  DefcnDecodeRule rule = { .threshold = 0.05f,
    .topk = 10,
    .max_detections = 10 };
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  for (int n = 3; n >= 2; n--) { /* with the filter the last goes */
    defcn_boxes_decode (boxes, &level, 1, 2, &rule);
    g_assert_cmpuint (boxes->len, ==, n);
    for (int i = 0; i < n; i++) {
      const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);

      g_assert_cmpfloat_with_epsilon (b->score, want[i].score, 1e-4);
      g_assert_true (b->x1 == want[i].x1 && b->y1 == want[i].y1);
      g_assert_true (b->x2 == want[i].x2 && b->y2 == want[i].y2);
      g_assert_cmpint (b->label, ==, want[i].label);
    }
    rule.duplicate_iou = 0.5f;
  }
}

/* The threshold and the best of a level go by the class, the order and NMS by
 * the geometric mean with the centerness. */
static void
test_decode_centerness (void)
{
  static const float logits[] = { 0, 2, -4, 1 }, centerness[] = { 4, -4, 9, 0 };
  static const float deltas[] = { 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 12, 4, -4,
    4 }; /* the last one's box is the one before the last's */
  const DefcnLevel level = { .h = 1,
    .w = 4,
    .stride = 8,
    .logits = logits,
    .deltas = deltas,
    .centerness = centerness };
  DefcnDecodeRule rule = { .threshold = 0.05f,
    .topk = 10,
    .max_detections = 10,
    .nms_iou = 0.6f };
  static const float want[][2] = { { 0.7008f, 0 }, { 0.6046f, 16 },
    { 0.1259f, 8 } }; /* score, left */
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  defcn_boxes_decode (boxes, &level, 1, 1, &rule);
  g_assert_cmpuint (boxes->len, ==, 3);
  for (guint i = 0; i < 3; i++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);

    g_assert_cmpfloat_with_epsilon (b->score, want[i][0], 1e-4);
    g_assert_cmpfloat (b->x1, ==, want[i][1]);
  }
  rule.topk = 1; /* the best class, though its centerness is the least */
  defcn_boxes_decode (boxes, &level, 1, 1, &rule);
  g_assert_cmpuint (boxes->len, ==, 1);
  g_assert_cmpfloat (g_array_index (boxes, DefcnBox, 0).x1, ==, 8);
}

/* The cell of each box: decoded without NMS, boxes stand in the order of their
 * scores, which do not tie. */
static DefcnCell
cell_of (const DefcnLevel *levels, int n_classes, const DefcnBox *box)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    for (int i = 0; i < levels[l].h * levels[l].w; i++) {
      const DefcnBox b =
          box_at (&levels[l], n_classes, i * n_classes + box->label);

      if (memcmp (&b, box, sizeof b) == 0)
        return (DefcnCell){ l, i % levels[l].w, i / levels[l].w };
    }
  g_assert_not_reached ();
}

/* Whether location @x on level @from lies in one of the @window cells around
 * cell @at of level @to, by input pixels. */
static gboolean
lies_within (int x, int from, int at, int to, int window)
{
  const double pixel = (x + 0.5) * (8 << from), cell = 8 << to;

  return pixel >= (at - window / 2) * cell
      && pixel < (at + window / 2 + 1) * cell;
}

/* Greedy NMS over all boxes as boxes.h says it. */
static GArray *
nms_plainly (const GArray *all, const DefcnLevel *levels, int n_classes,
    float iou, const DefcnNmsRange *range)
{
  GArray *kept = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  for (guint i = 0; i < all->len; i++) {
    const DefcnBox *b = &g_array_index (all, DefcnBox, i);
    const DefcnCell o = cell_of (levels, n_classes, b);
    gboolean stays = TRUE;

    for (guint j = 0; stays && j < kept->len; j++) {
      const DefcnBox *a = &g_array_index (kept, DefcnBox, j);
      const DefcnCell k = cell_of (levels, n_classes, a);

      stays = a->label != b->label || !(defcn_box_iou (a, b) > iou)
          || (range->per_level && k.level != o.level)
          || (range->window
              && !(lies_within (o.x, o.level, k.x, k.level, range->window)
                  && lies_within (o.y, o.level, k.y, k.level, range->window)));
    }
    if (stays)
      g_array_append_vals (kept, b, 1);
  }
  return kept;
}

/* NMS within a range, from heads and from candidates, is what comparing all
 * boxes gives; a larger range never leaves more, 1 x 1 on one scale leaves all,
 * none is plain NMS. */
static void
test_nms_range (void)
{
  static const DefcnNmsRange ranges[] = { { 1, TRUE }, { 3, TRUE }, { 5, TRUE },
    { 0, TRUE }, { 1, FALSE }, { 3, FALSE }, { 5, FALSE }, { 0, FALSE } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  const int n_classes = 2;
  guint left[G_N_ELEMENTS (ranges)];
  Heads heads;

  heads_init (&heads, rand, 11, 14, n_classes, TRUE, 0);
  heads_share_boxes (&heads, rand);
  for (gsize i = 0; i < G_N_ELEMENTS (ranges); i++) {
    DefcnDecodeRule rule = { .threshold = 0.02f,
      .topk = 1000,
      .max_detections = 1000 };

    defcn_boxes_decode (all, heads.levels, DEFCN_N_LEVELS, n_classes, &rule);
    g_autoptr (GArray) expected =
        nms_plainly (all, heads.levels, n_classes, 0.5f, &ranges[i]);
    rule.nms_iou = 0.5f;
    rule.nms_range = ranges[i];
    defcn_boxes_decode (boxes, heads.levels, DEFCN_N_LEVELS, n_classes, &rule);
    assert_same_boxes (boxes, expected);
    left[i] = boxes->len;
    g_test_message ("%d, %d: %u of %u", ranges[i].window, ranges[i].per_level,
        boxes->len, all->len);

    g_autoptr (GArray) found =
        find_candidates (heads.levels, n_classes, rule.threshold);
    defcn_boxes_select (boxes, found, heads.levels, DEFCN_N_LEVELS, n_classes,
        &rule);
    assert_same_boxes (boxes, expected);
    rule.max_detections = 7;
    defcn_boxes_decode (boxes, heads.levels, DEFCN_N_LEVELS, n_classes, &rule);
    g_array_set_size (expected, 7);
    assert_same_boxes (boxes, expected);
  }
  g_assert_cmpuint (left[0], ==, all->len);
  for (int k = 0; k < 4; k++) {
    g_assert_cmpuint (left[k], >, left[4 + k]); /* across scales */
    if (k > 0)
      g_assert_cmpuint (left[k], <=, left[k - 1]);
  }
  g_assert_cmpuint (left[1], <, left[0]);
  g_assert_cmpuint (left[3], <, left[1]);
  heads_clear (&heads);
}

/* Decoded with a max filter stays what it keeps, and nothing else; the best of
 * a level are taken of these. */
static void
test_max_filter (void)
{
  static const DefcnMaxFilter filters[] = { { 0, 1 }, { 0, 3 }, { 2, 3 },
    { 4, 5 } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (12);
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  const int n_classes = 1; /* with more, a level's best are a part */
  guint before = G_MAXUINT;
  Heads heads;

  heads_init (&heads, rand, 11, 14, n_classes, TRUE, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (filters); i++) {
    DefcnDecodeRule rule = { .threshold = 0.02f,
      .topk = 1000,
      .max_detections = 1000 };
    guint kept = 0;

    defcn_boxes_decode (all, heads.levels, DEFCN_N_LEVELS, n_classes, &rule);
    for (guint k = 0; k < all->len; k++) {
      const DefcnBox box = g_array_index (all, DefcnBox, k);
      const DefcnCell cell = cell_of (heads.levels, n_classes, &box);

      if (defcn_max_filter_keeps (&filters[i], heads.levels, DEFCN_N_LEVELS,
              n_classes, cell.level,
              cell.y * heads.levels[cell.level].w + cell.x, box.label))
        g_array_index (all, DefcnBox, kept++) = box;
    }
    g_array_set_size (all, kept);
    rule.max_filter = filters[i];
    defcn_boxes_decode (boxes, heads.levels, DEFCN_N_LEVELS, n_classes, &rule);
    assert_same_boxes (boxes, all);
    g_assert_cmpuint (boxes->len, <, before);
    before = boxes->len;
    rule.topk = 1; /* of each level */
    defcn_boxes_decode (boxes, heads.levels, DEFCN_N_LEVELS, n_classes, &rule);
    g_assert_cmpuint (boxes->len, >, 0);
    g_assert_cmpmem (boxes->data, sizeof (DefcnBox), all->data,
        sizeof (DefcnBox));
  }
  heads_clear (&heads);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/boxes/decode/full-sort", test_decode_is_the_full_sort);
  g_test_add_func ("/boxes/decode/by-hand", test_decode_by_hand);
  g_test_add_func ("/boxes/decode/strict", test_decode_threshold_is_strict);
  g_test_add_func ("/boxes/decode/threshold", test_threshold);
  g_test_add_func ("/boxes/decode/nan", test_decode_survives_nan);
  g_test_add_func ("/boxes/decode/nms", test_decode_nms_rule);
  g_test_add_func ("/boxes/decode/several", test_decode_several);
  g_test_add_func ("/boxes/decode/centerness", test_decode_centerness);
  g_test_add_func ("/boxes/duplicates", test_duplicates);
  g_test_add_func ("/boxes/duplicates/people", test_duplicates_of_people);
  g_test_add_func ("/boxes/duplicates/by-hand", test_duplicates_by_hand);
  g_test_add_func ("/boxes/duplicates/nan", test_duplicates_survive_nan);
  g_test_add_func ("/boxes/to-image", test_to_image);
  g_test_add_func ("/boxes/iou", test_iou);
  g_test_add_func ("/boxes/nms", test_nms);
  g_test_add_func ("/boxes/nms/range", test_nms_range);
  g_test_add_func ("/boxes/max-filter", test_max_filter);
  return g_test_run ();
}
