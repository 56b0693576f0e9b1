/* Counting at zones and lines, on scripted tracks. */
#include <math.h>
#include <string.h>

#include "rig.h"
#include "zones/counter.h"
#include "zones/text.h"

#define STEP (40 * G_GINT64_CONSTANT (1000000)) /* ns from frame to frame */
#define MS G_GINT64_CONSTANT (1000000)
#define HEIGHT 0.2 /* of every object: the hysteresis is 0.02 */

#define LINE "L: line 0.1,0.5 0.9,0.5"
#define ZONE "Z: polygon 0.2,0.2 0.8,0.2 0.8,0.8 0.2,0.8"

typedef struct
{
  GstDefcnCounter *counter;
  GArray *events; /* of the last frame */
  GstDefcnCounterFrame frame;
} Stage;

static void
draw (Stage *stage, const char *text)
{
  const GstDefcnLayoutOptions defaults = { .hysteresis = 0.1 };
  g_autoptr (GArray) layout = gst_defcn_layout_new ();
  g_autoptr (GError) error = NULL;

  gst_defcn_text_parse (layout, text, &defaults, &error);
  g_assert_no_error (error);
  gst_defcn_counter_set_layout (stage->counter, layout, 640, 480);
}

static Stage
stage_new (const char *text)
{
  Stage stage = { gst_defcn_counter_new (), gst_defcn_scene_events_new (),
    { .now = -STEP, .lost_after = 200 * MS, .aspect = 1, .known = TRUE } };

  draw (&stage, text);
  return stage;
}

static void
stage_free (Stage *stage)
{
  gst_defcn_counter_free (stage->counter);
  g_array_unref (stage->events);
}

/* Somebody with the feet at @x, @y. */
static GstDefcnObject
at (gint64 id, double x, double y)
{
  return (GstDefcnObject){ x - 0.05, y - HEIGHT, x + 0.05, y, 0.9, 0,
    g_quark_from_static_string ("person"), .track = { .id = id } };
}

static guint
step (Stage *stage, const GstDefcnObject *objects, guint n)
{
  g_autoptr (GArray) array =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  g_array_append_vals (array, objects, n);
  g_array_set_size (stage->events, 0);
  stage->frame.now += STEP;
  return gst_defcn_counter_update (stage->counter, array, &stage->frame,
      stage->events);
}

/* Appends the events of the last frame: "zone-left Z #1 lost 80ms, ". */
static void
tell (GString *told, const Stage *stage)
{
  for (guint i = 0; i < stage->events->len; i++) {
    const GstDefcnSceneEvent *e =
        &g_array_index (stage->events, GstDefcnSceneEvent, i);

    g_string_append_printf (told, "%s%s %s #%d", told->len ? ", " : "",
        g_quark_to_string (e->type), g_quark_to_string (e->place),
        (int) e->object.track.id);
    if (e->direction)
      g_string_append_printf (told, " %s", g_quark_to_string (e->direction));
    if (e->reason)
      g_string_append_printf (told, " %s", g_quark_to_string (e->reason));
    if (GST_CLOCK_TIME_IS_VALID (e->dwell))
      g_string_append_printf (told, " %dms", (int) (e->dwell / MS));
  }
}

static void
assert_told (const Stage *stage, const char *wanted)
{
  GString *told = g_string_new (NULL);

  tell (told, stage);
  g_assert_cmpstr (told->str, ==, wanted);
  g_string_free (told, TRUE);
}

static GstDefcnSceneCount
count_of (const Stage *stage, const char *place, const char *label)
{
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();

  gst_defcn_counter_read (stage->counter, places);
  for (guint i = 0; i < places->len; i++) {
    const GstDefcnScenePlace *p =
        &g_array_index (places, GstDefcnScenePlace, i);

    if (strcmp (g_quark_to_string (p->name), place) != 0)
      continue;
    if (!label)
      return p->all;
    for (guint k = 0; k < p->classes->len; k++) {
      const GstDefcnSceneCount *count =
          &g_array_index (p->classes, GstDefcnSceneCount, k);

      if (strcmp (g_quark_to_string (count->label), label) == 0)
        return *count;
    }
    return (GstDefcnSceneCount){ 0 };
  }
  g_assert_not_reached ();
}

