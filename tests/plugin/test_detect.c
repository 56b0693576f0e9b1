/* What defcndetect finds is what the core finds, box for box. */
#include "rig.h"
#include "testing.h"

static const char *formats[] = { "NV12", "I420", "YUY2", "RGB", "BGR", "RGBA",
  "BGRA", "RGBx", "BGRx", "GRAY8", "NV21", "UYVY", "Y42B", "Y444", "P010_10LE",
  "I420_10LE", "ARGB", "xRGB", "ABGR", "xBGR" };

static void
info_of (GstVideoInfo *info, const char *caps_string)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_string);

  g_assert_true (gst_video_info_from_caps (info, caps));
}

/* One frame of @caps through the element: same boxes as the core's, and they
 * are not none. */
static void
check_caps (const char *caps, gboolean find)
{
  GstHarness *h = rig_harness ("", caps);
  GstVideoInfo info;
  g_autoptr (GstBuffer) in = rig_frame (h, 1);
  g_autoptr (GstBuffer) out = NULL;
  g_autoptr (GArray) boxes = NULL;
  GstDefcnMark mark;

  info_of (&info, caps);
  boxes = rig_boxes (in, &info, NULL);
  if (find)
    g_assert_cmpuint (boxes->len, >, 0);
  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  g_assert_nonnull (out);
  rig_assert_boxes (out, boxes, &info);
  mark = rig_mark (out);
  g_assert_true (mark.inferred);
  g_assert_cmpstr (mark.reason, ==, "");
  g_assert_false (mark.repeated);
  g_assert_cmpuint (mark.timestamp, ==, GST_BUFFER_PTS (in));
  g_assert_cmpuint (strlen (mark.model), ==, 64);
  gst_harness_teardown (h);
}

/* Every format gives the core's boxes to the last bit. */
static void
test_formats (gconstpointer data)
{
  g_autofree char *caps =
      g_strdup_printf ("video/"
                       "x-raw,format=%s,width=160,height=120,framerate=25/1",
          (const char *) data);

  check_caps (caps, TRUE);
}

/* So does every colorimetry: the element reads matrix and range from the
 * caps, and they matter. */
static void
test_colorimetry (void)
{
  static const char *colorimetries[] = { "bt601", "bt709", "bt2020", "2:4:7:1",
    "1:4:7:1", "1:3:5:1", "1:6:0:0" };
  const char *fmts[] = { "NV12", "I420", "YUY2" };

  for (guint f = 0; f < G_N_ELEMENTS (fmts); f++)
    for (guint i = 0; i < G_N_ELEMENTS (colorimetries); i++) {
      g_autofree char *caps = g_strdup_printf ("video/x-raw,format=%s,"
                                               "width=128,height=96,framerate="
                                               "25/1,colorimetry=(string)%s",
          fmts[f], colorimetries[i]);

      check_caps (caps, FALSE);
    }
}

/* Matrix and range do change the result, or the test above proves nothing. */
static void
test_colorimetry_matters (void)
{
  const char *colorimetries[] = { "bt601", "bt709", "1:4:7:1" };
  float scores[3];

  for (int i = 0; i < 3; i++) {
    g_autofree char *caps = g_strdup_printf ("video/x-raw,format=NV12,"
                                             "width=128,height=96,framerate=25/"
                                             "1,colorimetry=(string)%s",
        colorimetries[i]);
    g_autoptr (GstBuffer) frame = NULL;
    g_autoptr (GArray) boxes = NULL;
    GstVideoInfo info;

    info_of (&info, caps);
    frame = rig_frame_of (&info, 1);
    boxes = rig_boxes (frame, &info, NULL);
    g_assert_cmpuint (boxes->len, >, 0);
    scores[i] = g_array_index (boxes, DefcnBox, 0).score;
  }
  g_assert_true (scores[0] != scores[1]);
  g_assert_true (scores[0] != scores[2]);
}

/* Blocks of all brightnesses and a little colour: where two pixels share chroma
 * the converter blends what the core does not. */
static GstBuffer *
pale_frame (const GstVideoInfo *rgb)
{
  GstBuffer *buffer = rig_frame_of (rgb, 1);
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READWRITE));
  for (gsize i = 0; i < map.size; i += 4)
    for (int c = 1; c < 3; c++)
      map.data[i + c] = (15 * map.data[i] + map.data[i + c]) / 16;
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

