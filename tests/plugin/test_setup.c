/* What defcndetect is told reaches the detector, and what that says reaches the
 * frame: properties, regions, boxes, errors; with a detector that the test
 * plays. */
#include "fake_detector.h"
#include "rig.h"

#include <string.h>

#include "detect/settings.h"

static double
field_double (const GstStructure *s, const char *name)
{
  double value;

  g_assert_true (gst_structure_get_double (s, name, &value));
  return value;
}

static void
assert_box (const GstStructure *s)
{
  int label_id;

  g_assert_cmpfloat_with_epsilon (field_double (s, "x_min"), 0.1, 1e-9);
  g_assert_cmpfloat_with_epsilon (field_double (s, "x_max"), 0.3, 1e-9);
  g_assert_cmpfloat_with_epsilon (field_double (s, "y_min"), 0.25, 1e-9);
  g_assert_cmpfloat_with_epsilon (field_double (s, "y_max"), 0.85, 1e-9);
  g_assert_cmpfloat (field_double (s, "confidence"), ==, 0.75);
  g_assert_true (gst_structure_get_int (s, "label_id", &label_id));
  g_assert_cmpint (label_id, ==, 2);
}

/* Message, ROI meta and custom meta have every side of the box under its own
 * name, and the message the size of the frame. */
