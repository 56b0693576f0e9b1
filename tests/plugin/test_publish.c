/* What the records of defcnpublish say. */
#include "json_rig.h"
#include "scene.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define W JSON_RIG_WIDTH
#define H JSON_RIG_HEIGHT

static const GstDefcnMark looked = { TRUE, "", FALSE, 0, "c0ffee" };

/* A record has exactly what gvametaconvert's has, with the values of the
 * object, and the mark. */
static void
test_record (void)
{
  g_autofree char *path = rig_file ("record.jsonl", "old");
  g_autofree char *text = NULL;
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness (path, "source=cam 1;tags={\"site\": [7]}");

  json_rig_push (h, json_rig_frame (3, &o, 1, &looked));
  gst_harness_teardown (h);
  text = json_rig_contents (path);

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  cJSON *r = cJSON_GetArrayItem (json, 0);
  g_assert_cmpint (cJSON_GetArraySize (json), ==, 1);
  g_assert_true (
      json_rig_number (r, "objects.0.detection.bounding_box.x_min") == 0.25);
  g_assert_true (
      json_rig_number (r, "objects.0.detection.bounding_box.x_max") == 0.75);
  g_assert_true (
      json_rig_number (r, "objects.0.detection.bounding_box.y_min") == 0.5);
  g_assert_true (
      json_rig_number (r, "objects.0.detection.bounding_box.y_max") == 1);
  g_assert_true (
      json_rig_number (r, "objects.0.detection.confidence") == 0.875);
  g_assert_true (json_rig_number (r, "objects.0.detection.label_id") == 2);
  g_assert_cmpstr (json_rig_string (r, "objects.0.detection.label"), ==, "dog");
  g_assert_cmpstr (json_rig_string (r, "objects.0.roi_type"), ==, "dog");
  g_assert_true (json_rig_number (r, "objects.0.x") == 160);
  g_assert_true (json_rig_number (r, "objects.0.y") == 240);
  g_assert_true (json_rig_number (r, "objects.0.w") == 320);
  g_assert_true (json_rig_number (r, "objects.0.h") == 240);
  g_assert_true (json_rig_number (r, "resolution.width") == W);
  g_assert_true (json_rig_number (r, "resolution.height") == H);
  g_assert_true (json_rig_number (r, "timestamp") == 120000000);
  g_assert_true (json_rig_number (r, "tags.site.0") == 7);
  g_assert_cmpstr (json_rig_string (r, "source"), ==, "cam 1");
  g_assert_true (cJSON_IsTrue (json_rig_at (r, "inferred")));
  g_assert_null (json_rig_at (r, "reason"));
  g_assert_null (json_rig_at (r, "repeated"));
  g_assert_null (json_rig_at (r, "timestamp_utc"));
}

/* A zone with somebody in it, and a line. */
static GArray *
places_new (void)
{
  static const double points[] = { 0, 0, 1, 0, 1, 1 };
  GArray *places = gst_defcn_scene_places_new ();

  for (guint line = 0; line < 2; line++) {
    const GstDefcnSceneCount count = { g_quark_from_string ("dog"), 1, 7, 6, 5,
      G_MAXUINT64, 3, 2 };
    GstDefcnScenePlace place = { g_quark_from_string (line ? "door" : "yard"),
      line, g_array_new (FALSE, FALSE, sizeof (double)), count,
      g_array_new (FALSE, FALSE, sizeof count) };

    g_array_append_vals (place.points, points, line ? 4 : 6);
    g_array_append_val (place.classes, count);
    g_array_append_val (places, place);
  }
  return places;
}

static GArray *
events_new (void)
{
  const GstDefcnObject o = json_rig_object ("dog");
  GstDefcnSceneEvent list[] = {
    { g_quark_from_string ("zone-left"), g_quark_from_string ("yard"), 0,
        g_quark_from_string ("lost"), 4, o },
    { g_quark_from_string ("line-crossed"), g_quark_from_string ("door"),
        g_quark_from_string ("forward"), 0, GST_CLOCK_TIME_NONE, o },
  };
  GArray *events = gst_defcn_scene_events_new ();

  list[0].object.track.id = G_GINT64_CONSTANT (1) << 40;
  list[0].object.track.state = g_quark_from_string ("confirmed");
  list[0].object.track.predicted = TRUE;
  list[1].object = (GstDefcnObject){ .confidence = -1, .label_id = -1 };
  g_array_append_vals (events, list, G_N_ELEMENTS (list));
  return events;
}

/* What defcnzones says: all counts and all of an event, and a frame in which
 * something happened has a record though nobody is there. */