static double
iou (const GstDefcnObject *a, const GstDefcnObject *b)
{
  const double w = MIN (a->x_max, b->x_max) - MAX (a->x_min, b->x_min);
  const double h = MIN (a->y_max, b->y_max) - MAX (a->y_min, b->y_min);
  const double both = MAX (w, 0) * MAX (h, 0);

  return both
      / ((a->x_max - a->x_min) * (a->y_max - a->y_min)
          + (b->x_max - b->x_min) * (b->y_max - b->y_min) - both);
}

static GArray *
find_objects (GstHarness *h, const GstVideoInfo *info, GstBuffer *buffer)
{
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autoptr (GstBuffer) out = NULL;

  gst_harness_set_src_caps (h, gst_video_info_to_caps (info));
  out = gst_harness_push_and_pull (h, buffer);
  g_assert_nonnull (out);
  gst_defcn_meta_read (out, objects, 160, 120);
  return objects;
}

/* Frames of whatever format GStreamer can describe have the objects of what
 * GstVideoConverter makes of them. */
static void
test_any_format (void)
{
  guint n;
  const GstVideoFormat *all = gst_video_formats_raw (&n);
  GstHarness *h = rig_harness ("threshold=0.1", NULL);

  for (guint i = 0; i < n; i++) {
    GstVideoInfo info, rgb;
    g_autoptr (GstBuffer) noise = NULL, plain = NULL;
    g_autoptr (GArray) found = NULL, wanted = NULL;
    GstBuffer *buffer;
    guint n_sure = 0;

    if (!gst_video_info_set_format (&info, all[i], 160, 120)
        || !info.finfo->unpack_func)
      continue;
    g_test_message ("%s", info.finfo->name);
    gst_video_info_set_format (&rgb, GST_VIDEO_FORMAT_BGRx, 160, 120);
    noise = pale_frame (&rgb);
    buffer = rig_convert (noise, &rgb, &info);
    plain = rig_convert (buffer, &info, &rgb);
    found = find_objects (h, &info, buffer);
    wanted = find_objects (h, &rgb, g_steal_pointer (&plain));
    for (guint k = 0; k < wanted->len; k++) {
      const GstDefcnObject *w = &g_array_index (wanted, GstDefcnObject, k);
      gboolean there = FALSE;

      for (guint j = 0; j < found->len && !there; j++) {
        const GstDefcnObject *f = &g_array_index (found, GstDefcnObject, j);

        there = f->label_id == w->label_id && iou (f, w) >= 0.9
            && ABS (f->confidence - w->confidence) <= 0.05;
      }
      if (w->confidence < 0.2) /* near the threshold it may be gone */
        continue;
      g_assert_true (there);
      n_sure++;
    }
    g_assert_cmpuint (n_sure, >, 3);
  }
  gst_harness_teardown (h);
}

/* From the smallest frame to the widest, odd sizes too. */
static void
test_sizes (void)
{
  static const int sizes[][2] = { { 16, 16 }, { 17, 19 }, { 161, 121 },
    { 16, 200 }, { 641, 17 }, { 8192, 16 }, { 16, 8192 } };
  const char *fmts[] = { "NV12", "I420", "YUY2", "RGB" };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint f = 0; f < G_N_ELEMENTS (fmts); f++) {
      g_autofree char *caps =
          g_strdup_printf ("video/"
                           "x-raw,format=%s,width=%d,height=%d,framerate=25/1",
              fmts[f], sizes[i][0], sizes[i][1]);

      check_caps (caps, FALSE);
    }
}

/* What the template does not have is refused: what is no picture, sizes beyond
 * the limits, other memory. */
