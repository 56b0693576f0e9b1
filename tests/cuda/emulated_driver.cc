/* The driver's functions that peer.c takes. */
#include <cuda.h>

#include <cstring>
#include <vector>

#include "emulate.hpp"
#include "emulated_event.hpp"

static thread_local std::vector<CUcontext> pushed;

static CUresult
get_current (CUcontext *context)
{
  *context = pushed.empty () ? (CUcontext) EMULATED_CONTEXT : pushed.back ();
  return CUDA_SUCCESS;
}

static CUresult
push (CUcontext context)
{
  pushed.push_back (context);
  return CUDA_SUCCESS;
}

static CUresult
pop (CUcontext *context)
{
  get_current (context);
  pushed.pop_back ();
  return CUDA_SUCCESS;
}

static CUresult
create_event (CUevent *event, unsigned)
{
  *event = new CUevent_st{};
  return CUDA_SUCCESS;
}

static CUresult
record (CUevent event, CUstream stream)
{
  event->stream = (EmulatedStream *) stream;
  return CUDA_SUCCESS;
}

static CUresult
destroy_event (CUevent event)
{
  delete event;
  return CUDA_SUCCESS;
}

/* Between two contexts, the second of them the current one. */
static CUresult
copy (const CUDA_MEMCPY3D_PEER *c, CUstream stream)
{
  const CUDA_MEMCPY3D_PEER copied = *c;
  CUcontext current;

  get_current (&current);
  if (c->srcContext == c->dstContext || c->dstContext != current
      || c->srcPitch < c->WidthInBytes || c->dstPitch < c->WidthInBytes
      || c->Depth != 1)
    return CUDA_ERROR_INVALID_VALUE;
  emulate_submit (stream, [copied] {
    for (size_t y = 0; y < copied.Height; y++)
      std::memcpy ((char *) copied.dstDevice + y * copied.dstPitch,
          (const char *) copied.srcDevice + y * copied.srcPitch,
          copied.WidthInBytes);
  });
  return CUDA_SUCCESS;
}

static const struct
{
  const char *name;
  void *function;
} functions[] = {
  { "cuCtxGetCurrent", (void *) get_current },
  { "cuCtxPushCurrent", (void *) push },
  { "cuCtxPopCurrent", (void *) pop },
  { "cuEventCreate", (void *) create_event },
  { "cuEventRecord", (void *) record },
  { "cuEventDestroy", (void *) destroy_event },
  { "cuMemcpy3DPeerAsync", (void *) copy },
};

static cudaError_t
find (const char *name, void **function)
{
  for (const auto &f : functions)
    if (std::strcmp (name, f.name) == 0) {
      *function = f.function;
      return cudaSuccess;
    }
  return cudaErrorSymbolNotFound;
}

extern "C" {

#if CUDART_VERSION >= 12050
cudaError_t
cudaGetDriverEntryPointByVersion (const char *name, void **function, unsigned,
    unsigned long long, cudaDriverEntryPointQueryResult *)
{
  return find (name, function);
}
#else
cudaError_t
cudaGetDriverEntryPoint (const char *name, void **function, unsigned long long,
    cudaDriverEntryPointQueryResult *)
{
  return find (name, function);
}
#endif
}
