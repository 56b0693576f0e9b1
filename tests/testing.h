/* Where tests find their data, how they skip by name without it, and how often
 * a text is there. */
#pragma once

#include <glib.h>
#include <string.h>

/* How often @part is in @text. */
static inline int
testing_count (const char *text, const char *part)
{
  int n = 0;

  for (; (text = strstr (text, part)); text += strlen (part))
    n++;
  return n;
}

/* Path of @below in the folder that the variable @name of the environment says,
 * else in ../shared/@folder beside the sources; NULL where it does not exist.
 */
static inline char *
testing_shared (const char *name, const char *folder, const char *below)
{
  const char *dir = g_getenv (name);
  const char *top = g_getenv ("DEFCN_TEST_SOURCES");
  g_autofree char *root = dir
      ? g_strdup (dir)
      : g_build_filename (top ? top : ".", "..", "shared", folder, NULL);
  char *path = g_build_filename (root, below, NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    g_clear_pointer (&path, g_free);
  return path;
}

/* The golden folder: DEFCN_GOLDEN.  Returns: (transfer full) (nullable). */
static inline char *
testing_golden (const char *below)
{
  return testing_shared ("DEFCN_GOLDEN", "golden", below);
}

/* Real pictures: DEFCN_DATA.  Returns: (transfer full) (nullable). */
static inline char *
testing_data (const char *below)
{
  return testing_shared ("DEFCN_DATA", "data", below);
}

/* The backend under test: DEFCN_TEST_BACKEND, else "reference". */
static inline const char *
testing_backend (void)
{
  const char *name = g_getenv ("DEFCN_TEST_BACKEND");

  return name ? name : "reference";
}

/* What it computes in: DEFCN_TEST_PRECISION, else "fp32". */
static inline const char *
testing_precision (void)
{
  const char *name = g_getenv ("DEFCN_TEST_PRECISION");

  return name ? name : "fp32";
}

/* The backend under test cannot be had: the test is skipped with the reason,
 * but where DEFCN_TEST_REQUIRED says that it must be there. */
static inline void
testing_no_backend (const GError *error)
{
  if (g_getenv ("DEFCN_TEST_REQUIRED"))
    g_error ("%s", error->message);
  g_test_skip (error->message);
}
