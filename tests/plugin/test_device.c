/* defcndetect and devices that are not there, not good enough, or lost: one
 * error that says so, a pipeline that ends, a next start that works. */
#include <glib/gstdio.h>
#include <string.h>

#include "rig.h"
#include "testing.h"

#define CAPS "video/x-raw,format=RGB,width=64,height=48,framerate=25/1"

static GstElement *
pipeline_new (const char *properties)
{
  g_autofree char *launch = g_strdup_printf ("videotestsrc num-buffers=4 ! "
                                             "%s ! defcndetect name=d "
                                             "threads=1 model=%s %s ! "
                                             "fakesink name=sink sync=false",
      CAPS, rig_model (), properties);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (launch, &error);

  g_assert_no_error (error);
  return pipeline;
}

/* Plays @pipeline to its end and resets it.  The error it ended with, NULL for
 * EOS; it must be the element's, and the only one of it. */
static GError *
play (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  GError *error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_assert_cmpstr (GST_MESSAGE_SRC_NAME (message), ==, "d");
    gst_message_parse_error (message, &error, NULL);
  }
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
  return error;
}

static void
assert_plays (GstElement *pipeline)
{
  g_autoptr (GError) error = play (pipeline);

  g_assert_no_error (error);
}

static void
assert_says (const GError *error, const char *words)
{
  if (!strstr (error->message, words))
    g_error ("\"%s\" does not say \"%s\"", error->message, words);
}

/* device=auto plays on the CPU and tells why in the debug text of its message.
 */
static void
assert_falls_back (const char *words)
{
  g_autoptr (GstElement) pipeline = pipeline_new ("device=auto");
  g_autoptr (GstElement) element =
      gst_bin_get_by_name (GST_BIN (pipeline), "d");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) info = NULL;
  g_autofree char *debug = NULL, *device = NULL;

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL,
                       60 * GST_SECOND),
      ==, GST_STATE_CHANGE_SUCCESS);
  message = gst_bus_timed_pop_filtered (bus, 0, GST_MESSAGE_INFO);
  g_assert_nonnull (message);
  gst_message_parse_info (message, &info, &debug);
  g_object_get (element, "active-device", &device, NULL);
  g_assert_cmpstr (device, !=, "cuda");
  assert_says (info, device);
  if (!strstr (debug, words))
    g_error ("\"%s\" does not say \"%s\"", debug, words);
  assert_plays (pipeline);
}

/* No module where it is looked for, or none in this version. */
static void
test_no_module (void)
{
  g_autofree char *modules = g_strdup (g_getenv ("DEFCN_MODULES"));
  g_autoptr (GstElement) pipeline = pipeline_new ("device=cuda");
  g_autoptr (GstElement) half = pipeline_new ("precision=fp16");
  g_autoptr (GError) error = NULL, no_half = NULL;

  g_setenv ("DEFCN_MODULES", "/nowhere", TRUE);
  error = play (pipeline);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  g_assert_true (strstr (error->message, "CUDA is not built into this")
      || strstr (error->message, "/nowhere/libdefcn-cuda.so"));
  assert_falls_back (error->message);
  no_half = play (half);
  g_assert_error (no_half, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  assert_says (no_half, "precision \"fp16\" is for CUDA");
  assert_says (no_half, error->message);
  if (!modules) {
    g_unsetenv ("DEFCN_MODULES");
    return;
  }
  g_setenv ("DEFCN_MODULES", modules, TRUE);
  assert_plays (pipeline);
  assert_plays (half);
}

/* A file of autotune that is none is a warning that names it, nothing more. */
static void
test_tuning_file (void)
{
  g_autofree char *path = g_strconcat (rig_model (), ".tune.json", NULL);
  g_autoptr (GstElement) pipeline = pipeline_new ("device=cpu autotune=true");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autofree char *debug = NULL;

  g_assert_true (g_file_set_contents (path, "nonsense", -1, NULL));
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL,
                       60 * GST_SECOND),
      ==, GST_STATE_CHANGE_SUCCESS);
  message = gst_bus_timed_pop_filtered (bus, 0, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  gst_message_parse_warning (message, NULL, &debug);
  g_assert_nonnull (strstr (debug, path));
  assert_plays (pipeline);
  g_remove (path);
}

typedef struct
{
  const char *name, *failure, *device, *words;
} Start;

static const Start starts[] = {
  { "no-driver", "driver", "device=cuda",
      "device \"cuda:0\": there is no NVIDIA driver" },
  { "old-driver", "old-driver", "device=cuda:0", "driver is too old" },
  { "no-device", "device", "device=cuda", "\"cuda:0\": no CUDA-capable" },
  { "no-memory", "alloc:1", "device=cuda", "\"cuda:0\": out of memory" },
  { "no-memory-for-weights", "alloc:9", "device=cuda",
      "no memory for parameter" },
  { "lost-in-loading", "lost:1", "device=cuda", "unspecified launch failure" },
};

/* A device that cannot be had stops the start of the element that asked for
 * it by name; "auto" plays. */
