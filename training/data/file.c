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

/* How text begins, the longer marks first; of the lower ones the first
 * character is one of ASCII, which a dot stands for. */
static const struct
{
  const char *encoding;
  guint8 bytes[4];
  guint8 n, mark; /* bytes that are compared; of them no text */
  gboolean ascii;
} starts[] = {
  { "UTF-8", { 0xef, 0xbb, 0xbf }, 3, 3, FALSE },
  { "UTF-32LE", { 0xff, 0xfe, 0, 0 }, 4, 4, FALSE },
  { "UTF-32BE", { 0, 0, 0xfe, 0xff }, 4, 4, FALSE },
  { "UTF-16LE", { 0xff, 0xfe }, 2, 2, FALSE },
  { "UTF-16BE", { 0xfe, 0xff }, 2, 2, FALSE },
  { "UTF-32LE", { '.', 0, 0, 0 }, 4, 0, TRUE },
  { "UTF-32BE", { 0, 0, 0, '.' }, 4, 0, TRUE },
  { "UTF-16LE", { '.', 0 }, 2, 0, TRUE },
  { "UTF-16BE", { 0, '.' }, 2, 0, TRUE },
};

/* The encoding of @text and how many bytes its mark has. */
static const char *
find_encoding (gsize *mark, const char *text, gsize len)
{
  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++) {
    gboolean is = len >= starts[i].n;

    for (guint k = 0; is && k < starts[i].n; k++)
      is = starts[i].ascii && starts[i].bytes[k] == '.'
          ? text[k] && !(text[k] & 0x80)
          : (guint8) text[k] == starts[i].bytes[k];
    if (is) {
      *mark = starts[i].mark;
      return starts[i].encoding;
    }
  }
  *mark = 0;
  return "UTF-8";
}

/* @text in UTF-8, with a 0 behind its *@done bytes; NULL with @error. */
static char *
to_utf8 (gsize *done, const char *text, gsize len, const char *encoding,
    const char *path, GError **error)
{
  const gsize room = len / 2 * 3 + 1; /* two bytes become three at most */
  g_autofree char *utf8 = g_try_malloc (room);
  const GIConv converter = g_iconv_open ("UTF-8", encoding);
  char *from = (char *) text, *to = utf8;
  gsize left = len, free_room = room - 1;

  if (!utf8 || converter == (GIConv) -1) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no memory to turn its %" G_GSIZE_FORMAT " bytes of %s into UTF-8",
        path, len, encoding);
    if (converter != (GIConv) -1)
      g_iconv_close (converter);
    return NULL;
  }
  const gboolean good =
      g_iconv (converter, &from, &left, &to, &free_room) != (gsize) -1;
  g_iconv_close (converter);
  if (!good) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: damaged or cut off: no %s text after %" G_GSIZE_FORMAT " bytes",
        path, encoding, len - left);
    return NULL;
  }
  *to = '\0';
  *done = to - utf8;
  return g_steal_pointer (&utf8);
}

gboolean
defcn_file_read_text (char **text, gsize *len, const char *path, gsize max,
    GError **error)
{
  g_autofree char *bytes = NULL;
  gsize n, mark;

  if (!defcn_file_read (&bytes, &n, path, max, error))
    return FALSE;
  const char *encoding = find_encoding (&mark, bytes, n);
  if (g_str_equal (encoding, "UTF-8")) {
    *len = n - mark;
    memmove (bytes, bytes + mark, *len + 1);
    *text = g_steal_pointer (&bytes);
    return TRUE;
  }
  char *utf8 = to_utf8 (len, bytes + mark, n - mark, encoding, path, error);
  if (utf8)
    *text = utf8;
  return utf8 != NULL;
}

GBytes *
defcn_file_map_text (const char *path, GError **error)
{
  g_autoptr (GMappedFile) map = defcn_file_map (path, error);
  gsize n, mark, len;

  if (!map)
    return NULL;
  g_autoptr (GBytes) bytes = g_mapped_file_get_bytes (map);
  const char *text = g_bytes_get_data (bytes, &n); /* NULL when empty */
  const char *encoding = find_encoding (&mark, text, n);
  if (g_str_equal (encoding, "UTF-8"))
    return g_bytes_new_from_bytes (bytes, mark, n - mark);
  char *utf8 = to_utf8 (&len, text + mark, n - mark, encoding, path, error);
  return utf8 ? g_bytes_new_take (utf8, len) : NULL;
}
