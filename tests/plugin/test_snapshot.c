/* defcnsnapshot: which pictures there are, what is in them, and what becomes of
 * them where the disk is full, gone or slow. */
#include "decode_jpeg.h"
#include "overlay_rig.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <unistd.h>

#include "folder.h"
#include "gstdefcnsnapshot.h"
#include "scene.h"

#define W 320
#define H 240
#define STEP (40 * GST_MSECOND)

/* What becomes of a write of the element. */
typedef enum
{
  WRITES,
  FILLS, /* there is no space */
  HANGS, /* until it is something else */
} Disk;

static GMutex disk_lock;
static GCond disk_changed;
static Disk disk;
static gboolean is_hanging;

ssize_t __real_write (int fd, const void *data, size_t size);
ssize_t __wrap_write (int fd, const void *data, size_t size);

ssize_t
__wrap_write (int fd, const void *data, size_t size)
{
  gboolean is_full;

  g_mutex_lock (&disk_lock);
  while (disk == HANGS) {
    is_hanging = TRUE;
    g_cond_broadcast (&disk_changed);
    g_cond_wait (&disk_changed, &disk_lock);
  }
  is_hanging = FALSE;
  is_full = disk == FILLS;
  g_mutex_unlock (&disk_lock);
  if (!is_full)
    return __real_write (fd, data, size);
  errno = ENOSPC;
  return -1;
}

static void
set_disk (Disk to)
{
  g_mutex_lock (&disk_lock);
  disk = to;
  g_cond_broadcast (&disk_changed);
  g_mutex_unlock (&disk_lock);
}

static void
wait_for_hang (void)
{
  g_mutex_lock (&disk_lock);
  while (!is_hanging)
    g_cond_wait (&disk_changed, &disk_lock);
  g_mutex_unlock (&disk_lock);
}

/* (transfer full) */
static GstElement *
element_of (GstHarness *h)
{
  GstElement *element = gst_harness_find_element (h, "defcnsnapshot");

  g_assert_nonnull (element);
  return element;
}

/* (transfer full) */
static GstBus *
bus_of (GstHarness *h)
{
  g_autoptr (GstElement) element = element_of (h);
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  return bus;
}

static guint64
stat_of (GstHarness *h, const char *field)
{
  g_autoptr (GstElement) element = element_of (h);
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, field, &value));
  return value;
}

/* An element that writes to @folder, its bus, and what it has told. */
typedef struct
{
  GstHarness *h;
  GstBus *bus;
  char *folder;
  guint n; /* frames pushed */
} Rig;

static void
rig_open_caps (Rig *rig, const char *name, const char *properties,
    const char *caps)
{
  g_autofree char *launch = NULL;

  *rig = (Rig){ .folder = folder_new () };
  launch = g_strdup_printf ("defcnsnapshot location=\"%s/%s\" %s", rig->folder,
      name, properties);
  rig->h = gst_harness_new_parse (launch);
  g_assert_nonnull (rig->h);
  rig->bus = bus_of (rig->h);
  gst_harness_set_src_caps_str (rig->h, caps);
}

static void
rig_open (Rig *rig, const char *name, const char *properties)
{
  rig_open_caps (rig, name, properties,
      "video/x-raw,format=RGB,width=320,height=240,framerate=25/1");
}

/* Ends the stream, which has all written. */
static void
rig_end (Rig *rig)
{
  g_assert_true (gst_harness_push_event (rig->h, gst_event_new_eos ()));
}

static void
rig_close (Rig *rig)
{
  g_autoptr (GstElement) element = element_of (rig->h);

  gst_element_set_bus (element, NULL);
  gst_harness_teardown (rig->h);
  gst_object_unref (rig->bus);
  folder_remove_all (rig->folder);
  g_free (rig->folder);
}

/* The next message, which is about a picture; (transfer full). */
static GstStructure *
rig_picture (Rig *rig)
{
  g_autoptr (GstMessage) message = rig_message (rig->bus,
      GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
  const GstStructure *s = gst_message_get_structure (message);

  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ELEMENT);
  g_assert_true (gst_structure_has_name (s, "defcn-snapshot"));
  return gst_structure_copy (s);
}

static void
assert_silent (Rig *rig)
{
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (rig->bus,
      GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);

  g_assert_null (message);
}

static void
assert_stats (Rig *rig, guint64 written, guint64 replaced, guint64 dropped,
    guint64 failed)
{
  g_assert_cmpuint (stat_of (rig->h, "written"), ==, written);
  g_assert_cmpuint (stat_of (rig->h, "replaced"), ==, replaced);
  g_assert_cmpuint (stat_of (rig->h, "dropped"), ==, dropped);
  g_assert_cmpuint (stat_of (rig->h, "failed"), ==, failed);
}

/* A person of 80 x 120 pixels at 80, 60. */
static GstDefcnObject
person (gint64 id, double confidence)
{
  GstDefcnObject o = overlay_rig_object (80, 60, 160, 180, W, H, "person");

  o.confidence = confidence;
  o.track.id = id;
  o.track.state = g_quark_from_string (id ? "confirmed" : "new");
  return o;
}

static GstDefcnMark
mark_of (gboolean looked)
{
  GstDefcnMark mark = overlay_rig_looked;

  mark.classes = g_intern_static_string ("person,car");
  mark.inferred = looked;
  mark.predicted = !looked;
  mark.reason = looked ? "" : "interval";
  return mark;
}

