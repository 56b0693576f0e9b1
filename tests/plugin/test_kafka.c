/* defcnpublish method=kafka, with the cluster that librdkafka plays. */
#include "broker_rig.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>
#include <unistd.h>

#define SECRET "Tr0ub4dor"

/* A cluster of one broker, on a port of this machine, and who listens to it. */
typedef struct
{
  rd_kafka_t *owner, *listener;
  rd_kafka_mock_cluster_t *mock;
  const char *address;
} Cluster;

static rd_kafka_t *
new_handle (rd_kafka_type_t type, const char *const *settings)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new ();
  char why[256];
  rd_kafka_t *handle;

  for (; settings[0]; settings += 2)
    g_assert_cmpint (rd_kafka_conf_set (conf, settings[0], settings[1], why,
                         sizeof why),
        ==, RD_KAFKA_CONF_OK);
  rd_kafka_conf_set_log_cb (conf, NULL);
  handle = rd_kafka_new (type, conf, why, sizeof why);
  g_assert_nonnull (handle);
  return handle;
}

static Cluster *
new_cluster (void)
{
  static const char *const nothing[] = { NULL };
  Cluster *cluster = g_new0 (Cluster, 1);

  cluster->owner = new_handle (RD_KAFKA_PRODUCER, nothing);
  cluster->mock = rd_kafka_mock_cluster_new (cluster->owner, 1);
  g_assert_nonnull (cluster->mock);
  cluster->address = rd_kafka_mock_cluster_bootstraps (cluster->mock);
  g_assert_cmpint (rd_kafka_mock_topic_create (cluster->mock, "defcn", 1, 1),
      ==, 0);
  return cluster;
}

static void
free_cluster (Cluster *cluster)
{
  if (cluster->listener) {
    rd_kafka_consumer_close (cluster->listener);
    rd_kafka_destroy (cluster->listener);
  }
  rd_kafka_mock_cluster_destroy (cluster->mock);
  rd_kafka_destroy (cluster->owner);
  g_free (cluster);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cluster, free_cluster)

static void
listen_to (Cluster *cluster, const char *topic)
{
  const char *const settings[] = { "bootstrap.servers", cluster->address,
    "group.id", "test", "auto.offset.reset", "earliest", NULL };
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new (1);

  cluster->listener = new_handle (RD_KAFKA_CONSUMER, settings);
  rd_kafka_topic_partition_list_add (list, topic, 0)->offset =
      RD_KAFKA_OFFSET_BEGINNING;
  g_assert_cmpint (rd_kafka_assign (cluster->listener, list), ==, 0);
  rd_kafka_topic_partition_list_destroy (list);
}

/* (transfer full): "seq" of the next @n records of @topic, whose keys are
 * @key. */
static GArray *
hear (Cluster *cluster, const char *topic, guint n, const char *key)
{
  GArray *numbers = g_array_new (FALSE, FALSE, sizeof (guint));

  listen_to (cluster, topic);
  for (int tries = 0; numbers->len < n; tries++) {
    rd_kafka_message_t *message =
        rd_kafka_consumer_poll (cluster->listener, 100);
    guint number;

    g_assert_cmpint (tries, <, 3000);
    if (message && !message->err) {
      JSON_RIG_AUTO *json =
          cJSON_ParseWithLength (message->payload, message->len);

      number = (guint) json_rig_number (json, "seq");
      g_array_append_val (numbers, number);
      g_assert_cmpmem (message->key, message->key_len, key,
          key ? strlen (key) : 0);
    }
    if (message)
      rd_kafka_message_destroy (message);
  }
  return numbers;
}

/* As many as were sent are there, and no more, each once and in order, the
 * newest of @n too. */