static void
test_start (gconstpointer data)
{
  const Start *s = data;
  g_autoptr (GstElement) pipeline = pipeline_new (s->device);
  g_autoptr (GError) error = NULL;

  g_setenv ("DEFCN_EMULATE_FAIL", s->failure, TRUE);
  error = play (pipeline);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  assert_says (error, s->words);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  assert_plays (pipeline);
  g_setenv ("DEFCN_EMULATE_FAIL", s->failure, TRUE);
  assert_falls_back (s->words);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  assert_plays (pipeline);
}

typedef struct
{
  const char *name;
  guint after; /* frames */
  const char *failure, *words;
} Midway;

static const Midway midways[] = {
  { "no-memory-for-the-net", 0, "alloc:1", "memory" },
  { "timeout", 1, "sync:1", "cuda:0: the launch timed out" },
  { "lost", 2, "lost:1", "cuda:0: unspecified launch failure" },
};

/* The streaming thread comes by here while nothing runs on the device. */
static GstPadProbeReturn
fail_midway (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  const Midway *m = data;

  if (GST_BUFFER_OFFSET (GST_PAD_PROBE_INFO_BUFFER (info)) == m->after)
    g_setenv ("DEFCN_EMULATE_FAIL", m->failure, TRUE);
  return GST_PAD_PROBE_OK;
}

/* A device that fails in mid-stream ends the stream with an error that names
 * it; frames before it have gone through, and the next start works. */
static void
play_midway (const Midway *m)
{
  g_autoptr (GstElement) pipeline = pipeline_new ("device=cuda");
  g_autoptr (GstElement) element =
      gst_bin_get_by_name (GST_BIN (pipeline), "d");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  g_autoptr (GError) error = NULL;
  gulong probe = gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER,
      fail_midway, (gpointer) m, NULL);
  g_autoptr (GstStructure) stats = NULL;
  guint64 frames;

  error = play (pipeline);
  g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
  assert_says (error, m->words);
  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, "frames", &frames));
  g_assert_cmpuint (frames, ==, m->after);
  gst_pad_remove_probe (sink, probe);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  assert_plays (pipeline);
}

static void
test_midway (gconstpointer data)
{
  play_midway (data);
}

/* A lost device stays lost in this process: the next start by name says so,
 * "auto" goes on, on the CPU. */
static void
test_after_loss (void)
{
  GstHarness *h = rig_harness ("", CAPS);
  g_autoptr (GstElement) pipeline = pipeline_new ("device=cuda");
  g_autoptr (GError) error = NULL;

  gst_buffer_unref (gst_harness_push_and_pull (h, rig_frame (h, 0)));
  g_setenv ("DEFCN_EMULATE_FAIL", "lost:1", TRUE);
  for (guint i = 1; i < 4; i++) /* whoever goes on hears it again */
    g_assert_cmpint (gst_harness_push (h, rig_frame (h, i)), ==,
        GST_FLOW_ERROR);
  g_assert_null (gst_harness_try_pull (h));
  gst_harness_teardown (h);
  error = play (pipeline);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  assert_says (error, "this process has lost the device");
  assert_falls_back ("this process has lost the device");
  g_unsetenv ("DEFCN_EMULATE_FAIL");
  assert_plays (pipeline);
}

/* no-block: the error of a frame comes with the next one. */
static void
test_no_block (void)
{
  GstHarness *h = rig_harness ("no-block=true", CAPS);
  GstFlowReturn ret = GST_FLOW_OK;

  g_setenv ("DEFCN_EMULATE_FAIL", "lost:1", TRUE);
  for (guint i = 0; i < 1000 && ret == GST_FLOW_OK; i++) {
    ret = gst_harness_push (h, rig_frame (h, i));
    g_usleep (1000);
  }
  g_assert_cmpint (ret, ==, GST_FLOW_ERROR);
  gst_harness_teardown (h);
  g_unsetenv ("DEFCN_EMULATE_FAIL");
}

/* An error leaves no object behind, says GStreamer's leaks tracer. */
static void
test_leaks (gconstpointer data)
{
  if (g_test_subprocess ()) {
    play_midway (data);
    gst_deinit ();
    return;
  }
  g_setenv ("GST_TRACERS", "leaks", TRUE);
  g_setenv ("GST_DEBUG", "GST_TRACER:7", TRUE);
  g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, 0);
  g_unsetenv ("GST_TRACERS");
  g_unsetenv ("GST_DEBUG");
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr_unmatched ("*object-alive, type-name=(string)Gst*");
}

/* What the emulated module fails to order. */
static void
add_emulated (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (starts); i++) {
    g_autofree char *path =
        g_strconcat ("/device/start/", starts[i].name, NULL);

    g_test_add_data_func (path, &starts[i], test_start);
  }
  for (guint i = 0; i < G_N_ELEMENTS (midways); i++) {
    g_autofree char *path =
        g_strconcat ("/device/midway/", midways[i].name, NULL);
    g_autofree char *leaks =
        g_strconcat ("/device/leaks/", midways[i].name, NULL);

    g_test_add_data_func (path, &midways[i], test_midway);
    g_test_add_data_func (leaks, &midways[i], test_leaks);
  }
  g_test_add_func ("/device/after-loss", test_after_loss);
  g_test_add_func ("/device/no-block", test_no_block);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/device/no-module", test_no_module);
  g_test_add_func ("/device/tuning-file", test_tuning_file);
  if (g_str_equal (testing_backend (), "cuda"))
    add_emulated ();
  return rig_run ();
}
