/**
 * SECTION:element-defcnpublish
 * @title: defcnpublish
 * @short_description: writes detections as JSON, or sends them to a broker
 *
 * Writes one JSON record for every frame that carries detections or events of
 * defcnzones (with #GstDefcnPublish:add-empty-results, for every frame) to a
 * file, to standard output or to a file descriptor, or sends it to a broker of
 * MQTT or Kafka.  Frames pass untouched.  The records have the schema of DL
 * Streamer's gvametaconvert, and say besides whether the frame was looked at
 * ("inferred", "reason"), and what defcnzones has counted ("places", "events").
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
 * With #GstDefcnPublish:method mqtt or kafka records wait in a queue of
 * #GstDefcnPublish:max-records and #GstDefcnPublish:max-bytes, and beside it up
 * to 20 (Kafka: 200) are on their way.  The stream never waits for the broker:
 * when the queue is full the oldest record is dropped, and counted in
 * #GstDefcnPublish:stats.  An outage is a WARNING, its end an INFO; what has
 * waited follows in order.  With mqtt-qos=1 a record may come twice.  Stopping
 * waits for the queue, no longer than #GstDefcnPublish:drain-timeout and 0.2 s.
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
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin !
 *     defcndetect model=coco.safetensors !
 *     defcnpublish method=mqtt address=mqtts://broker:8883 username=me
 *     password-file=mqtt.password source=door ! fakesink
 * ]| Sends records to the topic defcn/door, over TLS.
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! defcndetect !
 *     defcnpublish method=kafka address=a:9092,b:9092 topic=people
 *     kafka-config=kafka.properties source=door ! fakesink
 * ]| Sends them to Kafka, keyed by the source.
 *
 * Since: 0.1
 */
#include "gstdefcnpublish.h"

#include <string.h>

#include "field.h"
#include "publish/brokers.h"
#include "publish/describe.h"
#include "publish/outbox.h"
#include "publish/output.h"
#include "publish/properties.h"
#include "publish/record.h"
#include "publish/tags.h"
#include "publish/topic.h"

GST_DEBUG_CATEGORY_STATIC (gst_defcn_publish_debug);
#define GST_CAT_DEFAULT gst_defcn_publish_debug

struct _GstDefcnPublish
{
  GstBaseTransform parent;

  /* properties, under the object lock */
  char *location, *source, *tags, *topic;
  int fd, indent;
  GstDefcnPublishMethod method;
  GstDefcnPublishFormat format;
  gboolean append, add_empty, utc;
  GstDefcnBrokerSettings broker;
  gboolean had_login; /* of the address, which has lost it */
  guint max_records, drain_timeout;
  guint64 max_bytes;
  GstStructure *last_stats; /* of the last start, when it has ended */
  gboolean started;

  /* from start to stop, set under the object lock; one of them */
  GstDefcnOutput *output;
  GstDefcnOutbox *outbox;

  /* from start to stop */
  char *started_tags;
  const char *started_topic;
  GstDefcnTopicKind topic_kind;

  /* streaming thread */
  GstVideoInfo info;
  guint64 frames, records; /* since start */
  char *named_source;      /* that @topic_name and @key are of */
  GRefString *topic_name, *key;
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

G_DEFINE_TYPE (GstDefcnPublish, gst_defcn_publish, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (defcnpublish, "defcnpublish", GST_RANK_NONE,
    GST_TYPE_DEFCN_PUBLISH)

static gboolean
open_output (GstDefcnPublish *self, const char *source, GError **error)
{
  const gboolean array = self->format == GST_DEFCN_PUBLISH_JSON;
  const char *location = self->location;
  g_autofree char *path = NULL;
  GstDefcnOutput *output;

  if (array && self->append) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "append=true is for file-format=json-lines: an array is written anew");
    return FALSE;
  }
  if (self->fd < 0 && location && strstr (location, "{source}")) {
    path = gst_defcn_topic_new (GST_DEFCN_TOPIC_PATH, location, source, error);
    if (!path)
      return FALSE;
  }
  output = gst_defcn_output_open (path ? path : location, self->fd,
      (array ? GST_DEFCN_OUTPUT_ARRAY : 0)
          | (self->append ? GST_DEFCN_OUTPUT_APPEND : 0),
      error);
  GST_OBJECT_LOCK (self);
  self->output = output;
  GST_OBJECT_UNLOCK (self);
  return output != NULL;
}

