/* defcnpublish method=mqtt, with a mosquitto that the test starts, ends, stops
 * and misleads. */
#include "broker_rig.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <mosquitto.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSWORD "Tr0ub4dor"

/* The broker. */

typedef struct
{
  char *program, *config, *folder;
  guint16 port;
  GSubprocess *process;
} Broker;

static char *
find_mosquitto (void)
{
  char *path = g_find_program_in_path ("mosquitto");

  if (!path && g_file_test ("/usr/sbin/mosquitto", G_FILE_TEST_IS_EXECUTABLE))
    path = g_strdup ("/usr/sbin/mosquitto");
  return path;
}

static gboolean
has_program (const char *name)
{
  g_autofree char *path = g_find_program_in_path (name);

  return path != NULL;
}

/* Runs @command of a shell, which must do. */
static void
shell (const char *format, ...)
{
  g_autofree char *command = NULL;
  g_autoptr (GError) error = NULL;
  const char *argv[] = { "/bin/sh", "-c", NULL, NULL };
  int status;
  va_list args;

  va_start (args, format);
  command = g_strdup_vprintf (format, args);
  va_end (args);
  argv[2] = command;
  g_spawn_sync (NULL, (char **) argv, NULL,
      G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL,
      NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
}

static void
end_with_us (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* Whether somebody listens. */
static gboolean
answers (guint16 port)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect_to_host (client, "127.0.0.1", port, NULL, NULL);

  return connection != NULL;
}

static void
start_broker (Broker *broker)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDERR_SILENCE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_set_child_setup (launcher, end_with_us, NULL, NULL);
  broker->process = g_subprocess_launcher_spawn (launcher, &error,
      broker->program, "-c", broker->config, NULL);
  g_assert_no_error (error);
  while (!answers (broker->port))
    g_usleep (2000);
}

/* A broker of @settings, which with "listener" none go with the one that is
 * made; NULL, and the test is skipped, where there is no mosquitto. */
static Broker *
new_broker (const char *settings)
{
  static guint number = 0;
  g_autofree char *program = find_mosquitto ();
  g_autofree char *name = g_strdup_printf ("mosquitto%u.conf", number++);
  g_autofree char *text = NULL;
  Broker *broker;

  if (!program) {
    g_test_skip ("no mosquitto");
    return NULL;
  }
  broker = g_new0 (Broker, 1);
  broker->program = g_steal_pointer (&program);
  broker->port = broker_rig_port (NULL);
  broker->config = rig_file (name, "");
  broker->folder = g_path_get_dirname (broker->config);
  /* What subscribers have yet to hear outlives a restart. */
  text = g_strdup_printf ("user %s\nlistener %u 127.0.0.1\n"
                          "persistence true\npersistence_location %s/\n"
                          "persistence_file %s.db\nset_tcp_nodelay "
                          "true\nmax_queued_messages 100000\n%s\n",
      g_get_user_name (), broker->port, broker->folder, name, settings);
  g_free (broker->config);
  broker->config = rig_file (name, text);
  start_broker (broker);
  return broker;
}

static void
end_broker (Broker *broker, int number)
{
  g_subprocess_send_signal (broker->process, number);
  g_subprocess_wait (broker->process, NULL, NULL);
  g_clear_object (&broker->process);
}

/* Until it stands still. */
static void
stop_broker (Broker *broker)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s/stat",
      g_subprocess_get_identifier (broker->process));
  g_autofree char *text = NULL;

  g_subprocess_send_signal (broker->process, SIGSTOP);
  do {
    g_free (text);
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  } while (!strstr (text, ") T "));
}

static void
free_broker (Broker *broker)
{
  if (broker->process)
    end_broker (broker, SIGKILL);
  g_free (broker->program);
  g_free (broker->config);
  g_free (broker->folder);
  g_free (broker);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Broker, free_broker)

/* A subscriber, to everything; its session outlives the broker. */

typedef struct
{
  struct mosquitto *mosq;
  GMutex lock;
  GPtrArray *texts; /* "TOPIC TEXT" */
  gint subscribed;  /* atomic */
} Listener;

static void
on_connect (struct mosquitto *mosq, void *data, int code)
{
  mosquitto_subscribe (mosq, NULL, "#", 1);
}

static void
on_subscribe (struct mosquitto *mosq, void *data, int id, int n, const int *qos)
{
  g_atomic_int_set (&((Listener *) data)->subscribed, TRUE);
}

static void
on_message (struct mosquitto *mosq, void *data,
    const struct mosquitto_message *message)
{
  Listener *listener = data;

  g_mutex_lock (&listener->lock);
  g_ptr_array_add (listener->texts,
      g_strdup_printf ("%s %.*s", message->topic, message->payloadlen,
          (const char *) message->payload));
  g_mutex_unlock (&listener->lock);
}

