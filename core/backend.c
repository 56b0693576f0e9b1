/* The list of backends that are built in, the only place that knows, and the
 * one that is a module. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#include "backend.h"

#include "modules.h"

#include <dlfcn.h>
#include <gmodule.h>
#include <string.h>

#define OP_NAME(NAME, name) [DEFCN_OP_##NAME] = #name,
static const char *const op_names[] = { DEFCN_OPS (OP_NAME) };

/* On the CPU, fastest first. */
static const struct
{
  const char *name;
  DefcnBackend *(*create) (int threads, GError **error);
} backends[] = {
#ifdef HAVE_ONEDNN
  { "onednn", defcn_onednn_new },
#endif
  { "reference", defcn_reference_new },
};

/* Returns: whether @name is "cuda" or "cuda:N". */
static gboolean
is_cuda (const char *name)
{
  if (!g_str_has_prefix (name, "cuda"))
    return FALSE;
  name += strlen ("cuda");
  return *name == 0
      || (*name == ':' && g_ascii_isdigit (name[1])
          && strspn (name + 1, "0123456789") == strlen (name + 1));
}

static char *
list_names (void)
{
  GString *names = g_string_new ("auto, cpu");

  for (guint i = 0; i < G_N_ELEMENTS (backends); i++)
    g_string_append_printf (names, ", %s", backends[i].name);
  return g_string_free (names, FALSE);
}

/* Whether a CPU may have it. */
static gboolean
check_precision (const char *precision, GError **error)
{
  static const char *const here[] = { "auto", "fp32", "bf16", NULL };
  static const char *const elsewhere[] = { "tf32", "fp16", NULL };

  if (g_strv_contains (here, precision))
    return TRUE;
  if (g_strv_contains (elsewhere, precision))
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "precision \"%s\" is for CUDA, the CPU has fp32 and bf16", precision);
  else
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "precision \"%s\" is unknown, wanted auto, fp32, tf32, fp16 or bf16",
        precision);
  return FALSE;
}

/* @be: (transfer full) (nullable): a CPU backend, freed on error. */
static DefcnBackend *
in_precision (DefcnBackend *be, const char *precision, GError **error)
{
  if (!be || !g_str_equal (precision, "bf16"))
    return be;
  if (be->has_bf16) {
    be->bf16 = TRUE;
    return be;
  }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "precision \"bf16\": backend %s has no bf16 on this CPU, which takes "
      "AVX512_BF16",
      be->name);
  defcn_backend_free (be);
  return NULL;
}

/* The fastest one that can be made; the error of the fastest if none can. */
static DefcnBackend *
create_fastest (int threads, GError **error)
{
  g_autoptr (GError) first = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    DefcnBackend *be = backends[i].create (threads, first ? NULL : &first);
    if (be)
      return be;
  }
  g_propagate_error (error, g_steal_pointer (&first));
  return NULL;
}

#ifdef HAVE_CUDA
typedef DefcnBackend *(*CreateCuda) (int device, const char *precision,
    int threads, GError **error);

/* (transfer full): folder of the plugin or the program that this is in, NULL if
 * the system does not tell. */
static char *
own_folder (void)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  const char *path = program;
  Dl_info info;

  if (dladdr ((gpointer) own_folder, &info) && info.dli_fname
      && g_path_is_absolute (info.dli_fname))
    path = info.dli_fname;
  return path ? g_path_get_dirname (path) : NULL;
}

/* Whether @module, which is at @path, is of this version: another's backends
 * have other rows. */
static gboolean
check_version (GModule *module, const char *path, GError **error)
{
  const char *(*get) (void);
  const char *version = "another";
  gpointer symbol;

  if (g_module_symbol (module, "defcn_cuda_version", &symbol)) {
    memcpy (&get, &symbol, sizeof get);
    version = get ();
  }
  if (g_str_equal (version, DEFCN_VERSION))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "device \"cuda\": %s is of version %s, what opens it of " DEFCN_VERSION,
      path, version);
  return FALSE;
}

