/* The detector over a backend and a clock that do as they are told: what it
 * tells of failures, what it keeps after one, and what it counts as whose time.
 *
 * Linked with --wrap, so that the two are asked in place of the real ones.
 */
#include "detector.h"

#include <glib/gstdio.h>
#include <string.h>

#include "counted.h"
#include "folder.h"
#include "heap.h"
#include "tiny_model.h"

DefcnBackend *__real_defcn_backend_new_in (const char *name,
    const char *precision, int threads, GError **error);
DefcnBackend *__wrap_defcn_backend_new_in (const char *name,
    const char *precision, int threads, GError **error);
gint64 __wrap_g_get_monotonic_time (void);

static char *folder;
static char *model_path;

/* What happens to the backends that the detector asks for. */
static struct
{
  int refuse;         /* code of the error for "auto" and for "x", -1: none */
  gboolean no_memory; /* "auto" and "x" have none */
  gboolean lost;      /* their sync() fails */
  char *asked;        /* names, with a space behind each */
} plan;

/* Microseconds that pass in the backend's functions. */
static gint64 now, upload_takes, forward_takes, download_takes;
static int sync_fails; /* at which call, -1: never */
static gboolean (*real_sync) (DefcnBackend *be, GError **error);
static DefcnBackend real; /* the functions of the reference */

gint64
__wrap_g_get_monotonic_time (void)
{
  return now;
}

static gboolean
rigged_sync (DefcnBackend *be, GError **error)
{
  if (sync_fails-- != 0)
    return real_sync (be, error);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "the device is gone");
  return FALSE;
}

static gboolean
lost_sync (DefcnBackend *be, GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "the device is lost");
  return FALSE;
}

static void
rigged_upload (DefcnBackend *be, const DefcnTensor *t, void *mem,
    const float *src)
{
  now += t->role == DEFCN_TENSOR_INPUT ? upload_takes : 0;
  real.upload (be, t, mem, src);
}

static void
rigged_download (DefcnBackend *be, const DefcnTensor *t, float *dst,
    const void *mem)
{
  now += download_takes;
  real.download (be, t, dst, mem);
}

/* There is one in the network. */
static void
rigged_pool (DefcnBackend *be, const DefcnNode *node)
{
  now += forward_takes;
  real.ops[DEFCN_OP_MAX_POOL].forward (be, node);
}

/* The detector's backends are the reference by another name. */
DefcnBackend *
__wrap_defcn_backend_new_in (const char *name, const char *precision,
    int threads, GError **error)
{
  const gboolean first = !name || !g_str_equal (name, "cpu");
  g_autofree char *before = plan.asked;

  plan.asked =
      g_strdup_printf ("%s%s ", before ? before : "", name ? name : "NULL");
  if (first && plan.refuse >= 0) {
    g_set_error (error, DEFCN_ERROR, plan.refuse, "refused %s", name);
    return NULL;
  }
  DefcnBackend *be =
      __real_defcn_backend_new_in ("reference", precision, threads, error);
  g_assert_nonnull (be);
  real = *be;
  real_sync = be->sync;
  counted_install (be);
  be->sync = first && plan.lost ? lost_sync : rigged_sync;
  be->upload = rigged_upload;
  be->download = rigged_download;
  be->ops[DEFCN_OP_MAX_POOL].forward = rigged_pool;
  be->share = NULL; /* a device of batches */
  if (first && plan.no_memory)
    counted.left = 10;
  return be;
}

static void
reset (void)
{
  g_free (plan.asked);
  memset (&plan, 0, sizeof plan);
  plan.refuse = -1;
  sync_fails = -1;
  upload_takes = forward_takes = download_takes = 0;
}

static DefcnDetector *
open_detector (const char *device, GError **error)
{
  const DefcnDetectorOptions options = { .device = device, .threads = 1 };

  return defcn_detector_new (model_path, &options, error);
}

static GArray *
boxes_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (DefcnBox));
}

static guint8 pixels[150 * 200 * 3];

