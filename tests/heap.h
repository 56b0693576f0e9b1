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

/* Fails unless @work, once it has run, leaves the heap as it was. */
static inline void
heap_assert_kept (void (*work) (gpointer data), gpointer data)
{
  gsize before = 0;

  for (int i = 0; i < 6; i++) {
    work (data);
    if (i == 1)
      before = heap_in_use ();
  }
  g_assert_cmpuint (heap_in_use (), ==, before);
}
