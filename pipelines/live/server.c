/* The web page. */
#include "server.h"

#include <libsoup/soup.h>
#include <string.h>

#include "auth.h"
#include "connections.h"
#include "metrics.h"
#include "status.h"
#include "stream.h"

#define MAX_FORM 4096
#define TOO_MANY_REQUESTS 429     /* newer than soup's list */
#define MAX_CONNECTIONS_BESIDE 32 /* those of the streams */
#define CSP                                                                    \
  "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "  \
  "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "           \
  "base-uri 'none'"

struct _LiveServer
{
  SoupServer *soup;
  LiveConnections *connections;
  LiveAuth *auth;
  LiveFleet *fleet;
  LiveStream *stream;
  char *listen;
  char **hosts;
  guint max_clients;
  gboolean closed;
};

static const char *
header (SoupServerMessage *message, const char *name)
{
  return soup_message_headers_get_one (soup_server_message_get_request_headers (
                                           message),
      name);
}

static void
set_header (SoupServerMessage *message, const char *name, const char *value)
{
  soup_message_headers_replace (soup_server_message_get_response_headers (
                                    message),
      name, value);
}

/* Takes @text. */
static void
answer (SoupServerMessage *message, guint status, const char *type, char *text)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, type, SOUP_MEMORY_TAKE, text,
      strlen (text));
}

static void
refuse (SoupServerMessage *message, guint status, const char *why)
{
  answer (message, status, "text/plain; charset=utf-8",
      g_strconcat (why, "\n", NULL));
}

static void
redirect (SoupServerMessage *message, const char *path)
{
  soup_server_message_set_status (message, SOUP_STATUS_SEE_OTHER, NULL);
  set_header (message, "Location", path);
}

/* What every answer says. */
static void
set_headers (SoupServerMessage *message)
{
  set_header (message, "Content-Security-Policy", CSP);
  set_header (message, "X-Content-Type-Options", "nosniff");
  set_header (message, "X-Frame-Options", "DENY");
  /* With none at all a browser's form says that it comes from "null". */
  set_header (message, "Referrer-Policy", "same-origin");
  set_header (message, "Cross-Origin-Resource-Policy", "same-origin");
  set_header (message, "Cache-Control", "no-store");
}

/* Before the body is read. */

/* NULL: none. */
static const char *
problem_of (LiveServer *server, SoupServerMessage *message, const char *path,
    guint *status)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_request_headers (message);
  const char *method = soup_server_message_get_method (message);
  const char *host = header (message, "Host");
  const gboolean post = g_str_equal (method, "POST");
  const SoupEncoding encoding = soup_message_headers_get_encoding (headers);

  *status = SOUP_STATUS_FORBIDDEN;
  if (!live_auth_host_allowed (host, server->listen, server->hosts))
    return "This name is none of the page's; \"hosts\" in the file has them.";
  if (!live_auth_origin_allowed (header (message, "Origin"), host))
    return "Another page may not ask this one.";
  *status = SOUP_STATUS_METHOD_NOT_ALLOWED;
  if (!post && !g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    return "GET, HEAD or POST.";
  if (post && !g_str_equal (path, "/login") && !g_str_equal (path, "/logout"))
    return "Nothing can be posted there.";
  *status = SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE;
  if (encoding == SOUP_ENCODING_CHUNKED
      || (encoding == SOUP_ENCODING_CONTENT_LENGTH
          && soup_message_headers_get_content_length (headers)
              > (post ? MAX_FORM : 0)))
    return "The request is too long.";
  return NULL;
}

static void
on_headers (SoupServer *soup, SoupServerMessage *message, const char *path,
    GHashTable *query, gpointer data)
{
  guint status;
  const char *problem = problem_of (data, message, path, &status);

  set_headers (message);
  if (!problem)
    return;
  refuse (message, status, problem);
  set_header (message, "Connection", "close");
  soup_message_body_set_accumulate (soup_server_message_get_request_body (
                                        message),
      FALSE);
}

/* What there is. */

/* One of the files that are part of the program. */
static void
serve_file (SoupServerMessage *message, const char *name)
{
  static const char *const types[][2] = { { ".html",
                                              "text/html; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" }, { ".svg", "image/svg+xml" } };
  g_autofree char *path = g_strconcat ("/defcn/live/", name, NULL);
  g_autoptr (GBytes) bytes =
      g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  const char *type = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_has_suffix (name, types[i][0]))
      type = types[i][1];
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, type, SOUP_MEMORY_COPY,
      g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

