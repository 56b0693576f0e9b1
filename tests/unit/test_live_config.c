/* The ini file of live. */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "folder.h"

static LiveConfig *
parse (const char *text, GError **error)
{
  return live_config_parse (text, strlen (text), "a.ini", error);
}

static const LiveCameraConfig *
camera (const LiveConfig *config, guint i)
{
  return g_ptr_array_index (config->cameras, i);
}

/* What is not said has a default. */
static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LiveConfig) config =
      parse ("[camera a]\nuri = test://ball\n", &error);

  g_assert_no_error (error);
  g_assert_null (config->model);
  g_assert_null (config->token_file);
  g_assert_cmpstr (config->listen, ==, "127.0.0.1");
  g_assert_cmpuint (config->port, ==, 8080);
  g_assert_cmpstr (config->records, ==, "-");
  g_assert_cmpuint (config->workers, ==, 0);
  g_assert_cmpuint (config->batch_size, ==, 0);
  g_assert_cmpint (config->batch_timeout, <, 0);
  g_assert_cmpuint (config->retry_min, ==, 1);
  g_assert_cmpuint (config->retry_max, ==, 60);
  g_assert_false (config->has_logins);
  g_assert_cmpuint (config->cameras->len, ==, 1);
  g_assert_cmpstr (camera (config, 0)->name, ==, "a");
  g_assert_cmpfloat (camera (config, 0)->threshold, <, 0);
  g_assert_cmpuint (camera (config, 0)->timeout, ==, 10);
  g_assert_cmpuint (camera (config, 0)->interval, ==, 1);
  g_assert_cmpfloat (camera (config, 0)->skip_still, ==, 0);
  g_assert_null (camera (config, 0)->regions);
  g_assert_false (camera (config, 0)->track);
}

/* A camera has what [live] says for all, and its own word before that, wherever
 * [live] stands. */
static void
test_common (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LiveConfig) config =
      parse ("[camera a b]\nuri=rtsp://u:p@h/x\nthreshold=0.5\n"
             "regions = 0,0,10,20; 5,6,7,8\n"
             "# comment\n[live]\nthreshold = .25\nclasses = person\nport=0\n"
             "hosts = a.example, b.example\nall-frames=yes\n"
             "track = true\n"
             "class-thresholds = person=0.6,big=car=1\nbatch-timeout=0\n"
             "[camera \xc3\xa4<&\"\\]\nuri=test://snow\n",
          &error);

  g_assert_no_error (error);
  g_assert_cmpuint (config->cameras->len, ==, 2);
  g_assert_cmpstr (camera (config, 0)->name, ==, "a b");
  g_assert_cmpfloat (camera (config, 0)->threshold, ==, 0.5);
  g_assert_cmpstr (camera (config, 0)->regions, ==, "0,0,10,20; 5,6,7,8");
  g_assert_cmpstr (camera (config, 0)->classes, ==, "person");
  g_assert_cmpstr (camera (config, 1)->name, ==, "\xc3\xa4<&\"\\");
  g_assert_cmpfloat (camera (config, 1)->threshold, ==, 0.25);
  g_assert_null (camera (config, 1)->regions);
  g_assert_true (camera (config, 1)->all_frames);
  g_assert_true (camera (config, 1)->track);
  g_assert_cmpuint (config->port, ==, 0);
  g_assert_cmpint (config->batch_timeout, ==, 0);
  g_assert_cmpstr (config->hosts[0], ==, "a.example");
  g_assert_cmpstr (config->hosts[1], ==, "b.example");
  g_assert_null (config->hosts[2]);
  g_assert_true (config->has_logins);
}

#define A "[camera a]\nuri=test://ball\n"
#define LONG "0123456789012345678901234567890123456789012345678901234567890123"

