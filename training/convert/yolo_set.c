/* A data set of YOLO's: pictures, label files, names of classes. */
#include "yolo_set.h"

#include "data/file.h"
#include "data/picture.h"
#include "data_yaml.h"
#include "error.h"

#include <string.h>

#define MAX_BYTES (16 << 20) /* of a list of names or pictures */
#define MAX_DEPTH 16         /* of folders in folders */

typedef gboolean (*IsFunc) (const char *name);

static int
by_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

gboolean
defcn_yolo_set_is_label (const char *name)
{
  static const char *const others[] = { "classes.txt", "labels.txt",
    "names.txt", "predefined_classes.txt", "train.txt", "val.txt", "valid.txt",
    "test.txt", NULL };

  return g_str_has_suffix (name, ".txt") && !g_strv_contains (others, name)
      && !g_str_has_prefix (name, "README");
}

gboolean
defcn_yolo_set_is_yaml (const char *name)
{
  return g_str_has_suffix (name, ".yaml") || g_str_has_suffix (name, ".yml");
}

/* "classes.txt", "obj.names", "_darknet.labels" */
static gboolean
is_names (const char *name)
{
  return g_str_equal (name, "classes.txt") || g_str_has_suffix (name, ".names")
      || g_str_equal (name, "_darknet.labels");
}

/* Adds the paths of what @is holds for in @folder and the folders in it; links
 * to folders are not followed. */
static gboolean
collect (GPtrArray *paths, const char *folder, IsFunc is, int depth,
    GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  const char *name;

  if (!dir)
    return FALSE;
  while ((name = g_dir_read_name (dir))) {
    char *path = g_build_filename (folder, name, NULL);

    if (depth > 0 && name[0] != '.' && g_file_test (path, G_FILE_TEST_IS_DIR)
        && !g_file_test (path, G_FILE_TEST_IS_SYMLINK)
        && !collect (paths, path, is, depth - 1, error)) {
      g_free (path);
      return FALSE;
    }
    if (is (name) && !g_file_test (path, G_FILE_TEST_IS_DIR))
      g_ptr_array_add (paths, path);
    else
      g_free (path);
  }
  return TRUE;
}

/* The first file in @folder, by name, for which @is holds, or NULL. */
static char *
find_file (const char *folder, IsFunc is)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  collect (paths, folder, is, 0, NULL);
  g_ptr_array_sort (paths, by_text);
  return paths->len > 0 ? g_strdup (paths->pdata[0]) : NULL;
}

char *
defcn_yolo_set_yaml (const char *path)
{
  if (defcn_yolo_set_is_yaml (path))
    return g_strdup (path);
  g_autofree char *label = find_file (path, defcn_yolo_set_is_label);
  return label ? NULL : find_file (path, defcn_yolo_set_is_yaml);
}

/* Sorted, each once. */
static void
sort (GPtrArray *paths)
{
  guint kept = 0;

  g_ptr_array_sort (paths, by_text);
  for (guint i = 0; i < paths->len; i++) {
    char *path = g_steal_pointer (&paths->pdata[i]);

    if (kept > 0 && g_str_equal (path, paths->pdata[kept - 1]))
      g_free (path);
    else
      paths->pdata[kept++] = path;
  }
  g_ptr_array_set_size (paths, (int) kept);
}

/* The folder that all of @paths, absolute, are in; (transfer full). */
static char *
common_folder (const GPtrArray *paths)
{
  char *common = g_path_get_dirname (paths->pdata[0]);

  for (guint i = 1; i < paths->len; i++) {
    for (;;) {
      const gsize len = g_str_equal (common, "/") ? 0 : strlen (common);
      const char *path = paths->pdata[i];

      if (strncmp (path, common, len) == 0 && path[len] == '/')
        break;
      char *up = g_path_get_dirname (common);
      g_free (common);
      common = up;
    }
  }
  return common;
}

/* @path with @ending for its own. */
static char *
with_ending (const char *path, const char *ending)
{
  const char *slash = strrchr (path, '/');
  const char *dot = strrchr (slash ? slash : path, '.');
  g_autofree char *stem =
      g_strndup (path, dot ? (gsize) (dot - path) : strlen (path));

  return g_strconcat (stem, ending, NULL);
}

