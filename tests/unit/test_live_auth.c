/* Who may see live's page. */
#include "auth.h"

#include <string.h>

#include "folder.h"

#define TOKEN "0123456789abcdef"
#define MINUTE (60 * (gint64) G_USEC_PER_SEC)

/* A file of a token that nobody else can read. */
static void
test_file (void)
{
  static const struct
  {
    const char *text;
    int mode;
    const char *problem; /* NULL: none */
  } files[] = {
    { TOKEN, 0600, NULL },
    { TOKEN "\n", 0400, NULL },
    { TOKEN, 0640, "chmod 600" },
    { TOKEN, 0604, "chmod 600" },
    { "0123456789abcde", 0600, "at least 16" },
    { "", 0600, "at least 16" },
    { "0123456789 abcdef", 0600, "at least 16" },
    { "0123456789abcdef\xc3\xa4", 0600, "at least 16" },
  };
  char *folder = folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path =
        folder_write (folder, "t", files[i].text, strlen (files[i].text));
    g_autoptr (GError) error = NULL;
    g_autofree char *token = NULL;

    g_assert_cmpint (g_chmod (path, files[i].mode), ==, 0);
    token = live_auth_read_token (path, &error);
    g_assert_cmpstr (token, ==, files[i].problem ? NULL : TOKEN);
    if (files[i].problem)
      g_assert_nonnull (strstr (error->message, files[i].problem));
    if (files[i].problem && *files[i].text)
      g_assert_null (strstr (error->message, files[i].text));
  }
  g_assert_null (live_auth_read_token (folder, NULL));
  g_assert_null (live_auth_read_token ("/dev/zero", NULL));
  g_assert_null (live_auth_read_token ("/none", NULL));
  folder_remove (folder);
}

/* Without a token everybody is let in. */
static void
test_open (void)
{
  LiveAuth *auth = live_auth_new (NULL);
  gboolean later;

  g_assert_false (live_auth_needs_token (auth));
  g_assert_true (live_auth_allows (auth, NULL, NULL, 0));
  g_assert_null (live_auth_login (auth, "x", 0, &later));
  g_assert_false (later);
  live_auth_free (auth);
}

/* With one who has it, in the header or by a session, and no other. */
static void
test_token (void)
{
  LiveAuth *auth = live_auth_new (TOKEN);
  gboolean later;
  g_autofree char *word = live_auth_login (auth, TOKEN, 0, &later);
  g_autofree char *cookie = g_strconcat ("a=b;  defcn-live=", word, NULL);
  g_autofree char *longer = g_strconcat (cookie, "0", NULL);

  g_assert_nonnull (word);
  g_assert_cmpuint (strlen (word), ==, 64);
  g_assert_false (later);
  g_assert_true (live_auth_needs_token (auth));
  g_assert_true (live_auth_allows (auth, "bearer " TOKEN, NULL, 0));
  g_assert_true (live_auth_allows (auth, NULL, cookie, 0));
  g_assert_false (live_auth_allows (auth, NULL, NULL, 0));
  g_assert_false (live_auth_allows (auth, "Bearer ", cookie, 0));
  g_assert_false (live_auth_allows (auth, "Basic " TOKEN, NULL, 0));
  g_assert_false (live_auth_allows (auth, "Bearer " TOKEN "0", NULL, 0));
  g_assert_false (live_auth_allows (auth, NULL, longer, 0));
  g_assert_false (live_auth_allows (auth, NULL, "defcn-live=", 0));
  g_assert_false (live_auth_allows (auth, NULL, "defcn-live=" TOKEN, 0));
  /* A day later the session is over. */
  g_assert_false (live_auth_allows (auth, NULL, cookie, 24 * 60 * MINUTE));
  live_auth_logout (auth, cookie);
  g_assert_false (live_auth_allows (auth, NULL, cookie, 0));
  live_auth_free (auth);
}

/* Sessions take turns: the oldest of many goes. */
static void
test_sessions (void)
{
  LiveAuth *auth = live_auth_new (TOKEN);
  g_autofree char *first = NULL, *cookie = NULL;
  gboolean later;

  first = live_auth_login (auth, TOKEN, 0, &later);
  cookie = g_strconcat ("defcn-live=", first, NULL);
  for (gint64 i = 1; i < 64; i++)
    g_free (live_auth_login (auth, TOKEN, i, &later));
  g_assert_true (live_auth_allows (auth, NULL, cookie, 64));
  g_free (live_auth_login (auth, TOKEN, 64, &later));
  g_assert_false (live_auth_allows (auth, NULL, cookie, 64));
  live_auth_free (auth);
}

