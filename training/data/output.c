/* Files that are written. */
#include "output.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct _DefcnOutput
{
  char *path, *temporary; /* temporary: NULL where it is written in place */
  FILE *file;
};

static void
set_error (const char *path, int number, GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: cannot be written: %s", path, g_strerror (number));
}

/* Whether @path is there and nothing that a rename may replace. */
static gboolean
is_special (const char *path, mode_t *mode)
{
  struct stat about;

  *mode = 0666;
  if (stat (path, &about) != 0)
    return FALSE;
  if (S_ISREG (about.st_mode))
    *mode = about.st_mode & 0777;
  return !S_ISREG (about.st_mode);
}

/* A descriptor of a new file beside @path. */
static int
open_temporary (DefcnOutput *output, mode_t mode)
{
  output->temporary = g_strconcat (output->path, ".XXXXXX", NULL);
  return g_mkstemp_full (output->temporary, O_WRONLY | O_CLOEXEC, mode);
}

DefcnOutput *
defcn_output_open (const char *path, GError **error)
{
  g_autoptr (DefcnOutput) output = g_new0 (DefcnOutput, 1);
  mode_t mode;

  output->path = g_strdup (path);
  const int fd = is_special (path, &mode)
      ? g_open (path, O_WRONLY | O_CLOEXEC | O_NOCTTY, 0)
      : open_temporary (output, mode);
  if (fd < 0) {
    set_error (path, errno, error);
    g_clear_pointer (&output->temporary, g_free); /* there is no such file */
    return NULL;
  }
  output->file = fdopen (fd, "wb");
  return g_steal_pointer (&output);
}

FILE *
defcn_output_file (DefcnOutput *output)
{
  return output->file;
}

gboolean
defcn_output_close (DefcnOutput *output, GError **error)
{
  FILE *file = g_steal_pointer (&output->file);
  gboolean good = fflush (file) == 0 && !ferror (file);
  int number = errno;

  if (fclose (file) != 0 && good) {
    good = FALSE;
    number = errno;
  }
  if (good && output->temporary
      && g_rename (output->temporary, output->path) != 0) {
    good = FALSE;
    number = errno;
  }
  if (good)
    g_clear_pointer (&output->temporary, g_free);
  else
    set_error (output->path, number ? number : EIO, error);
  return good;
}

void
defcn_output_free (DefcnOutput *output)
{
  if (!output)
    return;
  if (output->file)
    fclose (output->file);
  if (output->temporary)
    g_unlink (output->temporary);
  g_free (output->temporary);
  g_free (output->path);
  g_free (output);
}

gboolean
defcn_output_write (const char *path, const char *text, gssize len,
    GError **error)
{
  g_autoptr (DefcnOutput) output = defcn_output_open (path, error);

  if (!output)
    return FALSE;
  fwrite (text, 1, len < 0 ? strlen (text) : (gsize) len, output->file);
  return defcn_output_close (output, error);
}

gboolean
defcn_output_make_folder (const char *path, GError **error)
{
  if (g_mkdir_with_parents (path, 0777) == 0)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: cannot make this folder: %s", path, g_strerror (errno));
  return FALSE;
}

/* Whether a file made at @path would be there instead of @input. */
static gboolean
replaces (const char *path, const char *input)
{
  struct stat a, b;

  return lstat (path, &a) == 0 && S_ISREG (a.st_mode) && stat (input, &b) == 0
      && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

gboolean
defcn_output_check (const char *path, const char *const *inputs, GError **error)
{
  const char *reason = NULL;
  mode_t mode;

  if (!path || g_str_equal (path, "-"))
    return TRUE;
  g_autofree char *folder = g_path_get_dirname (path);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    reason = "is a folder";
  else if (is_special (path, &mode))
    reason = g_access (path, W_OK) ? "cannot be written to" : NULL;
  else if (!g_file_test (folder, G_FILE_TEST_IS_DIR))
    reason = "its folder does not exist";
  else if (g_access (folder, W_OK))
    reason = "its folder cannot be written to";
  for (; !reason && inputs && *inputs; inputs++)
    if (replaces (path, *inputs))
      reason = "is read too, it would be lost";
  if (reason)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: %s", path, reason);
  return !reason;
}

/* Takes @size bytes in @folder, until the descriptor *@fd is closed: the file
 * has no name.  Returns: 0 or an errno. */
static int
take_room (int *fd, const char *folder, guint64 size)
{
  g_autofree char *name = g_build_filename (folder, "room.XXXXXX", NULL);

  *fd = g_mkstemp_full (name, O_WRONLY | O_CLOEXEC, 0600);
  if (*fd < 0)
    return errno;
  g_unlink (name);
  const int number = size > 0 ? posix_fallocate (*fd, 0, size) : 0;
  return number == EINVAL || number == EOPNOTSUPP || number == ENODEV
      ? 0 /* what this disk cannot tell beforehand */
      : number;
}

gboolean
defcn_output_check_room (const char *folder, const guint64 *sizes, guint n,
    GError **error)
{
  g_autofree int *fds = g_new (int, n + 1);
  guint64 sum = 0;
  guint made = 0;
  int number = 0;

  for (guint i = 0; i < n; i++)
    sum += sizes[i];
  while (made < n && number == 0) {
    number = take_room (&fds[made], folder, sizes[made]);
    made++;
  }
  for (guint i = 0; i < made; i++)
    if (fds[i] >= 0)
      close (fds[i]);
  if (number == 0)
    return TRUE;
  g_autofree char *text = g_format_size (sum);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: no room for the %s that will be written there: %s", folder, text,
      g_strerror (number));
  return FALSE;
}
