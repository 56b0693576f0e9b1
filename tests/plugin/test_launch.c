/* The plugin from outside: its face, its documentation, and what it leaves
 * behind. */
#include "rig.h"
#include "testing.h"

#include <glib/gstdio.h>

/* What others can call. */
static void
check_exports (const char *library, guint n, const char *prefix)
{
  g_autofree char *path = g_build_filename (g_getenv ("DEFCN_TEST_BUILD"),
      "gst-plugin", library, NULL);
  const char *argv[] = { "nm", "-D", "--defined-only", path, NULL };
  g_autofree char *out = NULL;
  g_auto (GStrv) lines = NULL;
  int status;

  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
          NULL, &out, NULL, &status, NULL)
      || status != 0) {
    g_test_skip ("nm is not installed");
    return;
  }
  lines = g_strsplit (g_strchomp (out), "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, n);
  for (char **line = lines; *line; line++)
    if (!strstr (*line, prefix))
      g_error ("exported: %s", *line);
}

/* Nobody can call into the plugin but GStreamer, and into its module but the
 * plugin. */
static void
test_exports (void)
{
  check_exports ("libgstdefcn.so", 2, " T gst_plugin_defcn_");
  check_exports ("libdefcn-elements.so", 1, " T gst_defcn_elements");
}

/* Nothing of NVIDIA's is needed to load it. */
static void
test_needed (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("DEFCN_TEST_BUILD"),
      "gst-plugin", "libdefcn-elements.so", NULL);
  const char *argv[] = { "readelf", "-d", path, NULL };
  static const char *const theirs[] = { "libcuda.", "libcudart", "libcudnn",
    "libcublas", "libnv" };
  g_autofree char *out = NULL;
  int status;

  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
          NULL, &out, NULL, &status, NULL)
      || status != 0) {
    g_test_skip ("readelf is not installed");
    return;
  }
  g_assert_nonnull (strstr (out, "libgstreamer-1.0"));
  for (guint i = 0; i < G_N_ELEMENTS (theirs); i++)
    if (strstr (out, theirs[i]))
      g_error ("needed: %s", theirs[i]);
}

#ifndef RIG_SANITIZED
/* What gst-inspect-1.0 says of defcndetect with the plugin of @folder alone and
 * that @registry.  FALSE and the test skipped, if there is no such program. */
static gboolean
inspect (char **out, char **err, int *status, const char *folder,
    const char *registry)
{
  const char *argv[] = { "gst-inspect-1.0", "defcndetect", NULL };
  g_auto (GStrv) env = g_get_environ ();

  env = g_environ_setenv (env, "GST_PLUGIN_PATH_1_0", folder, TRUE);
  env = g_environ_setenv (env, "GST_PLUGIN_SYSTEM_PATH_1_0", "", TRUE);
  env = g_environ_setenv (env, "GST_REGISTRY", registry, TRUE);
  if (g_spawn_sync (NULL, (char **) argv, env, G_SPAWN_SEARCH_PATH, NULL, NULL,
          out, err, status, NULL))
    return TRUE;
  g_test_skip ("gst-inspect-1.0 is not installed");
  return FALSE;
}

/* Copies @from of the build to @to of @folder. */
static void
copy_built (const char *folder, const char *to, const char *from)
{
  g_autofree char *source =
      g_build_filename (g_getenv ("DEFCN_TEST_BUILD"), from, NULL);
  g_autofree char *path = g_build_filename (folder, to, NULL);
  g_autofree char *bytes = NULL;
  gsize len;

  g_assert_true (g_file_get_contents (source, &bytes, &len, NULL));
  g_assert_true (g_file_set_contents (path, bytes, len, NULL));
}

static void
remove_copy (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_cmpint (g_unlink (path), ==, 0);
}
#endif

/* GStreamer finds the plugin by itself, with all elements and no complaint,
 * be there a GPU or not. */
static void
test_scanned (void)
{
#ifdef RIG_SANITIZED
  g_test_skip ("gst-inspect-1.0 cannot load a sanitized plugin");
#else
  g_autofree char *path =
      g_build_filename (g_getenv ("DEFCN_TEST_BUILD"), "gst-plugin", NULL);
  g_autofree char *registry = rig_file ("scanned.registry", "");
  g_autofree char *out = NULL, *err = NULL;
  int status;

  if (!inspect (&out, &err, &status, path, registry))
    return;
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpstr (err, ==, "");
  g_assert_nonnull (strstr (out, "Filter/Analyzer/Video"));
  g_assert_nonnull (strstr (out, "GRAY8"));
#endif
}

