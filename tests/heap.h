/* What work leaves on the heap, so that a test sees what is never freed. */
#pragma once

#include <glib.h>
#include <malloc.h>
#include <unistd.h>

/* To be called first in main(): runs the program again without the caches in
 * front of the heap, which count as in use. */
static inline void
heap_init (char **argv)
{
  if (g_getenv ("GLIBC_TUNABLES"))
    return;
  g_setenv ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", TRUE);
  g_setenv ("G_SLICE", "always-malloc", TRUE);
  execv ("/proc/self/exe", argv);
}

/* Bytes in use; does not change under a sanitizer, which looks for itself. */
static inline gsize
heap_in_use (void)
{
  const struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

/* The least that malloc() takes from the heap.  A chunk may be some bytes
 * larger than asked for, where the rest would be less than that. */
#define HEAP_CHUNK 32

/* Fails if @work, once it has run, leaves something on the heap each time. */
static inline void
heap_assert_kept (void (*work) (gpointer data), gpointer data)
{
  const int runs = 6, first = 1;
  gsize before = 0;

  for (int i = 0; i < runs; i++) {
    work (data);
    if (i == first)
      before = heap_in_use ();
  }
  g_assert_cmpuint (heap_in_use (), <,
      before + (runs - 1 - first) * HEAP_CHUNK);
}
