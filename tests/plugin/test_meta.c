/* Detections on a buffer: written, carried, read back. */
#include "rig.h"

#include <math.h>
#include <string.h>

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define W 640
#define H 480

static GstDefcnObject
object (double x_min, double y_min, double x_max, double y_max,
    double confidence, int label_id)
{
  static const char *labels[] = { "person", "car", "dog" };

  return (GstDefcnObject){ x_min, y_min, x_max, y_max, confidence, label_id,
    g_quark_from_static_string (labels[label_id]), 0 };
}

/* Two ordinary objects and one that sticks out on all sides. */
static GArray *
objects_new (void)
{
  GArray *a = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  GstDefcnObject list[] = {
    object (0.25, 0.5, 0.5, 0.75, 0.875, 0),
    object (0.1, 0.2, 0.3 + 1e-9, 0.9, 1.0 / 3, 2),
    object (0, 0, 1, 1, 0.0625, 1),
  };

  g_array_append_vals (a, list, G_N_ELEMENTS (list));
  return a;
}

static const GstDefcnMark looked = { TRUE, "", FALSE, 40, "c0ffee" };

static GstBuffer *
buffer_new (GstDefcnMetaFlags flags, const GArray *objects,
    const GstDefcnMark *mark)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H * 3 / 2, NULL);

  GST_BUFFER_PTS (buffer) = 0;
  GST_BUFFER_DURATION (buffer) = GST_SECOND / 25;
  gst_defcn_meta_attach (buffer, objects, mark, flags, W, H);
  return buffer;
}

static GArray *
read_objects (GstBuffer *buffer, int w, int h)
{
  GArray *a = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  guint n = gst_defcn_meta_read (buffer, a, w, h);

  g_assert_cmpuint (n, ==, a->len);
  return a;
}

static void
assert_objects (GArray *found, GArray *wanted, double tolerance)
{
  g_assert_cmpuint (found->len, ==, wanted->len);
  for (guint i = 0; i < found->len; i++) {
    const GstDefcnObject *f = &g_array_index (found, GstDefcnObject, i);
    const GstDefcnObject *w = &g_array_index (wanted, GstDefcnObject, i);

    g_assert_true (ABS (f->x_min - w->x_min) <= tolerance);
    g_assert_true (ABS (f->y_min - w->y_min) <= tolerance);
    g_assert_true (ABS (f->x_max - w->x_max) <= tolerance);
    g_assert_true (ABS (f->y_max - w->y_max) <= tolerance);
    g_assert_cmpuint (f->label, ==, w->label);
  }
}

/* What was written is read back to the last bit, whichever form carries it. */
static void
test_round_trip (gconstpointer data)
{
  GstDefcnMetaFlags flags = GPOINTER_TO_UINT (data);
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GArray) found = NULL;

  if (flags & ~gst_defcn_meta_supported ()) {
    g_test_skip ("GstAnalytics is not built in");
    return;
  }
  buffer = buffer_new (flags, objects, &looked);
  found = read_objects (buffer, W, H);
  rig_assert_same (found, objects);
}

/* A track goes along, and one that others have written as it must not be is
 * none. */
static void
test_track (void)
{
  g_autoptr (GArray) objects = objects_new ();
  GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, 1);
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GArray) found = NULL;
  g_autoptr (GstStructure) wrong = gst_structure_new ("object", "object_id",
      G_TYPE_INT64, (gint64) -4, "track_state", G_TYPE_INT, 3, "x_velocity",
      G_TYPE_DOUBLE, (double) NAN, NULL);
  GstDefcnMark mark = looked;
  GstDefcnObject none = { .track.id = 5 };

  o->track = (GstDefcnObjectTrack){ 41, g_quark_from_string ("confirmed"), 123,
    0.25, -0.125, TRUE, 7 };
  mark.predicted = TRUE;
  buffer = buffer_new (GST_DEFCN_META_ROI, objects, &mark);
  found = read_objects (buffer, W, H);
  g_assert_cmpint (g_array_index (found, GstDefcnObject, 0).track.id, ==, 0);
  g_assert_cmpuint (g_array_index (found, GstDefcnObject, 0).track.state, ==,
      0);
  o = &g_array_index (found, GstDefcnObject, 1);
  g_assert_cmpint (o->track.id, ==, 41);
  g_assert_cmpuint (o->track.state, ==, g_quark_from_string ("confirmed"));
  g_assert_cmpuint (o->track.age, ==, 123);
  g_assert_cmpfloat (o->track.vx, ==, 0.25);
  g_assert_cmpfloat (o->track.vy, ==, -0.125);
  g_assert_true (o->track.predicted);
  g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
  g_assert_true (mark.predicted);

  gst_defcn_object_track_from_structure (&none, wrong);
  g_assert_cmpint (none.track.id, ==, 0);
  g_assert_cmpuint (none.track.state, ==, 0);
  g_assert_cmpfloat (none.track.vx, ==, 0);
}

/* No objects and no flags still leave a mark with every field. */
static void
test_mark (void)
{
  g_autoptr (GArray) none = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  GstDefcnMark skipped = { FALSE, "qos", TRUE, 123, "beef" };
  g_autoptr (GstBuffer) plain = gst_buffer_new ();
  g_autoptr (GstBuffer) a = buffer_new (0, none, &looked);
  g_autoptr (GstBuffer) b = buffer_new (0, none, &skipped);
  g_autoptr (GArray) found = read_objects (a, W, H);
  GstDefcnMark mark;

  g_assert_cmpuint (found->len, ==, 0);
  g_assert_true (gst_defcn_meta_read_mark (a, &mark));
  g_assert_true (mark.inferred);
  g_assert_false (mark.repeated);
  g_assert_cmpstr (mark.reason, ==, "");
  g_assert_cmpstr (mark.model, ==, "c0ffee");
  g_assert_cmpuint (mark.timestamp, ==, 40);

  g_assert_true (gst_defcn_meta_read_mark (b, &mark));
  g_assert_false (mark.inferred);
  g_assert_true (mark.repeated);
  g_assert_cmpstr (mark.reason, ==, "qos");
  g_assert_cmpuint (mark.timestamp, ==, 123);
  /* They outlive the buffer. */
  g_assert_true (mark.reason == g_intern_string ("qos"));
  g_assert_true (mark.model == g_intern_string ("beef"));

  g_assert_false (gst_defcn_meta_read_mark (plain, &mark));
  g_assert_cmpuint (mark.timestamp, ==, GST_CLOCK_TIME_NONE);
  g_assert_cmpstr (mark.reason, ==, "");
  g_assert_cmpstr (mark.model, ==, "");
}