/* @path with @to for the last of its folders that is @from, or NULL. */
static char *
swap_folder (const char *path, const char *from, const char *to)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  for (guint i = g_strv_length (parts); i-- > 0;) {
    if (!g_str_equal (parts[i], from))
      continue;
    g_free (parts[i]);
    parts[i] = g_strdup (to);
    return g_strjoinv ("/", parts);
  }
  return NULL;
}

/* The label file of @picture as data.yaml has them. */
static char *
label_of (const char *picture)
{
  g_autofree char *folder = g_path_get_dirname (picture);
  g_autofree char *name = g_path_get_basename (picture);
  g_autofree char *swapped = swap_folder (folder, "images", "labels");
  g_autofree char *beside = with_ending (picture, ".txt");

  if (!swapped)
    return g_steal_pointer (&beside);
  g_autofree char *other = g_build_filename (swapped, name, NULL);
  char *path = with_ending (other, ".txt");
  if (!g_file_test (path, G_FILE_TEST_EXISTS)
      && g_file_test (beside, G_FILE_TEST_EXISTS)) {
    g_free (path);
    return g_steal_pointer (&beside);
  }
  return path;
}

/* Where @entry of data.yaml is: below its "path", beside it, and without the
 * "../" that some tools write; (transfer full), or NULL. */
static char *
find_entry (const DefcnDataYaml *yaml, const char *folder, const char *entry)
{
  const char *plain = entry;
  const char *roots[3];
  guint n = 0;
  g_autofree char *of_path =
      yaml->path ? g_canonicalize_filename (yaml->path, folder) : NULL;
  g_autofree char *last = yaml->path ? g_path_get_basename (yaml->path) : NULL;
  g_autofree char *beside = last ? g_build_filename (folder, last, NULL) : NULL;

  while (g_str_has_prefix (plain, "../"))
    plain += 3;
  if (of_path)
    roots[n++] = of_path;
  if (beside)
    roots[n++] = beside;
  roots[n++] = folder;
  for (guint i = 0; i < 2 * n; i++) {
    char *path = g_canonicalize_filename (i < n ? entry : plain, roots[i % n]);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return path;
    g_free (path);
  }
  return NULL;
}

/* Adds the pictures of the list file @path, one a line. */
static gboolean
read_list (DefcnYoloSet *set, GPtrArray *pictures, const DefcnDataYaml *yaml,
    const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path), *text = NULL;
  gsize len;

  if (!defcn_file_read_text (&text, &len, path, MAX_BYTES, error))
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    const char *line = g_strstrip (lines[i]), *slash = strchr (line, '/');

    if (!*line)
      continue;
    char *picture = find_entry (yaml, folder, line);
    if (!picture && slash) /* "data/images/a.jpg", as CVAT writes it */
      picture = find_entry (yaml, folder, slash + 1);
    if (picture)
      g_ptr_array_add (pictures, picture);
    else if (set->n_missing++ == 0)
      set->missing = g_strdup (line);
  }
  return TRUE;
}

/* What the splits of a data.yaml have. */
typedef struct
{
  DefcnYoloSet *set;
  const char *path, *folder; /* of the file; absolute, where it is */
  DefcnDataYaml yaml;
  GPtrArray *pictures, *folders; /* paths; "FOLDER/" + "*" */
  GHashTable *seen;              /* entries that were read */
} Splits;

/* Adds the pictures of one entry, a folder or a list. */
static gboolean
read_entry (Splits *s, const char *entry, GError **error)
{
  char *found = find_entry (&s->yaml, s->folder, entry);

  if (!found) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no \"%s\" beside it or below its \"path\"", s->path, entry);
    return FALSE;
  }
  if (!g_hash_table_add (s->seen, found))
    return TRUE; /* and it is freed */
  if (!g_file_test (found, G_FILE_TEST_IS_DIR))
    return read_list (s->set, s->pictures, &s->yaml, found, error);
  g_ptr_array_add (s->folders, g_build_filename (found, "*", NULL));
  return collect (s->pictures, found, defcn_picture_is_name, MAX_DEPTH, error);
}

static gboolean
read_split (Splits *s, int split, GError **error)
{
  const GPtrArray *entries = s->yaml.splits[split];

  for (guint i = 0; entries && i < entries->len; i++)
    if (!read_entry (s, entries->pdata[i], error))
      return FALSE;
  return TRUE;
}

