/* The part of `defcn info` that is about annotation files. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether @path is named as an annotation file: .json or .odgt. */
gboolean defcn_info_is_data (const char *path);
/* Prints the numbers of images, objects and classes on standard output.  FALSE
 * with @error where defcn_annotations_open() fails. */
gboolean defcn_info_data (const char *path, gboolean json, GError **error);

G_END_DECLS
