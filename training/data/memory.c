/* How much memory the process may still take: /proc and control groups. */
#include "memory.h"

#include <string.h>

/* The files of a control group that say how much it has. */
typedef struct
{
  const char *controller; /* in /proc/self/cgroup */
  const char *mount;
  const char *limit, *usage;
  const char *reclaimable; /* in memory.stat: counted as used, but is free */
} Version;

static const Version versions[] = {
  { "", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file" },
  { "memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes",
      "memory.usage_in_bytes", "total_inactive_file" },
};

/* The number behind @key in lines of "KEY NUMBER", or, with "" for it, the
 * first; FALSE where there is none. */
static gboolean
read_number (guint64 *number, const char *path, const char *key)
{
  g_autofree char *text = NULL;
  const gsize len = strlen (key);

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *end;

    if (strncmp (lines[i], key, len) != 0
        || (len > 0 && !g_ascii_isspace (lines[i][len])))
      continue;
    *number = g_ascii_strtoull (lines[i] + len, &end, 10);
    return end != lines[i] + len;
  }
  return FALSE;
}

static gboolean
read_file (guint64 *number, const char *folder, const char *name,
    const char *key)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return read_number (number, path, key);
}

/* What is left to the group @folder, G_MAXUINT64 where it has no limit. */
static guint64
left_to (const Version *v, const char *folder)
{
  guint64 limit, used, reclaimable = 0;

  if (!read_file (&limit, folder, v->limit, "")
      || !read_file (&used, folder, v->usage, ""))
    return G_MAXUINT64;
  read_file (&reclaimable, folder, "memory.stat", v->reclaimable);
  used -= MIN (used, reclaimable);
  return limit - MIN (limit, used);
}

/* The least of the group @path, "/a/b", and of those that it is in.  In a
 * container the path may be one of outside: then the mount alone is there. */
static guint64
left_within (const Version *v, const char *root, const char *path)
{
  g_autofree char *at = g_strdup (path);
  guint64 least = G_MAXUINT64;

  for (;;) {
    g_autofree char *folder = g_build_filename (root, v->mount, at, NULL);
    char *slash = strrchr (at, '/');

    least = MIN (least, left_to (v, folder));
    if (!slash)
      return least;
    *slash = '\0';
  }
}

/* The least of all groups of the process. */
static guint64
left_to_groups (const char *root)
{
  g_autofree char *list = g_build_filename (root, "proc/self/cgroup", NULL);
  g_autofree char *text = NULL;
  guint64 least = G_MAXUINT64;

  if (!g_file_get_contents (list, &text, NULL, NULL))
    return least;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_auto (GStrv) parts = g_strsplit (lines[i], ":", 3); /* number:what:path */

    for (gsize k = 0; g_strv_length (parts) == 3 && k < G_N_ELEMENTS (versions);
         k++)
      if (g_str_equal (parts[1], versions[k].controller))
        least = MIN (least, left_within (&versions[k], root, parts[2]));
  }
  return least;
}

guint64
defcn_memory_available (const char *root)
{
  g_autofree char *path = g_build_filename (root, "proc/meminfo", NULL);
  guint64 kib;

  if (!read_number (&kib, path, "MemAvailable:"))
    return 0;
  return MIN (kib * 1024, left_to_groups (root));
}
