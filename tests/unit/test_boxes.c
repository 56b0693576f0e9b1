/* Decoding, rescaling, IoU and NMS of boxes. */
#include "boxes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLASSES 7

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

/* What boxes.h says, plainly: sort everything, cut, threshold, decode. */
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
      const float s = 1.0f / (1.0f + expf (-level->logits[i]));
      const float f = level->filter
          ? 1.0f / (1.0f + expf (-level->filter[i / n_classes]))
          : 1.0f;
      const Scored scored = { s * f, l, i };

      g_array_append_val (all, scored);
    }
    qsort (&g_array_index (all, Scored, first), all->len - first,
        sizeof (Scored), by_score);
    g_array_set_size (all, first + MIN (n, (guint) rule->topk));
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
    const DefcnLevel *level = &levels[s->level];
    const guint at = s->index / n_classes;
    const float *d = level->deltas + 4 * at;
    const float x = (at % level->w + 0.5f) * level->stride;
    const float y = (at / level->w + 0.5f) * level->stride;
    const DefcnBox box = { x - d[0], y - d[1], x + d[2], y + d[3], s->score,
      s->index % n_classes };

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
      const float f =
          level->filter ? 1.0f / (1.0f + expf (-level->filter[at])) : 1.0f;
      DefcnCandidate c = { .score =
                               1.0f / (1.0f + expf (-level->logits[i])) * f,
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
  static const float mixed[MAX_CLASSES] = { 0.5f, 0.01f, 2, 0.2f, 0.05f, 0.9f,
    0.3f };
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
  defcn_boxes_nms (boxes, 0.5f);
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
  g_test_add_func ("/boxes/to-image", test_to_image);
  g_test_add_func ("/boxes/iou", test_iou);
  g_test_add_func ("/boxes/nms", test_nms);
  return g_test_run ();
}
