/* The detections of one class after matching: precision over recall, and what
 * other images would have made of it (bootstrap).
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DEFCN_MATCH_RECALLS 101   /* 0, 0.01 .. 1 */
#define DEFCN_MATCH_THRESHOLDS 10 /* IoU 0.5, 0.55 .. 0.95 */

/* One detection at every IoU threshold. */
typedef struct
{
  double score;
  int rank; /* within its image, best 0 */
  guint image, order;
  guint16 matched, ignored; /* bit per threshold */
} DefcnMatch;

typedef struct
{
  GArray *matches; /* of DefcnMatch */
  guint *counts;   /* how many objects every image has that count */
  guint n_images;
  guint n_objects; /* of all images */
} DefcnMatches;

/* No matches and no objects. */
DefcnMatches *defcn_matches_new (guint n_images);
void defcn_matches_free (DefcnMatches *matches);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnMatches, defcn_matches_free)

/* By descending score, in the order of equal ones, as the others want it. */
void defcn_matches_sort (DefcnMatches *matches);
/* The precision at every recall and the largest recall, at IoU 0.5 + 0.05 *
 * @threshold, of the best @limit detections of an image.  There must be an
 * object. */
void defcn_matches_precision (const DefcnMatches *matches, int threshold,
    int limit, double precision[DEFCN_MATCH_RECALLS], double *recall);
/* AP and AP50, means over @classes (of DefcnMatches, of the same images) that
 * have an object, of @n sets of as many images, drawn with replacement; -1
 * where a set has no object.  The draws depend on the number of images
 * alone. */
void defcn_matches_bootstrap (const GPtrArray *classes, guint n, double *ap,
    double *ap50);

/* The quantile @q, 0 .. 1, of @n figures in any order, those below 0 left out;
 * linear between neighbours, as numpy.quantile; -1 where nothing is left. */
double defcn_matches_quantile (const double *values, guint n, double q);

G_END_DECLS
