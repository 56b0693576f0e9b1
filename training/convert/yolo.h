/* YOLO's annotations: NAME.txt for picture NAME, a line for every object: class
 * number, then centre x, centre y, width and height as parts of the picture, or
 * the points of a polygon, whose box is taken.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "folder.h"

G_BEGIN_DECLS

gboolean defcn_yolo_is_file (const char *name);
DefcnDataset *defcn_yolo_read (const char *path, const char *images,
    const char *const *labels, const DefcnReadOptions *options, GError **error);
/* Beside the files, classes.txt has the names. */
gboolean defcn_yolo_write (const char *path, const DefcnDataset *dataset,
    DefcnConverted *done, GError **error);

G_END_DECLS
