/* What goes wrong with a device comes out as an error that names it, leaves
 * nothing behind, and does not come back with the next detector.  The emulation
 * fails to order, see emulate.hpp. */
#include "detector.h"

#include <glib/gstdio.h>

#include "../testing.h"
#include "../tiny_model.h"
#include "emulated_counts.h"

#define WIDTH 72
#define HEIGHT 56

static char *model_path;
static guint8 pixels[HEIGHT * WIDTH * 3];
static GArray *wanted; /* boxes in the pixels */

static DefcnDetector *
open_in (const char *device, const char *precision, GError **error)
{
  const DefcnDetectorOptions options = { .device = device,
    .precision = precision,
    .threads = 1 };

  return defcn_detector_new (model_path, &options, error);
}

static DefcnDetector *
open_cuda (GError **error)
{
  return open_in ("cuda", "fp32", error);
}

static gboolean
run (DefcnDetector *d, GArray *boxes, GError **error)
{
  const DefcnImage image = { DEFCN_FORMAT_RGB, WIDTH, HEIGHT, { pixels },
    { WIDTH * 3 } };

  return defcn_detector_run (d, &boxes, &image, NULL, 1, error);
}

/* @d finds what it should. */
static void
assert_works (DefcnDetector *d)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;

  g_assert_true (run (d, boxes, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (boxes->data, boxes->len * sizeof (DefcnBox), wanted->data,
      wanted->len * sizeof (DefcnBox));
}

static void
assert_new_works (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDetector) d = open_cuda (&error);

  g_assert_no_error (error);
  assert_works (d);
}

static void
assert_says (const GError *error, const char *words)
{
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  if (!strstr (error->message, words))
    g_error ("\"%s\" does not say \"%s\"", error->message, words);
}

/* @d fails with the @words and has no boxes. */
static void
assert_fails (DefcnDetector *d, const char *words)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;

  g_assert_false (run (d, boxes, &error));
  assert_says (error, words);
  g_assert_cmpuint (boxes->len, ==, 0);
}

typedef struct
{
  const char *name, *failure, *device, *words;
} Start;

static const Start starts[] = {
  { "no-driver", "driver", "cuda", "\"cuda:0\": there is no NVIDIA driver" },
  { "old-driver", "old-driver", "cuda:0",
      "driver is too old, it is for CUDA 11.4, wanted 13.0" },
  { "no-device", "device", "cuda", "\"cuda:0\": no CUDA-capable device" },
  { "old-device", "old-device", "cuda",
      "\"cuda:0\": has compute capability 7.5, wanted 8.0 at least" },
  { "no-number", "", "cuda:2",
      "\"cuda:2\": there is no such device, the last is cuda:1" },
  { "large-number", "", "cuda:99999999999999999999", "no such device" },
  { "no-memory", "alloc:1", "cuda", "\"cuda:0\": out of memory" },
  { "no-staging", "alloc:2", "cuda", "\"cuda:0\": out of memory" },
  { "no-memory-for-weights", "alloc:6", "cuda", "no memory for parameter" },
  { "lost-in-loading", "lost:1", "cuda", "cuda:0: unspecified launch failure" },
};

/* A device that cannot be had is refused by name; "auto" then takes the CPU,
 * says why, and needs no more of the precision than the CPU has; and with the
 * fault gone the device works. */
static void
test_start (gconstpointer data)
{
  const Start *s = data;
  const gboolean numbered = s->failure[0] == 0;
  g_autoptr (GError) error = NULL, half = NULL;
  g_autoptr (DefcnDetector) d = NULL;

  g_setenv ("DEFCN_EMULATE_FAIL", s->failure, TRUE);
  g_assert_null (open_in (s->device, "fp32", &error));
  assert_says (error, s->words);
  if (!numbered) {
    g_clear_error (&error);
    g_setenv ("DEFCN_EMULATE_FAIL", "", TRUE); /* counts anew */
    assert_new_works ();
    g_setenv ("DEFCN_EMULATE_FAIL", s->failure, TRUE);
    d = open_in ("auto", "auto", &error);
    g_assert_no_error (error);
    g_assert_cmpstr (defcn_detector_device (d), !=, "cuda");
    g_assert_nonnull (strstr (defcn_detector_passed_over (d), s->words));
    g_setenv ("DEFCN_EMULATE_FAIL", "", TRUE);
    assert_new_works ();
    g_setenv ("DEFCN_EMULATE_FAIL", s->failure, TRUE);
    g_assert_null (open_in ("auto", "fp16", &half));
    assert_says (half, s->words);
  }
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  assert_new_works ();
}

/* With nothing wrong "auto" is CUDA, and has passed nothing over. */
static void
test_automatic (void)
{
  g_autoptr (DefcnDetector) d = open_in (NULL, "fp32", NULL);

  g_assert_cmpstr (defcn_detector_device (d), ==, "cuda");
  g_assert_null (defcn_detector_passed_over (d));
  assert_works (d);
}

