/* How much memory the process may still take.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Bytes that can be had without swapping, as Linux sees it (MemAvailable), and
 * within the limits of the process's control groups, of either version.
 * @root: the folder that has proc and sys, "/".  0 where it does not tell. */
guint64 defcn_memory_available (const char *root);

G_END_DECLS
