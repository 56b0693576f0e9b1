/* IoU, NMS and locations against the reference. */
#include "boxes.h"
#include "testing.h"
#include "weights.h"

#include <stdlib.h>
#include <string.h>

/* NULL after a skip that names the file. */
static DefcnWeights *
open_golden (const char *below)
{
  g_autofree char *path = testing_golden (below);
  g_autoptr (GError) error = NULL;

  if (!path) {
    g_test_skip_printf ("no golden %s", below);
    return NULL;
  }

  DefcnWeights *weights = defcn_weights_open (path, &error);
  g_assert_no_error (error);
  return weights;
}

static float *
read_floats (const DefcnWeights *weights, const char *name, int *n)
{
  const DefcnWeightsTensor *t = defcn_weights_lookup (weights, name);

  g_assert_nonnull (t);
  float *values = g_new (float, t->len);
  g_assert_true (defcn_weights_read (weights, t, values, NULL));
  *n = t->dims[0];
  return values;
}

static gint64 *
read_ints (const DefcnWeights *weights, const char *name, int *n)
{
  const DefcnWeightsTensor *t = defcn_weights_lookup (weights, name);

  g_assert_nonnull (t);
  g_assert_cmpint (t->dtype, ==, DEFCN_DTYPE_I64);
  *n = t->len;
  return g_memdup2 (t->data, t->len * sizeof (gint64));
}

/* All pairs, within the rounding of a division. */
static void
test_pairwise_iou (void)
{
  g_autoptr (DefcnWeights) weights =
      open_golden ("ops/pairwise_iou.safetensors");
  int n_a, n_b, n;

  if (!weights)
    return;

  g_autofree float *a = read_floats (weights, "a", &n_a);
  g_autofree float *b = read_floats (weights, "b", &n_b);
  g_autofree float *iou = read_floats (weights, "iou", &n);
  for (int i = 0; i < n_a; i++) {
    for (int j = 0; j < n_b; j++) {
      DefcnBox box_a = { 0 }, box_b = { 0 };

      memcpy (&box_a, a + 4 * i, 4 * sizeof *a);
      memcpy (&box_b, b + 4 * j, 4 * sizeof *b);
      g_assert_cmpfloat_with_epsilon (defcn_box_iou (&box_a, &box_b),
          iou[i * n_b + j], 1e-7);
    }
  }
}

static int
by_score (const void *pa, const void *pb)
{
  const float a = ((const DefcnBox *) pa)->score;
  const float b = ((const DefcnBox *) pb)->score;

  return (a < b) - (a > b);
}

/* What the reference's batched NMS keeps, in its order, is what ours keeps. */
static void
test_nms (void)
{
  g_autoptr (DefcnWeights) weights = open_golden ("ops/nms.safetensors");

  for (int i = 0; weights && i < 4; i++) {
    static const char *const fields[] = { "boxes", "scores", "classes", "keep",
      "thr" };
    g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    g_auto (GStrv) names = g_new0 (char *, 6);
    int n, n_keep, one;

    for (int j = 0; j < 5; j++)
      names[j] = g_strdup_printf ("n%d.%s", i, fields[j]);
    g_autofree float *xyxy = read_floats (weights, names[0], &n);
    g_autofree float *scores = read_floats (weights, names[1], &n);
    g_autofree gint64 *classes = read_ints (weights, names[2], &n);
    g_autofree gint64 *keep = read_ints (weights, names[3], &n_keep);
    g_autofree float *iou = read_floats (weights, names[4], &one);
    g_autofree DefcnBox *all = g_new (DefcnBox, n);

    for (int j = 0; j < n; j++)
      all[j] = (DefcnBox){ xyxy[4 * j], xyxy[4 * j + 1], xyxy[4 * j + 2],
        xyxy[4 * j + 3], scores[j], classes[j] };
    g_array_append_vals (boxes, all, n);
    qsort (boxes->data, n, sizeof (DefcnBox), by_score);
    defcn_boxes_nms (boxes, iou[0]);
    g_assert_cmpint (boxes->len, ==, n_keep);
    for (int j = 0; j < n_keep; j++)
      g_assert_cmpmem (&g_array_index (boxes, DefcnBox, j), sizeof (DefcnBox),
          &all[keep[j]], sizeof (DefcnBox));
  }
}

/* Boxes of no size are decoded to the reference's locations, in its order. */
static void
test_locations (void)
{
  static const int strides[] = { 8, 16, 128 };
  g_autoptr (DefcnWeights) weights = open_golden ("ops/grid.safetensors");

  for (int i = 0; weights && i < 3; i++) {
    g_autofree char *name = g_strdup_printf ("shifts.stride%d", strides[i]);
    g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    const DefcnDecodeRule rule = { 0.05f, NULL, 1000, 1000, 0 };
    int n, w = 1;
    g_autofree float *xy = read_floats (weights, name, &n);
    g_autofree float *zeros = g_new0 (float, 4 * n);

    while (w < n && xy[2 * w + 1] == xy[1])
      w++;
    const DefcnLevel level = { n / w, w, strides[i], zeros, zeros, NULL };
    defcn_boxes_decode (boxes, &level, 1, 1, &rule);
    g_assert_cmpint (boxes->len, ==, n);
    for (int j = 0; j < n; j++) {
      const DefcnBox *b = &g_array_index (boxes, DefcnBox, j);

      g_assert_cmpfloat (b->x1, ==, xy[2 * j]);
      g_assert_cmpfloat (b->x2, ==, xy[2 * j]);
      g_assert_cmpfloat (b->y1, ==, xy[2 * j + 1]);
      g_assert_cmpfloat (b->y2, ==, xy[2 * j + 1]);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/golden/boxes/pairwise-iou", test_pairwise_iou);
  g_test_add_func ("/golden/boxes/nms", test_nms);
  g_test_add_func ("/golden/boxes/locations", test_locations);
  return g_test_run ();
}