static void
test_caps_refused (void)
{
  static const char *refused[] = {
    "video/x-raw,format=ENCODED,width=160,height=120,framerate=25/1",
    "video/x-raw,format=RGB,width=15,height=120,framerate=25/1",
    "video/x-raw,format=RGB,width=160,height=8193,framerate=25/1",
    "video/x-raw(memory:GLMemory),format=RGBA,width=16,height=16",
    "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved",
  };
  GstHarness *h = rig_harness ("", NULL);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");

  for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (refused[i]);

    g_assert_nonnull (caps);
    g_assert_false (gst_pad_query_accept_caps (sink, caps));
  }
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *text = g_strdup_printf (
        "video/x-raw,format=%s,width=16,height=8192,framerate=0/1", formats[i]);
    g_autoptr (GstCaps) caps = gst_caps_from_string (text);

    g_assert_true (gst_pad_query_accept_caps (sink, caps));
  }
  gst_harness_teardown (h);
}

/* Rows and planes are found through the video meta, not by arithmetic. */
static void
test_strides (void)
{
  const char *caps = "video/x-raw,format=I420,width=161,height=121,"
                     "framerate=25/1";
  GstHarness *h = rig_harness ("", caps);
  GstVideoInfo info, padded;
  GstVideoAlignment align = { .padding_left = 8,
    .padding_right = 50,
    .padding_top = 6,
    .padding_bottom = 10 };
  g_autoptr (GstBuffer) plain = rig_frame (h, 1);
  g_autoptr (GstBuffer) out = NULL;
  g_autoptr (GArray) boxes = NULL;
  GstBuffer *buffer;
  GstVideoFrame from, to;

  info_of (&info, caps);
  info_of (&padded, caps);
  g_assert_true (gst_video_info_align (&padded, &align));
  g_assert_cmpint (GST_VIDEO_INFO_PLANE_STRIDE (&padded, 0), !=,
      GST_VIDEO_INFO_PLANE_STRIDE (&info, 0));
  buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&padded), NULL);
  gst_buffer_memset (buffer, 0, 77, GST_VIDEO_INFO_SIZE (&padded));
  gst_buffer_add_video_meta_full (buffer, 0, GST_VIDEO_FORMAT_I420, 161, 121, 3,
      padded.offset, padded.stride);
  g_assert_true (gst_video_frame_map (&from, &info, plain, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&to, &info, buffer, GST_MAP_WRITE));
  g_assert_true (gst_video_frame_copy (&to, &from));
  gst_video_frame_unmap (&from);
  gst_video_frame_unmap (&to);

  boxes = rig_boxes (plain, &info, NULL);
  g_assert_cmpuint (boxes->len, >, 0);
  out = gst_harness_push_and_pull (h, buffer);
  rig_assert_boxes (out, boxes, &info);
  gst_harness_teardown (h);
}

/* A frame that lies somewhere in a larger one, as decoders and videocrop hand
 * it on, has the boxes that it has alone; the rest of the memory counts for
 * nothing. */