static Listener *
new_listener (const Broker *broker)
{
  static guint number = 0;
  g_autofree char *name = g_strdup_printf ("listener%u", number++);
  Listener *listener = g_new0 (Listener, 1);

  g_mutex_init (&listener->lock);
  listener->texts = g_ptr_array_new_with_free_func (g_free);
  listener->mosq = mosquitto_new (name, false, listener);
  mosquitto_connect_callback_set (listener->mosq, on_connect);
  mosquitto_subscribe_callback_set (listener->mosq, on_subscribe);
  mosquitto_message_callback_set (listener->mosq, on_message);
  g_assert_cmpint (mosquitto_connect (listener->mosq, "127.0.0.1", broker->port,
                       60),
      ==, MOSQ_ERR_SUCCESS);
  g_assert_cmpint (mosquitto_loop_start (listener->mosq), ==, 0);
  while (!g_atomic_int_get (&listener->subscribed))
    g_usleep (2000);
  return listener;
}

static void
free_listener (Listener *listener)
{
  mosquitto_disconnect (listener->mosq);
  mosquitto_loop_stop (listener->mosq, false);
  mosquitto_destroy (listener->mosq);
  g_ptr_array_unref (listener->texts);
  g_mutex_clear (&listener->lock);
  g_free (listener);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Listener, free_listener)

static gboolean
has_heard (Listener *listener, const char *text)
{
  gboolean heard;

  g_mutex_lock (&listener->lock);
  heard = g_ptr_array_find_with_equal_func (listener->texts, text, g_str_equal,
      NULL);
  g_mutex_unlock (&listener->lock);
  return heard;
}

static void
wait_heard (Listener *listener, const char *text)
{
  for (int i = 0; !has_heard (listener, text); i++) {
    g_assert_cmpint (i, <, 30000);
    g_usleep (2000);
  }
}

/* (transfer full): "seq" of the records to @topic, in the order of their first
 * arrival. */
static GArray *
heard_numbers (Listener *listener, const char *topic)
{
  g_autofree char *start = g_strconcat (topic, " {", NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  GArray *numbers = g_array_new (FALSE, FALSE, sizeof (guint));

  g_mutex_lock (&listener->lock);
  for (guint i = 0; i < listener->texts->len; i++) {
    const char *text = listener->texts->pdata[i];
    guint number;

    if (!g_str_has_prefix (text, start))
      continue;
    JSON_RIG_AUTO *json = cJSON_Parse (strchr (text, '{'));
    number = (guint) json_rig_number (json, "seq");
    if (g_hash_table_add (seen, GUINT_TO_POINTER (number)))
      g_array_append_val (numbers, number);
  }
  g_mutex_unlock (&listener->lock);
  return numbers;
}

/* All that was sent has been heard, in order, the newest of @n too. */
static void
assert_heard (GstHarness *h, Listener *listener, const char *topic, guint n)
{
  const guint64 sent = broker_rig_stat (h, "sent");
  g_autoptr (GArray) numbers = NULL;

  for (int i = 0; i < 30000; i++) {
    g_clear_pointer (&numbers, g_array_unref);
    numbers = heard_numbers (listener, topic);
    if (numbers->len >= sent)
      break;
    g_usleep (2000);
  }
  broker_rig_assert_settled (h, n);
  g_assert_cmpuint (numbers->len, ==, sent);
  for (guint i = 1; i < numbers->len; i++)
    g_assert_cmpuint (g_array_index (numbers, guint, i), >,
        g_array_index (numbers, guint, i - 1));
  g_assert_cmpuint (g_array_index (numbers, guint, numbers->len - 1), ==,
      n - 1);
}

#define ANYBODY "allow_anonymous true"

/* Records arrive, one by one and in order, under a topic with the source in it;
 * the status beside it is online and then offline, and stays. */
static void
test_records (void)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);
  g_autoptr (Listener) listener = NULL, late = NULL;
  g_autoptr (GstBus) bus = NULL;
  GstHarness *h;

  if (!broker)
    return;
  listener = new_listener (broker);
  h = broker_rig_harness (&bus, "method=mqtt;address=127.0.0.1:%u;source=cam/1",
      broker->port);
  broker_rig_push (h, 100);
  broker_rig_wait_stat (h, "sent", 100);
  assert_heard (h, listener, "defcn/cam_1", 100);
  g_assert_true (has_heard (listener, "defcn/cam_1/status online"));
  g_assert_true (broker_rig_connected (h));
  g_assert_cmpuint (broker_rig_stat (h, "reconnects"), ==, 0);
  broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING | GST_MESSAGE_INFO);
  broker_rig_end (h, bus);
  wait_heard (listener, "defcn/cam_1/status offline");
  late = new_listener (broker);
  wait_heard (late, "defcn/cam_1/status offline");
  g_assert_cmpuint (late->texts->len, ==, 1); /* no record was retained */
}

