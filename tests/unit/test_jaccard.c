/* The Jaccard index: cases worked by hand, and random ones against all
 * matchings that there are. */
#include "eval/jaccard.h"

#include <math.h>

#define MAX_BOXES 6
#define EPSILON 1e-6

/* A list of one of these ends with a box without width: x, y, w, h. */
typedef struct
{
  double box[4], score;
} Row;

static guint
to_boxes (DefcnJaccardBox *out, const Row *rows)
{
  guint n = 0;

  for (; n < MAX_BOXES && rows[n].box[2] != 0; n++) {
    const double *b = rows[n].box;

    out[n] = (DefcnJaccardBox){ b[0], b[1], b[0] + b[2], b[1] + b[3],
      rows[n].score };
  }
  return n;
}

typedef struct
{
  const char *name;
  Row found[MAX_BOXES], persons[MAX_BOXES], ignored[MAX_BOXES];
  double index; /* without the 1e-6 in the denominators */
  double threshold;
} Case;

#define A                                                                      \
  {                                                                            \
    0, 0, 40, 80                                                               \
  }
#define B                                                                      \
  {                                                                            \
    50, 0, 40, 80                                                              \
  }
#define FAR                                                                    \
  {                                                                            \
    150, 100, 40, 80                                                           \
  }

/* One picture each. */
static const Case cases[] = {
  { "nothing", .index = 0 },
  { "missed", .persons = { { A } }, .index = 0 },
  { "false alone", { { A, 0.9 } }, .index = 0 },
  { "found", { { A, 0.9 } }, { { A } }, .index = 1 },
  /* k 1, m 2, n 1 */
  { "half", { { A, 0.9 } }, { { A }, { B } }, .index = 0.5 },
  /* k 1, m 1, n 2: the weaker one goes at 0.3 */
  { "a weak false one", { { A, 0.9 }, { FAR, 0.25 } }, { { A } }, .index = 1,
      .threshold = 0.3 },
  { "a strong false one", { { A, 0.4 }, { FAR, 0.95 } }, { { A } },
      .index = 0.5 },
  { "two on one person", { { A, 0.95 }, { A, 0.92 } }, { { A } },
      .index = 0.5 },
  /* More than the threshold is wanted: 0.5 is gone at 0.5, 0.4 has all. */
  { "a score that is a threshold", { { A, 0.5 }, { FAR, 0.4 } }, { { A } },
      .index = 1, .threshold = 0.4 },
  /* More than an IoU of 0.5 is wanted. */
  { "an IoU of 0.5", { { { 0, 0, 40, 40 }, 0.9 } }, { { A } }, .index = 0 },
  { "an IoU above 0.5", { { { 0, 0, 40, 41 }, 0.9 } }, { { A } }, .index = 1 },
  /* The first detection overlaps both persons (80/120, 80/119), the second only
   * the second one: taking the best for each would leave a pair out. */
  { "both or one", { { { 10, 0, 40, 80 }, 0.9 }, { { 22, 0, 40, 80 }, 0.8 } },
      { { A }, { { 21, 0, 40, 80 } } }, .index = 1 },
  /* Of what lies on an ignored region only pairs count, on either side. */
  { "an ignored box", { { A, 0.9 }, { { 110, 10, 20, 20 }, 0.9 } }, { { A } },
      { { { 100, 0, 100, 100 } } }, .index = 1 },
  { "an ignored person", { { A, 0.9 } }, { { A }, { { 110, 10, 20, 20 } } },
      { { { 100, 0, 100, 100 } } }, .index = 1 },
  { "a pair in an ignored region", { { A, 0.9 } }, { { A } },
      { { { 0, 0, 200, 200 } } }, .index = 1 },
  { "half on an ignored region", { { A, 0.9 }, { B, 0.9 } }, { { A } },
      { { { 50, 0, 20, 80 } } }, .index = 0.5 },
  { "over half on it", { { A, 0.9 }, { B, 0.9 } }, { { A } },
      { { { 50, 0, 21, 80 } } }, .index = 1 },
  { "two halves are none", { { A, 0.9 }, { B, 0.9 } }, { { A } },
      { { { 50, 0, 20, 80 } }, { { 70, 0, 20, 80 } } }, .index = 0.5 },
  { "only ignored", { { A, 0.9 } }, .ignored = { { A } }, .index = 0 },
};