static void
test_scene (void)
{
  g_autofree char *path = rig_file ("scene.jsonl", "");
  g_autofree char *text = NULL;
  GstHarness *h = json_rig_harness (path, "");
  g_autoptr (GArray) places = places_new ();
  g_autoptr (GArray) events = events_new ();

  for (guint i = 0; i < 3; i++) {
    const GstDefcnObject o = json_rig_object ("dog");
    GstBuffer *buffer = json_rig_frame (i, &o, i == 2, &looked);

    gst_defcn_scene_attach (buffer, places, i == 1 ? events : NULL);
    json_rig_push (h, buffer);
  }
  gst_harness_teardown (h);
  text = json_rig_contents (path);

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  cJSON *r = cJSON_GetArrayItem (json, 0);
  g_assert_cmpint (cJSON_GetArraySize (json), ==, 2);
  g_assert_true (json_rig_number (r, "pts") == 40000000);
  g_assert_cmpstr (json_rig_string (r, "places.0.name"), ==, "yard");
  g_assert_cmpstr (json_rig_string (r, "places.0.kind"), ==, "zone");
  g_assert_true (json_rig_number (r, "places.0.occupancy") == 1);
  g_assert_true (json_rig_number (r, "places.0.entered") == 7);
  g_assert_true (json_rig_number (r, "places.0.left") == 6);
  g_assert_true (json_rig_number (r, "places.0.dwell_mean") == 5);
  g_assert_nonnull (strstr (text, "\"dwell_max\":18446744073709551615"));
  g_assert_null (json_rig_at (r, "places.0.forward"));
  g_assert_cmpstr (json_rig_string (r, "places.1.kind"), ==, "line");
  g_assert_true (json_rig_number (r, "places.1.forward") == 3);
  g_assert_true (json_rig_number (r, "places.1.classes.0.backward") == 2);
  g_assert_cmpstr (json_rig_string (r, "places.1.classes.0.label"), ==, "dog");
  g_assert_null (json_rig_at (r, "places.1.occupancy"));

  g_assert_cmpstr (json_rig_string (r, "events.0.type"), ==, "zone-left");
  g_assert_cmpstr (json_rig_string (r, "events.0.place"), ==, "yard");
  g_assert_cmpstr (json_rig_string (r, "events.0.reason"), ==, "lost");
  g_assert_true (json_rig_number (r, "events.0.dwell") == 4);
  g_assert_true (json_rig_number (r, "events.0.object_id") == 1099511627776.0);
  g_assert_cmpstr (json_rig_string (r, "events.0.label"), ==, "dog");
  g_assert_true (json_rig_number (r, "events.0.label_id") == 2);
  g_assert_true (json_rig_number (r, "events.0.confidence") == 0.875);
  g_assert_true (json_rig_number (r, "events.0.bounding_box.x_max") == 0.75);
  g_assert_true (cJSON_IsTrue (json_rig_at (r, "events.0.predicted")));
  g_assert_null (json_rig_at (r, "events.0.direction"));
  g_assert_cmpstr (json_rig_string (r, "events.1.direction"), ==, "forward");
  for (const char *const *name =
           (const char *const[]){ "reason", "dwell", "object_id", "label_id",
               "confidence", "bounding_box", "predicted", NULL };
       *name; name++)
    g_assert_null (cJSON_GetObjectItem (json_rig_at (r, "events.1"), *name));
  r = cJSON_GetArrayItem (json, 1);
  g_assert_true (json_rig_number (r, "places.0.entered") == 7);
  g_assert_null (json_rig_at (r, "events"));
}

/* A source does not need tags, nor they a source; an object without a label has
 * an empty one. */
static void
test_by_themselves (void)
{
  static const char *const properties[] = { "", "source=s", "tags={\"a\":1}" };

  for (guint i = 0; i < G_N_ELEMENTS (properties); i++) {
    g_autofree char *path = rig_file ("themselves.jsonl", "");
    g_autofree char *text = NULL;
    GstDefcnObject o = json_rig_object ("dog");
    GstHarness *h = json_rig_harness (path, properties[i]);

    o.label = 0;
    json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
    gst_harness_teardown (h);
    text = json_rig_contents (path);
    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    g_assert_cmpint (json_rig_at (json, "0.source") != NULL, ==, i == 1);
    g_assert_cmpint (json_rig_at (json, "0.tags") != NULL, ==, i == 2);
    g_assert_cmpstr (json_rig_string (json, "0.objects.0.detection.label"), ==,
        "");
    g_assert_cmpstr (json_rig_string (json, "0.objects.0.roi_type"), ==, "");
  }
}

/* No record tells the user and the password of an address, nor does the
 * property, which is in every picture of a pipeline. */
static void
test_address (void)
{
  static const struct
  {
    const char *source, *wanted;
  } cases[] = {
    { "rtsp://host/a", NULL },
    { "rtsp://user@host/a", "rtsp://host/a" },
    { "rtsp://user:p@ss@host:554/a@b", "rtsp://host:554/a@b" },
    { "rtsp://user:pass@host?a@b", "rtsp://host?a@b" },
    { "rtsp://user:pass@", "rtsp://" },
    { "rtsp://user:pa/ss@host/a", "rtsp://host/a" },
    { "rtsp://user:a?2#3@host:554/a", "rtsp://host:554/a" },
    { "rtsp://user:/@host", "rtsp://host" },
    { "rtsp://host/a?User=me&password=p@ss&b=c",
        "rtsp://host/a?User=...&password=...&b=c" },
    { "rtsp://host/user=me_password=pass_channel=1/a",
        "rtsp://host/user=.../a" },
    { "rtsp://host/a?channel=1", NULL },
    { "user=me", NULL },
    { "rtsp://host:554/a@b", "rtsp://host:554/a@b" },
    { "rtsp://[fe80::1]/a@b", "rtsp://[fe80::1]/a@b" },
    { "rtsp://", NULL },
    { "me@home", NULL },
    { "cam #1 @ 10/12", NULL },
    { "", NULL },
  };
  const GstDefcnObject o = json_rig_object ("dog");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = rig_file ("address.jsonl", "");
    g_autofree char *text = NULL, *seen = NULL;
    GstHarness *h = json_rig_harness (path, "");
    g_autoptr (GstElement) element =
        gst_harness_find_element (h, "defcnpublish");
    const char *wanted = cases[i].wanted ? cases[i].wanted : cases[i].source;

    g_object_set (element, "source", cases[i].source, NULL);
    g_object_get (element, "source", &seen, NULL);
    g_assert_cmpstr (seen, ==, wanted);
    json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
    gst_harness_teardown (h);
    text = json_rig_contents (path);
    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    g_assert_cmpstr (json_rig_string (json, "0.source"), ==, wanted);
  }
}

/* A frame that others hold too passes as it is, and is not copied. */
static void
test_shared (void)
{
  g_autofree char *path = rig_file ("shared.jsonl", "");
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness (path, "");
  g_autoptr (GstBuffer) in = json_rig_frame (0, &o, 1, &looked);

  json_rig_push (h, gst_buffer_ref (in));
  gst_harness_teardown (h);
}

/* Coordinates and confidences are read back to the last bit, timestamps to the
 * last nanosecond; what is no number is left out. */