/* The next frame, every byte of which is @value. */
static GstBuffer *
frame_new (Rig *rig, guint8 value)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 3 * W * H, NULL);

  gst_buffer_memset (buffer, 0, value, -1);
  GST_BUFFER_PTS (buffer) = rig->n++ * STEP;
  return buffer;
}

static void
push (Rig *rig, GstBuffer *buffer)
{
  GstBuffer *out = gst_harness_push_and_pull (rig->h, buffer);

  /* Always the very same. */
  g_assert_true (out == buffer);
  gst_buffer_unref (out);
}

static void
push_objects (Rig *rig, guint8 value, const GstDefcnObject *objects, guint n,
    gboolean looked)
{
  const GstDefcnMark mark = mark_of (looked);
  GstBuffer *buffer = frame_new (rig, value);

  overlay_rig_attach (buffer, objects, n, &mark, W, H);
  push (rig, buffer);
}

static void
push_person (Rig *rig, guint8 value, gint64 id, double confidence)
{
  const GstDefcnObject o = person (id, confidence);

  push_objects (rig, value, &o, 1, TRUE);
}

/* (transfer full): pixels of the picture that @s is about, which has the size
 * that it says. */
static guint8 *
decode (const GstStructure *s, int *w, int *h)
{
  const char *path = gst_structure_get_string (s, "path");
  g_autoptr (GBytes) bytes = NULL;
  int width, height;
  guint64 told;
  gsize n;
  char *data;
  guint8 *rgb;

  g_assert_true (g_file_get_contents (path, &data, &n, NULL));
  bytes = g_bytes_new_take (data, n);
  rgb = decode_jpeg (bytes, w, h);
  g_assert_true (gst_structure_get (s, "width", G_TYPE_INT, &width, "height",
      G_TYPE_INT, &height, "bytes", G_TYPE_UINT64, &told, NULL));
  g_assert_cmpint (width, ==, *w);
  g_assert_cmpint (height, ==, *h);
  g_assert_cmpuint (told, >=, n);
  return rgb;
}

/* The value of the frame that a picture is of. */
static int
shade (const GstStructure *s)
{
  int w, h;
  g_autofree guint8 *rgb = decode (s, &w, &h);

  return rgb[3 * (w / 2 + h / 2 * w)];
}

static void
assert_text (const GstStructure *s, const char *field, const char *wanted)
{
  g_assert_cmpstr (gst_structure_get_string (s, field), ==, wanted);
}

static gboolean
is_replaced (const GstStructure *s)
{
  gboolean replaced;

  g_assert_true (gst_structure_get_boolean (s, "replaced", &replaced));
  return replaced;
}

/* A track's first frame is a picture at once: what is in it, what it is called,
 * what is told of it. */
static void
test_track (void)
{
  Rig rig;
  g_autoptr (GstStructure) s = NULL;
  g_autofree guint8 *rgb = NULL;
  g_autofree char *wanted = NULL;
  GstBuffer *buffer;
  GstDefcnMark mark = mark_of (TRUE);
  const GstDefcnObject o = person (7, 0.75);
  gint64 id;
  double confidence;
  guint64 time;
  int w, h;

  rig_open (&rig, "{source}/{label}-{id}-{pts}-{event}.jpg",
      "source=\"../door 1\" margin=0.1 redact-margin=0");
  push_person (&rig, 10, 0, 0.9); /* has no id yet */
  buffer = frame_new (&rig, 100);
  gst_buffer_memset (buffer, 0, 200, 3 * W * 48); /* above the margin */
  overlay_rig_attach (buffer, &o, 1, &mark, W, H);
  push (&rig, buffer);
  s = rig_picture (&rig);
  wanted =
      g_build_filename (rig.folder, "_._door 1", "person-7-40-track.jpg", NULL);
  assert_text (s, "path", wanted);
  assert_text (s, "event", "track");
  assert_text (s, "label", "person");
  assert_text (s, "source", "../door 1");
  assert_text (s, "redacted", "no");
  assert_text (s, "track_state", "confirmed");
  g_assert_false (gst_structure_has_field (s, "place"));
  g_assert_false (is_replaced (s));
  g_assert_true (
      gst_structure_get (s, "object_id", G_TYPE_INT64, &id, "confidence",
          G_TYPE_DOUBLE, &confidence, "timestamp", G_TYPE_UINT64, &time, NULL));
  g_assert_cmpint (id, ==, 7);
  g_assert_cmpfloat (confidence, ==, 0.75);
  g_assert_cmpuint (time, ==, STEP);
  rgb = decode (s, &w, &h);
  g_assert_cmpint (w, ==, 80 + 16);
  g_assert_cmpint (h, ==, 120 + 24);
  for (int i = 0; i < 3 * w * h; i++)
    g_assert_cmpint (ABS (rgb[i] - 100), <=, 3);
  rig_end (&rig);
  assert_stats (&rig, 1, 0, 0, 0);
  rig_close (&rig);
}

/* Within the interval a better moment takes the place of the picture, under the
 * same name, and nothing else does; after it nothing does. */
