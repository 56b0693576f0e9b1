/* The ini file. */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "uri.h"

#define GROUP "live"
#define CAMERA "camera "
#define MAX_FILE (1 << 20)
#define MAX_NAME 64 /* bytes: it is shown, and a label of metrics */

typedef enum
{
  KIND_TEXT,
  KIND_LIST,
  KIND_BOOLEAN,
  KIND_UINT,
  KIND_INT,
  KIND_DOUBLE,
} Kind;

/* A key, where its value goes, and what it may be. */
typedef struct
{
  const char *name;
  gsize offset;
  Kind kind;
  double min, max;
  const char *choices; /* "a|b" */
  gboolean (*check) (const char *value, GError **error);
} Key;

G_DEFINE_QUARK (live - config - error - quark, live_config_error)

static gboolean G_GNUC_PRINTF (2, 3)
    fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error,
      g_error_new_valist (LIVE_CONFIG_ERROR, 0, format, args));
  va_end (args);
  return FALSE;
}

/* What the values of single keys have to be. */

static gboolean
check_regions (const char *value, GError **error)
{
  g_auto (GStrv) regions = g_strsplit (value, ";", -1);

  for (guint i = 0; regions[i]; i++) {
    g_auto (GStrv) sides = g_strsplit (regions[i], ",", -1);
    guint n = 0;

    if (!*g_strstrip (regions[i]) && i > 0 && !regions[i + 1])
      break; /* a ; at the end */
    for (; sides[n]; n++)
      if (!g_ascii_string_to_unsigned (g_strstrip (sides[n]), 10, n < 2 ? 0 : 1,
              G_MAXINT, NULL, NULL))
        break;
    if (n != 4 || sides[n])
      return fail (error, "\"%s\" is no x,y,width,height in pixels",
          regions[i]);
  }
  return TRUE;
}

static gboolean
check_class_thresholds (const char *value, GError **error)
{
  g_auto (GStrv) pairs = g_strsplit (value, ",", -1);

  for (guint i = 0; pairs[i]; i++) {
    const char *number = strrchr (pairs[i], '=');
    char *end = NULL;
    const double threshold = number ? g_ascii_strtod (number + 1, &end) : -1;

    if (!number || number == pairs[i] || end == number + 1 || *g_strchug (end)
        || !(threshold >= 0 && threshold <= 1))
      return fail (error, "\"%s\" is no class=threshold with 0..1", pairs[i]);
  }
  return TRUE;
}

static gboolean
check_file (const char *value, GError **error)
{
  if (!g_path_is_absolute (value))
    return fail (error, "\"%s\" is no absolute path", value);
  if (!g_file_test (value, G_FILE_TEST_IS_REGULAR))
    return fail (error, "there is no file \"%s\"", value);
  return TRUE;
}

static gboolean
check_records (const char *value, GError **error)
{
  if (g_str_equal (value, "-") || g_str_equal (value, "none")
      || g_path_is_absolute (value))
    return TRUE;
  return fail (error,
      "\"%s\" is no absolute path, \"-\" for standard output or \"none\"",
      value);
}

static gboolean
check_listen (const char *value, GError **error)
{
  if (g_str_equal (value, "none") || g_hostname_is_ip_address (value))
    return TRUE;
  return fail (error,
      "\"%s\" is no numeric address (127.0.0.1, 0.0.0.0, ::1) or \"none\"",
      value);
}

#define L(member) G_STRUCT_OFFSET (LiveConfig, member)
static const Key live_keys[] = {
  { "model", L (model), KIND_TEXT, .check = check_file },
  { "device", L (device), KIND_TEXT },
  { "precision", L (precision), KIND_TEXT, .choices = "auto|fp32|fp16|bf16" },
  { "threads", L (threads), KIND_UINT, 0, 1024 },
  { "workers", L (workers), KIND_UINT, 1, 16 },
  { "batch-size", L (batch_size), KIND_UINT, 1, 64 },
  { "batch-timeout", L (batch_timeout), KIND_INT, 0, 10000 },
  { "listen", L (listen), KIND_TEXT, .check = check_listen },
  { "port", L (port), KIND_UINT, 0, 65535 },
  { "token-file", L (token_file), KIND_TEXT, .check = check_file },
  { "hosts", L (hosts), KIND_LIST },
  { "max-clients", L (max_clients), KIND_UINT, 1, 256 },
  { "records", L (records), KIND_TEXT, .check = check_records },
  { "retry-min", L (retry_min), KIND_UINT, 1, 3600 },
  { "retry-max", L (retry_max), KIND_UINT, 1, 3600 },
};
#undef L

