/* defcnzones: counts of scripted tracks in metadata, messages and statistics;
 * drawings that change; what ends tracks. */
#include <glib/gstdio.h>
#include <string.h>

#include "rig.h"
#include "scene.h"

#define W 640
#define H 480
#define CAPS "video/x-raw,format=GRAY8,width=640,height=480,framerate=25/1"
#define STEP (40 * GST_MSECOND)
#define LINE "L: line 0.1,0.5 0.9,0.5"
#define ZONE "Z: polygon 0.2,0.2 0.8,0.2 0.8,0.8 0.2,0.8"

static const GstDefcnMark looked = { TRUE, "", .model = "", .model_name = "",
  .detector = "one", .fresh = TRUE };
static const GstDefcnMark skipped = { FALSE, "interval", .model = "",
  .timestamp = GST_CLOCK_TIME_NONE, .model_name = "", .detector = "one" };

/* Somebody with the feet at @x, @y (0..1), as defcntrack tells of who has an
 * id. */
static GstDefcnObject
person (gint64 id, double x, double y)
{
  return (GstDefcnObject){
    x - 0.05, y - 0.2, x + 0.05, y, 0.9, 3, g_quark_from_string ("person"),
    .track = { .id = id, .state = id ? g_quark_from_string ("confirmed") : 0 }
  };
}

static GstHarness *
harness_new (const char *properties)
{
  g_autofree char *launch =
      g_strdup_printf ("defcnzones name=zones %s", properties);
  GstHarness *h = gst_harness_new_parse (launch);

  g_assert_nonnull (h);
  gst_harness_set_src_caps_str (h, CAPS);
  return h;
}

static GstElement *
element (GstHarness *h)
{
  return gst_harness_find_element (h, "defcnzones");
}

/* Frame @i with @n @objects; what comes out. */
static GstBuffer *
push (GstHarness *h, guint i, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 8, NULL);
  g_autoptr (GArray) array =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  GST_BUFFER_PTS (buffer) = i * STEP;
  GST_BUFFER_DURATION (buffer) = STEP;
  g_array_append_vals (array, objects, n);
  if (mark)
    gst_defcn_meta_attach (buffer, array, mark, GST_DEFCN_META_ROI, W, H);
  buffer = gst_harness_push_and_pull (h, buffer);
  g_assert_nonnull (buffer);
  return buffer;
}

/* "zone-entered Z #1, .." */
static char *
tell (GstBuffer *buffer)
{
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();
  GString *told = g_string_new (NULL);

  gst_defcn_scene_read_events (buffer, events);
  for (guint i = 0; i < events->len; i++) {
    const GstDefcnSceneEvent *e =
        &g_array_index (events, GstDefcnSceneEvent, i);

    g_string_append_printf (told, "%s%s %s #%d", i ? ", " : "",
        g_quark_to_string (e->type), g_quark_to_string (e->place),
        (int) e->object.track.id);
    if (e->direction)
      g_string_append_printf (told, " %s", g_quark_to_string (e->direction));
    if (e->reason)
      g_string_append_printf (told, " %s", g_quark_to_string (e->reason));
  }
  return g_string_free (told, FALSE);
}

static void
assert_tells (GstBuffer *buffer, const char *wanted)
{
  g_autofree char *told = tell (buffer);

  g_assert_cmpstr (told, ==, wanted);
  gst_buffer_unref (buffer);
}

/* Frame @i with somebody; what happened. */
static void
step (GstHarness *h, guint i, gint64 id, double x, double y, const char *wanted)
{
  const GstDefcnObject o = person (id, x, y);

  assert_tells (push (h, i, &o, 1, &looked), wanted);
}

/* Place number @i of the property stats. */
static GstStructure *
stat_of (GstHarness *h, guint i)
{
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstStructure) stats = NULL;
  const GValue *places;

  g_object_get (zones, "stats", &stats, NULL);
  places = gst_structure_get_value (stats, "places");
  g_assert_cmpuint (i, <, gst_value_array_get_size (places));
  return gst_structure_copy (
      gst_value_get_structure (gst_value_array_get_value (places, i)));
}

