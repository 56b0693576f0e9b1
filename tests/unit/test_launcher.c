/* How a process learns from its environment that it is one of several. */
#include "ranks/launcher.h"
#include "hub.h"

#include <string.h>
#include <unistd.h>

static const char *const variables[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
  "PMIX_RANK", "SLURM_STEP_NUM_TASKS", "CUDA_VISIBLE_DEVICES", "DEFCN_MODULES",
  "OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
  "SLURM_STEP_TASKS_PER_NODE", "SLURM_LOCALID" };

static void
clear_environment (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (variables); i++)
    g_unsetenv (variables[i]);
}

/* @value: NULL for none. */
static void
set (const char *name, const char *value)
{
  if (value)
    g_setenv (name, value, TRUE);
}

/* The launchers' variables, and what is none. */
static void
test_size (void)
{
  static const struct
  {
    const char *values[4]; /* of the first variables */
    int size;
  } cases[] = {
    { { NULL, NULL, NULL, NULL }, 1 },
    { { "4", NULL, NULL, NULL }, 4 },
    { { "1", NULL, NULL, NULL }, 1 },
    { { "1", "8", NULL, NULL }, 1 }, /* mpirun in a task of Slurm's */
    { { NULL, "8", NULL, NULL }, 8 },
    { { NULL, NULL, "0", "3" }, 3 },
    { { NULL, NULL, NULL, "3" }, 1 }, /* tasks that nobody joins */
    { { NULL, NULL, "0", NULL }, 1 },
    { { "many", NULL, NULL, NULL }, 1 },
    { { "-2", NULL, NULL, NULL }, 1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    clear_environment ();
    for (int k = 0; k < 4; k++)
      set (variables[k], cases[i].values[k]);
    g_assert_cmpint (defcn_launcher_size (), ==, cases[i].size);
  }
}

/* A process that is alone opens nothing. */
static void
test_alone (void)
{
  g_autoptr (GError) error = NULL;
  DefcnRanks *ranks = (DefcnRanks *) &error;

  clear_environment ();
  g_setenv ("DEFCN_MODULES", "/nowhere", TRUE);
  g_assert_true (defcn_launcher_open (&ranks, NULL, &error));
  g_assert_no_error (error);
  g_assert_null (ranks);
}

/* One of several without a module does not run on as if it were alone. */
static void
test_no_module (void)
{
  g_autoptr (GError) error = NULL;
  DefcnRanks *ranks;

  clear_environment ();
  g_setenv ("OMPI_COMM_WORLD_SIZE", "2", TRUE);
  g_setenv ("DEFCN_MODULES", "/nowhere", TRUE);
  g_assert_false (defcn_launcher_open (&ranks, NULL, &error));
  g_assert_nonnull (strstr (error->message, "one of 2 processes"));
  g_assert_nonnull (strstr (error->message, "/nowhere"));
}

/* Each of a machine gets a device, unless the launcher has given it one, it is
 * alone there, or there are too few. */
static void
test_devices (void)
{
  static const struct
  {
    const char *size, *local_size, *local_rank; /* Open MPI's */
    const char *visible, *chosen;
  } cases[] = {
    { "4", "2", "0", NULL, "0" },
    { "4", "2", "1", NULL, "1" },
    { "4", "3", "2", "3,5,7,9", "7" },
    { "4", "2", "1", "GPU-a,GPU-b", "GPU-b" },
    { "4", "2", "1", "4", "4" },
    { "4", "3", "1", "4,6", "4,6" },
    { "4", "2", "1", "", "" }, /* none, says somebody */
    { "4", "1", "0", NULL, NULL },
    { "4", NULL, NULL, NULL, NULL },
    { "1", "1", "0", "1,2", "1,2" },
    { NULL, "2", "1", "1,2", "1,2" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    clear_environment ();
    set ("OMPI_COMM_WORLD_SIZE", cases[i].size);
    set ("OMPI_COMM_WORLD_LOCAL_SIZE", cases[i].local_size);
    set ("OMPI_COMM_WORLD_LOCAL_RANK", cases[i].local_rank);
    set ("CUDA_VISIBLE_DEVICES", cases[i].visible);
    defcn_launcher_choose_device ();
    g_assert_cmpstr (g_getenv ("CUDA_VISIBLE_DEVICES"), ==, cases[i].chosen);
  }
  clear_environment (); /* Slurm's */
  set ("PMI_SIZE", "16");
  set ("SLURM_STEP_TASKS_PER_NODE", "8(x2)");
  set ("SLURM_LOCALID", "5");
  defcn_launcher_choose_device ();
  g_assert_cmpstr (g_getenv ("CUDA_VISIBLE_DEVICES"), ==, "5");
  clear_environment ();
}

static void
play_threads (DefcnRanks *ranks, gpointer data)
{
  const int cores = sysconf (_SC_NPROCESSORS_ONLN);
  const int own = g_get_num_processors ();

  g_assert_cmpint (defcn_launcher_threads (ranks), ==,
      CLAMP (cores / defcn_ranks_local_size (ranks), 1, own));
  g_assert_cmpint (defcn_launcher_threads (ranks), <=, own);
  defcn_ranks_free (ranks, TRUE);
}

/* The cores of a machine are shared, a core at least for each. */
static void
test_threads (void)
{
  for (int n = 1; n <= HUB_MAX; n++)
    hub_run (n, play_threads, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/launcher/size", test_size);
  g_test_add_func ("/launcher/alone", test_alone);
  g_test_add_func ("/launcher/no-module", test_no_module);
  g_test_add_func ("/launcher/devices", test_devices);
  g_test_add_func ("/launcher/threads", test_threads);
  return g_test_run ();
}