/* A client that is killed is offline, by its will. */
static void
test_will (void)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);
  g_autoptr (Listener) listener = NULL;
  g_autoptr (GSubprocess) killed = NULL;
  g_autofree char *command = NULL;

  if (!broker)
    return;
  listener = new_listener (broker);
  command = g_strdup_printf (
      "exec gst-launch-1.0 -q --gst-plugin-load=%s/gst-plugin/libgstdefcn.so "
      "videotestsrc is-live=true ! defcnpublish method=mqtt topic=t "
      "status-topic=here address=127.0.0.1:%u ! fakesink",
      g_getenv ("DEFCN_TEST_BUILD"), broker->port);
#ifdef RIG_SANITIZED
  g_test_skip ("gst-launch cannot load what a sanitizer has instrumented");
  return;
#endif
  killed = g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL, "/bin/sh",
      "-c", command, NULL);
  wait_heard (listener, "here online");
  g_subprocess_force_exit (killed);
  wait_heard (listener, "here offline");
}

/* Whether this machine calls itself so by IPv6 too. */
static gboolean
has_ipv6 (void)
{
  const struct addrinfo hints = { .ai_family = AF_INET6 };
  struct addrinfo *list;

  if (getaddrinfo ("localhost", NULL, &hints, &list) != 0)
    return FALSE;
  freeaddrinfo (list);
  return TRUE;
}

/* A host of several addresses is found at that where the broker is, whichever
 * comes first, without a word. */
static void
test_addresses (void)
{
  const guint16 other = broker_rig_port (NULL);
  g_autofree char *settings =
      g_strdup_printf (ANYBODY "\nlistener %u ::1", other);
  g_autoptr (Broker) broker = has_ipv6 () ? new_broker (settings) : NULL;
  const guint ports[] = { broker ? broker->port : 0, other };

  if (!broker) {
    g_test_skip ("no IPv6 of localhost, or no mosquitto");
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (ports); i++) {
    g_autoptr (GstBus) bus = NULL;
    GstHarness *h =
        broker_rig_harness (&bus, "method=mqtt;address=localhost:%u", ports[i]);

    broker_rig_push (h, 3);
    broker_rig_wait_stat (h, "sent", 3);
    broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING);
    broker_rig_end (h, bus);
  }
}

/* QoS 0, a retained record, no status, a topic and an address as they are
 * given; the source may change meanwhile. */
static void
test_other_settings (void)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);
  g_autoptr (Listener) listener = NULL, late = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstElement) element = NULL;
  GstHarness *h;

  if (!broker)
    return;
  listener = new_listener (broker);
  h = broker_rig_harness (&bus,
      "method=mqtt;address=mqtt://localhost:%u/;topic=a/{source}/b;mqtt-qos=0;"
      "retain=true;status-topic=;source=one;client-id=me;max-records=1000",
      broker->port);
  element = gst_harness_find_element (h, "defcnpublish");
  broker_rig_push (h, 60);
  g_object_set (element, "source", "two", NULL);
  broker_rig_push (h, 1);
  broker_rig_wait_stat (h, "sent", 61);
  broker_rig_end (h, bus);
  late = new_listener (broker);
  while (late->texts->len < 2)
    g_usleep (2000);
  g_assert_true (g_str_has_prefix (late->texts->pdata[0], "a/one/b {")
      || g_str_has_prefix (late->texts->pdata[1], "a/one/b {"));
  g_assert_nonnull (strstr (late->texts->pdata[0], "\"seq\":59,")
          ? strstr (late->texts->pdata[1], "\"seq\":60,")
          : strstr (late->texts->pdata[0], "\"seq\":60,"));
}

/* Pushes @n, 25 a second if @paced. */
static void
push_at (GstHarness *h, guint n, gboolean paced)
{
  for (guint i = 0; i < n; i++) {
    broker_rig_push (h, 1);
    if (paced)
      g_usleep (G_USEC_PER_SEC / 25);
  }
}

/* A broker that is away for @n records holds nobody up: the newest arrive when
 * it is back, those that had no room are counted, to the last one; it is told
 * of once. */
