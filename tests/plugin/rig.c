/* What the element's tests share. */
#include <glib/gstdio.h>
#include <malloc.h>
#include <string.h>

#include "rig.h"
#include "testing.h"
#include "tiny_model.h"

static char *folder;

#ifdef RIG_SANITIZED
const char *__asan_default_options (void);
const char *__lsan_default_suppressions (void);

/* GLib's constructor makes a table of quarks and lets go of it when it grows.
 * Debian's GLib has no frame pointers: only slow unwinding sees that far. */
const char *
__asan_default_options (void)
{
  return "fast_unwind_on_malloc=0";
}

const char *
__lsan_default_suppressions (void)
{
  return "leak:call_init\n";
}
#endif

/* Loaded by name: the scanner that would find it by GST_PLUGIN_PATH is another
 * process, which cannot load what a sanitizer has instrumented. */
static void
load_plugin (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("DEFCN_TEST_BUILD"),
      "gst-plugin", "libgstdefcn.so", NULL);
  g_autoptr (GError) error = NULL;
  GstPlugin *plugin = gst_plugin_load_file (path, &error);

  g_assert_no_error (error);
  gst_object_unref (plugin);
}

static void
init (int *argc, char ***argv)
{
  mallopt (M_ARENA_MAX, 1); /* the one that mallinfo2() counts */
  gst_init (argc, argv);
  g_test_init (argc, argv, NULL);
  folder = g_dir_make_tmp ("defcn-plugin-XXXXXX", NULL);
  g_assert_nonnull (folder);
}

void
rig_init_bare (int *argc, char ***argv)
{
  init (argc, argv);
  gst_defcn_meta_register ();
}

void
rig_init (int *argc, char ***argv)
{
  init (argc, argv);
  g_assert_null (gst_meta_get_info (GST_DEFCN_META_NAME));
  load_plugin (); /* which registers it */
  g_assert_nonnull (gst_meta_get_info (GST_DEFCN_META_NAME));
}

/* A test of the device runs only where it can be had. */
static gboolean
has_device (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be =
      defcn_backend_new (testing_backend (), 1, &error);

  if (be)
    return TRUE;
  if (g_getenv ("DEFCN_TEST_REQUIRED"))
    g_error ("%s", error->message);
  g_print ("1..0 # SKIP %s\n", error->message);
  return FALSE;
}

int
rig_run (void)
{
  int status = has_device () ? g_test_run () : 0;
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
  g_dir_close (dir);
  g_rmdir (folder);
  g_free (folder);
  return status;
}

/* The bias leaves ten to forty objects in noise, of all confidences. */
static char *
write_model (const char *name, int short_edge)
{
  char *path = g_build_filename (folder, name, NULL);

  testing_tiny_model_write_as (path, short_edge, -4);
  return path;
}

const char *
rig_model (void)
{
  static char *path;

  if (!path)
    path = write_model ("tiny.safetensors", 64);
  return path;
}

/* Slow enough to be caught at work, a sanitizer makes it ten times slower. */
#ifdef RIG_SANITIZED
#define SLOW_EDGE 192
#else
#define SLOW_EDGE 512
#endif

const char *
rig_slow_model (void)
{
  static char *path;

  if (!path)
    path = write_model ("slow.safetensors", SLOW_EDGE);
  return path;
}

char *
rig_file (const char *name, const char *content)
{
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, content, -1, NULL));
  return path;
}

/* DEFCN_TEST_PRECISION, else what suits the backend. */
static const char *
precision (void)
{
  const char *name = g_getenv ("DEFCN_TEST_PRECISION");

  return name ? name : "auto";
}

GstHarness *
rig_harness_model (const char *model, const char *properties, const char *caps)
{
  g_autofree char *launch = g_strdup_printf ("defcndetect name=detect "
                                             "device=%s precision=%s threads=1 "
                                             "model=%s %s",
      testing_backend (), precision (), model, properties);
  GstHarness *h = gst_harness_new_parse (launch);

  g_assert_nonnull (h);
  if (caps)
    gst_harness_set_src_caps_str (h, caps);
  return h;
}

GstHarness *
rig_harness (const char *properties, const char *caps)
{
  return rig_harness_model (rig_model (), properties, caps);
}

GstElement *
rig_element (GstHarness *h)
{
  GstElement *element = gst_harness_find_element (h, "defcndetect");

  g_assert_nonnull (element);
  return element;
}

static guint8
noise (guint32 seed, guint32 plane, guint32 x, guint32 y)
{
  guint32 v =
      seed * 2654435761u ^ plane * 40503u ^ x * 2246822519u ^ y * 3266489917u;

  v ^= v >> 15;
  v *= 2246822519u;
  v ^= v >> 13;
  return (guint8) v;
}

