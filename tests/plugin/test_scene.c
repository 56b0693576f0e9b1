/* What defcnzones says of a frame: written, carried, read back. */
#include <string.h>

#include "rig.h"
#include "scene.h"

#define W 640
#define H 480

static GQuark
quark (const char *text)
{
  return g_quark_from_string (text);
}

static GArray *
doubles (const double *values, guint n)
{
  GArray *a = g_array_new (FALSE, FALSE, sizeof *values);

  g_array_append_vals (a, values, n);
  return a;
}

static GArray *
classes_new (const GstDefcnSceneCount *counts, guint n)
{
  GArray *a = g_array_new (FALSE, FALSE, sizeof *counts);

  g_array_append_vals (a, counts, n);
  return a;
}

/* A zone called @name and a line. */
static GArray *
places_new (const char *name)
{
  static const double corners[] = { 0, 0, 1, 0.25, 1.0 / 3, 1 };
  static const double ends[] = { 0.1, 0.5, 0.9, 0.5 };
  const GstDefcnSceneCount people = { quark ("person"), 2, 7, 5, 4 * GST_SECOND,
    9 * GST_SECOND };
  const GstDefcnSceneCount cars = { quark ("car"), .forward = 3,
    .backward = G_MAXUINT64 };
  const GstDefcnScenePlace list[] = {
    { quark (name), FALSE, doubles (corners, 6),
        { 0, 2, 7, 5, 4 * GST_SECOND, 9 * GST_SECOND },
        classes_new (&people, 1) },
    { quark ("line"), TRUE, doubles (ends, 4),
        { .forward = 3, .backward = G_MAXUINT64 }, classes_new (&cars, 1) },
  };
  GArray *places = gst_defcn_scene_places_new ();

  g_array_append_vals (places, list, G_N_ELEMENTS (list));
  return places;
}

static GArray *
events_new (const char *place)
{
  const GstDefcnObject person = { 0.25, 0.5, 1.0 / 3, 0.75, 0.875, 0,
    quark ("person"), .id = -1,
    .track = { 7, quark ("confirmed"), 5 * GST_SECOND, 0.5, -0.25, TRUE } };
  const GstDefcnObject car = { 0, 0, 0.5, 0.5, 0.5, 2, quark ("car"), .id = -1,
    .track = { .id = G_GINT64_CONSTANT (1) << 40 } };
  const GstDefcnSceneEvent list[] = {
    { quark ("zone-left"), quark (place), 0, quark ("lost"), 3 * GST_SECOND,
        person },
    { quark ("line-crossed"), quark ("line"), quark ("backward"), 0,
        GST_CLOCK_TIME_NONE, car },
  };
  GArray *events = gst_defcn_scene_events_new ();

  g_array_append_vals (events, list, G_N_ELEMENTS (list));
  return events;
}

static void
assert_count (const GstDefcnSceneCount *a, const GstDefcnSceneCount *b)
{
  g_assert_cmpuint (a->label, ==, b->label);
  g_assert_cmpuint (a->occupancy, ==, b->occupancy);
  g_assert_cmpuint (a->entered, ==, b->entered);
  g_assert_cmpuint (a->left, ==, b->left);
  g_assert_cmpuint (a->dwell_mean, ==, b->dwell_mean);
  g_assert_cmpuint (a->dwell_max, ==, b->dwell_max);
  g_assert_cmpuint (a->forward, ==, b->forward);
  g_assert_cmpuint (a->backward, ==, b->backward);
}

/* @found from number @first on are the places that were written. */
static void
assert_places (const GArray *found, guint first, const GArray *wanted)
{
  for (guint i = 0; i < wanted->len; i++) {
    const GstDefcnScenePlace *f =
        &g_array_index (found, GstDefcnScenePlace, first + i);
    const GstDefcnScenePlace *w =
        &g_array_index (wanted, GstDefcnScenePlace, i);

    g_assert_cmpuint (f->name, ==, w->name);
    g_assert_cmpint (f->is_line, ==, w->is_line);
    g_assert_cmpmem (f->points->data, f->points->len * sizeof (double),
        w->points->data, w->points->len * sizeof (double));
    assert_count (&f->all, &w->all);
    g_assert_cmpuint (f->classes->len, ==, w->classes->len);
    for (guint k = 0; k < w->classes->len; k++)
      assert_count (&g_array_index (f->classes, GstDefcnSceneCount, k),
          &g_array_index (w->classes, GstDefcnSceneCount, k));
  }
}

