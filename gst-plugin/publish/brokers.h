/* The modules that know how to talk to brokers, which are opened by name: the
 * plugin links none of their libraries, so that it loads where they are not.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "broker.h"

G_BEGIN_DECLS

/* Whether this version was built with the module of that @name, "mqtt" say. */
gboolean gst_defcn_brokers_have (const char *name);

/* The module, for as long as the process lives.  NULL, and @error of the domain
 * GST_RESOURCE_ERROR, if it was not built, or does not load. */
const GstDefcnBroker *gst_defcn_brokers_load (const char *name, GError **error);

G_END_DECLS
