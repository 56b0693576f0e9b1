/* Who may see the page. */
#include "auth.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIN_TOKEN 16 /* bytes */
#define MAX_TOKEN 1024
#define MAX_SESSIONS 64
#define SESSION_TIME (12 * G_TIME_SPAN_HOUR)
#define MAX_WRONG 10 /* tokens in WRONG_TIME */
#define WRONG_TIME G_TIME_SPAN_MINUTE
#define WORD 32 /* random bytes of a session */

#define DIGEST 32
typedef guint8 Digest[DIGEST];

typedef struct
{
  Digest word;
  gint64 until; /* 0: free */
} Session;

struct _LiveAuth
{
  gboolean open;
  Digest token;
  Session sessions[MAX_SESSIONS];
  gint64 wrong_since;
  guint wrong;
};

char *
live_auth_read_token (const char *file, GError **error)
{
  const int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  char text[MAX_TOKEN + 2];
  struct stat info;
  gssize n;

  if (fd < 0 || fstat (fd, &info) < 0) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s",
        file, g_strerror (errno));
    if (fd >= 0)
      close (fd);
    return NULL;
  }
  n = S_ISREG (info.st_mode) ? read (fd, text, sizeof text - 1) : -1;
  close (fd);
  if (n < 0 || n > MAX_TOKEN) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
        "%s: it is no file of a token", file);
    return NULL;
  }
  if ((info.st_mode & 077) || (info.st_uid != geteuid () && info.st_uid != 0)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_PERM,
        "%s: others than its owner have access to it: chmod 600, and the owner "
        "who runs this program or root",
        file);
    return NULL;
  }
  text[n] = '\0';
  g_strstrip (text);
  if (!live_auth_check_token (text, error)) {
    g_prefix_error (error, "%s: ", file);
    return NULL;
  }
  return g_strdup (text);
}

gboolean
live_auth_check_token (const char *token, GError **error)
{
  gsize n = 0;

  while (g_ascii_isgraph (token[n]))
    n++;
  if (n >= MIN_TOKEN && !token[n])
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
      "a token has at least %d letters, digits and signs and no blank; "
      "\"openssl rand -hex 32\" prints one",
      MIN_TOKEN);
  return FALSE;
}

static void
digest_of (Digest digest, const char *text)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize len = DIGEST;

  g_checksum_update (sum, (const guchar *) text, -1);
  g_checksum_get_digest (sum, digest, &len);
}

/* Looks at all of them. */
static gboolean
same (const Digest a, const Digest b)
{
  volatile guint8 different = 0;

  for (guint i = 0; i < DIGEST; i++)
    different |= a[i] ^ b[i];
  return different == 0;
}

LiveAuth *
live_auth_new (const char *token)
{
  LiveAuth *auth = g_new0 (LiveAuth, 1);

  auth->open = token == NULL;
  if (token)
    digest_of (auth->token, token);
  return auth;
}

void
live_auth_free (LiveAuth *auth)
{
  g_free (auth);
}

gboolean
live_auth_needs_token (const LiveAuth *auth)
{
  return !auth->open;
}

gboolean
live_auth_set_token (LiveAuth *auth, const char *token)
{
  Digest digest;

  digest_of (digest, token);
  if (same (digest, auth->token))
    return FALSE;
  memcpy (auth->token, digest, DIGEST);
  memset (auth->sessions, 0, sizeof auth->sessions);
  return TRUE;
}

/* (transfer full): our cookie of a header, or NULL. */
static char *
session_word (const char *cookies)
{
  g_auto (GStrv) parts = g_strsplit (cookies ? cookies : "", ";", 64);

  for (guint i = 0; parts[i]; i++)
    if (g_str_has_prefix (g_strstrip (parts[i]), LIVE_AUTH_COOKIE "="))
      return g_strdup (parts[i] + strlen (LIVE_AUTH_COOKIE "="));
  return NULL;
}

