/* One frame's detections as a JSON record, which record.schema.json describes.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "meta.h"
#include "scene.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

/* What "schema" says; it grows when a reader has to know. */
#define GST_DEFCN_RECORD_SCHEMA 1

/* What goes into every record beside the objects.  GST_CLOCK_TIME_NONE and NULL
 * are left out. */
typedef struct
{
  int width, height;
  GstClockTime timestamp; /* stream time of the frame */
  GstClockTime pts;       /* of its buffer */
  guint64 frame, seq;     /* number of the frame, and of the record */
  const char *source;     /* an address loses user and password */
  const char *tags;       /* of gst_defcn_tags_new() */
  const char *utc;        /* wall-clock time, ISO 8601 */
  const char *captured;   /* the same of the capture */
  /* GstDefcnMark of every defcndetect that saw the frame, its timestamp in
   * stream time; none is left out */
  const GArray *marks;
  /* GstDefcnScenePlace and GstDefcnSceneEvent of every defcnzones; NULL and
   * none are left out */
  const GArray *places, *events;
} GstDefcnRecord;

/* The record in gvametaconvert's schema, "objects": [{"detection":
 * {"bounding_box": {"x_min", "x_max", "y_min", "y_max": 0..1}, "confidence",
 * "label", "label_id"}, "x", "y", "w", "h": pixels, "roi_type", "region_id",
 * "id": of a track}], "resolution": {"width", "height"}, "source", "tags",
 * "timestamp": stream time in ns; and of our own, of an object "object_id",
 * which is "id" as the metadata calls it, "detector" and "parent":
 * {"region_id", "roi_type"}, the ROI meta it was looked for in; of the record
 * "pts", "frame", "seq", "schema", "capture_utc" and "detectors", an array of
 * {"name", "model", "model_hash", "inferred", "lost", "reason", "fresh",
 * "repeated", "predicted", "inferred_timestamp"}.  The last seven are of the
 * record too: "inferred" when every detector looked, "lost", how many objects
 * have lost their boxes on the way, "reason" of the first that did not look, or
 * "lost", "fresh", "repeated" and "predicted" when one is, the earliest
 * "inferred_timestamp".
 *
 * What defcnzones says is in "places", an array of {"name", "kind": "zone" or
 * "line", counts, "classes": [{"label", counts}]}, where counts are
 * "occupancy", "entered", "left", "dwell_mean" and "dwell_max" (ns) of a zone,
 * "forward" and "backward" of a line; and in "events", an array of {"type",
 * "place", "direction", "reason", "dwell" (ns), "object_id", "label",
 * "label_id", "confidence", "bounding_box", "predicted"}, as in scene.h.
 *
 * Numbers read back to the same bits.  Valid UTF-8, with U+FFFD for bytes that
 * are not.  @indent: below 0 one line, else the spaces of a level.  (transfer
 * full) */
char *gst_defcn_record_to_json (const GstDefcnRecord *record,
    const GArray *objects, int indent);

/* (transfer full): @source as records have it: an address without user,
 * password and what cameras take for them in its query; valid UTF-8, with
 * U+FFFD for bytes that are not.  NULL for none. */
char *gst_defcn_record_source (const char *source);

/* The same in place, for a property: others see properties, in pictures of a
 * pipeline too.  *@source: (transfer full) (nullable) */
void gst_defcn_record_hide_login (char **source);

G_END_DECLS
