/* Which reader opens which annotation file. */
#include "annotations.h"

#include "coco.h"
#include "crowdhuman.h"

DefcnDataset *
defcn_annotations_open (const char *path, const char *image_dir,
    const DefcnReadOptions *options, GError **error)
{
  if (!options)
    options = &defcn_read_defaults;
  return g_str_has_suffix (path, ".odgt")
      ? defcn_crowdhuman_open (path, image_dir, options, error)
      : defcn_coco_open (path, image_dir, options, error);
}
