/* Counts who is in which zone and who goes over which line. */
#include "counter.h"

#include <math.h>
#include <string.h>

#include "tally.h"

#define NS_PER_MS G_GINT64_CONSTANT (1000000)

typedef struct
{
  GQuark name;
  gboolean is_line;
  GArray *shares; /* double, x and y in turn, which are GstDefcnPoints too */
  GstDefcnLayoutOptions options;
  GstDefcnPoint min, max;
  double length; /* of a line, in heights of the picture */
  GstDefcnTally *tally;
} Place;

typedef enum
{
  OUTSIDE,
  COMING, /* inside for less than min-time */
  INSIDE,
} Phase;

/* What is known of a track at a place. */
typedef struct
{
  gint64 since; /* it is in the zone */
  GQuark label; /* that it is counted under */
  guint8 phase;
  gint8 told; /* that it loiters */
  gint8 side; /* of the line that it was surely on last, 0: none yet */
  gint8 sign; /* that it was on last */
  gint8 net;  /* passages between the ends since it was surely somewhere */
} Visit;

typedef struct
{
  gint64 seen;
  guint64 frame;
  GstDefcnObject object; /* as it was seen */
  Visit *visits;         /* as many as there are places */
} Track;

struct _GstDefcnCounter
{
  GArray *places;     /* Place */
  GHashTable *tracks; /* Track, by its id */
  GArray *pending;    /* GstDefcnSceneEvent, for the next frame */
  guint64 frame;
};

typedef struct
{
  GstDefcnCounter *counter;
  const GstDefcnCounterFrame *frame;
  GArray *events;
} Pass;

static const GstDefcnPoint *
corners (const Place *place)
{
  return (const GstDefcnPoint *) (gconstpointer) place->shares->data;
}

static guint
n_corners (const Place *place)
{
  return place->shares->len / 2;
}

static void
clear_place (gpointer data)
{
  Place *place = data;

  g_clear_pointer (&place->shares, g_array_unref);
  g_clear_pointer (&place->options.labels, g_array_unref);
  g_clear_pointer (&place->tally, gst_defcn_tally_free);
}

static void
free_track (gpointer data)
{
  Track *track = data;

  g_free (track->visits);
  g_free (track);
}

static GArray *
places_new (void)
{
  GArray *places = g_array_new (FALSE, FALSE, sizeof (Place));

  g_array_set_clear_func (places, clear_place);
  return places;
}

GstDefcnCounter *
gst_defcn_counter_new (void)
{
  GstDefcnCounter *counter = g_new0 (GstDefcnCounter, 1);

  counter->places = places_new ();
  counter->tracks =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, free_track);
  counter->pending = gst_defcn_scene_events_new ();
  return counter;
}

void
gst_defcn_counter_free (GstDefcnCounter *counter)
{
  if (!counter)
    return;
  g_array_unref (counter->places);
  g_hash_table_unref (counter->tracks);
  g_array_unref (counter->pending);
  g_free (counter);
}

static Place *
place_at (const GstDefcnCounter *counter, guint i)
{
  return &g_array_index (counter->places, Place, i);
}

static GstDefcnSceneEvent *
add_event (GArray *events, const char *type, const Place *place,
    const GstDefcnObject *object)
{
  const GstDefcnSceneEvent event = { .type = g_quark_from_static_string (type),
    .place = place->name,
    .dwell = GST_CLOCK_TIME_NONE,
    .object = *object };

  g_array_append_val (events, event);
  return &g_array_index (events, GstDefcnSceneEvent, events->len - 1);
}

/* @until: when it was in the zone for the last time. */
static void
leave (GArray *events, Place *place, Visit *visit, const GstDefcnObject *object,
    gint64 until, const char *reason)
{
  const guint64 dwell = (guint64) MAX (until - visit->since, 0);
  const gboolean had_entered = visit->phase == INSIDE;
  const GQuark label = visit->label;
  GstDefcnSceneEvent *event;

  *visit = (Visit){ .phase = OUTSIDE };
  if (!had_entered)
    return;
  gst_defcn_tally_leave (place->tally, label, dwell);
  event = add_event (events, "zone-left", place, object);
  event->dwell = dwell;
  event->reason = g_quark_from_static_string (reason);
}

