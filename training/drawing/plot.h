/* The curves of a training run as a picture.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads the metrics of `defcn train`, one JSON object a line, and draws the
 * losses (left axis, faint; their running mean, solid), ap, ap50, that of all
 * boxes and the duplicate rate (right axis) and the learning rate (without an
 * axis) over "iteration" as a PNG.  Both axes end at a round number.  A line
 * that is no JSON object is an error that names it. */
gboolean defcn_plot_metrics (const char *jsonl_path, const char *png_path,
    GError **error);

G_END_DECLS
