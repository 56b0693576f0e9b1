/* Label assignment: which locations are the foreground of which object
 * (SPEC 5).  One image at a time, from the current predictions, no gradient.
 *
 * Locations are numbered P3 .. P7, row-major inside a level (SPEC, notation).
 * Thread rule: re-entrant.
 */
#pragma once

#include "data/dataset.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_ASSIGN_POTO,        /* 5.1 */
  DEFCN_ASSIGN_POTO_ARGMAX, /* 5.2 */
  DEFCN_ASSIGN_FCOS,        /* 5.6, without centerness */
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

/* Number of locations of @levels. */
int defcn_assign_locations (const DefcnLevel *levels, int n_levels);

/* Fills @out.  @objects: array of DefcnObject in input pixels; label < 0 is
 * left out first.  @levels: predictions of the image (fp32 after the box
 * branch). */
void defcn_assign_run (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects);
/* 5.8: classes and objects only, targets untouched. */
void defcn_assign_aux (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects);

/* The same with the qualities of image @image that a backend has computed, for
 * the same rule and objects, instead of the levels' values, which are not read. */
typedef struct _DefcnQualities DefcnQualities; /* quality.h */
void defcn_assign_run_with (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image);
void defcn_assign_aux_with (DefcnAssignment *out, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, const GArray *objects,
    const DefcnQualities *qualities, int image);

/* The quality matrix of eq. 4 for all (object, location) pairs, -1 outside the
 * prior; for tests.  @quality: (objects, n_locations). */
void defcn_assign_quality (float *quality, const DefcnAssignRule *rule,
    const DefcnLevel *levels, int n_levels, int n_classes,
    const GArray *objects);

G_END_DECLS