#define C(member) G_STRUCT_OFFSET (LiveCameraConfig, member)
static const Key uri_key = { "uri", C (uri), KIND_TEXT,
  .check = live_uri_check };
static const Key camera_keys[] = {
  { "threshold", C (threshold), KIND_DOUBLE, 0, 1 },
  { "class-thresholds", C (class_thresholds), KIND_TEXT,
      .check = check_class_thresholds },
  { "classes", C (classes), KIND_TEXT },
  { "regions", C (regions), KIND_TEXT, .check = check_regions },
  { "max-detections", C (max_detections), KIND_UINT, 1, 1000 },
  { "inference-interval", C (interval), KIND_UINT, 1, 10000 },
  { "skip-still", C (skip_still), KIND_DOUBLE, 0, 255 },
  { "track", C (track), KIND_BOOLEAN },
  { "all-frames", C (all_frames), KIND_BOOLEAN },
  { "rtsp-protocol", C (protocol), KIND_TEXT, .choices = "auto|tcp|udp" },
  { "rtsp-latency", C (latency), KIND_UINT, 0, 60000 },
  { "timeout", C (timeout), KIND_UINT, 1, 3600 },
  { "page-width", C (page_width), KIND_UINT, 16, 8192 },
  { "page-fps", C (page_fps), KIND_UINT, 1, 60 },
  { "page-quality", C (page_quality), KIND_UINT, 1, 100 },
  { "redact", C (redact), KIND_TEXT },
};
#undef C

static const Key *
find_key (const Key *keys, guint n, const char *name)
{
  for (guint i = 0; i < n; i++)
    if (g_str_equal (keys[i].name, name))
      return &keys[i];
  return NULL;
}

/* One value. */

static gboolean
is_choice (const char *choices, const char *value)
{
  g_auto (GStrv) all = g_strsplit (choices, "|", -1);

  return g_strv_contains ((const char *const *) all, value);
}

static gboolean
set_text (char **field, const Key *key, const char *value, GError **error)
{
  if (!*value)
    return fail (error, "it is empty");
  if (!g_utf8_validate (value, -1, NULL))
    return fail (error, "it is not UTF-8");
  for (const char *c = value; *c; c++)
    if (g_ascii_iscntrl (*c))
      return fail (error, "there is a control character in it");
  if (key->choices && !is_choice (key->choices, value))
    return fail (error, "\"%s\" is none of %s", value, key->choices);
  if (key->check && !key->check (value, error))
    return FALSE;
  g_free (*field);
  *field = g_strdup (value);
  return TRUE;
}

static gboolean
set_list (char ***field, const char *value)
{
  g_strfreev (*field);
  *field = g_strsplit_set (value, ",;", -1);
  for (guint i = 0; (*field)[i]; i++)
    g_strstrip ((*field)[i]);
  return TRUE;
}

static gboolean
set_boolean (gboolean *field, const char *value, GError **error)
{
  *field = g_str_equal (value, "true") || g_str_equal (value, "yes");
  if (*field || g_str_equal (value, "false") || g_str_equal (value, "no"))
    return TRUE;
  return fail (error, "\"%s\" is neither true nor false", value);
}