/* ROI metas hold whole pixels inside the frame and the structure that DL
 * Streamer reads. */
static void
test_roi_fields (void)
{
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  static const struct
  {
    double x_min, y_min, x_max, y_max;
    guint x, y, w, h;
  } cases[] = {
    { 0.25, 0.5, 0.5, 0.75, 160, 240, 160, 120 },
    { 0, 0, 1, 1, 0, 0, W, H },
    { -1, -1, 2, 2, 0, 0, W, H },
    { 1 - 1e-9, 1 - 1e-9, 1, 1, W - 1, H - 1, 1, 1 },
    { 0.5, 0.5, 0.5 + 1e-9, 0.5 + 1e-9, 320, 240, 1, 1 },
    { 0.7 / W, 0.2 / H, 1.8 / W, 2.6 / H, 1, 0, 1, 3 },
  };
  g_autoptr (GstBuffer) buffer = NULL;
  gpointer state = NULL;
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstDefcnObject o = object (cases[i].x_min, cases[i].y_min, cases[i].x_max,
        cases[i].y_max, 0.5, 1);

    g_array_append_val (objects, o);
  }
  buffer = buffer_new (GST_DEFCN_META_ROI, objects, &looked);
  for (;; n++) {
    GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)
        gst_buffer_iterate_meta_filtered (buffer, &state,
            GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
    GstStructure *s;
    double x_min;
    int label_id;

    if (!roi)
      break;
    s = gst_video_region_of_interest_meta_get_param (roi, "detection");
    g_assert_nonnull (s);
    g_assert_cmpuint (roi->x, ==, cases[n].x);
    g_assert_cmpuint (roi->y, ==, cases[n].y);
    g_assert_cmpuint (roi->w, ==, cases[n].w);
    g_assert_cmpuint (roi->h, ==, cases[n].h);
    g_assert_cmpint (roi->id, ==, n + 1);
    g_assert_cmpstr (g_quark_to_string (roi->roi_type), ==, "car");
    g_assert_true (gst_structure_get_double (s, "x_min", &x_min));
    g_assert_true (x_min == cases[n].x_min);
    g_assert_true (gst_structure_has_field_typed (s, "y_max", G_TYPE_DOUBLE));
    g_assert_true (
        gst_structure_has_field_typed (s, "confidence", G_TYPE_DOUBLE));
    g_assert_true (gst_structure_get_int (s, "label_id", &label_id));
    g_assert_cmpint (label_id, ==, 1);
  }
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (cases));
}

/* The one rule from boxes to pixels: the nearest borders, inside the frame, and
 * a pixel at least, which is the one that the box lies in. */
static void
test_pixels (void)
{
  static const struct
  {
    double min, max; /* in pixels of a side of 10 */
    int start, length;
  } cases[] = {
    { 0, 10, 0, 10 },
    { 2, 5, 2, 3 },
    { 2.4, 5.4, 2, 3 },
    { 2.6, 5.6, 3, 3 },
    { 2.6, 5.4, 3, 2 },
    { 2.5, 5.5, 3, 3 }, /* halves go up */
    { 5.5, 8.5, 6, 3 }, /* and touch what ends there */
    { 4.1, 4.3, 4, 1 },
    { 4.6, 4.9, 4, 1 }, /* not 5, where nothing of it is */
    { 4.6, 5.3, 4, 1 },
    { 4.8, 5.4, 5, 1 },
    { 4.5, 4.5, 4, 1 },
    { 0, 1e-9, 0, 1 },
    { 10 - 1e-9, 10, 9, 1 },
    { 10, 10, 9, 1 },
    { -3, 4, 0, 4 },
    { 7, 1e300, 7, 3 },
    { -5, -4, 0, 1 },
    { 14, 15, 9, 1 },
    { 6, 2, 4, 1 },
    { NAN, NAN, 0, 1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const double min = cases[i].min / 10, max = cases[i].max / 10;
    const GstDefcnObject across = { min, 0, max, 1 }, down = { 0, min, 1, max };
    GstDefcnPixels p = gst_defcn_object_pixels (&across, 10, 7);

    g_test_message ("case %u", i);
    g_assert_cmpint (p.x, ==, cases[i].start);
    g_assert_cmpint (p.w, ==, cases[i].length);
    g_assert_cmpint (p.y, ==, 0);
    g_assert_cmpint (p.h, ==, 7);
    p = gst_defcn_object_pixels (&down, 7, 10);
    g_assert_cmpint (p.y, ==, cases[i].start);
    g_assert_cmpint (p.h, ==, cases[i].length);
    g_assert_cmpint (p.x, ==, 0);
    g_assert_cmpint (p.w, ==, 7);
  }
}

/* The ODMtd of an object has the id of its ROI meta, its label, its whole
 * pixels: what DL Streamer and objectdetectionoverlay go by. */
static void
test_analytics (void)
{
#ifdef HAVE_ANALYTICS
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GstBuffer) buffer =
      buffer_new (GST_DEFCN_META_ROI | GST_DEFCN_META_ANALYTICS, objects,
          &looked);
  GstAnalyticsRelationMeta *relations =
      gst_buffer_get_analytics_relation_meta (buffer);
  GstVideoRegionOfInterestMeta *roi;
  gpointer state = NULL;
  guint n = 0;

  g_assert_nonnull (relations);
  for (; (roi = (GstVideoRegionOfInterestMeta *)
               gst_buffer_iterate_meta_filtered (buffer, &state,
                   GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
       n++) {
    GstAnalyticsODMtd od;
    gint x, y, w, h;
    gfloat confidence;

    g_assert_true (
        gst_analytics_relation_meta_get_od_mtd (relations, roi->id, &od));
    g_assert_true (
        gst_analytics_od_mtd_get_location (&od, &x, &y, &w, &h, &confidence));
    g_assert_cmpint (x, ==, roi->x);
    g_assert_cmpint (y, ==, roi->y);
    g_assert_cmpint (w, ==, roi->w);
    g_assert_cmpint (h, ==, roi->h);
    g_assert_cmpuint (gst_analytics_od_mtd_get_obj_type (&od), ==,
        roi->roi_type);
    g_assert_true (confidence
        == (float) g_array_index (objects, GstDefcnObject, n).confidence);
  }
  g_assert_cmpuint (n, ==, objects->len);
#else
  g_test_skip ("GstAnalytics is not built in");
#endif
}

/* Each kind of metadata by its name. */
static void
test_flags (void)
{
  static const struct
  {
    const char *name;
    guint flag;
  } cases[] = { { "roi", GST_DEFCN_META_ROI },
    { "analytics", GST_DEFCN_META_ANALYTICS },
    { "custom", GST_DEFCN_META_CUSTOM } };
  g_autoptr (GstElement) element =
      gst_element_factory_make ("defcndetect", NULL);
  GParamSpec *spec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (element), "meta");
  GFlagsClass *flags = G_PARAM_SPEC_FLAGS (spec)->flags_class;

  g_assert_cmpuint (flags->n_values, ==, G_N_ELEMENTS (cases));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpuint (g_flags_get_value_by_nick (flags, cases[i].name)->value,
        ==, cases[i].flag);
}

/* What is read goes behind what is there. */
static void
test_appended (void)
{
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GstBuffer) buffer =
      buffer_new (GST_DEFCN_META_CUSTOM, objects, &looked);
  const GstDefcnObject before = object (0.5, 0.5, 1, 1, 0.25, 1);

  g_array_append_val (all, before);
  g_assert_cmpuint (gst_defcn_meta_read (buffer, all, W, H), ==, 3);
  g_assert_cmpuint (all->len, ==, 4);
  g_assert_cmpmem (all->data, sizeof before, &before, sizeof before);
  g_array_remove_index (all, 0);
  assert_objects (all, objects, 0);
}