/* A plugin whose module is not there, or of another version, says so; it has
 * its elements as soon as the module is the right one.  Folders may have names
 * of any kind. */
static void
test_module (void)
{
#ifdef RIG_SANITIZED
  g_test_skip ("gst-inspect-1.0 cannot load a sanitized plugin");
#else
  static const struct
  {
    const char *from, *says;
  } modules[] = {
    { NULL, "do not load: " },
    { "tests/plugin/libother-elements.so",
        "is of version 0.0.0, the plugin of " DEFCN_VERSION },
    { "build.ninja", "libdefcn-elements.so: " },
    { "gst-plugin/libdefcn-elements.so", NULL },
  };
  g_autofree char *folder = rig_file ("a plugin, alone", "");
  g_autofree char *registry = rig_file ("module.registry", "");

  g_assert_cmpint (g_unlink (folder), ==, 0);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  copy_built (folder, "libgstdefcn.so", "gst-plugin/libgstdefcn.so");
  for (guint i = 0; i < G_N_ELEMENTS (modules); i++) {
    g_autofree char *out = NULL, *err = NULL;
    int status;

    if (modules[i].from)
      copy_built (folder, "libdefcn-elements.so", modules[i].from);
    if (!inspect (&out, &err, &status, folder, registry))
      return;
    g_assert_cmpint (status != 0, ==, modules[i].says != NULL);
    if (modules[i].says) {
      g_assert_nonnull (strstr (err, folder));
      g_assert_nonnull (strstr (err, modules[i].says));
    } else
      g_assert_cmpstr (err, ==, "");
  }
  remove_copy (folder, "libdefcn-elements.so");
  remove_copy (folder, "libgstdefcn.so");
  g_assert_cmpint (g_rmdir (folder), ==, 0);
#endif
}

/* The plugin says what it is, under a licence that GStreamer knows. */
static void
test_plugin (void)
{
  g_autoptr (GstPlugin) plugin =
      gst_registry_find_plugin (gst_registry_get (), "defcn");

  g_assert_nonnull (plugin);
  g_assert_cmpstr (gst_plugin_get_license (plugin), ==, "MIT/X11");
  g_assert_cmpstr (gst_plugin_get_version (plugin), ==, DEFCN_VERSION);
}

/* Each element is an analyser or visualiser of video and never chosen by
 * itself. */
static void
test_factory (void)
{
  g_autoptr (GstElementFactory) factory =
      gst_element_factory_find ("defcndetect");

  g_assert_nonnull (factory);
  g_assert_cmpstr (gst_element_factory_get_metadata (factory,
                       GST_ELEMENT_METADATA_KLASS),
      ==, "Filter/Analyzer/Video");
  g_assert_cmpuint (gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)),
      ==, GST_RANK_NONE);
}

/* The launch line between |[ and ]| without the tool and its options. */
static char *
launch_line (const char *comment)
{
  g_autoptr (GRegex) star =
      g_regex_new ("^ \\*( |$)", G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GRegex) tool =
      g_regex_new ("^\\s*gst-launch-1.0( -[a-z]+)*\\s", 0, 0, NULL);
  g_autofree char *text =
      g_regex_replace_literal (star, comment, -1, 0, "", 0, NULL);

  return g_regex_replace_literal (tool, text, -1, 0, "", 0, NULL);
}

static guint
parse_examples (const char *source)
{
  g_autofree char *text = NULL;
  guint n = 0;

  g_assert_true (g_file_get_contents (source, &text, NULL, NULL));
  for (char *start = strstr (text, "|["), *end; start;
       start = strstr (end, "|["), n++) {
    g_autofree char *comment = NULL, *line = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (GstElement) pipeline = NULL;

    end = strstr (start, "]|");
    g_assert_nonnull (end);
    comment = g_strndup (start + 2, end - start - 2);
    line = launch_line (comment);
#ifndef HAVE_SNAPSHOT
    if (strstr (line, "defcnsnapshot"))
      continue;
#endif
    pipeline = gst_parse_launch (line, &error);
    if (g_error_matches (error, GST_PARSE_ERROR,
            GST_PARSE_ERROR_NO_SUCH_ELEMENT)
        && !strstr (error->message, "defcn")) {
      g_test_message ("not here: %s", error->message);
      continue;
    }
    if (error)
      g_error ("%s: %s", line, error->message);
  }
  return n;
}

/* Every example of the elements' documentation parses. */
static void
test_examples (void)
{
  g_autofree char *folder =
      g_build_filename (g_getenv ("DEFCN_TEST_SOURCES"), "gst-plugin", NULL);
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint n = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)))
    if (g_str_has_prefix (name, "gstdefcn") && g_str_has_suffix (name, ".c")) {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      n += parse_examples (path);
    }
  g_dir_close (dir);
  g_assert_cmpuint (n, >=, 3);
}