/* The topic of what comes from @source, and the key of its records. */
static gboolean
name_topic (GstDefcnPublish *self, const char *source, GError **error)
{
  g_autofree char *key = NULL;
  g_autofree char *topic = gst_defcn_topic_new (self->topic_kind,
      self->started_topic, source, error);

  if (!topic)
    return FALSE;
  key = source && *source ? gst_defcn_record_source (source) : NULL;
  g_clear_pointer (&self->topic_name, g_ref_string_release);
  g_clear_pointer (&self->key, g_ref_string_release);
  self->topic_name = g_ref_string_new (topic);
  self->key = key ? g_ref_string_new (key) : NULL;
  g_free (self->named_source);
  self->named_source = g_strdup (source);
  return TRUE;
}

/* (transfer full) (nullable): where MQTT's status goes. */
static char *
name_status (GstDefcnPublish *self, const char *source, GError **error)
{
  const char *set = self->broker.status_topic;
  g_autofree char *beside = g_strconcat (self->topic_name, "/status", NULL);

  if (self->method != GST_DEFCN_PUBLISH_MQTT || (set && !*set))
    return NULL;
  return set ? gst_defcn_topic_new (self->topic_kind, set, source, error)
             : g_steal_pointer (&beside);
}

static gboolean
open_outbox (GstDefcnPublish *self, const char *source, GError **error)
{
  const gboolean mqtt = self->method == GST_DEFCN_PUBLISH_MQTT;
  GstDefcnBrokerSettings settings = self->broker;
  g_autofree char *status = NULL;
  const GstDefcnBroker *broker;
  GError *wrong = NULL;
  gpointer client;

  broker = gst_defcn_brokers_load (mqtt ? "mqtt" : "kafka", error);
  if (!broker)
    return FALSE;
  if (self->had_login) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "The address had a user and a password in it, which others could read: "
        "%s",
        mqtt ? "set \"username\" and \"password-file\""
             : "write them into the file \"kafka-config\"");
    return FALSE;
  }
  self->topic_kind = mqtt ? GST_DEFCN_TOPIC_MQTT : GST_DEFCN_TOPIC_KAFKA;
  self->started_topic = self->topic ? self->topic
      : mqtt && source && *source   ? "defcn/{source}"
                                    : "defcn";
  if (!name_topic (self, source, error))
    return FALSE;
  settings.status_topic = status = name_status (self, source, &wrong);
  client = wrong ? NULL : broker->open (&settings, &wrong);
  if (wrong) {
    g_propagate_error (error, wrong);
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->outbox = gst_defcn_outbox_new (GST_ELEMENT (self), broker, client,
      self->max_records, self->max_bytes);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
stop (GstBaseTransform *base)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);
  GstStructure *stats = NULL;
  GstDefcnOutput *output;
  GstDefcnOutbox *outbox;
  GError *error = NULL;

  GST_OBJECT_LOCK (self);
  output = g_steal_pointer (&self->output);
  outbox = g_steal_pointer (&self->outbox);
  self->last_stats = gst_defcn_outbox_stats (outbox);
  const guint timeout = self->drain_timeout;
  GST_OBJECT_UNLOCK (self);
  if (output && !gst_defcn_output_close (output, &error))
    gst_defcn_error_post (GST_ELEMENT (self), error);
  if (outbox)
    stats = gst_defcn_outbox_close (outbox, timeout);

  GST_OBJECT_LOCK (self);
  if (stats) {
    gst_structure_free (self->last_stats);
    self->last_stats = stats;
  }
  self->started = FALSE;
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&self->started_tags, g_free);
  g_clear_pointer (&self->named_source, g_free);
  g_clear_pointer (&self->topic_name, g_ref_string_release);
  g_clear_pointer (&self->key, g_ref_string_release);
  return TRUE;
}

