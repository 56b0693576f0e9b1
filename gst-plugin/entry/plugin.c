/* The plugin: libgstdefcn.so, which is what GStreamer opens.
 *
 * The elements are in a module of their own, because OpenMP's settings are read
 * when its library is loaded, and never again: opened from here, the module
 * finds them set. */
#include <dlfcn.h>
#include <gmodule.h>
#include <gst/gst.h>
#include <string.h>

#include "spin.h"

#define MODULE "libdefcn-elements.so"

GST_DEBUG_CATEGORY_STATIC (defcn_plugin_debug);
#define GST_CAT_DEFAULT defcn_plugin_debug

/* (transfer full): path of the module: beside the plugin, as built or
 * installed, be it in a staging folder, else where it is to be installed. */
static char *
find_module (GstPlugin *plugin)
{
  static const char *const folders[] = { ".", "../defcn" };
  const char *file = gst_plugin_get_filename (plugin);

  for (guint i = 0; file && i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *folder = g_path_get_dirname (file);
    g_autofree char *path = g_build_filename (folder, folders[i], MODULE, NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  return g_build_filename (DEFCN_MODULES_FOLDER, MODULE, NULL);
}

/* Of an OpenMP that is there already, another plugin's say, nothing changes. */
static void
set_spin (void)
{
  void *openmp = dlopen ("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);

  if (openmp)
    dlclose (openmp);
  else
    defcn_spin_set ();
}

static gboolean
plugin_init (GstPlugin *plugin)
{
  g_autofree char *path = find_module (plugin);
  gboolean (*elements) (GstPlugin *);
  GModule *module;
  gpointer symbol;

  GST_DEBUG_CATEGORY_INIT (defcn_plugin_debug, "defcn", 0, "the defcn plugin");
  set_spin ();
  module = g_module_open (path, G_MODULE_BIND_LOCAL);
  if (!module || !g_module_symbol (module, "gst_defcn_elements", &symbol)) {
    GST_ERROR ("the elements do not load: %s", g_module_error ());
    g_clear_pointer (&module, g_module_close);
    return FALSE;
  }
  g_module_make_resident (module);
  memcpy (&elements, &symbol, sizeof elements);
  return elements (plugin);
}

#define PACKAGE "defcn"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, defcn,
    "Object detection without NMS (DeFCN)", plugin_init, DEFCN_VERSION,
    "MIT/X11", PACKAGE, PACKAGE)