static void
test_sides (void)
{
  GstHarness *h = fake_detector_finding ("message=true meta=roi+custom");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  g_autoptr (GstBuffer) out = fake_detector_pass (h, 0);
  g_autoptr (GstMessage) message = rig_message (bus, GST_MESSAGE_ELEMENT);
  const GstStructure *s = gst_message_get_structure (message);
  const GstCustomMeta *custom =
      gst_buffer_get_custom_meta (out, GST_DEFCN_META_OBJECTS_NAME);
  const GstStructure *structures[] = { s,
    gst_custom_meta_get_structure ((GstCustomMeta *) custom) };
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_get_video_region_of_interest_meta_id (out, 1);
  int width, height;

  g_assert_true (gst_structure_get_int (s, "width", &width));
  g_assert_true (gst_structure_get_int (s, "height", &height));
  g_assert_cmpint (width, ==, FAKE_DETECTOR_WIDTH);
  g_assert_cmpint (height, ==, FAKE_DETECTOR_HEIGHT);
  g_assert_cmpstr (gst_structure_get_string (s, "model"), ==, "c0ffee");
  for (int i = 0; i < 2; i++) {
    const GValue *list = gst_structure_get_value (structures[i], "objects");
    const GstStructure *object;

    g_assert_cmpuint (gst_value_array_get_size (list), ==, 1);
    object = gst_value_get_structure (gst_value_array_get_value (list, 0));
    assert_box (object);
    g_assert_cmpstr (gst_structure_get_string (object, "label"), ==, "dog");
  }
  g_assert_nonnull (roi);
  assert_box (gst_video_region_of_interest_meta_get_param (roi, "detection"));
  g_assert_cmpuint (roi->x, ==, 16);
  g_assert_cmpuint (roi->y, ==, 30);
  g_assert_cmpuint (roi->w, ==, 32);
  g_assert_cmpuint (roi->h, ==, 72);
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* Regions are cut at the edges of the frame, upright ones too, and those of
 * which nothing is left are not looked at. */
static void
test_regions (void)
{
  static const struct
  {
    const char *caps, *roi;
    DefcnRegion wanted;
  } cases[] = {
    { "width=160,height=120", "150,110,40,40", { 150, 110, 10, 10 } },
    { "width=160,height=120", "0,0,160,120", { 0, 0, 160, 120 } },
    { "width=120,height=160", "10,130,20,20", { 10, 130, 20, 20 } },
    { "width=120,height=160", "10,130,200,200", { 10, 130, 110, 30 } },
    { "width=160,height=120", "159,119,1,1", { 159, 119, 1, 1 } },
    { "width=160,height=120", "160,0,9,9;0,120,9,9;1,2,3,4", { 1, 2, 3, 4 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *caps = g_strconcat ("video/x-raw,format=RGB,",
        "framerate=25/1,", cases[i].caps, NULL);
    g_autofree char *roi = g_strdup_printf ("roi=\"%s\"", cases[i].roi);
    GstHarness *h;
    DefcnRegion r;

    fake_detector_reset ();
    h = fake_detector_harness (roi, caps);
    gst_buffer_unref (fake_detector_pass (h, 0));
    g_assert_cmpuint (fake_detector_n_runs (), ==, 1);
    r = fake_detector_region (0);
    g_assert_cmpmem (&r, sizeof r, &cases[i].wanted, sizeof r);
    gst_harness_teardown (h);
  }
}

/* Of ROI metas those of the class, each of it and no other, beside the regions
 * of roi; without a class all; full-frame looks at none of them. */
static void
test_roi_metas (void)
{
  static const struct
  {
    const char *properties;
    guint n;
    DefcnRegion wanted[4];
  } cases[] = {
    { "", 1, { { 0, 0, FAKE_DETECTOR_WIDTH, FAKE_DETECTOR_HEIGHT } } },
    { "object-class=zone", 1,
        { { 0, 0, FAKE_DETECTOR_WIDTH, FAKE_DETECTOR_HEIGHT } } },
    { "roi=1,2,3,4", 1, { { 1, 2, 3, 4 } } },
    { "inference-region=roi-list", 3,
        { { 10, 11, 12, 13 }, { 20, 21, 22, 23 }, { 50, 60, 110, 60 } } },
    { "inference-region=roi-list object-class=zone", 2,
        { { 10, 11, 12, 13 }, { 50, 60, 110, 60 } } },
    { "inference-region=roi-list object-class=\"\" roi=1,2,3,4", 4,
        { { 1, 2, 3, 4 }, { 10, 11, 12, 13 }, { 20, 21, 22, 23 },
            { 50, 60, 110, 60 } } },
    { "inference-region=roi-list object-class=none", 0, { { 0 } } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = fake_detector_finding (cases[i].properties);
    GstBuffer *in = rig_frame (h, 0);

    g_test_message ("%s", cases[i].properties);
    gst_buffer_add_video_region_of_interest_meta (in, "zone", 10, 11, 12, 13);
    gst_buffer_add_video_region_of_interest_meta (in, "else", 20, 21, 22, 23);
    gst_buffer_add_video_region_of_interest_meta (in, "zone", 50, 60, G_MAXUINT,
        G_MAXUINT);
    gst_buffer_unref (gst_harness_push_and_pull (h, in));
    g_assert_cmpuint (fake_detector_n_runs (), ==, cases[i].n);
    for (guint r = 0; r < cases[i].n; r++) {
      const DefcnRegion region = fake_detector_region (r);

      g_assert_cmpmem (&region, sizeof region, &cases[i].wanted[r],
          sizeof region);
    }
    gst_harness_teardown (h);
  }
}

/* ROI metas beyond the frame, however far, are not looked at. */
static void
test_roi_metas_beyond (void)
{
  static const struct
  {
    guint x, y;
  } cases[] = { { FAKE_DETECTOR_WIDTH, 0 }, { 0, FAKE_DETECTOR_HEIGHT },
    { G_MAXUINT, 0 }, { 0, G_MAXUINT }, { 1u << 31, 0 }, { 0, 1u << 31 } };
  GstHarness *h = fake_detector_finding ("inference-region=roi-list");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstBuffer *in = rig_frame (h, i);
    g_autoptr (GstBuffer) out = NULL;

    gst_buffer_add_video_region_of_interest_meta (in, "zone", cases[i].x,
        cases[i].y, 50, 50);
    out = gst_harness_push_and_pull (h, in);
    g_assert_cmpstr (rig_mark (out).reason, ==, "region");
    g_assert_cmpuint (fake_detector_n_runs (), ==, 0);
    g_assert_cmpuint (rig_stat (h, "skipped-region"), ==, i + 1);
  }
  gst_harness_teardown (h);
}

/* What is found in a ROI meta has that for its parent, what is found in the
 * frame or in a region of roi has none. */
static void
test_parents (void)
{
  static const struct
  {
    const char *properties;
    int parents[2];
  } cases[] = {
    { "meta=roi", { 0, -1 } },
    { "meta=roi roi=1,2,30,40", { 0, -1 } },
    { "meta=roi roi=1,2,30,40 inference-region=roi-list", { 0, 41 } },
    { "meta=roi inference-region=roi-list", { 41, -1 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = fake_detector_finding (cases[i].properties);
    GstBuffer *in = rig_frame (h, 0);
    g_autoptr (GstBuffer) out = NULL;
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    GstVideoRegionOfInterestMeta *zone =
        gst_buffer_add_video_region_of_interest_meta (in, "zone", 5, 6, 7, 8);

    zone->id = 41;
    zone->parent_id = 77;
    out = gst_harness_push_and_pull (h, in);
    for (int k = 0; k < 2; k++) {
      const GstVideoRegionOfInterestMeta *roi =
          gst_buffer_get_video_region_of_interest_meta_id (out, 42 + k);

      g_assert_cmpint (roi ? roi->parent_id : -1, ==, cases[i].parents[k]);
    }
    gst_defcn_meta_read (out, objects, 160, 120);
    for (guint k = 0; k < objects->len; k++) {
      const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, k);

      g_assert_cmpstr (g_quark_to_string (o->parent), ==,
          o->parent_id ? "zone" : NULL);
    }
    gst_harness_teardown (h);
  }
}

/* One object in two regions is reported once, and again when told so. */
static void
test_merge (void)
{
  GstHarness *h = fake_detector_finding ("roi=0,0,150,110;10,10,150,110");
  g_autoptr (GstElement) element = rig_element (h);

  for (int merge = 1; merge >= 0; merge--) {
    g_autoptr (GstBuffer) out = NULL;

    g_object_set (element, "merge-regions", merge, NULL);
    out = fake_detector_pass (h, 0);
    g_assert_cmpuint (rig_count_objects (out), ==, merge ? 1 : 2);
  }
  gst_harness_teardown (h);
}

/* A frame is looked at in 64 regions and no more, whoever may have attached
 * them, and one warning says so. */
static void
test_many_regions (void)
{
  GstHarness *h =
      fake_detector_finding ("inference-region=roi-list roi=1,2,3,4");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  g_autofree char *list = g_strnfill (8 * GST_DEFCN_MAX_REGIONS, ' ');
  guint warnings = 0;

  for (guint i = 0; i < 3; i++) {
    GstBuffer *in = rig_frame (h, i);
    const guint before = fake_detector_n_runs ();

    for (guint k = 1; k < GST_DEFCN_MAX_REGIONS + (i ? 20000 : 0); k++)
      gst_buffer_add_video_region_of_interest_meta (in, "zone", k % 100, 1, 2,
          3);
    gst_buffer_unref (gst_harness_push_and_pull (h, in));
    g_assert_cmpuint (fake_detector_n_runs () - before, ==,
        GST_DEFCN_MAX_REGIONS);
    for (;;) {
      g_autoptr (GstMessage) message =
          gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);

      if (!message)
        break;
      warnings++;
    }
    g_assert_cmpuint (warnings, ==, i > 0);
  }
  for (guint i = 0; i < GST_DEFCN_MAX_REGIONS; i++)
    memcpy (list + 8 * i, "1,2,3,4;", 8);
  g_object_set (element, "roi", list, NULL);
  g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING));
  list[8 * GST_DEFCN_MAX_REGIONS - 1] = 0;
  {
    g_autofree char *more = g_strconcat (list, ";1,2,3,4", NULL);
    g_autoptr (GstMessage) message = NULL;

    g_object_set (element, "roi", more, NULL);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
    g_assert_nonnull (message);
  }
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

static void
push_tag (GstHarness *h, const char *orientation, GstTagScope scope)
{
  GstTagList *tags =
      gst_tag_list_new (orientation ? GST_TAG_IMAGE_ORIENTATION : GST_TAG_TITLE,
          orientation ? orientation : "rotate-90", NULL);

  gst_tag_list_set_scope (tags, scope);
  gst_harness_push_event (h, gst_event_new_tag (tags));
}

/* The detector is told which way up a frame is: by the tag of the stream, else
 * by that of its container; where an element before has turned the frames, or
 * nobody asked for it, they are as they come. */
static void
test_orientation (void)
{
  static const struct
  {
    const char *launch, *stream, *global;
    DefcnOrientation wanted;
  } cases[] = {
    { "defcndetect", NULL, NULL, DEFCN_ORIENTATION_UPRIGHT },
    { "defcndetect", "rotate-0", NULL, DEFCN_ORIENTATION_UPRIGHT },
    { "defcndetect", "rotate-90", NULL, DEFCN_ORIENTATION_RIGHT },
    { "defcndetect", "rotate-180", NULL, DEFCN_ORIENTATION_HALF },
    { "defcndetect", "rotate-270", NULL, DEFCN_ORIENTATION_LEFT },
    { "defcndetect", "flip-rotate-0", NULL, DEFCN_ORIENTATION_MIRROR },
    { "defcndetect", "flip-rotate-90", NULL, DEFCN_ORIENTATION_ANTI_TRANSPOSE },
    { "defcndetect", "flip-rotate-180", NULL, DEFCN_ORIENTATION_FLIP },
    { "defcndetect", "flip-rotate-270", NULL, DEFCN_ORIENTATION_TRANSPOSE },
    { "defcndetect", "sideways", NULL, DEFCN_ORIENTATION_UPRIGHT },
    { "defcndetect", NULL, "rotate-90", DEFCN_ORIENTATION_RIGHT },
    { "defcndetect", "rotate-180", "rotate-90", DEFCN_ORIENTATION_HALF },
    { "defcndetect", "rotate-0", "rotate-90", DEFCN_ORIENTATION_UPRIGHT },
    { "defcndetect orientation=none", "rotate-90", "rotate-90",
        DEFCN_ORIENTATION_UPRIGHT },
    { "videoflip video-direction=auto ! defcndetect", "rotate-90", NULL,
        DEFCN_ORIENTATION_UPRIGHT },
    { "videoflip video-direction=90r ! defcndetect", "rotate-90", NULL,
        DEFCN_ORIENTATION_UPRIGHT },
    { "videoflip video-direction=identity ! defcndetect", "rotate-90", NULL,
        DEFCN_ORIENTATION_RIGHT },
    { "videoflip video-direction=auto ! identity ! queue ! identity ! "
      "defcndetect",
        "rotate-90", NULL, DEFCN_ORIENTATION_UPRIGHT },
    { "identity ! queue ! identity ! defcndetect", "rotate-90", NULL,
        DEFCN_ORIENTATION_RIGHT },
    { "bin.( identity ! bin.( videoflip video-direction=auto ! identity ) ) ! "
      "defcndetect",
        "rotate-90", NULL, DEFCN_ORIENTATION_UPRIGHT },
    { "defcndetect ! videoflip video-direction=auto", "rotate-90", NULL,
        DEFCN_ORIENTATION_RIGHT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h;
    g_autofree char *launch = NULL;
    g_autoptr (GRegex) name = g_regex_new ("defcndetect", 0, 0, NULL);

    g_test_message ("case %u: %s", i, cases[i].launch);
    fake_detector_reset ();
    launch = g_regex_replace_literal (name, cases[i].launch, -1, 0,
        "defcndetect model=any", 0, NULL);
    h = gst_harness_new_parse (launch);
    gst_harness_set_src_caps_str (h, FAKE_DETECTOR_CAPS);
    push_tag (h, cases[i].stream, GST_TAG_SCOPE_STREAM);
    push_tag (h, cases[i].global, GST_TAG_SCOPE_GLOBAL);
    push_tag (h, NULL, GST_TAG_SCOPE_STREAM);
    gst_buffer_unref (gst_harness_push_and_pull (h, rig_frame (h, 0)));
    g_assert_cmpint (fake_detector_image (0).orientation, ==, cases[i].wanted);
    gst_harness_teardown (h);
  }
}

/* Another stream has its own tags, or none. */
static void
test_orientation_of_stream (void)
{
  GstHarness *h = fake_detector_finding ("");

  push_tag (h, "rotate-90", GST_TAG_SCOPE_STREAM);
  gst_buffer_unref (fake_detector_pass (h, 0));
  gst_harness_push_event (h, gst_event_new_stream_start ("another"));
  rig_push_segment (h);
  gst_buffer_unref (fake_detector_pass (h, 1));
  g_assert_cmpint (fake_detector_image (0).orientation, ==,
      DEFCN_ORIENTATION_RIGHT);
  g_assert_cmpint (fake_detector_image (1).orientation, ==,
      DEFCN_ORIENTATION_UPRIGHT);
  gst_harness_teardown (h);
}

/* The detector is told how wide pixels are, unless nothing can be. */
static void
test_pixel_aspect (void)
{
  static const struct
  {
    int n, d, wanted_n, wanted_d;
  } cases[] = { { 1, 1, 1, 1 }, { 16, 15, 16, 15 }, { 1, 2, 1, 2 },
    { 63, 1, 63, 1 }, { G_MAXINT, 1, 0, 0 }, { 1, G_MAXINT, 0, 0 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *caps =
        g_strdup_printf (FAKE_DETECTOR_CAPS ",pixel-aspect-ratio=%d/%d",
            cases[i].n, cases[i].d);
    GstHarness *h;

    fake_detector_reset ();
    h = fake_detector_harness ("", caps);
    gst_buffer_unref (fake_detector_pass (h, 0));
    g_assert_cmpint (fake_detector_image (0).par_n, ==, cases[i].wanted_n);
    g_assert_cmpint (fake_detector_image (0).par_d, ==, cases[i].wanted_d);
    gst_harness_teardown (h);
  }
}

/* What is set up reaches the detector. */
static void
test_options (void)
{
  static const char *const precisions[] = { "auto", "fp32", "fp16", "bf16" };

  fake_detector_reset ();
  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++) {
    const gboolean on = i % 2;
    g_autofree char *properties =
        g_strdup_printf ("device=some:%u precision=%s threads=%u exact=%s "
                         "autotune=%s",
            i, precisions[i], 5 + i, on ? "true" : "false",
            on ? "false" : "true");
    GstHarness *h = fake_detector_harness (properties, FAKE_DETECTOR_CAPS);
    const DefcnDetectorOptions options = fake_detector_options ();
    g_autofree char *device = g_strdup_printf ("some:%u", i);

    g_assert_cmpstr (options.device, ==, device);
    g_assert_cmpstr (options.precision, ==, precisions[i]);
    g_assert_cmpint (options.threads, ==, 5 + i);
    g_assert_cmpint (options.exact, ==, on);
    g_assert_cmpint (options.autotune, ==, !on);
    gst_harness_teardown (h);
  }
}

/* An element that is on no harness, with a bus. */
static GstElement *
element_new (GstBus **bus, const char *property, const char *value)
{
  GstElement *element = gst_element_factory_make ("defcndetect", NULL);

  gst_object_ref_sink (element);
  *bus = gst_bus_new ();
  gst_element_set_bus (element, *bus);
  g_object_set (element, "model", "/dev/null", "device", "cpu", NULL);
  if (property)
    gst_util_set_object_arg (G_OBJECT (element), property, value);
  return element;
}

static void
element_free (GstElement *element)
{
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
}

/* Each kind of failure to start has its own code, and nothing stays open. */
static void
test_cannot_start (void)
{
  static const struct
  {
    int core; /* -1: the model opens */
    const char *property, *value;
    int code;
  } cases[] = {
    { DEFCN_ERROR_BACKEND, NULL, NULL, GST_RESOURCE_ERROR_SETTINGS },
    { DEFCN_ERROR_VALUE, NULL, NULL, GST_RESOURCE_ERROR_SETTINGS },
    { DEFCN_ERROR_FORMAT, NULL, NULL, GST_RESOURCE_ERROR_OPEN_READ },
    { DEFCN_ERROR_MODEL, NULL, NULL, GST_RESOURCE_ERROR_OPEN_READ },
    { DEFCN_ERROR_MODEL, "model", "/nowhere", GST_RESOURCE_ERROR_NOT_FOUND },
    { -1, "labels", "a,b", GST_RESOURCE_ERROR_SETTINGS },
    { -1, "classes", "cat", GST_RESOURCE_ERROR_SETTINGS },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBus) bus = NULL;
    GstElement *element = element_new (&bus, cases[i].property, cases[i].value);
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *device = NULL;

    fake_detector_reset ();
    fake_detector_set_open_error (cases[i].core);
    g_test_message ("case %u", i);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
        GST_STATE_CHANGE_FAILURE);
    message = rig_message (bus, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    g_assert_error (error, GST_RESOURCE_ERROR, cases[i].code);
    g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR));
    g_assert_cmpint (fake_detector_n_open (), ==, 0);
    g_object_get (element, "active-device", &device, NULL);
    g_assert_null (device);
    element_free (element);
  }
}

