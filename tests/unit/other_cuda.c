/* A module of CUDA that is not this version's: of another that it names, or of
 * the first ones, which named none. */
#include <gmodule.h>

G_MODULE_EXPORT gpointer defcn_cuda_new (void);

gpointer
defcn_cuda_new (void)
{
  g_error ("a backend of another version is asked for");
  return NULL;
}

#ifdef OTHER_VERSION
G_MODULE_EXPORT const char *defcn_cuda_version (void);

const char *
defcn_cuda_version (void)
{
  return OTHER_VERSION;
}
#endif
