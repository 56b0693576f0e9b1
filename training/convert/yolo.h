/* YOLO's annotations: NAME.txt for picture NAME, a line for every object: class
 * number, then centre x, centre y, width and height as parts of the picture, or
 * the points of a polygon, whose box is taken.  A confidence at the end and the
 * key points of a pose are passed over.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "folder.h"

G_BEGIN_DECLS

/* @path, @images, @split: as of defcn_yolo_set_open().  @labels: the names;
 * NULL: those of the set, or the numbers. */
DefcnDataset *defcn_yolo_read (const char *path, const char *images,
    const char *const *labels, const char *split,
    const DefcnReadOptions *options, GError **error);
/* Beside the files, classes.txt has the names. */
gboolean defcn_yolo_write (const char *path, const DefcnDataset *dataset,
    DefcnConverted *done, GError **error);

G_END_DECLS
