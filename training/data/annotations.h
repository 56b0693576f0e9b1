/* The door of annotation files: which reader opens which.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "dataset.h"

G_BEGIN_DECLS

/* Opens a .odgt (CrowdHuman) or any other (COCO) file.  Streams it: private
 * memory grows with the annotations kept, not with the file.  @options: NULL
 * for the defaults.  NULL with @error that names the file, and where it can the
 * annotation or line. */
DefcnDataset *defcn_annotations_open (const char *path, const char *image_dir,
    const DefcnReadOptions *options, GError **error);

G_END_DECLS
