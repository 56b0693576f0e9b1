/* Frames that the driver's own functions have made, in a context of their own
 * and in the runtime's, on a stream that is late: what the network gets is what
 * it gets from the host. */
#include <cuda.h>
#include <gmodule.h>
#include <string.h>

#include "../tensors.h"
#include "../testing.h"
#include "image.h"

#define WIDTH 161
#define HEIGHT 90
#define DELAY 50000 /* us */

/* The driver, found at run time: nothing here links it. */
static struct
{
  CUresult (*init) (unsigned int flags);
  CUresult (*device_get) (CUdevice *device, int n);
  CUresult (*create) (CUcontext *context, unsigned int flags, CUdevice device);
  CUresult (*destroy) (CUcontext context);
  CUresult (*push) (CUcontext context);
  CUresult (*pop) (CUcontext *context);
  CUresult (*retain) (CUcontext *context, CUdevice device);
  CUresult (*release) (CUdevice device);
  CUresult (*alloc) (CUdeviceptr *memory, size_t *pitch, size_t width,
      size_t height, unsigned int element);
  CUresult (*free) (CUdeviceptr memory);
  CUresult (*alloc_host) (void **memory, size_t bytes);
  CUresult (*free_host) (void *memory);
  CUresult (*copy) (const CUDA_MEMCPY2D *copy, CUstream stream);
  CUresult (*stream_create) (CUstream *stream, unsigned int flags);
  CUresult (*stream_destroy) (CUstream stream);
  CUresult (*launch) (CUstream stream, CUhostFn function, void *data);
} cu;

static const struct
{
  const char *name;
  gpointer function;
} functions[] = {
  { "cuInit", &cu.init },
  { "cuDeviceGet", &cu.device_get },
  { "cuCtxCreate_v2", &cu.create },
  { "cuCtxDestroy_v2", &cu.destroy },
  { "cuCtxPushCurrent_v2", &cu.push },
  { "cuCtxPopCurrent_v2", &cu.pop },
  { "cuDevicePrimaryCtxRetain", &cu.retain },
  { "cuDevicePrimaryCtxRelease_v2", &cu.release },
  { "cuMemAllocPitch_v2", &cu.alloc },
  { "cuMemFree_v2", &cu.free },
  { "cuMemAllocHost_v2", &cu.alloc_host },
  { "cuMemFreeHost", &cu.free_host },
  { "cuMemcpy2DAsync_v2", &cu.copy },
  { "cuStreamCreate", &cu.stream_create },
  { "cuStreamDestroy_v2", &cu.stream_destroy },
  { "cuLaunchHostFunc", &cu.launch },
};

/* FALSE without a driver. */
static gboolean
find_driver (void)
{
  const char *path = g_getenv ("DEFCN_TEST_DRIVER");
  GModule *module = g_module_open (path ? path : "libcuda.so.1", 0);

  for (guint i = 0; module && i < G_N_ELEMENTS (functions); i++)
    if (!g_module_symbol (module, functions[i].name, functions[i].function))
      g_error ("%s", g_module_error ());
  return module && cu.init (0) == CUDA_SUCCESS;
}

static void
good (CUresult result)
{
  g_assert_cmpint (result, ==, CUDA_SUCCESS);
}

static void CUDA_CB
dawdle (void *data)
{
  g_usleep (DELAY);
}

typedef struct
{
  CUdeviceptr planes[3];
  void *host;
  CUstream stream;
} Frame;

static int
plane_rows (const DefcnImage *image, int i)
{
  const int shift = defcn_image_row_shift (image->format, i);

  return (image->height + (1 << shift) - 1) >> shift;
}