static void
assert_stat (GstHarness *h, guint place, const char *field, guint64 wanted)
{
  g_autoptr (GstStructure) s = stat_of (h, place);
  guint64 found = 0;
  guint occupancy;

  if (gst_structure_get_uint (s, field, &occupancy))
    found = occupancy;
  else
    g_assert_true (gst_structure_get_uint64 (s, field, &found));
  g_assert_cmpuint (found, ==, wanted);
}

/* What is on a frame: the places with their counts and what has happened, in
 * metadata, in the statistics, and in a message. */
static void
test_tells (void)
{
  GstHarness *h = harness_new ("message=true zones=\"" ZONE "; " LINE "\"");
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstBus) bus = gst_bus_new ();
  const GstDefcnObject above = person (1, 0.5, 0.4),
                       below = person (1, 0.5, 0.6);
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();
  g_autoptr (GstMessage) message = NULL, none = NULL;
  const GstDefcnScenePlace *p;
  const GstDefcnSceneEvent *e;
  const GstStructure *s, *event;
  g_autoptr (GstStructure) stats = NULL;
  GstBuffer *buffer;
  guint64 time, n_events;
  double x_max;
  int width;

  gst_element_set_bus (zones, bus);
  assert_tells (push (h, 0, &above, 1, &looked), "zone-entered Z #1");
  assert_tells (push (h, 1, &above, 1, &looked), "");
  buffer = push (h, 2, &below, 1, &looked);
  g_assert_cmpuint (gst_defcn_scene_read_places (buffer, places), ==, 2);
  p = &g_array_index (places, GstDefcnScenePlace, 0);
  g_assert_cmpstr (g_quark_to_string (p->name), ==, "Z");
  g_assert_cmpuint (p->points->len, ==, 8);
  g_assert_cmpuint (p->all.occupancy, ==, 1);
  p = &g_array_index (places, GstDefcnScenePlace, 1);
  g_assert_true (p->is_line);
  g_assert_cmpuint (p->all.forward, ==, 1);
  g_assert_cmpuint (p->classes->len, ==, 1);
  g_assert_cmpuint (gst_defcn_scene_read_events (buffer, events), ==, 1);
  e = &g_array_index (events, GstDefcnSceneEvent, 0);
  g_assert_cmpstr (g_quark_to_string (e->direction), ==, "forward");
  g_assert_true (e->object.y_max == below.y_max);
  g_assert_cmpint (e->object.track.id, ==, 1);
  gst_buffer_unref (buffer);

  assert_stat (h, 0, "occupancy", 1);
  assert_stat (h, 1, "forward", 1);
  g_object_get (zones, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, "events", &n_events));
  g_assert_cmpuint (n_events, ==, 2);
  gst_message_unref (rig_message (bus, GST_MESSAGE_ELEMENT));
  message = rig_message (bus, GST_MESSAGE_ELEMENT);
  s = gst_message_get_structure (message);
  g_assert_true (gst_structure_has_name (s, "defcn-events"));
  for (const char *const *field = (const char *const[]){ "timestamp",
           "stream-time", "running-time", NULL };
       *field; field++) {
    g_assert_true (gst_structure_get_uint64 (s, *field, &time));
    g_assert_cmpuint (time, ==, 2 * STEP);
  }
  g_assert_true (gst_structure_get_int (s, "width", &width));
  g_assert_cmpint (width, ==, W);
  event = gst_value_get_structure (
      gst_value_array_get_value (gst_structure_get_value (s, "events"), 0));
  g_assert_cmpstr (gst_structure_get_string (event, "place"), ==, "L");
  g_assert_true (gst_structure_get_double (event, "x_max", &x_max));
  g_assert_true (x_max == below.x_max);
  none = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  g_assert_null (none);
  gst_harness_teardown (h);
}

/* Messages are only for who wants them. */
static void
test_silent (void)
{
  GstHarness *h = harness_new ("zones=\"" ZONE "\"");
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstBus) bus = gst_bus_new ();

  gst_element_set_bus (zones, bus);
  step (h, 0, 1, 0.5, 0.5, "zone-entered Z #1");
  g_assert_null (gst_bus_pop (bus));
  g_object_set (zones, "message", TRUE, NULL);
  step (h, 1, 1, 0.1, 0.5, "zone-left Z #1");
  gst_message_unref (rig_message (bus, GST_MESSAGE_ELEMENT));
  gst_harness_teardown (h);
}

