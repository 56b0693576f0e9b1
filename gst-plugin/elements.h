/* What the module with the elements exports.
 *
 * Thread rule: by entry/plugin.c alone, once.
 */
#pragma once

#include <gmodule.h>
#include <gst/gst.h>

G_BEGIN_DECLS

/* Registers the elements; FALSE if there is none. */
G_MODULE_EXPORT gboolean gst_defcn_elements (GstPlugin *plugin);

G_END_DECLS
