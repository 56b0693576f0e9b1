/* Tracks: which boxes of a video are of one object. */
#include "tracker.h"

#include <math.h>

#include "hungarian.h"
#include "motion.h"

/* The most that a box is widened by on each side, in its track's heights, and
 * the IoU that widened boxes need. */
#define MAX_BUFFER 0.5
#define BUFFERED_IOU 0.3

/* IoU of boxes in one frame that are of one object. */
#define TWIN_IOU 0.5

const DefcnTrackerOptions defcn_tracker_defaults = { .high = 0.36f,
  .low = 0.1f,
  .high_iou = 0.2f,
  .low_iou = 0.5f,
  .new_iou = 0.3f,
  .sure = 0.55f,
  .confirm = 3,
  .max_lost = 2 * G_GINT64_CONSTANT (1000000000),
  .max_tracks = 1000 };

/* A pair that may be one object; more is better, 0 is as good as none. */
typedef struct
{
  int track, box; /* indices of the tracks and of the boxes */
  double worth;
  int group; /* which of the problems that share nothing it is in */
} Pair;

struct _DefcnTracker
{
  DefcnTrackerOptions options;
  GArray *tracks;  /* DefcnTrack */
  GArray *motions; /* DefcnMotion, of each */
  gboolean began;
  gint64 time; /* of the last frame that was looked at */
  guint64 next_serial, next_id;

  /* of one frame */
  const DefcnBox *boxes;
  GArray *free_boxes; /* gboolean, of each box */
  GArray *pairs;      /* Pair */
  GArray *parents;    /* int: a forest of groups, tracks first, then boxes */
  GArray *places;     /* int: the row or column of each within its group */
  GArray *worths;     /* double (rows, cols) of one group */
  GArray *columns;    /* int, of each row */
};

static DefcnTrack *
track_at (const DefcnTracker *t, guint i)
{
  return &g_array_index (t->tracks, DefcnTrack, i);
}

static DefcnMotion *
motion_at (const DefcnTracker *t, guint i)
{
  return &g_array_index (t->motions, DefcnMotion, i);
}

static double
seconds (gint64 ns)
{
  return (double) ns / 1e9;
}

static gboolean
is_good (const DefcnBox *b)
{
  return isfinite (b->x1) && isfinite (b->y1) && isfinite (b->x2)
      && isfinite (b->y2) && isfinite (b->score) && b->x1 < b->x2
      && b->y1 < b->y2;
}

/* Both widened by @buffer on each side. */
static double
buffered_iou (const DefcnBox *a, const DefcnBox *b, double buffer)
{
  const double w =
      MIN (a->x2, b->x2) - (double) MAX (a->x1, b->x1) + 2 * buffer;
  const double h =
      MIN (a->y2, b->y2) - (double) MAX (a->y1, b->y1) + 2 * buffer;

  if (w <= 0 || h <= 0)
    return 0;
  const double area_a = ((double) a->x2 - a->x1 + 2 * buffer)
      * ((double) a->y2 - a->y1 + 2 * buffer);
  const double area_b = ((double) b->x2 - b->x1 + 2 * buffer)
      * ((double) b->y2 - b->y1 + 2 * buffer);
  return w * h / (area_a + area_b - w * h);
}

static int
root_of (int *parents, int i)
{
  while (parents[i] != i)
    i = parents[i] = parents[parents[i]];
  return i;
}

static int
compare_pairs (gconstpointer a, gconstpointer b)
{
  const Pair *p = a, *q = b;

  if (p->group != q->group)
    return p->group < q->group ? -1 : 1;
  if (p->track != q->track)
    return p->track < q->track ? -1 : 1;
  return p->box < q->box ? -1 : p->box > q->box;
}

static void
take (DefcnTracker *t, const Pair *pair)
{
  track_at (t, pair->track)->detection = pair->box;
  g_array_index (t->free_boxes, gboolean, pair->box) = FALSE;
}

