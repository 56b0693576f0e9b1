/* What became of a model's detections, of all images and classes.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A detection after matching at IoU 0.5; a miss when all is FALSE. */
typedef struct
{
  double score;
  gboolean hit;       /* took an object; never together with the next */
  gboolean ignored;   /* neither right nor wrong: it lies on a crowd */
  gboolean duplicate; /* of a better one, by coco_eval.h's rule */
} DefcnOutcome;

typedef struct
{
  GArray *outcomes; /* of DefcnOutcome */
  guint n_objects;  /* that could be hit */
} DefcnOutcomes;

/* No outcomes; clear it after use. */
void defcn_outcomes_init (DefcnOutcomes *outcomes);
void defcn_outcomes_clear (DefcnOutcomes *outcomes);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DefcnOutcomes, defcn_outcomes_clear)

/* By descending score, as all who read them want it. */
void defcn_outcomes_sort (DefcnOutcomes *outcomes);

G_END_DECLS
