/* What is made unrecognisable: every pixel of frames of every format, and the
 * whole picture wherever a box may be missing. */
#include "overlay_rig.h"

#include <string.h>

#include "redact.h"
#include "testing.h"

#define W 200
#define H 150

static const char *const person[] = { "person", NULL };

/* A frame that was looked at for persons and cars, those names interned as a
 * defcndetect would. */
static GstDefcnMark
mark_looked (void)
{
  GstDefcnMark mark = overlay_rig_looked;

  mark.classes = g_intern_static_string ("person,car");
  return mark;
}

/* One for the boxes of @objects, whatever their marks. */
static GstDefcnRedaction
redaction_of (const GstDefcnObject *objects, guint n, double margin)
{
  GstDefcnRedaction r = { NULL,
    g_array_new (FALSE, FALSE, sizeof (GstDefcnObject)), margin };

  g_array_append_vals (r.boxes, objects, n);
  return r;
}

/* Pixels as GStreamer unpacks them, alpha first: 0 where there is none,
 * whatever the byte in its place has. */
static guint *
unpack (GstVideoFrame *frame)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const int w = GST_VIDEO_FRAME_WIDTH (frame);
  const int h = GST_VIDEO_FRAME_HEIGHT (frame);
  const gboolean has_alpha = GST_VIDEO_FORMAT_INFO_HAS_ALPHA (format);
  const gboolean is_wide =
      GST_VIDEO_FORMAT_INFO_BITS (
          gst_video_format_get_info (format->unpack_format))
      > 8;
  g_autofree guint16 *row = g_new (guint16, 4 * (w + 64));
  guint *all = g_new (guint, 4 * w * h);

  for (int y = 0; y < h; y++) {
    format->unpack_func (format, GST_VIDEO_PACK_FLAG_NONE, row, frame->data,
        frame->info.stride, 0, y, w);
    for (int i = 0; i < 4 * w; i++)
      all[4 * w * y + i] = i % 4 == 0 && !has_alpha ? 0
          : is_wide                                 ? row[i]
                                                    : ((guint8 *) row)[i];
  }
  return all;
}

/* Where each pixel of a row or column lies: number of its block, -1 outside.
 * @edges end with -1. */
static int
block_of (const int *edges, int at)
{
  for (int i = 0; edges[i + 1] >= 0; i++)
    if (at >= edges[i] && at < edges[i + 1])
      return i;
  return -1;
}

/* Nothing has changed outside of the blocks between the @x and @y edges, and in
 * each there is one colour, the mean of what was there, within @near. */
static void
assert_blocks (const guint *before, const guint *after, const int *x,
    const int *y, int w, int h, guint near, guint near_same, guint near_outside)
{
  for (int row = 0; row < h; row++)
    for (int column = 0; column < w; column++) {
      const int i = block_of (x, column), j = block_of (y, row);
      const gsize at = 4 * ((gsize) row * w + column);

      for (int c = 0; c < 4; c++) {
        guint64 sum = 0, n = 0;

        if (i < 0 || j < 0) {
          g_assert_cmpuint (ABS ((int) after[at + c] - (int) before[at + c]),
              <=, near_outside);
          continue;
        }
        /* The same as its block's first, whose value is looked at once; of wide
         * formats with fewer bits GStreamer unpacks odd pixels otherwise. */
        g_assert_cmpuint (ABS ((int) after[at + c]
                              - (int) after[4 * ((gsize) y[j] * w + x[i]) + c]),
            <=, near_same);
        if (row != y[j] || column != x[i])
          continue;
        for (int v = y[j]; v < MIN (y[j + 1], h); v++)
          for (int u = x[i]; u < MIN (x[i + 1], w); u++, n++)
            sum += before[4 * ((gsize) v * w + u) + c];
        g_assert_cmpuint (ABS ((int) after[at + c] - (int) (sum / n)), <=,
            near);
      }
    }
}

/* One step of the component of @format that has the fewest, as unpacked, but of
 * @most bits. */
static guint
step_of (const GstVideoFormatInfo *format, guint most)
{
  const guint bits = GST_VIDEO_FORMAT_INFO_DEPTH (gst_video_format_get_info (
                                                      format->unpack_format),
      0);
  guint depth = most;

  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++)
    depth = MIN (depth, GST_VIDEO_FORMAT_INFO_DEPTH (format, c));
  return (1 << bits) >> depth;
}