static void
test_crop (void)
{
  static const struct
  {
    const char *format;
    int x, y;
  } cases[] = { { "I420", 0, 0 }, { "I420", 48, 64 }, { "NV12", 2, 8 },
    { "RGB", 7, 3 }, { "GRAY8", 47, 1 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *caps =
        g_strdup_printf ("video/"
                         "x-raw,format=%s,width=160,height=120,framerate=25/1",
            cases[i].format);
    GstHarness *h = rig_harness ("", caps);
    g_autoptr (GstBuffer) plain = rig_frame (h, 1);
    g_autoptr (GstBuffer) out = NULL, cropped = NULL;
    g_autoptr (GArray) wanted = NULL, found = NULL;
    GstVideoInfo info, padded;
    GstVideoCropMeta *crop;
    GstVideoFrame from, to;

    info_of (&info, caps);
    gst_video_info_set_format (&padded, GST_VIDEO_INFO_FORMAT (&info), 240,
        200);
    cropped = gst_buffer_new_allocate (NULL, padded.size, NULL);
    gst_buffer_memset (cropped, 0, 200, padded.size);
    gst_buffer_add_video_meta_full (cropped, 0, GST_VIDEO_INFO_FORMAT (&info),
        240, 200, padded.finfo->n_planes, padded.offset, padded.stride);
    g_assert_true (gst_video_frame_map (&from, &info, plain, GST_MAP_READ));
    g_assert_true (gst_video_frame_map (&to, &padded, cropped, GST_MAP_WRITE));
    for (guint c = 0; c < GST_VIDEO_FRAME_N_PLANES (&to); c++) {
      const GstVideoFormatInfo *format = padded.finfo;
      const int step = GST_VIDEO_FRAME_COMP_PSTRIDE (&to, c);

      for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (&from, c); y++)
        memcpy ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&to, c)
                + (y + (cases[i].y >> GST_VIDEO_FORMAT_INFO_H_SUB (format, c)))
                    * GST_VIDEO_FRAME_PLANE_STRIDE (&to, c)
                + (cases[i].x >> GST_VIDEO_FORMAT_INFO_W_SUB (format, c))
                    * step,
            (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&from, c)
                + y * GST_VIDEO_FRAME_PLANE_STRIDE (&from, c),
            step * GST_VIDEO_FRAME_COMP_WIDTH (&from, c));
    }
    gst_video_frame_unmap (&from);
    gst_video_frame_unmap (&to);
    crop = gst_buffer_add_video_crop_meta (cropped);
    crop->x = cases[i].x;
    crop->y = cases[i].y;
    crop->width = 160;
    crop->height = 120;

    out = gst_harness_push_and_pull (h, g_steal_pointer (&plain));
    wanted = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    gst_defcn_meta_read (out, wanted, 160, 120);
    g_assert_cmpuint (wanted->len, >, 0);
    gst_clear_buffer (&out);
    out = gst_harness_push_and_pull (h, g_steal_pointer (&cropped));
    found = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
    gst_defcn_meta_read (out, found, 160, 120);
    g_assert_cmpuint (found->len, ==, wanted->len);
    for (guint n = 0; n < wanted->len; n++) {
      const GstDefcnObject *a = &g_array_index (found, GstDefcnObject, n);
      const GstDefcnObject *b = &g_array_index (wanted, GstDefcnObject, n);

      g_assert_cmpfloat_with_epsilon (a->x_min, b->x_min, 1e-5);
      g_assert_cmpfloat_with_epsilon (a->y_min, b->y_min, 1e-5);
      g_assert_cmpfloat_with_epsilon (a->x_max, b->x_max, 1e-5);
      g_assert_cmpfloat_with_epsilon (a->y_max, b->y_max, 1e-5);
      g_assert_cmpfloat_with_epsilon (a->confidence, b->confidence, 1e-5);
    }
    gst_harness_teardown (h);
  }
}

#define CAPS "video/x-raw,format=RGB,width=160,height=120,framerate=25/1"

static GstBuffer *
detect (GstHarness *h, guint n)
{
  GstBuffer *out = gst_harness_push_and_pull (h, rig_frame (h, n));

  g_assert_nonnull (out);
  return out;
}

static GArray *
objects_of (GstBuffer *buffer)
{
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  gst_defcn_meta_read (buffer, objects, 160, 120);
  return objects;
}

/* The same frame twice gives the same objects, with any number of frames in
 * between: nothing is left over. */
static void
test_repeatable (void)
{
  GstHarness *h = rig_harness ("", CAPS);
  g_autoptr (GstBuffer) first = detect (h, 3);
  g_autoptr (GArray) a = objects_of (first);

  for (int i = 0; i < 5; i++) {
    g_autoptr (GstBuffer) again = NULL;
    g_autoptr (GArray) b = NULL;

    gst_buffer_unref (detect (h, 10 + i));
    again = detect (h, 3);
    b = objects_of (again);
    rig_assert_same (a, b);
  }
  gst_harness_teardown (h);
}

/* Two elements in one process do not know of each other. */
static void
test_two_elements (void)
{
  GstHarness *a = rig_harness ("", CAPS);
  GstHarness *b = rig_harness ("threshold=0.5", CAPS);
  GstHarness *alone = rig_harness ("threshold=0.5", CAPS);

  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) x = detect (a, i);
    g_autoptr (GstBuffer) y = detect (b, i);
    g_autoptr (GstBuffer) z = detect (alone, i);

    g_assert_cmpuint (rig_count_objects (y), ==, rig_count_objects (z));
    g_assert_cmpuint (rig_count_objects (x), >, rig_count_objects (y));
  }
  gst_harness_teardown (a);
  gst_harness_teardown (b);
  gst_harness_teardown (alone);
}

