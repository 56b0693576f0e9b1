/* What defcnzones says of a frame, written and read. */
#include "scene.h"

#include <math.h>

#include "custom.h"

#define MAX_POINTS 4096 /* of one place, of what others write */

void
gst_defcn_scene_register (void)
{
  gst_defcn_custom_register (GST_DEFCN_META_EVENTS_NAME);
  gst_defcn_custom_register_geometry (GST_DEFCN_META_PLACES_NAME);
}

static void
clear_place (gpointer data)
{
  GstDefcnScenePlace *place = data;

  g_clear_pointer (&place->points, g_array_unref);
  g_clear_pointer (&place->classes, g_array_unref);
}

GArray *
gst_defcn_scene_places_new (void)
{
  GArray *places = g_array_new (FALSE, FALSE, sizeof (GstDefcnScenePlace));

  g_array_set_clear_func (places, clear_place);
  return places;
}

GArray *
gst_defcn_scene_events_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (GstDefcnSceneEvent));
}

/* Takes @s. */
static void
append_structure (GValue *array, GstStructure *s)
{
  GValue item = G_VALUE_INIT;

  g_value_init (&item, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&item, s);
  gst_value_array_append_and_take_value (array, &item);
}

static void
set_counts (GstStructure *s, const GstDefcnSceneCount *count, gboolean is_line)
{
  if (is_line)
    gst_structure_set (s, "forward", G_TYPE_UINT64, count->forward, "backward",
        G_TYPE_UINT64, count->backward, NULL);
  else
    gst_structure_set (s, "occupancy", G_TYPE_UINT, count->occupancy, "entered",
        G_TYPE_UINT64, count->entered, "left", G_TYPE_UINT64, count->left,
        "dwell_mean", G_TYPE_UINT64, count->dwell_mean, "dwell_max",
        G_TYPE_UINT64, count->dwell_max, NULL);
}

static void
set_classes (GstStructure *s, const GArray *classes, gboolean is_line)
{
  GValue array = G_VALUE_INIT;

  g_value_init (&array, GST_TYPE_ARRAY);
  for (guint i = 0; classes && i < classes->len; i++) {
    const GstDefcnSceneCount *count =
        &g_array_index (classes, GstDefcnSceneCount, i);
    GstStructure *item = gst_structure_new ("class", "label", G_TYPE_STRING,
        g_quark_to_string (count->label), NULL);

    set_counts (item, count, is_line);
    append_structure (&array, item);
  }
  gst_structure_take_value (s, "classes", &array);
}

static void
set_points (GstStructure *s, const GArray *points)
{
  GValue array = G_VALUE_INIT;

  gst_value_array_init (&array, points->len);
  for (guint i = 0; i < points->len; i++) {
    GValue item = G_VALUE_INIT;

    g_value_init (&item, G_TYPE_DOUBLE);
    g_value_set_double (&item, g_array_index (points, double, i));
    gst_value_array_append_and_take_value (&array, &item);
  }
  gst_structure_take_value (s, "points", &array);
}

void
gst_defcn_scene_places_to_value (GValue *value, const GArray *places)
{
  g_value_init (value, GST_TYPE_ARRAY);
  for (guint i = 0; places && i < places->len; i++) {
    const GstDefcnScenePlace *p =
        &g_array_index (places, GstDefcnScenePlace, i);
    GstStructure *s = gst_structure_new ("place", "name", G_TYPE_STRING,
        g_quark_to_string (p->name), "kind", G_TYPE_STRING,
        p->is_line ? "line" : "zone", NULL);

    set_points (s, p->points);
    set_counts (s, &p->all, p->is_line);
    set_classes (s, p->classes, p->is_line);
    append_structure (value, s);
  }
}

static void
set_quark (GstStructure *s, const char *field, GQuark text)
{
  if (text)
    gst_structure_set (s, field, G_TYPE_STRING, g_quark_to_string (text), NULL);
}

static void
set_box (GstStructure *s, const GstDefcnObject *o)
{
  gst_structure_set (s, "x_min", G_TYPE_DOUBLE, o->x_min, "x_max",
      G_TYPE_DOUBLE, o->x_max, "y_min", G_TYPE_DOUBLE, o->y_min, "y_max",
      G_TYPE_DOUBLE, o->y_max, NULL);
}