static void
count (GObject *object, GParamSpec *pspec, gpointer data)
{
  ++*(guint *) data;
}

/* The start tells what runs, why not CUDA where there may be a GPU, of a broken
 * file of autotune, and of active-device. */
static void
test_announcements (void)
{
  static const struct
  {
    const char *device, *over, *tuning;
  } cases[] = {
    { "auto", "there is no GPU", NULL },
    { "auto", NULL, "it is torn" },
    { "cpu", "there is no GPU", "it is torn" },
    { "cpu", NULL, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBus) bus = NULL;
    GstElement *element = element_new (&bus, "device", cases[i].device);
    g_autoptr (GstMessage) info = NULL, warning = NULL;
    guint notified = 0;

    g_test_message ("case %u", i);
    if (i < 2)
      g_setenv ("DEFCN_MODULES", "/nowhere", TRUE);
    else
      g_unsetenv ("DEFCN_MODULES");
    fake_detector_reset ();
    fake_detector_set_problems (cases[i].over, cases[i].tuning);
    g_signal_connect (element, "notify::active-device", G_CALLBACK (count),
        &notified);
    gst_element_set_state (element, GST_STATE_PAUSED);
    g_assert_cmpuint (notified, ==, 1);
    info = gst_bus_pop_filtered (bus, GST_MESSAGE_INFO);
    g_assert_nonnull (info);
    {
      g_autofree char *debug = NULL;
      g_autoptr (GError) text = NULL;
      const gboolean told = g_getenv ("DEFCN_MODULES") && cases[i].over;

      gst_message_parse_info (info, &text, &debug);
      g_assert_nonnull (strstr (text->message, "fake, 1 thread, fp32"));
      g_assert_nonnull (strstr (debug, "fake, 1 thread, fp32"));
      if (told)
        g_assert_nonnull (strstr (debug, cases[i].over));
      else if (!g_file_test ("/dev/nvidiactl", G_FILE_TEST_EXISTS))
        g_assert_null (strstr (debug, "GPU"));
    }
    gst_bus_set_flushing (bus, TRUE);
    gst_bus_set_flushing (bus, FALSE);
    element_free (element);
    g_clear_object (&bus);

    element = element_new (&bus, "device", cases[i].device);
    gst_element_set_state (element, GST_STATE_PAUSED);
    warning = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
    g_assert_cmpint (warning != NULL, ==, cases[i].tuning != NULL);
    if (warning) {
      g_autofree char *debug = NULL;

      gst_message_parse_warning (warning, NULL, &debug);
      g_assert_nonnull (strstr (debug, cases[i].tuning));
    }
    element_free (element);
  }
}