/* Queues the pixels of @host to the device, late, in the current context. */
static DefcnImage
frame_new (Frame *frame, CUcontext context, const DefcnImage *host)
{
  DefcnImage image = *host;
  gsize at = 0, size = 0;

  for (int i = 0; i < defcn_image_planes (host->format); i++)
    size += (gsize) host->strides[i] * plane_rows (host, i);
  good (cu.stream_create (&frame->stream, CU_STREAM_NON_BLOCKING));
  good (cu.alloc_host (&frame->host, size));
  good (cu.launch (frame->stream, dawdle, NULL));
  for (int i = 0; i < defcn_image_planes (host->format); i++) {
    const gsize bytes = (gsize) host->strides[i] * plane_rows (host, i);
    CUDA_MEMCPY2D copy = { .srcMemoryType = CU_MEMORYTYPE_HOST,
      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
      .srcHost = (char *) frame->host + at,
      .srcPitch = host->strides[i],
      .WidthInBytes = defcn_image_row_bytes (host, i),
      .Height = plane_rows (host, i) };
    size_t pitch;

    memcpy ((char *) frame->host + at, host->planes[i], bytes);
    good (cu.alloc (&frame->planes[i], &pitch, copy.WidthInBytes, copy.Height,
        16));
    copy.dstDevice = frame->planes[i];
    copy.dstPitch = pitch;
    good (cu.copy (&copy, frame->stream));
    image.planes[i] = (const guint8 *) frame->planes[i];
    image.strides[i] = pitch;
    at += bytes;
  }
  image.memory = DEFCN_MEMORY_CUDA;
  image.cuda_context = context;
  image.cuda_stream = frame->stream;
  return image;
}

static void
frame_free (Frame *frame)
{
  for (int i = 0; i < 3; i++)
    if (frame->planes[i])
      good (cu.free (frame->planes[i]));
  good (cu.free_host (frame->host));
  good (cu.stream_destroy (frame->stream));
}

static void
check_format (DefcnBackend *be, CUcontext context, DefcnFormat format)
{
  const DefcnInputRule rule = { .std = { 1, 2, 3 } };
  const gsize bytes = 64 * 96 * 3 * sizeof (float);
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (format);
  DefcnTensor *input =
      testing_tensor_new (be, DEFCN_TENSOR_INPUT, 1, 64, 96, 3, FALSE);
  guint8 noise[HEIGHT * WIDTH * 4];
  DefcnImage host = { format, WIDTH, HEIGHT };
  Frame frame = { { 0 } };
  CUcontext popped;
  g_autoptr (GError) error = NULL;
  DefcnPreprocess p;

  for (guint i = 0; i < sizeof noise; i++)
    noise[i] = g_rand_int (rand) >> 24;
  for (int i = 0; i < defcn_image_planes (format); i++) {
    host.planes[i] = noise;
    host.strides[i] = WIDTH * 4;
  }
  defcn_scaler_describe (scaler, &p, &host, 3, 5, 150, 80, 90, 48, &rule);
  g_assert_true (be->preprocess (be, input, 0, &host, &p));
  g_autofree float *wanted = testing_tensor_read (be, input);

  be->zero (be, input->data, be->size (be, input));
  good (cu.push (context));
  const DefcnImage image = frame_new (&frame, context, &host);
  good (cu.pop (&popped));
  g_assert_true (be->preprocess (be, input, 0, &image, &p));
  g_autofree float *found = testing_tensor_read (be, input);
  g_assert_true (be->sync (be, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (found, bytes, wanted, bytes);
  good (cu.push (context));
  frame_free (&frame);
  good (cu.pop (&popped));
  testing_tensor_free (be, input);
}

/* @data: whether the context is another one than the runtime's. */
static void
test_context (gconstpointer data)
{
  const gboolean other = GPOINTER_TO_INT (data);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("cuda", 1, &error);
  CUcontext context, popped;
  CUdevice device;

  if (!be) {
    testing_no_backend (error);
    return;
  }
  if (!find_driver ()) {
    g_test_skip ("there is no driver");
    return;
  }
  good (cu.device_get (&device, 0));
  if (other) {
    good (cu.create (&context, 0, device));
    good (cu.pop (&popped));
  } else {
    good (cu.retain (&context, device));
  }
  for (int format = 0; format < DEFCN_N_FORMATS; format++)
    check_format (be, context, format);
  good (other ? cu.destroy (context) : cu.release (device));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/cuda/contexts/other", GINT_TO_POINTER (1),
      test_context);
  g_test_add_data_func ("/cuda/contexts/own", NULL, test_context);
  return g_test_run ();
}
