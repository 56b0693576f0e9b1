/* Which anchors a location has. */
#include "anchors.h"

#include "boxes.h"

gboolean
defcn_anchors_exist (int n)
{
  return n == 1 || n == 9;
}

void
defcn_anchors_fill (DefcnAnchor *anchors, int n, int level)
{
  const float stride = defcn_boxes_stride (level);
  const float side = 4 * stride;

  g_return_if_fail (n == 0 || defcn_anchors_exist (n));

  if (n == 1)
    anchors[0] = (DefcnAnchor){ .w = side, .h = side };
  for (int i = 0; n == 9 && i < n; i++) {
    const double area = side * side * exp2 (2 * (i / 3) / 3.0);
    const double ratio = exp2 (i % 3 - 1); /* height over width */
    const double w = sqrt (area / ratio);

    anchors[i] = (DefcnAnchor){ -stride / 2, -stride / 2, w, w * ratio };
  }
}
