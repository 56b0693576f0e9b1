/* Where an image goes: the part of it that is looked at, the size of that in
 * the network's input, and the way back for boxes.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "image.h"

G_BEGIN_DECLS

/* The region in an input of the network of pad_w x pad_h: its size there as it
 * lies in the image, w x h, and upright; w is 0 where there is nothing to look
 * at. */
typedef struct
{
  DefcnRegion region;
  DefcnOrientation orientation;
  int w, h, upright_w, upright_h, pad_w, pad_h;
  gboolean done; /* for who runs several */
} DefcnPlace;

/* The place of what of @region is inside @image, NULL for all of it.  Its size
 * is that of how it is displayed, not of how its pixels are counted. */
void defcn_place_find (DefcnPlace *place, const DefcnImage *image,
    const DefcnRegion *region, const DefcnInputRule *rule);

/* @boxes (DefcnBox) of the upright picture in the network's input -> of the
 * image, clipped to the region. */
void defcn_place_boxes (GArray *boxes, const DefcnPlace *place);

G_END_DECLS