static Session *
find_session (LiveAuth *auth, const char *cookies)
{
  g_autofree char *word = session_word (cookies);
  Session *found = NULL;
  Digest digest;

  if (!word)
    return NULL;
  digest_of (digest, word);
  for (guint i = 0; i < MAX_SESSIONS; i++)
    if (auth->sessions[i].until && same (auth->sessions[i].word, digest))
      found = &auth->sessions[i];
  return found;
}

/* Wrong ones are counted together: who guesses changes his address. */
static gboolean
too_many (LiveAuth *auth, gint64 now)
{
  if (now - auth->wrong_since > WRONG_TIME) {
    auth->wrong_since = now;
    auth->wrong = 0;
  }
  return auth->wrong >= MAX_WRONG;
}

static gboolean
is_token (LiveAuth *auth, const char *token, gint64 now)
{
  Digest digest;

  if (too_many (auth, now))
    return FALSE;
  digest_of (digest, token);
  if (same (digest, auth->token))
    return TRUE;
  auth->wrong++;
  return FALSE;
}

gboolean
live_auth_allows (LiveAuth *auth, const char *authorization,
    const char *cookies, gint64 now)
{
  const Session *session;

  if (auth->open)
    return TRUE;
  if (authorization && g_ascii_strncasecmp (authorization, "Bearer ", 7) == 0)
    return is_token (auth, authorization + 7, now);
  session = find_session (auth, cookies);
  return session && session->until > now;
}

char *
live_auth_login (LiveAuth *auth, const char *token, gint64 now, gboolean *later)
{
  Session *oldest = &auth->sessions[0];
  GString *word = NULL;
  guint8 bytes[WORD];

  *later = !auth->open && too_many (auth, now);
  if (auth->open || !token || !is_token (auth, token, now)
      || getrandom (bytes, sizeof bytes, 0) != sizeof bytes)
    return NULL;
  for (guint i = 1; i < MAX_SESSIONS; i++)
    if (auth->sessions[i].until < oldest->until)
      oldest = &auth->sessions[i];
  word = g_string_new (NULL);
  for (guint i = 0; i < WORD; i++)
    g_string_append_printf (word, "%02x", bytes[i]);
  digest_of (oldest->word, word->str);
  oldest->until = now + SESSION_TIME;
  return g_string_free (word, FALSE);
}

void
live_auth_logout (LiveAuth *auth, const char *cookies)
{
  Session *session = find_session (auth, cookies);

  if (session)
    *session = (Session){ 0 };
}

gboolean
live_auth_is_loopback (const char *listen)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (listen);

  return address && g_inet_address_get_is_loopback (address);
}

/* (transfer full): without its port and brackets. */
static char *
host_name (const char *host)
{
  const char *end;

  if (*host == '[') {
    end = strchr (host, ']');
    return end ? g_strndup (host + 1, (gsize) (end - host - 1)) : NULL;
  }
  return g_strndup (host, strcspn (host, ":"));
}

gboolean
live_auth_host_allowed (const char *host, const char *listen,
    char *const *names)
{
  g_autofree char *name = host && *host ? host_name (host) : NULL;
  g_autoptr (GInetAddress) address =
      name ? g_inet_address_new_from_string (name) : NULL;
  g_autoptr (GInetAddress) ours = g_inet_address_new_from_string (listen);

  if (!name)
    return FALSE;
  for (guint i = 0; names && names[i]; i++)
    if (g_ascii_strcasecmp (names[i], name) == 0
        || g_ascii_strcasecmp (names[i], host) == 0)
      return TRUE;
  if (!address) /* a name */
    return g_ascii_strcasecmp (name, "localhost") == 0;
  /* A name can be made to point anywhere, a number cannot. */
  return g_inet_address_get_is_loopback (address)
      || (ours
          && (g_inet_address_get_is_any (ours)
              || g_inet_address_equal (ours, address)));
}

gboolean
live_auth_origin_allowed (const char *origin, const char *host)
{
  const char *name = origin ? strstr (origin, "://") : NULL;

  if (!origin)
    return TRUE;
  return name && host && g_ascii_strcasecmp (name + 3, host) == 0;
}
