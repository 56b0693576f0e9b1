/* A libcuda whose one device is the host, as much of it as GStreamer's CUDA
 * memory takes: with it in the process that works without a device. */
#include <cuda.h>
#include <stdlib.h>
#include <string.h>

#include "../emulated_stream.h"

#undef cuCtxCreate
#undef cuStreamDestroy
#undef cuEventDestroy

/* How often a frame has been copied from the device to the host. */
extern int host_driver_downloads;
int host_driver_downloads;

#define PITCH 512

CUresult
cuInit (unsigned int flags)
{
  return CUDA_SUCCESS;
}

CUresult
cuGetErrorName (CUresult error, const char **text)
{
  *text = "an error";
  return CUDA_SUCCESS;
}

CUresult
cuGetErrorString (CUresult error, const char **text)
{
  *text = "an error";
  return CUDA_SUCCESS;
}

CUresult
cuDriverGetVersion (int *version)
{
  *version = 13000;
  return CUDA_SUCCESS;
}

CUresult
cuDeviceGetCount (int *n)
{
  *n = 1;
  return CUDA_SUCCESS;
}

CUresult
cuDeviceGet (CUdevice *device, int n)
{
  *device = n;
  return n == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult
cuDeviceGetName (char *name, int len, CUdevice device)
{
  strncpy (name, "the host", len);
  return CUDA_SUCCESS;
}

CUresult
cuDeviceGetAttribute (int *value, CUdevice_attribute which, CUdevice device)
{
  *value = which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9
      : which == CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT           ? PITCH
                                                                 : 0;
  return CUDA_SUCCESS;
}

CUresult
cuDeviceCanAccessPeer (int *can, CUdevice device, CUdevice peer)
{
  *can = 0;
  return CUDA_SUCCESS;
}

CUresult cuCtxCreate_v2 (CUcontext *context, unsigned int flags,
    CUdevice device);
CUresult
cuCtxCreate_v2 (CUcontext *context, unsigned int flags, CUdevice device)
{
  *context = malloc (1);
  return CUDA_SUCCESS;
}

CUresult
cuCtxDestroy (CUcontext context)
{
  free (context);
  return CUDA_SUCCESS;
}

CUresult
cuCtxPushCurrent (CUcontext context)
{
  return CUDA_SUCCESS;
}

CUresult
cuCtxPopCurrent (CUcontext *context)
{
  return CUDA_SUCCESS;
}

CUresult
cuDevicePrimaryCtxRetain (CUcontext *context, CUdevice device)
{
  *context = (CUcontext) EMULATED_CONTEXT;
  return CUDA_SUCCESS;
}

CUresult
cuDevicePrimaryCtxRelease (CUdevice device)
{
  return CUDA_SUCCESS;
}

CUresult
cuMemAlloc (CUdeviceptr *memory, size_t bytes)
{
  void *at = malloc (bytes);

  memset (at, 0xee, bytes);
  *memory = (CUdeviceptr) at;
  return CUDA_SUCCESS;
}

CUresult
cuMemAllocPitch (CUdeviceptr *memory, size_t *pitch, size_t width,
    size_t height, unsigned int element)
{
  *pitch = (width + PITCH - 1) / PITCH * PITCH;
  return cuMemAlloc (memory, *pitch * height);
}

CUresult
cuMemFree (CUdeviceptr memory)
{
  free ((void *) memory);
  return CUDA_SUCCESS;
}

CUresult
cuMemAllocHost (void **memory, size_t bytes)
{
  *memory = malloc (bytes);
  return CUDA_SUCCESS;
}

CUresult
cuMemFreeHost (void *memory)
{
  free (memory);
  return CUDA_SUCCESS;
}

static void *
end_of (CUmemorytype type, const void *host, CUdeviceptr device)
{
  return type == CU_MEMORYTYPE_HOST ? (void *) host : (void *) device;
}

CUresult
cuMemcpy2D (const CUDA_MEMCPY2D *c)
{
  char *dst = end_of (c->dstMemoryType, c->dstHost, c->dstDevice);
  const char *src = end_of (c->srcMemoryType, c->srcHost, c->srcDevice);

  host_driver_downloads += c->dstMemoryType == CU_MEMORYTYPE_HOST;
  for (size_t y = 0; y < c->Height; y++)
    memcpy (dst + (c->dstY + y) * c->dstPitch + c->dstXInBytes,
        src + (c->srcY + y) * c->srcPitch + c->srcXInBytes, c->WidthInBytes);
  return CUDA_SUCCESS;
}

CUresult
cuMemcpy2DAsync (const CUDA_MEMCPY2D *c, CUstream stream)
{
  return cuMemcpy2D (c);
}

CUresult
cuStreamCreate (CUstream *stream, unsigned int flags)
{
  *stream = calloc (1, sizeof (EmulatedStream));
  return CUDA_SUCCESS;
}

CUresult cuStreamDestroy (CUstream stream);
CUresult
cuStreamDestroy (CUstream stream)
{
  free (stream);
  return CUDA_SUCCESS;
}

CUresult cuStreamDestroy_v2 (CUstream stream);
CUresult
cuStreamDestroy_v2 (CUstream stream)
{
  free (stream);
  return CUDA_SUCCESS;
}

CUresult
cuLaunchHostFunc (CUstream stream, CUhostFn function, void *data)
{
  function (data);
  return CUDA_SUCCESS;
}

CUresult
cuStreamSynchronize (CUstream stream)
{
  return CUDA_SUCCESS;
}

/* What has to be there and is not called. */
#undef cuCtxDisablePeerAccess
#define ABSENT(name)                                                           \
  CUresult absent_##name (void) __asm__(#name);                                \
  CUresult absent_##name (void)                                                \
  {                                                                            \
    return CUDA_ERROR_NOT_SUPPORTED;                                           \
  }

ABSENT (cuCtxDisablePeerAccess)
ABSENT (cuCtxEnablePeerAccess)
ABSENT (cuCtxGetLimit)
ABSENT (cuCtxSetLimit)
ABSENT (cuCtxSynchronize)
ABSENT (cuDestroyExternalMemory)
ABSENT (cuDestroyExternalSemaphore)
ABSENT (cuEventCreate)
ABSENT (cuEventDestroy_v2)
ABSENT (cuEventRecord)
ABSENT (cuEventSynchronize)
ABSENT (cuExternalMemoryGetMappedBuffer)
ABSENT (cuExternalMemoryGetMappedMipmappedArray)
ABSENT (cuGLGetDevices_v2)
ABSENT (cuGraphicsGLRegisterBuffer)
ABSENT (cuGraphicsGLRegisterImage)
ABSENT (cuGraphicsMapResources)
ABSENT (cuGraphicsResourceGetMappedPointer_v2)
ABSENT (cuGraphicsResourceSetMapFlags_v2)
ABSENT (cuGraphicsSubResourceGetMappedArray)
ABSENT (cuGraphicsUnmapResources)
ABSENT (cuGraphicsUnregisterResource)
ABSENT (cuImportExternalMemory)
ABSENT (cuImportExternalSemaphore)
ABSENT (cuIpcCloseMemHandle)
ABSENT (cuIpcGetEventHandle)
ABSENT (cuIpcGetMemHandle)
ABSENT (cuIpcOpenEventHandle)
ABSENT (cuIpcOpenMemHandle)
ABSENT (cuLaunchKernel)
ABSENT (cuMemAddressFree)
ABSENT (cuMemAddressReserve)
ABSENT (cuMemAllocAsync)
ABSENT (cuMemAllocFromPoolAsync)
ABSENT (cuMemCreate)
ABSENT (cuMemExportToShareableHandle)
ABSENT (cuMemFreeAsync)
ABSENT (cuMemGetAccess)
ABSENT (cuMemGetAllocationGranularity)
ABSENT (cuMemGetAllocationPropertiesFromHandle)
ABSENT (cuMemImportFromShareableHandle)
ABSENT (cuMemMap)
ABSENT (cuMemPoolCreate)
ABSENT (cuMemPoolDestroy)
ABSENT (cuMemPoolGetAttribute)
ABSENT (cuMemPoolSetAttribute)
ABSENT (cuMemRelease)
ABSENT (cuMemRetainAllocationHandle)
ABSENT (cuMemSetAccess)
ABSENT (cuMemUnmap)
ABSENT (cuMemcpyDtoDAsync_v2)
ABSENT (cuMemcpyDtoD_v2)
ABSENT (cuMemcpyDtoHAsync_v2)
ABSENT (cuMemcpyDtoH_v2)
ABSENT (cuMemcpyHtoDAsync_v2)
ABSENT (cuMemcpyHtoD_v2)
ABSENT (cuMemsetD2D16Async)
ABSENT (cuMemsetD2D16_v2)
ABSENT (cuMemsetD2D32Async)
ABSENT (cuMemsetD2D32_v2)
ABSENT (cuMemsetD2D8Async)
ABSENT (cuMemsetD2D8_v2)
ABSENT (cuModuleGetFunction)
ABSENT (cuModuleLoadData)
ABSENT (cuModuleUnload)
ABSENT (cuSignalExternalSemaphoresAsync)
ABSENT (cuTexObjectCreate)
ABSENT (cuTexObjectDestroy)
ABSENT (cuWaitExternalSemaphoresAsync)
