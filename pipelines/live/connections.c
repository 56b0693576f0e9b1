/* Accepts connections for a SoupServer. */
#include "connections.h"

#define REQUEST_TIME (15 * G_USEC_PER_SEC)
#define IO_TIME 20 /* s without a byte that could be read or written */
#define SWEEP 2    /* s */

struct _LiveConnections
{
  SoupServer *server;
  GSocketService *service;
  guint16 port;
  guint max;
  guint sweeper;
  GHashTable *open; /* GSocket -> Connection */
};

typedef struct
{
  gint64 due; /* when the request has to be there; 0: it is */
} Connection;

static void
on_gone (gpointer data, GObject *socket)
{
  LiveConnections *connections = data;

  g_hash_table_remove (connections->open, socket);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *stream,
    GObject *source, gpointer data)
{
  LiveConnections *connections = data;
  GSocket *socket = g_socket_connection_get_socket (stream);
  g_autoptr (GSocketAddress) local = NULL, remote = NULL;
  Connection *connection;

  if (g_hash_table_size (connections->open) >= connections->max) {
    g_io_stream_close (G_IO_STREAM (stream), NULL, NULL);
    return TRUE;
  }
  local = g_socket_connection_get_local_address (stream, NULL);
  remote = g_socket_connection_get_remote_address (stream, NULL);
  g_socket_set_timeout (socket, IO_TIME);
  connection = g_new0 (Connection, 1);
  connection->due = g_get_monotonic_time () + REQUEST_TIME;
  g_hash_table_insert (connections->open, socket, connection);
  g_object_weak_ref (G_OBJECT (socket), on_gone, connections);
  soup_server_accept_iostream (connections->server, G_IO_STREAM (stream), local,
      remote, NULL);
  return TRUE;
}

static void
set_due (LiveConnections *connections, SoupServerMessage *message, gint64 due)
{
  GSocket *socket = soup_server_message_get_socket (message);
  Connection *connection =
      socket ? g_hash_table_lookup (connections->open, socket) : NULL;

  if (connection)
    connection->due = due;
}

static void
on_read (SoupServer *server, SoupServerMessage *message, gpointer data)
{
  set_due (data, message, 0);
}

static void
on_finished (SoupServer *server, SoupServerMessage *message, gpointer data)
{
  set_due (data, message, g_get_monotonic_time () + REQUEST_TIME);
}

static gboolean
sweep (gpointer data)
{
  LiveConnections *connections = data;
  const gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer socket, value;

  g_hash_table_iter_init (&iter, connections->open);
  while (g_hash_table_iter_next (&iter, &socket, &value)) {
    const Connection *connection = value;

    /* Whoever reads from it finds its end. */
    if (connection->due && now > connection->due)
      g_socket_shutdown (socket, TRUE, TRUE, NULL);
  }
  return G_SOURCE_CONTINUE;
}

LiveConnections *
live_connections_new (SoupServer *server, const char *address, guint16 port,
    guint max, GError **error)
{
  g_autoptr (GSocketService) service = g_socket_service_new ();
  g_autoptr (GInetAddress) inet = g_inet_address_new_from_string (address);
  g_autoptr (GSocketAddress) asked = g_inet_socket_address_new (inet, port);
  g_autoptr (GSocketAddress) got = NULL;
  LiveConnections *connections;

  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (service), asked,
          G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &got, error))
    return NULL;
  connections = g_new0 (LiveConnections, 1);
  connections->server = server;
  connections->max = max;
  connections->open = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  connections->port =
      g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (got));
  g_signal_connect (service, "incoming", G_CALLBACK (on_incoming), connections);
  g_signal_connect (server, "request-read", G_CALLBACK (on_read), connections);
  g_signal_connect (server, "request-finished", G_CALLBACK (on_finished),
      connections);
  g_signal_connect (server, "request-aborted", G_CALLBACK (on_finished),
      connections);
  connections->sweeper = g_timeout_add_seconds (SWEEP, sweep, connections);
  connections->service = g_steal_pointer (&service);
  return connections;
}

void
live_connections_free (LiveConnections *connections)
{
  GHashTableIter iter;
  gpointer socket;

  if (!connections)
    return;
  g_source_remove (connections->sweeper);
  g_signal_handlers_disconnect_by_data (connections->server, connections);
  g_signal_handlers_disconnect_by_data (connections->service, connections);
  g_socket_service_stop (connections->service);
  g_socket_listener_close (G_SOCKET_LISTENER (connections->service));
  g_object_unref (connections->service);
  g_hash_table_iter_init (&iter, connections->open);
  while (g_hash_table_iter_next (&iter, &socket, NULL))
    g_object_weak_unref (socket, on_gone, connections);
  g_hash_table_unref (connections->open);
  g_free (connections);
}

guint16
live_connections_port (const LiveConnections *connections)
{
  return connections->port;
}
