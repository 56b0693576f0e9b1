/* The options that say how annotations and their pictures are read, for every
 * command that reads both by the options of a command line.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "data/dataset.h"

G_BEGIN_DECLS

/* Adds --max-damaged, --absolute-names and those of picture_options.h to the
 * main group of @context, which writes into @options when it parses. */
void defcn_read_options_add (DefcnReadOptions *options,
    GOptionContext *context);
/* What is wrong with what was parsed, or NULL. */
const char *defcn_read_options_problem (const DefcnReadOptions *options);

G_END_DECLS