/* Noise in blocks. */
static DefcnImage
picture (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint8 values[19][25][3];

  for (gsize i = 0; i < sizeof values; i++)
    (&values[0][0][0])[i] = g_rand_int_range (rand, 0, 256);
  for (int i = 0; i < 150 * 200 * 3; i++)
    pixels[i] = values[i / 600 / 8][i / 3 % 200 / 8][i % 3];
  return (DefcnImage){ DEFCN_FORMAT_RGB, 200, 150, { pixels }, { 600 } };
}

/* "auto", or no name, goes on to the CPU from a device that refuses, has no
 * memory or gets lost, and tells why; from nothing else, and no other name
 * does.  Nothing is left of what was tried. */
static void
test_fallback (void)
{
  static const struct
  {
    const char *device;
    int refuse; /* -1: it does not */
    gboolean no_memory, lost;
    const char *asked, *why; /* passed over, or the error */
    gboolean good;
  } cases[] = {
    { "auto", -1, FALSE, FALSE, "auto ", NULL, TRUE },
    { "auto", DEFCN_ERROR_BACKEND, FALSE, FALSE, "auto cpu ", "refused auto",
        TRUE },
    { NULL, DEFCN_ERROR_BACKEND, FALSE, FALSE, "NULL cpu ", "refused", TRUE },
    { "auto", -1, TRUE, FALSE, "auto cpu ", "no memory", TRUE },
    { "auto", -1, FALSE, TRUE, "auto cpu ", "is lost", TRUE },
    { "auto", DEFCN_ERROR_VALUE, FALSE, FALSE, "auto ", "refused auto" },
    { "auto", DEFCN_ERROR_MODEL, FALSE, FALSE, "auto ", "refused auto" },
    { "x", DEFCN_ERROR_BACKEND, FALSE, FALSE, "x ", "refused x" },
    { "x", -1, TRUE, FALSE, "x ", "no memory" },
    { "x", -1, FALSE, TRUE, "x ", "is lost" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    reset ();
    plan.refuse = cases[i].refuse;
    plan.no_memory = cases[i].no_memory;
    plan.lost = cases[i].lost;
    DefcnDetector *d = open_detector (cases[i].device, &error);
    g_assert_cmpstr (plan.asked, ==, cases[i].asked);
    g_assert_cmpint (d != NULL, ==, cases[i].good);
    g_assert_cmpint (error == NULL, ==, cases[i].good);
    const char *why = d ? defcn_detector_passed_over (d) : error->message;
    g_assert_true (!why == !cases[i].why);
    g_assert_true (!why || strstr (why, cases[i].why));
    if (error)
      g_assert_cmpint (error->code, ==,
          cases[i].refuse < 0 ? DEFCN_ERROR_BACKEND : cases[i].refuse);
    defcn_detector_free (d);
    g_assert_cmpint (counted.live, ==, 0);
  }
}

/* Opening, running, setting and closing leave nothing behind, and neither does
 * an attempt that fails. */
static void
open_and_run (gpointer data)
{
  static const float thresholds[] = { 0.3f, 0.2f, 0.1f };
  const DefcnDetectorOptions options = { .device = "auto",
    .threads = 1,
    .autotune = TRUE };
  g_autoptr (GArray) boxes = boxes_new ();
  const DefcnImage image = picture ();

  reset ();
  plan.no_memory = data != NULL;
  g_autoptr (DefcnDetector) d = defcn_detector_new (model_path, &options, NULL);
  for (int i = 0; i < 3; i++)
    defcn_detector_set_class_thresholds (d, thresholds);
  g_assert_true (defcn_detector_run (d, &boxes, &image, NULL, 1, NULL));
  g_assert_cmpuint (boxes->len, >, 0);
}

static void
test_leaks (void)
{
  heap_assert_kept (open_and_run, NULL);
  heap_assert_kept (open_and_run, "no memory at first");
}

static void
set_thresholds (gpointer detector)
{
  static const float thresholds[] = { 0.3f, 0.2f, 0.1f };

  defcn_detector_set_class_thresholds (detector, thresholds);
}

static void
test_leaks_settings (void)
{
  reset ();
  g_autoptr (DefcnDetector) d = open_detector ("auto", NULL);
  heap_assert_kept (set_thresholds, d);
}

/* Each stage gets the time that passes in it, of all passes of a run and of
 * none before: three images of a size are a pass of two and one of one. */
static void
test_timings (void)
{
  const DefcnImage images[] = { picture (), picture (), picture () };
  GArray *boxes[] = { boxes_new (), boxes_new (), boxes_new () };
  DefcnTimings t;

  reset ();
  g_autoptr (DefcnDetector) d = open_detector ("auto", NULL);
  upload_takes = 3;
  forward_takes = 50;
  download_takes = 700;
  for (int n = 3; n >= 1; n--) {
    const int passes = n == 3 ? 2 : 1;

    g_assert_true (defcn_detector_run (d, boxes, images, NULL, n, NULL));
    defcn_detector_timings (d, &t);
    g_assert_cmpuint (t.preprocess, ==, passes * 3 * 1000);
    g_assert_cmpuint (t.inference, ==, passes * 50 * 1000);
    g_assert_cmpuint (t.postprocess, ==, passes * 15 * 700 * 1000);
  }
  g_assert_true (defcn_detector_run (d, boxes, images, NULL, 0, NULL));
  defcn_detector_timings (d, &t);
  g_assert_cmpuint (t.preprocess + t.inference + t.postprocess, ==, 0);
  for (int i = 0; i < 3; i++)
    g_array_unref (boxes[i]);
}

enum
{
  MANY = 9
};

/* Seven rectangles of one size in the network, with two others between. */
static const DefcnRegion many[MANY] = { { 0, 0, 90, 60 }, { 9, 0, 90, 60 },
  { 0, 0, 60, 90 }, { 0, 9, 90, 60 }, { 30, 40, 90, 60 }, { 60, 70, 90, 60 },
  { 500, 0, 9, 9 }, { 99, 80, 90, 60 }, { 7, 7, 90, 60 } };

/* Images of one size go through the network together, four, two, one; as few as
 * there is memory for, as many as the backend wants; and whatever the order,
 * the boxes are those of each alone, and the last image's heads are there at
 * the end. */
static void
test_batch (void)
{
  static const struct
  {
    int batch, passes;
  } cases[] = { { 4, 8 }, { 0, 4 }, { 1, 8 }, { 2, 5 }, { 16, 4 } };
  DefcnImage images[MANY];
  GArray *boxes[MANY], *wanted[MANY];
  g_autoptr (GArray) again = boxes_new ();
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < MANY; i++) {
    images[i] = picture ();
    boxes[i] = boxes_new ();
    wanted[i] = boxes_new ();
  }
  reset ();
  g_autoptr (DefcnBackend) be =
      __wrap_defcn_backend_new_in ("cpu", "fp32", 1, &error);
  g_autoptr (DefcnWeights) weights = defcn_weights_open (model_path, &error);
  g_autoptr (DefcnModel) model = defcn_model_open (weights, be, FALSE, &error);
  g_autoptr (DefcnDetector) alone = defcn_detector_new_from_model (model);
  for (int i = 0; i < MANY; i++)
    g_assert_true (defcn_detector_run (alone, &wanted[i], &images[i], &many[i],
        1, &error));
  const gsize one =
      defcn_net_bytes (defcn_model_plan (model, 1, 64, 96, &error)->net);
  g_assert_cmpuint (wanted[MANY - 1]->len, >, 0);
  for (guint k = 0; k < G_N_ELEMENTS (cases); k++) {
    be->batch = cases[k].batch;
    g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);
    counted.largest = k == 0 ? 3 * one / 2 : G_MAXSIZE; /* no plan for two */
    forward_takes = 1;
    const gint64 start = now;
    g_assert_true (defcn_detector_run (d, boxes, images, many, MANY, &error));
    g_assert_cmpint (now - start, ==, cases[k].passes);
    for (int i = 0; i < MANY; i++)
      g_assert_cmpmem (boxes[i]->data, boxes[i]->len * sizeof (DefcnBox),
          wanted[i]->data, wanted[i]->len * sizeof (DefcnBox));
    defcn_detector_decode (d, again);
    g_assert_cmpmem (again->data, again->len * sizeof (DefcnBox),
        wanted[MANY - 1]->data, wanted[MANY - 1]->len * sizeof (DefcnBox));
  }
  for (int i = 0; i < MANY; i++) {
    g_array_unref (boxes[i]);
    g_array_unref (wanted[i]);
  }
}

