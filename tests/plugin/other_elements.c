/* A module of another version than the plugin that finds it. */
#include "elements.h"

static gboolean
never (GstPlugin *plugin)
{
  g_error ("elements of another version are asked for");
  return plugin != NULL;
}

const GstDefcnElements *
gst_defcn_elements (void)
{
  static const GstDefcnElements elements = { "0.0.0", never };

  return &elements;
}