/* Properties that a start reads are refused while the element runs, with a
 * warning that names them, unless they stay what they are; the old value is
 * what one reads back.  The others hold from the next frame on, those from the
 * next start. */
static void
test_setup_waits (void)
{
  static const struct
  {
    const char *name, *other;
  } cases[] = {
    { "labels", "a,b,c" },
    { "labels-file", "nowhere" },
    { "inference-region", "roi-list" },
    { "object-class", "zone" },
    { "orientation", "none" },
    { "model-instance-id", "x" },
    { "batch-size", "2" },
    { "workers", "2" },
    { "nireq", "2" },
    { "exact", "true" },
    { "autotune", "true" },
    { "max-edge", "4096" },
    { "meta", "custom" },
  };
  GstHarness *h = fake_detector_finding ("meta=roi");
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  GObjectClass *klass = G_OBJECT_GET_CLASS (element);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GParamSpec *spec = g_object_class_find_property (klass, cases[i].name);

    for (int k = 0; k < 2; k++) {
      GValue value = G_VALUE_INIT, before = G_VALUE_INIT, after = G_VALUE_INIT;
      g_autoptr (GstMessage) message = NULL;
      g_autoptr (GError) error = NULL;

      g_test_message ("%s, %d", cases[i].name, k);
      g_value_init (&value, spec->value_type);
      g_value_init (&before, spec->value_type);
      g_value_init (&after, spec->value_type);
      g_object_get_property (G_OBJECT (element), cases[i].name, &before);
      if (k)
        g_assert_true (gst_value_deserialize (&value, cases[i].other));
      else
        g_value_copy (&before, &value);
      g_object_set_property (G_OBJECT (element), cases[i].name, &value);
      g_object_get_property (G_OBJECT (element), cases[i].name, &after);
      g_assert_cmpint (g_param_values_cmp (spec, &before, &after), ==, 0);
      message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
      g_assert_cmpint (message != NULL, ==, k);
      if (message) {
        gst_message_parse_warning (message, &error, NULL);
        g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
        g_assert_nonnull (strstr (error->message, cases[i].name));
      }
      g_value_unset (&value);
      g_value_unset (&before);
      g_value_unset (&after);
    }
  }
  g_object_set (element, "threshold", 0.625f, "max-detections", 7, NULL);
  for (int turn = 0; turn < 2; turn++) {
    GstBuffer *in = rig_frame (h, 0);
    g_autoptr (GstBuffer) out = NULL;

    gst_buffer_add_video_region_of_interest_meta (in, "zone", 1, 2, 3, 4)->id =
        99;
    out = gst_harness_push_and_pull (h, in);
    g_assert_cmpint (fake_detector_region (turn).w, ==,
        turn ? 3 : FAKE_DETECTOR_WIDTH);
    g_assert_cmpfloat (fake_detector_threshold (), ==, 0.625f);
    g_assert_cmpint (fake_detector_max_detections (), ==, 7);
    g_assert_cmpint (gst_buffer_get_video_region_of_interest_meta_id (out, 100)
            != NULL,
        ==, !turn);
    g_assert_cmpuint (rig_count_objects (out), ==, 1);
    gst_element_set_state (element, GST_STATE_READY);
    gst_util_set_object_arg (G_OBJECT (element), "meta", "custom");
    gst_util_set_object_arg (G_OBJECT (element), "inference-region",
        "roi-list");
    fake_detector_restart (h);
  }
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