/* A device that fails at the second pass, in its forward pass or while the
 * heads come, fails the run, and no boxes are left of the first. */
static void
test_failure (void)
{
  const DefcnImage images[] = { picture (), picture (), picture () };
  GArray *boxes[] = { boxes_new (), boxes_new (), boxes_new () };

  reset ();
  g_autoptr (DefcnDetector) d = open_detector ("auto", NULL);
  for (int at = 0; at <= 4; at++) { /* two a pass */
    g_autoptr (GError) error = NULL;

    sync_fails = at;
    g_assert_cmpint (defcn_detector_run (d, boxes, images, NULL, 3, &error), ==,
        at == 4);
    for (int i = 0; i < 3; i++)
      g_assert_cmpint (boxes[i]->len > 0, ==, at == 4);
    if (at == 4)
      continue;
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
    g_assert_cmpstr (error->message, ==, "the device is gone");
  }
  for (int i = 0; i < 3; i++)
    g_array_unref (boxes[i]);
}

/* Nothing runs for a region that has no width or no height in its image. */
static void
test_empty_region (void)
{
  static const DefcnRegion regions[] = { { 200, 0, 5, 5 }, { 0, 150, 5, 5 },
    { 5, 5, 0, 10 }, { 5, 5, 10, -10 } };
  const DefcnImage image = picture ();
  g_autoptr (GArray) boxes = boxes_new ();

  reset ();
  g_autoptr (DefcnDetector) d = open_detector ("auto", NULL);
  upload_takes = forward_takes = 1;
  const gint64 start = now;
  for (gsize i = 0; i < G_N_ELEMENTS (regions); i++)
    g_assert_true (
        defcn_detector_run (d, &boxes, &image, &regions[i], 1, NULL));
  g_assert_cmpint (now, ==, start);
}

