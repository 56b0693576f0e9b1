/* The keys of a training recipe: the table behind recipe.h, where every key has
 * a name, a type, limits and its place in the recipe.  A new key is a row in it
 * and a value in the defaults of recipe.c.
 *
 * Thread rule: that of the recipe.
 */
#pragma once

#include "recipe.h"

G_BEGIN_DECLS

/* Sets the key @name from text.  @folder: what relative paths of data are
 * relative to, NULL: the working directory.  FALSE with @error naming the key,
 * the value and what was wanted. */
gboolean defcn_recipe_keys_set (DefcnRecipe *recipe, const char *name,
    const char *value, const char *folder, GError **error);
/* Frees the values of all keys. */
void defcn_recipe_keys_clear (DefcnRecipe *recipe);

/* Appends lines of key=value, which _set takes, without the paths of data. */
void defcn_recipe_keys_append (GString *text, const DefcnRecipe *recipe);
/* Appends one line per key: name, value, meaning. */
void defcn_recipe_keys_append_help (GString *text, const DefcnRecipe *recipe);

G_END_DECLS