static void
assert_limits (GstElement *element, float threshold, guint max_detections)
{
  float found_threshold;
  guint found_max;

  g_object_get (element, "threshold", &found_threshold, "max-detections",
      &found_max, NULL);
  g_assert_cmpfloat (found_threshold, ==, threshold);
  g_assert_cmpuint (found_max, ==, max_detections);
}

/* Threshold and most detections are the model's until they are set, each by
 * itself, which is what one reads back too. */
static void
test_limits (void)
{
  for (int i = 0; i < 4; i++) {
    const float threshold = i & 1 ? 0.625f : 0.3f;
    const guint most = i & 2 ? 7 : 50;
    GstHarness *h = fake_detector_finding ("");
    g_autoptr (GstElement) element = rig_element (h);

    assert_limits (element, 0.3f, 50);
    if (i & 1)
      g_object_set (element, "threshold", 0.625f, NULL);
    if (i & 2)
      g_object_set (element, "max-detections", 7, NULL);
    assert_limits (element, threshold, most);
    gst_buffer_unref (fake_detector_pass (h, 0));
    g_assert_cmpfloat (fake_detector_threshold (), ==, threshold);
    g_assert_cmpint (fake_detector_max_detections (), ==, most);
    gst_element_set_state (element, GST_STATE_NULL);
    assert_limits (element, i & 1 ? 0.625f : -1, i & 2 ? 7 : 100);
    gst_harness_teardown (h);
  }
}

