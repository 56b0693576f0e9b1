/**
 * SECTION:element-defcnpublish
 * @title: defcnpublish
 * @short_description: writes detections as JSON
 *
 * Writes one JSON record for every frame that carries detections (with
 * #GstDefcnPublish:add-empty-results, for every frame) to a file, to standard
 * output or to a file descriptor.  Frames pass untouched.  The records have the
 * schema of DL Streamer's gvametaconvert, and say besides whether the frame was
 * looked at ("inferred", "reason").
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q filesrc location=in.mp4 ! decodebin ! defcndetect model=coco.safetensors ! defcnpublish ! fakesink
 * ]| Prints one line per frame with detections.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! defcndetect model=coco.safetensors ! defcnpublish location=out.json file-format=json source=in.mp4 add-empty-results=true ! fakesink
 * ]| Writes all frames into one JSON array.
 *
 * Since: 0.1
 */
#include "gstdefcnpublish.h"

#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

GST_DEBUG_CATEGORY_STATIC (gst_defcn_publish_debug);
#define GST_CAT_DEFAULT gst_defcn_publish_debug

#define DEFAULT_LOCATION "-"
#define DEFAULT_FD -1
#define DEFAULT_INDENT -1

typedef enum
{
  METHOD_FILE,
} Method;

typedef enum
{
  FORMAT_JSON_LINES,
  FORMAT_JSON,
} Format;

enum
{
  PROP_0,
  PROP_LOCATION,
  PROP_FD,
  PROP_METHOD,
  PROP_FILE_FORMAT,
  PROP_ADD_EMPTY_RESULTS,
  PROP_SOURCE,
  PROP_TAGS,
  PROP_JSON_INDENT,
  PROP_TIMESTAMP_UTC,
};

struct _GstDefcnPublish
{
  GstBaseTransform parent;

  /* properties, under the object lock */
  char *location, *source, *tags;
  int fd, indent;
  Method method;
  Format format;
  gboolean add_empty, utc;

  /* streaming thread */
  GstVideoInfo info;
  int out;         /* where the records go, -1 while stopped */
  gboolean closes; /* @out is ours */
  guint64 written; /* records */
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

G_DEFINE_TYPE (GstDefcnPublish, gst_defcn_publish, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (defcnpublish, "defcnpublish", GST_RANK_NONE,
    GST_TYPE_DEFCN_PUBLISH)

static GType
method_get_type (void)
{
  static const GEnumValue values[] = {
    { METHOD_FILE, "A file, standard output or a descriptor", "file" },
    { 0, NULL, NULL }
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnPublishMethod", values));
  return type;
}

static GType
format_get_type (void)
{
  static const GEnumValue values[] = {
    { FORMAT_JSON_LINES, "One record per line", "json-lines" },
    { FORMAT_JSON, "One array of records", "json" }, { 0, NULL, NULL }
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnPublishFormat", values));
  return type;
}

static gboolean
write_all (GstDefcnPublish *self, const char *text)
{
  gsize left = strlen (text);

  while (left > 0) {
    const gssize n = write (self->out, text, left);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      g_autofree char *location = NULL;
      const int error = errno;

      GST_OBJECT_LOCK (self);
      location = g_strdup (self->location);
      GST_OBJECT_UNLOCK (self);
      GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
          ("Detections cannot be written to \"%s\".", location),
          ("%s", g_strerror (error)));
      return FALSE;
    }
    text += n;
    left -= n;
  }
  return TRUE;
}

/* A bad "tags" is found before the first frame. */
static gboolean
check_tags (GstDefcnPublish *self, const char *tags)
{
  cJSON *object = tags ? cJSON_Parse (tags) : NULL;
  const gboolean good = !tags || cJSON_IsObject (object);

  cJSON_Delete (object);
  if (!good)
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
        ("\"tags\" is not a JSON object: %s", tags), (NULL));
  return good;
}

static gboolean
start (GstBaseTransform *base)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);
  g_autofree char *location = NULL, *tags = NULL;

  GST_OBJECT_LOCK (self);
  location = g_strdup (self->location);
  tags = g_strdup (self->tags);
  const int fd = self->fd;
  const Format format = self->format;
  GST_OBJECT_UNLOCK (self);

  if (!check_tags (self, tags))
    return FALSE;
  self->written = 0;
  self->closes = FALSE;
  if (fd >= 0) {
    self->out = fd;
  } else if (!location || g_str_equal (location, "-")) {
    self->out = STDOUT_FILENO;
  } else {
    self->out =
        g_open (location, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    self->closes = TRUE;
  }
  if (self->out < 0) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE,
        ("\"%s\" cannot be opened for writing.", location),
        ("%s", g_strerror (errno)));
    return FALSE;
  }
  return format != FORMAT_JSON || write_all (self, "[");
}

