/* 3D max filtering as post-processing, which a trained model knows nothing of:
 * a score stays where it is the largest of its tube (table 5).
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "levels.h"

G_BEGIN_DECLS

/* The tube: @tau / 2 levels on either side, @phi x @phi locations; @phi 0: no
 * filter. */
typedef struct
{
  int tau; /* even, 0 .. 8 */
  int phi; /* odd, up to 15 */
} DefcnMaxFilter;

/* "TAU,PHI"; FALSE where it is none. */
gboolean defcn_max_filter_parse (DefcnMaxFilter *filter, const char *text);

/* Whether the final score of class @label of @box (row * width + column; where
 * locations have several boxes, times their number, and each is compared with
 * those of its own anchor) of @level is as large as all of its tube, eq. 5 and
 * 6: levels of another size are resized to this one's (bilinear, as in the
 * network), windows are cut at the border.  The final score is sigmoid (logit),
 * times sigmoid (filter) with 3DMF, or the root of its product with sigmoid
 * (centerness).  NaN is smaller than any other. */
gboolean defcn_max_filter_keeps (const DefcnMaxFilter *filter,
    const DefcnLevel *levels, int n_levels, int n_classes, int level, gsize box,
    int label);

G_END_DECLS
