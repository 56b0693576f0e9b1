/* The reference backend: plain C on dense NHWC host memory, one thread. */
#include "backend.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

static gsize
size (DefcnBackend *be, const DefcnTensor *t)
{
  gsize bytes = defcn_tensor_len (t) * sizeof (float);

  return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void *
alloc (DefcnBackend *be, gsize bytes)
{
  void *mem;

  if (bytes > G_MAXSIZE - ALIGNMENT)
    return NULL;
  bytes = (MAX (bytes, 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  mem = aligned_alloc (ALIGNMENT, bytes);
  if (mem)
    memset (mem, 0, bytes);
  return mem;
}

static void
free_memory (DefcnBackend *be, void *mem)
{
  free (mem);
}

static void
zero (DefcnBackend *be, void *mem, gsize bytes)
{
  memset (mem, 0, bytes);
}

static void
upload (DefcnBackend *be, const DefcnTensor *t, void *mem, const float *src)
{
  memcpy (mem, src, defcn_tensor_len (t) * sizeof (float));
}

static void
download (DefcnBackend *be, const DefcnTensor *t, float *dst, const void *mem)
{
  memcpy (dst, mem, defcn_tensor_len (t) * sizeof (float));
}

static gboolean
sync_nothing (DefcnBackend *be, GError **error)
{
  return TRUE;
}

/* It has nothing that steps write. */
static DefcnBackend *
share (DefcnBackend *be, int threads, GError **error)
{
  DefcnBackend *other = g_memdup2 (be, sizeof *be);

  other->threads = threads;
  other->passed_over = NULL;
  other->tune = NULL;
  other->share = NULL;
  other->parent = be;
  return other;
}

static void
destroy (DefcnBackend *be)
{
  g_free (be);
}

DefcnBackend *
defcn_reference_new (int threads, GError **error)
{
  DefcnBackend *be = g_new0 (DefcnBackend, 1);

  be->name = "reference";
  be->threads = threads;
  be->size = size;
  be->alloc = alloc;
  be->free = free_memory;
  be->zero = zero;
  be->upload = upload;
  be->download = download;
  be->sync = sync_nothing;
  be->share = share;
  be->destroy = destroy;

#define SET_ROW(NAME, name) be->ops[DEFCN_OP_##NAME] = defcn_##name##_reference;
  DEFCN_OPS (SET_ROW)
  return be;
}