static gboolean
stop (GstBaseTransform *base)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);

  if (self->out < 0)
    return TRUE;
  if (self->format == FORMAT_JSON)
    write_all (self, "\n]\n");
  if (self->closes)
    close (self->out);
  self->out = -1;
  return TRUE;
}

static gboolean
set_caps (GstBaseTransform *base, GstCaps *in, GstCaps *out)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);

  if (gst_video_info_from_caps (&self->info, in))
    return TRUE;
  GST_ERROR_OBJECT (self, "no video: %" GST_PTR_FORMAT, in);
  return FALSE;
}

/* The record of @buffer as text, with what separates it from others; NULL when
 * there is nothing to say. */
static char *
record_of (GstDefcnPublish *self, GstBuffer *buffer)
{
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  g_autofree char *source = NULL, *tags = NULL, *utc = NULL;
  g_autoptr (GDateTime) now = NULL;
  GstDefcnMark mark;
  GstDefcnRecord record = { GST_VIDEO_INFO_WIDTH (&self->info),
    GST_VIDEO_INFO_HEIGHT (&self->info), GST_BUFFER_PTS (buffer) };

  gst_defcn_meta_read (buffer, objects, record.width, record.height);
  GST_OBJECT_LOCK (self);
  const gboolean add_empty = self->add_empty, with_utc = self->utc;
  const Format format = self->format;
  const int indent = format == FORMAT_JSON ? self->indent : -1;
  source = g_strdup (self->source);
  tags = g_strdup (self->tags);
  GST_OBJECT_UNLOCK (self);
  if (objects->len == 0 && !add_empty)
    return NULL;

  if (with_utc) {
    now = g_date_time_new_now_utc ();
    utc = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");
  }
  record.source = source;
  record.tags = tags;
  record.utc = utc;
  record.mark = gst_defcn_meta_read_mark (buffer, &mark) ? &mark : NULL;
  g_autofree char *json = gst_defcn_record_to_json (&record, objects, indent);
  return format == FORMAT_JSON
      ? g_strconcat (self->written ? ",\n" : "\n", json, NULL)
      : g_strconcat (json, "\n", NULL);
}

static GstFlowReturn
transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);
  g_autofree char *text = record_of (self, buffer);

  if (!text)
    return GST_FLOW_OK;
  if (!write_all (self, text))
    return GST_FLOW_ERROR;
  self->written++;
  return GST_FLOW_OK;
}

