/* An annotation of a COCO file, straight from its text. */
#include "coco_annotation.h"

#include <math.h>

gboolean
defcn_coco_annotation_trainable (const DefcnJsonSpan *segmentation)
{
  int depth = 0, commas = 0;
  gboolean empty = TRUE; /* nothing but the outer brackets */

  if (!segmentation->start || *segmentation->start != '[')
    return TRUE;

  const char *end = segmentation->start + segmentation->len;
  for (const char *p = segmentation->start; p < end; p++) {
    if (*p == '[') {
      empty = empty && depth == 0;
      depth++;
      commas = 0;
    } else if (*p == ']') {
      if (depth == 2 && commas >= 5 && commas % 2 == 1)
        return TRUE;
      depth--;
    } else if (*p == ',') {
      commas++; /* one less than the coordinates */
    } else if (!g_ascii_isspace (*p)) {
      empty = FALSE;
    }
  }
  return empty;
}

/* Takes [x, y, width, height]. */
static gboolean
scan_box (DefcnJsonScan *scan, double box[4])
{
  for (int k = 0; k < 4; k++) {
    if (!defcn_json_scan_take (scan, k == 0 ? '[' : ',')
        || !defcn_json_scan_number (scan, &box[k])
        || !(fabs (box[k]) <= DEFCN_COCO_MAX_COORDINATE)
        || (k >= 2 && !(box[k] >= 0)))
      return FALSE;
  }
  return defcn_json_scan_take (scan, ']');
}

gboolean
defcn_coco_annotation_scan (DefcnCocoAnnotation *a, DefcnJsonScan *from)
{
  static const char *const keys[] = { "id", "image_id", "category_id",
    "iscrowd", "area", "bbox", "segmentation" };
  enum
  {
    BBOX = 5,
    SEGMENTATION = 6,
    ALL = (1 << 7) - 1
  };
  DefcnJsonScan scan = *from;
  DefcnJsonSpan segmentation = { 0 };
  double numbers[BBOX];
  int seen = 0;

  if (!defcn_json_scan_take (&scan, '{'))
    return FALSE;
  do {
    DefcnJsonSpan key;
    int k = 0;

    if (!defcn_json_scan_string (&scan, &key)
        || !defcn_json_scan_take (&scan, ':'))
      return FALSE;
    while (k <= SEGMENTATION && !defcn_json_scan_equal (&key, keys[k]))
      k++;
    if (k > SEGMENTATION || (seen & 1 << k))
      return FALSE;
    seen |= 1 << k;
    if (k < BBOX) {
      if (!defcn_json_scan_number (&scan, &numbers[k]))
        return FALSE;
    } else if (k == BBOX) {
      if (!scan_box (&scan, a->box))
        return FALSE;
    } else {
      defcn_json_scan_peek (&scan);
      segmentation.start = scan.at;
      if (!defcn_json_scan_value (&scan))
        return FALSE;
      segmentation.len = scan.at - segmentation.start;
    }
  } while (defcn_json_scan_take (&scan, ','));
  if (seen != ALL || !defcn_json_scan_take (&scan, '}')
      || !isfinite (numbers[4]))
    return FALSE;
  for (int k = 0; k < 3; k++)
    if (numbers[k] != floor (numbers[k])
        || fabs (numbers[k]) > DEFCN_COCO_MAX_ID)
      return FALSE;
  a->id = numbers[0];
  a->image = numbers[1];
  a->category = numbers[2];
  a->crowd = numbers[3] != 0;
  a->area = numbers[4];
  a->trainable = defcn_coco_annotation_trainable (&segmentation);
  *from = scan;
  return TRUE;
}
