/* Tracks on scripted boxes: people of 40 x 100 pixels who walk, cross, hide and
 * leave. */
#include "tracker.h"

#include <math.h>
#include <string.h>

#define MS G_GINT64_CONSTANT (1000000)

static DefcnBox
person (double x, double y, double score)
{
  return (DefcnBox){ (float) (x - 20), (float) (y - 50), (float) (x + 20),
    (float) (y + 50), (float) score, 0 };
}

static DefcnTracker *
tracker_new (void)
{
  return defcn_tracker_new (&defcn_tracker_defaults);
}

/* The track whose box is number @detection of the last frame; NULL: none. */
static const DefcnTrack *
track_of (DefcnTracker *t, int detection)
{
  int n;
  const DefcnTrack *tracks = defcn_tracker_tracks (t, &n);

  for (int i = 0; i < n; i++)
    if (tracks[i].detection == detection)
      return &tracks[i];
  return NULL;
}

static guint64
id_of (DefcnTracker *t, int detection)
{
  const DefcnTrack *track = track_of (t, detection);

  return track ? track->id : 0;
}

static int
count_state (DefcnTracker *t, DefcnTrackState state)
{
  int n, count = 0;
  const DefcnTrack *tracks = defcn_tracker_tracks (t, &n);

  for (int i = 0; i < n; i++)
    count += tracks[i].state == state;
  return count;
}

/* @n frames, 40 ms apart, of somebody who stands; begins at @from. */
static gint64
stand (DefcnTracker *t, double x, double y, int n, gint64 from)
{
  const DefcnBox box = person (x, y, 0.9);

  for (int i = 0; i < n; i++)
    defcn_tracker_update (t, &box, 1, from + i * 40 * MS);
  return from + n * 40 * MS;
}

/* New, confirmed in the third frame, lost, ended: each told, and then gone. */
static void
test_states (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  const DefcnBox box = person (100, 100, 0.9);
  const DefcnTrack *track;
  int n;

  defcn_tracker_tracks (t, &n);
  g_assert_cmpint (n, ==, 0);
  for (int i = 0; i < 3; i++) {
    defcn_tracker_update (t, &box, 1, i * 40 * MS);
    track = track_of (t, 0);
    g_assert_cmpint (track->state, ==,
        i < 2 ? DEFCN_TRACK_NEW : DEFCN_TRACK_CONFIRMED);
    g_assert_cmpuint (track->id, ==, i < 2 ? 0 : 1);
    g_assert_cmpint (track->found, ==, i + 1);
    g_assert_cmpuint (track->serial, ==, 1);
    g_assert_cmpint (track->born, ==, 0);
    g_assert_cmpint (track->seen, ==, i * 40 * MS);
  }
  defcn_tracker_update (t, NULL, 0, 120 * MS);
  track = defcn_tracker_tracks (t, &n);
  g_assert_cmpint (n, ==, 1);
  g_assert_cmpint (track->state, ==, DEFCN_TRACK_LOST);
  g_assert_cmpint (track->detection, ==, -1);
  g_assert_cmpint (track->seen, ==, 80 * MS);
  defcn_tracker_update (t, NULL, 0, 2080 * MS);
  g_assert_cmpint (count_state (t, DEFCN_TRACK_LOST), ==, 1);
  defcn_tracker_update (t, NULL, 0, 2081 * MS);
  g_assert_cmpint (count_state (t, DEFCN_TRACK_ENDED), ==, 1);
  defcn_tracker_update (t, NULL, 0, 2082 * MS);
  defcn_tracker_tracks (t, &n);
  g_assert_cmpint (n, ==, 0);
}

/* Two who walk through each other keep their ids, though for a moment their
 * boxes are one. */
static void
test_crossing (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();

  for (int i = 0; i <= 50; i++) {
    const DefcnBox boxes[] = { person (100 + 8 * i, 200, 0.9),
      person (500 - 8 * i, 204, 0.8) };

    defcn_tracker_update (t, boxes, 2, i * 40 * MS);
    if (i < 2)
      continue;
    g_assert_cmpuint (id_of (t, 0), ==, 1);
    g_assert_cmpuint (id_of (t, 1), ==, 2);
  }
}