/* The best set of @n pairs that share tracks and boxes among themselves. */
static void
solve_group (DefcnTracker *t, const Pair *pairs, int n)
{
  const int n_tracks = (int) t->tracks->len;
  int *places = (int *) t->places->data, rows = 0, cols = 0;

  if (n == 1) {
    take (t, pairs);
    return;
  }
  for (int i = 0; i < n; i++)
    places[pairs[i].track] = places[n_tracks + pairs[i].box] = -1;
  for (int i = 0; i < n; i++) {
    int *row = &places[pairs[i].track];
    int *col = &places[n_tracks + pairs[i].box];

    if (*row < 0)
      *row = rows++;
    if (*col < 0)
      *col = cols++;
  }
  g_array_set_size (t->worths, 0);
  g_array_set_size (t->worths, rows * cols);
  g_array_set_size (t->columns, rows);
  double *worths = (double *) t->worths->data;
  for (int i = 0; i < n; i++)
    worths[places[pairs[i].track] * cols + places[n_tracks + pairs[i].box]] =
        pairs[i].worth;
  if (!defcn_hungarian_solve ((int *) t->columns->data, worths, rows, cols,
          TRUE))
    return;
  for (int i = 0; i < n; i++)
    if (g_array_index (t->columns, int, places[pairs[i].track])
        == places[n_tracks + pairs[i].box])
      take (t, &pairs[i]);
}

/* Pairs that share neither track nor box, not even over others, are problems of
 * their own: a frame is many small ones. */
static void
solve (DefcnTracker *t, int n_boxes)
{
  const int n_tracks = (int) t->tracks->len;
  Pair *pairs = (Pair *) t->pairs->data;
  guint first = 0;

  g_array_set_size (t->parents, n_tracks + n_boxes);
  g_array_set_size (t->places, n_tracks + n_boxes);
  int *parents = (int *) t->parents->data;
  for (int i = 0; i < n_tracks + n_boxes; i++)
    parents[i] = i;
  for (guint i = 0; i < t->pairs->len; i++) {
    const int a = root_of (parents, pairs[i].track);
    const int b = root_of (parents, n_tracks + pairs[i].box);

    parents[MAX (a, b)] = MIN (a, b);
  }
  for (guint i = 0; i < t->pairs->len; i++)
    pairs[i].group = root_of (parents, pairs[i].track);
  g_array_sort (t->pairs, compare_pairs);
  for (guint i = 1; i <= t->pairs->len; i++)
    if (i == t->pairs->len || pairs[i].group != pairs[first].group) {
      solve_group (t, pairs + first, (int) (i - first));
      first = i;
    }
}

/* One round: who takes part, and what a pair needs. */
typedef struct
{
  guint states;        /* bit of each */
  float lowest, below; /* scores of the boxes */
  double iou;
  gboolean buffered;
} Round;

/* The pairs of track @i. */
static void
add_pairs (DefcnTracker *t, int n_boxes, const Round *round, guint i)
{
  const gboolean *is_free = (gboolean *) t->free_boxes->data;
  const DefcnBox *own = &track_at (t, i)->box;
  const DefcnMotion *m = motion_at (t, i);
  const double buffer =
      round->buffered ? MIN (defcn_motion_spread (m), MAX_BUFFER * m->h) : 0;

  for (int j = 0; j < n_boxes; j++) {
    const DefcnBox *box = &t->boxes[j];

    if (!is_free[j] || own->label != box->label || box->score < round->lowest
        || box->score >= round->below)
      continue;
    const Pair pair = { (int) i, j,
      buffered_iou (own, box, buffer) - round->iou };
    if (pair.worth > 0)
      g_array_append_val (t->pairs, pair);
  }
}

static void
run_round (DefcnTracker *t, int n_boxes, const Round *round)
{
  g_array_set_size (t->pairs, 0);
  for (guint i = 0; i < t->tracks->len; i++) {
    const DefcnTrack *track = track_at (t, i);

    if ((round->states >> track->state & 1) && track->detection < 0)
      add_pairs (t, n_boxes, round, i);
  }
  if (t->pairs->len)
    solve (t, n_boxes);
}