static void
outage (guint before, guint n, guint max_records, gboolean paced)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);
  g_autoptr (Listener) listener = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autofree char *warning = NULL, *info = NULL;
  GstHarness *h;

  if (!broker)
    return;
  listener = new_listener (broker);
  h = broker_rig_harness (&bus,
      "method=mqtt;address=127.0.0.1:%u;max-records=%u;topic=t;"
      "max-reconnect-interval=1",
      broker->port, max_records);
  broker_rig_push (h, before);
  broker_rig_wait_stat (h, "sent", before);
  end_broker (broker, SIGTERM);
  broker_rig_wait_connected (h, FALSE);
  warning = broker_rig_message (bus, GST_MESSAGE_WARNING,
      GST_RESOURCE_ERROR_OPEN_WRITE);
  push_at (h, n, paced);
  g_assert_cmpuint (broker_rig_stat (h, "queued"), ==, max_records);
  g_assert_cmpuint (broker_rig_stat (h, "dropped"), ==, n - max_records);
  start_broker (broker);
  broker_rig_wait_stat (h, "queued", 0);
  info =
      broker_rig_message (bus, GST_MESSAGE_INFO, GST_RESOURCE_ERROR_OPEN_WRITE);
  g_assert_cmpuint (broker_rig_stat (h, "reconnects"), ==, 1);
  g_assert_cmpuint (broker_rig_stat (h, "sent"), ==, before + max_records);
  assert_heard (h, listener, "t", before + n);
  broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING | GST_MESSAGE_INFO);
  broker_rig_end (h, bus);
}

/* As many records as 60 s have at 25 a second. */
static void
test_outage (void)
{
  outage (50, 1500, 200, FALSE);
}

/* 60 s of them. */
static void
test_minute (void)
{
  outage (50, 1500, 200, TRUE);
}

/* Killed again and again while records come: each is sent, maybe twice, or
 * counted. */
static void
test_killed (void)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);
  g_autoptr (Listener) listener = NULL;
  g_autoptr (GstBus) bus = NULL;
  guint n = 0;
  GstHarness *h;

  if (!broker)
    return;
  listener = new_listener (broker);
  h = broker_rig_harness (&bus,
      "method=mqtt;address=127.0.0.1:%u;max-records=300;topic=t;"
      "max-reconnect-interval=1",
      broker->port);
  for (int i = 0; i < 4; i++) {
    broker_rig_wait_connected (h, TRUE);
    broker_rig_push (h, 500);
    end_broker (broker, SIGTERM);
    broker_rig_push (h, 500);
    n += 1000;
    start_broker (broker);
  }
  broker_rig_wait_stat (h, "queued", 0);
  assert_heard (h, listener, "t", n);
  broker_rig_end (h, bus);
}

/* A broker that stops answering, with the connection open, is the same: records
 * pass, the queue keeps its size, and when it goes on, so do they. */
static void
test_stopped (void)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);
  g_autoptr (Listener) listener = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autofree char *warning = NULL;
  GstHarness *h;

  if (!broker)
    return;
  listener = new_listener (broker);
  h = broker_rig_harness (&bus,
      "method=mqtt;address=127.0.0.1:%u;max-records=100;topic=t", broker->port);
  broker_rig_wait_connected (h, TRUE);
  stop_broker (broker);
  broker_rig_push (h, 1000);
  g_assert_cmpuint (broker_rig_stat (h, "queued"), <=, 120);
  g_assert_cmpuint (broker_rig_stat (h, "dropped"), >=, 880);
  warning =
      broker_rig_message (bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE);
  g_subprocess_send_signal (broker->process, SIGCONT);
  broker_rig_wait_stat (h, "queued", 0);
  assert_heard (h, listener, "t", 1000);
  broker_rig_end (h, bus);
}

/* It is found out without records too, by keep-alive, and another connection is
 * made. */
static void
test_keep_alive (void)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);
  g_autoptr (GstBus) bus = NULL;
  g_autofree char *warning = NULL;
  GstHarness *h;

  if (!broker)
    return;
  h = broker_rig_harness (&bus, "method=mqtt;address=127.0.0.1:%u;keep-alive=5",
      broker->port);
  broker_rig_wait_connected (h, TRUE);
  stop_broker (broker);
  broker_rig_wait_connected (h, FALSE);
  warning = broker_rig_message (bus, GST_MESSAGE_WARNING,
      GST_RESOURCE_ERROR_OPEN_WRITE);
  g_assert_nonnull (strstr (warning, "does not answer"));
  g_subprocess_send_signal (broker->process, SIGCONT);
  broker_rig_wait_connected (h, TRUE);
  broker_rig_end (h, bus);
}