/* Hidden for a second while walking: the same one comes out on the other side.
 * Hidden for too long: another. */
static void
test_occlusion (void)
{
  const struct
  {
    int from, to; /* frames without a box, of 25 a second */
    guint64 id;
  } cases[] = { { 20, 45, 1 }, { 20, 68, 1 }, { 20, 75, 0 } };

  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    g_autoptr (DefcnTracker) t = tracker_new ();

    for (int i = 0; i <= cases[c].to; i++) {
      const DefcnBox box = person (100 + 2 * i, 200, 0.9);
      const gboolean hidden = i >= cases[c].from && i < cases[c].to;

      defcn_tracker_update (t, &box, hidden ? 0 : 1, i * 40 * MS);
    }
    g_assert_cmpuint (id_of (t, 0), ==, cases[c].id);
  }
}

/* Any intervals, half a second too, in which a walker leaves their own box: it
 * is time that counts. */
static void
test_gaps (void)
{
  const int at[] = { 0, 500, 1000, 1040, 1080, 1780, 1800, 2900, 3300, 3333 };
  g_autoptr (DefcnTracker) t = tracker_new ();

  for (guint i = 0; i < G_N_ELEMENTS (at); i++) {
    const DefcnBox box = person (100 + 90 * at[i] / 1000.0, 200, 0.9);

    defcn_tracker_update (t, &box, 1, at[i] * MS);
    g_assert_cmpint (track_of (t, 0)->found, ==, i + 1);
  }
  g_assert_cmpfloat_with_epsilon (track_of (t, 0)->vx, 90, 8);
}

/* A low score keeps a track and does not begin one; less is nothing. */
static void
test_low_scores (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  gint64 time = stand (t, 100, 100, 5, 0);
  const DefcnBox low[] = { person (101, 100, 0.15), person (400, 100, 0.15) };
  const DefcnBox nothing = person (101, 100, 0.09);

  for (int i = 0; i < 10; i++, time += 40 * MS) {
    defcn_tracker_update (t, low, 2, time);
    g_assert_cmpuint (id_of (t, 0), ==, 1);
    g_assert_null (track_of (t, 1));
    g_assert_cmpfloat (track_of (t, 0)->box.score, ==, 0.15f);
  }
  defcn_tracker_update (t, &nothing, 1, time);
  g_assert_cmpint (count_state (t, DEFCN_TRACK_LOST), ==, 1);
  /* A lost one wants more than that. */
  defcn_tracker_update (t, low, 1, time + 40 * MS);
  g_assert_null (track_of (t, 0));
  stand (t, 100, 100, 1, time + 80 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 1);
}

/* The score decides who comes first: a low one that fits better leaves the
 * track to a high one. */
static void
test_high_first (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  const gint64 time = stand (t, 100, 100, 5, 0);
  const DefcnBox boxes[] = { person (100, 100, 0.3), person (112, 100, 0.36) };

  defcn_tracker_update (t, boxes, 2, time);
  g_assert_cmpuint (id_of (t, 1), ==, 1);
  g_assert_null (track_of (t, 0));
}

/* What is seen for a frame or two is no track: a thousand of them use up no
 * id. */
static void
test_birth_noise (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();

  for (int i = 0; i < 1000; i++) {
    const DefcnBox noise = person (100 + 300 * (i / 2 % 3), 100, 0.9);

    defcn_tracker_update (t, &noise, 1, i * 40 * MS);
    g_assert_cmpuint (id_of (t, 0), ==, 0);
  }
  stand (t, 2000, 100, 3, 50000 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 1);
}

/* The mean score confirms: what is never sure has no id however long it is
 * there, one lucky frame does not help, and many do. */
static void
test_sure (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  gint64 time = 0;

  for (int i = 0; i < 60; i++, time += 40 * MS) {
    const DefcnBox box = person (100, 100, i == 30 ? 0.95 : 0.5);

    defcn_tracker_update (t, &box, 1, time);
    g_assert_cmpuint (id_of (t, 0), ==, 0);
    g_assert_cmpint (track_of (t, 0)->found, ==, i + 1);
  }
  for (int i = 0; i < 60; i++, time += 40 * MS)
    stand (t, 100, 100, 1, time);
  g_assert_cmpuint (id_of (t, 0), ==, 1);
}

