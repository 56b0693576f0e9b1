/* The CUDA backend: device, stream, memory, staging, recorded graphs, and the
 * list of its rows. */
#include "lanes.h"

#include <string.h>

/* A net's steps as a CUDA graph.  The first run goes step by step, since
 * libraries load their kernels then; the second is recorded. */
typedef struct
{
  gboolean warm, refused;
  cudaGraphExec_t graph;
} Recording;

static gsize
size (DefcnBackend *base, const DefcnTensor *t)
{
  const Cuda *be = cuda_of (base);
  const gsize bytes = cuda_len (be, t) * cuda_type_size (cuda_type_of (be, t));

  return (bytes + 255) / 256 * 256;
}

static void *
alloc (DefcnBackend *base, gsize bytes)
{
  Cuda *be = cuda_of (base);
  void *mem;

  cuda_device_enter (be);
  mem = cuda_device_alloc (bytes, "memory", NULL);
  if (mem)
    cuda_device_note (be, cudaMemsetAsync (mem, 0, bytes, be->stream),
        "clearing");
  return mem;
}

static void
free_memory (DefcnBackend *base, void *mem)
{
  cuda_device_enter (cuda_of (base));
  cudaFree (mem); /* waits for what uses it */
}

static void
zero (DefcnBackend *base, void *mem, gsize bytes)
{
  Cuda *be = cuda_of (base);

  cuda_device_enter (be);
  cuda_device_note (be, cudaMemsetAsync (mem, 0, bytes, be->stream),
      "clearing");
}

/* What staging takes at once of a tensor: rows of channels where they are
 * padded in memory, else elements. */
typedef struct
{
  CudaType type;
  int c, c_in_memory;
  gsize rows, most;
  gsize row_bytes; /* in memory */
} Chunks;

static Chunks
chunks_of (const Cuda *be, const DefcnTensor *t)
{
  const CudaType type = cuda_type_of (be, t);
  const int c_in_memory = cuda_channels (t, type);
  const gboolean is_padded = c_in_memory != t->c;
  Chunks chunks = { type, 1, 1 };

  if (is_padded) {
    chunks.c = t->c;
    chunks.c_in_memory = c_in_memory;
  }
  chunks.rows = defcn_tensor_len (t) / chunks.c;
  chunks.most = CUDA_CHUNK / chunks.c;
  chunks.row_bytes = chunks.c_in_memory * cuda_type_size (type);
  return chunks;
}

/* Through the pinned buffer, chunk by chunk. */
static void
upload (DefcnBackend *base, const DefcnTensor *t, void *mem, const float *src)
{
  Cuda *be = cuda_of (base);
  const Chunks c = chunks_of (be, t);

  cuda_device_enter (be);
  for (gsize at = 0; at < c.rows; at += c.most) {
    const gsize n = MIN (c.most, c.rows - at);

    cuda_device_send (be, be->staging, src + at * c.c,
        n * c.c * sizeof (float));
    cuda_convert_rows (be, (char *) mem + at * c.row_bytes, c.type,
        c.c_in_memory, be->staging, CUDA_FLOAT, c.c, n);
  }
}

static void
download (DefcnBackend *base, const DefcnTensor *t, float *dst, const void *mem)
{
  Cuda *be = cuda_of (base);
  const Chunks c = chunks_of (be, t);

  cuda_device_enter (be);
  for (gsize at = 0; at < c.rows; at += c.most) {
    const gsize n = MIN (c.most, c.rows - at);

    cuda_convert_rows (be, be->staging, CUDA_FLOAT, c.c,
        (const char *) mem + at * c.row_bytes, c.type, c.c_in_memory, n);
    cuda_device_receive (be, dst + at * c.c, be->staging,
        n * c.c * sizeof (float));
  }
  if (be->failed != cudaSuccess) /* not what the buffer held before */
    memset (dst, 0, defcn_tensor_len (t) * sizeof (float));
}

static gboolean
sync_stream (DefcnBackend *base, GError **error)
{
  Cuda *be = cuda_of (base);

  cuda_device_enter (be);
  cuda_device_wait (be, "waiting");
  cuda_device_note (be, cudaGetLastError (), "a kernel");
  if (be->failed == cudaSuccess)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND, "cuda:%d: %s (at: %s)",
      be->device, cudaGetErrorString (be->failed), be->failed_at);
  be->failed = cudaSuccess;
  return FALSE;
}

