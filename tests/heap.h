/* What work leaves on the heap, so that a test sees what is never freed. */
#pragma once

#include <glib.h>
#include <malloc.h>

/* Bytes in use; does not change under a sanitizer, which looks for itself. */
static inline gsize
heap_in_use (void)
{
  const struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

/* Fails unless @n calls of @work, after a few that fill caches, leave the heap
 * as it was: the smallest block takes 32 bytes. */
static inline void
heap_assert_kept (void (*work) (gpointer data), gpointer data, int n)
{
  for (int i = 0; i < 8; i++)
    work (data);

  const gsize before = heap_in_use ();
  for (int i = 0; i < n; i++)
    work (data);
  g_assert_cmpuint (heap_in_use (), <, before + (gsize) n * 16);
}
