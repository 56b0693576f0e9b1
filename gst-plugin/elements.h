/* What the module with the elements exports.
 *
 * Thread rule: by entry/plugin.c alone, once.
 */
#pragma once

#include <gmodule.h>
#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct
{
  const char *version; /* DEFCN_VERSION */
  /* Registers the elements; FALSE if there is none. */
  gboolean (*register_all) (GstPlugin *plugin);
} GstDefcnElements;

G_MODULE_EXPORT const GstDefcnElements *gst_defcn_elements (void);

G_END_DECLS
