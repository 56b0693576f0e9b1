/* Sends records to a cluster of Kafka, by librdkafka's idempotent producer.
 *
 * librdkafka connects, and connects again, by itself.  What it has been given
 * stays until it is delivered: none of it runs out of time.
 */
#include <cjson/cJSON.h>
#include <gmodule.h>
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "publish/outbox.h"

/* Records that librdkafka has at a time. */
#define WINDOW 200
#define POLL_TIME 1000

/* What is set unless the file sets it.  Statistics tell, once a second, whether
 * a broker is there. */
static const char *const defaults[][2] = {
  { "enable.idempotence", "true" },
  { "message.timeout.ms", "0" },
  { "socket.keepalive.enable", "true" },
  { "statistics.interval.ms", "1000" },
};

typedef struct
{
  char *name, *value;
} Pair;

typedef struct
{
  GArray *pairs;
  rd_kafka_t *producer;
  GstDefcnOutbox *outbox;
  char *last_error; /* of one broker, NULL */
} Client;

static void
clear_pair (gpointer data)
{
  Pair *pair = data;

  g_free (pair->name);
  g_free (pair->value);
}

static void
free_client (gpointer data)
{
  Client *self = data;

  if (self->producer)
    rd_kafka_destroy (self->producer);
  g_array_unref (self->pairs);
  g_free (self->last_error);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Client, free_client)

/* What librdkafka calls, from within rd_kafka_poll(). */

static void
on_log (const rd_kafka_t *producer, int level, const char *facility,
    const char *text)
{
  GST_DEBUG ("librdkafka: %s: %s", facility, text);
}

static void
set_down (Client *self, int code, const char *why)
{
  g_autoptr (GError) error = NULL;

  g_set_error (&error, GST_RESOURCE_ERROR, code,
      "The kafka broker cannot be reached: %s", why);
  gst_defcn_outbox_set_down (self->outbox, error);
}

/* One of several brokers may be away: then the others do. */
static void
on_error (rd_kafka_t *producer, int code, const char *why, void *data)
{
  Client *self = data;

  switch (code) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      set_down (self, GST_RESOURCE_ERROR_OPEN_WRITE,
          self->last_error ? self->last_error : why);
      break;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      set_down (self, GST_RESOURCE_ERROR_NOT_AUTHORIZED, why);
      break;
    default:
      g_free (self->last_error);
      self->last_error = g_strdup (why);
  }
}

static int
on_stats (rd_kafka_t *producer, char *text, size_t size, void *data)
{
  Client *self = data;
  cJSON *json = cJSON_ParseWithLength (text, size);
  const cJSON *broker;

  cJSON_ArrayForEach (broker,
      cJSON_GetObjectItemCaseSensitive (json, "brokers"))
  {
    const char *state = cJSON_GetStringValue (
        cJSON_GetObjectItemCaseSensitive (broker, "state"));

    if (g_strcmp0 (state, "UP") == 0) {
      gst_defcn_outbox_set_up (self->outbox);
      break;
    }
  }
  cJSON_Delete (json);
  return 0;
}

static void
on_delivery (rd_kafka_t *producer, const rd_kafka_message_t *message,
    void *data)
{
  Client *self = data;
  GstDefcnOutboxItem *item = message->_private;

  switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      gst_defcn_outbox_set_up (self->outbox);
      gst_defcn_outbox_sent (self->outbox, item);
      break;
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
      break;
    default:
      /* Those of a producer that ends are taken again by the next. */
      if (!rd_kafka_fatal_error (producer, NULL, 0))
        gst_defcn_outbox_refused (self->outbox, item,
            rd_kafka_err2str (message->err));
  }
}

/* Settings. */

static void
add_pair (Client *self, const char *name, const char *value)
{
  Pair pair = { g_strdup (name), g_strdup (value) };

  g_array_append_val (self->pairs, pair);
}

/* Messages have no values: some are passwords. */
static gboolean
read_file (Client *self, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) wrong = NULL;

  if (!g_file_get_contents (path, &text, NULL, &wrong)) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "kafka-config: %s", wrong->message);
    return FALSE;
  }
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *line = g_strstrip (lines[i]);
    char *equals = strchr (line, '=');

    if (!*line || *line == '#')
      continue;
    if (!equals || equals == line) {
      g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
          "kafka-config \"%s\", line %u: wanted NAME=VALUE", path, i + 1);
      return FALSE;
    }
    *equals = 0;
    add_pair (self, g_strstrip (line), g_strstrip (equals + 1));
  }
  return TRUE;
}

static gboolean
set_pairs (rd_kafka_conf_t *conf, const GArray *pairs, GError **error)
{
  for (guint i = 0; i < pairs->len; i++) {
    const Pair *pair = &g_array_index (pairs, Pair, i);
    const rd_kafka_conf_res_t result =
        rd_kafka_conf_set (conf, pair->name, pair->value, NULL, 0);

    if (result == RD_KAFKA_CONF_OK)
      continue;
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "kafka: librdkafka %s \"%s\"",
        result == RD_KAFKA_CONF_UNKNOWN ? "has no property"
                                        : "does not take the value of",
        pair->name);
    return FALSE;
  }
  return TRUE;
}

