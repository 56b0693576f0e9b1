/* Sends records to a broker of MQTT, by libmosquitto: version 5, or 3.1.1 where
 * the broker knows no other.
 *
 * Every connection has a client of its own, so that what one has not
 * acknowledged is sent by the next, in order.
 */
#include <errno.h>
#include <gmodule.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>

#include "publish/outbox.h"

#define ONLINE "online"
#define OFFLINE "offline"

/* As many as mosquitto has on their way without acknowledgement. */
#define WINDOW 20
#define CONNECT_TIME (10 * G_TIME_SPAN_SECOND)
/* Less than gst_defcn_outbox_close() gives. */
#define FAREWELL_TIME (100 * G_TIME_SPAN_MILLISECOND)
/* The handshake of TLS tells nobody what it waits for. */
#define CONNECT_POLL 20
#define SERVE_POLL 1000
#define MAX_PASSWORD 65535
/* Of the system, where no file of certificates is given. */
#define CA_FOLDER "/etc/ssl/certs"

typedef struct
{
  char *host;
  int port;
  gboolean tls, verify, retain;
  char *status_topic, *client_id, *username, *password;
  char *ca_file, *certificate_file, *key_file;
  int qos, keep_alive;
  guint max_wait; /* s */

  GstDefcnOutbox *outbox;
  struct mosquitto *mosq;
  gboolean v3;    /* the broker knows no version 5 */
  gboolean waits; /* for each of several addresses, while it connects */
  gboolean answered, gone;
  int code;          /* of the answer */
  int failure;       /* of the library, where there was none */
  char *first_error; /* that the library wrote down; or NULL */
  GPtrArray *flight; /* GstDefcnOutboxItem that are not acknowledged */
} Client;

static void
free_client (gpointer data)
{
  Client *self = data;

  g_free (self->host);
  g_free (self->status_topic);
  g_free (self->client_id);
  g_free (self->username);
  g_free (self->password);
  g_free (self->ca_file);
  g_free (self->certificate_file);
  g_free (self->key_file);
  g_free (self->first_error);
  g_ptr_array_unref (self->flight);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Client, free_client)

/* Settings. */

static gboolean
refuse (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      text);
  return FALSE;
}

static gboolean
is_set (const char *text)
{
  return text && *text;
}

static gboolean
parse_address (Client *self, const char *address, GError **error)
{
  g_autofree char *uri = NULL, *scheme = NULL, *path = NULL, *query = NULL;
  g_autoptr (GError) wrong = NULL;

  if (!is_set (address))
    return refuse (error, "method=mqtt wants an address, HOST:PORT");
  uri = strstr (address, "://") ? g_strdup (address)
                                : g_strconcat ("mqtt://", address, NULL);
  if (!g_uri_split (uri, G_URI_FLAGS_NONE, &scheme, NULL, &self->host,
          &self->port, &path, &query, NULL, &wrong))
    return refuse (error, "address \"%s\": %s", address, wrong->message);
  self->tls = g_str_equal (scheme, "mqtts");
  if (!self->tls && !g_str_equal (scheme, "mqtt"))
    return refuse (error,
        "address \"%s\": wanted mqtt:// or, with TLS, mqtts://", address);
  if (!is_set (self->host) || self->port == 0
      || (is_set (path) && !g_str_equal (path, "/")) || query)
    return refuse (error, "address \"%s\": wanted HOST or HOST:PORT", address);
  if (self->port < 0)
    self->port = self->tls ? 8883 : 1883;
  return TRUE;
}

static gboolean
read_password (Client *self, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) wrong = NULL;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, &wrong))
    return refuse (error, "password-file: %s", wrong->message);
  if (size > 0 && text[size - 1] == '\n')
    text[--size] = 0;
  if (size > 0 && text[size - 1] == '\r')
    text[--size] = 0;
  if (size == 0 || size > MAX_PASSWORD || strlen (text) != size
      || strchr (text, '\n'))
    return refuse (error, "password-file \"%s\": wanted one line, the password",
        path);
  self->password = g_steal_pointer (&text);
  return TRUE;
}

/* An own certificate without its key, say. */
static gboolean
check_together (Client *self, const GstDefcnBrokerSettings *settings,
    GError **error)
{
  const struct
  {
    const char *name, *value;
  } files[] = { { "ca-file", self->ca_file },
    { "certificate-file", self->certificate_file },
    { "key-file", self->key_file } };

  if (is_set (settings->password_file) && !is_set (self->username))
    return refuse (error, "password-file wants a username");
  if (is_set (self->certificate_file) != is_set (self->key_file))
    return refuse (error, "certificate-file and key-file want one another");
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *text = NULL;
    g_autoptr (GError) wrong = NULL;

    if (!is_set (files[i].value))
      continue;
    if (!self->tls)
      return refuse (error, "%s is for TLS: the address wants mqtts://",
          files[i].name);
    if (!g_file_get_contents (files[i].value, &text, NULL, &wrong))
      return refuse (error, "%s: %s", files[i].name, wrong->message);
    if (strstr (text, "ENCRYPTED"))
      return refuse (error,
          "%s \"%s\" is encrypted: nobody could be asked for "
          "its password",
          files[i].name, files[i].value);
  }
  return TRUE;
}

