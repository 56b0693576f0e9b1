/* What the emulated module counts, for tests. */
#pragma once

#include <gmodule.h>

enum
{
  EMULATED_PLANS,    /* made anew by cuDNN */
  EMULATED_LAUNCHES, /* of recorded graphs */
  EMULATED_COPIES,   /* from memory that is not pinned */
  EMULATED_CAPTURES, /* of streams, begun */
  EMULATED_WAITS,    /* of the host for a stream */
  EMULATED_SENT,     /* bytes from the host to a device */
  EMULATED_FETCHED,  /* bytes from a device to the host */
  EMULATED_COUNTS
};

/* How often @what has happened in this process. */
static inline int
emulated_counted (int what)
{
  g_autofree char *path =
      g_build_filename (g_getenv ("DEFCN_MODULES"), "libdefcn-cuda.so", NULL);
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  int (*count) (int what);

  g_assert_nonnull (module);
  g_assert_true (
      g_module_symbol (module, "emulated_count", (gpointer *) &count));
  const int n = count (what);
  g_module_close (module);
  return n;
}
