/* What builds without Pango draw, whatever font is asked for: dots. */
#include <glib.h>

#include "overlay/text.h"

static void
test_dots (void)
{
  static const char *const fonts[] = { NULL, "Sans", "dots" };

  g_assert_false (gst_defcn_text_has_pango ());
  for (guint i = 0; i < G_N_ELEMENTS (fonts); i++) {
    g_autoptr (GstDefcnText) text = gst_defcn_text_new (fonts[i], 20, 100);
    const GstDefcnRun *run = gst_defcn_text_run (text, "L");

    g_assert_cmpint (run->mask.w, ==, 12);
    g_assert_cmpint (run->mask.h, ==, 14);
    g_assert_cmpuint (run->mask.cover[0], ==, 255);
    g_assert_cmpuint (run->mask.cover[2], ==, 0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nopango/dots", test_dots);
  return g_test_run ();
}
