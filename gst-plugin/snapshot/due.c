/* The objects of a frame of which a picture is due. */
#include "due.h"

#include "meta.h"
#include "scene.h"

/* A frame while it is gone through. */
typedef struct
{
  GArray *due;
  GstDefcnDueState *state;
  const GstDefcnDueRule *rule;
  GArray *objects; /* GstDefcnObject */
  gboolean looked;
  guint64 now;
} Frame;

static gboolean
is_wanted (const GstDefcnDueRule *rule, const GstDefcnObject *object)
{
  const char *label = object->label ? g_quark_to_string (object->label) : "";

  if (rule->classes
      && !g_strv_contains ((const char *const *) rule->classes, label))
    return FALSE;
  return rule->threshold <= 0 || object->confidence >= rule->threshold;
}

static gboolean
is_due_already (const Frame *frame, gint64 id)
{
  for (guint i = 0; i < frame->due->len; i++)
    if (g_array_index (frame->due, GstDefcnDue, i).object.track.id == id)
      return TRUE;
  return FALSE;
}

/* Where it is said to be, if anybody looked. */
static double
score_of (const Frame *frame, const GstDefcnObject *object)
{
  return frame->looked && !object->track.predicted ? MAX (object->confidence, 0)
                                                   : 0;
}

/* One that a tracker has not confirmed yet is not. */
static gboolean
is_untracked (const GstDefcnObject *object)
{
  return object->track.id <= 0 && !object->track.state;
}

/* Appends @due, of a track, if the keeper wants it. */
static void
ask (Frame *frame, GstDefcnDue *due, GstDefcnKeeperEvent event)
{
  const gint64 id = due->object.track.id;
  GstDefcnKeeperVerdict verdict;

  if (is_due_already (frame, id))
    return;
  due->score = score_of (frame, &due->object);
  verdict = gst_defcn_keeper_ask (frame->state->keeper, id, event, due->score,
      frame->now, frame->rule->interval);
  if (verdict == GST_DEFCN_KEEPER_NOTHING)
    return;
  due->is_new = verdict == GST_DEFCN_KEEPER_BEGIN;
  g_array_append_val (frame->due, *due);
}

static gboolean
is_asked_for (const GstDefcnDueRule *rule, const GstDefcnSceneEvent *event)
{
  const char *type = g_quark_to_string (event->type);

  if (g_strcmp0 (type, "line-crossed") == 0)
    return (rule->on & GST_DEFCN_SNAPSHOT_ON_LINE) != 0;
  return (rule->on & GST_DEFCN_SNAPSHOT_ON_ZONE)
      && (g_strcmp0 (type, "zone-entered") == 0
          || g_strcmp0 (type, "zone-dwell") == 0);
}

static void
find_events (Frame *frame, GstBuffer *buffer)
{
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();

  gst_defcn_scene_read_events (buffer, events);
  for (guint i = 0; i < events->len; i++) {
    const GstDefcnSceneEvent *event =
        &g_array_index (events, GstDefcnSceneEvent, i);
    GstDefcnDue due = { .object = event->object,
      .has_box = event->object.x_max > event->object.x_min,
      .event = event->type,
      .place = event->place,
      .direction = event->direction };

    if (!is_asked_for (frame->rule, event)
        || !is_wanted (frame->rule, &event->object))
      continue;
    if (event->object.track.id > 0) {
      ask (frame, &due, GST_DEFCN_KEEPER_ALWAYS);
      continue;
    }
    due.is_new = TRUE;
    due.score = score_of (frame, &due.object);
    g_array_append_val (frame->due, due);
  }
}

static void
find_tracks (Frame *frame)
{
  const gboolean always =
      (frame->rule->on & GST_DEFCN_SNAPSHOT_ON_OBJECT) && frame->looked;
  const gboolean once = (frame->rule->on & GST_DEFCN_SNAPSHOT_ON_TRACK) != 0;
  const GstDefcnKeeperEvent event = always ? GST_DEFCN_KEEPER_ALWAYS
      : once                               ? GST_DEFCN_KEEPER_ONCE
                                           : GST_DEFCN_KEEPER_NO_EVENT;

  for (guint i = 0; i < frame->objects->len; i++) {
    GstDefcnDue due = { .object =
                            g_array_index (frame->objects, GstDefcnObject, i),
      .has_box = TRUE,
      .event = event == GST_DEFCN_KEEPER_ALWAYS
          ? g_quark_from_static_string ("object")
          : g_quark_from_static_string ("track") };

    if (due.object.track.id > 0 && is_wanted (frame->rule, &due.object))
      ask (frame, &due, event);
  }
}

/* The object, (nullable), that nobody tracks and that has the best score. */
static const GstDefcnObject *
best_untracked (const Frame *frame)
{
  const GstDefcnObject *best = NULL;

  for (guint i = 0; i < frame->objects->len; i++) {
    const GstDefcnObject *o =
        &g_array_index (frame->objects, GstDefcnObject, i);

    if (is_untracked (o) && is_wanted (frame->rule, o)
        && (!best || o->confidence > best->confidence))
      best = o;
  }
  return best;
}

/* All of a frame, or the frame once, then none until the interval is over. */
static void
find_untracked (Frame *frame)
{
  guint64 *last = &frame->state->untracked;
  const GstDefcnObject *best = best_untracked (frame);

  if (!best || !(frame->rule->on & GST_DEFCN_SNAPSHOT_ON_OBJECT)
      || !frame->looked
      || (*last <= frame->now && frame->now - *last < frame->rule->interval))
    return;
  *last = frame->now;
  for (guint i = 0; i < frame->objects->len; i++) {
    const GstDefcnObject *o =
        &g_array_index (frame->objects, GstDefcnObject, i);
    const GstDefcnDue due = { .object = *o,
      .has_box = TRUE,
      .is_new = TRUE,
      .event = g_quark_from_static_string ("object"),
      .score = score_of (frame, o) };

    if (is_untracked (o) && is_wanted (frame->rule, o)
        && (o == best || !frame->rule->once_a_frame))
      g_array_append_val (frame->due, due);
  }
}

void
gst_defcn_due_find (GArray *due, GstDefcnDueState *state,
    const GstDefcnDueRule *rule, GstBuffer *buffer, int width, int height,
    guint64 now)
{
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  GstDefcnMark mark;
  Frame frame = { due, state, rule, objects, TRUE, now };

  if (gst_defcn_meta_read_mark (buffer, &mark))
    frame.looked = mark.inferred;
  gst_defcn_meta_read (buffer, objects, width, height);
  if (rule->on & (GST_DEFCN_SNAPSHOT_ON_ZONE | GST_DEFCN_SNAPSHOT_ON_LINE))
    find_events (&frame, buffer);
  find_tracks (&frame);
  find_untracked (&frame);
  state->is_in_vain = rule->on && !(rule->on & GST_DEFCN_SNAPSHOT_ON_OBJECT)
      && !due->len && best_untracked (&frame);
}
