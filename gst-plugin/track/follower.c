/* Follows what the detectors of one stream find. */
#include "follower.h"

/* Detectors that are remembered: one more, and the one that was away for the
 * longest is forgotten. */
#define MAX_SOURCES 64

/* A detector, by its name and how many of that name come before it. */
typedef struct
{
  GQuark detector;
  guint nth;
  guint64 used; /* the frame that had it last */
  DefcnTracker *tracker;
  GHashTable *label_ids;   /* label -> label_id + 1 */
  GstDefcnMetaFlags flags; /* of its last objects */
  GstClockTime looked;     /* PTS of what it found last */
  gboolean missing;        /* something of that has no track to predict */
} Source;

struct _GstDefcnFollower
{
  GArray *sources; /* Source */
  guint64 frames;
  guint64 next_id;
  GArray *boxes;  /* DefcnBox */
  GArray *tracks; /* DefcnTrack */
};

static void
clear_source (gpointer data)
{
  Source *source = data;

  defcn_tracker_free (source->tracker);
  g_hash_table_unref (source->label_ids);
}

GstDefcnFollower *
gst_defcn_follower_new (void)
{
  GstDefcnFollower *f = g_new0 (GstDefcnFollower, 1);

  f->sources = g_array_new (FALSE, FALSE, sizeof (Source));
  g_array_set_clear_func (f->sources, clear_source);
  f->next_id = 1;
  f->boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  f->tracks = g_array_new (FALSE, FALSE, sizeof (DefcnTrack));
  return f;
}

void
gst_defcn_follower_free (GstDefcnFollower *f)
{
  if (!f)
    return;
  g_array_unref (f->sources);
  g_array_unref (f->boxes);
  g_array_unref (f->tracks);
  g_free (f);
}

void
gst_defcn_follower_reset (GstDefcnFollower *f)
{
  for (guint i = 0; i < f->sources->len; i++)
    defcn_tracker_reset (g_array_index (f->sources, Source, i).tracker);
}

guint64
gst_defcn_follower_tracks (const GstDefcnFollower *f)
{
  return f->next_id - 1;
}

static Source *
find_source (GstDefcnFollower *f, GQuark detector, guint nth)
{
  Source *oldest = NULL;
  Source new = { .detector = detector,
    .nth = nth,
    .looked = GST_CLOCK_TIME_NONE };

  for (guint i = 0; i < f->sources->len; i++) {
    Source *source = &g_array_index (f->sources, Source, i);

    if (source->detector == detector && source->nth == nth)
      return source;
    if (!oldest || source->used < oldest->used)
      oldest = source;
  }
  if (f->sources->len == MAX_SOURCES)
    g_array_remove_index_fast (f->sources,
        (guint) (oldest - (Source *) f->sources->data));
  new.tracker = defcn_tracker_new (&defcn_tracker_defaults);
  new.label_ids = g_hash_table_new (NULL, NULL);
  /* All forms that there are, until its objects tell. */
  new.flags = gst_defcn_meta_supported ();
  g_array_append_val (f->sources, new);
  return &g_array_index (f->sources, Source, f->sources->len - 1);
}

/* The tracker's unit is the height of the frame, so that another resolution is
 * the same picture. */
static double
aspect (const GstDefcnFollowTime *time)
{
  return (double) time->width / time->height;
}

static void
prepare (GstDefcnFollower *f, Source *source, const GstDefcnFollowRule *rule,
    const GstDefcnFollowTime *time)
{
  DefcnTrackerOptions options = rule->tracker;

  options.width = (float) aspect (time);
  options.height = 1;
  defcn_tracker_set_options (source->tracker, &options);
  defcn_tracker_set_next_id (source->tracker, f->next_id);
  source->used = ++f->frames;
}

/* Boxes without a confidence were sure enough for who attached them. */
static void
update (GstDefcnFollower *f, Source *source, const GArray *objects,
    const GstDefcnFollowTime *time)
{
  const double wide = aspect (time);

  g_array_set_size (f->boxes, 0);
  for (guint i = 0; i < objects->len; i++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    const DefcnBox box = { (float) (o->x_min * wide), (float) o->y_min,
      (float) (o->x_max * wide), (float) o->y_max,
      o->confidence < 0 ? 1 : (float) o->confidence, (int) o->label };

    g_array_append_val (f->boxes, box);
    g_hash_table_insert (source->label_ids, GUINT_TO_POINTER (o->label),
        GINT_TO_POINTER (o->label_id + 1));
  }
  defcn_tracker_update (source->tracker, (const DefcnBox *) f->boxes->data,
      (int) f->boxes->len, time->found);
  f->next_id = defcn_tracker_next_id (source->tracker);
}

