/* Where the model is that comes with the plugin. */
#include "bundled.h"

#define NAME "person.safetensors"

char *
gst_defcn_bundled_model (void)
{
  /* From the plugin's folder: as installed, be it in a staging folder, and as
   * built. */
  static const char *const folders[] = { DEFCN_MODELS_FROM_PLUGIN,
    "../pipelines" };
  g_autoptr (GstPlugin) plugin =
      gst_registry_find_plugin (gst_registry_get (), "defcn");
  const char *file = plugin ? gst_plugin_get_filename (plugin) : NULL;

  for (guint i = 0; file && i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *folder = g_path_get_dirname (file);
    g_autofree char *path = g_build_filename (folder, folders[i], NAME, NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_canonicalize_filename (path, NULL);
  }
  return g_build_filename (DEFCN_MODELS, NAME, NULL);
}
