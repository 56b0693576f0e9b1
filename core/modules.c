/* Where the modules are that are opened by name. */
#include "modules.h"

char *
defcn_modules_find (const char *file, const char *own, const char *built)
{
  const char *const folders[] = { built, "../defcn", DEFCN_MODULES_FROM_BIN };
  const char *given = g_getenv ("DEFCN_MODULES");

  for (guint i = 0; !given && own && i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *path = g_build_filename (own, folders[i], file, NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  return g_build_filename (given ? given : DEFCN_MODULES, file, NULL);
}
