/* A stream beside the backend's, which leaves it and comes back by events. */
#include "module.h"

typedef struct
{
  cudaStream_t stream;
  cudaEvent_t forked, joined;
} Side;

static void
free_side (DefcnBackend *base, gpointer data)
{
  Side *side = data;

  if (!side)
    return;
  cuda_device_enter (cuda_of (base));
  if (side->stream)
    cudaStreamDestroy (side->stream);
  if (side->forked)
    cudaEventDestroy (side->forked);
  if (side->joined)
    cudaEventDestroy (side->joined);
  g_free (side);
}

static gpointer
open_side (DefcnBackend *base, GError **error)
{
  Side *side = g_new0 (Side, 1);
  cudaError_t status;

  cuda_device_enter (cuda_of (base));
  status = cudaStreamCreateWithFlags (&side->stream, cudaStreamNonBlocking);
  if (status == cudaSuccess)
    status = cudaEventCreateWithFlags (&side->forked, cudaEventDisableTiming);
  if (status == cudaSuccess)
    status = cudaEventCreateWithFlags (&side->joined, cudaEventDisableTiming);
  if (status == cudaSuccess)
    return side;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "no second stream on the device: %s", cudaGetErrorString (status));
  free_side (base, side);
  return NULL;
}

static gpointer
stream (DefcnBackend *base, gpointer data)
{
  const Side *side = data;

  cuda_device_enter (cuda_of (base));
  return side->stream;
}

/* What @after gets from here on waits for what @before has. */
static void
order (Cuda *be, cudaStream_t before, cudaEvent_t event, cudaStream_t after)
{
  cuda_device_enter (be);
  cuda_device_note (be, cudaEventRecord (event, before), "a second stream");
  cuda_device_note (be, cudaStreamWaitEvent (after, event, 0),
      "a second stream");
}

static void
fork_side (DefcnBackend *base, gpointer data)
{
  Cuda *be = cuda_of (base);
  const Side *side = data;

  order (be, be->stream, side->forked, side->stream);
}

static void
join (DefcnBackend *base, gpointer data)
{
  Cuda *be = cuda_of (base);
  const Side *side = data;

  /* asking for an event makes another the last error */
  cuda_device_note (be, cudaGetLastError (), "a kernel");
  order (be, side->stream, side->joined, be->stream);
}

/* Whether @event has come to pass, or never will. */
static gboolean
has_passed (Cuda *be, cudaEvent_t event)
{
  const cudaError_t status = cudaEventQuery (event);

  if (status == cudaErrorNotReady) {
    cudaGetLastError (); /* no error */
    return FALSE;
  }
  cuda_device_note (be, status, "a second stream");
  return TRUE;
}

static DefcnSideState
state (DefcnBackend *base, gpointer data)
{
  Cuda *be = cuda_of (base);
  const Side *side = data;

  cuda_device_enter (be);
  if (!has_passed (be, side->forked))
    return DEFCN_SIDE_BEHIND;
  return has_passed (be, side->joined) ? DEFCN_SIDE_DONE : DEFCN_SIDE_BUSY;
}

static char *
device (DefcnBackend *base)
{
  const Cuda *be = cuda_of (base);
  char place[32] = "";

  if (cudaDeviceGetPCIBusId (place, sizeof place, be->device) != cudaSuccess)
    return g_strdup_printf ("cuda:%d", be->device);
  return g_ascii_strdown (place, -1);
}

const DefcnSide cuda_side = {
  .open = open_side,
  .free = free_side,
  .stream = stream,
  .fork = fork_side,
  .join = join,
  .state = state,
  .device = device,
};
