/* 3DMF as post-processing: its text, and what it keeps, by whole maps. */
#include "max_filter.h"

#include <math.h>
#include <string.h>

/* "TAU,PHI" within the limits of a recipe, nothing else. */
static void
test_parse (void)
{
  static const struct
  {
    const char *text;
    int tau, phi; /* phi 0: none */
  } cases[] = { { "0,1", 0, 1 }, { "0,3", 0, 3 }, { "2,3", 2, 3 },
    { "4,5", 4, 5 }, { "8,15", 8, 15 }, { "", 0, 0 }, { "2", 0, 0 },
    { "2,", 0, 0 }, { ",3", 0, 0 }, { "1,3", 0, 0 }, { "2,2", 0, 0 },
    { "10,3", 0, 0 }, { "2,17", 0, 0 }, { "2,0", 0, 0 }, { "2,-1", 0, 0 },
    { "-2,3", 0, 0 }, { " 2,3", 0, 0 }, { "2,3,", 0, 0 }, { "2,3x", 0, 0 },
    { "2x3", 0, 0 }, { "2,115", 0, 0 } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    DefcnMaxFilter filter = { -1, -1 };
    const gboolean good = defcn_max_filter_parse (&filter, cases[i].text);

    if (good != (cases[i].phi > 0))
      g_error ("\"%s\" is %d", cases[i].text, good);
    g_assert_cmpint (filter.tau, ==, good ? cases[i].tau : -1);
    g_assert_cmpint (filter.phi, ==, good ? cases[i].phi : -1);
  }
}

#define N_CLASSES 2
#define MAX_AREA (13 * 18)

/* Random heads; their final scores. */
typedef struct
{
  DefcnLevel levels[DEFCN_N_LEVELS];
  float logits[DEFCN_N_LEVELS][MAX_AREA * N_CLASSES];
  float filter[DEFCN_N_LEVELS][MAX_AREA];
  float centerness[DEFCN_N_LEVELS][MAX_AREA];
  double scores[DEFCN_N_LEVELS][MAX_AREA][N_CLASSES];
} Heads;

static double
sigmoid (double x)
{
  return 1 / (1 + exp (-x));
}

static void
heads_fill (Heads *heads, GRand *rand, int h, int w, gboolean filter,
    gboolean centerness)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    DefcnLevel *level = &heads->levels[l];

    *level = (DefcnLevel){ .h = h,
      .w = w,
      .logits = heads->logits[l],
      .filter = filter ? heads->filter[l] : NULL,
      .centerness = centerness ? heads->centerness[l] : NULL };
    for (int i = 0; i < h * w; i++) {
      heads->filter[l][i] = g_rand_double_range (rand, -2, 3);
      heads->centerness[l][i] = g_rand_double_range (rand, -2, 3);
      for (int k = 0; k < N_CLASSES; k++) {
        float *logit = &heads->logits[l][i * N_CLASSES + k];
        double *score = &heads->scores[l][i][k];

        *logit = g_rand_double_range (rand, -4, 4);
        *score =
            sigmoid (*logit) * (filter ? sigmoid (heads->filter[l][i]) : 1);
        if (centerness)
          *score = sqrt (*score * sigmoid (heads->centerness[l][i]));
      }
    }
    h = (h + 1) / 2;
    w = (w + 1) / 2;
  }
}

/* Level @k of class @label resized to @out_h x @out_w. */
static void
resize_plainly (double *out, const Heads *heads, int k, int label, int out_h,
    int out_w)
{
  const int h = heads->levels[k].h, w = heads->levels[k].w;

  for (int y = 0; y < out_h; y++)
    for (int x = 0; x < out_w; x++) {
      const double v = CLAMP ((y + 0.5) * h / out_h - 0.5, 0, h - 1);
      const double u = CLAMP ((x + 0.5) * w / out_w - 0.5, 0, w - 1);
      const int v0 = v, u0 = u, v1 = MIN (v0 + 1, h - 1),
                u1 = MIN (u0 + 1, w - 1);
      const double a = v - v0, b = u - u0;

      out[y * out_w + x] =
          (1 - a) * (1 - b) * heads->scores[k][v0 * w + u0][label]
          + (1 - a) * b * heads->scores[k][v0 * w + u1][label]
          + a * (1 - b) * heads->scores[k][v1 * w + u0][label]
          + a * b * heads->scores[k][v1 * w + u1][label];
    }
}