/* Blocks of every raw format: of the right size, in the right place, and
 * nothing else of the picture is another. */
static void
test_formats (void)
{
  static const int x[] = { 8, 40, 80, 112, 152, 192, -1 };
  static const int y[] = { 16, 48, 80, 112, 144, -1 };
  const GstDefcnObject o =
      overlay_rig_object (10, 20, 190, 140, W, H, "person");
  const GstDefcnPixels picture = { 0, 0, W, H };
  guint n, tried = 0;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  for (guint i = 0; i < n; i++) {
    GstDefcnRedaction r = redaction_of (&o, 1, 0);
    g_autofree guint *before = NULL, *after = NULL;
    g_autoptr (GstBuffer) noise = NULL, buffer = NULL;
    GstVideoInfo info, rgb;
    GstVideoFrame frame;
    gboolean is_palette;
    guint near;

    if (!gst_video_info_set_format (&info, formats[i], W, H)
        || !info.finfo->unpack_func) {
      gst_defcn_redact_clear (&r);
      continue;
    }
    g_test_message ("%s", info.finfo->name);
    is_palette = (info.finfo->flags & GST_VIDEO_FORMAT_FLAG_PALETTE) != 0;
    near = step_of (info.finfo, 8);
    gst_video_info_set_format (&rgb, GST_VIDEO_FORMAT_BGRx, W, H);
    noise = rig_frame_of (&rgb, 0);
    buffer = rig_convert (noise, &rgb, &info);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    before = unpack (&frame);
    gst_defcn_redact_apply (&r, &frame, &picture);
    after = unpack (&frame);
    gst_video_frame_unmap (&frame);
    assert_blocks (before, after, x, y, W, H, is_palette ? 128 : MAX (near, 2),
        step_of (info.finfo, 16), 0);
    gst_defcn_redact_clear (&r);
    tried++;
  }
  g_assert_cmpuint (tried, >, 80);
}

/* Every byte of the formats of bytes: samples of subsampled chroma, odd sizes,
 * long lines; blocks as the table has them, worked out by hand. */
static void
test_places (void)
{
  static const struct
  {
    int w, h, box[4];
    double margin;
    int x[9], y[9]; /* edges of the blocks */
  } cases[] = {
    { 67, 45, { 11, 7, 40, 30 }, 0, { 8, 16, 24, 32, 40, -1 },
        { 0, 8, 16, 24, 32, -1 } },
    /* to the end of an odd frame */
    { 67, 45, { 50, 41, 67, 45 }, 0, { 48, 56, 67, -1 }, { 40, 45, -1 } },
    { 1, 1, { 0, 0, 1, 1 }, 0, { 0, 1, -1 }, { 0, 1, -1 } },
    { 3, 17, { 1, 8, 2, 9 }, 0, { 0, 3, -1 }, { 8, 16, -1 } },
    /* wider by a tenth of 50 */
    { 67, 70, { 24, 10, 40, 60 }, 0.1, { 16, 32, 48, -1 },
        { 0, 16, 32, 48, 70, -1 } },
    /* the whole of it */
    { 64, 48, { 0, 0, 64, 48 }, 0, { 0, 16, 32, 48, 64, -1 },
        { 0, 16, 32, 48, -1 } },
    /* the widening makes no larger blocks */
    { 64, 48, { 30, 20, 32, 22 }, 5, { 16, 24, 32, 40, 48, -1 },
        { 8, 16, 24, 32, -1 } },
  };
  static const char *const formats[] = { "I420", "NV12", "YUY2", "RGB", "BGRx",
    "GRAY8", "Y41B", "YUV9", "Y42B", "Y444", "NV21", "AYUV" };

  for (guint k = 0; k < G_N_ELEMENTS (cases) * G_N_ELEMENTS (formats); k++) {
    const guint i = k / G_N_ELEMENTS (formats);
    const char *format = formats[k % G_N_ELEMENTS (formats)];
    const int w = cases[i].w, h = cases[i].h, *b = cases[i].box;
    const GstDefcnObject o =
        overlay_rig_object (b[0], b[1], b[2], b[3], w, h, "person");
    const GstDefcnPixels picture = { 0, 0, w, h };
    GstDefcnRedaction r = redaction_of (&o, 1, cases[i].margin);

    for (int padded = 0; padded < 2; padded++) {
      g_autofree guint *before = NULL, *after = NULL;
      g_autoptr (GstBuffer) buffer = NULL;
      GstVideoInfo info;
      GstVideoFrame frame;
      guint seed = 7;

      g_test_message ("case %u, %s, %d", i, format, padded);
      gst_video_info_set_format (&info, gst_video_format_from_string (format),
          w, h);
      buffer = overlay_rig_frame (&info, padded);
      g_assert_true (
          gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
      for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
          for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (&frame); c++) {
            seed = seed * 1664525 + 1013904223;
            *overlay_rig_at (&frame, c, x, y) = seed >> 24;
          }
      before = unpack (&frame);
      gst_defcn_redact_apply (&r, &frame, &picture);
      after = unpack (&frame);
      overlay_rig_assert_padding (&frame);
      gst_video_frame_unmap (&frame);
      assert_blocks (before, after, cases[i].x, cases[i].y, w, h,
          strcmp (format, "GRAY8") && strcmp (format, "RGB") ? 24 : 1, 0, 0);
    }
    gst_defcn_redact_clear (&r);
  }
}

