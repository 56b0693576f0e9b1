/* Several sets of annotated images as one, and a part of them held out.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "dataset.h"

G_BEGIN_DECLS

/* Opens the files of @annotations, each with its folder of @images (lists,
 * list.h, as many of one as of the other), as one set: the classes of all by
 * their names, in the order in which they come.  CrowdHuman's and COCO's do not
 * go together.  @every: 0, or every so manieth image of each set, by id, goes
 * to *@held (else NULL) instead.  @options: NULL for the
 * defaults.  NULL with @error. */
DefcnDataset *defcn_sets_open (DefcnDataset **held, const char *annotations,
    const char *images, guint every, const DefcnReadOptions *options,
    GError **error);

G_END_DECLS
