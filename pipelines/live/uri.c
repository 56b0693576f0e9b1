/* Addresses of cameras. */
#include "uri.h"

#include <string.h>

/* Past "SCHEME://"; the end where that is missing. */
static const char *
authority (const char *uri)
{
  const char *at = strstr (uri, "://");

  return at ? at + 3 : uri + strlen (uri);
}

/* The "@" behind user and password, NULL without. */
static const char *
login_end (const char *uri)
{
  const char *from = authority (uri), *to = from + strcspn (from, "/?#");
  const char *at = g_strrstr_len (from, to - from, "@");

  return at;
}

gboolean
live_uri_check (const char *uri, GError **error)
{
  static const char *const schemes[] = { "rtsp", "rtsps", "http", "https",
    "file", "v4l2", "test", NULL };
  g_autofree char *scheme = g_uri_parse_scheme (uri);
  g_autofree char *plain = NULL, *user = NULL, *password = NULL;
  const char *host = authority (uri);

  if (!scheme || !g_strv_contains (schemes, scheme) || !*host) {
    g_set_error (error, G_URI_ERROR, G_URI_ERROR_FAILED,
        "it does not begin with one of rtsp:// rtsps:// http:// https:// "
        "file:/// v4l2:// test://, or nothing follows that");
    return FALSE;
  }
  /* Nobody could tell where a password ends. */
  if (strchr (host + strcspn (host, "/?#"), '@')) {
    g_set_error (error, G_URI_ERROR, G_URI_ERROR_FAILED,
        "there is a \"@\" behind a \"/\", \"?\" or \"#\": write %%40 for it, "
        "and %%2F, %%3F, %%23 for those of a password");
    return FALSE;
  }
  plain = live_uri_split (uri, &user, &password);
  if (strchr (uri, ' ') || !g_uri_is_valid (plain, G_URI_FLAGS_NONE, NULL)) {
    g_set_error (error, G_URI_ERROR, G_URI_ERROR_FAILED,
        "it is no valid address: blanks and the like are written %%20");
    return FALSE;
  }
  return TRUE;
}

gboolean
live_uri_has_login (const char *uri)
{
  return login_end (uri) != NULL;
}

char *
live_uri_shown (const char *uri)
{
  const char *from = authority (uri), *at = strrchr (from, '@');
  g_autofree char *rest = g_strdup (at ? at + 1 : from);
  g_auto (GStrv) folders = NULL;
  g_autofree char *path = NULL;

  rest[strcspn (rest, "?#;&")] = '\0';
  folders = g_strsplit (rest, "/", -1);
  for (guint i = 0; folders[i]; i++)
    if (strchr (folders[i], '=')) {
      g_free (folders[i]);
      folders[i] = g_strdup ("...");
    }
  path = g_strjoinv ("/", folders);
  return g_strdup_printf ("%.*s%s", (int) (from - uri), uri, path);
}

static char *
decoded (const char *text, gsize len)
{
  char *plain = g_uri_unescape_segment (text, text + len, NULL);

  return plain ? plain : g_strndup (text, len);
}

char *
live_uri_split (const char *uri, char **user, char **password)
{
  const char *from = authority (uri), *at = login_end (uri), *colon;

  *user = *password = NULL;
  if (!at)
    return g_strdup (uri);
  colon = memchr (from, ':', (gsize) (at - from));
  *user = decoded (from, (gsize) ((colon ? colon : at) - from));
  if (colon)
    *password = decoded (colon + 1, (gsize) (at - colon - 1));
  return g_strdup_printf ("%.*s%s", (int) (from - uri), uri, at + 1);
}

/* Takes @text; (transfer full) it without @secret. */
static char *
without (char *text, const char *secret)
{
  g_auto (GStrv) parts = NULL;
  g_autofree char *old = text;

  if (!secret || !*secret || !strstr (text, secret))
    return g_steal_pointer (&old);
  parts = g_strsplit (text, secret, -1);
  return g_strjoinv ("...", parts);
}

char *
live_uri_redact (const char *text, const char *uri)
{
  g_autofree char *user = NULL, *password = NULL;
  g_autofree char *plain = live_uri_split (uri, &user, &password);
  const char *from = authority (plain);
  const char *query = from + strcspn (from, "?#;&");
  g_autofree char *raw = NULL;
  g_auto (GStrv) folders = NULL;
  char *clean = g_utf8_make_valid (text, -1);

  if (live_uri_has_login (uri))
    raw = g_strndup (authority (uri),
        (gsize) (login_end (uri) - authority (uri)));
  clean = without (clean, raw);
  clean = without (clean, password);
  clean = without (clean, *query ? query + 1 : NULL);
  folders = g_strsplit_set (from, "/?#;&", -1);
  for (guint i = 0; folders[i]; i++)
    if (strchr (folders[i], '='))
      clean = without (clean, folders[i]);
  return clean;
}
