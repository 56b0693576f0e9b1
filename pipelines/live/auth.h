/* Who may see the page: the token, the sessions of browsers that have shown it,
 * and the names that the page may be called by.
 *
 * A browser shows the token once, in a form, and has a cookie from then on that
 * says nothing of it; others send it with every request.  Comparing takes as
 * long wherever they differ.
 *
 * Thread rule: one thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define LIVE_AUTH_VARIABLE "DEFCN_LIVE_TOKEN"
#define LIVE_AUTH_COOKIE "defcn-live"

typedef struct _LiveAuth LiveAuth;

/* (transfer full): the token in @file, which is its owner's alone, the
 * program's or root's; NULL and @error of the domain G_FILE_ERROR. */
char *live_auth_read_token (const char *file, GError **error);

/* Whether it is long enough and plain text; else @error of the domain
 * G_FILE_ERROR, which does not show it. */
gboolean live_auth_check_token (const char *token, GError **error);

/* @token: NULL lets everybody in. */
LiveAuth *live_auth_new (const char *token);
void live_auth_free (LiveAuth *auth);

gboolean live_auth_needs_token (const LiveAuth *auth);

/* @token in place of the one that is needed.  TRUE if it is another one: who is
 * logged in has to log in anew. */
gboolean live_auth_set_token (LiveAuth *auth, const char *token);

/* @authorization, @cookies: of the request's headers, or NULL.  @now:
 * g_get_monotonic_time(). */
gboolean live_auth_allows (LiveAuth *auth, const char *authorization,
    const char *cookies, gint64 now);

/* (transfer full): a new session's word if @token is right, else NULL.
 * *@later: nobody is let in for a moment, after many wrong ones. */
char *live_auth_login (LiveAuth *auth, const char *token, gint64 now,
    gboolean *later);
void live_auth_logout (LiveAuth *auth, const char *cookies);

/* Whether a request for @host, the header of that name or NULL, may be meant
 * for a page that listens on the numeric address @listen and is called @names
 * (NULL: none) besides: a stranger's page, whose name has been made to point
 * here, has another one. */
gboolean live_auth_host_allowed (const char *host, const char *listen,
    char *const *names);

/* Whether the header Origin, or NULL, names the page at @host. */
gboolean live_auth_origin_allowed (const char *origin, const char *host);

/* Whether only programs on this machine can reach @listen. */
gboolean live_auth_is_loopback (const char *listen);

G_END_DECLS
