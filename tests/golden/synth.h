/* The models of the golden set: config.json -> spec and weights, by the rule
 * of the set's README.  Failures of the set itself end the test program. */
#pragma once

#include "model.h"

G_BEGIN_DECLS

/* @n values of the tensor @name: (float) (lo + (hi - lo) * u), u uniform from
 * the hash of name and seed. */
void testing_synth_values (float *dst, gsize n, const char *name, guint64 seed,
    double lo, double hi);

/* The spec of a case, labels "class0", "class1", ..  Returns: (transfer full):
 * NULL with *@skip set to what the case needs and defcn does not build. */
DefcnSpec *testing_synth_spec (const char *config_path, char **skip);

/* Fills every parameter of @model from the case's rule and uploads them.  The
 * names and shapes must be exactly the case's. */
void testing_synth_fill (DefcnModel *model, const char *config_path);

/* Both in one: a model of the case.  NULL with *@skip set as above. */
DefcnModel *testing_synth_model (const char *config_path, DefcnBackend *be,
    gboolean train, char **skip);

G_END_DECLS
