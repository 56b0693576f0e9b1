/* A pass of the detector is one launch and one wait, whatever is looked at, and
 * finds what the same pictures show one by one.  The emulation counts. */
#include "detector.h"

#include <glib/gstdio.h>
#include <string.h>

#include "../testing.h"
#include "../tiny_model.h"
#include "emulated_counts.h"
#include "emulated_stream.h"

#define MAX_PIXELS (160 * 128)

/* What may differ between two frames of one size in the network, 64 x 64. */
typedef struct
{
  DefcnFormat format;
  int w, h;
  DefcnRegion region; /* w 0: all */
  DefcnOrientation orientation;
  DefcnMatrix matrix;
  gpointer context; /* of frames in the device's memory; NULL: the host's */
  float threshold, duplicate_iou, nms_iou;
  DefcnMaxFilter max_filter;
  DefcnNmsRange nms_range;
} Frame;

static const Frame frames[] = {
  { DEFCN_FORMAT_RGB, 72, 64, { 0 }, 0, 0, NULL, 0.3f, 0, 0 },
  { DEFCN_FORMAT_NV12, 144, 128, { 0 }, 0, DEFCN_MATRIX_BT709, NULL, 0.3f, 0,
      0 },
  { DEFCN_FORMAT_I420, 61, 57, { 0 }, DEFCN_ORIENTATION_UPRIGHT, 0, NULL, 0.2f,
      0, 0 },
  { DEFCN_FORMAT_RGBA, 144, 128, { 7, 5, 70, 66 }, 0, 0, NULL, 0.1f, 0.6f, 0 },
  { DEFCN_FORMAT_YUY2, 72, 64, { 0 }, DEFCN_N_ORIENTATIONS - 1, 0, NULL, 0.1f,
      0.6f, 0 },
  { DEFCN_FORMAT_GRAY8, 33, 33, { 0 }, 2, 0, NULL, 0.3f, 0, 0.5f },
  { DEFCN_FORMAT_NV12, 80, 72, { 0 }, 0, 0, EMULATED_CONTEXT, 0.3f, 0, 0 },
  { DEFCN_FORMAT_BGR, 80, 72, { 8, 8, 66, 64 }, 1, 0, (gpointer) 2, 0.3f, 0,
      0 },
  { DEFCN_FORMAT_RGB, 72, 64, { 0 }, 0, 0, NULL, 0.3f, 0, 0 },
};

#define N_FRAMES ((int) G_N_ELEMENTS (frames))

static char *model_path;
static guint8 pixels[3 * 4 * MAX_PIXELS];

static DefcnDetector *
open_on (const char *device)
{
  const DefcnDetectorOptions options = { .device = device,
    .precision = "fp32",
    .threads = 1 };
  g_autoptr (GError) error = NULL;
  DefcnDetector *d = defcn_detector_new (model_path, &options, &error);

  g_assert_no_error (error);
  return d;
}

static DefcnImage
image_of (const Frame *f, gboolean on_host)
{
  DefcnImage image = { f->format, f->w, f->h, .matrix = f->matrix,
    .orientation = f->orientation };

  for (int i = 0; i < defcn_image_planes (f->format); i++) {
    image.planes[i] = pixels + (gsize) i * 4 * MAX_PIXELS;
    image.strides[i] = f->w * 4 + 3;
  }
  if (f->context && !on_host) {
    image.memory = DEFCN_MEMORY_CUDA;
    image.cuda_context = f->context;
  }
  return image;
}

static DefcnRegion
region_of (const Frame *f)
{
  return f->region.w ? f->region : (DefcnRegion){ 0, 0, f->w, f->h };
}

static void
set_rule (DefcnDetector *d, const Frame *f)
{
  defcn_detector_set_threshold (d, f->threshold);
  defcn_detector_set_duplicate_filter (d, f->duplicate_iou);
  defcn_detector_set_nms (d, f->nms_iou);
  defcn_detector_set_max_filter (d, &f->max_filter);
  defcn_detector_set_nms_range (d, &f->nms_range);
}

static GArray *
run (DefcnDetector *d, const Frame *f, gboolean on_host)
{
  const DefcnImage image = image_of (f, on_host);
  const DefcnRegion region = region_of (f);
  GArray *boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;

  set_rule (d, f);
  defcn_detector_run (d, &boxes, &image, &region, 1, &error);
  g_assert_no_error (error);
  return boxes;
}

