/* Notations of annotations: which there are, how each is read and written.
 *
 * COCO (.json) and CrowdHuman (.odgt) are files; YOLO is a folder of a text
 * file for every picture, Pascal VOC one of XML files.  Boxes of VOC are
 * corners as they are, as its annotation tools write them, not counted from 1.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "folder.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_NOTATION_COCO,
  DEFCN_NOTATION_CROWDHUMAN,
  DEFCN_NOTATION_YOLO,
  DEFCN_NOTATION_VOC,
  DEFCN_N_NOTATIONS
} DefcnNotation;

/* Of the word "coco", "crowdhuman", "yolo" or "voc"; FALSE with @error. */
gboolean defcn_notation_parse (DefcnNotation *format, const char *word,
    GError **error);
/* By what @path is named, or holds if it is a folder; FALSE with @error. */
gboolean defcn_notation_guess (DefcnNotation *format, const char *path,
    GError **error);
/* @images: the folder of pictures, or NULL: where the format has it.  Of YOLO,
 * as of defcn_yolo_read(): @labels, names of its numbers, or NULL, and @split.
 * NULL with @error. */
DefcnDataset *defcn_notation_read (DefcnNotation format, const char *path,
    const char *images, const char *const *labels, const char *split,
    const DefcnReadOptions *options, GError **error);
/* Writes @dataset to @path.  Sizes that it does not have are the pictures'.
 * FALSE with @error: a name or class that the format cannot have. */
gboolean defcn_notation_write (DefcnNotation format, const char *path,
    const DefcnDataset *dataset, DefcnConverted *done, GError **error);

G_END_DECLS
