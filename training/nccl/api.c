/* NCCL's functions, by name. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#include "api.h"

#include "error.h"

#include <dlfcn.h>

#define LIBRARY "libnccl.so.2"

static const struct
{
  const char *name;
  gsize at;
} functions[] = {
  { "ncclGetVersion", G_STRUCT_OFFSET (NcclApi, get_version) },
  { "ncclGetUniqueId", G_STRUCT_OFFSET (NcclApi, get_unique_id) },
  { "ncclCommInitRankConfig",
      G_STRUCT_OFFSET (NcclApi, comm_init_rank_config) },
  { "ncclCommGetAsyncError", G_STRUCT_OFFSET (NcclApi, comm_get_async_error) },
  { "ncclCommFinalize", G_STRUCT_OFFSET (NcclApi, comm_finalize) },
  { "ncclCommDestroy", G_STRUCT_OFFSET (NcclApi, comm_destroy) },
  { "ncclCommAbort", G_STRUCT_OFFSET (NcclApi, comm_abort) },
  { "ncclAllReduce", G_STRUCT_OFFSET (NcclApi, all_reduce) },
  { "ncclGroupStart", G_STRUCT_OFFSET (NcclApi, group_start) },
  { "ncclGroupEnd", G_STRUCT_OFFSET (NcclApi, group_end) },
  { "ncclGetErrorString", G_STRUCT_OFFSET (NcclApi, get_error_string) },
  { "ncclGetLastError", G_STRUCT_OFFSET (NcclApi, get_last_error) },
};

/* Up to 2.8 the numbers are 2804, later ones 20900. */
static char *
version_name (int version)
{
  const int major = version < 10000 ? version / 1000 : version / 10000;
  const int rest = version - major * (version < 10000 ? 1000 : 10000);

  return g_strdup_printf ("%d.%d.%d", major, rest / 100, rest % 100);
}

static gboolean
check_version (NcclApi *api, const char *file, GError **error)
{
  const NcclResult result = api->get_version (&api->version);

  if (result != NCCL_SUCCESS) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s does not tell its version: %s", file,
        api->get_error_string (result));
    return FALSE;
  }
  if (api->version >= NCCL_OLDEST && api->version < 30000)
    return TRUE;

  g_autofree char *name = version_name (api->version);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s is of NCCL %s, wanted 2.14 or a later 2", file, name);
  return FALSE;
}

/* (transfer full): the path of what @symbol is in. */
static char *
file_of (gpointer symbol)
{
  Dl_info info;

  return g_strdup (symbol && dladdr (symbol, &info) && info.dli_fname
          ? info.dli_fname
          : LIBRARY);
}

static gboolean
take_functions (NcclApi *api, gpointer library, GError **error)
{
  g_autofree char *file = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (functions); i++) {
    gpointer symbol = dlsym (library, functions[i].name);

    if (!file)
      file = file_of (symbol);
    G_STRUCT_MEMBER (gpointer, api, functions[i].at) = symbol;
    if (symbol)
      continue;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s has no %s, wanted NCCL 2.14 or a later 2", file, functions[i].name);
    return FALSE;
  }
  return check_version (api, file, error);
}

const NcclApi *
nccl_api_load (GError **error)
{
  static NcclApi api;
  static gboolean loaded;

  if (loaded)
    return &api;
  gpointer library = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    g_set_error_literal (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, dlerror ());
    return NULL;
  }
  loaded = take_functions (&api, library, error);
  if (loaded)
    return &api;
  dlclose (library);
  return NULL;
}