static void
match (DefcnTracker *t, int n_boxes)
{
  const DefcnTrackerOptions *o = &t->options;
  const guint new = 1 << DEFCN_TRACK_NEW,
              confirmed = 1 << DEFCN_TRACK_CONFIRMED,
              lost = 1 << DEFCN_TRACK_LOST;
  const float above = G_MAXFLOAT;
  const Round rounds[] = {
    { confirmed | lost, o->high, above, o->high_iou, FALSE },
    { confirmed | lost, o->high, above, BUFFERED_IOU, TRUE },
    { confirmed, o->low, o->high, o->low_iou, FALSE },
    { new, o->high, above, o->new_iou, FALSE },
    { new, o->high, above, BUFFERED_IOU, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rounds); i++)
    run_round (t, n_boxes, &rounds[i]);
}

static gboolean
has_left (const DefcnTracker *t, const DefcnTrack *track)
{
  const DefcnTrackerOptions *o = &t->options;
  const float x = (track->box.x1 + track->box.x2) / 2;
  const float y = (track->box.y1 + track->box.y2) / 2;

  return o->width > 0 && o->height > 0
      && (x < 0 || y < 0 || x > o->width || y > o->height);
}

static void
forget_ended (DefcnTracker *t)
{
  guint kept = 0;

  for (guint i = 0; i < t->tracks->len; i++) {
    if (track_at (t, i)->state == DEFCN_TRACK_ENDED)
      continue;
    *track_at (t, kept) = *track_at (t, i);
    *motion_at (t, kept++) = *motion_at (t, i);
  }
  g_array_set_size (t->tracks, kept);
  g_array_set_size (t->motions, kept);
}

/* Takes what the filter knows into what is told. */
static void
tell_motion (DefcnTrack *track, const DefcnMotion *motion)
{
  defcn_motion_box (motion, &track->box);
  track->vx = (float) motion->x.v;
  track->vy = (float) motion->y.v;
}

/* Everything to where it should be now; what was away for too long ends. */
static void
move_on (DefcnTracker *t, gint64 time)
{
  const double step = t->began ? seconds (time - t->time) : 0;

  for (guint i = 0; i < t->tracks->len; i++) {
    DefcnTrack *track = track_at (t, i);

    track->detection = -1;
    if (time - track->seen > t->options.max_lost)
      track->state = DEFCN_TRACK_ENDED;
    defcn_motion_predict (motion_at (t, i), step);
    tell_motion (track, motion_at (t, i));
  }
}

/* Whether the box of track @i is one more on an object that is known. */
static gboolean
is_twin (const DefcnTracker *t, guint i)
{
  const DefcnTrack *own = track_at (t, i);

  for (guint k = 0; k < t->tracks->len; k++) {
    const DefcnTrack *other = track_at (t, k);

    if (other->id && other->detection >= 0 && other->box.label == own->box.label
        && buffered_iou (&t->boxes[other->detection], &t->boxes[own->detection],
               0)
            > TWIN_IOU)
      return TRUE;
  }
  return FALSE;
}

static gboolean
is_sure (const DefcnTracker *t, guint i)
{
  const DefcnTrackerOptions *o = &t->options;
  const DefcnTrack *track = track_at (t, i);

  return track->found >= o->confirm && track->scores >= o->sure * track->found
      && !is_twin (t, i);
}

static void
take_box (DefcnTracker *t, guint i, gint64 time)
{
  DefcnTrack *track = track_at (t, i);
  const DefcnBox *box = &t->boxes[track->detection];

  defcn_motion_update (motion_at (t, i), box);
  tell_motion (track, motion_at (t, i));
  track->box.score = box->score;
  track->seen = time;
  track->found++;
  track->scores += box->score;
  if (!track->id && is_sure (t, i))
    track->id = t->next_id++;
  if (track->id)
    track->state = DEFCN_TRACK_CONFIRMED;
}

static void
take_miss (DefcnTracker *t, guint i)
{
  DefcnTrack *track = track_at (t, i);

  if (track->state == DEFCN_TRACK_ENDED)
    return;
  track->state = track->state == DEFCN_TRACK_NEW || has_left (t, track)
      ? DEFCN_TRACK_ENDED
      : DEFCN_TRACK_LOST;
}

