/* Which of several implementations of a step is fastest here: measured once,
 * kept beside the model, and read back the next time.
 *
 * The file is MODEL.tune.json, where MODEL is the model's path, or a file of
 * the user's cache where that folder cannot be written:
 *
 *   {"defcn.tune": 1, "DEVICE": {"STEP": {"choice": "NAME", "us": 12.5}}}
 *
 * A file that is damaged or something else is ignored and written anew, which
 * problem() tells: tuning never fails.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _DefcnTune DefcnTune;

/* What is kept for the model file @path. */
DefcnTune *defcn_tune_open (const char *path);
void defcn_tune_free (DefcnTune *tune);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnTune, defcn_tune_free)

/* Returns: (nullable): what went wrong with a file, borrowed. */
const char *defcn_tune_problem (const DefcnTune *tune);

/* Returns: (nullable): the name that is kept for @step on @device; borrowed
 * until the next measurement. */
const char *defcn_tune_lookup (const DefcnTune *tune, const char *device,
    const char *step);

/* Microseconds that candidate @i takes; below 0: it does not run. */
typedef double (*DefcnTuneTime) (gpointer data, guint i);

/* Times the @n candidates in turn, several rounds of which the least counts,
 * and keeps the name of the fastest.  A candidate must be 2 % faster than those
 * before it, which the library holds for better.  One alone is not timed.
 * Returns: its index; -1 with nothing kept where none runs. */
int defcn_tune_measure (DefcnTune *tune, const char *device, const char *step,
    const char *const *names, guint n, DefcnTuneTime time, gpointer data);

/* Writes what is new, beside what others have written in the meantime.  FALSE
 * where that cannot be done: it is measured again the next time. */
gboolean defcn_tune_save (DefcnTune *tune);

G_END_DECLS