/* A second box on somebody who is known is not another; it is as soon as it
 * goes its own way, and of another class at once. */
static void
test_twin (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  gint64 time = stand (t, 100, 100, 5, 0);

  for (int i = 0; i < 20; i++, time += 40 * MS) {
    DefcnBox boxes[] = { person (100, 100, 0.9), person (109, 100, 0.8),
      person (109, 100, 0.7) };

    boxes[2].label = 1;
    defcn_tracker_update (t, boxes, 3, time);
    g_assert_cmpuint (id_of (t, 0), ==, 1);
    g_assert_cmpuint (id_of (t, 1), ==, 0);
    g_assert_cmpuint (id_of (t, 2), ==, i < 2 ? 0 : 2);
  }
  for (int i = 0; i < 10; i++, time += 40 * MS) {
    const DefcnBox boxes[] = { person (100, 100, 0.9),
      person (109 + 4 * i, 100, 0.8) };

    defcn_tracker_update (t, boxes, 2, time);
  }
  g_assert_cmpuint (id_of (t, 0), ==, 1);
  g_assert_cmpuint (id_of (t, 1), ==, 3);
}

/* Who walks out of the picture is gone, and the next at that edge is another;
 * without the picture's size nobody can know. */
static void
test_border (void)
{
  for (int known = 0; known < 2; known++) {
    DefcnTrackerOptions options = defcn_tracker_defaults;
    g_autoptr (DefcnTracker) t = NULL;
    gint64 time;
    int i;

    options.width = options.height = known ? 640 : 0;
    t = defcn_tracker_new (&options);
    for (i = 0; 500 + 6 * i < 630; i++) {
      DefcnBox box = person (500 + 6 * i, 200, 0.9);

      box.x2 = MIN (box.x2, 640);
      defcn_tracker_update (t, &box, 1, i * 40 * MS);
    }
    for (; 500 + 6 * i < 680; i++)
      defcn_tracker_update (t, NULL, 0, i * 40 * MS);
    g_assert_cmpint (count_state (t, DEFCN_TRACK_LOST), ==, !known);
    time = i * 40 * MS;
    stand (t, 628, 200, 3, time);
    g_assert_cmpuint (id_of (t, 0), ==, known ? 2 : 1);
  }
}

/* Boxes without an area or with a number that is none are nobody's, and hurt
 * nobody. */
static void
test_refused (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  DefcnBox boxes[9];
  gint64 time = 0;

  for (int i = 0; i < 9; i++)
    boxes[i] = person (100, 100, 0.9);
  boxes[0].x1 = NAN;
  boxes[1].y2 = INFINITY;
  boxes[2].score = NAN;
  boxes[3].x2 = boxes[3].x1;
  boxes[4].y1 = boxes[4].y2;
  boxes[5].x1 = boxes[5].x2 + 1;
  boxes[6].y2 = -INFINITY;
  boxes[7].score = INFINITY;
  for (int i = 0; i < 5; i++, time += 40 * MS) {
    defcn_tracker_update (t, boxes, 9, time);
    for (int k = 0; k < 8; k++)
      g_assert_null (track_of (t, k));
    g_assert_cmpint (track_of (t, 8)->found, ==, i + 1);
  }
  defcn_tracker_update (t, boxes, 8, time);
  g_assert_cmpint (count_state (t, DEFCN_TRACK_LOST), ==, 1);
}

/* A dog does not become a person, in the same place and frame either. */
static void
test_classes (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  DefcnBox boxes[] = { person (100, 100, 0.9), person (100, 100, 0.8) };

  boxes[1].label = 1;
  for (int i = 0; i < 4; i++)
    defcn_tracker_update (t, boxes, 2, i * 40 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 1);
  g_assert_cmpuint (id_of (t, 1), ==, 2);
  boxes[0].label = 2;
  defcn_tracker_update (t, boxes, 2, 160 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 0);
  g_assert_cmpuint (id_of (t, 1), ==, 2);
}

/* The best set of pairs, not the best pair first: two who have both moved
 * towards the right. */