/* What cannot be decoded again, after an empty region or a failure, is not. */
static void
test_stale (void)
{
  static const DefcnRegion outside = { 500, 0, 5, 5 };
  const DefcnImage image = picture ();
  g_autoptr (GArray) boxes = boxes_new ();
  g_autoptr (GArray) again = boxes_new ();

  for (int fails = 0; fails < 2; fails++) {
    reset ();
    g_autoptr (DefcnDetector) d = open_detector ("auto", NULL);
    g_assert_true (defcn_detector_run (d, &boxes, &image, NULL, 1, NULL));
    defcn_detector_decode (d, again);
    g_assert_cmpmem (boxes->data, boxes->len * sizeof (DefcnBox), again->data,
        again->len * sizeof (DefcnBox));
    sync_fails = fails ? 0 : -1;
    g_assert_cmpint (defcn_detector_run (d, &boxes, &image,
                         fails ? NULL : &outside, 1, NULL),
        ==, !fails);
    g_array_set_size (again, 0);
    g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*place*w > 0*");
    defcn_detector_decode (d, again);
    g_test_assert_expected_messages ();
    g_assert_cmpuint (again->len, ==, 0);
  }
}

/* A model that is open stays so, and its new weights count: the heads of the
 * run before are not decoded again. */
static void
test_borrowed (void)
{
  const DefcnImage image = picture ();
  g_autoptr (GArray) boxes = boxes_new ();
  g_autoptr (GError) error = NULL;

  reset ();
  g_autoptr (DefcnWeights) weights = defcn_weights_open (model_path, &error);
  g_autoptr (DefcnBackend) be =
      __wrap_defcn_backend_new_in ("cpu", "fp32", 1, &error);
  g_autoptr (DefcnModel) model = defcn_model_open (weights, be, FALSE, &error);
  g_assert_no_error (error);
  DefcnDetector *d = defcn_detector_new_from_model (model);
  g_assert_null (defcn_detector_hash (d));
  g_assert_cmpstr (defcn_detector_label (d, 1), ==, "car");
  g_assert_true (defcn_detector_run (d, &boxes, &image, NULL, 1, &error));
  g_assert_cmpuint (boxes->len, >, 0);
  const int live = counted.live;

  DefcnParam *p =
      defcn_params_lookup (defcn_model_params (model), "head.cls_score.bias");
  for (gsize i = 0; i < defcn_param_len (p); i++)
    p->value[i] = -50;
  defcn_params_upload (defcn_model_params (model));
  g_assert_true (defcn_detector_run (d, &boxes, &image, NULL, 1, &error));
  g_assert_cmpuint (boxes->len, ==, 0);
  defcn_detector_free (d);
  g_assert_cmpint (counted.live, ==, live);
  g_assert_nonnull (defcn_model_plan (model, 1, 64, 96, &error));
}

