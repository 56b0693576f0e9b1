/* The presets of a recipe, named after the rows of the paper: lines of
 * key=value over the defaults of recipe.c.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Names of the presets without schedules, NULL-terminated. */
const char *const *defcn_presets_names (void);
/* The lines of the preset @name, (transfer full); of COCO with a schedule or
 * without, "coco.poto.2x", "coco.poto.2x_ss".  NULL with @error naming the
 * presets. */
char *defcn_presets_text (const char *name, GError **error);
/* Appends one line per preset: name, tables and figures; and per schedule. */
void defcn_presets_append_help (GString *text);

G_END_DECLS