static void
test_best (void)
{
  Rig rig;
  static const struct
  {
    guint8 shade;
    double score;
    gboolean looked, written;
  } frames[] = {
    { 40, 0.5, TRUE, TRUE }, { 60, 0.54, TRUE, FALSE }, /* hardly better */
    { 80, 0.7, TRUE, TRUE }, { 100, 0.6, TRUE, FALSE },
    { 120, 0.9, FALSE, FALSE }, /* nobody looked at it */
    { 140, 0.8, TRUE, TRUE },
    { 160, 0.99, TRUE, FALSE }, /* the interval is over */
  };
  g_autofree char *path = NULL;

  rig_open (&rig, "{label}-{id}-{time}.jpg", "interval=240000000");
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    const GstDefcnObject o = person (1, frames[i].score);
    g_autoptr (GstStructure) s = NULL;

    push_objects (&rig, frames[i].shade, &o, 1, frames[i].looked);
    if (!frames[i].written)
      continue;
    s = rig_picture (&rig);
    g_assert_cmpint (ABS (shade (s) - frames[i].shade), <=, 3);
    g_assert_cmpint (is_replaced (s), ==, i > 0);
    if (path)
      assert_text (s, "path", path);
    else
      path = g_strdup (gst_structure_get_string (s, "path"));
  }
  rig_end (&rig);
  assert_silent (&rig);
  assert_stats (&rig, 1, 2, 0, 0);
  g_assert_cmpuint (folder_count (rig.folder), ==, 1);
  rig_close (&rig);
}

/* Classes and scores that are not asked for have no pictures; asked for while
 * it plays they do. */
static void
test_filters (void)
{
  Rig rig;
  GstDefcnObject o[3] = { person (1, 0.9), person (2, 0.4), person (3, 0.9) };

  o[0].label = g_quark_from_string ("car");
  rig_open (&rig, "{label}-{id}.jpg", "classes=\"person, dog\" threshold=0.5");
  push_objects (&rig, 10, o, 3, TRUE);
  gst_harness_set (rig.h, "defcnsnapshot", "threshold", 0.0, NULL);
  push_objects (&rig, 20, o, 3, TRUE);
  gst_harness_set (rig.h, "defcnsnapshot", "classes", NULL, NULL);
  push_objects (&rig, 30, o, 3, TRUE);
  for (int i = 0; i < 3; i++) {
    static const char *const names[] = { "person-3.jpg", "person-2.jpg",
      "car-1.jpg" };
    g_autoptr (GstStructure) s = rig_picture (&rig);

    g_assert_true (
        g_str_has_suffix (gst_structure_get_string (s, "path"), names[i]));
    g_assert_cmpint (ABS (shade (s) - 10 * (i + 1)), <=, 3);
  }
  rig_end (&rig);
  assert_stats (&rig, 3, 0, 0, 0);
  rig_close (&rig);
}

static GstDefcnSceneEvent
event_of (const char *type, const char *place, const char *direction, gint64 id)
{
  return (GstDefcnSceneEvent){ .type = g_quark_from_string (type),
    .place = g_quark_from_string (place),
    .direction = direction ? g_quark_from_string (direction) : 0,
    .dwell = GST_CLOCK_TIME_NONE,
    .object = person (id, 0.6) };
}

static void
push_event (Rig *rig, guint8 value, const GstDefcnSceneEvent *event,
    gboolean looked)
{
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();
  const GstDefcnMark mark = mark_of (looked);
  GstBuffer *buffer = frame_new (rig, value);

  g_array_append_val (events, *event);
  overlay_rig_attach (buffer, &event->object, 1, &mark, W, H);
  gst_defcn_scene_attach (buffer, NULL, events);
  push (rig, buffer);
}

/* Events of zones and lines have pictures where they are asked for: one of a
 * track in an interval, whatever happens to it meanwhile. */
