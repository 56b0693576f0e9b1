/* A plugin without libjpeg has no defcnsnapshot, and that is no fault. */
#include "gstdefcnsnapshot.h"

static void
test_none (void)
{
  g_assert_false (GST_ELEMENT_REGISTER (defcnsnapshot, NULL));
  g_assert_null (gst_element_factory_find ("defcnsnapshot"));
}

int
main (int argc, char **argv)
{
  /* The names of all plugins would have GLib let go of a table for good. */
  g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nosnapshot/none", test_none);
  return g_test_run ();
}
