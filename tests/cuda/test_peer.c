/* Frames in device memory, of our own context and of others, give what the same
 * frames give in the host's: the emulation's device memory is the host's. */
#include "detector.h"

#include <glib/gstdio.h>
#include <string.h>

#include "../tensors.h"
#include "../testing.h"
#include "../tiny_model.h"
#include "emulated_stream.h"

#define WIDTH 63
#define HEIGHT 47
#define STRIDE (WIDTH * 4 + 13)
#define SIZE (3 * STRIDE * (HEIGHT + 1))

/* Noise that somebody's stream is about to write. */
typedef struct
{
  guint8 *to;
  guint8 noise[SIZE];
  guint n_written;
} Producer;

static void
produce (gpointer data)
{
  Producer *p = data;

  memcpy (p->to, p->noise, SIZE);
  p->n_written++;
}

static Producer *
producer_new (guint8 *to)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  Producer *p = g_new0 (Producer, 1);

  p->to = to;
  for (int i = 0; i < SIZE; i++)
    p->noise[i] = g_rand_int (rand) >> 24;
  return p;
}

static DefcnImage
image_of (const guint8 *memory, DefcnFormat format)
{
  DefcnImage image = { format, WIDTH, HEIGHT };

  for (int i = 0; i < defcn_image_planes (format); i++) {
    image.planes[i] = memory + (gsize) i * STRIDE * (HEIGHT + 1);
    image.strides[i] = STRIDE;
  }
  return image;
}

typedef struct
{
  const char *name;
  gpointer context;
  gboolean late; /* written when the stream is waited for */
} Place;

static const Place places[] = {
  { "own", NULL, FALSE },
  { "own-by-name", EMULATED_CONTEXT, FALSE },
  { "own-late", EMULATED_CONTEXT, TRUE },
  { "own-unnamed-late", NULL, TRUE },
  { "other", (gpointer) 2, FALSE },
  { "other-late", (gpointer) 2, TRUE },
};

/* The network's input of a rectangle, from anywhere, is the host's. */
static void
test_input (gconstpointer data)
{
  const Place *place = data;
  const DefcnInputRule rule = { .std = { 1, 2, 3 } };
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  g_autoptr (DefcnBackend) be = defcn_backend_new ("cuda", 1, NULL);
  g_autofree guint8 *memory = g_malloc (SIZE);
  g_autofree Producer *p = producer_new (memory);
  DefcnTensor *input =
      testing_tensor_new (be, DEFCN_TENSOR_INPUT, 1, 32, 32, 3, FALSE);

  g_assert_cmpint (be->reads, ==, DEFCN_MEMORY_CUDA);
  for (int format = 0; format < DEFCN_N_FORMATS; format++) {
    EmulatedStream stream = { produce, p };
    DefcnImage image = image_of (memory, format);
    DefcnPreprocess preprocess;
    g_autoptr (GError) error = NULL;

    produce (p);
    defcn_scaler_describe (scaler, &preprocess, &image, 5, 7, 40, 33, 31, 29,
        &rule);
    g_assert_true (be->preprocess (be, input, 0, &image, &preprocess));
    g_autofree float *wanted = testing_tensor_read (be, input);

    p->n_written = 0;
    if (place->late)
      memset (memory, 0, SIZE);
    image.memory = DEFCN_MEMORY_CUDA;
    image.cuda_context = place->context;
    image.cuda_stream = place->late ? &stream : NULL;
    g_assert_true (be->preprocess (be, input, 0, &image, &preprocess));
    g_autofree float *found = testing_tensor_read (be, input);
    g_assert_cmpmem (found, 32 * 32 * 3 * sizeof (float), wanted,
        32 * 32 * 3 * sizeof (float));
    g_assert_cmpuint (p->n_written, ==, place->late);
    g_assert_true (be->sync (be, &error));
    g_assert_no_error (error);
  }
  testing_tensor_free (be, input);
}

static char *model_path;

static DefcnDetector *
open_on (const char *device)
{
  const DefcnDetectorOptions options = { .device = device, .threads = 1 };
  g_autoptr (GError) error = NULL;
  DefcnDetector *d = defcn_detector_new (model_path, &options, &error);

  g_assert_no_error (error);
  return d;
}

/* The objects are the same too; a device without memory for a frame of others
 * says so, one that reads the host's alone refuses. */
static void
test_detector (void)
{
  g_autoptr (DefcnDetector) d = open_on ("cuda");
  g_autoptr (DefcnDetector) cpu = open_on ("cpu");
  g_autofree guint8 *memory = g_malloc (SIZE);
  g_autofree Producer *p = producer_new (memory);
  g_autoptr (GArray) wanted = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL, no_memory = NULL;
  DefcnImage image = image_of (memory, DEFCN_FORMAT_NV12);

  g_assert_true (defcn_detector_reads (d, DEFCN_MEMORY_HOST));
  g_assert_true (defcn_detector_reads (d, DEFCN_MEMORY_CUDA));
  g_assert_true (defcn_detector_reads (cpu, DEFCN_MEMORY_HOST));
  g_assert_false (defcn_detector_reads (cpu, DEFCN_MEMORY_CUDA));
  produce (p);
  image.memory = DEFCN_MEMORY_CUDA;
  g_assert_true (defcn_detector_run (d, &boxes, &image, NULL, 1, NULL));
  image.cuda_context = (gpointer) 2; /* needs a copy */
  g_setenv ("DEFCN_EMULATE_FAIL", "alloc:1", TRUE);
  g_assert_false (defcn_detector_run (d, &boxes, &image, NULL, 1, &no_memory));
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  g_assert_error (no_memory, DEFCN_ERROR, DEFCN_ERROR_BACKEND);
  g_assert_nonnull (strstr (no_memory->message,
      "cuda: no memory to take a 63x"
      "47 image"));

  g_assert_false (defcn_detector_run (cpu, &boxes, &image, NULL, 1, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, "in the memory of a CUDA device"));

  image.memory = DEFCN_MEMORY_HOST;
  g_assert_true (defcn_detector_run (d, &wanted, &image, NULL, 1, NULL));
  g_assert_cmpuint (wanted->len, >, 0);
  image.memory = DEFCN_MEMORY_CUDA;
  g_assert_true (defcn_detector_run (d, &boxes, &image, NULL, 1, NULL));
  g_assert_cmpmem (boxes->data, boxes->len * sizeof (DefcnBox), wanted->data,
      wanted->len * sizeof (DefcnBox));
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("defcn-peer-XXXXXX", NULL);

  g_test_init (&argc, &argv, NULL);
  model_path = g_build_filename (folder, "tiny.safetensors", NULL);
  testing_tiny_model_write (model_path);
  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    g_autofree char *path =
        g_strdup_printf ("/cuda/peer/input/%s", places[i].name);
    g_test_add_data_func (path, &places[i], test_input);
  }
  g_test_add_func ("/cuda/peer/detector", test_detector);

  const int status = g_test_run ();
  g_remove (model_path);
  g_rmdir (folder);
  g_free (model_path);
  return status;
}