/* With the password from a file records arrive; a wrong one, and none, are
 * refused, with words that have no password. */
static void
test_password (void)
{
  g_autofree char *passwords = rig_file ("passwords", "");
  g_autofree char *good = rig_file ("good", PASSWORD "\r\n");
  g_autofree char *bad = rig_file ("bad", PASSWORD "x\n");
  g_autofree char *settings =
      g_strdup_printf ("allow_anonymous false\npassword_file %s", passwords);
  g_autofree char *right =
      g_strdup_printf ("username=me;password-file=%s", good);
  g_autofree char *wrong =
      g_strdup_printf ("username=me;password-file=%s", bad);
  const char *login[] = { right, wrong, "username=other", "" };
  g_autoptr (Broker) broker = NULL;

  if (!has_program ("mosquitto_passwd")) {
    g_test_skip ("no mosquitto_passwd");
    return;
  }
  shell ("chmod 600 '%s' && mosquitto_passwd -b '%s' me " PASSWORD, passwords,
      passwords);
  broker = new_broker (settings);
  if (!broker)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (login); i++) {
    g_autoptr (GstBus) bus = NULL;
    g_autofree char *warning = NULL;
    GstHarness *h = broker_rig_harness (&bus,
        "method=mqtt;address=127.0.0.1:%u;drain-timeout=0;%s", broker->port,
        login[i]);

    broker_rig_push (h, 3);
    if (i == 0) {
      broker_rig_wait_stat (h, "sent", 3);
    } else {
      warning = broker_rig_message (bus, GST_MESSAGE_WARNING,
          GST_RESOURCE_ERROR_NOT_AUTHORIZED);
      g_assert_null (strstr (warning, PASSWORD));
      g_assert_nonnull (strstr (warning,
          i == 1       ? "\"me\""
              : i == 2 ? "\"other\""
                       : "no"));
      g_assert_cmpuint (broker_rig_stat (h, "queued"), ==, 3);
    }
    broker_rig_end (h, bus);
  }
}

/* Topics that a user may not write to are told of by name, and cost their
 * records alone. */
static void
test_topic_refused (void)
{
  g_autofree char *acl = rig_file ("acl", "topic readwrite open\n");
  g_autofree char *settings = g_strdup_printf (ANYBODY "\nacl_file %s", acl);
  g_autofree char *warning = NULL;
  g_autoptr (Broker) broker = NULL;
  g_autoptr (GstElement) element = NULL;
  g_autoptr (GstBus) bus = NULL;
  GstHarness *h;

  g_assert_cmpint (g_chmod (acl, 0600), ==, 0);
  broker = new_broker (settings);
  if (!broker)
    return;
  h = broker_rig_harness (&bus,
      "method=mqtt;address=127.0.0.1:%u;topic={source};source=closed",
      broker->port);
  element = gst_harness_find_element (h, "defcnpublish");
  broker_rig_push (h, 30);
  broker_rig_wait_stat (h, "dropped", 30);
  warning =
      broker_rig_message (bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE);
  g_assert_nonnull (strstr (warning, "\"closed\""));
  g_object_set (element, "source", "open", NULL);
  broker_rig_push (h, 5);
  broker_rig_wait_stat (h, "sent", 5);
  g_assert_true (broker_rig_connected (h));
  broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING);
  broker_rig_end (h, bus);
}

/* Makes NAME.pem and NAME.key, a certificate of @host (IP:.., DNS:..). */
static void
make_certificate (const char *name, const char *host)
{
  g_autofree char *pem = g_strconcat (name, ".pem", NULL);
  g_autofree char *key = g_strconcat (name, ".key", NULL);
  g_autofree char *pem_path = rig_file (pem, "");
  g_autofree char *key_path = rig_file (key, "");

  shell ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
         "-nodes -days 2 -subj '/CN=%s' -addext 'subjectAltName=%s' "
         "-keyout '%s' -out '%s'",
      name, host, key_path, pem_path);
}

/* TLS: the broker's certificate has to be signed by whom it should be and of
 * the host that is called, unless nobody wants to know; and the broker may want
 * ours. */
