/* Addresses of cameras, and what of them nobody is shown. */
#include "uri.h"

#include <string.h>

typedef struct
{
  const char *uri, *shown, *plain, *user, *password;
} Case;

static const Case cases[] = {
  { "rtsp://host/a", "rtsp://host/a", "rtsp://host/a", NULL, NULL },
  { "rtsp://u:p@host:554/a", "rtsp://host:554/a", "rtsp://host:554/a", "u",
      "p" },
  { "rtsp://u@host/a", "rtsp://host/a", "rtsp://host/a", "u", NULL },
  { "rtsp://u:@host/a", "rtsp://host/a", "rtsp://host/a", "u", "" },
  { "rtsp://u:p%40%2fq:r@[::1]:8554/a", "rtsp://[::1]:8554/a",
      "rtsp://[::1]:8554/a", "u", "p@/q:r" },
  { "rtsp://u:p@q@host/a", "rtsp://host/a", "rtsp://host/a", "u", "p@q" },
  { "http://host/a/user=x/b?password=y#z", "http://host/a/.../b",
      "http://host/a/user=x/b?password=y#z", NULL, NULL },
  { "http://host/a;pw=1", "http://host/a", "http://host/a;pw=1", NULL, NULL },
  { "file:///srv/a.mp4", "file:///srv/a.mp4", "file:///srv/a.mp4", NULL, NULL },
  { "v4l2:///dev/video0", "v4l2:///dev/video0", "v4l2:///dev/video0", NULL,
      NULL },
  { "test://ball", "test://ball", "test://ball", NULL, NULL },
};

/* Addresses are taken, shown without a login, and taken apart. */
static void
test_parts (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *c = &cases[i];
    g_autoptr (GError) error = NULL;
    g_autofree char *user = NULL, *password = NULL;
    g_autofree char *shown = live_uri_shown (c->uri);
    g_autofree char *plain = live_uri_split (c->uri, &user, &password);

    g_assert_true (live_uri_check (c->uri, &error));
    g_assert_no_error (error);
    g_assert_cmpstr (shown, ==, c->shown);
    g_assert_cmpstr (plain, ==, c->plain);
    g_assert_cmpstr (user, ==, c->user);
    g_assert_cmpstr (password, ==, c->password);
    g_assert_true (live_uri_has_login (c->uri) == (c->user != NULL));
  }
}

/* Others are refused, and the error shows no password. */
static void
test_refused (void)
{
  static const char *const refused[] = { "", "host/a", "ftp://host/a",
    "rtsp://", "rtsp:/host", "/srv/a.mp4", "rtsp://u:secret@host/a@b",
    "rtsp://u:sec/ret@host/a", "http://u:secret@host/a?b=c@d",
    "rtsp://u:secret@host/a b", "javascript://x", "appsrc://x" };

  for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autoptr (GError) error = NULL;

    if (live_uri_check (refused[i], &error))
      g_error ("\"%s\" is taken", refused[i]);
    g_assert_error (error, G_URI_ERROR, G_URI_ERROR_FAILED);
    g_assert_null (strstr (error->message, "sec"));
  }
}

/* An address that is not checked shows no more. */
static void
test_shown (void)
{
  g_autofree char *a = live_uri_shown ("rtsp://u:sec/ret@host/a");
  g_autofree char *b = live_uri_shown ("nothing");

  g_assert_cmpstr (a, ==, "rtsp://host/a");
  g_assert_cmpstr (b, ==, "nothing");
}

/* Messages of elements lose what is secret in whatever form they have it. */
static void
test_redacted (void)
{
  static const char *const texts[][3] = {
    { "rtsp://u:p%40ss@host/a", "cannot open rtsp://u:p%40ss@host/a",
        "cannot open rtsp://...@host/a" },
    { "rtsp://u:p%40ss@host/a", "wrong: p@ss", "wrong: ..." },
    { "http://host/a/key=1?b=2", "GET a/key=1?b=2: 404", "GET a/...?...: 404" },
    { "http://host/a", "no such host", "no such host" },
    { "http://u:@host/a", "no such host", "no such host" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree char *clean = live_uri_redact (texts[i][1], texts[i][0]);

    g_assert_cmpstr (clean, ==, texts[i][2]);
  }
}

/* Nor is what is no UTF-8 passed on. */
static void
test_invalid (void)
{
  g_autofree char *clean = live_uri_redact ("a\xff", "http://host/a");

  g_assert_true (g_utf8_validate (clean, -1, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/live/uri/parts", test_parts);
  g_test_add_func ("/live/uri/refused", test_refused);
  g_test_add_func ("/live/uri/shown", test_shown);
  g_test_add_func ("/live/uri/redacted", test_redacted);
  g_test_add_func ("/live/uri/invalid", test_invalid);
  return g_test_run ();
}