/* The largest of the tube at (@x, @y) of level @l. */
static double
tube_plainly (double maps[DEFCN_N_LEVELS][MAX_AREA], const Heads *heads, int l,
    int x, int y, const DefcnMaxFilter *filter)
{
  const int h = heads->levels[l].h, w = heads->levels[l].w;
  double best = 0;

  for (int k = 0; k < DEFCN_N_LEVELS; k++)
    for (int v = 0; v < h; v++)
      for (int u = 0; u < w; u++)
        if (2 * ABS (k - l) <= filter->tau && 2 * ABS (v - y) < filter->phi
            && 2 * ABS (u - x) < filter->phi)
          best = MAX (best, maps[k][v * w + u]);
  return best;
}

/* What stays is what equals the maximum of maps that are resized as a whole, in
 * double precision: of the class alone, with 3DMF, with centerness. */
static void
test_keeps (void)
{
  static const DefcnMaxFilter filters[] = { { 0, 1 }, { 0, 3 }, { 0, 5 },
    { 2, 1 }, { 2, 3 }, { 2, 5 }, { 4, 1 }, { 4, 3 }, { 4, 5 } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  g_autofree Heads *heads = g_new (Heads, 1);
  guint n = 0, n_kept = 0;

  for (int kind = 0; kind < 3; kind++) {
    heads_fill (heads, rand, 13, 18, kind == 1, kind == 2);
    for (gsize f = 0; f < G_N_ELEMENTS (filters); f++)
      for (int l = 0; l < DEFCN_N_LEVELS; l++)
        for (int label = 0; label < N_CLASSES; label++) {
          const int h = heads->levels[l].h, w = heads->levels[l].w;
          static double maps[DEFCN_N_LEVELS][MAX_AREA];

          for (int k = 0; k < DEFCN_N_LEVELS; k++)
            resize_plainly (maps[k], heads, k, label, h, w);
          for (int i = 0; i < h * w; i++) {
            const double off = heads->scores[l][i][label]
                - tube_plainly (maps, heads, l, i % w, i / w, &filters[f]);
            const gboolean kept = defcn_max_filter_keeps (&filters[f],
                heads->levels, DEFCN_N_LEVELS, N_CLASSES, l, i, label);

            g_assert_cmpint (kept, ==, off > -1e-6);
            n_kept += kept;
            n++;
          }
        }
  }
  g_test_message ("%u of %u", n_kept, n);
  g_assert_cmpuint (n_kept, >, n / 20);
  g_assert_cmpuint (n_kept, <, n / 2);
}

/* Equal scores all stay; what is not a number takes none away. */
static void
test_ties (void)
{
  const float equal[] = { 1, 1, 1, 1 }, one[] = { 1, NAN, 0, 2 };
  const DefcnLevel same = { .h = 1, .w = 4, .logits = equal },
                   nan = { .h = 1, .w = 4, .logits = one };
  const DefcnMaxFilter filter = { 2, 3 };

  for (int i = 0; i < 4; i++)
    g_assert_true (defcn_max_filter_keeps (&filter, &same, 1, 1, 0, i, 0));
  g_assert_true (defcn_max_filter_keeps (&filter, &nan, 1, 1, 0, 0, 0));
  g_assert_false (defcn_max_filter_keeps (&filter, &nan, 1, 1, 0, 2, 0));
  g_assert_true (defcn_max_filter_keeps (&filter, &nan, 1, 1, 0, 3, 0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/max-filter/parse", test_parse);
  g_test_add_func ("/max-filter/keeps", test_keeps);
  g_test_add_func ("/max-filter/ties", test_ties);
  return g_test_run ();
}
