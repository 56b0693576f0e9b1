/* Progress of long work on stderr: a bar with the time left on a terminal, one
 * line per interval elsewhere.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

typedef struct _DefcnProgress DefcnProgress;

/* Where lines go and what time it is, for tests. */
typedef struct
{
  FILE *file;
  gboolean terminal;
  int columns;            /* of a terminal, 0 if not known */
  gint64 (*clock) (void); /* microseconds */
} DefcnProgressOutput;

/* @what: short name in front of every line.  @total: steps, 0 if not known. */
DefcnProgress *defcn_progress_new (const char *what, gint64 total);
/* The same on another output than stderr; @output is copied. */
DefcnProgress *defcn_progress_new_on (const DefcnProgressOutput *output,
    const char *what, gint64 total);
/* Ends the line; accepts NULL. */
void defcn_progress_free (DefcnProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnProgress, defcn_progress_free)

/* @done of the total are finished; the rest is shown beside the bar, cut to the
 * terminal's width, control characters as spaces.  The first call only says
 * where the work starts, for the estimate of the time.  Cheap: draws at most
 * ten times a second on a terminal, elsewhere one line each ten seconds (and
 * the last).  Without a total there is neither bar nor time left. */
void defcn_progress_update (DefcnProgress *progress, gint64 done,
    const char *format, ...) G_GNUC_PRINTF (3, 4);
/* A line that stays, above the bar; on stderr if @progress is NULL. */
void defcn_progress_message (DefcnProgress *progress, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

G_END_DECLS
