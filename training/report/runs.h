/* What runs tell of themselves: what there is of them, their curves (figure 5
 * of the paper), recipes and machines.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "history.h"

G_BEGIN_DECLS

/* Each appends its part of @runs, of DefcnHistory *; colours of charts go by
 * their order. */
void defcn_runs_append_overview (GString *html, const GPtrArray *runs);
void defcn_runs_append_curves (GString *html, const GPtrArray *runs);
void defcn_runs_append_recipes (GString *html, const GPtrArray *runs);
/* And the machine of the report itself, with the @devices that measured, in
 * words, NULL-terminated. */
void defcn_runs_append_machines (GString *html, const GPtrArray *runs,
    const char *const *devices);

G_END_DECLS
