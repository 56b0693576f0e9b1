/* A training run: what `defcn train` has open between its start and its end.
 *
 *   DefcnRun run = { .options = o, .recipe = recipe, .state.recipe = recipe };
 *   if (defcn_run_open (&run, &error))
 *     ...
 *   defcn_run_close (&run);
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "checkpoint.h"
#include "metrics.h"
#include "progress.h"
#include "ranks/collective.h"
#include "run_options.h"

G_BEGIN_DECLS

typedef struct
{
  const DefcnRunOptions *options;
  DefcnRecipe *recipe;
  DefcnRanks *ranks;           /* borrowed; NULL: this process is alone */
  DefcnCollective *collective; /* NULL: the ranks sum gradients */
  char *reduces;               /* who does, for people; NULL: nothing to say */
  int share, micro; /* images of a batch that are this rank's, and of a pass */
  DefcnDataset *dataset, *validation;
  char *data; /* checksum of the first */
  DefcnBackend *be;
  DefcnCheckpoint state;
  DefcnModel *eval_model; /* inference copy of the model; made on first use */
  DefcnStep *step;
  DefcnLoader *loader;
  DefcnProgress *progress;
  DefcnMetrics *metrics;
  gboolean stopping; /* as all ranks know: a signal has come */
  int lock; /* descriptor of the folder while it is this run's; 0: not yet */
  gint64 first, last;
  gboolean finished; /* with the last update and its evaluation */
  int lost;          /* updates in a row without a finite gradient */
  /* Since the last line of metrics. */
  DefcnStepLosses sum;
  double norm;
  gint64 n, since;
  double waited, waited_for_ranks;
  gboolean cache_is_full; /* which has been said */
  gboolean machine_is_logged;
} DefcnRun;

/* The recipe of a run: preset, then key file, then options; a resumed run with
 * neither of the former has its own recipe.ini; (transfer full).  NULL with
 * @error. */
DefcnRecipe *defcn_run_recipe (const DefcnRunOptions *options, GError **error);

/* Opens all but the progress, which the loop shows, and writes recipe.ini; a
 * resumed run has the state of its checkpoint.  Of several ranks all call it, 0
 * alone reads and writes the folder and prints.  The folder is this run's until
 * close(), and must not have another's files; the classes and pictures of the
 * validation set are looked at.  FALSE with @error, and what is open then is
 * for defcn_run_close(). */
gboolean defcn_run_open (DefcnRun *run, GError **error);
/* Frees all of @run but options and recipe. */
void defcn_run_close (DefcnRun *run);

/* Whether this is the rank that writes and prints. */
gboolean defcn_run_leads (const DefcnRun *run);

/* Names of what a run leaves in its folder beside recipe.ini; NULL ends
 * them. */
extern const char *const defcn_run_files[];
/* Path of the file @name in the run's folder; (transfer full). */
char *defcn_run_file (const DefcnRun *run, const char *name);

G_END_DECLS