static void
test_hand (gconstpointer data)
{
  const Case *c = data;
  DefcnJaccardBox found[MAX_BOXES], persons[MAX_BOXES], ignored[MAX_BOXES];
  const guint n_found = to_boxes (found, c->found);
  const guint n_persons = to_boxes (persons, c->persons);
  const guint n_ignored = to_boxes (ignored, c->ignored);
  DefcnJaccard sum = { { 0 } };
  double threshold;

  defcn_jaccard_add (&sum, found, n_found, persons, n_persons, ignored,
      n_ignored);
  const double index = defcn_jaccard_best (&sum, &threshold);
  g_test_message ("%.9f at %.1f", index, threshold);
  g_assert_cmpfloat_with_epsilon (index, c->index, 2e-6);
  g_assert_cmpfloat_with_epsilon (threshold, c->threshold, 1e-9);
}

/* The mean is over pictures that have something left at the threshold, of one
 * threshold for all of them. */
static void
test_mean (void)
{
  static const Row one[MAX_BOXES] = { { A, 0.9 }, { FAR, 0.45 } },
                   two[MAX_BOXES] = { { A, 0.35 } },
                   person[MAX_BOXES] = { { A } };
  DefcnJaccardBox found[2][MAX_BOXES], persons[MAX_BOXES];
  const guint n_one = to_boxes (found[0], one),
              n_two = to_boxes (found[1], two);
  const guint n_persons = to_boxes (persons, person);
  DefcnJaccard sum = { { 0 } };
  double threshold;

  g_assert_cmpfloat (defcn_jaccard_best (&sum, &threshold), ==, 0);
  g_assert_cmpfloat (threshold, ==, 0);
  defcn_jaccard_add (&sum, found[0], n_one, persons, n_persons, NULL, 0);
  defcn_jaccard_add (&sum, found[1], n_two, persons, n_persons, NULL, 0);
  defcn_jaccard_add (&sum, NULL, 0, NULL, 0, NULL, 0);
  /* (1/2 + 1) / 2 below 0.35, (1 + 0) / 2 from 0.5 on; the empty picture is
   * none. */
  g_assert_cmpfloat_with_epsilon (defcn_jaccard_best (&sum, &threshold), 0.75,
      2e-6);
  g_assert_cmpfloat (threshold, ==, 0);
  /* A picture of a false box alone takes part where that counts: below 0.3 the
   * mean is (1/2 + 1 + 0) / 3, above .75 again. */
  found[0][1].score = 0.25;
  defcn_jaccard_add (&sum, found[0] + 1, 1, NULL, 0, NULL, 0);
  g_assert_cmpfloat_with_epsilon (defcn_jaccard_best (&sum, &threshold), 0.75,
      2e-6);
  g_assert_cmpfloat_with_epsilon (threshold, 0.3, 1e-9);
}

static double
area (const DefcnJaccardBox *b)
{
  return (b->x2 - b->x1) * (b->y2 - b->y1);
}

static double
intersection (const DefcnJaccardBox *a, const DefcnJaccardBox *b)
{
  return MAX (0, MIN (a->x2, b->x2) - MAX (a->x1, b->x1))
      * MAX (0, MIN (a->y2, b->y2) - MAX (a->y1, b->y1));
}

/* Pictures of a few boxes, and the best matching by trying all of them. */
typedef struct
{
  DefcnJaccardBox found[MAX_BOXES], persons[MAX_BOXES], ignored[MAX_BOXES];
  guint n_found, n_persons, n_ignored;
  /* Of the search. */
  double threshold, best;
  int mate[MAX_BOXES], best_mate[MAX_BOXES];
} Crowd;

static void
search (Crowd *c, guint i, guint taken, double sum)
{
  if (i == c->n_found) {
    if (sum > c->best) {
      c->best = sum;
      for (guint k = 0; k < c->n_found; k++)
        c->best_mate[k] = c->mate[k];
    }
    return;
  }
  c->mate[i] = -1;
  search (c, i + 1, taken, sum);
  for (guint j = 0; j < c->n_persons; j++) {
    const double inter = intersection (&c->found[i], &c->persons[j]);
    const double iou =
        inter / (area (&c->found[i]) + area (&c->persons[j]) - inter + EPSILON);

    if (taken >> j & 1 || !(iou > 0.5) || !(c->found[i].score > c->threshold))
      continue;
    c->mate[i] = j;
    search (c, i + 1, taken | 1u << j, sum + iou);
    c->mate[i] = -1;
  }
}

