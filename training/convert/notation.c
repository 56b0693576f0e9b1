/* Notations of annotations: which there are, how each is read and written. */
#include "notation.h"

#include "data/annotations.h"
#include "error.h"
#include "files.h"
#include "voc.h"
#include "yolo.h"
#include "yolo_set.h"

static const char *const words[DEFCN_N_NOTATIONS] = { "coco", "crowdhuman",
  "yolo", "voc" };

gboolean
defcn_notation_parse (DefcnNotation *format, const char *word, GError **error)
{
  for (int k = 0; k < DEFCN_N_NOTATIONS; k++) {
    if (g_str_equal (word, words[k])) {
      *format = k;
      return TRUE;
    }
  }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "no format \"%s\": coco, crowdhuman, yolo, voc", word);
  return FALSE;
}

static gboolean
holds (const char *path, gboolean (*is) (const char *name))
{
  g_autoptr (GPtrArray) names = defcn_folder_list (path, is, NULL);

  return names && names->len > 0;
}

/* Whether @path has a data.yaml, or folders of label files. */
static gboolean
has_yolo (const char *path)
{
  g_autofree char *yaml = defcn_yolo_set_yaml (path);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  if (yaml)
    return TRUE;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *below = g_build_filename (path, name, NULL);

    if (holds (below, defcn_yolo_set_is_label))
      return TRUE;
  }
  return FALSE;
}

gboolean
defcn_notation_guess (DefcnNotation *format, const char *path, GError **error)
{
  if (g_str_has_suffix (path, ".json"))
    *format = DEFCN_NOTATION_COCO;
  else if (g_str_has_suffix (path, ".odgt"))
    *format = DEFCN_NOTATION_CROWDHUMAN;
  else if (defcn_yolo_set_is_yaml (path))
    *format = DEFCN_NOTATION_YOLO;
  else if (holds (path, defcn_voc_is_file))
    *format = DEFCN_NOTATION_VOC;
  else if (holds (path, defcn_yolo_set_is_label) || has_yolo (path))
    *format = DEFCN_NOTATION_YOLO;
  else {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: neither .json nor .odgt nor .yaml nor a folder of .xml or .txt: "
        "say which format it is",
        path);
    return FALSE;
  }
  return TRUE;
}

/* The folder that has the pictures of @path where nobody says it. */
static char *
pictures_of (DefcnNotation format, const char *path)
{
  static const char *const names[] = { "JPEGImages", "images" };
  g_autofree char *plain = g_canonicalize_filename (path, NULL);
  g_autofree char *folder = g_path_get_dirname (plain);

  for (gsize i = 0; format == DEFCN_NOTATION_VOC && i < G_N_ELEMENTS (names);
       i++) {
    char *pictures = g_build_filename (folder, names[i], NULL);

    if (g_file_test (pictures, G_FILE_TEST_IS_DIR))
      return pictures;
    g_free (pictures);
  }
  return format == DEFCN_NOTATION_VOC ? g_steal_pointer (&plain)
                                      : g_path_get_dirname (path);
}

DefcnDataset *
defcn_notation_read (DefcnNotation format, const char *path, const char *images,
    const char *const *labels, const char *split,
    const DefcnReadOptions *options, GError **error)
{
  g_autofree char *folder = NULL;

  if (format == DEFCN_NOTATION_YOLO)
    return defcn_yolo_read (path, images, labels, split, options, error);
  if (!images)
    images = folder = pictures_of (format, path);
  if (format == DEFCN_NOTATION_VOC)
    return defcn_voc_read (path, images, options, error);
  return defcn_annotations_open (path, images, options, error);
}

gboolean
defcn_notation_write (DefcnNotation format, const char *path,
    const DefcnDataset *dataset, DefcnConverted *done, GError **error)
{
  static gboolean (*const writers[DEFCN_N_NOTATIONS]) (const char *path,
      const DefcnDataset *dataset, DefcnConverted *done,
      GError **error) = { defcn_files_write_coco, defcn_files_write_crowdhuman,
    defcn_yolo_write, defcn_voc_write };

  *done = (DefcnConverted){ 0 };
  return writers[format](path, dataset, done, error);
}
