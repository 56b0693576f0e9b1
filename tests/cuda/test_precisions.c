/* A whole detector on the CUDA module, in each precision, against the
 * reference: images of several sizes, first, recorded and repeated runs. */
#include "detector.h"

#include <glib/gstdio.h>
#include <math.h>

#include "../testing.h"
#include "../tiny_model.h"

static char *model_path;

static DefcnDetector *
open_detector (const char *device, const char *precision)
{
  const DefcnDetectorOptions options = { .device = device,
    .precision = precision,
    .threads = 1 };
  g_autoptr (GError) error = NULL;
  DefcnDetector *d = defcn_detector_new (model_path, &options, &error);

  if (!d)
    testing_no_backend (error);
  return d;
}

/* Smooth, so that rounding does not turn it into another picture. */
static guint8 *
picture (int w, int h, int seed)
{
  guint8 *rgb = g_malloc ((gsize) w * h * 3);

  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++)
      for (int c = 0; c < 3; c++)
        rgb[((gsize) y * w + x) * 3 + c] = 128
            + 60 * sin (x * (0.05 + 0.01 * seed) + c)
            + 60 * cos (y * (0.07 - 0.01 * seed) + 2 * c);
  return rgb;
}

static GArray *
detect (DefcnDetector *d, int w, int h, int seed)
{
  g_autofree guint8 *rgb = picture (w, h, seed);
  const DefcnImage image = { DEFCN_FORMAT_RGB, w, h, { rgb }, { w * 3 } };
  GArray *boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_detector_run (d, &boxes, &image, NULL, 1, &error));
  g_assert_no_error (error);
  return boxes;
}

/* Whether @boxes has a box like @wanted. */
static gboolean
has_box (const GArray *boxes, const DefcnBox *wanted, float score, float iou)
{
  for (guint i = 0; i < boxes->len; i++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);

    if (b->label == wanted->label && fabsf (b->score - wanted->score) <= score
        && defcn_box_iou (b, wanted) >= iou)
      return TRUE;
  }
  return FALSE;
}

/* Every box of @a that stands clear of the threshold is in @b. */
static void
assert_contains (const GArray *b, const GArray *a, float score, float iou)
{
  guint checked = 0;

  for (guint i = 0; i < a->len; i++) {
    const DefcnBox *box = &g_array_index (a, DefcnBox, i);

    if (box->score < 0.3f + 2 * score || i >= 40) /* of 50 */
      continue;
    checked++;
    if (!has_box (b, box, score, iou))
      g_error ("box %u of %u, score %.4f, has no like", i, a->len, box->score);
  }
  g_assert_cmpuint (checked, >, 3);
}

static const struct Precision
{
  const char *name;
  float score, iou; /* how far boxes may be apart */
} precisions[] = {
  { "fp32", 1e-4f, 0.999f },
  { "tf32", 1e-2f, 0.95f },
  { "fp16", 1e-2f, 0.95f },
  { "bf16", 8e-2f, 0.8f },
};

/* The module finds the boxes that the reference finds, at every size and when
 * it repeats what it has recorded. */
static void
test_precision (gconstpointer data)
{
  const struct Precision *p = data;
  static const int sizes[][2] = { { 160, 120 }, { 97, 64 }, { 160, 120 },
    { 160, 120 }, { 97, 64 } };
  g_autoptr (DefcnDetector) oracle = open_detector ("reference", "fp32");
  g_autoptr (DefcnDetector) d = open_detector ("cuda", p->name);

  if (!d)
    return;
  g_assert_cmpstr (defcn_detector_device (d), ==, "cuda");
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const int w = sizes[i][0], h = sizes[i][1];
    g_autoptr (GArray) wanted = detect (oracle, w, h, i);
    g_autoptr (GArray) boxes = detect (d, w, h, i);

    assert_contains (boxes, wanted, p->score, p->iou);
    assert_contains (wanted, boxes, p->score, p->iou);
  }
}

static DefcnDetector *
open_tuned (const char *precision)
{
  const DefcnDetectorOptions options = { .device = "cuda",
    .precision = precision,
    .threads = 1,
    .autotune = TRUE };
  g_autoptr (GError) error = NULL;
  DefcnDetector *d = defcn_detector_new (model_path, &options, &error);

  if (!d)
    testing_no_backend (error);
  return d;
}

/* With autotune the boxes are those of the heuristics' choice; what was
 * measured is kept, read without complaint, and not measured again. */
static void
test_autotune (gconstpointer data)
{
  const struct Precision *p = data;
  g_autofree char *path = g_strconcat (model_path, ".tune.json", NULL);
  g_autoptr (DefcnDetector) oracle = open_detector ("reference", "fp32");
  g_autoptr (GArray) wanted = detect (oracle, 160, 120, 0);
  g_autofree char *first = NULL;

  for (int again = 0; again < 2; again++) {
    g_autoptr (DefcnDetector) d = open_tuned (p->name);
    g_autofree char *text = NULL;

    if (!d)
      return;
    for (int i = 0; i < 3; i++) { /* first, recorded and repeated */
      g_autoptr (GArray) boxes = detect (d, 160, 120, 0);

      assert_contains (boxes, wanted, p->score, p->iou);
      assert_contains (wanted, boxes, p->score, p->iou);
    }
    g_assert_null (defcn_detector_tuning_problem (d));
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    if (again)
      g_assert_cmpstr (text, ==, first);
    else
      first = g_steal_pointer (&text);
  }
  g_test_message ("%s", first);
  g_remove (path);
}

/* A device that is not there is named. */
static void
test_missing_device (void)
{
  const DefcnDetectorOptions options = { .device = "cuda:4711" };
  g_autoptr (GError) error = NULL;

  g_assert_null (defcn_detector_new (model_path, &options, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_nonnull (strstr (error->message, "cuda:4711"));
}

/* A precision that does not exist is named. */
static void
test_missing_precision (void)
{
  const DefcnDetectorOptions options = { .device = "cuda",
    .precision = "int3" };
  g_autoptr (DefcnDetector) d = open_detector ("cuda", "fp32");
  g_autoptr (GError) error = NULL;

  if (!d)
    return;
  g_assert_null (defcn_detector_new (model_path, &options, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, "int3"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autofree char *folder = g_dir_make_tmp ("defcn-cuda-XXXXXX", NULL);
  model_path = g_build_filename (folder, "tiny.safetensors", NULL);
  testing_tiny_model_write (model_path);

  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++) {
    g_autofree char *path =
        g_strdup_printf ("/cuda/precision/%s", precisions[i].name);
    g_test_add_data_func (path, &precisions[i], test_precision);

    g_autofree char *tuned =
        g_strdup_printf ("/cuda/autotune/%s", precisions[i].name);
    g_test_add_data_func (tuned, &precisions[i], test_autotune);
  }
  g_test_add_func ("/cuda/missing-device", test_missing_device);
  g_test_add_func ("/cuda/missing-precision", test_missing_precision);

  const int status = g_test_run ();
  g_remove (model_path);
  g_rmdir (folder);
  g_free (model_path);
  return status;
}