static void
assert_heard (GstHarness *h, Cluster *cluster, guint n)
{
  const guint64 sent = broker_rig_stat (h, "sent");
  g_autoptr (GArray) numbers = NULL;
  gint64 low, high;

  broker_rig_assert_settled (h, n);
  numbers = hear (cluster, "defcn", (guint) sent, NULL);
  g_assert_cmpint (rd_kafka_query_watermark_offsets (cluster->listener, "defcn",
                       0, &low, &high, 10000),
      ==, 0);
  g_assert_cmpint (high - low, ==, sent);
  for (guint i = 1; i < numbers->len; i++)
    g_assert_cmpuint (g_array_index (numbers, guint, i), >,
        g_array_index (numbers, guint, i - 1));
  g_assert_cmpuint (g_array_index (numbers, guint, numbers->len - 1), ==,
      n - 1);
}

/* Records arrive once and in order, with the source for their key and in their
 * topic. */
static void
test_records (void)
{
  g_autoptr (Cluster) cluster = new_cluster ();
  g_autoptr (GArray) numbers = NULL;
  g_autoptr (GstBus) bus = NULL;
  GstHarness *h;

  g_assert_cmpint (rd_kafka_mock_topic_create (cluster->mock, "of.rtsp___cam_1",
                       1, 1),
      ==, 0);
  h = broker_rig_harness (&bus,
      "method=kafka;address=%s;topic=of.{source};"
      "source=rtsp://me:" SECRET "@cam/1",
      cluster->address);
  broker_rig_push (h, 500);
  broker_rig_wait_stat (h, "sent", 500);
  g_assert_true (broker_rig_connected (h));
  numbers = hear (cluster, "of.rtsp___cam_1", 500, "rtsp://cam/1");
  for (guint i = 0; i < 500; i++)
    g_assert_cmpuint (g_array_index (numbers, guint, i), ==, i);
  broker_rig_assert_settled (h, 500);
  broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING | GST_MESSAGE_INFO);
  broker_rig_end (h, bus);
}

/* A cluster that is away for as many records as 60 s have holds nobody up; then
 * the newest arrive, once each, and those that had no room are counted. */
static void
test_outage (void)
{
  g_autoptr (Cluster) cluster = new_cluster ();
  g_autoptr (GstBus) bus = NULL;
  g_autofree char *warning = NULL, *info = NULL;
  GstHarness *h = broker_rig_harness (&bus,
      "method=kafka;address=%s;max-records=300", cluster->address);

  broker_rig_wait_connected (h, TRUE); /* without a record */
  broker_rig_push (h, 50);
  broker_rig_wait_stat (h, "sent", 50);
  rd_kafka_mock_broker_set_down (cluster->mock, 1);
  broker_rig_wait_connected (h, FALSE);
  warning = broker_rig_message (bus, GST_MESSAGE_WARNING,
      GST_RESOURCE_ERROR_OPEN_WRITE);
  broker_rig_push (h, 1500);
  g_assert_cmpuint (broker_rig_stat (h, "queued"), <=, 500);
  g_assert_cmpuint (broker_rig_stat (h, "dropped"), >=, 1000);
  rd_kafka_mock_broker_set_up (cluster->mock, 1);
  broker_rig_wait_stat (h, "queued", 0);
  info =
      broker_rig_message (bus, GST_MESSAGE_INFO, GST_RESOURCE_ERROR_OPEN_WRITE);
  g_assert_cmpuint (broker_rig_stat (h, "reconnects"), ==, 1);
  assert_heard (h, cluster, 1550);
  broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING | GST_MESSAGE_INFO);
  broker_rig_end (h, bus);
}

/* A slow cluster holds nobody up either. */
static void
test_slow (void)
{
  g_autoptr (Cluster) cluster = new_cluster ();
  g_autoptr (GstBus) bus = NULL;
  GstHarness *h;

  rd_kafka_mock_broker_set_rtt (cluster->mock, 1, 300);
  h = broker_rig_harness (&bus, "method=kafka;address=%s;max-records=100",
      cluster->address);
  broker_rig_push (h, 1000);
  g_assert_cmpuint (broker_rig_stat (h, "queued"), <=, 300);
  broker_rig_wait_stat (h, "queued", 0);
  assert_heard (h, cluster, 1000);
  broker_rig_end (h, bus);
}

