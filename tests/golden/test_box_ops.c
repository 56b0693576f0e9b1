/* IoU, NMS, the max filter and locations against the reference. */
#include "boxes.h"
#include "golden.h"
#include "max_filter.h"

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

/* A score and whose it is. */
typedef struct
{
  float score;
  int index;
} Scored;

static int
by_descending_score (const void *pa, const void *pb)
{
  const Scored *a = pa, *b = pb;

  if (a->score != b->score)
    return a->score < b->score ? 1 : -1;
  return a->index - b->index;
}

static Scored *
sort (const float *scores, gsize n)
{
  Scored *order = g_new (Scored, n);

  for (gsize j = 0; j < n; j++)
    order[j] = (Scored){ scores[j], j };
  qsort (order, n, sizeof *order, by_descending_score);
  return order;
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
  g_autofree Scored *order = sort (scores, n);

  for (gsize j = 0; j < n; j++)
    all[j] = (DefcnBox){ xyxy[4 * j], xyxy[4 * j + 1], xyxy[4 * j + 2],
      xyxy[4 * j + 3], scores[j], classes[j] };
  for (gsize j = 0; j < n; j++)
    g_array_append_val (boxes, all[order[j].index]);
  defcn_boxes_nms (boxes, NULL, iou[0], NULL);
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

/* What a range leaves of NMS, by the set's own boxes on five levels: per scale
 * and across, within 1x1 .. 5x5 and everywhere. */
static void
test_nms_range (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  int n_cases = 0;
  gsize n;

  if (!file)
    return;
  g_autofree float *xyxy = testing_golden_floats (file, "boxes", NULL);
  g_autofree float *scores = testing_golden_floats (file, "scores", &n);
  g_autofree int *classes = testing_golden_ints (file, "classes", NULL);
  g_autofree int *level = testing_golden_ints (file, "level", NULL);
  g_autofree int *x = testing_golden_ints (file, "ix", NULL);
  g_autofree int *y = testing_golden_ints (file, "iy", NULL);
  const char *iou =
      defcn_weights_metadata (file, "iou_threshold"); /* of all cases */
  g_autofree Scored *order = sort (scores, n);

  for (guint i = 0; i < defcn_weights_count (file); i++) {
    const char *name = defcn_weights_get (file, i)->name;
    g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    g_autoptr (GArray) cells = g_array_new (FALSE, FALSE, sizeof (DefcnCell));
    DefcnNmsRange range = { 0 };
    int across, end = 0;
    gsize n_keep;

    if (sscanf (name, "keep_across%d_phi%n", &across, &end) != 1 || end == 0)
      continue;
    range.per_level = !across;
    if (!g_str_equal (name + end, "inf"))
      range.window = atoi (name + end);
    for (gsize j = 0; j < n; j++) {
      const int k = order[j].index;
      const DefcnBox box = { xyxy[4 * k], xyxy[4 * k + 1], xyxy[4 * k + 2],
        xyxy[4 * k + 3], scores[k], classes[k] };
      const DefcnCell cell = { level[k], x[k], y[k] };

      g_array_append_val (boxes, box);
      g_array_append_val (cells, cell);
    }
    g_autofree int *keep = testing_golden_ints (file, name, &n_keep);
    defcn_boxes_nms (boxes, cells, g_ascii_strtod (iou, NULL), &range);
    g_test_message ("%s: %u of %d", name, boxes->len, (int) n_keep);
    g_assert_cmpuint (boxes->len, ==, n_keep);
    g_assert_cmpuint (cells->len, ==, n_keep);
    for (gsize j = 0; j < n_keep; j++) {
      const DefcnCell *cell = &g_array_index (cells, DefcnCell, j);

      g_assert_cmpfloat (g_array_index (boxes, DefcnBox, j).score, ==,
          scores[keep[j]]);
      g_assert_cmpint (cell->level, ==, level[keep[j]]);
      g_assert_cmpint (cell->x, ==, x[keep[j]]);
      g_assert_cmpint (cell->y, ==, y[keep[j]]);
    }
    n_cases++;
  }
  g_assert_cmpint (n_cases, >, 0);
}

/* The levels of a picture of the set, its logits in (H,W,C). */
static void
read_levels (DefcnLevel levels[DEFCN_N_LEVELS], float *mem[DEFCN_N_LEVELS],
    const DefcnWeights *file, int picture, int *n_classes)
{
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_autofree char *name = g_strdup_printf ("logits.%d", l);
    const gint64 *dims = testing_golden_dims (file, name);
    const int c = dims[1], h = dims[2], w = dims[3];

    mem[l] = testing_golden_floats (file, name, NULL);
    testing_golden_to_nhwc (mem[l], dims[0], c, h, w);
    levels[l] = (DefcnLevel){ .h = h,
      .w = w,
      .stride = defcn_boxes_stride (l),
      .logits = mem[l] + (gsize) picture * h * w * c };
    *n_classes = c;
  }
}

/* Which scores are the largest of their tube, of every class. */
static void
check_max_filter (const DefcnWeights *file, const DefcnMaxFilter *filter,
    int picture)
{
  DefcnLevel levels[DEFCN_N_LEVELS];
  float *mem[DEFCN_N_LEVELS];
  int n_classes = 0, n_kept = 0, n = 0;

  read_levels (levels, mem, file, picture, &n_classes);
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    g_autofree char *name =
        g_strdup_printf ("tau%d_phi%d.keep.%d", filter->tau, filter->phi, l);
    g_autofree int *keep = testing_golden_ints (file, name, NULL);
    const int area = levels[l].h * levels[l].w;

    for (int k = 0; k < n_classes; k++)
      for (int i = 0; i < area; i++) {
        const gboolean kept = defcn_max_filter_keeps (filter, levels,
            DEFCN_N_LEVELS, n_classes, l, i, k);

        if (kept != keep[((gsize) picture * n_classes + k) * area + i])
          g_error ("%s: picture %d, class %d, location %d is %d", name, picture,
              k, i, kept);
        n_kept += kept;
        n++;
      }
  }
  g_test_message ("tau %d, phi %d, picture %d: %d of %d", filter->tau,
      filter->phi, picture, n_kept, n);
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    g_free (mem[l]);
}

/* 3DMF as post-processing keeps what the set says, for every tau and phi of
 * it. */
static void
test_max_filter (gconstpointer below)
{
  g_autoptr (DefcnWeights) file = testing_golden_open (below);
  int n_cases = 0;

  for (guint i = 0; file && i < defcn_weights_count (file); i++) {
    const char *name = defcn_weights_get (file, i)->name;
    DefcnMaxFilter filter;
    int end = 0;

    if (sscanf (name, "tau%d_phi%d.keep.0%n", &filter.tau, &filter.phi, &end)
            != 2
        || end == 0)
      continue;
    const int n_pictures = testing_golden_dims (file, name)[0];
    for (int picture = 0; picture < n_pictures; picture++)
      check_max_filter (file, &filter, picture);
    n_cases++;
  }
  g_assert_true (!file || n_cases > 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  testing_golden_add ("/golden/boxes", "ops/pairwise_iou*.safetensors",
      test_pairwise_iou);
  testing_golden_add ("/golden/boxes", "ops/nms*.safetensors", test_nms);
  testing_golden_add ("/golden/boxes", "proposed/nms_spatial*.safetensors",
      test_nms_range);
  testing_golden_add ("/golden/boxes",
      "proposed/max3d_postprocess*.safetensors", test_max_filter);
  testing_golden_add ("/golden/boxes", "ops/grid*.safetensors", test_locations);
  return g_test_run ();
}