static GstStructure *
event_to_structure (const GstDefcnSceneEvent *event, gboolean with_box)
{
  const GstDefcnObject *o = &event->object;
  GstStructure *s = gst_structure_new_empty ("event");

  set_quark (s, "type", event->type);
  set_quark (s, "place", event->place);
  set_quark (s, "direction", event->direction);
  set_quark (s, "reason", event->reason);
  if (GST_CLOCK_TIME_IS_VALID (event->dwell))
    gst_structure_set (s, "dwell", G_TYPE_UINT64, event->dwell, NULL);
  set_quark (s, "label", o->label);
  gst_structure_set (s, "label_id", G_TYPE_INT, o->label_id, "confidence",
      G_TYPE_DOUBLE, o->confidence, NULL);
  gst_defcn_object_track_to_structure (o, s);
  if (with_box && o->x_min < o->x_max)
    set_box (s, o);
  return s;
}

void
gst_defcn_scene_events_to_value (GValue *value, const GArray *events,
    gboolean with_boxes)
{
  g_value_init (value, GST_TYPE_ARRAY);
  for (guint i = 0; events && i < events->len; i++)
    append_structure (value,
        event_to_structure (&g_array_index (events, GstDefcnSceneEvent, i),
            with_boxes));
}

static void
boxes_to_value (GValue *value, const GArray *events)
{
  g_value_init (value, GST_TYPE_ARRAY);
  for (guint i = 0; i < events->len; i++) {
    GstStructure *s = gst_structure_new_empty ("box");

    set_box (s, &g_array_index (events, GstDefcnSceneEvent, i).object);
    append_structure (value, s);
  }
}

/* One that neither the places nor the events on @buffer have. */
static guint
next_set (GstBuffer *buffer)
{
  static const char *names[] = { GST_DEFCN_META_PLACES_NAME,
    GST_DEFCN_META_EVENTS_NAME };
  guint set = 0, n;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    gpointer state = NULL;
    const GstStructure *s;

    while ((s = gst_defcn_custom_next (buffer, names[i], &state)))
      if (gst_structure_get_uint (s, "set", &n))
        set = MAX (set, n + 1);
  }
  return set;
}

void
gst_defcn_scene_attach (GstBuffer *buffer, const GArray *places,
    const GArray *events)
{
  const guint set = next_set (buffer);
  const gboolean has_events = events && events->len;
  GValue value = G_VALUE_INIT;
  GstStructure *s;

  if (has_events || (places && places->len)) {
    s = gst_defcn_custom_add (buffer, GST_DEFCN_META_PLACES_NAME);
    gst_structure_set (s, "set", G_TYPE_UINT, set, NULL);
    gst_defcn_custom_note_crop (buffer, s);
    gst_defcn_scene_places_to_value (&value, places);
    gst_structure_take_value (s, "places", &value);
    if (has_events) {
      boxes_to_value (&value, events);
      gst_structure_take_value (s, "boxes", &value);
    }
  }
  if (has_events) {
    s = gst_defcn_custom_add (buffer, GST_DEFCN_META_EVENTS_NAME);
    gst_structure_set (s, "set", G_TYPE_UINT, set, NULL);
    gst_defcn_scene_events_to_value (&value, events, FALSE);
    gst_structure_take_value (s, "events", &value);
  }
}

/* The array of the field @name, NULL if that is none. */
static const GValue *
array_of (const GstStructure *s, const char *name)
{
  const GValue *value = s ? gst_structure_get_value (s, name) : NULL;

  return value && GST_VALUE_HOLDS_ARRAY (value) ? value : NULL;
}

static const GstStructure *
structure_at (const GValue *array, guint i)
{
  const GValue *value = i < gst_value_array_get_size (array)
      ? gst_value_array_get_value (array, i)
      : NULL;

  return value && GST_VALUE_HOLDS_STRUCTURE (value)
      ? gst_value_get_structure (value)
      : NULL;
}

static GQuark
read_quark (const GstStructure *s, const char *name)
{
  return gst_defcn_object_label (gst_structure_get_string (s, name));
}

static void
read_counts (GstDefcnSceneCount *count, const GstStructure *s)
{
  gst_structure_get_uint (s, "occupancy", &count->occupancy);
  gst_structure_get_uint64 (s, "entered", &count->entered);
  gst_structure_get_uint64 (s, "left", &count->left);
  gst_structure_get_uint64 (s, "dwell_mean", &count->dwell_mean);
  gst_structure_get_uint64 (s, "dwell_max", &count->dwell_max);
  gst_structure_get_uint64 (s, "forward", &count->forward);
  gst_structure_get_uint64 (s, "backward", &count->backward);
}

