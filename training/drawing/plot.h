/* The curves of a training run as a picture.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads the metrics of `defcn train`, one JSON object a line, and draws the
 * losses (left axis, faint; their running mean, solid) and ap and ap50 (right
 * axis, 0..1) over "iteration" as a PNG.  A line that is no JSON object is an
 * error that names it. */
gboolean defcn_plot_metrics (const char *jsonl_path, const char *png_path,
    GError **error);

G_END_DECLS