/* Two in a row: the second adds to what the first attached. */
static void
test_two_in_a_row (void)
{
  GstHarness *single = rig_harness ("", CAPS);
  g_autofree char *launch =
      g_strdup_printf ("defcndetect model=%s device=%s threads=1 ! "
                       "defcndetect model=%s device=%s threads=1 "
                       "meta=roi+custom",
          rig_model (), testing_backend (), rig_model (), testing_backend ());
  GstHarness *h = gst_harness_new_parse (launch);
  g_autoptr (GstBuffer) one = detect (single, 1);
  g_autoptr (GstBuffer) two = NULL;
  gpointer state = NULL;
  guint n = 0;

  gst_harness_set_src_caps_str (h, CAPS);
  two = detect (h, 1);
  while (gst_buffer_iterate_meta_filtered (two, &state,
      GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))
    n++;
  g_assert_cmpuint (n, ==, 2 * rig_count_objects (one));
  gst_harness_teardown (single);
  gst_harness_teardown (h);
}

/* `threshold` cuts, at once and in mid-stream; until it is set the model
 * file's working one holds. */
static void
test_threshold (void)
{
  GstHarness *h = rig_harness ("", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBuffer) all = detect (h, 1);
  g_autoptr (GArray) objects = objects_of (all);
  float threshold;
  guint max;

  g_object_get (element, "threshold", &threshold, "max-detections", &max, NULL);
  g_assert_true (threshold == 0.3f);
  g_assert_cmpuint (max, ==, 50);
  for (guint i = 0; i < objects->len; i++)
    g_assert_cmpfloat (g_array_index (objects, GstDefcnObject, i).confidence, >,
        0.3f);

  for (float t = 0.3f; t < 1; t += 0.1f) {
    g_autoptr (GstBuffer) out = NULL;
    guint wanted = 0;

    g_object_set (element, "threshold", t, NULL);
    out = detect (h, 1);
    for (guint i = 0; i < objects->len; i++)
      wanted += g_array_index (objects, GstDefcnObject, i).confidence > t;
    g_assert_cmpuint (rig_count_objects (out), ==, wanted);
  }
  gst_harness_teardown (h);
}

/* `classes`, `class-thresholds` and `max-detections` change live, and the
 * best of the wanted classes remain. */
static void
test_class_filters (void)
{
  GstHarness *h = rig_harness ("", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBuffer) all = detect (h, 1);
  g_autoptr (GArray) objects = objects_of (all);
  guint wanted[3] = { 0 };
  static const char *labels[] = { "person", "car", "dog" };
  float low[] = { 0.3f, 0.45f, 1.0f };

  for (int c = 0; c < 3; c++) {
    g_autoptr (GstBuffer) out = NULL;
    g_autoptr (GArray) kept = NULL;
    guint n = 0;

    g_object_set (element, "classes", labels[c], NULL);
    out = detect (h, 1);
    kept = objects_of (out);
    for (guint i = 0; i < kept->len; i++)
      g_assert_cmpstr (g_quark_to_string (
                           g_array_index (kept, GstDefcnObject, i).label),
          ==, labels[c]);
    for (guint i = 0; i < objects->len; i++)
      n += g_array_index (objects, GstDefcnObject, i).label_id == c;
    g_assert_cmpuint (kept->len, >=, n);
  }

  g_object_set (element, "classes", NULL, "class-thresholds", "car=0.45, dog=1",
      NULL);
  {
    g_autoptr (GstBuffer) out = detect (h, 1);
    g_autoptr (GArray) kept = objects_of (out);

    for (guint i = 0; i < kept->len; i++) {
      const GstDefcnObject *o = &g_array_index (kept, GstDefcnObject, i);

      g_assert_cmpfloat (o->confidence, >, low[o->label_id]);
      wanted[o->label_id]++;
    }
    g_assert_cmpuint (wanted[2], ==, 0);
    g_assert_cmpuint (wanted[0] + wanted[1], >, 0);
  }

  g_object_set (element, "class-thresholds", NULL, "max-detections", 2, NULL);
  {
    g_autoptr (GstBuffer) out = detect (h, 1);
    g_autoptr (GArray) kept = objects_of (out);

    g_assert_cmpuint (kept->len, ==, 2);
    g_array_set_size (objects, 2);
    rig_assert_same (kept, objects);
  }
  gst_harness_teardown (h);
}