/* The module's constructor, for as long as the process lives. */
static CreateCuda
load_cuda (GError **error)
{
  g_autofree char *own = own_folder ();
  g_autofree char *path =
      defcn_modules_find ("libdefcn-cuda.so", own, "../core/cuda");
  GModule *module = g_module_open (path, G_MODULE_BIND_LOCAL);
  gpointer create;

  if (!module || !g_module_symbol (module, "defcn_cuda_new", &create))
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "device \"cuda\": the module does not load: %s", g_module_error ());
  else if (check_version (module, path, error)) {
    g_module_make_resident (module);
    return (CreateCuda) create;
  }
  if (module)
    g_module_close (module);
  return NULL;
}

/* @name: "cuda" or "cuda:N". */
static DefcnBackend *
create_cuda (const char *name, const char *precision, int threads,
    GError **error)
{
  const char *colon = strchr (name, ':');
  const guint64 device = colon ? g_ascii_strtoull (colon + 1, NULL, 10) : 0;
  CreateCuda create = load_cuda (error);

  return create ? create (MIN (device, G_MAXINT), precision, threads, error)
                : NULL;
}
#else
static DefcnBackend *
create_cuda (const char *name, const char *precision, int threads,
    GError **error)
{
  g_autofree char *names = list_names ();

  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "device \"%s\": CUDA is not built into this version, which has: %s", name,
      names);
  return NULL;
}
#endif

static DefcnBackend *
create_auto (const char *precision, int threads, GError **error)
{
  g_autoptr (GError) why = NULL, refused = NULL;
  DefcnBackend *be = create_cuda ("cuda", precision, threads, &why);

  if (be)
    return be;
  if (check_precision (precision, &refused))
    be = in_precision (create_fastest (threads, &refused), precision, &refused);
  if (be)
    be->passed_over = g_strdup (why->message);
  else if (refused->code == DEFCN_ERROR_BACKEND)
    g_propagate_prefixed_error (error, g_steal_pointer (&refused), "%s; ",
        why->message);
  else
    g_propagate_error (error, g_steal_pointer (&refused));
  return be;
}

static DefcnBackend *
create_named (const char *name, int threads, GError **error)
{
  g_autofree char *names = NULL;

  if (g_str_equal (name, "cpu"))
    return backends[0].create (threads, error);
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++)
    if (g_str_equal (name, backends[i].name))
      return backends[i].create (threads, error);

  names = list_names ();
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "device \"%s\" is unknown or not built in, wanted one of: %s", name,
      names);
  return NULL;
}

/* What it computes in: "auto" is another for each. */
static const char *
precision_of (const DefcnBackend *be, const char *asked)
{
  if (!g_str_has_prefix (be->name, "cuda"))
    return be->bf16 ? "bf16" : "fp32";
  return g_str_equal (asked, "auto") ? "fp16" : g_intern_string (asked);
}

DefcnBackend *
defcn_backend_new_in (const char *name, const char *precision, int threads,
    GError **error)
{
  g_autofree char *lower = g_ascii_strdown (name ? name : "auto", -1);
  DefcnBackend *be = NULL;

  if (threads < 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "threads is %d, wanted 0 (one per core) or more", threads);
    return NULL;
  }
  if (threads == 0)
    threads = g_get_num_processors (); /* that the process may run on */
  if (!precision)
    precision = "auto";

  if (g_str_equal (lower, "auto"))
    be = create_auto (precision, threads, error);
  else if (is_cuda (lower))
    be = create_cuda (lower, precision, threads, error);
  else if (check_precision (precision, error))
    be = in_precision (create_named (lower, threads, error), precision, error);
  if (be)
    be->precision = precision_of (be, precision);
  return be;
}

DefcnBackend *
defcn_backend_new (const char *name, int threads, GError **error)
{
  return defcn_backend_new_in (name, "fp32", threads, error);
}

void
defcn_backend_free (DefcnBackend *be)
{
  if (!be)
    return;
  g_clear_pointer (&be->passed_over, g_free);
  g_clear_pointer (&be->tune, defcn_tune_free);
  be->destroy (be);
}

const char *
defcn_backend_op_name (DefcnOpKind kind)
{
  g_return_val_if_fail (kind < DEFCN_N_OPS, NULL);
  return op_names[kind];
}