static void
test_precision (void)
{
  static const struct
  {
    guint64 pts;
    const char *wanted;
  } times[] = {
    { 0, "\"timestamp\":0" },
    { 120000000, "\"timestamp\":120000000" },
    { G_GUINT64_CONSTANT (1767225600123456789),
        "\"timestamp\":1767225600123456789" },
    { G_MAXUINT64 - 1, "\"timestamp\":18446744073709551614" },
    { GST_CLOCK_TIME_NONE, NULL },
  };
  const GstDefcnObject o = { 0.1 / 3, 1e-17, 0.1 + 0.2, 1 - 1e-16, 0.7 / 3, 0,
    g_quark_from_static_string ("a"), 0 };
  g_autofree char *path = rig_file ("precision.jsonl", "");
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  GstHarness *h = json_rig_harness (path, "");
  GstBuffer *buffer;

  for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
    buffer = json_rig_frame (0, &o, 1, &looked);
    GST_BUFFER_PTS (buffer) = times[i].pts;
    json_rig_push (h, buffer);
  }
  buffer = json_rig_frame (0, NULL, 0, NULL);
  gst_video_region_of_interest_meta_add_param (
      gst_buffer_add_video_region_of_interest_meta (buffer, "a", 1, 2, 3, 4),
      gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, INFINITY,
          NULL));
  json_rig_push (h, buffer);
  gst_harness_teardown (h);
  text = json_rig_contents (path);

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  cJSON *box = json_rig_at (json, "0.objects.0.detection.bounding_box");
  g_assert_true (json_rig_number (box, "x_min") == o.x_min);
  g_assert_true (json_rig_number (box, "y_min") == o.y_min);
  g_assert_true (json_rig_number (box, "x_max") == o.x_max);
  g_assert_true (json_rig_number (box, "y_max") == o.y_max);
  g_assert_true (json_rig_number (json, "0.objects.0.detection.confidence")
      == o.confidence);
  g_assert_null (json_rig_at (json, "5.objects.0.detection.confidence"));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    if (times[i].wanted)
      g_assert_nonnull (strstr (lines[i], times[i].wanted));
    else
      g_assert_null (strstr (lines[i], "\"timestamp"));
}

/* A frame at @pts that was looked at as @mark says, in a segment from 200 ms to
 * 10 s that plays from 1 s on: an MP4 with B-frames and an edit list has one
 * like it. */
static void
push_in_segment (GstHarness *h, GstClockTime pts, const GstDefcnMark *mark)
{
  const GstDefcnObject o = json_rig_object ("dog");
  GstBuffer *buffer = json_rig_frame (0, &o, 1, mark);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 200 * GST_MSECOND;
  segment.stop = 10 * GST_SECOND;
  segment.time = GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  GST_BUFFER_PTS (buffer) = pts;
  json_rig_push (h, buffer);
}

/* "timestamp" and "inferred_timestamp" are stream time, "pts" is the buffer's;
 * a frame outside of its segment, and one of a stream that is not timed, has no
 * stream time. */
static void
test_stream_time (void)
{
  static const GstDefcnMark late = { FALSE, "busy", TRUE, 240 * GST_MSECOND };
  g_autofree char *path = rig_file ("time.jsonl", "");
  g_autofree char *text = NULL;
  GstHarness *h = json_rig_harness (path, "add-empty-results=true");
  GstSegment bytes;

  push_in_segment (h, 280 * GST_MSECOND, &late);
  push_in_segment (h, 100 * GST_MSECOND, &late);
  gst_segment_init (&bytes, GST_FORMAT_BYTES);
  gst_harness_push_event (h, gst_event_new_segment (&bytes));
  json_rig_push (h, json_rig_frame (2, NULL, 0, &late));
  gst_harness_teardown (h);
  text = json_rig_contents (path);

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  g_assert_true (json_rig_number (json, "0.timestamp") == 1080000000);
  g_assert_true (json_rig_number (json, "0.inferred_timestamp") == 1040000000);
  g_assert_true (json_rig_number (json, "0.pts") == 280000000);
  g_assert_null (json_rig_at (json, "1.timestamp"));
  g_assert_true (json_rig_number (json, "1.pts") == 100000000);
  g_assert_null (json_rig_at (json, "2.timestamp"));
  g_assert_null (json_rig_at (json, "2.inferred_timestamp"));
  g_assert_true (json_rig_number (json, "2.pts") == 80000000);
}

/* "seq" numbers the records and "frame" the frames, those without a record too:
 * by the detector's count where there is one.  A start begins both anew. */
static void
test_numbers (void)
{
  const GstDefcnObject o = json_rig_object ("dog");
  GstDefcnMark mark = looked;
  g_autofree char *path = rig_file ("numbers.jsonl", "");
  g_autofree char *text = NULL;
  GstHarness *h = json_rig_harness ("/dev/null", "");
  g_autoptr (GstElement) element = gst_harness_find_element (h, "defcnpublish");

  json_rig_push (h, json_rig_frame (0, &o, 1, NULL));
  gst_element_set_state (element, GST_STATE_NULL);
  g_object_set (element, "location", path, NULL);
  gst_harness_set_src_caps_str (h, JSON_RIG_CAPS);
  gst_harness_play (h);
  for (guint i = 0; i < 4; i++) {
    GstBuffer *buffer =
        gst_buffer_new_allocate (NULL, JSON_RIG_WIDTH * JSON_RIG_HEIGHT, NULL);

    if (i % 2)
      gst_buffer_add_video_region_of_interest_meta (buffer, "dog", 1, 2, 3, 4);
    json_rig_push (h, buffer);
  }
  mark.frame = G_GUINT64_CONSTANT (9007199254740993);
  json_rig_push (h, json_rig_frame (0, &o, 1, &mark));
  gst_harness_teardown (h);
  text = json_rig_contents (path);

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  g_assert_cmpint (cJSON_GetArraySize (json), ==, 3);
  for (guint i = 0; i < 3; i++) {
    cJSON *record = cJSON_GetArrayItem (json, i);

    g_assert_true (json_rig_number (record, "seq") == i);
    if (i < 2)
      g_assert_true (json_rig_number (record, "frame") == 2 * i + 1);
  }
  g_assert_nonnull (strstr (text, "\"frame\":9007199254740993,"));
}

/* A record says who looked with which model, of every detector, and what holds
 * of the frame as a whole. */
