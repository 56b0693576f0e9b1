/* defcntrack: ids on scripted detections, in every form of metadata; frames
 * that were not looked at; what ends tracks and what does not. */
#include "rig.h"

#include <string.h>

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define W 640
#define H 480
#define CAPS "video/x-raw,format=GRAY8,width=640,height=480,framerate=25/1"
#define STEP (40 * GST_MSECOND)

static const GstDefcnMark looked = { TRUE, "", .model = "", .model_name = "",
  .detector = "one", .fresh = TRUE };
static const GstDefcnMark skipped = { FALSE, "interval", .model = "",
  .timestamp = GST_CLOCK_TIME_NONE, .model_name = "", .detector = "one" };

/* A person of 40 x 100 pixels around @x, @y. */
static GstDefcnObject
person (double x, double y, double confidence)
{
  return (GstDefcnObject){ (x - 20) / W, (y - 50) / H, (x + 20) / W,
    (y + 50) / H, confidence, 3, g_quark_from_string ("person") };
}

static GstHarness *
harness_new (const char *launch)
{
  GstHarness *h = gst_harness_new_parse (launch);

  g_assert_nonnull (h);
  gst_harness_set_src_caps_str (h, CAPS);
  return h;
}

static GstBuffer *
buffer_new (guint frame)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H, NULL);

  GST_BUFFER_PTS (buffer) = frame * STEP;
  GST_BUFFER_DURATION (buffer) = STEP;
  return buffer;
}

static void
attach_as (GstBuffer *buffer, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark, GstDefcnMetaFlags flags)
{
  g_autoptr (GArray) array =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  GstDefcnMark own = *mark;

  if (own.inferred)
    own.timestamp = GST_BUFFER_PTS (buffer);
  g_array_append_vals (array, objects, n);
  gst_defcn_meta_attach (buffer, array, &own, flags, W, H);
}

static void
attach (GstBuffer *buffer, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark)
{
  attach_as (buffer, objects, n, mark, gst_defcn_meta_supported ());
}

/* Frame @i with @objects; what comes out, and *@found what is on it. */
static GstBuffer *
track_mark (GstHarness *h, guint i, const GstDefcnObject *objects, guint n,
    const GstDefcnMark *mark, GArray **found)
{
  GstBuffer *buffer = buffer_new (i);

  attach (buffer, objects, n, mark);
  buffer = gst_harness_push_and_pull (h, buffer);
  g_assert_nonnull (buffer);
  *found = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  gst_defcn_meta_read (buffer, *found, W, H);
  return buffer;
}

static const GstDefcnObject *
at (const GArray *objects, guint i)
{
  g_assert_cmpuint (i, <, objects->len);
  return &g_array_index (objects, GstDefcnObject, i);
}

/* The id of the only object of a frame that was looked at. */
static gint64
track_one (GstHarness *h, guint i, double x)
{
  const GstDefcnObject o = person (x, 200, 0.9);
  g_autoptr (GArray) found = NULL;
  g_autoptr (GstBuffer) buffer = track_mark (h, i, &o, 1, &looked, &found);

  g_assert_nonnull (buffer);
  g_assert_cmpuint (found->len, ==, 1);
  return at (found, 0)->track.id;
}

/* Somebody who stands there for three frames from number @i on. */
static gint64
track_three (GstHarness *h, guint i)
{
  g_assert_cmpint (track_one (h, i, 100), <=, track_one (h, i + 1, 100));
  return track_one (h, i + 2, 100);
}