/* Frames that nobody looked at are judged by predicted boxes; without any who
 * has no track stays where it was. */
static void
test_not_looked (void)
{
  GstHarness *h = harness_new ("zones=\"" ZONE "; " LINE "\"");
  GstDefcnObject o[] = { person (1, 0.5, 0.4), person (0, 0.5, 0.4) };
  GstDefcnMark mark = skipped;

  assert_tells (push (h, 0, o, 2, &looked), "zone-entered Z #1");
  assert_tells (push (h, 1, o, 0, &skipped), "");
  assert_stat (h, 0, "occupancy", 2);
  mark.predicted = TRUE;
  o[0] = person (1, 0.5, 0.6);
  o[0].track.predicted = TRUE;
  assert_tells (push (h, 2, o, 1, &mark), "line-crossed L #1 forward");
  assert_stat (h, 0, "occupancy", 1);
  mark.predicted = FALSE;
  mark.repeated = TRUE;
  assert_tells (push (h, 3, &o[1], 1, &mark), "");
  assert_stat (h, 0, "occupancy", 2);
  assert_tells (push (h, 4, o, 0, &looked), "");
  assert_stat (h, 0, "occupancy", 1);
  gst_harness_teardown (h);
}

/* Who is not seen for lost-after, which can change, has left. */
static void
test_lost_track (void)
{
  GstHarness *h = harness_new ("lost-after=100 zones=\"" ZONE "\"");
  g_autoptr (GstElement) zones = element (h);
  const GstDefcnObject nobody = { 0 };

  step (h, 0, 1, 0.5, 0.5, "zone-entered Z #1");
  assert_tells (push (h, 2, &nobody, 0, &looked), "");
  assert_tells (push (h, 3, &nobody, 0, &looked), "zone-left Z #1 lost");
  g_object_set (zones, "lost-after", 30, NULL);
  step (h, 4, 2, 0.5, 0.5, "zone-entered Z #2");
  assert_tells (push (h, 5, &nobody, 0, &looked), "zone-left Z #2 lost");
  gst_harness_teardown (h);
}

static char *
warning_of (GstBus *bus)
{
  g_autoptr (GstMessage) message =
      gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  g_autoptr (GError) error = NULL;

  if (!message)
    return NULL;
  gst_message_parse_warning (message, &error, NULL);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  return g_strdup (error->message);
}

static void
assert_warns (GstBus *bus, const char *about)
{
  g_autofree char *text = warning_of (bus);

  if (about)
    g_assert_nonnull (text);
  else
    g_assert_cmpstr (text, ==, NULL);
  if (about && !strstr (text, about))
    g_error ("\"%s\" does not say \"%s\"", text, about);
}

/* Without a tracker occupancy is what there is, and a warning says so, once. */
static void
test_untracked (void)
{
  GstHarness *h = harness_new ("zones=\"" ZONE "; " LINE "\"");
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstBus) bus = gst_bus_new ();
  GstDefcnObject new = person (0, 0.5, 0.5);

  gst_element_set_bus (zones, bus);
  new.track.state = g_quark_from_string ("new");
  assert_tells (push (h, 0, &new, 1, &looked), "");
  assert_warns (bus, NULL);
  step (h, 1, 0, 0.5, 0.4, "");
  assert_stat (h, 0, "occupancy", 1);
  step (h, 2, 0, 0.5, 0.6, "");
  assert_warns (bus, "1 objects have no track");
  assert_warns (bus, NULL);
  gst_harness_teardown (h);
}

/* Boxes that a crop has made wrong are not looked at, and who was there stays;
 * a warning says so once. */
static void
test_lost_boxes (void)
{
  GstHarness *h = gst_harness_new_parse ("defcnzones zones=\"" ZONE "\"");
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstBus) bus = gst_bus_new ();
  const GstDefcnObject o = person (0, 0.5, 0.5);

  gst_harness_set_src_caps_str (h, CAPS);
  assert_tells (push (h, 0, &o, 1, &looked), "");
  gst_element_set_bus (zones, bus);
  for (guint i = 1; i < 3; i++) {
    GstBuffer *buffer = gst_buffer_new ();
    g_autoptr (GArray) array =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

    g_array_append_val (array, o);
    GST_BUFFER_PTS (buffer) = i * STEP;
    gst_defcn_meta_attach (buffer, array, &looked, GST_DEFCN_META_CUSTOM, W, H);
    gst_buffer_add_video_crop_meta (buffer)->width = 100;
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
    assert_stat (h, 0, "occupancy", 1);
  }
  assert_warns (bus, "boxes of 1 objects are lost");
  assert_warns (bus, NULL);
  gst_harness_teardown (h);
}

