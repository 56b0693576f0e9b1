/* Whether this process was started as one of several, by mpirun or srun, and
 * the module that knows the others.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "ranks.h"

G_BEGIN_DECLS

/* How many processes the launcher says that there are: by the environment of
 * Open MPI, PMIx below Slurm, or PMI-1 and 2; 1 without any. */
int defcn_launcher_size (void);

/* Joins the others, if there are; *@ranks is NULL for a process that is alone,
 * which opens no library.  The module is libdefcn-mpi.so, from the folder of
 * the environment's DEFCN_MODULES, else beside the tool as built or installed.
 * FALSE with @error. */
gboolean defcn_launcher_open (DefcnRanks **ranks,
    const DefcnRanksOptions *options, GError **error);

/* Gives each of several processes of this machine a CUDA device of its own, of
 * those that CUDA_VISIBLE_DEVICES names where that is set, unless the launcher
 * has done so: it sets that variable.  To be called before any thread begins.
 */
void defcn_launcher_choose_device (void);

/* How many threads make a process that asks for one per core: those of the
 * machine over its processes, and no more than this one may run on. */
int defcn_launcher_threads (const DefcnRanks *ranks);

G_END_DECLS
