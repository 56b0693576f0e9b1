/* What is right and wrong about a picture's boxes, and what becomes of every
 * class: the confusion matrix.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "data/dataset.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_VERDICT_RIGHT,   /* of an object's class, at IoU 0.5 */
  DEFCN_VERDICT_TWIN,    /* a second one of an object that has a better */
  DEFCN_VERDICT_OTHER,   /* an object's place, but another class */
  DEFCN_VERDICT_NOTHING, /* where nothing is */
  DEFCN_VERDICT_IGNORED, /* half or more of it is on a crowd */
  DEFCN_VERDICT_MISSED,  /* an object that no box is right about */
  DEFCN_VERDICT_CROWD,   /* a region of objects nobody counted */
  DEFCN_N_VERDICTS
} DefcnVerdictKind;

/* Of a box, or of an object: then the score is -1. */
typedef struct
{
  DefcnBox box;
  DefcnVerdictKind kind;
  int truth; /* the class of the object that is there, -1: none */
} DefcnVerdict;

/* @boxes: DefcnBox by descending score; @objects: DefcnObject, in their pixels.
 * First every box takes the object of its class that it overlaps most, as COCO
 * has it; then what is left takes what is left of other classes.  (transfer
 * full), of DefcnVerdict, the boxes first, in their order. */
GArray *defcn_verdict_find (const GArray *boxes, const GArray *objects);
/* What is wrong: all but right, ignored and crowd. */
guint defcn_verdict_errors (const GArray *verdicts);

/* Of @n classes: counts[t * (n + 1) + p], objects of class t by the class p of
 * their boxes; t = n: nothing was there, p = n: nothing was found.  A box of
 * another class is one entry; a twin is nothing that was found. */
void defcn_verdict_count (guint *counts, int n, const GArray *verdicts);

G_END_DECLS