/* Another drawing while frames pass: it holds from the next one on, what stays
 * keeps its counts. */
static void
test_redraw (void)
{
  GstHarness *h = harness_new ("zones=\"" ZONE "\"");
  g_autoptr (GstElement) zones = element (h);
  g_autofree char *text = NULL;

  step (h, 0, 1, 0.5, 0.4, "zone-entered Z #1");
  g_object_set (zones, "zones", LINE "; " ZONE, NULL);
  step (h, 1, 1, 0.5, 0.4, "");
  step (h, 2, 1, 0.5, 0.6, "line-crossed L #1 forward");
  assert_stat (h, 1, "entered", 1);
  g_object_set (zones, "zones", LINE, NULL);
  step (h, 3, 1, 0.5, 0.4,
      "zone-left Z #1 removed, line-crossed L #1 backward");
  assert_stat (h, 0, "forward", 1);
  g_object_set (zones, "zones", NULL, NULL);
  step (h, 4, 1, 0.5, 0.4, "");
  g_object_set (zones, "zones", ZONE, NULL);
  step (h, 5, 1, 0.5, 0.4, "zone-entered Z #1");
  g_object_get (zones, "zones", &text, NULL);
  g_assert_cmpstr (text, ==, ZONE);
  gst_harness_teardown (h);
}

/* The properties that are for places which say nothing of their own hold from
 * the next frame on too. */
static void
test_defaults (void)
{
  GstHarness *h = harness_new ("hysteresis=0 zones=\"" ZONE "\"");
  g_autoptr (GstElement) zones = element (h);

  step (h, 0, 1, 0.5, 0.9, "");
  gst_util_set_object_arg (G_OBJECT (zones), "anchor", "head");
  step (h, 1, 1, 0.5, 0.9, "zone-entered Z #1");
  step (h, 2, 1, 0.81, 0.9, "zone-left Z #1");
  g_object_set (zones, "hysteresis", 0.1f, "loitering", 40, NULL);
  step (h, 3, 1, 0.5, 0.9, "zone-entered Z #1");
  step (h, 4, 1, 0.81, 0.9, "zone-dwell Z #1");
  step (h, 5, 1, 0.9, 0.9, "zone-left Z #1");
  g_object_set (zones, "min-time", 40, NULL);
  step (h, 6, 1, 0.5, 0.9, "");
  step (h, 7, 1, 0.5, 0.9, "zone-entered Z #1, zone-dwell Z #1");
  gst_harness_teardown (h);
}

/* What is wrong is refused while the element runs, and the old goes on. */
static void
test_refused (void)
{
  static const struct
  {
    const char *property, *value, *message;
  } cases[] = {
    { "zones", "Z: polygon 0,0 1,1", "zones: \"Z\": a polygon has three" },
    { "zones", "\xff: line 0,0 1,1", "no UTF-8" },
    { "config", "/nowhere/zones.json", "config: " },
    { "config", "/nowhere/\xff.json", "config: " },
    { "config", "/dev/null", "config: /dev/null is no regular file" },
    { "resolution", "640", "resolution is \"640\"" },
  };
  GstHarness *h = harness_new ("zones=\"" ZONE "\"");
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstBus) bus = gst_bus_new ();

  gst_element_set_bus (zones, bus);
  step (h, 0, 1, 0.5, 0.5, "zone-entered Z #1");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *before = NULL, *after = NULL;

    g_object_get (zones, cases[i].property, &before, NULL);
    g_object_set (zones, cases[i].property, cases[i].value, NULL);
    assert_warns (bus, cases[i].message);
    g_object_get (zones, cases[i].property, &after, NULL);
    g_assert_cmpstr (after, ==, before);
    step (h, 1 + i, 1, 0.5, 0.5, "");
    assert_stat (h, 0, "entered", 1);
  }
  gst_harness_teardown (h);
}

