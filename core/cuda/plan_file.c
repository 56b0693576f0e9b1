/* One file a plan, named by the checksum of what it is for:
 *
 *   CHECKSUM of the rest
 *   defcn.plan 1
 *   DEVICE
 *   STEP
 *   WANTED
 *   NAME
 *   JSON
 */
#include "plan_file.h"

#include <glib/gstdio.h>
#include <string.h>

#define MARK "defcn.plan 1"
#define MAX_FILES 4096
#define MAX_ALL_BYTES ((guint64) 512 << 20) /* of all files */
#define MAX_BYTES ((gsize) 16 << 20)        /* of one */
#define CHECKSUM_LEN 64

/* NULL: none are kept. */
static char *
folder_path (void)
{
  const char *given = g_getenv ("DEFCN_PLANS");

  if (given)
    return *given ? g_strdup (given) : NULL;
  return g_build_filename (g_get_user_cache_dir (), "defcn", "plans", NULL);
}

static char *
key_of (const char *device, const char *step, const char *wanted)
{
  return g_strjoin ("\n", MARK, device, step, wanted, "", NULL);
}

static char *
checksum (const char *text)
{
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

static char *
path_of (const char *folder, const char *key)
{
  g_autofree char *name = checksum (key);

  return g_build_filename (folder, name, NULL);
}

/* What follows the checksum; NULL if that is wrong. */
static const char *
check (const char *text, gsize len)
{
  if (len <= CHECKSUM_LEN || text[CHECKSUM_LEN] != '\n' || strlen (text) != len)
    return NULL;

  g_autofree char *found = checksum (text + CHECKSUM_LEN + 1);
  return strncmp (found, text, CHECKSUM_LEN) == 0 ? text + CHECKSUM_LEN + 1
                                                  : NULL;
}

char *
plan_file_read (const char *device, const char *step, const char *wanted,
    char **name)
{
  g_autofree char *folder = folder_path ();
  g_autofree char *key = key_of (device, step, wanted);
  g_autofree char *path = folder ? path_of (folder, key) : NULL;
  g_autofree char *text = NULL;
  const char *rest, *end;
  GStatBuf status;
  gsize len;

  if (!path || g_stat (path, &status) != 0 || !S_ISREG (status.st_mode)
      || (guint64) status.st_size > MAX_BYTES
      || !g_file_get_contents (path, &text, &len, NULL))
    return NULL;
  rest = check (text, len);
  end = rest && g_str_has_prefix (rest, key)
      ? strchr (rest + strlen (key), '\n')
      : NULL;
  if (!end) {
    g_message ("%s: is damaged, its plan is made anew", path);
    return NULL;
  }
  rest += strlen (key);
  *name = g_strndup (rest, end - rest);
  return g_strdup (end + 1);
}

/* A file of the folder. */
typedef struct
{
  char *path;
  gint64 changed;
  guint64 bytes;
} Entry;

static void
entry_clear (gpointer data)
{
  g_free (((Entry *) data)->path);
}

static int
by_age (const void *pa, const void *pb)
{
  const Entry *a = pa, *b = pb;

  return (a->changed > b->changed) - (a->changed < b->changed);
}

/* Whether a file may be ours. */
static gboolean
is_name (const char *name)
{
  return strlen (name) == CHECKSUM_LEN
      && strspn (name, "0123456789abcdef") == CHECKSUM_LEN;
}

/* The plans of @folder, and what they take. */
static GArray *
list_entries (const char *folder, guint64 *bytes)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  GArray *entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  const char *name;

  g_array_set_clear_func (entries, entry_clear);
  *bytes = 0;
  while (dir && (name = g_dir_read_name (dir))) {
    Entry entry = { g_build_filename (folder, name, NULL) };
    GStatBuf status;

    if (!is_name (name) || g_lstat (entry.path, &status) != 0
        || !S_ISREG (status.st_mode)) {
      g_free (entry.path);
      continue;
    }
    entry.changed = status.st_mtime;
    entry.bytes = status.st_size;
    *bytes += entry.bytes;
    g_array_append_val (entries, entry);
  }
  return entries;
}

/* Of a folder with too much the older half goes: what it has of old devices and
 * versions with it. */
static void
make_room (const char *folder, gsize wanted)
{
  guint64 bytes;
  g_autoptr (GArray) entries = list_entries (folder, &bytes);
  guint left = entries->len;

  if (left < MAX_FILES && bytes + wanted <= MAX_ALL_BYTES)
    return;
  g_array_sort (entries, by_age);
  for (guint i = 0;
       i < entries->len && (left > MAX_FILES / 2 || bytes > MAX_ALL_BYTES / 2);
       i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);

    g_unlink (entry->path);
    bytes -= entry->bytes;
    left--;
  }
}

void
plan_file_write (const char *device, const char *step, const char *wanted,
    const char *name, const char *json)
{
  g_autofree char *folder = folder_path ();
  g_autofree char *key = key_of (device, step, wanted);
  g_autofree char *path = folder ? path_of (folder, key) : NULL;
  g_autofree char *rest = g_strconcat (key, name, "\n", json, NULL);
  g_autofree char *sum = checksum (rest);
  g_autofree char *text = g_strjoin ("\n", sum, rest, NULL);

  if (!path || strlen (text) > MAX_BYTES
      || g_mkdir_with_parents (folder, 0700) != 0)
    return;
  make_room (folder, strlen (text));
  g_file_set_contents (path, text, -1, NULL); /* else made anew next time */
}