static void
test_best_set (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  const DefcnBox before[] = { person (100, 100, 0.9), person (120, 100, 0.9) };
  const DefcnBox after[] = { person (113, 100, 0.9), person (131, 100, 0.9) };

  for (int i = 0; i < 20; i++)
    defcn_tracker_update (t, before, 2, i * 40 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 1);
  defcn_tracker_update (t, after, 2, 800 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 1);
  g_assert_cmpuint (id_of (t, 1), ==, 2);
}

/* A frame that was not looked at: where everybody should be by now, time after
 * time from the same beginning, and nothing after too long or before. */
static void
test_predict (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  g_autoptr (GArray) tracks = g_array_new (FALSE, FALSE, sizeof (DefcnTrack));
  gint64 last = 0;

  g_assert_false (defcn_tracker_predict (t, tracks, 0));
  g_assert_cmpuint (tracks->len, ==, 0);
  for (int i = 0; i < 30; i++) {
    const DefcnBox boxes[] = { person (100 + 4 * i, 200 - 2 * i, 0.9),
      person (600, 200, 0.7) };

    last = i * 40 * MS;
    defcn_tracker_update (t, boxes, i == 29 ? 1 : 2, last);
  }
  for (int i = 1; i <= 12; i++) {
    const DefcnBox there = person (100 + 4 * (29 + i), 200 - 2 * (29 + i), 1);
    const DefcnTrack *track;

    g_array_set_size (tracks, 0);
    g_assert_true (defcn_tracker_predict (t, tracks, last + i * 40 * MS));
    /* Of who was not found there is nothing to see. */
    g_assert_cmpuint (tracks->len, ==, 1);
    track = &g_array_index (tracks, DefcnTrack, 0);
    g_assert_cmpuint (track->id, ==, 1);
    g_assert_cmpint (track->detection, ==, -1);
    g_assert_cmpint (track->seen, ==, last);
    g_assert_cmpfloat (track->box.score, ==, 0.9f);
    g_assert_cmpfloat (defcn_box_iou (&track->box, &there), >, 0.9);
  }
  g_array_set_size (tracks, 0);
  g_assert_false (defcn_tracker_predict (t, tracks, last + 2001 * MS));
  g_assert_false (defcn_tracker_predict (t, tracks, last - 1));
  g_assert_cmpuint (tracks->len, ==, 0);
}

/* Ids are never given again: after an end, a reset, and a clock that goes back,
 * and not where somebody else has given them. */
static void
test_ids (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();

  stand (t, 100, 100, 3, 1000 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 1);
  stand (t, 100, 100, 3, 0); /* back: another */
  g_assert_cmpuint (id_of (t, 0), ==, 2);
  g_assert_cmpint (track_of (t, 0)->born, ==, 0);
  defcn_tracker_reset (t);
  stand (t, 100, 100, 3, 200 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 3);
  stand (t, 100, 100, 3, 9000 * MS); /* long after: another */
  g_assert_cmpuint (id_of (t, 0), ==, 4);
  g_assert_cmpuint (defcn_tracker_next_id (t), ==, 5);
  defcn_tracker_set_next_id (t, 3); /* has passed */
  defcn_tracker_reset (t);
  stand (t, 100, 100, 3, 20000 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 5);
  defcn_tracker_set_next_id (t, 70);
  defcn_tracker_reset (t);
  stand (t, 100, 100, 3, 20000 * MS);
  g_assert_cmpuint (id_of (t, 0), ==, 70);
}

/* Options of another frame: tracks go on. */
static void
test_options (void)
{
  DefcnTrackerOptions options = defcn_tracker_defaults;
  g_autoptr (DefcnTracker) t = tracker_new ();
  gint64 time = stand (t, 100, 100, 3, 0);

  options.confirm = 1;
  options.max_tracks = 2;
  defcn_tracker_set_options (t, &options);
  for (int i = 0; i < 50; i++, time += 40 * MS) {
    const DefcnBox boxes[] = { person (100, 100, 0.9), person (300, 100, 0.9),
      person (500, 100, 0.9) };
    int n;

    defcn_tracker_update (t, boxes, 3, time);
    g_assert_cmpuint (id_of (t, 0), ==, 1);
    g_assert_cmpuint (id_of (t, 1), ==, 2);
    g_assert_null (track_of (t, 2)); /* no room */
    defcn_tracker_tracks (t, &n);
    g_assert_cmpint (n, ==, 2);
  }
}

