/* The ids of a COCO file.  They are whole numbers to most tools and strings to
 * some; numbers of more than 53 bits are kept to the last.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "dataset.h"
#include "json_scan.h"

G_BEGIN_DECLS

typedef struct _DefcnCocoIds DefcnCocoIds;

/* @dataset: borrowed; its odd_ids are filled, those that it has are known. */
DefcnCocoIds *defcn_coco_ids_new (DefcnDataset *dataset);
void defcn_coco_ids_free (DefcnCocoIds *ids);

/* The value of member @key of the JSON object @element as it is written, FALSE
 * where it has none. */
gboolean defcn_coco_ids_member (DefcnJsonSpan *value, const GString *element,
    const char *key);
/* The number for the id @span, JSON; equal ids have equal numbers.  FALSE where
 * it is neither a whole number nor a string. */
gboolean defcn_coco_ids_parse (DefcnCocoIds *ids, const DefcnJsonSpan *span,
    gint64 *id);
/* *@other: the id that is the same number as @id but a string, or the other way
 * round; FALSE where no such one has been parsed or can be. */
gboolean defcn_coco_ids_other (const DefcnCocoIds *ids, gint64 id,
    gint64 *other);
/* Ascending, in place; the libraries' sorts take the memory of the array
 * again. */
void defcn_coco_ids_sort (gint64 *ids, guint n);

G_END_DECLS