static void
test_detectors (void)
{
  static const GstDefcnMark marks[] = {
    { TRUE, "", FALSE, 80000000, "c0ffee", TRUE, "a.safetensors", "first", 7 },
    { FALSE, "busy", TRUE, 40000000, "beef", TRUE, "b.safetensors", "second",
        5 },
    { FALSE, "qos", TRUE, 0, "", FALSE, "", "", 0 },
  };
  const GstDefcnObject o = json_rig_object ("dog");
  g_autofree char *path = rig_file ("detectors.jsonl", "");
  g_autofree char *text = NULL;
  GstHarness *h = json_rig_harness (path, "");
  g_autoptr (GArray) none = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  for (guint n = 1; n <= G_N_ELEMENTS (marks); n++) {
    GstBuffer *buffer = json_rig_frame (2, &o, 1, &marks[0]);

    for (guint i = 1; i < n; i++)
      gst_defcn_meta_attach (buffer, none, &marks[i], 0, W, H);
    json_rig_push (h, buffer);
  }
  json_rig_push (h, json_rig_frame (3, &o, 1, &marks[2]));
  gst_harness_teardown (h);
  text = json_rig_contents (path);

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  cJSON *first = cJSON_GetArrayItem (json, 0),
        *r = cJSON_GetArrayItem (json, 2), *last = cJSON_GetArrayItem (json, 3);
  g_assert_cmpint (cJSON_GetArraySize (json_rig_at (first, "detectors")), ==,
      1);
  g_assert_true (cJSON_IsTrue (json_rig_at (first, "inferred")));
  g_assert_true (cJSON_IsTrue (json_rig_at (first, "fresh")));
  g_assert_true (json_rig_number (first, "inferred_timestamp") == 80000000);
  g_assert_cmpint (cJSON_GetArraySize (json_rig_at (r, "detectors")), ==, 3);
  g_assert_true (cJSON_IsFalse (json_rig_at (r, "inferred")));
  g_assert_cmpstr (json_rig_string (r, "reason"), ==, "busy");
  g_assert_true (cJSON_IsTrue (json_rig_at (r, "fresh")));
  g_assert_true (cJSON_IsTrue (json_rig_at (r, "repeated")));
  g_assert_true (json_rig_number (r, "inferred_timestamp") == 0);
  g_assert_true (json_rig_number (r, "frame") == 7);
  g_assert_cmpstr (json_rig_string (r, "detectors.0.name"), ==, "first");
  g_assert_cmpstr (json_rig_string (r, "detectors.0.model"), ==,
      "a.safetensors");
  g_assert_cmpstr (json_rig_string (r, "detectors.0.model_hash"), ==, "c0ffee");
  g_assert_true (cJSON_IsTrue (json_rig_at (r, "detectors.0.inferred")));
  g_assert_null (json_rig_at (r, "detectors.0.reason"));
  g_assert_null (json_rig_at (r, "detectors.0.repeated"));
  g_assert_cmpstr (json_rig_string (r, "detectors.1.name"), ==, "second");
  g_assert_cmpstr (json_rig_string (r, "detectors.1.reason"), ==, "busy");
  g_assert_true (cJSON_IsTrue (json_rig_at (r, "detectors.1.fresh")));
  g_assert_true (cJSON_IsTrue (json_rig_at (r, "detectors.1.repeated")));
  g_assert_true (
      json_rig_number (r, "detectors.1.inferred_timestamp") == 40000000);
  g_assert_true (cJSON_IsFalse (json_rig_at (r, "detectors.2.fresh")));
  g_assert_null (json_rig_at (r, "detectors.2.name"));
  g_assert_null (json_rig_at (r, "detectors.2.model"));
  g_assert_null (json_rig_at (r, "detectors.2.model_hash"));
  g_assert_true (cJSON_IsFalse (json_rig_at (last, "fresh")));
}

/* An object says who found it and in which region of the frame. */
static void
test_objects_origin (void)
{
  static const GstDefcnMetaFlags flags[] = { GST_DEFCN_META_ROI,
    GST_DEFCN_META_CUSTOM };
  static const GstDefcnMark mark = { TRUE, "", FALSE, 0, "", TRUE, "", "it" };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++) {
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    GstDefcnObject o = json_rig_object ("dog");
    g_autofree char *path = rig_file ("origin.jsonl", "");
    g_autofree char *text = NULL;
    GstHarness *h = json_rig_harness (path, "");
    GstBuffer *buffer = json_rig_frame (0, NULL, 0, NULL);

    g_array_append_val (objects, o);
    o.parent_id = 42;
    g_array_append_val (objects, o);
    o.parent = g_quark_from_static_string ("zone");
    g_array_append_val (objects, o);
    o.parent_id = 0; /* where ids begin at 0 */
    g_array_append_val (objects, o);
    gst_defcn_meta_attach (buffer, objects, &mark, flags[i], W, H);
    json_rig_push (h, buffer);
    gst_harness_teardown (h);
    text = json_rig_contents (path);

    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    cJSON *found = json_rig_at (json, "0.objects");
    g_assert_cmpint (cJSON_GetArraySize (found), ==, 4);
    for (int j = 0; j < 4; j++) {
      cJSON *item = cJSON_GetArrayItem (found, j);

      g_assert_cmpstr (json_rig_string (item, "detector"), ==, "it");
      if (flags[i] == GST_DEFCN_META_ROI)
        g_assert_true (json_rig_number (item, "region_id") == j + 1);
      else
        g_assert_null (json_rig_at (item, "region_id"));
      if (j)
        g_assert_true (
            json_rig_number (item, "parent.region_id") == (j < 3 ? 42 : 0));
    }
    g_assert_null (json_rig_at (found, "0.parent"));
    g_assert_null (json_rig_at (found, "1.parent.roi_type"));
    g_assert_cmpstr (json_rig_string (found, "2.parent.roi_type"), ==, "zone");
  }
}

/* The time of capture comes from the first reference that has an epoch, to the
 * nanosecond. */
