/* Records of all cameras on their way to a file or standard output.
 *
 * Every branch writes into a pipe of its own, which the main loop reads; a
 * thread writes.  A place that is slow, full or gone costs records, which are
 * counted, and holds up no camera.  Lines never mix, nor with one that was cut
 * off at the end of the file.
 *
 * Thread rule: the main thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _LiveRecords LiveRecords;

/* @line: one record, without its end, for the time of the call. */
typedef void (*LiveRecordsLine) (const char *line, gpointer user);

/* @place: a file, which is appended to, "-" for standard output, or "none".
 * NULL and @error of the domain G_FILE_ERROR if it cannot be opened. */
LiveRecords *live_records_new (const char *place, GError **error);

/* Another camera's: returns the descriptor to write to, -1 and @error if there
 * is none.  @line is called for every record until that is closed, then
 * @destroy. */
int live_records_add (LiveRecords *records, LiveRecordsLine line, gpointer user,
    GDestroyNotify destroy, GError **error);

/* The file is opened anew, since it was moved. */
void live_records_reopen (LiveRecords *records);

/* How many were until now, of all cameras. */
void live_records_count (LiveRecords *records, guint64 *written,
    guint64 *dropped);

/* Writes what is left, but for @timeout microseconds at most. */
void live_records_free (LiveRecords *records, gint64 timeout);

G_END_DECLS
