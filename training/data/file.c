/* Regular files, whole. */
#include "file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor of the regular file @path, -1 with @error. */
static int
open_regular (const char *path, gsize *size, GError **error)
{
  struct stat about;
  const int fd = g_open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0);

  if (fd < 0 || fstat (fd, &about) != 0) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s",
        path, g_strerror (errno));
  } else if (!S_ISREG (about.st_mode)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: %s", path,
        S_ISDIR (about.st_mode) ? "is a folder" : "is no regular file");
  } else {
    *size = about.st_size;
    return fd;
  }
  if (fd >= 0)
    close (fd);
  return -1;
}

/* Returns: bytes read, up to @size; less where the file became shorter. */
static gssize
read_all (int fd, char *data, gsize size)
{
  gsize done = 0;

  while (done < size) {
    const gssize n = read (fd, data + done, size - done);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -1;
    if (n == 0)
      break;
    done += n;
  }
  return done;
}

gboolean
defcn_file_read (char **data, gsize *len, const char *path, gsize max,
    GError **error)
{
  gsize size;
  const int fd = open_regular (path, &size, error);
  g_autofree char *bytes = NULL;

  if (fd < 0)
    return FALSE;
  if (size > max)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: %" G_GSIZE_FORMAT " bytes, more than %" G_GSIZE_FORMAT, path, size,
        max);
  else if (!(bytes = g_try_malloc (size + 1)))
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no memory for its %" G_GSIZE_FORMAT " bytes", path, size);
  const gssize n = bytes ? read_all (fd, bytes, size) : 0;
  if (n < 0)
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s",
        path, g_strerror (errno));
  close (fd);
  if (!bytes || n < 0)
    return FALSE;
  bytes[n] = '\0';
  *data = g_steal_pointer (&bytes);
  *len = n;
  return TRUE;
}

GMappedFile *
defcn_file_map (const char *path, GError **error)
{
  gsize size;
  const int fd = open_regular (path, &size, error);

  if (fd < 0)
    return NULL;
  GMappedFile *map = g_mapped_file_new_from_fd (fd, FALSE, error);
  close (fd);
  if (!map)
    g_prefix_error (error, "%s: ", path);
  return map;
}

gsize
defcn_file_bom (const char *text, gsize len)
{
  return len >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}