GstBuffer *
rig_frame_of (const GstVideoInfo *info, guint n)
{
  GstBuffer *buffer =
      gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  GstVideoFrame frame;

  g_assert_true (gst_video_frame_map (&frame, info, buffer, GST_MAP_WRITE));
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (&frame); p++) {
    guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (&frame, p);
    int stride = GST_VIDEO_FRAME_PLANE_STRIDE (&frame, p);
    int step = GST_VIDEO_FRAME_COMP_PSTRIDE (&frame, p);
    int rows = GST_VIDEO_FRAME_COMP_HEIGHT (&frame, p);

    for (int y = 0; y < rows; y++)
      for (int x = 0; x < stride; x++)
        data[(gsize) y * stride + x] =
            noise (n + 1, p, x / (8 * step) * step + x % step, y / 8);
  }
  gst_video_frame_unmap (&frame);
  GST_BUFFER_PTS (buffer) = n * (GST_SECOND / 25);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / 25;
  return buffer;
}

void
rig_push_segment (GstHarness *h)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
}

void
rig_flush (GstHarness *h)
{
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  rig_push_segment (h);
}

GstBuffer *
rig_convert (GstBuffer *buffer, const GstVideoInfo *from,
    const GstVideoInfo *to)
{
  GstVideoConverter *converter = gst_video_converter_new (from, to, NULL);
  GstBuffer *made =
      gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (to), NULL);
  GstVideoFrame in, out;

  g_assert_nonnull (converter);
  gst_buffer_memset (made, 0, 0, -1);
  g_assert_true (gst_video_frame_map (&in, from, buffer, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&out, to, made, GST_MAP_WRITE));
  gst_video_converter_frame (converter, &in, &out);
  gst_video_frame_unmap (&in);
  gst_video_frame_unmap (&out);
  gst_video_converter_free (converter);
  GST_BUFFER_PTS (made) = GST_BUFFER_PTS (buffer);
  GST_BUFFER_DURATION (made) = GST_BUFFER_DURATION (buffer);
  return made;
}

static void
harness_info (GstVideoInfo *info, GstHarness *h)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->srcpad);

  g_assert_nonnull (caps);
  g_assert_true (gst_video_info_from_caps (info, caps));
}

GstBuffer *
rig_frame (GstHarness *h, guint n)
{
  GstVideoInfo info;

  harness_info (&info, h);
  return rig_frame_of (&info, n);
}

static DefcnFormat
core_format (GstVideoFormat format)
{
  static const DefcnFormat formats[] = {
    [GST_VIDEO_FORMAT_RGB] = DEFCN_FORMAT_RGB,
    [GST_VIDEO_FORMAT_BGR] = DEFCN_FORMAT_BGR,
    [GST_VIDEO_FORMAT_RGBA] = DEFCN_FORMAT_RGBA,
    [GST_VIDEO_FORMAT_RGBx] = DEFCN_FORMAT_RGBA,
    [GST_VIDEO_FORMAT_BGRA] = DEFCN_FORMAT_BGRA,
    [GST_VIDEO_FORMAT_BGRx] = DEFCN_FORMAT_BGRA,
    [GST_VIDEO_FORMAT_GRAY8] = DEFCN_FORMAT_GRAY8,
    [GST_VIDEO_FORMAT_NV12] = DEFCN_FORMAT_NV12,
    [GST_VIDEO_FORMAT_I420] = DEFCN_FORMAT_I420,
    [GST_VIDEO_FORMAT_YUY2] = DEFCN_FORMAT_YUY2,
    [GST_VIDEO_FORMAT_UYVY] = DEFCN_FORMAT_UYVY,
    [GST_VIDEO_FORMAT_NV21] = DEFCN_FORMAT_NV21,
    [GST_VIDEO_FORMAT_Y42B] = DEFCN_FORMAT_Y42B,
    [GST_VIDEO_FORMAT_Y444] = DEFCN_FORMAT_Y444,
    [GST_VIDEO_FORMAT_P010_10LE] = DEFCN_FORMAT_P010,
    [GST_VIDEO_FORMAT_I420_10LE] = DEFCN_FORMAT_I420_10,
    [GST_VIDEO_FORMAT_ARGB] = DEFCN_FORMAT_ARGB,
    [GST_VIDEO_FORMAT_xRGB] = DEFCN_FORMAT_ARGB,
    [GST_VIDEO_FORMAT_ABGR] = DEFCN_FORMAT_ABGR,
    [GST_VIDEO_FORMAT_xBGR] = DEFCN_FORMAT_ABGR,
  };

  return formats[format];
}