static int
roi_id (GstBuffer *buffer, guint number)
{
  gpointer state = NULL;
  GstMeta *meta;
  GstStructure *s;
  int id = 0;

  for (guint i = 0; (meta = gst_buffer_iterate_meta_filtered (buffer, &state,
                         GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
       i++)
    if (i == number) {
      s = gst_video_region_of_interest_meta_get_param (
          (GstVideoRegionOfInterestMeta *) meta, "object_id");
      if (s)
        g_assert_true (gst_structure_get_int (s, "id", &id));
      return id;
    }
  g_assert_not_reached ();
}

/* The id of the TrackingMtd that relates to ODMtd @od, 0: none. */
static guint64
analytics_id (GstBuffer *buffer, int od, GstClockTime *first_seen)
{
#ifdef HAVE_ANALYTICS
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsTrackingMtd mtd;
  GstClockTime last;
  gpointer state = NULL;
  gboolean lost;
  guint64 id;

  g_assert_nonnull (relations);
  if (!gst_analytics_relation_meta_get_direct_related (relations, (guint) od,
          GST_ANALYTICS_REL_TYPE_ANY,
          gst_analytics_tracking_mtd_get_mtd_type (), &state, &mtd))
    return 0;
  g_assert_true (gst_analytics_tracking_mtd_get_info (&mtd, &id, first_seen,
      &last, &lost));
  g_assert_false (lost);
  return id;
#else
  return 0;
#endif
}

/* An id from the third frame on, in the ROI meta as gvatrack writes it, in a
 * TrackingMtd and in our own meta, which videoconvert leaves alone. */
static void
test_ids (void)
{
  GstHarness *h = harness_new ("defcntrack");

  for (guint i = 0; i < 5; i++) {
    const GstDefcnObject o[] = { person (100 + 4.8 * i, 200, 0.9),
      person (400, 200, 0.8) };
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer = track_mark (h, i, o, 2, &looked, &found);
    GstDefcnMark mark;

    g_assert_cmpuint (found->len, ==, 2);
    g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
    g_assert_true (mark.inferred);
    g_assert_true (mark.fresh);
    g_assert_false (mark.predicted);
    for (guint k = 0; k < 2; k++) {
      const GstDefcnObject *f = at (found, k);
      const gint64 id = i < 2 ? 0 : k + 1;
      GstClockTime first = GST_CLOCK_TIME_NONE;

      /* The box is the detector's, to the last bit. */
      g_assert_cmpfloat (f->x_min, ==, o[k].x_min);
      g_assert_cmpfloat (f->y_max, ==, o[k].y_max);
      g_assert_cmpfloat (f->confidence, ==, o[k].confidence);
      g_assert_cmpint (f->label_id, ==, 3);
      g_assert_cmpint (f->track.id, ==, id);
      g_assert_cmpstr (g_quark_to_string (f->track.state), ==,
          i < 2 ? "new" : "confirmed");
      g_assert_cmpuint (f->track.age, ==, i * STEP);
      g_assert_false (f->track.predicted);
      g_assert_cmpint (roi_id (buffer, k), ==, id);
      if (gst_defcn_meta_supported () & GST_DEFCN_META_ANALYTICS) {
        g_assert_cmpuint (analytics_id (buffer, f->id, &first), ==, id);
        g_assert_cmpuint (first, ==, id ? 0 : GST_CLOCK_TIME_NONE);
      }
    }
    if (i == 4) { /* 4.8 pixels in .04 s are 120 a second */
      g_assert_cmpfloat_with_epsilon (at (found, 0)->track.vx, 120.0 / W,
          20.0 / W);
      g_assert_cmpfloat_with_epsilon (at (found, 1)->track.vx, 0, 1e-3);
      g_assert_cmpfloat_with_epsilon (at (found, 0)->track.vy, 0, 1e-3);
    }
  }
  gst_harness_teardown (h);
}

static void
test_conversion (void)
{
  GstHarness *h = harness_new (
      "defcntrack ! videoconvert ! capsfilter caps=video/x-raw,format=RGB");

  for (guint i = 0; i < 3; i++) {
    const GstDefcnObject o = person (100, 200, 0.9);
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer = track_mark (h, i, &o, 1, &looked, &found);

    g_assert_nonnull (buffer);
    if (i < 2)
      continue;
    g_assert_cmpint (at (found, 0)->track.id, ==, 1);
    g_assert_cmpuint (at (found, 0)->track.age, ==, 2 * STEP);
    g_assert_nonnull (
        strstr ("confirmed", g_quark_to_string (at (found, 0)->track.state)));
  }
  gst_harness_teardown (h);
}

/* A low score is passed on with the track that it keeps; without one not,
 * unless it is asked for. */
static void
test_low_scores (void)
{
  for (int keep = 0; keep < 2; keep++) {
    GstHarness *h =
        harness_new (keep ? "defcntrack keep-low=true high-threshold"
                            "=0.5 low-threshold=0.2"
                          : "defcntrack high-threshold=0.5 "
                            "low-threshold=0.2");
    const GstDefcnObject o[] = { person (101, 200, 0.3), person (400, 200, 0.3),
      person (500, 200, 0.1), person (300, 200, 0.5) };
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer = NULL;
    gpointer state = NULL;
    guint n = 0;

    track_three (h, 0);
    buffer = track_mark (h, 3, o, 4, &looked, &found);
    g_assert_cmpuint (found->len, ==, keep ? 4 : 2);
    g_assert_cmpint (at (found, 0)->track.id, ==, 1);
    g_assert_cmpfloat (at (found, 0)->confidence, ==, 0.3);
    g_assert_cmpfloat (at (found, keep ? 3 : 1)->confidence, ==, 0.5);
    if (keep)
      g_assert_cmpuint (at (found, 1)->track.state, ==, 0);
    while (gst_buffer_iterate_meta_filtered (buffer, &state,
        GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))
      n++;
    g_assert_cmpuint (n, ==, found->len);
    gst_harness_teardown (h);
  }
}

static double
iou (const GstDefcnObject *a, const GstDefcnObject *b)
{
  const double w = MIN (a->x_max, b->x_max) - MAX (a->x_min, b->x_min);
  const double h = MIN (a->y_max, b->y_max) - MAX (a->y_min, b->y_min);
  const double area_a = (a->x_max - a->x_min) * (a->y_max - a->y_min);
  const double area_b = (b->x_max - b->x_min) * (b->y_max - b->y_min);

  return w > 0 && h > 0 ? w * h / (area_a + area_b - w * h) : 0;
}

/* Frames that were not looked at have boxes that go along, marked as predicted,
 * instead of repeated ones too; who was missed last time has none. */
static void
test_predicted (void)
{
  for (int repeated = 0; repeated < 2; repeated++) {
    GstHarness *h = harness_new ("defcntrack");
    GstDefcnObject last = { 0 };

    for (guint i = 0; i < 40; i++) {
      const GstDefcnObject o[] = { person (60 + 6 * i, 200, 0.9),
        person (500, 200, 0.8) };
      GstDefcnMark mark = i % 5 ? skipped : looked;
      g_autoptr (GArray) found = NULL;
      g_autoptr (GstBuffer) buffer = NULL;

      if (i % 5 && repeated) {
        mark.repeated = TRUE;
        mark.timestamp = i / 5 * 5 * STEP;
      }
      if (i % 5 == 0)
        last = o[0];
      buffer = track_mark (h, i, i % 5 ? &last : o,
          i % 5        ? (guint) repeated
              : i < 30 ? 2
                       : 1,
          &mark, &found);
      g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
      g_assert_cmpuint (mark.predicted, ==, i % 5 != 0);
      g_assert_cmpuint (mark.inferred, ==, i % 5 == 0);
      g_assert_false (mark.repeated);
      g_assert_cmpuint (mark.timestamp, ==, i / 5 * 5 * STEP);
      g_assert_cmpuint (found->len, ==, i < 30 ? 2 : 1);
      g_assert_cmpuint (at (found, 0)->track.predicted, ==, i % 5 != 0);
      if (i < 15)
        continue;
      g_assert_cmpint (at (found, 0)->track.id, ==, 1);
      g_assert_cmpint (at (found, 0)->label_id, ==, 3);
      g_assert_cmpuint (at (found, 0)->label, ==,
          g_quark_from_string ("person"));
      g_assert_cmpfloat ((float) at (found, 0)->confidence, ==, 0.9f);
      g_assert_cmpfloat (iou (at (found, 0), &o[0]), >, 0.85);
      g_assert_cmpint (roi_id (buffer, 0), ==, 1);
    }
    gst_harness_teardown (h);
  }
}

/* What is kept without a track is not there in frames that nobody looks at:
 * those do not tell of all.  It may come late too. */
static void
test_kept_not_predicted (void)
{
  const GstDefcnObject o[] = { person (100, 200, 0.9), person (400, 200, 0.2) };

  for (int late = 0; late < 2; late++)
    for (int keep = 0; keep < 2; keep++) {
      GstHarness *h =
          harness_new (keep ? "defcntrack keep-low=true" : "defcntrack");

      for (guint i = 0; i < 4; i++) {
        const gboolean has_low = i < 2, comes = i % 2 == 0;
        GstDefcnMark mark = comes && !late ? looked : skipped;
        g_autoptr (GArray) found = NULL;
        g_autoptr (GstBuffer) buffer = NULL;

        mark.repeated = mark.fresh = comes && late;
        mark.timestamp = i / 2 * 2 * STEP;
        buffer = track_mark (h, i, o, comes ? 1 + has_low : 0, &mark, &found);
        g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
        g_assert_cmpint (mark.partial, ==, keep && has_low && !mark.inferred);
        g_assert_cmpuint (found->len, ==,
            1 + (keep && has_low && mark.inferred));
      }
      gst_harness_teardown (h);
    }
}

/* When the last look was too long ago, or before a seek, nothing is predicted,
 * and the mark says no more than that nobody has looked. */
static void
test_not_predicted (void)
{
  GstHarness *h = harness_new ("defcntrack max-lost=120000000"); /* 3 frames */
  const GstDefcnObject o = person (100, 200, 0.9);

  for (guint i = 0; i < 8; i++) {
    const gboolean knows = i > 0 && i < 4;
    GstDefcnMark mark = i ? skipped : looked;
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer = track_mark (h, i, &o, !i, &mark, &found);

    g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
    g_assert_cmpuint (mark.predicted, ==, knows);
    g_assert_false (mark.repeated);
    g_assert_cmpuint (mark.timestamp, ==, (i < 4 ? 0 : GST_CLOCK_TIME_NONE));
    g_assert_cmpuint (found->len, ==, i < 4);
  }
  track_one (h, 8, 100);
  rig_flush (h);
  for (guint i = 9; i < 11; i++) {
    GstDefcnMark mark = skipped;
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer = track_mark (h, i, NULL, 0, &mark, &found);

    g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
    g_assert_false (mark.predicted);
  }
  gst_harness_teardown (h);
}

/* That nobody is anywhere is a prediction as well, once somebody has looked. */
static void
test_predicted_nobody (void)
{
  GstHarness *h = harness_new ("defcntrack");

  for (guint i = 0; i < 6; i++) {
    GstDefcnMark mark = i == 3 ? looked : skipped;
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer = track_mark (h, i, NULL, 0, &mark, &found);

    g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
    g_assert_cmpuint (found->len, ==, 0);
    g_assert_cmpuint (mark.predicted, ==, i > 3);
    g_assert_cmpuint (mark.timestamp, ==,
        i < 3 ? GST_CLOCK_TIME_NONE : 3 * STEP);
  }
  gst_harness_teardown (h);
}

/* What is found late counts for its own frame: the boxes are ahead of it. */
static void
test_late (void)
{
  const guint late = 3;
  GstHarness *h = harness_new ("defcntrack");

  for (guint i = 0; i < 40; i++) {
    const GstDefcnObject now = person (100 + 6.0 * i, 200, 0.9);
    const GstDefcnObject then = person (100 + 6.0 * (i - late), 200, 0.9);
    GstDefcnMark mark = skipped;
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer = NULL;

    mark.reason = "busy";
    if (i >= late && i % 4 == 0) {
      mark.fresh = mark.repeated = TRUE;
      mark.timestamp = (i - late) * STEP;
    }
    buffer = track_mark (h, i, &then, mark.fresh, &mark, &found);
    if (i < 16)
      continue;
    g_assert_cmpuint (found->len, ==, 1);
    g_assert_cmpint (at (found, 0)->track.id, ==, 1);
    g_assert_true (at (found, 0)->track.predicted);
    g_assert_cmpfloat (iou (at (found, 0), &now), >, 0.8);
  }
  gst_harness_teardown (h);
}

/* Boxes leave with the frame: nothing outside, nothing without an area. */
static void
test_clipped (void)
{
  GstHarness *h = harness_new ("defcntrack");
  guint n = 0;

  for (guint i = 0; i < 30; i++) {
    const GstDefcnObject o = person (580 + 5.0 * i, 200, 0.9);
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer =
        track_mark (h, i, &o, i < 8, i < 8 ? &looked : &skipped, &found);

    g_assert_nonnull (buffer);
    if (i < 8)
      continue;
    n += found->len;
    if (found->len) {
      g_assert_cmpfloat (at (found, 0)->x_max, <=, 1);
      g_assert_cmpfloat (at (found, 0)->x_min, <, at (found, 0)->x_max);
    }
    if (i > 20)
      g_assert_cmpuint (found->len, ==, 0);
  }
  g_assert_cmpuint (n, >, 3);
  gst_harness_teardown (h);
}

/* Two detectors keep apart, be it that one looks and the other does not, and
 * share one line of ids. */
static void
test_two_detectors (void)
{
  GstHarness *h = harness_new ("defcntrack");
  GstDefcnMark second = looked, second_skipped = skipped;
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GArray) marks = g_array_new (FALSE, FALSE, sizeof (GstDefcnMark));

  second.detector = second_skipped.detector = g_intern_string ("two");
  for (guint i = 0; i < 8; i++) {
    const GstDefcnObject a = person (100, 200, 0.9);
    const GstDefcnObject b = person (110, 200, 0.8);
    GstBuffer *buffer = buffer_new (i);

    attach (buffer, &a, 1, &looked);
    attach (buffer, &b, i % 2 == 0, i % 2 ? &second_skipped : &second);
    buffer = gst_harness_push_and_pull (h, buffer);
    g_array_set_size (all, 0);
    g_array_set_size (marks, 0);
    gst_defcn_meta_read (buffer, all, W, H);
    gst_defcn_meta_read_marks (buffer, marks);
    gst_buffer_unref (buffer);
    g_assert_cmpuint (all->len, ==, 2);
    g_assert_cmpuint (marks->len, ==, 2);
    g_assert_false (g_array_index (marks, GstDefcnMark, 0).predicted);
    g_assert_cmpuint (g_array_index (marks, GstDefcnMark, 1).predicted, ==,
        i % 2);
    g_assert_cmpstr (g_array_index (marks, GstDefcnMark, 1).detector, ==,
        "two");
    g_assert_cmpuint (at (all, 1)->detector, ==, g_quark_from_string ("two"));
    g_assert_cmpint (at (all, 0)->track.id, ==, i < 2 ? 0 : 1);
    g_assert_cmpint (at (all, 1)->track.id, ==, i < 4 ? 0 : 2);
    g_assert_cmpuint (at (all, 1)->track.predicted, ==, i % 2);
  }
  gst_harness_teardown (h);
}

static void
add_roi (GstBuffer *buffer, int x, gboolean detected)
{
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_add_video_region_of_interest_meta (buffer, "car", x, 100, 40,
          40);

  if (detected)
    gst_video_region_of_interest_meta_add_param (roi,
        gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.6,
            "x_min", G_TYPE_DOUBLE, (double) x / W, "x_max", G_TYPE_DOUBLE,
            (x + 40.0) / W, "y_min", G_TYPE_DOUBLE, 100.0 / H, "y_max",
            G_TYPE_DOUBLE, 140.0 / H, NULL));
}

