/* Where an image goes in the network's input, and boxes back. */
#include "place.h"

#include "boxes.h"

static DefcnRegion
clip_region (const DefcnRegion *region, const DefcnImage *image)
{
  if (!region)
    return (DefcnRegion){ 0, 0, image->width, image->height };

  /* 64 bits: a caller's region may lie anywhere. */
  const gint64 x1 = MAX (0, region->x), y1 = MAX (0, region->y);
  const gint64 x2 = MIN (image->width, (gint64) region->x + region->w);
  const gint64 y2 = MIN (image->height, (gint64) region->y + region->h);
  return (DefcnRegion){ x1, y1, MAX (0, x2 - x1), MAX (0, y2 - y1) };
}

static int
round_up (int x, int divisor)
{
  return (x + divisor - 1) / divisor * divisor;
}

/* The size of the region in the network's input, as it lies in the image and
 * upright: that of how it is displayed, not of how its pixels are counted. */
static void
find_size (DefcnPlace *place, const DefcnImage *image,
    const DefcnInputRule *rule)
{
  const DefcnRegion *r = &place->region;
  const double aspect = image->par_n ? (double) image->par_n / image->par_d : 1;
  const int display_w = MAX (1, (int) (r->w * aspect + 0.5));

  place->orientation = image->orientation;
  if (defcn_image_turn_swaps (image->orientation)) {
    defcn_image_target_size (&place->upright_w, &place->upright_h, r->h,
        display_w, rule->short_edge, rule->long_edge);
    place->w = place->upright_h;
    place->h = place->upright_w;
  } else {
    defcn_image_target_size (&place->upright_w, &place->upright_h, display_w,
        r->h, rule->short_edge, rule->long_edge);
    place->w = place->upright_w;
    place->h = place->upright_h;
  }
}

void
defcn_place_find (DefcnPlace *place, const DefcnImage *image,
    const DefcnRegion *region, const DefcnInputRule *rule)
{
  *place = (DefcnPlace){ .region = clip_region (region, image) };
  if (place->region.w == 0 || place->region.h == 0)
    return;
  find_size (place, image, rule);
  place->pad_w = round_up (place->upright_w, rule->divisor);
  place->pad_h = round_up (place->upright_h, rule->divisor);
}

/* Boxes of the upright picture -> of the one before it was turned. */
static void
turn_boxes (GArray *boxes, DefcnOrientation orientation, int w, int h)
{
  const DefcnTurn t = defcn_image_turn (orientation, w, h);
  /* Edges, which lie between pixels, are counted from 0 to w, not w - 1. */
  const int x0 = t.xx + t.xy < 0 ? w : 0, y0 = t.yx + t.yy < 0 ? h : 0;

  for (guint i = 0; i < boxes->len; i++) {
    DefcnBox *b = &g_array_index (boxes, DefcnBox, i);
    const float xa = t.xx * b->x1 + t.xy * b->y1 + x0;
    const float xb = t.xx * b->x2 + t.xy * b->y2 + x0;
    const float ya = t.yx * b->x1 + t.yy * b->y1 + y0;
    const float yb = t.yx * b->x2 + t.yy * b->y2 + y0;

    b->x1 = MIN (xa, xb);
    b->x2 = MAX (xa, xb);
    b->y1 = MIN (ya, yb);
    b->y2 = MAX (ya, yb);
  }
}

void
defcn_place_boxes (GArray *boxes, const DefcnPlace *place)
{
  const DefcnRegion *r = &place->region;

  if (place->orientation != DEFCN_ORIENTATION_UPRIGHT)
    turn_boxes (boxes, place->orientation, place->w, place->h);
  defcn_boxes_to_image (boxes, (double) r->w / place->w,
      (double) r->h / place->h, r->x, r->y, r->x + r->w, r->y + r->h);
}
