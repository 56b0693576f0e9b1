/* Plans on disk, for the next process: files of the user's cache, in the folder
 * defcn/plans, each of one convolution for one device and version of cuDNN.  A
 * file that is damaged or of something else counts as none, and where nothing
 * can be written plans are made again the next time.
 *
 * Thread rule: re-entrant; files are replaced as a whole.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* @device: "NVIDIA H200, cuDNN 91900".  @step: graph_shape_text().  @wanted:
 * the engine that was asked for, "" for any.
 * Returns: (transfer full): JSON, with the engine's @name; NULL: none. */
char *plan_file_read (const char *device, const char *step, const char *wanted,
    char **name);
void plan_file_write (const char *device, const char *step, const char *wanted,
    const char *name, const char *json);

G_END_DECLS
