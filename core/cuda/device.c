/* The device: its errors, its memory, and small copies to and from it. */
#include "module.h"

#include <string.h>

void
cuda_device_note (Cuda *be, cudaError_t error, const char *where)
{
  if (error == cudaSuccess || be->failed != cudaSuccess)
    return;
  be->failed = error;
  be->failed_at = where;
}

void
cuda_device_enter (Cuda *be)
{
  cuda_device_note (be, cudaSetDevice (be->device), "choosing the device");
}

gboolean
cuda_device_check_inputs (const Cuda *be, const DefcnNode *node, GError **error)
{
  for (int i = 0; i < DEFCN_MAX_INPUTS && node->x[i]; i++) {
    const DefcnTensor *x = node->x[i];

    if (cuda_channels (x, cuda_type_of (be, x)) == x->c)
      continue;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "%s: reads the network's input, which in this precision convolutions "
        "alone do",
        node->name);
    return FALSE;
  }
  return TRUE;
}

gboolean
cuda_device_check (DefcnBackend *base, DefcnNode *node,
    const DefcnOp *reference, GError **error)
{
  return reference->prepare (base, node, error)
      && cuda_device_check_inputs (cuda_of (base), node, error);
}

void *
cuda_device_alloc (gsize bytes, const char *what, GError **error)
{
  void *mem = NULL;
  cudaError_t status = cudaMalloc (&mem, MAX (bytes, 1));

  if (status == cudaSuccess)
    return mem;
  cudaGetLastError (); /* an allocation that failed is not the device's end */
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: no %" G_GSIZE_FORMAT " bytes on the device: %s", what, bytes,
      cudaGetErrorString (status));
  return NULL;
}

gboolean
cuda_device_room (CudaRoom *room, gsize bytes, const char *what, GError **error)
{
  const gsize wanted = bytes + bytes / 4; /* batches differ in size */

  if (room->bytes >= bytes && room->mem)
    return TRUE;
  cudaFree (room->mem); /* waits for what uses it */
  *room = (CudaRoom){ 0 };
  room->mem = cuda_device_alloc (wanted, what, error);
  if (room->mem)
    room->bytes = wanted;
  return room->mem != NULL;
}

void
cuda_device_wait (Cuda *be, const char *where)
{
  cuda_device_note (be, cudaStreamSynchronize (be->stream), where);
  be->pinned_used = 0;
  be->waited = TRUE;
}

void *
cuda_device_pinned (Cuda *be, gsize bytes, const char *where)
{
  const gsize size = (bytes + 255) / 256 * 256;
  char *place;

  if (be->pinned_used + size > CUDA_CHUNK * sizeof (float))
    cuda_device_wait (be, where);
  place = (char *) be->pinned + be->pinned_used;
  be->pinned_used += size;
  return place;
}

void
cuda_device_send (Cuda *be, void *dst, const void *src, gsize bytes)
{
  cuda_device_send_rows (be, dst, src, 1, 1, bytes);
}

void
cuda_device_send_rows (Cuda *be, void *dst, const void *src, gsize src_stride,
    gsize width, gsize rows)
{
  const gsize most = MAX (CUDA_CHUNK * sizeof (float) / width, 1);

  for (gsize at = 0; at < rows; at += most) {
    const gsize n = MIN (most, rows - at);
    char *place = cuda_device_pinned (be, n * width, "sending");

    if (src_stride == width)
      memcpy (place, (const char *) src + at * width, n * width);
    else
      for (gsize y = 0; y < n; y++)
        memcpy (place + y * width, (const char *) src + (at + y) * src_stride,
            width);
    cuda_device_note (be,
        cudaMemcpyAsync ((char *) dst + at * width, place, n * width,
            cudaMemcpyHostToDevice, be->stream),
        "sending");
  }
}

void
cuda_device_receive (Cuda *be, void *dst, const void *src, gsize bytes)
{
  const gsize chunk = CUDA_CHUNK * sizeof (float);

  for (gsize at = 0; at < bytes; at += chunk) {
    const gsize n = MIN (chunk, bytes - at);

    /* behind what was queued to read the buffer */
    cuda_device_note (be,
        cudaMemcpyAsync (be->pinned, (const char *) src + at, n,
            cudaMemcpyDeviceToHost, be->stream),
        "receiving");
    cuda_device_wait (be, "receiving");
    memcpy ((char *) dst + at, be->pinned, n);
  }
}
