/* What the CUDA module finds in the heads is what the host's decoding finds:
 * scores above a threshold, with and without the local duplicate filter. */
#include "boxes.h"

#include <math.h>

#include "../tensors.h"
#include "../testing.h"

#define IMAGES 2 /* of which the last is looked at */

typedef struct
{
  int h, w, n_classes; /* of the finest level */
  gboolean filter;
  double step; /* of the logits, so that scores tie; 0: any */
  float threshold;
  gboolean bad; /* NaN and infinities among the numbers */
} Case;

/* Heads in backend memory and, of the last image, on the host. */
typedef struct
{
  DefcnTensor *logits[DEFCN_N_LEVELS], *deltas[DEFCN_N_LEVELS],
      *filter[DEFCN_N_LEVELS];
  DefcnLevel levels[DEFCN_N_LEVELS];
  float *mem[3 * DEFCN_N_LEVELS]; /* of all images */
  int n_mem;
} Heads;

static void
spoil (GRand *rand, float *values, gsize n)
{
  static const float bad[] = { NAN, INFINITY, -INFINITY, 1e38f };

  for (gsize i = 0; i < n / 10 + 1; i++)
    values[g_rand_int_range (rand, 0, n)] = bad[i % G_N_ELEMENTS (bad)];
}

static float *
random_logits (GRand *rand, gsize n, double step)
{
  float *values = g_new (float, n);

  for (gsize i = 0; i < n; i++) {
    values[i] = g_rand_double_range (rand, -5, 4);
    if (step > 0)
      values[i] = step * floor (values[i] / step);
  }
  return values;
}

/* Cells of 160 pixels have a box, which their locations share to 16 pixels: on
 * the coarsest level too, neighbours have the same. */
static float *
shared_boxes (GRand *rand, int n, int h, int w, int stride)
{
  float *values = g_new (float, (gsize) n *h *w * 4);

  for (int i = 0; i < n * h * w; i++) {
    const float x = (i % w + 0.5f) * stride;
    const float y = (i / w % h + 0.5f) * stride;
    const float left = floorf (x / 160) * 160, top = floorf (y / 160) * 160;
    float *d = values + 4 * i;

    d[0] = x - left;
    d[1] = y - top;
    d[2] = left + 160 - x;
    d[3] = top + 160 - y;
    for (int side = 0; side < 4; side++)
      d[side] += g_rand_double_range (rand, -16, 16);
  }
  return values;
}

/* @values of all images, owned by @heads, of which *@last gets the last's. */
static DefcnTensor *
upload (DefcnBackend *be, Heads *heads, const float **last, float *values,
    int h, int w, int c)
{
  DefcnTensor *t =
      testing_tensor_new (be, DEFCN_TENSOR_ACTIVATION, IMAGES, h, w, c, FALSE);

  testing_tensor_write (be, t, values);
  heads->mem[heads->n_mem++] = values;
  *last = values + (gsize) (IMAGES - 1) * h * w * c;
  return t;
}

static void
heads_init (Heads *heads, DefcnBackend *be, GRand *rand, const Case *c)
{
  int h = c->h, w = c->w;

  *heads = (Heads){ 0 };
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const gsize n = (gsize) IMAGES * h * w;
    DefcnLevel *level = &heads->levels[l];
    float *logits = random_logits (rand, n * c->n_classes, c->step);
    float *deltas = shared_boxes (rand, IMAGES, h, w, defcn_boxes_stride (l));

    if (c->bad) {
      spoil (rand, logits, n * c->n_classes);
      spoil (rand, deltas, n * 4);
    }
    *level = (DefcnLevel){ h, w, defcn_boxes_stride (l) };
    heads->logits[l] =
        upload (be, heads, &level->logits, logits, h, w, c->n_classes);
    heads->deltas[l] = upload (be, heads, &level->deltas, deltas, h, w, 4);
    if (c->filter)
      heads->filter[l] = upload (be, heads, &level->filter,
          random_logits (rand, n, c->step), h, w, 1);
    h = (h + 1) / 2;
    w = (w + 1) / 2;
  }
}

static void
heads_clear (Heads *heads, DefcnBackend *be)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    testing_tensor_free (be, heads->logits[l]);
    testing_tensor_free (be, heads->deltas[l]);
    testing_tensor_free (be, heads->filter[l]);
  }
  for (int i = 0; i < heads->n_mem; i++)
    g_free (heads->mem[i]);
}

