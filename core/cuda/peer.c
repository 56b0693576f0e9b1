/* Frames in device memory that others have filled: GStreamer's CUDA elements
 * have contexts of their own, whose memory the kernels of ours cannot read, and
 * streams that may still be at work on it.
 *
 * The runtime knows one context per device, so this takes the driver's
 * functions, and asks for them when the first such frame comes: the module
 * links no driver.  The codes of both are the same numbers. */
#include <cuda.h>
#include <cudaTypedefs.h>

#include "module.h"

typedef struct
{
  PFN_cuCtxGetCurrent_v4000 get_current;
  PFN_cuCtxPushCurrent_v4000 push;
  PFN_cuCtxPopCurrent_v4000 pop;
  PFN_cuEventCreate_v2000 create_event;
  PFN_cuEventRecord_v2000 record;
  PFN_cuEventDestroy_v4000 destroy_event;
  PFN_cuMemcpy3DPeerAsync_v4000 copy;
} Driver;

static const struct
{
  const char *name;
  int version;
  gsize at;
} functions[] = {
  { "cuCtxGetCurrent", 4000, G_STRUCT_OFFSET (Driver, get_current) },
  { "cuCtxPushCurrent", 4000, G_STRUCT_OFFSET (Driver, push) },
  { "cuCtxPopCurrent", 4000, G_STRUCT_OFFSET (Driver, pop) },
  { "cuEventCreate", 2000, G_STRUCT_OFFSET (Driver, create_event) },
  { "cuEventRecord", 2000, G_STRUCT_OFFSET (Driver, record) },
  { "cuEventDestroy", 4000, G_STRUCT_OFFSET (Driver, destroy_event) },
  { "cuMemcpy3DPeerAsync", 4000, G_STRUCT_OFFSET (Driver, copy) },
};

static void *
find (const char *name, int version)
{
  void *function = NULL;
#if CUDART_VERSION >= 12050
  cudaError_t status = cudaGetDriverEntryPointByVersion (name, &function,
      version, cudaEnableDefault, NULL);
#else
  cudaError_t status =
      cudaGetDriverEntryPoint (name, &function, cudaEnableDefault, NULL);
#endif

  return status == cudaSuccess ? function : NULL;
}

/* NULL where the driver lacks one of them, for the life of the process. */
static const Driver *
driver (void)
{
  static Driver table;
  static gsize known = 0; /* 1: yes, 2: no */

  if (g_once_init_enter (&known)) {
    gsize answer = 1;

    for (guint i = 0; i < G_N_ELEMENTS (functions); i++) {
      void *function = find (functions[i].name, functions[i].version);

      G_STRUCT_MEMBER (void *, &table, functions[i].at) = function;
      if (!function)
        answer = 2;
    }
    g_once_init_leave (&known, answer);
  }
  return known == 1 ? &table : NULL;
}

static void
note (Cuda *be, CUresult result, const char *where)
{
  cuda_device_note (be, (cudaError_t) result, where);
}

static CUcontext
own_context (const Driver *d)
{
  CUcontext context = NULL;

  d->get_current (&context);
  return context;
}

gboolean
cuda_peer_is_readable (Cuda *be, const DefcnImage *image)
{
  const Driver *d;

  if (!image->cuda_context)
    return TRUE;
  d = driver ();
  return d && own_context (d) == image->cuda_context;
}

void
cuda_peer_wait (Cuda *be, const DefcnImage *image)
{
  const Driver *d;
  CUcontext popped;
  CUevent event = NULL;
  CUresult result;

  if (!image->cuda_stream)
    return;
  d = driver ();
  if (!d) {
    cuda_device_note (be, cudaErrorNotSupported, "waiting for a frame");
    return;
  }
  /* An event is recorded in the context of its stream. */
  result = image->cuda_context ? d->push (image->cuda_context) : CUDA_SUCCESS;
  if (result == CUDA_SUCCESS) {
    result = d->create_event (&event, CU_EVENT_DISABLE_TIMING);
    if (result == CUDA_SUCCESS)
      result = d->record (event, image->cuda_stream);
    if (image->cuda_context)
      d->pop (&popped);
  }
  note (be, result, "waiting for a frame");
  if (result == CUDA_SUCCESS)
    cuda_device_note (be, cudaStreamWaitEvent (be->stream, event, 0),
        "waiting for a frame");
  if (event)
    d->destroy_event (event); /* when it has come to pass */
}

void
cuda_peer_copy (Cuda *be, guint8 *dst, gsize dst_stride,
    const DefcnImage *image, const guint8 *src, gsize src_stride, gsize width,
    gsize height)
{
  const Driver *d = driver ();
  CUDA_MEMCPY3D_PEER copy = { .srcMemoryType = CU_MEMORYTYPE_DEVICE,
    .srcDevice = (CUdeviceptr) src,
    .srcContext = image->cuda_context,
    .srcPitch = src_stride,
    .srcHeight = height,
    .dstMemoryType = CU_MEMORYTYPE_DEVICE,
    .dstDevice = (CUdeviceptr) dst,
    .dstPitch = dst_stride,
    .dstHeight = height,
    .WidthInBytes = width,
    .Height = height,
    .Depth = 1 };

  if (!d) {
    cuda_device_note (be, cudaErrorNotSupported, "copying a frame");
    return;
  }
  copy.dstContext = own_context (d);
  note (be, d->copy (&copy, be->stream), "copying a frame");
}
