/* defcndetect and frames in CUDA memory: found what is found in the host's, the
 * pixels left where they are, the context shared.  On the emulated module with
 * DEFCN_TEST_DRIVER, a driver whose device is the host; without that on a
 * device where there is one. */
#include <gmodule.h>

#include <gst/cuda/gstcudaloader.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

#include "rig.h"
#include "testing.h"

static GstCudaContext *context;
static const int *downloads; /* frames copied to the host, NULL: not counted */

/* "video/x-raw" in either memory. */
static char *
caps_of (const char *format, int w, int h, gboolean on_device)
{
  return g_strdup_printf ("video/x-raw%s,format=%s,width=%d,height=%d,"
                          "framerate=25/1",
      on_device ? "(memory:CUDAMemory)" : "", format, w, h);
}

static void
info_of (GstVideoInfo *info, const char *format, int w, int h)
{
  g_assert_true (gst_video_info_set_format (info,
      gst_video_format_from_string (format), w, h));
  info->fps_n = 25;
}

/* An empty frame of @in; @stream (1.24 or newer): as if a stream had made it.
 */
static GstMemory *
memory_new (GstCudaContext *in, const GstVideoInfo *info, gboolean stream)
{
  g_autoptr (GstAllocator) allocator =
      gst_allocator_find (GST_CUDA_MEMORY_TYPE_NAME);
#if GST_CHECK_VERSION(1, 24, 0)
  GstCudaStream *s = stream ? gst_cuda_stream_new (in) : NULL;
  GstMemory *memory =
      gst_cuda_allocator_alloc (GST_CUDA_ALLOCATOR (allocator), in, s, info);

  gst_clear_cuda_stream (&s);
  return memory;
#else
  return gst_cuda_allocator_alloc (GST_CUDA_ALLOCATOR (allocator), in, info);
#endif
}

/* The pixels of @host on the device; with @meta the buffer says where. */
static GstBuffer *
upload (GstCudaContext *in, GstBuffer *host, const GstVideoInfo *info,
    gboolean stream, gboolean meta)
{
  GstMemory *memory = memory_new (in, info, stream);
  GstVideoInfo *layout = &GST_CUDA_MEMORY_CAST (memory)->info;
  GstBuffer *buffer = gst_buffer_new ();
  GstVideoFrame from, to;
  GstMapInfo map;

  g_assert_nonnull (memory);
  gst_buffer_append_memory (buffer, memory);
  gst_buffer_add_video_meta_full (buffer, 0, GST_VIDEO_INFO_FORMAT (info),
      GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info),
      GST_VIDEO_INFO_N_PLANES (info), layout->offset, layout->stride);
  g_assert_true (gst_video_frame_map (&from, info, host, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&to, info, buffer, GST_MAP_WRITE));
  g_assert_true (gst_video_frame_copy (&to, &from));
  gst_video_frame_unmap (&from);
  gst_video_frame_unmap (&to);
  /* What the host wrote goes to the device with this. */
  g_assert_true (gst_memory_map (memory, &map, GST_MAP_READ | GST_MAP_CUDA));
  gst_memory_unmap (memory, &map);
  /* Nor has the host what a device makes. */
  GST_MINI_OBJECT_FLAG_SET (memory, GST_CUDA_MEMORY_TRANSFER_NEED_DOWNLOAD);
  if (!meta)
    gst_buffer_remove_meta (buffer,
        (GstMeta *) gst_buffer_get_video_meta (buffer));
  GST_BUFFER_PTS (buffer) = GST_BUFFER_PTS (host);
  return buffer;
}

/* One frame through the element: the objects of the same frame in the host's
 * memory, on the very buffer, whose memory is the same; it is copied to the
 * host on the CPU alone. */
static void
check_frame (GstCudaContext *in, const char *format, int w, int h,
    gboolean stream, gboolean meta)
{
  g_autofree char *caps = caps_of (format, w, h, TRUE);
  GstHarness *harness = rig_harness ("", caps);
  g_autoptr (GstBuffer) host = NULL;
  g_autoptr (GstBuffer) out = NULL;
  g_autoptr (GArray) boxes = NULL;
  GstVideoInfo info;
  GstBuffer *buffer;
  GstMemory *memory;
  int before;

  info_of (&info, format, w, h);
  host = rig_frame_of (&info, 1);
  boxes = rig_boxes (host, &info, NULL);
  g_assert_cmpuint (boxes->len, >, 0);
  buffer = upload (in, host, &info, stream, meta);
  memory = gst_buffer_peek_memory (buffer, 0);
  before = downloads ? *downloads : 0;
  out = gst_harness_push_and_pull (harness, buffer);
  if (downloads)
    g_assert_cmpint (*downloads - before, ==,
        !g_str_equal (testing_backend (), "cuda"));
  g_assert_true (out == buffer);
  g_assert_true (gst_buffer_peek_memory (out, 0) == memory);
  g_assert_cmpint (gst_buffer_get_video_meta (out) != NULL, ==, meta);
  rig_assert_boxes (out, boxes, &info);
  gst_harness_teardown (harness);
}