/* The detector itself, fed with the buffer's bytes at GStreamer's offsets. */
GArray *
rig_boxes (GstBuffer *buffer, const GstVideoInfo *info,
    const DefcnRegion *region)
{
  const DefcnDetectorOptions options = { .device = testing_backend (),
    .precision = precision (),
    .threads = 1 };
  GstVideoColorMatrix matrix = GST_VIDEO_INFO_COLORIMETRY (info).matrix;
  GArray *boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDetector) d =
      defcn_detector_new (rig_model (), &options, &error);
  GstMapInfo map;
  DefcnImage image = { .format = core_format (GST_VIDEO_INFO_FORMAT (info)),
    .width = GST_VIDEO_INFO_WIDTH (info),
    .height = GST_VIDEO_INFO_HEIGHT (info),
    .matrix = matrix == GST_VIDEO_COLOR_MATRIX_BT709 ? DEFCN_MATRIX_BT709
        : matrix == GST_VIDEO_COLOR_MATRIX_BT2020    ? DEFCN_MATRIX_BT2020
                                                     : DEFCN_MATRIX_BT601,
    .full_range = GST_VIDEO_INFO_COLORIMETRY (info).range
        == GST_VIDEO_COLOR_RANGE_0_255 };

  g_assert_no_error (error);
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    image.planes[p] = map.data + GST_VIDEO_INFO_PLANE_OFFSET (info, p);
    image.strides[p] = GST_VIDEO_INFO_PLANE_STRIDE (info, p);
  }
  defcn_detector_run (d, &boxes, &image, region, 1, &error);
  g_assert_no_error (error);
  gst_buffer_unmap (buffer, &map);
  return boxes;
}

static GArray *
read_objects (GstBuffer *buffer, int w, int h)
{
  GArray *objects = g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

  gst_defcn_meta_read (buffer, objects, w, h);
  return objects;
}

/* By DEFCN_TEST_TOLERANCE at most, not at all without it. */
static void
assert_near (float found, float wanted)
{
  const char *text = g_getenv ("DEFCN_TEST_TOLERANCE");
  const double tolerance = text ? g_ascii_strtod (text, NULL) : 0;

  if (!(ABS (found - wanted) <= tolerance))
    g_error ("%.9g is not %.9g", found, wanted);
}

void
rig_assert_boxes (GstBuffer *buffer, const GArray *boxes,
    const GstVideoInfo *info)
{
  int w = GST_VIDEO_INFO_WIDTH (info), h = GST_VIDEO_INFO_HEIGHT (info);
  g_autoptr (GArray) objects = read_objects (buffer, w, h);

  g_assert_cmpuint (objects->len, ==, boxes->len);
  for (guint i = 0; i < boxes->len; i++) {
    const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, i);
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, i);

    assert_near (o->x_min * w, b->x1);
    assert_near (o->y_min * h, b->y1);
    assert_near (o->x_max * w, b->x2);
    assert_near (o->y_max * h, b->y2);
    assert_near (o->confidence, b->score);
    g_assert_cmpint (o->label_id, ==, b->label);
  }
}

GstDefcnMark
rig_mark (GstBuffer *buffer)
{
  GstDefcnMark mark;

  g_assert_true (gst_defcn_meta_read_mark (buffer, &mark));
  return mark;
}

guint
rig_count_objects (GstBuffer *buffer)
{
  g_autoptr (GArray) objects = read_objects (buffer, 1000, 1000);

  return objects->len;
}

guint64
rig_stat (GstHarness *h, const char *field)
{
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, field, &value));
  return value;
}

GstBus *
rig_bus (GstHarness *h)
{
  g_autoptr (GstElement) element = rig_element (h);
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  return bus;
}

GstMessage *
rig_message (GstBus *bus, GstMessageType type)
{
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 30 * GST_SECOND, type);

  g_assert_nonnull (message);
  return message;
}

/* Bytes that are allocated. */
static gsize
allocated (void)
{
  const struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

/* What is lost each time makes the heap grow in every round; what is kept for
 * later, or let go late, in some.  Where a sanitizer replaces malloc() it looks
 * for leaks itself. */
void
rig_assert_steady (void (*cycle) (void))
{
  const int rounds = 12, cycles = 50, wanted = 3;
  int calm = 0;

  for (int round = 0; round < rounds && calm < wanted; round++) {
    const gsize before = allocated ();

    for (int i = 0; i < cycles; i++)
      cycle ();
    /* The smallest block takes 24 bytes. */
    calm += allocated () < before + 12 * cycles;
  }
  g_assert_cmpint (calm, ==, wanted);
}

void
rig_assert_same (const GArray *found, const GArray *wanted)
{
  g_assert_cmpuint (found->len, ==, wanted->len);
  for (guint i = 0; i < found->len; i++) {
    const GstDefcnObject *a = &g_array_index (found, GstDefcnObject, i);
    const GstDefcnObject *b = &g_array_index (wanted, GstDefcnObject, i);

    g_assert_cmpfloat (a->x_min, ==, b->x_min);
    g_assert_cmpfloat (a->y_min, ==, b->y_min);
    g_assert_cmpfloat (a->x_max, ==, b->x_max);
    g_assert_cmpfloat (a->y_max, ==, b->y_max);
    g_assert_cmpfloat (a->confidence, ==, b->confidence);
    g_assert_cmpint (a->label_id, ==, b->label_id);
    g_assert_cmpuint (a->label, ==, b->label);
    g_assert_cmpint (a->parent_id, ==, b->parent_id);
  }
}
