/* Where tests find their data, and how they skip by name without it. */
#pragma once

#include <glib.h>

/* The golden folder: DEFCN_GOLDEN, else ../shared/golden beside the sources.
 * Returns: (transfer full): path below it, NULL where it does not exist. */
static inline char *
testing_golden (const char *below)
{
  const char *dir = g_getenv ("DEFCN_GOLDEN");
  const char *top = g_getenv ("DEFCN_TEST_SOURCES");
  g_autofree char *root = dir ? g_strdup (dir)
      : top ? g_build_filename (top, "..", "shared", "golden", NULL)
            : g_build_filename ("..", "shared", "golden", NULL);
  char *path = g_build_filename (root, below, NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    g_clear_pointer (&path, g_free);
  return path;
}

/* The backend under test: DEFCN_TEST_BACKEND, else "reference". */
static inline const char *
testing_backend (void)
{
  const char *name = g_getenv ("DEFCN_TEST_BACKEND");

  return name ? name : "reference";
}