static void
begin (DefcnTracker *t, int box, gint64 time)
{
  DefcnTrack track = { .serial = t->next_serial++,
    .state = DEFCN_TRACK_NEW,
    .box = t->boxes[box],
    .born = time,
    .detection = box };
  DefcnMotion motion;

  defcn_motion_init (&motion, &t->boxes[box]);
  g_array_append_val (t->tracks, track);
  g_array_append_val (t->motions, motion);
  take_box (t, t->tracks->len - 1, time);
}

void
defcn_tracker_update (DefcnTracker *t, const DefcnBox *boxes, int n,
    gint64 time)
{
  g_return_if_fail (n == 0 || boxes);
  if (t->began && time < t->time)
    defcn_tracker_reset (t);
  forget_ended (t);
  move_on (t, time);
  t->boxes = boxes;
  t->began = TRUE;
  t->time = time;
  g_array_set_size (t->free_boxes, n);
  for (int i = 0; i < n; i++)
    g_array_index (t->free_boxes, gboolean, i) = is_good (&boxes[i]);

  match (t, n);
  for (guint i = 0; i < t->tracks->len; i++)
    if (track_at (t, i)->detection >= 0)
      take_box (t, i, time);
    else
      take_miss (t, i);
  for (int i = 0; i < n && (int) t->tracks->len < t->options.max_tracks; i++)
    if (g_array_index (t->free_boxes, gboolean, i)
        && boxes[i].score >= t->options.high)
      begin (t, i, time);
  t->boxes = NULL;
}

const DefcnTrack *
defcn_tracker_tracks (const DefcnTracker *t, int *n)
{
  *n = (int) t->tracks->len;
  return (const DefcnTrack *) t->tracks->data;
}

gboolean
defcn_tracker_predict (const DefcnTracker *t, GArray *tracks, gint64 time)
{
  if (!t->began || time < t->time || time - t->time > t->options.max_lost)
    return FALSE;
  for (guint i = 0; i < t->tracks->len; i++) {
    DefcnTrack track = *track_at (t, i);
    DefcnMotion motion = *motion_at (t, i);

    if (track.detection < 0)
      continue;
    defcn_motion_predict (&motion, seconds (time - t->time));
    tell_motion (&track, &motion);
    track.detection = -1;
    g_array_append_val (tracks, track);
  }
  return TRUE;
}

void
defcn_tracker_reset (DefcnTracker *t)
{
  g_array_set_size (t->tracks, 0);
  g_array_set_size (t->motions, 0);
  t->began = FALSE;
}

void
defcn_tracker_set_options (DefcnTracker *t, const DefcnTrackerOptions *options)
{
  t->options = *options;
}

void
defcn_tracker_set_next_id (DefcnTracker *t, guint64 id)
{
  t->next_id = MAX (t->next_id, id);
}

guint64
defcn_tracker_next_id (const DefcnTracker *t)
{
  return t->next_id;
}

DefcnTracker *
defcn_tracker_new (const DefcnTrackerOptions *options)
{
  DefcnTracker *t = g_new0 (DefcnTracker, 1);

  t->options = *options;
  t->next_serial = t->next_id = 1;
  t->tracks = g_array_new (FALSE, FALSE, sizeof (DefcnTrack));
  t->motions = g_array_new (FALSE, FALSE, sizeof (DefcnMotion));
  t->free_boxes = g_array_new (FALSE, FALSE, sizeof (gboolean));
  t->pairs = g_array_new (FALSE, FALSE, sizeof (Pair));
  t->parents = g_array_new (FALSE, FALSE, sizeof (int));
  t->places = g_array_new (FALSE, FALSE, sizeof (int));
  t->worths = g_array_new (FALSE, TRUE, sizeof (double));
  t->columns = g_array_new (FALSE, FALSE, sizeof (int));
  return t;
}

void
defcn_tracker_free (DefcnTracker *t)
{
  if (!t)
    return;
  g_array_unref (t->tracks);
  g_array_unref (t->motions);
  g_array_unref (t->free_boxes);
  g_array_unref (t->pairs);
  g_array_unref (t->parents);
  g_array_unref (t->places);
  g_array_unref (t->worths);
  g_array_unref (t->columns);
  g_free (t);
}
