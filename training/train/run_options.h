/* What the command line of `defcn train` says.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "detector.h"
#include "ranks/collective.h"

G_BEGIN_DECLS

/* NULL where it says nothing. */
typedef struct
{
  char *preset, *output;
  char **annotations, **images;
  char *val_annotations, *val_images, *init;
  char **set;
  char **files;
  gboolean resume, force; /* force: begin anew in a used folder; with resume:
                             go on with other data */
  gboolean absolute_names, ignore_exif;
  gboolean help_recipe;
  gint64 stop_after;
  double rank_timeout;         /* seconds */
  DefcnReduce reduce;          /* who sums gradients of several processes */
  DefcnDetectorOptions device; /* the recipe has threads and precision */
} DefcnRunOptions;

/* Fills @options, zeroed, with what is said and the defaults of the rest.
 * FALSE with @error of a usage that is wrong; --help ends the process.
 * @options is for clear() then too. */
gboolean defcn_run_options_parse (DefcnRunOptions *options, int argc,
    char **argv, GError **error);
/* Frees what parsing has written. */
void defcn_run_options_clear (DefcnRunOptions *options);

G_END_DECLS