/* A second detector appends: both are read, the mark is the last one's, and
 * no id comes twice. */
static void
test_two_writers (void)
{
  GstDefcnMetaFlags flags = GST_DEFCN_META_ROI | GST_DEFCN_META_CUSTOM;
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GHashTable) ids = g_hash_table_new (NULL, NULL);
  GstDefcnMark second = { FALSE, "interval", FALSE, 1, "beef" };
  g_autoptr (GstBuffer) buffer = buffer_new (flags, objects, &looked);
  GstVideoRegionOfInterestMeta *roi;
  gpointer state = NULL;
  GstDefcnMark mark;
  g_autoptr (GArray) found = NULL;

  gst_defcn_meta_attach (buffer, objects, &second, flags, W, H);
  found = read_objects (buffer, W, H);
  g_assert_cmpuint (found->len, ==, 2 * objects->len);
  g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
  g_assert_cmpstr (mark.model, ==, "beef");
  while ((roi = (GstVideoRegionOfInterestMeta *)
              gst_buffer_iterate_meta_filtered (buffer, &state,
                  GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    g_assert_true (g_hash_table_add (ids, GINT_TO_POINTER (roi->id)));
  g_assert_cmpuint (g_hash_table_size (ids), ==, 2 * objects->len);
}

/* Two detectors keep apart, whatever each attaches: the objects of both are
 * read, once, and tell whose they are.  What a third one attached that is not
 * ours, a ROI meta with a "detection", is read too. */
static void
test_apart (void)
{
  static const struct
  {
    GstDefcnMetaFlags a, b;
    gboolean foreign;
  } cases[] = {
    { GST_DEFCN_META_CUSTOM, GST_DEFCN_META_ROI, FALSE },
    { GST_DEFCN_META_ROI, GST_DEFCN_META_CUSTOM, FALSE },
    { GST_DEFCN_META_ROI, GST_DEFCN_META_ROI, FALSE },
    { GST_DEFCN_META_ROI | GST_DEFCN_META_CUSTOM, GST_DEFCN_META_ROI, FALSE },
    { GST_DEFCN_META_CUSTOM, GST_DEFCN_META_ROI, TRUE },
    { GST_DEFCN_META_CUSTOM, GST_DEFCN_META_ANALYTICS, FALSE },
    { GST_DEFCN_META_CUSTOM | GST_DEFCN_META_ANALYTICS,
        GST_DEFCN_META_ANALYTICS, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) one = objects_new (), two = objects_new ();
    GstDefcnMark mark = looked;
    g_autoptr (GstBuffer) buffer = NULL;
    g_autoptr (GArray) found = NULL;
    guint first = 0, second = 0, unnamed = 0;

    if ((cases[i].a | cases[i].b) & ~gst_defcn_meta_supported ())
      continue;
    g_test_message ("case %u", i);
    g_array_remove_index (two, 1);
    g_array_index (two, GstDefcnObject, 0).x_min = 0.375;
    g_array_index (two, GstDefcnObject, 1).y_min = 0.125;
    mark.detector = "one";
    buffer = buffer_new (cases[i].a, one, &mark);
    mark.detector = "two";
    gst_defcn_meta_attach (buffer, two, &mark, cases[i].b, W, H);
    if (cases[i].foreign)
      gst_video_region_of_interest_meta_add_param (
          gst_buffer_add_video_region_of_interest_meta (buffer, "cat", 1, 2, 3,
              4),
          gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5,
              NULL));
    found = read_objects (buffer, W, H);
    for (guint j = 0; j < found->len; j++) {
      const GQuark detector = g_array_index (found, GstDefcnObject, j).detector;

      first += detector == g_quark_from_static_string ("one");
      second += detector == g_quark_from_static_string ("two");
      unnamed += detector == 0;
    }
    g_assert_cmpuint (first, ==, 3);
    g_assert_cmpuint (second, ==, 2);
    g_assert_cmpuint (unnamed, ==, cases[i].foreign);
  }
}

/* All marks are read in their order, each with all it says, behind what is
 * there. */
static void
test_marks (void)
{
  static const GstDefcnMark written[] = {
    { TRUE, "", FALSE, 80, "c0ffee", TRUE, "a.safetensors", "first", 7 },
    { FALSE, "busy", TRUE, 40, "beef", FALSE, "b.safetensors", "second",
        G_MAXUINT64 },
  };
  g_autoptr (GArray) none = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GArray) marks = g_array_new (FALSE, FALSE, sizeof (GstDefcnMark));
  g_autoptr (GstBuffer) buffer = buffer_new (0, none, &written[0]);

  gst_defcn_meta_attach (buffer, none, &written[1], 0, W, H);
  g_array_append_val (marks, looked);
  g_assert_cmpuint (gst_defcn_meta_read_marks (buffer, marks), ==, 2);
  g_assert_cmpuint (marks->len, ==, 3);
  for (guint i = 0; i < 2; i++) {
    const GstDefcnMark *m = &g_array_index (marks, GstDefcnMark, i + 1);

    g_assert_cmpint (m->inferred, ==, written[i].inferred);
    g_assert_cmpint (m->repeated, ==, written[i].repeated);
    g_assert_cmpint (m->fresh, ==, written[i].fresh);
    g_assert_cmpuint (m->timestamp, ==, written[i].timestamp);
    g_assert_cmpuint (m->frame, ==, written[i].frame);
    g_assert_true (m->reason == g_intern_string (written[i].reason));
    g_assert_true (m->model == g_intern_string (written[i].model));
    g_assert_true (m->model_name == g_intern_string (written[i].model_name));
    g_assert_true (m->detector == g_intern_string (written[i].detector));
  }
}

