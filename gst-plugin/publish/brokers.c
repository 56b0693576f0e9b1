/* The modules that know how to talk to brokers. */
#include "brokers.h"

#include <gmodule.h>
#include <string.h>

gboolean
gst_defcn_brokers_have (const char *name)
{
  g_auto (GStrv) built = g_strsplit (DEFCN_BROKERS, ",", -1);

  return g_strv_contains ((const char *const *) built, name);
}

/* (transfer full): path of the module: where DEFCN_MODULES says, else beside
 * the plugin, as built or installed, be it in a staging folder, else where
 * it is to be installed. */
static char *
find_module (const char *name)
{
  static const char *const folders[] = { "../defcn", "brokers" };
  g_autofree char *file = g_strdup_printf ("libdefcn-%s.so", name);
  g_autoptr (GstPlugin) plugin =
      gst_registry_find_plugin (gst_registry_get (), "defcn");
  const char *from = plugin ? gst_plugin_get_filename (plugin) : NULL;
  g_autofree char *folder = from ? g_path_get_dirname (from) : NULL;
  const char *given = g_getenv ("DEFCN_MODULES");
  g_autofree char *path = given ? g_build_filename (given, file, NULL) : NULL;

  if (path && g_file_test (path, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&path);
  for (guint i = 0; folder && i < G_N_ELEMENTS (folders); i++) {
    g_free (path);
    path = g_build_filename (folder, folders[i], file, NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  return g_build_filename (DEFCN_MODULES_FOLDER, file, NULL);
}

const GstDefcnBroker *
gst_defcn_brokers_load (const char *name, GError **error)
{
  g_autofree char *path = NULL;
  const GstDefcnBroker *(*get) (void);
  const GstDefcnBroker *broker;
  GModule *module;
  gpointer symbol;

  if (!gst_defcn_brokers_have (name)) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "method=%s is not built into this version, which has: file%s%s", name,
        *DEFCN_BROKERS ? "," : "", DEFCN_BROKERS);
    return NULL;
  }
  path = find_module (name);
  module = g_module_open (path, G_MODULE_BIND_LOCAL);
  if (!module || !g_module_symbol (module, "gst_defcn_broker", &symbol)) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
        "method=%s: its module does not load: %s", name, g_module_error ());
    g_clear_pointer (&module, g_module_close);
    return NULL;
  }
  memcpy (&get, &symbol, sizeof get);
  broker = get ();
  if (!g_str_equal (broker->version, DEFCN_VERSION)) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
        "method=%s: %s is of version %s, the plugin of %s", name, path,
        broker->version, DEFCN_VERSION);
    g_module_close (module);
    return NULL;
  }
  g_module_make_resident (module);
  return broker;
}
