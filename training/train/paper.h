/* Where in the paper (arXiv 2012.03544) each preset stands; PAPER.md of
 * training/ has the paper's figures and the commands.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Tables and figures in words, "" of what is not there; borrowed. */
const char *defcn_paper_place (const char *preset);
/* Names of the presets that have a place, NULL-terminated. */
const char *const *defcn_paper_presets (void);

G_END_DECLS
