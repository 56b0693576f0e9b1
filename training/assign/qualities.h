/* The qualities that the matching of a batch needs, from a backend that keeps
 * the predictions: which ones are wanted of each image, and what came back.
 *
 * Thread rule: one thread at a time per object.
 */
#pragma once

#include "assignment.h"
#include "backend.h"

G_BEGIN_DECLS

typedef struct _DefcnQualities DefcnQualities;

DefcnQualities *defcn_qualities_new (void);
void defcn_qualities_free (DefcnQualities *qualities);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnQualities, defcn_qualities_free)

/* Begins a batch to be matched by @rule. */
void defcn_qualities_begin (DefcnQualities *qualities,
    const DefcnAssignRule *rule);
/* Adds its next image, with @objects as defcn_assign_run() takes them.
 * @levels: sizes and strides, the values are not read. */
void defcn_qualities_add (DefcnQualities *qualities, const DefcnLevel *levels,
    int n_levels, const GArray *objects);
/* Asks @be, which has a learner.  FALSE with @error set. */
gboolean defcn_qualities_run (DefcnQualities *qualities, DefcnBackend *be,
    const DefcnHeads *heads, GError **error);

/* Of the image @image: (objects that are not ignored, @n_locations), -1 outside
 * the prior, as poto.h has it. */
void defcn_qualities_fill (const DefcnQualities *qualities, float *quality,
    int image, int n_locations);
/* The best locations of all levels for one of those objects, without the
 * filter.  Returns: how many; they fit the locations of the image. */
int defcn_qualities_best (const DefcnQualities *qualities, int *locations,
    float *quality, int image, int object);

G_END_DECLS