static void
leave_all (GstDefcnCounter *counter, Track *track, GArray *events)
{
  for (guint i = 0; i < counter->places->len; i++)
    leave (events, place_at (counter, i), &track->visits[i], &track->object,
        track->seen, "lost");
}

static GstDefcnPoint
anchor_of (const GstDefcnObject *o, GstDefcnAnchor anchor)
{
  GstDefcnPoint p = { (o->x_min + o->x_max) / 2, (o->y_min + o->y_max) / 2 };

  if (anchor == GST_DEFCN_ANCHOR_FEET)
    p.y = o->y_max;
  else if (anchor == GST_DEFCN_ANCHOR_HEAD)
    p.y = o->y_min;
  else if (anchor == GST_DEFCN_ANCHOR_LEFT)
    p.x = o->x_min;
  else if (anchor == GST_DEFCN_ANCHOR_RIGHT)
    p.x = o->x_max;
  return p;
}

static gboolean
counts_label (const Place *place, GQuark label)
{
  const GArray *labels = place->options.labels;

  for (guint i = 0; labels && i < labels->len; i++)
    if (g_array_index (labels, GQuark, i) == label)
      return TRUE;
  return !labels;
}

static gboolean
is_inside (const Place *place, GstDefcnPoint p)
{
  return p.x >= place->min.x && p.x <= place->max.x && p.y >= place->min.y
      && p.y <= place->max.y
      && gst_defcn_shape_holds (corners (place), n_corners (place), p);
}

/* How far from a border an object has to be for sure, in heights of the
 * picture. */
static double
margin (const Place *place, const GstDefcnObject *o)
{
  return place->options.hysteresis * (o->y_max - o->y_min);
}

static void
judge_zone (Pass *pass, Place *place, Visit *visit, const GstDefcnObject *o)
{
  const GstDefcnPoint p = anchor_of (o, place->options.anchor);
  const gint64 now = pass->frame->now;
  gboolean inside = is_inside (place, p);

  if (visit->phase == OUTSIDE) {
    if (!inside || !counts_label (place, o->label))
      return;
    *visit = (Visit){ .phase = COMING, .since = now, .label = o->label };
  } else if (!inside) {
    inside = gst_defcn_shape_border (corners (place), n_corners (place), p,
                 pass->frame->aspect)
        <= margin (place, o);
  }
  if (!inside) {
    leave (pass->events, place, visit, o, now, NULL);
    return;
  }
  if (visit->phase == COMING
      && now - visit->since >= place->options.min_time * NS_PER_MS) {
    visit->phase = INSIDE;
    gst_defcn_tally_enter (place->tally, visit->label);
    add_event (pass->events, "zone-entered", place, o);
  }
  if (visit->phase == INSIDE && place->options.loitering && !visit->told
      && now - visit->since >= place->options.loitering * NS_PER_MS) {
    visit->told = TRUE;
    add_event (pass->events, "zone-dwell", place, o)->dwell =
        (guint64) (now - visit->since);
  }
}

/* @before: where the track was seen last, NULL: it is new. */
static void
judge_line (Pass *pass, Place *place, Visit *visit,
    const GstDefcnObject *before, const GstDefcnObject *o)
{
  const GstDefcnPoint a = corners (place)[0], b = corners (place)[1];
  const GstDefcnPoint p = anchor_of (o, place->options.anchor);
  const double side = gst_defcn_shape_side (a, b, p);
  const gint8 sign = (gint8) ((side > 0) - (side < 0));

  if (!sign)
    return;
  if (before && visit->sign == -sign
      && gst_defcn_shape_meets (a, b, anchor_of (before, place->options.anchor),
          p))
    visit->net = (gint8) CLAMP (visit->net + sign, -100, 100);
  visit->sign = sign;
  if (fabs (side) * pass->frame->aspect <= margin (place, o) * place->length)
    return;
  if (visit->side == -sign && visit->net * sign > 0
      && counts_label (place, o->label)) {
    gst_defcn_tally_cross (place->tally, o->label, sign > 0);
    add_event (pass->events, "line-crossed", place, o)->direction =
        g_quark_from_static_string (sign > 0 ? "forward" : "backward");
  }
  visit->side = sign;
  visit->net = 0;
}