/* Any order that does not hang on a score: a device's exponentials differ. */
static int
by_corners (const void *pa, const void *pb)
{
  const DefcnBox *a = pa, *b = pb;

  return a->label != b->label ? a->label - b->label
      : a->x1 != b->x1        ? (a->x1 < b->x1 ? -1 : 1)
      : a->y1 != b->y1        ? (a->y1 < b->y1 ? -1 : 1)
      : a->x2 != b->x2        ? (a->x2 < b->x2 ? -1 : 1)
                              : (a->y2 > b->y2) - (a->y2 < b->y2);
}

/* Every case, limit by limit: the same boxes to the bit, scores to 1e-6; the
 * filter takes some away in each. */
static void
test_candidates (void)
{
  static const Case cases[] = {
    { 24, 33, 3, TRUE, 0, 0.05f, FALSE },
    { 24, 33, 3, FALSE, 0, 0.05f, FALSE },
    { 23, 34, 1, TRUE, 0.5, 0.05f, FALSE },
    { 23, 34, 2, FALSE, 1, 0.3f, FALSE },
    { 25, 35, 4, TRUE, 0, 0.0f, TRUE },
    { 7, 5, 2, TRUE, 0.5, 0.0f, TRUE },
  };
  static const float limits[] = { 0, 0.7f, 0.5f, 1, -1 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (13);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("cuda", 1, &error);
  g_autoptr (GArray) wanted = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) candidates =
      g_array_new (FALSE, FALSE, sizeof (DefcnCandidate));

  if (!be) {
    testing_no_backend (error);
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *c = &cases[i];
    guint all = 0;
    Heads heads;

    heads_init (&heads, be, rand, c);
    for (gsize k = 0; k < G_N_ELEMENTS (limits); k++) {
      const DefcnDecodeRule rule = { c->threshold, NULL, 100000, 100000, 0,
        limits[k] };

      be->pass->seek (be, c->threshold, limits[k]);
      be->pass->find (be, heads.logits, heads.deltas, heads.filter,
          DEFCN_N_LEVELS);
      g_assert_true (be->pass->found (be, candidates, IMAGES - 1));
      defcn_boxes_select (found, candidates, heads.levels, DEFCN_N_LEVELS,
          c->n_classes, &rule);
      defcn_boxes_decode (wanted, heads.levels, DEFCN_N_LEVELS, c->n_classes,
          &rule);
      g_array_sort (found, by_corners);
      g_array_sort (wanted, by_corners);
      g_assert_cmpuint (found->len, ==, wanted->len);
      for (guint at = 0; at < found->len; at++) {
        const DefcnBox *a = &g_array_index (found, DefcnBox, at);
        const DefcnBox *b = &g_array_index (wanted, DefcnBox, at);

        g_assert_cmpint (by_corners (a, b), ==, 0);
        g_assert_cmpfloat_with_epsilon (a->score, b->score, 1e-6f);
      }
      all = k == 0 ? found->len : all;
      if (limits[k] > 0 && limits[k] < 1)
        g_assert_cmpuint (found->len, <, all);
      else
        g_assert_cmpuint (found->len, ==, all);
    }
    heads_clear (&heads, be);
  }
}

/* More than the device has room for is said to be too much. */
static void
test_too_many (void)
{
  static const Case many = { 64, 66, 4, FALSE, 0, 0, FALSE };
  static const Case few = { 24, 33, 3, FALSE, 0, 0.3f, FALSE };
  g_autoptr (GRand) rand = g_rand_new_with_seed (13);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("cuda", 1, &error);
  g_autoptr (GArray) candidates =
      g_array_new (FALSE, FALSE, sizeof (DefcnCandidate));

  if (!be) {
    testing_no_backend (error);
    return;
  }
  for (int i = 0; i < 4; i++) {
    const Case *c = i % 2 ? &few : &many;
    Heads heads;

    heads_init (&heads, be, rand, c);
    be->pass->seek (be, c->threshold, 0);
    be->pass->find (be, heads.logits, heads.deltas, heads.filter,
        DEFCN_N_LEVELS);
    g_assert_cmpint (be->pass->found (be, candidates, 0), ==, i % 2);
    g_assert_cmpint (candidates->len > 0, ==, i % 2);
    heads_clear (&heads, be);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decode/candidates", test_candidates);
  g_test_add_func ("/decode/too-many", test_too_many);
  return g_test_run ();
}
