/* One frame's detections as a JSON record.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "meta.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

/* What goes into every record beside the objects. */
typedef struct
{
  int width, height;
  GstClockTime timestamp;   /* of the frame, GST_CLOCK_TIME_NONE: left out */
  const char *source;       /* or NULL */
  const char *tags;         /* a JSON object as text, or NULL */
  const char *utc;          /* wall-clock time, ISO 8601, or NULL */
  const GstDefcnMark *mark; /* or NULL: no defcndetect saw the frame */
} GstDefcnRecord;

/* The record in gvametaconvert's schema, "objects": [{"detection":
 * {"bounding_box": {"x_min", "x_max", "y_min", "y_max": 0..1}, "confidence",
 * "label", "label_id"}, "x", "y", "w", "h": pixels, "roi_type"}], "resolution":
 * {"width", "height"}, "source", "tags", "timestamp": ns; and of our own
 * "inferred", and where it is false or the objects are repeated "reason",
 * "repeated", and "lost", how many objects have lost their boxes on the way,
 * with the "reason" "lost" if nothing else is it.  Numbers read back to the
 * same bits.  Valid UTF-8, with U+FFFD for bytes that are not.  @indent: below
 * 0 one line, else the spaces of a level.  (transfer full) */
char *gst_defcn_record_to_json (const GstDefcnRecord *record,
    const GArray *objects, int indent);

G_END_DECLS