static void
test_events (void)
{
  static const struct
  {
    const char *on, *type, *place, *direction;
    gboolean wanted;
  } cases[] = {
    { "zone", "zone-entered", "yard", NULL, TRUE },
    { "zone", "zone-dwell", "yard", NULL, TRUE },
    { "zone", "zone-left", "yard", NULL, FALSE },
    { "zone", "line-crossed", "door", "forward", FALSE },
    { "line", "line-crossed", "../door", "forward", TRUE },
    { "line", "zone-entered", "yard", NULL, FALSE },
    { "zone+line", "line-crossed", "door", "backward", TRUE },
    { "track", "line-crossed", "door", "backward", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gboolean on_track = g_str_equal (cases[i].on, "track");
    const GstDefcnSceneEvent event =
        event_of (cases[i].type, cases[i].place, cases[i].direction, 1);
    g_autofree char *properties =
        g_strdup_printf ("on=%s interval=200000000", cases[i].on);
    g_autoptr (GstStructure) s = NULL;
    Rig rig;

    g_test_message ("case %u", i);
    rig_open (&rig, "{place}-{event}-{id}.jpg", properties);
    push_person (&rig, 10, 1, 0.6); /* no event yet */
    push_event (&rig, 20, &event, TRUE);
    push_event (&rig, 30, &event, TRUE); /* within the interval */
    rig_end (&rig);
    g_assert_cmpuint (stat_of (rig.h, "written"), ==,
        cases[i].wanted || on_track);
    if (cases[i].wanted) {
      s = rig_picture (&rig);
      g_assert_cmpint (ABS (shade (s) - 20), <=, 3);
      assert_text (s, "event", cases[i].type);
      assert_text (s, "place", cases[i].place);
      assert_text (s, "direction", cases[i].direction);
      g_assert_true (folder_count (rig.folder) == 1);
      g_assert_nonnull (strstr (gst_structure_get_string (s, "path"),
          i == 4 ? "/_._door-line" : cases[i].place));
    }
    rig_close (&rig);
  }
}

/* What happens in a frame that nobody looked at has a picture, until there is
 * one of a frame that was; a box that is lost has the whole frame; after the
 * interval an event begins another. */
static void
test_event_moments (void)
{
  GstDefcnSceneEvent event = event_of ("line-crossed", "door", "forward", 1);
  Rig rig;

  rig_open (&rig, "{id}-{n}.jpg", "on=line interval=100000000");
  for (int i = 0; i < 5; i++) {
    const int value = 20 + 10 * i;
    g_autoptr (GstStructure) s = NULL;
    g_autofree guint8 *rgb = NULL;
    int w, h;

    event.object.x_max = i == 4 ? event.object.x_min : event.object.x_max;
    if (i == 0 || i == 4)
      push_event (&rig, (guint8) value, &event, i > 0);
    else
      push_person (&rig, (guint8) value, 1, i == 3 ? 0.9 : 0.3);
    if (i == 2 || i == 3) /* no better; the interval is over */
      continue;
    s = rig_picture (&rig);
    rgb = decode (s, &w, &h);
    g_assert_cmpint (is_replaced (s), ==, i == 1);
    g_assert_cmpint (ABS (rgb[0] - value), <=, 3);
    g_assert_cmpint (w == W && h == H, ==, i == 4);
    g_assert_cmpint (gst_structure_has_field (s, "x_min"), ==, i < 4);
    assert_text (s, "event", "line-crossed"); /* of the better one too */
  }
  rig_end (&rig);
  assert_stats (&rig, 2, 1, 0, 0);
  rig_close (&rig);
}

/* Without tracks all objects of a frame, or the frame, once an interval; with
 * tracks one of each an interval; and none of those that have no id yet. */
static void
test_objects (void)
{
  static const struct
  {
    const char *properties;
    gint64 ids[2];
    guint wanted; /* files, of 10 frames 40 ms apart */
  } cases[] = {
    { "interval=200000000", { -1, -1 }, 4 },
    { "interval=200000000 what=frame", { -1, -1 }, 2 },
    { "interval=0", { -1, -1 }, 20 },
    { "interval=0 what=frame", { -1, -1 }, 10 },
    { "interval=200000000", { 1, 2 }, 4 },
    { "interval=200000000", { 1, 0 }, 2 },
    { "interval=10000000000", { -1, 3 }, 2 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstDefcnObject o[2] = { person (cases[i].ids[0], 0.5),
      person (cases[i].ids[1], 0.6) };
    g_autofree char *properties =
        g_strconcat ("on=object queue-size=100 ", cases[i].properties, NULL);
    Rig rig;

    for (int k = 0; k < 2; k++)
      if (o[k].track.id < 0)
        o[k].track = (GstDefcnObjectTrack){ 0 };
    g_test_message ("case %u", i);
    rig_open (&rig, "{label}-{id}-{time}.jpg", properties);
    push_objects (&rig, 5, o, 2, FALSE);
    rig.n = 0;
    for (int k = 0; k < 10; k++)
      push_objects (&rig, 10, o, 2, TRUE);
    rig_end (&rig);
    assert_stats (&rig, cases[i].wanted, 0, 0, 0);
    g_assert_cmpuint (folder_count (rig.folder), ==, cases[i].wanted);
    for (guint k = 0; k < cases[i].wanted; k++) {
      g_autoptr (GstStructure) s = rig_picture (&rig);

      assert_text (s, "event", "object");
    }
    rig_close (&rig);
  }
}

/* That pictures of tracks will never come is said once, where nobody tracks and
 * they alone are wanted; not where a tracker is not certain yet. */
static void
test_trackless (void)
{
  static const struct
  {
    const char *properties;
    gboolean is_tracked, is_told;
  } cases[] = {
    { "", FALSE, TRUE },
    { "on=zone+line", FALSE, TRUE },
    { "", TRUE, FALSE },
    { "on=track+object", FALSE, FALSE },
    { "classes=car", FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstDefcnObject o = person (0, 0.5);
    Rig rig;

    if (!cases[i].is_tracked)
      o.track = (GstDefcnObjectTrack){ 0 };
    g_test_message ("case %u", i);
    rig_open (&rig, "{label}-{n}.jpg", cases[i].properties);
    for (int k = 0; k < 3; k++)
      push_objects (&rig, 10, &o, 1, TRUE);
    rig_end (&rig);
    if (cases[i].is_told)
      gst_message_unref (rig_message (rig.bus, GST_MESSAGE_WARNING));
    g_assert_null (gst_bus_pop_filtered (rig.bus, GST_MESSAGE_WARNING));
    rig_close (&rig);
  }
}

/* More tracks than are remembered: some have no better picture, and that is
 * all. */
static void
test_crowd (void)
{
  const guint many = 4150, more = 100;
  g_autofree GstDefcnObject *o = g_new (GstDefcnObject, many + more);
  Rig rig;

  rig_open (&rig, "{id}.jpg", "queue-size=2");
  for (guint i = 0; i < many + more; i++)
    o[i] = person (i + 1, 0.5);
  push_objects (&rig, 10, o, many, TRUE);
  for (guint i = 0; i < many; i++)
    o[i].confidence = 0.9;
  push_objects (&rig, 10, o, many + more, TRUE);
  rig_end (&rig);
  g_assert_cmpuint (stat_of (rig.h, "written"), >, 0);
  g_assert_cmpuint (stat_of (rig.h, "failed"), ==, 0);
  rig_close (&rig);
}

/* A full disk is said once and counted; once there is room it goes on, and the
 * track has its picture after all. */
static void
test_full (void)
{
  Rig rig;
  g_autoptr (GstMessage) warning = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstStructure) s = NULL;

  rig_open (&rig, "{id}.jpg", "");
  set_disk (FILLS);
  for (gint64 id = 1; id < 4; id++)
    push_person (&rig, 10, id, 0.5);
  warning = rig_message (rig.bus, GST_MESSAGE_WARNING);
  gst_message_parse_warning (warning, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT);
  g_assert_nonnull (strstr (error->message, "1.jpg"));
  while (stat_of (rig.h, "failed") < 3)
    g_usleep (1000);
  g_assert_cmpuint (folder_count (rig.folder), ==, 0); /* no rests */
  set_disk (WRITES);
  push_person (&rig, 20, 3, 0.7);
  s = rig_picture (&rig);
  g_assert_false (is_replaced (s));
  assert_silent (&rig);
  rig_end (&rig);
  assert_stats (&rig, 1, 0, 0, 3);
  rig_close (&rig);
}

/* So is a folder that is gone; it is not made again by us. */
static void
test_vanished (void)
{
  Rig rig;
  g_autoptr (GstMessage) warning = NULL;
  g_autoptr (GstStructure) s = NULL;

  rig_open (&rig, "{id}.jpg", "");
  g_assert_cmpint (rmdir (rig.folder), ==, 0);
  push_person (&rig, 10, 1, 0.5);
  push_person (&rig, 10, 2, 0.5);
  warning = rig_message (rig.bus, GST_MESSAGE_WARNING);
  while (stat_of (rig.h, "failed") < 2)
    g_usleep (1000);
  g_assert_false (g_file_test (rig.folder, G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_mkdir (rig.folder, 0700), ==, 0);
  push_person (&rig, 10, 3, 0.5);
  s = rig_picture (&rig);
  assert_silent (&rig);
  rig_end (&rig);
  assert_stats (&rig, 1, 0, 0, 2);
  rig_close (&rig);
}

/* A disk that does not answer holds no frame up: so many pictures wait, the
 * others are dropped and counted, what is better takes the place of what waits,
 * and all that waited is written once it does. */
static void
test_slow (void)
{
  Rig rig;

  rig_open (&rig, "{id}.jpg", "queue-size=3");
  set_disk (HANGS);
  push_person (&rig, 10, 1, 0.5);
  wait_for_hang ();
  for (gint64 id = 2; id < 50; id++)
    push_person (&rig, 20, id, 0.5);
  push_person (&rig, 90, 2, 0.9); /* waits: replaced in the queue */
  g_assert_cmpuint (stat_of (rig.h, "dropped"), ==, 45);
  set_disk (WRITES);
  rig_end (&rig);
  assert_stats (&rig, 4, 0, 45, 0);
  for (int i = 0; i < 4; i++) {
    g_autoptr (GstStructure) s = rig_picture (&rig);

    g_assert_cmpint (ABS (shade (s) - (i == 0 ? 10 : i == 1 ? 90 : 20)), <=, 3);
  }
  rig_close (&rig);
}

/* One that never answers holds a stop up for five seconds, which a warning
 * says, and nothing is used after its end. */
static void
test_dead (void)
{
  Rig rig;
  GstElement *element;
  g_autoptr (GstMessage) warning = NULL;
  const gint64 begin = g_get_monotonic_time ();

  rig_open (&rig, "{id}.jpg", "");
  set_disk (HANGS);
  push_person (&rig, 10, 1, 0.5);
  wait_for_hang ();
  push_person (&rig, 10, 2, 0.5);
  element = element_of (rig.h);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 60 * G_USEC_PER_SEC);
  warning = rig_message (rig.bus, GST_MESSAGE_WARNING);
  g_assert_cmpuint (stat_of (rig.h, "dropped"), ==, 2);
  gst_object_unref (element);
  rig_close (&rig);
  set_disk (WRITES);
}

/* A flush and a new segment lose nothing that was decided. */
static void
test_flush (void)
{
  Rig rig;

  rig_open (&rig, "{id}.jpg", "");
  set_disk (HANGS);
  push_person (&rig, 10, 1, 0.5);
  wait_for_hang ();
  push_person (&rig, 10, 2, 0.5);
  rig_flush (rig.h);
  set_disk (WRITES);
  push_person (&rig, 10, 3, 0.5);
  rig_end (&rig);
  assert_stats (&rig, 3, 0, 0, 0);
  g_assert_cmpuint (folder_count (rig.folder), ==, 3);
  rig_close (&rig);
}

/* Two that write to one folder under one name have a file each; one whose names
 * do not differ overwrites what is ours. */
static void
test_shared (void)
{
  Rig a, b;
  g_autofree char *launch = NULL;

  rig_open (&a, "{label}-{id}.jpg", "");
  launch = g_strdup_printf ("defcnsnapshot location=\"%s/{label}-{id}.jpg\"",
      a.folder);
  b = (Rig){ .h = gst_harness_new_parse (launch), .folder = folder_new () };
  b.bus = bus_of (b.h);
  gst_harness_set_src_caps_str (b.h,
      "video/x-raw,format=RGB,width=320,height=240,framerate=25/1");
  push_person (&a, 10, 1, 0.5);
  push_person (&b, 90, 1, 0.5);
  rig_end (&a);
  rig_end (&b);
  g_assert_cmpuint (folder_count (a.folder), ==, 2);
  assert_stats (&a, 1, 0, 0, 0);
  assert_stats (&b, 1, 0, 0, 0);
  rig_close (&b);
  rig_close (&a);

  rig_open (&a, "latest-{label}.jpg", "");
  for (gint64 id = 1; id < 4; id++) {
    g_autoptr (GstStructure) s = NULL;

    push_person (&a, (guint8) (20 * id), id, 0.5);
    s = rig_picture (&a);
    g_assert_cmpint (ABS (shade (s) - 20 * (int) id), <=, 3);
  }
  g_assert_cmpuint (folder_count (a.folder), ==, 1);
  rig_close (&a);
}

/* Limits of the folder hold after every picture, and are told of. */
static void
test_limits (void)
{
  Rig rig;
  g_autofree char *foreign = NULL;

  rig_open (&rig, "{label}-{id}.jpg", "max-files=3 sidecar=true queue-size=99");
  foreign = folder_write (rig.folder, "holiday.jpg", "mine", 4);
  for (gint64 id = 1; id < 9; id++) {
    g_autoptr (GstStructure) s = NULL;

    push_person (&rig, 10, id, 0.5);
    s = rig_picture (&rig);
    g_assert_cmpuint (folder_count (rig.folder), ==, 1 + 2 * MIN (id, 3));
  }
  g_assert_cmpuint (stat_of (rig.h, "deleted"), ==, 5);
  g_assert_true (g_file_test (foreign, G_FILE_TEST_EXISTS));
  gst_harness_set (rig.h, "defcnsnapshot", "max-files", 0, "max-bytes",
      G_GUINT64_CONSTANT (1), NULL);
  push_person (&rig, 10, 9, 0.5);
  rig_end (&rig);
  g_assert_cmpuint (folder_count (rig.folder), ==, 1 + 2); /* the last stays */
  rig_close (&rig);
}

/* The record beside a picture says what the message says, and goes with it. */
static void
test_sidecar (void)
{
  Rig rig;
  g_autoptr (GstStructure) s = NULL, better = NULL;
  g_autofree char *path = NULL, *text = NULL;
  cJSON *record;

  rig_open (&rig, "{label}-{id}.jpg", "sidecar=true");
  push_person (&rig, 10, G_GINT64_CONSTANT (9007199254740993), 0.5);
  s = rig_picture (&rig);
  push_person (&rig, 20, G_GINT64_CONSTANT (9007199254740993), 0.75);
  better = rig_picture (&rig);
  rig_end (&rig);
  path = g_build_filename (rig.folder, "person-9007199254740993.json", NULL);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_test_message ("%s", text);
  g_assert_true (g_str_has_prefix (text, "{\"defcnsnapshot\":1,"));
  g_assert_nonnull (strstr (text, "\"object_id\":9007199254740993"));
  record = cJSON_Parse (text);
  g_assert_nonnull (record);
  g_assert_cmpstr (cJSON_GetStringValue (
                       cJSON_GetObjectItem (record, "picture")),
      ==, "person-9007199254740993.jpg");
  g_assert_cmpstr (cJSON_GetStringValue (cJSON_GetObjectItem (record, "label")),
      ==, "person");
  g_assert_cmpfloat (cJSON_GetNumberValue (
                         cJSON_GetObjectItem (record, "confidence")),
      ==, 0.75);
  g_assert_cmpfloat (cJSON_GetNumberValue (
                         cJSON_GetObjectItem (record, "timestamp")),
      ==, (double) STEP);
  cJSON_Delete (record);
  g_assert_cmpuint (folder_count (rig.folder), ==, 2);
  rig_close (&rig);
}

/* An address that a picture is of has lost user and password in its name, in
 * the message, beside it and in the property. */
static void
test_login (void)
{
  static const struct
  {
    const char *source, *shown, *name;
  } cases[] = {
    { "rtsp://me:secret@cam/1", "rtsp://cam/1", "rtsp___cam_1-7" },
    { "http://cam/?user=me&pwd=secret", "http://cam/?user=...&pwd=...",
        "http___cam__user=...&pwd=...-7" },
    { "door", "door", "door-7" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig rig;
    g_autoptr (GstStructure) s = NULL;
    g_autofree char *properties =
        g_strdup_printf ("sidecar=true source=\"%s\"", cases[i].source);
    g_autofree char *name = g_strconcat (cases[i].name, ".json", NULL);
    g_autofree char *path = NULL, *text = NULL, *said = NULL, *seen = NULL;
    GstElement *element;

    rig_open (&rig, "{source}-{id}.jpg", properties);
    push_person (&rig, 10, 7, 0.5);
    s = rig_picture (&rig);
    rig_end (&rig);
    g_assert_cmpstr (gst_structure_get_string (s, "source"), ==,
        cases[i].shown);
    said = gst_structure_to_string (s);
    g_assert_null (strstr (said, "secret"));
    element = element_of (rig.h);
    g_object_get (element, "source", &seen, NULL);
    g_assert_cmpstr (seen, ==, cases[i].shown);
    g_clear_object (&element);
    path = g_build_filename (rig.folder, name, NULL);
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    g_assert_null (strstr (text, "secret"));
    rig_close (&rig);
  }
}

/* How much the pixels of the picture of @s differ from their neighbours', in
 * the middle of blocks, inside (@inside) or outside of the person. */
static double
roughness (const guint8 *rgb, int w, int h, gboolean inside)
{
  guint64 sum = 0, n = 0;

  for (int y = 2; y < h - 2; y++)
    for (int x = 2; x < w - 2; x++) {
      const gboolean in = x > 80 && x < 158 && y > 62 && y < 178;
      const guint8 *p = rgb + 3 * (y * w + x);

      if (in != inside || x % 8 < 2 || x % 8 > 4)
        continue;
      sum += (guint64) ABS (p[0] - p[3]);
      n++;
    }
  return (double) sum / (double) n;
}

/* Classes that are to be redacted cannot be read in the picture, nor anything
 * of a frame of which it is not sure where they are. */
static void
test_redact (void)
{
  static const struct
  {
    const char *redact;
    gboolean marked;
    const char *told;
    gboolean inside, outside; /* is pixelated */
  } cases[] = {
    { "person", TRUE, "boxes", TRUE, FALSE },
    { "car", TRUE, "no", FALSE, FALSE },
    { "\"car, person\"", TRUE, "boxes", TRUE, FALSE },
    { "face", TRUE, "no detector tells of \"face\"", TRUE, TRUE },
    { "person", FALSE, "no defcndetect has marked it", TRUE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *properties =
        g_strdup_printf ("on=object what=frame quality=100 redact-margin=0 "
                         "redact=%s",
            cases[i].redact);
    const GstDefcnMark mark = mark_of (TRUE);
    GstDefcnObject o = person (1, 0.9);
    g_autoptr (GstStructure) s = NULL;
    g_autofree guint8 *rgb = NULL;
    GstBuffer *buffer;
    GstMapInfo map;
    guint seed = 1;
    int w, h;
    Rig rig;

    g_test_message ("case %u", i);
    rig_open (&rig, "{id}.jpg", properties);
    buffer = frame_new (&rig, 0);
    g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
    for (gsize k = 0; k < map.size; k++) {
      seed = seed * 1664525 + 1013904223;
      map.data[k] = k % 3 ? map.data[k - 1] : seed >> 24;
    }
    gst_buffer_unmap (buffer, &map);
    if (cases[i].marked) {
      overlay_rig_attach (buffer, &o, 1, &mark, W, H);
    } else {
      GstVideoRegionOfInterestMeta *roi =
          gst_buffer_add_video_region_of_interest_meta (buffer, "person", 80,
              60, 80, 120);

      gst_video_region_of_interest_meta_add_param (roi,
          gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5,
              NULL));
    }
    push (&rig, buffer);
    s = rig_picture (&rig);
    assert_text (s, "redacted", cases[i].told);
    rgb = decode (s, &w, &h);
    g_assert_cmpint (roughness (rgb, w, h, TRUE) < 3, ==, cases[i].inside);
    g_assert_cmpint (roughness (rgb, w, h, FALSE) < 3, ==, cases[i].outside);
    rig_close (&rig);
  }
}

/* Lines longer than the caps say, and a crop: the picture is of what is seen.
 */
static void
test_layouts (void)
{
  const GstDefcnMark mark = mark_of (TRUE);
  const GstDefcnObject o =
      overlay_rig_object (10, 10, 30, 20, 50, 40, "person");
  g_autoptr (GstStructure) s = NULL;
  g_autofree guint8 *rgb = NULL;
  GstVideoCropMeta *crop;
  GstVideoFrame frame;
  GstVideoInfo info;
  GstBuffer *buffer;
  int w, h;
  Rig rig;

  rig_open_caps (&rig, "a.jpg", "on=object margin=0",
      "video/x-raw,format=I420,width=50,height=40,framerate=25/1");
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 99, 77);
  buffer = overlay_rig_frame (&info, TRUE);
  crop = gst_buffer_add_video_crop_meta (buffer);
  crop->x = 7;
  crop->y = 5;
  crop->width = 50;
  crop->height = 40;
  g_assert_true (
      gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
  for (int y = 15; y < 25; y++)
    for (int x = 17; x < 37; x++)
      *overlay_rig_at (&frame, 0, x, y) = 235;
  for (guint c = 1; c < 3; c++)
    for (int y = 0; y < 77; y++)
      for (int x = 0; x < 99; x++)
        *overlay_rig_at (&frame, c, x, y) = 128;
  gst_video_frame_unmap (&frame);
  overlay_rig_attach (buffer, &o, 1, &mark, 50, 40);
  push (&rig, buffer);
  s = rig_picture (&rig);
  rgb = decode (s, &w, &h);
  g_assert_cmpint (w, ==, 21); /* from an even column on */
  g_assert_cmpint (h, ==, 11);
  for (int y = 1; y < h; y++)
    for (int x = 1; x < w; x++)
      g_assert_cmpint (rgb[3 * (y * w + x)], >, 200);
  g_assert_cmpint (rgb[0], <, 150);
  rig_close (&rig);
}

/* A frame that cannot be read passes; it is said once, and counted, but for one
 * that nobody wants a picture of, which is not looked at. */
static void
test_unreadable (void)
{
  const GstDefcnMark mark = mark_of (TRUE);
  g_autoptr (GstMessage) warning = NULL;
  Rig rig;

  rig_open (&rig, "{id}.jpg", "");
  push (&rig, gst_buffer_new_allocate (NULL, 10, NULL));
  for (gint64 id = 1; id < 3; id++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, 10, NULL);
    const GstDefcnObject o = person (id, 0.9);

    overlay_rig_attach (buffer, &o, 1, &mark, W, H);
    push (&rig, buffer);
  }
  warning = rig_message (rig.bus, GST_MESSAGE_WARNING);
  rig_end (&rig);
  assert_silent (&rig);
  assert_stats (&rig, 0, 0, 0, 2);
  rig_close (&rig);
}

/* What cannot be a name, or a folder, ends the start with words; a name is not
 * changed while it plays. */
static void
test_refused (void)
{
  static const struct
  {
    const char *location;
    int code;
  } cases[] = {
    { "{labels}.jpg", GST_RESOURCE_ERROR_SETTINGS },
    { "", GST_RESOURCE_ERROR_SETTINGS },
    { "{label}/../x.jpg", GST_RESOURCE_ERROR_SETTINGS },
    { "/dev/null/{label}.jpg", GST_RESOURCE_ERROR_OPEN_WRITE },
  };
  g_autoptr (GstMessage) warning = NULL;
  g_autofree char *location = NULL;
  g_autoptr (GstElement) element = NULL;
  Rig rig;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstElement *refused = gst_element_factory_make ("defcnsnapshot", NULL);
    g_autoptr (GstBus) bus = gst_bus_new ();
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;

    gst_object_ref_sink (refused);
    gst_element_set_bus (refused, bus);
    g_object_set (refused, "location", cases[i].location, NULL);
    g_assert_cmpint (gst_element_set_state (refused, GST_STATE_PAUSED), ==,
        GST_STATE_CHANGE_FAILURE);
    message = rig_message (bus, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    g_assert_error (error, GST_RESOURCE_ERROR, cases[i].code);
    g_test_message ("%s", error->message);
    gst_element_set_bus (refused, NULL);
    gst_element_set_state (refused, GST_STATE_NULL);
    gst_object_unref (refused);
  }

  rig_open (&rig, "new/{id}.jpg", "");
  element = element_of (rig.h);
  g_object_set (element, "location", "other.jpg", NULL);
  warning = rig_message (rig.bus, GST_MESSAGE_WARNING);
  g_object_get (element, "location", &location, NULL);
  g_assert_true (g_str_has_suffix (location, "new/{id}.jpg"));
  push_person (&rig, 10, 1, 0.5);
  rig_end (&rig);
  assert_stats (&rig, 1, 0, 0, 0);
  rig_close (&rig);
}

/* After a stop it starts anew: what a track had before does not count, and the
 * file that it has is not touched. */
static void
test_again (void)
{
  Rig rig;
  g_autoptr (GstElement) element = NULL;

  rig_open (&rig, "{id}.jpg", "");
  element = element_of (rig.h);
  push_person (&rig, 10, 1, 0.5);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
  assert_stats (&rig, 1, 0, 0, 0); /* and what was pending is there */
  g_assert_cmpuint (folder_count (rig.folder), ==, 1);
  gst_element_set_state (element, GST_STATE_PLAYING);
  assert_stats (&rig, 0, 0, 0, 0);
  gst_harness_set_src_caps_str (rig.h,
      "video/x-raw,format=RGB,width=320,height=240,framerate=25/1");
  push_person (&rig, 10, 1, 0.5);
  rig_end (&rig);
  assert_stats (&rig, 1, 0, 0, 0);
  g_assert_cmpuint (folder_count (rig.folder), ==, 2);
  rig_close (&rig);
}

static void
cycle (void)
{
  Rig rig;

  rig_open (&rig, "{source}/{id}.jpg",
      "redact=person sidecar=true max-files=1 classes=person");
  push_person (&rig, 10, 1, 0.5);
  push_person (&rig, 10, 1, 0.9);
  push_person (&rig, 10, 2, 0.5);
  rig_end (&rig);
  rig_close (&rig);
}

static void
test_leaks (void)
{
  rig_assert_steady (cycle);
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  /* The one that is linked in, for its writes to be ours. */
  g_assert_true (GST_ELEMENT_REGISTER (defcnsnapshot, NULL));
  g_test_add_func ("/snapshot/track", test_track);
  g_test_add_func ("/snapshot/best", test_best);
  g_test_add_func ("/snapshot/filters", test_filters);
  g_test_add_func ("/snapshot/events", test_events);
  g_test_add_func ("/snapshot/event-moments", test_event_moments);
  g_test_add_func ("/snapshot/objects", test_objects);
  g_test_add_func ("/snapshot/trackless", test_trackless);
  g_test_add_func ("/snapshot/crowd", test_crowd);
  g_test_add_func ("/snapshot/full", test_full);
  g_test_add_func ("/snapshot/vanished", test_vanished);
  g_test_add_func ("/snapshot/slow", test_slow);
  g_test_add_func ("/snapshot/flush", test_flush);
  g_test_add_func ("/snapshot/shared", test_shared);
  g_test_add_func ("/snapshot/limits", test_limits);
  g_test_add_func ("/snapshot/sidecar", test_sidecar);
  g_test_add_func ("/snapshot/login", test_login);
  g_test_add_func ("/snapshot/redact", test_redact);
  g_test_add_func ("/snapshot/layouts", test_layouts);
  g_test_add_func ("/snapshot/unreadable", test_unreadable);
  g_test_add_func ("/snapshot/refused", test_refused);
  g_test_add_func ("/snapshot/again", test_again);
  g_test_add_func ("/snapshot/leaks", test_leaks);
  g_test_add_func ("/snapshot/dead", test_dead);
  return rig_run ();
}