/* At the start it is an error. */
static void
test_refused_start (void)
{
  static const char *properties[] = { "zones=\"Z: polygon 0,0 1,1\"",
    "config=/nowhere/zones.json", "resolution=640",
    "zones=\"" ZONE "; " ZONE "\"" };

  for (guint i = 0; i < G_N_ELEMENTS (properties); i++) {
    g_autofree char *launch = g_strdup_printf ("defcnzones %s", properties[i]);
    g_autoptr (GstElement) zones = gst_parse_launch (launch, NULL);
    g_autoptr (GstBus) bus = gst_bus_new ();
    g_autoptr (GstMessage) message = NULL;

    g_assert_nonnull (zones);
    gst_element_set_bus (zones, bus);
    g_assert_cmpint (gst_element_set_state (zones, GST_STATE_PAUSED), ==,
        GST_STATE_CHANGE_FAILURE);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    g_assert_nonnull (message);
    gst_element_set_state (zones, GST_STATE_NULL);
  }
}

/* A file, besides the text; what has changed in it is read when it is set
 * again, and not before. */
static void
test_config (void)
{
  g_autofree char *path = rig_file ("zones.json",
      "{\"zones\": [{\"name\": \"Z\", \"points\": [[0.2, 0.2], [0.8, 0.2], "
      "[0.8, 0.8]]}]}");
  g_autofree char *properties =
      g_strdup_printf ("config=%s zones=\"" LINE "\"", path);
  GstHarness *h = harness_new (properties);
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstBus) bus = gst_bus_new ();

  gst_element_set_bus (zones, bus);
  step (h, 0, 1, 0.5, 0.4, "zone-entered Z #1");
  step (h, 1, 1, 0.5, 0.8, "zone-left Z #1, line-crossed L #1 forward");
  g_assert_true (g_file_set_contents (path,
      "{\"lines\": [{\"name\": \"M\", \"points\": [[0, 0.6], [1, 0.6]]}]}", -1,
      NULL));
  g_object_set (zones, "hysteresis", 0.05f, NULL);
  step (h, 2, 1, 0.5, 0.4, "zone-entered Z #1, line-crossed L #1 backward");
  g_object_set (zones, "config", path, NULL);
  step (h, 3, 1, 0.5, 0.4, "zone-left Z #1 removed");
  step (h, 4, 1, 0.5, 0.8,
      "line-crossed M #1 forward, line-crossed L #1 forward");
  g_assert_true (g_file_set_contents (path, "{", -1, NULL));
  g_object_set (zones, "config", path, NULL);
  assert_warns (bus, "no JSON");
  step (h, 5, 1, 0.5, 0.4,
      "line-crossed M #1 backward, line-crossed L #1 backward");
  g_assert_true (g_file_set_contents (path, "{}\0{}", 5, NULL));
  g_object_set (zones, "config", path, NULL);
  assert_warns (bus, "is no text");
  g_object_set (zones, "config", NULL, NULL);
  step (h, 6, 1, 0.5, 0.8, "line-crossed L #1 forward");
  gst_harness_teardown (h);
}

static void
push_caps (GstHarness *h, const char *size)
{
  g_autofree char *text =
      g_strdup_printf ("video/x-raw,format=GRAY8,framerate=25/1,%s", size);

  gst_harness_push_event (h, gst_event_new_caps (gst_caps_from_string (text)));
}

/* Another resolution: what is drawn stays where it is in the picture, tracks go
 * on, pixels are of the picture that there was or of the one that they say. */
static void
test_resolution (void)
{
  static const char *drawings[] = {
    "zones=\"" LINE "\"",
    "zones=\"L: line 64,240 576,240\"",
    "zones=\"L: line 10,50 90,50 resolution=100x100\"",
    "resolution=1000x500 zones=\"L: line 100,250 900,250\"",
  };

  for (guint i = 0; i < G_N_ELEMENTS (drawings); i++) {
    GstHarness *h = harness_new (drawings[i]);
    g_autoptr (GstElement) zones = element (h);
    g_autoptr (GstBus) bus = gst_bus_new ();

    g_test_message ("%s", drawings[i]);
    gst_element_set_bus (zones, bus);
    step (h, 0, 1, 0.5, 0.4, "");
    push_caps (h, "width=1280,height=720");
    step (h, 1, 1, 0.5, 0.6, "line-crossed L #1 forward");
    push_caps (h, "width=64,height=48");
    step (h, 2, 1, 0.5, 0.4, "line-crossed L #1 backward");
    assert_warns (bus, NULL);
    gst_harness_teardown (h);
  }
}

