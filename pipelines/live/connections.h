/* Accepts connections for a SoupServer, which by itself takes as many as come
 * and waits for each as long as it likes: limits their number and the time that
 * a request may take to come in.
 *
 * Thread rule: the main thread.
 */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef struct _LiveConnections LiveConnections;

/* Listens on @address, numeric; @port 0: any.  NULL and @error of the domain
 * G_IO_ERROR. */
LiveConnections *live_connections_new (SoupServer *server, const char *address,
    guint16 port, guint max, GError **error);
void live_connections_free (LiveConnections *connections);

/* Ends the connection of @message, which then finishes, in the main loop. */
void live_connections_cut (SoupServerMessage *message);

guint16 live_connections_port (const LiveConnections *connections);

G_END_DECLS
