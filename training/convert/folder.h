/* What formats of one file for every picture have in common.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "data/dataset.h"

G_BEGIN_DECLS

/* What was written. */
typedef struct
{
  guint n_images, n_objects;
  guint n_left_out; /* crowds and ignored boxes, where the format has none */
} DefcnConverted;

/* Names of the files in @path for which @is holds, sorted; (transfer full), of
 * char *.  NULL with @error. */
GPtrArray *defcn_folder_list (const char *path,
    gboolean (*is) (const char *name), GError **error);
/* The size of sample @i, from its picture where the annotations do not say. */
gboolean defcn_folder_size (int size[2], const DefcnDataset *dataset, guint i,
    GError **error);
/* FALSE with @error where two pictures are called the same but for their
 * endings, "./" and the like: their files would be one; or where a picture is
 * called @taken, NULL: none, which is that of another file. */
gboolean defcn_folder_check_stems (const DefcnDataset *dataset,
    const char *taken, GError **error);
/* Path below @folder of the file for a picture's @name, with @ending in place
 * of its own; the folders on the way are made.  (transfer full); NULL with
 * @error where @name leads elsewhere. */
char *defcn_folder_file (const char *folder, const char *name,
    const char *ending, GError **error);
/* The class of @name in @dataset, a new one where it has none. */
int defcn_folder_class (DefcnDataset *dataset, const char *name);

G_END_DECLS
