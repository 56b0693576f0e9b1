/* Which reader opens which annotation file. */
#include "annotations.h"

#include "coco.h"
#include "crowdhuman.h"
#include "error.h"

/* FALSE with @error for what has to be converted first. */
static gboolean
check_form (const char *path, GError **error)
{
  static const char *const endings[] = { ".yaml", ".yml", ".xml", ".txt" };
  const gboolean folder = g_file_test (path, G_FILE_TEST_IS_DIR);
  gboolean other = folder;

  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++)
    other = other || g_str_has_suffix (path, endings[i]);
  if (!other)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: is %s: defcn convert makes a .json of YOLO's and Pascal VOC's", path,
      folder ? "a folder" : "none of COCO's or CrowdHuman's files");
  return FALSE;
}

DefcnDataset *
defcn_annotations_open (const char *path, const char *image_dir,
    const DefcnReadOptions *options, GError **error)
{
  if (!options)
    options = &defcn_read_defaults;
  if (!check_form (path, error))
    return NULL;
  return g_str_has_suffix (path, ".odgt")
      ? defcn_crowdhuman_open (path, image_dir, options, error)
      : defcn_coco_open (path, image_dir, options, error);
}
