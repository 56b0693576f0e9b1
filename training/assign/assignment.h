/* What an assignment is: the class of every location of an image and the object
 * that it stands for; with what all ways to it have in common.
 *
 * Locations are numbered P3 .. P7, row-major inside a level; where they have
 * several boxes it is those, one after the other.
 * Thread rule: re-entrant.
 */
#pragma once

#include "points.h"

G_BEGIN_DECLS

typedef struct _DefcnAssigner DefcnAssigner;

/* One-to-many assignments of the auxiliary loss, table 9. */
typedef enum
{
  DEFCN_AUXILIARY_QUALITY_ATSS,
  DEFCN_AUXILIARY_QUALITY_TOPK,
  DEFCN_AUXILIARY_QUALITY_FCOS,
  DEFCN_AUXILIARY_ATSS,
  DEFCN_AUXILIARY_FCOS,
} DefcnAuxiliaryKind;

typedef struct
{
  const DefcnAssigner *assigner;
  float alpha;  /* POTO, 0.8 */
  float radius; /* centre sampling in strides, 1.5; 0: inside the box; below 0:
                   anywhere, "global" in table 3 */
  int aux_topk; /* auxiliary one-to-many assignment, 9; 0: no aux loss */
  /* POTO: an object that no allowed location is left for, or none with a number
   * for its quality, has none.  The reference gives it one all the same: P3's
   * first, where that is free. */
  gboolean skip_unplaced;
  gboolean ignore_regions; /* background in an ignored object has no class */
  gboolean additive; /* quality is a sum, "Add" in table 4, not a product */
  DefcnAuxiliaryKind auxiliary;
} DefcnAssignRule;

/* What an assigner is told of an image. */
typedef struct
{
  const DefcnAssignRule *rule;
  const DefcnPoint *points;          /* n_points */
  const DefcnObject *const *objects; /* n_objects, none of them ignored */
  const float *quality;              /* (n_objects, n_points), eq. 4, or NULL */
  int n_points, n_objects, n_classes;
} DefcnAssignInput;

/* A way of assigning; the table of them is in assign.c. */
struct _DefcnAssigner
{
  const char *name; /* its word in a recipe */
  /* It goes by the quality of eq. 4 and so, with 3DMF, by the filter; the
   * others never see it and train without. */
  gboolean has_quality;
  gboolean has_predictions; /* it reads those of the points itself */
  int anchors; /* those of a location that it is for (spec.h), 0: any */
  /* @winners: for every point the index of its object, -1 for background,
   * DEFCN_WINNER_NEITHER for what shall classify nothing. */
  void (*run) (int *winners, const DefcnAssignInput *input);
};

#define DEFCN_WINNER_NEITHER (-2)

#define DEFCN_CLASS_IGNORED (-1) /* a location that classifies nothing */

typedef struct
{
  int n_locations;
  int n_classes;
  int n_foreground;
  int *classes;        /* n_locations: class, n_classes for background,
                          DEFCN_CLASS_IGNORED for neither */
  int *objects;        /* n_locations: index of the object, -1 background */
  float (*targets)[4]; /* n_locations: l, t, r, b; foreground only */
} DefcnAssignment;

DefcnAssignment *defcn_assignment_new (int n_locations, int n_classes);
void defcn_assignment_free (DefcnAssignment *assignment);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnAssignment, defcn_assignment_free)

/* The objects that are not ignored, which have a class below @n_classes; into
 * @origin their indices in @objects.  Both have room for all.  Returns: how
 * many. */
int defcn_assignment_keep (const DefcnObject **kept, int *origin,
    const GArray *objects, int n_classes);
/* Fills @out from @winners, the index in @kept of every location's object, -1
 * or DEFCN_WINNER_NEITHER. */
void defcn_assignment_set (DefcnAssignment *out, const int *winners,
    const DefcnPoint *points, const DefcnObject *const *kept,
    const int *origin);
/* Makes the background of @out whose point is inside an ignored object of
 * @objects DEFCN_CLASS_IGNORED. */
void defcn_assignment_ignore (DefcnAssignment *out, const DefcnPoint *points,
    const GArray *objects);

G_END_DECLS
