/* What the tests of brokers share. */
#include "broker_rig.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
set_properties (GstElement *element, const char *properties)
{
  g_auto (GStrv) pairs = g_strsplit (properties, ";", -1);

  for (guint i = 0; pairs[i] && *pairs[i]; i++) {
    g_auto (GStrv) pair = g_strsplit (pairs[i], "=", 2);

    if (G_IS_PARAM_SPEC_STRING (
            g_object_class_find_property (G_OBJECT_GET_CLASS (element),
                pair[0])))
      g_object_set (element, pair[0], pair[1], NULL);
    else
      gst_util_set_object_arg (G_OBJECT (element), pair[0], pair[1]);
  }
}

GstHarness *
broker_rig_harness (GstBus **bus, const char *format, ...)
{
  GstHarness *h = gst_harness_new ("defcnpublish");
  g_autoptr (GstElement) element = gst_harness_find_element (h, "defcnpublish");
  g_autofree char *properties = NULL;
  va_list args;

  va_start (args, format);
  properties = g_strdup_vprintf (format, args);
  va_end (args);
  gst_element_set_state (h->element, GST_STATE_NULL);
  *bus = gst_bus_new ();
  gst_element_set_bus (element, *bus);
  g_object_set (element, "add-empty-results", TRUE, NULL);
  set_properties (element, properties);
  gst_harness_set_src_caps_str (h, JSON_RIG_CAPS);
  gst_harness_play (h);
  return h;
}

void
broker_rig_end (GstHarness *h, GstBus *bus)
{
  gst_harness_teardown (h);
  gst_bus_set_flushing (bus, TRUE);
}

void
broker_rig_push (GstHarness *h, guint n)
{
  for (guint i = 0; i < n; i++)
    json_rig_push (h, json_rig_frame (i, NULL, 0, NULL));
}

static GstStructure *
read_stats (GstHarness *h)
{
  g_autoptr (GstElement) element = gst_harness_find_element (h, "defcnpublish");
  GstStructure *stats;

  g_object_get (element, "stats", &stats, NULL);
  return stats;
}

guint64
broker_rig_stat (GstHarness *h, const char *name)
{
  g_autoptr (GstStructure) stats = read_stats (h);
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  return value;
}

gboolean
broker_rig_connected (GstHarness *h)
{
  g_autoptr (GstStructure) stats = read_stats (h);
  gboolean connected;

  g_assert_true (gst_structure_get_boolean (stats, "connected", &connected));
  return connected;
}

/* How often what one waits for is looked at, and how long, in us. */
#define LOOK_EVERY 2000
#define PATIENCE (60 * G_TIME_SPAN_SECOND)

void
broker_rig_wait_stat (GstHarness *h, const char *name, guint64 value)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;

  while (broker_rig_stat (h, name) != value) {
    if (g_get_monotonic_time () > end)
      g_error ("%s is %" G_GUINT64_FORMAT ", not %" G_GUINT64_FORMAT, name,
          broker_rig_stat (h, name), value);
    g_usleep (LOOK_EVERY);
  }
}

void
broker_rig_wait_connected (GstHarness *h, gboolean connected)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;

  while (broker_rig_connected (h) != connected) {
    g_assert_cmpint (g_get_monotonic_time (), <, end);
    g_usleep (LOOK_EVERY);
  }
}

void
broker_rig_assert_settled (GstHarness *h, guint64 accepted)
{
  g_assert_cmpuint (broker_rig_stat (h, "accepted"), ==, accepted);
  g_assert_cmpuint (broker_rig_stat (h, "queued"), ==, 0);
  g_assert_cmpuint (broker_rig_stat (h, "sent")
          + broker_rig_stat (h, "dropped"),
      ==, accepted);
}

char *
broker_rig_message (GstBus *bus, GstMessageType type, int code)
{
  g_autoptr (GstMessage) message = rig_message (bus, type);
  g_autoptr (GError) error = NULL;

  if (type == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &error, NULL);
  else
    gst_message_parse_info (message, &error, NULL);
  g_test_message ("%s", error->message);
  g_assert_error (error, GST_RESOURCE_ERROR, code);
  return g_strdup (error->message);
}

void
broker_rig_assert_quiet (GstBus *bus, GstMessageType type)
{
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, type);

  g_assert_null (message);
}

char *
broker_rig_refused (const char *format, ...)
{
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make ("defcnpublish", NULL));
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL, more = NULL;
  g_autofree char *properties = NULL;
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  properties = g_strdup_vprintf (format, args);
  va_end (args);
  gst_element_set_bus (element, bus);
  set_properties (element, properties);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  message = rig_message (bus, GST_MESSAGE_ERROR);
  more = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  g_assert_null (more);
  gst_message_parse_error (message, &error, NULL);
  g_test_message ("%s", error->message);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_bus_set_flushing (bus, TRUE);
  return g_strdup (error->message);
}

guint16
broker_rig_port (int *fd)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t size = sizeof address;
  const int one = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  g_assert_cmpint (bind (one, (struct sockaddr *) &address, size), ==, 0);
  g_assert_cmpint (getsockname (one, (struct sockaddr *) &address, &size), ==,
      0);
  if (fd) {
    g_assert_cmpint (listen (one, 8), ==, 0);
    *fd = one;
  } else {
    close (one);
  }
  return ntohs (address.sin_port);
}