static void
assert_events (const GArray *found, guint first, const GArray *wanted,
    gboolean with_boxes)
{
  for (guint i = 0; i < wanted->len; i++) {
    const GstDefcnSceneEvent *f =
        &g_array_index (found, GstDefcnSceneEvent, first + i);
    const GstDefcnSceneEvent *w =
        &g_array_index (wanted, GstDefcnSceneEvent, i);
    const GstDefcnObject *a = &f->object, *b = &w->object;

    g_assert_cmpuint (f->type, ==, w->type);
    g_assert_cmpuint (f->place, ==, w->place);
    g_assert_cmpuint (f->direction, ==, w->direction);
    g_assert_cmpuint (f->reason, ==, w->reason);
    g_assert_cmpuint (f->dwell, ==, w->dwell);
    g_assert_cmpuint (a->label, ==, b->label);
    g_assert_cmpint (a->label_id, ==, b->label_id);
    g_assert_true (a->confidence == b->confidence);
    g_assert_cmpint (a->track.id, ==, b->track.id);
    g_assert_cmpuint (a->track.state, ==, b->track.state);
    g_assert_cmpuint (a->track.age, ==, b->track.age);
    g_assert_cmpint (a->track.predicted, ==, b->track.predicted);
    g_assert_true (a->track.vx == b->track.vx && a->track.vy == b->track.vy);
    g_assert_true (a->x_min == (with_boxes ? b->x_min : 0));
    g_assert_true (a->y_min == (with_boxes ? b->y_min : 0));
    g_assert_true (a->x_max == (with_boxes ? b->x_max : 0));
    g_assert_true (a->y_max == (with_boxes ? b->y_max : 0));
  }
}

static void
assert_scene (GstBuffer *buffer, const char *name, gboolean kept)
{
  g_autoptr (GArray) wanted = places_new (name), happened = events_new (name);
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();

  g_assert_cmpuint (gst_defcn_scene_read_places (buffer, places), ==,
      kept ? wanted->len : 0);
  if (kept)
    assert_places (places, 0, wanted);
  g_assert_cmpuint (gst_defcn_scene_read_events (buffer, events), ==,
      happened->len);
  assert_events (events, 0, happened, kept);
}

static void
attach (GstBuffer *buffer, const char *name)
{
  g_autoptr (GArray) places = places_new (name), events = events_new (name);

  gst_defcn_scene_attach (buffer, places, events);
}

static GstBuffer *
buffer_new (const char *name)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H * 3 / 2, NULL);

  GST_BUFFER_PTS (buffer) = 0;
  attach (buffer, name);
  return buffer;
}

/* What was written is read back to the last bit, and a buffer that nobody wrote
 * on has nothing. */
static void
test_round_trip (void)
{
  g_autoptr (GstBuffer) buffer = buffer_new ("yard");
  g_autoptr (GstBuffer) copy = gst_buffer_copy (buffer);
  g_autoptr (GstBuffer) empty = gst_buffer_new ();
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();
  gpointer state = NULL;

  assert_scene (buffer, "yard", TRUE);
  assert_scene (copy, "yard", TRUE);
  gst_defcn_scene_attach (empty, NULL, NULL);
  gst_defcn_scene_attach (empty, places, events);
  g_assert_null (gst_buffer_iterate_meta (empty, &state));
  g_assert_cmpuint (gst_defcn_scene_read_places (empty, places), ==, 0);
  g_assert_cmpuint (gst_defcn_scene_read_events (empty, events), ==, 0);
}

/* Places without events, and events without places, whose boxes are there all
 * the same. */