/* What the cluster refuses for a while is sent again, once in the end; what it
 * refuses for good is dropped and told of. */
static void
test_refused (void)
{
  g_autoptr (Cluster) cluster = new_cluster ();
  g_autoptr (GstBus) bus = NULL;
  g_autofree char *warning = NULL;
  GstHarness *h;

  rd_kafka_mock_push_request_errors (cluster->mock, 0 /* Produce */, 2,
      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
  h = broker_rig_harness (&bus, "method=kafka;address=%s", cluster->address);
  broker_rig_push (h, 10);
  broker_rig_wait_stat (h, "sent", 10);
  broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING);
  rd_kafka_mock_push_request_errors (cluster->mock, 0, 1,
      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  broker_rig_push (h, 1);
  broker_rig_wait_stat (h, "dropped", 1);
  warning =
      broker_rig_message (bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE);
  g_assert_nonnull (strstr (warning, "\"defcn\""));
  broker_rig_assert_settled (h, 11);
  g_assert_cmpuint (broker_rig_stat (h, "sent"), ==, 10);
  broker_rig_end (h, bus);
}

/* A producer that has lost track of what has arrived is replaced by another,
 * which sends what that had not: nothing is dropped. */
static void
test_replaced (void)
{
  g_autoptr (Cluster) cluster = new_cluster ();
  g_autoptr (GstBus) bus = NULL;
  g_autofree char *warning = NULL, *info = NULL;
  GstHarness *h =
      broker_rig_harness (&bus, "method=kafka;address=%s", cluster->address);

  broker_rig_push (h, 10);
  broker_rig_wait_stat (h, "sent", 10);
  rd_kafka_mock_push_request_errors (cluster->mock, 0 /* Produce */, 1,
      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
  broker_rig_push (h, 10);
  broker_rig_wait_stat (h, "sent", 20);
  warning =
      broker_rig_message (bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE);
  info =
      broker_rig_message (bus, GST_MESSAGE_INFO, GST_RESOURCE_ERROR_OPEN_WRITE);
  assert_heard (h, cluster, 20);
  broker_rig_end (h, bus);
}

/* Stopping right behind the records, or the EOS, waits for them. */
static void
test_drains (void)
{
  g_autoptr (Cluster) cluster = new_cluster ();
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstElement) element = NULL;
  GstHarness *h = broker_rig_harness (&bus,
      "method=kafka;address=%s;drain-timeout=60000", cluster->address);

  element = gst_harness_find_element (h, "defcnpublish");
  broker_rig_push (h, 700);
  json_rig_push_eos (h);
  gst_element_set_state (element, GST_STATE_NULL);
  g_assert_cmpuint (broker_rig_stat (h, "sent"), ==, 700);
  assert_heard (h, cluster, 700);
  broker_rig_end (h, bus);
}

/* Nobody there, and who is there but says nothing: one WARNING, or none yet,
 * and stopping counts what was not sent. */
static void
test_nobody (void)
{
  for (int i = 0; i < 2; i++) {
    int fd = -1;
    const guint16 port = broker_rig_port (i ? &fd : NULL);
    g_autoptr (GstBus) bus = NULL;
    g_autofree char *warning = NULL;
    GstHarness *h = broker_rig_harness (&bus,
        "method=kafka;address=127.0.0.1:%u;drain-timeout=10", port);
    g_autoptr (GstElement) element =
        gst_harness_find_element (h, "defcnpublish");

    broker_rig_push (h, 300);
    if (i == 0)
      warning = broker_rig_message (bus, GST_MESSAGE_WARNING,
          GST_RESOURCE_ERROR_OPEN_WRITE);
    gst_element_set_state (element, GST_STATE_NULL);
    broker_rig_assert_settled (h, 300);
    g_assert_cmpuint (broker_rig_stat (h, "dropped"), ==, 300);
    broker_rig_end (h, bus);
    if (fd >= 0)
      close (fd);
  }
}

/* What is wrong with the settings is said at the start, by name; never a value,
 * which may be a password. */
static void
test_settings (void)
{
  static const struct
  {
    const char *file, *named;
  } cases[] = {
    { "# comment\n\nsecurity.protocol = " SECRET "\n", "security.protocol" },
    { "no.such.thing=" SECRET, "no.such.thing" },
    { "sasl.username=x\n" SECRET, "line 2" }, { "=" SECRET, "line 1" },
    { "sasl.password=" SECRET, "address" }, /* there is none */
  };
  g_autofree char *missing =
      broker_rig_refused ("method=kafka;address=a:1;kafka-config=/nowhere");
  g_autofree char *login =
      broker_rig_refused ("method=kafka;address=me:" SECRET "@a:1");
  g_autofree char *topic =
      broker_rig_refused ("method=kafka;address=a:1;topic=a/b");

  g_assert_nonnull (strstr (missing, "kafka-config"));
  g_assert_nonnull (strstr (login, "kafka-config"));
  g_assert_null (strstr (login, SECRET));
  g_assert_nonnull (strstr (topic, "topic"));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = rig_file ("kafka.conf", cases[i].file);
    const gboolean named = i + 1 < G_N_ELEMENTS (cases);
    g_autofree char *why =
        broker_rig_refused ("method=kafka;address=%s;kafka-config=%s",
            named ? "127.0.0.1:9" : "", path);

    g_assert_nonnull (strstr (why, cases[i].named));
    g_assert_null (strstr (why, SECRET));
  }
}

