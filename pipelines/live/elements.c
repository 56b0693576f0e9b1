/* The elements of a branch. */
#include "elements.h"

#include <string.h>

#include "uri.h"

/* The lowest score that is worth anything for an object that is known. */
#define TRACK_THRESHOLD 0.1

#define HEAD                                                                   \
  "queue name=first leaky=downstream max-size-buffers=2 max-size-bytes=0 "     \
  "max-size-time=0 ! defcndetect name=detect no-block=true "                   \
  "repeat-detections=true ! "
#define TRACK "defcntrack name=track ! "
#define TAIL                                                                   \
  "defcnpublish name=publish ! "                                               \
  "queue name=second leaky=downstream max-size-buffers=1 max-size-bytes=0 "    \
  "max-size-time=0 ! videoconvertscale ! capsfilter name=page ! "              \
  "defcnoverlay name=overlay ! jpegenc name=jpeg ! "                           \
  "appsink name=sink sync=false max-buffers=1 drop=true"

/* Of the longer side of a box: boxes are behind the picture by the time that a
 * look takes. */
#define REDACT_MARGIN 0.3

/* Where the plugin is as installed, from the program's folder, and as built. */
gboolean
live_elements_find_plugin (void)
{
  static const char *const folders[] = { LIVE_PLUGINS_FROM_PROGRAM,
    "../../gst-plugin" };
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autoptr (GstPluginFeature) found =
      gst_registry_lookup_feature (gst_registry_get (), "defcndetect");

  for (guint i = 0; !found && program && i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *folder = g_path_get_dirname (program);
    g_autofree char *joined =
        g_build_filename (folder, folders[i], "libgstdefcn.so", NULL);
    g_autofree char *path = g_canonicalize_filename (joined, NULL);
    g_autoptr (GstPlugin) plugin = NULL;

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      plugin = gst_plugin_load_file (path, NULL);
    if (plugin)
      return TRUE;
  }
  return found != NULL;
}

static gboolean
has (gpointer object, const char *name)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (object), name)
      != NULL;
}

/* A value as text, from the file or as a default; NULL is none. */
static gboolean
set (GstElement *element, const char *name, const char *text, GError **error)
{
  GValue value = G_VALUE_INIT;
  GParamSpec *spec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (element), name);
  gboolean valid;

  if (!text)
    return TRUE;
  if (!spec) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "the element %s of this GStreamer has no property \"%s\"",
        GST_OBJECT_NAME (gst_element_get_factory (element)), name);
    return FALSE;
  }
  g_value_init (&value, spec->value_type);
  if (G_VALUE_HOLDS_STRING (&value)) {
    g_value_set_string (&value, text);
    valid = TRUE;
  } else {
    valid = gst_value_deserialize (&value, text);
  }
  /* TRUE: it had to be changed to fit. */
  valid = valid && !g_param_value_validate (spec, &value);
  if (valid)
    g_object_set_property (G_OBJECT (element), name, &value);
  else
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_FAILED,
        "the element %s takes no \"%s\" as its \"%s\"",
        GST_OBJECT_NAME (gst_element_get_factory (element)), text, name);
  g_value_unset (&value);
  return valid;
}

static gboolean
set_uint (GstElement *element, const char *name, guint number, GError **error)
{
  g_autofree char *text = g_strdup_printf ("%u", number);

  return set (element, name, text, error);
}

static gboolean
set_double (GstElement *element, const char *name, double number,
    GError **error)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  return set (element, name, g_ascii_dtostr (text, sizeof text, number), error);
}

/* Of the detector: whom the tracker knows it finds by scores below the
 * camera's threshold, from which on others are somebody. */
static double
lowest_score (const LiveCameraConfig *camera)
{
  if (!camera->track)
    return camera->threshold;
  return camera->threshold < 0 ? TRACK_THRESHOLD
                               : MIN (camera->threshold, TRACK_THRESHOLD);
}

static gboolean
set_model (GstElement *detect, const LiveConfig *config, GError **error)
{
  /* One model for all cameras; and another one when that is to change, whoever
   * is not through with the old one. */
  g_autofree char *id = g_strdup_printf ("live %u", config->serial);

  return set (detect, "model-instance-id", id, error)
      && set (detect, "model", config->model, error)
      && set (detect, "device", config->device, error)
      && set (detect, "precision", config->precision, error)
      && set_uint (detect, "threads", config->threads, error)
      && (!config->workers
          || set_uint (detect, "workers", config->workers, error))
      && (!config->batch_size
          || set_uint (detect, "batch-size", config->batch_size, error))
      && (config->batch_timeout < 0
          || set_uint (detect, "batch-timeout", (guint) config->batch_timeout,
              error));
}