static void
assert_same (const GArray *found, const GArray *wanted)
{
  g_assert_cmpuint (wanted->len, >, 0);
  g_assert_cmpmem (found->data, found->len * sizeof (DefcnBox), wanted->data,
      wanted->len * sizeof (DefcnBox));
}

/* The boxes of @f by a new detector, which are those of the reference. */
static GArray *
make_wanted (const Frame *f)
{
  g_autoptr (DefcnDetector) fresh = open_on ("cuda");
  g_autoptr (DefcnDetector) reference = open_on ("reference");
  g_autoptr (GArray) close = run (reference, f, TRUE);
  GArray *boxes = run (fresh, f, FALSE);

  g_assert_cmpuint (boxes->len, ==, close->len);
  for (guint i = 0; i < boxes->len; i++) {
    const DefcnBox *a = &g_array_index (boxes, DefcnBox, i);
    const DefcnBox *b = &g_array_index (close, DefcnBox, i);

    g_assert_cmpint (a->label, ==, b->label);
    g_assert_cmpfloat_with_epsilon (a->score, b->score, 1e-4);
    g_assert_cmpfloat_with_epsilon (a->x1, b->x1, 1e-2);
    g_assert_cmpfloat_with_epsilon (a->y1, b->y1, 1e-2);
    g_assert_cmpfloat_with_epsilon (a->x2, b->x2, 1e-2);
    g_assert_cmpfloat_with_epsilon (a->y2, b->y2, 1e-2);
  }
  return boxes;
}

static GArray *wanted[N_FRAMES];

/* One recording does for all frames of a size in the network, in both orders
 * that its branches allow: other pictures, formats, crops, turns, memories,
 * thresholds and filters are no part of it. */
static void
test_frames (void)
{
  g_autoptr (DefcnDetector) d = open_on ("cuda");

  for (int i = 0; i < 4 * N_FRAMES; i++) { /* each at odd and even launches */
    const Frame *f = &frames[i / 2 % N_FRAMES];
    const int launches = emulated_counted (EMULATED_LAUNCHES);
    const int waits = emulated_counted (EMULATED_WAITS);
    const int captures = emulated_counted (EMULATED_CAPTURES);
    g_autoptr (GArray) found = run (d, f, FALSE);

    g_assert_cmpint (emulated_counted (EMULATED_CAPTURES) - captures, ==,
        i == 1); /* the first goes step by step */
    g_assert_cmpint (emulated_counted (EMULATED_LAUNCHES) - launches, ==,
        i >= 1);
    if (i > 1)
      g_assert_cmpint (emulated_counted (EMULATED_WAITS) - waits, ==, 1);
    assert_same (found, wanted[i / 2 % N_FRAMES]);
  }
}

/* Where nothing can be recorded, or not everything, all frames are the same
 * ones. */
static void
test_refused (gconstpointer failure)
{
  g_autoptr (DefcnDetector) d = open_on ("cuda");

  for (int i = 0; i < N_FRAMES; i++) {
    g_setenv ("DEFCN_EMULATE_FAIL", failure, TRUE);
    g_autoptr (GArray) found = run (d, &frames[i], FALSE);
    g_unsetenv ("DEFCN_EMULATE_FAIL");
    assert_same (found, wanted[i]);
  }
}

/* Pictures that go together take one launch and one wait, and each finds what
 * it finds alone; the batch is larger and smaller than the one before. */
static void
test_batches (void)
{
  static const int sizes[] = { 8, 8, 8, 2, 2, 4, 4, 8, 16, 16, 16 };
  g_autoptr (DefcnDetector) d = open_on ("cuda");
  g_autoptr (DefcnDetector) single = open_on ("cuda");

  for (guint k = 0; k < G_N_ELEMENTS (sizes); k++) {
    const int n = sizes[k];
    DefcnImage images[16];
    DefcnRegion regions[16];
    GArray *boxes[16];
    Frame f[16];

    for (int i = 0; i < n; i++) {
      f[i] = frames[(i + k) % N_FRAMES];
      f[i].threshold = 0.2f + 0.01f * k;
      f[i].duplicate_iou = k % 2 ? 0.6f : 0;
      f[i].nms_iou = 0;
      images[i] = image_of (&f[i], FALSE);
      regions[i] = region_of (&f[i]);
      boxes[i] = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    }
    set_rule (d, &f[0]);
    const int launches = emulated_counted (EMULATED_LAUNCHES);
    const int waits = emulated_counted (EMULATED_WAITS);
    g_assert_true (defcn_detector_run (d, boxes, images, regions, n, NULL));
    if (k > 0 && sizes[k] == sizes[k - 1]) {
      g_assert_cmpint (emulated_counted (EMULATED_LAUNCHES) - launches, ==, 1);
      g_assert_cmpint (emulated_counted (EMULATED_WAITS) - waits, ==, 1);
    }
    for (int i = 0; i < n; i++) {
      g_autoptr (GArray) alone = run (single, &f[i], FALSE);

      assert_same (boxes[i], alone);
      g_array_unref (boxes[i]);
    }
  }
}