static void
test_tls (void)
{
  static const struct
  {
    const char *broker, *more; /* who it is; what it wants */
    const char *properties;
    const char *why;    /* NULL: records arrive */
    const char *system; /* who the system trusts, NULL: the other one */
  } cases[] = {
    { "good", "", "ca-file=%s/good.pem", NULL },
    { "good", "", "ca-file=%s/other.pem", "certificate verify failed" },
    { "good", "", "", "certificate verify failed" },
    { "good", "", "", NULL, "good" },
    { "other", "", "ca-file=%s/other.pem", "host name verification failed" },
    { "other", "", "tls-verify=false", NULL },
    { "other", "", "ca-file=%s/other.pem;tls-verify=false", NULL },
    { "good", "cafile %s/client.pem\nrequire_certificate true",
        "ca-file=%s/good.pem;certificate-file=%s/client.pem;"
        "key-file=%s/client.key",
        NULL },
    { "good", "cafile %s/client.pem\nrequire_certificate true",
        "ca-file=%s/good.pem", "" },
  };
  g_autofree char *anything = rig_file ("anything", "");
  g_autofree char *folder = g_path_get_dirname (anything);

  if (!has_program ("openssl")) {
    g_test_skip ("no openssl");
    return;
  }
  make_certificate ("good", "IP:127.0.0.1");
  make_certificate ("other", "DNS:other.example");
  make_certificate ("client", "DNS:client.example");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GString) settings = g_string_new (ANYBODY "\n");
    g_autoptr (GString) properties = g_string_new (cases[i].properties);
    g_autofree char *system = NULL;
    g_autoptr (Broker) broker = NULL;
    g_autoptr (GstBus) bus = NULL;
    GstHarness *h;

    g_string_append_printf (settings,
        "certfile %%s/%s.pem\nkeyfile %%s/%s.key\n"
        "%s",
        cases[i].broker, cases[i].broker, cases[i].more);
    system = g_strdup_printf ("%s/%s.pem", folder,
        cases[i].system ? cases[i].system : "other");
    g_setenv ("SSL_CERT_FILE", system, TRUE);
    g_string_replace (settings, "%s", folder, 0);
    g_string_replace (properties, "%s", folder, 0);
    broker = new_broker (settings->str);
    if (!broker)
      return;
    h = broker_rig_harness (&bus,
        "method=mqtt;address=mqtts://127.0.0.1:%u;drain-timeout=0;%s",
        broker->port, properties->str);
    broker_rig_push (h, 3);
    if (cases[i].why) {
      g_autofree char *warning = broker_rig_message (bus, GST_MESSAGE_WARNING,
          GST_RESOURCE_ERROR_OPEN_WRITE);

      g_assert_nonnull (strstr (warning, cases[i].why));
      g_assert_cmpuint (broker_rig_stat (h, "sent"), ==, 0);
    } else {
      broker_rig_wait_stat (h, "sent", 3);
      broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING);
    }
    broker_rig_end (h, bus);
  }
}

/* Who accepts and then says nothing, with TLS too, holds nobody up, nor the
 * element's stop; nor does who is not there. */
static void
test_silent (void)
{
  for (int i = 0; i < 3; i++) {
    int fd = -1;
    const guint16 port = broker_rig_port (i < 2 ? &fd : NULL);
    g_autoptr (GstBus) bus = NULL;
    GstHarness *h = broker_rig_harness (&bus,
        "method=mqtt;address=%s127.0.0.1:%u;drain-timeout=10",
        i == 1 ? "mqtts://" : "", port);
    g_autoptr (GstElement) element =
        gst_harness_find_element (h, "defcnpublish");

    broker_rig_push (h, 50);
    g_assert_cmpuint (broker_rig_stat (h, "queued"), ==, 50);
    json_rig_push_eos (h);
    gst_element_set_state (element, GST_STATE_NULL);
    broker_rig_assert_settled (h, 50);
    g_assert_cmpuint (broker_rig_stat (h, "dropped"), ==, 50);
    broker_rig_end (h, bus);
    if (fd >= 0)
      close (fd);
  }
}

/* Reads a packet of MQTT of at most 127 bytes; FALSE at the end. */
static gboolean
read_packet (int fd, guint8 *packet)
{
  return recv (fd, packet, 2, MSG_WAITALL) == 2
      && recv (fd, packet + 2, packet[1], MSG_WAITALL) == packet[1];
}

/* A broker that knows MQTT 3.1.1 alone, for two connections: the data is the
 * socket that listens. */
static gpointer
run_old_broker (gpointer data)
{
  static const guint8 no_such_version[] = { 0x20, 2, 0, 1 };
  static const guint8 welcome[] = { 0x20, 2, 0, 0 };
  guint8 packet[130];
  int fd;

  fd = accept (GPOINTER_TO_INT (data), NULL, NULL);
  g_assert_true (read_packet (fd, packet));
  g_assert_cmpint (packet[8], ==, 5);
  g_assert_cmpint (send (fd, no_such_version, 4, MSG_NOSIGNAL), ==, 4);
  close (fd);
  fd = accept (GPOINTER_TO_INT (data), NULL, NULL);
  g_assert_true (read_packet (fd, packet));
  g_assert_cmpint (packet[8], ==, 4);
  g_assert_cmpint (send (fd, welcome, 4, MSG_NOSIGNAL), ==, 4);
  while (read_packet (fd, packet) && packet[0] >> 4 == 3) {
    const guint at = 4 + packet[3];
    const guint8 received[] = { 0x40, 2, packet[at], packet[at + 1] };

    g_assert_cmpint (send (fd, received, 4, MSG_NOSIGNAL), ==, 4);
  }
  close (fd);
  return NULL;
}