/* Ids go on after the largest that is there, wherever that is. */
static void
test_ids (void)
{
  static const int others[][3] = { { 3, 7, 5 }, { 7, 5, 3 }, { 3, 5, 7 },
    { 7, 0, 0 } };

  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (GArray) objects = objects_new ();
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();

    for (guint j = 0; j < G_N_ELEMENTS (others[i]); j++)
      gst_buffer_add_video_region_of_interest_meta (buffer, "zone", 1, 2, 3, 4)
          ->id = others[i][j];
    gst_defcn_meta_attach (buffer, objects, &looked, GST_DEFCN_META_ROI, W, H);
    for (guint j = 0; j < objects->len; j++) {
      const GstVideoRegionOfInterestMeta *roi =
          gst_buffer_get_video_region_of_interest_meta_id (buffer, 8 + j);

      g_assert_nonnull (roi);
      g_assert_cmpuint (roi->roi_type, ==,
          g_array_index (objects, GstDefcnObject, j).label);
    }
  }
}

/* Bare regions beside marks are zones, whatever the detectors found. */
static void
test_bare_rois_of_two (void)
{
  g_autoptr (GArray) none = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GArray) some = objects_new ();

  g_array_set_size (some, 1);
  for (int i = 0; i < 4; i++) {
    g_autoptr (GstBuffer) buffer = buffer_new (0, i & 1 ? some : none, &looked);
    g_autoptr (GArray) found = NULL;

    gst_defcn_meta_attach (buffer, i & 2 ? some : none, &looked, 0, W, H);
    gst_buffer_add_video_region_of_interest_meta (buffer, "zone", 1, 2, 3, 4);
    found = read_objects (buffer, W, H);
    g_assert_cmpuint (found->len, ==, 0);
  }
}

/* Each of two detectors keeps its own objects, whatever forms they were asked
 * for, and another element's detection stands beside them. */
static void
test_two_forms (void)
{
  static const GstDefcnMetaFlags forms[] = { GST_DEFCN_META_ROI,
    GST_DEFCN_META_CUSTOM, GST_DEFCN_META_ANALYTICS,
    GST_DEFCN_META_ROI | GST_DEFCN_META_ANALYTICS };
  g_autoptr (GArray) first = objects_new (), second = objects_new ();

  g_array_set_size (second, 1);
  g_array_index (second, GstDefcnObject, 0).label =
      g_quark_from_static_string ("cat");
  for (guint i = 0; i < 16; i++) {
    g_autoptr (GstBuffer) buffer = NULL;
    g_autoptr (GArray) found = NULL;
    GstVideoRegionOfInterestMeta *roi;

    if ((forms[i % 4] | forms[i / 4]) & ~gst_defcn_meta_supported ())
      continue;
    g_test_message ("case %u", i);
    buffer = buffer_new (forms[i % 4], first, &looked);
    gst_defcn_meta_attach (buffer, second, &looked, forms[i / 4], W, H);
    roi = gst_buffer_add_video_region_of_interest_meta (buffer, "bus", 64, 48,
        320, 240);
    roi->id = 1000;
    gst_video_region_of_interest_meta_add_param (roi,
        gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5,
            NULL));
    found = read_objects (buffer, W, H);
    g_assert_cmpuint (found->len, ==, 5);
    g_assert_cmpstr (g_quark_to_string (
                         g_array_index (found, GstDefcnObject, 3).label),
        ==, "cat");
    g_assert_cmpstr (g_quark_to_string (
                         g_array_index (found, GstDefcnObject, 4).label),
        ==, "bus");
    g_array_set_size (found, 3);
    rig_assert_same (found, first);
  }
}

