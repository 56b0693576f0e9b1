/* Linear sum assignment: rectangular, shortest augmenting paths (Crouse's form
 * of Jonker-Volgenant), in double precision, with scipy's tie rule (SPEC 5.1).
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Finds for each row the column, each column used at most once, so that the
 * sum of @cost is smallest (largest with @maximize).  @cost: (rows, cols)
 * row-major, finite.  @col_of_row: rows entries; -1 where rows > cols leaves a
 * row alone.  Returns: FALSE, with nothing written, if a cost is not finite. */
gboolean defcn_hungarian_solve (int *col_of_row, const double *cost, int rows,
    int cols, gboolean maximize);

G_END_DECLS
