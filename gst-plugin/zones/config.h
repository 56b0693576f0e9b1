/* Zones and lines in a JSON file, with the words of text.h:
 *
 *   {"resolution": "1920x1080", "anchor": "feet", "hysteresis": 0.1,
 *    "min-time": 0, "loitering": 0, "classes": ["person"],
 *    "zones": [{"name": "yard", "points": [[0, 0], [1, 0], [1, 1]],
 *               "loitering": 10000}],
 *    "lines": [{"name": "door", "points": [[0.1, 0.5], [0.9, 0.5]]}]}
 *
 * What stands beside "zones" and "lines" is of all places that say nothing of
 * their own.  Other words are refused.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "layout.h"

G_BEGIN_DECLS

/* As gst_defcn_text_parse(), of JSON.  @name: of the file, for messages. */
gboolean gst_defcn_config_parse (GArray *layout, const char *text,
    const char *name, const GstDefcnLayoutOptions *defaults, GError **error);

G_END_DECLS
