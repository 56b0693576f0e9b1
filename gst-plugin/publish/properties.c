/* The properties of defcnpublish. */
#include "properties.h"

#include "brokers.h"

#define READY                                                                  \
  (G_PARAM_READWRITE | GST_PARAM_MUTABLE_READY | G_PARAM_STATIC_STRINGS)
#define PLAYING                                                                \
  (G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING | G_PARAM_STATIC_STRINGS)

GType
gst_defcn_publish_method_get_type (void)
{
  static GEnumValue values[] = { { GST_DEFCN_PUBLISH_FILE,
                                     "A file, standard output or a descriptor",
                                     "file" },
    { GST_DEFCN_PUBLISH_MQTT, "A broker of MQTT", "mqtt" },
    { GST_DEFCN_PUBLISH_KAFKA, "A cluster of Kafka", "kafka" },
    { 0, NULL, NULL } };
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    for (GEnumValue *value = values + GST_DEFCN_PUBLISH_MQTT; value->value_nick;
         value++)
      if (!gst_defcn_brokers_have (value->value_nick))
        value->value_name = "Not built into this version";
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnPublishMethod", values));
  }
  return type;
}

GType
gst_defcn_publish_format_get_type (void)
{
  static const GEnumValue values[] = {
    { GST_DEFCN_PUBLISH_JSON_LINES, "One record per line", "json-lines" },
    { GST_DEFCN_PUBLISH_JSON, "One array of records", "json" },
    { 0, NULL, NULL }
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstDefcnPublishFormat", values));
  return type;
}

static void
install_string (GObjectClass *klass, guint id, const char *name,
    const char *nick, const char *blurb)
{
  g_object_class_install_property (klass, id,
      g_param_spec_string (name, nick, blurb, NULL, READY));
}

static void
install_uint (GObjectClass *klass, guint id, const char *name, const char *nick,
    const char *blurb, guint least, guint most, guint value, GParamFlags flags)
{
  g_object_class_install_property (klass, id,
      g_param_spec_uint (name, nick, blurb, least, most, value, flags));
}

static void
install_file (GObjectClass *klass)
{
  /**
   * GstDefcnPublish:location:
   *
   * With method=file.  "{source}" is the property source, with "_" for what
   * cannot be in a file's name.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "File or FIFO that is written, - for standard output; {source} is "
          "the source",
          GST_DEFCN_PUBLISH_DEFAULT_LOCATION, READY));
  g_object_class_install_property (klass, PROP_FD,
      g_param_spec_int ("fd", "File descriptor",
          "Open descriptor to write to in place of location (-1 = none)", -1,
          G_MAXINT, GST_DEFCN_PUBLISH_DEFAULT_FD, READY));
  g_object_class_install_property (klass, PROP_FILE_FORMAT,
      g_param_spec_enum ("file-format", "File format",
          "How the records are joined", gst_defcn_publish_format_get_type (),
          GST_DEFCN_PUBLISH_JSON_LINES, READY));

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
          READY));
  g_object_class_install_property (klass, PROP_JSON_INDENT,
      g_param_spec_int ("json-indent", "JSON indent",
          "Spaces for each level of a record with file-format=json "
          "(-1 = records on one line)",
          -1, 10, GST_DEFCN_PUBLISH_DEFAULT_INDENT, PLAYING));
}

static void
install_record (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_ADD_EMPTY_RESULTS,
      g_param_spec_boolean ("add-empty-results", "Add empty results",
          "Write a record for frames without detections too", FALSE, PLAYING));
  g_object_class_install_property (klass, PROP_SOURCE,
      g_param_spec_string ("source", "Source",
          "Name of the source in every record, an address without user and "
          "password; unset: records have none",
          NULL, PLAYING));
  g_object_class_install_property (klass, PROP_TAGS,
      g_param_spec_string ("tags", "Tags",
          "JSON object that every record gets as \"tags\"", NULL, READY));
  g_object_class_install_property (klass, PROP_TIMESTAMP_UTC,
      g_param_spec_boolean ("timestamp-utc", "UTC timestamp",
          "Add the wall-clock time as \"timestamp_utc\"", FALSE, PLAYING));
}

/* Who is talked to, and how one is known there. */
static void
install_broker (GObjectClass *klass)
{
  /**
   * GstDefcnPublish:address:
   *
   * The broker: HOST, HOST:PORT, mqtt://HOST:PORT, or mqtts://HOST:PORT for
   * TLS; of Kafka HOST:PORT,HOST:PORT...  A user and a password in it are taken
   * off, and the element does not start: others could read them.
   *
   * Since: 0.3
   */
  install_string (klass, PROP_ADDRESS, "address", "Address",
      "Broker, as HOST:PORT, mqtt://HOST:PORT or, with TLS, mqtts://HOST:PORT; "
      "of Kafka HOST:PORT,HOST:PORT");

  /**
   * GstDefcnPublish:topic:
   *
   * "{source}" is the property source as one level of the topic.  Unset: of
   * MQTT defcn/{source}, or defcn where there is no source; of Kafka defcn.
   *
   * Since: 0.3
   */
  install_string (klass, PROP_TOPIC, "topic", "Topic",
      "Topic of the records; {source} is the source (unset: defcn/{source}, of "
      "Kafka defcn)");
  install_string (klass, PROP_STATUS_TOPIC, "status-topic", "Status topic",
      "Topic of MQTT that has \"online\" or \"offline\", retained (unset: the "
      "topic and /status, empty: none)");
  install_string (klass, PROP_CLIENT_ID, "client-id", "Client ID",
      "What the broker knows this client by (unset: the broker chooses)");
  install_string (klass, PROP_USERNAME, "username", "User name",
      "User of MQTT; the password is in password-file");
  install_string (klass, PROP_PASSWORD_FILE, "password-file", "Password file",
      "File that has the password of the user of MQTT");
  install_string (klass, PROP_CA_FILE, "ca-file", "CA file",
      "Certificates that the broker's may be signed by, PEM (unset: those of "
      "the system)");
  install_string (klass, PROP_CERTIFICATE_FILE, "certificate-file",
      "Certificate file", "Own certificate to show the broker, PEM");
  install_string (klass, PROP_KEY_FILE, "key-file", "Key file",
      "Key of certificate-file, PEM, not encrypted");
  g_object_class_install_property (klass, PROP_TLS_VERIFY,
      g_param_spec_boolean ("tls-verify", "Verify TLS",
          "Refuse a broker whose certificate is not signed, or of another host",
          TRUE, READY));

  /**
   * GstDefcnPublish:kafka-config:
   *
   * A file of librdkafka's properties, NAME=VALUE a line, "#" before comments:
   * security.protocol, sasl.password and so on.  No message has its values.
   *
   * Since: 0.3
   */
  install_string (klass, PROP_KAFKA_CONFIG, "kafka-config", "Kafka config",
      "File of librdkafka's properties, NAME=VALUE a line, for TLS and SASL");
}

static void
install_delivery (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_MQTT_QOS,
      g_param_spec_int ("mqtt-qos", "MQTT QoS",
          "0: a record is sent when it is handed to the socket, 1: when the "
          "broker has acknowledged it",
          0, 1, GST_DEFCN_PUBLISH_DEFAULT_QOS, READY));
  g_object_class_install_property (klass, PROP_RETAIN,
      g_param_spec_boolean ("retain", "Retain",
          "Have the broker keep the last record for who subscribes later "
          "(MQTT)",
          FALSE, READY));
  install_uint (klass, PROP_KEEP_ALIVE, "keep-alive", "Keep alive",
      "Seconds after which a silent broker is asked whether it is there (MQTT)",
      5, G_MAXUINT16, GST_DEFCN_PUBLISH_DEFAULT_KEEP_ALIVE, READY);
  install_uint (klass, PROP_MAX_RECONNECT_INTERVAL, "max-reconnect-interval",
      "Max. reconnect interval",
      "Most seconds between attempts to connect, which begin with one and "
      "double",
      1, 3600, GST_DEFCN_PUBLISH_DEFAULT_RECONNECT, READY);
  install_uint (klass, PROP_MAX_RECORDS, "max-records", "Max. records",
      "Records that may wait for the broker; then the oldest is dropped", 1,
      G_MAXINT, GST_DEFCN_PUBLISH_DEFAULT_RECORDS, PLAYING);
  g_object_class_install_property (klass, PROP_MAX_BYTES,
      g_param_spec_uint64 ("max-bytes", "Max. bytes",
          "Bytes of the records that may wait for the broker", 1, G_MAXINT64,
          GST_DEFCN_PUBLISH_DEFAULT_BYTES, PLAYING));
  install_uint (klass, PROP_DRAIN_TIMEOUT, "drain-timeout", "Drain timeout",
      "Milliseconds that stopping waits at most for the broker to take what is "
      "queued",
      0, G_MAXINT, GST_DEFCN_PUBLISH_DEFAULT_DRAIN, PLAYING);

  /**
   * GstDefcnPublish:stats:
   *
   * Of the records to a broker, since the element started: "accepted", and what
   * became of them, "sent" (acknowledged; with mqtt-qos=0 out at the socket),
   * "dropped" or "queued", which add up to it; "reconnects"; whether it is
   * "connected".
   *
   * Since: 0.3
   */
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "What became of the records to a broker", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

void
gst_defcn_publish_install_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_METHOD,
      g_param_spec_enum ("method", "Method", "Where the records go",
          gst_defcn_publish_method_get_type (), GST_DEFCN_PUBLISH_FILE, READY));
  install_file (klass);
  install_record (klass);
  install_broker (klass);
  install_delivery (klass);
}