/* What is wrong is named with its group and key. */
static const struct
{
  const char *text, *message;
} wrong[] = {
  { "", "a.ini: there is no group [camera NAME]" },
  { "[live]\n", "there is no group [camera NAME]" },
  { "x = 1\n", "a.ini: " },
  { "[camera a]\n", "[camera a] uri: it is missing" },
  { "[camera ]\nuri=test://ball\n", "[camera ]: a camera needs a name" },
  { "[camera]\nuri=test://ball\n", "[camera]: no such group" },
  { "[camera a/b]\nuri=test://ball\n", "[camera a/b]: a name has no \"/\"" },
  { "[camera  a]\nuri=test://ball\n", "[camera  a]: a name begins and ends" },
  { "[camera a ]\nuri=test://ball\n", "[camera a ]: a name begins and ends" },
  { "[camera " LONG "4]\nuri=test://ball\n", "more than 64 bytes" },
  { "[other]\n" A, "[other]: no such group" },
  { "[live]\nuri = test://ball\n" A, "[live] uri: no such key" },
  { "[live]\nPort = 1\n" A, "[live] Port: no such key" },
  { A "port = 1\n", "[camera a] port: no such key" },
  { A "threshold = 1.5\n", "[camera a] threshold: 1.5 is not between 0 and 1" },
  { A "threshold = nan\n", "[camera a] threshold: nan is not between 0 and 1" },
  { "[live]\nbatch-timeout = -1\n" A,
      "batch-timeout: -1 is not between 0 and" },
  { A "skip-still = 256\n", "[camera a] skip-still: 256 is not between 0 and" },
  { A "threshold = 0,5\n", "[camera a] threshold: \"0,5\" is no number" },
  { A "threshold =\n", "[camera a] threshold: \"\" is no number" },
  { A "timeout = 0\n", "[camera a] timeout: 0 is not between 1 and 3600" },
  { A "timeout = 1.5\n", "[camera a] timeout: \"1.5\" is no whole number" },
  { A "timeout = -1\n", "[camera a] timeout: -1 is not between" },
  { A "timeout = 99999999999999999999\n", "[camera a] timeout: 9999" },
  { A "page-fps = 3 # few\n", "[camera a] page-fps: \"3 # few\" is no whole" },
  { A "track = maybe\n", "[camera a] track: \"maybe\" is neither true" },
  { A "all-frames = 2\n", "[camera a] all-frames: \"2\" is neither true nor" },
  { A "classes =\n", "[camera a] classes: it is empty" },
  { A "redact =\n", "[camera a] redact: it is empty" },
  { A "classes = a\x01z\n", "[camera a] classes: there is a control char" },
  { A "rtsp-protocol = tcq\n", "[camera a] rtsp-protocol: \"tcq\" is none of" },
  { A "regions = 1,2,3\n", "[camera a] regions: \"1,2,3\" is no x,y,width" },
  { A "regions = 1,2,3,4,5\n", "[camera a] regions: \"1,2,3,4,5\" is no x,y" },
  { A "regions = 1,2,0,4\n", "[camera a] regions: \"1,2,0,4\" is no x,y" },
  { A "regions = 1,2,3,4;x\n", "[camera a] regions: \"x\" is no x,y" },
  { A "class-thresholds = person\n",
      "[camera a] class-thresholds: \"person\"" },
  { A "class-thresholds = a=2\n", "[camera a] class-thresholds: \"a=2\"" },
  { A "class-thresholds = a=1x\n", "[camera a] class-thresholds: \"a=1x\"" },
  { "[camera a]\nuri = /srv/a\n", "[camera a] uri: it does not begin with" },
  { "[live]\nlisten = localhost\n" A,
      "[live] listen: \"localhost\" is no num" },
  { "[live]\nport = 65536\n" A, "[live] port: 65536 is not between" },
  { "[live]\nmodel = a.safetensors\n" A,
      "[live] model: \"a.safetensors\" is no" },
  { "[live]\nmodel = /none/a\n" A,
      "[live] model: there is no file \"/none/a\"" },
  { "[live]\ntoken-file = /none\n" A, "[live] token-file: there is no file" },
  { "[live]\nrecords = a.jsonl\n" A, "[live] records: \"a.jsonl\" is no abs" },
  { "[live]\nprecision = fp8\n" A, "[live] precision: \"fp8\" is none of" },
  { "[live]\nworkers = 0\n" A, "[live] workers: 0 is not between 1 and 16" },
  { "[live]\nbatch-size = 65\n" A, "[live] batch-size: 65 is not between" },
  { "[live]\nbatch-timeout = -1\n" A, "[live] batch-timeout: -1 is not" },
  { "[live]\nretry-min = 9\nretry-max = 8\n" A, "[live] retry-min: 9 is more" },
  { A A, "line 3: [camera a] is there twice" },
  { A "classes = x\nclasses=y\n", "line 4: [camera a] classes is there twice" },
};

static void
test_wrong (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;

    if (parse (wrong[i].text, &error))
      g_error ("this is taken: %s", wrong[i].text);
    g_assert_error (error, LIVE_CONFIG_ERROR, 0);
    g_assert_true (g_str_has_prefix (error->message, "a.ini: "));
    if (!strstr (error->message, wrong[i].message))
      g_error ("\"%s\" is not in \"%s\"", wrong[i].message, error->message);
  }
}

/* No password gets into an error. */
static void
test_secret (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (parse ("[camera a]\nuri=rtsp://u:s3cret@h/a b\n", &error));
  g_assert_null (strstr (error->message, "s3cret"));
}

/* More cameras than there can be. */
static void
test_many (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (LiveConfig) config = NULL;

  for (guint i = 0; i < LIVE_CONFIG_MAX_CAMERAS; i++)
    g_string_append_printf (text, "[camera %u]\nuri=test://ball\n", i);
  config = parse (text->str, &error);
  g_assert_no_error (error);
  g_string_append (text, "[camera x]\nuri=test://ball\n");
  g_assert_null (parse (text->str, &error));
  g_assert_nonnull (strstr (error->message, "257 cameras, 256"));
}