static void
run_pipeline (const char *properties)
{
  g_autofree char *launch = g_strdup_printf (
      "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48 ! tee "
      "name=t ! queue ! defcndetect model=%s device=%s threads=1 %s ! "
      "videoconvert ! "
      "video/x-raw,format=RGB ! fakesink sync=false t. ! queue ! fakesink "
      "sync=false",
      rig_model (), testing_backend (), properties);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, &error);
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GstElement) pictures = NULL;
  g_autofree char *mark = rig_file ("picture", "");
  g_autofree char *location = g_strconcat (mark, "-{n}.jpg", NULL);
  g_autofree char *path = g_strconcat (mark, "-0.jpg", NULL);

  g_assert_no_error (error);
  pictures = gst_bin_get_by_name (GST_BIN (pipeline), "pictures");
  if (pictures)
    g_object_set (pictures, "location", location, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_true (!pictures || g_file_test (path, G_FILE_TEST_EXISTS));
}

/* A pipeline leaves nothing behind, be it after EOS or after an error, says
 * GStreamer's leaks tracer, which reports when GStreamer is shut down. */
static void
test_leaks (gconstpointer properties)
{
  if (g_test_subprocess ()) {
    run_pipeline (properties);
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

/* The tracer is there and would have told of an object that lives on. */
static void
test_leaks_seen (void)
{
  if (g_test_subprocess ()) {
    gst_object_ref_sink (gst_element_factory_make ("defcndetect", NULL));
    gst_deinit ();
    return;
  }
  g_setenv ("GST_TRACERS", "leaks", TRUE);
  g_setenv ("GST_DEBUG", "GST_TRACER:7", TRUE);
  g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, 0);
  g_unsetenv ("GST_TRACERS");
  g_unsetenv ("GST_DEBUG");
  g_test_trap_assert_stderr (
      "*object-alive, type-name=(string)GstDefcnDetect*");
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name, *properties;
  } leak_cases[] = {
    { "plain", "" },
    { "messages", "message=true stats-interval=1" },
    { "no-block", "no-block=true" },
    { "custom",
        "meta=roi+custom inference-interval=2 "
        "repeat-detections=true" },
    { "regions", "roi=\"0,0,32,32;32,0,32,32\"" },
    { "track", "inference-interval=2 ! defcntrack confirm=1 ! defcnoverlay" },
    { "zones",
        "threshold=0.1 ! defcntrack confirm=1 ! defcnzones "
        "message=true zones=\"a: polygon 0,0 1,0 1,1 0,1\"" },
    { "styles",
        "threshold=0 ! defcntrack confirm=1 high-threshold=0 "
        "confirm-threshold=0 ! defcnzones zones=\"a: line 0,0 1,1\" "
        "! defcnoverlay trails=2 color-by=id redact=person" },
    { "publish", "! defcnpublish location=/dev/null source=a tags=\"{}\"" },
    /* Nobody listens there; a build without says so. */
    { "mqtt",
        "! defcnpublish method=mqtt address=127.0.0.1:1 drain-timeout=0" },
    { "kafka",
        "! defcnpublish method=kafka address=127.0.0.1:1 drain-timeout=0" },
#ifdef HAVE_SNAPSHOT
    { "snapshot",
        "threshold=0 ! defcntrack confirm=1 high-threshold=0 "
        "confirm-threshold=0 ! defcnsnapshot name=pictures redact=person" },
#endif
    { "no-device", "device=cuda:7" },
    { "no-class", "class-thresholds=cat=1" },
    { "no-label", "labels=a" },
  };

  rig_init (&argc, &argv);
  g_test_add_func ("/launch/exports", test_exports);
  g_test_add_func ("/launch/needed", test_needed);
  g_test_add_func ("/launch/scanned", test_scanned);
  g_test_add_func ("/launch/module", test_module);
  g_test_add_func ("/launch/plugin", test_plugin);
  g_test_add_func ("/launch/factory", test_factory);
  g_test_add_func ("/launch/examples", test_examples);
  g_test_add_func ("/launch/leaks-seen", test_leaks_seen);
  for (guint i = 0; i < G_N_ELEMENTS (leak_cases); i++) {
    g_autofree char *path =
        g_strconcat ("/launch/leaks/", leak_cases[i].name, NULL);

    g_test_add_data_func (path, leak_cases[i].properties, test_leaks);
  }
  return rig_run ();
}
