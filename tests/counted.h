/* A backend's memory, counted, that ends when a test says so. */
#pragma once

#include "backend.h"

static struct
{
  void *(*alloc) (DefcnBackend *be, gsize bytes);
  void (*free) (DefcnBackend *be, void *mem);
  int live;      /* blocks that have not been freed */
  int left;      /* how many more there are */
  int most;      /* how many there may be at a time */
  gsize largest; /* how many bytes one may have */
} counted;

static inline void *
counted_alloc (DefcnBackend *be, gsize bytes)
{
  void *mem = counted.left-- > 0 && counted.live < counted.most
          && bytes <= counted.largest
      ? counted.alloc (be, bytes)
      : NULL;

  counted.live += mem != NULL;
  return mem;
}

static inline void
counted_free (DefcnBackend *be, void *mem)
{
  g_assert_nonnull (mem);
  counted.live--;
  counted.free (be, mem);
}

/* For one backend at a time. */
static inline void
counted_install (DefcnBackend *be)
{
  counted.alloc = be->alloc;
  counted.free = be->free;
  counted.live = 0;
  counted.left = counted.most = G_MAXINT;
  counted.largest = G_MAXSIZE;
  be->alloc = counted_alloc;
  be->free = counted_free;
}