static void
forget (DefcnBackend *base, gpointer data)
{
  Recording *recording = data;

  if (!recording)
    return;
  cuda_device_enter (cuda_of (base));
  if (recording->graph)
    cudaGraphExecDestroy (recording->graph);
  g_free (recording);
}

/* Queues nothing, but keeps what @queue would have queued.  What cannot be
 * recorded is no error: it runs without. */
static void
record (Cuda *be, Recording *recording, void (*queue) (gpointer data),
    gpointer data)
{
  const cudaError_t failed = be->failed;
  const char *failed_at = be->failed_at;
  cudaGraph_t graph = NULL;
  gboolean good =
      cudaStreamBeginCapture (be->stream, cudaStreamCaptureModeThreadLocal)
      == cudaSuccess;

  if (good) {
    queue (data);
    good = cudaStreamEndCapture (be->stream, &graph) == cudaSuccess && graph
        && be->failed == failed
        && cudaGraphInstantiate (&recording->graph, graph, 0) == cudaSuccess;
  }
  if (graph)
    cudaGraphDestroy (graph);
  if (good)
    return;
  cudaGetLastError ();
  be->failed = failed;
  be->failed_at = failed_at;
  recording->graph = NULL;
  recording->refused = TRUE;
}

static void
replay (DefcnBackend *base, gpointer *data, void (*queue) (gpointer data),
    gpointer user)
{
  Cuda *be = cuda_of (base);
  Recording *recording = *data;

  cuda_device_enter (be);
  if (!recording)
    *data = recording = g_new0 (Recording, 1);
  cuda_convs_refresh (be); /* what a recording cannot do */
  if (recording->warm && !recording->refused && !recording->graph)
    record (be, recording, queue, user);
  be->waited = FALSE;
  if (recording->graph)
    cuda_device_note (be, cudaGraphLaunch (recording->graph, be->stream),
        "launching");
  else
    queue (user);
  recording->warm = TRUE;
}

static void
destroy (DefcnBackend *base)
{
  Cuda *be = cuda_of (base);

  cuda_device_enter (be);
  if (be->stream)
    cudaStreamSynchronize (be->stream);
  cuda_convs_free (be->convs);
  cuda_lanes_free (be->lanes);
  cuda_images_free (be->images);
  cuda_finder_free (be->finder);
  cudaFree (be->qualities.mem);
  cudaFree (be->losses.mem);
  cudaFree (be->staging);
  cudaFreeHost (be->pinned);
  if (be->stream)
    cudaStreamDestroy (be->stream);
  g_free (be);
}

/* Why @status, of a call that begins to use @device.  Some errors end the
 * process's use of the device: they come again and again. */
static void
set_device_error (GError **error, int device, cudaError_t status)
{
  gboolean again;

  cudaGetLastError ();
  again = cudaGetLastError () != cudaSuccess;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "device \"cuda:%d\": %s%s", device, cudaGetErrorString (status),
      again ? "; this process has lost the device, a new one may have it" : "");
}

/* The runtime says the same of an old driver and of none. */
static void
set_driver_error (GError **error, int device)
{
  int driver = 0, runtime = 0;

  cudaDriverGetVersion (&driver);
  cudaRuntimeGetVersion (&runtime);
  cudaGetLastError ();
  if (driver == 0)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "device \"cuda:%d\": there is no NVIDIA driver", device);
  else
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "device \"cuda:%d\": the NVIDIA driver is too old, it is for CUDA "
        "%d.%d, wanted %d.%d",
        device, driver / 1000, driver % 1000 / 10, runtime / 1000,
        runtime % 1000 / 10);
}

/* What the module has machine code for, core/cuda/meson.build. */
#define OLDEST_CAPABILITY 8

/* Of an older device the first kernel would tell. */
static gboolean
check_capability (int device, GError **error)
{
  int major = 0, minor = 0;
  cudaError_t status = cudaDeviceGetAttribute (&major,
      cudaDevAttrComputeCapabilityMajor, device);

  if (status == cudaSuccess)
    status = cudaDeviceGetAttribute (&minor, cudaDevAttrComputeCapabilityMinor,
        device);
  if (status != cudaSuccess)
    set_device_error (error, device, status);
  else if (major < OLDEST_CAPABILITY)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "device \"cuda:%d\": has compute capability %d.%d, wanted %d.0 at "
        "least (Ampere)",
        device, major, minor, OLDEST_CAPABILITY);
  else
    return TRUE;
  return FALSE;
}