/* An older broker is spoken to in its own version, without a word. */
static void
test_old_broker (void)
{
  int fd;
  const guint16 port = broker_rig_port (&fd);
  GThread *thread =
      g_thread_new ("old broker", run_old_broker, GINT_TO_POINTER (fd));
  g_autoptr (GstBus) bus = NULL;
  GstHarness *h = broker_rig_harness (&bus,
      "method=mqtt;address=127.0.0.1:%u;topic=t;status-topic=", port);

  broker_rig_push (h, 3);
  broker_rig_wait_stat (h, "sent", 3);
  broker_rig_assert_quiet (bus, GST_MESSAGE_WARNING);
  broker_rig_end (h, bus);
  g_thread_join (thread);
  close (fd);
}

/* What is wrong with the settings is said at the start, by the property's
 * name. */
static void
test_settings (void)
{
  static const struct
  {
    const char *properties, *named;
  } cases[] = {
    { "method=mqtt", "address" },
    { "method=mqtt;address=", "address" },
    { "method=mqtt;address=http://a", "mqtts://" },
    { "method=mqtt;address=a:x", "address" },
    { "method=mqtt;address=a:0", "address" },
    { "method=mqtt;address=a/b", "address" },
    { "method=mqtt;address=a?b", "address" },
    { "method=mqtt;address=mqtt://", "address" },
    { "method=mqtt;address=a;topic=#", "topic" },
    { "method=mqtt;address=a;topic={source}", "source" },
    { "method=mqtt;address=a;status-topic=a/+", "topic" },
    { "method=mqtt;address=a;password-file=b", "username" },
    { "method=mqtt;address=a;username=b;password-file=/nowhere",
        "password-file" },
    { "method=mqtt;address=a;username=b;password-file=/dev/null",
        "password-file" },
    { "method=mqtt;address=a;ca-file=b", "mqtts://" },
    { "method=mqtt;address=mqtts://a;ca-file=/nowhere", "ca-file" },
    { "method=mqtt;address=mqtts://a;key-file=/nowhere", "certificate-file" },
    { "method=mqtt;address=a;tags=[]", "tags" },
    { "location={source}", "source" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *why = broker_rig_refused ("%s", cases[i].properties);

    g_assert_nonnull (strstr (why, cases[i].named));
  }
}

/* A key that wants a password nobody could be asked for is refused, instead of
 * a question on the terminal. */
static void
test_encrypted_key (void)
{
  g_autofree char *key =
      rig_file ("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
  g_autofree char *why =
      broker_rig_refused ("method=mqtt;address=mqtts://"
                          "a;certificate-file=%s;key-file=%s",
          key, key);

  g_assert_nonnull (strstr (why, "encrypted"));
}

/* A password in the address is nowhere to be seen, and the error says where it
 * belongs; nor is that of the file in a picture of the pipeline. */
static void
test_secrets (void)
{
  static const char *const addresses[] = { "mqtt://me:" PASSWORD "@host:1883",
    "me:" PASSWORD "@host", "mqtts://me:a@" PASSWORD "@host", PASSWORD "@" };
  g_autofree char *file = rig_file ("password", PASSWORD);
  g_autoptr (GstElement) pipeline =
      gst_object_ref_sink (gst_pipeline_new (NULL));
  GstElement *element = gst_element_factory_make ("defcnpublish", NULL);

  gst_bin_add (GST_BIN (pipeline), element);
  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++) {
    g_autofree char *why =
        broker_rig_refused ("method=mqtt;address=%s", addresses[i]);
    g_autofree char *shown = NULL, *dot = NULL;

    g_assert_nonnull (strstr (why, "password-file"));
    g_assert_null (strstr (why, PASSWORD));
    g_object_set (element, "address", addresses[i], "username", "me",
        "password-file", file, "method", 1, NULL);
    g_object_get (element, "address", &shown, NULL);
    g_assert_null (strstr (shown, PASSWORD));
    dot = gst_debug_bin_to_dot_data (GST_BIN (pipeline),
        GST_DEBUG_GRAPH_SHOW_ALL);
    g_assert_null (strstr (dot, PASSWORD));
  }
  g_object_set (element, "address", NULL, NULL);
}

/* EOS and a stop right behind the records wait for them; a flush loses none;
 * the next start begins anew. */
static void
test_drains (void)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);
  g_autoptr (Listener) listener = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstElement) element = NULL;
  GstHarness *h;

  if (!broker)
    return;
  listener = new_listener (broker);
  h = broker_rig_harness (&bus,
      "method=mqtt;address=127.0.0.1:%u;topic=t;drain-timeout=60000",
      broker->port);
  element = gst_harness_find_element (h, "defcnpublish");
  broker_rig_push (h, 300);
  json_rig_push_eos (h);
  rig_flush (h);
  broker_rig_push (h, 300);
  gst_element_set_state (element, GST_STATE_NULL);
  g_assert_cmpuint (broker_rig_stat (h, "sent"), ==, 600);
  assert_heard (h, listener, "t", 600);
  g_object_set (element, "topic", "u", NULL);
  gst_harness_set_src_caps_str (h, JSON_RIG_CAPS);
  gst_harness_play (h);
  g_assert_cmpuint (broker_rig_stat (h, "accepted"), ==, 0);
  broker_rig_push (h, 10);
  gst_element_set_state (element, GST_STATE_NULL);
  assert_heard (h, listener, "u", 10);
  broker_rig_end (h, bus);
}