/* Another token ends all sessions, the same one none. */
static void
test_another (void)
{
  LiveAuth *auth = live_auth_new (TOKEN);
  gboolean later;
  g_autofree char *word = live_auth_login (auth, TOKEN, 1, &later);
  g_autofree char *cookie = g_strconcat ("defcn-live=", word, NULL);

  g_assert_false (live_auth_set_token (auth, TOKEN));
  g_assert_true (live_auth_allows (auth, NULL, cookie, 2));
  g_assert_true (live_auth_set_token (auth, TOKEN "x"));
  g_assert_true (live_auth_needs_token (auth));
  g_assert_false (live_auth_allows (auth, NULL, cookie, 3));
  g_assert_false (live_auth_allows (auth, "Bearer " TOKEN, NULL, 3));
  g_assert_true (live_auth_allows (auth, "Bearer " TOKEN "x", NULL, 3));
  live_auth_free (auth);
}

/* Ten wrong ones a minute; nobody else is let in by it meanwhile. */
static void
test_guessing (void)
{
  LiveAuth *auth = live_auth_new (TOKEN);
  gboolean later;
  g_autofree char *word = live_auth_login (auth, TOKEN, 2 * MINUTE, &later);
  g_autofree char *cookie = g_strconcat ("defcn-live=", word, NULL);

  for (guint i = 0; i < 10; i++) {
    g_assert_null (live_auth_login (auth, "wrong", 2 * MINUTE, &later));
    g_assert_false (later);
  }
  g_assert_null (live_auth_login (auth, TOKEN, 2 * MINUTE + 1, &later));
  g_assert_true (later);
  g_assert_false (
      live_auth_allows (auth, "Bearer " TOKEN, NULL, 2 * MINUTE + 1));
  g_assert_true (live_auth_allows (auth, NULL, cookie, 2 * MINUTE + 1));
  g_assert_true (
      live_auth_allows (auth, "Bearer " TOKEN, NULL, 3 * MINUTE + 2));
  live_auth_free (auth);
}

/* Names that a browser may have called. */
static void
test_host (void)
{
  static const struct
  {
    const char *host, *listen;
    gboolean allowed;
  } hosts[] = {
    { "localhost", "127.0.0.1", TRUE },
    { "LOCALHOST:8080", "127.0.0.1", TRUE },
    { "127.0.0.1:8080", "127.0.0.1", TRUE },
    { "[::1]:8080", "127.0.0.1", TRUE },
    { "192.0.2.7", "127.0.0.1", FALSE },
    { "192.0.2.7:1", "192.0.2.7", TRUE },
    { "192.0.2.8", "192.0.2.7", FALSE },
    { "192.0.2.8", "0.0.0.0", TRUE },
    { "[2001:db8::1]", "::", TRUE },
    { "evil.example", "0.0.0.0", FALSE },
    { "evil.example:8080", "127.0.0.1", FALSE },
    { "page.example", "127.0.0.1", TRUE },
    { "Page.Example:8080", "127.0.0.1", TRUE },
    { "page.example.evil.example", "127.0.0.1", FALSE },
    { "127.0.0.1.evil.example", "127.0.0.1", FALSE },
    { "localhost.evil.example", "127.0.0.1", FALSE },
    { "2130706433", "127.0.0.1", FALSE },
    { "[::1", "127.0.0.1", FALSE },
    { "", "127.0.0.1", FALSE },
    { NULL, "127.0.0.1", FALSE },
  };
  char *names[] = { (char *) "page.example", NULL };

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    if (live_auth_host_allowed (hosts[i].host, hosts[i].listen, names)
        != hosts[i].allowed)
      g_error ("%s at %s", hosts[i].host, hosts[i].listen);
  g_assert_false (live_auth_host_allowed ("page.example", "127.0.0.1", NULL));
}

/* Pages that may ask. */
static void
test_origin (void)
{
  const char *host = "localhost:8080";

  g_assert_true (live_auth_origin_allowed (NULL, host));
  g_assert_true (live_auth_origin_allowed ("http://localhost:8080", host));
  g_assert_true (live_auth_origin_allowed ("https://localhost:8080", host));
  g_assert_false (live_auth_origin_allowed ("http://localhost:8081", host));
  g_assert_false (live_auth_origin_allowed ("http://evil.example", host));
  g_assert_false (live_auth_origin_allowed ("null", host));
  g_assert_false (live_auth_origin_allowed ("", host));
}

/* Addresses that nobody else reaches. */
static void
test_loopback (void)
{
  g_assert_true (live_auth_is_loopback ("127.0.0.1"));
  g_assert_true (live_auth_is_loopback ("127.9.9.9"));
  g_assert_true (live_auth_is_loopback ("::1"));
  g_assert_false (live_auth_is_loopback ("0.0.0.0"));
  g_assert_false (live_auth_is_loopback ("::"));
  g_assert_false (live_auth_is_loopback ("192.0.2.1"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/live/auth/file", test_file);
  g_test_add_func ("/live/auth/open", test_open);
  g_test_add_func ("/live/auth/token", test_token);
  g_test_add_func ("/live/auth/sessions", test_sessions);
  g_test_add_func ("/live/auth/another", test_another);
  g_test_add_func ("/live/auth/guessing", test_guessing);
  g_test_add_func ("/live/auth/host", test_host);
  g_test_add_func ("/live/auth/origin", test_origin);
  g_test_add_func ("/live/auth/loopback", test_loopback);
  return g_test_run ();
}
