/* A folder that pictures are written to, and kept from growing without end. */
#define _GNU_SOURCE /* renameat2 */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jpeg.h"

#define TEMPORARY ".defcnsnapshot-"
#define MAX_TRIES 10000   /* numbers behind a name that is taken */
#define MAX_AGE (60 * 60) /* seconds, of a temporary file left behind */
#define SLACK 16

struct _GstDefcnFolder
{
  char *path, *key;
  guint refs; /* under folders_lock */

  GMutex lock; /* one writes at a time; all below */
  guint depth;
  gboolean listed; /* files and bytes are known */
  guint64 files, bytes;
};

/* A picture that was found. */
typedef struct
{
  char *name; /* below the folder */
  guint64 size;
  gint64 time; /* ns, when it was written */
} Found;

static GMutex folders_lock;
static GList *folders; /* under the lock */

void
gst_defcn_file_clear (GstDefcnFile *file)
{
  g_clear_pointer (&file->name, g_free);
}

/* Opening. */

GstDefcnFolder *
gst_defcn_folder_open (const char *path, guint depth)
{
  char *real = realpath (path, NULL);
  g_autofree char *key = g_strdup (real ? real : path);
  GstDefcnFolder *folder = NULL;

  free (real);
  g_mutex_lock (&folders_lock);
  for (GList *l = folders; l && !folder; l = l->next)
    if (g_str_equal (((GstDefcnFolder *) l->data)->key, key))
      folder = l->data;
  if (!folder) {
    folder = g_new0 (GstDefcnFolder, 1);
    folder->path = g_strdup (path);
    folder->key = g_steal_pointer (&key);
    g_mutex_init (&folder->lock);
    folders = g_list_prepend (folders, folder);
  }
  folder->refs++;
  g_mutex_unlock (&folders_lock);

  g_mutex_lock (&folder->lock);
  if (depth > folder->depth) {
    folder->depth = depth;
    folder->listed = FALSE;
  }
  g_mutex_unlock (&folder->lock);
  return folder;
}

void
gst_defcn_folder_close (GstDefcnFolder *folder)
{
  gboolean last;

  if (!folder)
    return;
  g_mutex_lock (&folders_lock);
  last = --folder->refs == 0;
  if (last)
    folders = g_list_remove (folders, folder);
  g_mutex_unlock (&folders_lock);
  if (!last)
    return;
  g_mutex_clear (&folder->lock);
  g_free (folder->path);
  g_free (folder->key);
  g_free (folder);
}

static gboolean
set_error (const char *path, const char *name, int number, GError **error)
{
  g_autofree char *whole = g_build_filename (path, name, NULL);
  g_autofree char *valid = g_utf8_make_valid (whole, -1);

  g_set_error (error, GST_RESOURCE_ERROR,
      number == ENOSPC || number == EDQUOT ? GST_RESOURCE_ERROR_NO_SPACE_LEFT
                                           : GST_RESOURCE_ERROR_WRITE,
      "\"%s\" cannot be written: %s", valid, g_strerror (number));
  return FALSE;
}

gboolean
gst_defcn_folder_make (const char *path, GError **error)
{
  if (g_mkdir_with_parents (path, 0777) == 0
      && g_access (path, W_OK | X_OK) == 0)
    return TRUE;
  const int number = errno;
  g_autofree char *valid = g_utf8_make_valid (path, -1);

  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
      "No pictures can be written to the folder \"%s\": %s", valid,
      g_strerror (number));
  return FALSE;
}

/* The folder of @name below that of @folder, made where it is not there, and in
 * *@last what it is called there; -1 and errno. */
