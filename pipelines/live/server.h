/* The web page: who asks for what, and gets it if he may.
 *
 *   /                     the page
 *   /stream               its pictures (stream.h)
 *   /snapshot/NAME.jpg    the last picture
 *   /metrics              Prometheus's text
 *   /healthz              JSON; 503 unless every camera runs
 *   /login /logout        with a token
 *
 * Thread rule: the main thread.
 */
#pragma once

#include "fleet.h"

G_BEGIN_DECLS

typedef struct _LiveServer LiveServer;

/* FALSE with @error of the domain G_IO_ERROR where others could reach the page
 * and there is no @token. */
gboolean live_server_check (const LiveConfig *config, const char *token,
    GError **error);

/* Listens as @config, which has to live as long, says; @token: NULL for none,
 * which only a loopback address may have.  NULL and @error of the domain
 * G_IO_ERROR. */
LiveServer *live_server_new (const LiveConfig *config, const char *token,
    GError **error);
void live_server_free (LiveServer *server);

guint16 live_server_port (const LiveServer *server);

/* @token in place of the one that is needed: where it is another one, all have
 * to log in anew. */
void live_server_set_token (LiveServer *server, const char *token);

/* Shows @fleet; before, every request is told to come again. */
void live_server_show (LiveServer *server, LiveFleet *fleet);
void live_server_notify (LiveServer *server);

/* Ends the streams; nobody is answered any more. */
void live_server_close (LiveServer *server);

G_END_DECLS
