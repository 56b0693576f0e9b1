/* The models of the golden set: config.json -> spec, weights and rule of
 * training.  What is built is for the product to say: the spec is derived from
 * the tensors as those of any foreign file, the assigner is a word of the
 * recipe.  Failures of the set itself end the test program. */
#pragma once

#include "model.h"
#include "train/step.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

/* @n values of the tensor @name: (float) (lo + (hi - lo) * u), u uniform from
 * the hash of name and seed. */
void testing_synth_values (float *dst, gsize n, const char *name, guint64 seed,
    double lo, double hi);

/* The spec that tensors lead to, of which @tensors lists "name" and "shape" and
 * no numbers.  @where: for messages.  NULL with @error set. */
DefcnSpec *testing_synth_derive (const cJSON *tensors, const char *where,
    GError **error);

/* The spec of a case.  Returns: (transfer full): NULL with *@skip set to why
 * defcn does not build it. */
DefcnSpec *testing_synth_spec (const char *config_path, char **skip);
/* How the case is trained.  FALSE with *@skip set likewise. */
gboolean testing_synth_rule (DefcnStepRule *rule, const char *config_path,
    char **skip);

/* Fills every parameter of @model from the case's rule and uploads them.  The
 * names and shapes must be exactly the case's. */
void testing_synth_fill (DefcnModel *model, const char *config_path);

/* Spec and values in one: a model of the case.  NULL with *@skip set as above.
 */
DefcnModel *testing_synth_model (const char *config_path, DefcnBackend *be,
    gboolean train, char **skip);

G_END_DECLS