/* Bits of the splits in @words. */
static gboolean
parse_splits (guint *splits, const char *words, GError **error)
{
  static const char *const names[DEFCN_DATA_YAML_N_SPLITS] = { "train", "val",
    "test" };
  g_auto (GStrv) parts = g_strsplit (words ? words : "train", ",", -1);

  *splits = 0;
  for (guint i = 0; parts[i]; i++) {
    const guint before = *splits;

    for (int k = 0; k < DEFCN_DATA_YAML_N_SPLITS; k++)
      if (g_str_equal (parts[i], names[k]))
        *splits |= 1u << k;
    if (*splits != before)
      continue;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "no split \"%s\": train, val, test, each once", parts[i]);
    return FALSE;
  }
  return TRUE;
}

/* @set's pictures and label files of @pictures, absolute paths. */
static void
take_pictures (DefcnYoloSet *set, GPtrArray *pictures, GPtrArray *folders)
{
  GPtrArray *const of_root = folders->len > 0 ? folders : pictures;
  const guint n_folders = folders->len;

  sort (pictures);
  if (pictures->len == 0)
    return;
  for (guint i = 0; n_folders > 0 && i < pictures->len; i++) {
    const char *path = pictures->pdata[i];
    gboolean inside = FALSE;

    for (guint k = 0; k < n_folders && !inside; k++)
      inside = strncmp (path, folders->pdata[k], strlen (folders->pdata[k]) - 1)
          == 0;
    if (!inside) /* of a list */
      g_ptr_array_add (folders, g_strdup (path));
  }
  set->root = common_folder (of_root);
  const gsize skip = g_str_equal (set->root, "/") ? 1 : strlen (set->root) + 1;
  for (guint i = 0; i < pictures->len; i++) {
    const char *path = pictures->pdata[i];

    g_ptr_array_add (set->pictures, g_strdup (path + skip));
    g_ptr_array_add (set->labels, label_of (path));
  }
}

static gboolean
read_splits (Splits *s, guint splits, GError **error)
{
  if (!defcn_data_yaml_read (&s->yaml, s->path, error))
    return FALSE;
  for (int k = 0; k < DEFCN_DATA_YAML_N_SPLITS; k++)
    if ((splits & 1u << k) && !read_split (s, k, error))
      return FALSE;
  take_pictures (s->set, s->pictures, s->folders);
  s->set->n_keypoints = s->yaml.n_keypoints;
  s->set->names = g_steal_pointer (&s->yaml.names);
  return TRUE;
}

static gboolean
open_yaml (DefcnYoloSet *set, const char *path, const char *split,
    GError **error)
{
  g_autoptr (GPtrArray) pictures = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) folders = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *relative = g_path_get_dirname (path);
  g_autofree char *folder = g_canonicalize_filename (relative, NULL);
  Splits s = { .set = set,
    .path = path,
    .folder = folder,
    .pictures = pictures,
    .folders = folders,
    .seen = seen };
  guint splits;

  if (!parse_splits (&splits, split, error))
    return FALSE;
  const gboolean good = read_splits (&s, splits, error);
  defcn_data_yaml_clear (&s.yaml);
  return good;
}

char **
defcn_yolo_set_read_names (const char *path, guint *n_keypoints, GError **error)
{
  g_auto (DefcnDataYaml) yaml = { 0 };
  g_autofree char *text = NULL;
  gsize len;

  if (defcn_yolo_set_is_yaml (path)) {
    if (!defcn_data_yaml_read (&yaml, path, error))
      return NULL;
    if (!yaml.names)
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: no \"names\"",
          path);
    else
      *n_keypoints = yaml.n_keypoints;
    return g_steal_pointer (&yaml.names);
  }
  if (!defcn_file_read_text (&text, &len, path, MAX_BYTES, error))
    return NULL;
  g_strchomp (text);
  return g_strsplit (text, "\n", -1);
}

/* Looks for names beside the labels and up to two folders above. */
static void
find_names (DefcnYoloSet *set, const char *labels)
{
  g_autofree char *folder = g_canonicalize_filename (labels, NULL);

  for (int up = 0; up < 3 && !set->names; up++) {
    g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
    g_autofree char *plain = find_file (folder, is_names);

    if (plain)
      set->names = defcn_yolo_set_read_names (plain, &set->n_keypoints, NULL);
    if (set->names)
      return;
    collect (files, folder, defcn_yolo_set_is_yaml, 0, NULL);
    g_ptr_array_sort (files, by_text);
    for (guint i = 0; i < files->len && !set->names; i++)
      set->names =
          defcn_yolo_set_read_names (files->pdata[i], &set->n_keypoints, NULL);
    char *above = g_path_get_dirname (folder);
    g_free (folder);
    folder = above;
  }
}

