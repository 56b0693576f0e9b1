/* Names of pictures in annotations, and the files that they mean. */
#include "image_name.h"

#include <string.h>

/* Absolute as programs on Windows and on Unix see it. */
static gboolean
is_absolute (const char *name)
{
  return name[0] == '/' || name[0] == '\\'
      || (g_ascii_isalpha (name[0]) && name[1] == ':'
          && (name[2] == '\\' || name[2] == '/'));
}

/* The path of @name below @folder, without its "..": so a symbolic link among
 * the folders leads nowhere else. */
static char *
join (const char *folder, const char *name)
{
  if (g_path_is_absolute (name))
    return g_strdup (name);
  if (!strstr (name, ".."))
    return g_build_filename (folder, name, NULL);
  g_autofree char *absolute = g_canonicalize_filename (folder, NULL);
  return g_canonicalize_filename (name, absolute);
}

/* Whether @name, with slashes, is below @folder. */
static gboolean
stays_below (const char *folder, const char *name)
{
  if (!strstr (name, ".."))
    return TRUE;
  g_autofree char *plain = g_canonicalize_filename (folder, NULL);
  g_autofree char *prefix = g_str_equal (plain, "/")
      ? g_strdup (plain)
      : g_strconcat (plain, "/", NULL);
  g_autofree char *path = join (folder, name);
  return g_str_has_prefix (path, prefix);
}

static char *
with_slashes (const char *name)
{
  return g_strdelimit (g_strdup (name), "\\", '/');
}

/* @name without the "%20" and the like; NULL where they are none. */
static char *
unescape (const char *name)
{
  return g_uri_unescape_string (name, NULL);
}

/* What is left of an address without its server; NULL: @name is none. */
static char *
strip_address (const char *name)
{
  static const char upload[] = "/data/upload/",
                    local[] = "/data/local-files/?d=";
  const char *scheme = strstr (name, "://");
  const char *rest = scheme ? strchr (scheme + 3, '/') : name;

  if (!rest)
    return NULL;
  if (g_str_has_prefix (rest, local))
    return unescape (rest + strlen (local));
  if (g_str_has_prefix (rest, upload)) {
    rest += strlen (upload);
    const char *slash = rest + strspn (rest, "0123456789");
    return unescape (*slash == '/' ? slash + 1 : rest);
  }
  if (!scheme)
    return NULL;
  g_autofree char *path = g_strndup (rest, strcspn (rest, "?#"));
  g_autofree char *last = g_path_get_basename (path);
  return unescape (last);
}

/* @name without its first folders, if they are the last of @folder; or NULL. */
static char *
strip_folder (const char *folder, const char *name)
{
  g_autofree char *plain = g_canonicalize_filename (folder, NULL);

  for (const char *slash = strrchr (name, '/'); slash; slash--) {
    if (*slash == '/') {
      g_autofree char *tail = g_strndup (name, slash - name);
      g_autofree char *rooted = g_strconcat ("/", tail, NULL);

      if (*tail && g_str_has_suffix (plain, rooted))
        return g_strdup (slash + 1);
    }
    if (slash == name)
      break;
  }
  return NULL;
}

/* @name without the eight digits that Label Studio puts before it, or NULL. */
static char *
strip_digits (const char *name)
{
  const char *slash = strrchr (name, '/');
  const char *last = slash ? slash + 1 : name;

  if (strspn (last, "0123456789abcdef") != 8 || last[8] != '-' || !last[9])
    return NULL;
  g_autofree char *folder = g_strndup (name, last - name);
  return g_strconcat (folder, last + 9, NULL);
}

static void
add (GPtrArray *names, char *name)
{
  if (name)
    g_ptr_array_add (names, name);
}

/* What else @name may mean, best first; (transfer full), of char *. */
static GPtrArray *
other_names (const char *folder, const char *name)
{
  static const char *const endings[] = { ".jpg", ".jpeg", ".png", ".webp" };
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  add (names, with_slashes (name));
  if (strchr (name, '%'))
    add (names, unescape (names->pdata[0]));
  add (names, strip_address (name));
  for (guint i = 0, n = names->len; i < n; i++)
    add (names, strip_folder (folder, names->pdata[i]));
  for (guint i = 0, n = names->len; i < n; i++)
    add (names, strip_digits (names->pdata[i]));
  for (guint i = 0, n = names->len; i < n; i++) {
    g_autofree char *last = g_path_get_basename (names->pdata[i]);

    for (gsize k = 0; !strchr (last, '.') && k < G_N_ELEMENTS (endings); k++)
      add (names, g_strconcat (names->pdata[i], endings[k], NULL));
  }
  return names;
}

const char *
defcn_image_name_problem (const char *folder, const char *name)
{
  g_autofree char *address = strip_address (name);
  g_autofree char *slashes = with_slashes (address ? address : name);

  if (is_absolute (slashes))
    return "is absolute: --absolute-names takes it as it is";
  if (!stays_below (folder, slashes))
    return "is not below the folder of images: --absolute-names takes it";
  return NULL;
}

char *
defcn_image_name_path (const char *folder, const char *name, gboolean absolute)
{
  g_autofree char *address = strip_address (name);
  const char *first = !absolute && address ? address : name;
  g_autofree char *path = join (folder, first);

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&path);
  g_autoptr (GPtrArray) names = other_names (folder, name);
  for (guint i = 0; i < names->len; i++) {
    const char *other = names->pdata[i];

    if (!absolute && (is_absolute (other) || !stays_below (folder, other)))
      continue;
    g_autofree char *found = join (folder, other);
    if (g_file_test (found, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&found);
  }
  return strchr (first, '\\') ? join (folder, names->pdata[0])
                              : g_steal_pointer (&path);
}
