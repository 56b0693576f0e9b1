/* The metrics of a run: a file of JSON, one object a line.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>

G_BEGIN_DECLS

typedef struct _DefcnMetrics DefcnMetrics;

/* Opens @path for appending.  Of what is in it, lines stay whose "iteration" is
 * @last at most; those after it a resumed run is going to repeat.  @last: below
 * 0 for an empty file. */
DefcnMetrics *defcn_metrics_open (const char *path, gint64 last,
    GError **error);
void defcn_metrics_free (DefcnMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnMetrics, defcn_metrics_free)

/* Appends @object as one line, which is in the file on return; takes it.  FALSE
 * with @error where it is not, as on a full disk. */
gboolean defcn_metrics_write (DefcnMetrics *metrics, cJSON *object,
    GError **error);

G_END_DECLS