static void
judge_track (Pass *pass, const GstDefcnObject *o)
{
  GstDefcnCounter *counter = pass->counter;
  Track *track = g_hash_table_lookup (counter->tracks, &o->track.id);
  const gboolean is_new = !track;

  if (is_new) {
    track = g_new0 (Track, 1);
    track->visits = g_new0 (Visit, counter->places->len);
    track->object.track.id = o->track.id;
    g_hash_table_insert (counter->tracks, &track->object.track.id, track);
  }
  if (track->frame == counter->frame) /* there twice */
    return;
  for (guint i = 0; i < counter->places->len; i++) {
    Place *place = place_at (counter, i);

    if (place->is_line)
      judge_line (pass, place, &track->visits[i],
          is_new ? NULL : &track->object, o);
    else
      judge_zone (pass, place, &track->visits[i], o);
  }
  track->object = *o;
  track->seen = pass->frame->now;
  track->frame = counter->frame;
}

static void
judge_loose (Pass *pass, const GstDefcnObject *o)
{
  for (guint i = 0; i < pass->counter->places->len; i++) {
    Place *place = place_at (pass->counter, i);

    if (place->is_line || !counts_label (place, o->label)
        || !is_inside (place, anchor_of (o, place->options.anchor)))
      continue;
    gst_defcn_tally_see (place->tally, o->label);
  }
}

static void
prepare_places (GstDefcnCounter *counter, const GstDefcnCounterFrame *frame)
{
  for (guint i = 0; i < counter->places->len; i++) {
    Place *place = place_at (counter, i);
    const GstDefcnPoint *c = corners (place);

    if (place->is_line)
      place->length =
          hypot ((c[1].x - c[0].x) * frame->aspect, c[1].y - c[0].y);
    if (frame->known)
      gst_defcn_tally_forget (place->tally);
  }
}

static void
lose_tracks (Pass *pass)
{
  const GstDefcnCounterFrame *frame = pass->frame;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, pass->counter->tracks);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Track *track = value;

    if (track->frame != pass->counter->frame
        && frame->now - track->seen > frame->lost_after) {
      leave_all (pass->counter, track, pass->events);
      g_hash_table_iter_remove (&iter);
    }
  }
}

static gboolean
has_box (const GstDefcnObject *o)
{
  return isfinite (o->x_min) && isfinite (o->y_min) && isfinite (o->x_max)
      && isfinite (o->y_max);
}

guint
gst_defcn_counter_update (GstDefcnCounter *counter, const GArray *objects,
    const GstDefcnCounterFrame *frame, GArray *events)
{
  Pass pass = { counter, frame, events };
  guint n_loose = 0;

  counter->frame++;
  g_array_append_vals (events, counter->pending->data, counter->pending->len);
  g_array_set_size (counter->pending, 0);
  prepare_places (counter, frame);
  for (guint i = 0; i < objects->len; i++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);

    if (!has_box (o))
      continue;
    if (o->track.id > 0) {
      judge_track (&pass, o);
    } else if (!o->track.state) {
      n_loose++;
      judge_loose (&pass, o);
    }
  }
  lose_tracks (&pass);
  return n_loose;
}

void
gst_defcn_counter_break (GstDefcnCounter *counter)
{
  GHashTableIter iter;
  gpointer track;

  g_hash_table_iter_init (&iter, counter->tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track))
    leave_all (counter, track, counter->pending);
  g_hash_table_remove_all (counter->tracks);
  for (guint i = 0; i < counter->places->len; i++)
    gst_defcn_tally_forget (place_at (counter, i)->tally);
}