/* Regions that stick out of the frame end where it does. */
static void
test_outside (void)
{
  static const struct
  {
    guint x, y, w, h;
    double wanted[4];
  } cases[] = {
    { 320, 120, 160, 240, { 0.5, 0.25, 0.75, 0.75 } },
    { 320, 120, 640, 240, { 0.5, 0.25, 1, 0.75 } },
    { 320, 120, 160, 480, { 0.5, 0.25, 0.75, 1 } },
    { 700, 120, 160, 240, { 1, 0.25, 1, 0.75 } },
    { 320, 500, 160, 240, { 0.5, 1, 0.75, 1 } },
    { 0, 0, 640, 480, { 0, 0, 1, 1 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    g_autoptr (GArray) found = NULL;
    const GstDefcnObject *o;

    gst_buffer_add_video_region_of_interest_meta (buffer, "zone", cases[i].x,
        cases[i].y, cases[i].w, cases[i].h);
    found = read_objects (buffer, W, H);
    o = &g_array_index (found, GstDefcnObject, 0);
    g_test_message ("case %u", i);
    g_assert_cmpfloat (o->x_min, ==, cases[i].wanted[0]);
    g_assert_cmpfloat (o->y_min, ==, cases[i].wanted[1]);
    g_assert_cmpfloat (o->x_max, ==, cases[i].wanted[2]);
    g_assert_cmpfloat (o->y_max, ==, cases[i].wanted[3]);
  }
}

/* A region says in which other one it was found, and is read so. */
static void
test_parents (void)
{
  static const int parents[] = { 0, 42, 7 };
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GArray) found = NULL;

  for (guint i = 0; i < objects->len; i++)
    g_array_index (objects, GstDefcnObject, i).parent_id = parents[i];
  buffer = buffer_new (GST_DEFCN_META_ROI, objects, &looked);
  found = read_objects (buffer, W, H);
  for (guint i = 0; i < objects->len; i++) {
    const GstVideoRegionOfInterestMeta *roi =
        gst_buffer_get_video_region_of_interest_meta_id (buffer, 1 + i);

    g_assert_cmpint (roi->parent_id, ==, parents[i]);
    g_assert_cmpint (g_array_index (found, GstDefcnObject, i).parent_id, ==,
        parents[i]);
  }
}

/* Somebody else's regions: bare ones are objects of unknown confidence, but
 * neither beside real detections nor when a detector found nothing. */
static void
test_bare_rois (void)
{
  g_autoptr (GArray) none = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GstBuffer) alone = gst_buffer_new ();
  g_autoptr (GstBuffer) beside =
      buffer_new (GST_DEFCN_META_ROI, objects, &looked);
  g_autoptr (GstBuffer) empty = buffer_new (GST_DEFCN_META_ROI, none, &looked);
  GstBuffer *all[] = { alone, beside, empty };
  guint wanted[] = { 1, 3, 0 };

  for (int i = 0; i < 3; i++) {
    g_autoptr (GArray) found = NULL;

    gst_buffer_add_video_region_of_interest_meta (all[i], "zone", 64, 48, 320,
        240);
    found = read_objects (all[i], W, H);
    g_assert_cmpuint (found->len, ==, wanted[i]);
    if (i == 0) {
      const GstDefcnObject *o = &g_array_index (found, GstDefcnObject, 0);

      g_assert_true (o->confidence == -1);
      g_assert_cmpint (o->label_id, ==, -1);
      g_assert_cmpfloat_with_epsilon (o->x_min, 0.1, 1e-12);
      g_assert_cmpfloat_with_epsilon (o->y_max, 0.6, 1e-12);
      g_assert_cmpstr (g_quark_to_string (o->label), ==, "zone");
    }
  }
}

/* A "detection" in pixels, without a box or with a box inside out is not
 * believed: the rectangle of the meta is. */
static void
test_foreign_detection (void)
{
  static const char *cases[] = {
    "detection, confidence=0.5, label_id=7",
    "detection, confidence=0.5, label_id=7, x_min=64.0, x_max=384.0, "
    "y_min=48.0, y_max=288.0",
    "detection, confidence=0.5, label_id=7, x_min=0.5, x_max=0.25, y_min=0.1, "
    "y_max=0.2",
    "detection, confidence=0.5, label_id=7, x_min=1, x_max=2, y_min=0, "
    "y_max=1",
    "detection, confidence=0.5, label_id=7, x_min=0.1, x_max=0.2, y_min=0.5, "
    "y_max=0.25",
    "detection, confidence=0.5, label_id=7, x_min=0.1, x_max=0.2, y_min=0.5, "
    "y_max=0.5",
    "detection, confidence=0.5, label_id=7, x_min=0.5, x_max=0.5, y_min=0.1, "
    "y_max=0.2",
    "detection, confidence=0.5, label_id=7, x_min=-0.1, x_max=0.5, y_min=0.1, "
    "y_max=0.2",
    "detection, confidence=0.5, label_id=7, x_min=0.1, x_max=1.1, y_min=0.1, "
    "y_max=0.2",
    "detection, confidence=0.5, label_id=7, x_min=0.1, x_max=0.5, y_min=-0.1, "
    "y_max=0.2",
    "detection, confidence=0.5, label_id=7, x_min=0.1, x_max=0.5, y_min=0.1, "
    "y_max=1.2",
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    GstVideoRegionOfInterestMeta *roi =
        gst_buffer_add_video_region_of_interest_meta (buffer, "bus", 64, 48,
            320, 240);
    g_autoptr (GArray) found = NULL;
    const GstDefcnObject *o;

    gst_video_region_of_interest_meta_add_param (roi,
        gst_structure_from_string (cases[i], NULL));
    found = read_objects (buffer, W, H);
    g_assert_cmpuint (found->len, ==, 1);
    o = &g_array_index (found, GstDefcnObject, 0);
    g_assert_cmpint (o->label_id, ==, 7);
    g_assert_true (o->confidence == 0.5);
    g_assert_cmpfloat_with_epsilon (o->x_min, 0.1, 1e-12);
    g_assert_cmpfloat_with_epsilon (o->x_max, 0.6, 1e-12);
    g_assert_cmpfloat_with_epsilon (o->y_min, 0.1, 1e-12);
    g_assert_cmpfloat_with_epsilon (o->y_max, 0.6, 1e-12);
  }
}

/* One that is at the edges of the frame is believed. */
static void
test_whole_frame (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_add_video_region_of_interest_meta (buffer, "bus", 64, 48, 320,
          240);
  g_autoptr (GArray) found = NULL;

  gst_video_region_of_interest_meta_add_param (roi,
      gst_structure_from_string ("detection, x_min=0.0, x_max=1.0, y_min=0.0, "
                                 "y_max=1.0",
          NULL));
  found = read_objects (buffer, W, H);
  g_assert_cmpuint (found->len, ==, 1);
  g_assert_cmpfloat (g_array_index (found, GstDefcnObject, 0).x_max, ==, 1);
  g_assert_cmpfloat (g_array_index (found, GstDefcnObject, 0).y_min, ==, 0);
  g_assert_cmpfloat (g_array_index (found, GstDefcnObject, 0).confidence, ==,
      -1);
  g_assert_cmpint (g_array_index (found, GstDefcnObject, 0).label_id, ==, -1);
}

