/* The plugin: what libgstdefcn.so registers. */
#include "meta.h"

/* Nothing here may fail for want of a device: a plugin that fails to load is
 * blacklisted in the user's registry. */
static gboolean
plugin_init (GstPlugin *plugin)
{
  gst_defcn_meta_register ();
  return TRUE;
}

#define PACKAGE "defcn"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, defcn,
    "Object detection without NMS (DeFCN)", plugin_init, DEFCN_VERSION,
    "MIT/X11", PACKAGE, PACKAGE)