static const char *const formats[] = { "NV12", "I420", "RGBA", "BGRA", "RGBx",
  "BGRx", "RGB", "BGR" };

/* Every format, with and without a stream and a meta, without one copy to the
 * host. */
static void
test_formats (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    check_frame (context, formats[i], 160, 120, i % 2, i % 3 != 0);
    check_frame (context, formats[i], 162, 122, i % 2 == 0, TRUE);
  }
}

/* A context that the detector shares is read in place. */
static void
test_own_context (void)
{
  GstCudaContext *own;

  if (!downloads) {
    g_test_skip ("the emulation knows its context's name");
    return;
  }
  own = gst_cuda_context_new_wrapped ((CUcontext) 1, 0);
  check_frame (own, "NV12", 160, 120, TRUE, TRUE);
  gst_object_unref (own);
}

/* Where the network runs on the CPU the frame is copied there, and the same is
 * found as in a frame of the host's. */
static void
test_on_cpu (void)
{
  g_autofree char *backend = g_strdup (testing_backend ());

  g_setenv ("DEFCN_TEST_BACKEND", "reference", TRUE);
  check_frame (context, "NV12", 160, 120, FALSE, TRUE);
  check_frame (context, "RGB", 162, 122, TRUE, FALSE);
  g_setenv ("DEFCN_TEST_BACKEND", backend, TRUE);
}

/* Regions of a frame, and frames that are looked at while others pass. */
static void
test_regions_and_no_block (void)
{
  g_autofree char *caps = caps_of ("NV12", 160, 120, TRUE);
  GstHarness *h =
      rig_harness ("no-block=true roi=\"8,8,64,64;80,16,64,96\"", caps);
  GstVideoInfo info;
  guint n = 0;

  info_of (&info, "NV12", 160, 120);
  for (guint i = 0; i < 500 && n == 0; i++) {
    g_autoptr (GstBuffer) host = rig_frame_of (&info, 1);
    g_autoptr (GstBuffer) out = gst_harness_push_and_pull (h,
        upload (context, host, &info, TRUE, TRUE));

    n = rig_count_objects (out);
    g_usleep (1000);
  }
  g_assert_cmpuint (n, >, 0);
  gst_harness_teardown (h);
}

/* skip-still: pixels on a device are not compared, which is said once; where
 * they are copied to the host they are. */
static void
test_still (void)
{
  g_autofree char *backend = g_strdup (testing_backend ());

  for (int on_device = 0; on_device < 2; on_device++) {
    g_autofree char *caps = caps_of ("NV12", 160, 120, TRUE);
    g_autoptr (GstBus) bus = NULL;
    GstHarness *h;
    GstVideoInfo info;
    guint warnings = 0;

    g_setenv ("DEFCN_TEST_BACKEND", on_device ? backend : "reference", TRUE);
    h = rig_harness ("skip-still=255", caps);
    bus = rig_bus (h);
    info_of (&info, "NV12", 160, 120);
    for (guint i = 0; i < 3; i++) {
      g_autoptr (GstBuffer) host = rig_frame_of (&info, i);

      gst_buffer_unref (gst_harness_push_and_pull (h,
          upload (context, host, &info, FALSE, TRUE)));
    }
    while (gst_bus_have_pending (bus)) {
      g_autoptr (GstMessage) message = gst_bus_pop (bus);

      warnings += GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING;
    }
    g_assert_cmpuint (warnings, ==, on_device);
    g_assert_cmpuint (rig_stat (h, "inferred"), ==, on_device ? 3 : 1);
    gst_harness_teardown (h);
  }
  g_setenv ("DEFCN_TEST_BACKEND", backend, TRUE);
}

static GstCudaContext *
ask (GstElement *element, const char *name)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, name);
  GstQuery *query = gst_query_new_context (GST_CUDA_CONTEXT_TYPE);
  GstContext *answer = NULL;
  GstCudaContext *found = NULL;

  if (gst_pad_query (pad, query)) {
    gst_query_parse_context (query, &answer);
    g_assert_true (gst_structure_get (gst_context_get_structure (answer),
        GST_CUDA_CONTEXT_TYPE, GST_TYPE_CUDA_CONTEXT, &found, NULL));
    gst_object_unref (found); /* others hold it */
  }
  gst_query_unref (query);
  return found;
}

/* Neighbours are told the context that the element was given, or that of the
 * frames, on both sides; a stopped one forgets it. */