static gboolean takes_host;
static int n_placed, n_preprocessed, n_sought, n_asked;
static DefcnPreprocess placed;
static float asked_threshold, asked_iou;

/* A device that takes images of its own memory, and others where it is told to,
 * as zeros. */
static gboolean
rigged_place (DefcnBackend *be, const DefcnTensor *input, int n,
    const DefcnImage *image, const DefcnPreprocess *p)
{
  g_assert_cmpint (n, ==, 0);
  placed = *p;
  n_placed++;
  return takes_host || image->memory == DEFCN_MEMORY_CUDA;
}

static void
rigged_preprocess (DefcnBackend *be, const DefcnTensor *input)
{
  n_preprocessed++;
  be->zero (be, input->data, be->size (be, input));
}

static void
rigged_seek (DefcnBackend *be, float threshold, float duplicate_iou)
{
  asked_threshold = threshold;
  asked_iou = duplicate_iou;
}

static void
rigged_find (DefcnBackend *be, DefcnTensor *const *logits,
    DefcnTensor *const *deltas, DefcnTensor *const *filter, int n_levels)
{
  g_assert_cmpint (n_levels, ==, DEFCN_N_LEVELS);
  n_sought++;
}

/* One score, if the threshold is low. */
static gboolean
rigged_found (DefcnBackend *be, GArray *candidates, int image)
{
  const DefcnCandidate found = { 0.9f, 1, 2, 1, { 1, 2, 3, 4 } };

  n_asked++;
  g_assert_cmpint (image, ==, 0);
  g_array_set_size (candidates, 0);
  g_array_append_val (candidates, found);
  return asked_threshold < 0.5f;
}

static const DefcnPass rigged_pass = { rigged_place, rigged_preprocess,
  rigged_seek, rigged_find, rigged_found };

/* Images of a device go to a backend that reads them, with the rectangle and
 * the size it becomes, and to no other; what it will not have is an error, an
 * image of the host goes the way of the host. */