/* The folder of pictures that nobody has told. */
static char *
guess_images (const char *labels)
{
  g_autofree char *folder = g_canonicalize_filename (labels, NULL);
  g_autofree char *swapped = swap_folder (folder, "labels", "images");

  return swapped && g_file_test (swapped, G_FILE_TEST_IS_DIR)
      ? g_steal_pointer (&swapped)
      : g_steal_pointer (&folder);
}

/* Label files in @folder that belong to no picture. */
static void
find_lonely (DefcnYoloSet *set, const char *folder)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) used = g_ptr_array_new ();
  guint k = 0;

  collect (files, folder, defcn_yolo_set_is_label, MAX_DEPTH, NULL);
  sort (files);
  for (guint i = 0; i < set->labels->len; i++)
    g_ptr_array_add (used, set->labels->pdata[i]);
  g_ptr_array_sort (used, by_text);
  for (guint i = 0; i < files->len; i++) {
    while (k < used->len && strcmp (used->pdata[k], files->pdata[i]) < 0)
      k++;
    if (k < used->len && g_str_equal (used->pdata[k], files->pdata[i]))
      continue;
    if (set->n_lonely++ == 0)
      set->lonely = g_strdup (files->pdata[i]);
  }
}

static gboolean
open_folder (DefcnYoloSet *set, const char *labels, const char *images,
    GError **error)
{
  g_autoptr (GPtrArray) pictures = g_ptr_array_new_with_free_func (g_free);

  set->root = images ? g_strdup (images) : guess_images (labels);
  if (!collect (pictures, set->root, defcn_picture_is_name, MAX_DEPTH, error))
    return FALSE;
  sort (pictures);
  for (guint i = 0; i < pictures->len; i++) {
    const char *name = (const char *) pictures->pdata[i] + strlen (set->root);
    g_autofree char *below = NULL;

    name += strspn (name, "/");
    below = g_build_filename (labels, name, NULL);
    g_ptr_array_add (set->pictures, g_strdup (name));
    g_ptr_array_add (set->labels, with_ending (below, ".txt"));
  }
  find_names (set, labels);
  find_lonely (set, labels);
  return TRUE;
}

/* Something is there, and it belongs together. */
static gboolean
check (const DefcnYoloSet *set, const char *path, GError **error)
{
  if (set->pictures->len == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: no pictures %s (--images)", set->root ? set->root : path,
        set->root ? "in this folder" : "where it says");
    return FALSE;
  }
  for (guint i = 0; i < set->labels->len; i++)
    if (g_file_test (set->labels->pdata[i], G_FILE_TEST_EXISTS))
      return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: none of %u pictures in %s has a label file; the first would be %s",
      path, set->pictures->len, set->root,
      (const char *) set->labels->pdata[0]);
  return FALSE;
}

DefcnYoloSet *
defcn_yolo_set_open (const char *path, const char *images, const char *split,
    GError **error)
{
  g_autoptr (DefcnYoloSet) set = g_new0 (DefcnYoloSet, 1);
  g_autofree char *yaml = defcn_yolo_set_yaml (path);

  set->pictures = g_ptr_array_new_with_free_func (g_free);
  set->labels = g_ptr_array_new_with_free_func (g_free);
  if (images && defcn_yolo_set_is_yaml (path)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: says itself where the pictures are, --images is for a folder of "
        "labels",
        path);
    return NULL;
  }
  if (!(yaml && !images ? open_yaml (set, yaml, split, error)
                        : open_folder (set, path, images, error))
      || !check (set, path, error))
    return NULL;
  return g_steal_pointer (&set);
}

void
defcn_yolo_set_free (DefcnYoloSet *set)
{
  if (!set)
    return;
  g_free (set->root);
  g_ptr_array_unref (set->pictures);
  g_ptr_array_unref (set->labels);
  g_strfreev (set->names);
  g_free (set->lonely);
  g_free (set->missing);
  g_free (set);
}