/* Pixels that the picture does not have. */
static void
test_beyond (void)
{
  GstHarness *h = harness_new ("zones=\"far: line 0,240 1000,240\"");
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstBus) bus = gst_bus_new ();

  gst_element_set_bus (zones, bus);
  step (h, 0, 1, 0.5, 0.4, "");
  step (h, 1, 1, 0.5, 0.6, "line-crossed far #1 forward");
  assert_warns (bus, "\"far\" reaches beyond the picture of 640x480");
  assert_warns (bus, NULL);
  gst_harness_teardown (h);
}

typedef enum
{
  NOTHING,
  FLUSH,
  SAME_SEGMENT,
  OTHER_SEGMENT,
  STREAM,
  GAP,
} Happening;

static void
happen (GstHarness *h, Happening what)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  switch (what) {
    case FLUSH:
      rig_flush (h);
      break;
    case SAME_SEGMENT:
      rig_push_segment (h);
      break;
    case OTHER_SEGMENT:
      segment.start = segment.time = 40 * GST_MSECOND;
      gst_harness_push_event (h, gst_event_new_segment (&segment));
      break;
    case STREAM:
      gst_harness_push_event (h, gst_event_new_stream_start ("another"));
      break;
    case GAP:
      gst_harness_push_event (h, gst_event_new_gap (2 * STEP, STEP));
      break;
    default:
      break;
  }
}

