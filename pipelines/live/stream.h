/* What the page is shown: the pictures of all cameras, and once a second their
 * state, in one response that never ends.
 *
 * One connection for all, since a browser has six for a page and would have
 * none left with seven streams.  Its body is of parts:
 *
 *   4 bytes  how long the content is, big-endian
 *   1 byte   'J' a picture, 'S' the state
 *   4 bytes  which camera, its "id" in the state; 0
 *   content  JPEG, or JSON of live_status_page()
 *
 * One part is on its way to a client at a time, whichever camera's turn it is
 * with its newest picture: who reads slowly gets fewer, and takes no memory.
 *
 * Thread rule: the main thread.
 */
#pragma once

#include <libsoup/soup.h>

#include "fleet.h"

G_BEGIN_DECLS

typedef struct _LiveStream LiveStream;

/* @login: whether clients have logged in. */
LiveStream *live_stream_new (LiveFleet *fleet, guint max_clients,
    gboolean login);
void live_stream_free (LiveStream *stream);

/* Answers @message with the stream, or with an error where there are too many
 * clients. */
void live_stream_serve (LiveStream *stream, SoupServerMessage *message);

/* A camera has a new picture. */
void live_stream_notify (LiveStream *stream);

/* Ends all of them. */
void live_stream_close (LiveStream *stream);

guint live_stream_clients (const LiveStream *stream);
/* Pictures that were sent, and that were too old when their turn came. */
guint64 live_stream_sent (const LiveStream *stream);
guint64 live_stream_skipped (const LiveStream *stream);

G_END_DECLS