/* A cluster that takes no password, or not this one, is said to; the password
 * is in no message. */
static void
test_password (void)
{
  g_autoptr (Cluster) cluster = new_cluster ();
  g_autofree char *path = rig_file ("sasl.conf",
      "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
      "sasl.username=me\nsasl.password=" SECRET "\n");
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  GstHarness *h = broker_rig_harness (&bus,
      "method=kafka;address=%s;kafka-config=%s;drain-timeout=0",
      cluster->address, path);

  broker_rig_push (h, 3);
  message = rig_message (bus, GST_MESSAGE_WARNING);
  gst_message_parse_warning (message, &error, &text);
  g_test_message ("%s", error->message);
  g_assert_null (strstr (error->message, SECRET));
  g_assert_null (text ? strstr (text, SECRET) : NULL);
  g_assert_cmpuint (broker_rig_stat (h, "sent"), ==, 0);
  broker_rig_end (h, bus);
}

static guint16 steady_port;

static void
steady_cycle (void)
{
  g_autoptr (GstBus) bus = NULL;
  GstHarness *h = broker_rig_harness (&bus,
      "method=kafka;address=127.0.0.1:%u;drain-timeout=0", steady_port);

  broker_rig_push (h, 1);
  broker_rig_end (h, bus);
}

/* Starts and stops leave no memory behind, while it connects to nobody: a
 * cluster that is played would have its own in the same heap. */
static void
test_steady (void)
{
  steady_port = broker_rig_port (NULL);
  rig_assert_steady (steady_cycle);
}

int
main (int argc, char **argv)
{
  rig_init (&argc, &argv);
  g_test_add_func ("/kafka/records", test_records);
  g_test_add_func ("/kafka/outage", test_outage);
  g_test_add_func ("/kafka/slow", test_slow);
  g_test_add_func ("/kafka/refused", test_refused);
  g_test_add_func ("/kafka/replaced", test_replaced);
  g_test_add_func ("/kafka/drains", test_drains);
  g_test_add_func ("/kafka/nobody", test_nobody);
  g_test_add_func ("/kafka/settings", test_settings);
  g_test_add_func ("/kafka/password", test_password);
  g_test_add_func ("/kafka/steady", test_steady);
  return rig_run ();
}
