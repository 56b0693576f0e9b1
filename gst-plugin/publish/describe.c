/* What a buffer carries, as a record. */
#include "describe.h"

#include "capture.h"
#include "timing.h"

/* (transfer full).  *@lost: how many objects have lost their boxes. */
static GArray *
read_marks (GstBuffer *buffer, const GstSegment *segment, guint *lost)
{
  GArray *marks = g_array_new (FALSE, FALSE, sizeof (GstDefcnMark));

  *lost = 0;
  gst_defcn_meta_read_marks (buffer, marks);
  for (guint i = 0; i < marks->len; i++) {
    GstDefcnMark *mark = &g_array_index (marks, GstDefcnMark, i);

    mark->timestamp = gst_defcn_timing_stream (segment, mark->timestamp);
    *lost += mark->lost;
  }
  return marks;
}

char *
gst_defcn_describe_frame (GstBuffer *buffer, const GstSegment *segment,
    const GstDefcnRecord *rest, const GstDefcnDescribeOptions *options)
{
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  guint lost;
  g_autoptr (GArray) marks = read_marks (buffer, segment, &lost);
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();
  g_autofree char *utc = NULL, *captured = NULL;
  g_autoptr (GDateTime) now = NULL;
  GstDefcnRecord record = *rest;

  gst_defcn_meta_read (buffer, objects, record.width, record.height);
  gst_defcn_scene_read_events (buffer, events);
  if (objects->len == 0 && !options->add_empty && !lost && !events->len)
    return NULL;
  gst_defcn_scene_read_places (buffer, places);

  if (options->utc) {
    now = g_date_time_new_now_utc ();
    utc = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");
  }
  captured = gst_defcn_capture_utc (buffer);
  if (marks->len)
    record.frame = g_array_index (marks, GstDefcnMark, 0).frame;
  record.timestamp = gst_defcn_timing_stream (segment, GST_BUFFER_PTS (buffer));
  record.pts = GST_BUFFER_PTS (buffer);
  record.utc = utc;
  record.captured = captured;
  record.marks = marks;
  record.places = places;
  record.events = events;
  return gst_defcn_record_to_json (&record, objects, options->indent);
}
