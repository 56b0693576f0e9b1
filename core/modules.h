/* Where the modules are that are opened by name: nothing that loads the core
 * links what they need.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* (transfer full): path of the module @file: where the environment's
 * DEFCN_MODULES says, else beside the plugin or the tool, of which @own is the
 * folder (NULL: nobody knows), as they are built, in @built from there, or
 * installed, be it in a staging folder, else where it is to be installed. */
char *defcn_modules_find (const char *file, const char *own, const char *built);

G_END_DECLS