static guint16 steady_port;

static void
steady_cycle (void)
{
  g_autoptr (GstBus) bus = NULL;
  GstHarness *h = broker_rig_harness (&bus,
      "method=mqtt;address=127.0.0.1:%u;topic=t;drain-timeout=60000",
      steady_port);

  broker_rig_push (h, 1);
  broker_rig_end (h, bus);
}

/* Starts and stops leave no memory behind. */
static void
test_steady (void)
{
  g_autoptr (Broker) broker = new_broker (ANYBODY);

  if (!broker)
    return;
  steady_port = broker->port;
  rig_assert_steady (steady_cycle);
}

/* Properties that are for READY stay while it runs; the queue's limits do
 * not. */
static void
test_while_running (void)
{
  const guint16 port = broker_rig_port (NULL);
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstElement) element = NULL;
  g_autofree char *topic = NULL;
  GstHarness *h = broker_rig_harness (&bus,
      "method=mqtt;address=127.0.0.1:%u;topic=t;drain-timeout=60000", port);

  element = gst_harness_find_element (h, "defcnpublish");
  broker_rig_push (h, 50);
  g_object_set (element, "topic", "u", "max-records", 10, "drain-timeout", 0,
      NULL);
  g_object_get (element, "topic", &topic, NULL);
  g_assert_cmpstr (topic, ==, "t");
  g_assert_cmpuint (broker_rig_stat (h, "queued"), ==, 10);
  g_object_set (element, "max-bytes", (guint64) 1, NULL);
  g_assert_cmpuint (broker_rig_stat (h, "queued"), ==, 0);
  broker_rig_end (h, bus);
}

int
main (int argc, char **argv)
{
  int status;

  rig_init (&argc, &argv);
  mosquitto_lib_init ();
  g_test_add_func ("/mqtt/records", test_records);
  g_test_add_func ("/mqtt/will", test_will);
  g_test_add_func ("/mqtt/addresses", test_addresses);
  g_test_add_func ("/mqtt/other-settings", test_other_settings);
  g_test_add_func ("/mqtt/outage", test_outage);
  if (g_test_slow ())
    g_test_add_func ("/mqtt/minute", test_minute);
  g_test_add_func ("/mqtt/killed", test_killed);
  g_test_add_func ("/mqtt/stopped", test_stopped);
  g_test_add_func ("/mqtt/keep-alive", test_keep_alive);
  g_test_add_func ("/mqtt/password", test_password);
  g_test_add_func ("/mqtt/topic-refused", test_topic_refused);
  g_test_add_func ("/mqtt/tls", test_tls);
  g_test_add_func ("/mqtt/silent", test_silent);
  g_test_add_func ("/mqtt/old-broker", test_old_broker);
  g_test_add_func ("/mqtt/settings", test_settings);
  g_test_add_func ("/mqtt/encrypted-key", test_encrypted_key);
  g_test_add_func ("/mqtt/secrets", test_secrets);
  g_test_add_func ("/mqtt/drains", test_drains);
  g_test_add_func ("/mqtt/steady", test_steady);
  g_test_add_func ("/mqtt/while-running", test_while_running);
  status = rig_run ();
  mosquitto_lib_cleanup ();
  return status;
}