typedef struct
{
  const char *zones;
  const char *way; /* of the feet, a frame each: "x,y x,y .."; -: not seen */
  const char *events;
} Walk;

static void
test_walks (gconstpointer data)
{
  for (const Walk *walk = data; walk->zones; walk++) {
    Stage stage = stage_new (walk->zones);
    GString *told = g_string_new (NULL);
    g_auto (GStrv) way = g_strsplit (walk->way, " ", -1);

    g_test_message ("%s: %s", walk->zones, walk->way);
    for (char **place = way; *place; place++) {
      char *y = strchr (*place, ',');
      const GstDefcnObject o = at (1, g_ascii_strtod (*place, NULL),
          y ? g_ascii_strtod (y + 1, NULL) : 0);

      step (&stage, &o, y != NULL);
      tell (told, &stage);
    }
    g_assert_cmpstr (told->str, ==, walk->events);
    g_string_free (told, TRUE);
    stage_free (&stage);
  }
}

#define FORWARD "line-crossed L #1 forward"
#define BACKWARD "line-crossed L #1 backward"

/* Who goes over a line, which way, and who does not. */
static const Walk lines[] = {
  { LINE, "0.5,0.3 0.5,0.45 0.5,0.55", FORWARD },
  { LINE, "0.5,0.7 0.5,0.55 0.5,0.45", BACKWARD },
  /* the other way round */
  { "L: line 0.9,0.5 0.1,0.5", "0.5,0.4 0.5,0.6", BACKWARD },
  { "L: line 0.5,0.1 0.5,0.9", "0.6,0.5 0.4,0.5", FORWARD },
  { "L: line 0.5,0.9 0.5,0.1", "0.4,0.5 0.6,0.5", FORWARD },
  /* over it from one frame to the next */
  { LINE, "0.2,0.1 0.8,0.9", FORWARD },
  /* past its ends, which are its own */
  { LINE, "0.95,0.4 0.95,0.6", "" },
  { LINE, "0.05,0.6 0.05,0.4", "" },
  { LINE, "0.9,0.4 0.9,0.6", FORWARD },
  { LINE, "0.1,0.6 0.1,0.4", BACKWARD },
  { LINE, "0.95,0.4 0.95,0.6 0.5,0.6 0.5,0.4", BACKWARD },
  { LINE, "0.5,0.4 0.5,0.6 0.95,0.6 0.95,0.4 0.5,0.4 0.5,0.6",
      FORWARD ", " FORWARD },
  /* round an end and to and fro through it, near it all the while */
  { LINE, "0.91,0.4 0.91,0.51 0.89,0.51 0.89,0.49 0.89,0.6", "" },
  { LINE, "0.89,0.4 0.89,0.51 0.91,0.51 0.91,0.49 0.91,0.6", FORWARD },
  /* on it */
  { LINE, "0.5,0.4 0.5,0.5 0.5,0.6", FORWARD },
  { LINE, "0.5,0.4 0.5,0.5 0.5,0.4", "" },
  { LINE, "0.3,0.4 0.3,0.5 0.7,0.5 0.7,0.6", FORWARD },
  { LINE, "0.8,0.4 0.8,0.5 0.95,0.5 0.95,0.6", "" },
  /* swaying, turning back on it, really coming back */
  { LINE, "0.5,0.4 0.5,0.49 0.5,0.51 0.5,0.49 0.5,0.515 0.5,0.485", "" },
  { LINE, "0.5,0.4 0.5,0.49 0.5,0.51 0.5,0.49 0.5,0.51 0.5,0.6", FORWARD },
  { LINE, "0.5,0.4 0.5,0.53 0.5,0.51 0.5,0.49 0.5,0.51 0.5,0.49", FORWARD },
  { LINE, "0.5,0.4 0.5,0.51 0.5,0.4", "" },
  { LINE, "0.5,0.4 0.5,0.53 0.5,0.4", FORWARD ", " BACKWARD },
  /* found first where it is not sure on which side */
  { LINE, "0.5,0.5 0.5,0.6", "" },
  { LINE, "0.5,0.49 0.5,0.6", "" },
  { LINE, "0.5,0.47 0.5,0.6", FORWARD },
  { LINE " hysteresis=0", "0.5,0.4999 0.5,0.5001", FORWARD },
  { LINE " hysteresis=1", "0.5,0.4 0.5,0.65 0.5,0.69", "" },
  { LINE " hysteresis=1", "0.5,0.2 0.5,0.71", FORWARD },
  /* not seen while crossing, and for too long */
  { LINE, "0.5,0.4 - - - 0.5,0.6", FORWARD },
  { LINE, "0.5,0.4 - - - - - - - 0.5,0.6", "" },
  /* where an object is */
  { LINE " anchor=centre", "0.5,0.55 0.5,0.65", FORWARD },
  { LINE " anchor=head", "0.5,0.65 0.5,0.75", FORWARD },
  { LINE " anchor=left", "0.94,0.55 0.94,0.65", FORWARD },
  { LINE " anchor=right", "0.06,0.55 0.06,0.65", FORWARD },
  { LINE " anchor=right", "0.94,0.55 0.94,0.65", "" },
  { LINE " classes=person", "0.5,0.4 0.5,0.6", FORWARD },
  { LINE " classes=car,dog", "0.5,0.4 0.5,0.6", "" },
  /* pixels of 640 x 480 */
  { "L: line 64,240 576,240", "0.5,0.4 0.5,0.6", FORWARD },
  { NULL },
};

