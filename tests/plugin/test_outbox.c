/* The queue before a broker, and names of topics, with a broker that the test
 * plays. */
#include "rig.h"

#include <string.h>
#include <unistd.h>

#include "publish/outbox.h"
#include "publish/topic.h"

/* What the played broker does, and has been given. */
typedef struct
{
  GMutex lock;
  GCond changed;
  guint allowed;           /* how many more it acknowledges */
  guint refused;           /* how many more it refuses */
  gboolean hangs, hanging; /* and looks at nothing */
  gboolean up, down;       /* to be told */
  gboolean retake;         /* once */
  gboolean freed;
  GString *texts; /* of what it acknowledged */
  guint taken;
} Played;

static Played played;

static void
played_wait (void)
{
  gint64 end = g_get_monotonic_time () + 30 * G_TIME_SPAN_SECOND;

  g_assert_true (g_cond_wait_until (&played.changed, &played.lock, end));
}

/* Has the broker do @field = @value. */
#define PLAY(field, value)                                                     \
  G_STMT_START                                                                 \
  {                                                                            \
    g_mutex_lock (&played.lock);                                               \
    played.field = value;                                                      \
    g_cond_broadcast (&played.changed);                                        \
    g_mutex_unlock (&played.lock);                                             \
  }                                                                            \
  G_STMT_END

static void
take_orders (GstDefcnOutbox *outbox, GQueue *flight)
{
  GstDefcnOutboxItem *item;

  if (played.up) {
    gst_defcn_outbox_set_up (outbox);
    played.up = FALSE;
  }
  if (played.down) {
    g_autoptr (GError) why = g_error_new (GST_RESOURCE_ERROR,
        GST_RESOURCE_ERROR_NOT_AUTHORIZED, "caf\xe9 is closed");

    gst_defcn_outbox_set_down (outbox, why);
    played.down = FALSE;
  }
  if (played.retake) {
    g_queue_clear (flight);
    gst_defcn_outbox_retake (outbox);
    played.retake = FALSE;
  }
  while ((item = gst_defcn_outbox_take (outbox))) {
    g_queue_push_tail (flight, item);
    played.taken++;
  }
  while (played.refused && (item = g_queue_pop_head (flight))) {
    gst_defcn_outbox_refused (outbox, item, "it is late");
    played.refused--;
  }
  while (played.allowed && (item = g_queue_pop_head (flight))) {
    g_string_append_printf (played.texts, "%s ", item->text);
    gst_defcn_outbox_sent (outbox, item);
    played.allowed--;
  }
}

static void
played_run (gpointer client, GstDefcnOutbox *outbox)
{
  g_autoptr (GQueue) flight = g_queue_new ();

  while (!gst_defcn_outbox_is_over (outbox)) {
    g_mutex_lock (&played.lock);
    take_orders (outbox, flight);
    played.hanging = played.hangs;
    g_cond_broadcast (&played.changed);
    while (played.hangs)
      g_cond_wait (&played.changed, &played.lock);
    g_mutex_unlock (&played.lock);
    gst_defcn_outbox_poll (outbox, -1, 0, 5);
  }
}

static void
played_free (gpointer client)
{
  PLAY (freed, TRUE);
}

/* A new outbox, whose broker does nothing yet; *@bus has its messages. */
static GstDefcnOutbox *
open_outbox (GstBus **bus, guint max_records, guint64 max_bytes)
{
  static const GstDefcnBroker broker = { .version = DEFCN_VERSION,
    .name = "played",
    .window = 3,
    .run = played_run,
    .free = played_free };
  static GstElement *element;

  if (!element)
    element = gst_object_ref_sink (gst_bin_new ("element"));
  *bus = gst_bus_new ();
  gst_element_set_bus (element, *bus);
  if (played.texts)
    g_string_truncate (played.texts, 0);
  else
    played.texts = g_string_new (NULL);
  played.allowed = played.refused = played.taken = 0;
  played.hangs = played.hanging = played.freed = played.up = played.down =
      FALSE;
  return gst_defcn_outbox_new (element, &broker, NULL, max_records, max_bytes);
}

