/* defcnsnapshot of a build without libjpeg: there is none. */
#include "gstdefcnsnapshot.h"

gboolean
gst_element_register_defcnsnapshot (GstPlugin *plugin)
{
  return FALSE;
}