/* Names from `labels` and `labels-file` stand in the metadata, and the class
 * properties go by them. */
static void
test_labels (void)
{
  g_autofree char *path = rig_file ("labels.txt", "Mensch\r\nAuto\nHund\n\n");
  g_autofree char *by_file =
      g_strdup_printf ("labels-file=%s classes=Hund", path);
  const char *cases[] = { "labels=\"Mensch, Auto,Hund\" classes=Hund",
    by_file };

  for (int i = 0; i < 2; i++) {
    GstHarness *h = rig_harness (cases[i], CAPS);
    g_autoptr (GstBuffer) out = detect (h, 1);
    g_autoptr (GArray) objects = objects_of (out);

    g_assert_cmpuint (objects->len, >, 0);
    for (guint j = 0; j < objects->len; j++) {
      const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, j);

      g_assert_cmpint (o->label_id, ==, 2);
      g_assert_cmpstr (g_quark_to_string (o->label), ==, "Hund");
    }
    gst_harness_teardown (h);
  }
}

/* `roi`: the objects of each region as the core finds them there; a region
 * beyond the frame is cut or, if nothing is left, not looked at. */
static void
test_roi (void)
{
  GstHarness *h = rig_harness ("roi=\"16,8,96,80\"", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBuffer) in = rig_frame (h, 1);
  static const struct
  {
    const char *roi;
    DefcnRegion region;
  } cases[] = {
    { "16,8,96,80", { 16, 8, 96, 80 } },
    { "100,50,1000,1000;", { 100, 50, 60, 70 } },
    { " 0 , 0, 160,120 ; 200,0,10,10", { 0, 0, 160, 120 } },
  };
  GstVideoInfo info;

  info_of (&info, CAPS);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBuffer) out = NULL;
    g_autoptr (GArray) boxes = rig_boxes (in, &info, &cases[i].region);

    g_assert_cmpuint (boxes->len, >, 0);
    g_object_set (element, "roi", cases[i].roi, NULL);
    out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
    rig_assert_boxes (out, boxes, &info);
  }

  g_object_set (element, "roi", "160,0,10,10", NULL);
  {
    g_autoptr (GstBuffer) out =
        gst_harness_push_and_pull (h, gst_buffer_ref (in));
    GstDefcnMark mark = rig_mark (out);

    g_assert_false (mark.inferred);
    g_assert_cmpstr (mark.reason, ==, "region");
    g_assert_cmpuint (rig_count_objects (out), ==, 0);
    g_assert_cmpuint (rig_stat (h, "skipped-region"), ==, 1);
  }
  gst_harness_teardown (h);
}

/* Two regions: the objects of both, best first, not more than
 * max-detections. */
static void
test_two_regions (void)
{
  GstHarness *h = rig_harness ("roi=\"0,0,80,120;80,0,80,120\"", CAPS);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBuffer) in = rig_frame (h, 1);
  DefcnRegion left = { 0, 0, 80, 120 }, right = { 80, 0, 80, 120 };
  g_autoptr (GstBuffer) out = NULL;
  g_autoptr (GArray) objects = NULL;
  g_autoptr (GArray) a = NULL;
  g_autoptr (GArray) b = NULL;
  GstVideoInfo info;

  info_of (&info, CAPS);
  a = rig_boxes (in, &info, &left);
  b = rig_boxes (in, &info, &right);
  g_object_set (element, "max-detections", 1000, NULL);
  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  objects = objects_of (out);
  g_assert_cmpuint (objects->len, >=, a->len + b->len);
  for (guint i = 1; i < objects->len; i++)
    g_assert_cmpfloat (g_array_index (objects, GstDefcnObject, i).confidence,
        <=, g_array_index (objects, GstDefcnObject, i - 1).confidence);

  g_object_set (element, "max-detections", 3, NULL);
  gst_clear_buffer (&out);
  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  g_assert_cmpuint (rig_count_objects (out), ==, 3);
  gst_harness_teardown (h);
}

/* inference-region=roi-list looks in the ROI metas of the right type alone;
 * what it finds points back to them; a frame without is not looked at. */