/* Whatever bytes others take for a label, readers get UTF-8, and labels that
 * are UTF-8 as they were. */
static void
test_foreign_labels (void)
{
  static const struct
  {
    const char *label, *wanted;
  } cases[] = {
    { "Gr\xc3\xbcn \xf0\x9f\x90\x95", "Gr\xc3\xbcn \xf0\x9f\x90\x95" },
    { "\xff latin \xe9", "\xef\xbf\xbd latin \xef\xbf\xbd" },
    { "cut \xf0", "cut \xef\xbf\xbd" },
    { "\033[31mred\n", "\xef\xbf\xbd[31mred\xef\xbf\xbd" },
    { "\302\233c1",
        "\xef\xbf\xbd"
        "c1" },
    { "", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    g_autoptr (GArray) found = NULL;

    gst_buffer_add_video_region_of_interest_meta (buffer, cases[i].label, 1, 2,
        3, 4);
    found = read_objects (buffer, W, H);
    g_assert_cmpuint (found->len, ==, 1);
    g_assert_cmpstr (g_quark_to_string (
                         g_array_index (found, GstDefcnObject, 0).label),
        ==, cases[i].wanted);
  }
}

/* A label is cut between two characters, where it is too long. */
static void
test_long_label (void)
{
  g_autofree char *label = g_strnfill (2000000, 'W');
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GArray) found = NULL;

  memcpy (label + GST_DEFCN_MAX_LABEL - 1, "\xc3\xbc", 2);
  gst_buffer_add_video_region_of_interest_meta (buffer, label, 1, 2, 3, 4);
  found = read_objects (buffer, W, H);
  g_assert_cmpuint (strlen (g_quark_to_string (
                        g_array_index (found, GstDefcnObject, 0).label)),
      ==, GST_DEFCN_MAX_LABEL - 1);
}

/* Marks and boxes that anyone made up give no warnings and no objects. */
static void
test_wrong_types (void)
{
  static const char *const marks[] = {
    ("m, objects=(string)nonsense, n-objects=(string)x, inferred=(string)q, "
     "reason=5, model=1.0, set=(string)s, ids=(string)i"),
    "m, set=(uint)0, n-objects=(uint)3, ids=< 1 >, reason=(int)7",
    "m, set=(uint)0, n-objects=(uint)3, ids=< (string)a, (string)b >",
    "m, set=(uint)4294967295, ids=< -2147483648, 2147483647 >",
  };
  static const char *const boxes[] = {
    "b, set=(uint)0, objects=(string)nonsense",
    "b, set=(uint)0, objects=< 5, 5, 5 >",
    "b, set=(uint)0, objects=< >, crop=(string)x",
    "b, set=(uint)0, objects=< >, crop=< 1, 2 >",
    "b, set=(uint)0, objects=< (GstStructure)\"object\\;\" >",
    "b, set=(uint)0",
  };
  const guint n = G_N_ELEMENTS (boxes);

  for (guint i = 0; i < G_N_ELEMENTS (marks) * n; i++) {
    const char *texts[] = { marks[i / n], boxes[i % n] };
    const char *names[] = { GST_DEFCN_META_NAME, GST_DEFCN_META_OBJECTS_NAME };
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    g_autoptr (GArray) found = NULL;
    g_autoptr (GArray) some = objects_new ();
    GstDefcnMark mark;

    g_test_message ("case %u", i);
    for (guint m = 0; m < 2; m++) {
      GstStructure *s = gst_custom_meta_get_structure (
          gst_buffer_add_custom_meta (buffer, names[m]));
      g_autoptr (GstStructure) made =
          gst_structure_from_string (texts[m], NULL);

      g_assert_nonnull (made);
      for (int f = 0; f < gst_structure_n_fields (made); f++)
        gst_structure_set_value (s, gst_structure_nth_field_name (made, f),
            gst_structure_get_value (made,
                gst_structure_nth_field_name (made, f)));
    }
    found = read_objects (buffer, W, H);
    g_assert_cmpuint (found->len, ==, 0);
    g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
    gst_defcn_meta_attach (buffer, some, &looked, GST_DEFCN_META_ROI, W, H);
    g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
  }
}

/* No number of marks and boxes takes more than a moment. */
static void
test_many_marks (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GArray) found = NULL;
  GstDefcnMark mark;

  for (guint i = 0; i < 20000; i++) {
    gst_structure_set (gst_custom_meta_get_structure (
                           gst_buffer_add_custom_meta (buffer,
                               GST_DEFCN_META_NAME)),
        "set", G_TYPE_UINT, i, "n-objects", G_TYPE_UINT, 1, NULL);
    gst_structure_set (gst_custom_meta_get_structure (
                           gst_buffer_add_custom_meta (buffer,
                               GST_DEFCN_META_OBJECTS_NAME)),
        "set", G_TYPE_UINT, 20000 + i, NULL);
  }
  found = read_objects (buffer, W, H);
  g_assert_cmpuint (found->len, ==, 0);
  g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
  g_assert_cmpuint (mark.lost, ==, 64);
}

/* An id that leaves no room above it is not gone on from. */
static void
test_last_id (void)
{
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();

  gst_buffer_add_video_region_of_interest_meta (buffer, "zone", 1, 2, 3, 4)
      ->id = G_MAXINT;
  gst_defcn_meta_attach (buffer, objects, &looked, GST_DEFCN_META_ROI, W, H);
  g_assert_nonnull (
      gst_buffer_get_video_region_of_interest_meta_id (buffer, 1));
  g_assert_nonnull (
      gst_buffer_get_video_region_of_interest_meta_id (buffer, 3));
}

/* What elements do to a picture: where boxes stay right they arrive to the bit,
 * elsewhere none does, and the mark says how many are lost. */
typedef struct
{
  const char *name, *launch, *caps; /* caps NULL: any */
  int w, h;
  gboolean kept, crop_meta;
} Geometry;

