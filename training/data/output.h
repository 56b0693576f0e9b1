/* Files that are written: atomic where that is possible, never through a
 * symbolic link, never in the place of a device.
 *
 *   g_autoptr (DefcnOutput) output = defcn_output_open (path, &error);
 *   if (!output)
 *     ...
 *   fputs ("..", defcn_output_file (output));
 *   good = defcn_output_close (output, &error);
 *
 * A regular file is written beside @path under a name nobody can know and
 * renamed at close(); a symbolic link is replaced and its target stays; into a
 * device, a FIFO or a socket is written where it is.
 *
 * Thread rule: one thread at a time per output.
 */
#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

typedef struct _DefcnOutput DefcnOutput;

/* NULL with @error naming @path. */
DefcnOutput *defcn_output_open (const char *path, GError **error);
/* Lent. */
FILE *defcn_output_file (DefcnOutput *output);
/* Everything written is in the file of that name, or FALSE with @error and the
 * file is what it was. */
gboolean defcn_output_close (DefcnOutput *output, GError **error);
/* Gives up what is not closed. */
void defcn_output_free (DefcnOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnOutput, defcn_output_free)

/* The three in one: @len bytes of @text, -1: up to its 0. */
gboolean defcn_output_write (const char *path, const char *text, gssize len,
    GError **error);

/* Makes the folder @path and those above it, where they are not there.  FALSE
 * with @error naming @path. */
gboolean defcn_output_make_folder (const char *path, GError **error);

/* What would only fail after the work that @path is for: whether a file can be
 * made there, and whether it would take the place of one of @inputs, which
 * ends with NULL (NULL: none).  FALSE with @error naming @path; TRUE for NULL
 * and "-". */
gboolean defcn_output_check (const char *path, const char *const *inputs,
    GError **error);

/* Whether @folder has room for @n more files of @sizes bytes, all at once; by
 * making them, so a quota and a limit of a file's size count too, and taking
 * them away again.  TRUE where the file system cannot tell.  FALSE with @error
 * naming the folder and what is needed. */
gboolean defcn_output_check_room (const char *folder, const guint64 *sizes,
    guint n, GError **error);

G_END_DECLS