static void
test_capture (void)
{
  static const struct
  {
    const char *reference;
    GstClockTime time;
    const char *wanted;
  } cases[] = {
    { "timestamp/x-ntp", G_GUINT64_CONSTANT (3976214400000000001),
        "2026-01-01T00:00:00.000000001Z" },
    { "timestamp/x-unix", G_GUINT64_CONSTANT (1767225600987654321),
        "2026-01-01T00:00:00.987654321Z" },
    { "timestamp/x-unix,clock=(int)1", 0, "1970-01-01T00:00:00.000000000Z" },
    { "timestamp/x-ntp", G_GUINT64_CONSTANT (2208988799999999999), NULL },
    { "timestamp/x-drivermeta-stream", 5, NULL },
    { "ANY", 5, NULL },
    { NULL, 0, NULL },
  };
  const GstDefcnObject o = json_rig_object ("dog");
  g_autofree char *path = rig_file ("capture.jsonl", "");
  g_autofree char *text = NULL;
  GstHarness *h = json_rig_harness (path, "");

  for (guint i = 0; i <= G_N_ELEMENTS (cases); i++) {
    GstBuffer *buffer = json_rig_frame (i, &o, 1, &looked);

    /* The last has all, and the first that counts is that of case 0. */
    for (guint j = 0; j < G_N_ELEMENTS (cases); j++)
      if (cases[j].reference && (i == j || i == G_N_ELEMENTS (cases))) {
        g_autoptr (GstCaps) caps = gst_caps_from_string (cases[j].reference);

        gst_buffer_add_reference_timestamp_meta (buffer, caps, cases[j].time,
            GST_CLOCK_TIME_NONE);
      }
    json_rig_push (h, buffer);
  }
  gst_harness_teardown (h);
  text = json_rig_contents (path);

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  for (guint i = 0; i <= G_N_ELEMENTS (cases); i++) {
    cJSON *record = cJSON_GetArrayItem (json, i);
    const char *wanted = cases[i % G_N_ELEMENTS (cases)].wanted;

    if (wanted)
      g_assert_cmpstr (json_rig_string (record, "capture_utc"), ==, wanted);
    else
      g_assert_null (json_rig_at (record, "capture_utc"));
  }
}

/* Tags are in every record to the letter, on one line. */
static void
test_tags (void)
{
  static const struct
  {
    const char *tags, *wanted;
  } cases[] = {
    { "{\"a\":9007199254740993}", NULL },
    { "{\"a\":[1e400,-0,1.10,1E+2,0.1]}", NULL },
    { "{\"a\":\"\\u0000\\u00fc\\/\\\\\",\"a\":null}", NULL },
    { "{\"\":{}}", NULL },
    { "\xef\xbb\xbf { \"a b\" :\r\n [ true , false ,\tnull ] } \n",
        "{\"a b\":[true,false,null]}" },
    { "{\"a\":\"tab\there \\\" and\nthere\"}",
        "{\"a\":\"tab\\u0009here \\\" and\\u000athere\"}" },
    /* What JSON has not. */
    { "{\"a\":01}", "" },
    { "{\"a\":1.}", "" },
    { "{\"a\":-.5}", "" },
    { "{\"a\":nan}", "" },
    { "{\"a\":+1}", "" },
    { "{\"a\":1,}", "" },
    { "{\"a\":1} // b", "" },
  };
  const GstDefcnObject o = json_rig_object ("dog");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = rig_file ("tags.jsonl", "");
    g_autofree char *text = NULL, *wanted = NULL;
    GstHarness *h = gst_harness_new ("defcnpublish");
    g_autoptr (GstElement) element =
        gst_harness_find_element (h, "defcnpublish");

    g_test_message ("%s", cases[i].tags);
    gst_element_set_state (element, GST_STATE_NULL);
    g_object_set (element, "location", path, "tags", cases[i].tags, NULL);
    if (cases[i].wanted && !*cases[i].wanted) {
      g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
          GST_STATE_CHANGE_FAILURE);
      gst_harness_teardown (h);
      continue;
    }
    gst_harness_set_src_caps_str (h, JSON_RIG_CAPS);
    gst_harness_play (h);
    for (guint n = 0; n < 2; n++)
      json_rig_push (h, json_rig_frame (n, &o, 1, &looked));
    gst_harness_teardown (h);
    text = json_rig_contents (path);
    wanted = g_strconcat ("\"tags\":",
        cases[i].wanted ? cases[i].wanted : cases[i].tags, ",", NULL);
    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    g_assert_cmpint (cJSON_GetArraySize (json), ==, 2);
    g_assert_nonnull (strstr (text, wanted));
  }
}

static GArray *
random_objects (GRand *random)
{
  static const char *const labels[] = { "person", "car", "a \"dog\"" };
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  const int n = g_rand_int_range (random, 0, 30);

  for (int i = 0; i < n; i++) {
    const int label = g_rand_int_range (random, 0, 3);
    const double x = g_rand_double_range (random, 0, 0.9);
    const double y = g_rand_double_range (random, 0, 0.9);
    const GstDefcnObject o = { x, y, g_rand_double_range (random, x + 0.01, 1),
      g_rand_double_range (random, y + 0.01, 1), g_rand_double (random), label,
      g_quark_from_string (labels[label]), 0 };

    g_array_append_val (objects, o);
  }
  return objects;
}

static void
assert_object (cJSON *json, const GstDefcnObject *o)
{
  const GstDefcnPixels p = gst_defcn_object_pixels (o, W, H);

  g_assert_true (
      json_rig_number (json, "detection.bounding_box.x_min") == o->x_min);
  g_assert_true (
      json_rig_number (json, "detection.bounding_box.y_min") == o->y_min);
  g_assert_true (
      json_rig_number (json, "detection.bounding_box.x_max") == o->x_max);
  g_assert_true (
      json_rig_number (json, "detection.bounding_box.y_max") == o->y_max);
  g_assert_true (
      json_rig_number (json, "detection.confidence") == o->confidence);
  if (o->label_id >= 0)
    g_assert_true (json_rig_number (json, "detection.label_id") == o->label_id);
  else
    g_assert_null (json_rig_at (json, "detection.label_id"));
  g_assert_cmpstr (json_rig_string (json, "roi_type"), ==,
      g_quark_to_string (o->label));
  g_assert_true (json_rig_number (json, "x") == p.x);
  g_assert_true (json_rig_number (json, "y") == p.y);
  g_assert_true (json_rig_number (json, "w") == p.w);
  g_assert_true (json_rig_number (json, "h") == p.h);
}