static void
test_device_images (void)
{
  static const DefcnRegion region = { 10, 20, 90, 60 };
  DefcnImage image = picture ();
  g_autoptr (GArray) boxes = boxes_new ();
  g_autoptr (GArray) wanted = boxes_new ();
  g_autoptr (GError) error = NULL;

  reset ();
  g_autoptr (DefcnBackend) be =
      __wrap_defcn_backend_new_in ("cpu", "fp32", 1, &error);
  g_autoptr (DefcnWeights) weights = defcn_weights_open (model_path, &error);
  g_autoptr (DefcnModel) model = defcn_model_open (weights, be, FALSE, &error);
  g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);
  defcn_detector_set_threshold (d, 0.6f);
  g_assert_true (defcn_detector_run (d, &wanted, &image, &region, 1, NULL));
  g_assert_false (defcn_detector_reads (d, DEFCN_MEMORY_CUDA));
  image.memory = DEFCN_MEMORY_CUDA;
  g_assert_false (defcn_detector_run (d, &boxes, &image, NULL, 1, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_clear_error (&error);

  be->reads = DEFCN_MEMORY_CUDA;
  g_assert_true (defcn_detector_reads (d, DEFCN_MEMORY_CUDA));
  g_assert_true (defcn_detector_reads (d, DEFCN_MEMORY_HOST));
  g_assert_false (defcn_detector_run (d, &boxes, &image, NULL, 1, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_nonnull (strstr (error->message, "200x150"));
  g_clear_error (&error);

  be->pass = &rigged_pass;
  g_assert_true (defcn_detector_run (d, &boxes, &image, &region, 1, &error));
  g_assert_true (n_placed == 1 && n_preprocessed == 1 && n_sought == 1);
  g_assert_true (
      placed.x == 10 && placed.y == 20 && placed.w == 90 && placed.h == 60);
  g_assert_true (placed.out_w == 96 && placed.out_h == 64);
  image.memory = DEFCN_MEMORY_HOST;
  g_assert_true (defcn_detector_run (d, &boxes, &image, &region, 1, &error));
  g_assert_true (n_placed == 2 && n_preprocessed == 1 && n_sought == 2);
  g_assert_cmpuint (wanted->len, >, 0);
  g_assert_cmpmem (boxes->data, boxes->len * sizeof (DefcnBox), wanted->data,
      wanted->len * sizeof (DefcnBox));
}

/* Where the device finds the scores, once for each rule, the heads do not come,
 * unless it cannot; then they come once for any number of settings. */
static void
test_candidates (void)
{
  static const DefcnRegion region = { 0, 0, 96, 64 };
  const DefcnImage image = picture ();
  g_autoptr (GArray) boxes = boxes_new ();
  g_autoptr (GError) error = NULL;

  reset ();
  g_autoptr (DefcnBackend) be =
      __wrap_defcn_backend_new_in ("cpu", "fp32", 1, &error);
  g_autoptr (DefcnWeights) weights = defcn_weights_open (model_path, &error);
  g_autoptr (DefcnModel) model = defcn_model_open (weights, be, FALSE, &error);
  g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);
  be->pass = &rigged_pass;
  takes_host = TRUE;
  n_asked = n_sought = 0;
  download_takes = 1;
  const gint64 start = now;
  g_assert_true (defcn_detector_run (d, &boxes, &image, &region, 1, &error));
  g_assert_cmpfloat (asked_threshold, ==, 0.3f);
  g_assert_cmpfloat (asked_iou, ==, 0);
  g_assert_cmpint (now, ==, start);
  g_assert_cmpuint (boxes->len, ==, 1);
  const DefcnBox *b = &g_array_index (boxes, DefcnBox, 0);
  g_assert_true (b->x1 == 2.5f * 16 - 1 && b->y1 == 8 - 2
      && b->x2 == 2.5f * 16 + 3 && b->y2 == 8 + 4 && b->label == 1);

  defcn_detector_decode (d, boxes); /* what was looked for is there */
  g_assert_cmpint (n_sought, ==, 1);
  g_assert_cmpuint (boxes->len, ==, 1);
  defcn_detector_set_duplicate_filter (d, 0.7f);
  defcn_detector_decode (d, boxes);
  g_assert_cmpint (n_sought, ==, 2);
  g_assert_cmpfloat (asked_iou, ==, 0.7f);
  g_assert_cmpuint (boxes->len, ==, 1);

  /* another region, resized: back to the image by its own factors */
  const DefcnRegion upright = { 50, 0, 100, 150 };
  g_assert_true (defcn_detector_run (d, &boxes, &image, &upright, 1, &error));
  g_assert_cmpuint (boxes->len, ==, 1);
  b = &g_array_index (boxes, DefcnBox, 0);
  g_assert_true (b->x1 == 50 + 39 * 1.5625f && b->y1 == 6 * 1.5625f
      && b->x2 == 50 + 43 * 1.5625f && b->y2 == 12 * 1.5625f);

  /* what scores more is among what scores less */
  g_assert_true (defcn_detector_run (d, &boxes, &image, &region, 1, &error));
  n_sought = 0;
  defcn_detector_set_threshold (d, 0.6f);
  defcn_detector_decode (d, boxes);
  g_assert_cmpint (n_sought, ==, 0);
  g_assert_cmpuint (boxes->len, ==, 1);
  g_assert_cmpint (now, ==, start);
  g_assert_true (defcn_detector_run (d, &boxes, &image, &region, 1, &error));
  g_assert_cmpint (now, ==, start + 15);
  defcn_detector_set_threshold (d, 0.7f);
  defcn_detector_decode (d, boxes);
  g_assert_cmpint (now, ==, start + 15);
  defcn_detector_set_threshold (d, 0.4f);
  n_sought = 0;
  defcn_detector_decode (d, boxes);
  g_assert_cmpint (n_sought, ==, 1);
  g_assert_cmpint (now, ==, start + 15);
  defcn_detector_set_threshold (d, 0.6f);
  g_assert_true (defcn_detector_run (d, &boxes, &image, &region, 1, &error));
  g_assert_cmpint (now, ==, start + 30);
  takes_host = FALSE;
}

/* The network's input is no larger than the image in it has to have. */
static void
test_input_size (void)
{
  static const struct
  {
    DefcnRegion region;
    int h, w;
  } cases[] = { { { 0, 0, 96, 64 }, 64, 96 }, { { 0, 0, 97, 64 }, 64, 128 },
    { { 0, 0, 64, 95 }, 96, 64 }, { { 0, 0, 64, 64 }, 64, 64 } };
  const DefcnImage image = picture ();
  g_autoptr (GArray) boxes = boxes_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    reset ();
    g_autoptr (DefcnBackend) be =
        __wrap_defcn_backend_new_in ("cpu", "fp32", 1, &error);
    g_autoptr (DefcnWeights) weights = defcn_weights_open (model_path, &error);
    g_autoptr (DefcnModel) model =
        defcn_model_open (weights, be, FALSE, &error);
    g_autoptr (DefcnDetector) d = defcn_detector_new_from_model (model);
    g_assert_true (
        defcn_detector_run (d, &boxes, &image, &cases[i].region, 1, &error));
    const int live = counted.live;
    g_assert_nonnull (
        defcn_model_plan (model, 1, cases[i].h, cases[i].w, &error));
    g_assert_cmpint (counted.live, ==, live); /* it was there already */
  }
}

int
main (int argc, char **argv)
{
  heap_init (argv);
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  model_path = folder_file (folder, "tiny.safetensors");
  testing_tiny_model_write (model_path);
  g_test_add_func ("/detector/rigged/fallback", test_fallback);
  g_test_add_func ("/detector/rigged/leaks", test_leaks);
  g_test_add_func ("/detector/rigged/leaks/settings", test_leaks_settings);
  g_test_add_func ("/detector/rigged/timings", test_timings);
  g_test_add_func ("/detector/rigged/batch", test_batch);
  g_test_add_func ("/detector/rigged/failure", test_failure);
  g_test_add_func ("/detector/rigged/stale", test_stale);
  g_test_add_func ("/detector/rigged/empty-region", test_empty_region);
  g_test_add_func ("/detector/rigged/borrowed", test_borrowed);
  g_test_add_func ("/detector/rigged/device-images", test_device_images);
  g_test_add_func ("/detector/rigged/candidates", test_candidates);
  g_test_add_func ("/detector/rigged/input-size", test_input_size);

  const int status = g_test_run ();
  g_free (plan.asked);
  g_free (model_path);
  folder_remove (folder);
  return status;
}