/* The local duplicate filter is the model's unless it is set, off being a
 * value, at once. */
static void
test_duplicate_filter (void)
{
  static const struct
  {
    float set, wanted;
  } cases[] = { { 0.5f, 0.5f }, { 0, 0 }, { -1, 0.75f }, { 1, 1 },
    { -0.5f, 0.75f } };
  GstHarness *h = fake_detector_finding ("");
  g_autoptr (GstElement) element = rig_element (h);

  gst_buffer_unref (fake_detector_pass (h, 0));
  g_assert_cmpfloat (fake_detector_duplicate_filter (), ==, 0.75f);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_object_set (element, "duplicate-filter", cases[i].set, NULL);
    gst_buffer_unref (fake_detector_pass (h, i + 1));
    g_assert_cmpfloat (fake_detector_duplicate_filter (), ==, cases[i].wanted);
  }
  gst_harness_teardown (h);
}

/* What the pads take: every format, and the sizes at the ends of what the core
 * does, no more. */
static void
test_template (void)
{
  static const struct
  {
    int width, height;
    gboolean taken;
  } cases[] = { { 16, 16, TRUE }, { 15, 16, FALSE }, { 16, 15, FALSE },
    { 8192, 8192, TRUE }, { 8193, 8192, FALSE }, { 8192, 8193, FALSE } };
  static const char *const formats[] = { "NV12", "I420", "YUY2", "RGB", "BGR",
    "RGBA", "RGBx", "BGRA", "BGRx", "GRAY8", NULL };
  static const char *const others[] = { "GRAY16_LE", "NV21", "YV12", "ARGB",
    "v210", "NV12_64Z32", "RGB8P", "AYUV64" };
  g_autoptr (GstElement) element =
      gst_element_factory_make ("defcndetect", NULL);

  for (int src = 0; src < 2; src++) {
    g_autoptr (GstPad) pad =
        gst_element_get_static_pad (element, src ? "src" : "sink");
    g_autoptr (GstCaps) all = gst_pad_get_pad_template_caps (pad);

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
      g_autoptr (GstCaps) caps =
          gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "RGB",
              "width", G_TYPE_INT, cases[i].width, "height", G_TYPE_INT,
              cases[i].height, "framerate", GST_TYPE_FRACTION, 25, 1, NULL);

      g_assert_cmpint (gst_caps_is_subset (caps, all), ==, cases[i].taken);
    }
    for (guint i = 0; i < 10 + G_N_ELEMENTS (others); i++) {
      g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format",
          G_TYPE_STRING, i < 10 ? formats[i] : others[i - 10], "width",
          G_TYPE_INT, 64, "height", G_TYPE_INT, 64, "framerate",
          GST_TYPE_FRACTION, 25, 1, NULL);

      g_assert_true (gst_caps_is_subset (caps, all));
    }
  }
}

