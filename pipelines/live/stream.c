/* The pictures of all cameras in one response. */
#include "stream.h"

#include <string.h>

#include "connections.h"
#include "status.h"

#define HEAD 9

struct _LiveStream
{
  LiveFleet *fleet;
  guint max;
  gboolean login;
  GPtrArray *clients; /* Client */
  guint timer;
  guint64 sent, skipped;
};

typedef struct
{
  LiveStream *stream;
  SoupServerMessage *message;
  GHashTable *seen; /* id of a camera -> how many pictures it had */
  guint turn;       /* the camera after the last one */
  gboolean state_due;
  gboolean sending; /* a part is on its way */
} Client;

/* Takes nothing. */
static void
append (Client *client, char type, guint id, GBytes *content)
{
  SoupMessageBody *body =
      soup_server_message_get_response_body (client->message);
  const gsize len = g_bytes_get_size (content);
  const guint32 parts[] = { GUINT32_TO_BE ((guint32) len), GUINT32_TO_BE (id) };
  guint8 *bytes = g_malloc (HEAD + len);

  memcpy (bytes, &parts[0], 4);
  bytes[4] = (guint8) type;
  memcpy (bytes + 5, &parts[1], 4);
  memcpy (bytes + HEAD, g_bytes_get_data (content, NULL), len);
  soup_message_body_append_take (body, bytes, HEAD + len);
  client->sending = TRUE;
}

static void
append_state (Client *client)
{
  g_autofree char *text =
      live_status_page (client->stream->fleet, client->stream->login);
  g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));

  client->state_due = FALSE;
  append (client, 'S', 0, bytes);
}

static gboolean
append_picture (Client *client, const LiveCamera *camera)
{
  const gpointer key = GUINT_TO_POINTER (camera->id);
  const guint64 seen =
      GPOINTER_TO_SIZE (g_hash_table_lookup (client->seen, key));

  if (!camera->picture || camera->pictures <= seen)
    return FALSE;
  if (seen)
    client->stream->skipped += camera->pictures - seen - 1;
  client->stream->sent++;
  g_hash_table_insert (client->seen, key,
      GSIZE_TO_POINTER ((gsize) camera->pictures));
  append (client, 'J', camera->id, camera->picture);
  return TRUE;
}

/* Whether there is a part to be sent. */
static gboolean
append_next (Client *client)
{
  const GPtrArray *cameras = client->stream->fleet->cameras;

  if (client->state_due) {
    append_state (client);
    return TRUE;
  }
  for (guint i = 0; i < cameras->len; i++) {
    const guint at = (client->turn + i) % cameras->len;

    if (append_picture (client, g_ptr_array_index (cameras, at))) {
      client->turn = at + 1;
      return TRUE;
    }
  }
  return FALSE;
}

static void
go_on (Client *client)
{
  if (!client->sending && append_next (client))
    soup_server_message_unpause (client->message);
}

/* Soup pauses by itself when there is nothing to send. */
static void
on_wrote_chunk (SoupServerMessage *message, gpointer data)
{
  Client *client = data;

  client->sending = FALSE;
  append_next (client);
}

static void
client_free (gpointer data)
{
  Client *client = data;

  g_signal_handlers_disconnect_by_data (client->message, client);
  g_object_unref (client->message);
  g_hash_table_unref (client->seen);
  g_free (client);
}

static void
watch (LiveStream *stream)
{
  live_fleet_set_watched (stream->fleet, stream->clients->len > 0);
}

static void
on_finished (SoupServerMessage *message, gpointer data)
{
  Client *client = data;
  LiveStream *stream = client->stream;

  g_ptr_array_remove_fast (stream->clients, client);
  watch (stream);
}

static gboolean
on_second (gpointer data)
{
  LiveStream *stream = data;

  for (guint i = stream->clients->len; i-- > 0;) {
    Client *client = g_ptr_array_index (stream->clients, i);

    client->state_due = TRUE;
    go_on (client);
  }
  return G_SOURCE_CONTINUE;
}

LiveStream *
live_stream_new (LiveFleet *fleet, guint max_clients, gboolean login)
{
  LiveStream *stream = g_new0 (LiveStream, 1);

  stream->fleet = fleet;
  stream->max = max_clients;
  stream->login = login;
  stream->clients = g_ptr_array_new_with_free_func (client_free);
  stream->timer = g_timeout_add_seconds (1, on_second, stream);
  return stream;
}

void
live_stream_free (LiveStream *stream)
{
  if (!stream)
    return;
  g_source_remove (stream->timer);
  g_ptr_array_unref (stream->clients);
  g_free (stream);
}

void
live_stream_serve (LiveStream *stream, SoupServerMessage *message)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);
  Client *client;

  if (stream->clients->len >= stream->max) {
    soup_server_message_set_status (message, SOUP_STATUS_SERVICE_UNAVAILABLE,
        NULL);
    soup_message_headers_replace (headers, "Retry-After", "10");
    return;
  }
  client = g_new0 (Client, 1);
  client->stream = stream;
  client->message = g_object_ref (message);
  client->seen = g_hash_table_new (NULL, NULL);
  g_ptr_array_add (stream->clients, client);
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_message_headers_set_content_type (headers, "application/octet-stream",
      NULL);
  soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate (soup_server_message_get_response_body (
                                        message),
      FALSE);
  g_signal_connect (message, "wrote-chunk", G_CALLBACK (on_wrote_chunk),
      client);
  g_signal_connect (message, "finished", G_CALLBACK (on_finished), client);
  append_state (client);
  watch (stream);
}

void
live_stream_notify (LiveStream *stream)
{
  for (guint i = stream->clients->len; i-- > 0;)
    go_on (g_ptr_array_index (stream->clients, i));
}

void
live_stream_close (LiveStream *stream)
{
  for (guint i = 0; i < stream->clients->len; i++) {
    const Client *client = g_ptr_array_index (stream->clients, i);

    live_connections_cut (client->message);
  }
}

guint
live_stream_clients (const LiveStream *stream)
{
  return stream->clients->len;
}

guint64
live_stream_sent (const LiveStream *stream)
{
  return stream->sent;
}

guint64
live_stream_skipped (const LiveStream *stream)
{
  return stream->skipped;
}