static gboolean
has_pair (const Client *self, const char *name)
{
  for (guint i = 0; i < self->pairs->len; i++)
    if (g_str_equal (g_array_index (self->pairs, Pair, i).name, name))
      return TRUE;
  return FALSE;
}

/* Starts what talks to the brokers, in threads of its own. */
static gboolean
make_producer (Client *self, GError **error)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new ();
  char why[512];

  for (guint i = 0; i < G_N_ELEMENTS (defaults); i++)
    rd_kafka_conf_set (conf, defaults[i][0], defaults[i][1], NULL, 0);
  rd_kafka_conf_set_opaque (conf, self);
  rd_kafka_conf_set_log_cb (conf, on_log);
  rd_kafka_conf_set_error_cb (conf, on_error);
  rd_kafka_conf_set_stats_cb (conf, on_stats);
  rd_kafka_conf_set_dr_msg_cb (conf, on_delivery);
  if (!set_pairs (conf, self->pairs, error)) {
    rd_kafka_conf_destroy (conf);
    return FALSE;
  }
  self->producer = rd_kafka_new (RD_KAFKA_PRODUCER, conf, why, sizeof why);
  if (self->producer)
    return TRUE;
  rd_kafka_conf_destroy (conf);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "kafka: %s", why);
  return FALSE;
}

static gpointer
open_client (const GstDefcnBrokerSettings *settings, GError **error)
{
  g_autoptr (Client) self = g_new0 (Client, 1);

  self->pairs = g_array_new (FALSE, FALSE, sizeof (Pair));
  g_array_set_clear_func (self->pairs, clear_pair);
  if (settings->kafka_config && *settings->kafka_config
      && !read_file (self, settings->kafka_config, error))
    return NULL;
  if (settings->client_id && *settings->client_id)
    add_pair (self, "client.id", settings->client_id);
  if (settings->address && *settings->address)
    add_pair (self, "bootstrap.servers", settings->address);
  if (!has_pair (self, "bootstrap.servers")
      && !has_pair (self, "metadata.broker.list")
      && !has_pair (self, "test.mock.num.brokers")) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "method=kafka wants an address, HOST:PORT,HOST:PORT");
    return NULL;
  }
  return make_producer (self, error) ? g_steal_pointer (&self) : NULL;
}

/* The thread. */

static void
attach (Client *self)
{
  static const guint64 one = 1;
  rd_kafka_queue_t *queue = rd_kafka_queue_get_main (self->producer);

  rd_kafka_queue_io_event_enable (queue, gst_defcn_outbox_fd (self->outbox),
      &one, sizeof one);
  rd_kafka_queue_destroy (queue);
}

static void
end_producer (Client *self)
{
  rd_kafka_purge (self->producer,
      RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT
          | RD_KAFKA_PURGE_F_NON_BLOCKING);
  while (rd_kafka_poll (self->producer, 0))
    continue;
  rd_kafka_destroy (self->producer);
  self->producer = NULL;
}

/* An idempotent producer that has lost track of what has arrived takes nothing
 * more: another one goes on. */
static gboolean
replace_producer (Client *self)
{
  g_autoptr (GError) error = NULL;
  char why[512];

  rd_kafka_fatal_error (self->producer, why, sizeof why);
  set_down (self, GST_RESOURCE_ERROR_WRITE, why);
  end_producer (self);
  gst_defcn_outbox_retake (self->outbox);
  if (make_producer (self, &error)) {
    attach (self);
    return TRUE;
  }
  gst_defcn_outbox_set_down (self->outbox, error);
  return FALSE;
}

static void
produce (Client *self, GstDefcnOutboxItem *item)
{
  const rd_kafka_resp_err_t code =
      rd_kafka_producev (self->producer, RD_KAFKA_V_TOPIC (item->topic),
          RD_KAFKA_V_KEY (item->key, item->key ? strlen (item->key) : 0),
          RD_KAFKA_V_VALUE (item->text, item->size), RD_KAFKA_V_MSGFLAGS (0),
          RD_KAFKA_V_OPAQUE (item), RD_KAFKA_V_END);

  if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__FATAL)
    gst_defcn_outbox_refused (self->outbox, item, rd_kafka_err2str (code));
}

static void
run (gpointer data, GstDefcnOutbox *outbox)
{
  Client *self = data;

  self->outbox = outbox;
  attach (self);
  while (!gst_defcn_outbox_is_over (outbox)) {
    GstDefcnOutboxItem *item;

    while ((item = gst_defcn_outbox_take (outbox)))
      produce (self, item);
    while (rd_kafka_poll (self->producer, 0))
      continue;
    if (rd_kafka_fatal_error (self->producer, NULL, 0)
        && !replace_producer (self))
      break;
    gst_defcn_outbox_poll (outbox, -1, 0, POLL_TIME);
  }
  if (self->producer)
    end_producer (self);
}

static const GstDefcnBroker broker = {
  .version = DEFCN_VERSION,
  .name = "kafka",
  .window = WINDOW,
  .open = open_client,
  .run = run,
  .free = free_client,
};

G_MODULE_EXPORT const GstDefcnBroker *
gst_defcn_broker (void)
{
  return &broker;
}
