/* The plugin: libgstdefcn.so, which is what GStreamer opens.
 *
 * The elements are in a module of their own, because OpenMP's settings are read
 * when its library is loaded, and never again: opened from here, the module
 * finds them set. */
#include <dlfcn.h>
#include <gmodule.h>
#include <gst/gst.h>
#include <string.h>

#include "elements.h"
#include "spin.h"

#define MODULE "libdefcn-elements.so"

/* (transfer full): where the module may be, the first of them first: beside the
 * plugin, as built or installed, be it in a staging folder, else where it is to
 * be installed. */
static GStrv
list_folders (GstPlugin *plugin)
{
  g_autoptr (GStrvBuilder) folders = g_strv_builder_new ();
  const char *file = gst_plugin_get_filename (plugin);

  if (file) {
    g_autofree char *folder = g_path_get_dirname (file);
    g_autofree char *installed = g_build_filename (folder, "..", "defcn", NULL);

    g_strv_builder_add (folders, folder);
    g_strv_builder_add (folders, installed);
  }
  g_strv_builder_add (folders, DEFCN_MODULES_FOLDER);
  return g_strv_builder_end (folders);
}

/* (transfer full): path of the module in the first of @folders that has it, or
 * in the last. */
static char *
find_module (const char *const *folders)
{
  g_autofree char *path = NULL;

  for (guint i = 0; folders[i]; i++) {
    g_free (path);
    path = g_build_filename (folders[i], MODULE, NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      break;
  }
  return g_steal_pointer (&path);
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

/* The elements of the module at @path, which stays for as long as the process
 * lives.  NULL, and @problem (transfer full), if they are not to be had. */
static const GstDefcnElements *
open_elements (char **problem, const char *path)
{
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  const GstDefcnElements *(*get) (void);
  const GstDefcnElements *elements;
  gpointer symbol;

  if (!module || !g_module_symbol (module, "gst_defcn_elements", &symbol)) {
    *problem = g_strdup (g_module_error ());
    g_clear_pointer (&module, g_module_close);
    return NULL;
  }
  g_module_make_resident (module);
  memcpy (&get, &symbol, sizeof get);
  elements = get ();
  if (g_str_equal (elements->version, DEFCN_VERSION))
    return elements;
  *problem = g_strdup_printf ("%s is of version %s, the plugin of %s", path,
      elements->version, DEFCN_VERSION);
  return NULL;
}

/* Without its module the plugin has no elements and says why.  It does not
 * fail: GStreamer, which looks again when the module is another, would not
 * then. */
static gboolean
plugin_init (GstPlugin *plugin)
{
  static const char *names[] = { MODULE, NULL };
  g_auto (GStrv) folders = list_folders (plugin);
  g_autofree char *path = find_module ((const char *const *) folders);
  g_autofree char *problem = NULL;
  const GstDefcnElements *elements;

  gst_plugin_add_dependency (plugin, NULL, (const char **) folders, names,
      GST_PLUGIN_DEPENDENCY_FLAG_NONE);
  set_spin ();
  elements = open_elements (&problem, path);
  if (elements)
    return elements->register_all (plugin);
  g_warning ("the elements of %s do not load: %s",
      gst_plugin_get_filename (plugin), problem);
  return TRUE;
}

#define PACKAGE "defcn"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, defcn,
    "Object detection without NMS (DeFCN)", plugin_init, DEFCN_VERSION,
    "MIT/X11", PACKAGE, PACKAGE)
