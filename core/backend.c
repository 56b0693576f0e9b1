/* The list of backends that are built in, the only place that knows. */
#include "backend.h"

#include <string.h>

G_DEFINE_QUARK (defcn - error - quark, defcn_error)

/* Fastest first. */
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

DefcnBackend *
defcn_backend_new (const char *name, int threads, GError **error)
{
  g_autofree char *names = NULL;

  if (threads < 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "threads is %d, wanted 0 (one per core) or more", threads);
    return NULL;
  }
  if (threads == 0)
    threads = g_get_num_processors (); /* that the process may run on */

  if (!name || g_str_equal (name, "auto"))
    return create_fastest (threads, error);
  if (g_str_equal (name, "cpu"))
    return backends[0].create (threads, error);
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++)
    if (g_str_equal (name, backends[i].name))
      return backends[i].create (threads, error);

  names = list_names ();
  if (is_cuda (name))
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "device \"%s\": CUDA is not built into this version, which has: %s",
        name, names);
  else
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
        "device \"%s\" is unknown or not built in, wanted one of: %s", name,
        names);
  return NULL;
}

void
defcn_backend_free (DefcnBackend *be)
{
  if (be)
    be->destroy (be);
}