static void
push (GstDefcnOutbox *outbox, const char *text)
{
  GRefString *topic = g_ref_string_new ("topic");

  gst_defcn_outbox_push (outbox, topic, NULL, g_strdup (text));
  g_ref_string_release (topic);
}

/* "0" to "n-1", after @from. */
static void
push_many (GstDefcnOutbox *outbox, guint from, guint n)
{
  for (guint i = from; i < from + n; i++) {
    g_autofree char *text = g_strdup_printf ("%u", i);

    push (outbox, text);
  }
}

static guint64
stat_of (const GstStructure *stats, const char *name)
{
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  return value;
}

static void
assert_stats (const GstStructure *stats, guint64 accepted, guint64 sent,
    guint64 dropped, guint64 queued)
{
  g_assert_cmpuint (stat_of (stats, "accepted"), ==, accepted);
  g_assert_cmpuint (stat_of (stats, "sent"), ==, sent);
  g_assert_cmpuint (stat_of (stats, "dropped"), ==, dropped);
  g_assert_cmpuint (stat_of (stats, "queued"), ==, queued);
}

static void
assert_now (GstDefcnOutbox *outbox, guint64 accepted, guint64 sent,
    guint64 dropped, guint64 queued)
{
  g_autoptr (GstStructure) stats = gst_defcn_outbox_stats (outbox);

  assert_stats (stats, accepted, sent, dropped, queued);
}

/* Until the broker has taken @n in all. */
static void
wait_taken (guint n)
{
  g_mutex_lock (&played.lock);
  while (played.taken < n)
    played_wait ();
  g_mutex_unlock (&played.lock);
}

/* Has the broker hang, and waits until it does. */
static void
hang (void)
{
  PLAY (hangs, TRUE);
  g_mutex_lock (&played.lock);
  while (!played.hanging)
    played_wait ();
  g_mutex_unlock (&played.lock);
}

/* Until it has done what it is allowed. */
static void
wait_done (void)
{
  g_mutex_lock (&played.lock);
  while (played.allowed || played.refused || played.up || played.down
      || played.retake)
    played_wait ();
  g_mutex_unlock (&played.lock);
}

static char *
message_text (GstBus *bus, GstMessageType type, int code)
{
  g_autoptr (GstMessage) message = rig_message (bus, type);
  g_autoptr (GError) error = NULL;

  if (type == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &error, NULL);
  else
    gst_message_parse_info (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, code);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  return g_strdup (error->message);
}

static void
assert_quiet (GstBus *bus)
{
  g_autoptr (GstMessage) message = gst_bus_pop (bus);

  g_assert_null (message);
}

/* What is pushed arrives in order, and closing waits for the last. */
static void
test_order (void)
{
  GstBus *bus;
  GstDefcnOutbox *outbox = open_outbox (&bus, 100, 1000);
  g_autoptr (GstStructure) stats = NULL;

  PLAY (allowed, 100);
  push_many (outbox, 0, 7);
  stats = gst_defcn_outbox_close (outbox, 30000);
  assert_stats (stats, 7, 7, 0, 0);
  g_assert_cmpstr (played.texts->str, ==, "0 1 2 3 4 5 6 ");
  g_assert_true (played.freed);
  assert_quiet (bus);
  gst_object_unref (bus);
}

/* A full queue drops the oldest that waits, not what the broker has taken, by
 * records and by bytes; all is counted, at any time. */
static void
test_full (void)
{
  GstBus *bus;
  GstDefcnOutbox *outbox = open_outbox (&bus, 4, 6);
  g_autoptr (GstStructure) stats = NULL;

  push_many (outbox, 0, 3);
  wait_taken (3);
  push_many (outbox, 3, 6);
  assert_now (outbox, 9, 0, 2, 7);
  push (outbox, "9999"); /* six bytes are "7", "8" and this */
  assert_now (outbox, 10, 0, 4, 6);
  push (outbox, "7777777"); /* never fits, and costs nobody else the place */
  assert_now (outbox, 11, 0, 5, 6);
  gst_defcn_outbox_set_limits (outbox, 2, 6);
  assert_now (outbox, 11, 0, 6, 5);
  PLAY (allowed, 100);
  stats = gst_defcn_outbox_close (outbox, 30000);
  assert_stats (stats, 11, 5, 6, 0);
  g_assert_cmpstr (played.texts->str, ==, "0 1 2 8 9999 ");
  assert_quiet (bus); /* the broker was not there yet */
  gst_object_unref (bus);
}