/* Where one logs in; after a wrong token it says so. */
static void
serve_form (SoupServerMessage *message, gboolean wrong)
{
  g_autoptr (GBytes) bytes = g_resources_lookup_data ("/defcn/live/login.html",
      G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  GString *page = g_string_new_len (g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes));

  g_string_replace (page, "<!--problem-->",
      wrong ? "<p class=\"problem\" role=\"alert\">That is not the token.</p>"
            : "",
      1);
  answer (message, SOUP_STATUS_OK, "text/html; charset=utf-8",
      g_string_free (page, FALSE));
}

static void
serve_snapshot (LiveServer *server, SoupServerMessage *message,
    const char *file)
{
  g_autofree char *name = g_str_has_suffix (file, ".jpg")
      ? g_strndup (file, strlen (file) - strlen (".jpg"))
      : NULL;
  const LiveCamera *camera =
      name ? live_fleet_find (server->fleet, name) : NULL;

  if (!camera) {
    refuse (message, SOUP_STATUS_NOT_FOUND, "There is no such camera.");
    return;
  }
  if (!camera->picture) {
    set_header (message, "Retry-After", "2");
    refuse (message, SOUP_STATUS_SERVICE_UNAVAILABLE,
        "The camera has no picture now.");
    return;
  }
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, "image/jpeg", SOUP_MEMORY_COPY,
      g_bytes_get_data (camera->picture, NULL),
      g_bytes_get_size (camera->picture));
}

static void
serve_health (LiveServer *server, SoupServerMessage *message)
{
  gboolean ok;
  char *text = live_status_health (server->fleet, &ok);

  answer (message, ok ? SOUP_STATUS_OK : SOUP_STATUS_SERVICE_UNAVAILABLE,
      "application/json", text);
}

static void
serve_login (LiveServer *server, SoupServerMessage *message)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  g_autoptr (GBytes) bytes = soup_message_body_flatten (body);
  g_autofree char *form =
      g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  g_autoptr (GHashTable) fields = soup_form_decode (form);
  gboolean later;
  g_autofree char *word = live_auth_login (server->auth,
      g_hash_table_lookup (fields, "token"), g_get_monotonic_time (), &later);
  g_autofree char *cookie = NULL;

  if (later) {
    set_header (message, "Retry-After", "60");
    refuse (message, TOO_MANY_REQUESTS,
        "Too many wrong tokens: try again in a minute.");
    return;
  }
  if (!word) {
    redirect (message, "/login?wrong");
    return;
  }
  cookie = g_strconcat (LIVE_AUTH_COOKIE "=", word,
      "; HttpOnly; SameSite=Strict; Path=/", NULL);
  set_header (message, "Set-Cookie", cookie);
  redirect (message, "/");
}

static void
serve_logout (LiveServer *server, SoupServerMessage *message)
{
  live_auth_logout (server->auth, header (message, "Cookie"));
  set_header (message, "Set-Cookie",
      LIVE_AUTH_COOKIE "=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/");
  redirect (message, "/login");
}

/* What everybody sees; FALSE: it is none of that. */
static gboolean
serve_public (LiveServer *server, SoupServerMessage *message, const char *path)
{
  const gboolean post =
      g_str_equal (soup_server_message_get_method (message), "POST");

  if (g_str_equal (path, "/login") && live_auth_needs_token (server->auth))
    post ? serve_login (server, message)
         : serve_form (message,
             g_uri_get_query (soup_server_message_get_uri (message)) != NULL);
  else if (g_str_equal (path, "/logout") && post)
    serve_logout (server, message);
  else if (g_str_equal (path, "/live.css"))
    serve_file (message, "live.css");
  else if (g_str_equal (path, "/favicon.svg"))
    serve_file (message, "favicon.svg");
  else
    return FALSE;
  return TRUE;
}

