/* Text and pictures in a page: whatever a file says stays text. */
#include "report/html.h"

#include "folder.h"
#include "report/page.h"
#include "testing.h"

#include <math.h>
#include <string.h>

/* Text of any kind, in an element and in an attribute. */
static void
test_text (void)
{
  static const struct
  {
    const char *text, *html;
  } rows[] = {
    { "", "" },
    { "person", "person" },
    { "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;" },
    { "a & b", "a &amp; b" },
    { "\" onload=\"x", "&quot; onload=&quot;x" },
    { "' onload='x", "&apos; onload=&apos;x" },
    { "&lt;", "&amp;lt;" },
    { "</title>", "&lt;/title&gt;" },
    { "B\xc3\xa4ume \xe2\x80\xa6", "B\xc3\xa4ume \xe2\x80\xa6" },
    { "a\nb\tc", "a\nb\tc" },
    { "a\x1b[2Jb\x01\x7f", "a?[2Jb??" },
    { "\xc2\x85", "?" },
    /* Lead bytes that promise more hide nothing behind them. */
    { "\xe2<b>", "\xef\xbf\xbd&lt;b&gt;" },
    { "\xf0<b>", "\xef\xbf\xbd&lt;b&gt;" },
    { "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
    { "a\xe2", "a\xef\xbf\xbd" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GString) html = g_string_new ("<p>");

    defcn_html_text (html, rows[i].text);
    g_assert_cmpstr (html->str + 3, ==, rows[i].html);
    g_string_truncate (html, 0);
    defcn_html_within (html, "<b>", rows[i].text, "</b>");
    g_autofree char *whole = g_strdup_printf ("<b>%s</b>", rows[i].html);
    g_assert_cmpstr (html->str, ==, whole);
  }
}

/* Numbers of tables; what is none is a dash. */
static void
test_figures (void)
{
  static const struct
  {
    double value;
    int decimals;
    const char *html;
  } rows[] = {
    { 0.12345, 4, "<td>0.1235</td>" },
    { 0, 2, "<td>0.00</td>" },
    { 7, 0, "<td>7</td>" },
    { -1, 4, "<td>\xe2\x80\x93</td>" },
    { NAN, 4, "<td>\xe2\x80\x93</td>" },
    { INFINITY, 4, "<td>\xe2\x80\x93</td>" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GString) html = g_string_new (NULL);

    defcn_html_figure (html, rows[i].value, rows[i].decimals);
    g_assert_cmpstr (html->str, ==, rows[i].html);
  }
}

static guint8 *
decode (const char *address, const char *type, gsize *len)
{
  g_autofree char *begin = g_strdup_printf ("data:image/%s;base64,", type);

  g_assert_true (g_str_has_prefix (address, begin));
  return g_base64_decode (address + strlen (begin), len);
}

/* A picture comes out of its address as it went in: PNG to the bit, JPEG about;
 * of one pixel too. */
static void
test_pictures (void)
{
  static const int sizes[][2] = { { 1, 1 }, { 17, 9 }, { 64, 48 } };
  char *folder = folder_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (DefcnPicture) picture =
        defcn_picture_new (sizes[i][0], sizes[i][1]);
    const int n = picture->width * picture->height * 3;

    for (int k = 0; k < n; k++)
      picture->rgb[k] = k % 3 == 0 ? 200 : 40 + k / 3 % picture->width;
    for (int png = 0; png < 2; png++) {
      g_autofree char *address =
          png ? defcn_html_png (picture) : defcn_html_jpeg (picture);
      g_autoptr (GError) error = NULL;
      gsize len;
      g_autofree guint8 *data = decode (address, png ? "png" : "jpeg", &len);
      g_autofree char *path =
          folder_write (folder, png ? "a.png" : "a.jpg", data, len);

      g_autoptr (DefcnPicture) back = defcn_picture_load (path, &error);
      g_assert_no_error (error);
      g_assert_cmpint (back->width, ==, picture->width);
      g_assert_cmpint (back->height, ==, picture->height);
      for (int k = 0; k < n; k++)
        g_assert_cmpint (ABS (back->rgb[k] - picture->rgb[k]), <=,
            png ? 0 : 12);
    }
  }
  folder_remove (folder);
}

/* Sections are closed and linked in their order; a title is text; nothing may
 * run or be fetched. */
static void
test_page (void)
{
  g_autoptr (GString) html = defcn_page_begin ("</title><script>");

  defcn_page_section (html, "one", "The first");
  g_string_append (html, "<p>1</p>\n");
  defcn_page_section (html, "two", "The second");
  defcn_page_end (html);
  g_assert_cmpint (testing_count (html->str, "<section "), ==, 2);
  g_assert_cmpint (testing_count (html->str, "</section>"), ==, 2);
  g_assert_cmpint (testing_count (html->str, "<script"), ==, 0);
  g_assert_cmpint (testing_count (html->str, "&lt;script&gt;"), ==, 2);
  g_assert_cmpint (testing_count (html->str, "<!-- links -->"), ==, 0);
  g_assert_nonnull (strstr (html->str, "default-src 'none'"));
  g_assert_nonnull (strstr (html->str, "<html lang=\"en\">"));
  const char *first = strstr (html->str, "<a href=\"#one\">The first</a>");
  const char *second = strstr (html->str, "<a href=\"#two\">The second</a>");
  const char *end = strstr (html->str, "</nav>");
  g_assert_true (first && first < second && second < end);
  g_assert_true (g_str_has_suffix (html->str, "</html>\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/html/text", test_text);
  g_test_add_func ("/html/figures", test_figures);
  g_test_add_func ("/html/pictures", test_pictures);
  g_test_add_func ("/html/page", test_page);
  return g_test_run ();
}