static void
set_track (GstDefcnObject *o, const DefcnTrack *track,
    const GstDefcnFollowTime *time)
{
  const guint64 age = (guint64) MAX (time->now - track->born, 0);

  o->track = (GstDefcnObjectTrack){ .id = (gint64) track->id,
    .state = track->state == DEFCN_TRACK_NEW
        ? g_quark_from_static_string ("new")
        : g_quark_from_static_string ("confirmed"),
    .age = age,
    .vx = track->vx / aspect (time),
    .vy = track->vy,
    .predicted = track->detection < 0,
    .first_seen = GST_CLOCK_TIME_IS_VALID (time->pts) && time->pts >= age
        ? time->pts - age
        : GST_CLOCK_TIME_NONE };
}

/* To the objects that were found, which are the boxes of the last update. */
static void
set_tracks (const Source *source, GArray *objects,
    const GstDefcnFollowTime *time)
{
  int n;
  const DefcnTrack *tracks = defcn_tracker_tracks (source->tracker, &n);

  for (int i = 0; i < n; i++)
    if (tracks[i].detection >= 0)
      set_track (&g_array_index (objects, GstDefcnObject, tracks[i].detection),
          &tracks[i], time);
}

static void
drop_low (GArray *objects, const GstDefcnFollowRule *rule)
{
  for (guint i = objects->len; i-- > 0;) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);

    if (!o->track.state && o->confidence >= 0
        && (float) o->confidence < rule->tracker.high)
      g_array_remove_index (objects, i);
  }
}

/* What becomes of the boxes of the last update, found in this frame or not. */
static void
settle (Source *source, GArray *objects, const GstDefcnFollowRule *rule,
    const GstDefcnFollowTime *time)
{
  set_tracks (source, objects, time);
  if (!rule->keep_low)
    drop_low (objects, rule);
  source->missing = FALSE;
  for (guint i = 0; i < objects->len; i++)
    source->missing |= !g_array_index (objects, GstDefcnObject, i).track.state;
}

/* Where what was found last should be by now, as far as it is in the frame;
 * FALSE: that was too long ago, or before a break. */
static gboolean
predict (GstDefcnFollower *f, const Source *source, GArray *objects,
    const GstDefcnFollowTime *time)
{
  const double wide = aspect (time);
  gboolean known;

  g_array_set_size (objects, 0);
  g_array_set_size (f->tracks, 0);
  known = defcn_tracker_predict (source->tracker, f->tracks, time->now);
  for (guint i = 0; i < f->tracks->len; i++) {
    const DefcnTrack *track = &g_array_index (f->tracks, DefcnTrack, i);
    GstDefcnObject o = { .x_min = CLAMP (track->box.x1 / wide, 0, 1),
      .x_max = CLAMP (track->box.x2 / wide, 0, 1),
      .y_min = CLAMP (track->box.y1, 0, 1),
      .y_max = CLAMP (track->box.y2, 0, 1),
      .confidence = track->box.score,
      .label = (GQuark) track->box.label,
      .detector = source->detector,
      .id = -1 };

    if (!(o.x_min < o.x_max && o.y_min < o.y_max))
      continue;
    o.label_id = GPOINTER_TO_INT (g_hash_table_lookup (source->label_ids,
                     GUINT_TO_POINTER (o.label)))
        - 1;
    set_track (&o, track, time);
    g_array_append_val (objects, o);
  }
  return known;
}

static int
compare_confidence (gconstpointer a, gconstpointer b)
{
  const GstDefcnObject *x = a, *y = b;

  if (x->confidence != y->confidence)
    return x->confidence > y->confidence ? -1 : 1;
  return x->track.id < y->track.id ? -1 : x->track.id > y->track.id;
}

void
gst_defcn_follower_follow (GstDefcnFollower *f, GstDefcnFinding *finding,
    guint nth, const GstDefcnFollowRule *rule, const GstDefcnFollowTime *time)
{
  GstDefcnMark *mark = &finding->mark;
  Source *source = find_source (f, g_quark_try_string (mark->detector), nth);

  prepare (f, source, rule, time);
  if (finding->objects->len)
    source->flags = finding->flags;
  if (mark->inferred || (mark->repeated && mark->fresh)) {
    update (f, source, finding->objects, time);
    settle (source, finding->objects, rule, time);
    source->looked = mark->timestamp;
  }
  if (!mark->inferred) {
    mark->predicted = predict (f, source, finding->objects, time)
        && GST_CLOCK_TIME_IS_VALID (source->looked);
    g_array_sort (finding->objects, compare_confidence);
    mark->repeated = FALSE;
    mark->partial |= source->missing;
    mark->timestamp = mark->predicted ? source->looked : GST_CLOCK_TIME_NONE;
  }
  finding->flags = source->flags;
}

void
gst_defcn_follower_follow_others (GstDefcnFollower *f, GArray *objects,
    const GstDefcnFollowRule *rule, const GstDefcnFollowTime *time)
{
  Source *source = find_source (f, 0, 0);

  prepare (f, source, rule, time);
  update (f, source, objects, time);
  set_tracks (source, objects, time);
}
