/* The Jaccard index (JI) of CrowdHuman: of the boxes and persons of a picture,
 * the share that found each other, as CrowdHuman's toolkit computes it (that of
 * CrowdDet, arXiv 2003.09163).
 *
 * At a threshold of the scores, a picture with K detections over it and M
 * persons has
 *
 *   k / (m + n - k + 1e-6)
 *
 * where k are the pairs of the matching of detections and persons with the
 * largest sum of IoUs, each over 0.5; n and m are K and M without those that
 * are in no pair and lie on an ignored region with over half of their area.
 * The mean is over the pictures whose n or m is not 0, the index the best of
 * the thresholds 0, 0.1 .. 0.9.
 *
 * Thread rule: one thread at a time per sum.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DEFCN_JACCARD_THRESHOLDS 10

/* Corners in pixels; the score is read of detections alone. */
typedef struct
{
  double x1, y1, x2, y2, score;
} DefcnJaccardBox;

/* In square pixels. */
double defcn_jaccard_area (const DefcnJaccardBox *box);
double defcn_jaccard_intersection (const DefcnJaccardBox *a,
    const DefcnJaccardBox *b);

/* Zero it before the first picture. */
typedef struct
{
  double ratios[DEFCN_JACCARD_THRESHOLDS];
  guint n_images[DEFCN_JACCARD_THRESHOLDS]; /* that have anything */
} DefcnJaccard;

/* Adds a picture. */
void defcn_jaccard_add (DefcnJaccard *sum, const DefcnJaccardBox *detections,
    guint n_detections, const DefcnJaccardBox *persons, guint n_persons,
    const DefcnJaccardBox *ignored, guint n_ignored);
/* The index, *@threshold that it is the best at: of equal ones the lowest; 0
 * and 0 without pictures. */
double defcn_jaccard_best (const DefcnJaccard *sum, double *threshold);

G_END_DECLS
