/* Linear sum assignment: rectangular, shortest augmenting paths (Crouse's form
 * of Jonker-Volgenant), in double precision.
 *
 * Ties are scipy's: rows go in order; the list of columns begins with the last,
 * and the last entry takes a used one's place; of equally near columns the free
 * one that is scanned last wins.  So a row of equal costs takes the lowest free
 * column.
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