static gboolean
start (GstBaseTransform *base)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (base);
  g_autofree char *source = NULL;
  GError *error = NULL;

  /* From now on properties that are for READY stay as they are. */
  GST_OBJECT_LOCK (self);
  self->started = TRUE;
  source = g_strdup (self->source);
  g_clear_pointer (&self->last_stats, gst_structure_free);
  GST_OBJECT_UNLOCK (self);
  self->started_tags = NULL;
  self->frames = self->records = 0;

  if (self->tags)
    self->started_tags = gst_defcn_tags_new (self->tags, &error);
  if (!error && self->method == GST_DEFCN_PUBLISH_FILE)
    open_output (self, source, &error);
  else if (!error)
    open_outbox (self, source, &error);
  if (!error)
    return TRUE;
  gst_defcn_error_post (GST_ELEMENT (self), error);
  stop (base);
  return FALSE;
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

  if (self->output)
    gst_defcn_output_end (self->output, &error);
  if (error)
    gst_defcn_error_post (GST_ELEMENT (self), error);
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

/* The record of @buffer as text; NULL when there is nothing to say. */
static char *
record_of (GstDefcnPublish *self, GstBuffer *buffer)
{
  g_autofree char *source = NULL;
  GstDefcnDescribeOptions options = { .indent = -1 };
  GstDefcnRecord rest = { .width = GST_VIDEO_INFO_WIDTH (&self->info),
    .height = GST_VIDEO_INFO_HEIGHT (&self->info),
    .frame = self->frames++,
    .seq =
        self->output ? gst_defcn_output_records (self->output) : self->records,
    .tags = self->started_tags };

  GST_OBJECT_LOCK (self);
  options.add_empty = self->add_empty;
  options.utc = self->utc;
  if (self->output && self->format == GST_DEFCN_PUBLISH_JSON)
    options.indent = self->indent;
  rest.source = source = g_strdup (self->source);
  GST_OBJECT_UNLOCK (self);
  return gst_defcn_describe_frame (buffer, &GST_BASE_TRANSFORM (self)->segment,
      &rest, &options);
}

/* Takes @text. */
static void
send_record (GstDefcnPublish *self, char *text)
{
  g_autofree char *source = NULL;
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  source = g_strdup (self->source);
  GST_OBJECT_UNLOCK (self);
  if (g_strcmp0 (source, self->named_source) != 0
      && !name_topic (self, source, &error))
    GST_DEBUG_OBJECT (self, "the topic stays: %s", error->message);
  gst_defcn_outbox_push (self->outbox, self->topic_name, self->key, text);
  self->records++;
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
  if (self->outbox) {
    send_record (self, g_steal_pointer (&text));
    return GST_FLOW_OK;
  }
  flow = gst_defcn_output_write (self->output, text, &error);
  if (error)
    gst_defcn_error_post (GST_ELEMENT (self), error);
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
  [PROP_ADDRESS] = FIELD (broker.address),
  [PROP_TOPIC] = FIELD (topic),
  [PROP_STATUS_TOPIC] = FIELD (broker.status_topic),
  [PROP_CLIENT_ID] = FIELD (broker.client_id),
  [PROP_USERNAME] = FIELD (broker.username),
  [PROP_PASSWORD_FILE] = FIELD (broker.password_file),
  [PROP_CA_FILE] = FIELD (broker.ca_file),
  [PROP_CERTIFICATE_FILE] = FIELD (broker.certificate_file),
  [PROP_KEY_FILE] = FIELD (broker.key_file),
  [PROP_TLS_VERIFY] = FIELD (broker.tls_verify),
  [PROP_MQTT_QOS] = FIELD (broker.mqtt_qos),
  [PROP_RETAIN] = FIELD (broker.retain),
  [PROP_KEEP_ALIVE] = FIELD (broker.keep_alive),
  [PROP_MAX_RECONNECT_INTERVAL] = FIELD (broker.max_reconnect_interval),
  [PROP_KAFKA_CONFIG] = FIELD (broker.kafka_config),
  [PROP_MAX_RECORDS] = FIELD (max_records),
  [PROP_MAX_BYTES] = FIELD (max_bytes),
  [PROP_DRAIN_TIMEOUT] = FIELD (drain_timeout),
};

