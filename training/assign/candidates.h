/* What adaptive assignments have in common (ATSS, arXiv 1912.02424): the best
 * locations of a level, and the value that parts them.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Indices of the best @k, or of all there are, of @value in @first .. @end - 1:
 * the largest first, ties by lower index.  Returns: how many. */
int defcn_candidates_best (int *best, int k, const float *value, int first,
    int end);

/* Gives location @j to object @i, of worth @value there, unless another one is
 * worth as much or more; @won has the worths of the @winners. */
void defcn_candidates_claim (int *winners, float *won, int j, int i,
    float value);

/* Mean plus unbiased standard deviation of @n values; one has no deviation. */
double defcn_candidates_threshold (const float *value, int n);

G_END_DECLS
