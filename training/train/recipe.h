/* A training recipe: everything that decides a run, from a preset, a key file
 * and the command line, in that order.
 *
 * The form is GLib's key file with one group, [recipe]; the keys are listed by
 * `defcn train --help-recipe`.  Presets are named after the rows of the paper.
 *
 * Thread rule: read-only after loading.
 */
#pragma once

#include "recipe_keys.h"

G_BEGIN_DECLS

/* @preset: NULL for the default, coco.poto.3dmf.aux; of COCO with a schedule or
 * without, "coco.poto.2x", "coco.poto.2x_ss".  NULL with @error naming the
 * presets. */
DefcnRecipe *defcn_recipe_new (const char *preset, GError **error);
void defcn_recipe_free (DefcnRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnRecipe, defcn_recipe_free)

/* Reads the key file @path over the recipe; its key "preset" must have been
 * given to defcn_recipe_new() by the caller (see defcn_recipe_file_preset).
 * Relative paths in it are relative to the file. */
gboolean defcn_recipe_load (DefcnRecipe *recipe, const char *path,
    GError **error);
/* The same from @text, as defcn_recipe_to_file() writes it; @path is what
 * errors name. */
gboolean defcn_recipe_parse (DefcnRecipe *recipe, const char *text,
    const char *path, GError **error);
/* The "preset" key of @path, (transfer full); NULL where it has none, and NULL
 * with @error where the file is none. */
char *defcn_recipe_file_preset (const char *path, GError **error);
/* "key=value" from the command line. */
gboolean defcn_recipe_set (DefcnRecipe *recipe, const char *assignment,
    GError **error);
/* Checks what belongs together and fills the spec from backbone and pixels.
 * Call once, after all settings. */
gboolean defcn_recipe_finish (DefcnRecipe *recipe, GError **error);

/* Alpha of eq. 4 at 0-based iteration @i. */
float defcn_recipe_alpha (const DefcnRecipe *recipe, gint64 i);

/* The recipe as a key file, without the paths of data; (transfer full). */
char *defcn_recipe_to_text (const DefcnRecipe *recipe);
/* The same with them, absolute: a run can be repeated from it. */
char *defcn_recipe_to_file (const DefcnRecipe *recipe);
/* One line per preset: name, tables and figures; per schedule; per key: name,
 * default, meaning; (transfer full). */
char *defcn_recipe_help (void);

G_END_DECLS