/* What other detectors write gets ids on their own metadata; nothing goes. */
static void
test_others (void)
{
  for (int detected = 0; detected < 2; detected++) {
    GstHarness *h = harness_new ("defcntrack");

    for (guint i = 0; i < 4; i++) {
      GstBuffer *buffer = buffer_new (i);
      g_autoptr (GArray) found =
          g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

      add_roi (buffer, 50 + (int) i, detected);
      if (detected)
        add_roi (buffer, 300, FALSE); /* somebody's zone */
      add_roi (buffer, 200, detected);
      buffer = gst_harness_push_and_pull (h, buffer);
      g_assert_cmpint (roi_id (buffer, 0), ==, i < 2 ? 0 : 1);
      g_assert_cmpint (roi_id (buffer, 1 + detected), ==, i < 2 ? 0 : 2);
      if (detected)
        g_assert_cmpint (roi_id (buffer, 1), ==, 0);
      gst_defcn_meta_read (buffer, found, W, H);
      g_assert_cmpuint (found->len, ==, 2);
      g_assert_cmpint (at (found, 1)->track.id, ==, i < 2 ? 0 : 2);
      gst_buffer_unref (buffer);
    }
    gst_harness_teardown (h);
  }
}

/* ODMtds of others too. */
static void
test_other_analytics (void)
{
#ifdef HAVE_ANALYTICS
  GstHarness *h = harness_new ("defcntrack");

  for (guint i = 0; i < 4; i++) {
    GstBuffer *buffer = buffer_new (i);
    g_autoptr (GArray) found =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    GstClockTime first;
    GstAnalyticsODMtd od;

    g_assert_true (gst_analytics_relation_meta_add_od_mtd (
        gst_buffer_add_analytics_relation_meta (buffer),
        g_quark_from_string ("car"), 100, 100, 50, 50, 0.8f, &od));
    buffer = gst_harness_push_and_pull (h, buffer);
    g_assert_cmpuint (analytics_id (buffer, (int) od.id, &first), ==,
        i < 2 ? 0 : 1);
    gst_defcn_meta_read (buffer, found, W, H);
    g_assert_cmpint (at (found, 0)->track.id, ==, i < 2 ? 0 : 1);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
#else
  g_test_skip ("GstAnalytics is not built in");
#endif
}

/* Where somebody has classified our objects nothing that it hangs on is taken
 * away; the ids are in our own meta. */
static void
test_classified (void)
{
#ifdef HAVE_ANALYTICS
  GstHarness *h = harness_new ("defcntrack");

  for (guint i = 0; i < 4; i++) {
    const GstDefcnObject o[] = { person (100, 200, 0.9),
      person (400, 200, 0.2) };
    GstBuffer *buffer = buffer_new (i);
    g_autoptr (GArray) found =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    GstAnalyticsRelationMeta *relations;
    GstAnalyticsClsMtd cls;
    GstAnalyticsODMtd od;

    attach (buffer, o, 2, &looked);
    relations = gst_buffer_get_analytics_relation_meta (buffer);
    g_assert_true (gst_analytics_relation_meta_add_one_cls_mtd (relations, 0.7f,
        g_quark_from_string ("red"), &cls));
    buffer = gst_harness_push_and_pull (h, buffer);
    relations = gst_buffer_get_analytics_relation_meta (buffer);
    g_assert_true (gst_analytics_relation_meta_get_od_mtd (relations, 1, &od));
    g_assert_true (
        gst_analytics_relation_meta_get_cls_mtd (relations, cls.id, &cls));
    gst_defcn_meta_read (buffer, found, W, H);
    g_assert_cmpuint (found->len, ==, 1);
    g_assert_cmpint (at (found, 0)->track.id, ==, i < 2 ? 0 : 1);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
#else
  g_test_skip ("GstAnalytics is not built in");
#endif
}

/* Only what a detector had flags for comes back. */
static void
test_forms (void)
{
  static const GstDefcnMetaFlags forms[] = { GST_DEFCN_META_ROI,
    GST_DEFCN_META_CUSTOM };

  for (guint f = 0; f < G_N_ELEMENTS (forms); f++) {
    GstHarness *h = harness_new ("defcntrack");

    for (guint i = 0; i < 6; i++) {
      const GstDefcnObject o = person (100, 200, 0.9);
      GstBuffer *buffer = buffer_new (i);
      g_autoptr (GArray) found =
          g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
      gpointer state = NULL;

      attach_as (buffer, &o, i < 5, i < 5 ? &looked : &skipped, forms[f]);
      buffer = gst_harness_push_and_pull (h, buffer);
      gst_defcn_meta_read (buffer, found, W, H);
      g_assert_cmpint (at (found, 0)->track.id, ==, i < 2 ? 0 : 1);
      g_assert_cmpint (gst_buffer_iterate_meta_filtered (buffer, &state,
                           GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
              != NULL,
          ==, forms[f] == GST_DEFCN_META_ROI);
      gst_buffer_unref (buffer);
    }
    gst_harness_teardown (h);
  }
}

/* A region that was looked in is no object, and its objects know it still. */
static void
test_regions (void)
{
  GstHarness *h = harness_new ("defcntrack");

  for (guint i = 0; i < 4; i++) {
    GstDefcnObject o = person (100, 200, 0.9);
    GstBuffer *buffer = buffer_new (i);
    g_autoptr (GArray) found =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

    add_roi (buffer, 50, FALSE);
    o.parent_id = 5;
    o.parent = g_quark_from_string ("car");
    attach (buffer, &o, 1, &looked);
    buffer = gst_harness_push_and_pull (h, buffer);
    gst_defcn_meta_read (buffer, found, W, H);
    g_assert_cmpuint (found->len, ==, 1);
    g_assert_cmpint (at (found, 0)->parent_id, ==, 5);
    g_assert_cmpint (at (found, 0)->track.id, ==, i < 2 ? 0 : 1);
    g_assert_cmpint (roi_id (buffer, 0), ==, 0);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}

static void
push_segment_from (GstHarness *h, GstClockTime start)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = start;
  g_assert_true (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}

typedef enum
{
  NOTHING,
  FLUSH,
  SAME_SEGMENT,
  OTHER_SEGMENT,
  STREAM,
  LARGER,
  WIDER,
  DISCONT,
  GAP,
  RESTART,
} Happening;

static void
happen (GstHarness *h, Happening what)
{
  switch (what) {
    case FLUSH:
      rig_flush (h);
      break;
    case SAME_SEGMENT:
      rig_push_segment (h);
      break;
    case OTHER_SEGMENT:
      push_segment_from (h, 40 * GST_MSECOND);
      break;
    case STREAM:
      gst_harness_push_event (h, gst_event_new_stream_start ("another"));
      break;
    case LARGER:
      gst_harness_push_event (h,
          gst_event_new_caps (gst_caps_from_string (
              "video/x-raw,format=GRAY8,width=1280,height=960")));
      break;
    case WIDER:
      gst_harness_push_event (h,
          gst_event_new_caps (gst_caps_from_string (
              "video/x-raw,format=GRAY8,width=960,height=480")));
      break;
    default:
      break;
  }
}

/* What ends an object and what does not; an id never comes again either way. */
static void
test_breaks (void)
{
  static const struct
  {
    Happening what;
    gint64 id;
    guint at; /* frame */
  } cases[] = { { NOTHING, 1, 3 }, { FLUSH, 2, 0 }, { SAME_SEGMENT, 1, 3 },
    { OTHER_SEGMENT, 2, 3 }, { STREAM, 2, 3 }, { LARGER, 1, 3 },
    { WIDER, 2, 3 }, { DISCONT, 1, 3 }, { GAP, 1, 50 }, { GAP, 2, 54 } };

  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    GstHarness *h = harness_new ("defcntrack");

    g_assert_cmpint (track_three (h, 0), ==, 1);
    happen (h, cases[c].what);
    if (cases[c].what == DISCONT) {
      const GstDefcnObject o = person (100, 200, 0.9);
      GstBuffer *buffer = buffer_new (2);

      attach (buffer, &o, 1, &looked);
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
      gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
    }
    g_assert_cmpint (track_three (h, cases[c].at), ==, cases[c].id);
    gst_harness_teardown (h);
  }
}

/* From one start to the next ids begin anew, and so does the count. */
static void
test_states (void)
{
  GstHarness *h = harness_new ("defcntrack name=track");
  g_autoptr (GstElement) track = gst_harness_find_element (h, "defcntrack");
  guint64 n;

  for (int i = 0; i < 3; i++) {
    g_object_get (track, "tracks", &n, NULL);
    g_assert_cmpuint (n, ==, 0);
    g_assert_cmpint (track_three (h, 0), ==, 1);
    g_object_get (track, "tracks", &n, NULL);
    g_assert_cmpuint (n, ==, 1);
    gst_element_set_state (h->element, GST_STATE_NULL);
    gst_element_set_state (h->element, GST_STATE_PLAYING);
    gst_harness_play (h);
    gst_harness_set_src_caps_str (h, CAPS);
  }
  gst_harness_teardown (h);
}

/* Frames without a time are as far apart as the caps say. */
static void
test_no_pts (void)
{
  GstHarness *h = harness_new ("defcntrack max-lost=100000000");

  for (guint i = 0; i < 8; i++) {
    const GstDefcnObject o = person (100, 200, 0.9);
    GstBuffer *buffer = buffer_new (i);
    g_autoptr (GArray) found =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

    attach (buffer, &o, i < 4 || i == 7, i < 4 || i == 7 ? &looked : &skipped);
    GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
    buffer = gst_harness_push_and_pull (h, buffer);
    gst_defcn_meta_read (buffer, found, W, H);
    /* 80 ms after they were seen, 120, and 160. */
    g_assert_cmpuint (found->len, ==, i < 6 || i == 7);
    if (i == 7)
      g_assert_cmpint (at (found, 0)->track.id, ==, 0);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}

/* A frame that others hold: they see nothing of it, and no pixel is copied. */
static void
test_shared (void)
{
  const GstDefcnObject o = person (100, 200, 0.9);
  GstHarness *h = harness_new ("defcntrack");
  g_autoptr (GstBuffer) in = NULL, out = NULL;
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  track_three (h, 0);
  in = buffer_new (3);
  attach (in, &o, 1, &looked);
  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  g_assert_true (in != out);
  g_assert_true (
      gst_buffer_peek_memory (in, 0) == gst_buffer_peek_memory (out, 0));
  gst_defcn_meta_read (in, objects, W, H);
  gst_defcn_meta_read (out, objects, W, H);
  g_assert_cmpint (at (objects, 0)->track.id, ==, 0);
  g_assert_cmpint (at (objects, 1)->track.id, ==, 1);
  gst_harness_teardown (h);
}

/* Boxes that a crop has made wrong are not tracked; a warning says so once, and
 * who comes later hears of it too. */
static void
test_lost (void)
{
  GstHarness *h = harness_new ("defcntrack");
  g_autoptr (GstElement) track = gst_harness_find_element (h, "defcntrack");
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) first = NULL, second = NULL;

  gst_element_set_bus (track, bus);
  for (guint i = 0; i < 3; i++) {
    const GstDefcnObject o = person (100, 200, 0.9);
    GstBuffer *buffer = buffer_new (i);
    GstDefcnMark mark;
    GstVideoCropMeta *crop;

    attach (buffer, &o, 1, &looked);
    crop = gst_buffer_add_video_crop_meta (buffer);
    crop->x = 50;
    crop->width = 100;
    crop->height = 100;
    buffer = gst_harness_push_and_pull (h, buffer);
    g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
    g_assert_cmpuint (mark.lost, ==, 1);
    gst_buffer_unref (buffer);
  }
  first = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  second = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  g_assert_nonnull (first);
  g_assert_null (second);
  gst_harness_teardown (h);
}

/* Frames that nobody has looked at stay as they are. */
static void
test_bare (void)
{
  GstHarness *h = harness_new ("defcntrack");
  GstBuffer *in = buffer_new (0), *out;
  gpointer state = NULL;

  out = gst_harness_push_and_pull (h, in);
  g_assert_true (in == out);
  g_assert_null (gst_buffer_iterate_meta (out, &state));
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

/* Behind videoconvert, which drops what ROI metas say of detections, there is
 * one for each object all the same. */
static void
test_behind_conversion (void)
{
  GstHarness *h = harness_new (
      "videoconvert ! capsfilter caps=video/x-raw,format=RGB ! defcntrack");

  for (guint i = 0; i < 4; i++) {
    const GstDefcnObject o[] = { person (100, 200, 0.9),
      person (400, 200, 0.2) };
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer = track_mark (h, i, o, 2, &looked, &found);
    gpointer state = NULL;
    guint n = 0;

    while (gst_buffer_iterate_meta_filtered (buffer, &state,
        GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))
      n++;
    g_assert_cmpuint (n, ==, 1);
    g_assert_cmpuint (found->len, ==, 1);
    g_assert_cmpint (roi_id (buffer, 0), ==, i < 2 ? 0 : 1);
  }
  gst_harness_teardown (h);
}

/* Properties hold from the next frame on. */
static void
test_live (void)
{
  GstHarness *h = harness_new ("defcntrack confirm=1");
  g_autoptr (GstElement) track = gst_harness_find_element (h, "defcntrack");
  guint confirm;

  g_assert_cmpint (track_one (h, 0, 100), ==, 1);
  g_object_set (track, "confirm", 2, NULL);
  g_object_get (track, "confirm", &confirm, NULL);
  g_assert_cmpuint (confirm, ==, 2);
  g_assert_cmpint (track_one (h, 1, 400), ==, 0);
  g_assert_cmpint (track_one (h, 2, 400), ==, 2);
  gst_harness_teardown (h);
}

static void
track_and_stop (void)
{
  GstHarness *h = harness_new ("defcntrack");
  const GstDefcnObject o = person (100, 200, 0.9);

  for (guint i = 0; i < 4; i++) {
    g_autoptr (GArray) found = NULL;
    g_autoptr (GstBuffer) buffer =
        track_mark (h, i, &o, i < 3, i < 3 ? &looked : &skipped, &found);

    g_assert_nonnull (buffer);
  }
  gst_harness_teardown (h);
}

static void
test_steady (void)
{
  rig_assert_steady (track_and_stop);
}

/* Typed with a detector: frames that it skips have its objects. */
static void
test_with_detector (void)
{
  g_autofree char *launch =
      g_strdup_printf ("defcndetect model=%s device=%s threads=1 threshold=0.1 "
                       "inference-interval=2 ! defcntrack high-threshold=0.3 "
                       "confirm=1",
          rig_model (), "cpu");
  GstHarness *h = gst_harness_new_parse (launch);
  GstVideoInfo info;
  guint n[6];

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, 64, 48);
  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=RGB,width=64,height=48,framerate=25/1");
  for (guint i = 0; i < 6; i++) {
    GstBuffer *frame = rig_frame_of (&info, 0), *out;

    GST_BUFFER_PTS (frame) = i * STEP;
    out = gst_harness_push_and_pull (h, frame);
    g_assert_nonnull (out);
    n[i] = rig_count_objects (out);
    g_assert_cmpuint (rig_mark (out).predicted, ==, i % 2);
    g_assert_cmpuint (n[i], >, 0);
    if (i % 2)
      g_assert_cmpuint (n[i], ==, n[i - 1]);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/track/ids", test_ids);
  g_test_add_func ("/track/conversion", test_conversion);
  g_test_add_func ("/track/low-scores", test_low_scores);
  g_test_add_func ("/track/predicted", test_predicted);
  g_test_add_func ("/track/predicted-nobody", test_predicted_nobody);
  g_test_add_func ("/track/not-predicted", test_not_predicted);
  g_test_add_func ("/track/kept-not-predicted", test_kept_not_predicted);
  g_test_add_func ("/track/late", test_late);
  g_test_add_func ("/track/clipped", test_clipped);
  g_test_add_func ("/track/two-detectors", test_two_detectors);
  g_test_add_func ("/track/others", test_others);
  g_test_add_func ("/track/other-analytics", test_other_analytics);
  g_test_add_func ("/track/classified", test_classified);
  g_test_add_func ("/track/forms", test_forms);
  g_test_add_func ("/track/regions", test_regions);
  g_test_add_func ("/track/breaks", test_breaks);
  g_test_add_func ("/track/states", test_states);
  g_test_add_func ("/track/no-pts", test_no_pts);
  g_test_add_func ("/track/shared", test_shared);
  g_test_add_func ("/track/lost", test_lost);
  g_test_add_func ("/track/bare", test_bare);
  g_test_add_func ("/track/behind-conversion", test_behind_conversion);
  g_test_add_func ("/track/live", test_live);
  g_test_add_func ("/track/steady", test_steady);
  g_test_add_func ("/track/with-detector", test_with_detector);
  return rig_run ();
}