/* FALSE with @error that says what is missing: driver, device, number, age. */
static gboolean
check_device (int device, GError **error)
{
  int n = 0;
  cudaError_t status = cudaGetDeviceCount (&n);

  if (status == cudaErrorInsufficientDriver)
    set_driver_error (error, device);
  else if (status != cudaSuccess)
    set_device_error (error, device, status);
  else if (device >= n)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "device \"cuda:%d\": there is no such device, the last is cuda:%d",
        device, n - 1);
  else
    return check_capability (device, error);
  return FALSE;
}

static gboolean
choose_precision (Cuda *be, const char *precision, GError **error)
{
  static const struct
  {
    const char *name;
    CudaType type;
    gboolean tf32;
  } precisions[] = {
    { "auto", CUDA_HALF, TRUE },
    { "fp32", CUDA_FLOAT, FALSE },
    { "tf32", CUDA_FLOAT, TRUE },
    { "fp16", CUDA_HALF, TRUE },
    { "bf16", CUDA_BFLOAT, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++)
    if (g_str_equal (precision, precisions[i].name)) {
      be->type = precisions[i].type;
      be->tf32 = precisions[i].tf32;
      return TRUE;
    }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "precision \"%s\" is unknown, wanted auto, fp32, tf32, fp16 or bf16",
      precision);
  return FALSE;
}

static gboolean
start (Cuda *be, GError **error)
{
  gsize available = 0, total = 0;
  cudaError_t status = cudaSetDevice (be->device);

  if (status == cudaSuccess)
    status = cudaStreamCreateWithFlags (&be->stream, cudaStreamNonBlocking);
  if (status == cudaSuccess)
    status =
        cudaMallocHost ((void **) &be->pinned, CUDA_CHUNK * sizeof (float));
  if (status == cudaSuccess)
    status = cudaMalloc ((void **) &be->staging, CUDA_CHUNK * sizeof (float));
  if (status == cudaSuccess)
    status = cudaMemGetInfo (&available, &total);
  if (status != cudaSuccess) {
    set_device_error (error, be->device, status);
    return FALSE;
  }
  be->base.plan_bytes = available / 2; /* others want some too */
  be->base.batch = CUDA_BATCH;
  be->base.sums_by_batch = TRUE;
  be->lanes = cuda_lanes_new (error);
  if (be->lanes)
    be->convs = cuda_convs_new (be, error);
  if (be->convs)
    be->finder = cuda_finder_new (be, error);
  return be->finder != NULL;
}

static const DefcnPass pass = {
  .place = cuda_image_place,
  .preprocess = cuda_images_preprocess,
  .seek = cuda_seek,
  .find = cuda_find,
  .found = cuda_found,
};

static const DefcnLearner learner = {
  .qualities = cuda_qualities,
  .losses = cuda_losses,
  .sums = cuda_loss_sums,
};

static const DefcnBackend functions = {
  .name = "cuda",
  .size = size,
  .alloc = alloc,
  .free = free_memory,
  .zero = zero,
  .upload = upload,
  .download = download,
  .sync = sync_stream,
  .replay = replay,
  .forget = forget,
  .preprocess = cuda_preprocess,
  .pass = &pass,
  .reads = DEFCN_MEMORY_CUDA,
  .updater = &cuda_updater,
  .learner = &learner,
  .side = &cuda_side,
  .destroy = destroy,
};

const char *
defcn_cuda_version (void)
{
  return DEFCN_VERSION;
}

DefcnBackend *
defcn_cuda_new (int device, const char *precision, int threads, GError **error)
{
  Cuda *be;

  if (!check_device (device, error))
    return NULL;
  be = g_new0 (Cuda, 1);
  be->base = functions;
  be->base.threads = threads;
  be->device = device;
  be->base.ops[DEFCN_OP_CONV] = cuda_conv;
  be->base.ops[DEFCN_OP_DEFORM_CONV] = cuda_deform_conv;
  be->base.ops[DEFCN_OP_MAX_POOL] = cuda_max_pool;
  be->base.ops[DEFCN_OP_RELU] = cuda_relu;
  be->base.ops[DEFCN_OP_GROUP_NORM] = cuda_group_norm;
  be->base.ops[DEFCN_OP_UPSAMPLE_ADD] = cuda_upsample_add;
  be->base.ops[DEFCN_OP_TUBE_MAX] = cuda_tube_max;
  be->base.ops[DEFCN_OP_BOX] = cuda_box;
  be->base.ops[DEFCN_OP_ANCHORS] = cuda_anchors;
  if (choose_precision (be, precision, error) && start (be, error))
    return &be->base;
  destroy (&be->base);
  return NULL;
}