static void
test_context (void)
{
  g_autofree char *caps = caps_of ("NV12", 160, 120, TRUE);
  GstHarness *h = rig_harness ("", caps);
  g_autoptr (GstElement) element = rig_element (h);
  GstCudaContext *other = gst_cuda_context_new (0);
  GstContext *given = gst_context_new_cuda_context (other);
  GstContext *stranger = gst_context_new ("gst.gl.GLDisplay", FALSE);
  GstVideoInfo info;

  info_of (&info, "NV12", 160, 120);
  g_assert_null (ask (element, "src"));
  gst_element_set_context (element, stranger);
  g_assert_null (ask (element, "src"));
  gst_element_set_context (element, given);
  g_assert_true (ask (element, "src") == other);
  g_assert_true (ask (element, "sink") == other);
  {
    g_autoptr (GstBuffer) host = rig_frame_of (&info, 1);

    gst_buffer_unref (gst_harness_push_and_pull (h,
        upload (context, host, &info, FALSE, TRUE)));
  }
  g_assert_true (ask (element, "src") == context);
  g_assert_true (ask (element, "sink") == context);
  gst_element_set_state (element, GST_STATE_NULL);
  g_assert_null (ask (element, "src"));
  gst_context_unref (stranger);
  gst_context_unref (given);
  gst_object_unref (other);
  gst_harness_teardown (h);
}

/* Frames in either memory in one stream, as caps change. */
static void
test_both_memories (void)
{
  GstHarness *h = rig_harness ("", NULL);
  GstVideoInfo info;

  info_of (&info, "RGB", 160, 120);
  for (int i = 0; i < 4; i++) {
    g_autofree char *caps = caps_of ("RGB", 160, 120, i % 2);
    g_autoptr (GstBuffer) host = rig_frame_of (&info, 1);
    g_autoptr (GArray) boxes = rig_boxes (host, &info, NULL);
    g_autoptr (GstBuffer) out = NULL;

    gst_harness_set_src_caps_str (h, caps);
    out = gst_harness_push_and_pull (h,
        i % 2 ? upload (context, host, &info, TRUE, TRUE)
              : gst_buffer_ref (host));
    rig_assert_boxes (out, boxes, &info);
  }
  gst_harness_teardown (h);
}

/* A frame that the device has no memory to copy ends the stream with that. */
static void
test_no_memory (void)
{
  g_autofree char *small = caps_of ("NV12", 160, 120, FALSE);
  g_autofree char *large = caps_of ("NV12", 640, 480, TRUE);
  GstHarness *h = rig_harness ("", small);
  g_autoptr (GstElement) element = rig_element (h);
  g_autoptr (GstBus) bus = rig_bus (h);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBuffer) host = NULL;
  GstVideoInfo info;

  if (!downloads) {
    g_test_skip ("the emulation fails to order");
    gst_harness_teardown (h);
    return;
  }
  gst_buffer_unref (gst_harness_push_and_pull (h, rig_frame (h, 1)));
  gst_harness_set_src_caps_str (h, large); /* the same net's input */
  info_of (&info, "NV12", 640, 480);
  host = rig_frame_of (&info, 1);
  g_setenv ("DEFCN_EMULATE_FAIL", "alloc:1", TRUE);
  g_assert_cmpint (gst_harness_push (h,
                       upload (context, host, &info, FALSE, TRUE)),
      ==, GST_FLOW_ERROR);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  message = rig_message (bus, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==,
      "cuda: no memory to take a 640x480 image from the device");
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
}

/* The driver that the tests are for; FALSE where there is none. */
static gboolean
load_driver (void)
{
  const char *path = g_getenv ("DEFCN_TEST_DRIVER");

  if (path) {
    /* In the process by its name: it is taken for the real one. */
    GModule *module = g_module_open (path, 0);

    if (!module)
      g_error ("%s", g_module_error ());
    g_module_make_resident (module);
    g_assert_true (g_module_symbol (module, "host_driver_downloads",
        (gpointer *) &downloads));
  }
  gst_cuda_memory_init_once ();
  if (gst_cuda_load_library ())
    context = gst_cuda_context_new (0);
  return context != NULL;
}

int
main (int argc, char **argv)
{
  int status;

  rig_init (&argc, &argv);
  if (load_driver ()) {
    g_test_add_func ("/cudaframe/formats", test_formats);
    g_test_add_func ("/cudaframe/own-context", test_own_context);
    g_test_add_func ("/cudaframe/on-cpu", test_on_cpu);
    g_test_add_func ("/cudaframe/regions-and-no-block",
        test_regions_and_no_block);
    g_test_add_func ("/cudaframe/still", test_still);
    g_test_add_func ("/cudaframe/context", test_context);
    g_test_add_func ("/cudaframe/both-memories", test_both_memories);
    g_test_add_func ("/cudaframe/no-memory", test_no_memory);
  }
  status = rig_run ();
  gst_clear_object (&context);
  return status;
}