/* Line by line the file says what the metadata of the frames did, whichever
 * kind of metadata it was. */
static void
test_metas (void)
{
  static const GstDefcnMetaFlags flags[] = { GST_DEFCN_META_CUSTOM,
    GST_DEFCN_META_ROI, GST_DEFCN_META_ANALYTICS,
    GST_DEFCN_META_ROI | GST_DEFCN_META_ANALYTICS | GST_DEFCN_META_CUSTOM };
  g_autoptr (GRand) random = g_rand_new_with_seed (7);

  for (guint f = 0; f < G_N_ELEMENTS (flags); f++) {
    const GstDefcnMetaFlags built = flags[f] & gst_defcn_meta_supported ();
    g_autofree char *path = rig_file ("metas.jsonl", "");
    g_autofree char *text = NULL;
    GArray *wanted[20];
    GstHarness *h = json_rig_harness (path, "add-empty-results=true");

    for (guint i = 0; i < G_N_ELEMENTS (wanted); i++) {
      g_autoptr (GArray) objects = random_objects (random);
      GstBuffer *buffer = json_rig_frame (i, NULL, 0, NULL);

      gst_defcn_meta_attach (buffer, objects, &looked, built, W, H);
      wanted[i] = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
      gst_defcn_meta_read (buffer, wanted[i], W, H);
      if (built)
        g_assert_cmpuint (wanted[i]->len, ==, objects->len);
      json_rig_push (h, buffer);
    }
    gst_harness_teardown (h);
    text = json_rig_contents (path);

    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    g_assert_cmpint (cJSON_GetArraySize (json), ==, G_N_ELEMENTS (wanted));
    for (guint i = 0; i < G_N_ELEMENTS (wanted); i++) {
      cJSON *record = cJSON_GetArrayItem (json, i);
      cJSON *objects = json_rig_at (record, "objects");

      g_assert_true (json_rig_number (record, "timestamp") == i * 40000000.0);
      g_assert_cmpint (cJSON_GetArraySize (objects), ==, wanted[i]->len);
      for (guint j = 0; j < wanted[i]->len; j++)
        assert_object (cJSON_GetArrayItem (objects, j),
            &g_array_index (wanted[i], GstDefcnObject, j));
      g_array_unref (wanted[i]);
    }
  }
}

/* A frame whose boxes got lost on the way has a record, asked for empty ones or
 * not, that tells it from a frame with nobody on it. */
static void
test_lost (void)
{
  const GstDefcnObject object = json_rig_object ("person");
  const GstDefcnMark skipped = { FALSE, "interval", TRUE, 0, "c0ffee" };
  g_autofree char *path = rig_file ("lost.jsonl", "");
  g_autofree char *text = NULL;
  GstHarness *h = json_rig_harness (path, "");

  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) whole =
        json_rig_frame (i, &object, i < 2, i ? &looked : &skipped);

    json_rig_push (h,
        gst_buffer_copy_region (whole,
            GST_BUFFER_COPY_META | GST_BUFFER_COPY_TIMESTAMPS
                | GST_BUFFER_COPY_MEMORY,
            0, gst_buffer_get_size (whole) - 1));
  }
  gst_harness_teardown (h);
  text = json_rig_contents (path);

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  g_assert_cmpint (cJSON_GetArraySize (json), ==, 2);
  for (guint i = 0; i < 2; i++) {
    cJSON *record = cJSON_GetArrayItem (json, i);

    g_assert_cmpint (cJSON_GetArraySize (json_rig_at (record, "objects")), ==,
        0);
    g_assert_true (json_rig_number (record, "lost") == 1);
    g_assert_cmpstr (json_rig_string (record, "reason"), ==,
        i ? "lost" : "interval");
  }
}

/* Any raw video passes, in whatever memory; a record has the size that its own
 * frame has. */
static void
test_caps (void)
{
  static const struct
  {
    const char *caps;
    int w, h, box; /* width of the box */
  } cases[] = {
    { "video/x-raw,format=GRAY8,width=1,height=1,framerate=25/1", 1, 1, 1 },
    { "video/x-raw,format=P010_10LE,width=16,height=16,framerate=0/1", 16, 16,
        8 },
    { "video/x-raw,format=I420,width=8192,height=33,framerate=25/1", 8192, 33,
        4096 },
    { "video/x-raw(memory:Somewhere),format=NV12,width=640,height=480", 640,
        480, 320 },
  };
  g_autofree char *path = rig_file ("caps.jsonl", "");
  g_autofree char *text = NULL;
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness (path, "");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gst_harness_set_src_caps_str (h, cases[i].caps);
    json_rig_push (h, json_rig_frame (i, &o, 1, &looked));
  }
  gst_harness_teardown (h);
  text = json_rig_contents (path);
  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  g_assert_cmpint (cJSON_GetArraySize (json), ==, G_N_ELEMENTS (cases));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    cJSON *record = cJSON_GetArrayItem (json, i);

    g_assert_true (json_rig_number (record, "resolution.width") == cases[i].w);
    g_assert_true (json_rig_number (record, "resolution.height") == cases[i].h);
    g_assert_true (json_rig_number (record, "objects.0.w") == cases[i].box);
  }
}

/* A box narrower than a pixel is a pixel wide, and where the overlay draws it.
 */
static void
test_narrow (void)
{
  g_autofree char *path = rig_file ("narrow.jsonl", "");
  g_autofree char *text = NULL;
  const GstDefcnObject o = { 100.6 / W, 50.1 / H, 100.9 / W, 50.3 / H, 0, 0,
    g_quark_from_static_string ("dog"), 0 };
  GstHarness *h = json_rig_harness (path, "");

  json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
  gst_harness_teardown (h);
  text = json_rig_contents (path);
  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  g_assert_true (json_rig_number (json, "0.objects.0.x") == 100);
  g_assert_true (json_rig_number (json, "0.objects.0.y") == 50);
  g_assert_true (json_rig_number (json, "0.objects.0.w") == 1);
  g_assert_true (json_rig_number (json, "0.objects.0.h") == 1);
  /* No confidence at all is one too. */
  g_assert_true (
      json_rig_number (json, "0.objects.0.detection.confidence") == 0);
}