static void
test_halves (void)
{
  g_autoptr (GstBuffer) still = gst_buffer_new ();
  g_autoptr (GstBuffer) bare = gst_buffer_new ();
  g_autoptr (GArray) wanted = places_new ("yard");
  g_autoptr (GArray) happened = events_new ("yard");
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();

  gst_defcn_scene_attach (still, wanted, NULL);
  g_assert_null (
      gst_buffer_get_custom_meta (still, GST_DEFCN_META_EVENTS_NAME));
  g_assert_cmpuint (gst_defcn_scene_read_places (still, places), ==, 2);
  g_assert_cmpuint (gst_defcn_scene_read_events (still, events), ==, 0);
  gst_defcn_scene_attach (bare, NULL, happened);
  g_assert_cmpuint (gst_defcn_scene_read_places (bare, places), ==, 0);
  g_assert_cmpuint (gst_defcn_scene_read_events (bare, events), ==, 2);
  assert_events (events, 0, happened, TRUE);
}

/* Two defcnzones in a row add up, each event with its own box; also where the
 * picture was cropped between them. */
static void
test_two_writers (void)
{
  g_autoptr (GstBuffer) buffer = buffer_new ("yard");
  g_autoptr (GstBuffer) part =
      gst_buffer_copy_region (buffer, GST_BUFFER_COPY_META, 0, 100);
  g_autoptr (GArray) one = events_new ("yard"), two = events_new ("door");
  g_autoptr (GArray) first = places_new ("yard"), second = places_new ("door");

  for (int cropped = 0; cropped < 2; cropped++) {
    GstBuffer *b = cropped ? part : buffer;
    g_autoptr (GArray) places = gst_defcn_scene_places_new ();
    g_autoptr (GArray) events = gst_defcn_scene_events_new ();

    attach (b, "door");
    g_assert_cmpuint (gst_defcn_scene_read_places (b, places), ==,
        cropped ? 2 : 4);
    if (!cropped)
      assert_places (places, 0, first);
    assert_places (places, cropped ? 0 : 2, second);
    g_assert_cmpuint (gst_defcn_scene_read_events (b, events), ==, 4);
    assert_events (events, 0, one, !cropped);
    assert_events (events, 2, two, TRUE);
  }
}

/* What elements do to a picture: events always arrive, and what says where
 * things are where it stays right. */
static void
test_geometry (void)
{
  static const struct
  {
    const char *launch, *caps;
    gboolean kept;
  } cases[] = {
    { "videoconvert", "format=RGB,width=640,height=480", TRUE },
    { "videoscale", "width=320,height=240,pixel-aspect-ratio=1/1", TRUE },
    { "videoscale", "width=200,height=400,pixel-aspect-ratio=1/1", FALSE },
    { "videocrop left=100 top=20", NULL, FALSE },
    { "videobox left=-20 top=-10", NULL, FALSE },
    { "videoflip video-direction=horiz", NULL, FALSE },
    { "videobalance saturation=0", NULL, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = gst_harness_new_parse (cases[i].launch);
    g_autoptr (GstBuffer) out = NULL;

    g_test_message ("%s", cases[i].launch);
    if (cases[i].caps) {
      g_autofree char *sink =
          g_strconcat ("video/x-raw,framerate=25/1,", cases[i].caps, NULL);

      gst_harness_set_sink_caps_str (h, sink);
    }
    gst_harness_set_src_caps_str (h,
        "video/x-raw,format=I420,width=640,height=480,framerate=25/1,"
        "pixel-aspect-ratio=1/1");
    out = gst_harness_push_and_pull (h, buffer_new ("yard"));
    g_assert_nonnull (out);
    assert_scene (out, "yard", cases[i].kept);
    gst_harness_teardown (h);
  }
}

/* A crop that is noted in the buffer alone. */
static void
test_crop_meta (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);

  crop->x = 2;
  crop->width = crop->height = 100;
  attach (buffer, "yard");
  assert_scene (buffer, "yard", TRUE);
  crop->x = 3;
  assert_scene (buffer, "yard", FALSE);
}

/* Whatever others write there: what is wrong is left out, and texts are
 * UTF-8. */