/* What a connection has not acknowledged comes again on the next, in order,
 * before the rest and whatever was dropped meanwhile. */
static void
test_retake (void)
{
  GstBus *bus;
  GstDefcnOutbox *outbox = open_outbox (&bus, 3, 1000);
  g_autoptr (GstStructure) stats = NULL;

  push_many (outbox, 0, 3);
  wait_taken (3);
  push_many (outbox, 3, 5);
  PLAY (retake, TRUE);
  wait_taken (6);
  PLAY (retake, TRUE);
  wait_taken (9);
  PLAY (retake, TRUE);
  wait_taken (12);
  PLAY (allowed, 100);
  stats = gst_defcn_outbox_close (outbox, 30000);
  assert_stats (stats, 8, 6, 2, 0);
  g_assert_cmpstr (played.texts->str, ==, "0 1 2 5 6 7 ");
  gst_object_unref (bus);
}

/* An outage is told once, with its reason and as valid UTF-8, and its end once,
 * with what was lost. */
static void
test_outage (void)
{
  GstBus *bus;
  GstDefcnOutbox *outbox = open_outbox (&bus, 3, 1000);
  gboolean connected = TRUE;

  for (int outage = 1; outage <= 2; outage++) {
    g_autofree char *warning = NULL, *info = NULL;
    g_autoptr (GstStructure) during = NULL, after = NULL;

    for (int i = 0; i < 3; i++) {
      PLAY (down, TRUE);
      wait_done ();
    }
    warning = message_text (bus, GST_MESSAGE_WARNING,
        GST_RESOURCE_ERROR_NOT_AUTHORIZED);
    g_assert_nonnull (strstr (warning, "is closed"));
    assert_quiet (bus);
    during = gst_defcn_outbox_stats (outbox);
    g_assert_true (gst_structure_get_boolean (during, "connected", &connected));
    g_assert_false (connected);
    push_many (outbox, 0, 3);
    wait_taken (outage == 1 ? 3 : 9);
    push_many (outbox, 3, 10);
    for (int i = 0; i < 3; i++) {
      PLAY (up, TRUE);
      wait_done ();
    }
    info = message_text (bus, GST_MESSAGE_INFO, GST_RESOURCE_ERROR_OPEN_WRITE);
    after = gst_defcn_outbox_stats (outbox);
    g_assert_cmpuint (stat_of (after, "reconnects"), ==, outage);
    g_assert_true (gst_structure_get_boolean (after, "connected", &connected));
    g_assert_true (connected);
    assert_quiet (bus);
    g_assert_nonnull (strstr (info, "6 records wait, 7 were dropped"));
    PLAY (allowed, 6);
    wait_done ();
  }
  gst_structure_free (gst_defcn_outbox_close (outbox, 0));
  gst_object_unref (bus);
}

/* A broker that is there but slow is told of once, until the queue has been
 * empty. */
static void
test_slow (void)
{
  GstBus *bus;
  GstDefcnOutbox *outbox = open_outbox (&bus, 2, 1000);

  PLAY (up, TRUE);
  wait_done ();
  for (int i = 0; i < 2; i++) {
    g_autofree char *warning = NULL;

    push_many (outbox, 0, 20);
    warning = message_text (bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE);
    g_assert_nonnull (strstr (warning, "dropped"));
    push_many (outbox, 20, 20);
    assert_quiet (bus);
    PLAY (allowed, 1000);
    for (guint64 queued = 1; queued > 0; g_usleep (1000)) {
      g_autoptr (GstStructure) stats = gst_defcn_outbox_stats (outbox);

      queued = stat_of (stats, "queued");
    }
    PLAY (allowed, 0);
  }
  gst_structure_free (gst_defcn_outbox_close (outbox, 0));
  gst_object_unref (bus);
}

