/**
 * SECTION:element-defcnpublish
 * @title: defcnpublish
 * @short_description: writes detections as JSON
 *
 * Writes one JSON record for every frame that carries detections or events of
 * defcnzones (with #GstDefcnPublish:add-empty-results, for every frame) to a
 * file, to standard output or to a file descriptor.  Frames pass untouched.
 * The records have the schema of DL Streamer's gvametaconvert, and say besides
 * whether the frame was looked at ("inferred", "reason"), and what defcnzones
 * has counted ("places", "events").
 *
 * With #GstDefcnPublish:file-format json the file is one array, complete when
 * EOS has passed or the element stops, whichever comes first.  Records that
 * follow an EOS, after a seek, go on with the array of a file called by
 * #GstDefcnPublish:location; standard output, pipes and the descriptors of
 * #GstDefcnPublish:fd get another array after the first.
 *
 * Several publishers may share a file, a FIFO or standard output, in one
 * process or in several: records never mix.  An array wants its place alone.
 *
 * A record that cannot be written ends the stream with one error.  A reader
 * that is slow, or a FIFO that nobody reads, holds the stream up; starting,
 * seeking and stopping do not wait for it.  A FIFO or a descriptor whose reader
 * has gone is such an error too; only with standard output the process gets
 * SIGPIPE, as any command.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -q filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors ! defcnpublish ! fakesink
 * ]| Prints one line per frame with detections.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors !
 *     defcnpublish location=out.json file-format=json source=in.mp4
 *     add-empty-results=true ! fakesink
 * ]| Writes all frames into one JSON array.
 *
 * Since: 0.1
 */
#include "gstdefcnpublish.h"

#include "field.h"
#include "publish/capture.h"
#include "publish/output.h"
#include "publish/record.h"
#include "publish/tags.h"

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
  PROP_APPEND,
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
  gboolean append, add_empty, utc;

  /* from start to stop */
  GstDefcnOutput *output; /* set under the object lock */
  Format started_format;
  char *started_tags;

  /* streaming thread */
  GstVideoInfo info;
  guint64 frames; /* since start */
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

/* Takes @error, which the output set once for all that follows from it. */
static void
post_error (GstDefcnPublish *self, GError *error)
{
  gst_defcn_error_make_valid (error);
  gst_element_message_full (GST_ELEMENT (self), GST_MESSAGE_ERROR,
      error->domain, error->code, g_strdup (error->message), NULL, __FILE__,
      GST_FUNCTION, __LINE__);
  g_error_free (error);
}

static GstDefcnOutput *
open_output (const char *location, int fd, GstDefcnOutputFlags flags,
    GError **error)
{
  const GstDefcnOutputFlags both =
      GST_DEFCN_OUTPUT_ARRAY | GST_DEFCN_OUTPUT_APPEND;

  if ((flags & both) != both)
    return gst_defcn_output_open (location, fd, flags, error);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "append=true is for file-format=json-lines: an array is written anew");
  return NULL;
}

static gboolean
start (GstBaseTransform *base)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);
  g_autofree char *location = NULL, *tags = NULL, *checked = NULL;
  GstDefcnOutput *output = NULL;
  GError *error = NULL;

  GST_OBJECT_LOCK (self);
  location = g_strdup (self->location);
  tags = g_strdup (self->tags);
  const int fd = self->fd;
  const Format format = self->format;
  const GstDefcnOutputFlags flags =
      (format == FORMAT_JSON ? GST_DEFCN_OUTPUT_ARRAY : 0)
      | (self->append ? GST_DEFCN_OUTPUT_APPEND : 0);
  GST_OBJECT_UNLOCK (self);

  if (tags)
    checked = gst_defcn_tags_new (tags, &error);
  if (!error)
    output = open_output (location, fd, flags, &error);
  if (error) {
    post_error (self, error);
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->output = output;
  GST_OBJECT_UNLOCK (self);
  self->started_format = format;
  self->started_tags = g_steal_pointer (&checked);
  self->frames = 0;
  return TRUE;
}