/* A frame that is cut out of the picture has what lies in it of the box, and
 * nothing of one beside it. */
static void
test_cut_out (void)
{
  static const int x[] = { 0, 16, -1 }, y[] = { 0, 40, -1 };
  static const int none[] = { -1, -1 };
  const GstDefcnObject o =
      overlay_rig_object (10, 20, 110, 140, W, H, "person");

  for (int beside = 0; beside < 2; beside++) {
    const GstDefcnPixels picture = { beside ? -111 : -100, -100, W, H };
    GstDefcnRedaction r = redaction_of (&o, 1, 0);
    g_autofree guint *before = NULL, *after = NULL;
    g_autoptr (GstBuffer) buffer = NULL;
    GstVideoInfo info;
    GstVideoFrame frame;

    gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, 64, 48);
    buffer = rig_frame_of (&info, 3);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    before = unpack (&frame);
    gst_defcn_redact_apply (&r, &frame, &picture);
    after = unpack (&frame);
    gst_video_frame_unmap (&frame);
    assert_blocks (before, after, beside ? none : x, beside ? none : y, 64, 48,
        1, 0, 0);
    gst_defcn_redact_clear (&r);
  }
}

typedef enum
{
  NO_MARK,
  NOT_LOOKED,
  REPEATED,
  PREDICTED,
  LOOKED,
  PARTIAL,
  OTHER_CLASSES,
  NO_CLASSES,
  FOREIGN_CLASSES,
} How;

static GstBuffer *
frame_marked (const GstVideoInfo *info, How how, const GstDefcnObject *objects,
    guint n)
{
  GstBuffer *buffer = rig_frame_of (info, 1);
  GstDefcnMark mark = mark_looked ();

  mark.inferred = how != NOT_LOOKED && how != REPEATED && how != PREDICTED;
  mark.reason = mark.inferred ? "" : "interval";
  mark.repeated = how == REPEATED;
  mark.predicted = how == PREDICTED;
  mark.partial = how == PARTIAL;
  if (how == OTHER_CLASSES)
    mark.classes = g_intern_static_string ("car,dog");
  if (how == NO_CLASSES)
    mark.classes = "";
  if (how == FOREIGN_CLASSES) /* of another process: nobody here knows it */
    mark.classes = "person,never interned";
  if (how != NO_MARK)
    overlay_rig_attach (buffer, objects, n, &mark, W, H);
  return buffer;
}

static void
judge (GstDefcnRedaction *r, GstBuffer *buffer, const char *const *classes)
{
  gst_defcn_redact_judge (r, buffer, classes, 0, W, H);
}

/* Whether a box may be missing is seen by the marks, and then the whole picture
 * is pixelated, to the last pixel, and it is said why. */
