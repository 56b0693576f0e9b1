/* CrowdHuman annotation files (.odgt).
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "dataset.h"

G_BEGIN_DECLS

/* Reads @path, as defcn_annotations_open() does. */
DefcnDataset *defcn_crowdhuman_open (const char *path, const char *image_dir,
    const DefcnReadOptions *options, GError **error);

G_END_DECLS