#define ENTERED "zone-entered Z #1"
#define LEFT "zone-left Z #1"

/* Who enters a zone, leaves it, and stays. */
static const Walk zones[] = {
  { ZONE, "0.1,0.5 0.3,0.5 0.5,0.5 0.9,0.5", ENTERED ", " LEFT " 80ms" },
  /* found first within */
  { ZONE, "0.5,0.5", ENTERED },
  /* the border, a corner, the edge of the picture */
  { ZONE, "0.1,0.5 0.2,0.5 0.1,0.5", ENTERED ", " LEFT " 40ms" },
  { ZONE, "0.1,0.1 0.2,0.2", ENTERED },
  { ZONE, "0.8,0.8", ENTERED },
  { ZONE, "0.1,0.2 0.1,0.8", "" },
  { ZONE, "0.19,0.5 0.81,0.5 0.5,0.19 0.5,0.81", "" },
  { "Z: polygon 0,0 1,0 1,1 0,1", "0.5,1", ENTERED },
  /* swaying on it */
  { ZONE, "0.3,0.5 0.19,0.5 0.21,0.5 0.185,0.5", ENTERED },
  { ZONE, "0.3,0.5 0.17,0.5", ENTERED ", " LEFT " 40ms" },
  /* from one side to the other between two frames */
  { ZONE, "0.1,0.5 0.9,0.5", "" },
  /* a bow tie, whose waist is on its border */
  { "Z: polygon 0,0 1,1 1,0 0,1", "0.1,0.5", ENTERED },
  { "Z: polygon 0,0 1,1 1,0 0,1", "0.5,0.3", "" },
  { "Z: polygon 0,0 1,1 1,0 0,1", "0.5,0.5", ENTERED },
  /* not seen any more: it was there until it was seen last */
  { ZONE, "0.5,0.5 0.5,0.5 - - - - - - -", ENTERED ", " LEFT " lost 40ms" },
  { ZONE, "0.5,0.5 - - - - - 0.5,0.5", ENTERED },
  /* out of the picture */
  { "Z: polygon 0,0 1,0 1,1 0,1", "0.9,1 0.99,1 - - - - - -",
      ENTERED ", " LEFT " lost 40ms" },
  /* for long enough */
  { ZONE " min-time=80", "0.5,0.5 0.5,0.5 0.1,0.5", "" },
  { ZONE " min-time=80", "0.5,0.5 0.5,0.5 0.5,0.5 0.1,0.5",
      ENTERED ", " LEFT " 120ms" },
  { ZONE " min-time=80", "0.5,0.5 0.5,0.5 0.1,0.5 0.5,0.5 0.5,0.5", "" },
  { ZONE " loitering=80", "0.5,0.5 0.5,0.5 0.5,0.5 0.5,0.5 0.5,0.5 0.1,0.5",
      ENTERED ", zone-dwell Z #1 80ms, " LEFT " 200ms" },
  { ZONE " loitering=80", "0.5,0.5 0.5,0.5 0.1,0.5",
      ENTERED ", " LEFT " 80ms" },
  { ZONE " anchor=head", "0.5,0.9", ENTERED },
  { ZONE " classes=car", "0.5,0.5 0.1,0.5", "" },
  { ZONE "; Y: polygon 0.4,0.4 0.6,0.4 0.5,0.6", "0.3,0.3 0.5,0.5 0.1,0.1",
      ENTERED ", zone-entered Y #1, " LEFT " 80ms, zone-left Y #1 40ms" },
  { "Z: polygon 128,96 512,96 512,384 128,384", "0.2,0.5", ENTERED },
  { NULL },
};

