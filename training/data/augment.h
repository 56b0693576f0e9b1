/* From an annotated picture to a training example at network size.
 *
 * Thread rule: re-entrant; all randomness comes from the GRand passed in.
 */
#pragma once

#include "dataset.h"
#include "picture.h"

G_BEGIN_DECLS

/* The paper's recipe is resize and flip; the rest is off by default. */
typedef struct
{
  int short_edges[16], n_short_edges; /* one is drawn, all alike */
  int long_edge;
  float flip;   /* probability of a horizontal flip, 0.5 */
  float color;  /* strength of brightness, contrast, saturation, hue
                            jitter, 0: off; each factor in 1 +- color */
  float crop;   /* probability of a random crop to 0.5..1 of each side
                            that keeps the centre of at least one box */
  float expand; /* probability of placing the picture on a mean
                            coloured canvas up to 1.5 times as large */
  float mosaic; /* probability of joining four pictures, each on a quarter
                            of the canvas; done by the loader, which has the
                            other three; needs a canvas */
  /* Large-scale jitter (Ghiasi et al. 2021), in place of short_edges and
   * long_edge: every example is canvas_width x canvas_height; the picture is
   * scaled to fit the canvas times a factor drawn from scale_min..scale_max
   * (log-uniform), then placed or cropped at random; the rest has the mean
   * colour.  A box that keeps less than a quarter of its area goes, unless it
   * is ignored. */
  int canvas_width, canvas_height; /* 0: off */
  float scale_min, scale_max;
} DefcnAugment;

/* A training example: RGB at network size and boxes in its pixels. */
typedef struct
{
  int width, height;
  guint8 *rgb;
  GArray *objects; /* of DefcnObject: clipped, none empty; label -1 is a region
                      to ignore: a crowd, or what CrowdHuman ignores */
} DefcnExample;

void defcn_example_free (DefcnExample *example);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnExample, defcn_example_free)

/* Scales, flips and clips; boxes that come out empty go.  With everything but
 * resize and flip off this is the reference's pipeline exactly (cvpods,
 * ResizeShortestEdge and RandomFlip). */
DefcnExample *defcn_augment_run (const DefcnAugment *augment,
    const DefcnPicture *picture, const GArray *objects, GRand *rand);

G_END_DECLS