/* Decoding again waits for no more than it has to: with the rule of the run for
 * nothing, with another one for the scores; and the next run has its own. */
static void
test_again (void)
{
  g_autoptr (DefcnDetector) d = open_on ("cuda");
  Frame other = frames[0];

  other.threshold = 0.05f;
  other.duplicate_iou = 0.5f;
  g_autoptr (GArray) others = make_wanted (&other);
  for (int i = 0; i < 4; i++) {
    g_autoptr (GArray) first = run (d, &frames[0], FALSE);
    g_autoptr (GArray) again = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    const int waits = emulated_counted (EMULATED_WAITS);

    defcn_detector_decode (d, again);
    assert_same (again, first);
    g_assert_cmpint (emulated_counted (EMULATED_WAITS) - waits, ==, 0);
    set_rule (d, &other);
    defcn_detector_decode (d, again);
    assert_same (again, others);
    g_assert_cmpint (emulated_counted (EMULATED_WAITS) - waits, ==, 1);
    defcn_detector_decode (d, again);
    assert_same (again, others);
    g_assert_cmpint (emulated_counted (EMULATED_WAITS) - waits, ==, 1);
    g_assert_true (again->len != first->len
        || memcmp (again->data, first->data, again->len * sizeof (DefcnBox)));
  }
}

/* A max filter looks at the heads on the host, a range of NMS at the candidates
 * of the device; either finds what the reference does, and the frame after is
 * what it always was. */
static void
test_paper (void)
{
  static const struct
  {
    DefcnMaxFilter max_filter;
    DefcnNmsRange range;
    float nms_iou;
  } rules[] = { { { 2, 3 }, { 0 }, 0 }, { { 0, 5 }, { 0 }, 0.3f },
    { { 0 }, { 3, TRUE }, 0.1f }, { { 0 }, { 5, FALSE }, 0.1f } };
  g_autoptr (DefcnDetector) d = open_on ("cuda");
  Frame plain = frames[0];

  plain.threshold = 0.05f;
  g_autoptr (GArray) all = make_wanted (&plain);
  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++) {
    Frame f = plain;

    f.max_filter = rules[i].max_filter;
    f.nms_range = rules[i].range;
    f.nms_iou = rules[i].nms_iou;
    g_autoptr (GArray) want = make_wanted (&f);
    g_assert_cmpuint (want->len, <, all->len);
    for (int k = 0; k < 3; k++) {
      g_autoptr (GArray) found = run (d, &f, FALSE);
      g_autoptr (GArray) after = run (d, &plain, FALSE);

      assert_same (found, want);
      assert_same (after, all);
    }
  }
}

int
main (int argc, char **argv)
{
  static const char *const failures[] = { "capture", "capture-run",
    "capture-end", "instantiate" };
  g_autofree char *folder = g_dir_make_tmp ("defcn-pass-XXXXXX", NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (17);

  g_test_init (&argc, &argv, NULL);
  model_path = g_build_filename (folder, "tiny.safetensors", NULL);
  testing_tiny_model_write_as (model_path, 56, -1);
  for (guint i = 0; i < sizeof pixels; i++)
    pixels[i] = g_rand_int (rand) >> 24;
  for (int i = 0; i < N_FRAMES; i++)
    wanted[i] = make_wanted (&frames[i]);
  g_test_add_func ("/cuda/pass/frames", test_frames);
  for (guint i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autofree char *path =
        g_strdup_printf ("/cuda/pass/refused/%s", failures[i]);
    g_test_add_data_func (path, failures[i], test_refused);
  }
  g_test_add_func ("/cuda/pass/batches", test_batches);
  g_test_add_func ("/cuda/pass/again", test_again);
  g_test_add_func ("/cuda/pass/paper", test_paper);

  const int status = g_test_run ();
  for (int i = 0; i < N_FRAMES; i++)
    g_array_unref (wanted[i]);
  g_remove (model_path);
  g_rmdir (folder);
  g_free (model_path);
  return status;
}