void
gst_defcn_counter_reset (GstDefcnCounter *counter)
{
  for (guint i = 0; i < counter->places->len; i++)
    gst_defcn_tally_reset (place_at (counter, i)->tally);
}

static Place
place_new (const GstDefcnLayoutPlace *drawn, int width, int height)
{
  Place place = { .name = drawn->name,
    .is_line = drawn->is_line,
    .shares = gst_defcn_layout_shares (drawn, width, height),
    .options = drawn->options,
    .tally = gst_defcn_tally_new () };
  const GstDefcnPoint *c = corners (&place);

  if (place.options.labels)
    g_array_ref (place.options.labels);
  place.min = place.max = c[0];
  for (guint i = 1; i < n_corners (&place); i++) {
    place.min.x = MIN (place.min.x, c[i].x);
    place.min.y = MIN (place.min.y, c[i].y);
    place.max.x = MAX (place.max.x, c[i].x);
    place.max.y = MAX (place.max.y, c[i].y);
  }
  return place;
}

static gboolean
is_same (const Place *a, const Place *b)
{
  return a->name == b->name && a->is_line == b->is_line
      && a->shares->len == b->shares->len
      && memcmp (a->shares->data, b->shares->data,
             a->shares->len * sizeof (double))
      == 0;
}

/* Visits of the places that stay; who was in one that goes leaves it. */
static void
move_visits (GstDefcnCounter *counter, Track *track, const int *new_index,
    guint n_new)
{
  Visit *visits = g_new0 (Visit, n_new);

  for (guint i = 0; i < counter->places->len; i++)
    if (new_index[i] >= 0)
      visits[new_index[i]] = track->visits[i];
    else
      leave (counter->pending, place_at (counter, i), &track->visits[i],
          &track->object, track->seen, "removed");
  g_free (track->visits);
  track->visits = visits;
}

/* Takes what @old has counted. */
static void
inherit (Place *place, Place *old)
{
  GstDefcnTally *own = place->tally;

  place->tally = old->tally;
  old->tally = own;
}

GQuark
gst_defcn_counter_set_layout (GstDefcnCounter *counter, const GArray *layout,
    int width, int height)
{
  GArray *places = places_new ();
  g_autofree int *new_index = g_new (int, counter->places->len);
  GQuark beyond = 0;
  GHashTableIter iter;
  gpointer track;

  for (guint i = 0; i < layout->len; i++) {
    const Place place =
        place_new (&g_array_index (layout, GstDefcnLayoutPlace, i), width,
            height);

    g_array_append_val (places, place);
    if (place.max.x > 1 || place.max.y > 1)
      beyond = place.name;
  }
  for (guint i = 0; i < counter->places->len; i++) {
    new_index[i] = -1;
    for (guint k = 0; k < places->len && new_index[i] < 0; k++)
      if (is_same (&g_array_index (places, Place, k), place_at (counter, i)))
        new_index[i] = (int) k;
  }
  g_hash_table_iter_init (&iter, counter->tracks);
  while (g_hash_table_iter_next (&iter, NULL, &track))
    move_visits (counter, track, new_index, places->len);
  for (guint i = 0; i < counter->places->len; i++)
    if (new_index[i] >= 0)
      inherit (&g_array_index (places, Place, new_index[i]),
          place_at (counter, i));
  g_array_unref (counter->places);
  counter->places = places;
  return beyond;
}

void
gst_defcn_counter_read (const GstDefcnCounter *counter, GArray *places)
{
  for (guint i = 0; i < counter->places->len; i++) {
    const Place *from = place_at (counter, i);
    GstDefcnScenePlace to = { .name = from->name,
      .is_line = from->is_line,
      .points = g_array_ref (from->shares) };

    to.classes = gst_defcn_tally_read (from->tally, &to.all);
    g_array_append_val (places, to);
  }
}