/* What the broker refuses is dropped, and told of once until it takes one. */
static void
test_refused (void)
{
  GstBus *bus;
  GstDefcnOutbox *outbox = open_outbox (&bus, 100, 1000);
  g_autoptr (GstStructure) stats = NULL;

  for (int i = 0; i < 2; i++) {
    g_autofree char *warning = NULL;

    push_many (outbox, 0, 3);
    PLAY (refused, 3);
    wait_done ();
    warning = message_text (bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE);
    g_assert_nonnull (strstr (warning, "\"topic\""));
    g_assert_nonnull (strstr (warning, "it is late"));
    assert_quiet (bus);
    push_many (outbox, 3, 1);
    PLAY (allowed, 1);
    wait_done ();
  }
  stats = gst_defcn_outbox_close (outbox, 30000);
  assert_stats (stats, 8, 2, 6, 0);
  gst_object_unref (bus);
}

/* Closing waits no longer than it is told for a broker that takes nothing, and
 * counts the rest as lost, what is on its way too. */
static void
test_undrained (void)
{
  GstBus *bus;
  GstDefcnOutbox *outbox = open_outbox (&bus, 100, 1000);
  g_autoptr (GstStructure) stats = NULL;
  g_autofree char *warning = NULL;

  push_many (outbox, 0, 5);
  PLAY (allowed, 1);
  wait_taken (4);
  stats = gst_defcn_outbox_close (outbox, 20);
  assert_stats (stats, 5, 1, 4, 0);
  warning = message_text (bus, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE);
  g_assert_nonnull (strstr (warning, "4 records"));
  g_assert_true (played.freed);
  gst_object_unref (bus);
}

/* Nor does it wait for a thread that hangs, in the look-up of a name say; when
 * that comes back, it ends by itself. */
static void
test_hangs (void)
{
  GstBus *bus;
  GstDefcnOutbox *outbox = open_outbox (&bus, 100, 1000);
  g_autoptr (GstStructure) stats = NULL;

  push_many (outbox, 0, 2);
  wait_taken (2);
  hang ();
  push_many (outbox, 2, 3);
  stats = gst_defcn_outbox_close (outbox, 0);
  assert_stats (stats, 5, 0, 5, 0);
  g_assert_false (played.freed);
  gst_object_unref (bus);
  PLAY (hangs, FALSE);
  g_mutex_lock (&played.lock);
  while (!played.freed)
    played_wait ();
  g_mutex_unlock (&played.lock);
}

static void
assert_freed (void)
{
  if (!played.freed)
    _exit (3);
}

static gpointer
let_go (gpointer data)
{
  g_usleep (100000);
  PLAY (hangs, FALSE);
  return NULL;
}

/* The end of the process waits for such a thread, which may be in the midst of
 * a library that takes itself down then. */
static void
test_exit (void)
{
  GstDefcnOutbox *outbox;
  GstBus *bus;

  if (!g_test_subprocess ()) {
    g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed ();
    return;
  }
  atexit (assert_freed);
  outbox = open_outbox (&bus, 100, 1000);
  hang ();
  gst_structure_free (gst_defcn_outbox_close (outbox, 0));
  gst_object_unref (bus);
  g_thread_unref (g_thread_new ("let go", let_go, NULL));
}

/* The name of the source in a topic is one level, and can be nothing else; an
 * address has lost its password. */
