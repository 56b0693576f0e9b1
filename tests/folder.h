/* A folder of a test's own, for the files it makes. */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>

/* Returns: (transfer full): its path; folder_remove() takes it. */
static inline char *
folder_new (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("defcn-test-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

static inline char *
folder_file (const char *folder, const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* Returns: (transfer full): the path of the new file. */
static inline char *
folder_write (const char *folder, const char *name, const void *data, gsize len)
{
  char *path = folder_file (folder, name);

  g_remove (path); /* some file systems flush what is written over */
  FILE *file = g_fopen (path, "wb");

  g_assert_nonnull (file);
  g_assert_cmpuint (fwrite (data, 1, len, file), ==, len);
  g_assert_cmpint (fclose (file), ==, 0);
  return path;
}

/* Number of files in it. */
static inline guint
folder_count (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir))
    n++;
  g_dir_close (dir);
  return n;
}

/* Removes @path, which need not be there: a file, a link or a folder with all
 * that is in it. */
static inline void
folder_remove_all (const char *path)
{
  const gboolean is_link = g_file_test (path, G_FILE_TEST_IS_SYMLINK);
  g_autoptr (GDir) dir = is_link ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *below = folder_file (path, name);

    folder_remove_all (below);
  }
  g_remove (path);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

/* Removes it with what is in it: files and empty folders. */
static inline void
folder_remove (char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = folder_file (folder, name);

    g_remove (path);
  }
  g_dir_close (dir);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_free (folder);
}
