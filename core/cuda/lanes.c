/* Streams that leave the backend's and come back to it by events, which a
 * recorded graph keeps as branches. */
#include "lanes.h"

struct _CudaLanes
{
  cudaStream_t own; /* the backend's, while a lane is in its place */
  cudaStream_t streams[CUDA_TOGETHER]; /* [0] is not used */
  cudaEvent_t opened, closed[CUDA_TOGETHER];
};

CudaLanes *
cuda_lanes_new (GError **error)
{
  CudaLanes *lanes = g_new0 (CudaLanes, 1);
  cudaError_t status =
      cudaEventCreateWithFlags (&lanes->opened, cudaEventDisableTiming);

  for (int i = 1; i < CUDA_TOGETHER && status == cudaSuccess; i++) {
    status =
        cudaStreamCreateWithFlags (&lanes->streams[i], cudaStreamNonBlocking);
    if (status == cudaSuccess)
      status =
          cudaEventCreateWithFlags (&lanes->closed[i], cudaEventDisableTiming);
  }
  if (status == cudaSuccess)
    return lanes;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "no streams on the device: %s", cudaGetErrorString (status));
  cuda_lanes_free (lanes);
  return NULL;
}

void
cuda_lanes_free (CudaLanes *lanes)
{
  if (!lanes)
    return;
  for (int i = 1; i < CUDA_TOGETHER; i++) {
    if (lanes->streams[i])
      cudaStreamDestroy (lanes->streams[i]);
    if (lanes->closed[i])
      cudaEventDestroy (lanes->closed[i]);
  }
  if (lanes->opened)
    cudaEventDestroy (lanes->opened);
  g_free (lanes);
}

/* How many steps share the lanes with @node; 0: it is alone. */
static int
count_steps (const DefcnNode *node)
{
  return node->n_together > 1 && node->n_together <= CUDA_TOGETHER
      ? node->n_together
      : 0;
}

int
cuda_lane_of (const DefcnNode *node)
{
  return count_steps (node) > 0 ? node->together : 0;
}

static void
wait_for (Cuda *be, cudaStream_t stream, cudaEvent_t event)
{
  cuda_device_note (be, cudaStreamWaitEvent (stream, event, 0), "lanes");
}

void
cuda_lanes_begin (Cuda *be, const DefcnNode *node)
{
  CudaLanes *lanes = be->lanes;
  const int n = count_steps (node), lane = cuda_lane_of (node);

  lanes->own = be->stream;
  if (n > 0 && lane == 0) {
    cuda_device_note (be, cudaEventRecord (lanes->opened, be->stream), "lanes");
    for (int i = 1; i < n; i++)
      wait_for (be, lanes->streams[i], lanes->opened);
  }
  if (lane > 0)
    be->stream = lanes->streams[lane];
}

void
cuda_lanes_end (Cuda *be, const DefcnNode *node)
{
  CudaLanes *lanes = be->lanes;
  const int n = count_steps (node), lane = cuda_lane_of (node);

  if (lane > 0)
    cuda_device_note (be, cudaEventRecord (lanes->closed[lane], be->stream),
        "lanes");
  be->stream = lanes->own;
  if (n > 0 && lane == n - 1)
    for (int i = 1; i < n; i++)
      wait_for (be, be->stream, lanes->closed[i]);
}