static gpointer
open_client (const GstDefcnBrokerSettings *settings, GError **error)
{
  static gsize initialised = 0;
  g_autoptr (Client) self = g_new0 (Client, 1);

  if (g_once_init_enter (&initialised)) {
    mosquitto_lib_init ();
    g_once_init_leave (&initialised, 1);
  }
  self->flight = g_ptr_array_new ();
  self->verify = settings->tls_verify;
  self->retain = settings->retain;
  self->status_topic = g_strdup (settings->status_topic);
  self->client_id = g_strdup (settings->client_id);
  self->username = g_strdup (settings->username);
  self->ca_file = g_strdup (settings->ca_file);
  self->certificate_file = g_strdup (settings->certificate_file);
  self->key_file = g_strdup (settings->key_file);
  self->qos = settings->mqtt_qos;
  self->keep_alive = (int) settings->keep_alive;
  self->max_wait = settings->max_reconnect_interval;
  if (!parse_address (self, settings->address, error)
      || !check_together (self, settings, error))
    return NULL;
  if (is_set (settings->password_file)
      && !read_password (self, settings->password_file, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* What the library calls, from within mosquitto_loop() and mosquitto_publish().
 */

static void
on_log (struct mosquitto *mosq, void *data, int level, const char *text)
{
  Client *self = data;

  if (level == MOSQ_LOG_ERR && !self->first_error)
    self->first_error = g_strdup (text);
}

static void
on_connect (struct mosquitto *mosq, void *data, int code, int flags,
    const mosquitto_property *properties)
{
  Client *self = data;

  self->answered = TRUE;
  self->code = code;
}

static void
on_disconnect (struct mosquitto *mosq, void *data, int code,
    const mosquitto_property *properties)
{
  Client *self = data;

  self->gone = TRUE;
  if (code >= MQTT_RC_UNSPECIFIED)
    self->code = code; /* what the broker said */
}

static void
on_publish (struct mosquitto *mosq, void *data, int id, int code,
    const mosquitto_property *properties)
{
  Client *self = data;

  for (guint i = 0; i < self->flight->len; i++) {
    GstDefcnOutboxItem *item = self->flight->pdata[i];

    if (item->id != id)
      continue;
    g_ptr_array_remove_index (self->flight, i);
    if (code < MQTT_RC_UNSPECIFIED)
      gst_defcn_outbox_sent (self->outbox, item);
    else
      gst_defcn_outbox_refused (self->outbox, item,
          mosquitto_reason_string (code));
    return;
  }
}

/* There is nobody to be asked for the password of a key. */
static int
on_key_password (char *text, int size, int writing, void *data)
{
  return 0;
}

/* The connection. */

static gboolean
set_up_tls (Client *self, GError **error)
{
  const gboolean given = is_set (self->ca_file);
  int code;

  code = mosquitto_tls_set (self->mosq, given ? self->ca_file : NULL,
      given ? NULL : CA_FOLDER,
      is_set (self->certificate_file) ? self->certificate_file : NULL,
      is_set (self->key_file) ? self->key_file : NULL, on_key_password);
  if (code == MOSQ_ERR_SUCCESS && !given && self->verify)
    code = mosquitto_int_option (self->mosq, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
  if (code == MOSQ_ERR_SUCCESS && !self->verify)
    code = mosquitto_tls_opts_set (self->mosq, 0, NULL, NULL);
  if (code == MOSQ_ERR_SUCCESS)
    code = mosquitto_tls_insecure_set (self->mosq, !self->verify);
  return code == MOSQ_ERR_SUCCESS
      || refuse (error, "TLS: %s", mosquitto_strerror (code));
}

static gboolean
set_up_client (Client *self, GError **error)
{
  int code = MOSQ_ERR_SUCCESS;

  self->mosq = mosquitto_new (is_set (self->client_id) ? self->client_id : NULL,
      true, self);
  if (!self->mosq)
    return refuse (error, "client-id: %s", g_strerror (errno));
  mosquitto_log_callback_set (self->mosq, on_log);
  mosquitto_connect_v5_callback_set (self->mosq, on_connect);
  mosquitto_disconnect_v5_callback_set (self->mosq, on_disconnect);
  mosquitto_publish_v5_callback_set (self->mosq, on_publish);
  mosquitto_int_option (self->mosq, MOSQ_OPT_PROTOCOL_VERSION,
      self->v3 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5);
  mosquitto_int_option (self->mosq, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_max_inflight_messages_set (self->mosq, WINDOW);
  if (is_set (self->username))
    code =
        mosquitto_username_pw_set (self->mosq, self->username, self->password);
  if (code == MOSQ_ERR_SUCCESS && is_set (self->status_topic))
    code = mosquitto_will_set (self->mosq, self->status_topic, strlen (OFFLINE),
        OFFLINE, self->qos, true);
  if (code != MOSQ_ERR_SUCCESS)
    return refuse (error, "username or topic: %s", mosquitto_strerror (code));
  return !self->tls || set_up_tls (self, error);
}

/* Why the last call did not do, @code of the library. */
static gboolean
set_error (Client *self, int code, GError **error)
{
  const char *what = code == MOSQ_ERR_ERRNO ? g_strerror (errno)
      : code == MOSQ_ERR_EAI                ? "the host is not known"
      : code == MOSQ_ERR_INVAL              ? "more than 1024 files are open"
                                            : mosquitto_strerror (code);

  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
      "The mqtt broker at %s:%d cannot be reached: %s%s%s", self->host,
      self->port, what, self->first_error ? ": " : "",
      self->first_error ? self->first_error : "");
  return FALSE;
}

/* The broker has said no. */
static gboolean
set_refusal (Client *self, GError **error)
{
  const char *why = self->v3 ? mosquitto_connack_string (self->code)
                             : mosquitto_reason_string (self->code);

  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
      "The mqtt broker at %s:%d refuses %s%s%s: %s", self->host, self->port,
      is_set (self->username) ? "user \"" : "whoever gives no username",
      is_set (self->username) ? self->username : "",
      is_set (self->username) ? "\" with the password of password-file" : "",
      why);
  return FALSE;
}

/* One turn of the library, when there is something to do or @timeout ms have
 * passed. */
static int
turn (Client *self, int timeout)
{
  const short writing = mosquitto_want_write (self->mosq) ? POLLOUT : 0;

  gst_defcn_outbox_poll (self->outbox, mosquitto_socket (self->mosq),
      POLLIN | writing, timeout);
  errno = 0;
  return mosquitto_loop (self->mosq, 0, 1);
}

/* The answer of an older broker is none of version 5; not every libmosquitto
 * reads it all the same. */
static gboolean
is_unsupported (const Client *self)
{
  if (self->v3)
    return FALSE;
  return self->answered ? self->code == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION
          || self->code == CONNACK_REFUSED_PROTOCOL_VERSION
                        : self->failure == MOSQ_ERR_PROTOCOL
          || self->failure == MOSQ_ERR_MALFORMED_PACKET;
}

static gboolean
has_several_addresses (const Client *self)
{
  const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
  struct addrinfo *list;
  gboolean several;

  if (getaddrinfo (self->host, NULL, &hints, &list) != 0)
    return FALSE;
  several = list->ai_next != NULL;
  freeaddrinfo (list);
  return several;
}

static gboolean
connect_client (Client *self, GError **error)
{
  gint64 end;
  int code;

  self->answered = self->gone = FALSE;
  self->code = 0;
  g_clear_pointer (&self->first_error, g_free);
  if (!set_up_client (self, error))
    return FALSE;
  errno = 0;
  code =
      (self->waits ? mosquitto_connect : mosquitto_connect_async) (self->mosq,
          self->host, self->port, self->keep_alive);
  /* Names and certificates have been looked up. */
  end = g_get_monotonic_time () + CONNECT_TIME;
  while (code == MOSQ_ERR_SUCCESS && !self->answered
      && !gst_defcn_outbox_is_over (self->outbox)) {
    if (g_get_monotonic_time () > end) {
      g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
          "The mqtt broker at %s:%d does not answer", self->host, self->port);
      return FALSE;
    }
    code = turn (self, CONNECT_POLL);
  }
  self->failure = code;
  if (self->answered && self->code != 0)
    return set_refusal (self, error);
  return self->answered || set_error (self, code, error);
}

static void
disconnect_client (Client *self)
{
  g_clear_pointer (&self->mosq, mosquitto_destroy);
  g_ptr_array_set_size (self->flight, 0);
  gst_defcn_outbox_retake (self->outbox);
}

/* What is wrong with the record or the broker, for good. */
static gboolean
is_refusal (int code)
{
  return code == MOSQ_ERR_PAYLOAD_SIZE || code == MOSQ_ERR_OVERSIZE_PACKET
      || code == MOSQ_ERR_MALFORMED_UTF8 || code == MOSQ_ERR_INVAL
      || code == MOSQ_ERR_QOS_NOT_SUPPORTED
      || code == MOSQ_ERR_RETAIN_NOT_SUPPORTED
      || code == MOSQ_ERR_NOT_SUPPORTED;
}

static int
publish (Client *self, GstDefcnOutboxItem *item)
{
  int code;

  item->id = 0;
  g_ptr_array_add (self->flight, item);
  code = mosquitto_publish_v5 (self->mosq, &item->id, item->topic,
      (int) item->size, item->text, self->qos, self->retain, NULL);
  if (!is_refusal (code))
    return code;
  g_ptr_array_remove (self->flight, item);
  gst_defcn_outbox_refused (self->outbox, item, mosquitto_strerror (code));
  return MOSQ_ERR_SUCCESS;
}

static void
publish_status (Client *self, const char *status)
{
  if (is_set (self->status_topic))
    mosquitto_publish_v5 (self->mosq, NULL, self->status_topic,
        (int) strlen (status), status, self->qos, true, NULL);
}

/* What is not out by then stays: the broker tells of us by the will. */
static void
say_goodbye (Client *self)
{
  const gint64 end = g_get_monotonic_time () + FAREWELL_TIME;
  struct pollfd fd = { mosquitto_socket (self->mosq), POLLIN | POLLOUT, 0 };

  publish_status (self, OFFLINE);
  mosquitto_disconnect_v5 (self->mosq, 0, NULL);
  while (!self->gone && g_get_monotonic_time () < end && poll (&fd, 1, 10) >= 0
      && mosquitto_loop (self->mosq, 0, 1) == MOSQ_ERR_SUCCESS)
    if (!mosquitto_want_write (self->mosq))
      fd.events = POLLIN;
}

/* Until the connection is lost, *@error, or the outbox is over. */
static void
serve (Client *self, GError **error)
{
  int code = MOSQ_ERR_SUCCESS;

  gst_defcn_outbox_set_up (self->outbox);
  publish_status (self, ONLINE);
  while (code == MOSQ_ERR_SUCCESS && !self->gone) {
    GstDefcnOutboxItem *item;

    while (code == MOSQ_ERR_SUCCESS
        && (item = gst_defcn_outbox_take (self->outbox)))
      code = publish (self, item);
    if (gst_defcn_outbox_is_over (self->outbox)) {
      say_goodbye (self);
      return;
    }
    if (code == MOSQ_ERR_SUCCESS)
      code = turn (self, SERVE_POLL);
  }
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE,
      "The connection with the mqtt broker at %s:%d is lost: %s", self->host,
      self->port,
      self->code                       ? mosquitto_reason_string (self->code)
          : code == MOSQ_ERR_KEEPALIVE ? "it does not answer"
          : code                       ? mosquitto_strerror (code)
                 : mosquitto_strerror (MOSQ_ERR_CONN_LOST));
}

/* For @seconds and, so that not all come at once, up to half as much again. */
static void
wait_seconds (Client *self, guint seconds)
{
  const gint64 end = g_get_monotonic_time ()
      + (gint64) (seconds * G_TIME_SPAN_SECOND
          * g_random_double_range (1, 1.5));
  gint64 left;

  while (!gst_defcn_outbox_is_over (self->outbox)
      && (left = end - g_get_monotonic_time ()) > 0)
    gst_defcn_outbox_poll (self->outbox, -1, 0,
        (int) (left / G_TIME_SPAN_MILLISECOND) + 1);
}

static void
run (gpointer data, GstDefcnOutbox *outbox)
{
  Client *self = data;
  guint wait = 1;

  self->outbox = outbox;
  while (!gst_defcn_outbox_is_over (outbox)) {
    g_autoptr (GError) error = NULL;
    const gboolean connected = connect_client (self, &error);

    if (connected) {
      wait = 1;
      serve (self, &error);
    }
    const gboolean old = !connected && is_unsupported (self);
    /* Without waiting the library tries the first address alone. */
    const gboolean others = !connected && !self->answered && !self->waits
        && has_several_addresses (self);

    disconnect_client (self);
    self->v3 |= old;
    self->waits = others || (connected && self->waits);
    if (old || others)
      continue;
    if (!error || gst_defcn_outbox_is_over (outbox))
      continue;
    gst_defcn_outbox_set_down (outbox, error);
    wait_seconds (self, wait);
    wait = MIN (2 * wait, self->max_wait);
  }
}

static const GstDefcnBroker broker = {
  .version = DEFCN_VERSION,
  .name = "mqtt",
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
