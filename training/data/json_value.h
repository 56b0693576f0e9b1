/* Values of JSON as tools write them: a number may stand in quotes.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>

G_BEGIN_DECLS

/* A finite number, or a string that is one and nothing else; FALSE for all
 * else, NULL too. */
gboolean defcn_json_value_number (double *number, const cJSON *value);
/* An array of four of them. */
gboolean defcn_json_value_box (double box[4], const cJSON *value);
/* Whether @value is true, "true", or a number that is not 0. */
gboolean defcn_json_value_flag (const cJSON *value);

/* Puts null where NaN and Infinity are values, which Python writes.  Returns:
 * whether there were any. */
gboolean defcn_json_value_replace_nan (GString *json);

G_END_DECLS