static void
test_topic (void)
{
  static const struct
  {
    GstDefcnTopicKind kind;
    const char *template, *source, *wanted; /* NULL: refused */
  } cases[] = {
    { GST_DEFCN_TOPIC_MQTT, "defcn/{source}", "cam 1", "defcn/cam 1" },
    { GST_DEFCN_TOPIC_MQTT, "a/{source}/{source}", "b", "a/b/b" },
    { GST_DEFCN_TOPIC_MQTT, "a/{source}", "{source}", "a/{source}" },
    { GST_DEFCN_TOPIC_MQTT, "{source}", "../a/+/#\x01\x7f\xc2\x85",
        "_._a_______" },
    { GST_DEFCN_TOPIC_MQTT, "{source}", "$SYS", "_SYS" },
    { GST_DEFCN_TOPIC_MQTT, "{source}", "caf\xe9", "caf_" },
    { GST_DEFCN_TOPIC_MQTT, "{source}", "Gr\xc3\xbc\xc3\x9f",
        "Gr\xc3\xbc\xc3\x9f" },
    { GST_DEFCN_TOPIC_MQTT, "x/{source}", "rtsp://me:secret@cam/1",
        "x/rtsp:__cam_1" },
    { GST_DEFCN_TOPIC_MQTT, "x/{source}", "http://cam/?user=me&pwd=secret",
        "x/http:__cam_?user=...&pwd=..." },
    { GST_DEFCN_TOPIC_MQTT, "plain", NULL, "plain" },
    { GST_DEFCN_TOPIC_MQTT, "x/{source}", NULL, NULL },
    { GST_DEFCN_TOPIC_MQTT, "x/{source}", "", NULL },
    { GST_DEFCN_TOPIC_MQTT, "x/#", NULL, NULL },
    { GST_DEFCN_TOPIC_MQTT, "+/x", NULL, NULL },
    { GST_DEFCN_TOPIC_MQTT, "caf\xe9", NULL, NULL },
    { GST_DEFCN_TOPIC_MQTT, "", NULL, NULL },
    { GST_DEFCN_TOPIC_KAFKA, "defcn.{source}", "cam 1/\xc3\xbc",
        "defcn.cam_1__" },
    { GST_DEFCN_TOPIC_KAFKA, "a/b", NULL, NULL },
    { GST_DEFCN_TOPIC_KAFKA, "..", NULL, NULL },
    { GST_DEFCN_TOPIC_KAFKA, "{source}", "..", "_." },
    { GST_DEFCN_TOPIC_PATH, "/r/{source}.jsonl", "../../etc/a b",
        "/r/_._.._etc_a b.jsonl" },
    { GST_DEFCN_TOPIC_PATH, "/r/{source}", ".", "/r/_" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *topic = gst_defcn_topic_new (cases[i].kind,
        cases[i].template, cases[i].source, &error);

    g_assert_cmpstr (topic, ==, cases[i].wanted);
    if (cases[i].wanted) {
      g_assert_no_error (error);
      continue;
    }
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  }
}

/* A long source is cut, between characters, and two that begin alike are told
 * apart. */
static void
test_long_topic (void)
{
  g_autofree char *long_a = g_strnfill (300, 'a');
  g_autofree char *a = NULL, *b = NULL, *c = NULL, *wide = NULL;
  GString *umlauts = g_string_new (NULL);

  a = gst_defcn_topic_new (GST_DEFCN_TOPIC_PATH, "{source}", long_a, NULL);
  long_a[299] = 'b';
  b = gst_defcn_topic_new (GST_DEFCN_TOPIC_PATH, "{source}", long_a, NULL);
  long_a[100] = 0;
  c = gst_defcn_topic_new (GST_DEFCN_TOPIC_PATH, "{source}", long_a, NULL);
  g_assert_cmpuint (strlen (a), ==, 100);
  g_assert_cmpuint (strlen (b), ==, 100);
  g_assert_cmpstr (a, !=, b);
  g_assert_cmpstr (c, ==, long_a);
  for (int i = 0; i < 100; i++)
    g_string_append (umlauts, "\xc3\xbc");
  wide = gst_defcn_topic_new (GST_DEFCN_TOPIC_MQTT, "{source}", umlauts->str,
      NULL);
  g_assert_true (g_utf8_validate (wide, -1, NULL));
  g_assert_cmpuint (strlen (wide), <=, 100);
  g_string_free (umlauts, TRUE);
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/outbox/order", test_order);
  g_test_add_func ("/outbox/full", test_full);
  g_test_add_func ("/outbox/retake", test_retake);
  g_test_add_func ("/outbox/outage", test_outage);
  g_test_add_func ("/outbox/slow", test_slow);
  g_test_add_func ("/outbox/refused", test_refused);
  g_test_add_func ("/outbox/undrained", test_undrained);
  g_test_add_func ("/outbox/hangs", test_hangs);
  g_test_add_func ("/outbox/exit", test_exit);
  g_test_add_func ("/topic/source", test_topic);
  g_test_add_func ("/topic/long", test_long_topic);
  return rig_run ();
}