static gboolean
stop (GstBaseTransform *base)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);
  GstDefcnOutput *output;
  GError *error = NULL;

  GST_OBJECT_LOCK (self);
  output = g_steal_pointer (&self->output);
  GST_OBJECT_UNLOCK (self);
  if (!gst_defcn_output_close (output, &error))
    post_error (self, error);
  g_clear_pointer (&self->started_tags, g_free);
  return TRUE;
}

/* The base class stops only when the streaming thread has come back, which may
 * be waiting for a reader. */
static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (element);

  GST_OBJECT_LOCK (self);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && self->output)
    gst_defcn_output_cancel (self->output);
  GST_OBJECT_UNLOCK (self);
  return GST_ELEMENT_CLASS (gst_defcn_publish_parent_class)
      ->change_state (element, transition);
}

/* From any thread. */
static void
set_flushing (GstDefcnPublish *self, gboolean flushing)
{
  GST_OBJECT_LOCK (self);
  if (self->output)
    gst_defcn_output_set_flushing (self->output, flushing);
  GST_OBJECT_UNLOCK (self);
}

/* Whoever hears of EOS finds the array complete. */
static void
end_output (GstDefcnPublish *self)
{
  GError *error = NULL;

  gst_defcn_output_end (self->output, &error);
  if (error)
    post_error (self, error);
}

/* A seek does not wait for a reader. */
static gboolean
sink_event (GstBaseTransform *base, GstEvent *event)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      set_flushing (self, TRUE);
      break;
    case GST_EVENT_FLUSH_STOP:
      set_flushing (self, FALSE);
      break;
    case GST_EVENT_EOS:
      end_output (self);
      break;
    default:
      break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_defcn_publish_parent_class)
      ->sink_event (base, event);
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

/* GST_CLOCK_TIME_NONE where the stream does not go by time. */
static GstClockTime
stream_time (GstDefcnPublish *self, GstClockTime pts)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;

  if (segment->format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID (pts))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts);
}

/* (transfer full).  *@lost: how many objects have lost their boxes. */
static GArray *
read_marks (GstDefcnPublish *self, GstBuffer *buffer, guint *lost)
{
  GArray *marks = g_array_new (FALSE, FALSE, sizeof (GstDefcnMark));

  *lost = 0;
  gst_defcn_meta_read_marks (buffer, marks);
  for (guint i = 0; i < marks->len; i++) {
    GstDefcnMark *mark = &g_array_index (marks, GstDefcnMark, i);

    mark->timestamp = stream_time (self, mark->timestamp);
    *lost += mark->lost;
  }
  return marks;
}

/* The record of @buffer as text; NULL when there is nothing to say. */
static char *
record_of (GstDefcnPublish *self, GstBuffer *buffer)
{
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  guint lost;
  g_autoptr (GArray) marks = read_marks (self, buffer, &lost);
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();
  g_autofree char *source = NULL, *utc = NULL, *captured = NULL;
  g_autoptr (GDateTime) now = NULL;
  GstDefcnRecord record = { GST_VIDEO_INFO_WIDTH (&self->info),
    GST_VIDEO_INFO_HEIGHT (&self->info),
    stream_time (self, GST_BUFFER_PTS (buffer)), GST_BUFFER_PTS (buffer),
    self->frames++, gst_defcn_output_records (self->output) };

  gst_defcn_meta_read (buffer, objects, record.width, record.height);
  GST_OBJECT_LOCK (self);
  const gboolean add_empty = self->add_empty, with_utc = self->utc;
  const int indent = self->started_format == FORMAT_JSON ? self->indent : -1;
  source = g_strdup (self->source);
  GST_OBJECT_UNLOCK (self);
  gst_defcn_scene_read_events (buffer, events);
  if (objects->len == 0 && !add_empty && !lost && !events->len)
    return NULL;
  gst_defcn_scene_read_places (buffer, places);

  if (with_utc) {
    now = g_date_time_new_now_utc ();
    utc = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");
  }
  captured = gst_defcn_capture_utc (buffer);
  if (marks->len)
    record.frame = g_array_index (marks, GstDefcnMark, 0).frame;
  record.source = source;
  record.tags = self->started_tags;
  record.utc = utc;
  record.captured = captured;
  record.marks = marks;
  record.places = places;
  record.events = events;
  return gst_defcn_record_to_json (&record, objects, indent);
}

