/* An annotation of a COCO file, straight from its text: a training set has a
 * million of them, too many to build a JSON tree for each.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "json_scan.h"

G_BEGIN_DECLS

/* A coordinate beyond this is damage; float keeps it exact. */
#define DEFCN_COCO_MAX_COORDINATE 1e6
/* Doubles hold whole numbers up to here. */
#define DEFCN_COCO_MAX_ID 9007199254740992.0

/* What it says; whether there are such an image and category is not checked. */
typedef struct
{
  gint64 id, image, category;
  double box[4]; /* x, y, width, height */
  double area;
  gboolean crowd, trainable;
} DefcnCocoAnnotation;

/* Takes an annotation if it is as COCO writes them: each of the seven members
 * once and no other, nothing amiss.  FALSE for all others, with nothing taken:
 * they have to go through cJSON, which knows what is wrong. */
gboolean defcn_coco_annotation_scan (DefcnCocoAnnotation *annotation,
    DefcnJsonScan *scan);

/* Whether an annotation with the value @segmentation is trained on.  As in the
 * reference, a list of polygons without one of three points or more (an even
 * number of coordinates, 6 or more) rules it out.  A run length encoding, null,
 * an empty list or no such member at all do not: files that have only boxes
 * look so. */
gboolean defcn_coco_annotation_trainable (const DefcnJsonSpan *segmentation);

G_END_DECLS