/* An unknown precision is a wrong value, on "auto" too. */
static void
test_precision (void)
{
  static const char *const devices[] = { "auto", "cuda", "cpu" };

  for (guint i = 0; i < G_N_ELEMENTS (devices); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (open_in (devices[i], "fp8", &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, "precision \"fp8\" is unknown"));
  }
}

/* Every single allocation that can fail, from the first to the last of a load
 * and a frame: refused or done without, and the same detector works as soon as
 * there is memory. */
static void
test_every_allocation (void)
{
  guint n_load = 0, n_plan = 0, n_spared = 0;

  for (guint n = 1; n_spared < 2; n++) {
    g_autofree char *failure = g_strdup_printf ("alloc:%u", n);
    g_autoptr (GError) error = NULL;
    g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
    g_autoptr (DefcnDetector) d = NULL;

    g_setenv ("DEFCN_EMULATE_FAIL", failure, TRUE);
    d = open_cuda (&error);
    if (!d) {
      n_load++;
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
      g_assert_nonnull (strstr (error->message, "memory"));
      continue;
    }
    if (run (d, boxes, &error)) {
      g_assert_cmpuint (boxes->len, ==, wanted->len);
      n_spared++;
    } else {
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
      g_assert_cmpuint (boxes->len, ==, 0);
      n_plan++;
    }
    g_unsetenv ("DEFCN_EMULATE_FAIL");
    assert_works (d);
    assert_works (d);
  }
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  g_test_message ("%u in loading, %u in planning", n_load, n_plan);
  g_assert_cmpuint (n_load, >, 10);
  g_assert_cmpuint (n_plan, >, 1);
}

/* An error that passes: one frame is lost, the next works. */
static void
test_passing_error (void)
{
  g_autoptr (DefcnDetector) d = open_cuda (NULL);

  for (int i = 0; i < 4; i++) { /* queued one by one, recorded, repeated */
    g_setenv ("DEFCN_EMULATE_FAIL", "sync:1", TRUE);
    assert_fails (d, "cuda:0: the launch timed out and was terminated (at: ");
    g_unsetenv ("DEFCN_EMULATE_FAIL");
    assert_works (d);
  }
}

/* A device that is lost at any moment of a frame stays lost: this detector
 * fails from then on, a new one does not open, "auto" takes the CPU. */
static void
test_lost_device (void)
{
  for (int n = 1; n <= 2; n++) {
    g_autofree char *failure = g_strdup_printf ("lost:%d", n);
    g_autoptr (DefcnDetector) d = open_cuda (NULL);
    g_autoptr (DefcnDetector) other = NULL;
    g_autoptr (GError) error = NULL;

    assert_works (d);
    g_setenv ("DEFCN_EMULATE_FAIL", failure, TRUE);
    if (n == 1) /* a frame waits once */
      assert_fails (d, "cuda:0: unspecified launch failure (at: ");
    else
      assert_works (d);
    assert_fails (d, "cuda:0: unspecified launch failure (at: ");
    assert_fails (d, "cuda:0: unspecified launch failure (at: ");
    g_assert_null (open_cuda (&error));
    assert_says (error, "this process has lost the device");
    other = open_in ("auto", "auto", NULL);
    g_assert_cmpstr (defcn_detector_device (other), !=, "cuda");
    g_unsetenv ("DEFCN_EMULATE_FAIL");
    assert_works (d);
  }
}

/* A frame's pixels and tables take the way through pinned memory. */
static void
test_pinned (void)
{
  g_autoptr (DefcnDetector) d = open_cuda (NULL);
  const int before = emulated_counted (EMULATED_COPIES);

  assert_works (d);
  g_assert_cmpint (emulated_counted (EMULATED_COPIES), ==, before);
}

/* Whatever memory a larger frame does not get, the next frame, of the size of
 * the last that worked, finds its own filter tables. */
static void
test_frame_memory (void)
{
  g_autofree guint8 *large = g_malloc0 (2 * HEIGHT * 2 * WIDTH * 3);
  const DefcnImage image = { DEFCN_FORMAT_RGB, 2 * WIDTH, 2 * HEIGHT, { large },
    { 2 * WIDTH * 3 } };
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  for (int n = 1; n < 25; n++) {
    g_autofree char *failure = g_strdup_printf ("alloc:%d", n);
    g_autoptr (DefcnDetector) d = open_cuda (NULL);

    assert_works (d);
    g_setenv ("DEFCN_EMULATE_FAIL", failure, TRUE);
    defcn_detector_run (d, &boxes, &image, NULL, 1, NULL);
    g_unsetenv ("DEFCN_EMULATE_FAIL");
    assert_works (d);
  }
}

static gpointer
decode (gpointer data)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

  defcn_detector_decode (data, boxes);
  return g_steal_pointer (&boxes);
}