static GstFlowReturn
transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);
  g_autofree char *text = record_of (self, buffer);
  GError *error = NULL;
  GstFlowReturn flow;

  if (!text)
    return GST_FLOW_OK;
  flow = gst_defcn_output_write (self->output, text, &error);
  if (error)
    post_error (self, error);
  return flow;
}

#define FIELD(member) G_STRUCT_OFFSET (GstDefcnPublish, member)
static const gsize fields[] = {
  [PROP_LOCATION] = FIELD (location),
  [PROP_FD] = FIELD (fd),
  [PROP_METHOD] = FIELD (method),
  [PROP_FILE_FORMAT] = FIELD (format),
  [PROP_APPEND] = FIELD (append),
  [PROP_ADD_EMPTY_RESULTS] = FIELD (add_empty),
  [PROP_SOURCE] = FIELD (source),
  [PROP_TAGS] = FIELD (tags),
  [PROP_JSON_INDENT] = FIELD (indent),
  [PROP_TIMESTAMP_UTC] = FIELD (utc),
};

/* What is read when the element starts alone keeps its value while it runs. */
static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (object);
  gpointer field = G_STRUCT_MEMBER_P (object, fields[id]);
  gboolean fixed, refused;

  GST_OBJECT_LOCK (self);
  fixed = self->output && !(pspec->flags & GST_PARAM_MUTABLE_PLAYING);
  refused = fixed && gst_defcn_field_differs (field, value, pspec);
  if (!fixed)
    gst_defcn_field_set (field, value);
  GST_OBJECT_UNLOCK (self);
  if (refused)
    gst_defcn_field_warn_fixed (GST_ELEMENT (self), pspec);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  gst_defcn_field_get (value, G_STRUCT_MEMBER_P (object, fields[id]));
  GST_OBJECT_UNLOCK (object);
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
          "File or FIFO that is written, - for standard output",
          DEFAULT_LOCATION, ready));
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

  /**
   * GstDefcnPublish:append:
   *
   * Keep the records that the file has, those of a former start too.  Without
   * it a start empties the file, unless another defcnpublish has it open, of
   * this process or another: then both write to its end, a record at a time.
   * For json-lines.
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_APPEND,
      g_param_spec_boolean ("append", "Append",
          "Keep what the file has and write behind it (json-lines)", FALSE,
          ready));
  g_object_class_install_property (klass, PROP_ADD_EMPTY_RESULTS,
      g_param_spec_boolean ("add-empty-results", "Add empty results",
          "Write a record for frames without detections too", FALSE, playing));
  g_object_class_install_property (klass, PROP_SOURCE,
      g_param_spec_string ("source", "Source",
          "Name of the source in every record; unset: the file or address that "
          "is played, without user and password",
          NULL, playing));
  g_object_class_install_property (klass, PROP_TAGS,
      g_param_spec_string ("tags", "Tags",
          "JSON object that every record gets as \"tags\"", NULL, ready));
  g_object_class_install_property (klass, PROP_JSON_INDENT,
      g_param_spec_int ("json-indent", "JSON indent",
          "Spaces for each level of a record with file-format=json "
          "(-1 = records on one line)",
          -1, 10, DEFAULT_INDENT, playing));
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
  element->change_state = GST_DEBUG_FUNCPTR (change_state);
  install_properties (object);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Detection publisher",
      "Filter/Metadata", "Writes detections as JSON", "The defcn authors");
  gst_type_mark_as_plugin_api (method_get_type (), 0);
  gst_type_mark_as_plugin_api (format_get_type (), 0);
  base->start = GST_DEBUG_FUNCPTR (start);
  base->stop = GST_DEBUG_FUNCPTR (stop);
  base->sink_event = GST_DEBUG_FUNCPTR (sink_event);
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
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}