static gboolean
is_ignored (const Crowd *c, const DefcnJaccardBox *box)
{
  for (guint i = 0; i < c->n_ignored; i++)
    if (intersection (box, &c->ignored[i]) / (area (box) + EPSILON) > 0.5)
      return TRUE;
  return FALSE;
}

/* The ratio at a threshold; *@counts: the picture has something. */
static double
ratio_plainly (Crowd *c, double threshold, gboolean *counts, guint *n_pairs)
{
  guint taken = 0, k = 0, n = 0, m = 0;

  c->threshold = threshold;
  c->best = -1;
  search (c, 0, 0, 0);
  for (guint i = 0; i < c->n_found; i++) {
    if (c->best_mate[i] >= 0) {
      taken |= 1u << c->best_mate[i];
      k++;
    }
    n += c->found[i].score > threshold
        && (c->best_mate[i] >= 0 || !is_ignored (c, &c->found[i]));
  }
  for (guint j = 0; j < c->n_persons; j++)
    m += (taken >> j & 1) || !is_ignored (c, &c->persons[j]);
  *counts = n > 0 || m > 0;
  *n_pairs += k;
  return k / (m + n - k + EPSILON);
}

static guint
random_boxes (DefcnJaccardBox *boxes, GRand *rand, double side)
{
  const guint n = g_rand_int_range (rand, 0, MAX_BOXES + 1);

  for (guint i = 0; i < n; i++) {
    const double x = g_rand_double_range (rand, 0, 12);
    const double y = g_rand_double_range (rand, 0, 8);

    boxes[i] = (DefcnJaccardBox){ x, y,
      x + side * g_rand_double_range (rand, 0.8, 1.2),
      y + side * g_rand_double_range (rand, 0.8, 1.2),
      g_rand_double_range (rand, 0, 1) };
  }
  return n;
}

/* Sets of pictures so crowded that boxes compete for persons. */
static void
test_all_matchings (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  guint n_pairs = 0;

  for (int set = 0; set < 60; set++) {
    DefcnJaccard sum = { { 0 } };
    double ratios[DEFCN_JACCARD_THRESHOLDS] = { 0 }, best = 0, threshold;
    guint n[DEFCN_JACCARD_THRESHOLDS] = { 0 };

    for (int picture = 0; picture < 5; picture++) {
      Crowd c = { 0 };

      c.n_found = random_boxes (c.found, rand, 24);
      c.n_persons = random_boxes (c.persons, rand, 24);
      c.n_ignored = set % 2 ? random_boxes (c.ignored, rand, 16) / 3 : 0;
      defcn_jaccard_add (&sum, c.found, c.n_found, c.persons, c.n_persons,
          c.ignored, c.n_ignored);
      for (int step = 0; step < DEFCN_JACCARD_THRESHOLDS; step++) {
        gboolean counts;

        ratios[step] += ratio_plainly (&c, 0.1 * step, &counts, &n_pairs);
        n[step] += counts;
      }
    }
    for (int step = 0; step < DEFCN_JACCARD_THRESHOLDS; step++)
      if (n[step])
        best = MAX (best, ratios[step] / n[step]);
    g_assert_cmpfloat_with_epsilon (defcn_jaccard_best (&sum, &threshold), best,
        1e-12);
    const int at = (int) lround (threshold * 10);
    g_assert_cmpfloat_with_epsilon (n[at] ? ratios[at] / n[at] : 0, best,
        1e-12);
    g_assert_cmpmem (n, sizeof n, sum.n_images, sizeof n);
  }
  g_test_message ("%u pairs", n_pairs);
  g_assert_cmpuint (n_pairs, >, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/jaccard/hand/", cases[i].name, NULL);

    g_test_add_data_func (path, &cases[i], test_hand);
  }
  g_test_add_func ("/jaccard/mean", test_mean);
  g_test_add_func ("/jaccard/all matchings", test_all_matchings);
  return g_test_run ();
}
