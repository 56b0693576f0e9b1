/* defcnpublish where no module for brokers was built. */
#include "rig.h"

#include <string.h>

#include "gstdefcnpublish.h"

/* The methods are there, say that they were not built, and one that is set all
 * the same is an error that says so and names what there is. */
static void
test_not_built (void)
{
  static const char *const methods[] = { "mqtt", "kafka" };

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++) {
    g_autoptr (GstElement) element =
        gst_object_ref_sink (g_object_new (GST_TYPE_DEFCN_PUBLISH, NULL));
    g_autoptr (GstBus) bus = gst_bus_new ();
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;
    const GParamSpecEnum *pspec = G_PARAM_SPEC_ENUM (
        g_object_class_find_property (G_OBJECT_GET_CLASS (element), "method"));

    g_assert_cmpstr (g_enum_get_value_by_nick (pspec->enum_class, methods[i])
                         ->value_name,
        ==, "Not built into this version");
    gst_element_set_bus (element, bus);
    gst_util_set_object_arg (G_OBJECT (element), "method", methods[i]);
    g_object_set (element, "address", "127.0.0.1", NULL);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
        GST_STATE_CHANGE_FAILURE);
    message = rig_message (bus, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull (strstr (error->message, methods[i]));
    g_assert_nonnull (strstr (error->message, "has: file"));
    gst_element_set_state (element, GST_STATE_NULL);
    gst_bus_set_flushing (bus, TRUE);
  }
}

int
main (int argc, char **argv)
{
  rig_init_bare (&argc, &argv);
  g_test_add_func ("/nobrokers/not-built", test_not_built);
  return rig_run ();
}