static void
test_closed (void)
{
  static const char *const typo[] = { "persn", NULL };
  static const char *const both[] = { "car", "dog", NULL };
  static const char *const blank[] = { "", NULL };
  static const struct
  {
    How how;
    const char *label;
    const char *const *classes;
    const char *why; /* NULL: boxes alone */
    guint boxes;
  } cases[] = {
    { LOOKED, "person", person, NULL, 1 },
    { LOOKED, "car", person, NULL, 0 },
    { REPEATED, "person", person, NULL, 1 },
    { PREDICTED, "person", person, NULL, 1 },
    { NO_MARK, "person", person, "no defcndetect has marked it" },
    { NOT_LOOKED, NULL, person, "nobody has looked at it for \"person\"" },
    { PARTIAL, "person", person,
        "there may be more than what was looked at, or told, of \"person\"" },
    { OTHER_CLASSES, "car", person, "no detector tells of \"person\"" },
    { NO_CLASSES, "person", person, "no detector tells of \"person\"" },
    { FOREIGN_CLASSES, "person", person, "no detector tells of \"person\"" },
    { LOOKED, "person", typo, "no detector tells of \"persn\"" },
    { LOOKED, "person", both, "no detector tells of \"dog\"" },
    { LOOKED, "person", blank, "no detector tells of \"\"" },
    { LOOKED, "", person, "the class of an object is not known" },
    { LOOKED, "?", person, "the class of an object is not known" },
  };
  static const int x[] = { 0, 40, 80, 120, 160, 200, -1 };
  static const int y[] = { 0, 48, 96, 150, -1 };
  const GstDefcnPixels picture = { 0, 0, W, H };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *label = cases[i].label;
    const GstDefcnObject o =
        overlay_rig_object (20, 20, 60, 90, W, H, label ? label : "");
    g_autofree guint *before = NULL, *after = NULL;
    g_autoptr (GstBuffer) buffer = NULL;
    GstDefcnRedaction r;
    GstVideoInfo info;
    GstVideoFrame frame;

    g_test_message ("case %u", i);
    gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, W, H);
    buffer = frame_marked (&info, cases[i].how, &o, label != NULL);
    judge (&r, buffer, cases[i].classes);
    g_assert_cmpstr (r.why, ==, cases[i].why);
    g_assert_cmpint (gst_defcn_redact_is_needed (&r), ==,
        cases[i].why || cases[i].boxes);
    if (!cases[i].why)
      g_assert_cmpuint (r.boxes->len, ==, cases[i].boxes);
    g_assert_true (
        gst_video_frame_map (&frame, &info, buffer, GST_MAP_READWRITE));
    before = unpack (&frame);
    gst_defcn_redact_apply (&r, &frame, &picture);
    after = unpack (&frame);
    gst_video_frame_unmap (&frame);
    if (cases[i].why)
      assert_blocks (before, after, x, y, W, H, 1, 0, 0);
    else
      g_assert_cmpuint (after[4 * (W * 149 + 199) + 1], ==,
          before[4 * (W * 149 + 199) + 1]);
    gst_defcn_redact_clear (&r);
  }
}

/* Boxes that a crop has lost, and a list that somebody has shortened, are
 * missed; nothing is judged where nothing is asked for. */
static void
test_lost (void)
{
  const GstDefcnObject o[] = { overlay_rig_object (20, 20, 60, 90, W, H,
                                   "person"),
    overlay_rig_object (80, 20, 99, 90, W, H, "car") };
  const GstMetaInfo *boxes = gst_meta_get_info (GST_DEFCN_META_OBJECTS_NAME);
  static const char *const nothing[] = { NULL };
  g_autoptr (GstBuffer) gone = NULL, cut = NULL;
  GstDefcnRedaction r;
  GstVideoInfo info;
  GstStructure *s;
  GValue shorter = G_VALUE_INIT;
  gpointer state = NULL;
  GstMeta *meta;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, W, H);
  gone = frame_marked (&info, LOOKED, o, 2);
  meta = gst_buffer_iterate_meta_filtered (gone, &state, boxes->api);
  g_assert_true (gst_buffer_remove_meta (gone, meta));
  judge (&r, gone, person);
  g_assert_cmpstr (r.why, ==, "boxes are lost");
  gst_defcn_redact_clear (&r);
  judge (&r, gone, NULL);
  g_assert_false (gst_defcn_redact_is_needed (&r));
  gst_defcn_redact_clear (&r);
  judge (&r, gone, nothing);
  g_assert_false (gst_defcn_redact_is_needed (&r));
  gst_defcn_redact_clear (&r);

  cut = frame_marked (&info, LOOKED, o, 2);
  state = NULL;
  meta = gst_buffer_iterate_meta_filtered (cut, &state, boxes->api);
  s = gst_custom_meta_get_structure ((GstCustomMeta *) meta);
  g_value_init (&shorter, GST_TYPE_ARRAY);
  gst_value_array_append_value (&shorter,
      gst_value_array_get_value (gst_structure_get_value (s, "objects"), 0));
  gst_structure_take_value (s, "objects", &shorter);
  judge (&r, cut, person);
  g_assert_cmpstr (r.why, ==, "boxes are lost");
  gst_defcn_redact_clear (&r);
}