static gboolean
set_number (gpointer field, const Key *key, const char *value, GError **error)
{
  char *end = NULL;
  const double number = g_ascii_strtod (value, &end);
  const gboolean whole = key->kind != KIND_DOUBLE;

  if (end == value || *end || (whole && strpbrk (value, ".eExXnN")))
    return fail (error, "\"%s\" is no %snumber", value, whole ? "whole " : "");
  if (!(number >= key->min && number <= key->max))
    return fail (error, "%s is not between %g and %g", value, key->min,
        key->max);
  if (key->kind == KIND_UINT)
    *(guint *) field = (guint) number;
  else if (key->kind == KIND_INT)
    *(int *) field = (int) number;
  else
    *(double *) field = number;
  return TRUE;
}

static gboolean
set_value (gpointer base, const Key *key, const char *value, GError **error)
{
  gpointer field = G_STRUCT_MEMBER_P (base, key->offset);

  switch (key->kind) {
    case KIND_TEXT:
      return set_text (field, key, value, error);
    case KIND_LIST:
      return set_list (field, value);
    case KIND_BOOLEAN:
      return set_boolean (field, value, error);
    default:
      return set_number (field, key, value, error);
  }
}

/* One group. */

static gboolean
read_group (GKeyFile *file, const char *group, LiveConfig *live,
    LiveCameraConfig *camera, GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (file, group, NULL, error);

  if (!names)
    return FALSE;
  for (guint i = 0; names[i]; i++) {
    g_autofree char *value =
        g_key_file_get_value (file, group, names[i], error);
    const Key *key =
        find_key (camera_keys, G_N_ELEMENTS (camera_keys), names[i]);
    gpointer base = camera;

    if (!value)
      return FALSE;
    if (!key && live) {
      key = find_key (live_keys, G_N_ELEMENTS (live_keys), names[i]);
      base = live;
    } else if (!key && g_str_equal (names[i], uri_key.name)) {
      key = &uri_key;
    }
    if (!key)
      return fail (error, "[%s] %s: no such key", group, names[i]);
    if (!set_value (base, key, g_strstrip (value), error)) {
      g_prefix_error (error, "[%s] %s: ", group, names[i]);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_name (const char *group, const char *name, GError **error)
{
  if (!*name)
    return fail (error, "[%s]: a camera needs a name: [camera NAME]", group);
  if (strlen (name) > MAX_NAME)
    return fail (error, "[%s]: the name has more than %d bytes", group,
        MAX_NAME);
  if (!g_utf8_validate (name, -1, NULL))
    return fail (error, "[%s]: the name is not UTF-8", group);
  if (g_ascii_isspace (*name) || g_ascii_isspace (name[strlen (name) - 1]))
    return fail (error, "[%s]: a name begins and ends with no blank", group);
  if (strchr (name, '/') || g_str_equal (name, ".") || g_str_equal (name, ".."))
    return fail (error, "[%s]: a name has no \"/\"", group);
  return TRUE;
}

static gboolean
read_camera (GKeyFile *file, const char *group, const LiveCameraConfig *common,
    LiveConfig *config, GError **error)
{
  LiveCameraConfig *camera = live_config_camera_copy (common);
  const char *name = group + strlen (CAMERA);

  g_ptr_array_add (config->cameras, camera);
  if (!check_name (group, name, error))
    return FALSE;
  camera->name = g_strdup (name);
  if (!read_group (file, group, NULL, camera, error))
    return FALSE;
  if (!camera->uri)
    return fail (error, "[%s] uri: it is missing", group);
  config->has_logins |= live_uri_has_login (camera->uri);
  return TRUE;
}

/* GKeyFile makes one of what is there twice, and the last one wins: a copied
 * group whose name was not changed would be a camera that is silently missing.
 */
static gboolean
check_twice (const char *text, gsize len, GError **error)
{
  g_autofree char *copy = g_strndup (text, len);
  g_auto (GStrv) lines = g_strsplit (copy, "\n", -1);
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const char *group = "";

  for (guint i = 0; lines[i]; i++) {
    const char *line = g_strstrip (lines[i]);
    char *equal = strchr (line, '=');

    if (*line == '[') {
      group = line;
      if (!g_hash_table_add (seen, g_strdup (line)))
        return fail (error, "line %u: %s is there twice", i + 1, line);
    } else if (*line && *line != '#' && equal) {
      g_autofree char *key = g_strndup (line, (gsize) (equal - line));

      g_strchomp (key);
      if (!g_hash_table_add (seen, g_strconcat (group, "\n", key, NULL)))
        return fail (error, "line %u: %s %s is there twice", i + 1, group, key);
    }
  }
  return TRUE;
}

static LiveConfig *
config_new (void)
{
  static gint serials;
  LiveConfig *config = g_new0 (LiveConfig, 1);

  config->serial = (guint) g_atomic_int_add (&serials, 1) + 1;
  config->batch_timeout = -1;
  config->listen = g_strdup ("127.0.0.1");
  config->port = 8080;
  config->max_clients = 8;
  config->records = g_strdup ("-");
  config->retry_min = 1;
  config->retry_max = 60;
  config->cameras =
      g_ptr_array_new_with_free_func ((GDestroyNotify) live_config_camera_free);
  return config;
}

/* What [live] says for all cameras, before it has been read. */
static LiveCameraConfig *
common_new (void)
{
  LiveCameraConfig *camera = g_new0 (LiveCameraConfig, 1);

  camera->threshold = -1;
  camera->interval = 1;
  camera->protocol = g_strdup ("auto");
  camera->latency = 200;
  camera->timeout = 10;
  camera->page_width = 640;
  camera->page_fps = 10;
  camera->page_quality = 75;
  return camera;
}

static gboolean
read_file (GKeyFile *file, LiveConfig *config, LiveCameraConfig *common,
    GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  if (g_key_file_has_group (file, GROUP)
      && !read_group (file, GROUP, config, common, error))
    return FALSE;
  for (guint i = 0; groups[i]; i++) {
    if (g_str_equal (groups[i], GROUP))
      continue;
    if (!g_str_has_prefix (groups[i], CAMERA))
      return fail (error, "[%s]: no such group: [live] and [camera NAME]",
          groups[i]);
    if (!read_camera (file, groups[i], common, config, error))
      return FALSE;
  }
  if (config->cameras->len == 0)
    return fail (error, "there is no group [camera NAME]");
  if (config->cameras->len > LIVE_CONFIG_MAX_CAMERAS)
    return fail (error, "there are %u cameras, %d are possible",
        config->cameras->len, LIVE_CONFIG_MAX_CAMERAS);
  if (config->retry_min > config->retry_max)
    return fail (error, "[live] retry-min: %u is more than retry-max, %u",
        config->retry_min, config->retry_max);
  return TRUE;
}

/* Changes with a file that is put in the place of another, or written anew. */
static char *
identify (const char *path)
{
  GStatBuf s;

  if (!path || g_stat (path, &s) != 0)
    return NULL;
  return g_strdup_printf ("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                          " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld",
      (guint64) s.st_dev, (guint64) s.st_ino, (gint64) s.st_size,
      (gint64) s.st_mtim.tv_sec, (long) s.st_mtim.tv_nsec);
}

LiveConfig *
live_config_parse (const char *text, gsize len, const char *name,
    GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (LiveConfig) config = config_new ();
  g_autoptr (LiveCameraConfig) common = common_new ();
  g_autoptr (GError) problem = NULL;

  if (g_key_file_load_from_data (file, text, len, G_KEY_FILE_NONE, &problem)
      && check_twice (text, len, &problem)
      && read_file (file, config, common, &problem)) {
    config->model_file = identify (config->model);
    return g_steal_pointer (&config);
  }
  g_set_error (error, LIVE_CONFIG_ERROR, 0, "%s: %s", name, problem->message);
  return NULL;
}

LiveConfig *
live_config_load (const char *file, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) problem = NULL;
  gsize len;

  if (!g_file_test (file, G_FILE_TEST_IS_REGULAR)) {
    g_set_error (error, LIVE_CONFIG_ERROR, 0, "there is no file \"%s\"", file);
    return NULL;
  }
  if (!g_file_get_contents (file, &text, &len, &problem)) {
    g_set_error (error, LIVE_CONFIG_ERROR, 0, "%s", problem->message);
    return NULL;
  }
  if (len > MAX_FILE || strlen (text) != len) {
    g_set_error (error, LIVE_CONFIG_ERROR, 0, "%s: it is no ini file", file);
    return NULL;
  }
  return live_config_parse (text, len, file, error);
}

void
live_config_free (LiveConfig *config)
{
  if (!config)
    return;
  g_free (config->model);
  g_free (config->model_file);
  g_free (config->device);
  g_free (config->precision);
  g_free (config->listen);
  g_free (config->token_file);
  g_strfreev (config->hosts);
  g_free (config->records);
  g_ptr_array_unref (config->cameras);
  g_free (config);
}

LiveCameraConfig *
live_config_camera_copy (const LiveCameraConfig *camera)
{
  LiveCameraConfig *copy = g_memdup2 (camera, sizeof *camera);

  copy->name = g_strdup (camera->name);
  copy->uri = g_strdup (camera->uri);
  copy->class_thresholds = g_strdup (camera->class_thresholds);
  copy->classes = g_strdup (camera->classes);
  copy->regions = g_strdup (camera->regions);
  copy->protocol = g_strdup (camera->protocol);
  copy->redact = g_strdup (camera->redact);
  return copy;
}

void
live_config_camera_free (LiveCameraConfig *camera)
{
  if (!camera)
    return;
  g_free (camera->name);
  g_free (camera->uri);
  g_free (camera->class_thresholds);
  g_free (camera->classes);
  g_free (camera->regions);
  g_free (camera->protocol);
  g_free (camera->redact);
  g_free (camera);
}

/* NULL is another one than that of nothing. */
static gboolean
lists_equal (char **a, char **b)
{
  return a == b
      || (a && b
          && g_strv_equal ((const char *const *) a, (const char *const *) b));
}

static gboolean
fields_equal (gconstpointer a, gconstpointer b, const Key *key)
{
  gconstpointer x = (const char *) a + key->offset;
  gconstpointer y = (const char *) b + key->offset;

  if (key->kind == KIND_TEXT)
    return g_strcmp0 (*(char *const *) x, *(char *const *) y) == 0;
  if (key->kind == KIND_LIST)
    return lists_equal (*(char **const *) x, *(char **const *) y);
  return memcmp (x, y,
             key->kind == KIND_DOUBLE ? sizeof (double) : sizeof (guint))
      == 0;
}

gboolean
live_config_camera_equal (const LiveCameraConfig *a, const LiveCameraConfig *b)
{
  if (!g_str_equal (a->name, b->name) || !fields_equal (a, b, &uri_key))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (camera_keys); i++)
    if (!fields_equal (a, b, &camera_keys[i]))
      return FALSE;
  return TRUE;
}

gboolean
live_config_model_equal (const LiveConfig *a, const LiveConfig *b)
{
  static const char *const shared[] = { "model", "device", "precision",
    "threads", "workers", "batch-size", "batch-timeout" };

  for (guint i = 0; i < G_N_ELEMENTS (shared); i++)
    if (!fields_equal (a, b,
            find_key (live_keys, G_N_ELEMENTS (live_keys), shared[i])))
      return FALSE;
  return g_strcmp0 (a->model_file, b->model_file) == 0;
}

gboolean
live_config_share_model (LiveConfig *read, const LiveConfig *runs)
{
  const gboolean same = live_config_model_equal (runs, read);

  if (same)
    read->serial = runs->serial;
  return same;
}

char *
live_config_fixed (const LiveConfig *runs, const LiveConfig *read)
{
  static const char *const fixed[] = { "listen", "port", "token-file", "hosts",
    "max-clients", "records" };
  GString *names = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++)
    if (!fields_equal (runs, read,
            find_key (live_keys, G_N_ELEMENTS (live_keys), fixed[i]))
        && !(g_str_equal (fixed[i], "token-file") && runs->token_file
            && read->token_file))
      g_string_append_printf (names, "%s%s", names->len ? ", " : "", fixed[i]);
  return g_string_free (names, names->len == 0);
}
