/* The evaluators of all columns: the boxes of each picture go in, the figures
 * come out.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "figures.h"

G_BEGIN_DECLS

typedef struct _DefcnColumns DefcnColumns;

/* @dataset: borrowed, outlives the columns. */
DefcnColumns *defcn_columns_new (const DefcnDataset *dataset,
    float duplicate_threshold);
void defcn_columns_free (DefcnColumns *columns);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnColumns, defcn_columns_free)

/* @boxes: DefcnBox by descending score in the pixels of sample @i's picture,
 * @width x @height; they are brought to those of the annotations' record. */
void defcn_columns_add (DefcnColumns *columns, DefcnColumn column, guint i,
    int width, int height, GArray *boxes);
/* The same for boxes of other programs in the pixels of the annotations: n rows
 * of x, y, w, h, score and class.  May be called several times for a sample of
 * COCO data. */
void defcn_columns_add_xywh (DefcnColumns *columns, DefcnColumn column, guint i,
    int width, int height, const double (*xywh)[4], const double *score,
    const int *label, guint n);
/* Fills all figures of @figures that come from boxes.  Read of it are own,
 * nms_iou, the thresholds, least_objects, n_draws and recall, which becomes
 * what the own column has at the working threshold if it is 0. */
void defcn_columns_measure (DefcnColumns *columns, DefcnFigures *figures);

G_END_DECLS
