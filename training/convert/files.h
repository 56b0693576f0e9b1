/* COCO's and CrowdHuman's annotations, written row by row.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "folder.h"

G_BEGIN_DECLS

/* What CrowdHuman ignores is a crowd. */
gboolean defcn_files_write_coco (const char *path, const DefcnDataset *dataset,
    DefcnConverted *done, GError **error);
/* Of one class, "person"; a crowd is ignored; an ID is the picture's name
 * without its ending. */
gboolean defcn_files_write_crowdhuman (const char *path,
    const DefcnDataset *dataset, DefcnConverted *done, GError **error);

G_END_DECLS
