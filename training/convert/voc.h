/* Pascal VOC's annotations: an XML file for every picture.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "folder.h"

G_BEGIN_DECLS

gboolean defcn_voc_is_file (const char *name);
/* What is difficult is a crowd: figures ignore it, training leaves it out. */
DefcnDataset *defcn_voc_read (const char *path, const char *images,
    const DefcnReadOptions *options, GError **error);
gboolean defcn_voc_write (const char *path, const DefcnDataset *dataset,
    DefcnConverted *done, GError **error);

G_END_DECLS
