/* The module with the elements, which the plugin opens: see entry/plugin.c. */
#include "elements.h"

#include "gstdefcndetect.h"
#include "gstdefcnoverlay.h"
#include "gstdefcnpublish.h"
#include "gstdefcnsnapshot.h"
#include "gstdefcntrack.h"
#include "gstdefcnzones.h"
#include "meta.h"
#include "publish/place.h"

/* Nothing here may fail for want of a device: a plugin that fails to load is
 * blacklisted in the user's registry. */
static gboolean
register_all (GstPlugin *plugin)
{
  gboolean any = FALSE;

  gst_defcn_meta_register ();
  gst_defcn_place_init ();
  any |= GST_ELEMENT_REGISTER (defcndetect, plugin);
  any |= GST_ELEMENT_REGISTER (defcnoverlay, plugin);
  any |= GST_ELEMENT_REGISTER (defcnpublish, plugin);
  any |= GST_ELEMENT_REGISTER (defcnsnapshot, plugin);
  any |= GST_ELEMENT_REGISTER (defcntrack, plugin);
  any |= GST_ELEMENT_REGISTER (defcnzones, plugin);
  return any;
}

const GstDefcnElements *
gst_defcn_elements (void)
{
  static const GstDefcnElements elements = {
    .version = DEFCN_VERSION,
    .register_all = register_all,
  };

  return &elements;
}
