/* What a training starts from: another model's weights, and what they ask of
 * the recipe.
 *
 * Thread rule: one thread at a time per recipe and model.
 */
#pragma once

#include "recipe_keys.h"

G_BEGIN_DECLS

/* Sets the keys of @recipe that nobody has given and that the file at @path
 * decides: backbone, pixels and stride_in_1x1, for a whole detector also the
 * widths of the head, and what is deformable.  FALSE with @error where the file
 * cannot be read, or has another backbone, pixel rule or stride rule than was
 * given.
 * @set: (transfer full): the keys and their values, NULL without any. */
gboolean defcn_init_adopt (DefcnRecipe *recipe, char **set, const char *path,
    GError **error);
/* Copies every tensor that fits into the parameters of the same name.  Where
 * @weights names its classes, rows of a classifier go by name.  @report:
 * (transfer full): how many tensors were taken, which classes and what starts
 * anew.  FALSE with @error if there is none to take, or one cannot be read. */
gboolean defcn_init_load (DefcnModel *model, char **report,
    const DefcnWeights *weights, GError **error);

G_END_DECLS
