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
#define MAX_BYTES ((gsize) 16 << 20)
#define CHECKSUM_LEN 64

static char *
folder_path (void)
{
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
path_of (const char *key)
{
  g_autofree char *folder = folder_path ();
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
  g_autofree char *key = key_of (device, step, wanted);
  g_autofree char *path = path_of (key);
  g_autofree char *text = NULL;
  const char *rest, *end;
  GStatBuf status;
  gsize len;

  if (g_stat (path, &status) != 0 || !S_ISREG (status.st_mode)
      || (guint64) status.st_size > MAX_BYTES
      || !g_file_get_contents (path, &text, &len, NULL))
    return NULL;
  rest = check (text, len);
  if (!rest || !g_str_has_prefix (rest, key))
    return NULL;
  rest += strlen (key);
  end = strchr (rest, '\n');
  if (!end)
    return NULL;
  *name = g_strndup (rest, end - rest);
  return g_strdup (end + 1);
}

/* Of a folder with too many all go: those of old devices and versions too. */
static void
make_room (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir && g_dir_read_name (dir))
    n++;
  if (n < MAX_FILES)
    return;
  g_dir_rewind (dir);
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
}

void
plan_file_write (const char *device, const char *step, const char *wanted,
    const char *name, const char *json)
{
  g_autofree char *key = key_of (device, step, wanted);
  g_autofree char *path = path_of (key);
  g_autofree char *folder = folder_path ();
  g_autofree char *rest = g_strconcat (key, name, "\n", json, NULL);
  g_autofree char *sum = checksum (rest);
  g_autofree char *text = g_strjoin ("\n", sum, rest, NULL);

  if (strlen (text) > MAX_BYTES || g_mkdir_with_parents (folder, 0700) != 0)
    return;
  make_room (folder);
  g_file_set_contents (path, text, -1, NULL); /* else made anew next time */
}
