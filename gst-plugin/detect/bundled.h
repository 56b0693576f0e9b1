/* Where the model is that comes with the plugin.
 *
 * Thread rule: any thread.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* (transfer full): path of the model beside the plugin, wherever that has been
 * installed to or built; where there is none, the path that it should have. */
char *gst_defcn_bundled_model (void);

G_END_DECLS
