/* Accepts connections for a SoupServer. */
#include "connections.h"

#define REQUEST_TIME (15 * G_USEC_PER_SEC)
#define IO_TIME 20 /* s without a byte that could be read or written */
#define SWEEP 2    /* s */

#define KEY "live-connection" /* of a remote address, the Connection */

struct _LiveConnections
{
  SoupServer *server;
  GSocketService *service;
  guint16 port;
  guint max;
  guint sweeper;
  GHashTable *open; /* Connection */
};

/* Soup does not know the socket of a stream that it was given, but which
 * address it was told that the other side has. */
typedef struct
{
  LiveConnections *connections;
  GSocket *socket;
  GSocketAddress *remote;
  gint64 due; /* when the request has to be there; 0: it is */
} Connection;

static void
connection_free (gpointer data)
{
  Connection *connection = data;

  g_object_set_data (G_OBJECT (connection->remote), KEY, NULL);
  g_object_unref (connection->remote);
  g_free (connection);
}

static void
on_gone (gpointer data, GObject *socket)
{
  Connection *connection = data;

  g_hash_table_remove (connection->connections->open, connection);
}

static void
add (LiveConnections *connections, GSocket *socket, GSocketAddress *remote)
{
  Connection *connection = g_new0 (Connection, 1);

  connection->connections = connections;
  connection->socket = socket;
  connection->remote = g_object_ref (remote);
  connection->due = g_get_monotonic_time () + REQUEST_TIME;
  g_object_set_data (G_OBJECT (remote), KEY, connection);
  g_hash_table_add (connections->open, connection);
  g_object_weak_ref (G_OBJECT (socket), on_gone, connection);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *stream,
    GObject *source, gpointer data)
{
  LiveConnections *connections = data;
  GSocket *socket = g_socket_connection_get_socket (stream);
  g_autoptr (GSocketAddress) local =
      g_socket_connection_get_local_address (stream, NULL);
  g_autoptr (GSocketAddress) remote =
      g_socket_connection_get_remote_address (stream, NULL);

  if (!local || !remote
      || g_hash_table_size (connections->open) >= connections->max) {
    g_io_stream_close (G_IO_STREAM (stream), NULL, NULL);
    return TRUE;
  }
  g_socket_set_timeout (socket, IO_TIME);
  add (connections, socket, remote);
  soup_server_accept_iostream (connections->server, G_IO_STREAM (stream), local,
      remote, NULL);
  return TRUE;
}

static Connection *
connection_of (SoupServerMessage *message)
{
  GSocketAddress *remote = soup_server_message_get_remote_address (message);

  return remote ? g_object_get_data (G_OBJECT (remote), KEY) : NULL;
}

static void
set_due (SoupServerMessage *message, gint64 due)
{
  Connection *connection = connection_of (message);

  if (connection)
    connection->due = due;
}

static void
on_read (SoupServer *server, SoupServerMessage *message, gpointer data)
{
  set_due (message, 0);
}

static void
on_finished (SoupServer *server, SoupServerMessage *message, gpointer data)
{
  set_due (message, g_get_monotonic_time () + REQUEST_TIME);
}

/* Whoever reads or writes finds the end. */
void
live_connections_cut (SoupServerMessage *message)
{
  const Connection *connection = connection_of (message);

  if (connection)
    g_socket_shutdown (connection->socket, TRUE, TRUE, NULL);
}

static gboolean
sweep (gpointer data)
{
  LiveConnections *connections = data;
  const gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, connections->open);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    const Connection *connection = key;

    if (connection->due && now > connection->due)
      g_socket_shutdown (connection->socket, TRUE, TRUE, NULL);
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
  connections->open = g_hash_table_new_full (NULL, NULL, connection_free, NULL);
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
  gpointer key;

  if (!connections)
    return;
  g_source_remove (connections->sweeper);
  g_signal_handlers_disconnect_by_data (connections->server, connections);
  g_signal_handlers_disconnect_by_data (connections->service, connections);
  g_socket_service_stop (connections->service);
  g_socket_listener_close (G_SOCKET_LISTENER (connections->service));
  g_object_unref (connections->service);
  g_hash_table_iter_init (&iter, connections->open);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    Connection *connection = key;

    g_object_weak_unref (G_OBJECT (connection->socket), on_gone, connection);
  }
  g_hash_table_unref (connections->open);
  g_free (connections);
}

guint16
live_connections_port (const LiveConnections *connections)
{
  return connections->port;
}