/* What ends tracks and what does not. */
static void
test_breaks (void)
{
  static const struct
  {
    Happening what;
    gboolean ends;
  } cases[] = { { NOTHING, FALSE }, { FLUSH, TRUE }, { SAME_SEGMENT, FALSE },
    { OTHER_SEGMENT, TRUE }, { STREAM, TRUE }, { GAP, FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = harness_new ("zones=\"" ZONE "; " LINE "\"");

    g_test_message ("%u", i);
    step (h, 1, 1, 0.5, 0.4, "zone-entered Z #1");
    happen (h, cases[i].what);
    step (h, 3, 1, 0.5, 0.6,
        cases[i].ends ? "zone-left Z #1 lost, zone-entered Z #1"
                      : "line-crossed L #1 forward");
    gst_harness_teardown (h);
  }
}

/* From one start to the next counts begin anew; after a stop they can still be
 * read. */
static void
test_states (void)
{
  GstHarness *h = harness_new ("zones=\"" ZONE "\"");

  for (int i = 0; i < 3; i++) {
    step (h, 0, 1, 0.5, 0.5, "zone-entered Z #1");
    assert_stat (h, 0, "entered", 1);
    gst_element_set_state (h->element, GST_STATE_NULL);
    assert_stat (h, 0, "entered", 1);
    gst_element_set_state (h->element, GST_STATE_PLAYING);
    gst_harness_play (h);
    gst_harness_set_src_caps_str (h, CAPS);
  }
  gst_harness_teardown (h);
}

/* The action signal; before the start too. */
static void
test_reset (void)
{
  g_autoptr (GstElement) unused = gst_element_factory_make ("defcnzones", NULL);
  g_autoptr (GstStructure) stats = NULL;
  GstHarness *h = harness_new ("zones=\"" ZONE "\"");
  g_autoptr (GstElement) zones = element (h);

  g_signal_emit_by_name (unused, "reset");
  g_object_get (unused, "stats", &stats, NULL);
  g_assert_cmpuint (gst_value_array_get_size (
                        gst_structure_get_value (stats, "places")),
      ==, 0);
  step (h, 0, 1, 0.5, 0.5, "zone-entered Z #1");
  g_signal_emit_by_name (zones, "reset");
  assert_stat (h, 0, "entered", 0);
  assert_stat (h, 0, "occupancy", 1);
  gst_harness_teardown (h);
}

/* Two in a row: what each says is there. */
static void
test_two (void)
{
  GstHarness *h = gst_harness_new_parse ("defcnzones zones=\"" ZONE "\" ! "
                                         "defcnzones zones=\"" LINE "\"");
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  const GstDefcnObject below = person (1, 0.5, 0.7);
  g_autoptr (GstBuffer) buffer = NULL;

  gst_harness_set_src_caps_str (h, CAPS);
  step (h, 0, 1, 0.1, 0.3, "");
  buffer = push (h, 1, &below, 1, &looked);
  assert_tells (gst_buffer_ref (buffer),
      "zone-entered Z #1, line-crossed L #1 forward");
  g_assert_cmpuint (gst_defcn_scene_read_places (buffer, places), ==, 2);
  gst_harness_teardown (h);
}

/* Without anything drawn frames pass as they are. */
static void
test_nothing (void)
{
  GstHarness *h = harness_new ("");
  g_autoptr (GstElement) zones = element (h);
  g_autoptr (GstBus) bus = gst_bus_new ();
  GstBuffer *in = gst_buffer_new (), *out;
  gpointer state = NULL;

  gst_element_set_bus (zones, bus);
  out = gst_harness_push_and_pull (h, in);
  g_assert_true (in == out);
  g_assert_null (gst_buffer_iterate_meta (out, &state));
  gst_buffer_unref (out);
  step (h, 1, 0, 0.5, 0.5, "");
  assert_warns (bus, NULL);
  gst_harness_teardown (h);
}

/* A frame that others hold: they see nothing of it, and no pixel is copied. */
static void
test_shared (void)
{
  GstHarness *h = harness_new ("zones=\"" ZONE "\"");
  g_autoptr (GstBuffer) in = gst_buffer_new_allocate (NULL, 8, NULL);
  g_autoptr (GstBuffer) out = NULL;
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();

  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  g_assert_true (in != out);
  g_assert_true (
      gst_buffer_peek_memory (in, 0) == gst_buffer_peek_memory (out, 0));
  g_assert_cmpuint (gst_defcn_scene_read_places (in, places), ==, 0);
  g_assert_cmpuint (gst_defcn_scene_read_places (out, places), ==, 1);
  gst_harness_teardown (h);
}

/* Frames without a time are as far apart as the caps say. */
static void
test_no_pts (void)
{
  GstHarness *h = harness_new ("loitering=80 zones=\"" ZONE "\"");
  static const char *events[] = { "zone-entered Z #1", "", "zone-dwell Z #1" };

  for (guint i = 0; i < 3; i++) {
    const GstDefcnObject o = person (1, 0.5, 0.5);
    GstBuffer *buffer = gst_buffer_new ();
    g_autoptr (GArray) array =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

    g_array_append_val (array, o);
    gst_defcn_meta_attach (buffer, array, &looked, GST_DEFCN_META_CUSTOM, W, H);
    assert_tells (gst_harness_push_and_pull (h, buffer), events[i]);
  }
  gst_harness_teardown (h);
}

/* Objects of others: ROI metas with the object_id that gvatrack writes. */
static void
test_others (void)
{
  GstHarness *h = harness_new ("zones=\"" LINE "\"");

  for (guint i = 0; i < 2; i++) {
    GstBuffer *buffer = gst_buffer_new ();
    GstVideoRegionOfInterestMeta *roi =
        gst_buffer_add_video_region_of_interest_meta (buffer, "car", 300,
            i ? 200 : 100, 40, 100);

    GST_BUFFER_PTS (buffer) = i * STEP;
    gst_video_region_of_interest_meta_add_param (roi,
        gst_structure_new ("object_id", "id", G_TYPE_INT, 9, NULL));
    assert_tells (gst_harness_push_and_pull (h, buffer),
        i ? "line-crossed L #9 forward" : "");
  }
  gst_harness_teardown (h);
}

/* Behind defcntrack, which gives ids and predicts: somebody who walks down is
 * counted once, though every other frame alone is looked at. */
static void
test_behind_tracker (void)
{
  GstHarness *h = gst_harness_new_parse (
      "defcntrack ! videoconvert ! defcnzones zones=\"" LINE "\"");
  guint n = 0;

  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=GRAY8,width=640,height=480,framerate=25/1");
  for (guint i = 0; i < 40; i++) {
    const GstDefcnObject o = person (0, 0.5, 0.3 + 0.01 * i);
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H, NULL);
    GstDefcnMark mark = i % 2 ? skipped : looked;
    g_autoptr (GArray) array =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    g_autofree char *told = NULL;

    mark.timestamp = i % 2 ? GST_CLOCK_TIME_NONE : i * STEP;
    GST_BUFFER_PTS (buffer) = i * STEP;
    if (i % 2 == 0)
      g_array_append_val (array, o);
    gst_defcn_meta_attach (buffer, array, &mark, GST_DEFCN_META_ROI, W, H);
    buffer = gst_harness_push_and_pull (h, buffer);
    told = tell (buffer);
    if (*told) {
      g_assert_cmpstr (told, ==, "line-crossed L #1 forward");
      g_assert_cmpuint (i, >, 20);
      n++;
    }
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (n, ==, 1);
  gst_harness_teardown (h);
}

static gpointer
edit (gpointer data)
{
  for (int i = 0; i < 200; i++) {
    g_autoptr (GstStructure) stats = NULL;

    g_object_set (data, "zones", i % 2 ? ZONE : LINE "; " ZONE, NULL);
    g_object_get (data, "stats", &stats, NULL);
    if (i % 10 == 0)
      g_signal_emit_by_name (data, "reset");
  }
  return NULL;
}

/* Drawn, read and reset by another thread while frames pass: every frame has
 * the one drawing or the other. */
static void
test_threads (void)
{
  GstHarness *h = harness_new ("zones=\"" ZONE "\"");
  g_autoptr (GstElement) zones = element (h);
  GThread *thread = g_thread_new ("edit", edit, zones);

  for (guint i = 0; i < 200; i++) {
    const GstDefcnObject o = person (1, 0.5, 0.5);
    g_autoptr (GstBuffer) buffer = push (h, i, &o, 1, &looked);
    g_autoptr (GArray) places = gst_defcn_scene_places_new ();
    const guint n = gst_defcn_scene_read_places (buffer, places);

    g_assert_true (n == 1 || n == 2);
  }
  g_thread_join (thread);
  gst_harness_teardown (h);
}

static void
count_and_stop (void)
{
  GstHarness *h = harness_new ("zones=\"" ZONE "; " LINE "\"");
  g_autoptr (GstElement) zones = element (h);

  step (h, 0, 1, 0.5, 0.4, "zone-entered Z #1");
  g_object_set (zones, "zones", ZONE " classes=person", NULL);
  step (h, 1, 1, 0.9, 0.9, "zone-left Z #1");
  g_object_set (zones, "zones", ZONE, NULL);
  gst_harness_teardown (h);
}

static void
test_steady (void)
{
  rig_assert_steady (count_and_stop);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/zones/tells", test_tells);
  g_test_add_func ("/zones/silent", test_silent);
  g_test_add_func ("/zones/not-looked", test_not_looked);
  g_test_add_func ("/zones/lost-track", test_lost_track);
  g_test_add_func ("/zones/untracked", test_untracked);
  g_test_add_func ("/zones/lost-boxes", test_lost_boxes);
  g_test_add_func ("/zones/redraw", test_redraw);
  g_test_add_func ("/zones/defaults", test_defaults);
  g_test_add_func ("/zones/refused", test_refused);
  g_test_add_func ("/zones/refused-start", test_refused_start);
  g_test_add_func ("/zones/config", test_config);
  g_test_add_func ("/zones/resolution", test_resolution);
  g_test_add_func ("/zones/beyond", test_beyond);
  g_test_add_func ("/zones/breaks", test_breaks);
  g_test_add_func ("/zones/states", test_states);
  g_test_add_func ("/zones/reset", test_reset);
  g_test_add_func ("/zones/two", test_two);
  g_test_add_func ("/zones/nothing", test_nothing);
  g_test_add_func ("/zones/shared", test_shared);
  g_test_add_func ("/zones/no-pts", test_no_pts);
  g_test_add_func ("/zones/others", test_others);
  g_test_add_func ("/zones/behind-tracker", test_behind_tracker);
  g_test_add_func ("/zones/threads", test_threads);
  g_test_add_func ("/zones/steady", test_steady);
  return rig_run ();
}
