/* How a process learns that it is one of several. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity() is behind GLib, sysconf() */
#endif
#include "launcher.h"

#include "error.h"
#include "modules.h"

#include <gmodule.h>
#include <string.h>
#include <unistd.h>

/* A positive number of the environment, else 0. */
static int
number_of (const char *name)
{
  const char *text = g_getenv (name);
  gint64 number;

  return text && g_ascii_string_to_signed (text, 10, 1, 1 << 20, &number, NULL)
      ? (int) number
      : 0;
}

int
defcn_launcher_size (void)
{
  /* Slurm's steps have its variables though nobody joins the tasks: PMIx's rank
   * tells that somebody does. */
  const int size = number_of ("OMPI_COMM_WORLD_SIZE")
      ? number_of ("OMPI_COMM_WORLD_SIZE")
      : number_of ("PMI_SIZE") ? number_of ("PMI_SIZE")
      : g_getenv ("PMIX_RANK") ? number_of ("SLURM_STEP_NUM_TASKS")
                               : 0;

  return MAX (size, 1);
}

static const DefcnTransport *
load (int size, GError **error)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *own = program ? g_path_get_dirname (program) : NULL;
  g_autofree char *path = defcn_modules_find ("libdefcn-mpi.so", own, "mpi");
  /* MPI opens parts of its own, which look for its symbols. */
  GModule *module = g_module_open (path, 0);
  const DefcnTransport *(*get) (void);
  gpointer symbol;

  if (!module || !g_module_symbol (module, "defcn_transport", &symbol)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "started as one of %d processes, but the module for MPI does not load, "
        "or was not built: %s",
        size, g_module_error ());
    g_clear_pointer (&module, g_module_close);
    return NULL;
  }
  memcpy (&get, &symbol, sizeof get);
  if (!g_str_equal (get ()->version, DEFCN_VERSION)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s is of version %s, the tool of " DEFCN_VERSION, path,
        get ()->version);
    g_module_close (module);
    return NULL;
  }
  g_module_make_resident (module);
  return get ();
}

gboolean
defcn_launcher_open (DefcnRanks **ranks, const DefcnRanksOptions *options,
    GError **error)
{
  const int size = defcn_launcher_size ();

  *ranks = NULL;
  if (size == 1)
    return TRUE;

  const DefcnTransport *transport = load (size, error);
  if (!transport)
    return FALSE;
  *ranks = defcn_ranks_new (transport, options, error);
  return *ranks != NULL;
}

/* The number that the first of @names which is there begins with, or
 * @otherwise: Slurm's are like "8(x2)". */
static int
first_number (const char *const *names, int otherwise)
{
  for (; *names; names++) {
    const char *text = g_getenv (*names);

    if (text && g_ascii_isdigit (*text))
      return (int) MIN (g_ascii_strtoull (text, NULL, 10), G_MAXINT);
  }
  return otherwise;
}

void
defcn_launcher_choose_device (void)
{
  static const char *const ranks[] = { "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID", "SLURM_LOCALID", NULL };
  static const char *const sizes[] = { "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALNRANKS", "SLURM_STEP_TASKS_PER_NODE", NULL };
  const char *visible = g_getenv ("CUDA_VISIBLE_DEVICES");
  const int rank = first_number (ranks, 0), size = first_number (sizes, 1);
  g_auto (GStrv) devices = g_strsplit (visible ? visible : "", ",", -1);
  g_autofree char *own = g_strdup_printf ("%d", rank);

  if (defcn_launcher_size () == 1 || size <= 1 || rank >= size)
    return;
  if (!visible)
    g_setenv ("CUDA_VISIBLE_DEVICES", own, TRUE);
  else if (g_strv_length (devices) >= (guint) size)
    g_setenv ("CUDA_VISIBLE_DEVICES", devices[rank], TRUE);
}

int
defcn_launcher_threads (const DefcnRanks *ranks)
{
  const int own = g_get_num_processors (); /* that it may run on */
  const long all = sysconf (_SC_NPROCESSORS_ONLN);

  return CLAMP ((int) all / defcn_ranks_local_size (ranks), 1, own);
}