static void
serve_private (LiveServer *server, SoupServerMessage *message, const char *path)
{
  if (g_str_equal (path, "/"))
    serve_file (message, "index.html");
  else if (g_str_equal (path, "/live.js"))
    serve_file (message, "live.js");
  else if (g_str_equal (path, "/stream")
      && g_str_equal (soup_server_message_get_method (message), "GET"))
    live_stream_serve (server->stream, message);
  else if (g_str_equal (path, "/metrics"))
    answer (message, SOUP_STATUS_OK, "text/plain; version=0.0.4; charset=utf-8",
        live_metrics_text (server->fleet, server->stream));
  else if (g_str_equal (path, "/healthz"))
    serve_health (server, message);
  else if (g_str_has_prefix (path, "/snapshot/"))
    serve_snapshot (server, message, path + strlen ("/snapshot/"));
  else
    refuse (message, SOUP_STATUS_NOT_FOUND, "There is no such page.");
}

static void
on_request (SoupServer *soup, SoupServerMessage *message, const char *raw,
    GHashTable *query, gpointer data)
{
  LiveServer *server = data;
  g_autofree char *path = g_uri_unescape_string (raw, NULL);

  if (!path || !g_utf8_validate (path, -1, NULL)) {
    refuse (message, SOUP_STATUS_NOT_FOUND, "There is no such page.");
  } else if (serve_public (server, message, path)) {
    return;
  } else if (!live_auth_allows (server->auth, header (message, "Authorization"),
                 header (message, "Cookie"), g_get_monotonic_time ())) {
    if (g_str_equal (path, "/")) {
      redirect (message, "/login");
      return;
    }
    set_header (message, "WWW-Authenticate", "Bearer");
    refuse (message, SOUP_STATUS_UNAUTHORIZED, "This page needs a token.");
  } else if (!server->stream || server->closed) {
    set_header (message, "Retry-After", "2");
    refuse (message, SOUP_STATUS_SERVICE_UNAVAILABLE, "It starts, or ends.");
  } else {
    serve_private (server, message, path);
  }
}

gboolean
live_server_check (const LiveConfig *config, const char *token, GError **error)
{
  if (token || g_str_equal (config->listen, "none")
      || live_auth_is_loopback (config->listen))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
      "[live] listen: others can reach %s, so that a token is needed: set "
      "token-file, or " LIVE_AUTH_VARIABLE " in the environment",
      config->listen);
  return FALSE;
}

LiveServer *
live_server_new (const LiveConfig *config, const char *token, GError **error)
{
  LiveServer *server;

  if (!live_server_check (config, token, error))
    return NULL;
  server = g_new0 (LiveServer, 1);
  server->soup = soup_server_new ("raw-paths", TRUE, NULL);
  server->auth = live_auth_new (token);
  server->listen = g_strdup (config->listen);
  server->hosts = g_strdupv (config->hosts);
  server->max_clients = config->max_clients;
  soup_server_add_early_handler (server->soup, NULL, on_headers, server, NULL);
  soup_server_add_handler (server->soup, NULL, on_request, server, NULL);
  server->connections = live_connections_new (server->soup, config->listen,
      (guint16) config->port, config->max_clients + MAX_CONNECTIONS_BESIDE,
      error);
  if (server->connections)
    return server;
  g_prefix_error (error, "[live] listen: %s port %u: ", config->listen,
      config->port);
  live_server_free (server);
  return NULL;
}

void
live_server_free (LiveServer *server)
{
  if (!server)
    return;
  live_stream_free (server->stream);
  live_connections_free (server->connections);
  soup_server_disconnect (server->soup);
  g_object_unref (server->soup);
  live_auth_free (server->auth);
  g_free (server->listen);
  g_strfreev (server->hosts);
  g_free (server);
}

guint16
live_server_port (const LiveServer *server)
{
  return live_connections_port (server->connections);
}

void
live_server_set_token (LiveServer *server, const char *token)
{
  if (live_auth_set_token (server->auth, token) && server->stream)
    live_stream_close (server->stream);
}

void
live_server_show (LiveServer *server, LiveFleet *fleet)
{
  server->fleet = fleet;
  server->stream = live_stream_new (fleet, server->max_clients,
      live_auth_needs_token (server->auth));
}

void
live_server_notify (LiveServer *server)
{
  if (server->stream)
    live_stream_notify (server->stream);
}

void
live_server_close (LiveServer *server)
{
  server->closed = TRUE;
  if (server->stream)
    live_stream_close (server->stream);
}