/* What is read when the element starts alone keeps its value while it runs. */
static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (object);
  gpointer field = G_STRUCT_MEMBER_P (object, fields[id]);
  gboolean fixed, refused;

  GST_OBJECT_LOCK (self);
  fixed = self->started && !(pspec->flags & GST_PARAM_MUTABLE_PLAYING);
  refused = fixed && gst_defcn_field_differs (field, value, pspec);
  if (!fixed)
    gst_defcn_field_set (field, value);
  if (id == PROP_SOURCE)
    gst_defcn_record_hide_login (&self->source);
  if (id == PROP_ADDRESS && !fixed)
    self->had_login = gst_defcn_topic_take_login_off (self->broker.address);
  if (self->outbox && (id == PROP_MAX_RECORDS || id == PROP_MAX_BYTES))
    gst_defcn_outbox_set_limits (self->outbox, self->max_records,
        self->max_bytes);
  GST_OBJECT_UNLOCK (self);
  if (refused)
    gst_defcn_field_warn_fixed (GST_ELEMENT (self), pspec);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (object);

  GST_OBJECT_LOCK (self);
  if (id != PROP_STATS)
    gst_defcn_field_get (value, G_STRUCT_MEMBER_P (object, fields[id]));
  else if (self->last_stats)
    g_value_set_boxed (value, self->last_stats);
  else
    g_value_take_boxed (value, gst_defcn_outbox_stats (self->outbox));
  GST_OBJECT_UNLOCK (self);
}

static void
finalize (GObject *object)
{
  static const guint strings[] = { PROP_LOCATION, PROP_SOURCE, PROP_TAGS,
    PROP_ADDRESS, PROP_TOPIC, PROP_STATUS_TOPIC, PROP_CLIENT_ID, PROP_USERNAME,
    PROP_PASSWORD_FILE, PROP_CA_FILE, PROP_CERTIFICATE_FILE, PROP_KEY_FILE,
    PROP_KAFKA_CONFIG };
  GstDefcnPublish *self = GST_DEFCN_PUBLISH (object);

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    g_free (*(char **) G_STRUCT_MEMBER_P (self, fields[strings[i]]));
  g_clear_pointer (&self->last_stats, gst_structure_free);
  G_OBJECT_CLASS (gst_defcn_publish_parent_class)->finalize (object);
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
  gst_defcn_publish_install_properties (object);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Detection publisher",
      "Filter/Metadata", "Writes detections as JSON, to a file or a broker",
      "The defcn authors");
  gst_type_mark_as_plugin_api (gst_defcn_publish_method_get_type (), 0);
  gst_type_mark_as_plugin_api (gst_defcn_publish_format_get_type (), 0);
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
  self->location = g_strdup (GST_DEFCN_PUBLISH_DEFAULT_LOCATION);
  self->fd = GST_DEFCN_PUBLISH_DEFAULT_FD;
  self->indent = GST_DEFCN_PUBLISH_DEFAULT_INDENT;
  self->broker.tls_verify = TRUE;
  self->broker.mqtt_qos = GST_DEFCN_PUBLISH_DEFAULT_QOS;
  self->broker.keep_alive = GST_DEFCN_PUBLISH_DEFAULT_KEEP_ALIVE;
  self->broker.max_reconnect_interval = GST_DEFCN_PUBLISH_DEFAULT_RECONNECT;
  self->max_records = GST_DEFCN_PUBLISH_DEFAULT_RECORDS;
  self->max_bytes = GST_DEFCN_PUBLISH_DEFAULT_BYTES;
  self->drain_timeout = GST_DEFCN_PUBLISH_DEFAULT_DRAIN;
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}