/* Frames without objects are left out unless they are asked for; then "not
 * looked" says why, and a frame no detector saw says neither. */
static void
test_empty_results (void)
{
  static const GstDefcnMark skipped = { FALSE, "interval", FALSE, 0, "" };
  static const GstDefcnMark again = { FALSE, "busy", TRUE, 0, "" };
  const GstDefcnObject o = json_rig_object ("dog");

  for (int empty = 0; empty < 2; empty++) {
    g_autofree char *path = rig_file ("empty.jsonl", "");
    g_autofree char *text = NULL;
    GstHarness *h =
        json_rig_harness (path, empty ? "add-empty-results=true" : "");

    json_rig_push (h, json_rig_frame (0, NULL, 0, NULL));
    json_rig_push (h, json_rig_frame (1, NULL, 0, &looked));
    json_rig_push (h, json_rig_frame (2, NULL, 0, &skipped));
    json_rig_push (h, json_rig_frame (3, &o, 1, &again));
    gst_harness_teardown (h);
    text = json_rig_contents (path);

    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    cJSON *last = cJSON_GetArrayItem (json, empty ? 3 : 0);
    g_assert_cmpint (cJSON_GetArraySize (json), ==, empty ? 4 : 1);
    g_assert_cmpstr (json_rig_string (last, "reason"), ==, "busy");
    g_assert_true (cJSON_IsTrue (json_rig_at (last, "repeated")));
    if (!empty)
      continue;
    for (int i = 0; i < 3; i++)
      g_assert_cmpint (cJSON_GetArraySize (
                           json_rig_at (cJSON_GetArrayItem (json, i),
                               "objects")),
          ==, 0);
    g_assert_null (json_rig_at (json, "0.inferred"));
    g_assert_true (cJSON_IsTrue (json_rig_at (json, "1.inferred")));
    g_assert_true (cJSON_IsFalse (json_rig_at (json, "2.inferred")));
    g_assert_cmpstr (json_rig_string (json, "2.reason"), ==, "interval");
    g_assert_null (json_rig_at (json, "2.repeated"));
    g_assert_null (json_rig_at (json, "1.reason"));
  }
}

/* Whatever the label and the source, the file is valid UTF-8 and valid JSON,
 * and gives back the text; bytes that are no UTF-8 become U+FFFD. */
static void
test_escaping (void)
{
  static const struct
  {
    const char *text, *wanted;
  } cases[] = {
    { "a \"b\" \\ / \t\n\r\b\f", NULL },
    { "\x01\x1f", NULL },
    { "Gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0 \xf0\x9f\x90\x95", NULL },
    { "}]{[,:", NULL },
    { "\xc2\xa0\xc3\x9b", NULL },
    { "\xff latin \xe9", "\xef\xbf\xbd latin \xef\xbf\xbd" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = rig_file ("escape.jsonl", "");
    g_autofree char *text = NULL;
    const char *wanted = cases[i].wanted ? cases[i].wanted : cases[i].text;
    const GstDefcnObject o = json_rig_object (cases[i].text);
    GstHarness *h =
        json_rig_harness (path, "tags={\"a\":\"caf\xe9\x7f\xc2\x9b\"}");
    g_autoptr (GstElement) element =
        gst_harness_find_element (h, "defcnpublish");
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H, NULL);
    GstVideoRegionOfInterestMeta *roi;

    g_object_set (element, "source", cases[i].text, NULL);
    /* As foreign metadata: a structure refuses what is no UTF-8. */
    roi = gst_buffer_add_video_region_of_interest_meta_id (buffer, o.label, 1,
        2, 3, 4);
    g_assert_nonnull (roi);
    json_rig_push (h, buffer);
    gst_harness_teardown (h);
    text = json_rig_contents (path);
    g_assert_true (g_utf8_validate (text, -1, NULL));
    for (const char *c = text; *c; c = g_utf8_next_char (c))
      g_assert_true (*c == '\n' || !g_unichar_iscntrl (g_utf8_get_char (c)));

    JSON_RIG_AUTO *json = json_rig_parse_lines (text);
    g_assert_cmpstr (json_rig_string (json, "0.source"), ==, wanted);
    g_assert_cmpstr (json_rig_string (json, "0.tags.a"), ==,
        "caf\xef\xbf\xbd\x7f\xc2\x9b");
    /* Of a label the control characters are gone. */
    wanted = g_quark_to_string (gst_defcn_object_label (wanted));
    g_assert_cmpstr (json_rig_string (json, "0.objects.0.roi_type"), ==,
        wanted);
    g_assert_cmpstr (json_rig_string (json, "0.objects.0.detection.label"), ==,
        wanted);
    g_assert_null (json_rig_at (json, "0.objects.0.detection.confidence"));
    g_assert_null (json_rig_at (json, "0.objects.0.detection.label_id"));
  }
}

/* json-indent is the number of spaces of a level; strings keep theirs.  Lines
 * of json-lines stay lines. */
static void
test_indent (void)
{
  static const struct
  {
    const char *format, *indent, *wanted;
  } cases[] = {
    { "json", "-1", "[\n{\"objects\":[{\"" },
    { "json", "0", "[\n{\n\"objects\": [{\n\"detection\": {\n" },
    { "json", "3", "[\n{\n   \"objects\": [{\n         \"detection\": {\n" },
    { "json-lines", "3", "{\"objects\":[{\"detection\":{" },
  };
  const GstDefcnObject o = json_rig_object ("dog");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = rig_file ("indent.json", "");
    g_autofree char *text = NULL;
    g_autofree char *properties = g_strconcat ("file-format=", cases[i].format,
        ";json-indent=", cases[i].indent, ";source=a\t:\tb", NULL);
    GstHarness *h = json_rig_harness (path, properties);

    json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
    gst_harness_teardown (h);
    text = json_rig_contents (path);
    g_test_message ("%s", text);
    g_assert_true (g_str_has_prefix (text, cases[i].wanted));
    JSON_RIG_AUTO *json = g_str_equal (cases[i].format, "json")
        ? cJSON_Parse (text)
        : json_rig_parse_lines (text);
    g_assert_cmpstr (json_rig_string (json, "0.source"), ==, "a\t:\tb");
  }
}

