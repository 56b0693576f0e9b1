/* The reliability of a model's scores as a picture.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "eval/reliability.h"

G_BEGIN_DECLS

/* Draws as a PNG: over the score the precision of every bin as a bar, at the
 * mean score with its interval of 95 % (Wilson's), the diagonal on which scores
 * say their precision, and the error; below it how many detections each bin
 * has, by the logarithm.  @title: above it all. */
gboolean defcn_reliability_plot_save (const DefcnReliability *reliability,
    const char *title, const char *path, GError **error);

G_END_DECLS