/* Of two detectors each is asked for its own classes, and others' boxes are
 * hidden too. */
static void
test_two (void)
{
  static const char *const classes[] = { "person", "face", NULL };
  const GstDefcnObject o = overlay_rig_object (20, 20, 60, 90, W, H, "person");
  const GstDefcnObject f = overlay_rig_object (30, 20, 40, 30, W, H, "face");
  GstDefcnMark mark = mark_looked ();
  g_autoptr (GstBuffer) buffer = NULL;
  GstVideoRegionOfInterestMeta *roi;
  GstDefcnRedaction r;
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, W, H);
  buffer = frame_marked (&info, LOOKED, &o, 1);
  judge (&r, buffer, classes);
  g_assert_cmpstr (r.why, ==, "no detector tells of \"face\"");
  gst_defcn_redact_clear (&r);

  mark.classes = g_intern_static_string ("face");
  overlay_rig_attach (buffer, &f, 1, &mark, W, H);
  judge (&r, buffer, classes);
  g_assert_null (r.why);
  g_assert_cmpuint (r.boxes->len, ==, 2);
  gst_defcn_redact_clear (&r);

  roi = gst_buffer_add_video_region_of_interest_meta (buffer, "face", 100, 20,
      20, 20);
  gst_video_region_of_interest_meta_add_param (roi,
      gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5, NULL));
  judge (&r, buffer, classes);
  g_assert_null (r.why);
  g_assert_cmpuint (r.boxes->len, ==, 3);
  gst_defcn_redact_clear (&r);
}

#define CAPS "video/x-raw,format=RGB,width=64,height=64,framerate=25/1"

/* defcndetect tells which classes it may report, and if it has seen all, of
 * frames between two looks too; so it is behind a converter and a tracker. */
static void
test_detector (void)
{
  static const struct
  {
    const char *properties, *classes;
    gboolean partial;
  } cases[] = {
    { "", "person,car,dog", FALSE },
    { "classes=dog,person", "person,dog", FALSE },
    { "class-thresholds=person=1", "car,dog", FALSE },
    { "labels=\"a\\\\,b,car,dog\"", "a\\,b,car,dog", FALSE },
    { "roi=0,0,32,64", "person,car,dog", TRUE },
    { "roi=0,0,64,64", "person,car,dog", FALSE },
    { "threshold=0 max-detections=1", "person,car,dog", TRUE },
    { "classes=car inference-interval=2", "car", FALSE },
    { "inference-interval=2 repeat-detections=true roi=0,0,9,9",
        "person,car,dog", TRUE },
  };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (cases); i++) {
    g_autofree char *launch = g_strdup_printf (
        "defcndetect model=%s threads=1 device=%s max-detections=50 %s %s",
        rig_model (), testing_backend (), cases[i / 2].properties,
        i % 2 ? "! videoconvert ! capsfilter caps=video/x-raw,format=BGRx ! "
                "defcntrack"
              : "");
    GstHarness *h = gst_harness_new_parse (launch);

    g_test_message ("%s", launch);
    gst_harness_set_src_caps_str (h, CAPS);
    for (guint n = 0; n < 2; n++) {
      g_autoptr (GstBuffer) buffer =
          gst_harness_push_and_pull (h, rig_frame (h, n));
      GstDefcnMark mark;

      g_assert_nonnull (buffer);
      mark = rig_mark (buffer);
      g_assert_cmpstr (mark.classes, ==, cases[i / 2].classes);
      g_assert_cmpint (mark.partial, ==, cases[i / 2].partial);
      g_assert_cmpint (mark.inferred, ==,
          n == 0 || !strstr (launch, "inference-interval"));
    }
    gst_harness_teardown (h);
  }
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/redact/formats", test_formats);
  g_test_add_func ("/redact/places", test_places);
  g_test_add_func ("/redact/cut-out", test_cut_out);
  g_test_add_func ("/redact/closed", test_closed);
  g_test_add_func ("/redact/lost", test_lost);
  g_test_add_func ("/redact/two", test_two);
  g_test_add_func ("/redact/detector", test_detector);
  return rig_run ();
}