/* timestamp-utc is an ISO 8601 time of now. */
static void
test_utc (void)
{
  g_autofree char *path = rig_file ("utc.jsonl", "");
  g_autofree char *text = NULL;
  g_autoptr (GDateTime) before = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) after = NULL, then = NULL;
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness (path, "timestamp-utc=true");

  json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
  gst_harness_teardown (h);
  after = g_date_time_new_now_utc ();
  text = json_rig_contents (path);
  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  then =
      g_date_time_new_from_iso8601 (json_rig_string (json, "0.timestamp_utc"),
          NULL);
  g_assert_nonnull (then);
  g_assert_cmpint (g_date_time_compare (before, then), <=, 0);
  g_assert_cmpint (g_date_time_compare (then, after), <=, 0);
}

/* Property values come back as they were set, over their whole range. */
static void
test_properties (void)
{
  g_autoptr (GstElement) element =
      gst_element_factory_make ("defcnpublish", NULL);
  g_autofree char *location = NULL, *source = NULL, *tags = NULL;
  gboolean empty, utc;
  int indent, fd, format;

  gst_object_ref_sink (element);
  g_object_get (element, "location", &location, "fd", &fd, "json-indent",
      &indent, "add-empty-results", &empty, NULL);
  g_assert_cmpstr (location, ==, "-");
  g_assert_cmpint (fd, ==, -1);
  g_assert_cmpint (indent, ==, -1);
  g_assert_false (empty);
  gst_util_set_object_arg (G_OBJECT (element), "file-format", "json");
  g_object_set (element, "source", "s", "tags", "{}", "json-indent", 10,
      "add-empty-results", TRUE, "timestamp-utc", TRUE, NULL);
  g_object_get (element, "source", &source, "tags", &tags, "json-indent",
      &indent, "add-empty-results", &empty, "timestamp-utc", &utc,
      "file-format", &format, NULL);
  g_assert_cmpstr (source, ==, "s");
  g_assert_cmpstr (tags, ==, "{}");
  g_assert_cmpint (indent, ==, 10);
  g_assert_true (empty);
  g_assert_true (utc);
  g_assert_cmpint (format, ==, 1);
}

static void
publish_and_stop (void)
{
  const GstDefcnObject o = json_rig_object ("dog");
  GstHarness *h = json_rig_harness ("/dev/null",
      "source=a;source=b;tags={\"a\":1};timestamp-utc=true;file-format=json;"
      "json-indent=2");

  json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
  json_rig_push (h, json_rig_frame (1, NULL, 0, &looked));
  gst_harness_teardown (h);
}

static void
fail_to_start (void)
{
  GstElement *element = gst_element_factory_make ("defcnpublish", NULL);

  gst_object_ref_sink (element);
  g_object_set (element, "location", "/", "tags", "{}", NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  g_object_set (element, "tags", "[]", NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
}

/* What is tracked has its id, as gvametaconvert writes it and by the name of
 * the metadata, to the last digit; predicted objects are told apart. */
static void
test_track (void)
{
  static const GstDefcnMark predicted = { FALSE, "interval", .model = "",
    .predicted = TRUE };
  GstDefcnObject o = json_rig_object ("dog");
  g_autofree char *path = rig_file ("track.jsonl", "");
  g_autofree char *text = NULL;
  GstHarness *h = json_rig_harness (path, "");

  json_rig_push (h, json_rig_frame (0, &o, 1, &looked));
  o.track.id = 9007199254740993;
  json_rig_push (h, json_rig_frame (1, &o, 1, &predicted));
  gst_harness_teardown (h);
  text = json_rig_contents (path);
  g_assert_nonnull (strstr (text, "\"id\":9007199254740993,"));
  g_assert_nonnull (strstr (text, "\"object_id\":9007199254740993,"));

  JSON_RIG_AUTO *json = json_rig_parse_lines (text);
  cJSON *first = cJSON_GetArrayItem (json, 0),
        *second = cJSON_GetArrayItem (json, 1);
  g_assert_null (json_rig_at (first, "objects.0.id"));
  g_assert_null (json_rig_at (first, "objects.0.object_id"));
  g_assert_null (json_rig_at (first, "predicted"));
  g_assert_true (cJSON_IsTrue (json_rig_at (second, "predicted")));
  g_assert_true (cJSON_IsTrue (json_rig_at (second, "detectors.0.predicted")));
}

/* The element leaves no memory behind. */
static void
test_steady (void)
{
  rig_assert_steady (publish_and_stop);
  rig_assert_steady (fail_to_start);
}

int
main (int argc, char **argv)
{
  g_setenv ("TZ", "XXX-5:45", TRUE); /* not that of timestamp-utc */
  rig_init (&argc, &argv);
  g_test_add_func ("/publish/record", test_record);
  g_test_add_func ("/publish/scene", test_scene);
  g_test_add_func ("/publish/by-themselves", test_by_themselves);
  g_test_add_func ("/publish/address", test_address);
  g_test_add_func ("/publish/shared", test_shared);
  g_test_add_func ("/publish/precision", test_precision);
  g_test_add_func ("/publish/stream-time", test_stream_time);
  g_test_add_func ("/publish/numbers", test_numbers);
  g_test_add_func ("/publish/detectors", test_detectors);
  g_test_add_func ("/publish/objects-origin", test_objects_origin);
  g_test_add_func ("/publish/capture", test_capture);
  g_test_add_func ("/publish/tags", test_tags);
  g_test_add_func ("/publish/metas", test_metas);
  g_test_add_func ("/publish/lost", test_lost);
  g_test_add_func ("/publish/caps", test_caps);
  g_test_add_func ("/publish/narrow", test_narrow);
  g_test_add_func ("/publish/empty-results", test_empty_results);
  g_test_add_func ("/publish/escaping", test_escaping);
  g_test_add_func ("/publish/indent", test_indent);
  g_test_add_func ("/publish/utc", test_utc);
  g_test_add_func ("/publish/track", test_track);
  g_test_add_func ("/publish/steady", test_steady);
  g_test_add_func ("/publish/properties", test_properties);
  return rig_run ();
}