static void
test_roi_list (void)
{
  GstHarness *h =
      rig_harness ("inference-region=roi-list object-class=zone meta=roi",
          CAPS);
  GstBuffer *in = rig_frame (h, 1);
  DefcnRegion region = { 16, 8, 96, 80 };
  GstVideoRegionOfInterestMeta *zone, *roi;
  g_autoptr (GstBuffer) out = NULL;
  g_autoptr (GstBuffer) nothing = NULL;
  g_autoptr (GArray) boxes = NULL;
  gpointer state = NULL;
  GstVideoInfo info;

  info_of (&info, CAPS);
  boxes = rig_boxes (in, &info, &region);
  g_assert_cmpuint (boxes->len, >, 0);
  zone = gst_buffer_add_video_region_of_interest_meta (in, "zone", region.x,
      region.y, region.w, region.h);
  zone->id = 42;
  gst_buffer_add_video_region_of_interest_meta (in, "else", 0, 0, 50, 50);
  out = gst_harness_push_and_pull (h, in);
  rig_assert_boxes (out, boxes, &info);
  while ((roi = (GstVideoRegionOfInterestMeta *)
              gst_buffer_iterate_meta_filtered (out, &state,
                  GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    if (gst_video_region_of_interest_meta_get_param (roi, "detection")) {
      g_assert_cmpint (roi->parent_id, ==, 42);
      g_assert_cmpint (roi->id, >, 42);
    }

  nothing = detect (h, 2);
  g_assert_cmpstr (rig_mark (nothing).reason, ==, "region");
  gst_harness_teardown (h);
}

/* Each form of metadata alone says the same; without any, the mark is still
 * there. */
static void
test_meta_forms (void)
{
  static const char *forms[] = { "roi", "custom", "roi+custom" };
  GstHarness *h = rig_harness ("", CAPS);
  g_autoptr (GstBuffer) out = detect (h, 1);
  g_autoptr (GArray) wanted = objects_of (out);

  gst_harness_teardown (h);
  for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
    g_autofree char *property = g_strconcat ("meta=", forms[i], NULL);
    g_autoptr (GstBuffer) b = NULL;
    g_autoptr (GArray) found = NULL;
    gpointer state = NULL;
    gboolean has_roi;

    h = rig_harness (property, CAPS);
    b = detect (h, 1);
    found = objects_of (b);
    rig_assert_same (found, wanted);
    has_roi = gst_buffer_iterate_meta_filtered (b, &state,
                  GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
        != NULL;
    g_assert_cmpint (has_roi, ==, i != 1);
    gst_harness_teardown (h);
  }

  h = rig_harness ("meta=0", CAPS);
  {
    g_autoptr (GstBuffer) b = detect (h, 1);

    g_assert_cmpuint (rig_count_objects (b), ==, 0);
    g_assert_true (rig_mark (b).inferred);
  }
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *path = g_strconcat ("/detect/formats/", formats[i], NULL);

    g_test_add_data_func (path, formats[i], test_formats);
  }
  g_test_add_func ("/detect/colorimetry/all", test_colorimetry);
  g_test_add_func ("/detect/colorimetry/matters", test_colorimetry_matters);
  g_test_add_func ("/detect/sizes", test_sizes);
  g_test_add_func ("/detect/caps-refused", test_caps_refused);
  g_test_add_func ("/detect/any-format", test_any_format);
  g_test_add_func ("/detect/strides", test_strides);
  g_test_add_func ("/detect/crop", test_crop);
  g_test_add_func ("/detect/repeatable", test_repeatable);
  g_test_add_func ("/detect/two-elements", test_two_elements);
  g_test_add_func ("/detect/two-in-a-row", test_two_in_a_row);
  g_test_add_func ("/detect/threshold", test_threshold);
  g_test_add_func ("/detect/class-filters", test_class_filters);
  g_test_add_func ("/detect/labels", test_labels);
  g_test_add_func ("/detect/roi", test_roi);
  g_test_add_func ("/detect/two-regions", test_two_regions);
  g_test_add_func ("/detect/roi-list", test_roi_list);
  g_test_add_func ("/detect/meta-forms", test_meta_forms);
  return rig_run ();
}
