/* Addresses of cameras, and what of them nobody is shown: user and password,
 * and whatever else may be one, in the query or in a folder of "name=value".
 *
 * Thread rule: none; nothing is kept.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether it is one of rtsp, rtsps, http, https, file, v4l2 and test that can
 * be taken apart; @error, of the domain G_URI_ERROR, shows nothing of a login.
 */
gboolean live_uri_check (const char *uri, GError **error);

/* Whether there is a user or a password in it. */
gboolean live_uri_has_login (const char *uri);

/* (transfer full): without what nobody is shown. */
char *live_uri_shown (const char *uri);

/* (transfer full): without user and password, which go to *@user and *@password
 * decoded, NULL where there is none. */
char *live_uri_split (const char *uri, char **user, char **password);

/* (transfer full): @text, a message of whoever had the parts of @uri, with none
 * of what nobody is shown. */
char *live_uri_redact (const char *text, const char *uri);

G_END_DECLS