static gboolean
set_rules (GstElement *detect, const LiveCameraConfig *camera, GError **error)
{
  return set_double (detect, "threshold", lowest_score (camera), error)
      && set (detect, "class-thresholds", camera->class_thresholds, error)
      && set (detect, "classes", camera->classes, error)
      && set (detect, "roi", camera->regions, error)
      && (!camera->max_detections
          || set_uint (detect, "max-detections", camera->max_detections, error))
      && set_uint (detect, "inference-interval", camera->interval, error)
      && set_double (detect, "skip-still", camera->skip_still, error);
}

/* An object is one after some looks whose mean is better than that of one. */
static gboolean
set_tracker (GstElement *track, const LiveCameraConfig *camera, GError **error)
{
  const double threshold = camera->threshold;

  if (!track || threshold < 0)
    return TRUE;
  return set_double (track, "high-threshold", threshold, error)
      && set_double (track, "confirm-threshold",
          MIN (threshold + 0.2, (threshold + 1) / 2), error);
}

static gboolean
set_publisher (GstElement *publish, const LiveCameraConfig *camera, int records,
    GError **error)
{
  g_object_set (publish, "fd", records, "add-empty-results", camera->all_frames,
      "timestamp-utc", TRUE, NULL);
  return set (publish, "source", camera->name, error);
}

/* Smaller if it is wider, in square pixels, with its aspect; without those who
 * shall not be recognised. */
static gboolean
set_page (GstBin *bin, const LiveCameraConfig *camera, GError **error)
{
  g_autoptr (GstElement) page = gst_bin_get_by_name (bin, "page");
  g_autoptr (GstElement) overlay = gst_bin_get_by_name (bin, "overlay");
  g_autoptr (GstElement) jpeg = gst_bin_get_by_name (bin, "jpeg");
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "width",
      GST_TYPE_INT_RANGE, 1, (int) camera->page_width, "height",
      GST_TYPE_INT_RANGE, 1, (int) camera->page_width, "pixel-aspect-ratio",
      GST_TYPE_FRACTION, 1, 1, NULL);

  g_object_set (page, "caps", caps, NULL);
  g_object_set (jpeg, "quality", (int) camera->page_quality, NULL);
  return set (overlay, "redact", camera->redact, error)
      && set_double (overlay, "redact-margin", REDACT_MARGIN, error);
}

/* Sources. */

/* The login is the element's and in no address, lest a message shows it. */
static void
on_source_setup (GstElement *decode, GstElement *source, gpointer data)
{
  const LiveCameraConfig *camera = data;
  g_autofree char *user = NULL, *password = NULL;

  g_free (live_uri_split (camera->uri, &user, &password));
  if (user && has (source, "user-id"))
    g_object_set (source, "user-id", user, NULL);
  if (password && has (source, "user-pw"))
    g_object_set (source, "user-pw", password, NULL);
  if (g_str_has_prefix (camera->uri, "rtsp")) {
    if (!g_str_equal (camera->protocol, "auto"))
      gst_util_set_object_arg (G_OBJECT (source), "protocols",
          camera->protocol);
    g_object_set (source, "latency", camera->latency, "tcp-timeout",
        (guint64) camera->timeout * G_USEC_PER_SEC,
        "add-reference-timestamp-meta", TRUE, NULL);
  } else if (g_str_has_prefix (camera->uri, "http")) {
    g_object_set (source, "is-live", TRUE, "do-timestamp", TRUE, "timeout",
        camera->timeout, NULL);
  }
}

/* Motion JPEG has no other stream to wait for, which could take minutes. */
static void
on_element (GstBin *pipeline, GstBin *bin, GstElement *element, gpointer data)
{
  const GstElementFactory *factory = gst_element_get_factory (element);

  if (factory && g_str_equal (GST_OBJECT_NAME (factory), "multipartdemux"))
    g_object_set (element, "single-stream", TRUE, NULL);
}

/* The first picture that it has; what else there is stays unlinked. */
static void
on_pad (GstElement *decode, GstPad *pad, gpointer data)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (data, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  if (!gst_pad_is_linked (sink) && !gst_caps_is_empty (caps)
      && g_str_has_prefix (gst_structure_get_name (
                               gst_caps_get_structure (caps, 0)),
          "video/"))
    gst_pad_link (pad, sink);
}

static void
free_camera (gpointer camera, GClosure *closure)
{
  live_config_camera_free (camera);
}

