/* What formats of one file for every picture have in common. */
#include "folder.h"

#include "data/output.h"
#include "data/text_tree.h"
#include "error.h"

#include <string.h>

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
defcn_folder_list (const char *path, gboolean (*is) (const char *name),
    GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, error);
  const char *name;

  if (!dir)
    return NULL;
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  while ((name = g_dir_read_name (dir)))
    if (is (name))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_strings);
  return names;
}

gboolean
defcn_folder_size (int size[2], const DefcnDataset *dataset, guint i,
    GError **error)
{
  const DefcnSample *sample = dataset->samples->pdata[i];

  size[0] = sample->width;
  size[1] = sample->height;
  if (size[0] > 0 && size[1] > 0)
    return TRUE;
  g_autoptr (DefcnPicture) picture = defcn_dataset_picture (dataset, i, error);
  if (!picture) {
    g_prefix_error (error, "no size in the annotations (see --images): ");
    return FALSE;
  }
  size[0] = picture->width;
  size[1] = picture->height;
  return TRUE;
}

/* The file's name of a picture without its ending, from "/" on and the one way
 * that it can be said; (transfer full). */
static char *
stem_of (const DefcnDataset *dataset, const char *name)
{
  g_autofree char *slashes = g_strdelimit (g_strdup (name), "\\", '/');
  char *stem = g_canonicalize_filename (slashes, "/");
  char *dot = dataset->crowdhuman ? NULL : strrchr (stem, '.');

  if (dot && !strchr (dot, '/'))
    *dot = '\0';
  return stem;
}

gboolean
defcn_folder_check_stems (const DefcnDataset *dataset, const char *taken,
    GError **error)
{
  g_autoptr (GTree) seen = defcn_text_tree_new (g_free, NULL);

  if (taken)
    g_tree_insert (seen, g_strconcat ("/", taken, NULL), (gpointer) taken);
  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *sample = dataset->samples->pdata[i];
    char *stem = stem_of (dataset, sample->name);
    const char *other;

    if ((other = g_tree_lookup (seen, stem))) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          other == taken
              ? "\"%s\", the names of classes, and \"%s\" would be one file"
              : "\"%s\" and \"%s\" would share one file of annotations",
          other, sample->name);
      g_free (stem);
      return FALSE;
    }
    g_tree_insert (seen, stem, (gpointer) sample->name);
  }
  return TRUE;
}

char *
defcn_folder_file (const char *folder, const char *name, const char *ending,
    GError **error)
{
  g_autofree char *slashes = g_strdelimit (g_strdup (name), "\\", '/');
  g_auto (GStrv) parts = g_strsplit (slashes, "/", -1);
  g_autofree char *file = NULL, *below = NULL;
  char *dot = strrchr (slashes, '.');

  if (g_path_is_absolute (slashes)
      || g_strv_contains ((const char *const *) parts, "..")) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "\"%s\" is not a name below a folder", name);
    return NULL;
  }
  if (dot && !strchr (dot, '/'))
    *dot = '\0';
  file = g_strconcat (slashes, ending, NULL);
  char *path = g_build_filename (folder, file, NULL);
  below = g_path_get_dirname (path);
  if (defcn_output_make_folder (below, error))
    return path;
  g_free (path);
  return NULL;
}

int
defcn_folder_class (DefcnDataset *dataset, const char *name)
{
  const gint64 id = dataset->labels->len + 1;
  guint i;

  if (g_ptr_array_find_with_equal_func (dataset->labels, name, g_str_equal, &i))
    return i;
  g_ptr_array_add (dataset->labels, g_strdup (name));
  g_array_append_val (dataset->category_ids, id);
  return id - 1;
}