static void
test_foreign (void)
{
  static const char *places[] = {
    "p",
    "p, places=(int)3",
    "p, places=< 3, 4 >",
    "p, places=<(structure)\"place;\">",
    "p, places=<(structure)\"place, name=(string)a, points=(int)1;\">",
    "p, places=<(structure)\"place, points=(double)<0.0, 1.0>;\">",
    "p, places=<(structure)\"place, points=(double)<0.0, 1.0, 0.0>;\">",
    "p, places=<(structure)\"place, points=(int)<0, 1, 0, 1>;\">",
    "p, places=<(structure)\"place, points=(double)<0.0, 1.0, 0.0, inf>;\">",
    "p, set=(uint)0, places=<>, boxes=(int)2",
    "p, set=(uint)0, places=<>, boxes=<2, (structure)\"box;\">",
  };
  static const char *events[] = { "e", "e, events=(int)3", "e, events=<3>",
    "e, set=(uint)0, events=<(structure)\"event;\", (structure)\"event, "
    "type=(int)4, place=(string)x, dwell=(int)3, label_id=(string)a, "
    "confidence=(double)nan;\">" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    for (guint k = 0; k < G_N_ELEMENTS (events); k++) {
      g_autoptr (GstBuffer) buffer = gst_buffer_new ();
      const char *names[] = { GST_DEFCN_META_PLACES_NAME,
        GST_DEFCN_META_EVENTS_NAME };
      const char *texts[] = { places[i], events[k] };
      g_autoptr (GArray) found = gst_defcn_scene_places_new ();
      g_autoptr (GArray) happened = gst_defcn_scene_events_new ();

      for (guint n = 0; n < 2; n++) {
        GstStructure *to = gst_custom_meta_get_structure (
            gst_buffer_add_custom_meta (buffer, names[n]));
        g_autoptr (GstStructure) from =
            gst_structure_from_string (texts[n], NULL);

        g_assert_nonnull (from);
        for (int f = 0; f < gst_structure_n_fields (from); f++) {
          const char *field = gst_structure_nth_field_name (from, (guint) f);

          gst_structure_set_value (to, field,
              gst_structure_get_value (from, field));
        }
      }
      g_assert_cmpuint (gst_defcn_scene_read_places (buffer, found), ==, 0);
      g_assert_cmpuint (gst_defcn_scene_read_events (buffer, happened), ==,
          k == 3 ? 2 : 0);
      if (k == 3) {
        const GstDefcnSceneEvent *e =
            &g_array_index (happened, GstDefcnSceneEvent, 1);

        g_assert_cmpuint (e->type, ==, 0);
        g_assert_cmpstr (g_quark_to_string (e->place), ==, "x");
        g_assert_cmpuint (e->dwell, ==, GST_CLOCK_TIME_NONE);
        g_assert_cmpint (e->object.label_id, ==, -1);
        g_assert_true (e->object.confidence == -1);
        g_assert_true (e->object.x_max == e->object.x_min);
      }
    }
  }
}

/* A message's events have their boxes in them. */
static void
test_value (void)
{
  g_autoptr (GArray) events = events_new ("yard");

  for (int with_boxes = 0; with_boxes < 2; with_boxes++) {
    GValue value = G_VALUE_INIT;
    const GstStructure *s;
    double x_max = 0;

    gst_defcn_scene_events_to_value (&value, events, with_boxes);
    g_assert_cmpuint (gst_value_array_get_size (&value), ==, 2);
    s = gst_value_get_structure (gst_value_array_get_value (&value, 0));
    g_assert_cmpstr (gst_structure_get_string (s, "reason"), ==, "lost");
    g_assert_cmpint (gst_structure_get_double (s, "x_max", &x_max), ==,
        with_boxes);
    g_assert_true (x_max == (with_boxes ? 1.0 / 3 : 0));
    g_value_unset (&value);
  }
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/scene/round-trip", test_round_trip);
  g_test_add_func ("/scene/halves", test_halves);
  g_test_add_func ("/scene/two-writers", test_two_writers);
  g_test_add_func ("/scene/geometry", test_geometry);
  g_test_add_func ("/scene/crop-meta", test_crop_meta);
  g_test_add_func ("/scene/foreign", test_foreign);
  g_test_add_func ("/scene/value", test_value);
  return rig_run ();
}