/* A file goes by the clock, as a camera would. */
static gboolean
add_decoder (GstBin *bin, GstElement *tail, const LiveCameraConfig *camera,
    GError **error)
{
  GstElement *decode = gst_element_factory_make ("uridecodebin", "decode");
  GstElement *next = tail;
  g_autofree char *user = NULL, *password = NULL;
  g_autofree char *plain = live_uri_split (camera->uri, &user, &password);

  if (!decode) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "no element \"uridecodebin\": install gstreamer1.0-plugins-base");
    return FALSE;
  }
  gst_bin_add (bin, decode);
  if (g_str_has_prefix (camera->uri, "file:")) {
    next = gst_element_factory_make ("clocksync", NULL);
    gst_bin_add (bin, next);
    gst_element_link (next, tail);
  }
  g_object_set (decode, "uri", plain, NULL);
  g_signal_connect_data (decode, "source-setup", G_CALLBACK (on_source_setup),
      live_config_camera_copy (camera), free_camera, 0);
  g_signal_connect (bin, "deep-element-added", G_CALLBACK (on_element), NULL);
  g_signal_connect_object (decode, "pad-added", G_CALLBACK (on_pad), next, 0);
  return TRUE;
}

static gboolean
add_test (GstBin *bin, GstElement *tail, const LiveCameraConfig *camera,
    GError **error)
{
  const char *pattern = camera->uri + strlen ("test://");
  GstElement *source = gst_element_factory_make ("videotestsrc", "decode");
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "video/x-raw,format=I420,width=640,height=360,framerate=15/1");

  if (!source) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "no element \"videotestsrc\": install gstreamer1.0-plugins-base");
    return FALSE;
  }
  gst_bin_add (bin, source);
  g_object_set (source, "is-live", TRUE, NULL);
  return set (source, "pattern", pattern, error)
      && gst_element_link_filtered (source, tail, caps);
}

GstElement *
live_elements_new (const LiveCameraConfig *camera, const LiveConfig *config,
    int records, GError **error)
{
  g_autoptr (GstElement) pipeline =
      gst_parse_launch_full (camera->track ? HEAD TRACK TAIL : HEAD TAIL, NULL,
          GST_PARSE_FLAG_FATAL_ERRORS, error);
  g_autoptr (GstElement) first = NULL, detect = NULL, track = NULL;
  g_autoptr (GstElement) publish = NULL;
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  GstBin *bin;

  if (!pipeline)
    return NULL;
  gst_object_ref_sink (pipeline);
  bin = GST_BIN (pipeline);
  first = gst_bin_get_by_name (bin, "first");
  detect = gst_bin_get_by_name (bin, "detect");
  track = gst_bin_get_by_name (bin, "track");
  publish = gst_bin_get_by_name (bin, "publish");
  /* No other one could be lost. */
  gst_pipeline_use_clock (GST_PIPELINE (pipeline), clock);
  if (!set_page (bin, camera, error) || !set_model (detect, config, error)
      || !set_rules (detect, camera, error)
      || !set_tracker (track, camera, error)
      || !set_publisher (publish, camera, records, error)
      || !(g_str_has_prefix (camera->uri, "test:")
              ? add_test (bin, first, camera, error)
              : add_decoder (bin, first, camera, error)))
    return NULL;
  return g_steal_pointer (&pipeline);
}

gboolean
live_elements_check (const LiveConfig *config, GError **error)
{
  for (guint i = 0; i < config->cameras->len; i++) {
    const LiveCameraConfig *camera = g_ptr_array_index (config->cameras, i);
    GstElement *pipeline = live_elements_new (camera, config, -1, error);

    if (!pipeline) {
      g_prefix_error (error, "[camera %s] ", camera->name);
      return FALSE;
    }
    gst_object_unref (pipeline);
  }
  return TRUE;
}

/* A detector that is in no pipeline, with the model open, which takes what
 * @camera says unless that is NULL. */
static GstElement *
open_detector (const LiveConfig *config, const LiveCameraConfig *camera,
    GError **error)
{
  GstElement *detect = gst_element_factory_make ("defcndetect", NULL);
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;

  gst_object_ref_sink (detect);
  gst_element_set_bus (detect, bus);
  if (set_model (detect, config, error)
      && (!camera || set_rules (detect, camera, error))
      && gst_element_set_state (detect, GST_STATE_PAUSED)
          != GST_STATE_CHANGE_FAILURE)
    return detect;
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  if (message)
    gst_message_parse_error (message, error, NULL);
  live_elements_close (detect);
  return NULL;
}

GstElement *
live_elements_open (const LiveConfig *config, GError **error)
{
  GstElement *detect = open_detector (config, NULL, error);

  if (!detect) {
    g_prefix_error (error, "[live] ");
    return NULL;
  }
  for (guint i = 0; i < config->cameras->len; i++) {
    const LiveCameraConfig *camera = g_ptr_array_index (config->cameras, i);
    GstElement *one = open_detector (config, camera, error);

    if (!one) {
      g_prefix_error (error, "[camera %s] ", camera->name);
      live_elements_close (detect);
      return NULL;
    }
    live_elements_close (one);
  }
  return detect;
}

void
live_elements_close (GstElement *detect)
{
  if (!detect)
    return;
  gst_element_set_state (detect, GST_STATE_NULL);
  gst_element_set_bus (detect, NULL); /* whose messages have a hold on it */
  gst_object_unref (detect);
}