static const Geometry geometries[] = {
  { "convert", "videoconvert", "format=RGB,width=640,height=480", W, H, TRUE,
      FALSE },
  { "gray", "videoconvert", "format=GRAY8,width=640,height=480", W, H, TRUE,
      FALSE },
  { "half", "videoscale", "width=320,height=240,pixel-aspect-ratio=1/1", 320,
      240, TRUE, FALSE },
  { "rounded", "videoscale", "width=427,height=320,pixel-aspect-ratio=1/1", 427,
      320, TRUE, FALSE },
  { "other pixels", "videoscale", "width=320,height=120", 320, 120, TRUE,
      FALSE },
  { "letterbox", "videoscale", "width=200,height=400,pixel-aspect-ratio=1/1",
      200, 400, FALSE, FALSE },
  { "pillarbox", "videoscale", "width=640,height=120,pixel-aspect-ratio=1/1",
      640, 120, FALSE, FALSE },
  { "stretched", "videoscale add-borders=false",
      "width=480,height=480,pixel-aspect-ratio=1/1", 480, 480, FALSE, FALSE },
  { "crop", "videocrop left=100 top=20", NULL, 540, 460, FALSE, FALSE },
  { "crop of the same aspect", "videocrop left=64 top=48", NULL, 576, 432,
      FALSE, FALSE },
  { "crop by meta", "videocrop left=64 top=48", NULL, 576, 432, FALSE, TRUE },
  { "box", "videobox left=-20 top=-10", NULL, 660, 490, FALSE, FALSE },
  { "mirror", "videoflip video-direction=horiz", NULL, W, H, FALSE, FALSE },
  { "upside down", "videoflip video-direction=180", NULL, W, H, FALSE, FALSE },
  { "turned", "videoflip video-direction=90r", NULL, H, W, FALSE, FALSE },
  { "balanced", "videobalance saturation=0", NULL, W, H, TRUE, FALSE },
};

static GstPadProbeReturn
take_crop (GstPad *pad, GstPadProbeInfo *probe, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (probe);

  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_query_add_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, NULL);
  return GST_PAD_PROBE_HANDLED;
}

static void
test_geometry (gconstpointer data)
{
  static const GstDefcnMetaFlags forms[] = { GST_DEFCN_META_ROI,
    GST_DEFCN_META_CUSTOM, GST_DEFCN_META_ROI | GST_DEFCN_META_CUSTOM,
    GST_DEFCN_META_ROI | GST_DEFCN_META_ANALYTICS, 0 };
  const Geometry *g = data;

  for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
    const gboolean none = forms[i] == 0;
    g_autoptr (GArray) objects = objects_new ();
    g_autoptr (GstBuffer) out = NULL;
    g_autoptr (GArray) found = NULL;
    GstHarness *h;
    GstDefcnMark mark;

    if (forms[i] & ~gst_defcn_meta_supported ())
      continue;
    g_test_message ("%u", forms[i]);
    h = gst_harness_new_parse (g->launch);
    if (g->crop_meta)
      gst_pad_add_probe (h->sinkpad,
          GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH,
          take_crop, NULL, NULL);
    if (g->caps) {
      g_autofree char *sink =
          g_strconcat ("video/x-raw,", g->caps, ",framerate=25/1", NULL);

      gst_harness_set_sink_caps_str (h, sink);
    }
    gst_harness_set_src_caps_str (h,
        "video/x-raw,format=I420,width=640,height=480,framerate=25/1,"
        "pixel-aspect-ratio=1/1");
    out =
        gst_harness_push_and_pull (h, buffer_new (forms[i], objects, &looked));
    g_assert_nonnull (out);
    if (g->crop_meta)
      g_assert_nonnull (gst_buffer_get_video_crop_meta (out));
    g_assert_true (gst_defcn_meta_read_mark (out, &mark));
    g_assert_true (mark.inferred);
    g_assert_cmpstr (mark.model, ==, "c0ffee");
    g_assert_cmpuint (mark.lost, ==, g->kept ? 0 : 3);
    found = read_objects (out, g->w, g->h);
    g_assert_cmpuint (found->len, ==, g->kept && !none ? 3 : 0);
    if (found->len)
      rig_assert_same (found, objects);
    gst_harness_teardown (h);
  }
}

/* A frame that is cropped by its meta keeps its boxes where it is copied or
 * scaled as it is. */
static void
test_cropped (void)
{
  g_autoptr (GArray) objects = objects_new ();
  g_autoptr (GstBuffer) buffer =
      gst_buffer_new_allocate (NULL, W * H * 3 / 2, NULL);
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);
  g_autoptr (GstBuffer) copy = NULL, part = NULL;
  GstDefcnMark mark;

  crop->x = 2;
  crop->y = 4;
  crop->width = 100;
  crop->height = 90;
  gst_defcn_meta_attach (buffer, objects, &looked, GST_DEFCN_META_ROI, 100, 90);
  copy = gst_buffer_copy (buffer);
  for (int i = 0; i < 2; i++) {
    g_autoptr (GArray) found = read_objects (i ? copy : buffer, 100, 90);

    rig_assert_same (found, objects);
  }
  /* A converter that takes the crop for what it was, or does not know it. */
  for (int other = 0; other < 2; other++) {
    const GstMetaInfo *info = gst_meta_get_info (GST_DEFCN_META_OBJECTS_NAME);
    GstVideoInfo size;
    GstVideoMetaTransform scale = { &size, &size };
    g_autoptr (GstBuffer) made = gst_buffer_new ();

    gst_video_info_set_format (&size, GST_VIDEO_FORMAT_GRAY8, 100, 90);
    gst_buffer_get_video_crop_meta (copy)->x += other;
    info->transform_func (made,
        (GstMeta *) gst_buffer_get_custom_meta (copy,
            GST_DEFCN_META_OBJECTS_NAME),
        copy, gst_video_meta_transform_scale_get_quark (), &scale);
    g_assert_cmpint (gst_buffer_get_custom_meta (made,
                         GST_DEFCN_META_OBJECTS_NAME)
            != NULL,
        ==, !other);
    gst_buffer_get_video_crop_meta (copy)->x -= other;
  }
  gst_buffer_get_video_crop_meta (copy)->y++;
  g_assert_true (gst_defcn_meta_read_mark (copy, &mark));
  g_assert_cmpuint (mark.lost, ==, 3);
  part = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_META, 0, 100);
  g_assert_true (gst_defcn_meta_read_mark (part, &mark));
  g_assert_cmpuint (mark.lost, ==, 3);
}

