/* A data set of YOLO's: which pictures there are, where their label files lie,
 * what the classes are called.
 *
 * It is either a folder of label files and a folder of pictures, which may have
 * folders in them, or what a data.yaml says: folders of pictures, or lists of
 * them, with "labels" for the last "images" in the paths of the label files, or
 * these beside the pictures.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  char *root;          /* folder of the pictures */
  GPtrArray *pictures; /* of char *, below it, sorted */
  GPtrArray *labels;   /* of char *: paths of their label files, which need not
                          be there */
  char **names;        /* of the classes by number, or NULL: none are told */
  guint n_keypoints;   /* columns behind the box of a row, 0: none */
  guint n_lonely;      /* label files without a picture */
  char *lonely;        /* the first of them, or NULL */
  guint n_missing;     /* pictures of a list that are not there */
  char *missing;       /* the first of them, or NULL */
} DefcnYoloSet;

/* Whether @name is that of a label file, of a YAML file. */
gboolean defcn_yolo_set_is_label (const char *name);
gboolean defcn_yolo_set_is_yaml (const char *name);
/* The names of classes in @path, one a line or of a data.yaml, which may say
 * @n_keypoints too; (transfer full), NULL with @error where it has none. */
char **defcn_yolo_set_read_names (const char *path, guint *n_keypoints,
    GError **error);
/* The data.yaml that @path is or, a folder without label files, has; (transfer
 * full), or NULL. */
char *defcn_yolo_set_yaml (const char *path);
/* @path: the folder of labels, or a data.yaml or a folder that has one.
 * @images: the folder of pictures; NULL: "images" for "labels" in @path, or
 * @path, or what data.yaml says.  @split: of data.yaml train, val or test, or
 * several with "," between them; NULL: train.  Names are in data.yaml, in
 * classes.txt or a .names or .yaml file beside the labels, or up to two folders
 * above.  NULL with @error: no pictures, or of none of them a label file. */
DefcnYoloSet *defcn_yolo_set_open (const char *path, const char *images,
    const char *split, GError **error);
void defcn_yolo_set_free (DefcnYoloSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnYoloSet, defcn_yolo_set_free)

G_END_DECLS