/* What is compared when the file is read again. */
static void
test_equal (void)
{
  static const char *const changes[] = { "threshold=0.1", "classes=x",
    "regions=1,1,1,1", "class-thresholds=x=0.5", "max-detections=5",
    "inference-interval=2", "skip-still=2.5", "track=true", "all-frames=true",
    "rtsp-protocol=udp", "rtsp-latency=1", "timeout=11", "page-width=320",
    "page-fps=5", "page-quality=50", "redact=person" };
  static const char *const models[] = { "device=cpu", "precision=fp32",
    "threads=2", "workers=2", "batch-size=2", "batch-timeout=1" };
  g_autoptr (LiveConfig) a = parse (A, NULL);
  g_autoptr (LiveConfig) same = parse ("[live]\nthreads=2\n" A, NULL);
  g_autoptr (LiveConfig) moved = parse ("[camera a]\nuri=test://snow\n", NULL);
  g_autoptr (LiveConfig) named = parse ("[camera b]\nuri=test://ball\n", NULL);

  g_assert_true (live_config_camera_equal (camera (a, 0), camera (same, 0)));
  g_assert_false (live_config_camera_equal (camera (a, 0), camera (moved, 0)));
  g_assert_false (live_config_camera_equal (camera (a, 0), camera (named, 0)));
  g_assert_true (live_config_model_equal (a, moved));
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *text = g_strconcat ("[live]\n", models[i], "\n" A, NULL);
    g_autoptr (LiveConfig) b = parse (text, NULL);

    if (live_config_model_equal (a, b))
      g_error ("%s is no other model", models[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_autofree char *text = g_strconcat (A, changes[i], "\n", NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (LiveConfig) b = parse (text, &error);

    g_assert_no_error (error);
    if (live_config_camera_equal (camera (a, 0), camera (b, 0)))
      g_error ("%s is no change", changes[i]);
  }
}

/* What a running program cannot change is named. */
static void
test_fixed (void)
{
  static const struct
  {
    const char *before, *after, *names;
  } cases[] = {
    { "", "threads=2\nretry-max=9\n", NULL },
    { "hosts=a,b\nport=1\n", "hosts=a;b\nport=1\n", NULL },
    { "port=1\n", "port=2\n", "port" },
    { "", "hosts=a\n", "hosts" },
    { "hosts=a\n", "hosts=a,b\n", "hosts" },
    { "", "token-file=/etc/passwd\n", "token-file" },
    { "token-file=/etc/passwd\n", "token-file=/etc/group\n", NULL },
    { "records=none\nmax-clients=2\n", "listen=::1\n",
        "listen, max-clients, records" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *one = g_strconcat ("[live]\n", cases[i].before, A, NULL);
    g_autofree char *two = g_strconcat ("[live]\n", cases[i].after, A, NULL);
    g_autoptr (LiveConfig) before = parse (one, NULL);
    g_autoptr (LiveConfig) after = parse (two, NULL);
    g_autofree char *names = live_config_fixed (before, after);

    g_assert_cmpstr (names, ==, cases[i].names);
  }
}

/* The file of the model counts, too: it may be another one by now. */
static void
test_model_file (void)
{
  char *folder = folder_new ();
  g_autofree char *path = g_build_filename (folder, "m", NULL);
  g_autofree char *other = g_build_filename (folder, "n", NULL);
  g_autofree char *text = g_strdup_printf ("[live]\nmodel=%s\n" A, path);
  g_autoptr (LiveConfig) before = NULL;
  g_autoptr (LiveConfig) same = NULL;
  g_autoptr (LiveConfig) after = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, "model", -1, NULL));
  before = parse (text, &error);
  same = parse (text, &error);
  g_assert_no_error (error);
  g_assert_true (live_config_model_equal (before, same));
  g_assert_cmpuint (before->serial, !=, same->serial);
  g_assert_true (g_file_set_contents (other, "other", -1, NULL));
  g_assert_cmpint (g_rename (other, path), ==, 0);
  after = parse (text, &error);
  g_assert_no_error (error);
  g_assert_false (live_config_model_equal (before, after));
  folder_remove (folder);
}

/* Files: none, one that is none, and one. */
static void
test_file (void)
{
  char *folder = folder_new ();
  g_autofree char *text = folder_write (folder, "a", A, strlen (A));
  g_autofree char *binary = folder_write (folder, "b", A "\0x", strlen (A) + 2);
  g_autoptr (GError) error = NULL;
  g_autoptr (LiveConfig) config = live_config_load (text, &error);

  g_assert_no_error (error);
  g_assert_nonnull (config);
  g_assert_null (live_config_load (binary, &error));
  g_assert_nonnull (strstr (error->message, "it is no ini file"));
  g_clear_error (&error);
  g_assert_null (live_config_load (folder, &error));
  g_assert_nonnull (strstr (error->message, "there is no file"));
  folder_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/live/config/defaults", test_defaults);
  g_test_add_func ("/live/config/common", test_common);
  g_test_add_func ("/live/config/wrong", test_wrong);
  g_test_add_func ("/live/config/secret", test_secret);
  g_test_add_func ("/live/config/many", test_many);
  g_test_add_func ("/live/config/equal", test_equal);
  g_test_add_func ("/live/config/fixed", test_fixed);
  g_test_add_func ("/live/config/model-file", test_model_file);
  g_test_add_func ("/live/config/file", test_file);
  return g_test_run ();
}
