/* Which anchors a location has. */
#include "anchors.h"

#include "boxes.h"

void
defcn_anchors_fill (DefcnAnchor *anchors, int n, int level)
{
  const float side = 4 * defcn_boxes_stride (level);

  for (int i = 0; i < n; i++)
    anchors[i] = (DefcnAnchor){ .w = side, .h = side };
}