/* Hysteresis is a distance in the picture: its aspect counts. */
static void
test_aspect (void)
{
  static const struct
  {
    double x, aspect;
    const char *events;
  } cases[] = { { 0.485, 1, "" }, { 0.485, 2, "line-crossed L #1 forward" },
    { 0.47, 1, "line-crossed L #1 forward" }, { 0.47, 0.5, "" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Stage stage = stage_new ("L: line 0.5,0.1 0.5,0.9");
    const GstDefcnObject from = at (1, 0.7, 0.5), to = at (1, cases[i].x, 0.5);

    stage.frame.aspect = cases[i].aspect;
    step (&stage, &from, 1);
    step (&stage, &to, 1);
    assert_told (&stage, cases[i].events);
    stage_free (&stage);
  }
}

static void
assert_zone (const Stage *stage, guint occupancy, guint64 entered, guint64 left)
{
  const GstDefcnSceneCount count = count_of (stage, "Z", NULL);

  g_assert_cmpuint (count.occupancy, ==, occupancy);
  g_assert_cmpuint (count.entered, ==, entered);
  g_assert_cmpuint (count.left, ==, left);
}

/* Who has another id from one frame to the next is there twice for as long as a
 * track may be out of sight, and then once. */
static void
test_id_switch (void)
{
  Stage stage = stage_new (ZONE);
  const GstDefcnObject one = at (1, 0.5, 0.5), two = at (2, 0.5, 0.5);

  step (&stage, &one, 1);
  assert_zone (&stage, 1, 1, 0);
  for (int i = 0; i < 5; i++) {
    step (&stage, &two, 1);
    assert_zone (&stage, 2, 2, 0);
  }
  step (&stage, &two, 1);
  assert_told (&stage, "zone-left Z #1 lost 0ms");
  assert_zone (&stage, 1, 2, 1);
  stage_free (&stage);
}

/* A track that is there twice in a frame counts where it is first. */
static void
test_twice (void)
{
  Stage stage = stage_new (ZONE);
  const GstDefcnObject both[] = { at (1, 0.5, 0.5), at (1, 0.1, 0.1) };

  for (int i = 0; i < 2; i++)
    step (&stage, both, 2);
  assert_zone (&stage, 1, 1, 0);
  stage_free (&stage);
}

/* In all and by class; mean and longest stay. */
static void
test_classes (void)
{
  Stage stage = stage_new (ZONE "; " LINE);
  GstDefcnObject o[] = { at (1, 0.5, 0.4), at (2, 0.5, 0.4), at (3, 0.5, 0.4) };
  GstDefcnSceneCount count;

  o[2].label = g_quark_from_static_string ("car");
  step (&stage, o, 3);
  o[0] = at (1, 0.1, 0.4);
  step (&stage, o, 3);
  count = count_of (&stage, "Z", NULL);
  g_assert_cmpuint (count.occupancy, ==, 2);
  count = count_of (&stage, "Z", "person");
  g_assert_cmpuint (count.occupancy, ==, 1);
  step (&stage, o, 3);
  o[1] = at (2, 0.1, 0.4);
  step (&stage, o, 3);
  o[0].y_max = o[1].y_max = o[2].y_max = 0.6;
  step (&stage, o, 3);

  count = count_of (&stage, "Z", "person");
  g_assert_cmpuint (count.occupancy, ==, 0);
  g_assert_cmpuint (count.entered, ==, 2);
  g_assert_cmpuint (count.left, ==, 2);
  g_assert_cmpuint (count.dwell_mean, ==, 80 * MS); /* 40 and 120 */
  g_assert_cmpuint (count.dwell_max, ==, 120 * MS);
  count = count_of (&stage, "Z", "car");
  g_assert_cmpuint (count.occupancy, ==, 1);
  g_assert_cmpuint (count.dwell_mean, ==, 0);
  count = count_of (&stage, "Z", NULL);
  g_assert_cmpuint (count.entered, ==, 3);
  g_assert_cmpuint (count.left, ==, 2);
  g_assert_cmpuint (count.dwell_mean, ==, 80 * MS);
  count = count_of (&stage, "L", "person");
  g_assert_cmpuint (count.forward, ==, 2);
  count = count_of (&stage, "L", "car");
  g_assert_cmpuint (count.forward, ==, 1);
  count = count_of (&stage, "L", NULL);
  g_assert_cmpuint (count.forward, ==, 3);
  g_assert_cmpuint (count.backward, ==, 0);
  stage_free (&stage);
}

/* Who is another class from time to time goes on where it is, and leaves as
 * what it entered. */
static void
test_other_class (void)
{
  Stage stage = stage_new (ZONE " classes=person");
  GstDefcnObject o = at (1, 0.5, 0.5);

  step (&stage, &o, 1);
  o.label = g_quark_from_static_string ("car");
  step (&stage, &o, 1);
  assert_told (&stage, "");
  o = at (1, 0.1, 0.1);
  o.label = g_quark_from_static_string ("car");
  step (&stage, &o, 1);
  assert_told (&stage, "zone-left Z #1 80ms");
  g_assert_cmpuint (count_of (&stage, "Z", "person").left, ==, 1);
  g_assert_cmpuint (count_of (&stage, "Z", "car").left, ==, 0);
  stage_free (&stage);
}

/* Objects without a track are there and nothing else; where nobody looked they
 * stay; those that a tracker is not sure of yet are nobody. */
static void
test_loose (void)
{
  Stage stage = stage_new (ZONE " classes=person; " LINE);
  GstDefcnObject o[] = { at (0, 0.5, 0.4), at (0, 0.6, 0.4), at (0, 0.1, 0.4),
    at (0, 0.5, 0.4), at (0, 0.5, 0.5), at (7, 0.5, 0.5) };

  o[3].label = g_quark_from_static_string ("car");
  o[4].track.state = g_quark_from_static_string ("new");
  g_assert_cmpuint (step (&stage, o, 6), ==, 4);
  assert_told (&stage, "zone-entered Z #7");
  assert_zone (&stage, 3, 1, 0);
  g_assert_cmpuint (count_of (&stage, "Z", "person").occupancy, ==, 3);
  stage.frame.known = FALSE;
  step (&stage, o, 0);
  assert_zone (&stage, 3, 1, 0);
  stage.frame.known = TRUE;
  o[0] = at (0, 0.5, 0.6);
  step (&stage, o, 1);
  assert_told (&stage, "");
  assert_zone (&stage, 2, 1, 0);
  step (&stage, o, 0);
  assert_zone (&stage, 1, 1, 0);
  stage_free (&stage);
}

/* Another stream: who was there is lost, and whoever has its id then is
 * another. */
static void
test_break (void)
{
  Stage stage = stage_new (ZONE "; " LINE);
  const GstDefcnObject there[] = { at (1, 0.5, 0.4), at (0, 0.5, 0.4) };
  const GstDefcnObject below = at (1, 0.9, 0.9);

  step (&stage, there, 2);
  step (&stage, there, 2);
  gst_defcn_counter_break (stage.counter);
  assert_zone (&stage, 0, 1, 1);
  step (&stage, &below, 1);
  assert_told (&stage, "zone-left Z #1 lost 40ms");
  step (&stage, &below, 1);
  assert_told (&stage, "");
  stage_free (&stage);
}

/* Another drawing: what keeps its name and its shape goes on, whatever its
 * options and wherever it stands; who was in what is gone has left it. */
static void
test_redraw (void)
{
  static const struct
  {
    const char *zones, *events;
    guint64 entered;
    guint occupancy;
  } cases[] = {
    { ZONE, "", 1, 1 },
    { "A: line 0,0 1,0; " ZONE " min-time=7 anchor=centre", "", 1, 1 },
    { "Z: polygon 0.2,0.2 0.8,0.2 0.8,0.9 0.2,0.8",
        "zone-left Z #1 removed 40ms, zone-entered Z #1", 1, 1 },
    { "Z: polygon 0,0 0.1,0 0.1,0.1", "zone-left Z #1 removed 40ms", 0, 0 },
    { "Y: polygon 0,0 0.1,0 0.1,0.1; Z: line 0,0 1,0",
        "zone-left Z #1 removed 40ms", 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Stage stage = stage_new (ZONE "; " LINE);
    const GstDefcnObject o = at (1, 0.5, 0.5);

    g_test_message ("%s", cases[i].zones);
    step (&stage, &o, 1);
    step (&stage, &o, 1);
    draw (&stage, cases[i].zones);
    step (&stage, &o, 1);
    assert_told (&stage, cases[i].events);
    assert_zone (&stage, cases[i].occupancy, cases[i].entered, 0);
    stage_free (&stage);
  }
}

/* A line that stays knows on which side who is. */
static void
test_redraw_line (void)
{
  Stage stage = stage_new (LINE);
  const GstDefcnObject above = at (1, 0.5, 0.4), below = at (1, 0.5, 0.6);

  step (&stage, &above, 1);
  draw (&stage, ZONE "; " LINE);
  step (&stage, &below, 1);
  assert_told (&stage, "zone-entered Z #1, line-crossed L #1 forward");
  draw (&stage, "");
  step (&stage, &above, 1);
  assert_told (&stage, "zone-left Z #1 removed 0ms");
  stage_free (&stage);
}

/* Pixels are those of the picture that there was when they came, or of the one
 * that they say. */
static void
test_pixels (void)
{
  Stage stage = stage_new (ZONE);
  const GstDefcnLayoutOptions defaults = { .hysteresis = 0.1 };
  g_autoptr (GArray) layout = gst_defcn_layout_new ();
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GError) error = NULL;
  GQuark beyond;

  gst_defcn_text_parse (layout,
      "A: line 0,100 100,100; B: line 0,500 500,500 resolution=1000x1000",
      &defaults, &error);
  g_assert_no_error (error);
  beyond = gst_defcn_counter_set_layout (stage.counter, layout, 400, 200);
  g_assert_cmpuint (beyond, ==, 0);
  gst_defcn_counter_read (stage.counter, places);
  for (guint i = 0; i < 2; i++) {
    const double *points = (const double *) (gpointer) g_array_index (places,
        GstDefcnScenePlace, i)
                               .points->data;

    g_assert_true (points[0] == 0 && points[1] == 0.5);
    g_assert_true (points[2] == (i ? 0.5 : 0.25) && points[3] == 0.5);
  }
  beyond = gst_defcn_counter_set_layout (stage.counter, layout, 50, 200);
  g_assert_cmpstr (g_quark_to_string (beyond), ==, "A");
  stage_free (&stage);
}

/* Counts begin anew and who is there stays. */
static void
test_reset (void)
{
  Stage stage = stage_new (ZONE "; " LINE);
  const GstDefcnObject o[] = { at (1, 0.5, 0.4), at (0, 0.5, 0.4) };
  const GstDefcnObject below[] = { at (1, 0.5, 0.6), at (0, 0.5, 0.4) };

  step (&stage, o, 2);
  step (&stage, below, 2);
  gst_defcn_counter_reset (stage.counter);
  assert_zone (&stage, 2, 0, 0);
  g_assert_cmpuint (count_of (&stage, "L", NULL).forward, ==, 0);
  g_assert_cmpuint (count_of (&stage, "Z", "person").occupancy, ==, 2);
  step (&stage, o, 1);
  assert_told (&stage, "line-crossed L #1 backward");
  g_assert_cmpuint (count_of (&stage, "L", NULL).backward, ==, 1);
  stage_free (&stage);
}

/* A box that is none is not looked at, and is not where the next one comes
 * from. */
static void
test_no_numbers (void)
{
  Stage stage = stage_new (ZONE "; " LINE);
  const GstDefcnObject above = at (1, 0.5, 0.4), below = at (1, 0.5, 0.6);
  GstDefcnObject bad = at (1, 0.5, 0.6);

  bad.x_min = NAN;
  step (&stage, &above, 1);
  step (&stage, &bad, 1);
  assert_told (&stage, "");
  bad = at (1, 0.5, INFINITY);
  step (&stage, &bad, 1);
  assert_told (&stage, "");
  step (&stage, &below, 1);
  assert_told (&stage, "line-crossed L #1 forward");
  bad = at (0, NAN, 0.5);
  g_assert_cmpuint (step (&stage, &bad, 1), ==, 0);
  stage_free (&stage);
}

/* Time that goes backwards, as of frames that are out of order: no stay is
 * shorter than nothing. */
static void
test_backwards (void)
{
  Stage stage = stage_new (ZONE);
  const GstDefcnObject in = at (1, 0.5, 0.5), out = at (1, 0.1, 0.5);

  stage.frame.now = 1000 * MS;
  step (&stage, &in, 1);
  stage.frame.now = 0;
  step (&stage, &out, 1);
  assert_told (&stage, "zone-left Z #1 0ms");
  stage_free (&stage);
}

/* 1024 zones like a chess board and 100 who go from one to the next: each is in
 * one of them, and has left those before. */
static void
test_many (void)
{
  enum
  {
    SIDE = 32,
    PEOPLE = 100
  };
  g_autoptr (GString) text = g_string_new (NULL);
  GstDefcnObject o[PEOPLE];
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  guint64 entered = 0, occupancy = 0;
  Stage stage;

  for (int i = 0; i < SIDE * SIDE; i++) {
    const int x = i % SIDE, y = i / SIDE;

    g_string_append_printf (text,
        "%d: polygon %d,%d %d,%d %d,%d %d,%d resolution=3200x3200 "
        "hysteresis=0;",
        i, 100 * x, 100 * y, 100 * x + 99, 100 * y, 100 * x + 99, 100 * y + 99,
        100 * x, 100 * y + 99);
  }
  stage = stage_new (text->str);
  for (int frame = 0; frame < SIDE; frame++) {
    for (int i = 0; i < PEOPLE; i++)
      o[i] = at (i + 1, (frame + 0.5) / SIDE, (i % SIDE + 0.5) / SIDE);
    step (&stage, o, PEOPLE);
    g_assert_cmpuint (stage.events->len, ==, frame ? 2 * PEOPLE : PEOPLE);
  }
  gst_defcn_counter_read (stage.counter, places);
  g_assert_cmpuint (places->len, ==, SIDE * SIDE);
  for (guint i = 0; i < places->len; i++) {
    const GstDefcnScenePlace *p =
        &g_array_index (places, GstDefcnScenePlace, i);

    entered += p->all.entered;
    occupancy += p->all.occupancy;
    g_assert_cmpuint (p->all.entered, ==, i / SIDE < PEOPLE % SIDE ? 4 : 3);
  }
  g_assert_cmpuint (entered, ==, SIDE * PEOPLE);
  g_assert_cmpuint (occupancy, ==, PEOPLE);
  stage_free (&stage);
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_data_func ("/counter/lines", lines, test_walks);
  g_test_add_data_func ("/counter/zones", zones, test_walks);
  g_test_add_func ("/counter/aspect", test_aspect);
  g_test_add_func ("/counter/id-switch", test_id_switch);
  g_test_add_func ("/counter/twice", test_twice);
  g_test_add_func ("/counter/classes", test_classes);
  g_test_add_func ("/counter/other-class", test_other_class);
  g_test_add_func ("/counter/loose", test_loose);
  g_test_add_func ("/counter/break", test_break);
  g_test_add_func ("/counter/redraw", test_redraw);
  g_test_add_func ("/counter/redraw-line", test_redraw_line);
  g_test_add_func ("/counter/pixels", test_pixels);
  g_test_add_func ("/counter/reset", test_reset);
  g_test_add_func ("/counter/no-numbers", test_no_numbers);
  g_test_add_func ("/counter/backwards", test_backwards);
  g_test_add_func ("/counter/many", test_many);
  return rig_run ();
}
