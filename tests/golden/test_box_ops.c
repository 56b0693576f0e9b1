/* IoU, NMS and locations against the reference. */
#include "boxes.h"
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All pairs, within the rounding of a division. */
static void
test_pairwise_iou (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  gsize n_a, n_b;

  g_autofree float *a = testing_golden_floats (file, "a", &n_a);
  g_autofree float *b = testing_golden_floats (file, "b", &n_b);
  g_autofree float *iou = testing_golden_floats (file, "iou", NULL);
  for (gsize i = 0; i < n_a / 4; i++) {
    for (gsize j = 0; j < n_b / 4; j++) {
      DefcnBox box_a = { 0 }, box_b = { 0 };

      memcpy (&box_a, a + 4 * i, 4 * sizeof *a);
      memcpy (&box_b, b + 4 * j, 4 * sizeof *b);
      g_assert_cmpfloat_with_epsilon (defcn_box_iou (&box_a, &box_b),
          iou[i * (n_b / 4) + j], 1e-7);
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

static void
check_nms (const DefcnWeights *file, char *const names[5])
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  gsize n, n_keep;
  g_autofree float *xyxy = testing_golden_floats (file, names[0], NULL);
  g_autofree float *scores = testing_golden_floats (file, names[1], &n);
  g_autofree int *classes = testing_golden_ints (file, names[2], NULL);
  g_autofree int *keep = testing_golden_ints (file, names[3], &n_keep);
  g_autofree float *iou = testing_golden_floats (file, names[4], NULL);
  g_autofree DefcnBox *all = g_new (DefcnBox, n);

  for (gsize j = 0; j < n; j++)
    all[j] = (DefcnBox){ xyxy[4 * j], xyxy[4 * j + 1], xyxy[4 * j + 2],
      xyxy[4 * j + 3], scores[j], classes[j] };
  g_array_append_vals (boxes, all, n);
  qsort (boxes->data, n, sizeof (DefcnBox), by_score);
  defcn_boxes_nms (boxes, iou[0]);
  g_assert_cmpint (boxes->len, ==, n_keep);
  for (gsize j = 0; j < n_keep; j++)
    g_assert_cmpmem (&g_array_index (boxes, DefcnBox, j), sizeof (DefcnBox),
        &all[keep[j]], sizeof (DefcnBox));
}

/* What the reference's batched NMS keeps, in its order, is what ours keeps. */
static void
test_nms (gconstpointer below)
{
  static const char *const fields[] = { "boxes", "scores", "classes", "keep",
    "thr" };
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  int i = 0;

  for (;; i++) {
    g_auto (GStrv) names = g_new0 (char *, 6);

    for (int j = 0; j < 5; j++)
      names[j] = g_strdup_printf ("n%d.%s", i, fields[j]);
    if (!testing_golden_has (file, names[0]))
      break;
    check_nms (file, names);
  }
  g_assert_cmpint (i, >, 0);
}

/* Boxes of no size are decoded to the reference's locations, in its order. */
static void
test_locations (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);

  for (guint i = 0; i < defcn_weights_count (file); i++) {
    const char *name = defcn_weights_get (file, i)->name;
    g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    int stride, w = 1;
    gsize len;

    if (sscanf (name, "shifts.stride%d", &stride) != 1)
      continue;
    g_autofree float *xy = testing_golden_floats (file, name, &len);
    const int n = len / 2;
    const DefcnDecodeRule rule = { 0.05f, NULL, n, n, 0 };
    g_autofree float *zeros = g_new0 (float, 4 * n);

    while (w < n && xy[2 * w + 1] == xy[1])
      w++;
    const DefcnLevel level = { n / w, w, stride, zeros, zeros, NULL };
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
  testing_golden_add ("/golden/boxes", "ops/pairwise_iou*.safetensors",
      test_pairwise_iou);
  testing_golden_add ("/golden/boxes", "ops/nms*.safetensors", test_nms);
  testing_golden_add ("/golden/boxes", "ops/grid*.safetensors", test_locations);
  return g_test_run ();
}