/* (transfer full); NULL when they are no points. */
static GArray *
read_points (const GstStructure *s)
{
  const GValue *array = array_of (s, "points");
  const guint n = array ? gst_value_array_get_size (array) : 0;
  g_autoptr (GArray) points = g_array_new (FALSE, FALSE, sizeof (double));

  if (n < 4 || n % 2 || n > 2 * MAX_POINTS)
    return NULL;
  for (guint i = 0; i < n; i++) {
    const GValue *value = gst_value_array_get_value (array, i);
    double x = NAN;

    if (G_VALUE_HOLDS_DOUBLE (value))
      x = g_value_get_double (value);
    if (!isfinite (x))
      return NULL;
    g_array_append_val (points, x);
  }
  return g_steal_pointer (&points);
}

static GArray *
read_classes (const GstStructure *s)
{
  const GValue *array = array_of (s, "classes");
  GArray *classes = g_array_new (FALSE, FALSE, sizeof (GstDefcnSceneCount));
  const GstStructure *item;

  for (guint i = 0; array && (item = structure_at (array, i)); i++) {
    GstDefcnSceneCount count = { read_quark (item, "label") };

    read_counts (&count, item);
    g_array_append_val (classes, count);
  }
  return classes;
}

guint
gst_defcn_scene_read_places (GstBuffer *buffer, GArray *places)
{
  const guint before = places->len;
  gpointer state = NULL;
  const GstStructure *s, *item;

  while ((
      s = gst_defcn_custom_next (buffer, GST_DEFCN_META_PLACES_NAME, &state))) {
    const GValue *array = array_of (s, "places");

    if (!array || !gst_defcn_custom_same_crop (buffer, s))
      continue;
    for (guint i = 0; (item = structure_at (array, i)); i++) {
      GstDefcnScenePlace place = { read_quark (item, "name"),
        g_strcmp0 (gst_structure_get_string (item, "kind"), "line") == 0,
        read_points (item) };

      if (!place.points)
        continue;
      read_counts (&place.all, item);
      place.classes = read_classes (item);
      g_array_append_val (places, place);
    }
  }
  return places->len - before;
}

/* The boxes of the events of @set, NULL where they are lost. */
static const GValue *
find_boxes (GstBuffer *buffer, guint set)
{
  gpointer state = NULL;
  const GstStructure *s;
  guint n;

  while (
      (s = gst_defcn_custom_next (buffer, GST_DEFCN_META_PLACES_NAME, &state)))
    if (gst_structure_get_uint (s, "set", &n) && n == set
        && gst_defcn_custom_same_crop (buffer, s))
      return array_of (s, "boxes");
  return NULL;
}

static GstDefcnSceneEvent
read_event (const GstStructure *s, const GstStructure *box)
{
  GstDefcnSceneEvent event = { read_quark (s, "type"), read_quark (s, "place"),
    read_quark (s, "direction"), read_quark (s, "reason"),
    GST_CLOCK_TIME_NONE };
  GstDefcnObject found = { 0 };

  gst_structure_get_uint64 (s, "dwell", &event.dwell);
  if (box && gst_defcn_object_from_structure (&found, box))
    event.object = found;
  event.object.id = -1;
  event.object.label = read_quark (s, "label");
  if (!gst_structure_get_int (s, "label_id", &event.object.label_id))
    event.object.label_id = -1;
  if (!gst_structure_get_double (s, "confidence", &event.object.confidence)
      || !isfinite (event.object.confidence))
    event.object.confidence = -1;
  gst_defcn_object_track_from_structure (&event.object, s);
  return event;
}

guint
gst_defcn_scene_read_events (GstBuffer *buffer, GArray *events)
{
  const guint before = events->len;
  gpointer state = NULL;
  const GstStructure *s, *item;

  while ((
      s = gst_defcn_custom_next (buffer, GST_DEFCN_META_EVENTS_NAME, &state))) {
    const GValue *array = array_of (s, "events"), *boxes = NULL;
    guint set;

    if (gst_structure_get_uint (s, "set", &set))
      boxes = find_boxes (buffer, set);
    for (guint i = 0; array && (item = structure_at (array, i)); i++) {
      const GstDefcnSceneEvent event =
          read_event (item, boxes ? structure_at (boxes, i) : NULL);

      g_array_append_val (events, event);
    }
  }
  return events->len - before;
}
