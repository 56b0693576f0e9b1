/* Plans on disk, for the next process: files of the folder that DEFCN_PLANS of
 * the environment names, which keeps none where that is empty, else of
 * defcn/plans in the user's cache; each of one convolution for one device and
 * version of cuDNN.  They are at most 4096 that take 512 MiB, of which the
 * older half goes when there are more; no other file of the folder is touched.
 * A damaged one is made anew, with a message (GLib's), and where nothing can be
 * written plans are made again the next time.
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
