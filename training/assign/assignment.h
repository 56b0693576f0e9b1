/* What an assignment is: the class of every location of an image and the object
 * that it stands for; with what all ways to it have in common.
 *
 * Locations are numbered P3 .. P7, row-major inside a level.
 * Thread rule: re-entrant.
 */
#pragma once

#include "points.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_ASSIGN_POTO,
  DEFCN_ASSIGN_POTO_ARGMAX,
  DEFCN_ASSIGN_FCOS, /* without centerness */
} DefcnAssigner;

typedef struct
{
  DefcnAssigner assigner;
  float alpha;  /* POTO, 0.8 */
  float radius; /* centre sampling in strides, 1.5; 0: inside the box */
  int aux_topk; /* auxiliary one-to-many assignment, 9; 0: no aux loss */
} DefcnAssignRule;

typedef struct
{
  int n_locations;
  int n_classes;
  int n_foreground;
  int *classes;        /* n_locations: class, n_classes for background */
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
 * for background.  @points: NULL: without targets. */
void defcn_assignment_set (DefcnAssignment *out, const int *winners,
    const DefcnPoint *points, const DefcnObject *const *kept,
    const int *origin);

G_END_DECLS
