/* The options that say how pictures are read, for every command that decodes
 * them by the options of a command line.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "data/picture.h"

G_BEGIN_DECLS

/* Adds --ignore-exif and --max-megapixels to the main group of @context, which
 * writes into @options when it parses. */
void defcn_picture_options_add (DefcnPictureOptions *options,
    GOptionContext *context);
/* What is wrong with what was parsed, or NULL. */
const char *defcn_picture_options_problem (const DefcnPictureOptions *options);

G_END_DECLS