#define CROWD 60

/* Sixty people who walk about, some of them missed or of a low score, in an
 * order drawn anew for each frame.  @order: of boxes in the last frame. */
static void
draw_crowd (GRand *rand, DefcnBox *boxes, int *n, int frame)
{
  *n = 0;
  for (int i = 0; i < CROWD; i++) {
    const double fate = g_rand_double (rand);
    const double angle = i * 2.4 + 0.01 * frame;

    if (fate > 0.05)
      boxes[(*n)++] = person (400 + (150 + 3 * i) * cos (angle),
          400 + (150 + 3 * i) * sin (angle), fate < 0.2 ? 0.2 : 0.9);
  }
}

/* The same frames give the same tracks, and nearly everybody keeps the one
 * they have. */
static void
test_deterministic (void)
{
  g_autoptr (DefcnTracker) a = tracker_new (), b = tracker_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (int i = 0; i < 200; i++) {
    DefcnBox boxes[CROWD];
    const DefcnTrack *x, *y;
    int n, n_x, n_y;

    draw_crowd (rand, boxes, &n, i);
    defcn_tracker_update (a, boxes, n, i * 100 * MS);
    defcn_tracker_update (b, boxes, n, i * 100 * MS);
    x = defcn_tracker_tracks (a, &n_x);
    y = defcn_tracker_tracks (b, &n_y);
    g_assert_cmpint (n_x, ==, n_y);
    for (int k = 0; k < n_x; k++) {
      g_assert_cmpuint (x[k].id, ==, y[k].id);
      g_assert_cmpmem (&x[k].box, sizeof x[k].box, &y[k].box, sizeof y[k].box);
    }
  }
  g_assert_cmpuint (defcn_tracker_next_id (a), <=, CROWD + CROWD / 10);
}

/* No box is of two tracks, whatever the boxes are. */
static void
test_one_each (void)
{
  g_autoptr (DefcnTracker) t = tracker_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);

  for (int i = 0; i < 300; i++) {
    DefcnBox boxes[40];
    gboolean taken[40] = { FALSE };
    const DefcnTrack *tracks;
    guint64 serial = 0;
    int n;

    for (int k = 0; k < 40; k++)
      boxes[k] = person (g_rand_double_range (rand, 0, 200),
          g_rand_double_range (rand, 0, 200), g_rand_double (rand));
    defcn_tracker_update (t, boxes, 40, i * 100 * MS);
    tracks = defcn_tracker_tracks (t, &n);
    for (int k = 0; k < n; k++) {
      g_assert_cmpuint (tracks[k].serial, >, serial);
      serial = tracks[k].serial;
      if (tracks[k].detection < 0)
        continue;
      g_assert_false (taken[tracks[k].detection]);
      taken[tracks[k].detection] = TRUE;
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tracker/states", test_states);
  g_test_add_func ("/tracker/crossing", test_crossing);
  g_test_add_func ("/tracker/occlusion", test_occlusion);
  g_test_add_func ("/tracker/gaps", test_gaps);
  g_test_add_func ("/tracker/low-scores", test_low_scores);
  g_test_add_func ("/tracker/high-first", test_high_first);
  g_test_add_func ("/tracker/birth-noise", test_birth_noise);
  g_test_add_func ("/tracker/sure", test_sure);
  g_test_add_func ("/tracker/twin", test_twin);
  g_test_add_func ("/tracker/border", test_border);
  g_test_add_func ("/tracker/refused", test_refused);
  g_test_add_func ("/tracker/classes", test_classes);
  g_test_add_func ("/tracker/best-set", test_best_set);
  g_test_add_func ("/tracker/predict", test_predict);
  g_test_add_func ("/tracker/ids", test_ids);
  g_test_add_func ("/tracker/options", test_options);
  g_test_add_func ("/tracker/deterministic", test_deterministic);
  g_test_add_func ("/tracker/one-each", test_one_each);
  return g_test_run ();
}