static int
open_parent (GstDefcnFolder *folder, const char *name, gboolean make,
    const char **last)
{
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);
  int fd = open (folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  *last = strrchr (name, '/');
  *last = *last ? *last + 1 : name;
  for (guint i = 0; fd >= 0 && parts[i + 1]; i++) {
    int below, number;

    if (make && mkdirat (fd, parts[i], 0777) < 0 && errno != EEXIST)
      below = -1;
    else
      below = openat (fd, parts[i],
          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    number = errno;
    close (fd);
    errno = number;
    fd = below;
  }
  return fd;
}

/* Knowing. */

/* The first bytes of a regular file that is no link; 0 of others. */
static gsize
read_head (int folder, const char *name, guint8 *head, gsize n)
{
  const int fd =
      openat (folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat info;
  gssize got = 0;

  if (fd < 0)
    return 0;
  if (fstat (fd, &info) == 0 && S_ISREG (info.st_mode))
    got = read (fd, head, n);
  close (fd);
  return MAX (got, 0);
}

static gboolean
is_our_picture (int folder, const char *name)
{
  guint8 head[GST_DEFCN_JPEG_HEAD];

  return gst_defcn_jpeg_is_ours (head,
      read_head (folder, name, head, sizeof head));
}

static gboolean
is_our_record (int folder, const char *name)
{
  static const char begin[] = GST_DEFCN_FOLDER_RECORD;
  guint8 head[sizeof begin - 1];

  return read_head (folder, name, head, sizeof head) == sizeof head
      && memcmp (head, begin, sizeof head) == 0;
}

static gboolean
is_ours (int folder, const char *name)
{
  return is_our_picture (folder, name) || is_our_record (folder, name);
}

char *
gst_defcn_folder_beside (const char *name, const char *ending)
{
  const char *slash = strrchr (name, '/'), *dot = strrchr (name, '.');
  const gsize n =
      dot && (!slash || dot > slash) ? (gsize) (dot - name) : strlen (name);

  return g_strdup_printf ("%.*s%s", (int) n, name, ending);
}

/* Writing. */

static gboolean
write_all (int fd, GBytes *data)
{
  gsize left;
  const guint8 *at = g_bytes_get_data (data, &left);

  while (left > 0) {
    const gssize n = write (fd, at, left);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return FALSE;
    at += n;
    left -= (gsize) n;
  }
  return TRUE;
}

/* Writes a file that nobody else knows; FALSE and errno, with none left. */
static gboolean
write_temporary (int folder, char name[64], GBytes *data, struct stat *info)
{
  gboolean good;
  int fd, number;

  do {
    g_snprintf (name, 64, TEMPORARY "%08x%08x.tmp", g_random_int (),
        g_random_int ());
    fd = openat (folder, name,
        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EEXIST);
  if (fd < 0)
    return FALSE;
  good = write_all (fd, data) && fstat (fd, info) == 0;
  number = errno;
  /* Some file systems tell only now that there was no space. */
  if (close (fd) < 0 && good) {
    good = FALSE;
    number = errno;
  }
  if (!good)
    unlinkat (folder, name, 0);
  errno = number;
  return good;
}

/* To a name that must not be there; FALSE and errno. */
static gboolean
rename_new (int folder, const char *from, const char *to)
{
  struct stat info;

  if (renameat2 (folder, from, folder, to, RENAME_NOREPLACE) == 0)
    return TRUE;
  if (errno != EINVAL && errno != ENOSYS)
    return FALSE;
  /* A file system that has no such rename. */
  if (fstatat (folder, to, &info, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return FALSE;
  }
  return renameat (folder, from, folder, to) == 0;
}

static gboolean
is_still (int folder, const char *name, const GstDefcnFile *file)
{
  struct stat info;

  return fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0
      && info.st_dev == file->device && info.st_ino == file->inode;
}

/* (transfer full): @name, from its second try on with a number before its
 * ending. */
static char *
numbered (const char *name, guint try)
{
  g_autofree char *stem = gst_defcn_folder_beside (name, "");

  return try < 2 ? g_strdup (name)
                 : g_strdup_printf ("%s-%u%s", stem, try, name + strlen (stem));
}

/* Gives the temporary file a name of its own; NULL and errno. */
static char *
place_new (int folder, const char *temporary, const char *last,
    GstDefcnFolderHow how, gboolean *replaced, gsize *old)
{
  for (guint try = 1; try < MAX_TRIES; try++) {
    g_autofree char *name = numbered (last, try);
    struct stat info;

    if (rename_new (folder, temporary, name))
      return g_steal_pointer (&name);
    if (errno != EEXIST)
      return NULL;
    if (how != GST_DEFCN_FOLDER_OVERWRITE || !is_ours (folder, name)
        || fstatat (folder, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
      continue;
    *replaced = TRUE;
    *old = (gsize) info.st_size;
    if (renameat (folder, temporary, folder, name) == 0)
      return g_steal_pointer (&name);
    return NULL;
  }
  return NULL;
}

/* Gives the temporary file its name: that of @file, if that is the same, or a
 * new one; FALSE and errno. */
static gboolean
place (GstDefcnFolder *folder, int fd, const char *temporary,
    GstDefcnFile *file, const char *name, const char *last,
    GstDefcnFolderHow how, gboolean *replaced, gsize *old)
{
  g_autofree char *placed = NULL;

  if (file->name && is_still (fd, last, file)) {
    *replaced = TRUE;
    *old = file->size;
    return renameat (fd, temporary, fd, last) == 0;
  }
  placed = place_new (fd, temporary, last, how, replaced, old);
  if (!placed)
    return FALSE;
  char *whole = g_strdup_printf ("%.*s%s", (int) (last - name), name, placed);
  g_free (file->name);
  file->name = whole;
  return TRUE;
}

static gboolean
write_file (GstDefcnFolder *folder, GstDefcnFile *file, const char *name,
    GstDefcnFolderHow how, GBytes *data, gboolean *replaced, GError **error)
{
  g_autofree char *wanted = g_strdup (file->name ? file->name : name);
  const char *last;
  char temporary[64];
  struct stat info;
  gsize old = 0;
  const int fd = open_parent (folder, wanted, TRUE, &last);
  gboolean good;
  int number;

  if (fd < 0)
    return set_error (folder->path, wanted, errno, error);
  good = write_temporary (fd, temporary, data, &info);
  number = errno;
  if (good
      && !place (folder, fd, temporary, file, wanted, last, how, replaced,
          &old)) {
    number = errno;
    good = FALSE;
    unlinkat (fd, temporary, 0);
  }
  close (fd);
  if (!good)
    return set_error (folder->path, wanted, number, error);
  file->device = info.st_dev;
  file->inode = info.st_ino;
  file->size = g_bytes_get_size (data);
  folder->bytes += file->size;
  folder->bytes -= MIN (old, folder->bytes);
  return TRUE;
}

gboolean
gst_defcn_folder_write (GstDefcnFolder *folder, GstDefcnFile *file,
    const char *name, GstDefcnFolderHow how, GBytes *data, gboolean *replaced,
    GError **error)
{
  gboolean again = FALSE, good;

  g_mutex_lock (&folder->lock);
  good = write_file (folder, file, name, how, data, &again, error);
  if (good && !again
      && !g_str_has_suffix (file->name, GST_DEFCN_FOLDER_RECORD_ENDING))
    folder->files++;
  g_mutex_unlock (&folder->lock);
  if (replaced)
    *replaced = again;
  return good;
}

/* Making room. */

static void
clear_found (gpointer found)
{
  g_free (((Found *) found)->name);
}

static int
compare_found (gconstpointer a, gconstpointer b)
{
  const Found *x = a, *y = b;

  return x->time != y->time ? (x->time < y->time ? -1 : 1)
                            : strcmp (x->name, y->name);
}

/* Takes @name of the folder @fd, which is @below, for what it is. */
static void
look_at (int fd, const char *below, const char *name, const struct stat *info,
    GArray *list)
{
  g_autofree char *record =
      gst_defcn_folder_beside (name, GST_DEFCN_FOLDER_RECORD_ENDING);
  struct stat beside;
  Found found = { .size = (guint64) info->st_size,
    .time =
        (gint64) info->st_mtim.tv_sec * GST_SECOND + info->st_mtim.tv_nsec };

  if (g_str_has_prefix (name, TEMPORARY)) {
    if (info->st_mtim.tv_sec < g_get_real_time () / G_USEC_PER_SEC - MAX_AGE)
      unlinkat (fd, name, 0);
    return;
  }
  if (!is_our_picture (fd, name))
    return;
  if (fstatat (fd, record, &beside, AT_SYMLINK_NOFOLLOW) == 0
      && is_our_record (fd, record))
    found.size += (guint64) beside.st_size;
  found.name = g_strconcat (below, name, NULL);
  g_array_append_val (list, found);
}

/* Appends the pictures in the folder @fd, which is closed, and those below. */
static void
list_folder (int fd, const char *below, guint depth, GArray *list)
{
  DIR *dir = fdopendir (fd);
  struct dirent *entry;

  if (!dir) {
    close (fd);
    return;
  }
  while ((entry = readdir (dir))) {
    const char *name = entry->d_name;
    struct stat info;

    if (g_str_equal (name, ".") || g_str_equal (name, "..")
        || fstatat (dirfd (dir), name, &info, AT_SYMLINK_NOFOLLOW) < 0)
      continue;
    if (S_ISREG (info.st_mode)) {
      look_at (dirfd (dir), below, name, &info, list);
    } else if (S_ISDIR (info.st_mode) && depth > 0) {
      g_autofree char *path = g_strconcat (below, name, "/", NULL);
      const int child = openat (dirfd (dir), name,
          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

      if (child >= 0)
        list_folder (child, path, depth - 1, list);
    }
  }
  closedir (dir);
}

/* The oldest first. */
static GArray *
list_pictures (GstDefcnFolder *folder)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (Found));
  const int fd = open (folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  g_array_set_clear_func (list, clear_found);
  if (fd >= 0)
    list_folder (fd, "", folder->depth, list);
  g_array_sort (list, compare_found);
  folder->files = list->len;
  folder->bytes = 0;
  for (guint i = 0; i < list->len; i++)
    folder->bytes += g_array_index (list, Found, i).size;
  folder->listed = fd >= 0;
  return list;
}

/* FALSE where that did not make room. */
static gboolean
delete_picture (GstDefcnFolder *folder, const Found *found)
{
  g_autofree char *record =
      gst_defcn_folder_beside (found->name, GST_DEFCN_FOLDER_RECORD_ENDING);
  const char *last, *last_record = strrchr (record, '/');
  const int fd = open_parent (folder, found->name, FALSE, &last);
  gboolean gone;

  last_record = last_record ? last_record + 1 : record;
  if (fd < 0)
    return FALSE;
  gone = unlinkat (fd, last, 0) == 0;
  if (gone && is_our_record (fd, last_record))
    unlinkat (fd, last_record, 0);
  close (fd);
  return gone;
}

static gboolean
is_over (const GstDefcnFolder *folder, guint64 max_files, guint64 max_bytes)
{
  return (max_files && folder->files > max_files)
      || (max_bytes && folder->bytes > max_bytes);
}

static guint
make_room (GstDefcnFolder *folder, guint64 max_files, guint64 max_bytes,
    const GstDefcnFile *keep)
{
  g_autoptr (GArray) list = list_pictures (folder);
  const guint64 files = max_files - max_files / SLACK;
  const guint64 bytes = max_bytes - max_bytes / SLACK;
  guint n = 0;

  if (!is_over (folder, max_files, max_bytes))
    return 0;
  for (guint i = 0; i < list->len && is_over (folder, files, bytes); i++) {
    const Found *found = &g_array_index (list, Found, i);

    if ((keep && keep->name && g_str_equal (keep->name, found->name))
        || !delete_picture (folder, found))
      continue;
    folder->files--;
    folder->bytes -= MIN (found->size, folder->bytes);
    n++;
  }
  return n;
}

guint
gst_defcn_folder_limit (GstDefcnFolder *folder, guint64 max_files,
    guint64 max_bytes, const GstDefcnFile *keep)
{
  guint n = 0;

  g_mutex_lock (&folder->lock);
  if ((max_files || max_bytes)
      && (!folder->listed || is_over (folder, max_files, max_bytes)))
    n = make_room (folder, max_files, max_bytes, keep);
  g_mutex_unlock (&folder->lock);
  return n;
}
