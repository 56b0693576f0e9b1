/* From weights of another program to a model file: what `defcn import` does.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "model.h"
#include "naming.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean partial;          /* tensors may be missing */
  gboolean ema;              /* the averaged weights, where both are there */
  gboolean backbone;         /* of a detector only this */
  DefcnDtype dtype;          /* of convolution weights */
  const char *const *labels; /* NULL: by the number of classes */
  char **settings;           /* "field=value" over the spec, or NULL */
} DefcnImporterOptions;

/* What was done. */
typedef struct
{
  DefcnSpec *spec;
  gboolean full;        /* a whole detector; else a backbone to train from */
  const char *format;   /* of the source */
  char *place;          /* of the weights in it, or NULL */
  const char *detector; /* what it is of another program's, of which only the
                           backbone is taken; or NULL */
  DefcnNaming naming;
  guint n_tensors;
  gsize n_numbers;
  gint64 iteration;   /* of a training checkpoint, else -1 */
  GPtrArray *missing; /* names, owned */
  GPtrArray *ignored; /* likewise; names as in the source */
} DefcnImporterResult;

/* Reads @input and writes @output: a whole model with the spec in its metadata,
 * or the tensors of a backbone with "defcn.backbone", JSON of the fields of the
 * spec that belong to it.  Every tensor must be there with its shape unless
 * @options->partial: then a whole model gets initial values and a backbone's
 * file leaves them out.  NULL with @error set and nothing written. */
DefcnImporterResult *defcn_importer_run (const char *input, const char *output,
    const DefcnImporterOptions *options, GError **error);
void defcn_importer_result_free (DefcnImporterResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnImporterResult, defcn_importer_result_free)

G_END_DECLS
