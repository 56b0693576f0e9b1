/* Notations of annotations: which there are, how each is read and written. */
#include "notation.h"

#include "data/annotations.h"
#include "error.h"
#include "files.h"
#include "voc.h"
#include "yolo.h"

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

gboolean
defcn_notation_guess (DefcnNotation *format, const char *path, GError **error)
{
  if (g_str_has_suffix (path, ".json"))
    *format = DEFCN_NOTATION_COCO;
  else if (g_str_has_suffix (path, ".odgt"))
    *format = DEFCN_NOTATION_CROWDHUMAN;
  else if (holds (path, defcn_voc_is_file))
    *format = DEFCN_NOTATION_VOC;
  else if (holds (path, defcn_yolo_is_file))
    *format = DEFCN_NOTATION_YOLO;
  else {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: neither .json nor .odgt nor a folder of .xml or .txt: say which "
        "format it is",
        path);
    return FALSE;
  }
  return TRUE;
}

DefcnDataset *
defcn_notation_read (DefcnNotation format, const char *path, const char *images,
    const char *const *labels, const DefcnReadOptions *options, GError **error)
{
  if (format == DEFCN_NOTATION_YOLO)
    return defcn_yolo_read (path, images, labels, options, error);
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