/* Through videoconvert and videoscale everything is kept to the bit, whatever
 * ROI metas lose. */
static void
test_conversion (gconstpointer data)
{
  gboolean custom = GPOINTER_TO_INT (data);
  static const struct
  {
    const char *launch, *caps;
    int w, h;
  } cases[] = {
    { "videoconvert", "video/x-raw,format=RGB,width=640,height=480", W, H },
    { "videoscale add-borders=false",
        "video/x-raw,format=I420,width=320,height=120", 320, 120 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) objects = objects_new ();
    GstHarness *h = gst_harness_new_parse (cases[i].launch);
    g_autofree char *sink =
        g_strconcat (cases[i].caps, ",framerate=25/1", NULL);
    g_autoptr (GstBuffer) out = NULL;
    g_autoptr (GArray) found = NULL;
    GstDefcnMark mark;

    gst_harness_set_src_caps_str (h,
        "video/x-raw,format=I420,width=640,height=480,framerate=25/1");
    gst_harness_set_sink_caps_str (h, sink);
    out = gst_harness_push_and_pull (h,
        buffer_new (custom ? GST_DEFCN_META_CUSTOM : GST_DEFCN_META_ROI,
            objects, &looked));
    g_assert_nonnull (out);
    g_assert_true (gst_defcn_meta_read_mark (out, &mark));
    g_assert_true (mark.inferred);
    g_assert_cmpstr (mark.model, ==, "c0ffee");
    found = read_objects (out, cases[i].w, cases[i].h);
    assert_objects (found, objects, 0);
    gst_harness_teardown (h);
  }
}

/* An array of objects for messages has the fields that meta.h promises. */
static void
test_value (void)
{
  g_autoptr (GArray) objects = objects_new ();
  GValue value = G_VALUE_INIT;
  const GstStructure *s;
  double y_max;

  gst_defcn_meta_objects_to_value (&value, objects);
  g_assert_cmpuint (gst_value_array_get_size (&value), ==, objects->len);
  s = gst_value_get_structure (gst_value_array_get_value (&value, 1));
  g_assert_cmpstr (gst_structure_get_string (s, "label"), ==, "dog");
  g_assert_true (gst_structure_get_double (s, "y_max", &y_max));
  g_assert_true (y_max == 0.9);
  g_value_unset (&value);
}

/* The last test: it leaves no room for new labels. */
static void
test_many_labels (void)
{
  for (guint i = 0; i < GST_DEFCN_MAX_LABELS; i++) {
    g_autofree char *text = g_strdup_printf ("stranger %u", i);

    gst_defcn_object_label (text);
  }
  g_assert_cmpstr (g_quark_to_string (gst_defcn_object_label ("one more")), ==,
      "?");
  g_assert_cmpuint (g_quark_try_string ("one more"), ==, 0);
  g_assert_cmpstr (g_quark_to_string (gst_defcn_object_label ("stranger 1")),
      ==, "stranger 1");
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    guint flags;
  } forms[] = { { "roi", GST_DEFCN_META_ROI },
    { "analytics", GST_DEFCN_META_ANALYTICS },
    { "custom", GST_DEFCN_META_CUSTOM },
    { "roi+analytics", GST_DEFCN_META_ROI | GST_DEFCN_META_ANALYTICS },
    { "roi+custom", GST_DEFCN_META_ROI | GST_DEFCN_META_CUSTOM } };

  rig_init (&argc, &argv);
  gst_defcn_meta_register ();
  for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
    g_autofree char *path =
        g_strconcat ("/meta/round-trip/", forms[i].name, NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (forms[i].flags),
        test_round_trip);
  }
  g_test_add_func ("/meta/track", test_track);
  g_test_add_func ("/meta/mark", test_mark);
  g_test_add_func ("/meta/roi-fields", test_roi_fields);
  g_test_add_func ("/meta/pixels", test_pixels);
  g_test_add_func ("/meta/analytics", test_analytics);
  g_test_add_func ("/meta/two-writers", test_two_writers);
  g_test_add_func ("/meta/flags", test_flags);
  g_test_add_func ("/meta/appended", test_appended);
  g_test_add_func ("/meta/apart", test_apart);
  g_test_add_func ("/meta/marks", test_marks);
  g_test_add_func ("/meta/ids", test_ids);
  g_test_add_func ("/meta/outside", test_outside);
  g_test_add_func ("/meta/parents", test_parents);
  g_test_add_func ("/meta/bare-rois", test_bare_rois);
  g_test_add_func ("/meta/bare-rois-of-two", test_bare_rois_of_two);
  g_test_add_func ("/meta/foreign-detection", test_foreign_detection);
  g_test_add_func ("/meta/whole-frame", test_whole_frame);
  g_test_add_func ("/meta/foreign-labels", test_foreign_labels);
  g_test_add_data_func ("/meta/conversion/custom", GINT_TO_POINTER (TRUE),
      test_conversion);
  g_test_add_data_func ("/meta/conversion/roi", GINT_TO_POINTER (FALSE),
      test_conversion);
  g_test_add_func ("/meta/value", test_value);
  g_test_add_func ("/meta/two-forms", test_two_forms);
  g_test_add_func ("/meta/long-label", test_long_label);
  g_test_add_func ("/meta/wrong-types", test_wrong_types);
  g_test_add_func ("/meta/last-id", test_last_id);
  g_test_add_func ("/meta/many-marks", test_many_marks);
  g_test_add_func ("/meta/cropped", test_cropped);
  for (guint i = 0; i < G_N_ELEMENTS (geometries); i++) {
    g_autofree char *path =
        g_strconcat ("/meta/geometry/", geometries[i].name, NULL);

    g_test_add_data_func (path, &geometries[i], test_geometry);
  }
  g_test_add_func ("/meta/many-labels", test_many_labels);
  return rig_run ();
}