/* A thread that has not used the device before decodes: it need not be the
 * first device, which is a thread's own to begin with. */
static void
test_other_thread (void)
{
  g_autoptr (DefcnDetector) d = open_in ("cuda:1", "fp32", NULL);

  g_assert_nonnull (d);
  assert_works (d);

  GThread *thread = g_thread_new ("decode", decode, d);
  g_autoptr (GArray) boxes = g_thread_join (thread);
  g_assert_cmpmem (boxes->data, boxes->len * sizeof (DefcnBox), wanted->data,
      wanted->len * sizeof (DefcnBox));
  assert_works (d);
}

static const char *const captures[] = { "capture", "capture-run", "capture-end",
  "instantiate" };

/* A net that cannot be recorded, wherever that shows, runs step by step: first,
 * when it would be recorded, and from then on; another detector, once nothing
 * is wrong, is recorded. */
static void
test_no_capture (gconstpointer failure)
{
  g_autoptr (DefcnDetector) d = open_cuda (NULL);

  g_setenv ("DEFCN_EMULATE_FAIL", failure, TRUE);
  for (int i = 0; i < 4; i++)
    assert_works (d);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  assert_works (d);
  assert_new_works ();
}

/* A recorded frame gives what the first gives, in whatever order its branches
 * run: the maps of a layer share no memory, not even where the outputs take a
 * way round. */
static void
test_branches (void)
{
  static const char *const precisions[] = { "fp32", "fp16" };

  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++) {
    g_autoptr (DefcnDetector) d = NULL;
    g_autoptr (GArray) first = NULL;

    g_setenv ("DEFCN_EMULATE_FAIL", "compiled", TRUE);
    d = open_in ("cuda", precisions[i], NULL);
    defcn_detector_set_threshold (d, 1e-6f);
    for (int k = 0; k < 6; k++) { /* one by one, recorded, repeated */
      const int before = emulated_counted (EMULATED_LAUNCHES);
      g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));

      g_assert_true (run (d, boxes, NULL));
      g_assert_cmpint (emulated_counted (EMULATED_LAUNCHES) - before, ==,
          k > 0);
      g_assert_cmpuint (boxes->len, >, 0);
      if (!first)
        first = g_steal_pointer (&boxes);
      else
        g_assert_cmpmem (boxes->data, boxes->len * sizeof (DefcnBox),
            first->data, first->len * sizeof (DefcnBox));
    }
    g_unsetenv ("DEFCN_EMULATE_FAIL");
  }
}

/* With no plan of cuDNN's for a layer a frame has no boxes and an error that
 * names the layer; the next frame works. */
static void
test_no_plan (void)
{
  g_autoptr (DefcnDetector) d = open_cuda (NULL);

  g_setenv ("DEFCN_EMULATE_FAIL", "plan", TRUE);
  assert_fails (d, "conv1: ");
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  assert_works (d);
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("defcn-failures-XXXXXX", NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  g_autoptr (DefcnDetector) reference = NULL;

  g_setenv ("XDG_CACHE_HOME", "/dev/null", TRUE); /* plans are made anew */
  g_test_init (&argc, &argv, NULL);
  model_path = g_build_filename (folder, "tiny.safetensors", NULL);
  testing_tiny_model_write_as (model_path, 32, -4);
  for (guint i = 0; i < sizeof pixels; i++)
    pixels[i] = g_rand_int (rand) >> 24;
  reference = open_cuda (NULL);
  wanted = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_assert_true (run (reference, wanted, NULL));
  g_assert_cmpuint (wanted->len, >, 0);

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++) {
    g_autofree char *path =
        g_strdup_printf ("/cuda/failures/start/%s", starts[i].name);
    g_test_add_data_func (path, &starts[i], test_start);
  }
  g_test_add_func ("/cuda/failures/automatic", test_automatic);
  g_test_add_func ("/cuda/failures/precision", test_precision);
  g_test_add_func ("/cuda/failures/every-allocation", test_every_allocation);
  g_test_add_func ("/cuda/failures/passing-error", test_passing_error);
  g_test_add_func ("/cuda/failures/lost-device", test_lost_device);

  for (guint i = 0; i < G_N_ELEMENTS (captures); i++) {
    g_autofree char *path =
        g_strdup_printf ("/cuda/failures/capture/%s", captures[i]);
    g_test_add_data_func (path, captures[i], test_no_capture);
  }
  g_test_add_func ("/cuda/failures/no-plan", test_no_plan);
  g_test_add_func ("/cuda/failures/branches", test_branches);
  g_test_add_func ("/cuda/failures/pinned", test_pinned);
  g_test_add_func ("/cuda/failures/frame-memory", test_frame_memory);
  g_test_add_func ("/cuda/threads/other", test_other_thread);

  const int status = g_test_run ();
  g_array_unref (wanted);
  g_remove (model_path);
  g_rmdir (folder);
  g_free (model_path);
  return status;
}
