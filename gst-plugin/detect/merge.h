/* Objects of regions that overlap: what two of them have found is one object.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "job.h"

G_BEGIN_DECLS

/* Takes from @objects (GstDefcnObject) the ones that are those of others, seen
 * from another region.  @owners: for each, the index (guint) in @regions
 * (GstDefcnRegion) of where it was found, ascending; both arrays shrink alike.
 * @visible: the picture that the boxes are normalised to, in pixels of the
 * image, as regions are.
 *
 * Two objects of two regions and one class are the same if their boxes cover
 * each other within what both regions see (IoU 0.5), and the smaller of them
 * mostly lies in there: a person that the edge of one region cuts is still one.
 * Each has one partner in another region at most, the nearest, so that a crowd
 * stays one.  What stays is the box that no edge of its region cuts inside the
 * picture, or else the larger one where both are cut, the more confident one
 * where none is; with the better confidence of the two.  And a box that an edge
 * cuts goes where another region sees all of it and has found something whole
 * that covers a fifth of it: what is seen of an object may be put beside it. */
void gst_defcn_merge_regions (GArray *objects, GArray *owners,
    const GArray *regions, const GstDefcnPixels *visible);

G_END_DECLS
