/* The categories of a COCO file: which of them become classes.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "dataset.h"

G_BEGIN_DECLS

typedef struct _DefcnCocoCategories DefcnCocoCategories;

typedef struct
{
  gint64 id;
  char *name, *super;
  int label;   /* class; -1: of none of the wanted ones, or not the first */
  guint first; /* index of the first category of its name */
  guint n;     /* its annotations, which the reader counts */
} DefcnCocoCategory;

/* @dataset: borrowed; gets the classes.  @wanted: a list of their
 * names (list.h); NULL: all. */
DefcnCocoCategories *defcn_coco_categories_new (DefcnDataset *dataset,
    const char *wanted);
void defcn_coco_categories_free (DefcnCocoCategories *categories);

/* FALSE with @error where @name is none that can be shown. */
gboolean defcn_coco_categories_add (DefcnCocoCategories *categories, gint64 id,
    const char *name, const char *super, GError **error);
/* Numbers the wanted classes by ascending id, from 0, those of one name alike;
 * the others are left out.  FALSE with @error: none, one twice, a wanted one
 * that is not there. */
gboolean defcn_coco_categories_index (DefcnCocoCategories *categories,
    GError **error);
/* The category with that id, or the first of its name, NULL for none; lent,
 * valid until the next add. */
DefcnCocoCategory *defcn_coco_categories_find (DefcnCocoCategories *categories,
    gint64 id);
/* Takes away what some tools write for the whole project: no annotation has it,
 * and another category calls itself a kind of it. */
void defcn_coco_categories_remove_roots (DefcnCocoCategories *categories);

G_END_DECLS
