/* Plans for a device that need not be there. */
#include <string.h>

#include "hopper.h"

static const char device_json[] =
    "{\"cudaDeviceId\":0,\"deviceVer\":900,\"driverVer\":13000,"
    "\"isTccDriver\":0,\"l2CacheSize\":52428800,\"maxCtasPerSM\":32,"
    "\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,"
    "\"maxSharedMemoryPerBlockOptin\":232448,\"maxThreadsPerBlock\":1024,"
    "\"maxThreadsPerSM\":2048,\"memClockRateKHz\":2619000,"
    "\"smClockRateKHz\":1980000,\"multiProcessorCount\":132,\"pciDeviceId\":0,"
    "\"regsPerBlock\":65536,\"reservedSharedMemoryPerBlock\":1024,"
    "\"totalGlobalMem\":85031714816,\"warpSize\":32,\"supportCoopLaunch\":1,"
    "\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],"
    "\"deviceName\":\"NVIDIA H100 80GB HBM3\"}";

cudnnBackendDescriptor_t
hopper_new (void)
{
  cudnnBackendDescriptor_t d;

  if (cudnnBackendCreateDescriptor (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &d)
          != CUDNN_STATUS_SUCCESS
      || cudnnBackendSetAttribute (d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
             CUDNN_TYPE_CHAR, strlen (device_json), device_json)
          != CUDNN_STATUS_SUCCESS
      || cudnnBackendFinalize (d) != CUDNN_STATUS_SUCCESS)
    return NULL;
  return d;
}

GraphShape
hopper_shape (const DefcnNode *node, GraphKind kind, CudaType type,
    gboolean tf32)
{
  const gboolean is_forward = kind == GRAPH_FORWARD;
  GraphShape shape = graph_shape_of (node, kind, type,
      is_forward && node->y->precise ? CUDA_FLOAT : type, tf32);

  shape.bias = is_forward && node->b;
  shape.residual = is_forward && node->x[1];
  shape.relu = is_forward && node->relu;
  return shape;
}

gboolean
hopper_is_compiled (const Graph *graph)
{
  g_autofree char *json = graph_to_json (graph);

  g_assert_nonnull (json);
  return strstr (json, "\"cubin\":") != NULL;
}