/* What downstream says to an allocation query. */
typedef struct
{
  gboolean metas, pool;
  guint max;
} Downstream;

static GstPadProbeReturn
answer (GstPad *pad, GstPadProbeInfo *probe, gpointer data)
{
  const Downstream *d = data;
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (probe);

  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  if (d->metas) {
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
    gst_query_add_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, NULL);
  }
  if (d->pool) {
    g_autoptr (GstBufferPool) pool = gst_buffer_pool_new ();

    gst_query_add_allocation_pool (query, pool, 70000, 3, d->max);
  }
  return GST_PAD_PROBE_HANDLED;
}

/* Upstream hears what downstream takes and no more, and that one frame may be
 * kept while the network has it. */
static void
test_allocation (void)
{
  static const struct
  {
    Downstream downstream;
    guint size, min, max;
  } cases[] = {
    { { FALSE, FALSE, 0 }, FAKE_DETECTOR_WIDTH * FAKE_DETECTOR_HEIGHT * 3, 2,
        0 },
    { { TRUE, FALSE, 0 }, FAKE_DETECTOR_WIDTH * FAKE_DETECTOR_HEIGHT * 3, 2,
        0 },
    { { FALSE, TRUE, 0 }, 70000, 4, 0 },
    { { TRUE, TRUE, 9 }, 70000, 4, 9 },
    { { TRUE, TRUE, 3 }, 70000, 3, 3 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Downstream *d = &cases[i].downstream;
    GstHarness *h = fake_detector_finding ("");
    g_autoptr (GstElement) element = rig_element (h);
    g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
    g_autoptr (GstCaps) caps = gst_caps_from_string (FAKE_DETECTOR_CAPS);
    g_autoptr (GstQuery) query = gst_query_new_allocation (caps, TRUE);
    guint size, min, max;

    g_test_message ("case %u", i);
    gst_pad_add_probe (h->sinkpad,
        GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH, answer,
        (gpointer) d, NULL);
    gst_buffer_unref (fake_detector_pass (h, 0));
    for (int turn = 0; turn < 2; turn++) {
      g_assert_true (gst_pad_query (sink, query));
      g_assert_cmpint (gst_query_find_allocation_meta (query,
                           GST_VIDEO_META_API_TYPE, NULL),
          ==, d->metas);
      g_assert_cmpint (gst_query_find_allocation_meta (query,
                           GST_VIDEO_CROP_META_API_TYPE, NULL),
          ==, d->metas);
      g_assert_cmpuint (gst_query_get_n_allocation_pools (query), ==, 1);
      gst_query_parse_nth_allocation_pool (query, 0, NULL, &size, &min, &max);
      g_assert_cmpuint (size, ==, cases[i].size);
      g_assert_cmpuint (min, ==, cases[i].min);
      g_assert_cmpuint (max, ==, cases[i].max);
      gst_query_unref (query);
      query = gst_query_new_allocation (caps, TRUE);
    }
    gst_harness_teardown (h);
  }
}

static void
start_and_stop (void)
{
  GstHarness *h = fake_detector_harness ("labels=a,b,c classes=c roi=1,2,30,40 "
                                         "message=true stats-interval=1",
      FAKE_DETECTOR_CAPS);
  g_autoptr (GstElement) element = rig_element (h);

  for (guint i = 0; i < 3; i++) {
    gst_buffer_unref (fake_detector_pass (h, i));
    g_object_set (element, "no-block", i == 1, "classes", i ? "a" : "nothing",
        NULL);
  }
  gst_harness_teardown (h);
}

static void
fail_to_start (void)
{
  g_autoptr (GstBus) bus = NULL;
  GstElement *element = element_new (&bus, "labels", "a,b,c");

  g_object_set (element, "classes", "person", NULL); /* which is "a" now */
  gst_element_set_state (element, GST_STATE_PAUSED);
  element_free (element);
}

static void
fail_to_run (void)
{
  GstHarness *h = fake_detector_harness ("", FAKE_DETECTOR_CAPS);

  gst_harness_push (h, rig_frame (h, 0));
  gst_harness_push (h, gst_buffer_new ());
  gst_harness_teardown (h);
}

static void
set_and_free (void)
{
  static const char *const names[] = { "model", "device", "labels",
    "labels-file", "object-class", "class-thresholds", "classes", "roi" };
  GstElement *element = gst_element_factory_make ("defcndetect", NULL);

  gst_object_ref_sink (element);
  for (int turn = 0; turn < 2; turn++)
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
      g_object_set (element, names[i], turn ? "a" : "something", NULL);
  gst_element_set_state (element, GST_STATE_PAUSED); /* which fails */
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
}

/* An element leaves no memory behind, be it after its work, after a start that
 * failed or after an error. */
static void
test_steady (void)
{
  fake_detector_reset ();
  fake_detector_add_run (&fake_detector_box, 1, fake_detector_times);
  rig_assert_steady (start_and_stop);
  rig_assert_steady (set_and_free);
  rig_assert_steady (fail_to_start);
  fake_detector_set_failing (TRUE);
  rig_assert_steady (fail_to_run);
}

int
main (int argc, char **argv)
{
  fake_detector_init (&argc, &argv);
  g_test_add_func ("/setup/sides", test_sides);
  g_test_add_func ("/setup/regions", test_regions);
  g_test_add_func ("/setup/roi-metas", test_roi_metas);
  g_test_add_func ("/setup/roi-metas-beyond", test_roi_metas_beyond);
  g_test_add_func ("/setup/parents", test_parents);
  g_test_add_func ("/setup/merge", test_merge);
  g_test_add_func ("/setup/many-regions", test_many_regions);
  g_test_add_func ("/setup/orientation", test_orientation);
  g_test_add_func ("/setup/orientation/stream", test_orientation_of_stream);
  g_test_add_func ("/setup/pixel-aspect", test_pixel_aspect);
  g_test_add_func ("/setup/options", test_options);
  g_test_add_func ("/setup/cannot-start", test_cannot_start);
  g_test_add_func ("/setup/announcements", test_announcements);
  g_test_add_func ("/setup/setup-waits", test_setup_waits);
  g_test_add_func ("/setup/limits", test_limits);
  g_test_add_func ("/setup/duplicate-filter", test_duplicate_filter);
  g_test_add_func ("/setup/template", test_template);
  g_test_add_func ("/setup/allocation", test_allocation);
  g_test_add_func ("/setup/steady", test_steady);
  return rig_run ();
}
