/* Progress of long work on stderr: a bar with the time left on a terminal, one
 * line per interval elsewhere.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _DefcnProgress DefcnProgress;

/* @what: short name in front of every line.  @total: steps, 0 if not known. */
DefcnProgress *defcn_progress_new (const char *what, gint64 total);
/* Ends the line; accepts NULL. */
void defcn_progress_free (DefcnProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnProgress, defcn_progress_free)

/* @done of the total are finished; the rest is shown beside the bar.  The first
 * call only says where the work starts, for the estimate of the time.  Cheap:
 * draws at most ten times a second on a terminal, elsewhere one line each ten
 * seconds (and the last). */
void defcn_progress_update (DefcnProgress *progress, gint64 done,
    const char *format, ...) G_GNUC_PRINTF (3, 4);
/* A line that stays. */
void defcn_progress_message (DefcnProgress *progress, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

G_END_DECLS