static void
replace_string (char **string, const GValue *value)
{
  g_free (*string);
  *string = g_value_dup_string (value);
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      replace_string (&self->location, value);
      break;
    case PROP_FD:
      self->fd = g_value_get_int (value);
      break;
    case PROP_METHOD:
      self->method = g_value_get_enum (value);
      break;
    case PROP_FILE_FORMAT:
      self->format = g_value_get_enum (value);
      break;
    case PROP_ADD_EMPTY_RESULTS:
      self->add_empty = g_value_get_boolean (value);
      break;
    case PROP_SOURCE:
      replace_string (&self->source, value);
      break;
    case PROP_TAGS:
      replace_string (&self->tags, value);
      break;
    case PROP_JSON_INDENT:
      self->indent = g_value_get_int (value);
      break;
    case PROP_TIMESTAMP_UTC:
      self->utc = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string (value, self->location);
      break;
    case PROP_FD:
      g_value_set_int (value, self->fd);
      break;
    case PROP_METHOD:
      g_value_set_enum (value, self->method);
      break;
    case PROP_FILE_FORMAT:
      g_value_set_enum (value, self->format);
      break;
    case PROP_ADD_EMPTY_RESULTS:
      g_value_set_boolean (value, self->add_empty);
      break;
    case PROP_SOURCE:
      g_value_set_string (value, self->source);
      break;
    case PROP_TAGS:
      g_value_set_string (value, self->tags);
      break;
    case PROP_JSON_INDENT:
      g_value_set_int (value, self->indent);
      break;
    case PROP_TIMESTAMP_UTC:
      g_value_set_boolean (value, self->utc);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
finalize (GObject *object)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (object);

  g_free (self->location);
  g_free (self->source);
  g_free (self->tags);
  G_OBJECT_CLASS (gst_defcn_publish_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | GST_PARAM_MUTABLE_READY | G_PARAM_STATIC_STRINGS;
  const GParamFlags playing =
      G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS;

  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "File that is written, - for standard output", DEFAULT_LOCATION,
          ready));
  g_object_class_install_property (klass, PROP_FD,
      g_param_spec_int ("fd", "File descriptor",
          "Open descriptor to write to in place of location (-1 = none)", -1,
          G_MAXINT, DEFAULT_FD, ready));
  g_object_class_install_property (klass, PROP_METHOD,
      g_param_spec_enum ("method", "Method", "Where the records go",
          method_get_type (), METHOD_FILE, ready));
  g_object_class_install_property (klass, PROP_FILE_FORMAT,
      g_param_spec_enum ("file-format", "File format",
          "How the records are joined", format_get_type (), FORMAT_JSON_LINES,
          ready));
  g_object_class_install_property (klass, PROP_ADD_EMPTY_RESULTS,
      g_param_spec_boolean ("add-empty-results", "Add empty results",
          "Write a record for frames without detections too", FALSE, playing));
  g_object_class_install_property (klass, PROP_SOURCE,
      g_param_spec_string ("source", "Source",
          "Name of the source in every record", NULL, playing));
  g_object_class_install_property (klass, PROP_TAGS,
      g_param_spec_string ("tags", "Tags",
          "JSON object that every record gets as \"tags\"", NULL, ready));
  g_object_class_install_property (klass, PROP_JSON_INDENT,
      g_param_spec_int ("json-indent", "JSON indent",
          "Pretty records with file-format=json (-1 = one line)", -1, 10,
          DEFAULT_INDENT, playing));
  g_object_class_install_property (klass, PROP_TIMESTAMP_UTC,
      g_param_spec_boolean ("timestamp-utc", "UTC timestamp",
          "Add the wall-clock time as \"timestamp_utc\"", FALSE, playing));
}

static void
gst_defcn_publish_class_init (GstDefcnPublishClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_defcn_publish_debug, "defcnpublish", 0,
      "writes detections");
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties (object);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Detection publisher",
      "Filter/Metadata", "Writes detections as JSON", "The defcn authors");
  gst_type_mark_as_plugin_api (method_get_type (), 0);
  gst_type_mark_as_plugin_api (format_get_type (), 0);
  base->start = GST_DEBUG_FUNCPTR (start);
  base->stop = GST_DEBUG_FUNCPTR (stop);
  base->set_caps = GST_DEBUG_FUNCPTR (set_caps);
  base->transform_ip = GST_DEBUG_FUNCPTR (transform_ip);
  base->transform_ip_on_passthrough = TRUE;
}

static void
gst_defcn_publish_init (GstDefcnPublish *self)
{
  self->location = g_strdup (DEFAULT_LOCATION);
  self->fd = DEFAULT_FD;
  self->indent = DEFAULT_INDENT;
  self->out = -1;
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}
